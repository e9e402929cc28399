#include <config.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "search/acquire_internal.h"
#include "search/sobol_sequence.h"

static bool
has_region(const struct acquire_task *task)
{
  return task->region > 0 && task->region < 1 && task->anchor_count > 0;
}

void
acquire_limits(const struct acquire_work *w, size_t index, double *low, double *high)
{
  const struct acquire_task *task = w->task;
  const struct space_param *param = &w->space->params[index];
  *low = 0;
  *high = 1;
  if (!has_region(task) || features_is_nominal(param) || param->kind == SPACE_FIXED
      || isnan(task->anchors[index]))
    return;
  double centre = space_to_unit(param, task->anchors[index]);
  double levels = space_param_levels(param);
  double reach =
    fmax(task->region / 2, isinf(levels) ? 0 : 1 / levels); /* the next value, at least */
  *low = fmax(0, centre - reach);
  *high = fmin(1, centre + reach);
}

/* A copy of an anchor with some parameters moved: a normal step for numeric ones, another value for
 * nominal ones. */
static void
perturb(const struct acquire_work *w, const double *anchor, struct rng *rng, double *point)
{
  const struct space *space = w->space;
  double reach = pow(10, -0.5 - 2 * rng_double(rng));
  double chance = fmin(1, fmax(3.0 / (double) w->width, rng_double(rng)));
  for (size_t i = 0; i < space->count; i++)
  {
    const struct space_param *param = &space->params[i];
    point[i] = anchor[i];
    double draw = rng_double(rng), fresh = rng_double(rng), step = rng_normal(rng);
    if (draw >= chance && !isnan(anchor[i]))
      continue;
    if (isnan(anchor[i]))
      point[i] = space_from_unit(param, fresh);
    else if (features_is_nominal(param))
      point[i] = draw < 0.3 * chance ? space_from_unit(param, fresh) : anchor[i];
    else
    {
      double levels = space_param_levels(param);
      double least = isinf(levels) ? 0 : 1 / levels;
      double unit = space_to_unit(param, anchor[i]) + step * fmax(reach, least);
      unit = unit < 0 ? -unit : unit > 1 ? 2 - unit : unit;
      double low, high;
      acquire_limits(w, i, &low, &high);
      point[i] = space_from_unit(param, fmin(fmax(unit, low), high));
    }
  }
  space_repair(space, point);
}

/* Takes a point of the whole space into the region. */
static void
draw_in(const struct acquire_work *w, double *point)
{
  for (size_t i = 0; i < w->space->count; i++)
  {
    const struct space_param *param = &w->space->params[i];
    double low, high;
    acquire_limits(w, i, &low, &high);
    if (!isnan(point[i]) && (low > 0 || high < 1))
      point[i] = space_from_unit(param, low + (high - low) * space_to_unit(param, point[i]));
  }
  space_repair(w->space, point);
}

/* Evenly spread points; those that break a rule are left out, and only when most do are they moved into the space. */
static enum err
spread_points(struct acquire_work *w, uint64_t seed)
{
  size_t n = w->space->count;
  struct sobol_sequence *sequence;
  double *unit = calloc(n + 1, sizeof *unit);
  if (!unit || sobol_sequence_new(n, seed, &sequence))
  {
    free(unit);
    return ERR_MEMORY;
  }
  uint32_t index = 0;
  for (size_t c = 0; c < w->spread; c++)
  {
    double *point = w->points + c * n;
    bool allowed = false;
    while (!allowed && index < 4 * w->spread)
    {
      sobol_sequence_point(sequence, index++, unit);
      allowed = space_try_unit(w->space, unit, point);
    }
    if (!allowed)
    {
      sobol_sequence_point(sequence, index++, unit);
      space_point_from_unit(w->space, unit, point);
    }
    if (has_region(w->task))
      draw_in(w, point);
  }
  sobol_sequence_free(sequence);
  free(unit);
  return ERR_OK;
}

enum err
acquire_draw_candidates(struct acquire_work *w)
{
  const struct acquire_task *task = w->task;
  size_t n = w->space->count;
  uint64_t seed = rng_mix(task->search->seed, task->stream);
  enum err err = spread_points(w, seed);
  if (err)
    return err;
  struct rng rng;
  rng_init(&rng, seed, 1);
  size_t around = has_region(task) ? 1 : task->anchor_count;
  size_t anchored = w->count - task->anchor_count;
  for (size_t c = w->spread; c < anchored; c++)
    perturb(w, task->anchors + c % around * n, &rng, w->points + c * n);
  for (size_t a = 0; a < task->anchor_count; a++)
    memcpy(w->points + (anchored + a) * n, task->anchors + a % around * n, n * sizeof *w->points);
  for (size_t c = 0; c < w->count; c++)
    features_encode(task->features, w->points + c * n, w->rows + c * w->width);
  return ERR_OK;
}
