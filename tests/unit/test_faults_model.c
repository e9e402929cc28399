/* Models of every kind while memory ends; files of each with every byte turned; specs with everything asked for. */
#include <config.h>

#include "tests/harness/scenario.h"

#include "data/image_reduce.h"
#include "model/job_spec.h"
#include "model/model_folds.h"
#include "tests/harness/toy_fit.h"

#define WIDE 64 /* a side of images that are seen reduced */

static struct buf trees_file, number_file, wide_file, bag_file, weighted_file;
static struct dataset *table, *numbers, *wide;
static json_t *schema;

/* ---- models --------------------------------------------------------------------------------------------- */

static struct model *
fit(struct toy_fit *fit)
{
  struct train_result result;
  toy_fit_run(fit, &result);
  struct model *model = result.model;
  result.model = NULL;
  train_result_clear(&result);
  return model;
}

static struct model *
fit_table(enum toy_target target, const char *family, const char *params, const double *weights)
{
  struct toy_fit one;
  toy_fit_init(&one, toy_table(160, target, TOY_NAN_AND_HUGE, 3), family, params);
  one.request.class_weights = weights;
  struct model *model = fit(&one);
  toy_fit_clear(&one);
  return model;
}

static void
save(struct model *model, struct buf *out)
{
  assert_int_equal(model_save(model, out, NULL), ERR_OK);
  assert_false(out->failed);
  model_free(model);
}

