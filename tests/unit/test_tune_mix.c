/* Which trials a finish mixes, and how many of them it serves: from made-up predictions of known errors. */
#include <config.h>

#include "tests/harness/test_support.h"
#include "tests/harness/toy_data.h"

#include "base/json.h"
#include "base/proc.h"
#include "base/rng.h"
#include "data/dataset_write.h"
#include "tune/tune_finish.h"
#include "tune/tune_unit.h"

#define FOLDS 5
#define GOOD 10
#define TRIALS 14
#define ROWS 400
#define CLASSES 3 /* of toy images */

/* A job on numbers whose trials all have the models of one line, or one on images, and the predictions that a test
 * gives them. */
struct job
{
  char dir[TEST_PATH_SIZE];
  struct tune_data *data;
  json_t *params[TRIALS];
  struct tune_unit_result results[FOLDS];
  struct tune_fold_output outputs[TRIALS][FOLDS];
  struct tune_trial trials[TRIALS];
  float predictions[TRIALS][ROWS * CLASSES];
};

static void
open_data(struct job *job)
{
  static double x[2 * ROWS];
  char path[TEST_PATH_SIZE];
  struct rng rng;
  struct err_info info = {.text = ""};
  struct dataset *dataset = NULL;
  rng_init(&rng, 3, 17);
  for (size_t i = 0; i < ROWS; i++)
  {
    x[i] = rng_normal(&rng);
    x[ROWS + i] = x[i] + rng_normal(&rng);
  }
  struct column columns[] = {{.name = "x", .type = COLUMN_NUMERIC, .number = x},
                             {.name = "number", .type = COLUMN_NUMERIC, .number = x + ROWS}};
  struct table table = {.row_count = ROWS, .column_count = 2, .columns = columns};
  test_path(path, job->dir, "table.atds");
  if (dataset_save_table(path, &table, &info) != ERR_OK)
    fail_msg("%s", info.text);
  assert_int_equal(dataset_open(path, &dataset, &info), ERR_OK);
  json_t *spec = json_loads("{\"target\":\"number\",\"search\":{\"seed\":4}}", 0, NULL);
  if (tune_data_open(path, spec, dataset_schema(dataset), &job->data, &info) != ERR_OK)
    fail_msg("%s", info.text);
  json_decref(spec);
  dataset_close(dataset);
  assert_int_equal(job->data->split->fold_count, FOLDS);
}

/* A search on them that is given seconds ends with long fits. */
static void
open_images(struct job *job)
{
  char path[TEST_PATH_SIZE];
  struct err_info info = {.text = ""};
  struct dataset *dataset = toy_images(ROWS, 4);
  test_path(path, job->dir, "images.atds");
  assert_int_equal(dataset_save_images(path, dataset_images(dataset), &info), ERR_OK);
  json_t *spec = json_loads("{\"metric\": \"accuracy\", \"budget\": {\"seconds\": 100},"
                            " \"validation\": {\"folds\": 5}, \"search\": {\"seed\": 4}}",
                            0, NULL);
  if (tune_data_open(path, spec, dataset_schema(dataset), &job->data, &info) != ERR_OK)
    fail_msg("%s", info.text);
  json_decref(spec);
  dataset_close(dataset);
  assert_int_equal(job->data->task.output_count, CLASSES);
  assert_int_equal(job->data->split->fold_count, FOLDS);
}

static int
setup_with(void **state, void (*open)(struct job *))
{
  struct job *job = calloc(1, sizeof *job);
  struct err_info info = {.text = ""};
  *state = job;
  test_make_dir(job->dir);
  open(job);
  json_t *params = json_object();
  for (size_t f = 0; f < FOLDS; f++)
  {
    struct tune_unit unit = {.family = "linear", .params = params, .trial = 1, .fold = f};
    if (tune_unit_run(job->data, &unit, &job->results[f], &info) != ERR_OK)
      fail_msg("%s", info.text);
  }
  json_decref(params);
  return 0;
}

static int
setup(void **state)
{
  return setup_with(state, open_data);
}

static int
setup_images(void **state)
{
  return setup_with(state, open_images);
}

static int
teardown(void **state)
{
  struct job *job = *state;
  for (size_t f = 0; f < FOLDS; f++)
    tune_unit_result_clear(&job->results[f]);
  tune_data_close(job->data);
  test_remove_dir(job->dir);
  free(job);
  return 0;
}

/* The number of a row, off by so much; or the probabilities of its classes, one in `spread` of them another's. */
static size_t
predict_row(const struct tune_data *data, size_t row, double spread, struct rng *rng, float *out)
{
  if (data->shape.kind != DATASET_IMAGES)
  {
    *out = (float) (task_value_of(&data->task, data->dataset, row) + spread * rng_normal(rng));
    return 1;
  }
  size_t label = (size_t) task_class_of(&data->task, data->dataset, row);
  if (rng_double(rng) < spread)
    label = (label + 1) % CLASSES;
  for (size_t c = 0; c < CLASSES; c++)
    out[c] = c == label ? 0.6f : 0.2f;
  return CLASSES;
}

