/* Intervals from a model's errors on rows it was not trained on (model_interval.h).
 *
 * Four forms are tried on rows held out part by part: half as wide as the errors are large, or with a share of misses
 * for each end; of one width everywhere, or by the spread that errors have near the prediction. The plainest is
 * taken unless another has a better interval score (Gneiting and Raftery, JASA 2007) at 0.9 beyond one standard error
 * of the rows' differences. Pure; any thread.
 */
#ifndef ATTUNE_TUNE_CONFORMAL_H
#define ATTUNE_TUNE_CONFORMAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/model_interval.h"

/* Out-of-fold predictions and truths. Rows of one part are held out together, as their predictions were; rows that
 * are not finite are passed over. */
struct conformal_rows
{
  size_t count, parts;
  const double *truth;
  const float *prediction;
  const uint8_t *part; /* (count), below parts */
};

/* The share of rows whose truth was within, and how wide the intervals were. NaN without a row. */
struct conformal_measure
{
  double level, coverage, width;
  size_t rows;
};

/* interval->rows is 0 when there are fewer than ten rows. ERR_MEMORY only. */
enum err conformal_fit(const struct conformal_rows *rows, struct model_interval *interval);

/* Of intervals of the form of `like`, for each part by what the other parts give: fills in all but the levels. */
enum err conformal_measure_crossed(const struct conformal_rows *rows,
                                   const struct model_interval *like,
                                   struct conformal_measure *measures, size_t count);

/* Of the interval as it is, on rows that had no part in it (`part` is not looked at). */
void conformal_measure(const struct conformal_rows *rows, const struct model_interval *interval,
                       struct conformal_measure *measures, size_t count);

#endif
