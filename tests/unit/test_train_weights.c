/* Weights of rows and classes in training, quantiles, and what becomes of probabilities and labels. */
#include <config.h>

#include "tests/harness/toy_fit.h"

#include "base/rng.h"
#include "model/model_internal.h"
#include "train/fit.h"

static const char *const families[] = {"linear", "trees", "mlp"};

/* ---- whole weights against repeated rows ------------------------------------------------------------- */

#define ROWS 400
#define WIDTH 3

struct both
{
  float x[ROWS * WIDTH], all_x[ROWS * 3 * WIDTH];
  int32_t classes[ROWS], all_classes[ROWS * 3];
  float target[ROWS], all_target[ROWS * 3], weight[ROWS];
  size_t all;
};

/* Inputs take few values, so that histograms of trees have the same borders. */
static void
fill(struct both *both)
{
  struct rng rng;
  double sum = 0;
  rng_init(&rng, 12, 1);
  both->all = 0;
  for (size_t i = 0; i < ROWS; i++)
  {
    double score = 0.5 * rng_normal(&rng);
    for (size_t j = 0; j < WIDTH; j++)
    {
      both->x[i * WIDTH + j] = (float) rng_below(&rng, 7) - 3;
      score += (j == 2 ? 0.0 : j == 1 ? -0.4 : 0.3) * (double) both->x[i * WIDTH + j];
    }
    both->classes[i] = score > 0.3;
    both->target[i] = (float) score;
    size_t copies = (size_t) rng_below(&rng, 4);
    both->weight[i] = (float) copies;
    sum += (double) copies;
    for (size_t c = 0; c < copies; c++, both->all++)
    {
      memcpy(both->all_x + both->all * WIDTH, both->x + i * WIDTH, WIDTH * sizeof(float));
      both->all_classes[both->all] = both->classes[i];
      both->all_target[both->all] = both->target[i];
    }
  }
  for (size_t i = 0; i < ROWS; i++)
    both->weight[i] *= (float) (ROWS / sum);
}

/* Outputs of a body of the family on the first rows of both->x. */
static void
run_family(struct both *both, const char *family, const char *params, double quantile,
           bool regression, bool weighted, float *out)
{
  static const char *const names[] = {"a", "b"};
  struct task task = {.kind = regression ? TASK_REGRESSION : TASK_BINARY,
                      .class_count = regression ? 0 : 2,
                      .class_names = names,
                      .output_count = regression ? 1 : 2};
  json_t *json = json_loads(params, 0, NULL);
  struct train_request request = {.family = family,
                                  .params = json,
                                  .task = &task,
                                  .metric = regression ? METRIC_R2 : METRIC_LOG_LOSS,
                                  .seed = 3};
  struct fit fit = {.request = &request,
                    .outputs = task.output_count,
                    .quantile = quantile,
                    .target = {.sd = 1},
                    .train = {.count = weighted ? ROWS : both->all,
                              .width = WIDTH,
                              .x = weighted ? both->x : both->all_x,
                              .weight = weighted ? both->weight : NULL}};
  fit.shape = (struct model_data_shape){
    .task = task.kind, .rows = fit.train.count, .columns = WIDTH, .classes = task.class_count};
  if (regression)
    fit.train.target = weighted ? both->target : both->all_target;
  else
    fit.train.classes = weighted ? both->classes : both->all_classes;
  struct fit_outcome outcome = {.body = NULL};
  struct err_info info = {.text = ""};
  bool linear = strcmp(family, "linear") == 0;
  if ((linear ? fit_linear : fit_trees)(&fit, &outcome, &info) != ERR_OK)
    fail_msg("%s", info.text);
  const struct model_kind *kind = model_kind_find(family);
  struct model_workspace *workspace = model_workspace_new();
  assert_int_equal(kind->predict(outcome.body, workspace, both->x, 100, out, &info), ERR_OK);
  model_workspace_free(workspace);
  kind->free(outcome.body);
  json_decref(json);
}

