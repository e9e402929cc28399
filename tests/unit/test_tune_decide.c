/* Thresholds and class weights from a job's fits to its model and report, on rare classes. */
#include <config.h>

#include "tests/harness/test_support.h"

#include "base/json.h"
#include "base/rng.h"
#include "data/dataset_write.h"
#include "model/model_build.h"
#include "tune/tune_finish.h"
#include "tune/tune_unit.h"

#define FOLDS_MOST 10

static const char *const classes[] = {"no", "yes"};

/* About one row in ten is "yes"; `often` is 1, or if `doubled` 2 for each "yes"; `number` can be negative. */
static void
write_table(const char *path, size_t rows, bool doubled, uint64_t seed)
{
  double *x = calloc(rows, 4 * sizeof *x);
  int32_t *label = calloc(rows, sizeof *label);
  struct rng rng;
  rng_init(&rng, seed, 3);
  for (size_t i = 0; i < rows; i++)
  {
    x[i] = 2 * rng_double(&rng);
    x[rows + i] = rng_normal(&rng);
    double logit = -4.4 + 1.7 * x[i] + x[rows + i];
    label[i] = rng_double(&rng) < 1 / (1 + exp(-logit));
    x[2 * rows + i] = doubled && label[i] ? 2 : 1;
    x[3 * rows + i] = x[i] + rng_normal(&rng);
  }
  struct column columns[] = {{.name = "x1", .type = COLUMN_NUMERIC, .number = x},
                             {.name = "x2", .type = COLUMN_NUMERIC, .number = x + rows},
                             {.name = "often", .type = COLUMN_NUMERIC, .number = x + 2 * rows},
                             {.name = "number", .type = COLUMN_NUMERIC, .number = x + 3 * rows},
                             {.name = "answer",
                              .type = COLUMN_CATEGORICAL,
                              .code = label,
                              .categories = classes,
                              .category_count = 2}};
  struct table table = {.row_count = rows, .column_count = 5, .columns = columns};
  struct err_info info = {0};
  if (dataset_save_table(path, &table, &info) != ERR_OK)
    fail_msg("%s", info.text);
  free(label);
  free(x);
}

static enum err
open_data(const char *path, const char *request, struct tune_data **data, struct err_info *info)
{
  struct dataset *dataset = NULL;
  assert_int_equal(dataset_open(path, &dataset, info), ERR_OK);
  json_t *spec = json_loads(request, 0, NULL);
  assert_non_null(spec);
  enum err err = tune_data_open(path, spec, dataset_schema(dataset), data, info);
  json_decref(spec);
  dataset_close(dataset);
  return err;
}

/* A job of one trial, from its fits to its outcome. */
struct job
{
  struct tune_data *data;
  struct tune_outcome outcome;
  struct model *model;
};

static struct job
run_job(const char *path, const char *request, const char *family)
{
  struct job job = {0};
  struct err_info info = {.text = ""};
  struct tune_unit_result results[FOLDS_MOST];
  struct tune_fold_output outputs[FOLDS_MOST];
  json_t *params = json_object();
  if (open_data(path, request, &job.data, &info) != ERR_OK)
    fail_msg("%s", info.text);
  size_t folds = job.data->split->fold_count;
  struct tune_trial trial = {.number = 1, .family = family, .params = params, .folds = outputs};
  assert_true(folds <= FOLDS_MOST);
  for (size_t f = 0; f < folds; f++)
  {
    struct tune_unit unit = {.family = family, .params = params, .trial = 1, .fold = f};
    if (tune_unit_run(job.data, &unit, &results[f], &info) != ERR_OK)
      fail_msg("%s", info.text);
    outputs[f] = (struct tune_fold_output){.predictions = results[f].predictions,
                                           .prediction_count = results[f].prediction_count,
                                           .model = results[f].model.data,
                                           .model_length = results[f].model.length};
    trial.metric += results[f].metric / (double) folds;
    trial.objective += results[f].objective / (double) folds;
  }
  struct tune_finish finish = {.trials = &trial,
                               .trial_count = 1,
                               .seconds = INFINITY,
                               .dataset_id = "ds_1",
                               .dataset_sha256 = "00",
                               .stop_reason = "budget_trials",
                               .trials_done = 1};
  if (tune_finish_run(job.data, &finish, &job.outcome, &info) != ERR_OK
      || model_load(job.outcome.model.data, job.outcome.model.length, &job.model, &info) != ERR_OK)
    fail_msg("%s", info.text);
  for (size_t f = 0; f < folds; f++)
    tune_unit_result_clear(&results[f]);
  json_decref(params);
  return job;
}

