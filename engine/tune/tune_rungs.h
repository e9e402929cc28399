/* The rungs of a job's trials: how far a trial of a family that can pause is run before the next is decided.
 *
 * A trial begins with its first fold alone. Rung k of n ends it after epochs·3^(k−n+1) of them (rounded up); where
 * there are several folds a further rung has the first fold whole, and the last rung has the others, too.
 * To the search rung k is step 3^k. Ranks are compared at one rung, and only one family has rungs, so only
 * within it. Plain values, pure. Private to tune/.
 */
#ifndef ATTUNE_TUNE_TUNE_RUNGS_H
#define ATTUNE_TUNE_TUNE_RUNGS_H

#include <stdbool.h>
#include <stddef.h>

#include "model/job_spec.h"
#include "search/search.h"

#define TUNE_RUNGS_ETA 3.0

struct tune_rungs
{
  enum search_stopping stopping; /* NONE = trials do not pause, count is 0 */
  size_t count;
  size_t folds;
};

/* NONE also when no family of the job can pause. */
void tune_rungs_plan(const struct job_spec *spec, size_t fold_count, struct tune_rungs *rungs);

/* The search's step of a rung. */
double tune_rungs_step(size_t rung);

/* Epochs after which the fit of the first fold pauses at the rung; 0 = it runs to its end. */
size_t tune_rungs_epoch(const struct tune_rungs *rungs, size_t rung, size_t epochs);

/* How many whole trials' worth of steps so many begun ones come to, when a third of each rung goes on; 0 of 0. */
size_t tune_rungs_whole(const struct tune_rungs *rungs, size_t trials);

/* What part of a whole trial's work is done at the rung. */
double tune_rungs_share(const struct tune_rungs *rungs, size_t rung, size_t epochs);

#endif
