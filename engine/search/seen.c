#include <config.h>

#include "search/search_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search/enumerate.h"

#define DRAW_TRIES 200
#define WALK_LIMIT 200000 /* points looked at when drawing does not find an unseen one */

static uint64_t
hash_point(const struct space *space, const double *point)
{
  uint64_t hash = space->count;
  for (size_t i = 0; i < space->count; i++)
  {
    double value = isnan(point[i]) ? -1.5e300 : point[i] + 0.0; /* −0 hashes as 0 */
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    hash = (hash ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
  }
  return hash;
}

/* The slot that holds the point, or the empty one where it belongs. */
static size_t
find_slot(const struct search_seen *seen, const double *point)
{
  const struct space *space = seen->search->space;
  size_t at = (size_t) hash_point(space, point) & (seen->slot_count - 1);
  while (seen->slots[at]
         && !space_points_equal(space, search_point(seen->search, seen->slots[at] - 1), point))
    at = (at + 1) & (seen->slot_count - 1);
  return at;
}

enum err
search_seen_init(struct search_seen *seen, const struct search *search)
{
  memset(seen, 0, sizeof *seen);
  seen->search = search;
  seen->slot_count = 16;
  while (seen->slot_count < 2 * search->count)
    seen->slot_count *= 2;
  seen->slots = calloc(seen->slot_count, sizeof *seen->slots);
  if (!seen->slots)
    return ERR_MEMORY;
  for (size_t t = 0; t < search->count; t++)
  {
    if (search->trials[t].state == SEARCH_FORGOTTEN)
      continue;
    size_t slot = find_slot(seen, search_point(search, t));
    if (!seen->slots[slot])
    {
      seen->slots[slot] = t + 1;
      seen->count++;
    }
  }
  return ERR_OK;
}

void
search_seen_clear(struct search_seen *seen)
{
  free(seen->slots);
  seen->slots = NULL;
}

bool
search_seen_has(const struct search_seen *seen, const double *point)
{
  return seen->slots[find_slot(seen, point)] != 0;
}

/* Walks through a discrete space and keeps one of the unseen points, each with equal chance. */
static enum err
walk_unseen(const struct search *search, const struct search_seen *seen, struct rng *rng,
            double *point)
{
  const struct space *space = search->space;
  struct enumerate *walk = NULL;
  double *candidate = calloc(space->count, sizeof *candidate);
  enum err err = candidate ? enumerate_new(space, 0, &walk) : ERR_MEMORY;
  if (err)
    goto out;
  uint64_t found = 0;
  for (size_t k = 0; (k < WALK_LIMIT || !found) && enumerate_next(walk, candidate); k++)
    if (!search_seen_has(seen, candidate) && rng_below(rng, ++found) == 0)
      memcpy(point, candidate, space->count * sizeof *point);
  err = found ? ERR_OK : ERR_NOT_FOUND;
out:
  enumerate_free(walk);
  free(candidate);
  return err;
}

enum err
search_draw_unseen(const struct search *search, const struct search_seen *seen, struct rng *rng,
                   double *point)
{
  for (int k = 0; k < DRAW_TRIES; k++)
  {
    space_sample(search->space, rng, point);
    if (!search_seen_has(seen, point))
      return ERR_OK;
  }
  if (isinf(search->cardinality))
    return ERR_OK; /* only its discrete part repeats itself that often: a repeat is better than an end */
  return walk_unseen(search, seen, rng, point);
}
