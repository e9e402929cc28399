#include <config.h>

#include "search/gp.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/la.h"
#include "search/gp_kernel.h"

#define LOG_TWO_PI 1.83787706640934548356
#define CHUNK 256 /* rows predicted together */

struct gp
{
  const struct gp_layout *layout;
  size_t n, capacity;
  double *b; /* per block: the features' b, then s; as θ without the logs */
  double noise;
  double *rows;  /* (capacity, width) */
  double *xt;    /* (width, capacity) */
  double *y;     /* (capacity) */
  double *l;     /* (capacity, capacity): factor of the covariance */
  double *alpha; /* (capacity): K⁻¹(y − mean) */
  double *ones;  /* (capacity): K⁻¹1 */
  double ones_sum;
  double mean;
  double *k, *w, *m, *slope; /* (max (capacity, CHUNK)) scratch */
};

static bool
gate_open(const struct gp_block *block, const double *row)
{
  return !block->gated || row[block->gate] == block->gate_value;
}

/* Adds the covariance of `row` with n rows stored by feature; k is cleared first. */
static void
covariance_row(const struct gp *gp, const double *row, size_t n, const double *xt, size_t ld,
               double *k)
{
  const double *b = gp->b;
  memset(k, 0, n * sizeof *k);
  for (size_t index = 0; index < gp->layout->block_count; index++)
  {
    const struct gp_block *block = &gp->layout->blocks[index];
    double scale = b[block->count];
    if (gate_open(block, row))
    {
      gp_kernel_distances(block, b, n, xt, ld, row, gp->m);
      gp_kernel_matern(n, gp->m, gp->m, NULL);
      const double *gate = block->gated ? xt + block->gate * ld : NULL;
      for (size_t j = 0; j < n; j++)
        k[j] += !gate || gate[j] == block->gate_value ? scale * gp->m[j] : 0;
    }
    b += block->count + 1;
  }
}

static double
prior_variance(const struct gp *gp, const double *row)
{
  double sum = 0;
  const double *b = gp->b;
  for (size_t index = 0; index < gp->layout->block_count; index++)
  {
    const struct gp_block *block = &gp->layout->blocks[index];
    if (gate_open(block, row))
      sum += b[block->count];
    b += block->count + 1;
  }
  return sum;
}

static void
store_row(struct gp *gp, size_t index, const double *row)
{
  size_t width = gp->layout->width;
  memcpy(gp->rows + index * width, row, width * sizeof *row);
  for (size_t k = 0; k < width; k++)
    gp->xt[k * gp->capacity + index] = row[k];
}

static void
solve_ones(struct gp *gp)
{
  for (size_t i = 0; i < gp->n; i++)
    gp->ones[i] = 1;
  la_dtrsv(false, gp->n, gp->l, gp->capacity, gp->ones);
  gp->ones_sum = la_ddot(gp->n, gp->ones, gp->ones);
  la_dtrsv(true, gp->n, gp->l, gp->capacity, gp->ones);
}

/* The mean that fits y best, and alpha. */
static void
solve_values(struct gp *gp)
{
  size_t n = gp->n;
  memcpy(gp->alpha, gp->y, n * sizeof *gp->alpha);
  gp->mean = n ? la_ddot(n, gp->ones, gp->y) / gp->ones_sum : 0;
  for (size_t i = 0; i < n; i++)
    gp->alpha[i] -= gp->mean;
  la_dtrsv(false, n, gp->l, gp->capacity, gp->alpha);
  la_dtrsv(true, n, gp->l, gp->capacity, gp->alpha);
}

static enum err
factor(struct gp *gp)
{
  size_t n = gp->n;
  size_t ld = gp->capacity;
  for (size_t i = 0; i < n; i++)
  {
    const double *row = gp->rows + i * gp->layout->width;
    covariance_row(gp, row, i, gp->xt, ld, gp->l + i * ld);
    gp->l[i * ld + i] = prior_variance(gp, row) + gp->noise;
  }
  if (n && !la_dpotrf(n, gp->l, ld))
    return ERR_DIVERGED;
  solve_ones(gp);
  solve_values(gp);
  return ERR_OK;
}

