/* Jobs whose rows have groups, times and weights, in this process: who trains, who stops, who judges. */
#include <config.h>

#include "tests/harness/test_support.h"

#include "base/json.h"
#include "base/rng.h"
#include "data/dataset_write.h"
#include "data/split_pack.h"
#include "model/model_folds.h"
#include "tune/stop_rows.h"
#include "tune/confusions.h"
#include "tune/suspects.h"
#include "tune/tune_finish.h"
#include "tune/tune_unit.h"

#define ROWS 240
#define GROUPS 40
#define TRIALS 2

struct fixture
{
  char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
};

/* Six visits of each of forty patients, whose outcome goes with the patient; each ten rows share a day. */
static void
write_table(const char *path)
{
  static const char *const outcomes[] = {"ill", "well"};
  static char names[GROUPS][8];
  const char *categories[GROUPS];
  double x[2 * ROWS], day[ROWS], weight[ROWS], score[ROWS];
  int32_t who[ROWS], outcome[ROWS];
  struct rng rng;
  rng_init(&rng, 3, 1);
  for (size_t g = 0; g < GROUPS; g++)
  {
    snprintf(names[g], sizeof names[g], "p%zu", g);
    categories[g] = names[g];
  }
  for (size_t i = 0; i < ROWS; i++)
  {
    who[i] = (int32_t) (i * 7 % GROUPS);
    outcome[i] = who[i] % 2;
    x[i] = outcome[i] + 0.6 * rng_normal(&rng);
    x[ROWS + i] = rng_normal(&rng);
    day[i] = (double) (i / 10);
    weight[i] = 1 + (double) (i % 3);
    score[i] = 2 * x[i] + rng_normal(&rng);
  }
  struct column columns[] = {{.name = "a", .type = COLUMN_NUMERIC, .number = x},
                             {.name = "b", .type = COLUMN_NUMERIC, .number = x + ROWS},
                             {.name = "day", .type = COLUMN_NUMERIC, .number = day},
                             {.name = "w", .type = COLUMN_NUMERIC, .number = weight},
                             {.name = "score", .type = COLUMN_NUMERIC, .number = score},
                             {.name = "who",
                              .type = COLUMN_CATEGORICAL,
                              .code = who,
                              .categories = categories,
                              .category_count = GROUPS},
                             {.name = "outcome",
                              .type = COLUMN_CATEGORICAL,
                              .code = outcome,
                              .categories = outcomes,
                              .category_count = 2}};
  struct table table = {.row_count = ROWS, .column_count = 7, .columns = columns};
  struct err_info info = {0};
  if (dataset_save_table(path, &table, &info) != ERR_OK)
    fail_msg("%s", info.text);
}

static enum err
try_open(const char *path, const char *request, struct tune_data **data, struct err_info *info)
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

