#include <config.h>

#include "search/search_internal.h"

#include <string.h>

bool
search_best(const struct search *search, uint64_t *trial, double *value, double *point)
{
  const struct search_trial *best = NULL;
  for (size_t k = 0; k < search->ended_count; k++)
  {
    const struct search_trial *t = &search->trials[search->ended[k]];
    if (search_is_success(t) && (!best || t->value < best->value))
      best = t;
  }
  if (!best)
    return false;
  if (trial)
    *trial = best->id;
  if (value)
    *value = best->value;
  if (point)
    memcpy(point, search_point(search, (size_t) (best - search->trials)),
           search->space->count * sizeof *point);
  return true;
}

size_t
search_count(const struct search *search)
{
  return search->count;
}

/* Whether one trial is nowhere worse than another and somewhere better. */
static bool
dominates(const struct search *search, size_t one, size_t other)
{
  const double *a = search_results(search, one), *b = search_results(search, other);
  bool better = false;
  for (size_t k = 0; k < search->objective_count; k++)
  {
    if (a[k] > b[k])
      return false;
    better = better || a[k] < b[k];
  }
  return better;
}

size_t
search_pareto(const struct search *search, uint64_t *trials)
{
  size_t count = 0;
  for (size_t k = 0; k < search->ended_count; k++)
  {
    size_t here = search->ended[k];
    bool beaten = !search_is_success(&search->trials[here]);
    for (size_t j = 0; !beaten && j < search->ended_count; j++)
      beaten = search_is_success(&search->trials[search->ended[j]])
               && dominates(search, search->ended[j], here);
    if (!beaten)
      trials[count++] = search->trials[here].id;
  }
  return count;
}
