/* Fits and finishes of jobs while memory ends, and jobs of kinds that other tests do not finish. */
#include <config.h>

#include "tests/harness/scenario.h"

#include "base/clock.h"
#include "base/json.h"
#include "data/dataset_write.h"
#include "tests/harness/toy_data.h"
#include "tune/bbc_cv.h"
#include "tune/tune_finish.h"
#include "tune/tune_study.h"
#include "tune/tune_unit.h"

#define TRIALS 3

/* ---- time and effort, made small --------------------------------------------------------------------- */

static double clock_step; /* what each look at the clock takes; 0 = the real clock */

double __real_clock_monotonic_s(void);
double __wrap_clock_monotonic_s(void);
double
__wrap_clock_monotonic_s(void)
{
  static double now;
  if (clock_step == 0)
    return __real_clock_monotonic_s();
  return now += clock_step;
}

size_t __wrap_bbc_bootstraps(const struct bbc_request *request);
size_t
__wrap_bbc_bootstraps(const struct bbc_request *request)
{
  (void) request;
  return 3;
}

/* ---- jobs --------------------------------------------------------------------------------------------- */

struct job
{
  const char *path;
  json_t *spec, *schema;
  struct tune_data *data;
  struct tune_unit_result *results; /* (TRIALS, folds) */
  struct tune_fold_output *outputs;
  struct tune_trial trials[TRIALS];
};

static char folder[TEST_PATH_SIZE], paths[3][TEST_PATH_SIZE];
static json_t *params[TRIALS];
static struct job classes, weighted, timed, held_out, numbers, pictures;

/* Three kinds of everything, some of it missing. */
static void
write_table(const char *path, size_t rows)
{
  static const char *const kinds[] = {"iris", "lily", "rose"};
  static double x[6][200];
  static int32_t kind[200], flag[200];
  static const char *const flags[] = {"no", "yes"};
  struct rng rng;
  struct err_info info = {0};
  rng_init(&rng, 21, 1);
  for (size_t i = 0; i < rows; i++)
  {
    kind[i] = (int32_t) (i % 3);
    flag[i] = (int32_t) rng_below(&rng, 2);
    x[0][i] = (kind[i] == 0 ? 1.5 : 0) + rng_normal(&rng);
    x[1][i] = (kind[i] == 1 ? 1.5 : 0) + rng_normal(&rng);
    x[2][i] = (double) (i / 2);                  /* who */
    x[3][i] = i % 19 == 0 ? NAN : (double) i;    /* when */
    x[4][i] = 1 + (double) (i % 3);              /* weight */
    x[5][i] = fabs(3 * x[0][i] + 0.1 * x[1][i]); /* value */
  }
  struct column columns[] = {{.name = "wide", .type = COLUMN_NUMERIC, .number = x[0]},
                             {.name = "long", .type = COLUMN_NUMERIC, .number = x[1]},
                             {.name = "who", .type = COLUMN_NUMERIC, .number = x[2]},
                             {.name = "when", .type = COLUMN_NUMERIC, .number = x[3]},
                             {.name = "weight", .type = COLUMN_NUMERIC, .number = x[4]},
                             {.name = "value", .type = COLUMN_NUMERIC, .number = x[5]},
                             {.name = "flag",
                              .type = COLUMN_BOOLEAN,
                              .code = flag,
                              .categories = flags,
                              .category_count = 2},
                             {.name = "kind",
                              .type = COLUMN_CATEGORICAL,
                              .code = kind,
                              .categories = kinds,
                              .category_count = 3}};
  struct table table = {.row_count = rows, .column_count = 8, .columns = columns};
  if (dataset_save_table(path, &table, &info) != ERR_OK)
    fail_msg("%s", info.text);
}

static void
open_job(struct job *job, const char *path, const char *request)
{
  struct dataset *dataset = NULL;
  struct err_info info = {0};
  job->path = path;
  assert_int_equal(dataset_open(path, &dataset, &info), ERR_OK);
  job->spec = json_loadb(request, strlen(request), 0, NULL);
  job->schema = json_deep_copy(dataset_schema(dataset));
  dataset_close(dataset);
  if (tune_data_open(path, job->spec, job->schema, &job->data, &info) != ERR_OK)
    fail_msg("%s: %s", request, info.text);
}

