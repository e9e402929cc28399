#include <config.h>

#include <errno.h>
#include <unistd.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "tests/harness/test_support.h"

static void
test_err(void **state)
{
  (void) state;
  struct err_info info;
  assert_int_equal(err_set(NULL, ERR_LIMIT, "x"), ERR_LIMIT);
  assert_int_equal(err_set(&info, ERR_INVALID, "row %d", 3), ERR_INVALID);
  assert_int_equal(err_prefix(&info, "file %s", "a.csv"), ERR_INVALID);
  assert_string_equal(info.text, "file a.csv: row 3");
  assert_int_equal(err_set_errno(&info, ERR_IO, ENOENT, "could not open %s", "x"), ERR_IO);
  assert_string_equal(info.text, "could not open x: No such file or directory");
  assert_string_equal(err_name(ERR_DIVERGED), "diverged");
  assert_string_equal(err_name((enum err) 99), "unknown");
  /* too long: cut, and never within a character */
  char longer[1200];
  for (size_t i = 0; i + 2 < sizeof longer; i += 2)
    memcpy(longer + i, "\xC3\xB6", 3);
  for (int shift = 0; shift < 2; shift++)
  {
    err_set(&info, ERR_INVALID, "%s%s", shift ? "a" : "", longer);
    assert_in_range(strlen(info.text), 500, sizeof info.text - 1);
    json_t *text = json_string(info.text);
    assert_non_null(text);
    json_decref(text);
  }
}

static void
test_arena(void **state)
{
  (void) state;
  struct arena *arena = arena_new(256);
  for (int round = 0; round < 3; round++)
  {
    for (size_t size = 0; size < 600; size += 7)
    {
      unsigned char *bytes = arena_alloc(arena, size);
      assert_non_null(bytes);
      assert_int_equal((uintptr_t) bytes % 16, 0);
      for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], 0);
      if (size)
        memset(bytes, 0xAA, size);
    }
    assert_string_equal(arena_printf(arena, "%s-%d", "x", 5), "x-5");
    assert_string_equal(arena_strndup(arena, "abcdef", 3), "abc");
    assert_string_equal(arena_strdup(arena, ""), "");
    arena_reset(arena);
  }
  assert_null(arena_array(arena, SIZE_MAX / 2, 3));
  assert_null(arena_alloc(arena, SIZE_MAX));
  arena_free(arena);
  arena_free(NULL);
}

static void
test_buf(void **state)
{
  (void) state;
  struct buf buf = {0};
  buf_append_text(&buf, "a");
  buf_printf(&buf, "%05d|%s", 42, "a much longer text than the first room of the buffer can hold");
  assert_has_text(buf.data, "a00042|a much longer");
  size_t length = buf.length;
  buf_append_u32(&buf, 0x01020304);
  buf_append_u64(&buf, 0x05060708090a0b0cULL);
  assert_int_equal(buf.length, length + 12);
  assert_memory_equal(buf.data + length, "\4\3\2\1\x0c\x0b\x0a\x09\x08\7\6\5", 12);
  char *taken = buf_take(&buf, &length);
  assert_non_null(taken);
  free(taken);
  assert_int_equal(buf.length, 0);
  taken = buf_take(&buf, &length);
  assert_string_equal(taken, "");
  free(taken);
  assert_false(buf_reserve(&buf, SIZE_MAX));
  buf_append_text(&buf, "lost");
  assert_true(buf.failed);
  assert_null(buf_take(&buf, NULL));
  buf_free(&buf);
}

static void
test_clock(void **state)
{
  (void) state;
  char text[32];
  clock_format_rfc3339(0, text, sizeof text);
  assert_string_equal(text, "1970-01-01T00:00:00.000Z");
  clock_format_rfc3339(INT64_C(1709210096789999), text, sizeof text);
  assert_string_equal(text, "2024-02-29T12:34:56.789Z");
  clock_format_rfc3339(-1, text, sizeof text);
  assert_string_equal(text, "1969-12-31T23:59:59.999Z");
  assert_int_equal(clock_days_from_civil(1970, 1, 1), 0);
  assert_int_equal(clock_days_from_civil(2000, 3, 1), 11017);
  /* every day from 0000 to 2400 follows the one before, by the calendar's rules */
  static const unsigned lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int64_t days = clock_days_from_civil(-4, 1, 1);
  for (int64_t year = -4; year <= 2400; year++)
    for (unsigned month = 1; month <= 12; month++)
    {
      bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
      for (unsigned day = 1; day <= lengths[month - 1] + (leap && month == 2); day++, days++)
      {
        int64_t y;
        unsigned m, d;
        clock_civil_from_days(days, &y, &m, &d);
        if (clock_days_from_civil(year, month, day) != days || y != year || m != month || d != day)
          fail_msg("%lld-%u-%u went wrong", (long long) year, month, day);
      }
    }
  double before = clock_monotonic_s();
  assert_true(clock_monotonic_s() >= before);
  assert_true(clock_cpu_s() >= 0.0);
  assert_true(clock_unix_us() > INT64_C(1500000000000000));
}

