#include <config.h>

#include "data/metric.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/metric_internal.h"

#define TWO (1u << TASK_BINARY)
#define MANY (1u << TASK_MULTICLASS)
#define ANY_CLASSES (TWO | MANY)
#define NUMBERS (1u << TASK_REGRESSION)

static const struct
{
  const char *name;
  unsigned tasks;
  bool higher;     /* is better */
  double quantile; /* 0 = none */
  size_t top;      /* 0 = none */
} metrics[METRIC_COUNT] = {
  [METRIC_ACCURACY] = {"accuracy", ANY_CLASSES, true, 0, 0},
  [METRIC_BALANCED_ACCURACY] = {"balanced_accuracy", ANY_CLASSES, true, 0, 0},
  [METRIC_LOG_LOSS] = {"log_loss", ANY_CLASSES, false, 0, 0},
  [METRIC_ROC_AUC] = {"roc_auc", ANY_CLASSES, true, 0, 0},
  [METRIC_F1] = {"f1", ANY_CLASSES, true, 0, 0},
  [METRIC_RMSE] = {"rmse", NUMBERS, false, 0, 0},
  [METRIC_MAE] = {"mae", NUMBERS, false, 0, 0},
  [METRIC_R2] = {"r2", NUMBERS, true, 0, 0},
  [METRIC_PR_AUC] = {"pr_auc", ANY_CLASSES, true, 0, 0},
  [METRIC_MCC] = {"mcc", ANY_CLASSES, true, 0, 0},
  [METRIC_F1_WEIGHTED] = {"f1_weighted", ANY_CLASSES, true, 0, 0},
  [METRIC_F1_BINARY] = {"f1_binary", TWO, true, 0, 0},
  [METRIC_PRECISION] = {"precision", ANY_CLASSES, true, 0, 0},
  [METRIC_RECALL] = {"recall", ANY_CLASSES, true, 0, 0},
  [METRIC_TOP_2_ACCURACY] = {"top_2_accuracy", MANY, true, 0, 2},
  [METRIC_TOP_3_ACCURACY] = {"top_3_accuracy", MANY, true, 0, 3},
  [METRIC_TOP_5_ACCURACY] = {"top_5_accuracy", MANY, true, 0, 5},
  [METRIC_BRIER] = {"brier_score", ANY_CLASSES, false, 0, 0},
  [METRIC_MAPE] = {"mape", NUMBERS, false, 0, 0},
  [METRIC_RMSLE] = {"rmsle", NUMBERS, false, 0, 0},
  [METRIC_QUANTILE_05] = {"quantile_0.05", NUMBERS, false, 0.05, 0},
  [METRIC_QUANTILE_10] = {"quantile_0.1", NUMBERS, false, 0.1, 0},
  [METRIC_QUANTILE_25] = {"quantile_0.25", NUMBERS, false, 0.25, 0},
  [METRIC_QUANTILE_50] = {"quantile_0.5", NUMBERS, false, 0.5, 0},
  [METRIC_QUANTILE_75] = {"quantile_0.75", NUMBERS, false, 0.75, 0},
  [METRIC_QUANTILE_90] = {"quantile_0.9", NUMBERS, false, 0.9, 0},
  [METRIC_QUANTILE_95] = {"quantile_0.95", NUMBERS, false, 0.95, 0},
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
  return metrics[metric].tasks >> kind & 1u;
}

bool
metric_higher_is_better(enum metric metric)
{
  return metrics[metric].higher;
}

bool
metric_takes_probabilities(enum metric metric)
{
  switch (metric)
  {
  case METRIC_LOG_LOSS:
  case METRIC_BRIER:
  case METRIC_ROC_AUC:
  case METRIC_PR_AUC:
    return true;
  default:
    return false;
  }
}

double
metric_quantile(enum metric metric)
{
  return metrics[metric].quantile > 0 ? metrics[metric].quantile : (double) NAN;
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

/* ---- what labels allow ----------------------------------------------------------------------------- */

static enum err
check_values(enum metric metric, const struct labels *labels, struct err_info *info)
{
  size_t negative = 0, zero = 0, count = 0;
  double least = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    double value = labels->values[i];
    if (isnan(value))
      continue;
    count++;
    zero += value == 0;
    negative += value < 0;
    least = fmin(least, value);
  }
  if (metric == METRIC_RMSLE && negative > 0)
    return err_set(info, ERR_INVALID,
                   "rmsle takes logarithms, and %zu of %zu targets are negative (the least is "
                   "%.6g); choose rmse or mae, or correct those rows",
                   negative, count, least);
  if (metric == METRIC_MAPE && count > 0 && zero == count)
    return err_set(info, ERR_INVALID,
                   "mape divides by the target, and all %zu targets are 0; choose mae", count);
  return ERR_OK;
}

