#include <config.h>

#include "search/search_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search/acquire.h"
#include "search/advance.h"
#include "search/belief.h"
#include "search/many.h"
#include "search/portfolio.h"
#include "search/sobol.h"
#include "search/surrogate.h"

#define ANCHORS 5
#define LEAST_START 4
#define MOST_START 10
#define WARM_LOOKS 2
/* With more trials the process takes seconds for a suggestion: densities, whose time grows with the trials only, choose
 * from there on. */
#define PROCESS_MOST 2000

struct bayes
{
  struct surrogate surrogate;
  struct many many; /* where it is needed */
  struct sobol_sequence *start;
  void *densities; /* the state of the estimator that takes over */
};

static void
bayes_stop(void *state)
{
  struct bayes *bayes = state;
  if (!bayes)
    return;
  search_kind_tpe.stop(bayes->densities);
  many_clear(&bayes->many);
  surrogate_clear(&bayes->surrogate);
  sobol_sequence_free(bayes->start);
  free(bayes);
}

static enum err
bayes_start(const struct search *search, void **state, struct err_info *info)
{
  struct bayes *bayes = calloc(1, sizeof *bayes);
  enum err err = bayes ? surrogate_init(&bayes->surrogate, search) : ERR_MEMORY;
  if (!err && many_is_needed(search))
    err = many_init(&bayes->many, search);
  if (!err)
    err = sobol_start(search, &bayes->start);
  if (!err)
    err = search_kind_tpe.start(search, &bayes->densities, info);
  if (err)
  {
    bayes_stop(bayes);
    return err_set(info, err, "out of memory");
  }
  *state = bayes;
  return ERR_OK;
}

/* How many points are asked before the process takes over. */
static size_t
start_count(const struct search *search, const struct bayes *bayes)
{
  size_t count = features_own_width(&bayes->surrogate.features) + 2;
  count = count < LEAST_START ? LEAST_START : count > MOST_START ? MOST_START : count;
  size_t third = search->expected_trials / 3;
  if (fidelity_pauses(&search->fidelity)) /* these are cheap: they pause at once */
    return count;
  return search->expected_trials && third < count ? (third < 2 ? 2 : third) : count;
}

/* Whether a trial is among the chosen data. */
static bool
has_trial(const struct surrogate_data *data, const size_t *chosen, size_t count, size_t trial)
{
  for (size_t k = 0; k < count; k++)
    if (data->trials[chosen[k]] == trial)
      return true;
  return false;
}

/* The points with the lowest posterior means, best first; returns how many. */
static size_t
choose_anchors(const struct search *search, const struct surrogate_data *data, const double *means,
               double *anchors)
{
  size_t chosen[ANCHORS];
  size_t count = 0;
  for (size_t i = 0; i < data->own; i++)
  {
    bool full = count == ANCHORS;
    if (isnan(data->values[i]) || (full && means[i] >= means[chosen[ANCHORS - 1]])
        || has_trial(data, chosen, count, data->trials[i]))
      continue;
    size_t at = full ? ANCHORS - 1 : count++;
    for (; at > 0 && means[chosen[at - 1]] > means[i]; at--)
      chosen[at] = chosen[at - 1];
    chosen[at] = i;
  }
  size_t width = search->space->count;
  for (size_t k = 0; k < count; k++)
    memcpy(anchors + k * width, search_point(search, data->trials[chosen[k]]),
           width * sizeof *anchors);
  /* Before there are enough of its own, the best of an earlier search. */
  for (size_t k = 0; count < ANCHORS && data->n > data->own && k < search->prior_count; k++)
    memcpy(anchors + count++ * width, search->prior_points + k * width, width * sizeof *anchors);
  return count;
}

/* How many parameters a point has: of a conditional space most are not there. NULL: all. */
static size_t
dimensions_at(const struct features *features, const double *point)
{
  size_t count = 0;
  for (size_t k = 0; k < features_own_width(features); k++)
    count += !point || !isnan(point[features->params[k]]) ? 1 : 0;
  return count;
}

