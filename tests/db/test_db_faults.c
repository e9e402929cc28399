/* What the engine asks of the database, with the first, second, … statement or allocation failing: the status is as
 * db.h says, nothing is half done, the connection is usable, and the same call then does its work. */
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

#include "base/buf.h"
#include "sql/db_audit.h"
#include "sql/db_conn.h"
#include "sql/db_folds.h"
#include "sql/db_job.h"
#include "sql/db_job_log.h"
#include "sql/db_model.h"
#include "sql/db_patch.h"
#include "sql/db_usage.h"
#include "sql/db_webhook.h"
#include "sql/db_work.h"
#include "tests/harness/faults.h"
#include "tests/harness/test_db.h"
#include "tests/harness/test_work.h"

static struct arena *arena, *work_arena;
static struct db_conn *conn, *other;
static const char *tenant, *dataset;

/* What a run stands on: a job of one trial, its lease, and what a call gave. */
static const char *job;
static struct db_work_lease lease;

struct scenario
{
  const char *name;
  void (*prepare)(void);
  enum db_status (*call)(void);
};

static int
setup(void **state)
{
  (void) state;
  arena = arena_new(0);
  work_arena = arena_new(0);
  conn = test_db_open();
  other = test_db_open();
  tenant = test_db_tenant(other, arena);
  dataset = test_db_dataset(other, arena, tenant);
  log_setup("test", LOG_LEVEL_ERROR + 1, false);
  return 0;
}

static int
teardown(void **state)
{
  (void) state;
  db_close(conn);
  db_close(other);
  arena_free(arena);
  arena_free(work_arena);
  return 0;
}

#define sql(...) test_db_sql(other, work_arena, __VA_ARGS__)

/* ---- what is stood on: all by the other connection ---------------------------------------------------- */

static void
prepare_job(void)
{
  sql("UPDATE job SET state = 'cancelled', phase = 'ended' WHERE phase <> 'ended'");
  job = test_db_job(other, work_arena, tenant, dataset, "{\"budget\": {\"trials\": 9}}");
}

static void
prepare_folds(int folds)
{
  struct work_plan plan = {.folds = folds, .most = 1000, .worker = "w"};
  prepare_job();
  assert_int_equal(db_work_with_job(other, work_arena, work_decide, &plan), DB_ROWS);
  lease = plan.lease;
}

static void
prepare_trial(void)
{
  prepare_folds(1);
}

static void
prepare_two_folds(void)
{
  prepare_folds(2);
}

static void
prepare_exhausted(void)
{
  prepare_folds(2);
  sql("UPDATE unit SET attempts = 3, lease_until = now() - interval '1 s' WHERE id = %lld",
      (long long) lease.unit_id);
}

static void
prepare_done(void)
{
  bool done, best;
  prepare_folds(1);
  assert_int_equal(work_finish(other, &lease, 1, &done, &best), DB_ROWS);
}

static void
prepare_cancelling(void)
{
  prepare_done();
  sql("UPDATE job SET cancel_requested = true WHERE id = '%s'", job);
}

/* The search has ended and its finish unit is leased. */
static void
prepare_finish(void)
{
  struct db_work_unit unit;
  struct work_plan plan = {.folds = 1, .most = 0, .worker = "w"};
  prepare_done();
  assert_int_equal(db_work_with_job(other, work_arena, work_decide, &plan), DB_ROWS);
  assert_int_equal(db_work_claim(other, "w", work_arena, &unit), DB_ROWS);
  assert_null(unit.trial_id);
  lease = (struct db_work_lease){.unit_id = unit.id, .lease_token = unit.lease_token};
}

static void
prepare_delivery(void)
{
  char id[32], delivery[32];
  static const char *const events[] = {"job.failed"};
  db_id_new("wh_", id, sizeof id);
  db_id_new("dlv_", delivery, sizeof delivery);
  struct db_webhook_insert hook = {.id = id,
                                   .tenant_id = tenant,
                                   .url = "http://127.0.0.1/",
                                   .secret = "s",
                                   .events = events,
                                   .event_count = 1};
  sql("UPDATE webhook_delivery SET state = 'failed', ended_at = now() WHERE state = 'pending'");
  assert_int_equal(db_webhook_insert(other, &hook, arena, &hook.secret), DB_ROWS);
  assert_int_equal(db_webhook_ping(other, tenant, id, delivery), DB_ROWS);
}

