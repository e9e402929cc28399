#include <config.h>

#include "search/gp.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/la.h"
#include "search/gp_kernel.h"
#include "search/lbfgs.h"

/* The priors, on standardised values and unit coordinates. They are strong on purpose: with few
 * points they hold the lengthscales near the size of the cube. */
#define PRIOR_B 0.1       /* log p(b) = −0.1/b − 0.1·b */
#define PRIOR_S_SHAPE 2.0 /* s ~ Gamma (shape 2, rate 1) */
#define PRIOR_S_RATE 1.0
#define PRIOR_NOISE_SHAPE 1.1 /* noise ~ Gamma (shape 1.1, rate 30) */
#define PRIOR_NOISE_RATE 30.0

#define FIT_EVALUATIONS 60
#define REFIT_EVALUATIONS 12

#define LOW_LOG_B -9.0
#define HIGH_LOG_B 7.0
#define LOW_LOG_S -7.0
#define HIGH_LOG_S 5.0
#define LOW_LOG_NOISE -14.0
#define HIGH_LOG_NOISE 2.0

/* The rows for which one block is open, stored by feature, and the kernel's parts between them. */
struct part
{
  size_t n;
  size_t *members;
  double *xt;    /* (width, n) */
  double *m;     /* (n, n) lower triangle: Matérn without the scale */
  double *slope; /* (n, n) lower triangle */
};

struct gp_problem
{
  const struct gp_layout *layout;
  size_t n;
  const double *y;
  struct part *parts; /* one for each block */
  double *row;        /* (width) */
  double *b;          /* (width) */
  double *k;          /* (n, n): covariance, its factor, its inverse */
  double *alpha;      /* (n) */
  double *ones;       /* (n): K⁻¹·1 */
  double *weights;    /* (n) */
  double *scratch;    /* (length of θ): a gradient nobody asked for */
};

size_t
gp_theta_count(const struct gp_layout *layout)
{
  size_t count = 1;
  for (size_t b = 0; b < layout->block_count; b++)
    count += layout->blocks[b].count + 1;
  return count;
}

void
gp_theta_default(const struct gp_layout *layout, double *theta)
{
  size_t at = 0;
  for (size_t b = 0; b < layout->block_count; b++)
  {
    for (size_t k = 0; k < layout->blocks[b].count; k++)
      theta[at++] = 0;
    theta[at++] = 0;
  }
  theta[at] = log(1e-3);
}

static bool
gate_open(const struct gp_block *block, const double *row)
{
  return !block->gated || row[block->gate] == block->gate_value;
}

static enum err
part_init(struct part *part, const struct gp_block *block, size_t width, size_t n, const double *x)
{
  part->members = calloc(n + 1, sizeof *part->members);
  if (!part->members)
    return ERR_MEMORY;
  for (size_t i = 0; i < n; i++)
    if (gate_open(block, x + i * width))
      part->members[part->n++] = i;
  size_t open = part->n;
  part->xt = calloc(width * open + 1, sizeof *part->xt);
  part->m = calloc(open * open + 1, sizeof *part->m);
  part->slope = calloc(open * open + 1, sizeof *part->slope);
  if (!part->xt || !part->m || !part->slope)
    return ERR_MEMORY;
  for (size_t i = 0; i < open; i++)
    for (size_t k = 0; k < width; k++)
      part->xt[k * open + i] = x[part->members[i] * width + k];
  return ERR_OK;
}

static void
part_clear(struct part *part)
{
  free(part->slope);
  free(part->m);
  free(part->xt);
  free(part->members);
}

enum err
gp_problem_new(const struct gp_layout *layout, size_t n, const double *x, const double *y,
               struct gp_problem **problem)
{
  size_t width = layout->width;
  if (n > UINT32_MAX || width > UINT32_MAX || (n && n > SIZE_MAX / sizeof(double) / 4 / n))
    return ERR_MEMORY;
  struct gp_problem *p = calloc(1, sizeof *p);
  if (!p)
    return ERR_MEMORY;
  p->layout = layout;
  p->n = n;
  p->y = y;
  p->parts = calloc(layout->block_count, sizeof *p->parts);
  p->row = calloc(width + 1, sizeof *p->row);
  p->b = calloc(width + 1, sizeof *p->b);
  p->k = calloc(n * n + 1, sizeof *p->k);
  p->alpha = calloc(n + 1, sizeof *p->alpha);
  p->ones = calloc(n + 1, sizeof *p->ones);
  p->weights = calloc(n + 1, sizeof *p->weights);
  p->scratch = calloc(gp_theta_count(layout), sizeof *p->scratch);
  enum err err = ERR_OK;
  if (!p->parts || !p->row || !p->b || !p->k || !p->alpha || !p->ones || !p->weights || !p->scratch)
    err = ERR_MEMORY;
  for (size_t b = 0; !err && b < layout->block_count; b++)
    err = part_init(&p->parts[b], &layout->blocks[b], width, n, x);
  if (err)
  {
    gp_problem_free(p);
    return err;
  }
  *problem = p;
  return ERR_OK;
}

