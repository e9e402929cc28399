#include <config.h>

#include "search/advance.h"

#include <math.h>
#include <stdlib.h>

#define SMALL_BUDGET 20   /* full runs */
#define CHANCE_LEAST 0.02 /* of beating the best; below it a trial is not worth going on with */
#define CHANCE_SURE 0.5   /* above it a trial goes on without waiting for its rung to fill */

bool
advance_is_by_model(const struct search *search)
{
  return search->expected_trials && search->expected_trials < SMALL_BUDGET;
}

/* What the process says about the full runs of trials. */
struct outlook
{
  const struct search *search;
  double *mean, *chance; /* (search->count): of paused ones; chance of beating the best, NaN else */
};

/* Means and chances of all trials that are paused. */
static enum err
look_ahead(const struct surrogate *s, const struct surrogate_data *data, struct gp *gp,
           struct outlook *out)
{
  const struct search *search = out->search;
  double *row = calloc(s->features.layout.width + 1, sizeof *row);
  double *means = calloc(data->n + 1, sizeof *means);
  enum err err = row && means ? surrogate_full_means(s, data, gp, means) : ERR_MEMORY;
  double best = INFINITY, fallback = INFINITY;
  for (size_t i = 0; !err && i < data->own; i++)
  {
    if (search->trials[data->trials[i]].state == SEARCH_DONE)
      best = fmin(best, means[i]);
    if (!isnan(data->values[i]))
      fallback = fmin(fallback, means[i]);
  }
  best = isinf(best) ? fallback : best;
  for (size_t t = 0; !err && t < search->count; t++)
  {
    double variance;
    out->chance[t] = NAN;
    if (search->trials[t].state != SEARCH_PAUSED)
      continue;
    features_encode(&s->features, search_point(search, t), row);
    gp_predict(gp, row, &out->mean[t], &variance);
    out->chance[t] = 0.5 * erfc((out->mean[t] - best) / sqrt(2 * variance));
  }
  free(means);
  free(row);
  return err;
}

static double
last_step(const struct search_trial *trial)
{
  return trial->curve_count ? trial->curve[trial->curve_count - 1].step : 0;
}

/* The trial that the rest of the budget is needed for, or SIZE_MAX while there is more. */
static size_t
choose_to_finish(const struct outlook *out)
{
  const struct search *search = out->search;
  const struct fidelity *f = &search->fidelity;
  double full = f->steps[f->count - 1];
  double left = (double) search->expected_trials * full - fidelity_spent(search);
  size_t best = SIZE_MAX;
  for (size_t t = 0; t < search->count; t++)
    if (!isnan(out->chance[t]) && full - last_step(&search->trials[t]) <= left
        && (best == SIZE_MAX || out->mean[t] < out->mean[best]))
      best = t;
  if (best == SIZE_MAX)
    return best;
  double needed = full - last_step(&search->trials[best]) + f->steps[0];
  return left < needed ? best : SIZE_MAX;
}

/* The best chance among the trials of a bracket paused at a rung, if the rung may let one through. */
static size_t
choose_at(const struct outlook *out, size_t bracket, size_t rung)
{
  const struct search *search = out->search;
  size_t best = SIZE_MAX, there = 0, through = 0;
  for (size_t t = 0; t < search->count; t++)
  {
    const struct search_trial *trial = &search->trials[t];
    if (trial->bracket != bracket || isnan(fidelity_value(search, t, rung)))
      continue;
    there++;
    if (trial->target > rung)
      through++;
    else if (!isnan(out->chance[t]) && (best == SIZE_MAX || out->chance[t] > out->chance[best]))
      best = t;
  }
  if (best == SIZE_MAX || out->chance[best] < CHANCE_LEAST)
    return SIZE_MAX;
  bool due = (double) (through + 1) <= floor((double) there / search->fidelity.eta + 1e-9);
  return due || out->chance[best] > CHANCE_SURE ? best : SIZE_MAX;
}

enum err
advance_choose(const struct search *search, struct surrogate *surrogate, size_t *trial)
{
  const struct fidelity *f = &search->fidelity;
  struct surrogate_data data;
  struct gp *gp;
  *trial = SIZE_MAX;
  enum err err = surrogate_posterior(surrogate, search, 0, &data, &gp);
  if (err)
    return err;
  struct outlook out = {.search = search, .mean = calloc(2 * search->count + 1, sizeof *out.mean)};
  err = out.mean ? ERR_OK : ERR_MEMORY;
  if (!err)
  {
    out.chance = out.mean + search->count;
    err = look_ahead(surrogate, &data, gp, &out);
  }
  if (!err)
    *trial = choose_to_finish(&out);
  size_t brackets = f->stopping == SEARCH_STOPPING_HYPERBAND ? f->count : 1;
  for (size_t rung = f->count - 1; !err && *trial == SIZE_MAX && rung-- > 0;)
    for (size_t bracket = 0; *trial == SIZE_MAX && bracket < brackets; bracket++)
      *trial = choose_at(&out, bracket, rung);
  free(out.mean);
  gp_free(gp);
  surrogate_data_clear(&data);
  return err;
}