/* ---- what is called ------------------------------------------------------------------------------------ */

static enum db_status
call_claim(void)
{
  struct db_work_unit unit;
  enum db_status status = db_work_claim(conn, "b", work_arena, &unit);
  if (status == DB_ROWS)
    assert_true(unit.id > 0 && unit.lease_token > 0 && unit.job_id != NULL);
  return status;
}

static enum db_status
call_heartbeat(void)
{
  struct db_work_pulse pulse;
  enum db_status status = db_work_heartbeat(conn, &lease, &pulse);
  if (status == DB_ROWS)
    assert_int_equal(pulse.stop, DB_WORK_GO_ON);
  return status;
}

static enum db_status
call_epochs(void)
{
  static const struct db_work_epoch epochs[] = {
    {.epoch = 1, .epoch_count = 2, .train_loss = 0.5, .seconds = 1},
    {.epoch = 2, .epoch_count = 2, .valid_loss = NAN, .seconds = 2}};
  return db_work_epochs(conn, &lease, epochs, 2);
}

static enum db_status
call_finish_unit(void)
{
  bool done = false, best = false;
  enum db_status status = work_finish(conn, &lease, 1, &done, &best);
  const char *states = sql("SELECT state FROM unit WHERE id = %lld", (long long) lease.unit_id);
  /* All of it, or nothing. */
  if (status < DB_NONE)
    assert_string_equal(states, "leased");
  return status;
}

static enum db_status
end_unit(enum db_work_end how)
{
  return db_work_end_unit(conn, &lease, how, "a reason");
}

static enum db_status
call_retry(void)
{
  return end_unit(DB_WORK_RETRY);
}

static enum db_status
call_fail_unit(void)
{
  return end_unit(DB_WORK_FAILED);
}

static enum db_status
call_cancel_unit(void)
{
  return end_unit(DB_WORK_CANCELLED);
}

static enum db_status
call_add_trial(void)
{
  struct work_plan plan = {.folds = 2, .most = 1000, .worker = "w"};
  enum db_status status = db_work_with_job(conn, work_arena, work_decide, &plan);
  if (status < DB_NONE)
    assert_string_equal(sql("SELECT count(*)::text FROM trial WHERE job_id = '%s'", job), "0");
  return status;
}

static enum db_status
call_stop_search(void)
{
  struct work_plan plan = {.folds = 2, .most = 0, .worker = "w"};
  return db_work_with_job(conn, work_arena, work_decide, &plan);
}

static enum db_status
call_fail_job(void)
{
  enum db_status status = db_work_fail_job(conn, job, "code", "a detail");
  if (status != DB_NONE)
    assert_string_equal(sql("SELECT state FROM job WHERE id = '%s'", job),
                        status == DB_ROWS ? "failed" : "running");
  return status;
}

static enum db_status
call_sweep(void)
{
  return db_work_sweep(conn);
}

static enum db_status
call_log(void)
{
  struct db_work_log_entry *entries;
  size_t count = 0;
  enum db_status status = db_work_log(conn, job, 0, work_arena, &entries, &count);
  if (status == DB_ROWS)
    assert_int_equal(count, 2);
  return status;
}

static enum db_status
call_outputs(void)
{
  struct db_work_trial *trials;
  const float *predictions;
  const char *model;
  size_t count = 0, prediction_count = 0, length = 0;
  enum db_status status = db_work_best_trials(conn, job, 5, work_arena, &trials, &count);
  if (status != DB_ROWS || count == 0)
    return status;
  status = db_work_unit_outputs(conn, trials[0].id, 0, work_arena, &predictions, &prediction_count,
                                &model, &length);
  if (status == DB_ROWS)
  {
    assert_int_equal(prediction_count, 2);
    assert_true(length == 11 || model == NULL);
  }
  return status;
}