void
gp_problem_free(struct gp_problem *p)
{
  if (!p)
    return;
  for (size_t b = 0; p->parts && b < p->layout->block_count; b++)
    part_clear(&p->parts[b]);
  free(p->scratch);
  free(p->weights);
  free(p->ones);
  free(p->alpha);
  free(p->k);
  free(p->b);
  free(p->row);
  free(p->parts);
  free(p);
}

/* Fills m and slope of one part, and adds scale · m to the covariance. */
static void
part_covariance(struct gp_problem *p, size_t index, const double *log_b, double scale)
{
  const struct gp_block *block = &p->layout->blocks[index];
  struct part *part = &p->parts[index];
  for (size_t f = 0; f < block->count; f++)
    p->b[f] = exp(log_b[f]);
  for (size_t i = 0; i < part->n; i++)
  {
    for (size_t f = 0; f < block->count; f++)
      p->row[block->features[f]] = part->xt[block->features[f] * part->n + i];
    double *m = part->m + i * part->n;
    gp_kernel_distances(block, p->b, i, part->xt, part->n, p->row, m);
    gp_kernel_matern(i, m, m, part->slope + i * part->n);
    double *k = p->k + part->members[i] * p->n;
    for (size_t j = 0; j < i; j++)
      k[part->members[j]] += scale * m[j];
    k[part->members[i]] += scale;
  }
}

/* Adds the derivatives by one part's log b and log s of the log likelihood, whose derivative by the
 * covariance is W/2, W = α αᵀ − K⁻¹. */
static void
part_gradient(struct gp_problem *p, size_t index, const double *log_b, double scale,
              double *gradient)
{
  const struct gp_block *block = &p->layout->blocks[index];
  const struct part *part = &p->parts[index];
  double by_scale = 0;
  for (size_t i = 0; i < part->n; i++)
  {
    size_t mi = part->members[i];
    const double *inverse = p->k + mi * p->n;
    const double *m = part->m + i * part->n;
    const double *slope = part->slope + i * part->n;
    for (size_t j = 0; j < i; j++)
    {
      size_t mj = part->members[j];
      double w = p->alpha[mi] * p->alpha[mj] - inverse[mj];
      by_scale += w * m[j];
      p->weights[j] = w * slope[j];
    }
    by_scale += 0.5 * (p->alpha[mi] * p->alpha[mi] - inverse[mi]);
    for (size_t f = 0; f < block->count; f++)
    {
      const double *column = part->xt + block->features[f] * part->n;
      double here = column[i];
      double sum = 0;
      if (f < block->numeric)
      {
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < i; j++)
        {
          double delta = column[j] - here;
          sum += p->weights[j] * delta * delta;
        }
      }
      else
        for (size_t j = 0; j < i; j++)
          sum += column[j] != here ? p->weights[j] : 0;
      gradient[f] -= 5.0 / 6 * scale * exp(log_b[f]) * sum;
    }
  }
  gradient[block->count] += scale * by_scale;
}

/* log prior of θ; adds its gradient. */
static double
log_prior(const struct gp_layout *layout, const double *theta, double *gradient)
{
  double sum = 0;
  size_t at = 0;
  for (size_t index = 0; index < layout->block_count; index++)
  {
    for (size_t f = 0; f < layout->blocks[index].count; f++, at++)
    {
      double b = exp(theta[at]);
      sum -= PRIOR_B / b + PRIOR_B * b;
      gradient[at] += PRIOR_B / b - PRIOR_B * b;
    }
    double s = exp(theta[at]);
    sum += (PRIOR_S_SHAPE - 1) * theta[at] - PRIOR_S_RATE * s;
    gradient[at++] += PRIOR_S_SHAPE - 1 - PRIOR_S_RATE * s;
  }
  double excess = exp(theta[at]);
  double noise = GP_NOISE_FLOOR + excess;
  sum += (PRIOR_NOISE_SHAPE - 1) * log(noise) - PRIOR_NOISE_RATE * noise;
  gradient[at] += excess * ((PRIOR_NOISE_SHAPE - 1) / noise - PRIOR_NOISE_RATE);
  return sum;
}

