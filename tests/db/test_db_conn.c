/* Connections that break, transactions that run again, notifications, the pool. */
#include <config.h>

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sql/db_conn.h"
#include "sql/db_dataset.h"
#include "tests/harness/test_db.h"

struct fixture
{
  struct arena *arena;
  struct db_conn *conn;
};

static int
setup(void **state)
{
  static struct fixture fixture;
  fixture.arena = arena_new(0);
  fixture.conn = test_db_open();
  *state = &fixture;
  return 0;
}

static int
teardown(void **state)
{
  struct fixture *fixture = *state;
  db_close(fixture->conn);
  arena_free(fixture->arena);
  return 0;
}

static void
kill_backend(struct fixture *fixture)
{
  struct db_conn *other = test_db_open();
  assert_string_equal(test_db_sql(other, fixture->arena, "SELECT pg_terminate_backend(%d, 5000)",
                                  PQbackendPID(fixture->conn->pg)),
                      "t");
  db_close(other);
}

static const struct db_statement one = {"test_one", "SELECT 1::bigint"};

static void
test_killed_backend(void **state)
{
  struct fixture *fixture = *state;
  int64_t value;
  kill_backend(fixture);
  assert_int_equal(db_exec_one(fixture->conn, &one, DB_NO_PARAMS, DB_SCALAR(DB_INT8), NULL, &value),
                   DB_SOFT);
  assert_false(db_is_open(fixture->conn));
  assert_int_equal(db_socket(fixture->conn), -1);
  assert_int_equal(db_reopen(fixture->conn, NULL), ERR_OK);
  assert_true(db_is_open(fixture->conn));
  assert_int_equal(db_exec_one(fixture->conn, &one, DB_NO_PARAMS, DB_SCALAR(DB_INT8), NULL, &value),
                   DB_ROWS);
  /* Without db_reopen, the next statement outside a transaction opens it. */
  kill_backend(fixture);
  assert_int_equal(db_exec_one(fixture->conn, &one, DB_NO_PARAMS, DB_SCALAR(DB_INT8), NULL, &value),
                   DB_SOFT);
  assert_int_equal(db_exec_one(fixture->conn, &one, DB_NO_PARAMS, DB_SCALAR(DB_INT8), NULL, &value),
                   DB_ROWS);
}

struct attempts
{
  struct fixture *fixture;
  int runs;
  bool kill;
};

static enum db_status
killed_once(struct db_conn *conn, void *context)
{
  struct attempts *attempts = context;
  static const struct db_statement insert = {"test_insert", "INSERT INTO kept (v) VALUES ($1)"};
  enum db_status status = db_exec_none(conn, &insert, DB_PARAMS(db_int4(++attempts->runs)));
  if (status == DB_ROWS && attempts->kill && attempts->runs == 1)
  {
    kill_backend(attempts->fixture);
    status = db_exec_none(conn, &insert, DB_PARAMS(db_int4(100)));
  }
  return status;
}

static void
test_transaction_survives_a_kill(void **state)
{
  struct fixture *fixture = *state;
  struct attempts attempts = {.fixture = fixture, .kill = true};
  test_db_sql(fixture->conn, fixture->arena, "CREATE TABLE kept (v integer)");
  assert_int_equal(db_tx_run(fixture->conn, "test", killed_once, &attempts), DB_ROWS);
  assert_int_equal(attempts.runs, 2);
  assert_string_equal(
    test_db_sql(fixture->conn, fixture->arena, "SELECT string_agg(v::text, ',') FROM kept"), "2");
  test_db_sql(fixture->conn, fixture->arena, "DROP TABLE kept");
}

static enum db_status
forgets_a_failure(struct db_conn *conn, void *context)
{
  int *runs = context;
  ++*runs;
  static const struct db_statement bad = {"test_divide", "SELECT 1 / (1 - $1)"};
  db_exec_none(conn, &bad, DB_PARAMS(db_int4(1)));
  return DB_ROWS;
}

static enum db_status
always_soft(struct db_conn *conn, void *context)
{
  (void) conn;
  ++*(int *) context;
  return DB_SOFT;
}

static enum db_status
refuses(struct db_conn *conn, void *context)
{
  static const struct db_statement insert = {
    "test_setting", "INSERT INTO setting (name, value) VALUES ('refused', 'x')"};
  enum db_status status = db_exec_none(conn, &insert, DB_NO_PARAMS);
  return status == DB_ROWS ? *(enum db_status *) context : status;
}