static void
end_job(struct job *job)
{
  model_free(job->model);
  tune_outcome_clear(&job->outcome);
  tune_data_close(job->data);
}

/* Rows that no job has seen, and what a model says of them. */
struct fresh
{
  struct dataset *dataset;
  size_t count;
  int32_t *truth;
  float *predictions;
  struct labels labels;
};

static struct fresh
open_fresh(const char *path)
{
  struct fresh fresh = {0};
  struct err_info info;
  assert_int_equal(dataset_open(path, &fresh.dataset, &info), ERR_OK);
  const struct table *table = dataset_table(fresh.dataset);
  fresh.count = table->row_count;
  fresh.truth = calloc(fresh.count, sizeof *fresh.truth);
  fresh.predictions = calloc(fresh.count, 2 * sizeof *fresh.predictions);
  memcpy(fresh.truth, table->columns[4].code, fresh.count * sizeof *fresh.truth);
  fresh.labels = (struct labels){.count = fresh.count, .classes = fresh.truth};
  return fresh;
}

static void
ask_fresh(struct fresh *fresh, const struct job *job)
{
  struct model_workspace *workspace = model_workspace_new();
  assert_int_equal(model_predict_dataset(job->model, workspace, fresh->dataset, NULL, fresh->count,
                                         fresh->predictions, NULL),
                   ERR_OK);
  model_workspace_free(workspace);
}

static void
close_fresh(struct fresh *fresh)
{
  free(fresh->predictions);
  free(fresh->truth);
  dataset_close(fresh->dataset);
}

struct paths
{
  char dir[TEST_PATH_SIZE], small[TEST_PATH_SIZE], doubled[TEST_PATH_SIZE], fresh[TEST_PATH_SIZE];
};

static int
setup(void **state)
{
  struct paths *paths = calloc(1, sizeof *paths);
  *state = paths;
  test_make_dir(paths->dir);
  test_path(paths->small, paths->dir, "small.atds");
  test_path(paths->fresh, paths->dir, "fresh.atds");
  test_path(paths->doubled, paths->dir, "doubled.atds");
  write_table(paths->small, 1200, false, 1);
  write_table(paths->doubled, 1200, true, 1);
  write_table(paths->fresh, 6000, false, 2);
  return 0;
}

static int
teardown(void **state)
{
  struct paths *paths = *state;
  test_remove_dir(paths->dir);
  free(paths);
  return 0;
}

static double
metric_in(const struct job *job, const char *name)
{
  const json_t *metrics = json_object_get(job->outcome.report, "metrics");
  return json_get_number(json_object_get(metrics, "metrics"), name, NAN);
}

