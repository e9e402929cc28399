/* Work under leases: claimed once, kept, lost, recorded once, counted exactly. Two connections play two
 * workers; expiry is brought about by moving lease_until, not by waiting. */
#include <config.h>

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sql/db_job.h"
#include "sql/db_model.h"
#include "sql/db_work.h"
#include "tests/harness/test_stage_workers.h"
#include "tests/harness/test_support.h"
#include "tests/harness/test_work.h"

/* Jobs left over by a test must not be in the next one's way. */
static int
end_all_jobs(void **state)
{
  (void) state;
  test_db_sql(one, arena, "UPDATE job SET state = 'cancelled', phase = 'ended'");
  return 0;
}

static const char *
make_job(const char *spec)
{
  return test_db_job(one, arena, tenant, dataset, spec);
}

#define sql(...) test_db_sql(one, arena, __VA_ARGS__)

static struct db_work_lease
add_trial(struct db_conn *conn, int folds)
{
  struct work_plan plan = {.folds = folds, .most = 1000, .worker = "w"};
  assert_int_equal(db_work_with_job(conn, arena, work_decide, &plan), DB_ROWS);
  return plan.lease;
}

/* Fold models of the job that are kept, and blobs that nothing refers to. */
static void
check_models(const char *job, const char *kept)
{
  assert_string_equal(
    sql("SELECT count(*)::text FROM unit JOIN blob b ON b.id = model_blob WHERE job_id = '%s'",
        job),
    kept);
  assert_string_equal(sql("SELECT count(*)::text FROM blob b WHERE NOT EXISTS (SELECT FROM unit u"
                          " WHERE u.model_blob = b.id) AND NOT EXISTS (SELECT FROM model_version v"
                          " WHERE v.blob_id = b.id) AND NOT EXISTS (SELECT FROM dataset_version v"
                          " WHERE v.blob_id = b.id)"),
                      "0");
}

static void
expire(const struct db_work_lease *lease)
{
  sql("UPDATE unit SET lease_until = now() - interval '1 second' WHERE id = %lld",
      (long long) lease->unit_id);
}

static const char *
trial_state(const char *job, int number)
{
  return sql("SELECT state FROM trial WHERE job_id = '%s' AND number = %d", job, number);
}

/* ---- tests ------------------------------------------------------------------------------------------ */

static void
test_stale_token_is_refused(void **state)
{
  (void) state;
  struct db_work_unit unit;
  struct db_work_pulse pulse;
  bool done, best;
  const char *job = make_job("{\"budget\": {\"trials\": 3}}");
  struct db_work_lease first = add_trial(one, 1);
  assert_string_equal(sql("SELECT state FROM job WHERE id = '%s'", job), "running");
  assert_int_equal(db_work_heartbeat(one, &first, &pulse), DB_ROWS);
  assert_int_equal(pulse.stop, DB_WORK_GO_ON);
  assert_int_equal(db_work_claim(two, "b", arena, &unit), DB_NONE);
  expire(&first);
  /* Expired but unclaimed: its owner may keep it. */
  assert_int_equal(db_work_heartbeat(one, &first, &pulse), DB_ROWS);
  assert_int_equal(db_work_claim(two, "b", arena, &unit), DB_NONE);
  expire(&first);
  assert_int_equal(db_work_claim(two, "b", arena, &unit), DB_ROWS);
  assert_int_equal(unit.id, first.unit_id);
  assert_int_equal(unit.lease_token, first.lease_token + 1);
  assert_int_equal(unit.attempts, 2);
  assert_string_equal(unit.job_id, job);
  assert_string_equal(unit.family, "linear");
  assert_string_equal(unit.params, "{\"c\": 0.5}");
  assert_true(isinf(unit.budget_left_s));
  struct db_work_lease second = {.unit_id = unit.id, .lease_token = unit.lease_token};
  struct db_work_epoch epoch = {.epoch = 1, .epoch_count = 2, .train_loss = NAN, .seconds = 1};
  assert_int_equal(db_work_heartbeat(one, &first, &pulse), DB_NONE);
  assert_int_equal(db_work_epochs(one, &first, &epoch, 1), DB_NONE);
  assert_int_equal(work_finish(one, &first, 1, &done, &best), DB_NONE);
  assert_int_equal(db_work_end_unit(one, &first, DB_WORK_FAILED, "late"), DB_NONE);
  assert_string_equal(trial_state(job, 1), "running");
  check_models(job, "0");
  assert_int_equal(db_work_epochs(two, &second, &epoch, 1), DB_ROWS);
  assert_int_equal(db_work_epochs(two, &second, &epoch, 1), DB_ROWS);
  assert_int_equal(work_finish(two, &second, 1, &done, &best), DB_ROWS);
  assert_true(done && best);
  assert_int_equal(work_finish(two, &second, 0, &done, &best), DB_NONE);
  assert_string_equal(trial_state(job, 1), "done");
  assert_string_equal(sql("SELECT string_agg(kind, ' ' ORDER BY seq) FROM job_event"
                          " WHERE job_id = '%s'",
                          job),
                      "state state trial best");
}