static void
test_weights_repeat_rows(void **state)
{
  (void) state;
  static const struct
  {
    const char *family, *params;
    double quantile, tolerance;
    bool regression;
  } cases[] = {
    {"linear", "{\"penalty\": 0.01}", 0, 2e-3, false},
    {"linear", "{\"penalty\": 0.01}", 0, 1e-5, true},
    {"linear", "{\"penalty\": 0.01, \"l1_ratio\": 0.5}", 0, 1e-4, true},
    {"linear", "{\"penalty\": 0.0001}", 0.8, 2e-2, true},
    {"trees",
     "{\"rounds\": 20, \"subsample\": 1, \"colsample\": 1, \"min_child_weight\": 0.001, "
     "\"lambda\": "
     "0.0001, \"alpha\": 0.0001, \"max_depth\": 4}",
     0, 2e-3, false},
    {"trees",
     "{\"rounds\": 20, \"subsample\": 1, \"colsample\": 1, \"min_child_weight\": 0.001, "
     "\"lambda\": "
     "0.0001, \"alpha\": 0.0001, \"max_depth\": 4}",
     0, 2e-3, true},
  };
  struct both *both = calloc(1, sizeof *both);
  fill(both);
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
  {
    float one[200], other[200];
    double most = 0, moved = 0;
    run_family(both, cases[c].family, cases[c].params, cases[c].quantile, cases[c].regression, true,
               one);
    run_family(both, cases[c].family, cases[c].params, cases[c].quantile, cases[c].regression,
               false, other);
    for (size_t i = 0; i < 100; i++)
      most = fmax(most, fabs((double) one[i] - (double) other[i]));
    if (!(most < cases[c].tolerance))
      fail_msg("case %zu, %s: weights and repeated rows differ by %g", c, cases[c].family, most);
    /* and the weights do matter */
    struct both *even = calloc(1, sizeof *even);
    memcpy(even, both, sizeof *even);
    for (size_t i = 0; i < ROWS; i++)
      even->weight[i] = 1;
    run_family(even, cases[c].family, cases[c].params, cases[c].quantile, cases[c].regression, true,
               other);
    for (size_t i = 0; i < 100; i++)
      moved = fmax(moved, fabs((double) one[i] - (double) other[i]));
    assert_true(moved > cases[c].tolerance);
    free(even);
  }
  free(both);
}

/* ---- datasets made for one question ------------------------------------------------------------------ */

enum question
{
  RARE,      /* class "b" in about one row of twelve */
  SPREADING, /* noise grows with x1 */
  RATIOS     /* the target is a product */
};

