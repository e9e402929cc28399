/* A finish whose best trial is slow keeps a fast one beside it, with a report of its own: another trial, or one model
 * instead of its folds'. */
#include <config.h>

#include "tests/harness/test_support.h"

#include "base/json.h"
#include "base/proc.h"
#include "base/rng.h"
#include "data/dataset_write.h"
#include "model/model.h"
#include "tune/tune_finish.h"
#include "tune/tune_unit.h"

#define FOLDS_MOST 10
#define TRIALS 3
#define ROWS 300

/* A number that networks can tell and lines cannot. */
static void
write_table(const char *path)
{
  double *x = calloc(ROWS, 3 * sizeof *x);
  struct rng rng;
  struct err_info info = {0};
  rng_init(&rng, 7, 17);
  for (size_t i = 0; i < ROWS; i++)
  {
    x[i] = 2 * rng_double(&rng) - 1;
    x[ROWS + i] = 2 * rng_double(&rng) - 1;
    x[2 * ROWS + i] = 3 * fabs(x[i]) + (x[i] * x[ROWS + i] > 0) + 0.1 * rng_normal(&rng);
  }
  struct column columns[] = {{.name = "x1", .type = COLUMN_NUMERIC, .number = x},
                             {.name = "x2", .type = COLUMN_NUMERIC, .number = x + ROWS},
                             {.name = "number", .type = COLUMN_NUMERIC, .number = x + 2 * ROWS}};
  struct table table = {.row_count = ROWS, .column_count = 3, .columns = columns};
  if (dataset_save_table(path, &table, &info) != ERR_OK)
    fail_msg("%s", info.text);
  free(x);
}

/* Trials of a job, best first. */
struct job
{
  char dir[TEST_PATH_SIZE];
  struct tune_data *data;
  json_t *params[TRIALS];
  struct tune_unit_result results[TRIALS][FOLDS_MOST];
  struct tune_fold_output outputs[TRIALS][FOLDS_MOST];
  struct tune_trial trials[TRIALS];
};

static void
fit(struct job *job, size_t t, const char *family, const char *params)
{
  struct err_info info = {.text = ""};
  size_t folds = job->data->split->fold_count;
  job->params[t] = json_loads(params, 0, NULL);
  job->trials[t] = (struct tune_trial){
    .number = (int) t + 1, .family = family, .params = job->params[t], .folds = job->outputs[t]};
  for (size_t f = 0; f < folds; f++)
  {
    struct tune_unit unit = {.family = family, .params = job->params[t], .trial = t + 1, .fold = f};
    struct tune_unit_result *result = &job->results[t][f];
    if (tune_unit_run(job->data, &unit, result, &info) != ERR_OK)
      fail_msg("%s", info.text);
    job->outputs[t][f] = (struct tune_fold_output){
      .predictions = result->predictions,
      .prediction_count = result->prediction_count,
      .model = result->model.data,
      .model_length = result->model.length,
      .seconds = result->seconds,
      .epochs = (size_t) json_get_integer(result->detail, "epochs", 0),
      .best_epoch = (size_t) json_get_integer(result->detail, "best_epoch", 0)};
    job->trials[t].metric += result->metric / (double) folds;
    job->trials[t].objective += result->objective / (double) folds;
  }
}

static int
setup(void **state)
{
  struct job *job = calloc(1, sizeof *job);
  char path[TEST_PATH_SIZE];
  struct err_info info = {.text = ""};
  struct dataset *dataset = NULL;
  *state = job;
  test_make_dir(job->dir);
  test_path(path, job->dir, "table.atds");
  write_table(path);
  assert_int_equal(dataset_open(path, &dataset, &info), ERR_OK);
  json_t *spec = json_loads("{\"target\":\"number\",\"search\":{\"seed\":4}}", 0, NULL);
  if (tune_data_open(path, spec, dataset_schema(dataset), &job->data, &info) != ERR_OK)
    fail_msg("%s", info.text);
  json_decref(spec);
  dataset_close(dataset);
  fit(job, 0, "mlp", "{\"units\":768,\"layers\":4,\"epochs\":20}");
  fit(job, 1, "linear", "{}");
  fit(job, 2, "mlp", "{\"units\":256,\"layers\":2,\"epochs\":3}");
  assert_true(job->trials[0].objective < job->trials[1].objective);
  return 0;
}

