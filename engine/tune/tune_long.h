/* The end of a search over networks on images: the best trials again, trained as long as the job has time.
 *
 * While it searches, such a job keeps its fits short, for what is good after two epochs tells what is good after twenty;
 * with three quarters of the time left, or at once where short fits would tell nothing, it turns to the best of those
 * that have more to learn, being cut short or, where the rows are many, brief even when whole, and gives each of them a
 * worker and all that is left; where none comes near the best, the best to each worker, with another seed. Where no
 * trial has more to learn it goes on searching. A long trial is told by its point, which an earlier trial has had; its
 * width and its epochs may be larger, so that the time is well used, and it may see mirror images, too. Pure functions
 * of the log and the clock.
 */
#ifndef ATTUNE_TUNE_TUNE_LONG_H
#define ATTUNE_TUNE_TUNE_LONG_H

#include <stdbool.h>

#include "tune/tune_study.h"

/* Whether a job is run so: images, a budget in seconds, a family of networks, no early stopping by rungs, and a
 * method that goes by results. */
bool tune_long_planned(const struct job_spec *spec, enum dataset_kind kind);

/* Whether the time has come, with so much left of the whole search. */
bool tune_long_now(double search_s, double search_left_s);

/* Whether a long trial has been started, be it before that time (the search had nothing more to gain): from then
 * on there are only such. */
bool tune_long_begun(const struct tune_study *study);

/* Whether the time has come before that: the trials set beforehand have ended, and a search by
 * short ones would find nothing, for a convolutional network sees not even all rows once in such. */
bool tune_long_at_once(const struct tune_study *study, const struct tune_situation *situation);

/* Seconds a short trial may take, of the whole search. */
double tune_long_short_s(double search_s);

/* Notes how long a long fit will be, which may change what families are wanted. */
void tune_long_note_time(struct tune_study *study, const struct tune_situation *situation);

/* Whether a short trial of the family is of use: a long fit would be one of it, or none has more to learn. */
bool tune_long_wants(const struct tune_study *study, size_t family);

/* Whether the network at the study's point is worth a short trial, by what the trials so far have taken: a long fit has
 * the time for a few sweeps over the rows, and short fits can tell it from the default one. True of other families, and
 * before any trial tells. */
bool tune_long_suits(const struct tune_study *study, const struct tune_situation *situation);

/* Whether a trial of this objective loses at most so many times what the best one does. An objective is the score, with its
 * sign turned where more is better, which is never above 1. */
bool tune_long_is_close(double objective, double best, enum metric metric, double times);

/* The next long trial in *suggestion: TUNE_ADD, or TUNE_WAIT while the trials it could choose from are still at
 * work, or TUNE_STOP when too little time is left for one more. *found is false when there is nothing to choose
 * from and the search should go on as usual. ERR_MEMORY. */
enum err tune_long_suggest(struct tune_study *study, const struct tune_situation *situation,
                           bool *found, struct tune_suggestion *suggestion, struct err_info *info);

#endif
