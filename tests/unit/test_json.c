#include <config.h>

#include "base/json.h"

#include <float.h>

#include "base/rng.h"
#include "tests/harness/test_support.h"

static json_t *
parse(const char *text)
{
  json_t *value;
  struct err_info info = {0};
  if (json_parse(text, strlen(text), 32, &value, &info) != ERR_OK)
    fail_msg("%s: %s", text, info.text);
  return value;
}

static void
refuse(const char *text, size_t length, size_t depth, const char *says)
{
  json_t *value;
  struct err_info info = {0};
  assert_int_equal(json_parse(text, length, depth, &value, &info), ERR_INVALID);
  assert_null(value);
  assert_has_text(info.text, says);
}

static void
test_parse(void **state)
{
  (void) state;
  json_decref(parse("\xEF\xBB\xBF {\"a\": [1, 2.5, \"x\\\"]\", null]}"));
  json_decref(parse("3"));
  refuse("", 0, 8, "line 1, column 1: empty");
  refuse(" \n\t", 3, 8, "empty");
  refuse("{\"a\": 1,\n \"a\": 2}", 17, 8, "line 2, column");
  refuse("{\"a\": 1,\n \"a\": 2}", 17, 8, "duplicate");
  refuse("{\n\"a\": nope}", 12, 8, "line 2");
  refuse("[NaN]", 5, 8, "line 1");
  refuse("[1] x", 5, 8, "line 1");
  refuse("[\"\xC3(\"]", 6, 8, "line 1, column 3: not valid UTF-8");
  refuse("{\"a\":\n [[[1]]]}", 15, 3, "line 2, column 4: nested deeper than 3 levels");
  refuse("[1e999]", 7, 8, "line 1");
  refuse("{\"a\":1", 6, 8, "line 1");
  refuse("[\0]", 3, 8, "line 1");
  json_t *value;
  assert_int_equal(json_parse("[\"[[[[\\\"[[[[\"]", 14, 1, &value, NULL), ERR_OK);
  json_decref(value);
  /* far deeper than any stack would bear */
  size_t length = 10000000;
  char *deep = malloc(length);
  memset(deep, '[', length);
  refuse(deep, length, 64, "nested deeper than 64");
  free(deep);
}

/* Whole numbers beyond 64 bits are reals; whatever looks like one in a string or in a real is left alone. */
static void
test_wide_numbers(void **state)
{
  (void) state;
  char text[800], digits[302];
  memset(digits, '0', 301);
  digits[0] = '1';
  digits[301] = '\0';
  snprintf(text, sizeof text,
           "{\"a\": [%s, -%s, 7, 12345678901234567890123.5, 1234567890123456789e2, 1e-10, "
           "9223372036854775807], \"12345678901234567890\": \"\\\"123456789012345678901\"}",
           digits, digits);
  json_t *value = parse(text), *list = json_object_get(value, "a");
  assert_near(json_real_value(json_array_get(list, 0)), 1e300, 0);
  assert_near(json_real_value(json_array_get(list, 1)), -1e300, 0);
  assert_int_equal(json_integer_value(json_array_get(list, 2)), 7);
  assert_near(json_real_value(json_array_get(list, 3)), 12345678901234567890123.5, 0);
  assert_near(json_real_value(json_array_get(list, 4)), 1234567890123456789e2, 0);
  assert_near(json_real_value(json_array_get(list, 5)), 1e-10, 0);
  assert_near(json_number_value(json_array_get(list, 6)), 9223372036854775807.0, 0);
  assert_string_equal(json_string_value(json_object_get(value, "12345678901234567890")),
                      "\"123456789012345678901");
  json_decref(value);
  json_decref(parse("18446744073709551616"));
}

/* Any bytes at all: refused or read, never a crash. */
static void
test_parse_noise(void **state)
{
  (void) state;
  static const char alphabet[] = "{}[]\":,0123456789.eE+-truefalsn\\u \n\t\xC3\xB6";
  struct rng rng;
  rng_init(&rng, 31, 0);
  size_t good = 0;
  for (int i = 0; i < 100000; i++)
  {
    char text[24];
    size_t length = rng_below(&rng, sizeof text);
    for (size_t j = 0; j < length; j++)
      text[j] = alphabet[rng_below(&rng, sizeof alphabet - 1)];
    json_t *value;
    struct err_info info = {0};
    if (json_parse(text, length, 4, &value, &info) == ERR_OK)
    {
      good++;
      json_decref(value);
    }
    else
      assert_has_text(info.text, "line ");
  }
  assert_true(good > 100);
}

