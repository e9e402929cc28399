#include <config.h>

#include "tune/baseline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* row (output_count) ← the shares of the classes, by weight. */
static void
learn_classes(const struct labels *seen, float *row)
{
  double total = 0;
  for (size_t i = 0; i < seen->count; i++)
    total += seen->classes[i] >= 0 ? seen->weights != NULL ? seen->weights[i] : 1 : 0;
  for (size_t i = 0; i < seen->count; i++)
    if (seen->classes[i] >= 0)
      row[seen->classes[i]] +=
        (float) ((seen->weights != NULL ? seen->weights[i] : 1) / fmax(total, 1e-300));
}

/* The label to give every row: the commonest, and of two classes the one that scores better on the rows
 * seen, which is what a threshold could make of the same answer to every row. */
static size_t
best_label(const struct tune_data *data, const struct labels *seen, const float *row)
{
  size_t classes = data->task.class_count, best = 0;
  double scores[2] = {NAN, NAN};
  for (size_t k = 1; k < classes; k++)
    best = row[k] > row[best] ? k : best;
  float *all = classes == 2 ? malloc((seen->count * 2 + 1) * sizeof *all) : NULL;
  for (size_t i = 0; all != NULL && i < seen->count * 2; i++)
    all[i] = row[i % 2];
  for (size_t k = 0; all != NULL && k < 2; k++)
  {
    struct decision decision = {.has_threshold = true, .threshold = k == 1 ? 0 : 1};
    scores[k] = metric_compute_at(data->metric, &data->task, seen, all, &decision);
  }
  free(all);
  if (scores[0] != scores[1] && isfinite(scores[0]) && isfinite(scores[1]))
    best = metric_higher_is_better(data->metric) == (scores[1] > scores[0]);
  return best;
}

/* The number that is best for the metric on its own. */
static void
learn_values(const struct tune_data *data, const struct labels *seen, float *row,
             struct baseline *baseline)
{
  double level = metric_quantile(data->metric), sum = 0, total = 0;
  bool logs = data->metric == METRIC_RMSLE;
  if (data->metric == METRIC_MAE || data->metric == METRIC_MAPE || !isnan(level))
  {
    level = isnan(level) ? 0.5 : level;
    double value = metric_weighted_quantile(seen->values, seen->weights, seen->count, level);
    row[0] = isfinite(value) ? (float) value : 0;
    if (level == 0.5)
      snprintf(baseline->description, sizeof baseline->description,
               "always answering the median, %.4g,", (double) row[0]);
    else
      snprintf(baseline->description, sizeof baseline->description,
               "always answering the %g quantile, %.4g,", level, (double) row[0]);
    return;
  }
  for (size_t i = 0; i < seen->count; i++)
  {
    double weight = seen->weights != NULL ? seen->weights[i] : 1;
    sum += weight * (logs ? log1p(fmax(seen->values[i], 0)) : seen->values[i]);
    total += weight;
  }
  double mean = total > 0 ? sum / total : 0;
  row[0] = (float) (logs ? expm1(mean) : mean);
  snprintf(baseline->description, sizeof baseline->description,
           "always answering the %smean, %.4g,", logs ? "mean of logarithms as a " : "",
           (double) row[0]);
}

static bool
wants_labels(enum metric metric)
{
  return metric != METRIC_LOG_LOSS && metric != METRIC_ROC_AUC && metric != METRIC_PR_AUC
         && metric != METRIC_BRIER && metric != METRIC_TOP_2_ACCURACY
         && metric != METRIC_TOP_3_ACCURACY && metric != METRIC_TOP_5_ACCURACY;
}

enum err
baseline_measure(const struct tune_data *data, const size_t *rows, size_t count,
                 const struct labels *labels, struct baseline *baseline)
{
  size_t outputs = data->task.output_count, label = 0;
  struct tune_labels seen = {0};
  struct decision decision = {0};
  double *factors = calloc(outputs + 1, sizeof *factors);
  float *row = calloc(outputs + 1, sizeof *row);
  float *all = calloc(labels->count * outputs + 1, sizeof *all);
  enum err err = row != NULL && all != NULL && factors != NULL
                   ? tune_labels_of(data, rows, count, &seen)
                   : ERR_MEMORY;
  if (err == ERR_OK && data->task.kind == TASK_REGRESSION)
    learn_values(data, &seen.labels, row, baseline);
  else if (err == ERR_OK)
  {
    learn_classes(&seen.labels, row);
    snprintf(baseline->description, sizeof baseline->description,
             "always answering the shares of the classes");
    if (wants_labels(data->metric))
    {
      label = best_label(data, &seen.labels, row);
      factors[label] = 1;
      decision.factors = factors;
      snprintf(baseline->description, sizeof baseline->description, "always answering \"%.500s\"",
               data->task.class_names[label]);
    }
  }
  if (err == ERR_OK)
  {
    for (size_t i = 0; i < labels->count; i++)
      for (size_t o = 0; o < outputs; o++)
        all[i * outputs + o] = row[o];
    baseline->score = metric_compute_at(data->metric, &data->task, labels, all, &decision);
  }
  tune_labels_free(&seen);
  free(factors);
  free(all);
  free(row);
  return err;
}