static bool
allocate(struct gp *gp)
{
  size_t width = gp->layout->width;
  size_t capacity = gp->capacity;
  size_t scratch = capacity > CHUNK ? capacity : CHUNK;
  gp->b = calloc(gp_theta_count(gp->layout), sizeof *gp->b);
  gp->rows = calloc(capacity * width + 1, sizeof *gp->rows);
  gp->xt = calloc(capacity * width + 1, sizeof *gp->xt);
  gp->y = calloc(capacity + 1, sizeof *gp->y);
  gp->l = calloc(capacity * capacity + 1, sizeof *gp->l);
  gp->alpha = calloc(capacity + 1, sizeof *gp->alpha);
  gp->ones = calloc(capacity + 1, sizeof *gp->ones);
  gp->k = calloc(scratch, sizeof *gp->k);
  gp->w = calloc(scratch, sizeof *gp->w);
  gp->m = calloc(scratch, sizeof *gp->m);
  gp->slope = calloc(scratch, sizeof *gp->slope);
  return gp->b && gp->rows && gp->xt && gp->y && gp->l && gp->alpha && gp->ones && gp->k && gp->w
         && gp->m && gp->slope;
}

/* One with room and nothing in it yet. */
static enum err
make(const struct gp_layout *layout, size_t n, size_t spare, struct gp **out)
{
  size_t capacity = n + spare;
  if (capacity < n || capacity > UINT32_MAX || layout->width > UINT32_MAX
      || (capacity && capacity > SIZE_MAX / sizeof(double) / 2 / capacity))
    return ERR_MEMORY;
  struct gp *gp = calloc(1, sizeof *gp);
  if (!gp)
    return ERR_MEMORY;
  gp->layout = layout;
  gp->n = n;
  gp->capacity = capacity;
  if (!allocate(gp))
  {
    gp_free(gp);
    return ERR_MEMORY;
  }
  *out = gp;
  return ERR_OK;
}

enum err
gp_new(const struct gp_layout *layout, const double *theta, size_t n, const double *x,
       const double *y, size_t spare, struct gp **out)
{
  struct gp *gp;
  enum err err = make(layout, n, spare, &gp);
  if (err)
    return err;
  size_t count = gp_theta_count(layout);
  for (size_t i = 0; i + 1 < count; i++)
    gp->b[i] = exp(theta[i]);
  gp->noise = GP_NOISE_FLOOR + exp(theta[count - 1]);
  for (size_t i = 0; i < n; i++)
    store_row(gp, i, x + i * layout->width);
  memcpy(gp->y, y, n * sizeof *y);
  err = factor(gp);
  if (err)
    goto fail;
  *out = gp;
  return ERR_OK;

fail:
  gp_free(gp);
  return err;
}

enum err
gp_clone(const struct gp *gp, size_t spare, struct gp **out)
{
  struct gp *clone;
  size_t n = gp->n, width = gp->layout->width;
  enum err err = make(gp->layout, n, spare, &clone);
  if (err)
    return err;
  memcpy(clone->b, gp->b, gp_theta_count(gp->layout) * sizeof *clone->b);
  memcpy(clone->rows, gp->rows, n * width * sizeof *clone->rows);
  memcpy(clone->y, gp->y, n * sizeof *clone->y);
  memcpy(clone->alpha, gp->alpha, n * sizeof *clone->alpha);
  memcpy(clone->ones, gp->ones, n * sizeof *clone->ones);
  for (size_t k = 0; k < width; k++)
    memcpy(clone->xt + k * clone->capacity, gp->xt + k * gp->capacity, n * sizeof *clone->xt);
  for (size_t i = 0; i < n; i++)
    memcpy(clone->l + i * clone->capacity, gp->l + i * gp->capacity, (i + 1) * sizeof *clone->l);
  clone->noise = gp->noise;
  clone->ones_sum = gp->ones_sum;
  clone->mean = gp->mean;
  *out = clone;
  return ERR_OK;
}

void
gp_set_values(struct gp *gp, const double *y)
{
  memcpy(gp->y, y, gp->n * sizeof *y);
  solve_values(gp);
}

void
gp_free(struct gp *gp)
{
  if (!gp)
    return;
  free(gp->slope);
  free(gp->m);
  free(gp->w);
  free(gp->k);
  free(gp->ones);
  free(gp->alpha);
  free(gp->l);
  free(gp->y);
  free(gp->xt);
  free(gp->rows);
  free(gp->b);
  free(gp);
}

