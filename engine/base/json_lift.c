#include <config.h>

#include "base/json_lift.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json_number.h"

#define NESTING_MAX 8u
/* A mark is {"\u0001":N}: texts that hold that escape are not lifted, and no string holds the character itself. */
#define MARK_ESCAPE "\\u0001"
#define MARK_NAME "\x01"
#define MARK_BYTES 32
/* Of the rest, per byte of text: a mark for the shortest member, "a":[1], is three times as long. */
#define REST_GROWTH 3

struct lifting
{
  const char *at, *end;
  double *numbers;
  size_t count;
  /* of the list being read */
  size_t lists, row_length;
  bool uneven;
};

static void
skip_blanks(struct lifting *lifting)
{
  const char *at = lifting->at;
  while (at < lifting->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
    at++;
  lifting->at = at;
}

static bool
take(struct lifting *lifting, char wanted)
{
  skip_blanks(lifting);
  if (lifting->at == lifting->end || *lifting->at != wanted)
    return false;
  lifting->at++;
  return true;
}

static bool
take_scalar(struct lifting *lifting)
{
  double *to = &lifting->numbers[lifting->count];

  if (!json_scan_number(&lifting->at, lifting->end, to))
  {
    if (lifting->end - lifting->at < 4 || memcmp(lifting->at, "null", 4) != 0)
      return false;
    lifting->at += 4;
    *to = (double) NAN;
  }
  lifting->count++;
  return true;
}

/* Behind a list's bracket, at a depth counted from 1. */
static bool
take_list(struct lifting *lifting, unsigned depth)
{
  size_t scalars = 0, lists = 0;

  if (take(lifting, ']'))
    return false; /* what is empty is not worth it */
  do
  {
    skip_blanks(lifting);
    if (take(lifting, '['))
    {
      if (depth == NESTING_MAX || !take_list(lifting, depth + 1))
        return false;
      lists++;
    }
    else if (take_scalar(lifting))
      scalars++;
    else
      return false;
  } while (take(lifting, ','));
  if (depth == 2)
  {
    lifting->uneven =
      lifting->uneven || lists > 0 || (lifting->lists > 0 && lifting->row_length != scalars);
    lifting->row_length = scalars;
    lifting->lists++;
  }
  if (depth == 1 && (scalars > 0 || lifting->uneven))
    lifting->row_length = 0;
  return take(lifting, ']');
}

/* Where a string ends, from behind its first quote; NULL when it does not. */
static const char *
string_end(const char *at, const char *end)
{
  for (; at < end; at++)
    if (*at == '"')
      return at;
    else if (*at == '\\')
      at++;
  return NULL;
}

static bool
is_name(const char *const *names, const char *name, size_t length)
{
  for (; *names; names++)
    if (strlen(*names) == length && memcmp(*names, name, length) == 0)
      return true;
  return false;
}

static bool
add_list(struct json_lift *lift, const struct json_lifted *list, struct arena *arena)
{
  if ((lift->count & (lift->count - 1)) == 0) /* full: it holds 0, 1, 2, 4, … */
  {
    struct json_lifted *grown =
      arena_array(arena, lift->count ? 2 * lift->count : 1, sizeof *grown);
    if (!grown)
      return false;
    if (lift->count > 0)
      memcpy(grown, lift->lists, lift->count * sizeof *grown);
    lift->lists = grown;
  }
  lift->lists[lift->count++] = *list;
  return true;
}

/* The text up to a list that was lifted, and its mark. */
static void
put_mark(const char *from, const char *to, size_t index, char **out)
{
  memcpy(*out, from, (size_t) (to - from));
  *out += to - from;
  *out += snprintf(*out, MARK_BYTES, "{\"" MARK_ESCAPE "\":%zu}", index);
}

bool
json_lift(const char *text, size_t length, const char *const *names, size_t max_depth,
          struct arena *arena, struct json_lift *lift)
{
  const char *end = text + length, *copied = text, *at = text;
  size_t depth = 0;

  memset(lift, 0, sizeof *lift);
  if (length == 0 || length > JSON_LIFT_BYTES_MAX
      || memmem(text, length, MARK_ESCAPE, strlen(MARK_ESCAPE)))
    return false;
  char *rest = arena_alloc(arena, REST_GROWTH * length + MARK_BYTES), *out = rest;
  /* a number takes two bytes of text with what parts it from the next */
  struct lifting lifting = {.end = end,
                            .numbers = arena_alloc(arena, (length / 2 + 1) * sizeof(double))};
  if (!rest || !lifting.numbers)
    return false;
  while (at < end)
  {
    char c = *at++;
    depth += c == '{' || c == '[';
    depth -= (c == '}' || c == ']') && depth > 0;
    if (c != '"')
      continue;
    const char *name = at, *close = string_end(at, end);
    if (!close)
      return false;
    at = lifting.at = close + 1;
    lifting.lists = lifting.row_length = 0;
    lifting.uneven = false;
    size_t before = lifting.count;
    if (!is_name(names, name, (size_t) (close - name)) || !take(&lifting, ':'))
      continue;
    skip_blanks(&lifting);
    const char *start = lifting.at;
    if (!take(&lifting, '[') || !take_list(&lifting, 1))
    {
      lifting.count = before;
      continue;
    }
    struct json_lifted list = {.numbers = lifting.numbers + before,
                               .count = lifting.count - before,
                               .row_length = lifting.row_length};
    if (depth + NESTING_MAX > max_depth || !add_list(lift, &list, arena))
      return false;
    put_mark(copied, start, lift->count - 1, &out);
    at = copied = lifting.at;
  }
  memcpy(out, copied, (size_t) (end - copied));
  lift->rest = rest;
  lift->rest_length = (size_t) (out - rest) + (size_t) (end - copied);
  return lift->count > 0;
}

const struct json_lifted *
json_lift_find(const struct json_lift *lift, const json_t *value)
{
  const json_t *index = json_object_size(value) == 1 ? json_object_get(value, MARK_NAME) : NULL;

  return json_is_integer(index) && (size_t) json_integer_value(index) < lift->count
           ? &lift->lists[json_integer_value(index)]
           : NULL;
}
