/* A real attune-engine whose jobs are paused, resumed and extended: nothing lost, nothing twice, the same trials. */
#include <config.h>

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/rng.h"
#include "sql/db_job_log.h"
#include "tests/harness/test_stage_engine.h"

#ifdef ATTUNE_SANITIZED
#define SLOW 4.0
#else
#define SLOW 1.0
#endif

static pid_t engine;

static int
setup(void **state)
{
  int failed = stage_engine_setup(state, 600);
  engine = test_engine_start(dir, 1, NULL);
  return failed;
}

static int
teardown(void **state)
{
  test_engine_stop(engine, SIGTERM);
  return stage_engine_teardown(state);
}

static const char *
sql(const char *query, const char *job)
{
  return test_db_sql(conn, arena, query, job);
}

static enum job_answer
control(const char *job, enum job_verb verb)
{
  struct db_job_control wanted = {.verb = verb, .by = "key_test"};
  enum job_answer answer;
  assert_int_equal(db_job_control(conn, tenant, job, &wanted, &answer), DB_ROWS);
  return answer;
}

static enum job_answer
extend(const char *job, int trials)
{
  struct db_job row;
  assert_int_equal(db_job_get(conn, tenant, job, arena, &row), DB_ROWS);
  json_t *spec = json_loads(row.spec, 0, NULL);
  json_object_set_new(json_object_get(spec, "budget"), "trials", json_integer(trials));
  char *text = json_dumps(spec, JSON_COMPACT);
  struct db_job_control wanted = {.verb = JOB_EXTEND, .spec = text, .extended = row.extended};
  enum job_answer answer;
  assert_int_equal(db_job_control(conn, tenant, job, &wanted, &answer), DB_ROWS);
  free(text);
  json_decref(spec);
  return answer;
}

static void
wait_for(const char *query, const char *job, const char *value, double seconds)
{
  double end_s = clock_monotonic_s() + seconds * SLOW;
  while (strcmp(sql(query, job), value) != 0)
  {
    if (clock_monotonic_s() > end_s)
      fail_msg("%s is %s, not %s", query, sql(query, job), value);
    usleep(20000);
  }
}

/* Trials as far as the search and the training decide them. */
static const char *
story(const char *job)
{
  return sql("SELECT string_agg(concat_ws(' ', number, family, params, state, metric, objective),"
             " '; ' ORDER BY number) FROM trial WHERE job_id = '%s'",
             job);
}

static const char *
start_quick_job(const char *method, int trials)
{
  return test_engine_job(
    conn, arena, tenant, table,
    arena_printf(arena,
                 "{\"target\":\"y\",\"families\":[\"linear\",\"trees\"],"
                 "\"budget\":{\"trials\":%d},\"search\":{\"seed\":11,\"method\":\"%s\"}}",
                 trials, method));
}

/* A trial that would go on for minutes is stopped in the middle and given back; after the pause it starts again,
 * as if nothing had been. */
