/* Trial processes that do what they should not, and how their worker ends them. The program is its own trial; the
 * database is pretended. */
#include <config.h>

#include "tests/harness/test_support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tests/harness/call_fails.h"
#include "worker/runner.h"
#include "worker/supervisor.h"

/* ---- time ---------------------------------------------------------------------------------------------- */

static _Atomic double skipped_s;

double __real_clock_monotonic_s(void);
double __wrap_clock_monotonic_s(void);
double
__wrap_clock_monotonic_s(void)
{
  return __real_clock_monotonic_s() + atomic_load(&skipped_s);
}

static void
pass_time(double seconds)
{
  atomic_store(&skipped_s, atomic_load(&skipped_s) + seconds);
}

/* ---- the database -------------------------------------------------------------------------------------- */

static struct
{
  enum db_status beat[4]; /* answers, in turn; the last again and again */
  size_t beats;
  struct db_work_pulse pulse;
  enum db_status epochs;
  size_t epoch_count, presences;
  int last_epoch;
  int notes[2]; /* a pipe: bytes in it are notes on the job */
} database;

enum db_status
db_work_heartbeat(struct db_conn *conn, const struct db_work_lease *lease,
                  struct db_work_pulse *pulse)
{
  (void) conn;
  assert_int_equal(lease->unit_id, 5);
  size_t at = database.beats < 3 ? database.beats : 3;
  database.beats++;
  *pulse = database.pulse;
  return database.beat[at];
}

enum db_status
db_work_presence(struct db_conn *conn)
{
  (void) conn;
  database.presences++;
  return DB_ROWS;
}

enum db_status
db_work_epochs(struct db_conn *conn, const struct db_work_lease *lease,
               const struct db_work_epoch *epochs, size_t count)
{
  (void) conn;
  (void) lease;
  if (database.epochs >= DB_NONE)
  {
    database.epoch_count += count;
    database.last_epoch = epochs[count - 1].epoch;
  }
  return database.epochs;
}

int
db_socket(const struct db_conn *conn)
{
  (void) conn;
  return database.notes[0];
}

enum err
db_wait_notify(struct db_conn *conn, double timeout_s,
               void (*on_note)(void *context, const char *kind, const char *id), void *context,
               struct err_info *info)
{
  char byte;
  (void) conn;
  (void) timeout_s;
  (void) info;
  if (read(database.notes[0], &byte, 1) != 1)
    return ERR_UNAVAILABLE;
  on_note(context, "dataset", "jb_1");
  on_note(context, "job", "jb_2");
  on_note(context, "job", "jb_1");
  return ERR_OK;
}

static void
note(void)
{
  assert_int_equal(write(database.notes[1], "n", 1), 1);
}

/* ---- trials -------------------------------------------------------------------------------------------- */

static int
end_trial(const char *folder, const char *result)
{
  char path[TEST_PATH_SIZE];
  test_path(path, folder, "result.json");
  test_write_file(path, result);
  return 0;
}

static int
tell_epochs(const char *folder)
{
  char line[5000];
  memset(line, 'x', sizeof line);
  line[sizeof line - 1] = '\n';
  ssize_t ignored = write(3, line, sizeof line);
  ignored = write(3, "no json\n{\"epoch\":0}\n{\"epoch\":1,\"epochs\":3,\"seconds\":1}\n", 54);
  for (int i = 2; i <= 600; i++)
  {
    int length = snprintf(line, sizeof line, "{\"epoch\":%d,\"train_loss\":0.5}\n", i);
    while ((ignored = write(3, line, (size_t) length)) < 0 && errno == EAGAIN)
      usleep(1000);
  }
  (void) ignored;
  return end_trial(folder, "{\"ok\":true}");
}

static int
eat(void)
{
  size_t size = (size_t) 160 << 20;
  volatile char *memory = malloc(size);
  for (size_t i = 0; memory != NULL && i < size; i += 1024)
    memory[i] = 1;
  sleep(30);
  free((char *) memory);
  return 0;
}

static int
talk(const char *folder)
{
  for (int i = 0; i < 20000; i++)
    fprintf(stderr, "line %d\n", i);
  return end_trial(folder, "{\"ok\":false,\"error\":\"invalid\",\"text\":\"the data is odd\"}");
}

