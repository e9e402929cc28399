/* Trials that pause at rungs, as the database keeps them: what is stored, what goes on, what is dropped. */
#include <config.h>

#include "tests/harness/test_support.h"

#include "sql/db_work.h"
#include "tests/harness/test_stage.h"

#define LAST_RUNG 3
#define FOLDS 3

static const char *tenant, *dataset, *job;

static int
setup(void **state)
{
  int failed = stage_setup(state);
  tenant = test_db_tenant(conn, arena);
  dataset = test_db_dataset(conn, arena, tenant);
  return failed;
}

static int
begin(void **state)
{
  (void) state;
  test_db_sql(conn, arena, "UPDATE job SET state = 'cancelled', phase = 'ended'");
  job = test_db_job(conn, arena, tenant, dataset, "{\"budget\": {\"trials\": 100}}");
  return 0;
}

#define sql(...) test_db_sql(conn, arena, __VA_ARGS__)

/* One decision under the job's lock. */
struct plan
{
  enum
  {
    PLAN_ADD,
    PLAN_GO_ON,
    PLAN_PRUNE,
    PLAN_STOP
  } what;
  int folds, number, rung, until;
  struct db_work_lease lease;
};

static enum db_status
decide(struct db_conn *held, const struct db_work_job *wanted, void *context)
{
  struct plan *plan = context;
  const struct db_work_rungs rungs = {.last = LAST_RUNG, .until_epoch = 2};
  const double point[] = {0.5};
  switch (plan->what)
  {
  case PLAN_ADD:
    return db_work_add_trial(held, wanted, "mlp", "{}", point, 1, plan->folds, &rungs, "w",
                             &plan->lease);
  case PLAN_GO_ON:
    return db_work_continue_trial(held, wanted, plan->number, plan->rung, plan->until);
  case PLAN_PRUNE:
    return db_work_prune_trial(held, wanted, plan->number, "not good enough");
  case PLAN_STOP:
    break;
  }
  return db_work_stop_search(held, wanted, "budget_trials", false);
}

static enum db_status
carry_out(struct plan plan, struct db_work_lease *lease)
{
  enum db_status status = db_work_with_job(conn, arena, decide, &plan);
  if (lease != NULL)
    *lease = plan.lease;
  return status;
}

static struct db_work_lease
add_trial(int folds)
{
  struct db_work_lease lease = {0};
  assert_int_equal(carry_out((struct plan){.what = PLAN_ADD, .folds = folds}, &lease), DB_ROWS);
  return lease;
}

static void
finish(const struct db_work_lease *lease, double objective, bool paused)
{
  struct db_work_result result = {.metric = -objective,
                                  .objective = objective,
                                  .seconds = 2,
                                  .detail =
                                    paused ? "{\"stop\": \"pause\"}" : "{\"stop\": \"complete\"}",
                                  .paused = paused};
  bool done, best;
  if (paused)
  {
    result.checkpoint = "checkpoint bytes";
    result.checkpoint_length = 16;
  }
  else
  {
    result.model = "model bytes";
    result.model_length = 11;
  }
  assert_int_equal(db_work_finish_unit(conn, lease, &result, 2, &done, &best), DB_ROWS);
}

static struct db_work_lease
claim(struct db_work_unit *unit)
{
  assert_int_equal(db_work_claim(conn, "w", arena, unit), DB_ROWS);
  return (struct db_work_lease){.unit_id = unit->id, .lease_token = unit->lease_token};
}

static const char *
trial_of(int number)
{
  return sql("SELECT state || ' ' || rung || ' ' || coalesce(objective::text, '-') || ' ' ||"
             " coalesce(seconds::text, '-') FROM trial WHERE job_id = '%s' AND number = %d",
             job, number);
}

/* Blobs that nothing refers to, and checkpoints of the job. */
static const char *
blobs(void)
{
  return sql(
    "SELECT (SELECT count(*) FROM blob b WHERE NOT EXISTS (SELECT FROM unit u WHERE b.id IN"
    " (u.model_blob, u.checkpoint_blob)) AND NOT EXISTS (SELECT FROM dataset_version v"
    " WHERE v.blob_id = b.id)) || ' ' || (SELECT count(*) FROM unit WHERE job_id = '%s'"
    " AND checkpoint_blob IS NOT NULL)",
    job);
}

