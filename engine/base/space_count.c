#include <config.h>

#include "base/space_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Counting the points of a space with conditions.
 *
 * Parameters that no unanswered condition links are independent: their counts multiply. Within a
 * linked group the first parameter (whose parents are all answered) is given each value that some
 * condition names, and "any other value" once for all the others; the counts add. So the work grows
 * with how entangled the conditions are, not with the number of values.
 *
 * Rules link as conditions do. In a group with rules, the parameters that rules name and those that they
 * depend on are walked through value by value; what is left is counted as above at each end. */

#define COUNT_SATURATED 1e15
#define COUNT_STEPS_MAX 20000000L
#define RULED_STEPS_MAX 200000L
#define SHARE_DRAWS 4000        /* of the estimate where that is not enough */
#define OTHER_VALUE (-INFINITY) /* equal to no legal value */

struct counter
{
  const struct space *space;
  double *point;
  bool *answered;
  size_t *place; /* of a parameter among the open ones + 1 */
  long steps;
  bool gave_up;
};

static double count_members(struct counter *counter, const size_t *members, size_t count);

/* Some answered parent rules this parameter out. */
static bool
ruled_out(const struct counter *counter, const struct space_param *param)
{
  for (size_t i = 0; i < param->condition_count; i++)
  {
    const struct space_condition *condition = &param->conditions[i];
    if (!counter->answered[condition->parent])
      continue;
    bool met = false;
    for (size_t j = 0; j < condition->value_count && !met; j++)
      met = counter->point[condition->parent] == condition->values[j];
    if (!met)
      return true;
  }
  return false;
}

static size_t
group_root(size_t *group, size_t i)
{
  while (group[i] != i)
  {
    group[i] = group[group[i]];
    i = group[i];
  }
  return i;
}

static void
link_groups(size_t *group, size_t i, size_t j)
{
  size_t a = group_root(group, i), b = group_root(group, j);
  group[a > b ? a : b] = a < b ? a : b;
}

/* The distinct legal values of `parent` that conditions of `members` name, into `values`. */
static size_t
named_values(const struct counter *counter, size_t parent, const size_t *members, size_t count,
             double *values)
{
  size_t found = 0;
  for (size_t i = 0; i < count; i++)
  {
    const struct space_param *param = &counter->space->params[members[i]];
    for (size_t j = 0; j < param->condition_count; j++)
      for (size_t k = 0;
           param->conditions[j].parent == parent && k < param->conditions[j].value_count; k++)
      {
        double value = param->conditions[j].values[k];
        bool known = !space_param_legal(&counter->space->params[parent], value);
        for (size_t l = 0; l < found && !known; l++)
          known = values[l] == value;
        if (!known)
          values[found++] = value;
      }
  }
  return found;
}

static size_t
named_values_bound(const struct counter *counter, size_t parent, const size_t *members,
                   size_t count)
{
  size_t bound = 0;
  for (size_t i = 0; i < count; i++)
  {
    const struct space_param *param = &counter->space->params[members[i]];
    for (size_t j = 0; j < param->condition_count; j++)
      if (param->conditions[j].parent == parent)
        bound += param->conditions[j].value_count;
  }
  return bound;
}

/* A linked group: members[0] is answered with each value in turn. */
static double
count_group(struct counter *counter, const size_t *members, size_t count)
{
  size_t first = members[0];
  double levels = space_param_levels(&counter->space->params[first]);
  if (count == 1)
    return levels;

  size_t bound = named_values_bound(counter, first, members + 1, count - 1);
  double *values = malloc((bound + 1) * sizeof *values);
  counter->steps += (long) bound;
  if (!values)
  {
    counter->gave_up = true;
    return 1.0;
  }
  size_t named = named_values(counter, first, members + 1, count - 1, values);
  double total = 0.0;
  counter->answered[first] = true;
  for (size_t i = 0; i < named; i++)
  {
    counter->point[first] = values[i];
    total += count_members(counter, members + 1, count - 1);
  }
  if (levels > (double) named)
  {
    counter->point[first] = OTHER_VALUE;
    total += (levels - (double) named) * count_members(counter, members + 1, count - 1);
  }
  counter->answered[first] = false;
  free(values);
  return total;
}

