/* How sure probabilities should be: one temperature for all of them, from rows the model was not trained on.
 *
 * The temperature with the least log loss is taken only if it helps on rows it was not fitted on: in each of five
 * parts by the one fitted on the other four, by more than two standard errors of the rows' differences. Pure; any
 * thread.
 */
#ifndef ATTUNE_TUNE_CALIBRATE_H
#define ATTUNE_TUNE_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "data/metric.h"

/* What probabilities are worth. */
struct calibration_state
{
  double log_loss;
  double
    ece; /* mean of |confidence − share right| over fifteenths of the confidence (Guo et al. 2017) */
};

struct calibration
{
  double temperature; /* to be used: `fitted`, or 1 when that does not help */
  double fitted;
  bool helps;
  double gain, gain_error; /* of the mean log loss on rows not fitted on, and its standard error */
  struct calibration_state before, after; /* the latter on rows not fitted on */
};

/* Predictions (labels->count, classes). ERR_MEMORY only; without rows of any weight nothing helps. */
enum err calibrate_fit(const struct labels *labels, const float *predictions, size_t classes,
                       struct calibration *calibration);

/* As they are. */
struct calibration_state calibrate_state(const struct labels *labels, const float *predictions,
                                         size_t classes);

/* Whether a temperature can change what the metric says: it does not where only the order of a row's classes
 * counts, or that of all rows by one probability. */
bool calibrate_matters(enum metric metric, const struct task *task,
                       const struct decision *decision);

#endif
