/* Scores against scikit-learn's (tests/num/gen_metrics.py), and the edges it does not have. */
#include <config.h>

#include <stdio.h>

#include "tests/harness/test_support.h"
#include "tests/num/metrics_numbers.h"

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

static void
test_two_classes(void **state)
{
  (void) state;
  struct task task = task_of(2);
  struct labels labels = {.count = COUNT(two_labels), .classes = two_labels};
  const float *p = two_predictions;
  assert_near(metric_compute(METRIC_ACCURACY, &task, &labels, p), two_accuracy, 1e-12);
  assert_near(metric_compute(METRIC_BALANCED_ACCURACY, &task, &labels, p), two_balanced_accuracy,
              1e-12);
  assert_near(metric_compute(METRIC_LOG_LOSS, &task, &labels, p), two_log_loss, 1e-12);
  assert_near(metric_compute(METRIC_ROC_AUC, &task, &labels, p), two_roc_auc, 1e-12);
  assert_near(metric_compute(METRIC_F1, &task, &labels, p), two_f1, 1e-12);
  assert_true(isnan(metric_compute(METRIC_RMSE, &task, &labels, p)));
  assert_near(metric_objective(METRIC_ACCURACY, &task, &labels, p, NULL),
              -two_accuracy + 1e-3 * two_log_loss, 1e-12);
  assert_near(metric_objective(METRIC_LOG_LOSS, &task, &labels, p, NULL), two_log_loss, 1e-12);
}

static void
test_many_classes(void **state)
{
  (void) state;
  struct task task = task_of(5);
  struct labels labels = {.count = COUNT(many_labels), .classes = many_labels};
  const float *p = many_predictions;
  assert_near(metric_compute(METRIC_ACCURACY, &task, &labels, p), many_accuracy, 1e-12);
  assert_near(metric_compute(METRIC_BALANCED_ACCURACY, &task, &labels, p), many_balanced_accuracy,
              1e-12);
  assert_near(metric_compute(METRIC_LOG_LOSS, &task, &labels, p), many_log_loss, 1e-12);
  assert_near(metric_compute(METRIC_ROC_AUC, &task, &labels, p), many_roc_auc, 1e-12);
  assert_near(metric_compute(METRIC_F1, &task, &labels, p), many_f1, 1e-12);
}

static void
test_regression(void **state)
{
  (void) state;
  struct task task = task_of(0);
  struct labels labels = {.count = COUNT(line_labels), .values = line_labels};
  const float *p = line_predictions;
  assert_near(metric_compute(METRIC_RMSE, &task, &labels, p), line_rmse, 1e-12);
  assert_near(metric_compute(METRIC_MAE, &task, &labels, p), line_mae, 1e-12);
  assert_near(metric_compute(METRIC_R2, &task, &labels, p), line_r2, 1e-12);
  assert_near(metric_objective(METRIC_R2, &task, &labels, p, NULL), -line_r2, 1e-12);
  assert_near(metric_objective(METRIC_RMSE, &task, &labels, p, NULL), line_rmse, 1e-12);
}

static void
test_undefined(void **state)
{
  (void) state;
  struct task two = task_of(2), line = task_of(0);
  const int32_t ones[] = {1, 1}, strange[] = {1, 7};
  const float p[] = {0.3f, 0.7f, 0.4f, 0.6f}, bad[] = {0.3f, NAN, 0.4f, 0.6f};
  const double same[] = {2, 2}, holes[] = {1, NAN};
  struct labels one_class = {.count = 2, .classes = ones}, none = {.count = 0, .classes = ones},
                outside = {.count = 2, .classes = strange}, constant = {.count = 2, .values = same},
                missing = {.count = 2, .values = holes};
  assert_true(isnan(metric_compute(METRIC_ROC_AUC, &two, &one_class, p)));
  assert_near(metric_compute(METRIC_ACCURACY, &two, &one_class, p), 1, 0);
  assert_true(isnan(metric_compute(METRIC_ACCURACY, &two, &none, p)));
  assert_true(isnan(metric_compute(METRIC_ACCURACY, &two, &outside, p)));
  assert_true(isnan(metric_compute(METRIC_LOG_LOSS, &two, &one_class, bad)));
  assert_true(isnan(metric_compute(METRIC_R2, &line, &constant, p)));
  assert_true(isnan(metric_compute(METRIC_RMSE, &line, &missing, p)));
  /* A certain error costs much, but not infinitely much. */
  const float sure[] = {1, 0, 0, 1};
  double loss = metric_compute(METRIC_LOG_LOSS, &two, &one_class, sure);
  assert_true(isfinite(loss) && loss > 5);
}

