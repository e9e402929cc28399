#include <config.h>

#include "search/parzen.h"

#include <math.h>
#include <stdlib.h>

#include "search/features.h"

#define WIDTH_FACTOR 0.6
#define WIDTH_LEAST 0.02
#define SPREAD_TRUST 2.0 /* points' worth of belief in the spread of a uniform distribution */
#define FULL_WEIGHT 25   /* the newest so many points count in full */
#define DRAW_TRIES 100
#define RULE_TRIES 24 /* points drawn that break a rule of the space before one is moved into it */
#define LEAST_SHARE 1e-6 /* of a value whose weight is 0 */
#define LOG_SQRT_TWO_PI 0.91893853320467274178
#define LN10 2.30258509299404568402

struct parzen
{
  const struct space *space;
  size_t dims;   /* parameters that can vary */
  size_t count;  /* of points; the beforehand is kernel number `count` */
  double *units; /* (count, space->count): unit coordinate, or index of a nominal; NaN: inactive */
  double *log_cut; /* (count, space->count): of the normal curve's share within the interval */
  double *widths;  /* (space->count) of the normal curves */
  double *weights; /* (count + 1), adding up to 1 */
  double *sum;     /* (count + 1) scratch of a density */
  double nominal;  /* share of each other value of a nominal, before normalising */
};

static double
normal_share(double mean, double sd)
{
  /* Φ((1 − mean)/sd) − Φ(−mean/sd) */
  return 0.5 * (erfc(-(1 - mean) / (sd * sqrt(2))) - erfc(mean / (sd * sqrt(2))));
}

static bool
is_fixed(const struct space_param *param)
{
  return param->kind == SPACE_FIXED;
}

/* The user's belief about a numeric parameter in unit coordinates. */
static bool
belief(const struct space_param *param, double *mean, double *sd)
{
  if (!param->has_prior || !(param->prior_sd > 0) || !(param->high > param->low))
    return false;
  double range = param->high - param->low, unit = 1;
  if (param->scale == SPACE_LOG)
  {
    range = log(param->high / param->low);
    unit = LN10; /* the belief is in decades */
  }
  else if (param->scale == SPACE_LOGIT)
    range = log(param->high / (1 - param->high)) - log(param->low / (1 - param->low));
  *mean = space_to_unit(param, param->prior_mean);
  *sd = param->prior_sd * unit / range;
  return isfinite(*mean) && isfinite(*sd) && *sd > 0;
}

static double
draw_normal(struct rng *rng, double mean, double sd)
{
  for (int k = 0; k < DRAW_TRIES; k++)
  {
    double unit = mean + sd * rng_normal(rng);
    if (unit >= 0 && unit <= 1)
      return unit;
  }
  return mean;
}

static double
draw_prior(const struct space_param *param, struct rng *rng)
{
  double mean, sd;
  if (param->prior_weights)
  {
    double left = rng_double(rng);
    size_t value = 0;
    while (value + 1 < param->value_count && (left -= param->prior_weights[value]) >= 0)
      value++;
    return (double) value;
  }
  double unit = belief(param, &mean, &sd) ? draw_normal(rng, mean, sd) : rng_double(rng);
  return space_from_unit(param, unit);
}

void
parzen_sample_prior(const struct space *space, struct rng *rng, double *point)
{
  for (int k = 0; k < RULE_TRIES; k++)
  {
    for (size_t i = 0; i < space->count; i++)
      point[i] = space_active(space, i, point) ? draw_prior(&space->params[i], rng) : NAN;
    if (space_allowed(space, point))
      return;
  }
  space_repair(space, point);
}

/* log density of the beforehand at a unit coordinate; without weights a nominal's values share it evenly. */
static double
log_prior(const struct space_param *param, double unit)
{
  double mean, sd;
  double levels = space_param_levels(param);
  if (param->prior_weights)
  {
    double value = features_is_nominal(param) ? unit : fmin(floor(unit * levels), levels - 1);
    double share = fmax(param->prior_weights[(size_t) value], LEAST_SHARE);
    return log(features_is_nominal(param) ? share : share * levels);
  }
  if (features_is_nominal(param))
    return -log(levels);
  if (!belief(param, &mean, &sd))
    return 0;
  double z = (unit - mean) / sd;
  return -0.5 * z * z - LOG_SQRT_TWO_PI - log(sd) - log(normal_share(mean, sd));
}

static double
coordinate(const struct space_param *param, double value)
{
  return features_is_nominal(param) ? value : space_to_unit(param, value);
}

static void
fill_weights(struct parzen *p)
{
  double total = 0;
  size_t ramp = p->count > FULL_WEIGHT ? p->count - FULL_WEIGHT : 0;
  for (size_t k = 0; k <= p->count; k++)
  {
    double least = 1 / (double) (p->count + 1);
    double weight = k < ramp ? least + (1 - least) * (double) k / (double) ramp : 1;
    p->weights[k] = weight;
    total += weight;
  }
  for (size_t k = 0; k <= p->count; k++)
    p->weights[k] /= total;
}

