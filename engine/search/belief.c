#include <config.h>

#include "search/belief.h"

#include <math.h>

#define EDGE 0.1         /* what a value at the very edge keeps of one in the middle, about */
#define LEAST_SHARE 1e-6 /* of an even chance: no value is ruled out by a belief */

/* The belief's mean and standard deviation in unit coordinates. */
static void
unit_prior(const struct space_param *param, double *mean, double *sd)
{
  double low = param->low, high = param->high;
  *mean = param->prior_mean;
  if (param->scale == SPACE_LOG)
  {
    low = log10(low);
    high = log10(high);
    *mean = log10(*mean);
  }
  else if (param->scale == SPACE_LOGIT)
  {
    low = log(low / (1 - low));
    high = log(high / (1 - high));
    *mean = log(*mean / (1 - *mean));
  }
  *mean = (*mean - low) / (high - low);
  *sd = param->prior_sd / (high - low);
}

static double
column_term(const struct space_param *param, double unit, double *slope)
{
  *slope = 0;
  if (param->has_prior && param->prior_weights)
  {
    size_t value =
      features_is_nominal(param) ? (size_t) unit : (size_t) space_from_unit(param, unit);
    return log(fmax(param->prior_weights[value] * (double) param->value_count, LEAST_SHARE));
  }
  if (features_is_nominal(param))
    return 0;
  if (param->has_prior)
  {
    double mean, sd;
    unit_prior(param, &mean, &sd);
    double z = (unit - mean) / sd;
    *slope = -z / sd;
    return -0.5 * z * z;
  }
  double inside = 4 * unit * (1 - unit) + EDGE;
  *slope = 4 * (1 - 2 * unit) / inside;
  return log(inside / (1 + EDGE));
}

double
belief_term(const struct features *features, size_t trials, const double *row, double *gradient)
{
  double weight = BELIEF_TRIALS / (double) (trials + 1), sum = 0;
  for (size_t k = 0; k < features_own_width(features); k++)
  {
    double slope;
    sum += weight * column_term(&features->space->params[features->params[k]], row[k], &slope);
    if (gradient)
      gradient[k] += weight * slope;
  }
  return sum;
}
