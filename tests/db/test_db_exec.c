/* Typed values both ways, the four ways to run a statement, failures, transactions, notifications. */
#include <config.h>

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
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

struct values
{
  const char *text;
  const char *json;
  int int4;
  int64_t int8;
  uint64_t uint8;
  double float8;
  bool yes;
  int64_t time_us;
  uint8_t hash[32];
  const void *bytes;
  size_t byte_count;
  const char *const *texts;
  size_t text_count;
  const double *doubles;
  size_t double_count;
};

static const struct db_column value_columns[] = {
  {DB_TEXT, offsetof(struct values, text), 0},
  {DB_JSON, offsetof(struct values, json), 0},
  {DB_INT4, offsetof(struct values, int4), 0},
  {DB_INT8, offsetof(struct values, int8), 0},
  {DB_UINT8, offsetof(struct values, uint8), 0},
  {DB_FLOAT8, offsetof(struct values, float8), 0},
  {DB_BOOL, offsetof(struct values, yes), 0},
  {DB_TIME, offsetof(struct values, time_us), 0},
  {DB_HASH, offsetof(struct values, hash), 0},
  {DB_BYTES, offsetof(struct values, bytes), offsetof(struct values, byte_count)},
  {DB_TEXT_ARRAY, offsetof(struct values, texts), offsetof(struct values, text_count)},
  {DB_FLOAT8_ARRAY, offsetof(struct values, doubles), offsetof(struct values, double_count)}};

static const struct db_statement echo = {
  "test_echo", "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12"};

static void
test_values_come_back(void **state)
{
  struct fixture *fixture = *state;
  uint8_t hash[32];
  for (int i = 0; i < 32; i++)
    hash[i] = (uint8_t) (i * 9);
  const char *texts[] = {"one", "", NULL, "va\"l,ue\\ {ü}"};
  double doubles[] = {1.5, -0.0, NAN, INFINITY, 1e-310};
  struct values row;
  memset(&row, 0x55, sizeof row);
  assert_int_equal(
    db_exec_one(fixture->conn, &echo,
                DB_PARAMS(db_text("a 'text' with ü"), db_json("{\"k\": [1, null]}"), db_int4(-7),
                          db_int8(INT64_MIN), db_int8(INT64_MAX), db_float8(-1.25e300),
                          db_bool(true), db_time(INT64_C(1764000000123456)), db_hash(hash),
                          db_bytes("\0\1\377", 3), db_text_array(texts, 4),
                          db_float8_array(doubles, 5)),
                DB_COLUMNS(value_columns), fixture->arena, &row),
    DB_ROWS);
  assert_string_equal(row.text, "a 'text' with ü");
  assert_string_equal(row.json, "{\"k\": [1, null]}");
  assert_int_equal(row.int4, -7);
  assert_true(row.int8 == INT64_MIN);
  assert_true(row.uint8 == INT64_MAX);
  assert_true(row.float8 == -1.25e300);
  assert_true(row.yes);
  assert_true(row.time_us == INT64_C(1764000000123456));
  assert_memory_equal(row.hash, hash, 32);
  assert_int_equal(row.byte_count, 3);
  assert_memory_equal(row.bytes, "\0\1\377", 3);
  assert_int_equal(row.text_count, 4);
  assert_string_equal(row.texts[0], "one");
  assert_string_equal(row.texts[1], "");
  assert_null(row.texts[2]);
  assert_string_equal(row.texts[3], "va\"l,ue\\ {ü}");
  assert_int_equal(row.double_count, 5);
  assert_memory_equal(row.doubles, doubles, 2 * sizeof(double));
  assert_true(isnan(row.doubles[2]));
  assert_memory_equal(row.doubles + 3, doubles + 3, 2 * sizeof(double));
  /* The server sees the same time as we do. */
  assert_string_equal(
    test_db_sql(fixture->conn, fixture->arena, "SELECT to_timestamp(1764000000.123456)::text"),
    "2025-11-24 16:00:00.123456+00");
}

