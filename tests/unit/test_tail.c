/* The last words of a child: whole lines, the newest, however many there were. */
#include <config.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/tail.h"

/* What of `words` is left in `size` bytes; they are passed on to descriptor 2, which is quiet meanwhile. */
static const char *
tail_of(const char *words, size_t length, size_t size, bool *open)
{
  static char text[TAIL_BYTES];
  struct tail tail = {0};
  int ends[2], kept = dup(STDERR_FILENO), quiet = openat(AT_FDCWD, "/dev/null", O_WRONLY);
  assert_int_equal(pipe(ends), 0);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  dup2(quiet, STDERR_FILENO);
  for (size_t at = 0; at < length;)
  {
    size_t part = length - at < 1000 ? length - at : 1000;
    assert_int_equal(write(ends[1], words + at, part), (ssize_t) part);
    at += part;
    assert_true(tail_read(&tail, ends[0]));
  }
  close(ends[1]);
  *open = tail_read(&tail, ends[0]);
  close(ends[0]);
  dup2(kept, STDERR_FILENO);
  close(kept);
  close(quiet);
  tail_text(&tail, text, size);
  return text;
}

static void
test_lines(void **state)
{
  char many[20000];
  bool open = true;
  size_t length = 0;
  (void) state;
  assert_string_equal(tail_of("", 0, 100, &open), "");
  assert_false(open);
  assert_string_equal(tail_of("one\ntwo\n", 8, 100, &open), "one\ntwo");
  assert_string_equal(tail_of("one\ntwo", 7, 100, &open), "one\ntwo");
  assert_string_equal(tail_of("\n", 1, 100, &open), "");
  /* The first line is not cut: it is left out. */
  assert_string_equal(tail_of("one\ntwo\nthree\n", 14, 11, &open), "two\nthree");
  assert_string_equal(tail_of("one\ntwo\nthree\n", 14, 10, &open), "two\nthree");
  assert_string_equal(tail_of("one\ntwo\nthree\n", 14, 9, &open), "three");
  assert_string_equal(tail_of("abcdefgh\n", 9, 5, &open), "efgh");
  for (int i = 0; length < sizeof many - 20; i++)
    length += (size_t) snprintf(many + length, 20, "line %d\n", i);
  const char *text = tail_of(many, length, 2001, &open);
  assert_true(strlen(text) <= 2000 && strlen(text) > 1980);
  assert_memory_equal(text, "line ", 5);
  assert_memory_equal(many + length - 1 - strlen(text), text, strlen(text));
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};
  return cmocka_run_group_tests_name("tail", tests, NULL, NULL);
}
