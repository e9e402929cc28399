#include <config.h>

#include "search/portfolio.h"

#include <math.h>

#include "base/rng.h"

#define ELSEWHERE 0.5      /* the share of choices that do not go by expected improvement alone */
#define SHORT 10.0         /* a budget of so few trials has no time for that */
#define LONG 25.0          /* one of so many has, in between some */
#define BOUND_DIMENSIONS 8 /* up to so many all of these go by the bound */
#define REGION_START 0.8   /* Eriksson et al. 2019 */
#define REGION_MOST 1.6    /* the same */
#define REGION_LEAST 0.0078125 /* the same: 1/128 */
#define GOOD_MOST 3            /* the same */
#define BAD_LEAST 4            /* the same */

double
portfolio_region(const struct search *search, size_t dimensions)
{
  double side = REGION_START, best = INFINITY;
  size_t good = 0, bad = 0;
  size_t bad_most = dimensions > BAD_LEAST ? dimensions : BAD_LEAST;
  for (size_t k = 0; k < search->ended_count; k++)
  {
    const struct search_trial *trial = &search->trials[search->ended[k]];
    bool better = search_is_success(trial) && trial->value < best;
    if (better)
      best = trial->value;
    good = better ? good + 1 : 0;
    bad = better ? 0 : bad + 1;
    if (good == GOOD_MOST)
    {
      side = fmin(2 * side, REGION_MOST);
      good = 0;
    }
    if (bad == bad_most)
    {
      side /= 2;
      bad = 0;
    }
    if (side < REGION_LEAST)
      side = REGION_START;
  }
  return side;
}

struct portfolio_choice
portfolio_choose(const struct search *search, size_t dimensions)
{
  struct portfolio_choice choice = {.by = ACQUIRE_IMPROVEMENT};
  struct rng rng;
  if (fidelity_pauses(&search->fidelity))
    return choice;
  if (search->expected_trials && search->count + 1 >= search->expected_trials)
  {
    choice.by = ACQUIRE_MEAN; /* the last trial of a known budget has nothing left to explore for */
    return choice;
  }
  rng_init(&rng, rng_mix(search->seed, UINT64_C(0x706f7274)), search->count);
  double draw = rng_double(&rng), elsewhere = ELSEWHERE;
  if (search->expected_trials)
    elsewhere *= fmin(1, fmax(0, ((double) search->expected_trials - SHORT) / (LONG - SHORT)));
  double bound = elsewhere * fmin(1, BOUND_DIMENSIONS / (double) dimensions);
  if (draw < bound)
    choice.by = ACQUIRE_BOUND;
  else if (draw < elsewhere)
    choice.region = portfolio_region(search, dimensions);
  return choice;
}
