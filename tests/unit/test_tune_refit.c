/* Models fitted again on more rows at the end of a job: on which rows, how, and when they are served. */
#include <config.h>

#include "tests/harness/toy_fit.h"

#include "base/json.h"
#include "base/proc.h"
#include "base/rng.h"
#include "data/dataset_write.h"
#include "tune/paired.h"
#include "tune/tune_refit.h"
#include "tune/tune_unit.h"

#define ROWS 600
#define REPORT_ROWS 120

/* A number that only many rows and rounds tell well. With `other_report` the report rows of a job of seed 4 hold
 * something else. */
static void
write_table(const char *path, const struct split *other_report)
{
  double *x = calloc(ROWS, 3 * sizeof *x);
  struct rng rng;
  struct err_info info = {0};
  rng_init(&rng, 9, 17);
  for (size_t i = 0; i < ROWS; i++)
  {
    x[i] = 2 * rng_double(&rng) - 1;
    x[ROWS + i] = 2 * rng_double(&rng) - 1;
    x[2 * ROWS + i] = sin(5 * x[i]) + x[i] * x[ROWS + i] + 0.1 * rng_normal(&rng);
    if (other_report != NULL && other_report->fold_of[i] == SPLIT_REPORT)
      x[i] = x[ROWS + i] = 0.25;
  }
  struct column columns[] = {{.name = "x1", .type = COLUMN_NUMERIC, .number = x},
                             {.name = "x2", .type = COLUMN_NUMERIC, .number = x + ROWS},
                             {.name = "number", .type = COLUMN_NUMERIC, .number = x + 2 * ROWS}};
  struct table table = {.row_count = ROWS, .column_count = 3, .columns = columns};
  if (dataset_save_table(path, &table, &info) != ERR_OK)
    fail_msg("%s", info.text);
  free(x);
}

static struct tune_data *
open_data(const char *path, const char *refit)
{
  struct err_info info = {.text = ""};
  struct dataset *dataset = NULL;
  struct tune_data *data = NULL;
  json_t *spec = json_pack("{s:s, s:{s:i}, s:{s:f}, s:s}", "target", "number", "search", "seed", 4,
                           "validation", "holdout", 0.2, "refit", refit);
  assert_int_equal(dataset_open(path, &dataset, &info), ERR_OK);
  if (tune_data_open(path, spec, dataset_schema(dataset), &data, &info) != ERR_OK)
    fail_msg("%s", info.text);
  json_decref(spec);
  dataset_close(dataset);
  return data;
}

struct job
{
  char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  struct tune_data *data; /* refit: auto */
  json_t *params;
  struct tune_unit_result result;
  struct tune_fold_output output;
  struct tune_trial trial;
};

static int
setup(void **state)
{
  struct job *job = calloc(1, sizeof *job);
  struct err_info info = {.text = ""};
  *state = job;
  test_make_dir(job->dir);
  test_path(job->path, job->dir, "table.atds");
  write_table(job->path, NULL);
  job->data = open_data(job->path, "auto");
  job->params = json_loads("{\"rounds\":400,\"patience\":20,\"learning_rate\":0.1}", 0, NULL);
  struct tune_unit unit = {.family = "trees", .params = job->params, .trial = 1};
  if (tune_unit_run(job->data, &unit, &job->result, &info) != ERR_OK)
    fail_msg("%s", info.text);
  job->output =
    (struct tune_fold_output){.predictions = job->result.predictions,
                              .prediction_count = job->result.prediction_count,
                              .model = job->result.model.data,
                              .model_length = job->result.model.length,
                              .seconds = 0.1,
                              .epochs = json_get_count(job->result.detail, "epochs", 0),
                              .best_epoch = json_get_count(job->result.detail, "best_epoch", 0)};
  assert_in_range(job->output.best_epoch, 10, 400);
  job->trial = (struct tune_trial){.number = 1,
                                   .family = "trees",
                                   .params = job->params,
                                   .metric = job->result.metric,
                                   .objective = job->result.objective,
                                   .folds = &job->output};
  return 0;
}