/* Factors the covariance, solves for α and K⁻¹1 with the mean that fits best; log p(y|θ) without its
 * constant, or −INFINITY. */
static double
solve(struct gp_problem *p)
{
  size_t n = p->n;
  if (!la_dpotrf(n, p->k, n))
    return -INFINITY;
  double log_det = 0;
  for (size_t i = 0; i < n; i++)
  {
    log_det += log(p->k[i * n + i]);
    p->alpha[i] = p->y[i];
    p->ones[i] = 1;
  }
  la_dtrsv(false, n, p->k, n, p->alpha);
  la_dtrsv(false, n, p->k, n, p->ones);
  double mean = la_ddot(n, p->ones, p->alpha) / la_ddot(n, p->ones, p->ones);
  la_daxpy(n, -mean, p->ones, p->alpha);
  double quadratic = la_ddot(n, p->alpha, p->alpha);
  la_dtrsv(true, n, p->k, n, p->alpha);
  return -0.5 * quadratic - log_det;
}

double
gp_problem_value(struct gp_problem *p, const double *theta, double *gradient)
{
  const struct gp_layout *layout = p->layout;
  size_t n = p->n;
  size_t count = gp_theta_count(layout);
  double excess = exp(theta[count - 1]);
  memset(p->k, 0, n * n * sizeof *p->k);
  size_t at = 0;
  for (size_t index = 0; index < layout->block_count; index++)
  {
    size_t features = layout->blocks[index].count;
    part_covariance(p, index, theta + at, exp(theta[at + features]));
    at += features + 1;
  }
  for (size_t i = 0; i < n; i++)
    p->k[i * n + i] += GP_NOISE_FLOOR + excess;
  double value = n ? solve(p) : 0;
  if (!isfinite(value))
    return INFINITY;

  double *g = gradient ? gradient : p->scratch;
  memset(g, 0, count * sizeof *g);
  value += log_prior(layout, theta, g);
  if (!gradient)
    return -value;
  if (n && !la_dpotri(n, p->k, n))
    return INFINITY;
  at = 0;
  for (size_t index = 0; index < layout->block_count; index++)
  {
    size_t features = layout->blocks[index].count;
    part_gradient(p, index, theta + at, exp(theta[at + features]), g + at);
    at += features + 1;
  }
  double by_noise = 0;
  for (size_t i = 0; i < n; i++)
    by_noise += p->alpha[i] * p->alpha[i] - p->k[i * n + i];
  g[count - 1] += 0.5 * excess * by_noise;
  for (size_t i = 0; i < count; i++)
    g[i] = -g[i];
  return -value;
}

static double
problem_function(const double *theta, double *gradient, void *context)
{
  return gp_problem_value(context, theta, gradient);
}

/* From where theta stands. */
static enum err
fit_from(const struct gp_layout *layout, size_t n, const double *x, const double *y,
         size_t evaluations, double *theta)
{
  size_t count = gp_theta_count(layout);
  struct gp_problem *problem = NULL;
  double *low = calloc(2 * count, sizeof *low);
  if (!low)
    return ERR_MEMORY;
  double *high = low + count;
  size_t at = 0;
  for (size_t index = 0; index < layout->block_count; index++)
  {
    for (size_t f = 0; f < layout->blocks[index].count; f++, at++)
    {
      low[at] = LOW_LOG_B;
      high[at] = HIGH_LOG_B;
    }
    low[at] = LOW_LOG_S;
    high[at++] = HIGH_LOG_S;
  }
  low[at] = LOW_LOG_NOISE;
  high[at] = HIGH_LOG_NOISE;

  enum err err = gp_problem_new(layout, n, x, y, &problem);
  if (err)
    goto out;
  struct lbfgs_problem minimise = {.n = count,
                                   .low = low,
                                   .high = high,
                                   .function = problem_function,
                                   .context = problem,
                                   .max_evaluations = evaluations,
                                   .gradient_tolerance = 1e-2,
                                   .value_tolerance = 1e-6,
                                   .first_step = 1};
  err = lbfgs_minimise(&minimise, theta, NULL);
out:
  gp_problem_free(problem);
  free(low);
  return err;
}

enum err
gp_fit(const struct gp_layout *layout, size_t n, const double *x, const double *y, double *theta)
{
  gp_theta_default(layout, theta);
  return fit_from(layout, n, x, y, FIT_EVALUATIONS, theta);
}

enum err
gp_refit(const struct gp_layout *layout, size_t n, const double *x, const double *y, double *theta)
{
  return fit_from(layout, n, x, y, REFIT_EVALUATIONS, theta);
}
