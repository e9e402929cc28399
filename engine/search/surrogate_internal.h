/* What the files of the surrogate share: surrogate.c makes its data, surrogate_fit.c its fits. */
#ifndef ATTUNE_SEARCH_SURROGATE_INTERNAL_H
#define ATTUNE_SEARCH_SURROGATE_INTERNAL_H

#include "search/surrogate.h"

/* Whether an earlier search's results take part: they are values of the first objective. */
bool surrogate_uses_prior(const struct surrogate *surrogate, const struct search *search,
                          size_t own);

/* How many entries the log has for this surrogate's output. */
size_t surrogate_log_count(const struct surrogate *surrogate, const struct search *search);

/* The first n entries of the log as data, and the earlier results where they take part; a fit's are thinned
 * to what it can take. The caller clears them. ERR_MEMORY. */
enum err surrogate_data_init(struct surrogate_data *data, const struct surrogate *surrogate,
                             const struct search *search, enum outcome_warp warp, size_t n);
enum err surrogate_fit_data_init(struct surrogate_data *data, const struct surrogate *surrogate,
                                 const struct search *search, enum outcome_warp warp, size_t n);

#endif
