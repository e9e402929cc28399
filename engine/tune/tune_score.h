/* The validation rows of all folds as one set, and trials' predictions on it. Private to tune/. */
#ifndef ATTUNE_TUNE_TUNE_SCORE_H
#define ATTUNE_TUNE_TUNE_SCORE_H

#include "tune/bbc_cv.h"
#include "tune/tune_finish.h"

/* Trials that can be scored, best first; the first `servable` kinds of arrays are parallel. */
struct tune_library
{
  size_t *rows; /* of the dataset, fold after fold (row_count) */
  size_t row_count;
  struct tune_labels labels;
  const struct tune_trial **trials; /* (count) */
  const float **predictions;        /* (count), each (row_count, output_count); owned */
  size_t count;
};

/* Keeps the trials that have predictions (and, if `servable`, models) for every fold. */
enum err tune_library_make(const struct tune_data *data, const struct tune_trial *trials,
                           size_t trial_count, bool servable, struct tune_library *library,
                           struct err_info *info);
void tune_library_free(struct tune_library *library);

/* Whether every fold's model is there. */
bool tune_trial_servable(const struct tune_data *data, const struct tune_trial *trial);

#endif
