/* Trials that pause at rungs: what a real attune-engine makes of early stopping, also when it is killed. */
#include <config.h>

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/harness/test_stage_engine.h"

#define TRIALS 12
#define EPOCHS 18

static char other[TEST_PATH_SIZE];

static int
setup(void **state)
{
  test_make_dir(other);
  return stage_engine_setup(state, 600);
}

/* What a failed test has left running would work on the next one's jobs. */
static int
stop_all(void **state)
{
  (void) state;
  test_engine_stop_all();
  return 0;
}

static int
teardown(void **state)
{
  test_remove_dir(other);
  return stage_engine_teardown(state);
}

/* Networks that differ in their learning rate and dropout, of EPOCHS epochs. */
static const char *
start_job(const char *method, const char *stopping, const char *validation, int trials)
{
  return test_engine_job(
    conn, arena, tenant, table,
    arena_printf(arena,
                 "{\"target\":\"y\",\"families\":[\"mlp\"],\"budget\":{\"trials\":%d},"
                 "\"validation\":%s,\"search\":{\"method\":\"%s\",\"early_stopping\":%s,"
                 "\"seed\":5,\"space\":{\"mlp\":{\"units\":24,\"layers\":1,\"epochs\":%d,"
                 "\"batch_size\":32,\"optimizer\":\"adam\",\"activation\":\"relu\","
                 "\"schedule\":\"cosine\",\"weight_decay\":0.001,\"label_smoothing\":0}}}}",
                 trials, validation, method, stopping, EPOCHS));
}

static const char *
ask(const char *sql, const char *job)
{
  return test_db_sql(conn, arena, sql, job);
}

/* The story of a job's trials, without its times. */
static const char *
story(const char *job)
{
  return ask(
    "SELECT string_agg(number || ' ' || state || ' ' || rung || ' ' || objective::text, '; '"
    " ORDER BY number) FROM trial WHERE job_id = '%s'",
    job);
}

static int
epochs_of(const char *job)
{
  return atoi(ask("SELECT count(*)::text FROM unit u JOIN unit_epoch e ON e.unit_id = u.id"
                  " WHERE u.job_id = '%s'",
                  job));
}

/* What must hold of every job that has ended. */
static void
check_ended(const char *job, int trials, struct db_job *row)
{
  test_engine_wait(conn, arena, tenant, job, 300, row);
  if (strcmp(row->state, "succeeded") != 0)
    fail_msg("%s: %s", row->state, row->problem);
  assert_int_equal(row->trials_total, trials);
  assert_int_equal(row->trials_done + row->trials_pruned, trials);
  assert_int_equal(row->trials_paused, 0);
  assert_true(row->trials_done >= 1);
  /* Nothing is left of the pauses but their entries in the log. */
  assert_string_equal(
    ask("SELECT count(*)::text FROM unit WHERE job_id = '%s' AND checkpoint_blob IS NOT NULL", job),
    "0");
  assert_string_equal(
    test_db_sql(
      conn, arena,
      "SELECT count(*)::text FROM blob b WHERE NOT EXISTS (SELECT FROM model_version v"
      " WHERE v.blob_id = b.id) AND NOT EXISTS (SELECT FROM dataset_version v"
      " WHERE v.blob_id = b.id) AND NOT EXISTS (SELECT FROM unit u"
      " WHERE b.id IN (u.model_blob, u.checkpoint_blob)) AND NOT EXISTS (SELECT FROM job j"
      " WHERE j.fold_blob = b.id)"),
    "0");
  /* The search log has no gap, and every trial one end. */
  assert_string_equal(
    ask("SELECT (count(*) = max(seq))::text || ' ' || (count(*) = count(DISTINCT seq))::text FROM"
        " (SELECT ask_seq AS seq FROM trial WHERE job_id = '%1$s' UNION ALL SELECT tell_seq FROM "
        "trial"
        " WHERE job_id = '%1$s' UNION ALL SELECT seq FROM trial_rung WHERE job_id = '%1$s') s",
        job),
    "true true");
  assert_string_equal(ask("SELECT count(*)::text FROM job_event WHERE job_id = '%s' AND kind ="
                          " 'trial' AND data->>'state' IN ('done','pruned')",
                          job),
                      arena_printf(arena, "%d", trials));
  /* The curve of a fold runs through its rungs without a break. */
  assert_string_equal(ask("SELECT count(*)::text FROM (SELECT u.trial_id, u.fold, count(*) AS n,"
                          " max(e.epoch) AS last, count(DISTINCT e.epoch) AS different FROM unit u"
                          " JOIN unit_epoch e ON e.unit_id = u.id JOIN trial t ON t.id ="
                          " u.trial_id WHERE u.job_id = '%s' AND t.family = 'mlp' GROUP BY 1, 2) c"
                          " WHERE n <> last OR different <> last",
                          job),
                      "0");
}

static void
test_asha(void **state)
{
  (void) state;
  struct db_job row;
  pid_t engine = test_engine_start(dir, 1, NULL);
  const char *first = start_job("bayes", "\"asha\"", "{\"holdout\":0.25}", TRIALS);
  const char *second = start_job("bayes", "\"asha\"", "{\"holdout\":0.25}", TRIALS);
  const char *whole = start_job("bayes", "\"none\"", "{\"holdout\":0.25}", TRIALS);
  check_ended(first, TRIALS, &row);
  assert_true(row.trials_pruned >= 2);
  check_ended(second, TRIALS, &row);
  check_ended(whole, TRIALS, &row);
  assert_int_equal(row.trials_done, TRIALS);
  /* Equal seeds, equal stories; fewer epochs than in full; the first trial is the same in all. */
  assert_string_equal(story(first), story(second));
  print_message("%d epochs instead of %d: %s\n", epochs_of(first), epochs_of(whole), story(first));
  assert_true(epochs_of(first) < epochs_of(whole) * 9 / 10);
  static const char trial_1[] =
    "SELECT objective::text || ' ' || metric::text FROM trial WHERE job_id = '%s' AND number = 1";
  assert_string_equal(ask(trial_1, first), ask(trial_1, whole));
  test_engine_stop(engine, SIGTERM);
}

