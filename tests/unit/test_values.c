/* Cells as numbers, dates and truths. */
#include <config.h>

#include "tests/harness/test_support.h"

#include "data/values.h"

static unsigned
formats(const char *text)
{
  return value_number_formats(text, strlen(text));
}

static bool
number(const char *text, enum number_format format, double *value)
{
  return value_number(text, strlen(text), format, value);
}

static void
test_missing(void **state)
{
  (void) state;
  static const char *const yes[] = {"",     "NA",   "na", "N/A", "NaN",  "null",
                                    "NULL", "None", "?",  "-",   "#N/A", "-inf"};
  static const char *const no[] = {"0", "none", "nano", "-1", "n", "NAN1", "??", "infinite", " "};
  for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
    assert_true(value_is_missing(yes[i], strlen(yes[i])));
  for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
    assert_false(value_is_missing(no[i], strlen(no[i])));
}

static void
test_number_formats(void **state)
{
  (void) state;
  const unsigned all = 15, point = 1u << NUMBER_POINT, comma = 1u << NUMBER_COMMA,
                 point_grouped = 1u << NUMBER_POINT_GROUPED,
                 comma_grouped = 1u << NUMBER_COMMA_GROUPED;
  assert_int_equal(formats("12"), all);
  assert_int_equal(formats("-0"), all);
  assert_int_equal(formats("1e5"), all);
  assert_int_equal(formats("1.5"), point | point_grouped);
  assert_int_equal(formats("1,5"), comma | comma_grouped);
  assert_int_equal(formats("1,234"), comma | comma_grouped | point_grouped);
  assert_int_equal(formats("1.234"), point | point_grouped | comma_grouped);
  assert_int_equal(formats("1,234.5"), point_grouped);
  assert_int_equal(formats("1.234.567,5"), comma_grouped);
  assert_int_equal(formats("0,123"), comma | comma_grouped);
  static const char *const words[] = {"007",   "00.5",   "1234567890123456", "12 3", "1-2", "0x10",
                                      "1e999", "1,23,4", "12.5.3",           "+",    ".",   "e5",
                                      "1.e",   "--1",    "1,234,56"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    assert_int_equal(formats(words[i]), 0);
}

static void
test_numbers_read_as_guessed(void **state)
{
  (void) state;
  double value;
  assert_true(number("1.234", NUMBER_POINT, &value));
  assert_near(value, 1.234, 0);
  assert_true(number("1.234", NUMBER_COMMA_GROUPED, &value));
  assert_near(value, 1234, 0);
  assert_true(number("1,234", NUMBER_COMMA, &value));
  assert_near(value, 1.234, 0);
  assert_true(number("1,234", NUMBER_POINT_GROUPED, &value));
  assert_near(value, 1234, 0);
  assert_true(number("-1.234.567,25", NUMBER_COMMA_GROUPED, &value));
  assert_near(value, -1234567.25, 0);
  assert_true(number("007", NUMBER_POINT, &value));
  assert_near(value, 7, 0);
  assert_false(number("1.5", NUMBER_COMMA, &value));
  assert_false(number("1e999", NUMBER_POINT, &value));
  assert_false(number("abc", NUMBER_POINT_GROUPED, &value));
  /* Whatever is guessed to be a number must read as one. */
  static const char *const texts[] = {"1",        "-2.5", "3,5", "1,234", "1.234",
                                      "9,999.25", "1e-7", ".5",  "5.",    "+4"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    for (unsigned f = 0; f < NUMBER_FORMATS; f++)
      assert_int_equal((formats(texts[i]) >> f) & 1u,
                       number(texts[i], (enum number_format) f, &value) ? 1 : 0);
}

static double
seconds_of(const char *text, enum datetime_format format)
{
  double seconds = NAN;
  bool good = value_datetime(text, strlen(text), format, &seconds);
  return good ? seconds : (double) NAN;
}

static void
test_dates(void **state)
{
  (void) state;
  assert_near(seconds_of("1970-01-01", DATETIME_ISO), 0, 0);
  assert_near(seconds_of("2000-03-01", DATETIME_ISO), 951868800, 0);
  assert_near(seconds_of("2000/03/01", DATETIME_ISO), 951868800, 0);
  assert_near(seconds_of("2000-03-01T01:02:03.5Z", DATETIME_ISO), 951868800 + 3723.5, 1e-9);
  assert_near(seconds_of("2000-03-01 01:00+01:00", DATETIME_ISO), 951868800, 0);
  assert_near(seconds_of("2000-03-01T00:00:00-0130", DATETIME_ISO), 951868800 + 5400, 0);
  assert_near(seconds_of("01.03.2000", DATETIME_DMY), 951868800, 0);
  assert_near(seconds_of("3/1/2000", DATETIME_MDY), 951868800, 0);
  assert_true(isnan(seconds_of("2001-02-29", DATETIME_ISO)));
  assert_true(isnan(seconds_of("2000-13-01", DATETIME_ISO)));
  assert_true(isnan(seconds_of("2000-03-01T25:00", DATETIME_ISO)));
  assert_true(isnan(seconds_of("2000-03-01x", DATETIME_ISO)));
  const unsigned dmy = 1u << DATETIME_DMY, mdy = 1u << DATETIME_MDY;
  assert_int_equal(value_datetime_formats("03/04/2020", 10), dmy | mdy);
  assert_int_equal(value_datetime_formats("13/04/2020", 10), dmy);
  assert_int_equal(value_datetime_formats("04/13/2020", 10), mdy);
  assert_int_equal(value_datetime_formats("03.04.2020", 10), dmy);
  assert_int_equal(value_datetime_formats("2020-04-03", 10), 1u << DATETIME_ISO);
  assert_int_equal(value_datetime_formats("12345678", 8), 0);
  assert_int_equal(value_datetime_formats("10-20-30-40", 11), 0);
}

static void
test_truths(void **state)
{
  (void) state;
  unsigned pair, other;
  bool yes;
  assert_true(value_truth("Yes", 3, &pair, &yes) && yes);
  assert_true(value_truth("NO", 2, &other, &yes) && !yes);
  assert_int_equal(pair, other);
  assert_true(value_truth("t", 1, &other, &yes) && yes);
  assert_int_not_equal(pair, other);
  assert_false(value_truth("1", 1, &pair, &yes));
  assert_false(value_truth("maybe", 5, &pair, &yes));
}

static void
test_trim_and_names(void **state)
{
  (void) state;
  const char *text = " \t x y\t";
  size_t length = strlen(text);
  value_trim(&text, &length);
  assert_int_equal(length, 3);
  assert_memory_equal(text, "x y", 3);
  for (unsigned f = 0; f < NUMBER_FORMATS; f++)
  {
    enum number_format format;
    assert_true(number_format_parse(number_format_name((enum number_format) f), &format));
    assert_int_equal(format, f);
  }
  for (unsigned f = 0; f < DATETIME_FORMATS; f++)
  {
    enum datetime_format format;
    assert_true(datetime_format_parse(datetime_format_name((enum datetime_format) f), &format));
    assert_int_equal(format, f);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_missing),
    cmocka_unit_test(test_number_formats),
    cmocka_unit_test(test_numbers_read_as_guessed),
    cmocka_unit_test(test_dates),
    cmocka_unit_test(test_truths),
    cmocka_unit_test(test_trim_and_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
