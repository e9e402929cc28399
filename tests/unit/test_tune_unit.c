/* Fits and finishes of a job on small datasets, in this process. */
#include <config.h>

#include "tests/harness/test_support.h"

#include "base/json.h"
#include "base/rng.h"
#include "data/dataset_write.h"
#include "tune/confusions.h"
#include "tune/tune_finish.h"
#include "tune/tune_unit.h"

#define TRIALS 4

struct fixture
{
  char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  struct tune_data *data;
  struct tune_unit_result *results; /* (TRIALS, folds) */
  struct tune_fold_output *outputs;
  struct tune_trial trials[TRIALS];
  json_t *params[TRIALS];
};

/* Three classes around three centres, with a constant and an identifier that must be left out. */
static void
write_table(const char *path, size_t rows)
{
  static const char *const kinds[] = {"iris", "lily", "rose"};
  double *x = calloc(rows, 3 * sizeof *x);
  int32_t *kind = calloc(rows, sizeof *kind);
  uint64_t *offset = calloc(rows + 1, sizeof *offset);
  char *text = malloc(rows * 10 + 1);
  struct rng rng;
  rng_init(&rng, 21, 1);
  for (size_t i = 0; i < rows; i++)
  {
    kind[i] = (int32_t) rng_below(&rng, 3);
    x[i] = (kind[i] == 0 ? 1.5 : 0) + rng_normal(&rng);
    x[rows + i] = (kind[i] == 1 ? 1.5 : 0) + rng_normal(&rng);
    x[2 * rows + i] = 7;
    offset[i + 1] = offset[i] + (uint64_t) snprintf(text + offset[i], 11, "id%zu", i);
  }
  struct column columns[] = {
    {.name = "wide", .type = COLUMN_NUMERIC, .number = x},
    {.name = "long", .type = COLUMN_NUMERIC, .number = x + rows},
    {.name = "same", .type = COLUMN_NUMERIC, .number = x + 2 * rows},
    {.name = "key", .type = COLUMN_IDENTIFIER, .offset = offset, .text = text},
    {.name = "kind",
     .type = COLUMN_CATEGORICAL,
     .code = kind,
     .categories = kinds,
     .category_count = 3}};
  struct table table = {.row_count = rows, .column_count = 5, .columns = columns};
  struct err_info info = {0};
  if (dataset_save_table(path, &table, &info) != ERR_OK)
    fail_msg("%s", info.text);
  free(text);
  free(offset);
  free(kind);
  free(x);
}

static struct tune_data *
open_data(const char *path, const char *request)
{
  struct dataset *dataset = NULL;
  struct tune_data *data = NULL;
  struct err_info info = {0};
  assert_int_equal(dataset_open(path, &dataset, &info), ERR_OK);
  json_t *spec = json_loads(request, 0, NULL);
  if (tune_data_open(path, spec, dataset_schema(dataset), &data, &info) != ERR_OK)
    fail_msg("%s", info.text);
  json_decref(spec);
  dataset_close(dataset);
  return data;
}

static struct tune_unit_result
fit(const struct tune_data *data, const char *family, json_t *params, uint64_t trial, size_t fold)
{
  struct tune_unit unit = {.family = family, .params = params, .trial = trial, .fold = fold};
  struct tune_unit_result result;
  struct err_info info = {0};
  if (tune_unit_run(data, &unit, &result, &info) != ERR_OK)
    fail_msg("%s: %s", family, info.text);
  return result;
}

