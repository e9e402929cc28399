#include <config.h>

#include "search/many.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search/acquire.h"
#include "search/belief.h"
#include "search/special.h"
#include "search/standing.h"
#include "search/volume.h"

#define OUTPUTS_MAX (SEARCH_OBJECTIVES_MAX + SEARCH_CONSTRAINTS_MAX)
#define ANCHORS 5

enum err
many_init(struct many *many, const struct search *search)
{
  many->count = search->objective_count + search->constraint_count;
  many->others = calloc(many->count, sizeof *many->others);
  enum err err = many->others ? ERR_OK : ERR_MEMORY;
  for (size_t k = 1; !err && k < many->count; k++)
    err = surrogate_init_output(&many->others[k - 1], search, k);
  if (err)
    many_clear(many);
  return err;
}

void
many_clear(struct many *many)
{
  for (size_t k = 1; many->others && k < many->count; k++)
    surrogate_clear(&many->others[k - 1]);
  free(many->others);
  memset(many, 0, sizeof *many);
}

/* ---- what is maximised ------------------------------------------------------------------------------- */

struct hunt
{
  const struct search *search;
  size_t outputs, objectives, width;
  struct gp *gps[OUTPUTS_MAX];
  double limit[OUTPUTS_MAX]; /* of constraints: the outcome that 0 has */
  bool feasible;             /* some trial is */
  const struct features
    *believed; /* of one objective: belief.h; NULL = fronts do reach the edges */
  size_t known;
  double best;          /* of one objective */
  struct volume volume; /* of several */
  double *slopes;       /* (2·outputs, width): of means and variances */
};

/* The score from the means and variances of all outputs, and its derivatives by them. */
static double
hunt_score(const struct hunt *hunt, const double *mean, const double *variance, double *by_mean,
           double *by_variance)
{
  double score = 0;
  memset(by_mean, 0, hunt->outputs * sizeof *by_mean);
  memset(by_variance, 0, hunt->outputs * sizeof *by_variance);
  if (hunt->feasible && hunt->objectives == 1)
  {
    static const double one = 1, none = 0;
    score = acquire_log_ei(mean[0], variance[0], hunt->best);
    acquire_log_ei_gradient(1, mean[0], variance[0], hunt->best, &one, &none, by_mean);
    acquire_log_ei_gradient(1, mean[0], variance[0], hunt->best, &none, &one, by_variance);
  }
  else if (hunt->feasible)
    score = volume_log_gain(&hunt->volume, mean, variance, by_mean, by_variance);
  for (size_t k = hunt->objectives; k < hunt->outputs; k++)
  {
    double sd = sqrt(variance[k]), z = (hunt->limit[k] - mean[k]) / sd, slope;
    score += special_log_cdf(z, &slope);
    by_mean[k] = -slope / sd;
    by_variance[k] = -slope * z / (2 * variance[k]);
  }
  return score;
}

static enum err
score_many(void *context, size_t count, const double *rows, double *scores)
{
  const struct hunt *hunt = context;
  size_t outputs = hunt->outputs;
  double *mean = calloc(2 * outputs * count + 1, sizeof *mean), *variance = mean;
  enum err err = mean ? ERR_OK : ERR_MEMORY;
  if (!err)
    variance = mean + outputs * count;
  for (size_t k = 0; !err && k < outputs; k++)
    err = gp_predict_many(hunt->gps[k], count, rows, mean + k * count, variance + k * count);
  for (size_t c = 0; !err && c < count; c++)
  {
    double m[OUTPUTS_MAX], v[OUTPUTS_MAX], by_mean[OUTPUTS_MAX], by_variance[OUTPUTS_MAX];
    for (size_t k = 0; k < outputs; k++)
    {
      m[k] = mean[k * count + c];
      v[k] = variance[k * count + c];
    }
    scores[c] = hunt_score(hunt, m, v, by_mean, by_variance);
    if (hunt->believed)
      scores[c] +=
        belief_of_search(hunt->search, hunt->believed, hunt->known, rows + c * hunt->width, NULL);
  }
  free(mean);
  return err;
}

static double
score_one(void *context, const double *row, double *gradient)
{
  const struct hunt *hunt = context;
  double mean[OUTPUTS_MAX], variance[OUTPUTS_MAX], by_mean[OUTPUTS_MAX], by_variance[OUTPUTS_MAX];
  size_t width = hunt->width;
  for (size_t k = 0; k < hunt->outputs; k++)
    if (gradient)
      gp_predict_gradient(hunt->gps[k], row, &mean[k], &variance[k], hunt->slopes + 2 * k * width,
                          hunt->slopes + (2 * k + 1) * width);
    else
      gp_predict(hunt->gps[k], row, &mean[k], &variance[k]);
  double score = hunt_score(hunt, mean, variance, by_mean, by_variance);
  for (size_t f = 0; gradient && f < width; f++)
  {
    gradient[f] = 0;
    for (size_t k = 0; k < hunt->outputs; k++)
      gradient[f] += by_mean[k] * hunt->slopes[2 * k * width + f]
                     + by_variance[k] * hunt->slopes[(2 * k + 1) * width + f];
  }
  if (hunt->believed)
    score += belief_of_search(hunt->search, hunt->believed, hunt->known, row, gradient);
  return score;
}