/* The tuned threshold is worth something on rows never seen, and the report says about how much. */
static void
test_threshold(void **state)
{
  const struct paths *paths = *state;
  static const char *const metrics[] = {"f1_binary", "mcc", "f1", "f1_weighted"};
  struct fresh fresh = open_fresh(paths->fresh);
  for (size_t validation = 0; validation < 2; validation++)
    for (size_t i = 0; i < (validation ? 1u : 4u); i++)
    {
      char request[400];
      enum metric metric;
      struct model_about about;
      assert_true(metric_parse(metrics[i], &metric));
      snprintf(
        request, sizeof request,
        "{\"target\":\"answer\",\"metric\":\"%s\",\"sample_weight\":null,\"search\":{\"seed\":4}"
        ",\"budget\":{\"trials\":1},\"validation\":{%s}}",
        metrics[i], validation ? "\"holdout\":0.2" : "");
      struct job job = run_job(paths->small, request, "linear");
      model_about(job.model, &about);
      assert_true(about.decision.has_threshold);
      ask_fresh(&fresh, &job);
      double tuned = metric_compute_at(metric, &job.data->task, &fresh.labels, fresh.predictions,
                                       &about.decision);
      double half = metric_compute(metric, &job.data->task, &fresh.labels, fresh.predictions);
      double best = metric_score(metric, &job.data->task, &fresh.labels, fresh.predictions, NULL);
      const json_t *report = job.outcome.report, *decision = json_object_get(report, "decision");
      if (!(tuned > half + (metric == METRIC_F1_WEIGHTED ? 0.0 : 0.05)) || !(tuned > best - 0.06))
        fail_msg("%s: %g at the threshold %g, %g at 0.5, %g at best", metrics[i], tuned,
                 about.decision.threshold, half, best);
      assert_string_equal(json_get_string(decision, "by", ""), "tuned_threshold");
      assert_near(json_get_number(decision, "threshold", NAN), about.decision.threshold, 0);
      assert_near(json_get_number(json_object_get(report, "metrics"), "threshold", NAN),
                  about.decision.threshold, 0);
      json_t *schema = json_loads(job.outcome.schema, 0, NULL);
      assert_near(json_get_number(schema, "threshold", NAN), about.decision.threshold, 1e-15);
      json_decref(schema);
      assert_true(fabs(json_get_number(report, "score", NAN) - tuned) < (validation ? 0.2 : 0.1));
      if (validation)
        assert_near(json_get_number(report, "score", NAN), metric_in(&job, metrics[i]), 1e-12);
      assert_true(json_get_number(json_object_get(report, "baseline"), "score", NAN) < tuned);
      end_job(&job);
    }
  close_fresh(&fresh);
}

static void
test_class_weights(void **state)
{
  const struct paths *paths = *state;
  struct fresh fresh = open_fresh(paths->fresh);
  static const char *const families[] = {"linear", "trees"};
  for (size_t f = 0; f < 2; f++)
  {
    struct model_about about;
    struct job plain = run_job(
      paths->small, "{\"target\":\"answer\",\"metric\":\"accuracy\",\"search\":{\"seed\":4}}",
      families[f]);
    struct job weighted = run_job(paths->small,
                                  "{\"target\":\"answer\",\"metric\":\"accuracy\",\"search\":{"
                                  "\"seed\":4},\"class_weight\":\"balanced\"}",
                                  families[f]);
    model_about(weighted.model, &about);
    const double *weights = weighted.data->class_weights;
    assert_near(about.decision.threshold, weights[0] / (weights[0] + weights[1]), 0);
    const json_t *report = weighted.outcome.report;
    assert_string_equal(json_get_string(json_object_get(report, "decision"), "by", ""),
                        "class_weights");
    const json_t *stated = json_object_get(json_object_get(report, "weights"), "classes");
    assert_near(json_get_number(stated, "yes", NAN), weights[1], 1e-12);
    ask_fresh(&fresh, &plain);
    double loss =
      metric_compute(METRIC_LOG_LOSS, &plain.data->task, &fresh.labels, fresh.predictions);
    double found =
      metric_compute(METRIC_RECALL, &plain.data->task, &fresh.labels, fresh.predictions);
    ask_fresh(&fresh, &weighted);
    double loss_weighted =
      metric_compute(METRIC_LOG_LOSS, &plain.data->task, &fresh.labels, fresh.predictions);
    double found_weighted = metric_compute_at(METRIC_RECALL, &plain.data->task, &fresh.labels,
                                              fresh.predictions, &about.decision);
    model_rebalance(weights, 2, fresh.count, fresh.predictions);
    double uncalibrated =
      metric_compute(METRIC_LOG_LOSS, &plain.data->task, &fresh.labels, fresh.predictions);
    if (!(found_weighted > found + 0.3) || !(loss_weighted < 1.25 * loss)
        || !(loss_weighted < 0.75 * uncalibrated))
      fail_msg("%s: recall %g and %g by weight; log loss %g, %g by weight, %g as it came out",
               families[f], found, found_weighted, loss, loss_weighted, uncalibrated);
    end_job(&plain);
    end_job(&weighted);
  }
  close_fresh(&fresh);
}