static enum db_status
nests(struct db_conn *conn, void *context)
{
  assert_true(db_in_tx(conn));
  return db_tx_run(conn, "inner", refuses, context);
}

static void
test_transaction_ends(void **state)
{
  struct fixture *fixture = *state;
  int runs = 0;
  assert_int_equal(db_tx_run(fixture->conn, "test", forgets_a_failure, &runs), DB_HARD);
  assert_int_equal(runs, 1);
  runs = 0;
  assert_int_equal(db_tx_run(fixture->conn, "test", always_soft, &runs), DB_SOFT);
  assert_int_equal(runs, 5);
  assert_false(db_in_tx(fixture->conn));

  enum db_status wanted = DB_HARD;
  assert_int_equal(db_tx_run(fixture->conn, "test", nests, &wanted), DB_HARD);
  assert_string_equal(test_db_sql(fixture->conn, fixture->arena,
                                  "SELECT count(*) FROM setting WHERE name = 'refused'"),
                      "0");
  wanted = DB_NONE; /* commits as well */
  assert_int_equal(db_tx_run(fixture->conn, "test", nests, &wanted), DB_NONE);
  assert_string_equal(test_db_sql(fixture->conn, fixture->arena,
                                  "DELETE FROM setting WHERE name = 'refused' RETURNING name"),
                      "refused");
}

/* Two transactions that lock two rows in opposite order: one is chosen as the deadlock's victim, both end
 * well. */
struct crossing
{
  const char *first, *second;
  pthread_barrier_t *barrier;
  int runs;
  enum db_status status;
};

static enum db_status
cross(struct db_conn *conn, void *context)
{
  struct crossing *crossing = context;
  static const struct db_statement touch = {
    "test_touch", "UPDATE setting SET value = value || '.' WHERE name = $1"};
  enum db_status status = db_exec_none(conn, &touch, DB_PARAMS(db_text(crossing->first)));
  if (++crossing->runs == 1)
    pthread_barrier_wait(crossing->barrier);
  if (status == DB_ROWS)
    status = db_exec_none(conn, &touch, DB_PARAMS(db_text(crossing->second)));
  return status;
}

static void *
run_crossing(void *context)
{
  struct crossing *crossing = context;
  struct db_conn *conn;
  if (db_connect(test_db_conninfo(), "test", &conn, NULL) != ERR_OK)
    return NULL;
  crossing->status = db_tx_run(conn, "test", cross, crossing);
  db_close(conn);
  return NULL;
}

static void
test_deadlock(void **state)
{
  struct fixture *fixture = *state;
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, 2);
  test_db_sql(fixture->conn, fixture->arena, "INSERT INTO setting VALUES ('a', ''), ('b', '')");
  struct crossing there = {.first = "a", .second = "b", .barrier = &barrier, .status = DB_HARD};
  struct crossing back = {.first = "b", .second = "a", .barrier = &barrier, .status = DB_HARD};
  pthread_t thread;
  pthread_create(&thread, NULL, run_crossing, &there);
  run_crossing(&back);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&barrier);
  assert_int_equal(there.status, DB_ROWS);
  assert_int_equal(back.status, DB_ROWS);
  assert_int_equal(there.runs + back.runs, 3);
  assert_string_equal(test_db_sql(fixture->conn, fixture->arena,
                                  "SELECT string_agg(value, '|') FROM setting WHERE name < 'c'"),
                      "..|..");
  test_db_sql(fixture->conn, fixture->arena, "DELETE FROM setting WHERE name IN ('a', 'b')");
}

static void
test_connection_strings(void **state)
{
  (void) state;
  struct db_conn *conn;
  struct err_info info;
  assert_int_equal(db_connect("host=/nowhere/at/all", "test", &conn, &info), ERR_UNAVAILABLE);
  assert_null(conn);
  assert_int_equal(db_connect("nonsense=1", "test", &conn, &info), ERR_INVALID);
  assert_int_equal(db_connect("host='unclosed", "test", &conn, &info), ERR_INVALID);
}

static void
test_session_settings(void **state)
{
  struct fixture *fixture = *state;
  static const char *const wanted[][2] = {{"TimeZone", "UTC"},
                                          {"client_encoding", "UTF8"},
                                          {"application_name", "test"},
                                          {"idle_in_transaction_session_timeout", "10s"},
                                          {"statement_timeout", "30s"}};
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
    assert_string_equal(test_db_sql(fixture->conn, fixture->arena, "SHOW %s", wanted[i][0]),
                        wanted[i][1]);
}

