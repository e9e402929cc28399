#include <config.h>

#include "tune/tune_decide.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define DECIDE_STREAM 0x444543u
/* The best threshold jumps about with the rows; the middle of those of many bootstraps holds on others. */
#define BOOTSTRAPS 61

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

/* Median over bootstraps of the rows; the best threshold of the rows themselves is one of them. */
static enum err
steady_threshold(const struct tune_data *data, const struct labels *labels, const float *mixed,
                 double *threshold)
{
  double thresholds[BOOTSTRAPS];
  double *weights = malloc((labels->count + 1) * sizeof *weights);
  struct labels drawn = *labels;
  struct rng rng;
  if (weights == NULL)
    return ERR_MEMORY;
  rng_init(&rng, data->spec->seed, DECIDE_STREAM);
  for (size_t b = 0; b < BOOTSTRAPS; b++)
  {
    drawn.weights = b == 0 ? labels->weights : weights;
    memset(weights, 0, labels->count * sizeof *weights);
    for (size_t i = 0; b > 0 && i < labels->count; i++)
    {
      size_t row = (size_t) rng_below(&rng, labels->count);
      weights[row] += labels->weights != NULL ? labels->weights[row] : 1;
    }
    thresholds[b] = metric_best_threshold(data->metric, &data->task, &drawn, mixed, NULL);
  }
  qsort(thresholds, BOOTSTRAPS, sizeof *thresholds, compare_doubles);
  *threshold = thresholds[BOOTSTRAPS / 2];
  free(weights);
  return ERR_OK;
}

enum err
tune_decide(const struct tune_data *data, const struct labels *labels, const float *predictions,
            struct decision *decision, struct err_info *info)
{
  *decision = data->decision;
  if (!metric_tunes_threshold(data->metric, data->task.kind))
    return ERR_OK;
  decision->has_threshold = true;
  enum err err = steady_threshold(data, labels, predictions, &decision->threshold);
  return err == ERR_OK ? ERR_OK : err_set(info, err, "out of memory for the threshold");
}