static int
teardown(void **state)
{
  struct job *job = *state;
  for (size_t t = 0; t < TRIALS; t++)
  {
    for (size_t f = 0; f < job->data->split->fold_count; f++)
      tune_unit_result_clear(&job->results[t][f]);
    json_decref(job->params[t]);
  }
  tune_data_close(job->data);
  test_remove_dir(job->dir);
  free(job);
  return 0;
}

/* Of the trials from `first`, so many. */
static struct tune_outcome
finish(const struct job *job, size_t first, size_t count, struct tune_finish how)
{
  struct tune_outcome outcome;
  struct err_info info = {.text = ""};
  how.trials = job->trials + first;
  how.trial_count = count;
  how.dataset_id = "ds_1";
  how.dataset_sha256 = "00";
  if (tune_finish_run(job->data, &how, &outcome, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return outcome;
}

static void
test_fast(void **state)
{
  struct tune_outcome outcome = finish(*state, 0, 2, (struct tune_finish){.seconds = INFINITY});
  const struct tune_outcome *fast = outcome.fast;
  struct model *model = NULL;
  assert_true(outcome.us_per_row > 100);
  assert_non_null(fast);
  assert_null(fast->fast);
  assert_string_equal(fast->family, "linear");
  assert_true(fast->us_per_row <= 100);
  assert_true(fast->score > outcome.score); /* RMSE */
  assert_near(json_get_number(fast->report, "score", NAN), fast->score, 0);
  assert_near(json_get_number(fast->report, "us_per_row", NAN), fast->us_per_row, 0);
  assert_string_equal(json_get_string(fast->report, "estimate", ""), "bbc_cv");
  assert_true(json_get_bool(fast->report, "final", false));
  const json_t *members = json_object_get(fast->report, "members");
  assert_int_equal(json_array_size(members), 1);
  assert_int_equal(json_get_integer(json_array_get(members, 0), "trial", 0), 2);
  assert_non_null(fast->schema);
  assert_int_equal(model_load(fast->model.data, fast->model.length, &model, NULL), ERR_OK);
  struct model_about about;
  model_about(model, &about);
  struct tune_outcome alone = finish(*state, 1, 1, (struct tune_finish){.seconds = INFINITY});
  if (alone.us_per_row <= 2)                 /* not so on a slow machine */
    assert_int_equal(about.member_count, 5); /* a bag of its folds */
  tune_outcome_clear(&alone);
  assert_non_null(about.interval);
  model_free(model);
  tune_outcome_clear(&outcome);
  assert_null(outcome.fast);
}

/* Nothing beside a fast one, nor where there is no time for it, nor while the search goes on. */
static void
test_no_other(void **state)
{
  static const struct tune_finish how[] = {{.seconds = INFINITY, .simple = true},
                                           {.seconds = INFINITY, .provisional = true},
                                           {.seconds = 1e-6}};
  for (size_t i = 0; i < 3; i++)
  {
    struct tune_outcome outcome = finish(*state, 0, 2, how[i]);
    assert_true(outcome.us_per_row > 100);
    assert_null(outcome.fast);
    tune_outcome_clear(&outcome);
  }
  struct tune_outcome outcome = finish(*state, 1, 1, (struct tune_finish){.seconds = INFINITY});
  if (outcome.us_per_row <= 3) /* not so on a slow machine */
    assert_null(outcome.fast);
  tune_outcome_clear(&outcome);
}

/* Where one trial is all there is, `fast` is one model of all rows, that takes what one fold's model takes; it is
 * settled as the bag is, by what the folds' models say of rows they have not seen. */
static void
test_once(void **state)
{
  const struct job *job = *state;
  struct tune_outcome outcome = finish(job, 0, 1, (struct tune_finish){.seconds = INFINITY});
  const struct tune_outcome *fast = outcome.fast;
  struct model *model = NULL, *best = NULL;
  struct model_about about, about_best;
  assert_non_null(fast);
  assert_string_equal(fast->family, "mlp");
  assert_true(fast->us_per_row < outcome.us_per_row / 2);
  assert_near(fast->score, outcome.score, 1e-9);
  assert_string_equal(json_get_string(fast->report, "estimate", ""), "bbc_cv");
  const json_t *refit = json_object_get(fast->report, "refit");
  assert_string_equal(json_get_string(refit, "trained_on", ""), "folds");
  assert_true(json_get_bool(refit, "kept", false));
  assert_int_equal(json_get_integer(refit, "rows", 0), ROWS);
  const char *warning =
    json_string_value(json_array_get(json_object_get(fast->report, "warnings"), 0));
  assert_non_null(strstr(warning, "fitted again on the rows of all folds"));
  assert_int_equal(model_load(fast->model.data, fast->model.length, &model, NULL), ERR_OK);
  assert_int_equal(model_load(outcome.model.data, outcome.model.length, &best, NULL), ERR_OK);
  model_about(model, &about);
  model_about(best, &about_best);
  assert_int_equal(about.member_count, 1);
  assert_int_equal(about.fold, -1);
  assert_int_equal(about_best.member_count, 5);
  assert_non_null(about.interval);
  assert_int_equal(about.interval->rows, about_best.interval->rows);
  assert_int_equal(about.interval->score_count, about_best.interval->score_count);
  for (size_t i = 0; i < about.interval->score_count; i++)
    assert_near(about.interval->score[i], about_best.interval->score[i], 0);
  model_free(best);
  model_free(model);
  tune_outcome_clear(&outcome);
}

/* No time is left to fit again, or how long it took is not known: one fold's model is there. */
static void
test_once_without_time(void **state)
{
  const struct job *job = *state;
  struct tune_fold_output outputs[FOLDS_MOST];
  struct tune_trial trial = job->trials[0];
  memcpy(outputs, job->outputs[0], sizeof outputs);
  trial.folds = outputs;
  static const double seconds[] = {0, 1e9};
  for (size_t i = 0; i < 2; i++)
  {
    struct job other = *job;
    outputs[0].seconds = seconds[i];
    other.trials[0] = trial;
    struct tune_outcome outcome = finish(&other, 0, 1, (struct tune_finish){.seconds = INFINITY});
    assert_non_null(outcome.fast);
    assert_near(outcome.fast->score, outcome.score, 1e-9);
    const json_t *refit = json_object_get(outcome.fast->report, "refit");
    assert_false(json_get_bool(refit, "kept", true));
    assert_string_equal(json_get_string(refit, "reason", ""), "time");
    assert_string_equal(json_get_string(refit, "trained_on", ""), "fold");
    assert_int_equal(json_get_integer(refit, "rows", 0), ROWS * 4 / 5);
    tune_outcome_clear(&outcome);
    outcome = finish(&other, 0, 2, (struct tune_finish){.seconds = INFINITY});
    assert_non_null(outcome.fast);
    assert_string_equal(outcome.fast->family, "linear");
    tune_outcome_clear(&outcome);
  }
}

/* The same finish twice gives the same bytes. */
static void
test_once_again(void **state)
{
  struct tune_outcome one = finish(*state, 2, 1, (struct tune_finish){.seconds = INFINITY});
  struct tune_outcome two = finish(*state, 2, 1, (struct tune_finish){.seconds = INFINITY});
  assert_non_null(one.fast);
  assert_non_null(two.fast);
  assert_int_equal(one.fast->model.length, two.fast->model.length);
  assert_memory_equal(one.fast->model.data, two.fast->model.data, one.fast->model.length);
  tune_outcome_clear(&two);
  tune_outcome_clear(&one);
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_fast),       cmocka_unit_test(test_no_other),
    cmocka_unit_test(test_once),       cmocka_unit_test(test_once_without_time),
    cmocka_unit_test(test_once_again),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