static void
test_from_rung_to_rung(void **state)
{
  (void) state;
  struct db_work_unit unit;
  struct db_work_lease lease = add_trial(FOLDS);
  finish(&lease, 0.5, true);
  assert_string_equal(trial_of(1), "paused 0 0.5 2");
  assert_string_equal(blobs(), "0 1");
  assert_int_equal(db_work_claim(conn, "w", arena, &unit), DB_NONE);
  struct plan on = {.what = PLAN_GO_ON, .number = 1, .rung = 1, .until = 9};
  assert_int_equal(carry_out(on, NULL), DB_ROWS);
  assert_string_equal(trial_of(1), "running 1 0.5 2");
  assert_int_equal(carry_out(on, NULL), DB_NONE); /* it runs already */
  lease = claim(&unit);
  assert_int_equal(unit.fold, 0);
  assert_int_equal(unit.rung, 1);
  assert_int_equal(unit.until_epoch, 9);
  assert_int_equal(unit.fold_count, FOLDS);
  assert_true(unit.checkpoint_blob != 0);
  /* Given back, it is the same unit with the same checkpoint. */
  assert_int_equal(db_work_end_unit(conn, &lease, DB_WORK_RETRY, "killed"), DB_ROWS);
  lease = claim(&unit);
  assert_int_equal(unit.attempts, 2);
  assert_true(unit.checkpoint_blob != 0);
  /* It comes to its end instead of pausing: the first fold is whole, which is the rung before the last. */
  finish(&lease, 0.25, false);
  assert_string_equal(trial_of(1), "paused 2 0.25 4");
  assert_string_equal(blobs(), "0 0");
  assert_int_equal(carry_out((struct plan){.what = PLAN_GO_ON, .number = 1, .rung = 3}, NULL),
                   DB_ROWS);
  for (int fold = 1; fold < FOLDS; fold++)
  {
    lease = claim(&unit);
    assert_int_equal(unit.fold, fold);
    assert_int_equal(unit.until_epoch, 0);
    assert_true(unit.checkpoint_blob == 0);
    finish(&lease, 0.25 + 0.25 * fold, false);
  }
  assert_string_equal(trial_of(1), "done 3 0.5 8"); /* the mean of the folds, not of the rungs */
  assert_string_equal(blobs(), "0 0");
}

static void
test_log(void **state)
{
  (void) state;
  struct db_work_log_entry *entries;
  struct db_work_lease lease = add_trial(1);
  size_t count;
  finish(&lease, 0.5, true);
  assert_int_equal(
    carry_out((struct plan){.what = PLAN_GO_ON, .number = 1, .rung = 1, .until = 9}, NULL),
    DB_ROWS);
  struct db_work_unit unit;
  lease = claim(&unit);
  finish(&lease, 0.125, true);
  assert_int_equal(carry_out((struct plan){.what = PLAN_PRUNE, .number = 1}, NULL), DB_ROWS);
  assert_int_equal(carry_out((struct plan){.what = PLAN_PRUNE, .number = 1}, NULL), DB_NONE);
  assert_string_equal(trial_of(1), "pruned 1 0.125 4");
  assert_string_equal(blobs(), "0 0");
  assert_int_equal(db_work_log(conn, job, 0, arena, &entries, &count), DB_ROWS);
  static const struct
  {
    enum db_work_log_kind kind;
    int rung;
    double objective, seconds;
  } wanted[] = {{DB_LOG_ASK, 0, NAN, NAN},
                {DB_LOG_MEASURE, 0, 0.5, 2},
                {DB_LOG_CONTINUE, 1, NAN, NAN},
                {DB_LOG_MEASURE, 1, 0.125, 4},
                {DB_LOG_PRUNE, 0, 0.125, 4}};
  assert_int_equal(count, 5);
  for (size_t i = 0; i < count; i++)
  {
    assert_int_equal(entries[i].seq, (int64_t) i + 1);
    assert_int_equal(entries[i].kind, wanted[i].kind);
    assert_int_equal(entries[i].rung, wanted[i].rung);
    assert_true(isnan(wanted[i].objective) || entries[i].objective == wanted[i].objective);
    assert_true(isnan(wanted[i].seconds) || entries[i].seconds == wanted[i].seconds);
  }
}

/* The end of a search is that of what is paused, and of what pauses later. */
static void
test_end_of_search(void **state)
{
  (void) state;
  struct db_work_lease first = add_trial(FOLDS), second = add_trial(FOLDS), third = add_trial(1);
  finish(&first, 0.5, true);
  finish(&third, 0.75, false); /* a single fold at its end: that is the trial */
  assert_string_equal(trial_of(3), "done 0 0.75 2");
  assert_int_equal(carry_out((struct plan){.what = PLAN_STOP}, NULL), DB_ROWS);
  assert_string_equal(trial_of(1), "pruned 0 0.5 2");
  assert_string_equal(trial_of(2), "running 0 - -");
  finish(&second, 0.25, true);
  assert_string_equal(trial_of(2), "pruned 0 0.25 2");
  assert_string_equal(blobs(), "0 0");
  assert_string_equal(sql("SELECT best_objective::text FROM job WHERE id = '%s'", job), "0.75");
  assert_string_equal(
    sql("SELECT count(*)::text FROM unit WHERE job_id = '%s' AND trial_id IS NULL", job), "1");
}

/* Of many paused trials the best keep their checkpoints. */
static void
test_checkpoints_are_bounded(void **state)
{
  (void) state;
  for (int i = 0; i < 40; i++)
  {
    struct db_work_lease lease = add_trial(1);
    finish(&lease, (double) ((i * 7) % 40), true);
  }
  assert_string_equal(blobs(), "0 32");
  assert_string_equal(sql("SELECT max(t.objective)::text FROM trial t JOIN unit u ON u.trial_id ="
                          " t.id WHERE t.job_id = '%s' AND u.checkpoint_blob IS NOT NULL",
                          job),
                      "31");
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(test_from_rung_to_rung, begin),
    cmocka_unit_test_setup(test_log, begin),
    cmocka_unit_test_setup(test_end_of_search, begin),
    cmocka_unit_test_setup(test_checkpoints_are_bounded, begin),
  };
  return cmocka_run_group_tests(tests, setup, stage_teardown);
}