/* Fits the trials; their predictions are then made to be good in turn, so that a mix of them is better. */
static void
fit_job(struct job *job, const char *const *families)
{
  size_t folds = job->data->split->fold_count, outputs = job->data->task.output_count;
  job->results = calloc(TRIALS * folds, sizeof *job->results);
  job->outputs = calloc(TRIALS * folds, sizeof *job->outputs);
  for (size_t t = 0; t < TRIALS; t++)
  {
    job->trials[t] = (struct tune_trial){.number = (int) t + 1,
                                         .family = families[t],
                                         .params = params[t],
                                         .folds = job->outputs + t * folds};
    for (size_t f = 0; f < folds; f++)
    {
      struct tune_unit unit = {
        .family = families[t], .params = params[t], .trial = t + 1, .fold = f};
      struct tune_unit_result *result = &job->results[t * folds + f];
      struct err_info info = {0};
      if (tune_unit_run(job->data, &unit, result, &info) != ERR_OK)
        fail_msg("%s: %s", families[t], info.text);
      for (size_t i = 0; i < result->prediction_count && outputs > 1; i++)
        if (i / outputs % TRIALS == t)
          result->predictions[i] = 1.0f / (float) outputs;
      job->outputs[t * folds + f] =
        (struct tune_fold_output){.predictions = result->predictions,
                                  .prediction_count = result->prediction_count,
                                  .model = result->model.data,
                                  .model_length = result->model.length,
                                  .seconds = 0.01,
                                  .best_epoch = 3};
      job->trials[t].metric += result->metric / (double) folds;
      job->trials[t].objective += result->objective / (double) folds;
    }
  }
}

static void
close_job(struct job *job)
{
  for (size_t i = 0; job->results != NULL && i < TRIALS * job->data->split->fold_count; i++)
    tune_unit_result_clear(&job->results[i]);
  free(job->results);
  free(job->outputs);
  tune_data_close(job->data);
  json_decref(job->spec);
  json_decref(job->schema);
}

static bool
open_and_close(const struct job *job)
{
  struct tune_data *data = NULL;
  bool done = tune_data_open(job->path, job->spec, job->schema, &data, NULL) == ERR_OK;
  if (!done)
    assert_null(data);
  tune_data_close(data);
  return done;
}

static bool
run_open(void)
{
  return open_and_close(&weighted);
}

static bool
run_open_timed(void)
{
  return open_and_close(&timed);
}

static bool
run_open_pictures(void)
{
  return open_and_close(&pictures);
}

static bool
fit(const struct job *job, const char *family, const char *text)
{
  struct tune_unit_result result;
  json_t *point = json_loadb(text, strlen(text), 0, NULL);
  struct tune_unit unit = {.family = family, .params = point, .trial = 7, .fold = 0};
  bool done = point != NULL && tune_unit_run(job->data, &unit, &result, NULL) == ERR_OK;
  if (done)
    done = result.prediction_count > 0 && result.model.length > 0 && result.detail != NULL;
  if (done)
    tune_unit_result_clear(&result);
  json_decref(point);
  return done;
}

static bool
run_fit_linear(void)
{
  return fit(&classes, "linear", "{}") && fit(&numbers, "linear", "{}");
}

static bool
run_fit_trees(void)
{
  return fit(&weighted, "trees", "{\"rounds\": 3, \"max_depth\": 2}");
}

static bool
run_fit_quantile(void)
{
  return fit(&numbers, "trees", "{\"rounds\": 3, \"max_depth\": 2}");
}

static bool
run_fit_mlp(void)
{
  return fit(&timed, "mlp", "{\"epochs\": 2, \"units\": 4, \"layers\": 1}");
}

static bool
run_fit_pictures(void)
{
  return fit(&pictures, "linear", "{}")
         && fit(&pictures, "mlp", "{\"epochs\": 1, \"units\": 4, \"layers\": 1}");
}

/* ---- finishes ----------------------------------------------------------------------------------------- */

enum finish_kind
{
  FINISH_WHOLE,
  FINISH_SIMPLE,
  FINISH_PROVISIONAL
};