/* The width of the normal curves of one parameter, from how far its values lie apart. */
static double
choose_width(const struct parzen *p, size_t index)
{
  size_t n = p->space->count;
  double mean = 0, square = SPREAD_TRUST / 12, count = 0;
  for (size_t k = 0; k < p->count; k++)
    if (!isnan(p->units[k * n + index]))
    {
      mean += p->units[k * n + index];
      count++;
    }
  mean /= fmax(count, 1);
  for (size_t k = 0; k < p->count; k++)
    if (!isnan(p->units[k * n + index]))
      square += (p->units[k * n + index] - mean) * (p->units[k * n + index] - mean);
  double spread = sqrt(square / (count + SPREAD_TRUST));
  double width = WIDTH_FACTOR * spread * pow(fmax(count, 1), -1 / ((double) p->dims + 4));
  return fmax(width, fmax(WIDTH_LEAST, 0.5 / space_param_levels(&p->space->params[index])));
}

static void
fill_kernels(struct parzen *p, const struct search *search, const size_t *trials)
{
  size_t n = p->space->count;
  for (size_t i = 0; i < n; i++)
  {
    const struct space_param *param = &p->space->params[i];
    for (size_t k = 0; k < p->count; k++)
    {
      double value = search_point(search, trials[k])[i];
      p->units[k * n + i] = isnan(value) ? NAN : coordinate(param, value);
    }
    if (is_fixed(param) || features_is_nominal(param))
      continue;
    p->widths[i] = choose_width(p, i);
    for (size_t k = 0; k < p->count; k++)
      if (!isnan(p->units[k * n + i]))
        p->log_cut[k * n + i] = log(normal_share(p->units[k * n + i], p->widths[i]))
                                + LOG_SQRT_TWO_PI + log(p->widths[i]);
  }
}

enum err
parzen_new(const struct search *search, size_t count, const size_t *trials, struct parzen **parzen)
{
  const struct space *space = search->space;
  size_t n = space->count;
  struct parzen *p = calloc(1, sizeof *p);
  if (!p)
    return ERR_MEMORY;
  p->space = space;
  p->count = count;
  p->units = calloc(2 * count * n + n + 1, sizeof *p->units);
  p->weights = calloc(2 * (count + 1), sizeof *p->weights);
  if (!p->units || !p->weights)
  {
    parzen_free(p);
    return ERR_MEMORY;
  }
  p->log_cut = p->units + count * n;
  p->widths = p->log_cut + count * n;
  p->sum = p->weights + count + 1;
  p->nominal = 1 / (double) (count + 1);
  for (size_t i = 0; i < n; i++)
    if (!is_fixed(&space->params[i]))
      p->dims++;
  fill_weights(p);
  fill_kernels(p, search, trials);
  *parzen = p;
  return ERR_OK;
}

void
parzen_free(struct parzen *p)
{
  if (!p)
    return;
  free(p->weights);
  free(p->units);
  free(p);
}

static double
draw_around(const struct parzen *p, const struct space_param *param, double unit, double width,
            struct rng *rng)
{
  if (!features_is_nominal(param))
    return space_from_unit(param, draw_normal(rng, unit, width));
  double levels = space_param_levels(param);
  if (rng_double(rng) * (1 + levels * p->nominal) < 1)
    return unit;
  return space_from_unit(param, rng_double(rng));
}

static void
draw_from_kernels(const struct parzen *p, struct rng *rng, double *point)
{
  size_t n = p->space->count, kernel = 0;
  double left = rng_double(rng);
  while (kernel < p->count && (left -= p->weights[kernel]) >= 0)
    kernel++;
  for (size_t i = 0; i < n; i++)
  {
    const struct space_param *param = &p->space->params[i];
    if (!space_active(p->space, i, point))
      point[i] = NAN;
    else if (kernel < p->count && !isnan(p->units[kernel * n + i]))
      point[i] = draw_around(p, param, p->units[kernel * n + i], p->widths[i], rng);
    else
      point[i] = draw_prior(param, rng);
  }
}

void
parzen_sample(const struct parzen *p, struct rng *rng, double *point)
{
  for (int k = 0; k < RULE_TRIES; k++)
  {
    draw_from_kernels(p, rng, point);
    if (space_allowed(p->space, point))
      return;
  }
  space_repair(p->space, point);
}

/* Adds the log density of one parameter to that of every kernel. */
static void
add_param(const struct parzen *p, size_t index, double value)
{
  const struct space_param *param = &p->space->params[index];
  size_t n = p->space->count;
  double here = coordinate(param, value), prior = log_prior(param, here);
  double all = log(1 + space_param_levels(param) * p->nominal);
  double same = log(1 + p->nominal) - all, other = log(p->nominal) - all;
  bool nominal = features_is_nominal(param);
  double scale = nominal ? 0 : 0.5 / (p->widths[index] * p->widths[index]);
  p->sum[p->count] += prior;
  for (size_t k = 0; k < p->count; k++)
  {
    double unit = p->units[k * n + index];
    if (isnan(unit))
      p->sum[k] += prior;
    else if (nominal)
      p->sum[k] += unit == here ? same : other;
    else
      p->sum[k] -= (unit - here) * (unit - here) * scale + p->log_cut[k * n + index];
  }
}

double
parzen_log_density(const struct parzen *p, const double *point)
{
  double most = -INFINITY, total = 0;
  for (size_t k = 0; k <= p->count; k++)
    p->sum[k] = log(p->weights[k]);
  for (size_t i = 0; i < p->space->count; i++)
    if (!isnan(point[i]) && !is_fixed(&p->space->params[i]))
      add_param(p, i, point[i]);
  for (size_t k = 0; k <= p->count; k++)
    most = fmax(most, p->sum[k]);
  for (size_t k = 0; k <= p->count; k++)
    total += exp(p->sum[k] - most);
  return most + log(total);
}