/* What the folder's file "how" names. */
static int
be_trial(const char *folder)
{
  char path[TEST_PATH_SIZE];
  struct buf how = {0};
  test_path(path, folder, "how");
  if (file_read_all(path, 100, &how, NULL) != ERR_OK)
    return 9;
  char name[32];
  snprintf(name, sizeof name, "%s", how.data);
  buf_free(&how);
  if (strcmp(name, "epochs") == 0)
    return tell_epochs(folder);
  if (strcmp(name, "rubbish") == 0)
    return end_trial(folder, "{\"ok\":");
  if (strcmp(name, "nothing") == 0)
    return 0;
  if (strcmp(name, "cancelled") == 0)
    return end_trial(folder, "{\"ok\":false,\"error\":\"cancelled\"}");
  if (strcmp(name, "talk") == 0)
    return talk(folder);
  if (strcmp(name, "code") == 0)
    return 3;
  if (strcmp(name, "abort") == 0)
    abort();
  if (strcmp(name, "killed") == 0)
    return raise(SIGKILL);
  if (strcmp(name, "eat") == 0)
    return eat();
  if (strcmp(name, "deaf") == 0)
    signal(SIGTERM, SIG_IGN);
  sleep(30); /* "sleep" and "deaf" */
  return 1;
}

/* ---- the runner ---------------------------------------------------------------------------------------- */

static struct watchdog *watchdog;
static struct work_dir dir;

static struct runner
runner_of(const char *how)
{
  static const struct db_work_lease lease = {.unit_id = 5, .lease_token = 1};
  static char place;
  char path[TEST_PATH_SIZE];
  struct db_conn *conn = (struct db_conn *) &place; /* never looked into */
  int notes[2] = {database.notes[0], database.notes[1]};
  database = (__typeof__(database)){.beat = {DB_ROWS, DB_ROWS, DB_ROWS, DB_ROWS},
                                    .pulse = {.search_left_s = INFINITY},
                                    .epochs = DB_ROWS,
                                    .notes = {notes[0], notes[1]}};
  test_path(path, dir.path, "result.json");
  unlink(path);
  test_path(path, dir.path, "how");
  test_write_file(path, how);
  return (struct runner){.conn = conn,
                         .listener = conn,
                         .watchdog = watchdog,
                         .dir = &dir,
                         .hold_fd = 0,
                         .job_id = "jb_1",
                         .lease = &lease,
                         .stop_after_s = INFINITY};
}

static void
check_run(const struct runner *runner, enum runner_end end, const char *reason)
{
  struct runner_result result;
  int status;
  size_t open = call_fails_open();
  runner_run(runner, &result);
  if (result.end != end)
    fail_msg("%s: %d", result.reason, (int) result.end);
  assert_has_text(result.reason, reason);
  assert_int_equal(call_fails_open(), open);
  assert_int_equal(waitpid(-1, &status, WNOHANG), -1); /* it was reaped */
}

