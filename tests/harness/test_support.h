/* Small helpers for cmocka tests: numbers within a tolerance, folders of their own. Header only, so
 * that a test links nothing more. It includes <cmocka.h>
 * with what that needs.
 */
#ifndef ATTUNE_TESTS_TEST_SUPPORT_H
#define ATTUNE_TESTS_TEST_SUPPORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"

#define TEST_PATH_SIZE 512

/* |a − b| ≤ tolerance, two NaN count as near; prints all three when not. */
#define assert_near(a, b, tolerance) test_near((a), (b), (tolerance), __FILE__, __LINE__)

static inline void
test_near(double a, double b, double tolerance, const char *file, int line)
{
  if ((isnan(a) && isnan(b)) || a == b || fabs(a - b) <= tolerance)
    return;
  print_error("%.17g is not within %g of %.17g\n", a, tolerance, b);
  _fail(file, line);
}

/* `text` holds `part`; prints both when not. */
#define assert_has_text(text, part) test_has_text((text), (part), __FILE__, __LINE__)

static inline void
test_has_text(const char *text, const char *part, const char *file, int line)
{
  if (text && strstr(text, part))
    return;
  print_error("\"%s\" does not have \"%s\"\n", text ? text : "(null)", part);
  _fail(file, line);
}

/* A new folder of the test's own under TMPDIR or /tmp; its path to `path`. */
static inline void
test_make_dir(char path[TEST_PATH_SIZE])
{
  const char *parent = getenv("TMPDIR");
  snprintf(path, TEST_PATH_SIZE, "%s/attune-test-XXXXXX", parent && parent[0] ? parent : "/tmp");
  if (!mkdtemp(path))
    fail_msg("could not make %s", path);
}

static inline void
test_remove_dir(const char *path)
{
  assert_int_equal(file_remove_tree(path), ERR_OK);
}

/* `folder`/`name` to `path`. */
static inline void
test_path(char path[TEST_PATH_SIZE], const char *folder, const char *name)
{
  int length = snprintf(path, TEST_PATH_SIZE, "%s/%s", folder, name);
  assert_true(length > 0 && length < TEST_PATH_SIZE);
}

/* Writes a small file of the test's own. */
static inline void
test_write_file(const char *path, const char *text)
{
  assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, NULL), ERR_OK);
}

#endif
