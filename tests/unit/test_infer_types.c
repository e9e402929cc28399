/* What columns are guessed to be, and what is said about it. */
#include <config.h>

#include "tests/harness/data_fixture.h"

#include "data/distinct.h"
#include "data/hash.h"
#include "data/infer_types.h"

/* Guesses one column of these values (ended by NULL), each given `times` times. */
static enum column_type
guess(const char *name, const char *const *values, int times, char delimiter, char note[256],
      struct column_guess *full)
{
  struct infer *infer = infer_new(&name, 1, 1 << 20);
  assert_non_null(infer);
  for (int t = 0; t < times; t++)
    for (size_t i = 0; values[i] != NULL; i++)
      assert_int_equal(infer_add(infer, 0, values[i], strlen(values[i])), ERR_OK);
  assert_int_equal(infer_settle(infer, delimiter, 1 << 20), ERR_OK);
  const struct column_guess *result = infer_guess(infer, 0);
  enum column_type type = result->type;
  if (note != NULL)
    snprintf(note, 256, "%s", result->note != NULL ? result->note : "");
  if (full != NULL)
    *full = *result;
  infer_free(infer);
  return type;
}

#define VALUES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
test_simple_types(void **state)
{
  (void) state;
  char note[256];
  assert_int_equal(guess("a", VALUES("1", "2.5", "-3e4", "NA", ""), 9, ',', note, NULL),
                   COLUMN_NUMERIC);
  assert_string_equal(note, "");
  assert_int_equal(guess("a", VALUES("1", "0"), 9, ',', note, NULL), COLUMN_NUMERIC);
  assert_int_equal(guess("a", VALUES("yes", "No", "YES"), 9, ',', note, NULL), COLUMN_BOOLEAN);
  assert_has_text(note, "differ in case");
  assert_int_equal(guess("a", VALUES("yes", "yes"), 9, ',', note, NULL), COLUMN_CATEGORICAL);
  assert_int_equal(guess("a", VALUES("yes", "true"), 9, ',', note, NULL), COLUMN_CATEGORICAL);
  assert_int_equal(guess("a", VALUES("red", "green", "blue"), 9, ',', note, NULL),
                   COLUMN_CATEGORICAL);
  assert_int_equal(guess("a", VALUES("2020-01-01", "2020-02-01T10:00:00Z"), 9, ',', note, NULL),
                   COLUMN_DATETIME);
  assert_int_equal(guess("a", VALUES("", "NA", "?"), 9, ',', note, NULL), COLUMN_NUMERIC);
  assert_has_text(note, "every value is missing");
}

static void
test_words_of_digits(void **state)
{
  (void) state;
  char note[256];
  assert_int_equal(guess("zip", VALUES("007", "012", "100"), 9, ',', note, NULL),
                   COLUMN_CATEGORICAL);
  assert_has_text(note, "leading zeros");
  assert_int_equal(
    guess("card", VALUES("1234567890123456", "1234567890123457"), 9, ',', note, NULL),
    COLUMN_CATEGORICAL);
  assert_has_text(note, "more than 15");
}

static void
test_decimal_commas(void **state)
{
  (void) state;
  char note[256];
  struct column_guess full;
  assert_int_equal(guess("a", VALUES("1,5", "2,25", "3"), 9, ';', note, &full), COLUMN_NUMERIC);
  assert_int_equal(full.number_format, NUMBER_COMMA);
  assert_int_equal(guess("a", VALUES("1,234", "12,345"), 9, ';', note, &full), COLUMN_NUMERIC);
  assert_int_equal(full.number_format, NUMBER_COMMA);
  assert_has_text(note, "decimal commas; if they are not, set its format to \"thousands_comma\"");
  assert_int_equal(guess("a", VALUES("1,234", "12,345"), 9, ',', note, &full), COLUMN_NUMERIC);
  assert_int_equal(full.number_format, NUMBER_POINT_GROUPED);
  assert_has_text(note, "read as thousands; if they are not, set its format to \"decimal_comma\"");
  assert_int_equal(guess("a", VALUES("1,234.5", "12"), 9, ',', note, &full), COLUMN_NUMERIC);
  assert_int_equal(full.number_format, NUMBER_POINT_GROUPED);
  assert_int_equal(guess("a", VALUES("1.234,5", "12"), 9, ';', note, &full), COLUMN_NUMERIC);
  assert_int_equal(full.number_format, NUMBER_COMMA_GROUPED);
  assert_int_equal(guess("a", VALUES("1.5", "1,5"), 9, ';', note, &full), COLUMN_CATEGORICAL);
}

static void
test_day_and_month(void **state)
{
  (void) state;
  char note[256];
  struct column_guess full;
  assert_int_equal(guess("a", VALUES("03/04/2020", "25/12/2020"), 9, ',', note, &full),
                   COLUMN_DATETIME);
  assert_int_equal(full.datetime_format, DATETIME_DMY);
  assert_has_text(note, "day, month, year");
  assert_int_equal(guess("a", VALUES("03/04/2020", "12/25/2020"), 9, ',', note, &full),
                   COLUMN_DATETIME);
  assert_int_equal(full.datetime_format, DATETIME_MDY);
  assert_int_equal(guess("a", VALUES("03/04/2020"), 9, ',', note, &full), COLUMN_DATETIME);
  assert_int_equal(full.datetime_format, DATETIME_MDY);
  assert_has_text(note, "not clear");
  assert_int_equal(guess("a", VALUES("03.04.2020"), 9, ',', note, &full), COLUMN_DATETIME);
  assert_int_equal(full.datetime_format, DATETIME_DMY);
  assert_int_equal(guess("a", VALUES("25/12/2020", "12/25/2020"), 9, ',', note, &full),
                   COLUMN_CATEGORICAL);
}

