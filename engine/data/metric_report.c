#include <config.h>

#include "data/metric.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "data/metric_internal.h"

#define CURVE_POINTS 200
#define CLASS_CURVES 20 /* of many classes those found worst */
#define CLASS_CURVE_POINTS 50
#define CALIBRATION_BINS 10
#define SAMPLE_POINTS 500
#define CONFUSION_CLASSES 200 /* a larger matrix is left out */

/* The loss at a quantile says something only of a model that was made for it. */
static bool
belongs(enum metric metric, enum metric asked, const struct task *task)
{
  static const struct labels none = {0};
  return (isnan(metric_quantile(metric)) || metric == asked)
         && metric_check(metric, task, &none, NULL) == ERR_OK;
}

static json_t *
all_metrics(enum metric asked, const struct task *task, const struct labels *labels,
            const float *predictions, const struct decision *decision)
{
  json_t *scores = json_object();
  for (size_t m = 0; m < METRIC_COUNT; m++)
    if (belongs((enum metric) m, asked, task))
      json_object_set_new(
        scores, metric_name((enum metric) m),
        json_real_or_null(metric_compute_at((enum metric) m, task, labels, predictions, decision)));
  return scores;
}

/* matrix[truth][predicted], rows and columns in the order of the classes. */
static json_t *
confusion(const struct task *task, const struct labels *labels, const float *predictions,
          const struct decision *decision)
{
  size_t classes = task->class_count;
  size_t *cells = calloc(classes * classes, sizeof *cells);
  json_t *names = json_array(), *matrix = json_array();
  for (size_t i = 0; cells != NULL && i < labels->count; i++)
    cells[(size_t) labels->classes[i] * classes
          + decision_class(decision, predictions + i * classes, classes)]++;
  for (size_t t = 0; cells != NULL && t < classes; t++)
  {
    json_t *row = json_array();
    for (size_t p = 0; p < classes; p++)
      json_array_append_new(row, json_integer((json_int_t) cells[t * classes + p]));
    json_array_append_new(matrix, row);
    json_array_append_new(names, json_string(task->class_names[t]));
  }
  free(cells);
  return json_pack("{s:o, s:o}", "labels", names, "matrix", matrix);
}

static json_t *
per_class(const struct task *task, const struct labels *labels, const float *predictions,
          const struct decision *decision)
{
  struct class_counts *counts = metric_count_classes(task, labels, predictions, decision);
  json_t *list = json_array();
  for (size_t k = 0; counts != NULL && k < task->class_count; k++)
  {
    double right = counts[k].right;
    double precision = counts[k].guessed > 0 ? right / counts[k].guessed : (double) NAN;
    double recall = counts[k].truth > 0 ? right / counts[k].truth : (double) NAN;
    json_array_append_new(
      list, json_pack("{s:s, s:o, s:o, s:f, s:I}", "name", task->class_names[k], "precision",
                      json_real_or_null(precision), "recall", json_real_or_null(recall), "f1",
                      metric_class_f1(&counts[k]), "support", (json_int_t) counts[k].rows));
  }
  free(counts);
  return list;
}

struct ranked_class
{
  size_t number;
  double f1;
};

static int
compare_classes(const void *left, const void *right)
{
  const struct ranked_class *a = left, *b = right;
  if (a->f1 < b->f1 || b->f1 < a->f1)
    return a->f1 < b->f1 ? -1 : 1;
  return (a->number > b->number) - (a->number < b->number);
}

/* Of more than two classes: each against the rest, by its own probability. */
static json_t *
class_curves(const struct task *task, const struct labels *labels, const float *predictions,
             const struct decision *decision)
{
  size_t classes = task->class_count, count = 0;
  struct class_counts *counts = metric_count_classes(task, labels, predictions, decision);
  struct ranked_class *ranked = calloc(classes + 1, sizeof *ranked);
  json_t *list = json_array();
  for (size_t k = 0; counts != NULL && ranked != NULL && k < classes; k++)
    if (counts[k].rows > 0 && counts[k].rows < labels->count)
      ranked[count++] = (struct ranked_class){k, metric_class_f1(&counts[k])};
  if (ranked != NULL)
    qsort(ranked, count, sizeof *ranked, compare_classes);
  for (size_t r = 0; r < count && r < CLASS_CURVES; r++)
  {
    size_t k = ranked[r].number;
    json_array_append_new(
      list, json_pack("{s:s, s:o, s:o, s:o, s:o}", "class", task->class_names[k], "roc_auc",
                      json_real_or_null(metric_auc(labels, predictions, classes, k)), "pr_auc",
                      json_real_or_null(metric_average_precision(labels, predictions, classes, k)),
                      "roc", metric_roc_points(labels, predictions, classes, k, CLASS_CURVE_POINTS),
                      "pr", metric_pr_points(labels, predictions, classes, k, CLASS_CURVE_POINTS)));
  }
  free(ranked);
  free(counts);
  return list;
}

/* By tenths of the probability of the predicted class (of class 1 for two classes): how sure the
 * model was, and how often it was right. */
