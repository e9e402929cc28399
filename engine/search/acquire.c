#include <config.h>

#include "search/acquire_internal.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "search/belief.h"
#include "search/lbfgs.h"
#include "search/special.h"

#define SPREAD_COUNT 768 /* evenly spread candidates */
#define SPREAD_MANY 384  /* with very many data: good places are known by then */
#define VERY_MANY 600
#define AROUND_COUNT 256 /* perturbations of the anchors */
#define REFINED_COUNT 6  /* starts of the refinement */
#define REFINED_MANY 3   /* with many data, which make each step dear */
#define REFINED_LEAST 2  /* with very many */
#define SWEEPS 3         /* rounds of numeric and discrete refinement */
#define STEPS 40         /* evaluations of one numeric refinement */
#define FEW_LEVELS 16    /* so few values are tried one by one; more are also moved by slope */
#define FULL_SCREEN 300  /* up to so many data every candidate gets its variance */
#define SHORT_LIST 64    /* beyond, the best of these by a bound */
#define BOUND_REACH 2.5  /* κ */
#define BOUND_BELIEF 0.5 /* the weight of beliefs beside it; it is in the units of the process */

double
acquire_log_ei(double mean, double variance, double best)
{
  double sd = sqrt(variance);
  return log(sd) + special_log_ei((best - mean) / sd);
}

void
acquire_log_ei_gradient(size_t width, double mean, double variance, double best,
                        const double *mean_gradient, const double *variance_gradient,
                        double *gradient)
{
  double sd = sqrt(variance);
  double z = (best - mean) / sd;
  double slope = special_log_ei_slope(z);
  /* d log σ = dσ/σ and dz = (−dμ − z·dσ)/σ, with dσ = dv/(2σ). */
  for (size_t k = 0; k < width; k++)
  {
    double by_sd = variance_gradient[k] / (2 * sd);
    gradient[k] = (by_sd - slope * (mean_gradient[k] + z * by_sd)) / sd;
  }
}

double
acquire_bound(double mean, double variance)
{
  return BOUND_REACH * sqrt(variance) - mean;
}

void
acquire_bound_gradient(size_t width, double variance, const double *mean_gradient,
                       const double *variance_gradient, double *gradient)
{
  double by_variance = BOUND_REACH / (2 * sqrt(variance));
  for (size_t k = 0; k < width; k++)
    gradient[k] = by_variance * variance_gradient[k] - mean_gradient[k];
}

static double
score(const struct acquire_task *task, const double *row, double mean, double variance)
{
  if (task->by == ACQUIRE_MEAN)
    return -mean;
  double belief = belief_of_search(task->search, task->features, task->known, row, NULL);
  if (task->by == ACQUIRE_BOUND)
    return acquire_bound(mean, variance) + BOUND_BELIEF * belief;
  return acquire_log_ei(mean, variance, task->best) + belief;
}

static enum err
work_init(struct acquire_work *w, const struct acquire_task *task)
{
  memset(w, 0, sizeof *w);
  w->task = task;
  w->space = task->search->space;
  w->width = task->features->layout.width;
  size_t around = task->anchor_count ? AROUND_COUNT : 0;
  w->spread = task->gp && gp_count(task->gp) > VERY_MANY ? SPREAD_MANY : SPREAD_COUNT;
  w->count = w->spread + around + task->anchor_count;
  w->points = calloc(w->count * w->space->count, sizeof *w->points);
  w->rows = calloc(w->count * (w->width + 2) + 8 * w->width + w->space->count, sizeof *w->rows);
  w->order = calloc(w->count, sizeof *w->order);
  w->moved = calloc(w->width + 1, sizeof *w->moved);
  if (!w->points || !w->rows || !w->order || !w->moved)
    return ERR_MEMORY;
  w->mean = w->rows + w->count * w->width;
  w->variance = w->mean + w->count;
  w->row = w->variance + w->count;
  w->mean_gradient = w->row + w->width;
  w->variance_gradient = w->mean_gradient + w->width;
  w->row_gradient = w->variance_gradient + w->width;
  w->slopes = w->row_gradient + w->width;
  w->x = w->slopes + w->width;
  w->low = w->x + w->width;
  w->high = w->low + w->width;
  w->trial = w->high + w->width;
  return ERR_OK;
}

static void
work_clear(struct acquire_work *w)
{
  free(w->moved);
  free(w->order);
  free(w->rows);
  free(w->points);
}

