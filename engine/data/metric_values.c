#include <config.h>

#include "data/metric_internal.h"

#include <math.h>
#include <stdlib.h>

/* A bootstrap scores hundreds of thousands of times, so that each sum is a loop of its own. */

static double
total_weight(const struct labels *labels)
{
  double sum = 0;
  for (size_t i = 0; i < labels->count; i++)
    sum += labels_weight(labels, i);
  return sum;
}

static double
mean_square(const struct labels *labels, const float *predictions)
{
  double sum = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    double miss = (double) predictions[i] - labels->values[i];
    sum += labels_weight(labels, i) * miss * miss;
  }
  return sum / total_weight(labels);
}

static double
mean_absolute(const struct labels *labels, const float *predictions)
{
  double sum = 0;
  for (size_t i = 0; i < labels->count; i++)
    sum += labels_weight(labels, i) * fabs((double) predictions[i] - labels->values[i]);
  return sum / total_weight(labels);
}

static double
mean_pinball(const struct labels *labels, const float *predictions, double level)
{
  double sum = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    double miss = (double) predictions[i] - labels->values[i];
    sum += labels_weight(labels, i) * (miss > 0 ? (1 - level) * miss : -level * miss);
  }
  return sum / total_weight(labels);
}

/* Over the rows whose truth is not 0; NaN where there is none. */
static double
mean_share(const struct labels *labels, const float *predictions)
{
  double sum = 0, weights = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    double weight = labels_weight(labels, i), truth = labels->values[i];
    if (truth == 0)
      continue;
    sum += weight * fabs(((double) predictions[i] - truth) / truth);
    weights += weight;
  }
  return weights > 0 ? sum / weights : (double) NAN;
}

/* NaN where a truth is negative; predictions below 0 count as 0. */
static double
mean_square_of_logs(const struct labels *labels, const float *predictions)
{
  double sum = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    if (labels->values[i] < 0)
      return NAN;
    double miss = log1p(fmax((double) predictions[i], 0)) - log1p(labels->values[i]);
    sum += labels_weight(labels, i) * miss * miss;
  }
  return sum / total_weight(labels);
}

/* Mean squared distance of the values from their mean. */
static double
variance_of(const struct labels *labels)
{
  double sum = 0, spread = 0, weights = total_weight(labels);
  for (size_t i = 0; i < labels->count; i++)
    sum += labels_weight(labels, i) * labels->values[i];
  for (size_t i = 0; i < labels->count; i++)
  {
    double distance = labels->values[i] - sum / weights;
    spread += labels_weight(labels, i) * distance * distance;
  }
  return spread / weights;
}

static double
r2(const struct labels *labels, const float *predictions)
{
  double variance = variance_of(labels);
  return variance > 0 ? 1.0 - mean_square(labels, predictions) / variance : (double) NAN;
}

double
metric_of_values(enum metric metric, const struct labels *labels, const float *predictions)
{
  double level = metric_quantile(metric);
  if (!isnan(level))
    return mean_pinball(labels, predictions, level);
  switch ((int) metric)
  {
  case METRIC_MAE:
    return mean_absolute(labels, predictions);
  case METRIC_RMSE:
    return sqrt(mean_square(labels, predictions));
  case METRIC_MAPE:
    return mean_share(labels, predictions);
  case METRIC_RMSLE:
    return sqrt(mean_square_of_logs(labels, predictions));
  case METRIC_R2:
    return r2(labels, predictions);
  default:
    return (double) NAN;
  }
}

struct weighted
{
  double value, weight;
};

static int
compare_weighted(const void *left, const void *right)
{
  const struct weighted *a = left, *b = right;
  return (a->value > b->value) - (a->value < b->value);
}

double
metric_weighted_quantile(const double *values, const double *weights, size_t count, double level)
{
  struct weighted *rows = malloc((count + 1) * sizeof *rows);
  double total = 0, below = 0, found = NAN;
  size_t kept = 0;
  for (size_t i = 0; rows != NULL && i < count; i++)
  {
    double weight = weights != NULL ? weights[i] : 1.0;
    if (!(weight > 0))
      continue;
    rows[kept++] = (struct weighted){values[i], weight};
    total += weight;
  }
  if (rows != NULL)
    qsort(rows, kept, sizeof *rows, compare_weighted);
  for (size_t i = 0; i < kept; i++)
  {
    below += rows[i].weight;
    found = rows[i].value;
    if (below >= level * total * (1 - 1e-12))
      break;
  }
  free(rows);
  return found;
}
