/* A density over the points of a space, made of kernels around some of them.
 *
 * One kernel for each point given and one for what is known beforehand; a kernel is a product over the
 * parameters: a normal curve cut off at the ends of the unit interval for numeric ones (floats, ints,
 * ordinals, on their scale), for nominal ones the point's own value with a share for every other. A
 * parameter that is active in the sample but not in the kernel's point has the density of the
 * beforehand: its user's belief, else uniform. So one density covers a conditional space, and which
 * branch a sample takes is part of it. Widths fall with the number of points, n^(−1/(d+4)); of more
 * than 25 points the older count less. Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_PARZEN_H
#define ATTUNE_SEARCH_PARZEN_H

#include "search/search_internal.h"

struct parzen;

/* A density around the points of `count` trials, given in the order of their asks. ERR_MEMORY. */
enum err parzen_new(const struct search *search, size_t count, const size_t *trials,
                    struct parzen **parzen);
void parzen_free(struct parzen *parzen);

/* Draws a legal point. */
void parzen_sample(const struct parzen *parzen, struct rng *rng, double *point);

/* Draws one from what is known beforehand alone. */
void parzen_sample_prior(const struct space *space, struct rng *rng, double *point);

/* log density of a legal point, up to a constant that is the same for all densities over the space. */
double parzen_log_density(const struct parzen *parzen, const double *point);

#endif
