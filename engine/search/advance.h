/* Which paused trial goes on, by a model of what full runs would give.
 *
 * For small budgets (fewer than 20 full runs' worth of steps) ranks at rungs are few and noisy. There
 * each rung still lets 1/eta of its trials through, but those with the best chance that their full run
 * beats the best one so far; a trial with hardly a chance stays where it is, whatever its rank. When
 * what is left of the budget is just enough to finish the most promising trial, that is done.
 * Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_ADVANCE_H
#define ATTUNE_SEARCH_ADVANCE_H

#include "search/surrogate.h"

/* Whether the budget is known and small. */
bool advance_is_by_model(const struct search *search);

/* The trial to continue, or SIZE_MAX. ERR_MEMORY; ERR_DIVERGED when no covariance fits the values. */
enum err advance_choose(const struct search *search, struct surrogate *surrogate, size_t *trial);

#endif
