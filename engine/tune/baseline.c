#include <config.h>

#include "tune/baseline.h"

#include <stdio.h>
#include <stdlib.h>

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

/* row (output_count) ← the shares of the classes. */
static void
learn_classes(const struct tune_data *data, const struct labels *seen, float *row,
              struct baseline *baseline)
{
  size_t classes = data->task.class_count, most = 0;
  for (size_t i = 0; i < seen->count; i++)
    if (seen->classes[i] >= 0)
      row[seen->classes[i]] += 1.0f / (float) seen->count;
  for (size_t c = 1; c < classes; c++)
    if (row[c] > row[most])
      most = c;
  if (data->metric == METRIC_LOG_LOSS || data->metric == METRIC_ROC_AUC)
    snprintf(baseline->description, sizeof baseline->description,
             "always answering the shares of the classes");
  else
    snprintf(baseline->description, sizeof baseline->description, "always answering \"%.500s\"",
             data->task.class_names[most]);
}

static void
learn_values(const struct tune_data *data, struct tune_labels *seen, float *row,
             struct baseline *baseline)
{
  size_t count = seen->labels.count;
  if (data->metric == METRIC_MAE)
  {
    qsort(seen->values, count, sizeof *seen->values, compare_doubles);
    row[0] = count > 0 ? (float) seen->values[count / 2] : 0;
    snprintf(baseline->description, sizeof baseline->description,
             "always answering the median, %.4g,", (double) row[0]);
    return;
  }
  double sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += seen->values[i];
  row[0] = count > 0 ? (float) (sum / (double) count) : 0;
  snprintf(baseline->description, sizeof baseline->description, "always answering the mean, %.4g,",
           (double) row[0]);
}

enum err
baseline_measure(const struct tune_data *data, const size_t *rows, size_t count,
                 const struct labels *labels, struct baseline *baseline)
{
  size_t outputs = data->task.output_count;
  struct tune_labels seen = {0};
  float *row = calloc(outputs + 1, sizeof *row);
  float *all = calloc(labels->count * outputs + 1, sizeof *all);
  enum err err = row != NULL && all != NULL ? tune_labels_of(data, rows, count, &seen) : ERR_MEMORY;
  if (err == ERR_OK)
  {
    if (data->task.kind == TASK_REGRESSION)
      learn_values(data, &seen, row, baseline);
    else
      learn_classes(data, &seen.labels, row, baseline);
    for (size_t i = 0; i < labels->count; i++)
      for (size_t o = 0; o < outputs; o++)
        all[i * outputs + o] = row[o];
    baseline->score = metric_compute(data->metric, &data->task, labels, all);
  }
  tune_labels_free(&seen);
  free(all);
  free(row);
  return err;
}
