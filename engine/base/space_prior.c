#include <config.h>

#include "base/space.h"

#include <math.h>

#define LEAST_SHARE 1e-6 /* of a uniform one: no value is ruled out by a belief */

/* A value on the axis that a belief's sd is told in: decades for log, log odds for logit. */
static double
on_axis(const struct space_param *param, double value)
{
  if (param->scale == SPACE_LOG)
    return log10(value);
  if (param->scale == SPACE_LOGIT)
    return log(value / (1.0 - value));
  return value;
}

/* The normal density cut off at the ends of the range, over the even one on the same axis. */
static double
range_log(const struct space_param *param, double value)
{
  double low = on_axis(param, param->low), high = on_axis(param, param->high);
  double mean = on_axis(param, param->prior_mean), sd = param->prior_sd;
  double z = (on_axis(param, value) - mean) / sd;
  double mass = 0.5 * (erf((high - mean) / (sd * M_SQRT2)) - erf((low - mean) / (sd * M_SQRT2)));
  double width = (high - low) / sd;
  return -0.5 * z * z - 0.5 * log(2.0 * M_PI) + log(width) - log(fmax(mass, 1e-300));
}

double
space_prior_log(const struct space *space, const double *point)
{
  double sum = 0.0;
  for (size_t i = 0; i < space->count; i++)
  {
    const struct space_param *param = &space->params[i];
    if (!param->has_prior || isnan(point[i]))
      continue;
    if (!param->prior_weights)
      sum += range_log(param, point[i]);
    else
      sum += log(
        fmax(param->prior_weights[(size_t) point[i]] * (double) param->value_count, LEAST_SHARE));
  }
  return sum;
}
