/* Column types corrected: what changes, what stays, what is refused. */
#include <config.h>

#include "tests/harness/data_fixture.h"

static const char file[] = "n,zip,flag,when,city,word,age\n"
                           "1,007,yes,03/04/2020,Paris,a1,10\n"
                           "2,008,no,05/06/2020,Rome,a2,20\n"
                           "2,007,,,Paris,a3,\n"
                           "1.5,100,yes,01/02/2021,Rome,x,30\n";

/* The edited dataset of `before`. */
static enum err
edit(const struct fixture *before, struct fixture *after, const char *json)
{
  struct ingest_work work = fixture_start(after, before->file);
  json_t *wanted = json_loads(json, 0, NULL);
  assert_non_null(wanted);
  work.edit = wanted;
  enum err err = ingest_edit(&work, &after->info);
  json_decref(wanted);
  return fixture_finish(after, &work, err);
}

static void
check_texts(const struct fixture *fixture, const char *name, const char *const *wanted)
{
  const struct column *column = fixture_column(fixture, name);
  for (size_t row = 0; row < 4; row++)
  {
    const char *text = table_value_text(column, row, fixture->arena);
    if (wanted[row] == NULL)
      assert_null(text);
    else
      assert_string_equal(text, wanted[row]);
  }
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__})

static void
test_each_way(void **state)
{
  (void) state;
  struct fixture before, after;
  assert_int_equal(fixture_csv(&before, file), ERR_OK);
  assert_int_equal(edit(&before, &after,
                        "{\"columns\":[{\"name\":\"n\",\"type\":\"categorical\"},"
                        "{\"name\":\"zip\",\"type\":\"numeric\"},"
                        "{\"name\":\"flag\",\"type\":\"text\"},"
                        "{\"name\":\"city\",\"type\":\"boolean\"},"
                        "{\"name\":\"word\",\"type\":\"identifier\"}]}"),
                   ERR_OK);
  assert_int_equal(fixture_column(&after, "n")->type, COLUMN_CATEGORICAL);
  check_texts(&after, "n", TEXTS("1", "2", "2", "1.5"));
  assert_int_equal(fixture_column(&after, "n")->category_count, 3);
  check_texts(&after, "zip", TEXTS("7", "8", "7", "100"));
  check_texts(&after, "flag", TEXTS("yes", "no", NULL, "yes"));
  assert_int_equal(fixture_column(&after, "city")->type, COLUMN_BOOLEAN);
  check_texts(&after, "city", TEXTS("Paris", "Rome", "Paris", "Rome"));
  assert_string_equal(fixture_column(&after, "city")->categories[0], "Paris");
  assert_int_equal(fixture_column(&after, "word")->type, COLUMN_IDENTIFIER);
  check_texts(&after, "age", TEXTS("10", "20", NULL, "30"));
  assert_has_text(json_string_value(json_object_get(fixture_described(&after, "n"), "note")),
                  "by hand");
  assert_int_equal(json_integer_value(json_object_get(fixture_described(&after, "n"), "distinct")),
                   3);
  fixture_free(&after);
  fixture_free(&before);
}

static void
test_zeros_survive(void **state)
{
  (void) state;
  struct fixture before, middle, after;
  assert_int_equal(fixture_csv(&before, file), ERR_OK);
  assert_int_equal(edit(&before, &middle, "{\"columns\":{\"zip\":\"identifier\"}}"), ERR_OK);
  check_texts(&middle, "zip", TEXTS("007", "008", "007", "100"));
  assert_int_equal(edit(&middle, &after, "{\"columns\":{\"zip\":{\"type\":\"categorical\"}}}"),
                   ERR_OK);
  check_texts(&after, "zip", TEXTS("007", "008", "007", "100"));
  fixture_free(&after);
  fixture_free(&middle);
  fixture_free(&before);
}