static void
test_folds_make_a_trial(void **state)
{
  (void) state;
  struct db_work_unit unit;
  bool done, best;
  const char *job = make_job("{}");
  struct db_work_lease lease = add_trial(one, 3);
  for (int fold = 0; fold < 3; fold++)
  {
    if (fold > 0)
    {
      assert_int_equal(db_work_claim(two, "b", arena, &unit), DB_ROWS);
      assert_int_equal(unit.fold, fold);
      assert_int_equal(unit.fold_count, 3);
      lease = (struct db_work_lease){.unit_id = unit.id, .lease_token = unit.lease_token};
    }
    assert_int_equal(work_finish(two, &lease, fold + 1, &done, &best), DB_ROWS);
    assert_int_equal(done, fold == 2);
  }
  assert_string_equal(sql("SELECT objective || ' ' || metric || ' ' || seconds FROM trial"
                          " WHERE job_id = '%s'",
                          job),
                      "2 -2 1.5");
}

static void
test_attempts_run_out(void **state)
{
  (void) state;
  struct db_work_unit unit;
  const char *job = make_job("{}");
  struct db_work_lease lease = add_trial(one, 2);
  assert_int_equal(db_work_end_unit(one, &lease, DB_WORK_RETRY, "killed once"), DB_ROWS);
  assert_int_equal(db_work_claim(two, "b", arena, &unit), DB_ROWS);
  lease.lease_token = unit.lease_token;
  assert_int_equal(unit.attempts, 2);
  /* An orderly stop costs no attempt. */
  assert_int_equal(db_work_end_unit(two, &lease, DB_WORK_RELEASE, "stopping"), DB_ROWS);
  assert_int_equal(db_work_claim(two, "b", arena, &unit), DB_ROWS);
  assert_int_equal(unit.attempts, 2);
  lease.lease_token = unit.lease_token;
  expire(&lease);
  assert_int_equal(db_work_claim(two, "b", arena, &unit), DB_ROWS);
  assert_int_equal(unit.attempts, 3);
  lease.lease_token = unit.lease_token;
  expire(&lease);
  assert_int_equal(db_work_claim(two, "b", arena, &unit), DB_NONE);
  assert_string_equal(trial_state(job, 1), "failed");
  assert_string_equal(sql("SELECT string_agg(state, ' ' ORDER BY fold) FROM unit u"
                          " WHERE job_id = '%s'",
                          job),
                      "failed failed");
  assert_string_equal(sql("SELECT reasons[1] FROM trial WHERE job_id = '%s'", job), "killed once");
  assert_string_equal(sql("SELECT cardinality(reasons)::text FROM trial WHERE job_id = '%s'", job),
                      "2");
}

static void
test_advisory_lock_passes_over(void **state)
{
  (void) state;
  struct work_plan plan = {.folds = 1, .most = 10, .worker = "a"};
  const char *job = make_job("{}");
  sql("BEGIN");
  sql("SELECT pg_advisory_xact_lock(hashtextextended('%s', 7))", job);
  assert_int_equal(db_work_with_job(two, arena, work_decide, &plan), DB_NONE);
  sql("COMMIT");
  assert_int_equal(db_work_with_job(two, arena, work_decide, &plan), DB_ROWS);
  assert_int_equal(plan.number, 1);
}

static void
test_parallel_limit(void **state)
{
  (void) state;
  struct work_plan plan = {.folds = 2, .most = 10, .worker = "a"};
  struct db_work_unit unit;
  make_job("{\"search\": {\"parallel\": 1}}");
  struct db_work_lease lease = add_trial(one, 2);
  assert_int_equal(db_work_claim(two, "b", arena, &unit), DB_NONE);
  assert_int_equal(db_work_with_job(two, arena, work_decide, &plan), DB_NONE);
  bool done, best;
  assert_int_equal(work_finish(one, &lease, 1, &done, &best), DB_ROWS);
  assert_int_equal(db_work_claim(two, "b", arena, &unit), DB_ROWS);
}