static int
setup(void **state)
{
  struct fixture *fixture = calloc(1, sizeof *fixture);
  static const char *const families[TRIALS] = {"linear", "trees", "linear", "mlp"};
  static const char *const params[TRIALS] = {"{}", "{}", "{\"l1_ratio\": 0.9}", "{}"};
  *state = fixture;
  test_make_dir(fixture->dir);
  test_path(fixture->path, fixture->dir, "table.atds");
  write_table(fixture->path, 300);
  fixture->data = open_data(
    fixture->path, "{\"target\":\"kind\",\"search\":{\"seed\":4},\"budget\":{\"trials\":4}}");
  size_t folds = fixture->data->split->fold_count;
  fixture->results = calloc(TRIALS * folds, sizeof *fixture->results);
  fixture->outputs = calloc(TRIALS * folds, sizeof *fixture->outputs);
  for (size_t t = 0; t < TRIALS; t++)
  {
    fixture->params[t] = json_loads(params[t], 0, NULL);
    struct tune_trial *trial = &fixture->trials[t];
    *trial = (struct tune_trial){.number = (int) t + 1,
                                 .family = families[t],
                                 .params = fixture->params[t],
                                 .folds = fixture->outputs + t * folds};
    for (size_t f = 0; f < folds; f++)
    {
      struct tune_unit_result *result = &fixture->results[t * folds + f];
      *result = fit(fixture->data, families[t], fixture->params[t], t + 1, f);
      fixture->outputs[t * folds + f] =
        (struct tune_fold_output){.predictions = result->predictions,
                                  .prediction_count = result->prediction_count,
                                  .model = result->model.data,
                                  .model_length = result->model.length};
      trial->metric += result->metric / (double) folds;
      trial->objective += result->objective / (double) folds;
    }
  }
  /* best first */
  for (size_t a = 0; a < TRIALS; a++)
    for (size_t b = a + 1; b < TRIALS; b++)
      if (fixture->trials[b].objective < fixture->trials[a].objective)
      {
        struct tune_trial trial = fixture->trials[a];
        fixture->trials[a] = fixture->trials[b];
        fixture->trials[b] = trial;
      }
  return 0;
}

static int
teardown(void **state)
{
  struct fixture *fixture = *state;
  for (size_t i = 0; i < TRIALS * fixture->data->split->fold_count; i++)
    tune_unit_result_clear(&fixture->results[i]);
  for (size_t t = 0; t < TRIALS; t++)
    json_decref(fixture->params[t]);
  free(fixture->results);
  free(fixture->outputs);
  tune_data_close(fixture->data);
  test_remove_dir(fixture->dir);
  free(fixture);
  return 0;
}

static void
test_same_unit_same_bytes(void **state)
{
  const struct fixture *fixture = *state;
  static const char *const families[] = {"linear", "trees", "mlp"};
  for (size_t i = 0; i < 3; i++)
  {
    json_t *params = json_object();
    struct tune_unit_result a = fit(fixture->data, families[i], params, 9, 1);
    struct tune_unit_result b = fit(fixture->data, families[i], params, 9, 1);
    assert_int_equal(a.model.length, b.model.length);
    assert_memory_equal(a.model.data, b.model.data, a.model.length);
    assert_memory_equal(a.predictions, b.predictions, a.prediction_count * sizeof(float));
    assert_true(a.metric > 0.5 && a.metric <= 1);
    assert_true(a.seconds > 0);
    assert_true(a.us_per_row > 0 && a.us_per_row < 1e5);
    assert_true(json_get_integer(a.detail, "epochs", 0) > 0);
    tune_unit_result_clear(&a);
    tune_unit_result_clear(&b);
    json_decref(params);
  }
}

static bool
stop_at_second(void *context, const struct train_progress *progress)
{
  size_t *seen = context;
  *seen = progress->epoch;
  return progress->epoch < 2;
}

static void
test_a_fit_can_be_stopped(void **state)
{
  const struct fixture *fixture = *state;
  size_t seen = 0;
  json_t *params = json_object();
  struct tune_unit unit = {
    .family = "mlp", .params = params, .trial = 1, .on_epoch = stop_at_second, .context = &seen};
  struct tune_unit_result result;
  assert_int_equal(tune_unit_run(fixture->data, &unit, &result, NULL), ERR_CANCELLED);
  assert_int_equal(seen, 2);
  assert_null(result.predictions);
  unit.fold = 99;
  assert_int_equal(tune_unit_run(fixture->data, &unit, &result, NULL), ERR_INVALID);
  unit.fold = 0;
  unit.family = "oracle";
  assert_int_equal(tune_unit_run(fixture->data, &unit, &result, NULL), ERR_INVALID);
  json_decref(params);
}