static void
test_sample_weights(void **state)
{
  const struct paths *paths = *state;
  static const char request[] = "{\"target\":\"answer\",\"metric\":\"log_loss\",\"search\":{"
                                "\"seed\":4},\"sample_weight\":\"often\"}";
  struct job job = run_job(paths->doubled, request, "linear");
  const json_t *metrics = json_object_get(job.outcome.report, "metrics");
  assert_true(json_get_bool(metrics, "weighted", false));
  /* Rows of weight 2 count twice: more "yes", so higher probabilities. */
  const json_t *bins = json_object_get(metrics, "calibration");
  assert_int_equal(json_array_size(bins), 10);
  struct job plain =
    run_job(paths->small, "{\"target\":\"answer\",\"metric\":\"log_loss\",\"search\":{\"seed\":4}}",
            "linear");
  struct fresh fresh = open_fresh(paths->fresh);
  double mean[2] = {0, 0};
  ask_fresh(&fresh, &plain);
  for (size_t i = 0; i < fresh.count; i++)
    mean[0] += (double) fresh.predictions[2 * i + 1] / (double) fresh.count;
  ask_fresh(&fresh, &job);
  for (size_t i = 0; i < fresh.count; i++)
    mean[1] += (double) fresh.predictions[2 * i + 1] / (double) fresh.count;
  assert_true(mean[1] > 1.3 * mean[0]);
  close_fresh(&fresh);
  end_job(&plain);
  end_job(&job);
}

static void
test_quantile_job(void **state)
{
  const struct paths *paths = *state;
  struct job job =
    run_job(paths->small,
            "{\"target\":\"number\",\"metric\":\"quantile_0.9\",\"search\":{\"seed\":4}}", "trees");
  const json_t *metrics = json_object_get(job.outcome.report, "metrics");
  const json_t *quantile = json_object_get(metrics, "quantile");
  assert_near(json_get_number(quantile, "level", NAN), 0.9, 0);
  assert_near(json_get_number(quantile, "share_below", NAN), 0.9, 0.04);
  assert_non_null(json_object_get(json_object_get(metrics, "metrics"), "quantile_0.9"));
  assert_null(json_object_get(json_object_get(metrics, "metrics"), "quantile_0.5"));
  assert_true(json_is_null(json_object_get(job.outcome.report, "decision")));
  const json_t *baseline = json_object_get(job.outcome.report, "baseline");
  assert_has_text(json_get_string(baseline, "comparison", ""), "0.9 quantile");
  assert_true(json_get_number(baseline, "score", 0) > job.outcome.score);
  end_job(&job);
  struct tune_data *data = NULL;
  struct err_info info = {.text = ""};
  assert_int_equal(
    open_data(paths->small, "{\"target\":\"number\",\"metric\":\"rmsle\"}", &data, &info),
    ERR_INVALID);
  assert_has_text(info.text, "negative");
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_threshold, setup, teardown),
    cmocka_unit_test_setup_teardown(test_class_weights, setup, teardown),
    cmocka_unit_test_setup_teardown(test_sample_weights, setup, teardown),
    cmocka_unit_test_setup_teardown(test_quantile_job, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