static void
test_ties_count_half(void **state)
{
  (void) state;
  struct task two = task_of(2);
  const int32_t classes[] = {1, 0, 1, 0};
  const float equal[] = {.5f, .5f, .5f, .5f, .5f, .5f, .5f, .5f};
  const float half[] = {.2f, .8f, .2f, .8f, .1f, .9f, .9f, .1f};
  struct labels labels = {.count = 4, .classes = classes};
  assert_near(metric_compute(METRIC_ROC_AUC, &two, &labels, equal), 0.5, 0);
  assert_near(metric_compute(METRIC_ROC_AUC, &two, &labels, half), 3.5 / 4, 0);
}

static void
test_names(void **state)
{
  (void) state;
  for (size_t m = 0; m < METRIC_COUNT; m++)
  {
    enum metric found;
    assert_true(metric_parse(metric_name((enum metric) m), &found));
    assert_int_equal(found, m);
    assert_int_equal((metric_fits_task((enum metric) m, TASK_BINARY)
                      || metric_fits_task((enum metric) m, TASK_MULTICLASS))
                       + metric_fits_task((enum metric) m, TASK_REGRESSION),
                     1);
  }
  enum metric found;
  assert_false(metric_parse("accuracies", &found));
  assert_false(metric_higher_is_better(METRIC_LOG_LOSS));
  assert_true(metric_higher_is_better(METRIC_R2));
  struct task three = task_of(3), line = task_of(0);
  assert_int_equal(metric_default(&three, (const size_t[]){50, 45, 5}), METRIC_BALANCED_ACCURACY);
  assert_int_equal(metric_default(&three, (const size_t[]){50, 40, 10}), METRIC_ACCURACY);
  assert_int_equal(metric_default(&line, NULL), METRIC_RMSE);
}

static double
number_at(const json_t *object, const char *name)
{
  return json_number_value(json_object_get(object, name));
}

static void
test_report_two(void **state)
{
  (void) state;
  struct task task = task_of(2);
  struct labels labels = {.count = COUNT(two_labels), .classes = two_labels};
  json_t *report = metric_report(METRIC_ACCURACY, &task, &labels, two_predictions, NULL);
  assert_non_null(report);
  assert_near(number_at(json_object_get(report, "metrics"), "roc_auc"), two_roc_auc, 1e-12);
  const json_t *matrix = json_object_get(json_object_get(report, "confusion"), "matrix");
  json_int_t cells = 0, right = 0;
  for (size_t t = 0; t < 2; t++)
    for (size_t p = 0; p < 2; p++)
    {
      json_int_t n = json_integer_value(json_array_get(json_array_get(matrix, t), p));
      cells += n;
      right += t == p ? n : 0;
    }
  assert_int_equal(cells, labels.count);
  assert_near((double) right / (double) cells, two_accuracy, 1e-12);
  /* The trapezoids under the drawn curve are the exact area. */
  const json_t *roc = json_object_get(report, "roc");
  double area = 0;
  for (size_t i = 1; i < json_array_size(roc); i++)
  {
    const json_t *a = json_array_get(roc, i - 1), *b = json_array_get(roc, i);
    area +=
      (number_at(b, "fpr") - number_at(a, "fpr")) * (number_at(a, "tpr") + number_at(b, "tpr")) / 2;
  }
  assert_near(area, two_roc_auc, 1e-12);
  const json_t *last_pr = json_array_get(json_object_get(report, "pr"),
                                         json_array_size(json_object_get(report, "pr")) - 1);
  assert_near(number_at(last_pr, "recall"), 1, 1e-12);
  json_int_t rows = 0;
  const json_t *bins = json_object_get(report, "calibration");
  assert_int_equal(json_array_size(bins), 10);
  for (size_t b = 0; b < 10; b++)
    rows += json_integer_value(json_object_get(json_array_get(bins, b), "count"));
  assert_int_equal(rows, labels.count);
  json_decref(report);
}

