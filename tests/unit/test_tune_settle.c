/* Temperatures and intervals through a whole finish: fitted on rows not trained on, told as new rows see them. */
#include <config.h>

#include "tests/harness/test_support.h"

#include "base/json.h"
#include "base/proc.h"
#include "base/rng.h"
#include "data/dataset_write.h"
#include "model/model.h"
#include "tune/calibrate.h"
#include "tune/tune_finish.h"
#include "tune/tune_unit.h"

#define FOLDS_MOST 10

/* `number` with errors that grow with x1; `answer` so noisy that trees of any size are too sure of it. */
static void
write_table(const char *path, size_t rows, uint64_t seed)
{
  static const char *const names[] = {"no", "yes"};
  double *x = calloc(rows, 3 * sizeof *x);
  int32_t *label = calloc(rows, sizeof *label);
  struct rng rng;
  struct err_info info = {0};
  rng_init(&rng, seed, 13);
  for (size_t i = 0; i < rows; i++)
  {
    x[i] = 2 * rng_double(&rng);
    x[rows + i] = rng_normal(&rng);
    x[2 * rows + i] = 5 * x[i] + x[rows + i] + (0.2 + x[i]) * rng_normal(&rng);
    label[i] = rng_double(&rng) < (x[i] > 1 ? 0.65 : 0.35);
  }
  struct column columns[] = {{.name = "x1", .type = COLUMN_NUMERIC, .number = x},
                             {.name = "x2", .type = COLUMN_NUMERIC, .number = x + rows},
                             {.name = "number", .type = COLUMN_NUMERIC, .number = x + 2 * rows},
                             {.name = "answer",
                              .type = COLUMN_CATEGORICAL,
                              .code = label,
                              .categories = names,
                              .category_count = 2}};
  struct table table = {.row_count = rows, .column_count = 4, .columns = columns};
  if (dataset_save_table(path, &table, &info) != ERR_OK)
    fail_msg("%s", info.text);
  free(label);
  free(x);
}

struct job
{
  struct tune_data *data;
  struct tune_outcome outcome;
  struct model *model;
};

static struct job
run_job(const char *path, const char *request, const char *params_text)
{
  struct job job = {0};
  struct err_info info = {.text = ""};
  struct tune_unit_result results[FOLDS_MOST];
  struct tune_fold_output outputs[FOLDS_MOST];
  struct dataset *dataset = NULL;
  json_t *params = json_loads(params_text, 0, NULL), *spec = json_loads(request, 0, NULL);
  assert_int_equal(dataset_open(path, &dataset, &info), ERR_OK);
  if (tune_data_open(path, spec, dataset_schema(dataset), &job.data, &info) != ERR_OK)
    fail_msg("%s", info.text);
  size_t folds = job.data->split->fold_count;
  struct tune_trial trial = {.number = 1, .family = "trees", .params = params, .folds = outputs};
  for (size_t f = 0; f < folds; f++)
  {
    struct tune_unit unit = {.family = "trees", .params = params, .trial = 1, .fold = f};
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
                               .dataset_sha256 = "00"};
  if (tune_finish_run(job.data, &finish, &job.outcome, &info) != ERR_OK
      || model_load(job.outcome.model.data, job.outcome.model.length, &job.model, &info) != ERR_OK)
    fail_msg("%s", info.text);
  for (size_t f = 0; f < folds; f++)
    tune_unit_result_clear(&results[f]);
  json_decref(spec);
  json_decref(params);
  dataset_close(dataset);
  return job;
}

static void
end_job(struct job *job)
{
  model_free(job->model);
  tune_outcome_clear(&job->outcome);
  tune_data_close(job->data);
}

/* The model's answers for all rows of a table. */
static float *
ask(const struct job *job, const struct dataset *dataset)
{
  size_t rows = dataset_row_count(dataset);
  float *out = calloc(rows * job->data->task.output_count, sizeof *out);
  struct model_workspace *workspace = model_workspace_new();
  assert_int_equal(model_predict_dataset(job->model, workspace, dataset, NULL, rows, out, NULL),
                   ERR_OK);
  model_workspace_free(workspace);
  return out;
}

struct paths
{
  char dir[TEST_PATH_SIZE], table[TEST_PATH_SIZE], fresh[TEST_PATH_SIZE];
};