static bool
finish(const struct job *job, enum finish_kind kind, const char *estimate)
{
  struct tune_finish finish = {.trials = job->trials,
                               .trial_count = TRIALS,
                               .provisional = kind == FINISH_PROVISIONAL,
                               .simple = kind == FINISH_SIMPLE,
                               .seconds = INFINITY,
                               .dataset_id = "ds_1",
                               .dataset_sha256 = "00",
                               .stop_reason = "budget_trials",
                               .trials_done = TRIALS};
  struct tune_outcome outcome;
  bool done = tune_finish_run(job->data, &finish, &outcome, NULL) == ERR_OK;
  if (!done)
  {
    assert_null(outcome.report);
    assert_null(outcome.schema);
    assert_null(outcome.model.data);
    return false;
  }
  done = strcmp(json_get_string(outcome.report, "estimate", ""), estimate) == 0
         && isfinite(outcome.score) && outcome.model.length > 0
         && (outcome.folds.length > 0) == (kind != FINISH_PROVISIONAL)
         && strstr(outcome.schema, job == &pictures ? "\"kind\":\"images\"" : "\"kind\":\"table\"")
              != NULL;
  tune_outcome_clear(&outcome);
  return done;
}

static bool
run_finish(void)
{
  clock_step = 0.0015;
  bool done = finish(&classes, FINISH_WHOLE, "bbc_cv");
  clock_step = 0;
  return done;
}

/* Every model is too dear to be served quickly: the mix is given up, and the best is taken all the same. */
static bool
run_finish_dear(void)
{
  clock_step = 0.01;
  bool done = finish(&classes, FINISH_WHOLE, "bbc_cv");
  clock_step = 0;
  return done;
}

static bool
run_finish_weighted(void)
{
  clock_step = 0.0015;
  bool done = finish(&weighted, FINISH_SIMPLE, "bbc_cv");
  clock_step = 0;
  return done;
}

static bool
run_finish_timed(void)
{
  clock_step = 0.0015;
  bool done = finish(&timed, FINISH_WHOLE, "bbc_cv");
  clock_step = 0;
  return done;
}

static bool
run_finish_held_out(void)
{
  clock_step = 0.0015;
  bool done = finish(&held_out, FINISH_WHOLE, "holdout")
              && finish(&held_out, FINISH_PROVISIONAL, "validation");
  clock_step = 0;
  return done;
}

static bool
run_finish_numbers(void)
{
  clock_step = 0.0015;
  bool done = finish(&numbers, FINISH_WHOLE, "bbc_cv");
  clock_step = 0;
  return done;
}

static bool
run_finish_pictures(void)
{
  clock_step = 0.0015;
  bool done =
    finish(&pictures, FINISH_WHOLE, "bbc_cv") && finish(&pictures, FINISH_PROVISIONAL, "cv");
  clock_step = 0;
  return done;
}

/* ---- the search --------------------------------------------------------------------------------------- */

static bool
search(const struct job *job, size_t trials, bool replay)
{
  struct tune_study *study = NULL;
  struct tune_suggestion suggestion;
  double points[24][64];
  bool done = tune_study_new(job->data->spec, &job->data->shape, 3, 60, &study, NULL) == ERR_OK;
  for (uint64_t trial = 1; done && trial <= trials; trial++)
  {
    struct tune_situation situation = {.next_trial = trial,
                                       .search_left_s = INFINITY,
                                       .best_value = NAN,
                                       .metric = METRIC_ACCURACY,
                                       .workers = 1};
    done = tune_study_suggest(study, &situation, &suggestion, NULL) == ERR_OK;
    if (!done)
      break;
    assert_int_equal(suggestion.decision, TUNE_ADD);
    memcpy(points[trial], suggestion.point, job->data->spec->space->count * sizeof(double));
    json_decref(suggestion.params);
    struct tune_entry ask = {.kind = TUNE_ASK, .trial = trial, .point = points[trial]};
    struct tune_entry tell = {.kind = trial % 4 == 3 ? TUNE_FAILED : TUNE_TELL,
                              .trial = trial,
                              .objective = (double) (trial * 7 % 5),
                              .seconds = 1};
    /* Another worker's trial comes between: the study starts over from its log. */
    for (size_t p = 1; replay && trial == 3 && p < job->data->spec->space->count; p++)
      if (job->data->spec->space->params[p].kind == SPACE_FLOAT && !isnan(points[trial][p]))
        points[trial][p] = job->data->spec->space->params[p].low;
    done =
      tune_study_fold(study, &ask, NULL) == ERR_OK && tune_study_fold(study, &tell, NULL) == ERR_OK;
  }
  tune_study_free(study);
  return done;
}

static bool
run_search(void)
{
  return search(&held_out, 9, false);
}

static bool
run_search_replayed(void)
{
  return search(&classes, 6, true);
}

/* ---- the tests ---------------------------------------------------------------------------------------- */

