/* What is believed of a good point before trials say otherwise: a term added to the log acquisition.
 *
 * A parameter with a belief of the user (space.h, prior) brings its log density; any other numeric one
 * brings log ((4u(1 − u) + e)/(1 + e)) of its unit coordinate u: people choose ranges that hold the
 * optimum, not ranges that end at it, and a process that knows little is most curious about the corners,
 * of which there are 2^d. The whole weighs BELIEF_TRIALS/(n + 1) after n trials, so that it fades as in
 * Hvarfner et al. 2022 (piBO). Pure. Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_BELIEF_H
#define ATTUNE_SEARCH_BELIEF_H

#include "search/features.h"

#define BELIEF_TRIALS 10.0 /* chosen on the half of the bench's problems that may be tuned on */

/* The term at a row of features after `trials` trials; adds its slopes to gradient (layout.width) unless
 * that is NULL. */
double belief_term(const struct features *features, size_t trials, const double *row,
                   double *gradient);

#endif
