/* The Bayesian method where trials have several objectives or have to meet constraints.
 *
 * One Gaussian process for each objective and each constraint. What is maximised is the logarithm of the
 * expected improvement (one objective: over the lowest mean among the feasible trials; several: of the
 * dominated volume, volume.h) plus the logarithm of the probability that every constraint is met; while
 * no trial is feasible that probability alone. Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_MANY_H
#define ATTUNE_SEARCH_MANY_H

#include "search/surrogate.h"

struct many
{
  size_t count;             /* of outputs: objectives, then constraints */
  struct surrogate *others; /* (count − 1): of all outputs but the first */
};

/* Whether a search needs this. */
static inline bool
many_is_needed(const struct search *search)
{
  return search->objective_count > 1 || search->constraint_count > 0;
}

enum err many_init(struct many *many, const struct search *search);
void many_clear(struct many *many);

/* Writes the chosen point; `first` is the surrogate of the first objective. ERR_NOT_FOUND when every
 * point is taken; ERR_MEMORY; ERR_DIVERGED when some values fit no covariance. */
enum err many_choose(const struct search *search, struct many *many, struct surrogate *first,
                     const struct search_seen *seen, double *point);

#endif