static void
test_pause_in_a_trial(void **state)
{
  (void) state;
  static const char process[] = "--trial";
  pid_t pids[4];
  struct db_job row;
  const char *job =
    test_engine_job(conn, arena, tenant, table,
                    "{\"target\":\"y\",\"families\":[\"mlp\"],\"budget\":{\"trials\":1},"
                    "\"validation\":{\"holdout\":0.2},\"search\":{\"space\":{\"mlp\":{"
                    "\"units\":1024,\"layers\":4,\"epochs\":2000}}}}");
  wait_for("SELECT (count(*) > 0)::text FROM unit_epoch e JOIN unit u ON u.id = e.unit_id"
           " WHERE u.job_id = '%s'",
           job, "true", 60);
  assert_int_equal(test_engine_find(engine, process, pids, 4), 1);
  assert_int_equal(control(job, JOB_PAUSE), JOB_MOVED);
  double paused_s = clock_monotonic_s();
  wait_for("SELECT state || ' ' || attempts FROM unit WHERE job_id = '%s'", job, "pending 0", 5);
  print_message("a trial was given back %.2f s after the pause\n", clock_monotonic_s() - paused_s);
  assert_int_equal(test_engine_find(engine, process, pids, 4), 0);
  assert_int_equal(control(job, JOB_PAUSE), JOB_STAYED);
  sleep(2);
  assert_string_equal(sql("SELECT state || ' ' || attempts FROM unit WHERE job_id = '%s'", job),
                      "pending 0");
  assert_string_equal(sql("SELECT state FROM trial WHERE job_id = '%s'", job), "running");
  assert_string_equal(sql("SELECT count(*)::text FROM job_log WHERE job_id = '%s'"
                          " AND message LIKE 'trial 1, fold 0, attempt 1: the job was paused%%'",
                          job),
                      "1");
  assert_int_equal(control(job, JOB_RESUME), JOB_MOVED);
  wait_for("SELECT state || ' ' || attempts FROM unit WHERE job_id = '%s'", job, "leased 1", 5);
  assert_int_equal(control(job, JOB_CANCEL), JOB_MOVED);
  test_engine_wait(conn, arena, tenant, job, 30 * SLOW, &row);
  assert_string_equal(row.state, "cancelled");
  assert_true(row.elapsed_s < (double) (row.ended_us - row.started_us) / 1e6 - 1.9);
}

/* The same trials, told apart one by one where they differ. */
static void
check_same_story(const char *job, const char *wanted, int trials)
{
  static const char line[] =
    "SELECT concat_ws(' ', number, family, params, state, metric, objective) FROM trial"
    " WHERE job_id = '%s' AND number = %d";
  for (int number = 1; number <= trials; number++)
    assert_string_equal(test_db_sql(conn, arena, line, job, number),
                        test_db_sql(conn, arena, line, wanted, number));
}

/* However often and whenever a job is paused, its trials are those of a job left alone. */
static void
test_same_trials(void **state)
{
  (void) state;
  struct rng rng;
  struct db_job row;
  int pauses = 0;
  rng_init(&rng, 5, 1);
  const char *alone = start_quick_job("bayes", 6);
  test_engine_wait(conn, arena, tenant, alone, 180 * SLOW, &row);
  assert_string_equal(row.state, "succeeded");
  assert_int_equal(row.trials_done, 6);
  const char *job = start_quick_job("bayes", 6);
  for (int i = 0; i < 40; i++)
  {
    usleep((useconds_t) (1000 * (50 + rng_below(&rng, 400))));
    if (control(job, JOB_PAUSE) != JOB_MOVED)
      break;
    pauses++;
    usleep((useconds_t) (1000 * rng_below(&rng, 700)));
    assert_int_equal(control(job, JOB_RESUME), JOB_MOVED);
  }
  test_engine_wait(conn, arena, tenant, job, 180 * SLOW, &row);
  assert_string_equal(row.state, "succeeded");
  print_message("paused %d times\n", pauses);
  assert_true(pauses > 3);
  check_same_story(job, alone, 6);
  assert_string_equal(sql("SELECT max(attempts)::text FROM unit WHERE job_id = '%s'", job), "1");
}

