#include <config.h>

#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/harness/test_support.h"

/* This program is its own child: with an argument it does what that names. */

static int
child_report(void)
{
  char line[512];
  int open_fds = 0, last = 0;
  for (int fd = 0; fd < 256; fd++)
    if (fcntl(fd, F_GETFD) >= 0)
    {
      open_fds++;
      last = fd;
    }
  struct rlimit cpu, file, files, core;
  getrlimit(RLIMIT_CPU, &cpu);
  getrlimit(RLIMIT_FSIZE, &file);
  getrlimit(RLIMIT_NOFILE, &files);
  getrlimit(RLIMIT_CORE, &core);
  sigset_t blocked;
  sigprocmask(SIG_SETMASK, NULL, &blocked);
  struct sigaction pipe_action;
  sigaction(SIGPIPE, NULL, &pipe_action);
  char cwd[256] = "";
  if (!getcwd(cwd, sizeof cwd))
    return 3;
  int length = snprintf(
    line, sizeof line,
    "fds=%d last=%d cpu=%llu file=%llu files=%llu core=%llu nice=%d nnp=%d blocked=%d "
    "pipe=%d group=%d cwd=%s",
    open_fds, last, (unsigned long long) cpu.rlim_cur, (unsigned long long) file.rlim_cur,
    (unsigned long long) files.rlim_cur, (unsigned long long) core.rlim_cur,
    getpriority(PRIO_PROCESS, 0), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
    sigismember(&blocked, SIGTERM), pipe_action.sa_handler == SIG_DFL, getpgrp() == getpid(), cwd);
  return write(5, line, (size_t) length) == length ? 7 : 4;
}

/* Copies descriptor 9 to descriptor 8. */
static int
child_copy(void)
{
  char bytes[64];
  ssize_t got = read(9, bytes, sizeof bytes);
  return got > 0 && write(8, bytes, (size_t) got) == got ? 0 : 5;
}

static int
child_pinned(char **argv)
{
  if (proc_pin_blas_threads(argv, NULL) != ERR_OK)
    return 6;
  const char *omp = getenv("OMP_NUM_THREADS"), *blas = getenv("OPENBLAS_NUM_THREADS");
  char name[32] = "";
  prctl(PR_GET_NAME, name);
  return omp && blas && strcmp(omp, "1") == 0 && strcmp(blas, "1") == 0
             && strncmp(name, "test_proc", 9) == 0 && strcmp(argv[2], "kept") == 0
           ? 0
           : 8;
}

static char own_path[PATH_MAX];

