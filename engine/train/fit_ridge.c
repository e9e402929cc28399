#include <config.h>

#include "train/fit_ridge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/la.h"

#define BLOCK_ROWS 256
#define SWEEPS_MAX 1000

/* Means over the rows of each input and of the target, then gram (d,d) = XᵀX/n and right (d) = Xᵀy/n
 * of the centred data; each row by its weight, whose mean is 1. */
static bool
accumulate(const struct fit_rows *rows, double *mean, double *target_mean, double *gram,
           double *right)
{
  size_t d = rows->width, n = rows->count;
  double *block = malloc(BLOCK_ROWS * d * sizeof *block), y[BLOCK_ROWS];

  if (!block)
    return false;
  *target_mean = 0.0;
  for (size_t i = 0; i < n; i++)
  {
    double share = (rows->weight ? (double) rows->weight[i] : 1.0) / (double) n;
    *target_mean += share * (double) rows->target[i];
    for (size_t j = 0; j < d; j++)
      mean[j] += share * (double) rows->x[i * d + j];
  }
  for (size_t first = 0; first < n; first += BLOCK_ROWS)
  {
    size_t count = n - first < BLOCK_ROWS ? n - first : BLOCK_ROWS;
    for (size_t i = 0; i < count; i++)
    {
      double root = rows->weight ? sqrt((double) rows->weight[first + i]) : 1.0;
      y[i] = root * ((double) rows->target[first + i] - *target_mean);
      for (size_t j = 0; j < d; j++)
        block[i * d + j] = root * ((double) rows->x[(first + i) * d + j] - mean[j]);
    }
    la_dgemm(true, false, d, d, count, 1.0 / (double) n, block, d, block, d, 1.0, gram, d);
    la_dgemv(true, count, d, 1.0 / (double) n, block, d, y, 1.0, right);
  }
  free(block);
  return true;
}

/* w ← (gram + l2·I)⁻¹ right; a jitter grows until the factor exists. Overwrites `factor` (d,d). */
static bool
solve_exact(size_t d, const double *gram, const double *right, double l2, double *factor, double *w)
{
  double trace = 0.0;

  for (size_t i = 0; i < d; i++)
    trace += gram[i * d + i] / (double) d;
  for (double jitter = 0.0; jitter <= trace + 1.0;
       jitter = fmax(jitter * 100.0, 1e-12 * trace + 1e-14))
  {
    memcpy(factor, gram, d * d * sizeof *factor);
    for (size_t i = 0; i < d; i++)
      factor[i * d + i] += l2 + jitter;
    if (!la_dpotrf(d, factor, d))
      continue;
    memcpy(w, right, d * sizeof *w);
    la_dtrsv(false, d, factor, d, w);
    la_dtrsv(true, d, factor, d, w);
    return true;
  }
  return false;
}

/* Cyclic coordinate descent; `residual` (d) holds right − gram·w throughout. */
static size_t
descend(size_t d, const double *gram, double l1, double l2, double *residual, double *w)
{
  size_t sweep = 0;
  double moved = INFINITY;

  for (; sweep < SWEEPS_MAX && moved > 1e-9; sweep++)
  {
    moved = 0.0;
    for (size_t j = 0; j < d; j++)
    {
      double diagonal = gram[j * d + j], pull = residual[j] + diagonal * w[j];
      double shrunk = fabs(pull) > l1 ? pull - copysign(l1, pull) : 0.0;
      double next = diagonal + l2 > 0.0 ? shrunk / (diagonal + l2) : 0.0;
      double change = next - w[j];
      if (change == 0.0)
        continue;
      w[j] = next;
      la_daxpy(d, -change, gram + j * d, residual);
      moved = fmax(moved, change * change * (diagonal + l2));
    }
  }
  return sweep;
}

enum err
fit_ridge(const struct fit_rows *rows, double penalty, double l1_ratio, double *w,
          size_t *iterations, struct err_info *info)
{
  size_t d = rows->width;
  double *memory = calloc(2 * d * d + 2 * d, sizeof *memory), target_mean = 0.0;
  double l1 = penalty * l1_ratio, l2 = penalty * (1.0 - l1_ratio);
  enum err rc = ERR_OK;

  if (!memory)
    return err_set(info, ERR_MEMORY, "no memory for %zu inputs", d);
  double *gram = memory, *factor = gram + d * d, *mean = factor + d * d, *right = mean + d;
  if (!accumulate(rows, mean, &target_mean, gram, right))
    rc = err_set(info, ERR_MEMORY, "no memory for %zu inputs", d);
  else if (l1 > 0.0)
    *iterations = descend(d, gram, l1, l2, right, w);
  else if (!solve_exact(d, gram, right, l2, factor, w))
    rc = err_set(info, ERR_DIVERGED, "the inputs are too large to compute with");
  else
    *iterations = 1;
  w[d] = target_mean;
  for (size_t j = 0; j < d; j++)
    w[d] -= mean[j] * w[j];
  free(memory);
  return rc;
}
