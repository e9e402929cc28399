/* Every metric with and without weights against scikit-learn (tests/num/gen_metrics.py), weights against
 * repeated rows, and thresholds against trying each. */
#include <config.h>

#include "tests/harness/test_support.h"
#include "tests/num/metrics_numbers.h"

#include "base/rng.h"
#include "data/metric.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const names[] = {"a", "b", "c", "d", "e"};

static struct task
task_of(size_t classes)
{
  return (struct task){.kind = classes == 0   ? TASK_REGRESSION
                               : classes == 2 ? TASK_BINARY
                                              : TASK_MULTICLASS,
                       .class_count = classes,
                       .class_names = names,
                       .output_count = classes > 0 ? classes : 1};
}

struct expected
{
  enum metric metric;
  double plain, weighted;
};

#define EXPECT(set, METRIC, key)                                                                   \
  {                                                                                                \
    METRIC_##METRIC, set##_##key, set##_##key##_by_weight                                          \
  }

static void
check(const struct expected *expected, size_t count, size_t classes, struct labels labels,
      const double *weights, const float *predictions)
{
  struct task task = task_of(classes);
  for (size_t i = 0; i < count; i++)
  {
    labels.weights = NULL;
    double plain = metric_compute(expected[i].metric, &task, &labels, predictions);
    labels.weights = weights;
    double weighted = metric_compute(expected[i].metric, &task, &labels, predictions);
    if (!(fabs(plain - expected[i].plain) < 1e-10)
        || !(fabs(weighted - expected[i].weighted) < 1e-10))
      fail_msg("%s: %.15g and %.15g weighted, not %.15g and %.15g", metric_name(expected[i].metric),
               plain, weighted, expected[i].plain, expected[i].weighted);
  }
}

static void
test_as_scikit_learn(void **state)
{
  (void) state;
  static const struct expected two[] = {EXPECT(two, ACCURACY, accuracy),
                                        EXPECT(two, BALANCED_ACCURACY, balanced_accuracy),
                                        EXPECT(two, LOG_LOSS, log_loss),
                                        EXPECT(two, ROC_AUC, roc_auc),
                                        EXPECT(two, PR_AUC, pr_auc),
                                        EXPECT(two, F1, f1),
                                        EXPECT(two, F1_WEIGHTED, f1_weighted),
                                        EXPECT(two, F1_BINARY, f1_binary),
                                        EXPECT(two, MCC, mcc),
                                        EXPECT(two, PRECISION, precision),
                                        EXPECT(two, RECALL, recall),
                                        EXPECT(two, BRIER, brier_score)};
  static const struct expected many[] = {EXPECT(many, ACCURACY, accuracy),
                                         EXPECT(many, BALANCED_ACCURACY, balanced_accuracy),
                                         EXPECT(many, LOG_LOSS, log_loss),
                                         EXPECT(many, ROC_AUC, roc_auc),
                                         EXPECT(many, PR_AUC, pr_auc),
                                         EXPECT(many, F1, f1),
                                         EXPECT(many, F1_WEIGHTED, f1_weighted),
                                         EXPECT(many, MCC, mcc),
                                         EXPECT(many, PRECISION, precision),
                                         EXPECT(many, RECALL, recall),
                                         EXPECT(many, TOP_2_ACCURACY, top_2_accuracy),
                                         EXPECT(many, TOP_3_ACCURACY, top_3_accuracy),
                                         EXPECT(many, BRIER, brier_score)};
  static const struct expected line[] = {EXPECT(line, RMSE, rmse),
                                         EXPECT(line, MAE, mae),
                                         EXPECT(line, R2, r2),
                                         EXPECT(line, MAPE, mape),
                                         EXPECT(line, QUANTILE_10, quantile_0_1),
                                         EXPECT(line, QUANTILE_50, quantile_0_5),
                                         EXPECT(line, QUANTILE_95, quantile_0_95)};
  static const struct expected count[] = {
    EXPECT(count, RMSE, rmse),   EXPECT(count, MAE, mae),
    EXPECT(count, R2, r2),       EXPECT(count, MAPE, mape),
    EXPECT(count, RMSLE, rmsle), EXPECT(count, QUANTILE_10, quantile_0_1)};
  check(two, COUNT(two), 2, (struct labels){.count = COUNT(two_labels), .classes = two_labels},
        two_weights, two_predictions);
  check(many, COUNT(many), 5, (struct labels){.count = COUNT(many_labels), .classes = many_labels},
        many_weights, many_predictions);
  check(line, COUNT(line), 0, (struct labels){.count = COUNT(line_labels), .values = line_labels},
        line_weights, line_predictions);
  check(count, COUNT(count), 0,
        (struct labels){.count = COUNT(count_labels), .values = count_labels}, count_weights,
        count_predictions);
}