/* ---- getting ready ----------------------------------------------------------------------------------- */

/* The posteriors of all outputs, without the open trials yet. */
static enum err
open_processes(const struct search *search, struct many *many, struct surrogate *first,
               struct hunt *hunt)
{
  size_t spare = search_open_count(search);
  enum err err = ERR_OK;
  for (size_t k = 0; !err && k < hunt->outputs; k++)
  {
    struct surrogate_data data;
    struct surrogate *s = k ? &many->others[k - 1] : first;
    err = surrogate_posterior(s, search, spare, &data, &hunt->gps[k]);
    if (err)
      break;
    if (k >= hunt->objectives)
      hunt->limit[k] = outcome_of_plain(&data.outcome, 0);
    surrogate_data_clear(&data);
  }
  return err;
}

/* The lowest mean, or the front of the means, of the feasible trials. */
static enum err
find_incumbents(const struct search *search, const struct features *features, struct hunt *hunt)
{
  size_t m = hunt->objectives, n = 0;
  double *row = calloc(hunt->width + 1, sizeof *row);
  double *means = calloc(search->ended_count * m + 1, sizeof *means);
  enum err err = row && means ? ERR_OK : ERR_MEMORY;
  hunt->best = INFINITY;
  for (size_t i = 0; !err && i < search->ended_count; i++)
  {
    if (!search_is_success(&search->trials[search->ended[i]]))
      continue;
    features_encode(features, search_point(search, search->ended[i]), row);
    for (size_t k = 0; k < m; k++)
      gp_predict(hunt->gps[k], row, &means[n * m + k], NULL);
    hunt->best = fmin(hunt->best, means[n++ * m]);
  }
  hunt->feasible = n > 0;
  if (!err && m > 1 && n > 0)
    err = volume_init(&hunt->volume, n, m, means, rng_mix(search->seed, search->count));
  free(means);
  free(row);
  return err;
}

static enum err
append_open(const struct search *search, const struct features *features, struct hunt *hunt)
{
  double *row = calloc(hunt->width + 1, sizeof *row);
  enum err err = row ? ERR_OK : ERR_MEMORY;
  for (size_t t = 0; !err && t < search->count; t++)
  {
    if (!search_is_open(&search->trials[t]))
      continue;
    features_encode(features, search_point(search, t), row);
    for (size_t k = 0; !err && k < hunt->outputs; k++)
      err = gp_append(hunt->gps[k], row);
  }
  free(row);
  return err;
}

/* The best trials so far, of several objectives from all along the front; returns how many. */
static enum err
find_anchors(const struct search *search, double *anchors, size_t *count)
{
  struct standing standing;
  enum err err = standing_make(search, search->space->count + 1, &standing);
  size_t n = search->space->count;
  *count = 0;
  for (size_t k = 0; !err && k < standing.count && *count < ANCHORS; k++)
    if (search->trials[standing.order[k]].state != SEARCH_FAILED)
      memcpy(anchors + (*count)++ * n, search_point(search, standing.order[k]),
             n * sizeof *anchors);
  if (!err)
    standing_clear(&standing);
  return err;
}

enum err
many_choose(const struct search *search, struct many *many, struct surrogate *first,
            const struct search_seen *seen, double *point)
{
  const struct features *features = &first->features;
  struct hunt hunt = {.outputs = many->count,
                      .objectives = search->objective_count,
                      .width = features->layout.width,
                      .search = search,
                      .believed = search->objective_count == 1 ? features : NULL,
                      .known = search_known_count(search)};
  struct acquire_score score = {.many = score_many, .one = score_one, .context = &hunt};
  struct acquire_task task = {.search = search,
                              .seen = seen,
                              .features = features,
                              .stream = rng_mix(UINT64_C(0x6d616e79), search->count),
                              .score = &score};
  double *anchors = calloc(ANCHORS * search->space->count + 1, sizeof *anchors);
  hunt.slopes = calloc(2 * hunt.outputs * hunt.width + 1, sizeof *hunt.slopes);
  enum err err = anchors && hunt.slopes ? ERR_OK : ERR_MEMORY;
  if (!err)
    err = open_processes(search, many, first, &hunt);
  if (!err)
    err = find_incumbents(search, features, &hunt);
  if (!err)
    err = append_open(search, features, &hunt);
  if (!err)
    err = find_anchors(search, anchors, &task.anchor_count);
  task.anchors = anchors;
  if (!err)
    err = acquire_choose(&task, point);
  for (size_t k = 0; k < hunt.outputs; k++)
    gp_free(hunt.gps[k]);
  free(hunt.slopes);
  free(anchors);
  return err;
}