static void
test_nulls_come_back(void **state)
{
  struct fixture *fixture = *state;
  struct values row;
  memset(&row, 0x55, sizeof row);
  assert_int_equal(
    db_exec_one(fixture->conn, &echo,
                DB_PARAMS(db_text(NULL), db_json(NULL), db_int4(0), db_int8(0), db_int8(0),
                          db_float8(NAN), db_bool(false), db_time(0), db_hash(NULL),
                          db_bytes(NULL, 0), db_text_array(NULL, 0), db_float8_array(NULL, 1)),
                DB_COLUMNS(value_columns), fixture->arena, &row),
    DB_ROWS);
  assert_null(row.text);
  assert_null(row.json);
  assert_true(isnan(row.float8));
  assert_false(row.yes);
  assert_true(row.time_us == 0);
  assert_int_equal(row.hash[31], 0);
  assert_null(row.bytes);
  assert_int_equal(row.text_count, 0);
  assert_non_null(row.texts); /* an empty array is not NULL */
  assert_null(row.doubles);

  static const struct db_statement nulls = {"test_nulls",
                                            "SELECT NULL::int, NULL::bigint, NULL::boolean"};
  struct
  {
    int a;
    int64_t b;
    bool c;
  } numbers;
  memset(&numbers, 0x55, sizeof numbers);
  const struct db_column columns[] = {{DB_INT4, 0, 0}, {DB_INT8, 8, 0}, {DB_BOOL, 16, 0}};
  assert_int_equal(
    db_exec_one(fixture->conn, &nulls, DB_NO_PARAMS, DB_COLUMNS(columns), NULL, &numbers), DB_ROWS);
  assert_int_equal(numbers.a, 0);
  assert_true(numbers.b == 0);
  assert_false(numbers.c);
}

static void
test_counts_of_rows(void **state)
{
  struct fixture *fixture = *state;
  static const struct db_statement series = {"test_series",
                                             "SELECT g::bigint FROM generate_series(1, $1) g"};
  int64_t *rows, one = 0;
  size_t count = 99;
  assert_int_equal(db_exec_many(fixture->conn, &series, DB_PARAMS(db_int4(3)), DB_SCALAR(DB_INT8),
                                fixture->arena, sizeof *rows, &rows, &count),
                   DB_ROWS);
  assert_int_equal(count, 3);
  assert_int_equal(rows[2], 3);
  assert_int_equal(db_exec_many(fixture->conn, &series, DB_PARAMS(db_int4(0)), DB_SCALAR(DB_INT8),
                                fixture->arena, sizeof *rows, &rows, &count),
                   DB_NONE);
  assert_int_equal(count, 0);
  assert_int_equal(
    db_exec_one(fixture->conn, &series, DB_PARAMS(db_int4(0)), DB_SCALAR(DB_INT8), NULL, &one),
    DB_NONE);
  assert_int_equal(one, 0);
  assert_int_equal(
    db_exec_one(fixture->conn, &series, DB_PARAMS(db_int4(2)), DB_SCALAR(DB_INT8), NULL, &one),
    DB_HARD);
  assert_int_equal(db_exec_none(fixture->conn, &series, DB_PARAMS(db_int4(2))), DB_ROWS);
  assert_int_equal(db_exec_none(fixture->conn, &series, DB_PARAMS(db_int4(0))), DB_NONE);
}

struct sum
{
  int64_t total;
  int64_t stop_at;
};

static bool
add_row(void *context, const void *row)
{
  struct sum *sum = context;
  int64_t value;
  memcpy(&value, row, sizeof value);
  sum->total += value;
  return value != sum->stop_at;
}

static void
test_rows_one_by_one(void **state)
{
  struct fixture *fixture = *state;
  static const struct db_statement series = {"test_stream",
                                             "SELECT g::bigint FROM generate_series(1, $1) g"};
  struct sum sum = {0};
  assert_int_equal(db_exec_rows(fixture->conn, &series, DB_PARAMS(db_int4(1000)),
                                DB_SCALAR(DB_INT8), sizeof(int64_t), add_row, &sum),
                   DB_ROWS);
  assert_true(sum.total == 500500);
  assert_int_equal(db_exec_rows(fixture->conn, &series, DB_PARAMS(db_int4(0)), DB_SCALAR(DB_INT8),
                                sizeof(int64_t), add_row, &sum),
                   DB_NONE);
  /* Stopped in the middle; the connection goes on. */
  sum = (struct sum){.stop_at = 10};
  assert_int_equal(db_exec_rows(fixture->conn, &series, DB_PARAMS(db_int4(1000000)),
                                DB_SCALAR(DB_INT8), sizeof(int64_t), add_row, &sum),
                   DB_HARD);
  assert_true(sum.total == 55);
  /* A failure after the first rows. */
  static const struct db_statement breaks = {
    "test_stream_breaks", "SELECT (1 / (5 - g))::bigint FROM generate_series(1, 9) g"};
  sum = (struct sum){.stop_at = -1};
  assert_int_equal(db_exec_rows(fixture->conn, &breaks, DB_NO_PARAMS, DB_SCALAR(DB_INT8),
                                sizeof(int64_t), add_row, &sum),
                   DB_HARD);
  assert_string_equal(db_last_sqlstate(fixture->conn), "22012");
  assert_int_equal(db_exec_sql(fixture->conn, "SELECT 1"), DB_ROWS);
}

