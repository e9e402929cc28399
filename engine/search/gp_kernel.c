#include <config.h>

#include "search/gp_kernel.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

void
gp_kernel_distances(const struct gp_block *block, const double *b, size_t n, const double *xt,
                    size_t ld, const double *row, double *r2)
{
  memset(r2, 0, n * sizeof *r2);
  for (size_t f = 0; f < block->numeric; f++)
  {
    const double *column = xt + block->features[f] * ld;
    double here = row[block->features[f]];
    double weight = b[f];
#pragma omp simd
    for (size_t j = 0; j < n; j++)
    {
      double delta = column[j] - here;
      r2[j] += weight * delta * delta;
    }
  }
  for (size_t f = block->numeric; f < block->count; f++)
  {
    const double *column = xt + block->features[f] * ld;
    double here = row[block->features[f]];
    double weight = b[f];
#pragma omp simd
    for (size_t j = 0; j < n; j++)
      r2[j] += column[j] != here ? weight : 0;
  }
}

/* exp(x) for −700 ≤ x ≤ 0 without a call or a branch, so that the loop around it is vectorised:
 * x = k·ln 2 + f, Taylor's polynomial for f, the exponent put together from bits. Relative error
 * below 4e-16. */
static inline double
exp_negative(double x)
{
  const double shift = 0x1.8p52;
  union
  {
    double number;
    uint64_t bits;
  } k, power;
  k.number = x * 1.44269504088896340736 + shift;
  double whole = k.number - shift;
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
  power.bits = (k.bits + 1023) << 52;
  return p * power.number;
}

void
gp_kernel_matern(size_t n, const double *r2, double *m, double *slope)
{
  if (slope)
  {
#pragma omp simd
    for (size_t j = 0; j < n; j++)
    {
      double a = sqrt(5 * r2[j]);
      a = a < 700 ? a : 700;
      double e = exp_negative(-a);
      slope[j] = (1 + a) * e;
      m[j] = (1 + a + a * a / 3) * e;
    }
    return;
  }
#pragma omp simd
  for (size_t j = 0; j < n; j++)
  {
    double a = sqrt(5 * r2[j]);
    a = a < 700 ? a : 700;
    m[j] = (1 + a + a * a / 3) * exp_negative(-a);
  }
}
