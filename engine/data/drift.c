#include <config.h>

#include "data/drift.h"

#include <math.h>

#define HALF_CASE 0.5

static double
sum(const uint64_t *counts, size_t bins)
{
  double total = 0;
  for (size_t i = 0; i < bins; i++)
    total += (double) counts[i];
  return total;
}

double
drift_psi(const uint64_t *expected, const uint64_t *asked, size_t bins)
{
  double expected_total = sum(expected, bins), asked_total = sum(asked, bins);
  if (!(expected_total > 0) || !(asked_total > 0))
    return NAN;
  double more = HALF_CASE * (double) bins, psi = 0;
  for (size_t i = 0; i < bins; i++)
  {
    double e = ((double) expected[i] + HALF_CASE) / (expected_total + more);
    double a = ((double) asked[i] + HALF_CASE) / (asked_total + more);
    psi += (a - e) * log(a / e);
  }
  return psi;
}

size_t
drift_bin(const double *edges, size_t edge_count, double value)
{
  if (isnan(value))
    return edge_count + 1;
  size_t low = 0, high = edge_count;
  while (low < high)
  {
    size_t middle = low + (high - low) / 2;
    if (edges[middle] <= value)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

double
drift_psi_noise(size_t bins, double n, double m)
{
  static const double normal_999 = 3.0902323061678132;
  if (!(n > 0) || !(m > 0))
    return INFINITY;
  if (bins < 2)
    return 0;
  double degrees = (double) bins - 1, part = 2 / (9 * degrees);
  double root = 1 - part + normal_999 * sqrt(part);
  return degrees * root * root * root * (1 / n + 1 / m);
}

const char *
drift_word(double psi, double noise)
{
  if (!(noise <= DRIFT_MUCH) || isnan(psi))
    return "too_few";
  if (psi < DRIFT_SOME || psi < noise)
    return "stable";
  return psi < DRIFT_MUCH ? "moderate" : "strong";
}