static void
test_fewest_workers_first(void **state)
{
  (void) state;
  struct work_plan plan = {.folds = 1, .most = 10, .worker = "a"};
  const char *older = make_job("{}"), *newer = make_job("{}");
  for (int i = 0; i < 4; i++)
    assert_int_equal(db_work_with_job(two, arena, work_decide, &plan), DB_ROWS);
  assert_string_equal(sql("SELECT count(*)::text FROM trial WHERE job_id = '%s'", older), "2");
  assert_string_equal(sql("SELECT count(*)::text FROM trial WHERE job_id = '%s'", newer), "2");
}

static void
test_log_in_order(void **state)
{
  (void) state;
  struct db_work_log_entry *entries;
  size_t count;
  bool done, best;
  const char *job = make_job("{}");
  struct db_work_lease a = add_trial(one, 1), b = add_trial(one, 1), c = add_trial(one, 1);
  assert_int_equal(work_finish(one, &b, 5, &done, &best), DB_ROWS);
  assert_int_equal(db_work_end_unit(one, &a, DB_WORK_FAILED, "diverged"), DB_ROWS);
  assert_int_equal(db_work_end_unit(one, &c, DB_WORK_CANCELLED, "no time"), DB_ROWS);
  assert_int_equal(db_work_log(two, job, 0, arena, &entries, &count), DB_ROWS);
  assert_int_equal(count, 6);
  static const enum db_work_log_kind kinds[] = {DB_LOG_ASK,  DB_LOG_ASK,    DB_LOG_ASK,
                                                DB_LOG_TELL, DB_LOG_FAILED, DB_LOG_FORGET};
  static const int numbers[] = {1, 2, 3, 2, 1, 3};
  for (size_t i = 0; i < count; i++)
  {
    assert_int_equal(entries[i].seq, (int64_t) i + 1);
    assert_int_equal(entries[i].kind, kinds[i]);
    assert_int_equal(entries[i].trial_number, numbers[i]);
  }
  assert_int_equal(entries[1].point_count, 2);
  assert_near(entries[1].point[0], 1, 0);
  assert_true(isnan(entries[1].point[1]));
  assert_near(entries[3].objective, 5, 0);
  assert_int_equal(db_work_log(two, job, 4, arena, &entries, &count), DB_ROWS);
  assert_int_equal(count, 2);
  assert_int_equal(db_work_log(two, job, 6, arena, &entries, &count), DB_NONE);
}

static void
test_cancel_then_finish(void **state)
{
  (void) state;
  struct db_work_unit unit;
  struct db_job row;
  struct db_work_pulse pulse;
  bool done, best, ended = false;
  int version = 0;
  const char *job = make_job("{}");
  struct db_work_lease first = add_trial(one, 1), second = add_trial(one, 1);
  assert_int_equal(work_finish(one, &first, 1, &done, &best), DB_ROWS);
  assert_int_equal(db_job_cancel(two, tenant, job, &ended), DB_ROWS);
  assert_int_equal(db_work_heartbeat(one, &second, &pulse), DB_ROWS);
  assert_int_equal(pulse.stop, DB_WORK_STOP_CANCEL);
  assert_true(db_work_sweep(two) >= DB_NONE);
  assert_string_equal(trial_state(job, 2), "cancelled");
  assert_int_equal(work_finish(one, &second, 0, &done, &best), DB_NONE);
  assert_int_equal(db_work_claim(two, "b", arena, &unit), DB_ROWS);
  assert_null(unit.trial_id);
  assert_string_equal(unit.stop_reason, "cancelled");
  struct db_work_lease lease = {.unit_id = unit.id, .lease_token = unit.lease_token};
  struct db_model_insert insert = {.tenant_id = tenant,
                                   .model_name = "kept",
                                   .job_id = job,
                                   .bytes = "final",
                                   .length = 5,
                                   .family = "linear",
                                   .task = "binary",
                                   .metric = "accuracy",
                                   .score = 0.5,
                                   .final = true,
                                   .schema = "{}",
                                   .report = "{}",
                                   .us_per_row = 1};
  struct db_work_lease stale = {.unit_id = unit.id, .lease_token = unit.lease_token - 1};
  assert_int_equal(db_work_publish(one, &stale, &insert, &version), DB_NONE);
  assert_int_equal(db_work_publish(two, &lease, &insert, &version), DB_ROWS);
  assert_int_equal(version, 1);
  assert_int_equal(db_work_publish(two, &lease, &insert, &version), DB_NONE);
  assert_int_equal(db_job_get(one, tenant, job, arena, &row), DB_ROWS);
  assert_string_equal(row.state, "cancelled");
  assert_string_equal(row.model_name, "kept");
  check_models(job, "1"); /* the only trial's, for an extension */
  assert_string_equal(sql("SELECT data->'model'->>'name' FROM job_event WHERE job_id = '%s'"
                          " AND kind = 'done'",
                          job),
                      "kept");
}

