#include <config.h>

#include "search/outcome.h"

#include <math.h>
#include <stdlib.h>

#define CLIP_IQR 5.0

static int
compare_doubles(const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return x < y ? -1 : x > y;
}

static double
quantile(const double *sorted, size_t n, double q)
{
  double at = q * (double) (n - 1);
  size_t low = (size_t) at;
  size_t high = low + 1 < n ? low + 1 : low;
  return sorted[low] + (at - (double) low) * (sorted[high] - sorted[low]);
}

#define POWER_LEAST -1.0
#define POWER_MOST 3.0
#define POWER_STEPS 33

/* Yeo and Johnson (2000): a power transformation that knows both signs. */
static double
power_warp(double z, double power)
{
  if (z >= 0)
    return power == 0 ? log1p(z) : expm1(power * log1p(z)) / power;
  return power == 2 ? -log1p(-z) : -expm1((2 - power) * log1p(-z)) / (2 - power);
}

static double
power_unwarp(double y, double power)
{
  if (y >= 0)
    return power == 0 ? expm1(y) : expm1(log1p(fmax(power * y, -1 + 1e-12)) / power);
  double other = 2 - power;
  return other == 0 ? -expm1(-y) : -expm1(log1p(fmax(-other * y, -1 + 1e-12)) / other);
}

static double
warped(const struct outcome *o, double value)
{
  double u = (value - o->low) / o->unit;
  return o->warp == OUTCOME_LOG     ? log1p(u)
         : o->warp == OUTCOME_POWER ? power_warp(u, o->power)
                                    : value;
}

/* The power under which the sorted values are most like a normal sample (profile likelihood). */
static void
fit_power(struct outcome *o, size_t n, const double *sorted)
{
  double mean = 0, square = 0, best = -INFINITY;
  for (size_t i = 0; i < n; i++)
    mean += sorted[i] / (double) n;
  for (size_t i = 0; i < n; i++)
    square += (sorted[i] - mean) * (sorted[i] - mean) / (double) n;
  if (!(square > 0) || !isfinite(square))
  {
    o->warp = OUTCOME_PLAIN;
    return;
  }
  o->low = mean;
  o->unit = sqrt(square);
  for (int step = 0; step < POWER_STEPS; step++)
  {
    double power = POWER_LEAST + (POWER_MOST - POWER_LEAST) * step / (POWER_STEPS - 1);
    double sum = 0, squares = 0, slopes = 0;
    for (size_t i = 0; i < n; i++)
    {
      double z = (sorted[i] - o->low) / o->unit;
      double y = power_warp(z, power);
      sum += y / (double) n;
      squares += y * y / (double) n;
      slopes += (power - 1) * (z >= 0 ? log1p(z) : -log1p(-z));
    }
    double spread = squares - sum * sum;
    double likelihood = slopes - 0.5 * (double) n * log(spread);
    if (spread > 0 && likelihood > best)
    {
      best = likelihood;
      o->power = power;
    }
  }
}

/* The unit of the warp from the sorted values; where there is none the outcome stays plain. */
static void
fit_warp(struct outcome *o, size_t n, const double *sorted)
{
  if (o->warp == OUTCOME_POWER)
  {
    fit_power(o, n, sorted);
    return;
  }
  double range = sorted[n - 1] - sorted[0];
  o->low = sorted[0];
  o->unit = quantile(sorted, n, 0.5) - o->low;
  if (!(o->unit > 0))
    o->unit = range;
  if (!(o->unit > 0) || !isfinite(range) || !isfinite(range / o->unit))
    o->warp = OUTCOME_PLAIN;
}

static void
fit_limit(struct outcome *o, size_t n, const double *sorted)
{
  double iqr = quantile(sorted, n, 0.75) - quantile(sorted, n, 0.25);
  double limit = quantile(sorted, n, 0.5) + CLIP_IQR * iqr;
  o->limit = sorted[n - 1];
  if (iqr > 0 && limit < o->limit)
    o->limit = limit;
}

static void
standardise(struct outcome *o, size_t n, double *y)
{
  double square = 0;
  o->centre = 0;
  for (size_t i = 0; i < n; i++)
    o->centre += y[i] / (double) n;
  for (size_t i = 0; i < n; i++)
    square += (y[i] - o->centre) * (y[i] - o->centre) / (double) n;
  o->spread = square > 0 && isfinite(square) ? sqrt(square) : 1;
  for (size_t i = 0; i < n; i++)
    y[i] = (y[i] - o->centre) / o->spread;
}

enum err
outcome_fit(enum outcome_warp warp, size_t n, const double *values, double *y, struct outcome *o)
{
  double *sorted = calloc(n + 1, sizeof *sorted);
  if (!sorted)
    return ERR_MEMORY;
  size_t finite = 0;
  for (size_t i = 0; i < n; i++)
    if (!isnan(values[i]))
      sorted[finite++] = values[i];
  qsort(sorted, finite, sizeof *sorted, compare_doubles);
  *o = (struct outcome){.warp = warp, .unit = 1, .power = 1};
  if (finite)
  {
    double range = sorted[finite - 1] - sorted[0];
    fit_warp(o, finite, sorted);
    o->least = sorted[0] - range;
    o->most = sorted[finite - 1] + range;
    for (size_t i = 0; i < finite; i++)
      sorted[i] = warped(o, sorted[i]);
    fit_limit(o, finite, sorted);
  }
  free(sorted);
  for (size_t i = 0; i < n; i++)
    y[i] = isnan(values[i]) ? o->limit : fmin(warped(o, values[i]), o->limit);
  standardise(o, n, y);
  return ERR_OK;
}

bool
outcome_log_slope(const struct outcome *o, double value, double *log_slope)
{
  if (isnan(value) || warped(o, value) > o->limit)
    return false;
  *log_slope = -log(o->spread);
  double u = (value - o->low) / o->unit;
  if (o->warp == OUTCOME_LOG)
    *log_slope -= log1p(u) + log(o->unit);
  if (o->warp == OUTCOME_POWER)
    *log_slope += (o->power - 1) * (u >= 0 ? log1p(u) : -log1p(-u)) - log(o->unit);
  return true;
}

double
outcome_value(const struct outcome *o, double y)
{
  double outcome = o->centre + o->spread * y;
  if (o->warp == OUTCOME_PLAIN)
    return outcome;
  double u = o->warp == OUTCOME_LOG ? expm1(outcome) : power_unwarp(outcome, o->power);
  return fmin(fmax(o->low + o->unit * u, o->least), o->most);
}

double
outcome_of_plain(const struct outcome *o, double value)
{
  return (value - o->centre) / o->spread;
}
