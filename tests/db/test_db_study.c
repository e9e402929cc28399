/* Studies: the log, the trials, what is thinned, and what is left of a deleted one. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/db_job.h"
#include "sql/db_study.h"
#include "tests/harness/test_stage_tenants.h"

static const char *tenant, *other;
static char study[40];

static int
new_study(void **state)
{
  (void) state;
  db_id_new("st_", study, sizeof study);
  return db_study_insert(conn, study, tenant, "a study", "{\"z\":1,\"a\":2}") == DB_ROWS ? 0 : 1;
}

static enum db_status
append_in_tx(struct db_conn *in, void *context)
{
  struct db_study_head head;
  enum db_status status = db_study_lock(in, tenant, study, true, arena, &head);
  if (status != DB_ROWS)
    return status;
  assert_string_equal(head.spec, "{\"z\":1,\"a\":2}");
  return db_study_append(in, study, context);
}

static enum db_status
append(struct db_study_entry *entry)
{
  return db_tx_run(conn, "append", append_in_tx, entry);
}

/* Each kind comes back as it was written; a number that is not the next one changes nothing. */
static void
the_log_is_ordered(void **state)
{
  (void) state;
  static const double point[] = {0.5, NAN, 3}, told[] = {1.5, -2}, limits[] = {0, 1e300};
  struct db_study_entry entries[] = {
    {.seq = 1, .kind = DB_STUDY_ASK, .number = 1, .point = point, .point_count = 3},
    {.seq = 2, .kind = DB_STUDY_MEASURE, .number = 1, .values = told, .value_count = 1, .step = 3},
    {.seq = 3, .kind = DB_STUDY_CONTINUE, .number = 1},
    {.seq = 4,
     .kind = DB_STUDY_TELL,
     .number = 1,
     .values = told,
     .value_count = 2,
     .constraints = limits,
     .constraint_count = 2,
     .seconds = 7},
    {.seq = 5, .kind = DB_STUDY_FAILED, .number = 2},
    {.seq = 6, .kind = DB_STUDY_FORGET, .number = 3},
    {.seq = 7, .kind = DB_STUDY_PRUNE, .number = 4}};
  struct db_study_entry *read, wrong = entries[0];
  struct db_study row;
  size_t count;
  for (size_t i = 0; i < 7; i++)
  {
    entries[i].step = entries[i].kind == DB_STUDY_MEASURE ? 3 : NAN;
    assert_int_equal(append(&entries[i]), DB_ROWS);
    wrong.seq = (int64_t) i + 1;
    assert_int_equal(append(&wrong), DB_HARD);
    wrong.seq = (int64_t) i + 3;
    assert_int_equal(append(&wrong), DB_HARD);
  }
  assert_int_equal(db_study_log(conn, study, 0, 5, arena, &read, &count), DB_ROWS);
  assert_int_equal(count, 5);
  assert_true(read[0].kind == DB_STUDY_ASK && read[0].point_count == 3);
  assert_true(read[0].point[0] == 0.5 && isnan(read[0].point[1]) && read[0].point[2] == 3);
  assert_true(read[0].value_count == 0 && isnan(read[0].step));
  assert_true(read[1].kind == DB_STUDY_MEASURE && read[1].step == 3 && read[1].values[0] == 1.5);
  assert_true(read[2].kind == DB_STUDY_CONTINUE && read[2].number == 1);
  assert_true(read[3].value_count == 2 && read[3].constraint_count == 2 && read[3].seconds == 7);
  assert_true(read[3].values[1] == -2 && read[3].constraints[1] == 1e300);
  assert_int_equal(db_study_log(conn, study, 5, 9, arena, &read, &count), DB_ROWS);
  assert_int_equal(count, 2);
  assert_true(read[0].kind == DB_STUDY_FORGET && read[1].kind == DB_STUDY_PRUNE);
  assert_int_equal(db_study_get(conn, tenant, study, arena, &row), DB_ROWS);
  assert_int_equal(row.log_seq, 7);
  assert_int_equal(db_study_get(conn, other, study, arena, &row), DB_NONE);
}

static void
make_trial(int number, const char *state, const char *told)
{
  test_db_sql(conn, arena,
              "INSERT INTO study_trial (id, study_id, number, client_id, params, state, told,"
              " ended_at) VALUES ('tr_%s_%d', '%s', %d, 'c', '{}', '%s', %s,"
              " now() + make_interval(secs => %d))",
              study + 3, number, study, number, state, told, 100 - number);
  test_db_sql(conn, arena,
              "INSERT INTO study_log (study_id, seq, kind, number, point)"
              " VALUES ('%s', %d, 'ask', %d, '{%d}')",
              study, number, number, number);
}

