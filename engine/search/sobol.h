/* Points spread evenly by a scrambled Sobol sequence; also how the Bayesian method starts.
 * Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_SOBOL_H
#define ATTUNE_SEARCH_SOBOL_H

#include "search/search_internal.h"
#include "search/sobol_sequence.h"

/* The sequence of a search. */
enum err sobol_start(const struct search *search, struct sobol_sequence **sequence);

/* The sequence's point for the coming ask; a random one where that is already taken. ERR_NOT_FOUND
 * when every point is. */
enum err sobol_choose(const struct search *search, const struct sobol_sequence *sequence,
                      const struct search_seen *seen, double *point);

#endif
