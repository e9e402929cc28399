#include <config.h>

#include "search/sobol.h"

#include <stdlib.h>

enum err
sobol_start(const struct search *search, struct sobol_sequence **sequence)
{
  return sobol_sequence_new(search->space->count, rng_mix(search->seed, UINT64_C(0x736f626f6c)),
                            sequence);
}

/* Under rules, index + k · 2^20 (k = 1, 2 …) steps in for an index whose point breaks one: each such
 * stretch of the sequence is as even as the first. */
#define STRETCH_BITS 20
#define STRETCHES 64

enum err
sobol_choose(const struct search *search, const struct sobol_sequence *sequence,
             const struct search_seen *seen, double *point)
{
  size_t index = search_own_count(search);
  double *unit = calloc(search->space->count + 1, sizeof *unit);
  if (!unit)
    return ERR_MEMORY;
  bool allowed = false;
  for (uint32_t k = 0; k < STRETCHES && !allowed; k++)
  {
    sobol_sequence_point(sequence, (uint32_t) index + (k << STRETCH_BITS), unit);
    allowed = space_try_unit(search->space, unit, point);
  }
  free(unit);
  if (allowed && !search_seen_has(seen, point))
    return ERR_OK;
  struct rng rng;
  rng_init(&rng, search->seed, rng_mix(UINT64_C(0x736f6231), index));
  return search_draw_unseen(search, seen, &rng, point);
}

static enum err
method_start(const struct search *search, void **state, struct err_info *info)
{
  struct sobol_sequence *sequence = NULL;
  enum err err = sobol_start(search, &sequence);
  *state = sequence;
  return err ? err_set(info, err, "out of memory") : ERR_OK;
}

static void
method_stop(void *state)
{
  sobol_sequence_free(state);
}

static enum err
method_ask(const struct search *search, void *state, double *point, struct err_info *info)
{
  struct search_seen seen;
  enum err err = search_seen_init(&seen, search);
  if (!err)
    err = sobol_choose(search, state, &seen, point);
  search_seen_clear(&seen);
  if (err)
    err_set(info, err,
            err == ERR_NOT_FOUND ? "every point of the space has been tried" : "out of memory");
  return err;
}

const struct search_kind search_kind_sobol = {
  .name = "sobol", .start = method_start, .stop = method_stop, .ask = method_ask};
