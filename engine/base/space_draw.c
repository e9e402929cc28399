#include <config.h>

#include "base/space_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DRAWS 64 /* that may break a rule before a point is repaired */
#define MIX_SWEEPS 3
#define MIX_LOOKS 400L /* points looked at meanwhile */
#define SHRINKS 12     /* of the interval that one parameter is drawn from */
#define FIND_DRAWS 400
#define FIND_STEPS 200000L /* of the walk through what the rules name */

/* ---- random points --------------------------------------------------------------------------------- */

static void
draw_settled(const struct space *space, struct rng *rng, double *point)
{
  for (size_t i = 0; i < space->count; i++)
  {
    /* drawn also for inactive ones, so that positions in the stream don't depend on values */
    double value = space_from_unit(&space->params[i], rng_double(rng));
    point[i] = space_active(space, i, point) ? value : NAN;
  }
}

/* Draws parameter `index` anew from the interval of the unit line that the rules leave around its value:
 * a draw outside shortens the interval (Neal, "Slice sampling", 2003, figure 5). Values without an order
 * are drawn without shortening. What a new value opens is drawn as well. */
static void
mix_param(const struct space *space, size_t index, long *looks, struct rng *rng, double *point,
          double *trial)
{
  const struct space_param *param = &space->params[index];
  bool ordered = param->kind != SPACE_CATEGORICAL && param->kind != SPACE_BOOL;
  double here = space_to_unit(param, point[index]), low = 0.0, high = 1.0;
  for (int i = 0; i < (ordered ? SHRINKS : 3) && *looks > 0; i++)
  {
    double unit = low + (high - low) * rng_double(rng);
    memcpy(trial, point, space->count * sizeof *trial);
    trial[index] = space_from_unit(param, unit);
    for (size_t j = index + 1; j < space->count; j++)
      if (!space_active(space, j, trial))
        trial[j] = NAN;
      else if (isnan(trial[j]))
        trial[j] = space_from_unit(&space->params[j], rng_double(rng));
    --*looks;
    if (space_allowed(space, trial))
    {
      memcpy(point, trial, space->count * sizeof *point);
      return;
    }
    if (ordered && unit < here)
      low = unit;
    else if (ordered)
      high = unit;
  }
}

/* Moves an allowed point about within the rules, which name what `ruled` marks. */
static void
mix(const struct space *space, const bool *ruled, struct rng *rng, double *point, double *scratch)
{
  long looks = MIX_LOOKS;
  for (int sweep = 0; sweep < MIX_SWEEPS; sweep++)
  {
    size_t first = (size_t) rng_below(rng, space->count);
    for (size_t k = 0; k < space->count && looks > 0; k++)
    {
      size_t index = (first + k) % space->count;
      if (ruled[index] && !isnan(point[index]) && space_param_levels(&space->params[index]) > 1.0)
        mix_param(space, index, &looks, rng, point, scratch);
    }
  }
}

void
space_sample(const struct space *space, struct rng *rng, double *point)
{
  for (int i = 0; i < DRAWS; i++)
  {
    draw_settled(space, rng, point);
    if (space_allowed(space, point))
      return;
  }
  space_repair(space, point);
  bool *ruled = calloc(space->count, sizeof *ruled);
  double *scratch = malloc(space->count * sizeof *scratch);
  if (ruled && scratch && space_allowed(space, point))
  {
    space_rules_mark(space, false, ruled);
    mix(space, ruled, rng, point, scratch);
  }
  free(scratch);
  free(ruled);
}

/* ---- is there any point? --------------------------------------------------------------------------- */

struct finder
{
  double *point, *scratch;
  bool found, uncertain;
};

/* A way through the discrete parameters: everything else at its default, moved where rules want it. */
static bool
try_leaf(struct space_walk *walk, bool open)
{
  struct finder *finder = walk->context;
  size_t n = walk->space->count;
  memcpy(finder->point, walk->point, n * sizeof *finder->point);
  space_settle(walk->space, finder->point);
  finder->found = space_allowed(walk->space, finder->point)
                  || (open && space_rules_fix(walk->space, finder->point, finder->scratch));
  finder->uncertain = finder->uncertain || open;
  if (open)
    walk->steps -= 200; /* about what the attempt has cost */
  return !finder->found;
}

static enum err
walk_for_point(const struct space *space, double *point, double *scratch, bool *certain)
{
  size_t n = space->count;
  bool *core = calloc(n + 1, sizeof *core);
  size_t *members = calloc(n + 1, sizeof *members);
  double *walked = malloc((n + 1) * sizeof *walked);
  struct finder finder = {.point = point, .scratch = scratch};
  enum err err = ERR_MEMORY;
  if (core && members && walked)
  {
    struct space_walk walk = {.space = space,
                              .members = members,
                              .point = walked,
                              .steps = FIND_STEPS,
                              .leaf = try_leaf,
                              .context = &finder};
    space_rules_mark(space, true, core);
    for (size_t i = 0; i < n; i++)
    {
      walked[i] = NAN;
      if (core[i])
        members[walk.count++] = i;
    }
    bool ended = space_walk_run(&walk);
    *certain = finder.found || (ended && !finder.uncertain);
    err = finder.found ? ERR_OK : ERR_NOT_FOUND;
  }
  free(walked);
  free(members);
  free(core);
  return err;
}

enum err
space_find_point(const struct space *space, double *point, bool *certain)
{
  double *scratch = malloc((2 * space->count + 1) * sizeof *scratch);
  if (!scratch)
    return ERR_MEMORY;
  struct rng rng;
  rng_init(&rng, UINT64_C(0x66696e64), 0);
  for (size_t i = 0; i < space->count; i++)
    point[i] = NAN;
  space_settle(space, point);
  bool found = space_rules_fix(space, point, scratch);
  for (int i = 0; i < FIND_DRAWS && !found; i++)
  {
    draw_settled(space, &rng, point);
    found = i % 4 == 0 ? space_rules_fix(space, point, scratch) : space_allowed(space, point);
  }
  *certain = found;
  enum err err = found ? ERR_OK : walk_for_point(space, point, scratch, certain);
  free(scratch);
  return err;
}