static void
test_dates(void **state)
{
  (void) state;
  struct fixture before, after, back;
  assert_int_equal(fixture_csv(&before, file), ERR_OK);
  check_texts(&before, "when", TEXTS("2020-03-04", "2020-05-06", NULL, "2021-01-02"));
  assert_int_equal(edit(&before, &after, "{\"columns\":[{\"name\":\"when\",\"format\":\"dmy\"}]}"),
                   ERR_OK);
  check_texts(&after, "when", TEXTS("2020-04-03", "2020-06-05", NULL, "2021-02-01"));
  assert_string_equal(
    json_string_value(json_object_get(fixture_described(&after, "when"), "format")), "dmy");
  assert_int_equal(edit(&after, &back,
                        "{\"columns\":[{\"name\":\"when\",\"type\":\"datetime\","
                        "\"format\":\"mdy\"}]}"),
                   ERR_OK);
  check_texts(&back, "when", TEXTS("2020-03-04", "2020-05-06", NULL, "2021-01-02"));
  fixture_free(&back);
  fixture_free(&after);
  fixture_free(&before);

  /* Words that are dates in one order only. */
  assert_int_equal(fixture_csv(&before, "d,x\n01/02/2020,1\n13/02/2020,2\n2020-13-45,3\n,4\n"),
                   ERR_OK);
  assert_int_equal(fixture_column(&before, "d")->type, COLUMN_CATEGORICAL);
  assert_int_equal(edit(&before, &after, "{\"columns\":{\"d\":\"datetime\"}}"), ERR_INVALID);
  assert_int_equal(after.faults.count, 1);
  assert_int_equal(after.faults.items[0].row, 3);
  assert_string_equal(after.faults.items[0].value, "2020-13-45");
  fixture_free(&after);
  fixture_free(&before);
}

static void
test_refusals(void **state)
{
  (void) state;
  static const struct
  {
    const char *edit, *says;
    size_t faults;
  } cases[] = {
    {"{\"columns\":{\"city\":\"numeric\"}}", "is not a number", 4},
    {"{\"columns\":{\"word\":\"boolean\"}}", "more than two different values", 1},
    {"{\"columns\":{\"nothing\":\"numeric\"}}", "no column \"nothing\"", 1},
    {"{\"columns\":{\"n\":\"number\"}}", "no type \"number\"", 1},
    {"{\"columns\":{\"n\":\"numeric\"}}", "has the type asked for already", 1},
    {"{\"columns\":{\"n\":\"datetime\"}}", "numbers can't be made dates", 1},
    {"{\"columns\":[{\"name\":\"when\",\"format\":\"ymd\"}]}", "no format \"ymd\"", 1},
    {"{\"columns\":[{\"name\":\"n\",\"type\":\"text\",\"colour\":1}]}", "no member \"colour\"", 1},
    {"{\"columns\":[{\"type\":\"text\"},{\"name\":\"n\"}]}", "2 faults", 2},
    {"{\"columns\":{\"n\":\"x\",\"zip\":\"y\"}}", "2 faults", 2},
    {"{\"columns\":7}", "must say which columns", 1},
    {"{}", "must say which columns", 1},
  };
  struct fixture before;
  assert_int_equal(fixture_csv(&before, file), ERR_OK);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct fixture after;
    assert_int_equal(edit(&before, &after, cases[i].edit), ERR_INVALID);
    assert_has_text(after.info.text, cases[i].says);
    assert_int_equal(after.faults.count, cases[i].faults);
    fixture_free(&after);
  }
  fixture_free(&before);
}

static void
test_decimal_commas(void **state)
{
  (void) state;
  struct fixture before, after;
  assert_int_equal(fixture_csv(&before, "a;b\n1,5;x\n2,5;y\n2.5;x\n3;y\n"), ERR_OK);
  assert_int_equal(fixture_column(&before, "a")->type, COLUMN_CATEGORICAL);
  assert_int_equal(edit(&before, &after,
                        "{\"columns\":[{\"name\":\"a\",\"type\":\"numeric\","
                        "\"format\":\"decimal_comma\"}]}"),
                   ERR_INVALID);
  assert_int_equal(after.faults.items[0].row, 3);
  fixture_free(&after);
  fixture_free(&before);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_each_way),       cmocka_unit_test(test_zeros_survive),
    cmocka_unit_test(test_dates),          cmocka_unit_test(test_refusals),
    cmocka_unit_test(test_decimal_commas),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