static void
test_report_line(void **state)
{
  (void) state;
  struct task task = task_of(0);
  struct labels labels = {.count = COUNT(line_labels), .values = line_labels};
  json_t *report = metric_report(METRIC_RMSE, &task, &labels, line_predictions, NULL);
  const json_t *quantiles = json_object_get(report, "residual_quantiles");
  assert_int_equal(json_array_size(quantiles), 7);
  double before = -INFINITY;
  for (size_t q = 0; q < 7; q++)
  {
    double value = number_at(json_array_get(quantiles, q), "residual");
    assert_true(value >= before);
    before = value;
  }
  assert_int_equal(json_array_size(json_object_get(report, "sample")), labels.count);
  json_decref(report);
}

static void
test_curves_are_thinned(void **state)
{
  (void) state;
  enum
  {
    ROWS = 5000
  };
  static int32_t classes[ROWS];
  static float p[2 * ROWS];
  for (size_t i = 0; i < ROWS; i++)
  {
    classes[i] = (i * 7919) % 3 == 0;
    p[2 * i + 1] = (float) ((i * 104729) % 10007) / 10007.0f;
    p[2 * i] = 1.0f - p[2 * i + 1];
  }
  struct task task = task_of(2);
  struct labels labels = {.count = ROWS, .classes = classes};
  json_t *report = metric_report(METRIC_ACCURACY, &task, &labels, p, NULL);
  const json_t *roc = json_object_get(report, "roc");
  assert_int_equal(json_array_size(roc), 200);
  assert_near(number_at(json_array_get(roc, 199), "tpr"), 1, 0);
  assert_near(number_at(json_array_get(roc, 0), "fpr"), 0, 0);
  assert_int_equal(json_array_size(json_object_get(report, "pr")), 200);
  json_decref(report);
}

/* Of 25 classes the 20 with the lowest F1 have curves against the rest. */
static void
test_class_curves(void **state)
{
  (void) state;
  enum
  {
    CLASSES = 25,
    ROWS = CLASSES * 80
  };
  static int32_t classes[ROWS];
  static float p[ROWS * CLASSES];
  char texts[CLASSES][8];
  const char *name_of[CLASSES];
  for (size_t k = 0; k < CLASSES; k++)
  {
    snprintf(texts[k], sizeof texts[k], "c%zu", k);
    name_of[k] = texts[k];
  }
  for (size_t i = 0; i < ROWS; i++)
  {
    size_t k = i % CLASSES;
    classes[i] = (int32_t) k;
    /* class k is found in 2k + 20 of its 80 rows, the others go to the next: class 1 gets more wrong ones than 0 */
    size_t said = i / CLASSES < 2 * k + 20 ? k : (k + 1) % CLASSES;
    p[i * CLASSES + said] = 0.5f + 0.001f * (float) (i % 97);
  }
  struct task task = task_of(CLASSES);
  task.class_names = name_of;
  struct labels labels = {.count = ROWS, .classes = classes};
  json_t *report = metric_report(METRIC_ACCURACY, &task, &labels, p, NULL);
  const json_t *curves = json_object_get(report, "class_curves");
  assert_int_equal(json_array_size(curves), 20);
  assert_null(json_object_get(report, "roc"));
  assert_string_equal(json_string_value(json_object_get(json_array_get(curves, 0), "class")), "c1");
  for (size_t c = 0; c < 20; c++)
  {
    const json_t *curve = json_array_get(curves, c), *roc = json_object_get(curve, "roc");
    assert_true(json_array_size(roc) >= 2 && json_array_size(roc) <= 50);
    assert_true(json_array_size(json_object_get(curve, "pr")) <= 50);
    double area = 0;
    for (size_t i = 1; i < json_array_size(roc); i++)
    {
      const json_t *a = json_array_get(roc, i - 1), *b = json_array_get(roc, i);
      area += (number_at(b, "fpr") - number_at(a, "fpr"))
              * (number_at(a, "tpr") + number_at(b, "tpr")) / 2;
    }
    assert_near(area, number_at(curve, "roc_auc"), 0.02);
  }
  json_decref(report);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_two_classes),        cmocka_unit_test(test_many_classes),
    cmocka_unit_test(test_regression),         cmocka_unit_test(test_undefined),
    cmocka_unit_test(test_ties_count_half),    cmocka_unit_test(test_names),
    cmocka_unit_test(test_report_two),         cmocka_unit_test(test_report_line),
    cmocka_unit_test(test_curves_are_thinned), cmocka_unit_test(test_class_curves),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