static int
teardown(void **state)
{
  struct job *job = *state;
  tune_unit_result_clear(&job->result);
  json_decref(job->params);
  tune_data_close(job->data);
  test_remove_dir(job->dir);
  free(job);
  return 0;
}

/* ---- the fit ----------------------------------------------------------------------------------------- */

static struct buf
refit_on(const struct tune_data *data, const struct tune_trial *trial, bool all)
{
  struct err_info info = {.text = ""};
  struct buf model = {0};
  struct tune_refit refit = {.trial = trial, .deadline_s = INFINITY};
  size_t *rows = NULL;
  assert_int_equal(tune_refit_rows(data, all, &rows, &refit.row_count), ERR_OK);
  refit.rows = rows;
  if (tune_refit_run(data, &refit, &model, &info) != ERR_OK)
    fail_msg("%s", info.text);
  free(rows);
  return model;
}

/* What a model says of a few rows of the job's table. */
static void
ask(const struct tune_data *data, const struct buf *bytes, float out[ROWS])
{
  struct model *model = NULL;
  struct model_workspace *workspace = model_workspace_new();
  size_t rows[ROWS];
  for (size_t i = 0; i < ROWS; i++)
    rows[i] = i;
  assert_int_equal(model_load(bytes->data, bytes->length, &model, NULL), ERR_OK);
  assert_int_equal(model_predict_dataset(model, workspace, data->dataset, rows, ROWS, out, NULL),
                   ERR_OK);
  model_workspace_free(workspace);
  model_free(model);
}

static void
test_rows(void **state)
{
  const struct job *job = *state;
  const struct split *split = job->data->split;
  for (int all = 0; all < 2; all++)
  {
    size_t *rows = NULL, count = 0;
    assert_int_equal(tune_refit_rows(job->data, all, &rows, &count), ERR_OK);
    assert_int_equal(count, all ? ROWS : ROWS - REPORT_ROWS);
    for (size_t i = 0; i < count; i++)
    {
      assert_true(all || split->fold_of[rows[i]] != SPLIT_REPORT);
      assert_true(i == 0 || rows[i - 1] < rows[i]);
    }
    free(rows);
  }
}

/* The same bytes each time; and whatever the report rows hold, the same model. */
static void
test_fit(void **state)
{
  const struct job *job = *state;
  char path[TEST_PATH_SIZE];
  struct buf first = refit_on(job->data, &job->trial, false);
  struct buf again = refit_on(job->data, &job->trial, false);
  assert_int_equal(first.length, again.length);
  assert_memory_equal(first.data, again.data, first.length);
  test_path(path, job->dir, "other.atds");
  write_table(path, job->data->split);
  struct tune_data *other = open_data(path, "auto");
  assert_memory_equal(other->split->fold_of, job->data->split->fold_of, ROWS);
  for (int all = 0; all < 2; all++)
  {
    float here[ROWS], there[ROWS];
    struct buf mine = refit_on(job->data, &job->trial, all);
    struct buf its = refit_on(other, &job->trial, all);
    ask(job->data, &mine, here);
    ask(job->data, &its, there);
    assert_int_equal(memcmp(here, there, sizeof here) == 0, !all);
    buf_free(&mine);
    buf_free(&its);
  }
  tune_data_close(other);
  buf_free(&first);
  buf_free(&again);
}

static void
test_fit_in_time(void **state)
{
  const struct job *job = *state;
  struct err_info info = {.text = ""};
  struct buf model = {0};
  size_t *rows = NULL;
  struct tune_refit refit = {.trial = &job->trial, .deadline_s = 0};
  assert_int_equal(tune_refit_rows(job->data, false, &rows, &refit.row_count), ERR_OK);
  refit.rows = rows;
  assert_int_equal(tune_refit_run(job->data, &refit, &model, &info), ERR_CANCELLED);
  assert_int_equal(model.length, 0);
  free(rows);
  struct tune_trial unknown = job->trial;
  struct tune_fold_output output = {.model = job->output.model};
  unknown.folds = &output;
  assert_near(tune_refit_seconds(&job->trial, 900, 450), 0.2, 1e-12);
  assert_true(isnan(tune_refit_seconds(&unknown, 900, 450)));
}

