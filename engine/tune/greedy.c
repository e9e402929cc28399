#include <config.h>

#include "tune/greedy.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define GREEDY_STREAM 0x475245454459u

struct greedy
{
  const struct greedy_request *request;
  struct labels labels; /* as weighted in this selection */
  double *row_weights;
  size_t values; /* rows × outputs */
  float *sum;    /* of the picks so far */
  float *trial;  /* mean with one more */
  size_t *picks; /* how often each model was picked */
  size_t *best;  /* the same at the best length so far */
};

static double
objective_of(const struct greedy *greedy, const float *predictions)
{
  const struct greedy_request *request = greedy->request;
  double value = metric_objective(request->metric, request->task, &greedy->labels, predictions,
                                  request->decision);
  return isfinite(value) ? value : INFINITY;
}

/* The model whose addition is best. */
static size_t
best_addition(struct greedy *greedy, size_t pick_count, double *objective)
{
  size_t best = 0;
  float scale = 1.0f / (float) (pick_count + 1);
  *objective = INFINITY;
  for (size_t k = 0; k < greedy->request->count; k++)
  {
    const float *predictions = greedy->request->predictions[k];
    for (size_t i = 0; i < greedy->values; i++)
      greedy->trial[i] = (greedy->sum[i] + predictions[i]) * scale;
    double value = objective_of(greedy, greedy->trial);
    if (value < *objective)
    {
      best = k;
      *objective = value;
    }
  }
  return best;
}

/* One selection; adds its weights, summing to `share`. */
static void
select_once(struct greedy *greedy, double share, double *weights)
{
  size_t count = greedy->request->count, best_length = 0;
  double best_objective = INFINITY;
  memset(greedy->sum, 0, greedy->values * sizeof *greedy->sum);
  memset(greedy->picks, 0, count * sizeof *greedy->picks);
  memset(greedy->best, 0, count * sizeof *greedy->best);
  for (size_t length = 0; length < greedy->request->max_picks; length++)
  {
    double objective;
    size_t pick = best_addition(greedy, length, &objective);
    for (size_t i = 0; i < greedy->values; i++)
      greedy->sum[i] += greedy->request->predictions[pick][i];
    greedy->picks[pick]++;
    if (best_length == 0 || objective < best_objective)
    {
      best_objective = objective;
      best_length = length + 1;
      memcpy(greedy->best, greedy->picks, count * sizeof *greedy->best);
    }
    else if (length + 1 >= best_length + 3)
      break; /* three additions without gain: more of them seldom help */
  }
  for (size_t k = 0; k < count && best_length > 0; k++)
    weights[k] += share * (double) greedy->best[k] / (double) best_length;
}

/* A bootstrap sample of the rows: each counts as often as it is drawn, for what it counted before. */
static void
draw_rows(struct greedy *greedy, struct rng *rng)
{
  const double *weights = greedy->request->labels->weights;
  size_t rows = greedy->labels.count;
  memset(greedy->row_weights, 0, rows * sizeof *greedy->row_weights);
  for (size_t i = 0; i < rows; i++)
  {
    size_t row = (size_t) rng_below(rng, rows);
    greedy->row_weights[row] += weights != NULL ? weights[row] : 1;
  }
  greedy->labels.weights = greedy->row_weights;
}

enum err
greedy_select(const struct greedy_request *request, double *weights)
{
  struct greedy greedy = {.request = request, .labels = *request->labels};
  size_t count = request->count;
  struct rng rng;
  enum err err = ERR_MEMORY;
  if (request->labels->count > 0
      && request->task->output_count > SIZE_MAX / 8 / request->labels->count)
    return ERR_MEMORY;
  greedy.values = request->labels->count * request->task->output_count;
  greedy.sum = malloc((greedy.values + 1) * sizeof *greedy.sum);
  greedy.trial = malloc((greedy.values + 1) * sizeof *greedy.trial);
  greedy.picks = calloc(count + 1, sizeof *greedy.picks);
  greedy.best = calloc(count + 1, sizeof *greedy.best);
  greedy.row_weights = calloc(request->labels->count + 1, sizeof *greedy.row_weights);
  if (greedy.sum == NULL || greedy.trial == NULL || greedy.picks == NULL || greedy.best == NULL
      || greedy.row_weights == NULL)
    goto out;
  size_t selections = request->selections > 1 ? request->selections : 1;
  memset(weights, 0, count * sizeof *weights);
  rng_init(&rng, request->seed, GREEDY_STREAM);
  for (size_t s = 0; s < selections && count > 0; s++)
  {
    if (selections > 1)
      draw_rows(&greedy, &rng);
    select_once(&greedy, 1.0 / (double) selections, weights);
  }
  err = ERR_OK;
out:
  free(greedy.row_weights);
  free(greedy.best);
  free(greedy.picks);
  free(greedy.trial);
  free(greedy.sum);
  return err;
}

void
greedy_mix(const float *const *predictions, const double *weights, size_t count, size_t value_count,
           float *out)
{
  memset(out, 0, value_count * sizeof *out);
  for (size_t k = 0; k < count; k++)
  {
    if (!(weights[k] > 0))
      continue;
    float weight = (float) weights[k];
    for (size_t i = 0; i < value_count; i++)
      out[i] += weight * predictions[k][i];
  }
}
