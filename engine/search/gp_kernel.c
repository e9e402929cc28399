#include <config.h>

#include "search/gp_kernel.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/simd.h"

static SIMD_INLINE void
add_difference_body(size_t n, double weight, double here, const double *column, double *r2)
{
  for (size_t j = 0; j < n; j++)
  {
    double delta = column[j] - here;
    r2[j] += weight * delta * delta;
  }
}
SIMD_DEFINE(static, add_difference,
            (size_t n, double weight, double here, const double *column, double *restrict r2),
            (n, weight, here, column, r2))

static SIMD_INLINE void
add_mismatch_body(size_t n, double weight, double here, const double *column, double *r2)
{
  for (size_t j = 0; j < n; j++)
    r2[j] += column[j] != here ? weight : 0;
}
SIMD_DEFINE(static, add_mismatch,
            (size_t n, double weight, double here, const double *column, double *restrict r2),
            (n, weight, here, column, r2))

void
gp_kernel_distances(const struct gp_block *block, const double *b, size_t n, const double *xt,
                    size_t ld, const double *row, double *r2)
{
  memset(r2, 0, n * sizeof *r2);
  for (size_t f = 0; f < block->count; f++)
  {
    size_t column = block->features[f];
    if (f < block->numeric)
      add_difference(n, b[f], row[column], xt + column * ld, r2);
    else
      add_mismatch(n, b[f], row[column], xt + column * ld, r2);
  }
}

/* exp(x) for −700 ≤ x ≤ 0 without a call or a branch, so that the loop around it is vectorised:
 * x = k·ln 2 + f, Taylor's polynomial for f, the exponent put together from bits. Relative error
 * below 4e-16. */
static SIMD_INLINE double
exp_negative(double x)
{
  const double shift = 0x1.8p52;
  double shifted = x * 1.44269504088896340736 + shift;
  double whole = shifted - shift;
  double f = (x - whole * 0x1.62e42fefa0000p-1) - whole * 0x1.cf79abc9e3b3ap-40;
  double p = 1.0 / 6227020800.0;
  p = p * f + 1.0 / 479001600.0;
  p = p * f + 1.0 / 39916800.0;
  p = p * f + 1.0 / 3628800.0;
  p = p * f + 1.0 / 362880.0;
  p = p * f + 1.0 / 40320.0;
  p = p * f + 1.0 / 5040.0;
  p = p * f + 1.0 / 720.0;
  p = p * f + 1.0 / 120.0;
  p = p * f + 1.0 / 24.0;
  p = p * f + 1.0 / 6.0;
  p = p * f + 0.5;
  p = p * f + 1.0;
  p = p * f + 1.0;
  uint64_t bits;
  double power;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 1023) << 52;
  memcpy(&power, &bits, sizeof power);
  return p * power;
}

static SIMD_INLINE void
matern_body(size_t n, const double *r2, double *m)
{
#pragma omp simd
  for (size_t j = 0; j < n; j++)
  {
    double a = sqrt(5 * r2[j]);
    a = a > 700 ? 700 : a;
    m[j] = (1 + a + a * a / 3) * exp_negative(-a);
  }
}
SIMD_DEFINE(static, matern, (size_t n, const double *r2, double *m), (n, r2, m))

static SIMD_INLINE void
matern_slope_body(size_t n, const double *r2, double *m, double *restrict slope)
{
#pragma omp simd
  for (size_t j = 0; j < n; j++)
  {
    double a = sqrt(5 * r2[j]);
    a = a > 700 ? 700 : a;
    double e = exp_negative(-a);
    slope[j] = (1 + a) * e;
    m[j] = (1 + a + a * a / 3) * e;
  }
}
SIMD_DEFINE(static, matern_slope, (size_t n, const double *r2, double *m, double *restrict slope),
            (n, r2, m, slope))

void
gp_kernel_matern(size_t n, const double *r2, double *m, double *slope)
{
  if (slope)
    matern_slope(n, r2, m, slope);
  else
    matern(n, r2, m);
}