static pid_t
start(struct proc_spawn *spawn, const char *what)
{
  char *argv[] = {own_path, (char *) what, "kept", NULL};
  struct err_info info = {0};
  pid_t pid;
  spawn->path = own_path;
  spawn->argv = argv;
  if (proc_start(spawn, &pid, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return pid;
}

static void
test_everything_set(void **state)
{
  (void) state;
  char dir[TEST_PATH_SIZE], expected[TEST_PATH_SIZE + 200];
  int ends[2], status;
  struct buf out = {0};
  test_make_dir(dir);
  assert_int_equal(pipe(ends), 0); /* without close-on-exec: the child must close them itself */
  sigset_t block, before;
  sigemptyset(&block);
  sigaddset(&block, SIGTERM);
  sigprocmask(SIG_BLOCK, &block, &before);
  signal(SIGPIPE, SIG_IGN);
  const struct proc_fd fds[] = {{ends[1], 5}};
  struct proc_spawn spawn = {.fds = fds,
                             .fd_count = 1,
                             .limits = {.cpu_s = 77, .file_bytes = 123456, .open_files = 99},
                             .nice_add = 3,
                             .directory = dir,
                             .no_new_privs = true,
                             .own_group = true};
  int own_nice = getpriority(PRIO_PROCESS, 0);
  pid_t pid = start(&spawn, "report");
  close(ends[1]);
  assert_int_equal(file_read_fd(ends[0], 4096, &out, NULL), ERR_OK);
  close(ends[0]);
  assert_int_equal(proc_wait_timeout(pid, 10.0, &status), ERR_OK);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  snprintf(expected, sizeof expected,
           "fds=4 last=5 cpu=77 file=123456 files=99 core=0 nice=%d nnp=1 blocked=0 pipe=1 group=1 "
           "cwd=%s",
           own_nice + 3 > 19 ? 19 : own_nice + 3, dir);
  assert_string_equal(out.data, expected);
  sigprocmask(SIG_SETMASK, &before, NULL);
  signal(SIGPIPE, SIG_DFL);
  buf_free(&out);
  test_remove_dir(dir);
}

/* Two descriptors that trade numbers: neither mapping may overwrite the other's source. */
static void
test_crossed_descriptors(void **state)
{
  (void) state;
  int in[2], out[2], status;
  char bytes[16] = "";
  assert_int_equal(pipe2(in, O_CLOEXEC), 0);
  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  assert_int_equal(dup3(in[0], 8, O_CLOEXEC), 8);
  assert_int_equal(dup3(out[1], 9, O_CLOEXEC), 9);
  const struct proc_fd fds[] = {{8, 9}, {9, 8}};
  struct proc_spawn spawn = {.fds = fds, .fd_count = 2};
  pid_t pid = start(&spawn, "copy");
  assert_int_equal(write(in[1], "hello", 5), 5);
  assert_int_equal(proc_wait_timeout(pid, 10.0, &status), ERR_OK);
  assert_int_equal(status, 0);
  assert_int_equal(read(out[0], bytes, sizeof bytes), 5);
  assert_string_equal(bytes, "hello");
  const int all[] = {in[0], in[1], out[0], out[1], 8, 9};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    close(all[i]);
}

static void
test_failures(void **state)
{
  (void) state;
  char *argv[] = {"nothing", NULL};
  struct proc_spawn spawn = {.path = "/no/such/program", .argv = argv};
  struct err_info info = {0};
  pid_t pid;
  int status;
  assert_int_equal(proc_start(&spawn, &pid, &info), ERR_IO);
  assert_string_equal(info.text, "could not start /no/such/program: No such file or directory");
  assert_int_equal(pid, -1);
  spawn.path = own_path;
  spawn.directory = "/no/such/folder";
  assert_int_equal(proc_start(&spawn, &pid, &info), ERR_IO);
  assert_int_equal(waitpid(-1, &status, WNOHANG), -1); /* no child is left */
  assert_int_equal(errno, ECHILD);
  assert_int_equal(proc_wait_timeout(1, 0.0, &status), ERR_NOT_FOUND);
}

static void
test_wait_and_kill(void **state)
{
  (void) state;
  struct proc_spawn spawn = {0};
  char text[64];
  int status;
  uint64_t rss = 0;
  pid_t pid = start(&spawn, "sleep");
  assert_int_equal(proc_wait_timeout(pid, 0.0, &status), ERR_TIMEOUT);
  double before = clock_monotonic_s();
  assert_int_equal(proc_wait_timeout(pid, 0.15, &status), ERR_TIMEOUT);
  assert_true(clock_monotonic_s() - before >= 0.149);
  assert_int_equal(proc_rss_bytes(pid, &rss), ERR_OK);
  assert_in_range(rss, 100000, INT64_C(4) << 30);
  kill(pid, SIGKILL);
  assert_int_equal(proc_wait_timeout(pid, -1.0, &status), ERR_OK);
  proc_describe_status(status, text, sizeof text);
  assert_string_equal(text, "was killed by signal 9 (Killed)");
  proc_describe_status(3 << 8, text, sizeof text);
  assert_string_equal(text, "ended with code 3");
  assert_int_equal(proc_rss_bytes(pid, &rss), ERR_NOT_FOUND);
  pid = start(&spawn, "spin");
  kill(pid, SIGTERM);
  assert_int_equal(proc_wait_timeout(pid, 10.0, &status), ERR_OK);
}

static void
test_limits_bite(void **state)
{
  (void) state;
  struct proc_spawn spawn = {.limits = {.cpu_s = 1}};
  int status;
  pid_t pid = start(&spawn, "spin");
  assert_int_equal(proc_wait_timeout(pid, 30.0, &status), ERR_OK);
  assert_true(WIFSIGNALED(status));
#ifndef ATTUNE_SANITIZED
  struct proc_spawn small = {.limits = {.address_bytes = UINT64_C(512) << 20}};
  pid = start(&small, "eat");
  assert_int_equal(proc_wait_timeout(pid, 30.0, &status), ERR_OK);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
#endif
}

static void
test_pinned(void **state)
{
  (void) state;
  char *const bare[] = {"OMP_NUM_THREADS=4", NULL};
  struct proc_spawn spawn = {.envp = bare};
  int status;
  pid_t pid = start(&spawn, "pinned");
  assert_int_equal(proc_wait_timeout(pid, 10.0, &status), ERR_OK);
  assert_int_equal(status, 0);
}

static void
test_find_program(void **state)
{
  (void) state;
  char dir[TEST_PATH_SIZE], program[TEST_PATH_SIZE], found[PATH_MAX], name[64];
  struct err_info info = {0};
  snprintf(name, sizeof name, "%s", strrchr(own_path, '/') + 1);
  assert_int_equal(proc_find_program(name, found, sizeof found, &info), ERR_OK);
  assert_string_equal(found, own_path);
  assert_int_equal(proc_find_program("attune-nothing", found, sizeof found, &info), ERR_NOT_FOUND);
  assert_has_text(info.text, "attune-nothing");
  test_make_dir(dir);
  test_path(program, dir, name);
  test_write_file(program, "#!/bin/sh\n");
  setenv("ATTUNE_LIBEXECDIR", dir, 1);
  /* not executable: passed over */
  assert_int_equal(proc_find_program(name, found, sizeof found, &info), ERR_OK);
  assert_string_equal(found, own_path);
  assert_int_equal(chmod(program, 0700), 0);
  assert_int_equal(proc_find_program(name, found, sizeof found, &info), ERR_OK);
  assert_string_equal(found, program);
  assert_int_equal(proc_find_program(name, found, 5, &info), ERR_NOT_FOUND);
  unsetenv("ATTUNE_LIBEXECDIR");
  test_remove_dir(dir);
}

static int
child_main(char **argv)
{
  if (strcmp(argv[1], "report") == 0)
    return child_report();
  if (strcmp(argv[1], "copy") == 0)
    return child_copy();
  if (strcmp(argv[1], "pinned") == 0)
    return child_pinned(argv);
  if (strcmp(argv[1], "sleep") == 0)
    return (int) sleep(60);
  if (strcmp(argv[1], "eat") == 0)
  {
    char *volatile memory = malloc((size_t) 1 << 30);
    int code = memory ? 10 : 9;
    free(memory);
    return code;
  }
  for (volatile unsigned long turns = 0;; turns++)
    ;
}

int
main(int argc, char **argv)
{
  if (argc > 1)
    return child_main(argv);
  ssize_t length = readlink("/proc/self/exe", own_path, sizeof own_path - 1);
  if (length <= 0)
    return 1;
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_everything_set), cmocka_unit_test(test_crossed_descriptors),
    cmocka_unit_test(test_failures),       cmocka_unit_test(test_wait_and_kill),
    cmocka_unit_test(test_limits_bite),    cmocka_unit_test(test_pinned),
    cmocka_unit_test(test_find_program),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