static int
set_up(void **state)
{
  (void) state;
  static const char *const linear[] = {"linear", "linear", "linear"};
  static const char *const mixed[] = {"linear", "trees", "mlp"};
  static const char *const texts[] = {"{}", "{\"l1_ratio\": 0.9}", "{\"penalty\": 0.01}"};
  no_memory_from(0, false);
  test_make_dir(folder);
  test_path(paths[0], folder, "table.atds");
  test_path(paths[1], folder, "images.atds");
  write_table(paths[0], 72);
  struct dataset *images = toy_images(48, 4);
  assert_int_equal(dataset_save_images(paths[1], dataset_images(images), NULL), ERR_OK);
  dataset_close(images);
  open_job(&classes, paths[0],
           "{\"target\":\"kind\",\"validation\":{\"folds\":2},\"metric\":\"log_loss\","
           "\"budget\":{\"trials\":9},\"search\":{\"seed\":4}}");
  open_job(&weighted, paths[0],
           "{\"target\":\"kind\",\"validation\":{\"folds\":2,\"group\":\"who\"},"
           "\"class_weight\":{\"iris\":2,\"rose\":0.5},\"sample_weight\":\"weight\","
           "\"search\":{\"seed\":4}}");
  open_job(&timed, paths[0],
           "{\"target\":\"flag\",\"validation\":{\"folds\":2,\"time\":\"when\"},\"metric\":\"f1\","
           "\"search\":{\"seed\":4}}");
  open_job(&held_out, paths[0],
           "{\"target\":\"kind\",\"validation\":{\"holdout\":0.2,\"group\":\"who\"},"
           "\"class_weight\":\"balanced\",\"families\":[\"linear\"],\"budget\":{\"trials\":9},"
           "\"search\":{\"seed\":4}}");
  open_job(&numbers, paths[0],
           "{\"target\":\"value\",\"validation\":{\"folds\":2},\"metric\":\"quantile_0.25\","
           "\"search\":{\"seed\":4}}");
  open_job(&pictures, paths[1], "{\"validation\":{\"folds\":2},\"search\":{\"seed\":4}}");
  for (size_t t = 0; t < TRIALS; t++)
    params[t] = json_loads(t == 0 ? texts[0] : "{}", 0, NULL);
  fit_job(&classes, linear);
  fit_job(&weighted, mixed);
  fit_job(&timed, linear);
  fit_job(&held_out, linear);
  fit_job(&numbers, linear);
  fit_job(&pictures, linear);
  return 0;
}

static int
tear_down(void **state)
{
  (void) state;
  struct job *jobs[] = {&classes, &weighted, &timed, &held_out, &numbers, &pictures};
  for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
    close_job(jobs[i]);
  for (size_t t = 0; t < TRIALS; t++)
    json_decref(params[t]);
  test_remove_dir(folder);
  return 0;
}

static const struct scenario scenarios[] = {
  {"open", run_open, false, 0, false},
  {"open with times", run_open_timed, false, 0, false},
  {"open images", run_open_pictures, false, 0, false},
  {"fit linear", run_fit_linear, true, 30, false},
  {"fit trees", run_fit_trees, true, 30, false},
  {"fit trees to a quantile", run_fit_quantile, true, 30, false},
  {"fit mlp", run_fit_mlp, true, 30, false},
  {"fit images", run_fit_pictures, true, 30, false},
  {"search", run_search, false, 30, true},
  {"search replayed", run_search_replayed, false, 30, true},
  {"finish", run_finish, true, 30, false},
  {"finish of dear models", run_finish_dear, true, 30, true},
  {"finish with weights", run_finish_weighted, true, 30, false},
  {"finish with times", run_finish_timed, true, 30, true},
  {"finish with report rows", run_finish_held_out, true, 30, true},
  {"finish of a regression", run_finish_numbers, true, 30, true},
  {"finish of images", run_finish_pictures, true, 30, true},
};

static void
test_without_memory(void **state)
{
  (void) state;
  for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
    scenario_without_memory(&scenarios[i]);
}

/* More trials than are mixed: the best of each family is there all the same, and those that can't be served are
 * left out. */