static void
test_ends(void **state)
{
  (void) state;
  static const struct
  {
    const char *how;
    enum runner_end end;
    const char *reason;
  } cases[] = {
    {"rubbish", RUNNER_FAILED, "it ended without a result"},
    {"nothing", RUNNER_FAILED, "it ended without a result"},
    {"cancelled", RUNNER_KILLED, "told to stop by another process"},
    {"code", RUNNER_FAILED, "its process ended with code 3"},
    {"abort", RUNNER_FAILED, "its process was killed by signal 6"},
    {"killed", RUNNER_KILLED, "its process was killed by signal 9"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct runner runner = runner_of(cases[i].how);
    check_run(&runner, cases[i].end, cases[i].reason);
  }
}

static void
test_epochs(void **state)
{
  (void) state;
  struct runner runner = runner_of("epochs");
  check_run(&runner, RUNNER_DONE, "");
  assert_true(database.epoch_count >= 300 && database.epoch_count <= 600);
  assert_int_equal(database.last_epoch, 600);
  /* Not stored: it is no reason to fail. Not ours any more: it is. */
  runner = runner_of("epochs");
  database.epochs = DB_SOFT;
  check_run(&runner, RUNNER_DONE, "");
  assert_int_equal(database.epoch_count, 0);
  runner = runner_of("epochs");
  database.epochs = DB_NONE;
  struct runner_result result;
  runner_run(&runner, &result);
  /* It may have been done before it could be killed. */
  assert_true(result.end == RUNNER_LOST || result.end == RUNNER_DONE);
  runner = runner_of("epochs");
  runner.lease = NULL;
  check_run(&runner, RUNNER_DONE, "");
  assert_int_equal(database.epoch_count, 0);
}

static void
test_last_words(void **state)
{
  (void) state;
  struct runner runner = runner_of("talk");
  struct runner_result result;
  int kept = dup(STDERR_FILENO), quiet = openat(AT_FDCWD, "/dev/null", O_WRONLY);
  dup2(quiet, STDERR_FILENO);
  runner_run(&runner, &result);
  dup2(kept, STDERR_FILENO);
  close(kept);
  close(quiet);
  assert_int_equal(result.end, RUNNER_FAILED);
  assert_string_equal(result.reason, "the data is odd");
  assert_has_text(result.said, "line 19998\nline 19999");
  assert_true(strlen(result.said) > 1900);
}

static void
test_limits(void **state)
{
  (void) state;
  struct runner runner = runner_of("eat");
  runner.memory_bytes = (uint64_t) 40 << 20;
#ifdef ATTUNE_SANITIZED
  runner.memory_bytes = (uint64_t) 90 << 20;
#endif
  check_run(&runner, RUNNER_FAILED, "more than the limit of");
  runner = runner_of("sleep");
  runner.seconds = 0.4;
  check_run(&runner, RUNNER_FAILED, "it ran longer than the limit");
  runner = runner_of("sleep");
  runner.stop_after_s = 0.2;
  check_run(&runner, RUNNER_CANCELLED, "the job's time was used up");
  /* It does not listen. */
  runner = runner_of("deaf");
  runner.stop_after_s = 0.2;
  check_run(&runner, RUNNER_CANCELLED, "the job's time was used up");
}

static void
test_orders(void **state)
{
  (void) state;
  static const struct
  {
    enum db_work_stop stop;
    enum runner_end end;
    const char *reason;
  } cases[] = {
    {DB_WORK_STOP_PAUSE, RUNNER_PAUSED, "the job was paused"},
    {DB_WORK_STOP_ENDED, RUNNER_CANCELLED, "the job has ended"},
    {DB_WORK_STOP_CANCEL, RUNNER_CANCELLED, "the job was cancelled"},
    {DB_WORK_STOP_TIME, RUNNER_CANCELLED, "the job's time was used up"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct runner runner = runner_of("sleep");
    database.pulse.stop = cases[i].stop;
    note();
    check_run(&runner, cases[i].end, cases[i].reason);
    assert_int_equal(database.beats, 1);
  }
  struct runner runner = runner_of("sleep");
  database.beat[0] = DB_NONE;
  note();
  check_run(&runner, RUNNER_LOST, "the lease was lost");
  /* What is left of the budget comes with each heartbeat. */
  runner = runner_of("sleep");
  runner.stop_after_s = 1000;
  database.pulse.search_left_s = 0.1;
  note();
  check_run(&runner, RUNNER_CANCELLED, "the job's time was used up");
}

/* The database is away: asked again sooner, and what comes then counts. */
static void
test_away(void **state)
{
  (void) state;
  struct runner runner = runner_of("sleep");
  database.beat[0] = DB_SOFT;
  database.beat[1] = DB_HARD;
  database.pulse.stop = DB_WORK_STOP_CANCEL;
  note();
  check_run(&runner, RUNNER_CANCELLED, "the job was cancelled");
  assert_int_equal(database.beats, 3);
  runner = runner_of("sleep");
  runner.lease = NULL;
  runner.listener = NULL;
  runner.seconds = 0.3;
  check_run(&runner, RUNNER_FAILED, "it ran longer");
  assert_int_equal(database.beats, 0);
}

static void
test_no_process(void **state)
{
  (void) state;
  for (size_t nth = 1; nth <= 4; nth++)
  {
    struct runner runner = runner_of("nothing");
    call_fails_from(CALL_FAILS, nth, false);
    struct runner_result result;
    runner_run(&runner, &result);
    assert_true(call_fails_end());
    /* Two pipes, the pipe of the start, the fork. */
    assert_int_equal(result.end, RUNNER_KILLED);
    assert_has_text(result.reason, nth == 4 ? "make a process" : "make a pipe");
  }
}

/* ---- the watchdog -------------------------------------------------------------------------------------- */

static pid_t
sleeper(void)
{
  pid_t pid = fork();
  if (pid == 0)
  {
    sleep(30);
    _exit(0);
  }
  return pid;
}

static void
test_silence(void **state)
{
  (void) state;
  struct watchdog *other;
  int status;
  assert_int_equal(watchdog_start(-1, &other, NULL), ERR_OK);
  pid_t pid = sleeper();
  watchdog_guard(other, pid);
  pass_time(8);
  watchdog_heard(other);
  pass_time(8);
  usleep(600000);
  assert_false(watchdog_fired(other));
  assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
  pass_time(8);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  assert_true(watchdog_fired(other));
  watchdog_guard(other, 0);
  assert_false(watchdog_fired(other));
  watchdog_release(other);
  watchdog_free(other);
  watchdog_free(NULL);
}

/* A worker whose supervisor is gone stops, and is ended if it does not. */
static void
test_orphan(void **state)
{
  (void) state;
  int ends[2], status;
  assert_int_equal(pipe(ends), 0);
  pid_t pid = fork();
  if (pid == 0)
  {
    struct watchdog *own;
    close(ends[1]);
    if (watchdog_start(ends[0], &own, NULL) != ERR_OK)
      _exit(1);
    for (int i = 0; i < 100 && !watchdog_stopping(own); i++)
      usleep(50000);
    if (!watchdog_stopping(own))
      _exit(2);
    pass_time(6);
    sleep(10);
    _exit(3);
  }
  close(ends[0]);
  assert_int_equal(write(ends[1], "x", 1), 1); /* a byte is no end */
  usleep(100000);
  assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
  close(ends[1]);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 5);
}

/* ---- the supervisor ------------------------------------------------------------------------------------ */

/* Runs a supervisor of two workers that do `what`, ends it by its parent's pipe or a signal, and gives its exit
 * status. */
static int
supervise(const char *what, int signal_number)
{
  int ends[2], status;
  char *argv[] = {"attune-engine", "--worker", (char *) what, NULL};
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  pid_t pid = fork();
  if (pid == 0)
  {
    struct supervisor_options options = {.workers = 2, .parent_fd = ends[0], .worker_argv = argv};
    close(ends[1]);
    exit(supervisor_main(&options));
  }
  close(ends[0]);
  usleep(700000);
  assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
  if (signal_number > 0)
    kill(pid, signal_number);
  else
    close(ends[1]);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  if (signal_number > 0)
    close(ends[1]);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_supervisor(void **state)
{
  (void) state;
  assert_int_equal(supervise("good", 0), 0);
  assert_int_equal(supervise("good", SIGTERM), 0);
  /* Workers that die are started again, later and later, and do not keep it from its end. */
  assert_int_equal(supervise("short", SIGINT), 0);
}

static int
be_worker(const char *what)
{
  char byte;
  if (strcmp(what, "short") == 0)
    return 1;
  /* Until the supervisor's pipe closes, or it is told to stop. */
  return read(SUPERVISOR_PARENT_FD, &byte, 1) == 0 ? 0 : 2;
}

static int
set_up(void **state)
{
  (void) state;
  char folder[TEST_PATH_SIZE];
  test_make_dir(folder);
  assert_int_equal(work_dir_at(&dir, folder), ERR_OK);
  assert_int_equal(pipe2(database.notes, O_CLOEXEC | O_NONBLOCK), 0);
  return watchdog_start(-1, &watchdog, NULL) == ERR_OK ? 0 : 1;
}

static int
tear_down(void **state)
{
  (void) state;
  watchdog_free(watchdog);
  close(database.notes[0]);
  close(database.notes[1]);
  work_dir_remove(&dir);
  return 0;
}

/* The last test: a worker that was told to stop stays so. */
static void
test_stopping(void **state)
{
  (void) state;
  struct runner runner = runner_of("sleep");
  watchdog_ask_stop();
  check_run(&runner, RUNNER_STOPPING, "the worker stops");
}

int
main(int argc, char **argv)
{
  if (argc == 3 && strcmp(argv[1], "--trial") == 0)
    return be_trial(argv[2]);
  if (argc == 3 && strcmp(argv[1], "--worker") == 0)
    return be_worker(argv[2]);
  log_setup("test_runner", LOG_LEVEL_ERROR, false);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_ends),       cmocka_unit_test(test_epochs),
    cmocka_unit_test(test_last_words), cmocka_unit_test(test_limits),
    cmocka_unit_test(test_orders),     cmocka_unit_test(test_away),
    cmocka_unit_test(test_no_process), cmocka_unit_test(test_silence),
    cmocka_unit_test(test_orphan),     cmocka_unit_test(test_supervisor),
    cmocka_unit_test(test_stopping),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
