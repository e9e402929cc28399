/* Patches: empty → newest, step by step, twice, two programs at once, and databases that don't fit. */
#include <config.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sql/db_patch.h"
#include "tests/harness/test_db.h"

static struct arena *arena;

static int
setup(void **state)
{
  (void) state;
  arena = arena_new(0);
  return arena == NULL;
}

static int
teardown(void **state)
{
  (void) state;
  arena_free(arena);
  return 0;
}

static struct db_conn *
open_new(const char *name)
{
  struct db_conn *conn;
  struct err_info info;
  if (db_connect(test_db_new_database(arena, name), "test", &conn, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return conn;
}

/* Columns, constraints and indexes of every table, in an order of their own. */
static const char *
describe(struct db_conn *conn)
{
  return test_db_sql(
    conn, arena,
    "SELECT string_agg(line, E'\\n' ORDER BY line COLLATE \"C\") FROM ("
    "SELECT format('%%s.%%s %%s %%s %%s', c.table_name, c.column_name, c.data_type, c.is_nullable,"
    " coalesce(c.column_default, c.identity_generation)) AS line"
    " FROM information_schema.columns c WHERE c.table_schema = 'public'"
    " UNION ALL SELECT format('%%s %%s', conrelid::regclass, pg_get_constraintdef(oid))"
    " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    " UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
    " UNION ALL SELECT format('setting %%s %%s', name, value) FROM setting"
    " UNION ALL SELECT format('patch %%s %%s', number, name) FROM schema_patch) parts");
}

static void
test_same_schema_by_every_way(void **state)
{
  (void) state;
  struct err_info info;
  int from, to, newest = db_patch_count - 1;
  struct db_conn *at_once = open_new("at_once");
  assert_int_equal(db_patch_check(at_once, &info), ERR_CONFLICT);
  assert_non_null(strstr(info.text, "attune-dbinit"));
  assert_int_equal(db_patch_apply(at_once, &from, &to, &info), ERR_OK);
  assert_int_equal(from, -1);
  assert_int_equal(to, newest);
  assert_int_equal(db_patch_check(at_once, &info), ERR_OK);
  const char *wanted = describe(at_once);
  assert_non_null(strstr(wanted, "blob_chunk"));
  assert_non_null(strstr(wanted, "job_event"));

  /* N → N */
  assert_int_equal(db_patch_apply(at_once, &from, &to, &info), ERR_OK);
  assert_int_equal(from, newest);
  assert_int_equal(to, newest);
  assert_string_equal(describe(at_once), wanted);

  /* N-1 → N, having gone there one by one. */
  struct db_conn *steps = open_new("steps");
  for (int last = 0; last <= newest; last++)
  {
    assert_int_equal(db_patch_apply_to(steps, last, &from, &to, &info), ERR_OK);
    assert_int_equal(from, last - 1);
    assert_int_equal(to, last);
    assert_int_equal(db_patch_check(steps, &info), last < newest ? ERR_CONFLICT : ERR_OK);
  }
  assert_string_equal(describe(steps), wanted);
  db_close(at_once);
  db_close(steps);
}

struct applier
{
  const char *conninfo;
  enum err err;
  int from, to;
};

static void *
apply(void *context)
{
  struct applier *applier = context;
  struct db_conn *conn;
  applier->err = db_connect(applier->conninfo, "test", &conn, NULL);
  if (applier->err == ERR_OK)
    applier->err = db_patch_apply(conn, &applier->from, &applier->to, NULL);
  db_close(conn);
  return NULL;
}

static void
test_several_programs_at_once(void **state)
{
  (void) state;
  struct applier appliers[4];
  pthread_t threads[4];
  const char *conninfo = test_db_new_database(arena, "several");
  for (int i = 0; i < 4; i++)
  {
    appliers[i] = (struct applier){.conninfo = conninfo};
    pthread_create(&threads[i], NULL, apply, &appliers[i]);
  }
  int first = 0;
  for (int i = 0; i < 4; i++)
  {
    pthread_join(threads[i], NULL);
    assert_int_equal(appliers[i].err, ERR_OK);
    assert_int_equal(appliers[i].to, db_patch_count - 1);
    first += appliers[i].from == -1;
  }
  assert_int_equal(first, 1);
}

static void
test_a_failed_patch_leaves_nothing(void **state)
{
  (void) state;
  struct err_info info;
  int from, to;
  struct db_conn *conn = open_new("failed");
  assert_int_equal(db_patch_apply_to(conn, 1, &from, &to, &info), ERR_OK);
  /* In the way of patch 2, which makes other tables before this one. */
  test_db_sql(conn, arena, "CREATE TABLE dataset_version (x integer)");
  assert_int_equal(db_patch_apply(conn, &from, &to, &info), ERR_INTERNAL);
  assert_int_equal(to, 1);
  assert_non_null(strstr(info.text, "0002"));
  assert_string_equal(test_db_sql(conn, arena, "SELECT to_regclass('blob') IS NULL"), "t");
  test_db_sql(conn, arena, "DROP TABLE dataset_version");
  assert_int_equal(db_patch_apply(conn, &from, &to, &info), ERR_OK);
  assert_int_equal(from, 1);
  /* The lock was given back after the failure. */
  assert_string_equal(
    test_db_sql(conn, arena, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
  db_close(conn);
}

static void
test_schemas_of_other_releases(void **state)
{
  (void) state;
  struct err_info info;
  int from, to;
  struct db_conn *conn = open_new("newer");
  assert_int_equal(db_patch_apply(conn, &from, &to, &info), ERR_OK);
  /* The next release only adds: this one still serves. */
  test_db_sql(conn, arena, "INSERT INTO schema_patch (number, name) VALUES (%d, 'next')",
              db_patch_count);
  assert_int_equal(db_patch_check(conn, &info), ERR_OK);
  assert_int_equal(db_patch_apply(conn, &from, &to, &info), ERR_OK);
  assert_int_equal(to, db_patch_count);
  /* The one after takes something away. */
  test_db_sql(conn, arena, "UPDATE setting SET value = '%d' WHERE name = 'schema_serves_from'",
              db_patch_count);
  assert_int_equal(db_patch_check(conn, &info), ERR_CONFLICT);
  assert_non_null(strstr(info.text, "update this program"));
  test_db_sql(conn, arena, "DELETE FROM schema_patch WHERE number = 1");
  assert_int_equal(db_patch_apply(conn, &from, &to, &info), ERR_CONFLICT);
  db_close(conn);
}

static void
test_wrong_encoding(void **state)
{
  (void) state;
  struct err_info info;
  struct db_conn *conn;
  int from, to;
  assert_int_equal(db_connect(test_db_conninfo(), "test", &conn, &info), ERR_OK);
  test_db_sql(conn, arena, "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0");
  db_close(conn);
  const char *conninfo = arena_printf(arena, "%s dbname=ascii", test_db_conninfo());
  assert_int_equal(db_connect(conninfo, "test", &conn, &info), ERR_OK);
  assert_int_equal(db_patch_apply(conn, &from, &to, &info), ERR_CONFLICT);
  assert_non_null(strstr(info.text, "SQL_ASCII"));
  db_close(conn);
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_schema_by_every_way),
                                     cmocka_unit_test(test_several_programs_at_once),
                                     cmocka_unit_test(test_a_failed_patch_leaves_nothing),
                                     cmocka_unit_test(test_schemas_of_other_releases),
                                     cmocka_unit_test(test_wrong_encoding)};
  return cmocka_run_group_tests_name("db_patch", tests, setup, teardown);
}