static int
setup(void **state)
{
  struct paths *paths = calloc(1, sizeof *paths);
  *state = paths;
  test_make_dir(paths->dir);
  test_path(paths->table, paths->dir, "table.atds");
  test_path(paths->fresh, paths->dir, "fresh.atds");
  write_table(paths->table, 1500, 1);
  write_table(paths->fresh, 8000, 2);
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

/* The first tree takes a leaf for every few rows: far too sure. */
#define EAGER                                                                                      \
  "{\"rounds\":20,\"learning_rate\":1,\"max_depth\":12,\"min_child_weight\":0.1,\"lambda\":0.01}"
#define DEEP                                                                                       \
  "{\"rounds\":60,\"learning_rate\":0.3,\"max_depth\":8,\"min_child_weight\":1,\"lambda\":0.1}"

static void
test_job_of_classes(void **state)
{
  const struct paths *paths = *state;
  struct dataset *fresh = NULL;
  assert_int_equal(dataset_open(paths->fresh, &fresh, NULL), ERR_OK);
  const struct table *table = dataset_table(fresh);
  struct labels labels = {.count = table->row_count, .classes = table->columns[3].code};
  for (int holdout = 0; holdout < 2; holdout++)
  {
    struct model_about about;
    char request[300];
    snprintf(request, sizeof request,
             "{\"target\":\"answer\",\"metric\":\"log_loss\",\"search\":{\"seed\":4}%s}",
             holdout ? ",\"validation\":{\"holdout\":0.25}" : "");
    struct job job = run_job(paths->table, request, EAGER);
    const json_t *told = json_object_get(job.outcome.report, "calibration");
    const json_t *loss = json_object_get(told, "log_loss"), *ece = json_object_get(told, "ece");
    model_about(job.model, &about);
    assert_true(json_get_bool(told, "used", false));
    assert_true(about.temperature > 1.2);
    assert_near(json_get_number(told, "temperature", NAN), about.temperature, 0);
    assert_string_equal(json_get_string(told, "measured_on", ""),
                        holdout ? "report" : "validation");
    assert_true(json_get_number(loss, "after", NAN) < json_get_number(loss, "before", NAN) - 0.02);
    assert_true(json_get_number(ece, "after", NAN) < json_get_number(ece, "before", NAN));
    /* New rows see it, too, and about as much as the report says. */
    float *p = ask(&job, fresh);
    double after = calibrate_state(&labels, p, 2).log_loss;
    double score = json_get_number(job.outcome.report, "score", NAN);
    model_set_temperature(job.model, 1, NULL);
    float *bare = ask(&job, fresh);
    assert_true(after < calibrate_state(&labels, bare, 2).log_loss - 0.01);
    assert_near(score, after, 0.05);
    if (holdout) /* the rows of the report, through the stored bytes */
    {
      const json_t *metrics =
        json_object_get(json_object_get(job.outcome.report, "metrics"), "metrics");
      assert_near(score, json_get_number(loss, "after", NAN), 1e-12);
      assert_near(score, json_get_number(metrics, "log_loss", NAN), 1e-12);
    }
    assert_true(json_is_null(json_object_get(job.outcome.report, "prediction_intervals")));
    free(bare);
    free(p);
    end_job(&job);
  }
  dataset_close(fresh);
}

static void
test_job_of_numbers(void **state)
{
  const struct paths *paths = *state;
  static const char *const metrics[] = {"rmse", "rmse", "quantile_0.9"};
  struct dataset *fresh = NULL;
  assert_int_equal(dataset_open(paths->fresh, &fresh, NULL), ERR_OK);
  const double *truth = dataset_table(fresh)->columns[2].number;
  size_t rows = dataset_row_count(fresh);
  for (int form = 0; form < 3; form++)
  {
    struct model_about about;
    char request[300];
    snprintf(request, sizeof request,
             "{\"target\":\"number\",\"metric\":\"%s\",\"search\":{\"seed\":4}%s}", metrics[form],
             form == 1 ? ",\"validation\":{\"holdout\":0.25}" : "");
    struct job job = run_job(paths->table, request, form == 2 ? "{}" : DEEP);
    const json_t *told = json_object_get(job.outcome.report, "prediction_intervals");
    const json_t *levels = json_object_get(told, "levels");
    double held = 0, width = 0, shown = 0;
    model_about(job.model, &about);
    assert_non_null(about.interval);
    assert_true(json_is_null(json_object_get(job.outcome.report, "calibration")));
    float *values = ask(&job, fresh);
    for (size_t i = 0; i < rows; i++)
    {
      double low, high;
      assert_true(model_interval_at(about.interval, 0.9, (double) values[i], &low, &high));
      held += truth[i] >= low && truth[i] <= high;
      width += (high - low) / (double) rows;
    }
    /* Trees this deep hardly err on rows they were trained on, so errors of those would hold far less. */
    assert_near(held / (double) rows, 0.9, form == 1 ? 0.06 : 0.045);
    size_t index;
    const json_t *item;
    json_array_foreach((json_t *) levels, index, item)
    {
      double level = json_get_number(item, "level", NAN);
      assert_near(json_get_number(item, "coverage", NAN), level, form == 1 ? 0.1 : 0.05);
      if (level == 0.9)
        shown = json_get_number(item, "mean_width", NAN);
    }
    assert_true(index >= 6);
    assert_near(shown / width, 1, 0.1);
    if (form == 2) /* the prediction is near the upper end, so the interval is not around it */
      assert_true(about.interval->each_tail);
    free(values);
    end_job(&job);
  }
  dataset_close(fresh);
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_job_of_classes),
    cmocka_unit_test(test_job_of_numbers),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