enum err
gp_append(struct gp *gp, const double *row)
{
  if (gp->n == gp->capacity)
    return ERR_LIMIT;
  size_t n = gp->n;
  double *l = gp->l + n * gp->capacity;
  double mean;
  gp_predict(gp, row, &mean, NULL);
  covariance_row(gp, row, n, gp->xt, gp->capacity, l);
  la_dtrsv(false, n, gp->l, gp->capacity, l);
  double rest = prior_variance(gp, row) + gp->noise - la_ddot(n, l, l);
  l[n] = sqrt(fmax(rest, GP_NOISE_FLOOR));
  store_row(gp, n, row);
  gp->y[n] = mean;
  gp->alpha[n] = 0; /* its residual is zero, and the mean that fits best stays */
  gp->n++;
  solve_ones(gp);
  return ERR_OK;
}

size_t
gp_count(const struct gp *gp)
{
  return gp->n;
}

double
gp_noise(const struct gp *gp)
{
  return gp->noise;
}

double
gp_log_likelihood(const struct gp *gp)
{
  double sum = -0.5 * (double) gp->n * LOG_TWO_PI;
  for (size_t i = 0; i < gp->n; i++)
    sum -= log(gp->l[i * gp->capacity + i]) + 0.5 * (gp->y[i] - gp->mean) * gp->alpha[i];
  return sum;
}

/* Variance left at a row with L⁻¹k in w, the mean's own uncertainty included. */
static double
variance_left(const struct gp *gp, const double *row, double explained, double ones_k)
{
  double prior = prior_variance(gp, row);
  double left = prior - explained;
  if (gp->n)
    left += (1 - ones_k) * (1 - ones_k) / gp->ones_sum;
  return fmax(left, 1e-12 * prior);
}

void
gp_predict(struct gp *gp, const double *row, double *mean, double *variance)
{
  size_t n = gp->n;
  covariance_row(gp, row, n, gp->xt, gp->capacity, gp->k);
  *mean = gp->mean + la_ddot(n, gp->k, gp->alpha);
  if (!variance)
    return;
  double ones_k = la_ddot(n, gp->k, gp->ones);
  la_dtrsv(false, n, gp->l, gp->capacity, gp->k);
  *variance = variance_left(gp, row, la_ddot(n, gp->k, gp->k), ones_k);
}

/* Adds one block's share of both gradients: −(5/3)·s·b_f·Σ_j weight_j·slope_j·(x_f − x_jf). */
static void
block_gradient(struct gp *gp, const struct gp_block *block, const double *b, const double *row,
               double mean_scale, double *mean_gradient, double *variance_gradient)
{
  size_t n = gp->n;
  size_t ld = gp->capacity;
  const double *gate = block->gated ? gp->xt + block->gate * ld : NULL;
  gp_kernel_distances(block, b, n, gp->xt, ld, row, gp->m);
  gp_kernel_matern(n, gp->m, gp->m, gp->slope);
  for (size_t j = 0; j < n; j++)
  {
    double slope = !gate || gate[j] == block->gate_value ? gp->slope[j] : 0;
    gp->m[j] = slope * gp->alpha[j];
    gp->slope[j] = slope * (gp->w[j] + mean_scale * gp->ones[j]);
  }
  double scale = b[block->count];
  for (size_t f = 0; f < block->numeric; f++)
  {
    const double *column = gp->xt + block->features[f] * ld;
    double here = row[block->features[f]];
    double by_mean = 0, by_variance = 0;
#pragma omp simd reduction(+ : by_mean, by_variance)
    for (size_t j = 0; j < n; j++)
    {
      by_mean += gp->m[j] * (here - column[j]);
      by_variance += gp->slope[j] * (here - column[j]);
    }
    double factor = -5.0 / 3 * scale * b[f];
    mean_gradient[block->features[f]] += factor * by_mean;
    variance_gradient[block->features[f]] -= 2 * factor * by_variance;
  }
}

void
gp_predict_gradient(struct gp *gp, const double *row, double *mean, double *variance,
                    double *mean_gradient, double *variance_gradient)
{
  size_t n = gp->n;
  size_t width = gp->layout->width;
  covariance_row(gp, row, n, gp->xt, gp->capacity, gp->w);
  *mean = gp->mean + la_ddot(n, gp->w, gp->alpha);
  double ones_k = la_ddot(n, gp->w, gp->ones);
  la_dtrsv(false, n, gp->l, gp->capacity, gp->w);
  *variance = variance_left(gp, row, la_ddot(n, gp->w, gp->w), ones_k);
  la_dtrsv(true, n, gp->l, gp->capacity, gp->w);

  memset(mean_gradient, 0, width * sizeof *mean_gradient);
  memset(variance_gradient, 0, width * sizeof *variance_gradient);
  double mean_scale = n ? (1 - ones_k) / gp->ones_sum : 0;
  const double *b = gp->b;
  for (size_t index = 0; index < gp->layout->block_count; index++)
  {
    const struct gp_block *block = &gp->layout->blocks[index];
    if (gate_open(block, row))
      block_gradient(gp, block, b, row, mean_scale, mean_gradient, variance_gradient);
    b += block->count + 1;
  }
}

