#include <config.h>

#include "base/space_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HALVINGS 40
#define BACK_HALVINGS 12
#define ROUNDS_LEAST 24
#define ROUNDS_MOST 200
#define EAGER_ROUND 8 /* from here on relations are overdone a little: corners are reached then */
#define CLAUSES_TRIED 32 /* of one combination */
#define ASIDE 1e-6       /* how far a continuous parameter moves out of what is forbidden */
#define TRIES 64 /* fresh starts where moving the point leads nowhere and no witness is known */

/* ---- relations ----------------------------------------------------------------------------------- */

/* −1 where a parameter's number falls as its unit coordinate rises (an ordinal listed downwards). */
static double
direction(const struct space_param *param)
{
  if (param->kind == SPACE_FLOAT || param->kind == SPACE_INT)
    return 1.0;
  double last = space_param_levels(param) - 1.0;
  return space_param_number(param, last) < space_param_number(param, 0.0) ? -1.0 : 1.0;
}

/* Every parameter of the relation goes `way` of the unit interval towards keeping it. */
static void
shift(const struct space *space, const struct space_relation *relation, const double *from,
      double way, double *point)
{
  for (size_t k = 0; k < relation->count; k++)
  {
    size_t index = relation->params[k];
    const struct space_param *param = &space->params[index];
    double sign = (relation->factors[k] > 0.0 ? -1.0 : 1.0) * direction(param);
    point[index] = space_from_unit(param, space_to_unit(param, from[index]) + sign * way);
  }
}

/* The least equal shift of all its parameters that keeps the relation; what need not have moved goes
 * back. `overdo` adds a share to the shift. */
static bool
fix_relation(const struct space *space, size_t rule, double overdo, double *point, double *from)
{
  const struct space_relation *relation = &space->relations[rule - space->forbidden_count];
  memcpy(from, point, space->count * sizeof *from);
  shift(space, relation, from, 1.0, point);
  if (!space_rule_kept(space, rule, point))
  {
    memcpy(point, from, space->count * sizeof *from);
    return false;
  }
  double short_of = 0.0, enough = 1.0;
  for (int i = 0; i < HALVINGS; i++)
  {
    double middle = 0.5 * (short_of + enough);
    shift(space, relation, from, middle, point);
    if (space_rule_kept(space, rule, point))
      enough = middle;
    else
      short_of = middle;
  }
  shift(space, relation, from, fmin(enough * (1.0 + overdo), 1.0), point);
  if (!space_rule_kept(space, rule, point))
    shift(space, relation, from, enough, point);
  for (size_t k = 0; k < relation->count; k++)
  {
    size_t index = relation->params[k];
    double moved = point[index];
    point[index] = from[index];
    if (!space_rule_kept(space, rule, point))
      point[index] = moved;
  }
  return space_rule_kept(space, rule, point);
}

/* ---- forbidden combinations ------------------------------------------------------------------------ */

/* The nearest legal value on one side (−1, 1) that does not meet the clause, or NaN. */
static double
way_out(const struct space_param *param, const struct space_clause *clause, double value, int side)
{
  double levels = space_param_levels(param);
  if (isinf(levels))
  {
    double edge = clause->value_count > 0 ? value : side < 0 ? clause->low : clause->high;
    if (!(edge >= param->low && edge <= param->high))
      return NAN;
    double out = space_from_unit(param, space_to_unit(param, edge) + side * ASIDE);
    return space_clause_met(clause, out) ? NAN : out;
  }
  double level = value;
  if (param->kind == SPACE_FLOAT || param->kind == SPACE_INT)
  {
    /* from the end of the range straight on; a list is walked through */
    double edge = clause->value_count > 0 ? value : side < 0 ? clause->low : clause->high;
    if (!isfinite(edge))
      return NAN;
    double step = param->step > 0.0 ? param->step : 1.0;
    level = round((space_param_snap(param, edge) - param->low) / step);
  }
  for (size_t i = 0; i <= clause->value_count + 1; i++, level += side)
    if (level >= 0.0 && level < levels
        && !space_clause_met(clause, space_param_level(param, level)))
      return space_param_level(param, level);
  return NAN;
}

static size_t
count_broken(const struct space *space, const double *point)
{
  size_t broken = 0;
  for (size_t rule = 0; rule < space_rule_count(space); rule++)
    broken += !space_rule_kept(space, rule, point);
  return broken;
}

/* How far one parameter has moved; between values without an order the way is half the range. */
static double
distance(const struct space_param *param, double from, double to)
{
  bool ordered = param->kind != SPACE_CATEGORICAL && param->kind != SPACE_BOOL;
  return ordered ? fabs(space_to_unit(param, to) - space_to_unit(param, from)) : 0.5;
}

/* Changes one parameter of the combination: the one after which the fewest rules are broken, of equals
 * the one that moves least. */
