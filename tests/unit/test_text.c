#include <config.h>

#include "base/text.h"

#include <locale.h>

#include "base/json_number.h"
#include "base/proc.h"
#include "base/rng.h"
#include "tests/harness/test_support.h"

static void
test_utf8(void **state)
{
  (void) state;
  static const struct
  {
    const char *bytes;
    size_t length;
    size_t bad; /* SIZE_MAX = valid */
  } cases[] = {
    {"", 0, SIZE_MAX},
    {"plain ascii, longer than eight", 30, SIZE_MAX},
    {"a\0b", 3, SIZE_MAX},
    {"zw\xC3\xB6lf", 6, SIZE_MAX},
    {"\xE2\x82\xAC \xF0\x9F\x98\x80", 8, SIZE_MAX},
    {"\xF4\x8F\xBF\xBF", 4, SIZE_MAX},
    {"12345678\x80", 9, 8},
    {"ab\xC0\xAF", 4, 2},        /* overlong */
    {"\xE0\x9F\xBF", 3, 0},      /* overlong */
    {"\xED\xA0\x80", 3, 0},      /* surrogate */
    {"\xF4\x90\x80\x80", 4, 0},  /* over U+10FFFF */
    {"\xF0\x8F\xBF\xBF", 4, 0},  /* overlong */
    {"abcdefgh\xE2\x82", 10, 8}, /* cut off */
    {"\xC3(", 2, 0},             /* no continuation */
    {"\xFF", 1, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    size_t bad = SIZE_MAX;
    bool valid = text_utf8_valid(cases[i].bytes, cases[i].length, &bad);
    assert_int_equal(valid, cases[i].bad == SIZE_MAX);
    assert_int_equal(bad, cases[i].bad);
  }
  assert_int_equal(text_utf8_cut("zw\xC3\xB6lf", 6, 3), 2);
  assert_int_equal(text_utf8_cut("zw\xC3\xB6lf", 6, 4), 4);
  assert_int_equal(text_utf8_cut("ab", 2, 10), 2);
}

static void
check_number(const char *text, double expected)
{
  double value = 12345;
  bool good = text_parse_double(text, strlen(text), false, &value);
  if (!good || value != expected)
    fail_msg("\"%s\" read as %.17g (%d), not %.17g", text, value, good, expected);
}

static void
check_numbers(void)
{
  check_number("0", 0.0);
  check_number("-0.5", -0.5);
  check_number("+3", 3.0);
  check_number(".5", 0.5);
  check_number("5.", 5.0);
  check_number("1e3", 1000.0);
  check_number("1E-3", 0.001);
  check_number("0.1", 0.1);
  check_number("123456789.125", 123456789.125);
  check_number("0.30000000000000004", 0.30000000000000004);
  check_number("9007199254740993", 9007199254740992.0); /* a tie, to even */
  check_number("9007199254740993.0000000000000000000000001", 9007199254740994.0);
  check_number("1.7976931348623157e308", 1.7976931348623157e308);
  check_number("4.9e-324", 4.9e-324);
  check_number("1e-400", 0.0);
  check_number("0.000000000000000000000000000000000000001", 1e-39);
  check_number("1234567890123456789012345678901234567890", 1.2345678901234568e39);
  static const char *const bad[] = {"",    "-",     ".",   "1e",  "1e+", "0x10", " 1", "1 ",
                                    "1,5", "1.2.3", "nan", "inf", "--1", "1_0",  "e5", "+-1"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
  {
    double value;
    if (text_parse_double(bad[i], strlen(bad[i]), false, &value))
      fail_msg("\"%s\" was taken for a number", bad[i]);
  }
  double value;
  assert_false(text_parse_double("1e309", 5, false, &value));
  assert_true(isinf(value));
  assert_true(text_parse_double("NaN", 3, true, &value) && isnan(value));
  assert_true(text_parse_double("-Infinity", 9, true, &value) && value == -INFINITY);
  assert_false(text_parse_double("nano", 4, true, &value));
  /* only `length` bytes are looked at */
  assert_true(text_parse_double("1234", 2, false, &value) && value == 12.0);
}

/* Random bit patterns and random decimals: prints read back the same, and as strtod would. */
static void
check_round_trips(bool compare_strtod)
{
  struct rng rng;
  rng_init(&rng, 21, 0);
  for (int i = 0; i < 100000; i++)
  {
    double value, back;
    uint64_t bits = rng_u64(&rng);
    memcpy(&value, &bits, sizeof value);
    if (i % 2)
      value = ldexp(rng_double(&rng) * 2 - 1, (int) rng_below(&rng, 60) - 20);
    if (!isfinite(value))
      continue;
    char text[TEXT_DOUBLE_SIZE];
    size_t length = text_print_double(value, text);
    assert_int_equal(length, strlen(text));
    assert_true(length < TEXT_DOUBLE_SIZE);
    assert_null(strchr(text, ','));
    assert_true(text_parse_double(text, length, false, &back));
    assert_true(back == value);
    if (compare_strtod)
    {
      int digits = 1 + (int) rng_below(&rng, 22);
      char decimal[64];
      snprintf(decimal, sizeof decimal, "%.*e", digits, value);
      text_parse_double(decimal, strlen(decimal), false, &back);
      if (back != strtod(decimal, NULL))
        fail_msg("%s read as %.17g", decimal, back);
    }
  }
}

static void
test_numbers(void **state)
{
  (void) state;
  check_numbers();
  check_round_trips(true);
  char text[TEXT_DOUBLE_SIZE];
  text_print_double(0.1, text);
  assert_string_equal(text, "0.1");
  text_print_double(0.1 + 0.2, text);
  assert_string_equal(text, "0.30000000000000004");
  text_print_double(-INFINITY, text);
  assert_string_equal(text, "-inf");
}

/* A float of any bits is written in the shortest form of at least 6 digits that strtof reads back. */
static void
test_floats(void **state)
{
  (void) state;
  struct rng rng;
  char text[TEXT_DOUBLE_SIZE];
  rng_init(&rng, 11, 0);
  for (size_t i = 0; i < 200000; i++)
  {
    uint32_t bits = (uint32_t) rng_below(&rng, UINT64_C(1) << 32);
    float value, shorter;
    memcpy(&value, &bits, sizeof value);
    if (i % 2 == 0)
      value = (float) rng_double(&rng); /* as most answers are */
    if (!isfinite(value))
      continue;
    size_t length = text_print_float(value, text);
    assert_int_equal(length, strlen(text));
    assert_true(length < TEXT_DOUBLE_SIZE);
    float back = strtof(text, NULL);
    if (memcmp(&back, &value, sizeof back) != 0)
      fail_msg("%.9g was written as %s", (double) value, text);
    size_t digits = 0;
    for (const char *at = text + strspn(text, "-0."); *at != '\0' && *at != 'e'; at++)
      digits += *at != '.';
    for (size_t end = length; strpbrk(text, ".e") == NULL && text[end - 1] == '0'; end--)
      digits--;
    assert_true(digits <= 9 || value == 0.0f);
    if (digits > 6)
    {
      char fewer[TEXT_DOUBLE_SIZE];
      snprintf(fewer, sizeof fewer, "%.*e", (int) digits - 2, (double) value);
      shorter = strtof(fewer, NULL);
      if (memcmp(&shorter, &value, sizeof value) == 0)
        fail_msg("%s was written as %s", fewer, text);
    }
  }
  text_print_float(0.1f, text);
  assert_string_equal(text, "0.1");
  text_print_float(-1.5e-7f, text);
  assert_string_equal(text, "-1.5e-07");
  text_print_float(16777216.0f, text);
  assert_string_equal(text, "16777216");
}

/* Numbers of JSON text are read as strtod reads them, and nothing else is taken for one. */
static void
test_json_numbers(void **state)
{
  (void) state;
  struct rng rng;
  char text[800];
  rng_init(&rng, 12, 0);
  for (size_t i = 0; i < 200000; i++)
  {
    uint64_t bits = rng_u64(&rng);
    double value, got = 0.0, want;
    memcpy(&value, &bits, sizeof value);
    if (i % 4 == 1)
      value = rng_double(&rng) * 1000.0;
    if (i % 64 == 2)
      value = ldexp(rng_double(&rng), -1040); /* subnormal */
    if (!isfinite(value))
      continue;
    if (i % 256 == 3)
      snprintf(text, sizeof text, "%.400f", fmod(value, 1e18));
    else if (i % 3 == 0)
      snprintf(text, sizeof text, "%.*f", (int) rng_below(&rng, 20), fmod(value, 1e15));
    else
      snprintf(text, sizeof text, "%.*e", (int) rng_below(&rng, 24), value);
    want = strtod(text, NULL);
    const char *at = text;
    if (strspn(text, "-0") == strlen(text))
      continue;
    assert_true(json_scan_number(&at, text + strlen(text), &got) || isinf(want));
    if (!isinf(want) && (memcmp(&got, &want, sizeof got) != 0 || *at != '\0'))
      fail_msg("%s read as %.17g", text, got);
  }
  static const char *const bad[] = {"",   "-",  "-0",  "01",  "-01",   ".5",  "+1",      "1.",
                                    "1e", "e5", "--1", "1e+", "1e999", "NaN", "Infinity"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
  {
    const char *at = bad[i];
    double got;
    assert_false(json_scan_number(&at, bad[i] + strlen(bad[i]), &got));
    assert_ptr_equal(at, bad[i]);
  }
}

/* Numbers in the middle of a text: whatever stands behind them, they are read as at its end. */
static void
test_scan_within(void **state)
{
  static const char *const numbers[] = {
    "0.0",         "-0.0",     "1.5",       "-9.25",    "0.123",      "-7.6543",
    "3.14159",     "0.000001", "-9.999999", "1.234567", "-1.2345678", "5.12345678",
    "9.123456789", "10.5",     "-123.25",   "7",        "-7",         "0"};
  (void) state;
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    for (unsigned behind = 0; behind < 256; behind++)
    {
      char text[40];
      size_t length = strlen(numbers[i]);
      double got, want = strtod(numbers[i], NULL);
      bool goes_on = strchr("0123456789eE", (int) behind) != NULL && behind != 0;
      if (goes_on || (behind == '.' && strchr(numbers[i], '.') == NULL))
        continue;
      memset(text, '8', sizeof text);
      memcpy(text, numbers[i], length);
      text[length] = (char) behind;
      const char *at = text;
      assert_true(json_scan_number(&at, text + sizeof text, &got));
      assert_memory_equal(&got, &want, sizeof got);
      assert_ptr_equal(at, text + length);
    }
  char text[] = "0.25e2,1.5E-1,0.,-.5,         ";
  const char *at = text, *end = text + strlen(text);
  double got;
  assert_true(json_scan_number(&at, end, &got) && got == 25.0);
  at++;
  assert_true(json_scan_number(&at, end, &got) && got == 0.15);
  at++;
  assert_false(json_scan_number(&at, end, &got));
  at += 3;
  assert_false(json_scan_number(&at, end, &got));
}

static void
test_integers(void **state)
{
  (void) state;
  int64_t value = 0;
  assert_true(text_parse_int64("9223372036854775807", 19, &value) && value == INT64_MAX);
  assert_true(text_parse_int64("-9223372036854775808", 20, &value) && value == INT64_MIN);
  assert_true(text_parse_int64("+12", 3, &value) && value == 12);
  assert_false(text_parse_int64("9223372036854775808", 19, &value));
  assert_false(text_parse_int64("-9223372036854775809", 20, &value));
  assert_false(text_parse_int64("", 0, &value));
  assert_false(text_parse_int64("-", 1, &value));
  assert_false(text_parse_int64("1.0", 3, &value));
  assert_false(text_parse_int64(" 1", 2, &value));
}

/* The same again where the decimal point is a comma; the locale is made in a folder of the test's
 * own, so this runs wherever localedef and the locale sources are installed. */
static void
test_comma_locale(void **state)
{
  (void) state;
  char dir[TEST_PATH_SIZE], locale[TEST_PATH_SIZE], out[TEST_PATH_SIZE];
  test_make_dir(dir);
  test_path(locale, dir, "de_DE.UTF-8");
  test_path(out, dir, "out");
  test_write_file(out, "");
  char *const argv[] = {"localedef", "-i", "de_DE", "-f", "UTF-8", locale, NULL};
  FILE *quiet = fopen(out, "w");
  assert_non_null(quiet);
  const struct proc_fd fds[] = {{fileno(quiet), 1}, {fileno(quiet), 2}};
  const struct proc_spawn spawn = {
    .path = "/usr/bin/localedef", .argv = argv, .fds = fds, .fd_count = 2};
  pid_t pid;
  int status = 0;
  bool made =
    proc_start(&spawn, &pid, NULL) == ERR_OK && proc_wait_timeout(pid, 60.0, &status) == ERR_OK;
  fclose(quiet);
  setenv("LOCPATH", dir, 1);
  made = made && setlocale(LC_NUMERIC, "de_DE.UTF-8") != NULL;
  if (made)
  {
    char sample[16];
    snprintf(sample, sizeof sample, "%.1f", 0.5);
    made = strcmp(sample, "0,5") == 0;
    check_numbers();
    check_round_trips(false);
    setlocale(LC_NUMERIC, "C");
  }
  unsetenv("LOCPATH");
  test_remove_dir(dir);
  if (!made)
    skip();
}

static void
test_likeness(void **state)
{
  (void) state;
  assert_int_equal(text_distance("metric", "metric", 3), 0);
  assert_int_equal(text_distance("metirc", "metric", 3), 1);
  assert_int_equal(text_distance("", "ab", 3), 2);
  assert_int_equal(text_distance("kitten", "sitting", 5), 3);
  assert_int_equal(text_distance("kitten", "sitting", 1), 2);
  static const char *const names[] = {"dataset", "target", "metric", "budget", "seconds", "cv"};
  assert_string_equal(text_nearest("datset", names, 6), "dataset");
  assert_string_equal(text_nearest("buget", names, 6), "budget");
  assert_string_equal(text_nearest("second", names, 6), "seconds");
  assert_null(text_nearest("zebra", names, 6));
  assert_null(text_nearest("", names, 6));
  assert_null(text_nearest("xy", names, 6));
  char longer[300];
  memset(longer, 'a', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  assert_null(text_nearest(longer, names, 6));
}

static void
test_hex(void **state)
{
  (void) state;
  const unsigned char bytes[] = {0x00, 0x7f, 0xff, 0x12};
  char text[9];
  unsigned char back[4];
  text_hex_encode(bytes, 4, text);
  assert_string_equal(text, "007fff12");
  assert_true(text_hex_decode(text, 8, back));
  assert_memory_equal(back, bytes, 4);
  assert_false(text_hex_decode("0", 1, back));
  assert_false(text_hex_decode("0g", 2, back));
  assert_false(text_hex_decode("0\0", 2, back));
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_utf8),         cmocka_unit_test(test_numbers),
    cmocka_unit_test(test_floats),       cmocka_unit_test(test_json_numbers),
    cmocka_unit_test(test_scan_within),  cmocka_unit_test(test_integers),
    cmocka_unit_test(test_comma_locale), cmocka_unit_test(test_likeness),
    cmocka_unit_test(test_hex),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