static void
test_many_trials(void **state)
{
  (void) state;
  struct tune_trial trials[17];
  struct tune_fold_output dropped[2] = {{0}, {0}};
  struct tune_outcome outcome;
  struct err_info info = {0};
  for (size_t t = 0; t < 17; t++)
  {
    trials[t] = classes.trials[t % TRIALS];
    trials[t].number = (int) t + 1;
  }
  trials[0].folds = dropped; /* its outputs are not kept any more */
  struct tune_fold_output unserved[2];
  memcpy(unserved, trials[1].folds, sizeof unserved);
  unserved[0].model = NULL;
  trials[1].folds = unserved;
  trials[15].family = "trees";
  trials[16].family = "mlp";
  struct tune_finish finish = {.trials = trials,
                               .trial_count = 17,
                               .seconds = INFINITY,
                               .dataset_id = "ds_1",
                               .dataset_sha256 = "00"};
  clock_step = 0.0015;
  if (tune_finish_run(classes.data, &finish, &outcome, &info) != ERR_OK)
    fail_msg("%s", info.text);
  clock_step = 0;
  json_t *member;
  size_t index;
  double weights = 0;
  assert_true(json_array_size(json_object_get(outcome.report, "members")) > 0);
  json_array_foreach(json_object_get(outcome.report, "members"), index, member)
  {
    json_int_t number = json_get_integer(member, "trial", 0);
    assert_true(number > 2 && number <= 17);
    weights += json_get_number(member, "weight", NAN);
  }
  assert_near(weights, 1, 1e-9);
  tune_outcome_clear(&outcome);
  finish.trial_count = 2;
  assert_int_equal(tune_finish_run(classes.data, &finish, &outcome, &info), ERR_NOT_FOUND);
  finish.trial_count = 0;
  assert_int_equal(tune_finish_run(classes.data, &finish, &outcome, &info), ERR_NOT_FOUND);
}

/* What a model may cost is the job's to say: a dear mix gives way to one model. */
static void
test_a_dear_mix(void **state)
{
  (void) state;
  struct job cheap = {0};
  struct tune_outcome outcome;
  open_job(&cheap, paths[0],
           "{\"target\":\"kind\",\"validation\":{\"folds\":2},\"metric\":\"log_loss\","
           "\"budget\":{\"trials\":9,\"max_predict_us\":1000},\"search\":{\"seed\":4}}");
  struct tune_finish finish = {.trials = classes.trials,
                               .trial_count = TRIALS,
                               .seconds = INFINITY,
                               .dataset_id = "ds_1",
                               .dataset_sha256 = "00"};
  clock_step = 0.0015;
  assert_int_equal(tune_finish_run(cheap.data, &finish, &outcome, NULL), ERR_OK);
  clock_step = 0;
  assert_int_equal(json_array_size(json_object_get(outcome.report, "members")), 1);
  assert_string_equal(outcome.family, "linear");
  assert_true(outcome.us_per_row > 1000);
  tune_outcome_clear(&outcome);
  close_job(&cheap);
}

static void
test_bad_jobs(void **state)
{
  (void) state;
  static const struct
  {
    const char *request, *text;
  } cases[] = {
    {"{\"target\":\"kind\",\"class_weight\":{\"tulip\":2}}", "tulip"},
    {"{\"target\":\"kind\",\"sample_weight\":\"flag\"}", "flag"},
    {"{\"target\":\"kind\",\"sample_weight\":\"nothing\"}", "nothing"},
    {"{\"target\":\"kind\",\"sample_weight\":\"long\"}", "weights must be 0 or more"},
    {"{\"target\":\"kind\",\"sample_weight\":\"when\"}", "weight"},
    {"{\"target\":\"kind\",\"metric\":\"rmse\"}", "rmse"},
    {"{\"target\":\"value\",\"metric\":\"mcc\"}", "mcc"},
    {"{\"target\":\"kind\",\"metric\":\"top_5_accuracy\"}", "top_5_accuracy"},
    {"{\"target\":\"kind\",\"validation\":{\"group\":\"flag\",\"folds\":5}}", "flag"},
    {"{\"target\":\"kind\",\"validation\":{\"time\":\"nothing\"}}", "nothing"},
    {"{}", "target"},
    {"[]", "object"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct tune_data *data = NULL;
    struct err_info info = {0};
    json_t *spec = json_loads(cases[i].request, 0, NULL);
    enum err err = tune_data_open(paths[0], spec, classes.schema, &data, &info);
    if (err != ERR_INVALID)
      fail_msg("%s: %s", cases[i].request, err_name(err));
    assert_null(data);
    assert_has_text(info.text, cases[i].text);
    json_decref(spec);
  }
  tune_data_close(NULL);
}

int
main(int argc, char **argv)
{
  (void) argc;
  scenario_restart_without_cache(argv);
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_without_memory), cmocka_unit_test(test_many_trials),
    cmocka_unit_test(test_a_dear_mix), cmocka_unit_test(test_bad_jobs)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
