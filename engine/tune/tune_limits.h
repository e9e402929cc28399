/* What a job lets its model cost: microseconds of a prediction, bytes of the model's file
 * (budget.max_predict_us, budget.max_model_bytes). To the search each limit is a constraint. */
#ifndef ATTUNE_TUNE_TUNE_LIMITS_H
#define ATTUNE_TUNE_TUNE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "data/dataset.h"
#include "model/job_spec.h"

#define TUNE_LIMITS_MOST 2

struct tune_cost
{
  double us_per_row, bytes; /* NaN = unknown */
  double train_us;          /* that training on a row took, once; NaN or 0 = unknown */
};

/* How many limits a job sets. */
size_t tune_limits_count(const struct job_spec *spec);

/* The constraints of the search, ln(cost / limit) each: at most 0 is within. What is unknown counts as being right
 * at its limit. Returns how many were written, tune_limits_count. */
size_t tune_limits_constraints(const struct job_spec *spec, const struct tune_cost *cost,
                               double constraints[TUNE_LIMITS_MOST]);

/* Whether a cost is within the limits the job sets. */
bool tune_limits_met(const struct job_spec *spec, const struct tune_cost *cost);

/* The largest cost as a multiple of its limit. Without a limit of the job's a prediction still has one, by the kind
 * of the data: mixing models is no reason to serve slowly. */
double tune_limits_load(const struct job_spec *spec, enum dataset_kind kind,
                        const struct tune_cost *cost);

#endif
