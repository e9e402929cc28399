/* How class probabilities become a label. A value; the factors are borrowed. Pure; any thread.
 *
 * Zeroed, it takes the likeliest class, the first of equals.
 */
#ifndef ATTUNE_DATA_DECISION_H
#define ATTUNE_DATA_DECISION_H

#include <stdbool.h>
#include <stddef.h>

struct decision
{
  bool has_threshold; /* two classes only */
  double threshold;   /* 0 … 1: the second class when its probability is at least this */
  /* (class count), > 0: the largest probability × factor, the first of equals; NULL = all 1. Not used
   * with a threshold. */
  const double *factors;
};

/* Class of one prediction of `count` probabilities. decision NULL = the likeliest. */
size_t decision_class(const struct decision *decision, const float *outputs, size_t count);

/* The threshold a prediction of two classes is decided by: 0.5 unless another was set. */
double decision_threshold(const struct decision *decision);

#endif
