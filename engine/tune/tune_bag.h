/* Fold models put together to the one model that is served, and what a prediction costs. */
#ifndef ATTUNE_TUNE_TUNE_BAG_H
#define ATTUNE_TUNE_TUNE_BAG_H

#include "tune/tune_finish.h"

/* A bag of the fold models of the trials with a weight > 0, each trial's weight shared by its folds. */
enum err tune_bag_make(const struct tune_data *data, const struct tune_trial *const *trials,
                       const double *weights, size_t count, struct model **bag,
                       struct err_info *info);

/* Median microseconds of predicting one row at a time, over some rows of the dataset; `seconds` is about
 * how long it may measure. */
enum err tune_bag_cost(const struct tune_data *data, const struct model *model, double seconds,
                       double *us_per_row, struct err_info *info);

#endif
