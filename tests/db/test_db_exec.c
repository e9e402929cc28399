/* Typed values both ways, the four ways to run a statement, and how they fail. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sql/db_conn.h"
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

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_values_come_back),        cmocka_unit_test(test_nulls_come_back),
    cmocka_unit_test(test_counts_of_rows),          cmocka_unit_test(test_rows_one_by_one),
    cmocka_unit_test(test_our_own_faults_are_hard), cmocka_unit_test(test_states_soft_or_hard),
    cmocka_unit_test(test_changed_result_type)};
  return cmocka_run_group_tests_name("db_exec", tests, setup, teardown);
}