/* Trial t's predictions are off by spread[t], each independently. */
static struct tune_outcome
finish(struct job *job, const double *spread, size_t count)
{
  struct tune_outcome outcome;
  struct err_info info = {.text = ""};
  for (size_t t = 0; t < count; t++)
  {
    struct rng rng;
    size_t at = 0;
    rng_init(&rng, t + 1, 18);
    job->params[t] = json_pack("{s:f}", "penalty", 0.001 * (double) (t + 1));
    job->trials[t] = (struct tune_trial){
      .number = (int) t + 1,
      .family = "linear",
      .params = job->params[t],
      .metric = spread[t],
      .objective = job->data->shape.kind == DATASET_IMAGES ? spread[t] - 1 : spread[t],
      .folds = job->outputs[t]};
    for (size_t f = 0; f < FOLDS; f++)
    {
      size_t *rows = NULL, rows_count = 0;
      assert_int_equal(split_valid_rows(job->data->split, f, &rows, &rows_count), ERR_OK);
      job->outputs[t][f] =
        (struct tune_fold_output){.predictions = job->predictions[t] + at,
                                  .prediction_count = rows_count * job->data->task.output_count,
                                  .model = job->results[f].model.data,
                                  .model_length = job->results[f].model.length};
      for (size_t i = 0; i < rows_count; i++)
        at += predict_row(job->data, rows[i], spread[t], &rng, job->predictions[t] + at);
      free(rows);
    }
  }
  struct tune_finish how = {.seconds = INFINITY,
                            .trials = job->trials,
                            .trial_count = count,
                            .dataset_id = "ds_1",
                            .dataset_sha256 = "00"};
  if (tune_finish_run(job->data, &how, &outcome, &info) != ERR_OK)
    fail_msg("%s", info.text);
  for (size_t t = 0; t < count; t++)
    json_decref(job->params[t]);
  return outcome;
}

/* The members' weights; how many there are. */
static size_t
weights_of(const struct tune_outcome *outcome, double *weights)
{
  size_t i;
  json_t *member;
  const json_t *members = json_object_get(outcome->report, "members");
  memset(weights, 0, (TRIALS + 1) * sizeof *weights);
  json_array_foreach(members, i, member) weights[json_get_integer(member, "trial", 0)] =
    json_get_number(member, "weight", NAN);
  return json_array_size(members);
}

static void
test_mixes_good_ones(void **state)
{
  double spread[TRIALS], weights[TRIALS + 1], sum = 0;
  for (size_t t = 0; t < TRIALS; t++)
    spread[t] = t < GOOD ? 1 + 0.02 * (double) t : 6;
  struct tune_outcome outcome = finish(*state, spread, TRIALS);
  const json_t *ensemble = json_object_get(outcome.report, "ensemble");
  size_t members = weights_of(&outcome, weights);
  assert_string_equal(outcome.family, "bag");
  assert_true(json_get_bool(ensemble, "used", false));
  assert_true(json_get_number(ensemble, "better_in", NAN) > 0.99);
  assert_true(outcome.score < 0.6); /* of ten alike it were 0.32 */
  assert_in_range(members, 4, GOOD);
  for (size_t t = 1; t <= TRIALS; t++)
  {
    assert_true(weights[t] == 0 || weights[t] >= 0.05); /* none for next to nothing */
    assert_true(t <= GOOD || weights[t] == 0);
    sum += weights[t];
  }
  assert_near(sum, 1, 1e-9);
  tune_outcome_clear(&outcome);
}

/* Two good ones among many bad: these get nothing, however often the selection is repeated. */
static void
test_few_good_ones(void **state)
{
  double spread[TRIALS] = {1, 1.05}, weights[TRIALS + 1];
  for (size_t t = 2; t < TRIALS; t++)
    spread[t] = 5;
  struct tune_outcome outcome = finish(*state, spread, TRIALS);
  assert_int_equal(weights_of(&outcome, weights), 2);
  assert_true(weights[1] > 0.35 && weights[2] > 0.35);
  tune_outcome_clear(&outcome);
}

static void
test_one_that_is_enough(void **state)
{
  double spread[] = {0.01, 3, 3.1}, weights[TRIALS + 1];
  struct tune_outcome outcome = finish(*state, spread, 3);
  assert_int_equal(weights_of(&outcome, weights), 1);
  assert_string_equal(outcome.family, "linear");
  assert_false(json_get_bool(json_object_get(outcome.report, "ensemble"), "used", true));
  tune_outcome_clear(&outcome);
}

/* Of a search with long fits, those that were cut short are left out, though three of them would correct a fourth. */
static void
test_long_ones_alone(void **state)
{
  double spread[] = {0.2, 0.21, 0.22, 0.26, 0.27, 0.28}, weights[TRIALS + 1];
  struct tune_outcome outcome = finish(*state, spread, 6);
  assert_int_equal(weights_of(&outcome, weights), 3);
  assert_true(weights[1] > 0 && weights[2] > 0 && weights[3] > 0);
  tune_outcome_clear(&outcome);
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_mixes_good_ones, setup, teardown),
    cmocka_unit_test_setup_teardown(test_few_good_ones, setup, teardown),
    cmocka_unit_test_setup_teardown(test_one_that_is_enough, setup, teardown),
    cmocka_unit_test_setup_teardown(test_long_ones_alone, setup_images, teardown),
  };
  return cmocka_run_group_tests_name("test_tune_mix", tests, NULL, NULL);
}