/* 30 that are done, number 30 being the best, one that failed and two that do not count. */
static void
points_are_thinned(void **state)
{
  (void) state;
  struct db_insight_trial *points;
  size_t count;
  for (int number = 1; number <= 30; number++)
    make_trial(number, "done", arena_printf(arena, "ARRAY[%d]", number));
  make_trial(31, "failed", "NULL");
  make_trial(32, "pruned", "NULL");
  make_trial(33, "forgotten", "NULL");
  assert_int_equal(db_study_points(conn, study, true, 100, arena, &points, &count), DB_ROWS);
  assert_int_equal(count, 31);
  assert_true(points[0].number == 31 && isnan(points[0].metric)); /* in the order of their ends */
  assert_true(points[30].number == 1 && points[30].metric == 1 && points[30].objective == -1
              && points[30].point[0] == 1);
  for (int maximize = 0; maximize < 2; maximize++)
  {
    bool there[40] = {false};
    assert_int_equal(db_study_points(conn, study, maximize, 10, arena, &points, &count), DB_ROWS);
    assert_int_equal(count, 10);
    for (size_t i = 0; i < count; i++)
      there[points[i].number] = true;
    for (int best = 0; best < 5; best++)
      assert_true(there[maximize ? 30 - best : 1 + best]);
  }
}

/* Who was not heard of is lost; who asks again is not. */
static void
clients_get_lost(void **state)
{
  (void) state;
  struct db_study_trial *open;
  int *numbers;
  size_t count;
  make_trial(1, "running", "NULL");
  make_trial(2, "running", "NULL");
  make_trial(3, "done", "ARRAY[1]");
  test_db_sql(conn, arena, "UPDATE study_trial SET client_id = 'd' WHERE number = 2");
  test_db_sql(conn, arena,
              "UPDATE study_trial SET touched_at = now() - interval '1 hour' WHERE study_id = '%s'",
              study);
  assert_int_equal(db_study_trial_lost(conn, study, 1800, arena, &numbers, &count), DB_ROWS);
  assert_true(count == 2 && numbers[0] == 1 && numbers[1] == 2);
  assert_int_equal(db_study_trial_open(conn, study, "d", 9, arena, &open, &count), DB_ROWS);
  assert_true(count == 1 && open[0].number == 2);
  assert_int_equal(db_study_trial_lost(conn, study, 1800, arena, &numbers, &count), DB_ROWS);
  assert_true(count == 1 && numbers[0] == 1);
  assert_int_equal(db_study_trial_lost(conn, study, 7200, arena, &numbers, &count), DB_ROWS);
  assert_int_equal(count, 0);
}

/* A deleted study is not there, though its rows go later, and in pieces. */
static void
deleted_ones_are_swept(void **state)
{
  (void) state;
  struct db_study_head head;
  struct db_study_trial *trials;
  struct db_study row;
  size_t before, after, count;
  make_trial(1, "done", "ARRAY[1]");
  test_db_sql(conn, arena,
              "INSERT INTO study_log (study_id, seq, kind, number) SELECT '%s', n, 'measure', 1"
              " FROM generate_series(2, 45000) AS n",
              study);
  assert_int_equal(db_study_count(conn, tenant, &before), DB_ROWS);
  assert_int_equal(db_study_delete(conn, other, study), DB_NONE);
  assert_int_equal(db_study_delete(conn, tenant, study), DB_ROWS);
  assert_int_equal(db_study_delete(conn, tenant, study), DB_NONE);
  assert_int_equal(db_study_get(conn, tenant, study, arena, &row), DB_NONE);
  assert_int_equal(db_study_lock(conn, tenant, study, true, arena, &head), DB_NONE);
  assert_int_equal(db_study_trial_list(conn, tenant, study, NULL, 0, 9, arena, &trials, &count),
                   DB_NONE);
  assert_int_equal(db_study_count(conn, tenant, &after), DB_ROWS);
  assert_int_equal(after, before - 1);
  assert_int_equal(db_study_sweep(conn), DB_ROWS);
  assert_string_not_equal(
    test_db_sql(conn, arena, "SELECT count(*) FROM study_log WHERE study_id = '%s'", study), "0");
  assert_int_equal(db_forget_old(conn, 30), DB_ROWS);
  assert_int_equal(db_study_sweep(conn), DB_NONE);
  assert_string_equal(test_db_sql(conn, arena, "SELECT count(*) FROM study WHERE id = '%s'", study),
                      "0");
  assert_string_equal(
    test_db_sql(conn, arena, "SELECT count(*) FROM study_log WHERE study_id = '%s'", study), "0");
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(the_log_is_ordered, new_study),
    cmocka_unit_test_setup(points_are_thinned, new_study),
    cmocka_unit_test_setup(clients_get_lost, new_study),
    cmocka_unit_test_setup(deleted_ones_are_swept, new_study),
  };
  return cmocka_run_group_tests(tests, stage_tenants_setup, stage_teardown);
}
