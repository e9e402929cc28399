#include <config.h>

#include "search/insight.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 256
#define INSIST 4
#define TRIES 32 /* for one point that keeps the rules */

size_t
insight_finite_count(const struct search *search)
{
  size_t count = 0;
  for (size_t k = 0; k < search->ended_count; k++)
    count += search->trials[search->ended[k]].state == SEARCH_DONE;
  return count;
}

/* The incumbents, by the model and by the values; of those that meet the constraints if any does. */
static enum err
find_best(struct insight *insight)
{
  const struct search *search = insight->search;
  const struct surrogate_data *data = &insight->data;
  bool feasible = false;
  double least = INFINITY;
  insight->means = calloc(data->n + 1, sizeof *insight->means);
  enum err err = insight->means
                   ? surrogate_full_means(insight->surrogate, data, insight->gp, insight->means)
                   : ERR_MEMORY;
  insight->best_mean = INFINITY;
  insight->worst = -INFINITY;
  for (size_t i = 0; i < data->own; i++)
    feasible |= search_is_success(&search->trials[data->trials[i]]);
  for (size_t i = 0; !err && i < data->own; i++)
  {
    const struct search_trial *trial = &search->trials[data->trials[i]];
    insight->worst = fmax(insight->worst, data->y[i]);
    if (trial->state != SEARCH_DONE || (feasible && !search_is_success(trial)))
      continue;
    insight->best_mean = fmin(insight->best_mean, insight->means[i]);
    if (trial->value < least)
    {
      least = trial->value;
      insight->best_point = search_point(search, data->trials[i]);
    }
  }
  return err;
}

enum err
insight_open(struct search *search, struct insight *insight)
{
  *insight = (struct insight){.search = search};
  if (insight_finite_count(search) < INSIGHT_LEAST)
    return ERR_NOT_FOUND;
  if (surrogate_own_count(search) > INSIGHT_MOST)
    return ERR_LIMIT;
  enum err err = ERR_OK;
  if (search->kind->surrogate)
    insight->surrogate = search->kind->surrogate(search->state);
  else
  {
    err = surrogate_init(&insight->own, search);
    insight->surrogate = &insight->own;
  }
  if (!err && features_own_width(&insight->surrogate->features) == 0)
    err = ERR_NOT_FOUND;
  if (!err)
    err = surrogate_posterior(insight->surrogate, search, search_open_count(search), &insight->data,
                              &insight->gp);
  if (!err)
    err = find_best(insight);
  if (err)
    insight_close(insight);
  return err;
}

enum err
insight_refuse(enum err err, struct err_info *info)
{
  if (err == ERR_MEMORY)
    return err_set(info, err, "out of memory");
  if (err == ERR_DIVERGED)
    return err_set(info, ERR_NOT_FOUND, "the values are too far apart for a model");
  if (err == ERR_LIMIT)
    return err_set(info, ERR_NOT_FOUND, "more than %d trials are too many for a model",
                   INSIGHT_MOST);
  return err_set(info, ERR_NOT_FOUND,
                 "there must be %d trials with a value, and something to choose", INSIGHT_LEAST);
}

void
insight_close(struct insight *insight)
{
  free(insight->means);
  gp_free(insight->gp);
  if (insight->gp)
    surrogate_data_clear(&insight->data);
  if (insight->surrogate == &insight->own)
    surrogate_clear(&insight->own);
  memset(insight, 0, sizeof *insight);
}

enum err
insight_predict(struct insight *insight, size_t count, const double *points, double *mean,
                double *variance)
{
  const struct features *features = &insight->surrogate->features;
  size_t width = features->layout.width, n = insight->search->space->count;
  double *rows = calloc(CHUNK * width + 1, sizeof *rows);
  enum err err = rows ? ERR_OK : ERR_MEMORY;
  for (size_t from = 0; !err && from < count; from += CHUNK)
  {
    size_t some = count - from < CHUNK ? count - from : CHUNK;
    for (size_t i = 0; i < some; i++)
      features_encode(features, points + (from + i) * n, rows + i * width);
    err = gp_predict_many(insight->gp, some, rows, mean + from, variance ? variance + from : NULL);
  }
  free(rows);
  return err;
}

enum err
insight_add_pending(struct insight *insight)
{
  const struct search *search = insight->search;
  const struct features *features = &insight->surrogate->features;
  double *row = calloc(features->layout.width + 1, sizeof *row);
  enum err err = row ? ERR_OK : ERR_MEMORY;
  for (size_t t = 0; !err && t < search->count; t++)
    if (search_is_open(&search->trials[t]))
    {
      features_encode(features, search_point(search, t), row);
      err = gp_append(insight->gp, row);
    }
  free(row);
  return err;
}

double
insight_value(const struct insight *insight, double outcome)
{
  return outcome_value(&insight->data.outcome, outcome);
}

double
insight_sd(const struct insight *insight, double outcome, double variance)
{
  double sd = sqrt(variance);
  return 0.5 * (insight_value(insight, outcome + sd) - insight_value(insight, outcome - sd));
}

enum err
insight_points_init(struct insight_points *points, const struct search *search, uint64_t kind)
{
  uint64_t seed = rng_mix(search->seed, kind);
  *points = (struct insight_points){.space = search->space};
  rng_init(&points->rng, seed, 1);
  points->unit = calloc(search->space->count + 1, sizeof *points->unit);
  enum err err = points->unit ? ERR_OK : ERR_MEMORY;
  if (!err)
    err = sobol_sequence_new(search->space->count, seed, &points->sequence);
  if (err)
    insight_points_clear(points);
  return err;
}

void
insight_points_clear(struct insight_points *points)
{
  sobol_sequence_free(points->sequence);
  free(points->unit);
  memset(points, 0, sizeof *points);
}

void
insight_points_next(struct insight_points *points, double *point)
{
  for (size_t i = 0; i < TRIES; i++)
  {
    sobol_sequence_point(points->sequence, points->index++, points->unit);
    if (space_try_unit(points->space, points->unit, point))
      return;
  }
  space_sample(points->space, &points->rng, point);
}

static bool
condition_has(const struct space_condition *condition, double value)
{
  for (size_t v = 0; v < condition->value_count; v++)
    if (condition->values[v] == value)
      return true;
  return false;
}

/* Opens a parameter: its parents first, each at a value that all conditions on it allow. */
static void
open_param(const struct space *space, size_t param, size_t pick, double *point)
{
  const struct space_param *p = &space->params[param];
  for (size_t c = 0; c < p->condition_count; c++)
  {
    const struct space_condition *condition = &p->conditions[c];
    open_param(space, condition->parent, pick, point);
    if (!condition_has(condition, point[condition->parent]) && condition->value_count)
      point[condition->parent] = condition->values[pick % condition->value_count];
  }
}

static bool
holds(const struct space *space, const struct insight_setting *settings, size_t count,
      const double *point)
{
  for (size_t k = 0; k < count; k++)
    if (point[settings[k].param] != settings[k].value)
      return false;
  return space_contains(space, point);
}

bool
insight_set(const struct space *space, const struct insight_setting *settings, size_t count,
            size_t pick, double *point)
{
  for (size_t k = 0; k < count; k++)
    open_param(space, settings[k].param, pick, point);
  /* A repair may move what was set instead of the others: insisting moves them bit by bit. */
  for (size_t i = 0; i < INSIST; i++)
  {
    for (size_t k = 0; k < count; k++)
      point[settings[k].param] = settings[k].value;
    space_repair(space, point);
    if (holds(space, settings, count, point))
      return true;
  }
  return false;
}
