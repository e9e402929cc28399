/* Shared by the files of a search's long fits: tune_long.c (when, and of which trials), tune_long_grow.c (what they
 * have more of). */
#ifndef ATTUNE_TUNE_TUNE_LONG_INTERNAL_H
#define ATTUNE_TUNE_TUNE_LONG_INTERNAL_H

#include "tune/tune_long.h"
#include "tune/tune_study_internal.h"

/* A trial whose loss is above this multiple of the best one's is not worth a core to the end of the job. */
#define LONG_CLOSE_LOSS 1.1

/* The family's parameter of the job's space; NULL where it has none, as layers that come with a base model. */
const struct space_param *long_param_of(const struct tune_study *study, const char *family,
                                        const char *name);

/* The most epochs that the job allows: what it asks for, or as many as are of use. */
double long_most_epochs(const struct tune_study *study, const char *family, double usual);

/* Multiplications and additions of a pass of the network with these parameters. */
double long_flops_of(const struct tune_study *study, const json_t *params);

/* Microseconds that training on a row takes once; 0 = unknown. */
double long_train_us(const struct noted *noted);

/* Seconds that one sweep over a fit's rows takes, where a row takes so many microseconds. */
double long_sweep_seconds(const struct tune_study *study, double us);

/* Microseconds of training on a row for each operation of a pass, by the trial that was the quickest for its size;
 * 0 = none tells. */
double long_us_per_flop(const struct tune_study *study);

/* Gives the parameters of a convolutional network that was tried what a fit of so many seconds makes good: mirror
 * images, width and epochs, as far as the job leaves them open. */
void long_grow(const struct tune_study *study, const struct noted *noted, enum metric metric,
               double seconds, json_t *params);

#endif