/* Links what remains open by its conditions and multiplies the counts of the groups. */
static double
count_open(struct counter *counter, const size_t *open, size_t count, size_t *group, size_t *part)
{
  for (size_t i = 0; i < count; i++)
  {
    group[i] = i;
    counter->place[open[i]] = i + 1;
  }
  for (size_t i = 0; i < count; i++)
  {
    const struct space_param *param = &counter->space->params[open[i]];
    counter->steps += (long) param->condition_count;
    for (size_t j = 0; j < param->condition_count; j++)
      if (counter->place[param->conditions[j].parent])
        link_groups(group, counter->place[param->conditions[j].parent] - 1, i);
  }
  for (size_t i = 0; i < count; i++)
    counter->place[open[i]] = 0;
  double product = 1.0;
  for (size_t i = 0; i < count; i++)
  {
    if (group_root(group, i) != i)
      continue;
    counter->steps += (long) (count - i);
    size_t size = 0;
    for (size_t j = i; j < count; j++)
      if (group_root(group, j) == i)
        part[size++] = open[j];
    product *= count_group(counter, part, size);
  }
  return product;
}

/* Points of `members` (rising), given the answers so far. */
static double
count_members(struct counter *counter, const size_t *members, size_t count)
{
  if (count == 0 || counter->gave_up)
    return 1.0;
  size_t *scratch = calloc(count, 4 * sizeof *scratch);
  counter->steps += (long) count;
  if (!scratch || counter->steps > COUNT_STEPS_MAX)
  {
    counter->gave_up = true;
    free(scratch);
    return 1.0;
  }
  size_t *open = scratch, *closed = scratch + count;
  size_t open_count = 0, closed_count = 0;
  for (size_t i = 0; i < count; i++)
  {
    size_t index = members[i];
    if (ruled_out(counter, &counter->space->params[index]))
    {
      counter->point[index] = NAN;
      counter->answered[index] = true;
      closed[closed_count++] = index;
    }
    else
      open[open_count++] = index;
  }
  double product = count_open(counter, open, open_count, scratch + 2 * count, scratch + 3 * count);
  for (size_t i = 0; i < closed_count; i++)
    counter->answered[closed[i]] = false;
  free(scratch);
  return product;
}

static bool
has_continuous(const struct space *space)
{
  for (size_t i = 0; i < space->count; i++)
    if (isinf(space_param_levels(&space->params[i])))
      return true;
  return false;
}

/* ---- with rules ------------------------------------------------------------------------------------ */

/* One group of linked parameters: the core is walked through, the rest counted at each end. */
struct ruled_group
{
  struct counter *counter;
  size_t *rest;
  size_t rest_count;
  double total;
};

static bool
count_leaf(struct space_walk *walk, bool open)
{
  struct ruled_group *group = walk->context;
  struct counter *counter = group->counter;
  group->total += open ? INFINITY : count_members(counter, group->rest, group->rest_count);
  walk->steps -= (long) group->rest_count / 8;
  return !counter->gave_up && isfinite(group->total);
}

/* Points of the members of one group, of which `core` marks those to be walked through. */
static double
count_ruled_group(struct counter *counter, const bool *core, const size_t *members, size_t count,
                  size_t *scratch)
{
  struct ruled_group group = {.counter = counter, .rest = scratch};
  size_t *walked = scratch + count;
  struct space_walk walk = {.space = counter->space,
                            .members = walked,
                            .point = counter->point,
                            .steps = RULED_STEPS_MAX,
                            .leaf = count_leaf,
                            .context = &group};
  for (size_t i = 0; i < count; i++)
  {
    if (core[members[i]])
      walked[walk.count++] = members[i];
    else
      group.rest[group.rest_count++] = members[i];
    counter->answered[members[i]] = core[members[i]];
  }
  bool ended = walk.count > 0 ? space_walk_run(&walk) : count_leaf(&walk, false);
  counter->gave_up = counter->gave_up || (!ended && isfinite(group.total));
  for (size_t i = 0; i < count; i++)
  {
    counter->answered[members[i]] = false;
    counter->point[members[i]] = NAN;
  }
  return group.total;
}

