/* attune-engine's command line, and the folders that dead workers leave. The database is pretended. */
#include <config.h>

#include "tests/harness/test_support.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/proc.h"
#include "sql/db_batch.h"
#include "sql/db_range.h"
#include "sql/db_work.h"
#include "worker/estate.h"

/* ---- the database -------------------------------------------------------------------------------------- */

static struct
{
  enum db_status end;
  size_t ended;
  char worker[ESTATE_NAME_BYTES];
} database;

void
db_id_new(const char *prefix, char *id, size_t size)
{
  snprintf(id, size, "%s%s", prefix, "0123456789");
}

enum db_status
db_work_end_worker(struct db_conn *conn, const char *worker, const char *reason)
{
  (void) conn;
  assert_has_text(reason, "died");
  database.ended++;
  snprintf(database.worker, sizeof database.worker, "%s", worker);
  return database.end;
}

/* A dead worker has had no range test. */
enum db_status
db_range_end_worker(struct db_conn *conn, const char *worker, const char *reason)
{
  (void) conn;
  (void) worker;
  (void) reason;
  return DB_NONE;
}

/* Nor a batch. */
enum db_status
db_batch_end_worker(struct db_conn *conn, const char *worker)
{
  (void) conn;
  (void) worker;
  return DB_NONE;
}

/* ---- folders of the dead --------------------------------------------------------------------------------- */

static void
test_estates(void **state)
{
  (void) state;
  static char deep[PATH_MAX + 10];
  char folder[TEST_PATH_SIZE];
  struct estate own, dead;
  struct err_info info = {0};
  test_make_dir(folder);
  assert_int_equal(estate_make(&own, folder, &info), ERR_OK);
  assert_has_text(own.name, ":0123456789");
  /* It lives: nobody ends its leases. */
  database.end = DB_ROWS;
  assert_int_equal(estate_settle_dead(&own, NULL), DB_NONE);
  assert_int_equal(database.ended, 0);
  /* It dies: its lock goes with it. The database is away first. */
  assert_int_equal(estate_make(&dead, folder, &info), ERR_OK);
  close(dead.fd);
  database.end = DB_SOFT;
  assert_int_equal(estate_settle_dead(&own, NULL), DB_SOFT);
  assert_int_equal(access(dead.path, F_OK), 0);
  database.end = DB_ROWS;
  assert_int_equal(estate_settle_dead(&own, NULL), DB_ROWS);
  assert_string_equal(database.worker, dead.name);
  assert_int_not_equal(access(dead.path, F_OK), 0);
  assert_int_equal(access(own.path, F_OK), 0);
  /* Nothing was leased to it: its folder goes all the same. So does one without a name, and one of before the
   * machine was started anew ends nothing. */
  static const char *const owners[] = {NULL, "", "name without a boot", "name\nanother boot\n"};
  for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++)
  {
    char path[PATH_MAX + 16];
    assert_int_equal(estate_make(&dead, folder, &info), ERR_OK);
    snprintf(path, sizeof path, "%s/owner", dead.path);
    if (owners[i] == NULL)
      unlink(path);
    else
      test_write_file(path, owners[i]);
    close(dead.fd);
    database.ended = 0;
    assert_int_equal(estate_settle_dead(&own, NULL), DB_NONE);
    assert_int_equal(database.ended, 0);
    assert_int_not_equal(access(dead.path, F_OK), 0);
  }
  estate_remove(&own);
  assert_int_not_equal(access(own.path, F_OK), 0);
  estate_remove(&own);
  test_remove_dir(folder);
  assert_int_equal(estate_make(&own, "/dev/null", &info), ERR_IO);
  memset(deep, 'x', sizeof deep - 1);
  assert_int_equal(estate_make(&own, deep, &info), ERR_LIMIT);
  assert_has_text(info.text, "too long");
  assert_int_equal(estate_settle_dead(&own, NULL), DB_NONE);
}

/* ---- the command line ------------------------------------------------------------------------------------ */

static int
run_engine(const char *const *arguments, struct buf *said)
{
  char path[4096];
  char *argv[16] = {"attune-engine"};
  struct err_info info = {0};
  pid_t pid;
  int status, ends[2];
  size_t count = 1;
  for (; *arguments != NULL; arguments++)
    argv[count++] = (char *) *arguments;
  if (proc_find_program("attune-engine", path, sizeof path, &info) != ERR_OK)
    fail_msg("%s", info.text);
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  struct proc_fd fds[] = {{ends[1], 1}, {ends[1], 2}};
  struct proc_spawn spawn = {.path = path, .argv = argv, .fds = fds, .fd_count = 2};
  assert_int_equal(proc_start(&spawn, &pid, &info), ERR_OK);
  close(ends[1]);
  assert_int_equal(file_read_fd(ends[0], 1 << 20, said, NULL), ERR_OK);
  close(ends[0]);
  assert_int_equal(proc_wait_timeout(pid, 20, &status), ERR_OK);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_command_line(void **state)
{
  (void) state;
  static const struct
  {
    const char *arguments[6];
    int status;
    const char *says;
  } cases[] = {
    {{"--help", NULL}, 0, "--memory-per-trial"},
    {{"--version", NULL}, 0, "attune-engine " PACKAGE_VERSION},
    {{NULL}, 2, "give --database and --data-dir"},
    {{"--database=x", NULL}, 2, "give --database and --data-dir"},
    {{"--workers=many", NULL}, 2, "--workers"},
    {{"--wrokers=1", NULL}, 2, "did you mean \"workers\""},
    {{"--log-level=loud", NULL}, 2, "--log-level"},
    {{"--trial-seconds=0", NULL}, 2, "--trial-seconds"},
    {{"operand", NULL}, 2, "operand"},
    {{"--trial", "/no/where", NULL}, 2, "cannot read the unit of work"},
    {{"--worker", "--database=x", "--data-dir=/dev/null", "--memory-per-trial=1G", NULL},
     1,
     "could not start a worker"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct buf said = {0};
    assert_int_equal(run_engine(cases[i].arguments, &said), cases[i].status);
    assert_has_text(said.data, cases[i].says);
    buf_free(&said);
  }
}

int
main(void)
{
  log_setup("test_engine_program", LOG_LEVEL_ERROR, false);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_estates),
    cmocka_unit_test(test_command_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