/* ---- notifications ------------------------------------------------------------------------------------ */

struct heard
{
  int count;
  char kind[16];
  char id[64];
};

static void
hear(void *context, const char *kind, const char *id)
{
  struct heard *heard = context;
  heard->count++;
  snprintf(heard->kind, sizeof heard->kind, "%s", kind);
  snprintf(heard->id, sizeof heard->id, "%s", id);
}

static enum db_status
tell_and_fail(struct db_conn *conn, void *context)
{
  (void) context;
  enum db_status status = db_notify(conn, "job", "job_never");
  return status == DB_ROWS ? DB_HARD : status;
}

static void
test_listen(void **state)
{
  struct fixture *fixture = *state;
  struct heard heard = {0};
  struct db_conn *listener = test_db_open();
  assert_int_equal(db_listen(listener), DB_ROWS);
  double start_s = clock_monotonic_s();
  assert_int_equal(db_wait_notify(listener, 0.1, hear, &heard, NULL), ERR_OK);
  assert_int_equal(heard.count, 0);
  assert_true(clock_monotonic_s() - start_s >= 0.1);
  assert_int_equal(db_tx_run(fixture->conn, "test", tell_and_fail, NULL), DB_HARD);
  assert_int_equal(db_notify(fixture->conn, "job", "job_1"), DB_ROWS);
  assert_int_equal(db_wait_notify(listener, 5, hear, &heard, NULL), ERR_OK);
  assert_int_equal(heard.count, 1);
  assert_string_equal(heard.kind, "job");
  assert_string_equal(heard.id, "job_1");
  assert_int_equal(db_notify(fixture->conn, "work", NULL), DB_ROWS);
  assert_int_equal(db_wait_notify(listener, 5, hear, &heard, NULL), ERR_OK);
  assert_string_equal(heard.kind, "work");
  assert_string_equal(heard.id, "");

  /* Killed: told so, left closed until its owner reopens it, and listening again after that. */
  struct fixture victim = {fixture->arena, listener};
  struct err_info info;
  kill_backend(&victim);
  enum err err = ERR_OK;
  for (int i = 0; i < 10 && err == ERR_OK; i++)
    err = db_wait_notify(listener, 1, hear, &heard, &info);
  assert_int_equal(err, ERR_UNAVAILABLE);
  assert_int_equal(db_exec_none(listener, &one, DB_NO_PARAMS), DB_SOFT);
  assert_int_equal(db_reopen(listener, NULL), ERR_OK);
  assert_int_equal(db_notify(fixture->conn, "key", "key_2"), DB_ROWS);
  assert_int_equal(db_wait_notify(listener, 5, hear, &heard, NULL), ERR_OK);
  assert_string_equal(heard.id, "key_2");
  assert_int_equal(heard.count, 3);
  db_close(listener);
}

/* ---- the pool ------------------------------------------------------------------------------------------ */

static void
test_pool(void **state)
{
  struct fixture *fixture = *state;
  struct db_pool *pool;
  struct db_conn *first, *second, *third;
  struct err_info info;
  assert_int_equal(db_pool_new(test_db_conninfo(), "pool", 0, &pool, NULL), ERR_INVALID);
  assert_int_equal(db_pool_new(test_db_conninfo(), "pool", 2, &pool, NULL), ERR_OK);
  assert_int_equal(db_acquire(pool, 1, &first, NULL), ERR_OK);
  assert_int_equal(db_acquire(pool, 1, &second, NULL), ERR_OK);
  assert_int_equal(db_acquire(pool, 0.05, &third, &info), ERR_UNAVAILABLE);
  db_release(pool, second);
  assert_int_equal(db_acquire(pool, 0, &third, NULL), ERR_OK);
  assert_ptr_equal(second, third);
  /* A connection killed while idle is noticed and replaced before it is lent. */
  int pid = PQbackendPID(third->pg);
  db_release(pool, third);
  struct fixture victim = {fixture->arena, third};
  kill_backend(&victim);
  assert_int_equal(db_acquire(pool, 0, &third, NULL), ERR_OK);
  assert_int_not_equal(PQbackendPID(third->pg), pid);
  assert_int_equal(db_exec_none(third, &one, DB_NO_PARAMS), DB_ROWS);
  /* One given back in the middle of a transaction is not lent again. */
  assert_int_equal(db_exec_sql(third, "BEGIN"), DB_ROWS);
  pid = PQbackendPID(third->pg);
  db_release(pool, third);
  assert_int_equal(db_acquire(pool, 0, &third, NULL), ERR_OK);
  assert_int_not_equal(PQbackendPID(third->pg), pid);
  db_release(pool, first);
  db_release(pool, third);
  db_pool_free(pool);

  assert_int_equal(db_pool_new("host=/nowhere/at/all", "pool", 1, &pool, NULL), ERR_OK);
  for (int i = 0; i < 3; i++) /* a failed opening keeps no place */
    assert_int_equal(db_acquire(pool, 0.1, &first, &info), ERR_UNAVAILABLE);
  assert_non_null(strstr(info.text, "reach"));
  db_pool_free(pool);
}

