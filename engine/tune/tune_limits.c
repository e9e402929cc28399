#include <config.h>

#include "tune/tune_limits.h"

#include <math.h>

#define TABLE_PREDICT_US 2000.0
#define IMAGE_PREDICT_US 20000.0
#define LEAST_COST 1e-3 /* a clock may show nothing at all */

size_t
tune_limits_count(const struct job_spec *spec)
{
  return (size_t) (spec->max_predict_us > 0) + (size_t) (spec->max_model_bytes > 0);
}

static double
excess_of(double cost, double limit)
{
  return isnan(cost) ? 0 : log(fmax(cost, LEAST_COST) / limit);
}

size_t
tune_limits_constraints(const struct job_spec *spec, const struct tune_cost *cost,
                        double constraints[TUNE_LIMITS_MOST])
{
  size_t count = 0;
  if (spec->max_predict_us > 0)
    constraints[count++] = excess_of(cost->us_per_row, spec->max_predict_us);
  if (spec->max_model_bytes > 0)
    constraints[count++] = excess_of(cost->bytes, spec->max_model_bytes);
  return count;
}

bool
tune_limits_met(const struct job_spec *spec, const struct tune_cost *cost)
{
  double constraints[TUNE_LIMITS_MOST];
  size_t count = tune_limits_constraints(spec, cost, constraints);
  for (size_t i = 0; i < count; i++)
    if (constraints[i] > 0)
      return false;
  return true;
}

double
tune_limits_load(const struct job_spec *spec, enum dataset_kind kind, const struct tune_cost *cost)
{
  double most_us = kind == DATASET_IMAGES ? IMAGE_PREDICT_US : TABLE_PREDICT_US;
  if (spec->max_predict_us > 0)
    most_us = spec->max_predict_us;
  double load = cost->us_per_row / most_us;
  if (spec->max_model_bytes > 0)
    load = fmax(load, cost->bytes / spec->max_model_bytes);
  return load;
}
