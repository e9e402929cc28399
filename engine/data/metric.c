#include <config.h>

#include "data/metric.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/metric_curve.h"

static const struct
{
  const char *name;
  bool classes; /* of classification, else of regression */
  bool higher;  /* is better */
} metrics[METRIC_COUNT] = {
  [METRIC_ACCURACY] = {"accuracy", true, true},
  [METRIC_BALANCED_ACCURACY] = {"balanced_accuracy", true, true},
  [METRIC_LOG_LOSS] = {"log_loss", true, false},
  [METRIC_ROC_AUC] = {"roc_auc", true, true},
  [METRIC_F1] = {"f1", true, true},
  [METRIC_RMSE] = {"rmse", false, false},
  [METRIC_MAE] = {"mae", false, false},
  [METRIC_R2] = {"r2", false, true},
};

const char *
metric_name(enum metric metric)
{
  return metrics[metric].name;
}

bool
metric_parse(const char *name, enum metric *metric)
{
  for (size_t i = 0; i < METRIC_COUNT; i++)
    if (strcmp(name, metrics[i].name) == 0)
    {
      *metric = (enum metric) i;
      return true;
    }
  return false;
}

bool
metric_fits_task(enum metric metric, enum task_kind kind)
{
  return metrics[metric].classes == (kind != TASK_REGRESSION);
}

bool
metric_higher_is_better(enum metric metric)
{
  return metrics[metric].higher;
}

enum metric
metric_default(const struct task *task, const size_t *class_rows)
{
  if (task->kind == TASK_REGRESSION)
    return METRIC_RMSE;
  size_t total = 0, least = SIZE_MAX;
  for (size_t k = 0; class_rows != NULL && k < task->class_count; k++)
  {
    total += class_rows[k];
    least = class_rows[k] < least ? class_rows[k] : least;
  }
  return total > 0 && (double) least < 0.1 * (double) total ? METRIC_BALANCED_ACCURACY
                                                            : METRIC_ACCURACY;
}

size_t
metric_predicted_class(const float *outputs, size_t count)
{
  size_t best = 0;
  for (size_t k = 1; k < count; k++)
    if (outputs[k] > outputs[best])
      best = k;
  return best;
}

struct class_counts *
metric_count_classes(const struct task *task, const struct labels *labels, const float *predictions)
{
  size_t classes = task->class_count;
  struct class_counts *counts = calloc(classes + 1, sizeof *counts);
  for (size_t i = 0; counts != NULL && i < labels->count; i++)
  {
    size_t truth = (size_t) labels->classes[i];
    size_t guess = metric_predicted_class(predictions + i * classes, classes);
    counts[truth].truth++;
    counts[guess].guessed++;
    counts[truth].right += truth == guess;
  }
  return counts;
}

double
metric_class_f1(const struct class_counts *counts)
{
  size_t sum = counts->truth + counts->guessed;
  return sum > 0 ? 2.0 * (double) counts->right / (double) sum : 0.0;
}

static double
accuracy(const struct task *task, const struct labels *labels, const float *predictions)
{
  size_t right = 0, classes = task->class_count;
  for (size_t i = 0; i < labels->count; i++)
    right +=
      metric_predicted_class(predictions + i * classes, classes) == (size_t) labels->classes[i];
  return (double) right / (double) labels->count;
}

/* Mean recall over the classes that occur. */
static double
balanced_accuracy(const struct task *task, const struct class_counts *counts)
{
  double sum = 0;
  size_t present = 0;
  for (size_t k = 0; k < task->class_count; k++)
    if (counts[k].truth > 0)
    {
      sum += (double) counts[k].right / (double) counts[k].truth;
      present++;
    }
  return present > 0 ? sum / (double) present : (double) NAN;
}

/* Mean F1 over the classes that occur in the labels or the predictions. */
static double
f1_macro(const struct task *task, const struct class_counts *counts)
{
  double sum = 0;
  size_t present = 0;
  for (size_t k = 0; k < task->class_count; k++)
    if (counts[k].truth + counts[k].guessed > 0)
    {
      sum += metric_class_f1(&counts[k]);
      present++;
    }
  return present > 0 ? sum / (double) present : (double) NAN;
}