struct borrower
{
  struct db_pool *pool;
  int served;
};

static void *
borrow(void *context)
{
  struct borrower *borrower = context;
  for (int i = 0; i < 50; i++)
  {
    struct db_conn *conn;
    if (db_acquire(borrower->pool, 10, &conn, NULL) != ERR_OK)
      continue;
    borrower->served += db_exec_none(conn, &one, DB_NO_PARAMS) == DB_ROWS;
    db_release(borrower->pool, conn);
  }
  return NULL;
}

static void
test_pool_of_threads(void **state)
{
  (void) state;
  struct db_pool *pool;
  assert_int_equal(db_pool_new(test_db_conninfo(), "pool", 3, &pool, NULL), ERR_OK);
  struct borrower borrowers[8];
  pthread_t threads[8];
  for (int i = 0; i < 8; i++)
  {
    borrowers[i] = (struct borrower){.pool = pool};
    pthread_create(&threads[i], NULL, borrow, &borrowers[i]);
  }
  for (int i = 0; i < 8; i++)
    pthread_join(threads[i], NULL);
  for (int i = 0; i < 8; i++)
    assert_int_equal(borrowers[i].served, 50);
  db_pool_free(pool);
}

static const struct db_statement sleep_5 = {"test_sleep", "SELECT pg_sleep(5)::text"};

/* A server that says nothing more holds nobody longer than the connection's patience. */
static void
test_frozen_backend(void **state)
{
  struct fixture *fixture = *state;
  int64_t value;
  int pid = PQbackendPID(fixture->conn->pg);
  db_set_patience(fixture->conn, 0.5);
  assert_int_equal(kill(pid, SIGSTOP), 0);
  double start_s = clock_monotonic_s();
  enum db_status status =
    db_exec_one(fixture->conn, &one, DB_NO_PARAMS, DB_SCALAR(DB_INT8), NULL, &value);
  double waited_s = clock_monotonic_s() - start_s;
  kill(pid, SIGCONT);
  assert_int_equal(status, DB_SOFT);
  assert_true(waited_s > 0.4 && waited_s < 3);
  assert_non_null(strstr(db_last_error(fixture->conn), "did not answer"));
  assert_false(db_is_open(fixture->conn));
  assert_int_equal(db_exec_one(fixture->conn, &one, DB_NO_PARAMS, DB_SCALAR(DB_INT8), NULL, &value),
                   DB_ROWS);
  /* One that works too long is given up in the same way. */
  start_s = clock_monotonic_s();
  assert_int_equal(db_exec_none(fixture->conn, &sleep_5, DB_NO_PARAMS), DB_SOFT);
  assert_true(clock_monotonic_s() - start_s < 3);
  db_set_patience(fixture->conn, DB_PATIENCE_S);
}

struct frozen_blob
{
  struct db_conn *conn;
  uint64_t left;
  int pid; /* 0 = not frozen */
};

static long
read_and_freeze(void *context, char *bytes, size_t size)
{
  struct frozen_blob *blob = context;
  size_t count = size < blob->left ? size : (size_t) blob->left;
  memset(bytes, 'x', count);
  blob->left -= count;
  if (blob->pid == 0)
  {
    blob->pid = PQbackendPID(blob->conn->pg);
    kill(blob->pid, SIGSTOP);
  }
  return (long) count;
}