static json_t *
calibration(const struct task *task, const struct labels *labels, const float *predictions)
{
  size_t count[CALIBRATION_BINS] = {0};
  double weight[CALIBRATION_BINS] = {0}, hits[CALIBRATION_BINS] = {0}, sum[CALIBRATION_BINS] = {0};
  size_t classes = task->class_count;
  for (size_t i = 0; i < labels->count; i++)
  {
    const float *outputs = predictions + i * classes;
    size_t shown = task->kind == TASK_BINARY ? 1 : decision_class(NULL, outputs, classes);
    double p = outputs[shown], share = labels_weight(labels, i);
    double scaled = p * CALIBRATION_BINS;
    size_t bin = scaled > 0 ? (size_t) scaled : 0;
    if (bin >= CALIBRATION_BINS)
      bin = CALIBRATION_BINS - 1;
    count[bin]++;
    weight[bin] += share;
    sum[bin] += share * p;
    hits[bin] += (size_t) labels->classes[i] == shown ? share : 0.0;
  }
  json_t *list = json_array();
  for (size_t b = 0; b < CALIBRATION_BINS; b++)
  {
    bool any = weight[b] > 0;
    json_array_append_new(
      list,
      json_pack("{s:f, s:f, s:I, s:o, s:o}", "low", (double) b / CALIBRATION_BINS, "high",
                (double) (b + 1) / CALIBRATION_BINS, "count", (json_int_t) count[b],
                "mean_probability", json_real_or_null(any ? sum[b] / weight[b] : (double) NAN),
                "observed", json_real_or_null(any ? hits[b] / weight[b] : (double) NAN)));
  }
  return list;
}

/* Quantiles of prediction − truth: values that occur. */
static json_t *
residual_quantiles(const struct labels *labels, const float *predictions)
{
  static const double levels[] = {0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0};
  double *residuals = malloc((labels->count + 1) * sizeof *residuals);
  json_t *list = json_array();
  for (size_t i = 0; residuals != NULL && i < labels->count; i++)
    residuals[i] = (double) predictions[i] - labels->values[i];
  for (size_t l = 0; residuals != NULL && l < sizeof levels / sizeof levels[0]; l++)
  {
    double value = metric_weighted_quantile(residuals, labels->weights, labels->count, levels[l]);
    if (labels->count > 0)
      json_array_append_new(
        list, json_pack("{s:f, s:o}", "quantile", levels[l], "residual", json_real_or_null(value)));
  }
  free(residuals);
  return list;
}

static json_t *
scatter(const struct labels *labels, const float *predictions)
{
  json_t *list = json_array();
  size_t kept = labels->count < SAMPLE_POINTS ? labels->count : SAMPLE_POINTS;
  for (size_t i = 0; i < kept; i++)
  {
    size_t row = i * labels->count / kept;
    json_array_append_new(list,
                          json_pack("{s:o, s:o}", "true", json_real_or_null(labels->values[row]),
                                    "predicted", json_real_or_null((double) predictions[row])));
  }
  return list;
}

/* Rows whose label is one of the classes; without others every part below is defined. */
static bool
labels_legal(const struct task *task, const struct labels *labels)
{
  for (size_t i = 0; i < labels->count; i++)
    if (labels->classes[i] < 0 || (size_t) labels->classes[i] >= task->class_count)
      return false;
  return true;
}

/* What the numbers' table cannot say: rows that a metric leaves out, and how many truths lie below. */
static void
add_regression(json_t *report, enum metric metric, const struct labels *labels,
               const float *predictions)
{
  size_t zeros = 0;
  double below = 0, total = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    double weight = labels_weight(labels, i);
    zeros += labels->values[i] == 0;
    below += labels->values[i] <= (double) predictions[i] ? weight : 0.0;
    total += weight;
  }
  json_object_set_new(report, "mape_rows_left_out", json_integer((json_int_t) zeros));
  if (!isnan(metric_quantile(metric)))
    json_object_set_new(report, "quantile",
                        json_pack("{s:f, s:o}", "level", metric_quantile(metric), "share_below",
                                  json_real_or_null(total > 0 ? below / total : (double) NAN)));
  json_object_set_new(report, "residual_quantiles", residual_quantiles(labels, predictions));
  json_object_set_new(report, "sample", scatter(labels, predictions));
}

json_t *
metric_report(enum metric metric, const struct task *task, const struct labels *labels,
              const float *predictions, const struct decision *decision)
{
  json_t *report = json_pack("{s:I, s:b, s:o}", "rows", (json_int_t) labels->count, "weighted",
                             labels->weights != NULL, "metrics",
                             all_metrics(metric, task, labels, predictions, decision));
  if (report == NULL)
    return NULL;
  if (task->kind == TASK_REGRESSION)
  {
    add_regression(report, metric, labels, predictions);
    return report;
  }
  if (!labels_legal(task, labels))
    return report;
  if (task->class_count <= CONFUSION_CLASSES)
    json_object_set_new(report, "confusion", confusion(task, labels, predictions, decision));
  json_object_set_new(report, "classes", per_class(task, labels, predictions, decision));
  json_object_set_new(report, "calibration", calibration(task, labels, predictions));
  if (task->kind == TASK_BINARY)
  {
    json_object_set_new(report, "threshold", json_real(decision_threshold(decision)));
    json_object_set_new(report, "roc", metric_roc_points(labels, predictions, 2, 1, CURVE_POINTS));
    json_object_set_new(report, "pr", metric_pr_points(labels, predictions, 2, 1, CURVE_POINTS));
  }
  else
    json_object_set_new(report, "class_curves", class_curves(task, labels, predictions, decision));
  return report;
}