/* The product over the groups that conditions and rules link. `scratch`: 4 × space->count. */
static double
count_ruled(struct counter *counter, const bool *core, size_t *scratch)
{
  const struct space *space = counter->space;
  size_t n = space->count, *group = scratch, *members = scratch + n;
  for (size_t i = 0; i < n; i++)
  {
    group[i] = i;
    counter->point[i] = NAN;
  }
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < space->params[i].condition_count; c++)
      link_groups(group, space->params[i].conditions[c].parent, i);
  for (size_t rule = 0; rule < space_rule_count(space); rule++)
    for (size_t k = 1; k < space_rule_width(space, rule); k++)
      link_groups(group, space_rule_param(space, rule, 0), space_rule_param(space, rule, k));
  double product = 1.0;
  for (size_t i = 0; i < n && !counter->gave_up; i++)
  {
    if (group_root(group, i) != i)
      continue;
    size_t count = 0;
    for (size_t j = i; j < n; j++)
      if (group_root(group, j) == i)
        members[count++] = j;
    double points = count_ruled_group(counter, core, members, count, scratch + 2 * n);
    if (points == 0.0)
      return 0.0; /* not ∞ · 0 */
    product *= points;
  }
  return product;
}

/* The share of points, drawn parameter by parameter, that keep the rules. */
static double
allowed_share(const struct space *space, double *unit, double *point)
{
  struct rng rng;
  rng_init(&rng, UINT64_C(0x7368617265), 0);
  int allowed = 0;
  for (int i = 0; i < SHARE_DRAWS; i++)
  {
    for (size_t p = 0; p < space->count; p++)
      unit[p] = rng_double(&rng);
    allowed += space_try_unit(space, unit, point);
  }
  return fmax((double) allowed, 0.25) / SHARE_DRAWS;
}

/* ---- the whole space --------------------------------------------------------------------------------- */

struct count_memory
{
  double *point, *unit;
  bool *answered, *core;
  size_t *scratch, *place;
};

static double
count_space(const struct space *space, const struct count_memory *memory, bool *exact)
{
  size_t n = space->count;
  struct counter counter = {
    .space = space, .point = memory->point, .answered = memory->answered, .place = memory->place};
  if (space_has_rules(space))
  {
    space_rules_mark(space, true, memory->core);
    double total = count_ruled(&counter, memory->core, memory->scratch);
    if (!counter.gave_up)
      return total;
    *exact = false;
    counter.gave_up = false;
    counter.steps = 0;
    memset(memory->answered, 0, n * sizeof *memory->answered);
    memset(memory->place, 0, n * sizeof *memory->place);
  }
  for (size_t i = 0; i < n; i++)
    memory->scratch[i] = i;
  double total = count_members(&counter, memory->scratch, n);
  if (counter.gave_up)
  {
    *exact = false;
    total = has_continuous(space) ? INFINITY : COUNT_SATURATED;
  }
  if (space_has_rules(space) && isfinite(total))
    total = fmax(1.0, round(total * allowed_share(space, memory->unit, memory->point)));
  return total;
}

double
space_count(const struct space *space, bool *exact)
{
  bool counted = true;
  size_t n = space->count;
  struct count_memory memory = {.point = calloc(2 * n + 1, sizeof(double)),
                                .answered = calloc(2 * n + 1, sizeof(bool)),
                                .scratch = calloc(4 * n + 1, sizeof(size_t)),
                                .place = calloc(n + 1, sizeof(size_t))};
  double total = has_continuous(space) ? INFINITY : COUNT_SATURATED;
  if (memory.point && memory.answered && memory.scratch && memory.place)
  {
    memory.unit = memory.point + n;
    memory.core = memory.answered + n;
    total = count_space(space, &memory, &counted);
  }
  else
    counted = false;
  free(memory.place);
  free(memory.scratch);
  free(memory.answered);
  free(memory.point);
  if (exact)
    *exact = counted;
  return isinf(total) ? INFINITY : fmin(total, COUNT_SATURATED);
}

double
space_cardinality(const struct space *space)
{
  return space_count(space, NULL);
}