static enum db_status
write_blob(struct db_conn *conn, void *context)
{
  static const uint8_t digest[32];
  int64_t id;
  /* More than the socket holds, so that sending is what waits. */
  return db_blob_write(conn, read_and_freeze, context, digest, UINT64_C(64) << 20, &id);
}

static void
test_frozen_while_copying(void **state)
{
  struct fixture *fixture = *state;
  struct frozen_blob blob = {.conn = fixture->conn, .left = UINT64_C(64) << 20};
  assert_int_equal(db_reopen(fixture->conn, NULL), ERR_OK);
  db_set_patience(fixture->conn, 0.5);
  double start_s = clock_monotonic_s();
  struct db_conn *conn = fixture->conn;
  assert_int_equal(db_exec_sql(conn, "BEGIN"), DB_ROWS);
  conn->tx_depth = 1;
  enum db_status status = write_blob(conn, &blob);
  conn->tx_depth = 0;
  double waited_s = clock_monotonic_s() - start_s;
  kill(blob.pid, SIGCONT);
  assert_int_equal(status, DB_SOFT);
  assert_true(waited_s > 0.4 && waited_s < 5);
  db_set_patience(fixture->conn, DB_PATIENCE_S);
  assert_int_equal(db_reopen(fixture->conn, NULL), ERR_OK);
  assert_string_equal(test_db_sql(fixture->conn, fixture->arena, "SELECT count(*) FROM blob"), "0");
}

/* An idle connection of the pool that has gone silent is replaced before anybody gets it. */
static void
test_pool_replaces_the_frozen(void **state)
{
  (void) state;
  struct db_pool *pool;
  struct db_conn *conn;
  struct timespec idle = {.tv_sec = 1, .tv_nsec = 100000000};
  assert_int_equal(db_pool_new(test_db_conninfo(), "pool", 1, &pool, NULL), ERR_OK);
  assert_int_equal(db_acquire(pool, 1, &conn, NULL), ERR_OK);
  int pid = PQbackendPID(conn->pg);
  db_release(pool, conn);
  nanosleep(&idle, NULL);
  kill(pid, SIGSTOP);
  double start_s = clock_monotonic_s();
  enum err err = db_acquire(pool, 1, &conn, NULL);
  double waited_s = clock_monotonic_s() - start_s;
  kill(pid, SIGCONT);
  assert_int_equal(err, ERR_OK);
  assert_true(waited_s < 5);
  assert_int_not_equal(PQbackendPID(conn->pg), pid);
  assert_int_equal(db_exec_none(conn, &one, DB_NO_PARAMS), DB_ROWS);
  db_release(pool, conn);
  db_pool_free(pool);
}

static void
test_ids_and_cursors(void **state)
{
  struct fixture *fixture = *state;
  char id[32], other[32];
  db_id_new("job_", id, sizeof id);
  db_id_new("job_", other, sizeof other);
  assert_int_equal(strlen(id), 24);
  assert_int_equal(strspn(id + 4, "0123456789abcdefghjkmnpqrstvwxyz"), 20);
  assert_string_not_equal(id, other);

  int64_t at_us;
  const char *back;
  assert_true(db_cursor_parse(db_cursor(fixture->arena, 1764000000123456, id), &at_us, &back));
  assert_true(at_us == 1764000000123456);
  assert_string_equal(back, id);
  assert_true(db_cursor_parse(NULL, &at_us, &back));
  static const char *const bad[] = {
    "",         ":",       "5",   "5:",  "x:job_1",
    "-5:job_1", "5:a b",   "5:A", "5:é", "123456789012345678901:job_1",
    "5:x'--",   " 5:job_1"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_false(db_cursor_parse(bad[i], &at_us, &back));
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed_backend),
                                     cmocka_unit_test(test_transaction_survives_a_kill),
                                     cmocka_unit_test(test_transaction_ends),
                                     cmocka_unit_test(test_deadlock),
                                     cmocka_unit_test(test_connection_strings),
                                     cmocka_unit_test(test_session_settings),
                                     cmocka_unit_test(test_listen),
                                     cmocka_unit_test(test_pool),
                                     cmocka_unit_test(test_pool_of_threads),
                                     cmocka_unit_test(test_frozen_backend),
                                     cmocka_unit_test(test_frozen_while_copying),
                                     cmocka_unit_test(test_pool_replaces_the_frozen),
                                     cmocka_unit_test(test_ids_and_cursors)};
  return cmocka_run_group_tests_name("db_conn", tests, setup, teardown);
}