static enum err
append_pending(const struct search *search, const struct features *features, struct gp *gp)
{
  double *row = calloc(features->layout.width + 1, sizeof *row);
  enum err err = row ? ERR_OK : ERR_MEMORY;
  for (size_t t = 0; !err && t < search->count; t++)
    if (search_is_open(&search->trials[t]))
    {
      features_encode(features, search_point(search, t), row);
      err = gp_append(gp, row);
    }
  free(row);
  return err;
}

static enum err
choose_by_process(const struct search *search, struct bayes *bayes, const struct search_seen *seen,
                  double *point)
{
  const struct features *features = &bayes->surrogate.features;
  struct surrogate_data data;
  struct gp *gp;
  enum err err =
    surrogate_posterior(&bayes->surrogate, search, search_open_count(search), &data, &gp);
  if (err)
    return err;
  double *means = calloc(data.n + ANCHORS * search->space->count, sizeof *means);
  err = means ? surrogate_full_means(&bayes->surrogate, &data, gp, means) : ERR_MEMORY;
  if (!err)
    err = append_pending(search, features, gp);
  if (!err)
  {
    double *anchors = means + data.n;
    size_t anchor_count = choose_anchors(search, &data, means, anchors);
    struct portfolio_choice choice =
      portfolio_choose(search, dimensions_at(features, anchor_count ? anchors : NULL));
    struct acquire_task task = {.search = search,
                                .seen = seen,
                                .features = features,
                                .gp = gp,
                                .best = INFINITY,
                                .anchors = anchors,
                                .anchor_count = anchor_count,
                                .stream = rng_mix(UINT64_C(0x62617965), search->count),
                                .known = search_known_count(search)
                                         + (features->task != SIZE_MAX ? search->prior_count : 0),
                                .by = choice.by,
                                .region = choice.region};
    for (size_t i = 0; i < data.own; i++)
      if (!isnan(data.values[i]) && means[i] < task.best)
        task.best = means[i];
    for (size_t i = 0; isinf(task.best) && i < data.n; i++)
      task.best = means[i]; /* the best of the earlier search comes first */
    err = acquire_choose(&task, point);
  }
  free(means);
  gp_free(gp);
  surrogate_data_clear(&data);
  return err;
}

static size_t
finite_count(const struct search *search)
{
  size_t count = 0;
  for (size_t k = 0; k < search->ended_count; k++)
    count += search->trials[search->ended[k]].state == SEARCH_DONE;
  for (size_t k = 0; fidelity_is_modelled(&search->fidelity) && k < search->observed_count; k++)
    count += isfinite(search->observed[k].value) ? 1 : 0;
  return count;
}

/* With an earlier search's results the process takes over at once; every other one of the first own
 * choices still looks elsewhere, to find out what those results are worth. */
static bool
looks_around(const struct search *search, const struct bayes *bayes)
{
  /* It says nothing of constraints and further objectives. */
  if (many_is_needed(search) || !surrogate_has_prior(search, surrogate_own_count(search)))
    return search->count < start_count(search, bayes) || finite_count(search) < 2;
  size_t number = search_own_count(search);
  return number < 2 * WARM_LOOKS && number % 2 == 1;
}

/* Moves a point of the start to where good values are believed to lie (belief.h). Fronts of several objectives do reach
 * the edges. */
