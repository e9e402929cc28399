/* The parser's sandbox is on, lets parsing through, and stops the rest. */
#include <config.h>

#include "tests/harness/test_support.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/proc.h"
#include "data/sandbox.h"

/* How the program ended that entered the sandbox and tried this. */
static int
try(const char *what)
{
  char path[4096], name[32];
  struct err_info info;
  pid_t pid;
  int status = 0;
  assert_int_equal(proc_find_program("try_sandbox", path, sizeof path, &info), ERR_OK);
  snprintf(name, sizeof name, "%s", what);
  char *argv[] = {(char[]){"try_sandbox"}, name, NULL};
  struct proc_spawn spawn = {.path = path, .argv = argv, .directory = "/"};
  assert_int_equal(proc_start(&spawn, &pid, &info), ERR_OK);
  assert_int_equal(proc_wait_timeout(pid, 20, &status), ERR_OK);
  return status;
}

static void
test_parsing_is_let_through(void **state)
{
  (void) state;
  static const char *const needs[] = {"memory", "files"};
  if (!sandbox_is_built())
    skip();
  for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
  {
    int status = try(needs[i]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
      fail_msg("\"%s\" is not let through: status %d", needs[i], status);
  }
}

static void
test_the_rest_is_stopped(void **state)
{
  (void) state;
  static const char *const tries[] = {"open", "create",  "socket", "local-socket", "execve",
                                      "fork", "kill",    "ptrace", "unlink",       "stat",
                                      "code", "protect", "limit"};
  if (!sandbox_is_built())
    skip();
  for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++)
  {
    int status = try(tries[i]);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
      fail_msg("\"%s\" is not stopped: status %d", tries[i], status);
  }
}

/* A sanitizer build has none, by design; every other build must. */
static void
test_it_is_built(void **state)
{
  (void) state;
#if defined(ATTUNE_SANITIZED) || defined(ATTUNE_COVERAGE)
  assert_false(sandbox_is_built());
#else
  assert_true(sandbox_is_built());
#endif
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_it_is_built),
    cmocka_unit_test(test_parsing_is_let_through),
    cmocka_unit_test(test_the_rest_is_stopped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
