#include <config.h>

#include "data/metric_internal.h"

#include <math.h>
#include <stdlib.h>

struct sums
{
  double weight, squares, absolutes, truths, pinball, logs;
  double shares, shared; /* |miss / truth| over the rows whose truth is not 0 */
  bool negative;         /* a truth is */
};

static struct sums
add_up(const struct labels *labels, const float *predictions, double level)
{
  struct sums sums = {0};
  for (size_t i = 0; i < labels->count; i++)
  {
    double weight = labels_weight(labels, i), truth = labels->values[i];
    double miss = (double) predictions[i] - truth;
    sums.weight += weight;
    sums.squares += weight * miss * miss;
    sums.absolutes += weight * fabs(miss);
    sums.truths += weight * truth;
    sums.pinball += weight * (miss > 0 ? (1 - level) * miss : -level * miss);
    if (truth != 0)
    {
      sums.shares += weight * fabs(miss / truth);
      sums.shared += weight;
    }
    sums.negative = sums.negative || truth < 0;
    double log_miss = log1p(fmax((double) predictions[i], 0)) - log1p(fmax(truth, 0));
    sums.logs += weight * log_miss * log_miss;
  }
  return sums;
}

static double
r2(const struct labels *labels, const struct sums *sums)
{
  double spread = 0, mean = sums->truths / sums->weight;
  for (size_t i = 0; i < labels->count; i++)
    spread += labels_weight(labels, i) * (labels->values[i] - mean) * (labels->values[i] - mean);
  return spread > 0 ? 1.0 - sums->squares / spread : (double) NAN;
}

double
metric_of_values(enum metric metric, const struct labels *labels, const float *predictions)
{
  double level = metric_quantile(metric);
  struct sums sums = add_up(labels, predictions, isnan(level) ? 0.5 : level);
  if (!isnan(level))
    return sums.pinball / sums.weight;
  switch ((int) metric)
  {
  case METRIC_MAE:
    return sums.absolutes / sums.weight;
  case METRIC_RMSE:
    return sqrt(sums.squares / sums.weight);
  case METRIC_MAPE:
    return sums.shared > 0 ? sums.shares / sums.shared : (double) NAN;
  case METRIC_RMSLE:
    return sums.negative ? (double) NAN : sqrt(sums.logs / sums.weight);
  case METRIC_R2:
    return r2(labels, &sums);
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