enum err
metric_check(enum metric metric, const struct task *task, const struct labels *labels,
             struct err_info *info)
{
  size_t top = metrics[metric].top;
  if (!metric_fits_task(metric, task->kind))
    return err_set(info, ERR_INVALID, "metric %s does not fit a %s task", metric_name(metric),
                   task_kind_name(task->kind));
  if (top > 0 && task->class_count <= top)
    return err_set(info, ERR_INVALID,
                   "%s is always 1 with %zu classes; choose accuracy or a smaller number",
                   metric_name(metric), task->class_count);
  return labels->values != NULL ? check_values(metric, labels, info) : ERR_OK;
}

/* ---- scores of probabilities ------------------------------------------------------------------------- */

static double
log_loss(const struct task *task, const struct labels *labels, const float *predictions)
{
  double sum = 0, total = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    double p = predictions[i * task->class_count + (size_t) labels->classes[i]];
    double weight = labels_weight(labels, i);
    /* A float can't tell apart what lies nearer to 0 or 1 than this, so nothing is certain. */
    p = p < FLT_EPSILON ? FLT_EPSILON : p > 1.0 - FLT_EPSILON ? 1.0 - FLT_EPSILON : p;
    sum -= weight * log(p);
    total += weight;
  }
  return sum / total;
}

static double
brier_score(const struct task *task, const struct labels *labels, const float *predictions)
{
  size_t classes = task->class_count;
  double sum = 0, total = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    double weight = labels_weight(labels, i);
    for (size_t k = task->kind == TASK_BINARY ? 1 : 0; k < classes; k++)
    {
      double miss =
        (double) predictions[i * classes + k] - ((size_t) labels->classes[i] == k ? 1.0 : 0.0);
      sum += weight * miss * miss;
    }
    total += weight;
  }
  return sum / total;
}

/* Of equal outputs the first counts as the likelier, as in a label. */
static double
top_accuracy(const struct task *task, const struct labels *labels, const float *predictions,
             size_t top)
{
  size_t classes = task->class_count;
  double right = 0, total = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    const float *outputs = predictions + i * classes;
    size_t truth = (size_t) labels->classes[i], before = 0;
    for (size_t k = 0; k < classes; k++)
      before += outputs[k] > outputs[truth] || (outputs[k] == outputs[truth] && k < truth);
    right += before < top ? labels_weight(labels, i) : 0.0;
    total += labels_weight(labels, i);
  }
  return right / total;
}

/* An area by class: of the positive class of two, else the mean over the classes present. */
static double
mean_area(const struct task *task, const struct labels *labels, const float *predictions,
          double (*area)(const struct labels *, const float *, size_t, size_t))
{
  size_t classes = task->class_count, present = 0;
  if (task->kind == TASK_BINARY)
    return area(labels, predictions, classes, 1);
  double sum = 0;
  for (size_t k = 0; k < classes; k++)
  {
    double here = area(labels, predictions, classes, k);
    if (isnan(here))
      continue;
    sum += here;
    present++;
  }
  return present > 0 ? sum / (double) present : (double) NAN;
}

static double
of_probabilities(enum metric metric, const struct task *task, const struct labels *labels,
                 const float *predictions)
{
  if (metrics[metric].top > 0)
    return top_accuracy(task, labels, predictions, metrics[metric].top);
  if (metric == METRIC_LOG_LOSS)
    return log_loss(task, labels, predictions);
  if (metric == METRIC_BRIER)
    return brier_score(task, labels, predictions);
  return mean_area(task, labels, predictions,
                   metric == METRIC_ROC_AUC ? metric_auc : metric_average_precision);
}

/* ---- the entry points -------------------------------------------------------------------------------- */

/* Predictions that are not finite, labels outside the classes, and rows without any weight make every
 * score undefined. */