/* What the log writes to standard error while `format` and `text` are logged. */
static void
catch_log(char *caught, size_t size, enum log_level level, const char *text)
{
  int ends[2], old = dup(STDERR_FILENO);
  assert_int_equal(pipe(ends), 0);
  dup2(ends[1], STDERR_FILENO);
  log_line(level, "%s", text);
  dup2(old, STDERR_FILENO);
  close(old);
  close(ends[1]);
  struct buf out = {0};
  assert_int_equal(file_read_fd(ends[0], size - 1, &out, NULL), ERR_OK);
  close(ends[0]);
  memcpy(caught, out.data, out.length + 1);
  buf_free(&out);
}

static void
test_log(void **state)
{
  (void) state;
  char line[8192], longer[6000];
  enum log_level level;
  assert_true(log_level_parse("warning", &level) && level == LOG_LEVEL_WARNING);
  assert_false(log_level_parse("loud", &level));

  log_setup("prog", LOG_LEVEL_INFO, false);
  catch_log(line, sizeof line, LOG_LEVEL_DEBUG, "hidden");
  assert_string_equal(line, "");
  log_request_id("req_1");
  catch_log(line, sizeof line, LOG_LEVEL_ERROR, "two\nlines \x1b[31m \xff");
  assert_has_text(line, "prog[");
  assert_has_text(line, "error: two\\nlines \\x1b[31m \\xff request=req_1\n");
  assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);

  log_setup("prog", LOG_LEVEL_DEBUG, true);
  log_request_id(NULL);
  log_job_id("a job id that is much longer than the sixty-three bytes which are kept of it");
  memset(longer, '"', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  const char *const messages[] = {"quote \" slash \\ tab \t bad \xC3( end", longer, ""};
  for (size_t i = 0; i < 3; i++)
  {
    catch_log(line, sizeof line, LOG_LEVEL_INFO, messages[i]);
    assert_true(strlen(line) <= 4096);
    json_t *json = json_loads(line, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "level")), "info");
    assert_int_equal(json_string_length(json_object_get(json, "job")), 63);
    assert_null(json_object_get(json, "request"));
    json_decref(json);
  }
  log_job_id(NULL);
}

static void
test_file(void **state)
{
  (void) state;
  char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE], deep[TEST_PATH_SIZE], link_path[TEST_PATH_SIZE];
  struct buf buf = {0};
  struct err_info info;
  uint64_t bytes;
  test_make_dir(dir);
  test_path(path, dir, "file");
  assert_int_equal(file_read_all(path, 10, &buf, &info), ERR_NOT_FOUND);
  assert_has_text(info.text, path);
  assert_int_equal(file_write_atomic(path, "0123456789", 10, 0640, &info), ERR_OK);
  assert_int_equal(file_read_all(path, 10, &buf, &info), ERR_OK);
  assert_string_equal(buf.data, "0123456789");
  assert_int_equal(file_read_all(path, 9, &buf, &info), ERR_LIMIT);
  assert_int_equal(file_write_atomic(path, "", 0, 0600, &info), ERR_OK);
  buf_free(&buf);
  assert_int_equal(file_read_all(path, 0, &buf, &info), ERR_OK);
  assert_int_equal(buf.length, 0);
  buf_free(&buf);

  test_path(deep, dir, "a/b//c/");
  assert_int_equal(file_make_dir(deep, 0700, &info), ERR_OK);
  assert_int_equal(file_make_dir(deep, 0700, &info), ERR_OK);
  assert_int_equal(access(deep, F_OK), 0);
  assert_int_equal(file_make_dir(path, 0700, &info), ERR_IO); /* a file is in the way */
  test_path(deep, dir, "missing/file");
  assert_int_equal(file_write_atomic(deep, "x", 1, 0600, &info), ERR_IO);

  /* a link is removed, what it points to stays */
  test_path(deep, dir, "a");
  test_path(link_path, dir, "a/link");
  assert_int_equal(symlink(path, link_path), 0);
  assert_int_equal(file_remove_tree(deep), ERR_OK);
  assert_int_equal(access(path, F_OK), 0);
  assert_int_equal(file_remove_tree(deep), ERR_OK);
  assert_int_equal(file_free_bytes(dir, &bytes, &info), ERR_OK);
  assert_int_equal(file_free_bytes(deep, &bytes, &info), ERR_IO);
  test_remove_dir(dir);
  assert_int_not_equal(access(dir, F_OK), 0);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_err),   cmocka_unit_test(test_arena), cmocka_unit_test(test_buf),
    cmocka_unit_test(test_clock), cmocka_unit_test(test_log),   cmocka_unit_test(test_file),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
