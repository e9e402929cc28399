/* Lists lifted out of JSON against the tree of the whole: what is left parses exactly when the whole does, and
 * every mark stands for the numbers that are there, bit for bit. */
#include <config.h>

#include <math.h>

#include "base/json.h"
#include "base/json_lift.h"
#include "tests/fuzz/fuzz.h"

#define DEPTH 20

/* The numbers of a list, from `next` on. */
static void
compare_list(const struct json_lifted *list, const json_t *value, size_t *next)
{
  size_t index;
  json_t *item;

  json_array_foreach(value, index, item)
  {
    if (json_is_array(item))
    {
      compare_list(list, item, next);
      continue;
    }
    double expected = json_is_null(item) ? (double) NAN : json_number_value(item);
    if (*next == list->count || (!json_is_null(item) && !json_is_number(item))
        || isnan(list->numbers[*next]) != isnan(expected)
        || (!isnan(expected) && memcmp(&list->numbers[*next], &expected, sizeof expected) != 0))
      abort();
    ++*next;
  }
}

static void
check_rows(const struct json_lifted *list, const json_t *value)
{
  size_t length = json_array_size(json_array_get(value, 0)), index;
  bool even = length > 0;
  json_t *item, *inner;

  json_array_foreach(value, index, item)
  {
    size_t at;
    even = even && json_array_size(item) == length;
    json_array_foreach(item, at, inner) even = even && !json_is_array(inner);
  }
  if (list->row_length != (even ? length : 0))
    abort();
}

static void
compare(const struct json_lift *lift, const json_t *rest, const json_t *whole)
{
  const struct json_lifted *list = json_lift_find(lift, rest);
  const char *name;
  size_t index, next = 0;
  json_t *item;

  if (list)
  {
    compare_list(list, whole, &next);
    if (next != list->count || !json_is_array(whole))
      abort();
    check_rows(list, whole);
    return;
  }
  /* a whole number that is too wide makes reals of all, and may have been lifted out of the rest */
  if (json_is_number(rest) && json_is_number(whole)
      && json_number_value(rest) == json_number_value(whole))
    return;
  if (json_typeof(rest) != json_typeof(whole) || json_object_size(rest) != json_object_size(whole)
      || json_array_size(rest) != json_array_size(whole))
    abort();
  json_object_foreach((json_t *) (uintptr_t) rest, name, item)
    compare(lift, item, json_object_get(whole, name));
  json_array_foreach(rest, index, item) compare(lift, item, json_array_get(whole, index));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char *const names[] = {"data", "x", NULL};
  struct arena *arena = arena_new(0);
  struct json_lift lift;
  char *text = fuzz_text(data, size);

  if (arena && json_lift(text, size, names, DEPTH, arena, &lift))
  {
    json_t *rest = NULL, *whole = NULL;
    bool left = json_parse(lift.rest, lift.rest_length, DEPTH, &rest, NULL) == ERR_OK;
    /* the whole may have a number that only a list of its own is too deep or too large for */
    if (left != (json_parse(text, size, DEPTH, &whole, NULL) == ERR_OK))
      abort();
    if (left)
      compare(&lift, rest, whole);
    json_decref(rest);
    json_decref(whole);
  }
  arena_free(arena);
  free(text);
  return 0;
}