static void
test_provisional_only_by_the_best(void **state)
{
  (void) state;
  bool done, best;
  int version = 0;
  const char *job = make_job("{}");
  struct db_work_lease first = add_trial(one, 1), second = add_trial(one, 1);
  assert_int_equal(work_finish(one, &first, 2, &done, &best), DB_ROWS);
  const char *id = sql("SELECT best_trial_id FROM job WHERE id = '%s'", job);
  assert_int_equal(db_work_may_publish(one, job, id, 10), DB_ROWS);
  struct db_model_insert insert = {.tenant_id = tenant,
                                   .model_name = "early",
                                   .job_id = job,
                                   .bytes = "early",
                                   .length = 5,
                                   .family = "linear",
                                   .task = "binary",
                                   .metric = "accuracy",
                                   .score = NAN,
                                   .schema = "{}",
                                   .report = "{}",
                                   .us_per_row = NAN};
  assert_int_equal(db_work_publish(one, &first, &insert, &version), DB_ROWS);
  assert_int_equal(db_work_may_publish(one, job, id, 10), DB_NONE);
  assert_int_equal(db_work_may_publish(one, job, id, 0), DB_ROWS);
  assert_int_equal(work_finish(one, &second, 1, &done, &best), DB_ROWS);
  assert_true(best);
  assert_int_equal(db_work_may_publish(one, job, id, 0), DB_NONE);
  assert_int_equal(db_work_publish(one, &first, &insert, &version), DB_NONE);
  assert_int_equal(db_work_publish(one, &second, &insert, &version), DB_ROWS);
  assert_int_equal(version, 2);
  assert_string_equal(sql("SELECT state || phase FROM job WHERE id = '%s'", job), "runningsearch");
}

static void
test_outputs_of_the_best_are_kept(void **state)
{
  (void) state;
  struct db_work_trial *trials;
  const float *predictions;
  const char *model;
  size_t count, prediction_count, model_length;
  bool done, best;
  const char *job = make_job("{}");
  for (int i = 0; i < 6; i++)
  {
    struct db_work_lease lease = add_trial(one, 1);
    assert_int_equal(work_finish(one, &lease, 10 - i, &done, &best), DB_ROWS);
    assert_true(best);
  }
  assert_int_equal(db_work_best_trials(two, job, 50, arena, &trials, &count), DB_ROWS);
  assert_int_equal(count, 6);
  for (size_t i = 0; i < count; i++)
  {
    assert_int_equal(trials[i].number, 6 - (int) i);
    assert_int_equal(db_work_unit_outputs(two, trials[i].id, 0, arena, &predictions,
                                          &prediction_count, &model, &model_length),
                     DB_ROWS);
    assert_int_equal(prediction_count, 2);
    assert_near(predictions[1], 0.75, 0);
    /* keep_models was 2 */
    assert_int_equal(model != NULL, i < 2);
    if (i < 2)
      assert_memory_equal(model, "model bytes", 11);
  }
  assert_int_equal(db_work_unit_outputs(two, trials[0].id, 1, arena, &predictions,
                                        &prediction_count, &model, &model_length),
                   DB_NONE);
  check_models(job, "2");
}

static void
test_seconds_run_out(void **state)
{
  (void) state;
  struct db_work_pulse pulse;
  bool done, best;
  struct work_plan plan = {.folds = 1, .most = 10, .worker = "a"};
  const char *job = make_job("{\"budget\": {\"seconds\": 100}}");
  struct db_work_lease first = add_trial(one, 1), second = add_trial(one, 1);
  assert_int_equal(work_finish(one, &first, 2, &done, &best), DB_ROWS);
  sql("UPDATE job SET started_at = now() - interval '89 seconds' WHERE id = '%s'", job);
  assert_int_equal(db_work_heartbeat(one, &second, &pulse), DB_ROWS);
  assert_int_equal(pulse.stop, DB_WORK_GO_ON);
  sql("UPDATE job SET started_at = now() - interval '91 seconds' WHERE id = '%s'", job);
  assert_int_equal(db_work_heartbeat(one, &second, &pulse), DB_ROWS);
  assert_int_equal(pulse.stop, DB_WORK_STOP_TIME);
  assert_int_equal(db_work_with_job(two, arena, work_decide, &plan), DB_NONE);
  assert_true(db_work_sweep(one) >= DB_NONE);
  assert_string_equal(sql("SELECT phase || ' ' || stop_reason FROM job WHERE id = '%s'", job),
                      "finish budget_seconds");
  assert_string_equal(trial_state(job, 2), "cancelled");
  /* The reserve in SQL is the one in C. */
  static const double budgets[] = {1, 4, 10, 19, 30, 100, 199, 500};
  for (size_t i = 0; i < sizeof budgets / sizeof budgets[0]; i++)
  {
    double search_s = budgets[i] - db_work_reserve_s(budgets[i]);
    const char *probe =
      make_job(arena_printf(arena, "{\"budget\": {\"seconds\": %g}}", budgets[i]));
    struct db_work_lease lease = add_trial(one, 1);
    for (int late = 0; late < 2; late++)
    {
      sql("UPDATE job SET started_at = now() - interval '%.3f seconds' WHERE id = '%s'",
          search_s + (late ? 0.2 : -0.2), probe);
      assert_int_equal(db_work_heartbeat(one, &lease, &pulse), DB_ROWS);
      assert_int_equal(pulse.stop, late ? DB_WORK_STOP_TIME : DB_WORK_GO_ON);
      assert_near(pulse.search_left_s, late ? -0.2 : 0.2, 0.15);
    }
    assert_int_equal(db_work_fail_job(one, probe, "test", "over"), DB_ROWS);
  }
}