static int
compare_candidates(const void *a, const void *b)
{
  const struct acquire_candidate *x = a, *y = b;
  if (x->score != y->score)
    return x->score > y->score ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

static void
sort_candidates(struct acquire_work *w, size_t count)
{
  for (size_t c = 0; c < count; c++)
    if (isnan(w->order[c].score))
      w->order[c].score = -INFINITY;
  qsort(w->order, count, sizeof *w->order, compare_candidates);
}

static void
order_by_score(struct acquire_work *w)
{
  for (size_t c = 0; c < w->count; c++)
    w->order[c] = (struct acquire_candidate){
      score(w->task, w->rows + c * w->width, w->mean[c], w->variance[c]), c};
  sort_candidates(w, w->count);
}

/* Scores the candidates that a bound puts in front; the others keep their place behind them. */
static enum err
rescore_front(struct acquire_work *w)
{
  size_t count = w->count < SHORT_LIST ? w->count : SHORT_LIST;
  double *rows = calloc(count * (w->width + 2), sizeof *rows);
  if (!rows)
    return ERR_MEMORY;
  double *mean = rows + count * w->width, *variance = mean + count;
  for (size_t c = 0; c < count; c++)
    memcpy(rows + c * w->width, w->rows + w->order[c].index * w->width, w->width * sizeof *rows);
  enum err err = gp_predict_many(w->task->gp, count, rows, mean, variance);
  for (size_t c = 0; !err && c < count; c++)
    w->order[c].score = score(w->task, rows + c * w->width, mean[c], variance[c]);
  free(rows);
  if (!err)
    sort_candidates(w, count);
  return err;
}

/* Puts the candidates in order, the most promising first. */
static enum err
screen(struct acquire_work *w)
{
  const struct acquire_score *other = w->task->score;
  if (other)
  {
    enum err err = other->many(other->context, w->count, w->rows, w->mean);
    for (size_t c = 0; !err && c < w->count; c++)
      w->order[c] = (struct acquire_candidate){w->mean[c], c};
    if (!err)
      sort_candidates(w, w->count);
    return err;
  }
  struct gp *gp = w->task->gp;
  bool many = gp_count(gp) > FULL_SCREEN;
  enum err err = many ? gp_predict_bound(gp, w->count, w->rows, w->mean, w->variance)
                      : gp_predict_many(gp, w->count, w->rows, w->mean, w->variance);
  if (err)
    return err;
  order_by_score(w);
  return many ? rescore_front(w) : ERR_OK;
}

static double
evaluate(struct acquire_work *w, const double *point)
{
  double mean, variance;
  features_encode(w->task->features, point, w->row);
  if (w->task->score)
    return w->task->score->one(w->task->score->context, w->row, NULL);
  gp_predict(w->task->gp, w->row, &mean, &variance);
  return score(w->task, w->row, mean, variance);
}

/* The gradient of the score at w->row by all columns into w->row_gradient. */
static void
score_gradient(struct acquire_work *w, double mean, double variance)
{
  const struct acquire_task *task = w->task;
  double weight = task->by == ACQUIRE_BOUND ? BOUND_BELIEF : 1;
  for (size_t k = 0; k < w->width; k++)
    w->row_gradient[k] = 0;
  if (task->by != ACQUIRE_MEAN)
    belief_of_search(task->search, task->features, task->known, w->row, w->row_gradient);
  if (task->by == ACQUIRE_BOUND)
    acquire_bound_gradient(w->width, variance, w->mean_gradient, w->variance_gradient, w->slopes);
  else if (task->by == ACQUIRE_IMPROVEMENT)
    acquire_log_ei_gradient(w->width, mean, variance, task->best, w->mean_gradient,
                            w->variance_gradient, w->slopes);
  else
    for (size_t k = 0; k < w->width; k++)
      w->slopes[k] = -w->mean_gradient[k];
  for (size_t k = 0; k < w->width; k++)
    w->row_gradient[k] = weight * w->row_gradient[k] + w->slopes[k];
}

/* −score and its gradient by the moved columns. */
static double
slope_function(const double *x, double *gradient, void *context)
{
  struct acquire_work *w = context;
  const struct acquire_task *task = w->task;
  double mean, variance;
  for (size_t k = 0; k < w->moved_count; k++)
    w->row[w->moved[k]] = x[k];
  if (task->score)
  {
    double value = task->score->one(task->score->context, w->row, w->row_gradient);
    for (size_t k = 0; k < w->moved_count; k++)
      gradient[k] = -w->row_gradient[w->moved[k]];
    return -value;
  }
  gp_predict_gradient(task->gp, w->row, &mean, &variance, w->mean_gradient, w->variance_gradient);
  score_gradient(w, mean, variance);
  for (size_t k = 0; k < w->moved_count; k++)
    gradient[k] = -w->row_gradient[w->moved[k]];
  return -score(task, w->row, mean, variance);
}

/* Climbs along the slope of the numeric parameters; keeps the new point if it is better. */
static enum err
climb(struct acquire_work *w, double *point, double *value)
{
  const struct space *space = w->space;
  const struct features *features = w->task->features;
  w->moved_count = 0;
  for (size_t k = 0; k < features_own_width(features); k++)
  {
    const struct space_param *param = &space->params[features->params[k]];
    bool numeric = !features_is_nominal(param) && space_param_levels(param) > FEW_LEVELS;
    if (numeric && !isnan(point[features->params[k]]))
      w->moved[w->moved_count++] = k;
  }
  if (!w->moved_count)
    return ERR_OK;
  features_encode(features, point, w->row);
  for (size_t k = 0; k < w->moved_count; k++)
  {
    w->x[k] = w->row[w->moved[k]];
    acquire_limits(w, features->params[w->moved[k]], &w->low[k], &w->high[k]);
    w->low[k] = fmin(w->low[k], w->x[k]); /* a rule may have moved the point out */
    w->high[k] = fmax(w->high[k], w->x[k]);
  }
  struct lbfgs_problem problem = {.n = w->moved_count,
                                  .low = w->low,
                                  .high = w->high,
                                  .function = slope_function,
                                  .context = w,
                                  .max_evaluations = STEPS,
                                  .gradient_tolerance = 1e-4,
                                  .value_tolerance = 1e-7,
                                  .first_step = 0.1};
  enum err err = lbfgs_minimise(&problem, w->x, NULL);
  if (err)
    return err == ERR_DIVERGED ? ERR_OK : err;
  memcpy(w->trial, point, space->count * sizeof *point);
  for (size_t k = 0; k < w->moved_count; k++)
  {
    size_t index = features->params[w->moved[k]];
    w->trial[index] = space_from_unit(&space->params[index], w->x[k]);
  }
  space_repair(space, w->trial);
  double reached = evaluate(w, w->trial);
  if (reached > *value)
  {
    *value = reached;
    memcpy(point, w->trial, space->count * sizeof *point);
  }
  return ERR_OK;
}

/* Tries one value of one parameter; what it newly opens starts at its default. */
static bool
try_value(struct acquire_work *w, double *point, size_t index, double candidate, double *value)
{
  if (candidate == point[index])
    return false;
  memcpy(w->trial, point, w->space->count * sizeof *point);
  w->trial[index] = candidate;
  space_repair(w->space, w->trial);
  double reached = evaluate(w, w->trial);
  if (!(reached > *value) || search_seen_has(w->task->seen, w->trial))
    return false;
  *value = reached;
  memcpy(point, w->trial, w->space->count * sizeof *point);
  return true;
}

/* Tries the values of each discrete parameter in turn; whether any was better. */
static bool
sweep(struct acquire_work *w, double *point, double *value)
{
  bool better = false;
  for (size_t k = 0; k < features_own_width(w->task->features); k++)
  {
    size_t index = w->task->features->params[k];
    const struct space_param *param = &w->space->params[index];
    double levels = space_param_levels(param);
    if (isinf(levels) || isnan(point[index]))
      continue;
    if (levels <= FEW_LEVELS || features_is_nominal(param))
    {
      for (double level = 0; level < levels && !isnan(point[index]); level++)
        better |= try_value(w, point, index, space_param_level(param, level), value);
      continue;
    }
    for (double reach = 1; reach <= levels / 4; reach *= 2)
      for (int sign = -1; sign <= 1; sign += 2)
      {
        double unit = space_to_unit(param, point[index]) + sign * reach / levels;
        if (unit >= 0 && unit <= 1)
          better |= try_value(w, point, index, space_from_unit(param, unit), value);
      }
  }
  return better;
}

static enum err
refine(struct acquire_work *w, double *point, double *value)
{
  for (int round = 0; round < SWEEPS; round++)
  {
    enum err err = climb(w, point, value);
    if (err)
      return err;
    if (!sweep(w, point, value))
      break;
  }
  return ERR_OK;
}

/* Refines the most promising candidates and keeps the best end that is not taken. */
static enum err
refine_best(struct acquire_work *w, double *point, bool *found)
{
  size_t n = w->space->count;
  double best = -INFINITY;
  double *start = calloc(n, sizeof *start);
  enum err err = start ? ERR_OK : ERR_MEMORY;
  size_t known = w->task->search->ended_count;
  size_t starts = known > VERY_MANY     ? REFINED_LEAST
                  : known > FULL_SCREEN ? REFINED_MANY
                                        : REFINED_COUNT;
  *found = false;
  for (size_t c = 0; !err && c < w->count && c < starts; c++)
  {
    double value = w->order[c].score;
    memcpy(start, w->points + w->order[c].index * n, n * sizeof *start);
    err = refine(w, start, &value);
    if (!err && value > best && !search_seen_has(w->task->seen, start))
    {
      best = value;
      memcpy(point, start, n * sizeof *point);
      *found = true;
    }
  }
  free(start);
  return err;
}

enum err
acquire_choose(const struct acquire_task *task, double *point)
{
  struct acquire_work w;
  bool found = false;
  enum err err = work_init(&w, task);
  if (!err)
    err = acquire_draw_candidates(&w);
  if (!err)
    err = screen(&w);
  if (!err)
    err = refine_best(&w, point, &found);
  size_t n = w.space->count;
  for (size_t c = 0; !err && !found && c < w.count; c++)
  {
    const double *candidate = w.points + w.order[c].index * n;
    found = !search_seen_has(task->seen, candidate);
    if (found)
      memcpy(point, candidate, n * sizeof *point);
  }
  if (!err && !found)
  {
    struct rng rng;
    rng_init(&rng, rng_mix(task->search->seed, task->stream), 2);
    err = search_draw_unseen(task->search, task->seen, &rng, point);
  }
  work_clear(&w);
  return err;
}
