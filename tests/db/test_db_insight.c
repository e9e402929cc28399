/* The trials of a job as its search is asked about them. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sql/db_conn.h"
#include "sql/db_insight.h"
#include "tests/harness/test_stage_tenants.h"

static const char *job;

static int
new_job(void **state)
{
  (void) state;
  job = test_db_job(conn, arena, tenant, dataset, "{}");
  return 0;
}

/* Trial `number` of the job; what is not running ended in the order of `told`. */
static void
make_trial(int number, const char *state, const char *objective, int told)
{
  test_db_sql(conn, arena,
              "INSERT INTO trial (id, job_id, number, family, params, point, state, metric,"
              " objective, ask_seq, tell_seq) VALUES ('tr_%s_%d', '%s', %d, 'mlp', '{}',"
              " '{%d,NaN}', '%s', %s, %s, %d, nullif(%d, 0))",
              job + 4, number, job, number, number, state, objective, objective, number, told);
}

static void
trials_come_in_the_order_of_their_ends(void **state)
{
  (void) state;
  static const int expected[] = {3, 1, 5, 2};
  struct db_insight_trial *trials;
  size_t count;
  make_trial(1, "done", "0.5", 12);
  make_trial(2, "running", "NULL", 0);
  make_trial(3, "failed", "NULL", 11);
  make_trial(4, "cancelled", "NULL", 13);
  make_trial(5, "done", "0.25", 14);
  make_trial(6, "pruned", "NULL", 15);
  assert_int_equal(db_insight_trials(conn, job, 100, arena, &trials, &count), DB_ROWS);
  assert_int_equal(count, 4);
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(trials[i].number, expected[i]);
  assert_string_equal(trials[0].state, "failed");
  assert_true(isnan(trials[0].objective) && isnan(trials[0].metric));
  assert_true(trials[2].objective == 0.25 && trials[2].metric == 0.25);
  assert_int_equal(trials[1].point_count, 2);
  assert_true(trials[1].point[0] == 1 && isnan(trials[1].point[1]));
  assert_string_equal(trials[3].state, "running");
}

/* 30 ended ones, the best of which is number 30, and a running one that does not count. */
static void
many_are_thinned(void **state)
{
  (void) state;
  for (size_t most = 2; most <= 30; most += 7)
  {
    struct db_insight_trial *trials;
    size_t count;
    bool there[32] = {false};
    new_job(NULL);
    for (int number = 1; number <= 30; number++)
      make_trial(number, "done", arena_printf(arena, "%d", -number), number);
    make_trial(31, "running", "NULL", 0);
    assert_int_equal(db_insight_trials(conn, job, most, arena, &trials, &count), DB_ROWS);
    assert_int_equal(count, most + 1);
    for (size_t i = 0; i < count; i++)
      there[trials[i].number] = true;
    for (size_t best = 0; best < most / 2; best++)
      assert_true(there[30 - best]);
    /* The last kept is the worst of all, and between it and the best half no gap is twice another. */
    int first = -1, gap = 0, least = 30, widest = 0;
    for (int number = 1; number <= 30 - (int) (most / 2); number++)
      if (there[number])
      {
        first = first < 0 ? number : first;
        least = gap > 0 && gap < least ? gap : least;
        widest = gap > widest ? gap : widest;
        gap = 1;
      }
      else if (gap)
        gap++;
    assert_int_equal(first, 1);
    assert_true(widest <= least + 1 || widest == 0);
  }
}

static void
nothing_is_no_row(void **state)
{
  (void) state;
  struct db_insight_trial *trials;
  size_t count;
  assert_int_equal(db_insight_trials(conn, job, 9, arena, &trials, &count), DB_NONE);
  assert_int_equal(count, 0);
}

static void
the_schema_outlives_its_dataset(void **state)
{
  (void) state;
  const char *schema = NULL;
  test_db_sql(conn, arena, "UPDATE dataset SET deleted_at = now() WHERE id = '%s'", dataset);
  assert_int_equal(db_insight_schema(conn, tenant, job, arena, &schema), DB_ROWS);
  assert_non_null(strchr(schema, '{'));
  assert_int_equal(db_insight_schema(conn, other, job, arena, &schema), DB_NONE);
  assert_int_equal(db_insight_schema(conn, tenant, "job_none", arena, &schema), DB_NONE);
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(trials_come_in_the_order_of_their_ends, new_job),
    cmocka_unit_test_setup(many_are_thinned, new_job),
    cmocka_unit_test_setup(nothing_is_no_row, new_job),
    cmocka_unit_test_setup(the_schema_outlives_its_dataset, new_job),
  };
  return cmocka_run_group_tests(tests, stage_tenants_setup, stage_teardown);
}
