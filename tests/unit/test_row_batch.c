/* Rows of requests against a model's schema. */
#include <config.h>

#include "tests/harness/data_fixture.h"

#include "data/row_batch.h"

static const char file[] = "age,city,smoker,joined,code,y\n"
                           "30,Paris,yes,2020-01-05,3,1\n"
                           "40,Rome,no,2020-02-05,3.0x,2\n"
                           ",Paris,no,,3,3\n"
                           "50,Rome,yes,2021-01-05,4,4\n";

struct rig
{
  struct fixture fixture;
  struct row_schema *schema;
  struct row_batch *batch;
  struct err_info info;
};

static void
set_up(struct rig *rig)
{
  memset(rig, 0, sizeof *rig);
  assert_int_equal(fixture_csv(&rig->fixture, file), ERR_OK);
  assert_int_equal(row_schema_from_dataset(rig->fixture.dataset, "y", &rig->schema, &rig->info),
                   ERR_OK);
}

static void
tear_down(struct rig *rig)
{
  row_batch_free(rig->batch);
  row_schema_free(rig->schema);
  fixture_free(&rig->fixture);
}

static enum err
from_json(struct rig *rig, const char *text, bool strict)
{
  json_t *rows = json_loads(text, 0, NULL);
  assert_non_null(rows);
  row_batch_free(rig->batch);
  enum err err = row_batch_from_json(rig->schema, rows, strict, 100, &rig->batch, &rig->info);
  json_decref(rows);
  return err;
}

static enum err
from_csv(struct rig *rig, const char *text, bool strict)
{
  row_batch_free(rig->batch);
  return row_batch_from_csv(rig->schema, text, strlen(text), strict, 100, &rig->batch, &rig->info);
}

static double
number_of(const struct rig *rig, const char *name, size_t row)
{
  const struct table *table = row_batch_table(rig->batch);
  return table->columns[table_find(table, name)].number[row];
}

static const char *
word_of(const struct rig *rig, const char *name, size_t row)
{
  const struct table *table = row_batch_table(rig->batch);
  const struct column *column = &table->columns[table_find(table, name)];
  return column->code[row] < 0 ? NULL : column->categories[column->code[row]];
}

static size_t
faults(const struct rig *rig, size_t row)
{
  return json_array_size(row_batch_faults(rig->batch, row));
}

static size_t
warnings(const struct rig *rig, size_t row)
{
  return json_array_size(row_batch_warnings(rig->batch, row));
}

