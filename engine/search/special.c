#include <config.h>

#include "search/special.h"

#include <math.h>

#define SQRT_HALF 0.70710678118654752440
#define HALF_LOG_TWO_PI 0.91893853320467274178
#define SQRT_HALF_PI 1.25331413731550025121
#define INV_SQRT_PI 0.56418958354775628695
#define INV_SQRT_TWO_PI 0.39894228040143267794

double
special_erfcx(double x)
{
  if (x < 10)
  {
    /* The rounding error of x² would be magnified by the exponential: put it back. */
    double square = x * x;
    double rest = fma(x, x, -square);
    return exp(square) * (1 + rest) * erfc(x);
  }
  /* The asymptotic series; at 10 its smallest term is far below the last digit. */
  double u = 1 / (2 * x * x);
  double term = 1, sum = 1;
  for (int k = 1; k <= 14; k++)
  {
    term *= -(2 * k - 1) * u;
    sum += term;
  }
  return INV_SQRT_PI / x * sum;
}

/* 1 − √(π/2)·|z|·erfcx(|z|/√2) for z ≤ −20, as a series in 1/z², since the difference would cancel. */
static double
tail_factor(double z)
{
  double u = 1 / (z * z);
  double term = u, sum = u;
  for (int k = 1; k <= 12; k++)
  {
    term *= -(2 * k + 1) * u;
    sum += term;
  }
  return sum;
}

double
special_log_ei(double z)
{
  double log_phi = -0.5 * z * z - HALF_LOG_TWO_PI;
  if (z < -20)
  {
    if (z < -1e100)
      return log_phi; /* −2·log|z| is far below a unit in the last place */
    return log_phi + log(tail_factor(z));
  }
  if (z < -1)
    return log_phi + log1p(SQRT_HALF_PI * z * special_erfcx(-z * SQRT_HALF));
  return log(exp(log_phi) + 0.5 * z * erfc(-z * SQRT_HALF));
}

double
special_log_ei_slope(double z)
{
  if (z < -1e100)
    return -z;
  if (z < -1)
  {
    double x = special_erfcx(-z * SQRT_HALF);
    double factor = z < -20 ? tail_factor(z) : 1 + SQRT_HALF_PI * z * x;
    return 0.5 * x / (INV_SQRT_TWO_PI * factor);
  }
  double upper = 0.5 * erfc(-z * SQRT_HALF);
  return upper / (exp(-0.5 * z * z - HALF_LOG_TWO_PI) + z * upper);
}

double
special_log_cdf(double z, double *slope)
{
  if (z > 5)
  {
    double above = 0.5 * erfc(z * SQRT_HALF);
    *slope = INV_SQRT_TWO_PI * exp(-0.5 * z * z) / (1 - above);
    return log1p(-above);
  }
  double scaled = special_erfcx(-z * SQRT_HALF);
  *slope = 1 / (SQRT_HALF_PI * scaled);
  return log(0.5 * scaled) - 0.5 * z * z;
}
