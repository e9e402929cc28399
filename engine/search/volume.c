#include <config.h>

#include "search/volume.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "search/special.h"
#include "search/standing.h"

#define FRONT_PART 0.1   /* of the front's size that the reference point lies beyond it */
#define SPREAD_PART 0.02 /* of the spread of all points */
#define SURE 4.0         /* standard deviations beyond which a probability counts as 0 or 1 */
#define NODES 10
#define HALF_PI 1.57079632679489661923

/* Gauss-Legendre on [0, 1]. */
static const double node_at[NODES] = {
  0.013046735741414128, 0.067468316655507732, 0.16029521585048778, 0.28330230293537639,
  0.42556283050918442,  0.57443716949081558,  0.71669769706462361, 0.83970478414951222,
  0.93253168334449227,  0.98695326425858587};
static const double node_weight[NODES] = {
  0.033335672154344069, 0.074725674575290296, 0.10954318125799102, 0.13463335965499818,
  0.14776211235737644,  0.14776211235737644,  0.13463335965499818, 0.10954318125799102,
  0.074725674575290296, 0.033335672154344069};

/* ---- front and directions ---------------------------------------------------------------------------- */

static void
choose_reference(struct volume *v, size_t n, const double *values, const size_t *front,
                 double *scale)
{
  for (size_t k = 0; k < v->m; k++)
  {
    double low = INFINITY, high = -INFINITY, worst = -INFINITY;
    for (size_t i = 0; i < n; i++)
    {
      double value = values[i * v->m + k];
      low = fmin(low, value);
      worst = fmax(worst, value);
      if (front[i] == 0)
        high = fmax(high, value);
    }
    double beyond = FRONT_PART * (high - low) + SPREAD_PART * (worst - low);
    v->reference[k] = high + fmax(beyond, 1e-9 * (1 + fabs(high)));
    scale[k] = v->reference[k] - low;
  }
}

/* Evenly over the angles of two objectives; for more, uniformly over the sphere. */
static void
choose_directions(struct volume *v, const double *scale, uint64_t seed)
{
  struct rng rng;
  rng_init(&rng, seed, UINT64_C(0x766f6c));
  double shift = rng_double(&rng);
  for (size_t d = 0; d < VOLUME_DIRECTIONS; d++)
  {
    double *direction = v->directions[d], square = 0;
    for (size_t k = 0; k < v->m; k++)
    {
      direction[k] = fabs(rng_normal(&rng)) + 1e-3;
      square += direction[k] * direction[k];
    }
    for (size_t k = 0; k < v->m; k++)
      direction[k] *= scale[k] / sqrt(square);
    if (v->m == 2)
    {
      double angle = HALF_PI * ((double) d + shift) / VOLUME_DIRECTIONS;
      direction[0] = scale[0] * fmax(cos(angle), 1e-3);
      direction[1] = scale[1] * fmax(sin(angle), 1e-3);
    }
  }
}

enum err
volume_init(struct volume *v, size_t n, size_t m, const double *values, uint64_t seed)
{
  double scale[SEARCH_OBJECTIVES_MAX];
  size_t *front = calloc(n + 1, sizeof *front);
  double *lonely = calloc(n + 1, sizeof *lonely);
  enum err err = front && lonely ? standing_fronts(n, m, values, front, lonely) : ERR_MEMORY;
  v->m = m;
  if (!err)
  {
    choose_reference(v, n, values, front, scale);
    choose_directions(v, scale, seed);
  }
  for (size_t d = 0; !err && d < VOLUME_DIRECTIONS; d++)
  {
    v->reached[d] = 0;
    for (size_t i = 0; i < n; i++)
    {
      double t = INFINITY;
      for (size_t k = 0; k < m; k++)
        t = fmin(t, (v->reference[k] - values[i * m + k]) / v->directions[d][k]);
      v->reached[d] = fmax(v->reached[d], t);
    }
  }
  free(lonely);
  free(front);
  return err;
}

/* ---- the gain ---------------------------------------------------------------------------------------- */

/* A sum of exponentials kept as most·Σ exp (term − most), with the derivatives of its terms. */
struct sum
{
  double most, total;
  double by_mean[SEARCH_OBJECTIVES_MAX], by_sd[SEARCH_OBJECTIVES_MAX];
};

static void
sum_add(struct sum *sum, size_t m, double term, const double *by_mean, const double *by_sd)
{
  if (term == -INFINITY)
    return;
  if (term > sum->most)
  {
    double shrink = exp(sum->most - term);
    sum->most = term;
    sum->total *= shrink;
    for (size_t k = 0; k < m; k++)
    {
      sum->by_mean[k] *= shrink;
      sum->by_sd[k] *= shrink;
    }
  }
  double share = exp(term - sum->most);
  sum->total += share;
  for (size_t k = 0; by_mean && k < m; k++)
  {
    sum->by_mean[k] += share * by_mean[k];
    sum->by_sd[k] += share * by_sd[k];
  }
}

/* Adds what is gained along one direction. */
static void
add_direction(const struct volume *v, size_t d, const double *mean, const double *sd,
              struct sum *sum)
{
  const double *direction = v->directions[d];
  double sure = INFINITY, end = INFINITY, step = INFINITY, worst = INFINITY, from = v->reached[d];
  for (size_t k = 0; k < v->m; k++)
  {
    double middle = (v->reference[k] - mean[k]) / direction[k], width = sd[k] / direction[k];
    sure = fmin(sure, middle - SURE * width);
    end = fmin(end, middle + SURE * width);
    step = fmin(step, width);
    worst = fmin(worst, (middle - from) / width);
  }
  double power = (double) v->m;
  if (sure > from)
  {
    sum_add(sum, v->m, log(pow(sure, power) - pow(from, power)), NULL, NULL);
    from = sure;
  }
  double length = fmax(end - from, SURE * step / fmax(1, -worst));
  for (size_t q = 0; q < NODES; q++)
  {
    double t = from + length * node_at[q];
    double by_mean[SEARCH_OBJECTIVES_MAX], by_sd[SEARCH_OBJECTIVES_MAX];
    double term = log(power * length * node_weight[q]) + (power - 1) * log(t);
    for (size_t k = 0; k < v->m; k++)
    {
      double z = (v->reference[k] - t * direction[k] - mean[k]) / sd[k], slope;
      term += special_log_cdf(z, &slope);
      by_mean[k] = -slope / sd[k];
      by_sd[k] = -slope * z / sd[k];
    }
    sum_add(sum, v->m, term, by_mean, by_sd);
  }
}

double
volume_log_gain(const struct volume *v, const double *mean, const double *variance, double *by_mean,
                double *by_variance)
{
  struct sum sum = {.most = -INFINITY};
  double sd[SEARCH_OBJECTIVES_MAX];
  for (size_t k = 0; k < v->m; k++)
    sd[k] = sqrt(variance[k]);
  for (size_t d = 0; d < VOLUME_DIRECTIONS; d++)
    add_direction(v, d, mean, sd, &sum);
  for (size_t k = 0; k < v->m; k++)
  {
    by_mean[k] = sum.total > 0 ? sum.by_mean[k] / sum.total : 0;
    by_variance[k] = sum.total > 0 ? sum.by_sd[k] / sum.total / (2 * sd[k]) : 0;
  }
  return sum.total > 0 ? sum.most + log(sum.total) : -INFINITY;
}