static enum db_status
publish(bool final)
{
  int version = 0;
  struct db_model_insert insert = {.tenant_id = tenant,
                                   .model_name = "made",
                                   .job_id = job,
                                   .bytes = "bytes",
                                   .length = 5,
                                   .family = "linear",
                                   .task = "binary",
                                   .metric = "accuracy",
                                   .score = 0.5,
                                   .final = final,
                                   .schema = "{}",
                                   .report = "{\"score\": 1}",
                                   .us_per_row = 1,
                                   .folds = final ? "folds" : NULL,
                                   .folds_length = final ? 5 : 0};
  const char *before = sql("SELECT count(*)::text FROM blob");
  enum db_status status = db_work_publish(conn, &lease, &insert, &version);
  if (status == DB_ROWS)
    assert_true(version > 0);
  else if (status < DB_NONE)
    assert_string_equal(sql("SELECT count(*)::text FROM blob"), before);
  return status;
}

static enum db_status
call_publish(void)
{
  return publish(false);
}

static enum db_status
call_publish_final(void)
{
  return publish(true);
}

static enum db_status
call_delivery(void)
{
  struct db_delivery_claim claim;
  enum db_status status = db_delivery_claim(conn, 5, work_arena, &claim);
  if (status != DB_ROWS)
    return status;
  return db_delivery_settle(conn, claim.id, claim.lease_token, 500, "no", 1);
}

static enum db_status
call_job_log(void)
{
  struct db_log_line *lines;
  size_t count = 0;
  enum db_status status = db_job_log(conn, job, LOG_LEVEL_INFO, "search", 1, "said %d", 1);
  if (status != DB_ROWS)
    return status;
  return db_job_log_list(conn, tenant, job, 0, LOG_LEVEL_INFO, 10, work_arena, &lines, &count);
}

static enum db_status
call_usage(void)
{
  struct db_usage row = {.tenant_id = tenant, .day = 20000, .kind = "requests", .amount = 2};
  struct db_usage *rows;
  size_t count = 0;
  enum db_status status = db_usage_add(conn, &row, 1);
  if (status >= DB_NONE)
    status = db_usage_gauge(conn);
  return status < DB_NONE ? status
                          : db_usage_list(conn, tenant, 19999, 20001, work_arena, &rows, &count);
}

static enum db_status
call_forget(void)
{
  enum db_status status = db_forget_old(conn, 30);
  return status < DB_NONE ? status : db_audit_forget(conn, 30);
}

/* ---- the sweep ----------------------------------------------------------------------------------------- */

static enum db_status
run(const struct scenario *scenario, enum fault_kind kind, int nth, enum fault_how how,
    const char *state, int *fired)
{
  arena_reset(work_arena);
  scenario->prepare();
  if (kind == FAULT_STATEMENT)
    faults_arm_statement(nth, how, state);
  else if (kind == FAULT_MEMORY)
    faults_arm(kind, nth, false);
  enum db_status status = scenario->call();
  *fired = faults_end();
  if (!db_is_open(conn))
    assert_int_equal(db_reopen(conn, NULL), ERR_OK);
  if (db_in_tx(conn))
    fail_msg("%s: left in a transaction when %d fails", scenario->name, nth);
  return status;
}

static void
sweep(const struct scenario *scenario, enum fault_kind kind, enum fault_how how, const char *state,
      enum db_status failure, int step)
{
  int fired, count = 0;
  enum db_status usual = run(scenario, FAULT_NONE, 0, how, NULL, &fired);
  if (usual < DB_NONE)
    fail_msg("%s: %d without a fault", scenario->name, (int) usual);
  fired = 1;
  for (int nth = 1; fired > 0; nth += nth < 15 ? step : nth / 4)
  {
    enum db_status status = run(scenario, kind, nth, how, state, &fired);
    count += fired > 0;
    bool meant =
      failure > DB_SOFT || status == failure || (kind == FAULT_MEMORY && status < DB_NONE);
    if (status != usual && (fired == 0 || !meant))
      fail_msg("%s: %d when %d fails (how %d, %s), usually %d", scenario->name, (int) status, nth,
               (int) how, state != NULL ? state : "-", (int) usual);
  }
  assert_true(count > 0 || kind == FAULT_MEMORY); /* some need none */
  assert_int_equal(run(scenario, FAULT_NONE, 0, how, NULL, &fired), usual);
}

