/* The multivariate tree-structured Parzen estimator (Bergstra et al., 2011; Falkner et al., "BOHB",
 * 2018, for the joint density and the rung that is judged by): two densities, one around the good
 * trials, one around the others; of many points drawn from the first the one is asked whose density
 * there is highest relative to the second. Pending trials count as bad ones, so that parallel workers
 * keep apart. */
#include <config.h>

#include "search/search_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search/parzen.h"
#include "search/sobol.h"
#include "search/standing.h"

#define START_COUNT 10 /* points before the densities take over */
#define GOOD_SHARE 0.1
#define GOOD_MOST 25
#define CANDIDATES 24
#define ROUNDS 4 /* of candidates while all are taken */

struct tpe
{
  struct sobol_sequence *start;
  bool beliefs; /* some parameter has one */
};

static void
tpe_stop(void *state)
{
  struct tpe *tpe = state;
  if (!tpe)
    return;
  sobol_sequence_free(tpe->start);
  free(tpe);
}

static enum err
tpe_start(const struct search *search, void **state, struct err_info *info)
{
  struct tpe *tpe = calloc(1, sizeof *tpe);
  enum err err = tpe ? sobol_start(search, &tpe->start) : ERR_MEMORY;
  if (err)
  {
    tpe_stop(tpe);
    return err_set(info, err, "out of memory");
  }
  for (size_t i = 0; i < search->space->count; i++)
    tpe->beliefs |= search->space->params[i].has_prior;
  *state = tpe;
  return ERR_OK;
}

static int
compare_indexes(const void *a, const void *b)
{
  const size_t *x = a, *y = b;
  return *x < *y ? -1 : *x > *y;
}

/* The trials of both densities, in the order of their asks: `good` ones first. */
static enum err
divide(const struct search *search, size_t **trials, size_t *good, size_t *bad)
{
  struct standing standing;
  enum err err = standing_make(search, search->space->count + 1, &standing);
  *trials = NULL;
  if (err)
    return err;
  size_t *all = calloc(search->count + 1, sizeof *all);
  size_t count = standing.count;
  *good = (size_t) fmin(ceil(GOOD_SHARE * (double) count), GOOD_MOST);
  *good = *good > standing.known ? standing.known : *good;
  if (!all)
  {
    standing_clear(&standing);
    return ERR_MEMORY;
  }
  memcpy(all, standing.order, count * sizeof *all);
  standing_clear(&standing);
  for (size_t t = 0; t < search->count; t++)
    if (search->trials[t].state == SEARCH_PENDING && !search->trials[t].reached)
      all[count++] = t;
  *bad = count - *good;
  qsort(all, *good, sizeof *all, compare_indexes);
  qsort(all + *good, *bad, sizeof *all, compare_indexes);
  *trials = all;
  return ERR_OK;
}

/* The most promising of some points drawn around the good trials that is not taken. */
static enum err
choose(const struct search *search, const struct search_seen *seen, const struct parzen *good,
       const struct parzen *bad, struct rng *rng, double *point)
{
  size_t n = search->space->count;
  double *candidate = calloc(n + 1, sizeof *candidate);
  double best = -INFINITY;
  bool found = false;
  if (!candidate)
    return ERR_MEMORY;
  for (int round = 0; round < ROUNDS && !found; round++)
    for (int k = 0; k < CANDIDATES; k++)
    {
      parzen_sample(good, rng, candidate);
      if (search_seen_has(seen, candidate))
        continue;
      double score = parzen_log_density(good, candidate) - parzen_log_density(bad, candidate);
      if (found && !(score > best))
        continue;
      best = score;
      found = true;
      memcpy(point, candidate, n * sizeof *point);
    }
  free(candidate);
  return found ? ERR_OK : search_draw_unseen(search, seen, rng, point);
}

static enum err
choose_by_density(const struct search *search, const struct search_seen *seen, struct rng *rng,
                  double *point)
{
  size_t *trials, good_count, bad_count;
  struct parzen *good = NULL, *bad = NULL;
  enum err err = divide(search, &trials, &good_count, &bad_count);
  if (!err)
    err = parzen_new(search, good_count, trials, &good);
  if (!err)
    err = parzen_new(search, bad_count, trials + good_count, &bad);
  if (!err)
    err = choose(search, seen, good, bad, rng, point);
  parzen_free(bad);
  parzen_free(good);
  free(trials);
  return err;
}

/* A spread point; where the user has beliefs, every other one is drawn from them. */
static enum err
choose_start(const struct search *search, const struct tpe *tpe, const struct search_seen *seen,
             struct rng *rng, double *point)
{
  if (tpe->beliefs && search_own_count(search) % 2 == 0)
  {
    parzen_sample_prior(search->space, rng, point);
    if (!search_seen_has(seen, point))
      return ERR_OK;
  }
  return sobol_choose(search, tpe->start, seen, point);
}

static size_t
start_count(const struct search *search)
{
  size_t third = search->expected_trials / 3;
  if (search->expected_trials && !fidelity_pauses(&search->fidelity) && third < START_COUNT)
    return third < 2 ? 2 : third;
  return START_COUNT;
}

static enum err
tpe_ask(const struct search *search, void *state, double *point, struct err_info *info)
{
  struct search_seen seen;
  struct rng rng;
  enum err err = search_seen_init(&seen, search);
  rng_init(&rng, search->seed, rng_mix(UINT64_C(0x747065), search->count));
  if (!err && search->count < start_count(search))
    err = choose_start(search, state, &seen, &rng, point);
  else if (!err)
    err = choose_by_density(search, &seen, &rng, point);
  search_seen_clear(&seen);
  if (err)
    err_set(info, err,
            err == ERR_NOT_FOUND ? "every point of the space has been tried" : "out of memory");
  return err;
}

const struct search_kind search_kind_tpe = {
  .name = "tpe", .start = tpe_start, .stop = tpe_stop, .ask = tpe_ask};
