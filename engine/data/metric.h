/* Scores of predictions against labels.
 *
 * Predictions are (n, output_count) row-major floats: class probabilities, or one value. Pure; any
 * thread.
 */
#ifndef ATTUNE_DATA_METRIC_H
#define ATTUNE_DATA_METRIC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/task.h"

enum metric
{
  METRIC_ACCURACY,
  METRIC_BALANCED_ACCURACY,
  METRIC_LOG_LOSS,
  METRIC_ROC_AUC, /* many classes: mean of one-against-rest over classes present */
  METRIC_F1,      /* macro */
  METRIC_RMSE,
  METRIC_MAE,
  METRIC_R2,
  METRIC_COUNT
};

/* "accuracy", "balanced_accuracy", "log_loss", "roc_auc", "f1", "rmse", "mae", "r2"; false if
 * unknown. */
const char *metric_name(enum metric metric);
bool metric_parse(const char *name, enum metric *metric);
bool metric_fits_task(enum metric metric, enum task_kind kind);
bool metric_higher_is_better(enum metric metric);

/* The default: accuracy (balanced accuracy when the smallest class is under 10%), RMSE. */
enum metric metric_default(const struct task *task, const size_t *class_rows);

/* Labels: classes (classification) or values (regression); the other is NULL. NaN where undefined. */
struct labels
{
  size_t count;
  const int32_t *classes;
  const double *values;
};

double metric_compute(enum metric metric, const struct task *task, const struct labels *labels,
                      const float *predictions);

/* What the search minimises: the metric (negated when higher is better) + 1e-3 × log loss for
 * classification, so that plateaus of a counting metric are broken. */
double metric_objective(enum metric metric, const struct task *task, const struct labels *labels,
                        const float *predictions);

/* All metrics of the task, the confusion matrix, per-class precision/recall/F1/support, ROC and PR
 * points (≤ 200, binary), a 10-bin calibration table; for regression residual quantiles and a
 * predicted-against-true sample of ≤ 500 points. New reference. */
json_t *metric_report(const struct task *task, const struct labels *labels,
                      const float *predictions);

#endif