/* What ends early is a part of the whole run: of its schedule, where there is one. */
static void
test_last_epoch(void **state)
{
  static const char *const names[] = {"trees", "mlp"};
  static const char *const whole[] = {"{\"rounds\": 12}", "{\"epochs\": 7}"};
  static const char *const part[] = {"{\"rounds\": 5}", "{\"epochs\": 5}"};
  (void) state;
  for (size_t f = 0; f < 2; f++)
  {
    struct toy_fit fit;
    struct train_result results[3];
    float out[3][2 * TOY_ROWS_MAX];
    for (size_t i = 0; i < 3; i++)
    {
      toy_fit_init(&fit, toy_table(400, TOY_BINARY, TOY_GOOD, 8), names[f],
                   i < 2 ? whole[f] : part[f]);
      fit.request.valid_count = 0;
      fit.request.last_epoch = i < 2 ? 5 : 0;
      toy_fit_run(&fit, &results[i]);
      assert_int_equal(results[i].epochs, 5);
      assert_int_equal(results[i].best_epoch, 5);
      assert_int_equal(results[i].stop, TRAIN_STOP_COMPLETE);
      struct model_workspace *workspace = model_workspace_new();
      assert_int_equal(model_predict_dataset(results[i].model, workspace, fit.dataset,
                                             fit.request.train_rows, fit.request.train_count,
                                             out[i], NULL),
                       ERR_OK);
      model_workspace_free(workspace);
      train_result_clear(&results[i]);
      if (i < 2)
        toy_fit_clear(&fit);
    }
    size_t bytes = 2 * fit.request.train_count * sizeof(float);
    assert_memory_equal(out[0], out[1], bytes);
    /* trees have no schedule: it is as if no more rounds had been asked for */
    if (f == 0)
      assert_memory_equal(out[0], out[2], bytes);
    else
      assert_true(memcmp(out[0], out[2], bytes) != 0);
    toy_fit_clear(&fit);
  }
}

/* ---- the finish -------------------------------------------------------------------------------------- */

