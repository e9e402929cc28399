#include <config.h>

#include "search/standing.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* ---- fronts ------------------------------------------------------------------------------------------ */

static bool
row_dominates(size_t m, const double *a, const double *b)
{
  bool better = false;
  for (size_t k = 0; k < m; k++)
  {
    if (a[k] > b[k])
      return false;
    better = better || a[k] < b[k];
  }
  return better;
}

/* Peels the fronts off one after the other; `beaten` (n) is scratch. */
static void
peel(size_t n, size_t m, const double *values, size_t *front, size_t *beaten)
{
  for (size_t i = 0; i < n; i++)
  {
    front[i] = SIZE_MAX;
    beaten[i] = 0;
    for (size_t j = 0; j < n; j++)
      if (row_dominates(m, values + j * m, values + i * m))
        beaten[i]++;
  }
  for (size_t level = 0, left = n; left; level++)
  {
    for (size_t i = 0; i < n; i++)
      if (front[i] == SIZE_MAX && !beaten[i])
      {
        front[i] = level;
        left--;
      }
    for (size_t i = 0; i < n; i++)
      for (size_t j = 0; front[i] == level && j < n; j++)
        if (front[j] == SIZE_MAX && row_dominates(m, values + i * m, values + j * m))
          beaten[j]--;
  }
}

struct key
{
  size_t group;
  double first, second;
  size_t index;
};

