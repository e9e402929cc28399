/* The trials of a log from good to bad, whatever they are known by.
 *
 * Feasible trials first: those known at the judged rung by their value there, then those that only got
 * to lower rungs, the furthest first. (The judged rung is the highest that enough trials have reached;
 * without steps all done trials stand at it.) With several objectives done trials go by the front they
 * lie on (Deb et al., NSGA-II, 2002), the loneliest of a front first. Then come trials that miss the
 * constraints, by how much, relative to the worst of each, and last the failed. Trials that are pending
 * and have reached no rung have no place. Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_STANDING_H
#define ATTUNE_SEARCH_STANDING_H

#include "search/search_internal.h"

struct standing
{
  size_t *order; /* (count): indexes of trials, the best first */
  size_t count;
  size_t known; /* the first so many have finite values and are feasible */
};

/* `enough`: trials that a rung needs to be judged by. ERR_MEMORY. */
enum err standing_make(const struct search *search, size_t enough, struct standing *standing);
void standing_clear(struct standing *standing);

/* The front of each of n rows of m values (0 = beaten by none), and how lonely each is on its front:
 * the sum over the values of the gap between its neighbours, INFINITY at the ends. ERR_MEMORY. */
enum err standing_fronts(size_t n, size_t m, const double *values, size_t *front, double *lonely);

#endif