/* With folds a trial begins with the first alone; whole ones have them all. */
static void
test_folds(void **state)
{
  (void) state;
  struct db_job row;
  pid_t engine = test_engine_start(dir, 2, NULL);
  const char *job = start_job("random", "\"asha\"", "{\"folds\":3}", TRIALS);
  const char *rule = start_job("hyperband", "null", "{\"folds\":3}", TRIALS);
  const char *median = start_job("sobol", "\"median\"", "{\"folds\":3}", TRIALS);
  static const char folds[] =
    "SELECT string_agg(DISTINCT state || ' ' || folds, ', ' ORDER BY state || ' ' || folds) FROM"
    " (SELECT t.state, (SELECT count(DISTINCT fold) FROM unit u WHERE u.trial_id = t.id) AS folds"
    " FROM trial t WHERE job_id = '%s') s";
  check_ended(job, TRIALS, &row);
  assert_true(row.trials_pruned > 0);
  assert_string_equal(ask(folds, job), "done 3, pruned 1");
  check_ended(rule, TRIALS, &row);
  assert_string_equal(ask(folds, rule), row.trials_pruned > 0 ? "done 3, pruned 1" : "done 3");
  check_ended(median, TRIALS, &row);
  assert_true(row.trials_pruned > 0);
  assert_true(row.trials_done >= 5);
  test_engine_stop(engine, SIGTERM);
}

/* Families without rungs run in full beside those that have them. */
static void
test_other_families(void **state)
{
  (void) state;
  struct db_job row;
  pid_t engine = test_engine_start(dir, 2, NULL);
  const char *job = test_engine_job(
    conn, arena, tenant, table,
    "{\"target\":\"y\",\"budget\":{\"trials\":16},\"validation\":{\"holdout\":0.25},"
    "\"search\":{\"method\":\"random\",\"early_stopping\":\"asha\",\"seed\":2,\"space\":"
    "{\"mlp\":{\"epochs\":9,\"units\":16},\"trees\":{\"rounds\":20}}}}");
  check_ended(job, 16, &row);
  assert_true(row.trials_pruned > 0);
  assert_string_equal(ask("SELECT string_agg(DISTINCT family, ' ') FROM trial WHERE job_id = '%s'"
                          " AND state = 'pruned'",
                          job),
                      "mlp");
  test_engine_stop(engine, SIGTERM);
}

static void
wait_until(const char *sql, const char *job)
{
  double end_s = clock_monotonic_s() + 60;
  while (strcmp(ask(sql, job), "true") != 0)
  {
    if (clock_monotonic_s() > end_s)
      fail_msg("not within a minute: %s", sql);
    usleep(5000);
  }
}

/* What one engine began another goes on with, and a rung during which an engine dies is done again. */
static void
test_killed_between(void **state)
{
  (void) state;
  struct db_job row;
  pid_t engine = test_engine_start(dir, 1, NULL), pids[4];
  const char *quiet = start_job("bayes", "\"asha\"", "{\"folds\":3}", TRIALS);
  check_ended(quiet, TRIALS, &row);
  const char *job = start_job("bayes", "\"asha\"", "{\"folds\":3}", TRIALS);
  for (int i = 0; i < 3; i++)
  {
    wait_until("SELECT (EXISTS (SELECT FROM unit WHERE job_id = '%s' AND rung > 0"
               " AND state = 'leased'))::text",
               job);
    test_engine_stop(engine, SIGKILL);
    for (int k = 0; k < 100 && test_engine_find_trials(i % 2 == 0 ? dir : other, pids, 4) > 0; k++)
      usleep(100000);
    engine = test_engine_start(i % 2 == 0 ? other : dir, 1, NULL);
    wait_until("SELECT (NOT EXISTS (SELECT FROM unit WHERE job_id = '%s' AND state = 'leased'"
               " AND attempts < 2))::text",
               job);
  }
  check_ended(job, TRIALS, &row);
  /* An engine that finds a dead one's lease in place asks for a trial meanwhile, so the log's order may be another,
   * and later trials, too. The first trial and all others at the same point give what they gave without a kill. */
  const char *same =
    test_db_sql(conn, arena,
                "SELECT count(*) || ' ' || count(*) FILTER (WHERE a.metric <> b.metric OR "
                "a.objective <> b.objective)"
                " FROM unit a JOIN trial s ON s.id = a.trial_id JOIN trial t ON t.params = s.params"
                " JOIN unit b ON b.trial_id = t.id AND b.fold = a.fold AND b.rung = a.rung"
                " WHERE s.job_id = '%s' AND t.job_id = '%s' AND s.number = t.number AND a.state = "
                "'done' AND b.state = 'done'",
                quiet, job);
  assert_true(atoi(same) >= 4);
  assert_string_equal(strchr(same, ' '), " 0");
  test_engine_stop(engine, SIGTERM);
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_teardown(test_asha, stop_all),
    cmocka_unit_test_teardown(test_folds, stop_all),
    cmocka_unit_test_teardown(test_other_families, stop_all),
    cmocka_unit_test_teardown(test_killed_between, stop_all),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