static int
compare_keys(const void *a, const void *b)
{
  const struct key *x = a, *y = b;
  if (x->group != y->group)
    return x->group < y->group ? -1 : 1;
  if (x->first != y->first)
    return x->first < y->first ? -1 : 1;
  if (x->second != y->second)
    return x->second < y->second ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

static void
add_gaps(size_t n, size_t m, size_t k, const double *values, const size_t *front, struct key *keys,
         double *lonely)
{
  double low = INFINITY, high = -INFINITY;
  for (size_t i = 0; i < n; i++)
  {
    keys[i] = (struct key){.group = front[i], .first = values[i * m + k], .index = i};
    low = fmin(low, values[i * m + k]);
    high = fmax(high, values[i * m + k]);
  }
  qsort(keys, n, sizeof *keys, compare_keys);
  double range = high > low ? high - low : 1;
  for (size_t i = 0; i < n; i++)
  {
    bool end = i == 0 || i + 1 == n || keys[i - 1].group != keys[i].group
               || keys[i + 1].group != keys[i].group;
    lonely[keys[i].index] += end ? INFINITY : (keys[i + 1].first - keys[i - 1].first) / range;
  }
}

enum err
standing_fronts(size_t n, size_t m, const double *values, size_t *front, double *lonely)
{
  size_t *beaten = calloc(n + 1, sizeof *beaten);
  struct key *keys = calloc(n + 1, sizeof *keys);
  enum err err = beaten && keys ? ERR_OK : ERR_MEMORY;
  if (!err)
    peel(n, m, values, front, beaten);
  for (size_t i = 0; i < n; i++)
    lonely[i] = 0;
  for (size_t k = 0; !err && k < m; k++)
    add_gaps(n, m, k, values, front, keys, lonely);
  free(keys);
  free(beaten);
  return err;
}

/* ---- the order --------------------------------------------------------------------------------------- */

enum group
{
  GROUP_JUDGED,
  GROUP_PARTIAL, /* plus the rungs that are missing */
  GROUP_INFEASIBLE = GROUP_PARTIAL + FIDELITY_RUNGS_MAX,
  GROUP_FAILED
};

/* The highest rung with enough finite values, else the one with the most. */
static size_t
judged_rung(const struct search *search, size_t enough)
{
  size_t best = 0, most = 0;
  for (size_t rung = search->fidelity.count; rung-- > 0;)
  {
    size_t count = 0;
    for (size_t t = 0; t < search->count; t++)
      if (isfinite(fidelity_value(search, t, rung)))
        count++;
    if (count >= enough)
      return rung;
    if (count > most)
    {
      most = count;
      best = rung;
    }
  }
  return best;
}

/* How far a done trial misses the constraints, each relative to the worst miss. */
static double
miss(const struct search *search, size_t trial, const double *worst)
{
  const double *values = search_results(search, trial) + search->objective_count;
  double sum = 0;
  for (size_t k = 0; k < search->constraint_count; k++)
    sum += values[k] > 0 ? values[k] / worst[k] : 0;
  return sum;
}

static void
find_worst(const struct search *search, double *worst)
{
  for (size_t k = 0; k < search->constraint_count; k++)
    worst[k] = 0;
  for (size_t i = 0; i < search->ended_count; i++)
    for (size_t k = 0; k < search->constraint_count; k++)
      if (search->trials[search->ended[i]].state == SEARCH_DONE)
        worst[k] =
          fmax(worst[k], search_results(search, search->ended[i])[search->objective_count + k]);
}

/* A trial's place as far as one value decides it; false where it has none. */
static bool
make_key(const struct search *search, size_t trial, size_t rung, const double *worst,
         struct key *key)
{
  const struct search_trial *t = &search->trials[trial];
  *key = (struct key){.index = trial};
  if (t->state == SEARCH_FORGOTTEN || (t->state == SEARCH_PENDING && !t->reached))
    return false;
  if (t->state == SEARCH_FAILED)
  {
    key->group = GROUP_FAILED;
    return true;
  }
  if (t->state == SEARCH_DONE && !t->feasible)
  {
    key->group = GROUP_INFEASIBLE;
    key->first = miss(search, trial, worst);
    return true;
  }
  if (!search->fidelity.count)
  {
    key->group = GROUP_JUDGED;
    key->first = t->value;
    return t->state == SEARCH_DONE;
  }
  key->first = fidelity_value(search, trial, rung);
  if (isnan(key->first) && t->state == SEARCH_DONE)
    key->first = t->value; /* told early: its value is as good as one of a full run */
  if (!isnan(key->first))
    return true;
  if (!t->reached)
    return false;
  key->group = GROUP_PARTIAL + rung - t->reached;
  key->first = fidelity_value(search, trial, t->reached - 1);
  return true;
}

/* Orders done trials by their fronts. */
static enum err
key_fronts(const struct search *search, size_t count, struct key *keys)
{
  size_t m = search->objective_count, n = 0;
  double *values = calloc(count * (m + 1) + 1, sizeof *values);
  size_t *front = calloc(2 * count + 1, sizeof *front);
  enum err err = values && front ? ERR_OK : ERR_MEMORY;
  double *lonely = values + count * m;
  size_t *at = front + count;
  for (size_t i = 0; !err && i < count; i++)
    if (search_is_success(&search->trials[keys[i].index]))
    {
      for (size_t k = 0; k < m; k++)
        values[n * m + k] = search_results(search, keys[i].index)[k];
      at[n++] = i;
    }
  if (!err)
    err = standing_fronts(n, m, values, front, lonely);
  for (size_t i = 0; !err && i < n; i++)
  {
    keys[at[i]].group = GROUP_JUDGED;
    keys[at[i]].first = (double) front[i];
    keys[at[i]].second = -lonely[i];
  }
  free(front);
  free(values);
  return err;
}

enum err
standing_make(const struct search *search, size_t enough, struct standing *standing)
{
  *standing = (struct standing){0};
  standing->order = calloc(search->count + 1, sizeof *standing->order);
  struct key *keys = calloc(search->count + 1, sizeof *keys);
  enum err err = standing->order && keys ? ERR_OK : ERR_MEMORY;
  double worst[SEARCH_CONSTRAINTS_MAX];
  size_t rung = judged_rung(search, enough), count = 0;
  find_worst(search, worst);
  for (size_t t = 0; !err && t < search->count; t++)
    if (make_key(search, t, rung, worst, &keys[count]))
      count++;
  if (!err && search->objective_count > 1)
    err = key_fronts(search, count, keys);
  if (!err)
    qsort(keys, count, sizeof *keys, compare_keys);
  for (size_t i = 0; !err && i < count; i++)
  {
    standing->order[i] = keys[i].index;
    if (keys[i].group < GROUP_INFEASIBLE)
      standing->known++;
  }
  standing->count = count;
  free(keys);
  if (err)
    standing_clear(standing);
  return err;
}

void
standing_clear(struct standing *standing)
{
  free(standing->order);
  *standing = (struct standing){0};
}