static struct tune_outcome
finish(const struct tune_data *data, const struct tune_trial *trial, struct tune_finish how)
{
  struct tune_outcome outcome;
  struct err_info info = {.text = ""};
  how.trials = trial;
  how.trial_count = 1;
  how.dataset_id = "ds_1";
  how.dataset_sha256 = "00";
  if (how.seconds == 0)
    how.seconds = INFINITY;
  if (tune_finish_run(data, &how, &outcome, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return outcome;
}

/* RMSE on the report rows of what a finish made. */
static double
score_of(const struct tune_data *data, const struct buf *bytes)
{
  float out[ROWS];
  double sum = 0;
  size_t count = 0;
  ask(data, bytes, out);
  for (size_t i = 0; i < ROWS; i++)
    if (data->split->fold_of[i] == SPLIT_REPORT)
    {
      double error = (double) out[i] - task_value_of(&data->task, data->dataset, i);
      sum += error * error;
      count++;
    }
  assert_int_equal(count, REPORT_ROWS);
  return sqrt(sum / (double) count);
}

static const json_t *
refit_of(const struct tune_outcome *outcome, bool kept, const char *reason)
{
  const json_t *refit = json_object_get(outcome->report, "refit");
  assert_true(json_is_object(refit));
  assert_string_equal(json_get_string(refit, "reason", "none"), reason);
  assert_int_equal(json_get_bool(refit, "kept", !kept), kept);
  return refit;
}

static void
test_kept(void **state)
{
  const struct job *job = *state;
  struct tune_outcome outcome = finish(job->data, &job->trial, (struct tune_finish){0});
  const json_t *refit = refit_of(&outcome, true, "none");
  struct buf first = {.data = (char *) (uintptr_t) job->output.model,
                      .length = job->output.model_length};
  struct buf fitted = refit_on(job->data, &job->trial, false);
  float here[ROWS], there[ROWS];
  ask(job->data, &outcome.model, here);
  ask(job->data, &fitted, there);
  assert_memory_equal(here, there, sizeof here);
  double score = score_of(job->data, &outcome.model);
  assert_near(outcome.score, score, 1e-6);
  assert_near(json_get_number(outcome.report, "score", NAN), score, 1e-6);
  assert_near(json_get_number(refit, "score", NAN), score, 1e-6);
  assert_near(json_get_number(refit, "score_before", NAN), score_of(job->data, &first), 1e-6);
  assert_int_equal(json_get_integer(refit, "rows", 0), ROWS - REPORT_ROWS);
  assert_true(json_get_number(refit, "seconds", 0) > 0);
  /* its intervals are those found on the validation rows, which it has learned from */
  struct tune_data *none = open_data(job->path, "none");
  struct tune_outcome before = finish(none, &job->trial, (struct tune_finish){0});
  struct model *models[2];
  struct model_about about[2];
  for (size_t i = 0; i < 2; i++)
  {
    const struct buf *bytes = i == 0 ? &outcome.model : &before.model;
    assert_int_equal(model_load(bytes->data, bytes->length, &models[i], NULL), ERR_OK);
    model_about(models[i], &about[i]);
    assert_non_null(about[i].interval);
  }
  assert_memory_equal(about[0].interval, about[1].interval, sizeof *about[0].interval);
  assert_true(json_is_null(json_object_get(before.report, "refit")));
  model_free(models[0]);
  model_free(models[1]);
  assert_null(outcome.all);
  tune_outcome_clear(&before);
  tune_data_close(none);
  tune_outcome_clear(&outcome);
  buf_free(&fitted);
}

/* One round makes a poor model: the first one stays. */
static void
test_refused(void **state)
{
  const struct job *job = *state;
  struct tune_fold_output output = job->output;
  struct tune_trial trial = job->trial;
  struct tune_data *none = open_data(job->path, "none");
  output.best_epoch = 1;
  trial.folds = &output;
  struct tune_outcome outcome = finish(job->data, &trial, (struct tune_finish){0});
  struct tune_outcome plain = finish(none, &trial, (struct tune_finish){0});
  const json_t *refit = refit_of(&outcome, false, "worse");
  assert_true(json_get_number(refit, "score", 0) > json_get_number(refit, "score_before", NAN));
  assert_near(outcome.score, json_get_number(refit, "score_before", NAN), 1e-6);
  assert_int_equal(outcome.model.length, plain.model.length);
  assert_memory_equal(outcome.model.data, plain.model.data, plain.model.length);
  assert_near(outcome.score, plain.score, 0);
  tune_outcome_clear(&outcome);
  tune_outcome_clear(&plain);
  tune_data_close(none);
}

static void
test_left_out(void **state)
{
  const struct job *job = *state;
  static const struct
  {
    double fit_s;
    struct tune_finish how;
    const char *reason;
  } cases[] = {{1000, {.seconds = INFINITY}, "time"},
               {0, {.seconds = INFINITY}, "time"},
               {9, {.seconds = 10}, "time"},
               {0.1, {.simple = true}, "hurried"},
               {0.1, {.stop_reason = "cancelled"}, "cancelled"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct tune_fold_output output = job->output;
    struct tune_trial trial = job->trial;
    output.seconds = cases[i].fit_s;
    trial.folds = &output;
    struct tune_outcome outcome = finish(job->data, &trial, cases[i].how);
    const json_t *refit = refit_of(&outcome, false, cases[i].reason);
    assert_true(json_is_null(json_object_get(refit, "score")));
    tune_outcome_clear(&outcome);
  }
  struct tune_outcome outcome =
    finish(job->data, &job->trial, (struct tune_finish){.provisional = true});
  assert_null(json_object_get(outcome.report, "refit"));
  tune_outcome_clear(&outcome);
}

static void
test_all(void **state)
{
  const struct job *job = *state;
  struct tune_data *data = open_data(job->path, "all");
  struct tune_outcome outcome = finish(data, &job->trial, (struct tune_finish){0});
  refit_of(&outcome, true, "none");
  assert_true(json_get_bool(json_object_get(outcome.report, "refit_all"), "kept", false));
  const struct tune_outcome *all = outcome.all;
  assert_non_null(all);
  const json_t *refit = refit_of(all, true, "none");
  assert_string_equal(json_get_string(refit, "trained_on", ""), "all");
  assert_int_equal(json_get_integer(refit, "rows", 0), ROWS);
  assert_near(all->score, outcome.score, 0);
  assert_near(json_get_number(all->report, "score", NAN), outcome.score, 0);
  const json_t *warning = json_array_get(json_object_get(all->report, "warnings"), 0);
  assert_has_text(json_string_value(warning), "its score is the one before");
  assert_non_null(all->schema);
  /* it knows the rows that the other has not seen */
  assert_true(score_of(data, &all->model) < 0.8 * score_of(data, &outcome.model));
  tune_outcome_clear(&outcome);
  assert_null(outcome.all);
  tune_data_close(data);
}

/* ---- the comparison ---------------------------------------------------------------------------------- */

/* The gain in MAE is a mean of differences, whose standard error is known. */
static void
test_paired(void **state)
{
  const struct job *job = *state;
  double truth[ROWS], differences[ROWS], mean = 0, square = 0;
  float first[ROWS], second[ROWS];
  uint32_t pairs[ROWS];
  struct rng rng;
  struct labels labels = {.count = ROWS, .values = truth};
  struct paired paired;
  rng_init(&rng, 3, 5);
  for (size_t i = 0; i < ROWS; i++)
  {
    truth[i] = rng_normal(&rng);
    first[i] = (float) (truth[i] + 1 + rng_double(&rng));
    second[i] = (float) (truth[i] + 1 + 0.9 * rng_double(&rng));
    differences[i] = fabs((double) first[i] - truth[i]) - fabs((double) second[i] - truth[i]);
    mean += differences[i] / ROWS;
  }
  for (size_t i = 0; i < ROWS; i++)
    square += (differences[i] - mean) * (differences[i] - mean) / (ROWS - 1);
  struct paired_request request = {.first = first,
                                   .second = second,
                                   .labels = &labels,
                                   .task = &job->data->task,
                                   .metric = METRIC_MAE,
                                   .bootstraps = 2000,
                                   .seed = 1};
  assert_int_equal(paired_compare(&request, &paired), ERR_OK);
  assert_near(paired.gain, mean, 1e-6);
  assert_near(paired.first - paired.second, mean, 1e-6);
  double error = sqrt(square / ROWS);
  assert_near(paired.error, error, 0.08 * error);
  /* rows that are copies of each other tell as much as half as many */
  for (size_t i = 0; i < ROWS; i++)
  {
    pairs[i] = (uint32_t) (i % (ROWS / 2));
    if (i >= ROWS / 2)
    {
      truth[i] = truth[i - ROWS / 2];
      first[i] = first[i - ROWS / 2];
      second[i] = second[i - ROWS / 2];
    }
  }
  struct paired alone;
  assert_int_equal(paired_compare(&request, &alone), ERR_OK);
  request.groups = (struct bbc_groups){.of_row = pairs, .count = ROWS / 2};
  assert_int_equal(paired_compare(&request, &paired), ERR_OK);
  assert_near(paired.error / alone.error, sqrt(2), 0.1);
  request.second = first;
  assert_int_equal(paired_compare(&request, &paired), ERR_OK);
  assert_true(paired.gain == 0 && paired.error == 0);
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_rows),        cmocka_unit_test(test_fit),
    cmocka_unit_test(test_fit_in_time), cmocka_unit_test(test_last_epoch),
    cmocka_unit_test(test_kept),        cmocka_unit_test(test_refused),
    cmocka_unit_test(test_left_out),    cmocka_unit_test(test_all),
    cmocka_unit_test(test_paired),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