static bool
fix_forbidden(const struct space *space, size_t rule, double *point, double *from, double *trial)
{
  const struct space_forbidden *forbidden = &space->forbidden[rule];
  size_t n = space->count,
         tried = forbidden->count < CLAUSES_TRIED ? forbidden->count : CLAUSES_TRIED;
  double best = INFINITY;
  memcpy(from, point, n * sizeof *from);
  for (size_t k = 0; k < tried; k++)
    for (int side = -1; side <= 1; side += 2)
    {
      size_t index = forbidden->clauses[k].param;
      const struct space_param *param = &space->params[index];
      double out = way_out(param, &forbidden->clauses[k], from[index], side);
      if (isnan(out))
        continue;
      memcpy(trial, from, n * sizeof *trial);
      trial[index] = out;
      space_settle(space, trial);
      double cost = (double) count_broken(space, trial) + 0.9 * distance(param, from[index], out);
      if (cost < best)
      {
        best = cost;
        memcpy(point, trial, n * sizeof *point);
      }
    }
  return isfinite(best);
}

/* ---- all rules --------------------------------------------------------------------------------------- */

/* The first broken rule from number `start` on, round about. */
static size_t
next_broken(const struct space *space, size_t start, const double *point)
{
  size_t count = space_rule_count(space);
  for (size_t k = 0; k < count; k++)
    if (!space_rule_kept(space, (start + k) % count, point))
      return (start + k) % count;
  return SIZE_MAX;
}

bool
space_rules_fix(const struct space *space, double *point, double *scratch)
{
  size_t rounds = ROUNDS_LEAST + 4 * space_rule_count(space), start = 0;
  rounds = rounds < ROUNDS_MOST ? rounds : ROUNDS_MOST;
  for (size_t round = 0; round < rounds; round++)
  {
    size_t rule = next_broken(space, start, point);
    if (rule == SIZE_MAX)
      return true;
    start = rule + 1; /* each rule gets its turn */
    double overdo =
      round < EAGER_ROUND ? 0.0 : fmin(0.05 * (double) (round - EAGER_ROUND + 1), 0.9);
    bool fixed = rule < space->forbidden_count
                   ? fix_forbidden(space, rule, point, scratch, scratch + space->count)
                   : fix_relation(space, rule, overdo, point, scratch);
    if (!fixed)
      return false;
    space_settle(space, point);
  }
  return space_allowed(space, point);
}

/* Takes parameters back towards where they were, one by one, as far as the rules allow. */
static void
pull_back(const struct space *space, const double *wanted, double *point, double *trial)
{
  size_t n = space->count;
  for (size_t i = 0; i < n; i++)
  {
    if (isnan(point[i]) || isnan(wanted[i]) || point[i] == wanted[i])
      continue;
    const struct space_param *param = &space->params[i];
    bool ordered = param->kind != SPACE_CATEGORICAL && param->kind != SPACE_BOOL;
    double here = space_to_unit(param, point[i]), there = space_to_unit(param, wanted[i]);
    double reached = 0.0, beyond = 2.0; /* the first try is the whole way */
    for (int half = 0; half <= (ordered ? BACK_HALVINGS : 0); half++)
    {
      double way = 0.5 * (reached + beyond);
      for (size_t j = 0; j < n; j++)
        trial[j] =
          isnan(point[j]) ? wanted[j] : point[j]; /* what opens again takes its old value */
      trial[i] = way == 1.0 ? wanted[i] : space_from_unit(param, here + way * (there - here));
      space_settle(space, trial);
      if (!space_allowed(space, trial))
      {
        beyond = way;
        continue;
      }
      memcpy(point, trial, n * sizeof *point);
      if (way == 1.0)
        break;
      reached = way;
    }
  }
}

/* The witness's values for what the rules name, else for everything. */
static bool
take_witness(const struct space *space, const bool *ruled, const double *wanted, double *point)
{
  for (int all = 0; space->witness && all <= 1; all++)
  {
    for (size_t i = 0; i < space->count; i++)
      point[i] = ruled[i] || all ? space->witness[i] : wanted[i];
    space_settle(space, point);
    if (space_allowed(space, point))
      return true;
  }
  return false;
}

/* Starts afresh: first with other values for what the rules name, then for everything. */
static bool
find_elsewhere(const struct space *space, const bool *ruled, const double *wanted, double *point,
               double *scratch)
{
  for (uint64_t try = 0; try < TRIES; try++)
  {
    struct rng rng;
    rng_init(&rng, UINT64_C(0x7265706169), try);
    for (size_t i = 0; i < space->count; i++)
    {
      double unit = rng_double(&rng);
      bool fresh = ruled[i] || try >= TRIES / 2;
      point[i] = fresh ? space_from_unit(&space->params[i], unit) : wanted[i];
    }
    space_settle(space, point);
    if (space_rules_fix(space, point, scratch))
      return true;
  }
  return false;
}

void
space_repair(const struct space *space, double *point)
{
  size_t n = space->count;
  space_settle(space, point);
  if (space_allowed(space, point))
    return;
  double *wanted = malloc(3 * n * sizeof *wanted);
  bool *ruled = calloc(n, sizeof *ruled);
  if (wanted && ruled)
  {
    double *scratch = wanted + n;
    memcpy(wanted, point, n * sizeof *wanted);
    space_rules_mark(space, false, ruled);
    if (space_rules_fix(space, point, scratch) || take_witness(space, ruled, wanted, point)
        || find_elsewhere(space, ruled, wanted, point, scratch))
      pull_back(space, wanted, point, scratch);
  }
  else if (space->witness) /* no memory to look for a nearer one */
  {
    memcpy(point, space->witness, n * sizeof *point);
    space_settle(space, point);
  }
  free(ruled);
  free(wanted);
}
