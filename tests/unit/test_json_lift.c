/* Which lists are lifted out of a text, what they hold, and what is left of it. */
#include <config.h>

#include "base/json.h"
#include "base/json_lift.h"
#include "tests/harness/test_support.h"

static const char *const names[] = {"data", "x", NULL};

static bool
lift_text(struct arena *arena, const char *text, struct json_lift *lift)
{
  size_t length = strlen(text);
  char *copy = malloc(length); /* exactly so long, for the address sanitizer */
  assert_non_null(copy);
  memcpy(copy, text, length);
  bool lifted = json_lift(copy, length, names, 16, arena, lift);
  free(copy);
  return lifted;
}

static void
test_lists(void **state)
{
  struct arena *arena = arena_new(0);
  struct json_lift lift;
  json_t *rest;

  (void) state;
  assert_true(lift_text(arena,
                        " {\"a\":[1],\"x\" : [ [1, 2.5e-3] ,[null,-4]],\"say \\\"data\\\":[1]\":"
                        "{\"data\":[7,8,9]}, \"data\":[[[1],[2]],[[3],[4]]]}",
                        &lift));
  assert_int_equal(lift.count, 3);
  assert_int_equal(json_parse(lift.rest, lift.rest_length, 16, &rest, NULL), ERR_OK);
  const struct json_lifted *rows = json_lift_find(&lift, json_object_get(rest, "x"));
  assert_non_null(rows);
  assert_true(rows->count == 4 && rows->row_length == 2);
  assert_true(rows->numbers[0] == 1.0 && rows->numbers[1] == 2.5e-3 && isnan(rows->numbers[2])
              && rows->numbers[3] == -4.0);
  const struct json_lifted *flat =
    json_lift_find(&lift, json_object_get(json_object_get(rest, "say \"data\":[1]"), "data"));
  assert_non_null(flat);
  assert_true(flat->count == 3 && flat->row_length == 0 && flat->numbers[2] == 9.0);
  const struct json_lifted *deep = json_lift_find(&lift, json_object_get(rest, "data"));
  assert_non_null(deep);
  assert_true(deep->count == 4 && deep->row_length == 0 && deep->numbers[3] == 4.0);
  assert_null(json_lift_find(&lift, json_object_get(rest, "a")));
  assert_int_equal(json_array_size(json_object_get(rest, "a")), 1);
  json_decref(rest);
  arena_free(arena);
}

/* What is left as it is. */
static void
test_left(void **state)
{
  static const char *const texts[] = {
    "",
    "{}",
    "[1,2]",
    "{\"y\":[1]}",
    "{\"x\":[]}",
    "{\"x\":[[],[1]]}",
    "{\"x\":[1,\"2\"]}",
    "{\"x\":[1,true]}",
    "{\"x\":[1,{}]}",
    "{\"x\":[1",
    "{\"x\":[1,]}",
    "{\"x\":[1 2]}",
    "{\"x\":[nul]}",
    "{\"x\":[01]}",
    "{\"x\":[1e999]}",
    "{\"x\":[-0]}",
    "{\"x\":1}",
    "{\"x",
    "[\"x\", [1]]",
    "{\"x\":[1],\"y\":\"\\u0001\"}", /* could be taken for a mark */
    "{\"x\":[[[[[[[[[1]]]]]]]]]}",
    "[[[[[[[[[{\"x\":[1]}]]]]]]]]]", /* as deep as a body may be, or deeper */
  };
  struct arena *arena = arena_new(0);
  struct json_lift lift;

  (void) state;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    if (lift_text(arena, texts[i], &lift))
      fail_msg("%s was lifted", texts[i]);
  arena_free(arena);
}

static void
test_many(void **state)
{
  struct arena *arena = arena_new(0);
  struct json_lift lift;
  struct buf text = {0};
  json_t *rest, *item;
  size_t index;

  (void) state;
  buf_append_text(&text, "[");
  for (int i = 0; i < 1000; i++)
    buf_printf(&text, "%s{\"x\":[%d]}", i ? "," : "", i);
  buf_append_text(&text, "]");
  assert_true(json_lift(text.data, text.length, names, 16, arena, &lift));
  assert_int_equal(lift.count, 1000);
  assert_int_equal(json_parse(lift.rest, lift.rest_length, 16, &rest, NULL), ERR_OK);
  json_array_foreach(rest, index, item)
  {
    const struct json_lifted *list = json_lift_find(&lift, json_object_get(item, "x"));
    assert_true(list && list->count == 1 && list->numbers[0] == (double) index);
  }
  json_decref(rest);
  buf_free(&text);
  arena_free(arena);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists), cmocka_unit_test(test_left),
                                     cmocka_unit_test(test_many)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
