#include <config.h>

#include "base/space_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

double
space_param_number(const struct space_param *param, double stored)
{
  if (param->kind == SPACE_FLOAT || param->kind == SPACE_INT)
    return stored;
  bool listed = param->kind == SPACE_ORDINAL || param->kind == SPACE_FIXED;
  if (!listed || !param->values || !(stored >= 0.0 && stored < (double) param->value_count))
    return NAN;
  const struct space_value *value = &param->values[(size_t) stored];
  return value->kind == SPACE_VALUE_NUMBER ? value->number : NAN;
}

bool
space_clause_met(const struct space_clause *clause, double value)
{
  if (clause->value_count == 0)
    return value >= clause->low && value <= clause->high; /* never of NaN: inactive */
  for (size_t i = 0; i < clause->value_count; i++)
    if (clause->values[i] == value)
      return true;
  return false;
}

static bool
forbidden_met(const struct space_forbidden *forbidden, const double *point)
{
  for (size_t k = 0; k < forbidden->count; k++)
    if (!space_clause_met(&forbidden->clauses[k], point[forbidden->clauses[k].param]))
      return false;
  return true;
}

/* Σ ≤ bound as the numbers are meant: 0.1 + 0.2 is not above 0.3, whatever their binary forms add up to.
 * Whole numbers add up exactly. */
static bool
sum_holds(double sum, double bound, double size, bool whole, bool strict)
{
  if (!isfinite(size))
    return false;
  double margin = whole && size < 0x1p53 ? 0.0 : 4.0 * DBL_EPSILON * size;
  return strict ? sum - bound < -margin : sum - bound <= margin;
}

static bool
relation_holds(const struct space *space, const struct space_relation *relation,
               const double *point)
{
  double sum = 0.0, size = fabs(relation->bound);
  bool whole = floor(relation->bound) == relation->bound;
  for (size_t k = 0; k < relation->count; k++)
  {
    size_t index = relation->params[k];
    if (isnan(point[index]))
      return true;
    double term = relation->factors[k] * space_param_number(&space->params[index], point[index]);
    sum += term;
    size += fabs(term);
    whole = whole && floor(term) == term;
  }
  return sum_holds(sum, relation->bound, size, whole, relation->strict);
}

/* The least that factor × value can be. */
static double
least_term(const struct space_param *param, double factor)
{
  if (param->kind == SPACE_FLOAT || param->kind == SPACE_INT)
    return factor
           * (factor > 0.0 ? param->low
                           : space_param_level(param, isinf(space_param_levels(param))
                                                        ? param->high
                                                        : space_param_levels(param) - 1.0));
  double least = INFINITY;
  for (size_t i = 0; i < param->value_count; i++)
    least = fmin(least, factor * space_param_number(param, (double) i));
  return least;
}

bool
space_relation_possible(const struct space *space, const struct space_relation *relation)
{
  double sum = 0.0, size = fabs(relation->bound);
  bool whole = floor(relation->bound) == relation->bound;
  for (size_t k = 0; k < relation->count; k++)
  {
    double term = least_term(&space->params[relation->params[k]], relation->factors[k]);
    sum += term;
    size += fabs(term);
    whole = whole && floor(term) == term;
  }
  return sum_holds(sum, relation->bound, size, whole, relation->strict);
}

bool
space_rule_kept(const struct space *space, size_t rule, const double *point)
{
  if (rule < space->forbidden_count)
    return !forbidden_met(&space->forbidden[rule], point);
  return relation_holds(space, &space->relations[rule - space->forbidden_count], point);
}

size_t
space_rule_width(const struct space *space, size_t rule)
{
  return rule < space->forbidden_count ? space->forbidden[rule].count
                                       : space->relations[rule - space->forbidden_count].count;
}

size_t
space_rule_param(const struct space *space, size_t rule, size_t k)
{
  return rule < space->forbidden_count ? space->forbidden[rule].clauses[k].param
                                       : space->relations[rule - space->forbidden_count].params[k];
}

size_t
space_rule_last(const struct space *space, size_t rule)
{
  size_t last = 0;
  for (size_t k = 0; k < space_rule_width(space, rule); k++)
  {
    size_t index = space_rule_param(space, rule, k);
    last = index > last ? index : last;
  }
  return last;
}

size_t
space_broken_rule(const struct space *space, const double *point)
{
  for (size_t rule = 0; rule < space_rule_count(space); rule++)
    if (!space_rule_kept(space, rule, point))
      return rule;
  return SIZE_MAX;
}

bool
space_allowed(const struct space *space, const double *point)
{
  return space_broken_rule(space, point) == SIZE_MAX;
}

void
space_rules_mark(const struct space *space, bool ancestors, bool *flags)
{
  for (size_t rule = 0; rule < space_rule_count(space); rule++)
    for (size_t k = 0; k < space_rule_width(space, rule); k++)
      flags[space_rule_param(space, rule, k)] = true;
  /* parents come first, so that going backwards meets each one after its children */
  for (size_t i = space->count; ancestors && i-- > 0;)
    for (size_t c = 0; flags[i] && c < space->params[i].condition_count; c++)
      flags[space->params[i].conditions[c].parent] = true;
}

/* Tries the values of member number `at`; false ends the walk. */
static bool
walk_member(struct space_walk *walk, size_t at, bool open, const size_t *last)
{
  if (at == walk->count)
    return walk->leaf(walk, open);
  const struct space *space = walk->space;
  size_t index = walk->members[at];
  const struct space_param *param = &space->params[index];
  double levels = space_param_levels(param);
  bool active = space_active(space, index, walk->point);
  if (!active || isinf(levels))
  {
    walk->point[index] = NAN;
    return walk_member(walk, at + 1, open || active, last);
  }
  for (double level = 0.0; level < levels; level++)
  {
    if (walk->steps-- <= 0)
      return false;
    walk->point[index] = space_param_level(param, level);
    bool kept = true;
    for (size_t rule = 0; rule < space_rule_count(space) && kept; rule++)
      kept = last[rule] != index || space_rule_kept(space, rule, walk->point);
    if (kept && !walk_member(walk, at + 1, open, last))
      return false;
  }
  walk->point[index] = NAN;
  return true;
}

bool
space_walk_run(struct space_walk *walk)
{
  size_t rules = space_rule_count(walk->space);
  size_t *last = malloc((rules + 1) * sizeof *last);
  if (!last)
    return false;
  for (size_t rule = 0; rule < rules; rule++)
    last[rule] = space_rule_last(walk->space, rule);
  bool ended = walk_member(walk, 0, false, last);
  free(last);
  return ended;
}