static bool
usable(const struct task *task, const struct labels *labels, const float *predictions)
{
  size_t values = labels->count * task->output_count;
  double weight = 0;
  for (size_t i = 0; i < values; i++)
    if (!isfinite(predictions[i]))
      return false;
  for (size_t i = 0; i < labels->count; i++)
  {
    if (task->kind == TASK_REGRESSION
          ? !isfinite(labels->values[i])
          : labels->classes[i] < 0 || (size_t) labels->classes[i] >= task->class_count)
      return false;
    weight += labels_weight(labels, i);
  }
  return weight > 0 && isfinite(weight);
}

double
metric_compute_at(enum metric metric, const struct task *task, const struct labels *labels,
                  const float *predictions, const struct decision *decision)
{
  if (metric >= METRIC_COUNT || !metric_fits_task(metric, task->kind)
      || !usable(task, labels, predictions))
    return (double) NAN;
  if (task->kind == TASK_REGRESSION)
    return metric_of_values(metric, labels, predictions);
  if (!metric_counts_labels(metric))
    return of_probabilities(metric, task, labels, predictions);
  struct class_counts *counts = metric_count_classes(task, labels, predictions, decision);
  if (counts == NULL)
    return (double) NAN;
  double score = metric_of_counts(metric, task->class_count, counts);
  free(counts);
  return score;
}

double
metric_compute(enum metric metric, const struct task *task, const struct labels *labels,
               const float *predictions)
{
  return metric_compute_at(metric, task, labels, predictions, NULL);
}

bool
metric_tunes_threshold(enum metric metric, enum task_kind kind)
{
  return kind == TASK_BINARY
         && (metric == METRIC_F1 || metric == METRIC_F1_WEIGHTED || metric == METRIC_F1_BINARY
             || metric == METRIC_MCC || metric == METRIC_BALANCED_ACCURACY);
}

double
metric_best_threshold(enum metric metric, const struct task *task, const struct labels *labels,
                      const float *predictions, double *score)
{
  double positives = 0, total = 0, threshold = 0.5, best = -INFINITY;
  struct scored *rows =
    task->class_count == 2 && metric_counts_labels(metric) && usable(task, labels, predictions)
      ? metric_rank_rows(labels, predictions, 2, 1, &positives, &total)
      : NULL;
  struct class_counts counts[2] = {{.truth = total - positives, .guessed = total},
                                   {.truth = positives}};
  counts[0].right = counts[0].truth;
  /* The first candidate takes no row as positive, the last takes all. */
  for (size_t i = 0; rows != NULL && i <= labels->count; i++)
  {
    double above = i == 0 ? 1.0 : rows[i - 1].score, below = i < labels->count ? rows[i].score : 0;
    if (i > 0)
    {
      counts[1].guessed += rows[i - 1].weight;
      counts[0].guessed -= rows[i - 1].weight;
      counts[rows[i - 1].positive].right += (rows[i - 1].positive ? 1 : -1) * rows[i - 1].weight;
    }
    double middle = i < labels->count ? (above + below) / 2 : 0;
    double value =
      above > below || i == labels->count ? metric_of_counts(metric, 2, counts) : -INFINITY;
    value = metrics[metric].higher ? value : -value;
    if (value > best || (value == best && fabs(middle - 0.5) < fabs(threshold - 0.5)))
    {
      best = value;
      threshold = middle;
    }
  }
  if (score != NULL)
    *score = rows == NULL ? (double) NAN : metrics[metric].higher ? best : -best;
  free(rows);
  return threshold;
}

double
metric_score(enum metric metric, const struct task *task, const struct labels *labels,
             const float *predictions, const struct decision *decision)
{
  double score;
  if (!metric_tunes_threshold(metric, task->kind))
    return metric_compute_at(metric, task, labels, predictions, decision);
  metric_best_threshold(metric, task, labels, predictions, &score);
  return score;
}

double
metric_objective(enum metric metric, const struct task *task, const struct labels *labels,
                 const float *predictions, const struct decision *decision)
{
  double score = metric_score(metric, task, labels, predictions, decision);
  if (metrics[metric].higher)
    score = -score;
  if (task->kind != TASK_REGRESSION && metric != METRIC_LOG_LOSS)
    score += 1e-3 * metric_compute(METRIC_LOG_LOSS, task, labels, predictions);
  return score;
}
