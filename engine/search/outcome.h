/* How values become the outcomes that the Gaussian process sees.
 *
 * First they may be warped: log (1 + u), u = (value − lowest)/(median − lowest), draws a long bad tail
 * in and leaves the good end nearly as it is. Then the bad side is clipped at median + 5 interquartile
 * ranges, failed trials take the worst outcome left, and all are brought to mean 0 and variance 1.
 * Pure. Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_OUTCOME_H
#define ATTUNE_SEARCH_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum outcome_warp
{
  OUTCOME_PLAIN,
  OUTCOME_LOG,
  OUTCOME_POWER,
  OUTCOME_WARPS /* how many there are */
};

struct outcome
{
  enum outcome_warp warp;
  double low, unit; /* of the warp: of a logarithm the lowest value and median − lowest; of a power
                            mean and standard deviation */
  double power;     /* Yeo and Johnson's lambda */
  double limit;     /* warped values above are clipped to it */
  double least, most;    /* where a warp ends, values that far out stand for all beyond */
  double centre, spread; /* mean and standard deviation of the warped and clipped values */
};

/* Fits the outcome to n values (NaN: failed) and writes the outcomes y (n). Values too far apart to
 * be warped stay plain. ERR_MEMORY. */
enum err outcome_fit(enum outcome_warp warp, size_t n, const double *values, double *y,
                     struct outcome *outcome);

/* log of the outcome's derivative by the value; false where the value is NaN or clipped. */
bool outcome_log_slope(const struct outcome *outcome, double value, double *log_slope);

/* The value behind an outcome. A warp's inverse rises without bound near the end of its range, which a prediction
 * away from all data reaches: so it ends where the seen values do, and as far again on either side. */
double outcome_value(const struct outcome *outcome, double y);

/* The outcome that a value would have in a plain outcome, clipped or not. */
double outcome_of_plain(const struct outcome *outcome, double value);

#endif