/* A job that has ended searches on from its log: the same trials and then more, a second version. */
static void
test_extend_after_the_end(void **state)
{
  (void) state;
  struct db_job row;
  const char *job = start_quick_job("random", 3), *whole = start_quick_job("random", 5);
  test_engine_wait(conn, arena, tenant, job, 180 * SLOW, &row);
  assert_string_equal(row.state, "succeeded");
  int version = row.model_version;
  const char *before = story(job);
  assert_int_equal(extend(job, 5), JOB_MOVED);
  assert_int_equal(db_job_get(conn, tenant, job, arena, &row), DB_ROWS);
  assert_string_equal(row.state, "running");
  assert_int_equal(row.ended_us, 0);
  test_engine_wait(conn, arena, tenant, job, 180 * SLOW, &row);
  assert_string_equal(row.state, "succeeded");
  assert_int_equal(row.trials_done, 5);
  assert_true(row.model_version > version);
  assert_memory_equal(story(job), before, strlen(before));
  /* The same that a budget of five from the start gives (a method that plans its last trials by the budget, as
   * bayes does, would have planned others). */
  test_engine_wait(conn, arena, tenant, whole, 180 * SLOW, &row);
  check_same_story(job, whole, 5);
  /* one for each end, and where the best is slow a fast one beside it */
  assert_string_equal(sql("SELECT (count(*) BETWEEN 2 AND 4)::text FROM model_version"
                          " WHERE job_id = '%s' AND final",
                          job),
                      "true");
  assert_string_equal(sql("SELECT string_agg(data->>'state', ' ' ORDER BY seq) FROM job_event"
                          " WHERE job_id = '%s' AND kind = 'done'",
                          job),
                      "succeeded succeeded");
  /* The trial that was best is still one the model may be made of. */
  assert_string_equal(sql("SELECT (count(*) > 0)::text FROM unit u JOIN job j"
                          " ON j.best_trial_id = u.trial_id WHERE j.id = '%s'"
                          " AND u.model_blob IS NOT NULL",
                          job),
                      "true");
}

/* The engine is killed at any moment of pauses and resumptions; what is stored stays legal. */
static void
test_kill_while_pausing(void **state)
{
  (void) state;
  static const char legal[] =
    "SELECT count(*)::text FROM job j WHERE id = '%s' AND NOT ((state = 'paused') ="
    " (paused_at IS NOT NULL) AND (state <> 'paused' OR (phase = 'search' AND NOT "
    "cancel_requested))"
    " AND (phase <> 'ended' OR ended_at IS NOT NULL))";
  struct rng rng;
  struct db_job row;
  rng_init(&rng, 9, 1);
  const char *job = start_quick_job("bayes", 5);
  for (int i = 0; i < 4; i++)
  {
    usleep((useconds_t) (1000 * (100 + rng_below(&rng, 900))));
    control(job, JOB_PAUSE);
    usleep((useconds_t) (1000 * rng_below(&rng, 300)));
    test_engine_stop(engine, SIGKILL);
    assert_string_equal(sql(legal, job), "0");
    engine = test_engine_start(dir, 1, NULL);
    control(job, JOB_RESUME);
    assert_string_equal(sql(legal, job), "0");
  }
  test_engine_wait(conn, arena, tenant, job, 180 * SLOW, &row);
  assert_string_equal(row.state, "succeeded");
  assert_int_equal(row.trials_done + row.trials_failed, 5);
  assert_string_equal(sql("SELECT count(DISTINCT data->>'number') || ' ' || count(*)"
                          " FROM job_event WHERE job_id = '%s' AND kind = 'trial'",
                          job),
                      "5 5");
}

/* A trial whose process is shot down tells so in the log, and is tried again. */
static void
test_crash_is_told(void **state)
{
  (void) state;
  pid_t pids[4];
  struct db_job row;
  struct db_log_line *lines = NULL;
  size_t count = 0, told = 0;
  const char *job = start_quick_job("bayes", 2);
  double end_s = clock_monotonic_s() + 30 * SLOW;
  while (test_engine_find(engine, "--trial", pids, 4) == 0 && clock_monotonic_s() < end_s)
    usleep(1000);
  kill(pids[0], SIGKILL);
  test_engine_wait(conn, arena, tenant, job, 180 * SLOW, &row);
  assert_string_equal(row.state, "succeeded");
  assert_int_equal(
    db_job_log_list(conn, tenant, job, 0, LOG_LEVEL_WARNING, 10, arena, &lines, &count), DB_ROWS);
  for (size_t i = 0; i < count; i++)
    told += strstr(lines[i].message, "was killed by signal 9") != NULL
            && strstr(lines[i].message, "it is tried again") != NULL;
  assert_int_equal(told, 1);
}