static void
test_our_own_faults_are_hard(void **state)
{
  struct fixture *fixture = *state;
  static const struct db_statement syntax = {"test_syntax", "SELEKT 1"};
  static const struct db_statement two = {"test_two", "SELECT 1, 2"};
  static const struct db_statement twin = {"test_two", "SELECT 3, 4"};
  static const struct db_statement big = {"test_big", "SELECT 3000000000"};
  static const struct db_statement text = {"test_text", "SELECT 'x'::text"};
  static const struct db_statement negative = {"test_negative", "SELECT -1"};
  int small;
  uint64_t size;
  struct db_conn *conn = fixture->conn;
  assert_int_equal(db_exec_none(conn, &syntax, DB_NO_PARAMS), DB_HARD);
  assert_string_equal(db_last_sqlstate(conn), "42601");
  assert_int_equal(db_exec_one(conn, &two, DB_NO_PARAMS, DB_SCALAR(DB_INT4), NULL, &small),
                   DB_HARD);
  assert_int_equal(db_exec_none(conn, &twin, DB_NO_PARAMS), DB_HARD);
  assert_int_equal(db_exec_one(conn, &big, DB_NO_PARAMS, DB_SCALAR(DB_INT4), NULL, &small),
                   DB_HARD);
  assert_int_equal(db_exec_one(conn, &text, DB_NO_PARAMS, DB_SCALAR(DB_INT4), NULL, &small),
                   DB_HARD);
  assert_int_equal(db_exec_one(conn, &negative, DB_NO_PARAMS, DB_SCALAR(DB_UINT8), NULL, &size),
                   DB_HARD);
  assert_int_equal(db_exec_none(conn, &two, DB_NO_PARAMS), DB_ROWS);
}

static void
test_states_soft_or_hard(void **state)
{
  (void) state;
  static const char *const soft[] = {"08006", "40001", "40P01", "53100", "53300", "57P01",
                                     "57P03", "57014", "55P03", "25P03", "25006"};
  static const char *const hard[] = {"23505", "22P02", "42P01", "25P02", "XX000", "55000", ""};
  for (size_t i = 0; i < sizeof soft / sizeof soft[0]; i++)
    assert_int_equal(db_sqlstate_status(soft[i]), DB_SOFT);
  for (size_t i = 0; i < sizeof hard / sizeof hard[0]; i++)
    assert_int_equal(db_sqlstate_status(hard[i]), DB_HARD);
}

/* A column's type changes under a prepared statement: prepared again, outside and inside a transaction. */
static enum db_status
read_changing(struct db_conn *conn, void *context)
{
  static const struct db_statement get = {"test_changing", "SELECT v FROM changing"};
  return db_exec_one(conn, &get, DB_NO_PARAMS, DB_SCALAR(DB_INT8), NULL, context);
}

static void
test_changed_result_type(void **state)
{
  struct fixture *fixture = *state;
  struct db_conn *conn = fixture->conn;
  int64_t value;
  test_db_sql(conn, fixture->arena,
              "CREATE TABLE changing (v integer); INSERT INTO changing VALUES (5)");
  assert_int_equal(read_changing(conn, &value), DB_ROWS);
  test_db_sql(conn, fixture->arena, "ALTER TABLE changing ALTER v TYPE bigint");
  assert_int_equal(read_changing(conn, &value), DB_ROWS);
  assert_int_equal(value, 5);
  test_db_sql(conn, fixture->arena, "ALTER TABLE changing ALTER v TYPE integer");
  assert_int_equal(db_tx_run(conn, "test", read_changing, &value), DB_ROWS);
  /* A pooler that reset the session. */
  test_db_sql(conn, fixture->arena, "DISCARD ALL");
  assert_int_equal(read_changing(conn, &value), DB_ROWS);
  test_db_sql(conn, fixture->arena, "DISCARD ALL");
  assert_int_equal(db_tx_run(conn, "test", read_changing, &value), DB_ROWS);
  test_db_sql(conn, fixture->arena, "DROP TABLE changing");
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_values_come_back),
                                     cmocka_unit_test(test_nulls_come_back),
                                     cmocka_unit_test(test_counts_of_rows),
                                     cmocka_unit_test(test_rows_one_by_one),
                                     cmocka_unit_test(test_our_own_faults_are_hard),
                                     cmocka_unit_test(test_states_soft_or_hard),
                                     cmocka_unit_test(test_changed_result_type),
                                     cmocka_unit_test(test_killed_backend),
                                     cmocka_unit_test(test_transaction_survives_a_kill),
                                     cmocka_unit_test(test_transaction_ends),
                                     cmocka_unit_test(test_deadlock),
                                     cmocka_unit_test(test_connection_strings),
                                     cmocka_unit_test(test_session_settings),
                                     cmocka_unit_test(test_listen),
                                     cmocka_unit_test(test_pool),
                                     cmocka_unit_test(test_pool_of_threads),
                                     cmocka_unit_test(test_ids_and_cursors)};
  return cmocka_run_group_tests_name("db_exec", tests, setup, teardown);
}
