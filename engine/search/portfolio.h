/* By which acquisition the next point of the Bayesian method is chosen.
 *
 * A process fitted to few trials is surer of itself than it should be, and expected improvement then stays too
 * long where it is. So only half of the choices go by it; the others by the upper confidence bound, μ − κσ for
 * values that are minimised (Srinivas et al. 2010), or by expected improvement within a box around the best
 * trial, the trust region of Eriksson et al. 2019 (TuRBO). The bound has its strength where a few dimensions
 * can be looked over, the region where they can't: beyond eight dimensions it takes over share by share. The
 * shares, κ and the region were chosen on the half of the bench's problems that may be tuned on. Which choice
 * goes by what is drawn from the seed and the number of the trial; the region follows from the log. Where the
 * budget is a few trials, or trials pause at rungs, which explore by themselves, (almost) every choice goes by
 * expected improvement. Pure. Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_PORTFOLIO_H
#define ATTUNE_SEARCH_PORTFOLIO_H

#include "search/acquire.h"
#include "search/search_internal.h"

struct portfolio_choice
{
  enum acquire_by by;
  double region; /* as in struct acquire_task */
};

/* For the next trial of a search whose best trial has so many parameters. */
struct portfolio_choice portfolio_choose(const struct search *search, size_t dimensions);

/* The side of the trust region after the trials that have ended, in units of the cube: it doubles after three in a row
 * that were better than all before, halves after max(4, dimensions) in a row that were not, and begins anew
 * once it has become too small. */
double portfolio_region(const struct search *search, size_t dimensions);

#endif
