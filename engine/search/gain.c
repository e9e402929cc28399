#include <config.h>

#include "search/gain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search/insight.h"
#include "search/special.h"

#define SPREAD 1024 /* even points that are looked at first */
#define KEPT 6      /* of them, to look around */
#define AROUND 24   /* points around each, a round */
#define ROUNDS 12
#define FIRST_REACH 0.25 /* of the first round's steps, in the unit cube */
#define SHRINK 0.65

struct hunt
{
  struct insight *insight;
  const struct space *space;
  bool lower;   /* for the lowest lower bound, else for the most improvement */
  double width; /* of the bound, in standard deviations */
  double *spread, *spread_mean, *spread_variance; /* (SPREAD) */
  double *kept;                                   /* (KEPT, space->count) */
  double kept_score[KEPT];
  double *around, *mean, *variance; /* (KEPT × AROUND) */
};

/* Larger is better: log EI, or the negated bound. */
static double
score(const struct hunt *hunt, double mean, double variance)
{
  double sd = sqrt(variance);
  double value = hunt->lower ? hunt->width * sd - mean
                             : log(sd) + special_log_ei((hunt->insight->best_mean - mean) / sd);
  return isnan(value) ? -INFINITY : value;
}

static enum err
hunt_init(struct hunt *hunt, struct insight *insight)
{
  size_t width = insight->search->space->count, count = KEPT * AROUND;
  *hunt = (struct hunt){.insight = insight, .space = insight->search->space};
  hunt->spread = calloc(SPREAD * (width + 2), sizeof *hunt->spread);
  hunt->kept = calloc(KEPT * width + 1, sizeof *hunt->kept);
  hunt->around = calloc(count * (width + 2), sizeof *hunt->around);
  if (!hunt->spread || !hunt->kept || !hunt->around)
    return ERR_MEMORY;
  hunt->spread_mean = hunt->spread + SPREAD * width;
  hunt->spread_variance = hunt->spread_mean + SPREAD;
  hunt->mean = hunt->around + count * width;
  hunt->variance = hunt->mean + count;
  return ERR_OK;
}

static void
hunt_clear(struct hunt *hunt)
{
  free(hunt->around);
  free(hunt->kept);
  free(hunt->spread);
}

/* Even points and the best trial's. */
static enum err
spread_out(struct hunt *hunt)
{
  const struct search *search = hunt->insight->search;
  size_t width = hunt->space->count;
  struct insight_points even;
  enum err err = insight_points_init(&even, search, UINT64_C(0x6761696e));
  if (err)
    return err;
  for (size_t i = 0; i + 1 < SPREAD; i++)
    insight_points_next(&even, hunt->spread + i * width);
  insight_points_clear(&even);
  memcpy(hunt->spread + (SPREAD - 1) * width, hunt->insight->best_point,
         width * sizeof *hunt->spread);
  return insight_predict(hunt->insight, SPREAD, hunt->spread, hunt->spread_mean,
                         hunt->spread_variance);
}

static void
keep_best(struct hunt *hunt)
{
  size_t width = hunt->space->count, order[KEPT], count = 0;
  for (size_t i = 0; i < SPREAD; i++)
  {
    double here = score(hunt, hunt->spread_mean[i], hunt->spread_variance[i]);
    if (count == KEPT && here <= hunt->kept_score[KEPT - 1])
      continue;
    size_t at = count < KEPT ? count++ : KEPT - 1;
    for (; at > 0 && hunt->kept_score[at - 1] < here; at--)
    {
      hunt->kept_score[at] = hunt->kept_score[at - 1];
      order[at] = order[at - 1];
    }
    hunt->kept_score[at] = here;
    order[at] = i;
  }
  for (size_t k = 0; k < KEPT; k++)
    memcpy(hunt->kept + k * width, hunt->spread + order[k] * width, width * sizeof *hunt->kept);
}

/* A copy with some of its parameters moved, by about `reach` or at least to the next value. */
static void
move(const struct space *space, const double *from, double reach, struct rng *rng, double *point)
{
  double chance = fmax(rng_double(rng), 2 / (double) space->count);
  for (size_t i = 0; i < space->count; i++)
  {
    const struct space_param *param = &space->params[i];
    double draw = rng_double(rng), fresh = rng_double(rng), step = rng_normal(rng);
    point[i] = from[i];
    if (draw >= chance)
      continue;
    if (isnan(from[i]) || features_is_nominal(param))
      point[i] = space_from_unit(param, fresh);
    else
    {
      double least = 1 / space_param_levels(param);
      double unit = space_to_unit(param, from[i]) + step * fmax(reach, least);
      point[i] = space_from_unit(param, fmin(fmax(unit, 0), 1));
    }
  }
  space_repair(space, point);
}

