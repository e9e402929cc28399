/* The best trials of a search once more, each with another seed, before one of them is named winner.
 *
 * Of many trials the best is in part the one that was lucky with its seed. So the search's last trials are the
 * best three (two where there is less time) again: the same point and folds, and, as a trial of their own,
 * another seed. The finish goes by the mean of both (tune_winner.h). Those runs take a tenth of the trials or a
 * fifth of the search's seconds at most, and only what is left by what the trials have taken; a family whose
 * fits are the same for any seed needs none. A repeat is told by its point, which an earlier trial has had.
 * Pure functions of the log and the clock.
 */
#ifndef ATTUNE_TUNE_TUNE_REPEAT_H
#define ATTUNE_TUNE_TUNE_REPEAT_H

#include <stdbool.h>

#include "tune/tune_study.h"

/* The next of them in *suggestion, as TUNE_ADD with `repeats`, if the job has the time for all that are due, but
 * not for a further trial of `other_s` wall seconds before them (INFINITY: there will be none). *found tells.
 * Never in jobs that end with long fits (tune_long.h) or have rungs, nor with a method that sets its points
 * beforehand. ERR_MEMORY, ERR_INTERNAL. */
enum err tune_repeat_suggest(struct tune_study *study, const struct tune_situation *situation,
                             double other_s, bool *found, struct tune_suggestion *suggestion,
                             struct err_info *info);

/* Whether repeats belong to such a search and none of the best three has had one. */
bool tune_repeat_left_out(const struct tune_study *study);

#endif