/* Whole weights, 0 among them, are what rows repeated so often would be. */
static void
test_weights_repeat_rows(void **state)
{
  (void) state;
  enum
  {
    ROWS = 60,
    MOST = ROWS * 3
  };
  static int32_t classes[ROWS], all_classes[MOST];
  static double values[ROWS], all_values[MOST], weights[ROWS];
  static float p[ROWS * 4], all_p[MOST * 4];
  struct rng rng;
  rng_init(&rng, 4, 4);
  for (size_t outputs = 1; outputs <= 4; outputs = outputs == 1 ? 2 : outputs + 2)
  {
    struct task task = task_of(outputs == 1 ? 0 : outputs);
    size_t all = 0;
    for (size_t i = 0; i < ROWS; i++)
    {
      float sum = 0;
      weights[i] = (double) rng_below(&rng, 4);
      classes[i] = (int32_t) rng_below(&rng, outputs);
      values[i] = 3 * rng_double(&rng);
      for (size_t k = 0; k < outputs; k++)
        sum += p[i * outputs + k] = 0.05f + (float) rng_below(&rng, 20) / 20;
      for (size_t k = 0; outputs > 1 && k < outputs; k++)
        p[i * outputs + k] /= sum;
      for (double w = 0; w < weights[i]; w++, all++)
      {
        all_classes[all] = classes[i];
        all_values[all] = values[i];
        memcpy(all_p + all * outputs, p + i * outputs, outputs * sizeof *p);
      }
    }
    struct labels weighted = {ROWS, outputs > 1 ? classes : NULL, outputs > 1 ? NULL : values,
                              weights};
    struct labels repeated = {all, outputs > 1 ? all_classes : NULL,
                              outputs > 1 ? NULL : all_values, NULL};
    for (size_t m = 0; m < METRIC_COUNT; m++)
    {
      double one = metric_compute((enum metric) m, &task, &weighted, p);
      double other = metric_compute((enum metric) m, &task, &repeated, all_p);
      assert_int_equal(isnan(one), !metric_fits_task((enum metric) m, task.kind));
      if (!isnan(one))
        assert_near(one, other, 1e-9);
      if (metric_tunes_threshold((enum metric) m, task.kind))
        assert_near(metric_best_threshold((enum metric) m, &task, &weighted, p, &one),
                    metric_best_threshold((enum metric) m, &task, &repeated, all_p, &other), 1e-12);
      if (!isnan(one))
        assert_near(one, other, 1e-9);
    }
    /* the report's tables, too: bins, quantiles, confusion by weight where it is by weight */
    json_t *report =
      metric_report(outputs > 1 ? METRIC_ACCURACY : METRIC_QUANTILE_90, &task, &weighted, p, NULL);
    json_t *longer = metric_report(outputs > 1 ? METRIC_ACCURACY : METRIC_QUANTILE_90, &task,
                                   &repeated, all_p, NULL);
    const char *shared = outputs > 1 ? "calibration" : "residual_quantiles";
    json_t *list = json_object_get(report, shared), *item;
    size_t index;
    json_array_foreach(list, index, item)
    {
      json_t *other = json_array_get(json_object_get(longer, shared), index);
      const char *key = outputs > 1 ? "mean_probability" : "residual";
      assert_near(json_number_value(json_object_get(item, key)),
                  json_number_value(json_object_get(other, key)), 1e-9);
    }
    assert_true(index > 0);
    json_decref(report);
    json_decref(longer);
  }
}