static const char *const metrics[] = {"accuracy", "log_loss", NULL};
static const struct json_field budget_fields[] = {
  {.name = "seconds", .kind = JSON_KIND_NUMBER, .min = 1, .max = 86400},
  {.name = "trials", .kind = JSON_KIND_INTEGER, .min = 1, .max = INFINITY},
  JSON_FIELD_END};
static const struct json_field job_fields[] = {
  {.name = "dataset", .kind = JSON_KIND_STRING, .required = true, .hint = "upload one first"},
  {.name = "metric", .kind = JSON_KIND_STRING, .choices = metrics},
  {.name = "name", .kind = JSON_KIND_STRING, .min = 1, .max = 5, .nullable = true},
  {.name = "families", .kind = JSON_KIND_STRING_ARRAY, .choices = metrics, .max = 2},
  {.name = "budget", .kind = JSON_KIND_OBJECT, .members = budget_fields},
  {.name = "flag", .kind = JSON_KIND_BOOLEAN},
  {.name = "rows", .kind = JSON_KIND_ARRAY},
  {.name = "space", .kind = JSON_KIND_OBJECT},
  {.name = "any", .kind = JSON_KIND_ANY},
  JSON_FIELD_END};

struct checked
{
  struct arena *arena;
  struct json_faults faults;
};

static bool
check(struct checked *checked, const char *text)
{
  checked->arena = arena_new(0);
  json_faults_init(&checked->faults, checked->arena);
  json_t *object = parse(text);
  bool good = json_check(object, job_fields, "", &checked->faults);
  json_decref(object);
  assert_int_equal(good, checked->faults.count == 0);
  return good;
}

static const struct json_fault *
find(const struct checked *checked, const char *pointer)
{
  for (size_t i = 0; i < checked->faults.kept; i++)
    if (strcmp(checked->faults.items[i].pointer, pointer) == 0)
      return &checked->faults.items[i];
  fail_msg("no fault at %s", pointer);
  return NULL;
}

