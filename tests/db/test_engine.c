/* The engine end to end: jobs in a bare database, a real attune-engine, models and reports out of it. */
#include <config.h>

#include <signal.h>

#include "base/buf.h"
#include "base/json.h"
#include "data/dataset.h"
#include "model/model.h"
#include "sql/db_model.h"
#include "tests/harness/test_stage_engine.h"

/* A budget in seconds may be overrun by so much. */
#ifdef ATTUNE_SANITIZED
#define OVERRUN_S 10
#else
#define OVERRUN_S 2
#endif

static const char *numbers;
static char numbers_path[TEST_PATH_SIZE];
static pid_t engine;

static int
setup(void **state)
{
  int failed = stage_engine_setup(state, 500);
  test_path(numbers_path, dir, "numbers.atds");
  test_engine_table(numbers_path, 400, 2, 1);
  numbers = test_engine_store(conn, arena, tenant, numbers_path);
  engine = test_engine_start(dir, 2, NULL);
  return failed;
}

static int
teardown(void **state)
{
  test_engine_stop(engine, SIGTERM);
  return stage_engine_teardown(state);
}

static json_t *
report_of(const struct db_job *job)
{
  struct db_model_version version;
  assert_non_null(job->model_name);
  assert_int_equal(
    db_model_get(conn, tenant, job->model_name, job->model_version, NULL, arena, &version),
    DB_ROWS);
  assert_true(version.final);
  json_t *report = json_loads(version.report, 0, NULL);
  assert_non_null(report);
  assert_near(json_get_number(report, "score", NAN), version.score, 1e-12);
  return report;
}

static bool
collect(void *context, const char *bytes, size_t size)
{
  buf_append(context, bytes, size);
  return true;
}

/* What is stored loads and predicts. */
static void
check_model(const struct db_job *job, const char *file)
{
  struct db_model_version version;
  struct dataset *data = NULL;
  struct model *model = NULL;
  struct err_info info = {0};
  struct buf bytes = {0};
  float out[20];
  size_t rows[5] = {0, 1, 2, 3, 4};
  assert_int_equal(db_model_get(conn, tenant, job->model_name, 0, "best", arena, &version),
                   DB_ROWS);
  assert_int_equal(version.version, job->model_version);
  assert_int_equal(db_blob_read(conn, version.blob_id, collect, &bytes), DB_ROWS);
  assert_int_equal(model_load(bytes.data, bytes.length, &model, &info), ERR_OK);
  assert_int_equal(dataset_open(file, &data, &info), ERR_OK);
  struct model_workspace *workspace = model_workspace_new();
  assert_int_equal(model_predict_dataset(model, workspace, data, rows, 5, out, &info), ERR_OK);
  for (int i = 0; i < 5; i++)
    assert_true(isfinite(out[i]));
  model_workspace_free(workspace);
  dataset_close(data);
  model_free(model);
  buf_free(&bytes);
}

/* Fold models of the trials that count are kept for an extension until the job is forgotten; nothing is
 * left behind without an owner. */
static void
check_blobs(const char *id)
{
  static const char orphans[] =
    "SELECT count(*)::text FROM blob b WHERE NOT EXISTS (SELECT FROM model_version v"
    " WHERE v.blob_id = b.id) AND NOT EXISTS (SELECT FROM dataset_version v WHERE v.blob_id = b.id)"
    " AND NOT EXISTS (SELECT FROM unit u WHERE u.model_blob = b.id)"
    " AND NOT EXISTS (SELECT FROM job j WHERE j.fold_blob = b.id)";
  static const char kept[] =
    "SELECT count(DISTINCT trial_id) FILTER (WHERE trial_id = best_trial_id) || ' ' ||"
    " (count(*) > 0) FROM unit u JOIN job j ON j.id = u.job_id"
    " WHERE j.id = '%s' AND model_blob IS NOT NULL";
  assert_string_equal(test_db_sql(conn, arena, "%s", orphans), "0");
  assert_string_equal(test_db_sql(conn, arena, kept, id), "1 true");
  test_db_sql(conn, arena, "UPDATE job SET ended_at = now() - interval '31 days' WHERE id = '%s'",
              id);
  assert_int_equal(db_forget_old(conn, 30), DB_ROWS);
  assert_string_equal(test_db_sql(conn, arena, "%s", orphans), "0");
  assert_string_equal(test_db_sql(conn, arena, kept, id), "0 false");
}