static void
test_best_threshold(void **state)
{
  (void) state;
  struct task task = task_of(2);
  struct labels labels = {
    .count = COUNT(two_labels), .classes = two_labels, .weights = two_weights};
  static const struct
  {
    enum metric metric;
    double best;
  } tuned[] = {{METRIC_F1_BINARY, two_best_f1_binary},
               {METRIC_MCC, two_best_mcc},
               {METRIC_BALANCED_ACCURACY, two_best_balanced_accuracy}};
  for (size_t i = 0; i < COUNT(tuned); i++)
  {
    double score;
    struct decision decision = {.has_threshold = true};
    decision.threshold =
      metric_best_threshold(tuned[i].metric, &task, &labels, two_predictions, &score);
    assert_near(score, tuned[i].best, 1e-12);
    assert_near(metric_compute_at(tuned[i].metric, &task, &labels, two_predictions, &decision),
                tuned[i].best, 1e-12);
    assert_near(metric_score(tuned[i].metric, &task, &labels, two_predictions, NULL), tuned[i].best,
                1e-12);
    assert_true(score > metric_compute(tuned[i].metric, &task, &labels, two_predictions));
  }
  /* Accuracy is decided by the likeliest; a score says so at any other threshold. */
  struct decision never = {.has_threshold = true, .threshold = 1};
  assert_near(metric_score(METRIC_ACCURACY, &task, &labels, two_predictions, NULL),
              two_accuracy_by_weight, 1e-12);
  assert_near(metric_compute_at(METRIC_RECALL, &task, &labels, two_predictions, &never), 0, 0);
}

static void
test_refused(void **state)
{
  (void) state;
  struct task number = task_of(0), four = task_of(4), two = task_of(2);
  const double mixed[] = {1, -2, NAN, 3}, zeros[] = {0, 0, NAN}, good[] = {0, 2};
  const float p[] = {0.5f, 1, 2, 3};
  struct labels negative = {.count = 4, .values = mixed}, nothing = {.count = 3, .values = zeros},
                fine = {.count = 2, .values = good}, none = {0};
  struct err_info info;
  assert_int_equal(metric_check(METRIC_RMSLE, &number, &negative, &info), ERR_INVALID);
  assert_non_null(strstr(info.text, "1 of 3"));
  assert_int_equal(metric_check(METRIC_RMSE, &number, &negative, &info), ERR_OK);
  assert_int_equal(metric_check(METRIC_RMSLE, &number, &fine, &info), ERR_OK);
  assert_int_equal(metric_check(METRIC_MAPE, &number, &nothing, &info), ERR_INVALID);
  assert_int_equal(metric_check(METRIC_MAPE, &number, &fine, &info), ERR_OK);
  assert_int_equal(metric_check(METRIC_TOP_5_ACCURACY, &four, &none, &info), ERR_INVALID);
  assert_int_equal(metric_check(METRIC_TOP_3_ACCURACY, &four, &none, &info), ERR_OK);
  assert_int_equal(metric_check(METRIC_TOP_2_ACCURACY, &two, &none, &info), ERR_INVALID);
  assert_int_equal(metric_check(METRIC_F1_BINARY, &four, &none, &info), ERR_INVALID);
  const double below[] = {1, -2};
  struct labels two_values = {.count = 2, .values = below};
  assert_true(isnan(metric_compute(METRIC_RMSLE, &number, &two_values, p)));
  const double weightless[] = {0, 0};
  fine.weights = weightless;
  assert_true(isnan(metric_compute(METRIC_RMSE, &number, &fine, p)));
}

static void
test_quantiles(void **state)
{
  (void) state;
  const double values[] = {5, 1, 3, 2}, weights[] = {1, 1, 0, 2};
  assert_near(metric_weighted_quantile(values, NULL, 4, 0.5), 2, 0);
  assert_near(metric_weighted_quantile(values, NULL, 4, 1), 5, 0);
  assert_near(metric_weighted_quantile(values, weights, 4, 0), 1, 0);
  assert_near(metric_weighted_quantile(values, weights, 4, 0.75), 2, 0);
  assert_near(metric_weighted_quantile(values, weights, 4, 0.76), 5, 0);
  assert_true(isnan(metric_weighted_quantile(values, NULL, 0, 0.5)));
  for (size_t m = 0; m < METRIC_COUNT; m++)
  {
    double level = metric_quantile((enum metric) m);
    char name[40];
    snprintf(name, sizeof name, "quantile_%g", level);
    assert_int_equal(!isnan(level), strncmp(metric_name((enum metric) m), "quantile_", 9) == 0);
    if (!isnan(level))
      assert_string_equal(name, metric_name((enum metric) m));
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_as_scikit_learn), cmocka_unit_test(test_weights_repeat_rows),
    cmocka_unit_test(test_best_threshold),  cmocka_unit_test(test_refused),
    cmocka_unit_test(test_quantiles),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