static enum err
look_around(struct hunt *hunt, size_t round)
{
  size_t width = hunt->space->count;
  double reach = FIRST_REACH * pow(SHRINK, (double) round);
  struct rng rng;
  rng_init(&rng, rng_mix(hunt->insight->search->seed, UINT64_C(0x6761696e)), 1 + round);
  for (size_t i = 0; i < KEPT * AROUND; i++)
    move(hunt->space, hunt->kept + i / AROUND * width, reach, &rng, hunt->around + i * width);
  enum err err =
    insight_predict(hunt->insight, KEPT * AROUND, hunt->around, hunt->mean, hunt->variance);
  for (size_t i = 0; !err && i < KEPT * AROUND; i++)
  {
    double here = score(hunt, hunt->mean[i], hunt->variance[i]);
    if (here <= hunt->kept_score[i / AROUND])
      continue;
    hunt->kept_score[i / AROUND] = here;
    memcpy(hunt->kept + i / AROUND * width, hunt->around + i * width, width * sizeof *hunt->kept);
  }
  return err;
}

/* The best score over the space. */
static enum err
find_most(struct hunt *hunt, double *most)
{
  enum err err = ERR_OK;
  keep_best(hunt);
  for (size_t round = 0; !err && round < ROUNDS; round++)
    err = look_around(hunt, round);
  *most = hunt->kept_score[0];
  for (size_t k = 1; k < KEPT; k++)
    *most = fmax(*most, hunt->kept_score[k]);
  return err;
}

/* The lowest upper bound of the trials with a value. */
static enum err
least_upper(struct insight *insight, double width, double *least)
{
  const struct search *search = insight->search;
  size_t space_count = search->space->count, count = 0;
  double *points = calloc(search->ended_count * (space_count + 2) + 1, sizeof *points);
  if (!points)
    return ERR_MEMORY;
  double *mean = points + search->ended_count * space_count;
  double *variance = mean + search->ended_count;
  for (size_t k = 0; k < search->ended_count; k++)
    if (search->trials[search->ended[k]].state == SEARCH_DONE)
      memcpy(points + count++ * space_count, search_point(search, search->ended[k]),
             space_count * sizeof *points);
  enum err err = insight_predict(insight, count, points, mean, variance);
  *least = INFINITY;
  for (size_t i = 0; !err && i < count; i++)
    *least = fmin(*least, mean[i] + width * sqrt(variance[i]));
  free(points);
  return err;
}

static enum err
measure(struct insight *insight, struct hunt *hunt, struct search_gain *gain)
{
  double parameters = (double) features_own_width(&insight->surrogate->features);
  double trials = (double) gain->trials, log_ei, lower, upper;
  double pi = acos(-1);
  hunt->width = sqrt(0.4 * log(parameters * trials * trials * pi * pi / 0.6));
  enum err err = spread_out(hunt);
  if (!err)
    err = find_most(hunt, &log_ei);
  hunt->lower = true;
  if (!err)
    err = find_most(hunt, &lower);
  if (!err)
    err = least_upper(insight, hunt->width, &upper);
  if (err)
    return err;
  gain->best = insight_value(insight, insight->best_mean);
  gain->expected = fmax(gain->best - insight_value(insight, insight->best_mean - exp(log_ei)), 0);
  gain->regret_bound = fmax(insight_value(insight, upper) - insight_value(insight, -lower), 0);
  gain->noise = insight_sd(insight, insight->best_mean, gp_noise(insight->gp));
  return ERR_OK;
}

enum err
search_gain_left(struct search *search, struct search_gain *gain, struct err_info *info)
{
  struct insight insight;
  struct hunt hunt;
  *gain = (struct search_gain){.trials = insight_finite_count(search)};
  enum err err = insight_open(search, &insight);
  if (!err)
  {
    err = hunt_init(&hunt, &insight);
    if (!err)
      err = measure(&insight, &hunt, gain);
    hunt_clear(&hunt);
    insight_close(&insight);
  }
  return err ? insight_refuse(err, info) : ERR_OK;
}

/* What is not asked for (NaN) is always fulfilled. */
static bool
is_below(double value, double limit)
{
  return isnan(limit) || value < limit;
}

bool
search_gain_is_over(struct search *search, const struct search_stop_rule *rule,
                    struct search_gain *gain)
{
  *gain = (struct search_gain){0};
  return rule->set && insight_finite_count(search) >= rule->after_trials
         && search_gain_left(search, gain, NULL) == ERR_OK
         && is_below(gain->expected, rule->expected_gain)
         && is_below(gain->regret_bound, rule->regret_bound);
}