/* The covariance of the data with `count` rows into `cross` (n, count), and the rows' means. */
static void
chunk_means(struct gp *gp, size_t count, const double *rows, double *xt, double *cross,
            double *mean)
{
  size_t width = gp->layout->width;
  for (size_t j = 0; j < count; j++)
    for (size_t k = 0; k < width; k++)
      xt[k * count + j] = rows[j * width + k];
  for (size_t i = 0; i < gp->n; i++)
    covariance_row(gp, gp->rows + i * width, count, xt, count, cross + i * count);
  for (size_t j = 0; j < count; j++)
    mean[j] = gp->mean;
  if (gp->n)
    la_dgemv(true, gp->n, count, 1, cross, count, gp->alpha, 1, mean);
}

/* Variances from `cross`, which becomes L⁻¹ of itself. */
static void
chunk_variances(struct gp *gp, size_t count, const double *rows, double *cross, double *variance)
{
  size_t n = gp->n;
  double explained[CHUNK] = {0};
  double ones_k[CHUNK] = {0};
  if (n)
  {
    la_dgemv(true, n, count, 1, cross, count, gp->ones, 0, ones_k);
    la_dtrsm(false, n, count, gp->l, gp->capacity, cross, count);
  }
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < count; j++)
      explained[j] += cross[i * count + j] * cross[i * count + j];
  for (size_t j = 0; j < count; j++)
    variance[j] = variance_left(gp, rows + j * gp->layout->width, explained[j], ones_k[j]);
}

/* What one datum alone leaves of each variance, for the datum that leaves least. */
static void
chunk_bounds(struct gp *gp, size_t count, const double *rows, const double *cross, double *variance)
{
  size_t width = gp->layout->width;
  double explained[CHUNK] = {0};
  for (size_t i = 0; i < gp->n; i++)
  {
    double own = prior_variance(gp, gp->rows + i * width) + gp->noise;
    for (size_t j = 0; j < count; j++)
      explained[j] = fmax(explained[j], cross[i * count + j] * cross[i * count + j] / own);
  }
  for (size_t j = 0; j < count; j++)
    variance[j] = variance_left(gp, rows + j * width, explained[j], 1);
}

static enum err
predict_rows(struct gp *gp, size_t count, const double *rows, bool bounds, double *mean,
             double *variance)
{
  size_t width = gp->layout->width;
  double *xt = calloc(CHUNK * (width + gp->n) + 1, sizeof *xt);
  if (!xt)
    return ERR_MEMORY;
  double *cross = xt + CHUNK * width;
  for (size_t from = 0; from < count; from += CHUNK)
  {
    size_t some = count - from < CHUNK ? count - from : CHUNK;
    const double *here = rows + from * width;
    chunk_means(gp, some, here, xt, cross, mean + from);
    if (variance && bounds)
      chunk_bounds(gp, some, here, cross, variance + from);
    else if (variance)
      chunk_variances(gp, some, here, cross, variance + from);
  }
  free(xt);
  return ERR_OK;
}

enum err
gp_predict_many(struct gp *gp, size_t count, const double *rows, double *mean, double *variance)
{
  return predict_rows(gp, count, rows, false, mean, variance);
}

enum err
gp_predict_bound(struct gp *gp, size_t count, const double *rows, double *mean, double *bound)
{
  return predict_rows(gp, count, rows, true, mean, bound);
}

enum err
gp_leave_one_out(const struct gp *gp, double *density)
{
  size_t n = gp->n;
  double *inverse = malloc((n * n + 1) * sizeof *inverse);
  if (!inverse)
    return ERR_MEMORY;
  for (size_t i = 0; i < n; i++)
    memcpy(inverse + i * n, gp->l + i * gp->capacity, (i + 1) * sizeof *inverse);
  bool inverted = la_dpotri(n, inverse, n);
  for (size_t i = 0; inverted && i < n; i++)
  {
    /* Without row i its value is foretold as y − α/precision with variance 1/precision. */
    double precision = inverse[i * n + i];
    density[i] = 0.5 * (log(precision) - LOG_TWO_PI - gp->alpha[i] * gp->alpha[i] / precision);
  }
  free(inverse);
  return inverted ? ERR_OK : ERR_DIVERGED;
}