static struct dataset *
make_set(size_t rows, enum question question, uint64_t seed)
{
  static const char *const classes[] = {"a", "b"};
  static double x1[TOY_ROWS_MAX], x2[TOY_ROWS_MAX], y[TOY_ROWS_MAX];
  static int32_t label[TOY_ROWS_MAX];
  char folder[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  struct rng rng;
  rng_init(&rng, seed, 5);
  for (size_t i = 0; i < rows; i++)
  {
    x1[i] = 2 * rng_double(&rng);
    x2[i] = rng_normal(&rng);
    double logit = -4.2 + 1.5 * x1[i] + 0.8 * x2[i];
    label[i] = rng_double(&rng) < 1 / (1 + exp(-logit));
    y[i] = x1[i] + (0.2 + x1[i]) * rng_normal(&rng);
    if (question == RATIOS)
      y[i] = exp(2 * x1[i] + x2[i] + 0.2 * rng_normal(&rng));
  }
  struct column columns[] = {{.name = "x1", .type = COLUMN_NUMERIC, .number = x1},
                             {.name = "x2", .type = COLUMN_NUMERIC, .number = x2},
                             {.name = "y", .type = COLUMN_NUMERIC, .number = y}};
  if (question == RARE)
    columns[2] = (struct column){.name = "y",
                                 .type = COLUMN_CATEGORICAL,
                                 .code = label,
                                 .categories = classes,
                                 .category_count = 2};
  struct table table = {.row_count = rows, .column_count = 3, .columns = columns};
  struct err_info info;
  test_make_dir(folder);
  test_path(path, folder, "toy.atds");
  if (dataset_save_table(path, &table, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return toy_open(folder);
}

static const char *
quick_params(size_t family)
{
  static const char *const params[] = {
    "{\"penalty\": 1e-4}", "{\"rounds\": 120, \"max_depth\": 3, \"learning_rate\": 0.1}",
    "{\"epochs\": 20, \"layers\": 1, \"units\": 32, \"batch_size\": 64}"};
  return params[family];
}

static void
labels_of(const struct toy_fit *fit, struct labels *labels, int32_t *classes, double *values)
{
  labels->count = fit->request.valid_count;
  labels->classes = fit->task.class_count > 0 ? classes : NULL;
  labels->values = fit->task.class_count > 0 ? NULL : values;
  labels->weights = NULL;
  for (size_t i = 0; i < labels->count; i++)
    if (fit->task.class_count > 0)
      classes[i] = task_class_of(&fit->task, fit->dataset, fit->request.valid_rows[i]);
    else
      values[i] = task_value_of(&fit->task, fit->dataset, fit->request.valid_rows[i]);
}

/* The model for a quantile has that share of fresh truths below it, and less of its loss than the one for
 * the mean. */
static void
test_quantiles(void **state)
{
  (void) state;
  static const enum metric metrics[] = {METRIC_QUANTILE_10, METRIC_QUANTILE_50, METRIC_QUANTILE_90};
  static double values[TOY_ROWS_MAX];
  struct labels labels;
  for (size_t f = 0; f < 3; f++)
    for (size_t q = 0; q < 3; q++)
    {
      struct toy_fit fit;
      struct train_result result, mean;
      double below = 0, level = metric_quantile(metrics[q]);
      toy_fit_init(&fit, make_set(2000, SPREADING, 31), families[f], quick_params(f));
      fit.request.train_count = 1200;
      fit.request.valid_rows = fit.rows + 1200;
      fit.request.valid_count = 800;
      fit.request.metric = METRIC_RMSE;
      toy_fit_run(&fit, &mean);
      fit.request.metric = metrics[q];
      toy_fit_run(&fit, &result);
      labels_of(&fit, &labels, NULL, values);
      for (size_t i = 0; i < labels.count; i++)
        below += values[i] <= (double) result.valid_predictions[i];
      below /= (double) labels.count;
      double loss = metric_compute(metrics[q], &fit.task, &labels, result.valid_predictions);
      double other = metric_compute(metrics[q], &fit.task, &labels, mean.valid_predictions);
      assert_near(loss, result.metric, 1e-9);
      if (fabs(below - level) > 0.06 || (level != 0.5 && !(loss < 0.85 * other)))
        fail_msg("%s at %g: %g below, loss %g, of the mean's model %g", families[f], level, below,
                 loss, other);
      train_result_clear(&mean);
      train_result_clear(&result);
      toy_fit_clear(&fit);
    }
}

static void
test_ratios(void **state)
{
  (void) state;
  for (size_t f = 0; f < 3; f++)
  {
    struct toy_fit fit;
    struct train_result plain, logs;
    static double values[TOY_ROWS_MAX];
    struct labels labels;
    toy_fit_init(&fit, make_set(1200, RATIOS, 32), families[f], quick_params(f));
    fit.request.metric = METRIC_RMSE;
    toy_fit_run(&fit, &plain);
    fit.request.metric = METRIC_RMSLE;
    toy_fit_run(&fit, &logs);
    labels_of(&fit, &labels, NULL, values);
    double of_plain = metric_compute(METRIC_RMSLE, &fit.task, &labels, plain.valid_predictions);
    double of_logs = metric_compute(METRIC_RMSLE, &fit.task, &labels, logs.valid_predictions);
    assert_near(of_logs, logs.metric, 1e-9);
    if (!(of_logs < of_plain))
      fail_msg("%s: RMSLE %g, trained for RMSE %g", families[f], of_logs, of_plain);
    train_result_clear(&plain);
    train_result_clear(&logs);
    toy_fit_clear(&fit);
  }
}

/* Probabilities of a model trained with class weights are those of the rows as they are: their log loss is
 * near that of a model without weights, and far below what the weights would make of them. */
static void
test_recalibrated(void **state)
{
  (void) state;
  static int32_t classes[TOY_ROWS_MAX];
  struct labels labels;
  for (size_t f = 0; f < 3; f++)
  {
    struct toy_fit fit;
    struct train_result result;
    static const double weights[] = {0.55, 6};
    toy_fit_init(&fit, make_set(2000, RARE, 33), families[f], quick_params(f));
    fit.request.metric = METRIC_LOG_LOSS;
    fit.request.class_weights = weights;
    toy_fit_run(&fit, &result);
    labels_of(&fit, &labels, classes, NULL);
    float *raw = malloc(labels.count * 2 * sizeof *raw);
    memcpy(raw, result.valid_predictions, labels.count * 2 * sizeof *raw);
    model_rebalance(weights, 2, labels.count, raw);
    double calibrated =
      metric_compute(METRIC_LOG_LOSS, &fit.task, &labels, result.valid_predictions);
    double before = metric_compute(METRIC_LOG_LOSS, &fit.task, &labels, raw);
    double share = 0, mean = 0;
    for (size_t i = 0; i < labels.count; i++)
    {
      share += classes[i] / (double) labels.count;
      mean += (double) result.valid_predictions[2 * i + 1] / (double) labels.count;
    }
    if (!(calibrated < 0.8 * before) || !(fabs(mean - share) < 0.05))
      fail_msg("%s: log loss %g, %g before; mean %g of %g", families[f], calibrated, before, mean,
               share);
    /* what is stored answers the same */
    struct buf bytes = {0};
    struct model *back = NULL;
    assert_int_equal(model_save(result.model, &bytes, NULL), ERR_OK);
    assert_int_equal(model_load(bytes.data, bytes.length, &back, NULL), ERR_OK);
    struct model_workspace *workspace = model_workspace_new();
    assert_int_equal(model_predict_dataset(back, workspace, fit.dataset, fit.request.valid_rows,
                                           labels.count, raw, NULL),
                     ERR_OK);
    assert_memory_equal(raw, result.valid_predictions, labels.count * 2 * sizeof *raw);
    model_workspace_free(workspace);
    model_free(back);
    buf_free(&bytes);
    free(raw);
    train_result_clear(&result);
    toy_fit_clear(&fit);
  }
}

/* A row without weight is as if it were not there; parts without any are refused. */
static void
test_weightless_rows(void **state)
{
  (void) state;
  static double weights[TOY_ROWS_MAX];
  struct toy_fit fit;
  struct train_result result, less;
  struct err_info info = {.text = ""};
  toy_fit_init(&fit, make_set(400, SPREADING, 34), "linear", "{\"penalty\": 0.01}");
  fit.request.row_weights = weights;
  assert_int_equal(train_run(&fit.request, &result, &info), ERR_INVALID);
  assert_non_null(strstr(info.text, "weights"));
  for (size_t i = 0; i < 400; i++)
    weights[i] = i < 150 ? 2 : 0;
  for (size_t i = 300; i < 400; i++)
    weights[i] = (double) (i % 2);
  toy_fit_run(&fit, &result);
  fit.request.train_count = 150;
  toy_fit_run(&fit, &less);
  /* the encoder has seen other rows, so only the score of the same rows is compared */
  assert_near(result.metric, less.metric, 0.02);
  train_result_clear(&result);
  train_result_clear(&less);
  toy_fit_clear(&fit);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_weights_repeat_rows),
    cmocka_unit_test(test_quantiles),
    cmocka_unit_test(test_ratios),
    cmocka_unit_test(test_recalibrated),
    cmocka_unit_test(test_weightless_rows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