static enum err
draw_inwards(const struct search *search, const struct search_seen *seen, double *point)
{
  const struct space *space = search->space;
  double *moved = calloc(space->count + 1, sizeof *moved);
  if (!moved)
    return ERR_MEMORY;
  for (size_t k = 0; k < space->count; k++)
  {
    const struct space_param *param = &space->params[k];
    moved[k] = point[k];
    if (isnan(point[k]) || param->kind == SPACE_FIXED || features_is_nominal(param))
      continue;
    double unit = space_to_unit(param, point[k]);
    moved[k] = space_from_unit(param, belief_start_unit(param, unit));
  }
  for (size_t k = 0; search->belief_count && k < space->count; k++)
  {
    double unit = isnan(point[k]) || space->params[k].kind != SPACE_FLOAT
                    ? NAN
                    : space_to_unit(&space->params[k], point[k]);
    double drawn = isnan(unit) ? NAN : belief_draw(search, moved, k, unit);
    if (!isnan(drawn))
      moved[k] = drawn;
  }
  space_repair(space, moved);
  if (!search_seen_has(seen, moved))
    memcpy(point, moved, space->count * sizeof *point);
  free(moved);
  return ERR_OK;
}

static enum err
bayes_ask(const struct search *search, void *state, double *point, struct err_info *info)
{
  struct bayes *bayes = state;
  struct search_seen seen;
  if (search->count > PROCESS_MOST)
    return search_kind_tpe.ask(search, bayes->densities, point, info);
  enum err err = search_seen_init(&seen, search);
  if (err)
    return err_set(info, err, "out of memory");
  if (looks_around(search, bayes))
  {
    err = sobol_choose(search, bayes->start, &seen, point);
    if (!err && search->objective_count == 1)
      err = draw_inwards(search, &seen, point);
  }
  else
  {
    err = many_is_needed(search)
            ? many_choose(search, &bayes->many, &bayes->surrogate, &seen, point)
            : choose_by_process(search, bayes, &seen, point);
    if (err == ERR_DIVERGED) /* values so extreme that no covariance fits them */
      err = sobol_choose(search, bayes->start, &seen, point);
  }
  search_seen_clear(&seen);
  if (err)
    err_set(info, err,
            err == ERR_NOT_FOUND ? "every point of the space has been tried" : "out of memory");
  return err;
}

/* The paused trial to continue, or SIZE_MAX. */
static enum err
bayes_advance(const struct search *search, void *state, size_t *trial)
{
  struct bayes *bayes = state;
  *trial = SIZE_MAX;
  if (search->count > PROCESS_MOST || looks_around(search, bayes) || !advance_is_by_model(search))
  {
    *trial = fidelity_promotion(search);
    return ERR_OK;
  }
  enum err err = advance_choose(search, &bayes->surrogate, trial);
  if (err == ERR_DIVERGED)
    *trial = fidelity_promotion(search);
  return err == ERR_DIVERGED ? ERR_OK : err;
}

static enum err
bayes_predict(const struct search *search, void *state, const double *point, double *mean,
              double *sd)
{
  struct bayes *bayes = state;
  if (finite_count(search) < 2)
    return ERR_NOT_FOUND;
  struct surrogate_data data;
  struct gp *gp;
  enum err err = surrogate_posterior(&bayes->surrogate, search, 0, &data, &gp);
  if (err)
    return err == ERR_DIVERGED ? ERR_NOT_FOUND : err;
  double *row = calloc(bayes->surrogate.features.layout.width + 1, sizeof *row);
  double variance;
  err = row ? ERR_OK : ERR_MEMORY;
  if (!err)
  {
    features_encode(&bayes->surrogate.features, point, row);
    gp_predict(gp, row, mean, &variance);
    double sd_here = sqrt(variance);
    *sd = 0.5
          * (outcome_value(&data.outcome, *mean + sd_here)
             - outcome_value(&data.outcome, *mean - sd_here));
    *mean = outcome_value(&data.outcome, *mean);
  }
  free(row);
  gp_free(gp);
  surrogate_data_clear(&data);
  return err;
}

static struct surrogate *
bayes_surrogate(void *state)
{
  return &((struct bayes *) state)->surrogate;
}

const struct search_kind search_kind_bayes = {.name = "bayes",
                                              .start = bayes_start,
                                              .stop = bayes_stop,
                                              .ask = bayes_ask,
                                              .advance = bayes_advance,
                                              .predict = bayes_predict,
                                              .surrogate = bayes_surrogate};