static struct tune_data *
open_data(const struct fixture *fixture, const char *request)
{
  struct tune_data *data = NULL;
  struct err_info info = {0};
  if (try_open(fixture->path, request, &data, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return data;
}

/* A whole job of two trials, and its outcome. */
static struct tune_outcome
run_job(const struct tune_data *data)
{
  static const char *const families[TRIALS] = {"linear", "trees"};
  size_t folds = data->split->fold_count;
  struct tune_unit_result *results = calloc(TRIALS * folds, sizeof *results);
  struct tune_fold_output *outputs = calloc(TRIALS * folds, sizeof *outputs);
  struct tune_trial trials[TRIALS];
  struct tune_outcome outcome;
  struct err_info info = {0};
  json_t *params = json_object();
  for (size_t t = 0; t < TRIALS; t++)
  {
    trials[t] = (struct tune_trial){
      .number = (int) t + 1, .family = families[t], .params = params, .folds = outputs + t * folds};
    for (size_t f = 0; f < folds; f++)
    {
      struct tune_unit unit = {.family = families[t], .params = params, .trial = t + 1, .fold = f};
      struct tune_unit_result *result = &results[t * folds + f];
      if (tune_unit_run(data, &unit, result, &info) != ERR_OK)
        fail_msg("%s", info.text);
      outputs[t * folds + f] =
        (struct tune_fold_output){.predictions = result->predictions,
                                  .prediction_count = result->prediction_count,
                                  .model = result->model.data,
                                  .model_length = result->model.length};
      trials[t].metric += result->metric / (double) folds;
      trials[t].objective += result->objective / (double) folds;
    }
  }
  if (trials[1].objective < trials[0].objective)
  {
    struct tune_trial first = trials[0];
    trials[0] = trials[1];
    trials[1] = first;
  }
  struct tune_finish finish = {.trials = trials,
                               .trial_count = TRIALS,
                               .seconds = INFINITY,
                               .dataset_id = "ds_1",
                               .dataset_sha256 = "00"};
  if (tune_finish_run(data, &finish, &outcome, &info) != ERR_OK)
    fail_msg("%s", info.text);
  for (size_t i = 0; i < TRIALS * folds; i++)
    tune_unit_result_clear(&results[i]);
  free(outputs);
  free(results);
  json_decref(params);
  return outcome;
}

/* The score of the stored model's fold members on the rows that the stored folds say they have not seen. */
static double
recompute(const struct tune_data *data, const struct tune_outcome *outcome)
{
  struct model *model = NULL;
  struct model_about about;
  struct err_info info = {0};
  uint8_t fold_of[ROWS];
  size_t rows[ROWS], count = 0, outputs = data->task.output_count;
  float *predictions = calloc(ROWS * outputs, sizeof *predictions);
  struct model_workspace *workspace = model_workspace_new();
  struct tune_labels labels;
  assert_int_equal(model_load(outcome->model.data, outcome->model.length, &model, &info), ERR_OK);
  model_about(model, &about);
  assert_int_equal(split_unpack(outcome->folds.data, outcome->folds.length, fold_of, ROWS, &info),
                   ERR_OK);
  assert_memory_equal(fold_of, data->split->fold_of, ROWS);
  assert_true(model_has_folds(model, data->split->fold_count));
  assert_false(model_has_folds(model, data->split->fold_count + 1));
  for (size_t f = 0; f < data->split->fold_count; f++)
  {
    size_t begin = count;
    for (size_t row = 0; row < ROWS; row++)
      if (fold_of[row] == f)
        rows[count++] = row;
    assert_int_equal(model_predict_fold(model, (int) f, workspace, data->dataset, rows + begin,
                                        count - begin, predictions + begin * outputs, &info),
                     ERR_OK);
  }
  assert_int_equal(tune_labels_of(data, rows, count, &labels), ERR_OK);
  double score =
    metric_compute_at(data->metric, &data->task, &labels.labels, predictions, &about.decision);
  tune_labels_free(&labels);
  model_workspace_free(workspace);
  model_free(model);
  free(predictions);
  return score;
}

static void
check_job(const struct fixture *fixture, const char *request, const char *group, const char *time)
{
  struct tune_data *data = open_data(fixture, request);
  struct tune_outcome outcome = run_job(data);
  const json_t *told = json_object_get(outcome.report, "validation");
  const json_t *metrics = json_object_get(json_object_get(outcome.report, "metrics"), "metrics");
  assert_string_equal(json_get_string(outcome.report, "estimate", ""), "bbc_cv");
  assert_string_equal(json_get_string(told, "group", ""), group);
  assert_string_equal(json_get_string(told, "time", ""), time);
  assert_near(json_get_number(metrics, metric_name(data->metric), NAN), recompute(data, &outcome),
              1e-5);
  assert_true(strstr(outcome.schema, "\"a\"") != NULL);
  assert_true(*group == '\0' || strstr(outcome.schema, "\"who\"") == NULL);
  assert_true(*time == '\0' || strstr(outcome.schema, "\"day\"") == NULL);
  assert_true(isfinite(outcome.score));
  if (*time != '\0')
  {
    size_t without = 0;
    for (size_t row = 0; row < ROWS; row++)
      without += data->split->fold_of[row] == SPLIT_TRAIN_ONLY;
    assert_int_equal(json_get_integer(json_object_get(outcome.report, "rows"), "validation", 0),
                     ROWS - without);
    assert_true(without > 0);
  }
  tune_outcome_clear(&outcome);
  tune_data_close(data);
}

static void
test_jobs(void **state)
{
  check_job(*state,
            "{\"target\":\"outcome\",\"validation\":{\"group\":\"who\",\"folds\":4},"
            "\"metric\":\"log_loss\"}",
            "who", "");
  check_job(*state, "{\"target\":\"outcome\",\"validation\":{\"time\":\"day\"},\"metric\":\"f1\"}",
            "", "day");
  check_job(*state,
            "{\"target\":\"score\",\"validation\":{\"time\":\"day\",\"group\":\"who\","
            "\"folds\":3},\"sample_weight\":\"w\"}",
            "who", "day");
}

/* Rows to stop by are whole groups, or the latest times, and leave every class its rows. */
static void
test_stop_rows(void **state)
{
  static const char *const requests[] = {
    "{\"target\":\"outcome\",\"validation\":{\"group\":\"who\",\"folds\":4}}",
    "{\"target\":\"outcome\",\"validation\":{\"time\":\"day\",\"folds\":4}}",
    "{\"target\":\"outcome\"}"};
  for (size_t r = 0; r < 3; r++)
    for (size_t fold = 0; fold < 4; fold++)
    {
      struct tune_data *data = open_data(*state, requests[r]);
      struct stop_rows rows = {0};
      bool aside[ROWS] = {false};
      uint32_t latest = 0;
      assert_int_equal(split_train_rows(data->split, fold, &rows.train, &rows.train_count), ERR_OK);
      size_t all = rows.train_count;
      assert_int_equal(stop_rows_set_aside(data, 5 + fold, &rows), ERR_OK);
      assert_int_equal(rows.train_count + rows.stop_count, all);
      assert_true(rows.stop_count * 20 >= all && rows.stop_count * 4 <= all);
      for (size_t i = 0; i < rows.stop_count; i++)
        aside[rows.stop[i]] = true;
      for (size_t i = 0; i < rows.train_count; i++)
      {
        assert_false(aside[rows.train[i]]);
        if (r == 1 && data->split->order_of[rows.train[i]] > latest)
          latest = data->split->order_of[rows.train[i]];
        for (size_t j = 0; r == 0 && j < rows.stop_count; j++)
          assert_int_not_equal(data->split->group_of[rows.train[i]],
                               data->split->group_of[rows.stop[j]]);
      }
      for (size_t j = 0; r == 1 && j < rows.stop_count; j++)
        assert_true(data->split->order_of[rows.stop[j]] > latest);
      free(rows.train);
      free(rows.stop);
      tune_data_close(data);
    }
}

static void
test_suspects(void **state)
{
  struct tune_data *data = open_data(*state, "{\"target\":\"outcome\"}");
  int32_t classes[100];
  float p[200];
  size_t rows[100], count;
  for (size_t i = 0; i < 100; i++)
  {
    rows[i] = 2 * i;
    classes[i] = (int32_t) (i % 2);
    float own = i % 5 == 0 ? 0.75f : 0.9f;
    if (i == 31)
      own = 0.02f; /* clearly wrong */
    if (i == 32)
      own = 0.08f;
    if (i == 33)
      own = 0.45f; /* unsure: no other class above its threshold */
    p[2 * i + (size_t) classes[i]] = own;
    p[2 * i + (size_t) (1 - classes[i])] = 1 - own;
  }
  struct labels labels = {.count = 100, .classes = classes};
  json_t *found = suspects_find(data, rows, &labels, p, &count);
  assert_int_equal(count, 2);
  assert_int_equal(json_array_size(found), 2);
  const json_t *first = json_array_get(found, 0);
  assert_int_equal(json_get_integer(first, "row", 0), 62);
  assert_string_equal(json_get_string(first, "given", ""), "well");
  assert_string_equal(json_get_string(first, "suggested", ""), "ill");
  assert_near(json_get_number(first, "probability", 0), 0.98, 1e-6);
  assert_int_equal(json_get_integer(json_array_get(found, 1), "row", 0), 64);
  json_decref(found);
  tune_data_close(data);

  data = open_data(*state, "{\"target\":\"score\"}");
  double values[100];
  for (size_t i = 0; i < 100; i++)
  {
    p[i] = (float) i;
    values[i] = (double) i + 0.1 * (double) (i % 7) + (i == 50 ? 30 : 0);
  }
  labels = (struct labels){.count = 100, .values = values};
  found = suspects_find(data, rows, &labels, p, &count);
  assert_int_equal(count, 1);
  assert_int_equal(json_get_integer(json_array_get(found, 0), "row", 0), 100);
  assert_true(json_get_number(json_array_get(found, 0), "deviations", 0) > 50);
  json_decref(found);
  tune_data_close(data);
}

static void
test_confusions(void **state)
{
  (void) state;
  enum
  {
    CLASSES = 80,
    ROW_COUNT = CLASSES * CLASSES + 60
  };
  static int32_t truths[ROW_COUNT];
  static size_t rows[ROW_COUNT];
  float *p = calloc((size_t) ROW_COUNT * CLASSES, sizeof *p);
  assert_non_null(p);
  /* every cell has a row; 0,1 has 60 more, each surer than the one before */
  for (size_t i = 0; i < ROW_COUNT; i++)
  {
    bool more = i >= CLASSES * CLASSES;
    size_t predicted = more ? 1 : i % CLASSES;
    rows[i] = 7 * i;
    truths[i] = more ? 0 : (int32_t) (i / CLASSES);
    p[i * CLASSES + predicted] = more ? 0.3f + 0.01f * (float) (i - CLASSES * CLASSES) : 0.5f;
  }
  const struct tune_data data = {.task = {.class_count = CLASSES}};
  struct labels labels = {.count = ROW_COUNT, .classes = truths};
  json_t *found = confusions_rows(&data, rows, &labels, p, NULL), *cell;
  const char *key;
  assert_int_equal(json_object_size(found), CONFUSIONS_ROWS);
  json_object_foreach(found, key, cell) assert_int_equal(json_array_size(cell), 1);
  const json_t *surest = json_array_get(json_object_get(found, "0,1"), 0);
  assert_int_equal(json_integer_value(json_array_get(surest, 0)), 7 * (ROW_COUNT - 1));
  assert_near(json_real_value(json_array_get(surest, 1)), 0.89, 1e-6);
  json_decref(found);

  /* few cells: more than one row each, but not all */
  labels.classes = truths + CLASSES * CLASSES;
  labels.count = 60;
  truths[ROW_COUNT - 1] = -1; /* without a label */
  found = confusions_rows(&data, rows + CLASSES * CLASSES, &labels,
                          p + (size_t) CLASSES * CLASSES * CLASSES, NULL);
  assert_int_equal(json_object_size(found), 1);
  cell = json_object_get(found, "0,1");
  assert_int_equal(json_array_size(cell), CONFUSIONS_CELL_ROWS);
  for (size_t k = 0; k < CONFUSIONS_CELL_ROWS; k++)
    assert_int_equal(json_integer_value(json_array_get(json_array_get(cell, k), 0)),
                     7 * (ROW_COUNT - 2 - k));
  json_decref(found);
  free(p);
}

static void
test_refusals(void **state)
{
  const struct fixture *fixture = *state;
  static const struct
  {
    const char *request, *text;
  } cases[] = {
    {"{\"target\":\"outcome\",\"class_weight\":{\"sick\":2}}", "\"sick\""},
    {"{\"target\":\"outcome\",\"sample_weight\":\"a\"}", "weights must be 0 or more"},
    {"{\"target\":\"outcome\",\"validation\":{\"group\":\"outcome\"}}", "target"},
    {"{\"target\":\"score\",\"metric\":\"rmsle\"}", "rmsle"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct tune_data *data = NULL;
    struct err_info info = {0};
    assert_int_equal(try_open(fixture->path, cases[i].request, &data, &info), ERR_INVALID);
    assert_null(data);
    assert_has_text(info.text, cases[i].text);
  }
}

static int
setup(void **state)
{
  struct fixture *fixture = calloc(1, sizeof *fixture);
  *state = fixture;
  test_make_dir(fixture->dir);
  test_path(fixture->path, fixture->dir, "table.atds");
  write_table(fixture->path);
  return 0;
}

static int
teardown(void **state)
{
  struct fixture *fixture = *state;
  test_remove_dir(fixture->dir);
  free(fixture);
  return 0;
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_jobs),     cmocka_unit_test(test_stop_rows),
    cmocka_unit_test(test_suspects), cmocka_unit_test(test_confusions),
    cmocka_unit_test(test_refusals),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
