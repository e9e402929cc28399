#include <config.h>

#include "base/space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Counting the points of a space with conditions.
 *
 * Parameters that no unanswered condition links are independent: their counts multiply. Within a
 * linked group the first parameter (whose parents are all answered) is given each value that some
 * condition names, and "any other value" once for all the others; the counts add. So the work grows
 * with how entangled the conditions are, not with the number of values. */

#define COUNT_SATURATED 1e15
#define COUNT_STEPS_MAX 1000000L
#define OTHER_VALUE (-INFINITY) /* equal to no legal value */

struct counter
{
  const struct space *space;
  double *point;
  bool *answered;
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

static size_t
position_of(const size_t *members, size_t count, size_t index)
{
  for (size_t i = 0; i < count; i++)
    if (members[i] == index)
      return i;
  return SIZE_MAX;
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

  double *values =
    malloc((named_values_bound(counter, first, members + 1, count - 1) + 1) * sizeof *values);
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
    group[i] = i;
  for (size_t i = 0; i < count; i++)
  {
    const struct space_param *param = &counter->space->params[open[i]];
    for (size_t j = 0; j < param->condition_count; j++)
    {
      size_t parent = position_of(open, i, param->conditions[j].parent);
      if (parent != SIZE_MAX)
      {
        size_t a = group_root(group, parent), b = group_root(group, i);
        group[a > b ? a : b] = a < b ? a : b;
      }
    }
  }
  double product = 1.0;
  for (size_t i = 0; i < count; i++)
  {
    if (group_root(group, i) != i)
      continue;
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
  if (!scratch || ++counter->steps > COUNT_STEPS_MAX)
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

double
space_cardinality(const struct space *space)
{
  if (space->count == 0)
    return 1.0;
  size_t count = space->count;
  struct counter counter = {.space = space};
  counter.point = calloc(count, sizeof *counter.point);
  counter.answered = calloc(count, sizeof *counter.answered);
  size_t *members = calloc(count, sizeof *members);
  double total = 1.0;
  if (!counter.point || !counter.answered || !members)
    counter.gave_up = true;
  else
  {
    for (size_t i = 0; i < count; i++)
      members[i] = i;
    total = count_members(&counter, members, count);
  }
  free(members);
  free(counter.answered);
  free(counter.point);
  if (counter.gave_up)
    return has_continuous(space) ? INFINITY : COUNT_SATURATED;
  return isinf(total) ? INFINITY : fmin(total, COUNT_SATURATED);
}