static void
test_schema_json(void **state)
{
  (void) state;
  struct rig rig;
  set_up(&rig);
  assert_int_equal(row_schema_count(rig.schema), 5);
  json_t *json = row_schema_to_json(rig.schema), *again;
  struct row_schema *copy;
  assert_int_equal(row_schema_from_json(json, &copy, &rig.info), ERR_OK);
  again = row_schema_to_json(copy);
  assert_true(json_equal(json, again));
  const json_t *age = json_array_get(json, 0);
  assert_near(json_number_value(json_object_get(age, "min")), 30, 0);
  assert_near(json_number_value(json_object_get(age, "max")), 50, 0);
  assert_int_equal(json_array_size(json_object_get(json_array_get(json, 1), "categories")), 2);
  json_decref(json);
  json_decref(again);
  row_schema_free(copy);
  static const char *const bad[] = {
    "[]",
    "{}",
    "[{\"name\":\"a\"}]",
    "[{\"name\":\"a\",\"type\":\"identifier\"}]",
    "[{\"name\":\"a\",\"type\":\"categorical\"}]",
    "[{\"name\":\"a\",\"type\":\"boolean\",\"categories\":[\"x\"]}]",
    "[{\"name\":\"a\",\"type\":\"categorical\",\"categories\":[\"x\",\"x\"]}]",
    "[{\"name\":\"a\",\"type\":\"numeric\"},{\"name\":\"a\",\"type\":\"numeric\"}]",
    "[{\"name\":\"a\",\"type\":\"categorical\",\"categories\":[1]}]"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
  {
    json = json_loads(bad[i], 0, NULL);
    assert_int_equal(row_schema_from_json(json, &copy, &rig.info), ERR_INVALID);
    json_decref(json);
  }
  tear_down(&rig);
}

/* The text of a row as it is found in the batch. */
static void
check_text(const struct rig *rig, size_t row, const char *text, size_t length)
{
  const struct table *table = row_batch_table(rig->batch);
  const struct column *column = &table->columns[table_find(table, "note")];
  assert_int_equal(column->offset[row + 1] - column->offset[row], length);
  assert_memory_equal(column->text + column->offset[row], text, length);
}

static void
test_text_columns(void **state)
{
  (void) state;
  struct rig rig = {0};
  json_t *schema = json_loads("[{\"name\":\"n\",\"type\":\"numeric\"},"
                              "{\"name\":\"note\",\"type\":\"text\"},"
                              "{\"name\":\"other\",\"type\":\"text\"}]",
                              0, NULL);
  assert_int_equal(row_schema_from_json(schema, &rig.schema, &rig.info), ERR_OK);
  json_t *again = row_schema_to_json(rig.schema);
  assert_true(json_equal(schema, again));
  json_decref(again);
  json_decref(schema);
  assert_int_equal(from_json(&rig,
                             "[{\"n\":1},{\"note\":\" two words \",\"other\":\"x\"},{\"note\":null,"
                             "\"n\":2},{\"note\":\"N/A\"},{\"note\":42},{\"note\":true},"
                             "{\"note\":[1]},{\"note\":\"Straße\"},{\"n\":3}]",
                             false),
                   ERR_OK);
  static const char *const texts[] = {"", "two words", "", "", "42", "true", "", "Straße", ""};
  for (size_t row = 0; row < 9; row++)
  {
    check_text(&rig, row, texts[row], strlen(texts[row]));
    assert_int_equal(faults(&rig, row), row == 6 ? 1 : 0);
  }
  assert_int_equal(from_csv(&rig, "note,n\n\"a, b\",1\n,2\n\"caf\xe9 \xff\",3\n", false), ERR_OK);
  assert_int_equal(row_batch_table(rig.batch)->row_count, 3);
  check_text(&rig, 0, "a, b", 4);
  check_text(&rig, 1, "", 0);
  const struct table *table = row_batch_table(rig.batch);
  const struct column *note = &table->columns[1], *other = &table->columns[2];
  /* What is no UTF-8 is a fault of its row, here as in a file. */
  assert_int_equal(faults(&rig, 2), 1);
  assert_int_equal(note->offset[3], note->offset[2]);
  assert_int_equal(other->offset[3], 0);
  row_batch_free(rig.batch);
  row_schema_free(rig.schema);
}

static void
test_json_rows(void **state)
{
  (void) state;
  struct rig rig;
  set_up(&rig);
  assert_int_equal(
    from_json(
      &rig,
      "[{\"age\":31.5,\"city\":\"Rome\",\"smoker\":true,\"joined\":\"2020-01-05\",\"code\":3},"
      "{\"age\":\"42\",\"city\":null,\"smoker\":\"NO\",\"joined\":null,\"code\":\"4\"},"
      "{\"age\":\"NA\",\"city\":\" Paris \",\"smoker\":0,\"joined\":1577836800,\"code\":4}]",
      false),
    ERR_OK);
  for (size_t row = 0; row < 3; row++)
  {
    assert_int_equal(faults(&rig, row), 0);
    assert_int_equal(warnings(&rig, row), 0);
  }
  assert_near(number_of(&rig, "age", 0), 31.5, 0);
  assert_near(number_of(&rig, "age", 1), 42, 0);
  assert_true(isnan(number_of(&rig, "age", 2)));
  assert_string_equal(word_of(&rig, "city", 0), "Rome");
  assert_null(word_of(&rig, "city", 1));
  assert_string_equal(word_of(&rig, "city", 2), "Paris");
  assert_string_equal(word_of(&rig, "smoker", 0), "yes");
  assert_string_equal(word_of(&rig, "smoker", 1), "no");
  assert_string_equal(word_of(&rig, "smoker", 2), "no");
  assert_string_equal(word_of(&rig, "code", 0), "3");
  assert_near(number_of(&rig, "joined", 0), 1578182400, 0);
  assert_near(number_of(&rig, "joined", 2), 1577836800, 0);
  tear_down(&rig);
}

static void
test_json_notes(void **state)
{
  (void) state;
  struct rig rig;
  set_up(&rig);
  assert_int_equal(
    from_json(&rig,
              "[{\"age\":\"old\",\"city\":\"Oslo\",\"smoker\":[1],\"joined\":\"soon\","
              "\"code\":\"3\",\"extra\":1},"
              "{\"age\":3},{\"other\":1},17]",
              false),
    ERR_OK);
  assert_int_equal(faults(&rig, 0), 3);
  assert_int_equal(warnings(&rig, 0), 2);
  const json_t *first = json_array_get(row_batch_faults(rig.batch, 0), 0);
  assert_string_equal(json_string_value(json_object_get(first, "pointer")), "/rows/0/age");
  assert_string_equal(json_string_value(json_object_get(first, "value")), "old");
  assert_int_equal(json_integer_value(json_object_get(first, "row")), 1);
  assert_int_equal(faults(&rig, 1), 0);
  assert_int_equal(warnings(&rig, 1), 4);
  assert_int_equal(faults(&rig, 2), 1);
  assert_int_equal(faults(&rig, 3), 1);

  assert_int_equal(from_json(&rig, "[{\"age\":3,\"extra\":1}]", true), ERR_OK);
  assert_int_equal(faults(&rig, 0), 5);
  assert_int_equal(warnings(&rig, 0), 0);

  assert_int_equal(from_json(&rig, "[]", false), ERR_INVALID);
  assert_has_text(rig.info.text, "empty");
  assert_int_equal(from_json(&rig, "{}", false), ERR_INVALID);
  struct buf many = {0};
  buf_append_text(&many, "[0");
  for (int i = 0; i < 100; i++)
    buf_append_text(&many, ",0");
  buf_append_text(&many, "]");
  assert_int_equal(from_json(&rig, many.data, false), ERR_INVALID);
  assert_has_text(rig.info.text, "at most 100");
  buf_free(&many);
  tear_down(&rig);
}

static void
test_csv_rows(void **state)
{
  (void) state;
  struct rig rig;
  set_up(&rig);
  assert_int_equal(from_csv(&rig,
                            "city,age,extra,smoker,joined,code\n"
                            "Rome,31.5,x,yes,2020-01-05,3\n"
                            "Oslo,abc,x,no,,3\n"
                            "Rome,1\n"
                            "Paris,NA,x,,,4\n",
                            false),
                   ERR_OK);
  assert_int_equal(row_batch_table(rig.batch)->row_count, 4);
  assert_near(number_of(&rig, "age", 0), 31.5, 0);
  assert_int_equal(faults(&rig, 0), 0);
  assert_int_equal(warnings(&rig, 0), 1);
  assert_int_equal(faults(&rig, 1), 1);
  assert_int_equal(warnings(&rig, 1), 2);
  assert_int_equal(faults(&rig, 2), 1);
  assert_has_text(json_string_value(
                    json_object_get(json_array_get(row_batch_faults(rig.batch, 2), 0), "message")),
                  "the row has 2 fields, the header has 6");
  assert_string_equal(word_of(&rig, "city", 3), "Paris");
  static const struct
  {
    const char *csv, *says;
  } bad[] = {
    {"", "empty"},
    {"age,city\n", "no rows"},
    {"1,2\n3,4\n", "must name the columns"},
    {"age,age\n1,2\n", "twice"},
    {"age,city\n1,\"x\n", "row 1"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
  {
    enum err err = from_csv(&rig, bad[i].csv, false);
    if (i < 4)
    {
      assert_int_equal(err, ERR_INVALID);
      assert_has_text(rig.info.text, bad[i].says);
    }
    else
    {
      assert_int_equal(err, ERR_OK);
      assert_int_equal(faults(&rig, 0), 1);
    }
  }
  tear_down(&rig);
}

/* The scan gives what the tree of JSON gives, or leaves the body to it. */
static bool
scan_as_json(struct rig *rig, const char *body)
{
  struct row_batch *scanned = NULL;
  struct err_info info;
  json_t *tree = NULL;
  if (!row_batch_scan(rig->schema, body, strlen(body), 100, &scanned))
    return false;
  assert_int_equal(json_parse(body, strlen(body), 16, &tree, &info), ERR_OK);
  row_batch_free(rig->batch);
  rig->batch = NULL;
  assert_int_equal(row_batch_from_json(rig->schema, json_object_get(tree, "rows"), true, 100,
                                       &rig->batch, &rig->info),
                   ERR_OK);
  const struct table *left = row_batch_table(scanned), *right = row_batch_table(rig->batch);
  assert_int_equal(left->row_count, right->row_count);
  for (size_t row = 0; row < left->row_count; row++)
  {
    assert_int_equal(faults(rig, row) + warnings(rig, row), 0);
    for (size_t c = 0; c < left->column_count; c++)
      if (left->columns[c].number != NULL)
        assert_memory_equal(&left->columns[c].number[row], &right->columns[c].number[row],
                            sizeof(double));
      else
        assert_int_equal(left->columns[c].code[row], right->columns[c].code[row]);
  }
  row_batch_free(scanned);
  json_decref(tree);
  return true;
}

static void
test_scan(void **state)
{
  (void) state;
  struct rig rig;
  set_up(&rig);
  static const char *const usual[] = {
    "{\"rows\":[[31.5,\"Rome\",\"yes\",\"2020-01-05\",\"3\"]]}",
    " {\n\"rows\" : [ [ 1e300 , null , \"no\" , 1577836800 , \"4\" ] "
    ",\t[-0.5,\"Paris\",null,null,null] ] } \n",
    "{\"rows\":[{\"age\":0.1,\"city\":\"Rome\",\"smoker\":\"NO\",\"joined\":null,\"code\":\"4\"},"
    "{\"code\":\"3\",\"age\":-12345678901234567890,\"city\":\" Paris \",\"joined\":\"2021-01-05\","
    "\"smoker\":\"yes\"}]}",
  };
  for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
    if (!scan_as_json(&rig, usual[i]))
      fail_msg("not scanned: %s", usual[i]);
  static const char *const unusual[] = {
    "",
    "{",
    "{\"rows\":[]}",
    "{\"rows\":[[]]}",
    "{\"rows\":[[1,null,null,null]]}",
    "{\"rows\":[[1,null,null,null,null,null]]}",
    "{\"rows\":[[1,null,null,null,null]]} x",
    "{\"rows\":[[1,null,null,null,null]],\"strict\":true}",
    "{\"rows\":[[1,null,null,null,null],]}",
    "{\"rows\":[[1,null,null,null,null}]]",
    "{\"rows\":[[\"old\",null,null,null,null]]}",
    "{\"rows\":[[1,\"Oslo\",null,null,null]]}",
    "{\"rows\":[[1,\"Rome]\",null,null,null]]}",
    "{\"rows\":[[1,\"R\\u006fme\",null,null,null]]}",
    "{\"rows\":[[01,null,null,null,null]]}",
    "{\"rows\":[[NaN,null,null,null,null]]}",
    "{\"rows\":[[1e999,null,null,null,null]]}",
    "{\"rows\":[[-0,null,null,null,null]]}",
    "{\"rows\":[[1.,null,null,null,null]]}",
    "{\"rows\":[[1,null,true,null,null]]}",
    "{\"rows\":[{\"age\":1,\"city\":null,\"smoker\":null,\"joined\":null}]}",
    "{\"rows\":[{\"age\":1,\"age\":1,\"smoker\":null,\"joined\":null,\"code\":null}]}",
    "{\"rows\":[{\"age\":1,\"town\":1,\"smoker\":null,\"joined\":null,\"code\":null}]}",
  };
  for (size_t i = 0; i < sizeof unusual / sizeof unusual[0]; i++)
    if (scan_as_json(&rig, unusual[i]))
      fail_msg("scanned: %s", unusual[i]);
  assert_int_equal(from_json(&rig, "[[1,\"Rome\",null,null,\"3\"],[1,2]]", false), ERR_OK);
  assert_int_equal(faults(&rig, 0), 0);
  assert_string_equal(word_of(&rig, "city", 0), "Rome");
  assert_int_equal(faults(&rig, 1), 1);
  tear_down(&rig);
}

/* The batch of a call is kept for the next one of the same thread: nothing of it may be left there. */
static void
test_kept(void **state)
{
  static const char *const bodies[] = {
    "{\"rows\":[[31,\"Paris\",\"yes\",\"2020-01-05\",\"3\"]]}",
    "{\"rows\":[[null,null,null,null,null]]}",
    "{\"rows\":[{\"code\":\"4\",\"joined\":null,\"smoker\":\"no\",\"city\":\"Rome\",\"age\":1.5}]}",
    "{\"rows\":[{\"age\":null,\"city\":null,\"smoker\":null,\"joined\":\"2021-01-05\",\"code\":"
    "null}]}",
  };
  static const char *const numbers[] = {"{\"rows\":[[1,2.5]]}", "{\"rows\":[[null, -3e2]]}",
                                        "{\"rows\":[{\"b\":7,\"a\":null}]}",
                                        "{\"rows\":[[4,null]]}"};
  struct rig rig, all_numbers = {.batch = NULL};
  (void) state;
  set_up(&rig);
  assert_int_equal(fixture_csv(&all_numbers.fixture, "a,b,y\n1,2,3\n4.5,6,7\n2,8,1\n"), ERR_OK);
  assert_int_equal(row_schema_from_dataset(all_numbers.fixture.dataset, "y", &all_numbers.schema,
                                           &all_numbers.info),
                   ERR_OK);
  for (size_t i = 0; i < 32; i++)
  {
    assert_true(scan_as_json(&rig, bodies[i * 7 % 4]));
    assert_true(scan_as_json(&all_numbers, numbers[(i / 4 + i * 5) % 4]));
    /* one that is given up half way */
    assert_false(scan_as_json(&rig, "{\"rows\":[[50,\"Paris\",\"yes\",\"2020-01-05\"]]}"));
    assert_false(scan_as_json(&all_numbers, "{\"rows\":[[1,2,3]]}"));
  }
  tear_down(&all_numbers);
  tear_down(&rig);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_schema_json),  cmocka_unit_test(test_json_rows),
    cmocka_unit_test(test_text_columns), cmocka_unit_test(test_json_notes),
    cmocka_unit_test(test_csv_rows),     cmocka_unit_test(test_scan),
    cmocka_unit_test(test_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
