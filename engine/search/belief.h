/* What is believed of a good point before trials say otherwise: a term added to the log acquisition.
 *
 * A parameter with a belief of the user (space.h, prior) brings its log density, and a numeric one with a default that of
 * a Cauchy distribution around it, for somebody chose it; any other numeric one brings
 * log ((4u(1 − u) + e)/(1 + e)) of its unit coordinate u: people choose ranges that hold the
 * optimum, not ranges that end at it, and a process that knows little is most curious about the corners,
 * of which there are 2^d. The whole weighs BELIEF_TRIALS/(n + 1) after n trials, so that it fades as in
 * Hvarfner et al. 2022 (piBO). Pure. Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_BELIEF_H
#define ATTUNE_SEARCH_BELIEF_H

#include "search/features.h"
#include "search/search_internal.h"

#define BELIEF_TRIALS 10.0 /* chosen on the half of the bench's problems that may be tuned on */

/* The term at a row of features after `trials` trials; adds its slopes to gradient (layout.width) unless
 * that is NULL. */
double belief_term(const struct features *features, size_t trials, const double *row,
                   double *gradient);

/* The same with the beliefs that the search was told (search_believe), in place of what its space says of those
 * parameters. */
double belief_of_search(const struct search *search, const struct features *features, size_t trials,
                        const double *row, double *gradient);

/* Where a point of the start has a numeric or ordinal parameter, of a point that was spread evenly over the cube: moved
 * inwards, or drawn from what is believed of it, the value below which that puts about `unit` of its mass. */
double belief_start_unit(const struct space_param *param, double unit);

/* Of a parameter that a belief of the search (search_believe) is about at `point`, a value drawn from it: the one below
 * which it puts about `unit` of its mass, within the range. NaN where there is no such belief. */
double belief_draw(const struct search *search, const double *point, size_t param, double unit);

#endif
