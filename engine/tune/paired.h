/* How much better one model is than another on rows that neither has seen: both are scored on the same bootstrap
 * samples of the rows, so that what a sample has in common cancels (Efron and Tibshirani, "An Introduction to the
 * Bootstrap", 1993, chapter 6). Deterministic for a seed. Private to tune/; any thread.
 */
#ifndef ATTUNE_TUNE_PAIRED_H
#define ATTUNE_TUNE_PAIRED_H

#include "tune/bbc_cv.h"

struct paired_request
{
  const float *first, *second; /* predictions (labels->count, output_count) */
  const struct labels *labels;
  const struct task *task;
  enum metric metric;
  const struct decision *decision; /* of both; NULL = the likeliest class */
  struct bbc_groups groups;        /* drawn together */
  size_t bootstraps;
  uint64_t seed;
};

struct paired
{
  double first, second; /* scores on the rows as they are */
  double gain;  /* of the second over the first, > 0 = better; NaN when one can't be scored */
  double error; /* standard error of the gain; NaN when fewer than two samples could be scored */
};

/* ERR_MEMORY only. */
enum err paired_compare(const struct paired_request *request, struct paired *paired);

#endif