static double
log_loss(const struct task *task, const struct labels *labels, const float *predictions)
{
  double sum = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    double p = predictions[i * task->class_count + (size_t) labels->classes[i]];
    /* A float can't tell apart what lies nearer to 0 or 1 than this, so nothing is certain. */
    p = p < FLT_EPSILON ? FLT_EPSILON : p > 1.0 - FLT_EPSILON ? 1.0 - FLT_EPSILON : p;
    sum -= log(p);
  }
  return sum / (double) labels->count;
}

static double
roc_auc(const struct task *task, const struct labels *labels, const float *predictions)
{
  size_t classes = task->class_count;
  if (task->kind == TASK_BINARY)
    return metric_auc(labels, predictions, classes, 1);
  double sum = 0;
  size_t present = 0;
  for (size_t k = 0; k < classes; k++)
  {
    double auc = metric_auc(labels, predictions, classes, k);
    if (isnan(auc))
      continue;
    sum += auc;
    present++;
  }
  return present > 0 ? sum / (double) present : (double) NAN;
}

static double
regression_score(enum metric metric, const struct labels *labels, const float *predictions)
{
  double count = (double) labels->count, squares = 0, absolutes = 0, mean = 0, spread = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    double miss = (double) predictions[i] - labels->values[i];
    squares += miss * miss;
    absolutes += fabs(miss);
    mean += labels->values[i];
  }
  mean /= count;
  if (metric == METRIC_MAE)
    return absolutes / count;
  if (metric == METRIC_RMSE)
    return sqrt(squares / count);
  for (size_t i = 0; i < labels->count; i++)
    spread += (labels->values[i] - mean) * (labels->values[i] - mean);
  return spread > 0 ? 1.0 - squares / spread : (double) NAN;
}

/* Predictions that are not finite, or labels outside the classes, make every score undefined. */
static bool
usable(const struct task *task, const struct labels *labels, const float *predictions)
{
  size_t values = labels->count * task->output_count;
  for (size_t i = 0; i < values; i++)
    if (!isfinite(predictions[i]))
      return false;
  for (size_t i = 0; i < labels->count; i++)
    if (task->kind == TASK_REGRESSION
          ? !isfinite(labels->values[i])
          : labels->classes[i] < 0 || (size_t) labels->classes[i] >= task->class_count)
      return false;
  return labels->count > 0;
}

double
metric_compute(enum metric metric, const struct task *task, const struct labels *labels,
               const float *predictions)
{
  if (!metric_fits_task(metric, task->kind) || !usable(task, labels, predictions))
    return (double) NAN;
  switch (metric)
  {
  case METRIC_ACCURACY:
    return accuracy(task, labels, predictions);
  case METRIC_LOG_LOSS:
    return log_loss(task, labels, predictions);
  case METRIC_ROC_AUC:
    return roc_auc(task, labels, predictions);
  case METRIC_BALANCED_ACCURACY:
  case METRIC_F1:
  {
    struct class_counts *counts = metric_count_classes(task, labels, predictions);
    if (counts == NULL)
      return (double) NAN;
    double score = metric == METRIC_F1 ? f1_macro(task, counts) : balanced_accuracy(task, counts);
    free(counts);
    return score;
  }
  case METRIC_RMSE:
  case METRIC_MAE:
  case METRIC_R2:
    return regression_score(metric, labels, predictions);
  case METRIC_COUNT:
    break;
  }
  return (double) NAN;
}

double
metric_objective(enum metric metric, const struct task *task, const struct labels *labels,
                 const float *predictions)
{
  double score = metric_compute(metric, task, labels, predictions);
  if (metrics[metric].higher)
    score = -score;
  if (task->kind != TASK_REGRESSION && metric != METRIC_LOG_LOSS)
    score += 1e-3 * metric_compute(METRIC_LOG_LOSS, task, labels, predictions);
  return score;
}