/* Large images of two classes: bright or dark. */
static struct dataset *
wide_images(size_t count)
{
  static const char *const names[] = {"dark", "bright"};
  size_t each = WIDE * WIDE;
  uint8_t *pixels = malloc(count * each);
  int32_t *labels = malloc(count * sizeof *labels);
  char folder[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  struct dataset *dataset = NULL;
  for (size_t i = 0; i < count; i++)
  {
    labels[i] = (int32_t) (i % 2);
    for (size_t p = 0; p < each; p++)
      pixels[i * each + p] = (uint8_t) (labels[i] * 120 + (int32_t) ((i * 31 + p * 7) % 100));
  }
  struct image_set set = {.count = count,
                          .height = WIDE,
                          .width = WIDE,
                          .channels = 1,
                          .pixels = pixels,
                          .labels = labels,
                          .class_names = names,
                          .class_count = 2};
  test_make_dir(folder);
  test_path(path, folder, "wide.atds");
  assert_int_equal(dataset_save_images(path, &set, NULL), ERR_OK);
  assert_int_equal(dataset_open(path, &dataset, NULL), ERR_OK);
  test_remove_dir(folder);
  free(pixels);
  free(labels);
  return dataset;
}

static bool
load_and_use(const struct buf *file, const struct dataset *dataset)
{
  static const size_t rows[] = {0, 5};
  struct model *model = NULL;
  float out[8];
  struct buf again = {0};
  json_t *importance = NULL;
  struct model_workspace *workspace = model_workspace_new();
  bool done = workspace != NULL && model_load(file->data, file->length, &model, NULL) == ERR_OK
              && model_predict_dataset(model, workspace, dataset, rows, 2, out, NULL) == ERR_OK
              && model_save(model, &again, NULL) == ERR_OK && !again.failed
              && again.length == file->length && memcmp(again.data, file->data, again.length) == 0;
  if (done && dataset_kind(dataset) == DATASET_TABLE)
    done = (importance = model_importance(model)) != NULL;
  json_decref(importance);
  buf_free(&again);
  if (model != NULL)
    model_free(model);
  if (workspace != NULL)
    model_workspace_free(workspace);
  return done;
}

static bool
run_trees(void)
{
  return load_and_use(&trees_file, table);
}

static bool
run_number(void)
{
  return load_and_use(&number_file, numbers);
}

static bool
run_wide(void)
{
  return load_and_use(&wide_file, wide);
}

static bool
run_weighted(void)
{
  return load_and_use(&weighted_file, table);
}

static bool
run_folds(void)
{
  static const size_t rows[] = {0, 5, 7};
  struct model *bag = NULL;
  float out[16];
  struct model_workspace *workspace = model_workspace_new();
  bool done = workspace != NULL && model_load(bag_file.data, bag_file.length, &bag, NULL) == ERR_OK
              && model_has_folds(bag, 2)
              && model_predict_fold(bag, 1, workspace, table, rows, 3, out, NULL) == ERR_OK;
  if (bag != NULL)
    model_free(bag);
  model_workspace_free(workspace);
  return done;
}

static bool
run_fit_wide(void)
{
  static size_t rows[24];
  struct train_result result = {0};
  struct task task;
  struct arena *arena = arena_new(0);
  json_t *params = json_loadb("{\"epochs\":1,\"units\":4,\"layers\":1}",
                              strlen("{\"epochs\":1,\"units\":4,\"layers\":1}"), 0, NULL);
  for (size_t i = 0; i < 24; i++)
    rows[i] = i;
  bool done =
    arena != NULL && params != NULL && task_make(wide, NULL, NULL, arena, &task, NULL) == ERR_OK;
  if (done)
  {
    struct train_request request = {.dataset = wide,
                                    .task = &task,
                                    .family = "mlp",
                                    .params = params,
                                    .train_rows = rows,
                                    .train_count = 18,
                                    .valid_rows = rows + 18,
                                    .valid_count = 6,
                                    .metric = METRIC_ACCURACY,
                                    .class_weight_balanced = true,
                                    .seed = 5};
    done = train_run(&request, &result, NULL) == ERR_OK;
    train_result_clear(&result);
  }
  json_decref(params);
  arena_free(arena);
  return done;
}

static bool
run_fit_ratio(void)
{
  struct toy_fit one = {0};
  struct train_result result = {0};
  static double weights[TOY_ROWS_MAX];
  /* The harness's set-up is no part of it. */
  static struct arena *arena;
  static struct task task;
  static size_t rows[100];
  if (arena == NULL)
  {
    arena = arena_new(0);
    if (arena == NULL)
      return false;
    if (task_make(numbers, "y", NULL, arena, &task, NULL) != ERR_OK)
    {
      arena_free(arena);
      arena = NULL;
      return false;
    }
  }
  for (size_t i = 0; i < TOY_ROWS_MAX; i++)
    weights[i] = 1 + (double) (i % 2);
  for (size_t i = 0; i < 100; i++)
    rows[i] = i;
  one.request = (struct train_request){.dataset = numbers,
                                       .task = &task,
                                       .family = "linear",
                                       .train_rows = rows,
                                       .train_count = 80,
                                       .valid_rows = rows + 80,
                                       .valid_count = 20,
                                       .metric = METRIC_MAE,
                                       .row_weights = weights,
                                       .seed = 2};
  bool done = train_run(&one.request, &result, NULL) == ERR_OK;
  train_result_clear(&result);
  return done;
}

/* ---- specs ---------------------------------------------------------------------------------------------- */

static bool
read_spec(const char *text, enum err wanted)
{
  static const char *const methods[] = {"bayes", "random", "grid", NULL};
  struct json_faults faults;
  struct job_spec *spec = NULL;
  struct arena *arena = arena_new(0);
  json_t *request = json_loadb(text, strlen(text), 0, NULL), *back = NULL;
  bool done = arena != NULL && request != NULL;
  if (done)
  {
    struct job_spec_context context = {
      .dataset_schema = schema, .methods = methods, .max_seconds = 1000, .max_trials = 100};
    json_faults_init(&faults, arena);
    enum err err = job_spec_from_json(request, &context, arena, &spec, &faults);
    if (err == ERR_INVALID && wanted == ERR_OK)
      fail_msg("%s: %s", faults.items[0].pointer, faults.items[0].message);
    done = err == wanted;
    if (done && wanted == ERR_OK)
      done = (back = job_spec_to_json(spec)) != NULL;
  }
  json_decref(back);
  json_decref(request);
  arena_free(arena);
  return done;
}

static bool
run_spec(void)
{
  return read_spec(
    "{\"dataset\":\"d\",\"target\":\"y\",\"task\":\"multiclass\",\"metric\":\"f1\","
    "\"deploy_as\":\"good\",\"name\":\"n\",\"budget\":{\"trials\":9,\"seconds\":60,"
    "\"target_score\":0.9,\"max_predict_us\":100},\"families\":[\"linear\",\"mlp\",\"trees\"],"
    "\"class_weight\":{\"a\":2,\"b\":0.5},\"sample_weight\":\"noise\","
    "\"validation\":{\"folds\":3,\"group\":\"color\",\"time\":\"x2\"},"
    "\"search\":{\"seed\":1,\"method\":\"bayes\",\"parallel\":2,\"warm_start_from\":\"jb_0\","
    "\"warm_start\":[[\"mlp\",{\"units\":64,\"learning_rate\":0.01},0.1],"
    "[\"trees\",{\"max_depth\":3},0.2],[\"oracle\",{},1],3],"
    "\"space\":{\"mlp\":{\"dropout\":0.1,\"optimizer\":{\"type\":\"categorical\",\"choices\":"
    "[\"sgd\"]},\"learning_rate\":{\"low\":0.001,\"high\":0.01}}}}}",
    ERR_OK);
}

static bool
run_bad_spec(void)
{
  return read_spec(
           "{\"target\":\"z\",\"task\":\"guess\",\"metric\":\"fun\",\"deploy_as\":\"not good!\","
           "\"budget\":{\"trials\":900,\"seconds\":-1},\"families\":[\"linear\",\"lienar\",7],"
           "\"class_weight\":[],\"sample_weight\":\"color\",\"validation\":{\"group\":\"zz\","
           "\"time\":\"color\",\"folds\":1},\"search\":{\"method\":\"bays\",\"space\":"
           "{\"mlp\":{\"dropuot\":1}},\"warm_start\":[]},\"more\":1}",
           ERR_INVALID)
         && read_spec(
           "{\"target\":\"y\",\"families\":[\"mlp\",\"linear\"],\"class_weight\":"
           "{\"a\":-1,\"zz\":1},\"sample_weight\":\"y\",\"validation\":{\"group\":\"x1\","
           "\"time\":\"x1\",\"stratify\":true},\"search\":{\"space\":{\"mlp\":7,"
           "\"trees\":{},\"linear\":{\"penalty\":{\"low\":5,\"high\":1}}}}}",
           ERR_INVALID)
         && read_spec("[]", ERR_INVALID);
}

static const struct scenario scenarios[] = {
  {"trees", run_trees, true, 30, false},
  {"a regression", run_number, true, 30, false},
  {"reduced images", run_wide, true, 30, false},
  {"class weights", run_weighted, true, 30, false},
  {"folds of a bag", run_folds, false, 30, false},
  {"fit of reduced images", run_fit_wide, true, 30, false},
  {"fit with row weights", run_fit_ratio, true, 30, false},
  {"spec", run_spec, true, 0, false},
  {"bad spec", run_bad_spec, true, 0, false},
};

static void
test_without_memory(void **state)
{
  (void) state;
  for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
    scenario_without_memory(&scenarios[i]);
}

/* ---- damage --------------------------------------------------------------------------------------------- */

/* Whatever byte is turned, and wherever it is cut, the file is refused. */
static void
check_damage(const struct buf *file)
{
  char *bytes = malloc(file->length);
  struct model *model = NULL;
  struct err_info info;
  memcpy(bytes, file->data, file->length);
  size_t step = file->length / 400 + 1;
  for (size_t at = 0; at < file->length; at += at < 600 ? 1 : step)
  {
    bytes[at] = (char) (bytes[at] ^ 0x41);
    info.text[0] = '\0';
    assert_int_equal(model_load(bytes, file->length, &model, &info), ERR_INVALID);
    assert_null(model);
    assert_true(info.text[0] != '\0');
    bytes[at] = file->data[at];
    assert_int_equal(model_load(bytes, at, &model, &info), ERR_INVALID);
  }
  assert_int_equal(model_load(bytes, file->length, &model, &info), ERR_OK);
  model_free(model);
  free(bytes);
}

static void
test_damage(void **state)
{
  (void) state;
  check_damage(&trees_file);
  check_damage(&number_file);
  check_damage(&wide_file);
  check_damage(&weighted_file);
  check_damage(&bag_file);
}

/* ---- misuse --------------------------------------------------------------------------------------------- */

static void
test_misuse(void **state)
{
  (void) state;
  struct model *model, *other, *bag = NULL;
  struct err_info info = {0};
  static const size_t rows[] = {0};
  float out[8];
  struct model_workspace *workspace = model_workspace_new();
  assert_int_equal(model_load(wide_file.data, wide_file.length, &model, &info), ERR_OK);
  /* Reduced images are seen alike in training and prediction. */
  assert_int_equal(model_predict_dataset(model, workspace, wide, rows, 1, out, &info), ERR_OK);
  assert_near(out[0] + out[1], 1, 1e-5);
  assert_int_equal(model_predict_dataset(model, workspace, table, rows, 1, out, &info),
                   ERR_INVALID);
  struct dataset *small = toy_images(12, 3);
  assert_int_equal(model_predict_dataset(model, workspace, small, rows, 1, out, &info),
                   ERR_INVALID);
  assert_has_text(info.text, "64 × 64");
  dataset_close(small);
  assert_null(model_importance(model));
  struct decision decision = {.has_threshold = true, .threshold = 1.5};
  assert_int_equal(model_set_decision(model, &decision, &info), ERR_INVALID);
  static const double factors[] = {1, 0};
  decision = (struct decision){.factors = factors};
  assert_int_equal(model_set_decision(model, &decision, &info), ERR_INVALID);
  /* A bag of what does not go together. */
  assert_int_equal(model_load(trees_file.data, trees_file.length, &other, &info), ERR_OK);
  struct model *members[] = {model, other};
  static const double halves[] = {0.5, 0.5};
  assert_int_equal(model_bag_take(members, halves, 2, &bag, &info), ERR_INVALID);
  assert_null(bag);
  assert_int_equal(model_bag_take(members, halves, 0, &bag, &info), ERR_INVALID);
  assert_int_equal(model_load(number_file.data, number_file.length, &model, &info), ERR_OK);
  assert_int_equal(model_set_decision(model, &decision, &info), ERR_INVALID);
  assert_int_equal(model_predict_fold(model, 0, workspace, numbers, rows, 1, out, &info),
                   ERR_INVALID);
  assert_has_text(info.text, "fold 0");
  assert_int_equal(model_load(bag_file.data, bag_file.length, &bag, &info), ERR_OK);
  assert_false(model_has_folds(bag, 3));
  double weight;
  assert_non_null(model_member(bag, 1, &weight));
  assert_near(weight, 0.5, 1e-12);
  assert_int_equal(model_predict_fold(bag, 5, workspace, table, rows, 1, out, &info), ERR_INVALID);
  members[0] = bag;
  members[1] = model;
  assert_int_equal(model_bag_take(members, halves, 2, &bag, &info), ERR_INVALID);
  assert_has_text(info.text, "another bag");
  model_workspace_free(workspace);
}

/* What can't be learned from is refused with a sentence. */
static void
test_bad_labels(void **state)
{
  (void) state;
  struct toy_fit one;
  struct train_result result;
  struct err_info info = {0};
  static double weights[TOY_ROWS_MAX];
  toy_fit_init(&one, toy_table(100, TOY_NUMBER, TOY_GOOD, 3), "linear", "{}");
  one.request.metric = METRIC_RMSLE;
  assert_int_equal(train_run(&one.request, &result, &info), ERR_INVALID);
  assert_has_text(info.text, "rmsle takes no negative targets");
  one.request.metric = METRIC_RMSE;
  one.request.row_weights = weights;
  assert_int_equal(train_run(&one.request, &result, &info), ERR_INVALID);
  assert_null(result.model);
  toy_fit_clear(&one);
  /* A regression of a column with gaps and of one that is far too large. */
  toy_fit_init(&one, toy_table(100, TOY_THREE, TOY_NAN_AND_HUGE, 3), "linear", "{}");
  assert_int_equal(task_make(one.dataset, "x1", "regression", one.arena, &one.task, &info), ERR_OK);
  one.request.metric = METRIC_RMSE;
  assert_int_equal(train_run(&one.request, &result, &info), ERR_INVALID);
  assert_has_text(info.text, "has no number to predict");
  assert_int_equal(task_make(one.dataset, "x2", "regression", one.arena, &one.task, &info),
                   ERR_INVALID);
  assert_has_text(info.text, "too large");
  /* Rows whose class is missing. */
  assert_int_equal(task_make(one.dataset, "color", NULL, one.arena, &one.task, &info), ERR_OK);
  one.request.metric = METRIC_ACCURACY;
  assert_int_equal(train_run(&one.request, &result, &info), ERR_INVALID);
  assert_has_text(info.text, "has no label");
  toy_fit_clear(&one);
}

/* ---- set-up --------------------------------------------------------------------------------------------- */

static int
set_up(void **state)
{
  (void) state;
  static const double weights[] = {1, 2, 3}, halves[] = {0.5, 0.5};
  struct model *members[2], *bag;
  no_memory_from(0, false);
  table = toy_table(160, TOY_THREE, TOY_NAN_AND_HUGE, 3);
  numbers = toy_table(160, TOY_NUMBER, TOY_GOOD, 3);
  wide = wide_images(24);
  schema = json_deep_copy(dataset_schema(table));
  save(fit_table(TOY_THREE, "trees", "{\"rounds\":3,\"max_depth\":3}", NULL), &trees_file);
  save(fit_table(TOY_NUMBER, "linear", "{}", NULL), &number_file);
  save(fit_table(TOY_THREE, "linear", "{}", weights), &weighted_file);
  struct toy_fit one;
  toy_fit_init(&one, wide_images(24), "mlp", "{\"epochs\":1,\"units\":4,\"layers\":1}");
  save(fit(&one), &wide_file);
  toy_fit_clear(&one);
  for (int f = 0; f < 2; f++)
  {
    members[f] = fit_table(TOY_THREE, "linear", "{}", NULL);
    model_set_fold(members[f], f);
  }
  assert_int_equal(model_bag_take(members, halves, 2, &bag, NULL), ERR_OK);
  save(bag, &bag_file);
  return 0;
}

static int
tear_down(void **state)
{
  (void) state;
  buf_free(&trees_file);
  buf_free(&number_file);
  buf_free(&wide_file);
  buf_free(&bag_file);
  buf_free(&weighted_file);
  dataset_close(table);
  dataset_close(numbers);
  dataset_close(wide);
  json_decref(schema);
  return 0;
}

int
main(int argc, char **argv)
{
  (void) argc;
  scenario_restart_without_cache(argv);
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_without_memory),
    cmocka_unit_test(test_damage),
    cmocka_unit_test(test_misuse),
    cmocka_unit_test(test_bad_labels),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