/* Ends within a moment, cancelled, with the final version of a model. */
static void
check_soon_cancelled(const char *job)
{
  struct db_job row;
  assert_int_equal(control(job, JOB_CANCEL), JOB_MOVED);
  double asked_s = clock_monotonic_s();
  assert_int_equal(control(job, JOB_CANCEL), JOB_STAYED);
  assert_int_equal(control(job, JOB_PAUSE), JOB_REFUSED_CANCELLING);
  test_engine_wait(conn, arena, tenant, job, 10 * SLOW, &row);
  print_message("ended %.2f s after its cancellation\n", clock_monotonic_s() - asked_s);
  assert_string_equal(row.state, "cancelled");
  assert_true(row.model_version > 0);
  assert_string_equal(sql("SELECT v.final::text FROM model_version v JOIN job j"
                          " ON j.model_id = v.model_id AND j.model_version = v.version"
                          " WHERE j.id = '%s'",
                          job),
                      "true");
  assert_string_equal(sql("SELECT count(*)::text FROM unit WHERE job_id = '%s'"
                          " AND state IN ('pending','leased')",
                          job),
                      "0");
}

/* All trials of the budget are made, the last one would go on for minutes: cancelled, the job ends with the first. */
static void
test_cancel_last_trials(void **state)
{
  (void) state;
  pid_t second = test_engine_start(dir, 1, NULL);
  const char *job =
    test_engine_job(conn, arena, tenant, table,
                    "{\"target\":\"y\",\"families\":[\"linear\",\"mlp\"],\"budget\":{\"trials\":2},"
                    "\"validation\":{\"holdout\":0.2},\"search\":{\"space\":{\"mlp\":{"
                    "\"units\":1024,\"layers\":4,\"epochs\":2000}}}}");
  wait_for("SELECT j.phase || ' ' || t.state FROM job j JOIN trial t ON t.job_id = j.id"
           " AND t.number = 1 WHERE j.id = '%s'",
           job, "finish done", 60);
  check_soon_cancelled(job);
  assert_string_equal(
    sql("SELECT string_agg(family || ' ' || state, ', ' ORDER BY number) FROM trial"
        " WHERE job_id = '%s'",
        job),
    "linear done, mlp cancelled");
  assert_string_equal(sql("SELECT stop_reason FROM job WHERE id = '%s'", job), "cancelled");
  test_engine_stop(second, SIGTERM);
}

/* A finish that takes long (its process sleeps) is begun again, shorter, when the job is cancelled. */
static void
test_cancel_finish(void **state)
{
  (void) state;
  pid_t pids[4];
  const char *job = start_quick_job("random", 2);
  double end_s = clock_monotonic_s() + 60 * SLOW;
  for (size_t found = 0; found == 0 && clock_monotonic_s() < end_s; usleep(1000))
    if (strcmp(sql("SELECT count(*)::text FROM unit WHERE job_id = '%s' AND trial_id IS NULL"
                   " AND state = 'leased'",
                   job),
               "1")
        == 0)
      found = test_engine_find(engine, "--trial", pids, 4);
  assert_int_equal(kill(pids[0], SIGSTOP), 0);
  check_soon_cancelled(job);
  assert_string_equal(sql("SELECT attempts || ' ' || lease_token FROM unit WHERE job_id = '%s'"
                          " AND trial_id IS NULL",
                          job),
                      "1 2");
  assert_string_equal(sql("SELECT report->'ensemble'->>'used' FROM model_version v JOIN job j"
                          " ON j.model_id = v.model_id AND j.model_version = v.version"
                          " WHERE j.id = '%s'",
                          job),
                      "false");
  assert_string_equal(sql("SELECT count(*)::text FROM job_log WHERE job_id = '%s' AND message LIKE"
                          " 'the finish was not done: the job was cancelled%%'",
                          job),
                      "1");
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_pause_in_a_trial),     cmocka_unit_test(test_same_trials),
    cmocka_unit_test(test_extend_after_the_end), cmocka_unit_test(test_kill_while_pausing),
    cmocka_unit_test(test_crash_is_told),        cmocka_unit_test(test_cancel_last_trials),
    cmocka_unit_test(test_cancel_finish),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
