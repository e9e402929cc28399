#include <config.h>

#include "search/enumerate.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define SKIPS_MAX 500000 /* steps in one walk that lead to no point */

struct enumerate
{
  const struct space *space;
  size_t *levels;  /* (space->count): how many */
  size_t *at;      /* (space->count): the present level */
  double **values; /* (space->count): the levels where they are spread, NULL where all are taken */
  double *point;
  size_t skips;
  bool started, finished;
};

/* Up to `resolution` distinct values from low to high, even on the scale; returns how many. */
static size_t
spread_values(const struct space_param *param, size_t resolution, double *values)
{
  size_t found = 0;
  for (size_t k = 0; k < resolution; k++)
  {
    double unit = resolution > 1 ? (double) k / (double) (resolution - 1) : 0.5;
    double value = space_from_unit(param, unit);
    if (!found || values[found - 1] != value)
      values[found++] = value;
  }
  return found;
}

static bool
choose_levels(struct enumerate *e, size_t index, size_t resolution)
{
  const struct space_param *param = &e->space->params[index];
  double all = space_param_levels(param);
  bool ranged = param->kind == SPACE_FLOAT || param->kind == SPACE_INT;
  if (!resolution || !ranged || all <= (double) resolution)
  {
    e->levels[index] = all < 1 ? 1 : (size_t) fmin(all, 1e15);
    return true;
  }
  e->values[index] = calloc(resolution, sizeof(double));
  if (!e->values[index])
    return false;
  e->levels[index] = spread_values(param, resolution, e->values[index]);
  return true;
}

enum err
enumerate_new(const struct space *space, size_t resolution, struct enumerate **enumerate)
{
  for (size_t i = 0; i < space->count; i++)
    if (!resolution && isinf(space_param_levels(&space->params[i])))
      return ERR_INVALID;
  struct enumerate *e = calloc(1, sizeof *e);
  if (!e)
    return ERR_MEMORY;
  e->space = space;
  e->levels = calloc(space->count + 1, sizeof *e->levels);
  e->at = calloc(space->count + 1, sizeof *e->at);
  e->values = calloc(space->count + 1, sizeof *e->values);
  e->point = calloc(space->count + 1, sizeof *e->point);
  bool good = e->levels && e->at && e->values && e->point;
  for (size_t i = 0; good && i < space->count; i++)
    good = choose_levels(e, i, resolution);
  if (!good)
  {
    enumerate_free(e);
    return ERR_MEMORY;
  }
  *enumerate = e;
  return ERR_OK;
}

void
enumerate_free(struct enumerate *e)
{
  if (!e)
    return;
  for (size_t i = 0; e->values && i < e->space->count; i++)
    free(e->values[i]);
  free(e->point);
  free(e->values);
  free(e->at);
  free(e->levels);
  free(e);
}

void
enumerate_restart(struct enumerate *e)
{
  e->started = false;
  e->finished = false;
  e->skips = 0;
}

bool
enumerate_gave_up(const struct enumerate *e)
{
  return e->skips > SKIPS_MAX;
}

/* Sets the parameters from `from` on to their first level, or NaN where inactive. */
static void
reset_from(struct enumerate *e, size_t from)
{
  for (size_t i = from; i < e->space->count; i++)
    e->at[i] = 0;
}

static void
write_from(struct enumerate *e, size_t from)
{
  for (size_t i = from; i < e->space->count; i++)
    if (!space_active(e->space, i, e->point))
      e->point[i] = NAN;
    else if (e->values[i])
      e->point[i] = e->values[i][e->at[i]];
    else
      e->point[i] = space_param_level(&e->space->params[i], (double) e->at[i]);
}

/* Moves the last active parameter before `end` that has a level left; false when none has. */
static bool
advance(struct enumerate *e, size_t end)
{
  for (size_t i = end; i-- > 0;)
    if (!isnan(e->point[i]) && e->at[i] + 1 < e->levels[i])
    {
      e->at[i]++;
      reset_from(e, i + 1);
      write_from(e, i);
      return true;
    }
  return false;
}

/* To the next point that keeps the rules. While one is broken, so it is by every point that agrees in the
 * parameters up to the last that the rule names: those are skipped together. */
static bool
move_on(struct enumerate *e)
{
  bool there = !e->finished;
  if (there && e->started)
    there = advance(e, e->space->count);
  else if (there)
  {
    e->started = true;
    reset_from(e, 0);
    write_from(e, 0);
  }
  size_t rule;
  while (there && (rule = space_broken_rule(e->space, e->point)) != SIZE_MAX)
    there = ++e->skips <= SKIPS_MAX && advance(e, space_rule_last(e->space, rule) + 1);
  e->finished = !there;
  return there;
}

bool
enumerate_next(struct enumerate *e, double *point)
{
  if (!move_on(e))
    return false;
  for (size_t i = 0; i < e->space->count; i++)
    point[i] = e->point[i];
  return true;
}

size_t
enumerate_count(struct enumerate *e, size_t limit)
{
  size_t count = 0;
  enumerate_restart(e);
  while (count < limit && move_on(e))
    count++;
  count = enumerate_gave_up(e) ? limit : count;
  enumerate_restart(e);
  return count;
}