static void
test_no_done_trial(void **state)
{
  (void) state;
  struct work_plan plan = {.folds = 1, .most = 1, .worker = "a"};
  const char *job = make_job("{}");
  struct db_work_lease lease = add_trial(one, 1);
  assert_int_equal(db_work_end_unit(one, &lease, DB_WORK_FAILED, "the loss is not finite"),
                   DB_ROWS);
  assert_int_equal(db_work_with_job(two, arena, work_decide, &plan), DB_ROWS);
  assert_true(plan.stopped);
  assert_string_equal(
    sql("SELECT state || ' ' || (problem->>'code') FROM job WHERE id = '%s'", job),
    "failed all_trials_failed");
  assert_has_text(sql("SELECT problem->>'detail' FROM job WHERE id = '%s'", job),
                  "the loss is not finite");
  assert_int_equal(db_work_fail_job(one, job, "again", "no"), DB_NONE);
}

/* Time without any engine is not the job's. */
static void
test_absence_does_not_count(void **state)
{
  (void) state;
  struct db_work_unit unit;
  struct db_work_pulse pulse;
  const char *job = make_job("{\"budget\": {\"seconds\": 100}}");
  struct db_work_lease lease = add_trial(one, 1);
  assert_true(db_work_sweep(one) >= DB_NONE);
  /* Half a minute of work, then an hour of silence. */
  sql("UPDATE job SET started_at = now() - interval '3630 seconds' WHERE id = '%s'", job);
  sql("UPDATE setting SET value = (value::float8 - 3600)::text WHERE name = 'engine_seen'");
  expire(&lease);
  assert_true(db_work_sweep(one) >= DB_NONE);
  assert_true(db_work_sweep(two) >= DB_NONE);
  assert_string_equal(sql("SELECT phase FROM job WHERE id = '%s'", job), "search");
  assert_int_equal(db_work_claim(two, "b", arena, &unit), DB_ROWS);
  assert_near(unit.budget_left_s, 70, 3);
  /* A short silence counts. */
  lease = (struct db_work_lease){.unit_id = unit.id, .lease_token = unit.lease_token};
  sql("UPDATE setting SET value = (value::float8 - 12)::text WHERE name = 'engine_seen'");
  sql("UPDATE job SET started_at = started_at - interval '12 seconds' WHERE id = '%s'", job);
  assert_int_equal(db_work_heartbeat(two, &lease, &pulse), DB_ROWS);
  assert_int_equal(pulse.stop, DB_WORK_GO_ON);
  expire(&lease);
  assert_int_equal(db_work_claim(one, "a", arena, &unit), DB_ROWS);
  assert_near(unit.budget_left_s, 58, 3);
}

#define work_test(function) cmocka_unit_test_setup_teardown(function, end_all_jobs, end_all_jobs)

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    work_test(test_stale_token_is_refused),
    work_test(test_folds_make_a_trial),
    work_test(test_attempts_run_out),
    work_test(test_advisory_lock_passes_over),
    work_test(test_parallel_limit),
    work_test(test_fewest_workers_first),
    work_test(test_log_in_order),
    work_test(test_cancel_then_finish),
    work_test(test_provisional_only_by_the_best),
    work_test(test_outputs_of_the_best_are_kept),
    work_test(test_seconds_run_out),
    work_test(test_no_done_trial),
    work_test(test_absence_does_not_count),
  };
  return cmocka_run_group_tests(tests, stage_workers_setup, stage_workers_teardown);
}
