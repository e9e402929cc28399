/* Counts of a table of training data, and what is asked counted over the same bins. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/drift_reference.h"

static const char *const text =
  "{\"version\":1,\"rows\":20,\"columns\":["
  "{\"name\":\"size\",\"type\":\"numeric\",\"edges\":[1.5,3.0],\"counts\":[5,10,4,1,0]},"
  "{\"name\":\"colour\",\"type\":\"categorical\",\"codes\":[2,0],\"values\":[\"red\",\"blue\"],"
  "\"counts\":[10,6,3,1,0]}],\"target\":{\"counts\":[12,8]}}";

static enum err
read_text(const char *json, struct drift_reference **reference, struct err_info *info)
{
  json_t *value = json_loads(json, 0, NULL);
  assert_non_null(value);
  enum err rc = drift_reference_read(value, reference, info);
  json_decref(value);
  return rc;
}

static void
test_counts(void **state)
{
  (void) state;
  struct drift_reference *reference;
  struct err_info info = {.code = ERR_OK};
  double counts[32] = {0};
  assert_int_equal(read_text(text, &reference, &info), ERR_OK);
  assert_int_equal(reference->column_count, 2);
  assert_int_equal(reference->size, 2 + 5 + 5 + 2);
  assert_int_equal(reference->columns[0].place, 2);
  assert_int_equal(reference->columns[1].place, 7);
  assert_int_equal(reference->target.place, 12);
  /* 1.5 belongs to the bin it begins */
  static const double sizes[] = {-1e30, 1.4, 1.5, 2.9, 3, 1e30, NAN};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    drift_reference_count(reference, 0, sizes[i], counts);
  static const double colours[] = {2, 0, 0, 1, 7, DRIFT_MISSING, DRIFT_UNKNOWN};
  for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++)
    drift_reference_count(reference, 1, colours[i], counts);
  drift_reference_count(reference, 2, 1, counts); /* there is no such column */
  drift_reference_count_answer(reference, true, 1, counts);
  drift_reference_count_answer(reference, true, 2, counts); /* nor such a class */
  drift_reference_count_answer(reference, true, -1, counts);
  drift_reference_count_answer(reference, false, 1, counts); /* nor are these numbers */
  static const double want[14] = {0, 1, 2, 2, 2, 1, 0, 1, 2, 2, 1, 1, 0, 1};
  for (size_t i = 0; i < 14; i++)
    assert_float_equal(counts[i], want[i], 0);
  drift_reference_free(reference);
  drift_reference_free(NULL);
}

static void
test_damaged(void **state)
{
  (void) state;
  static const char *const bad[] = {
    "{}",
    "[]",
    "{\"version\":2,\"rows\":1,\"columns\":[],\"target\":{\"counts\":[1]}}",
    "{\"version\":1,\"rows\":1,\"columns\":{},\"target\":{\"counts\":[1]}}",
    "{\"version\":1,\"rows\":1,\"columns\":[],\"target\":{}}",
    "{\"version\":1,\"rows\":1,\"columns\":[1],\"target\":{\"counts\":[1]}}",
    "{\"version\":1,\"rows\":1,\"columns\":[{\"name\":\"a\",\"type\":\"numeric\",\"edges\":[1],"
    "\"counts\":[1]}],\"target\":{\"counts\":[1]}}",
    "{\"version\":1,\"rows\":1,\"columns\":[{\"name\":\"a\",\"type\":\"numeric\",\"edges\":[2,1],"
    "\"counts\":[1,1,1,0,0]}],\"target\":{\"counts\":[1]}}",
    "{\"version\":1,\"rows\":1,\"columns\":[{\"name\":\"a\",\"type\":\"numeric\",\"edges\":[\"1\"],"
    "\"counts\":[1,1,0,0]}],\"target\":{\"counts\":[1]}}",
    "{\"version\":1,\"rows\":1,\"columns\":[{\"name\":\"a\",\"type\":\"odd\",\"edges\":[1],"
    "\"counts\":[1,1,0,0]}],\"target\":{\"counts\":[1]}}",
    "{\"version\":1,\"rows\":1,\"columns\":[],\"target\":{\"edges\":[1,2],\"counts\":[1]}}",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
  {
    struct drift_reference *reference;
    struct err_info info = {.code = ERR_OK};
    assert_int_equal(read_text(bad[i], &reference, &info), ERR_INVALID);
    assert_null(reference);
  }
}

/* Without data there are classes and no counts. */
static void
test_empty(void **state)
{
  (void) state;
  struct drift_reference *reference;
  struct err_info info = {.code = ERR_OK};
  json_t *schema = json_pack("{s:[s, s]}", "classes", "no", "yes");
  json_t *json = drift_reference_empty(schema);
  assert_int_equal(drift_reference_read(json, &reference, &info), ERR_OK);
  assert_int_equal(reference->column_count, 0);
  assert_int_equal(reference->target.bins, 2);
  assert_int_equal(reference->rows, 0);
  double counts[4] = {0};
  assert_int_equal(reference->size, 4);
  drift_reference_count_answer(reference, true, 1, counts);
  assert_float_equal(counts[3], 1, 0);
  drift_reference_free(reference);
  json_decref(json);
  json_decref(schema);
  /* of numbers not even bins */
  schema = json_object();
  json = drift_reference_empty(schema);
  assert_int_equal(drift_reference_read(json, &reference, &info), ERR_OK);
  assert_int_equal(reference->size, 2);
  drift_reference_count_answer(reference, false, 3, counts);
  drift_reference_free(reference);
  json_decref(json);
  json_decref(schema);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_damaged),
                                     cmocka_unit_test(test_empty)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
