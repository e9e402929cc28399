/* Rows whose label looks wrong, by predictions of models that have not seen them.
 *
 * Classes: confident learning (Northcutt, Jiang, Chuang, "Confident learning: estimating uncertainty in
 * dataset labels", JAIR 2021). The threshold of a class is the mean probability that rows with that label
 * are given for it; a row is a suspect when its own class is below its threshold and another's, which is
 * the likelier one, at or above. Values: residuals more than 6 robust standard deviations (1.4826 · median
 * absolute deviation) from their median. Pure; any thread.
 */
#ifndef ATTUNE_TUNE_SUSPECTS_H
#define ATTUNE_TUNE_SUSPECTS_H

#include <jansson.h>

#include "tune/tune_data.h"

#define SUSPECTS_MOST 100

/* The clearest SUSPECTS_MOST as [{"row","given","suggested","probability","given_probability"}] or, for
 * values, [{"row","given","suggested","deviations"}]; rows count from 0. *count is how many there are in
 * all. New reference; NULL when out of memory. */
json_t *suspects_find(const struct tune_data *data, const size_t *rows, const struct labels *labels,
                      const float *predictions, size_t *count);

#endif