static void
test_check_good(void **state)
{
  (void) state;
  static const char *const good[] = {
    "{\"dataset\":\"x\"}",
    "{\"dataset\":\"x\",\"name\":null,\"budget\":{\"seconds\":1,\"trials\":60.0}}",
    "{\"dataset\":\"x\",\"name\":\"\u00f6\u00f6\u00f6\u00f6\u00f6\",\"flag\":false}",
    "{\"dataset\":\"x\",\"any\":null,\"rows\":[]}",
    "{\"dataset\":\"\",\"families\":[\"accuracy\",\"log_loss\"],\"space\":{\"x\":{\"y\":1}}}"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
  {
    struct checked checked;
    assert_true(check(&checked, good[i]));
    arena_free(checked.arena);
  }
}

static void
test_check_all_faults(void **state)
{
  (void) state;
  struct checked checked;
  assert_false(check(&checked,
                     "{\"metric\":\"acuracy\",\"name\":\"too long\",\"families\":[\"accuracy\",7,"
                     "\"x\"],\"budget\":{\"seconds\":0,\"trials\":1.5,\"secnds\":3},"
                     "\"flag\":null,\"rows\":{},\"datset\":1,\"a/b~c\":2}"));
  assert_int_equal(checked.faults.count, 13);
  assert_has_text(find(&checked, "/dataset")->message, "required member \"dataset\" is missing");
  assert_string_equal(find(&checked, "/dataset")->hint, "upload one first");
  assert_string_equal(find(&checked, "/metric")->hint, "did you mean \"accuracy\"?");
  assert_string_equal(find(&checked, "/metric")->value, "acuracy");
  assert_string_equal(find(&checked, "/name")->message, "must have between 1 and 5 characters");
  assert_string_equal(find(&checked, "/families")->message, "must have between 0 and 2 entries");
  assert_string_equal(find(&checked, "/families/1")->message, "must be a string");
  assert_has_text(find(&checked, "/families/2")->hint, "accuracy, log_loss");
  assert_string_equal(find(&checked, "/budget/seconds")->message, "must be between 1 and 86400");
  assert_string_equal(find(&checked, "/budget/trials")->message, "must be a whole number");
  assert_string_equal(find(&checked, "/budget/trials")->value, "1.5");
  assert_string_equal(find(&checked, "/budget/secnds")->hint, "did you mean \"seconds\"?");
  assert_string_equal(find(&checked, "/flag")->message, "must be true or false");
  assert_string_equal(find(&checked, "/rows")->message, "must be an array");
  assert_string_equal(find(&checked, "/datset")->hint, "did you mean \"dataset\"?");
  assert_string_equal(find(&checked, "/a~1b~0c")->message, "unknown member \"a/b~c\"");
  arena_free(checked.arena);
  assert_false(check(&checked, "{\"dataset\":1,\"budget\":{\"trials\":0}}"));
  assert_string_equal(find(&checked, "/budget/trials")->message, "must be at least 1");
  arena_free(checked.arena);
  assert_false(check(&checked, "[1,2]"));
  assert_string_equal(find(&checked, "")->message, "must be an object");
  assert_string_equal(find(&checked, "")->value, "an array of 2");
  arena_free(checked.arena);
}

static void
test_fault_list(void **state)
{
  (void) state;
  struct arena *arena = arena_new(0);
  struct json_faults faults;
  json_faults_init(&faults, arena);
  char name[16];
  for (int i = 0; i < 250; i++)
  {
    snprintf(name, sizeof name, "/x/%d", i);
    json_fault_add(&faults, name, NULL, "fault number %d", i);
  }
  assert_int_equal(faults.count, 250);
  assert_int_equal(faults.kept, JSON_FAULTS_MAX);
  json_faults_init(&faults, arena);
  json_fault_add_full(
    &faults, &(struct json_fault){.row = 3, .column = "a\xff", .message = "bad", .value = "9"});
  json_t *list = json_faults_to_json(&faults);
  json_t *expected = parse("[{\"row\":3,\"column\":\"a?\",\"value\":\"9\",\"message\":\"bad\"}]");
  assert_true(json_equal(list, expected));
  json_decref(list);
  json_decref(expected);
  assert_string_equal(json_pointer_index(arena, json_pointer(arena, "", "a/~"), 7), "/a~1~0/7");
  arena_free(arena);
}

static void
test_getters(void **state)
{
  (void) state;
  json_t *object = parse("{\"s\":\"x\",\"n\":2.5,\"i\":60.0,\"b\":true,\"z\":null}");
  assert_string_equal(json_get_string(object, "s", "y"), "x");
  assert_string_equal(json_get_string(object, "z", "y"), "y");
  assert_null(json_get_string(object, "none", NULL));
  assert_near(json_get_number(object, "n", 1), 2.5, 0);
  assert_near(json_get_number(object, "s", 1), 1, 0);
  assert_int_equal(json_get_integer(object, "i", 1), 60);
  assert_int_equal(json_get_integer(object, "z", 1), 1);
  assert_true(json_get_bool(object, "b", false));
  assert_true(json_get_bool(object, "z", true));
  json_decref(object);
  json_t *value = json_real_or_null(NAN);
  assert_true(json_is_null(value));
  json_decref(value);
}

static void
test_write(void **state)
{
  (void) state;
  static const char text[] =
    "{\"b\":[1,-2,0.1,1e300,2.0,true,false,null,\"\\u0001\\\"\\\\\\n\xC3\xB6\"],\"a\":{},\"c\":[]}";
  json_t *value = parse(text);
  struct buf out = {0};
  json_write(value, &out);
  assert_has_text(out.data,
                  "{\"b\":[1,-2,0.1,1e+300,2.0,true,false,null,\"\\u0001\\\"\\\\\\n\xC3\xB6\"]");
  json_t *back = parse(out.data);
  assert_true(json_equal(value, back));
  json_decref(value);
  json_decref(back);
  buf_free(&out);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_parse),
    cmocka_unit_test(test_wide_numbers),
    cmocka_unit_test(test_parse_noise),
    cmocka_unit_test(test_check_good),
    cmocka_unit_test(test_check_all_faults),
    cmocka_unit_test(test_fault_list),
    cmocka_unit_test(test_getters),
    cmocka_unit_test(test_write),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