/* `rows` values by a pattern with one %d. */
static enum column_type
guess_pattern(const char *name, const char *pattern, int rows, int modulus, char note[256])
{
  struct infer *infer = infer_new(&name, 1, 1 << 20);
  for (int i = 0; i < rows; i++)
  {
    char text[128];
    int k = (i + 1) % modulus;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int length = snprintf(text, sizeof text, pattern, k, k);
#pragma GCC diagnostic pop
    assert_int_equal(infer_add(infer, 0, text, (size_t) length), ERR_OK);
  }
  assert_int_equal(infer_settle(infer, ',', 1 << 24), ERR_OK);
  enum column_type type = infer_guess(infer, 0)->type;
  snprintf(note, 256, "%s", infer_guess(infer, 0)->note != NULL ? infer_guess(infer, 0)->note : "");
  infer_free(infer);
  return type;
}

static void
test_identifiers_and_text(void **state)
{
  (void) state;
  char note[256];
  assert_int_equal(guess_pattern("day", "%d", 100, 1000, note), COLUMN_NUMERIC);
  assert_int_equal(guess_pattern("Index", "%d", 100, 1000, note), COLUMN_IDENTIFIER);
  assert_has_text(note, "counts the rows");
  assert_int_equal(guess_pattern("customer_id", "%d7", 100, 1000, note), COLUMN_IDENTIFIER);
  assert_int_equal(guess_pattern("CustomerID", "%d7", 100, 1000, note), COLUMN_IDENTIFIER);
  assert_int_equal(guess_pattern("humid", "%d7", 100, 1000, note), COLUMN_NUMERIC);
  assert_int_equal(guess_pattern("fluid", "%d.5", 100, 1000, note), COLUMN_NUMERIC);
  assert_int_equal(guess_pattern("a_id", "%d", 100, 30, note), COLUMN_NUMERIC);
  assert_int_equal(guess_pattern("code", "K-%d", 100, 1000, note), COLUMN_IDENTIFIER);
  assert_int_equal(guess_pattern("note", "a longer text number %d", 100, 1000, note), COLUMN_TEXT);
  assert_int_equal(guess_pattern("note", "a longer text number %d", 100, 60, note), COLUMN_TEXT);
  assert_int_equal(guess_pattern("note", "这是第%d个很好的句子", 100, 1000, note), COLUMN_TEXT);
  assert_int_equal(guess_pattern("city", "town%d", 1000, 300, note), COLUMN_CATEGORICAL);
  assert_int_equal(guess_pattern("key", "u%d", 200000, 1000000, note), COLUMN_IDENTIFIER);
}

static void
test_a_word_among_numbers_is_named(void **state)
{
  (void) state;
  const char *name = "a";
  struct infer *infer = infer_new(&name, 1, 1 << 20);
  for (int i = 0; i < 500; i++)
  {
    char text[32];
    int length = i == 321 ? snprintf(text, sizeof text, "unknown")
                          : snprintf(text, sizeof text, "%d.5", i % 100);
    assert_int_equal(infer_add(infer, 0, text, (size_t) length), ERR_OK);
  }
  assert_int_equal(infer_settle(infer, ',', 1 << 20), ERR_OK);
  assert_int_not_equal(infer_guess(infer, 0)->type, COLUMN_NUMERIC);
  assert_has_text(infer_guess(infer, 0)->note, "499 of 500 values are numbers");
  assert_has_text(infer_guess(infer, 0)->note, "\"unknown\" in row 322");
  infer_free(infer);
}

static void
test_distinct(void **state)
{
  (void) state;
  struct distinct *distinct = distinct_new(1000);
  for (uint64_t i = 0; i < 1000; i++)
  {
    assert_true(distinct_add(distinct, hash_mix(1, i)));
    assert_false(distinct_add(distinct, hash_mix(1, i)));
  }
  assert_true(distinct_is_exact(distinct));
  assert_int_equal(distinct_count(distinct), 1000);
  for (uint64_t i = 0; i < 100000; i++)
    distinct_add(distinct, hash_mix(1, i));
  assert_false(distinct_is_exact(distinct));
  assert_near((double) distinct_count(distinct), 100000, 5000);
  assert_int_equal(distinct_bytes(distinct), 0);
  distinct_free(distinct);
}

/* Too many values for the memory they may take: counted still, only not exactly. */
static void
test_bounded_sets(void **state)
{
  (void) state;
  const char *names[] = {"a", "b"};
  struct infer *infer = infer_new(names, 2, 8192);
  for (int i = 0; i < 5000; i++)
  {
    char text[32];
    int length = snprintf(text, sizeof text, "v%d", i);
    assert_int_equal(infer_add(infer, 0, text, (size_t) length), ERR_OK);
    assert_int_equal(infer_add(infer, 1, i % 2 ? "x" : "y", 1), ERR_OK);
  }
  assert_int_equal(infer_settle(infer, ',', 1 << 20), ERR_OK);
  assert_false(infer_guess(infer, 0)->distinct_exact);
  assert_int_equal(infer_guess(infer, 0)->type, COLUMN_IDENTIFIER);
  assert_true(infer_guess(infer, 1)->distinct_exact);
  assert_int_equal(infer_guess(infer, 1)->distinct, 2);
  infer_free(infer);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_simple_types),
    cmocka_unit_test(test_words_of_digits),
    cmocka_unit_test(test_decimal_commas),
    cmocka_unit_test(test_day_and_month),
    cmocka_unit_test(test_identifiers_and_text),
    cmocka_unit_test(test_a_word_among_numbers_is_named),
    cmocka_unit_test(test_distinct),
    cmocka_unit_test(test_bounded_sets),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