static const struct scenario scenarios[] = {
  {"claim", prepare_two_folds, call_claim},
  {"claim of an exhausted unit", prepare_exhausted, call_claim},
  {"heartbeat", prepare_trial, call_heartbeat},
  {"epochs", prepare_trial, call_epochs},
  {"finish a fold", prepare_two_folds, call_finish_unit},
  {"finish a trial", prepare_trial, call_finish_unit},
  {"retry", prepare_trial, call_retry},
  {"fail a unit", prepare_trial, call_fail_unit},
  {"fail a finish", prepare_finish, call_fail_unit},
  {"cancel a unit", prepare_trial, call_cancel_unit},
  {"add a trial", prepare_job, call_add_trial},
  {"stop the search", prepare_done, call_stop_search},
  {"stop a search without trials", prepare_job, call_stop_search},
  {"fail a job", prepare_trial, call_fail_job},
  {"sweep", prepare_cancelling, call_sweep},
  {"log", prepare_done, call_log},
  {"outputs", prepare_done, call_outputs},
  {"publish", prepare_done, call_publish},
  {"publish the last", prepare_finish, call_publish_final},
  {"deliver", prepare_delivery, call_delivery},
  {"job log", prepare_trial, call_job_log},
  {"usage", prepare_job, call_usage},
  {"forget", prepare_job, call_forget},
};
#define SCENARIO_COUNT (sizeof scenarios / sizeof scenarios[0])

static void
test_refused(void **state)
{
  (void) state;
  for (size_t i = 0; i < SCENARIO_COUNT; i++)
    sweep(&scenarios[i], FAULT_STATEMENT, FAULT_ERROR, "XX000", DB_HARD, 1);
}

/* A full disk is not worth another try; what else is soft is tried again within a transaction. */
static void
test_soft(void **state)
{
  (void) state;
  for (size_t i = 0; i < SCENARIO_COUNT; i++)
    sweep(&scenarios[i], FAULT_STATEMENT, FAULT_ERROR, "53100", DB_SOFT, 3);
  for (size_t i = 0; i < SCENARIO_COUNT; i += 2)
    sweep(&scenarios[i], FAULT_STATEMENT, FAULT_ERROR, "40001", DB_SOFT, 4);
}

static void
test_lost(void **state)
{
  (void) state;
  for (size_t i = 1; i < SCENARIO_COUNT; i += 2)
    sweep(&scenarios[i], FAULT_STATEMENT, FAULT_LOST, NULL, DB_SOFT, 5);
}

/* Nothing found where something was, and answers of another shape: any status, and nothing worse. */
static void
test_strange_answers(void **state)
{
  (void) state;
  for (size_t i = 0; i < SCENARIO_COUNT; i++)
    sweep(&scenarios[i], FAULT_STATEMENT, FAULT_EMPTY, NULL, DB_ROWS, 1);
}

static void
test_no_memory(void **state)
{
  (void) state;
  for (size_t i = 0; i < SCENARIO_COUNT; i++)
    sweep(&scenarios[i], FAULT_MEMORY, FAULT_ERROR, NULL, DB_HARD, 1);
}

static void
test_patches(void **state)
{
  (void) state;
  const char *conninfo = test_db_new_database(arena, "patched");
  struct db_conn *fresh;
  struct err_info info;
  int from, to, fired = 1;
  assert_int_equal(db_connect(conninfo, "test", &fresh, &info), ERR_OK);
  for (int nth = 1; fired > 0; nth++)
  {
    faults_arm_statement(nth, FAULT_ERROR, nth % 2 ? "XX000" : "53100");
    enum err err = db_patch_apply(fresh, &from, &to, &info);
    fired = faults_end();
    if (fired > 0 && err != ERR_OK)
    {
      assert_int_equal(err, nth % 2 ? ERR_INTERNAL : ERR_UNAVAILABLE);
      assert_non_null(strstr(info.text, "made to fail"));
    }
    else
      assert_int_equal(err, ERR_OK);
    db_close(fresh); /* with the lock, which a failure may have kept */
    assert_int_equal(db_connect(conninfo, "test", &fresh, &info), ERR_OK);
  }
  assert_int_equal(db_patch_check(fresh, &info), ERR_OK);
  db_close(fresh);
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_refused),   cmocka_unit_test(test_soft),
    cmocka_unit_test(test_lost),      cmocka_unit_test(test_strange_answers),
    cmocka_unit_test(test_no_memory), cmocka_unit_test(test_patches),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