static void
test_classification(void **state)
{
  (void) state;
  struct db_job job;
  const char *id = test_engine_job(conn, arena, tenant, table,
                                   "{\"target\":\"y\",\"budget\":{\"trials\":6},"
                                   "\"search\":{\"seed\":7},\"deploy_as\":\"colours\"}");
  test_engine_wait(conn, arena, tenant, id, 120, &job);
  assert_string_equal(job.state, "succeeded");
  assert_string_equal(job.stop_reason, "budget_trials");
  assert_string_equal(job.model_name, "colours");
  assert_int_equal(job.trials_total, 6);
  if (job.trials_done != 6)
    fail_msg("trials failed: %s", test_db_sql(conn, arena,
                                              "SELECT string_agg(family || ' ' || params ||"
                                              " array_to_string(reasons, ' '), '; ')"
                                              " FROM trial WHERE job_id = '%s'",
                                              id));
  json_t *report = report_of(&job);
  assert_string_equal(json_get_string(report, "estimate", ""), "bbc_cv");
  assert_string_equal(json_get_string(report, "metric", ""), "accuracy");
  double score = json_get_number(report, "score", NAN);
  double baseline = json_get_number(json_object_get(report, "baseline"), "score", NAN);
  assert_true(score > baseline + 0.1 && score < 1);
  assert_true(json_get_number(report, "us_per_row", NAN) > 0);
  char *warnings = json_dumps(json_object_get(report, "warnings"), 0);
  assert_has_text(warnings, "note (identifier)");
  free(warnings);
  json_decref(report);
  check_model(&job, path);
  /* One terminal event for each trial, one "done", numbers without a gap. */
  assert_string_equal(test_db_sql(conn, arena,
                                  "SELECT count(*) || ' ' || count(DISTINCT data->>'number')"
                                  " FROM job_event WHERE job_id = '%s' AND kind = 'trial'",
                                  id),
                      "6 6");
  assert_string_equal(test_db_sql(conn, arena,
                                  "SELECT count(*) FILTER (WHERE kind = 'done') || ' ' ||"
                                  " (max(seq) = count(*)) FROM job_event WHERE job_id = '%s'",
                                  id),
                      "1 true");
  check_blobs(id);
}

/* A job bounded by time. Without optimisation, on a busy machine, no trial may end in ten seconds: then it must say
 * so, and four times as long must do. */
static void
test_regression_in_seconds(void **state)
{
  (void) state;
  struct db_job job;
  for (int budget_s = 10;; budget_s *= 4)
  {
    const char *spec =
      arena_printf(arena, "{\"target\":\"y\",\"budget\":{\"seconds\":%d}}", budget_s);
    const char *id = test_engine_job(conn, arena, tenant, numbers, spec);
    test_engine_wait(conn, arena, tenant, id, 60, &job);
    double took_s = (double) (job.ended_us - job.started_us) / 1e6;
    print_message("%d s asked, %.2f s taken, %d trials done\n", budget_s, took_s, job.trials_done);
    assert_true(took_s < budget_s + OVERRUN_S);
    if (strcmp(job.state, "succeeded") == 0 || budget_s > 10)
      break;
    assert_has_text(job.problem, "budget_too_short");
  }
  assert_string_equal(job.state, "succeeded");
  assert_string_equal(job.stop_reason, "budget_seconds");
  json_t *report = report_of(&job);
  assert_string_equal(json_get_string(report, "metric", ""), "rmse");
  assert_true(json_get_number(report, "score", NAN)
              < json_get_number(json_object_get(report, "baseline"), "score", NAN));
  json_decref(report);
  check_model(&job, numbers_path);
}

static void
test_cancel_keeps_the_best(void **state)
{
  (void) state;
  struct db_job job;
  bool ended = false;
  const char *id =
    test_engine_job(conn, arena, tenant, table, "{\"target\":\"y\",\"budget\":{\"seconds\":300}}");
  for (int i = 0; i < 300; i++)
  {
    assert_int_equal(db_job_get(conn, tenant, id, arena, &job), DB_ROWS);
    if (job.model_version > 0)
      break;
    usleep(100000);
  }
  assert_true(job.model_version > 0); /* servable while it runs */
  assert_int_equal(db_job_cancel(conn, tenant, id, &ended), DB_ROWS);
  test_engine_wait(conn, arena, tenant, id, 30, &job);
  assert_string_equal(job.state, "cancelled");
  json_t *report = report_of(&job);
  assert_true(json_get_bool(report, "final", false));
  json_decref(report);
  assert_int_equal(job.trials_running, 0);
}

static void
test_target_score(void **state)
{
  (void) state;
  struct db_job job;
  const char *id =
    test_engine_job(conn, arena, tenant, table,
                    "{\"target\":\"y\",\"budget\":{\"trials\":50,\"target_score\":0.6}}");
  test_engine_wait(conn, arena, tenant, id, 120, &job);
  assert_string_equal(job.state, "succeeded");
  assert_string_equal(job.stop_reason, "target_score");
  assert_true(job.best_value >= 0.6);
  assert_true(job.trials_total < 50);
}

/* With every parameter fixed there is one trial to make, and its model to deploy. */
static void
test_nothing_to_search(void **state)
{
  (void) state;
  static const char *const methods[] = {"bayes", "grid"};
  for (size_t i = 0; i < 2; i++)
  {
    struct db_job job;
    const char *spec =
      arena_printf(arena,
                   "{\"target\":\"y\",\"budget\":{\"trials\":5},\"families\":[\"trees\"],"
                   "\"search\":{\"method\":\"%s\",\"space\":{\"learning_rate\":0.1,\"max_depth\":4,"
                   "\"rounds\":30,"
                   "\"min_child_weight\":1,\"subsample\":1,\"colsample\":1,\"lambda\":1,\"alpha\":"
                   "0,\"patience\":10}"
                   "}}",
                   methods[i]);
    const char *id = test_engine_job(conn, arena, tenant, table, spec);
    test_engine_wait(conn, arena, tenant, id, 60, &job);
    assert_string_equal(job.state, "succeeded");
    assert_string_equal(job.stop_reason, "exhausted");
    assert_int_equal(job.trials_done, 1);
    assert_int_equal(job.trials_total, 1);
    assert_true(job.model_version > 0);
    check_model(&job, path);
  }
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_classification),        cmocka_unit_test(test_regression_in_seconds),
    cmocka_unit_test(test_cancel_keeps_the_best), cmocka_unit_test(test_target_score),
    cmocka_unit_test(test_nothing_to_search),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