static struct tune_outcome
finish_with(const struct tune_data *data, const struct tune_trial *trials, size_t count,
            bool provisional, bool simple)
{
  struct tune_finish finish = {.trials = trials,
                               .trial_count = count,
                               .provisional = provisional,
                               .simple = simple,
                               .seconds = INFINITY,
                               .dataset_id = "ds_1",
                               .dataset_sha256 = "00",
                               .stop_reason = "budget_trials",
                               .trials_done = count};
  struct tune_outcome outcome;
  struct err_info info = {0};
  if (tune_finish_run(data, &finish, &outcome, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return outcome;
}

/* Each cell of the matrix has the rows that it counts, or as many as are kept. */
static void
assert_rows_of_cells(const json_t *report)
{
  const json_t *matrix =
    json_object_get(json_object_get(json_object_get(report, "metrics"), "confusion"), "matrix");
  const json_t *cells = json_object_get(report, "confusion_rows");
  size_t truth, predicted;
  json_t *row, *count;
  assert_non_null(matrix);
  json_array_foreach(matrix, truth, row) json_array_foreach(row, predicted, count)
  {
    char key[48];
    snprintf(key, sizeof key, "%zu,%zu", truth, predicted);
    size_t wanted = (size_t) json_integer_value(count);
    assert_int_equal(json_array_size(json_object_get(cells, key)),
                     wanted < CONFUSIONS_CELL_ROWS ? wanted : CONFUSIONS_CELL_ROWS);
  }
}

static void
test_finish_by_bbc(void **state)
{
  const struct fixture *fixture = *state;
  struct tune_outcome outcome = finish_with(fixture->data, fixture->trials, TRIALS, false, false);
  const json_t *report = outcome.report;
  assert_string_equal(json_get_string(report, "estimate", ""), "bbc_cv");
  assert_string_equal(json_get_string(report, "metric", ""), "accuracy");
  assert_true(json_get_bool(report, "final", false));
  const json_t *interval = json_object_get(report, "interval");
  double score = json_get_number(report, "score", NAN);
  assert_near(score, outcome.score, 0);
  assert_true(json_get_number(interval, "low", NAN) < score);
  assert_true(json_get_number(interval, "high", NAN) > score);
  assert_int_equal(json_get_integer(interval, "bootstraps", 0), 500);
  const json_t *baseline = json_object_get(report, "baseline");
  assert_true(json_get_number(baseline, "score", NAN) < score);
  assert_has_text(json_get_string(baseline, "comparison", ""), "always answering");
  assert_int_equal(json_get_integer(json_object_get(report, "rows"), "used", 0), 300);
  assert_rows_of_cells(report);
  double weights = 0;
  size_t index;
  json_t *member;
  json_array_foreach(json_object_get(report, "members"), index, member) weights +=
    json_get_number(member, "weight", NAN);
  assert_near(weights, 1, 1e-9);
  char *warnings = json_dumps(json_object_get(report, "warnings"), 0);
  assert_has_text(warnings, "key (identifier)");
  free(warnings);
  assert_has_text(outcome.schema, "\"classes\":[\"iris\",\"lily\",\"rose\"]");
  struct model *model = NULL;
  struct model_about about;
  assert_int_equal(model_load(outcome.model.data, outcome.model.length, &model, NULL), ERR_OK);
  model_about(model, &about);
  assert_true(about.member_count >= fixture->data->split->fold_count);
  model_free(model);
  struct tune_outcome again = finish_with(fixture->data, fixture->trials, TRIALS, false, false);
  assert_near(again.score, outcome.score, 0);
  assert_int_equal(again.model.length, outcome.model.length);
  assert_memory_equal(again.model.data, outcome.model.data, outcome.model.length);
  tune_outcome_clear(&again);
  tune_outcome_clear(&outcome);
}

static void
test_finish_simple_and_provisional(void **state)
{
  const struct fixture *fixture = *state;
  struct tune_outcome outcome = finish_with(fixture->data, fixture->trials, TRIALS, false, true);
  assert_int_equal(json_array_size(json_object_get(outcome.report, "members")), 1);
  assert_string_equal(outcome.family, fixture->trials[0].family);
  assert_string_equal(json_get_string(outcome.report, "estimate", ""), "bbc_cv");
  tune_outcome_clear(&outcome);
  outcome = finish_with(fixture->data, fixture->trials, 1, true, false);
  assert_string_equal(json_get_string(outcome.report, "estimate", ""), "cv");
  assert_false(json_get_bool(outcome.report, "final", true));
  assert_true(json_is_null(json_object_get(outcome.report, "interval")));
  tune_outcome_clear(&outcome);
}

/* Trials whose outputs were dropped take part as far as they can. */
static void
test_finish_with_gaps(void **state)
{
  const struct fixture *fixture = *state;
  size_t folds = fixture->data->split->fold_count;
  struct tune_fold_output *outputs = calloc(TRIALS * folds, sizeof *outputs);
  struct tune_trial trials[TRIALS];
  struct err_info info = {0};
  struct tune_outcome outcome;
  for (size_t t = 0; t < TRIALS; t++)
  {
    trials[t] = fixture->trials[t];
    memcpy(outputs + t * folds, fixture->trials[t].folds, folds * sizeof *outputs);
    trials[t].folds = outputs + t * folds;
  }
  outputs[1].model = NULL;           /* the best one can't be served */
  outputs[folds].predictions = NULL; /* nor the second be scored */
  outcome = finish_with(fixture->data, trials, TRIALS, false, true);
  assert_int_equal(json_get_integer(json_object_get(outcome.report, "best_trial"), "number", 0),
                   trials[2].number);
  tune_outcome_clear(&outcome);
  for (size_t t = 0; t < TRIALS; t++)
    outputs[t * folds].model = NULL;
  struct tune_finish finish = {.trials = trials,
                               .trial_count = TRIALS,
                               .seconds = INFINITY,
                               .dataset_id = "",
                               .dataset_sha256 = ""};
  assert_int_equal(tune_finish_run(fixture->data, &finish, &outcome, &info), ERR_NOT_FOUND);
  assert_null(outcome.report);
  free(outputs);
}

/* With report rows the score is that of the stored model on rows nobody has seen. */
static void
test_finish_by_holdout(void **state)
{
  const struct fixture *fixture = *state;
  struct tune_data *data =
    open_data(fixture->path, "{\"target\":\"kind\",\"search\":{\"seed\":4},"
                             "\"validation\":{\"holdout\":0.2},\"metric\":\"log_loss\"}");
  assert_int_equal(data->split->kind, SPLIT_HOLDOUT);
  json_t *params = json_object();
  struct tune_unit_result result = fit(data, "linear", params, 1, 0);
  struct tune_fold_output output = {.predictions = result.predictions,
                                    .prediction_count = result.prediction_count,
                                    .model = result.model.data,
                                    .model_length = result.model.length};
  struct tune_trial trial = {.number = 1,
                             .family = "linear",
                             .params = params,
                             .metric = result.metric,
                             .objective = result.objective,
                             .folds = &output};
  struct tune_outcome outcome = finish_with(data, &trial, 1, false, false);
  assert_string_equal(json_get_string(outcome.report, "estimate", ""), "holdout");
  size_t *rows = NULL, count = 0;
  struct tune_labels labels;
  struct model *model = NULL;
  assert_int_equal(split_report_rows(data->split, &rows, &count), ERR_OK);
  assert_int_equal(count, data->split->report_count);
  assert_int_equal(tune_labels_of(data, rows, count, &labels), ERR_OK);
  float *predictions = calloc(count * 3, sizeof *predictions);
  struct model_workspace *workspace = model_workspace_new();
  assert_int_equal(model_load(outcome.model.data, outcome.model.length, &model, NULL), ERR_OK);
  assert_int_equal(
    model_predict_dataset(model, workspace, data->dataset, rows, count, predictions, NULL), ERR_OK);
  assert_near(metric_compute(METRIC_LOG_LOSS, &data->task, &labels.labels, predictions),
              outcome.score, 1e-9);
  model_workspace_free(workspace);
  model_free(model);
  free(predictions);
  tune_labels_free(&labels);
  free(rows);
  tune_outcome_clear(&outcome);
  tune_unit_result_clear(&result);
  json_decref(params);
  tune_data_close(data);
}

/* Trials beyond the job's limits have no part in the model; if all are, the first one is served and that is said. */
static void
test_finish_within_limits(void **state)
{
  const struct fixture *fixture = *state;
  struct tune_trial trials[TRIALS];
  size_t bytes = 0, folds = fixture->data->split->fold_count;
  char request[200];
  memcpy(trials, fixture->trials, sizeof trials);
  for (size_t t = 0; t < TRIALS; t++)
    trials[t].excess = t < 1 ? 0 : 0.5;
  for (size_t f = 0; f < folds; f++)
    bytes += trials[0].folds[f].model_length;
  snprintf(request, sizeof request,
           "{\"target\":\"kind\",\"search\":{\"seed\":4},\"budget\":{\"trials\":4,"
           "\"max_model_bytes\":%zu}}",
           2 * bytes);
  struct tune_data *data = open_data(fixture->path, request);
  struct tune_outcome outcome = finish_with(data, trials, TRIALS, false, false);
  const json_t *limits = json_object_get(outcome.report, "limits");
  assert_int_equal(json_array_size(json_object_get(outcome.report, "members")), 1);
  assert_int_equal(json_get_integer(json_object_get(outcome.report, "best_trial"), "number", 0),
                   trials[0].number);
  assert_true(json_get_bool(limits, "met", false));
  assert_true(outcome.model.length <= 2 * bytes);
  tune_outcome_clear(&outcome);
  tune_data_close(data);

  data = open_data(fixture->path, "{\"target\":\"kind\",\"search\":{\"seed\":4},\"budget\":"
                                  "{\"trials\":4,\"max_model_bytes\":10}}");
  trials[0].excess = 0.4;
  outcome = finish_with(data, trials, TRIALS, false, false);
  assert_int_equal(json_array_size(json_object_get(outcome.report, "members")), 1);
  assert_false(json_get_bool(json_object_get(outcome.report, "limits"), "met", true));
  char *warnings = json_dumps(json_object_get(outcome.report, "warnings"), 0);
  assert_has_text(warnings, "not 10 as asked");
  free(warnings);
  tune_outcome_clear(&outcome);
  tune_data_close(data);
}

static void
test_bad_jobs(void **state)
{
  const struct fixture *fixture = *state;
  static const struct
  {
    const char *request, *text;
  } cases[] = {
    {"{\"target\":\"nothing\"}", "nothing"},
    {"{\"target\":\"same\"}", "same"},
    {"{\"target\":\"kind\",\"metric\":\"rmse\"}", "rmse"},
    {"{\"target\":\"kind\",\"families\":[\"oracle\"]}", "oracle"},
  };
  struct dataset *dataset = NULL;
  assert_int_equal(dataset_open(fixture->path, &dataset, NULL), ERR_OK);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct tune_data *data = NULL;
    struct err_info info = {0};
    json_t *spec = json_loads(cases[i].request, 0, NULL);
    assert_int_equal(tune_data_open(fixture->path, spec, dataset_schema(dataset), &data, &info),
                     ERR_INVALID);
    assert_null(data);
    assert_has_text(info.text, cases[i].text);
    json_decref(spec);
  }
  dataset_close(dataset);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_same_unit_same_bytes),
    cmocka_unit_test(test_a_fit_can_be_stopped),
    cmocka_unit_test(test_finish_by_bbc),
    cmocka_unit_test(test_finish_simple_and_provisional),
    cmocka_unit_test(test_finish_with_gaps),
    cmocka_unit_test(test_finish_by_holdout),
    cmocka_unit_test(test_finish_within_limits),
    cmocka_unit_test(test_bad_jobs),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
