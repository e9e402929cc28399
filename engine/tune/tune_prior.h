/* The learning-rate range tests of a job's search: which there are, and what a rate found by one makes the search
 * believe.
 *
 * One for each network family and optimizer, at the family's default otherwise. Near that rate, shifted as theory
 * goes for other batch sizes and momenta, lie the rates to try first: for SGD lr/(1 − momentum) goes with the batch
 * size, for Adam's kinds lr with its root (decisions, "Range test"). Pure.
 */
#ifndef ATTUNE_TUNE_TUNE_PRIOR_H
#define ATTUNE_TUNE_TUNE_PRIOR_H

#include "base/err.h"
#include "model/job_spec.h"
#include "search/search.h"

/* Standard deviation of the belief, in decades. */
#define TUNE_PRIOR_SD 0.5

/* How many tests the job's search has: none where a family's learning_rate is not searched, or has a belief of its
 * own. */
size_t tune_prior_count(const struct job_spec *spec);

/* The point (spec->space->count) of test number `test`. */
void tune_prior_point(const struct job_spec *spec, size_t test, double *point);

/* What to believe after the test at `point` gave `rate`. ERR_MEMORY, ERR_INVALID for a point that is none of a
 * test. */
enum err tune_prior_belief(const struct job_spec *spec, const struct model_data_shape *shape,
                           const double *point, double rate, struct search_belief *belief,
                           struct err_info *info);

#endif
