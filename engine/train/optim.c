#include <config.h>

#include "train/optim.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/simd.h"

#define BETA1 0.9
#define BETA2 0.99
#define ALPHA 0.99
#define EPSILON 1e-8
#define LANES 16

static bool
has_second(enum optim_kind kind)
{
  return kind == OPTIM_ADAMW || kind == OPTIM_ADAM || kind == OPTIM_RMSPROP;
}

enum err
optim_init(struct optim *optim, enum optim_kind kind, size_t count)
{
  *optim = (struct optim){.kind = kind, .count = count};
  optim->m = calloc(count ? count : 1, sizeof(float));
  optim->v = has_second(kind) ? calloc(count ? count : 1, sizeof(float)) : NULL;
  if (!optim->m || (has_second(kind) && !optim->v))
  {
    optim_clear(optim);
    return ERR_MEMORY;
  }
  return ERR_OK;
}

void
optim_clear(struct optim *optim)
{
  free(optim->m);
  free(optim->v);
  *optim = (struct optim){.kind = optim->kind};
}

/* ---- sweeps --------------------------------------------------------------------------------------- */

/* The factors of a sweep, precomputed. */
struct factors
{
  float rate, momentum;
  float scale;        /* of the gradient, from clipping */
  float keep;         /* shrinks w */
  float couple;       /* adds decay to the gradient */
  float beta2, later; /* later: on the second moment, its bias correction */
  float epsilon;
};

static SIMD_INLINE void
nesterov_sweep_body(size_t n, struct factors f, float *restrict w, const float *restrict g,
                    float *restrict m)
{
  for (size_t i = 0; i < n; i++)
  {
    float gradient = f.scale * g[i];
    float speed = f.momentum * m[i] + gradient;
    m[i] = speed;
    w[i] = w[i] * f.keep - f.rate * (gradient + f.momentum * speed);
  }
}

SIMD_DEFINE(static, nesterov_sweep,
            (size_t n, struct factors f, float *w, const float *g, float *m), (n, f, w, g, m))

static SIMD_INLINE void
momentum_sweep_body(size_t n, struct factors f, float *restrict w, const float *restrict g,
                    float *restrict m)
{
  for (size_t i = 0; i < n; i++)
  {
    float speed = f.momentum * m[i] + f.scale * g[i];
    m[i] = speed;
    w[i] = w[i] * f.keep - f.rate * speed;
  }
}

SIMD_DEFINE(static, momentum_sweep,
            (size_t n, struct factors f, float *w, const float *g, float *m), (n, f, w, g, m))

static SIMD_INLINE void
adam_sweep_body(size_t n, struct factors f, float *restrict w, const float *restrict g,
                float *restrict m, float *restrict v)
{
  const float b1 = (float) BETA1;

  for (size_t i = 0; i < n; i++)
  {
    float gradient = f.scale * g[i] + f.couple * w[i];
    float first = b1 * m[i] + (1.0f - b1) * gradient;
    float square = f.beta2 * v[i] + (1.0f - f.beta2) * gradient * gradient;
    m[i] = first;
    v[i] = square;
    w[i] = w[i] * f.keep - f.rate * first / (__builtin_sqrtf(square * f.later) + f.epsilon);
  }
}

SIMD_DEFINE(static, adam_sweep,
            (size_t n, struct factors f, float *w, const float *g, float *m, float *v),
            (n, f, w, g, m, v))

static SIMD_INLINE void
rmsprop_sweep_body(size_t n, struct factors f, float *restrict w, const float *restrict g,
                   float *restrict m, float *restrict v)
{
  const float alpha = (float) ALPHA;

  for (size_t i = 0; i < n; i++)
  {
    float gradient = f.scale * g[i];
    float square = alpha * v[i] + (1.0f - alpha) * gradient * gradient;
    float speed = f.momentum * m[i] + gradient / (__builtin_sqrtf(square) + f.epsilon);
    v[i] = square;
    m[i] = speed;
    w[i] = w[i] * f.keep - f.rate * speed;
  }
}

SIMD_DEFINE(static, rmsprop_sweep,
            (size_t n, struct factors f, float *w, const float *g, float *m, float *v),
            (n, f, w, g, m, v))

/* Sums side by side, so that the loop becomes vector code without its result depending on how wide. */
static SIMD_INLINE void
square_sum_body(size_t n, const float *restrict g, double *restrict sum)
{
  float lanes[LANES] = {0};
  size_t i = 0;

  for (; i + LANES <= n; i += LANES)
    for (size_t lane = 0; lane < LANES; lane++)
      lanes[lane] += g[i + lane] * g[i + lane];
  for (; i < n; i++)
    *sum += (double) g[i] * (double) g[i];
  for (size_t lane = 0; lane < LANES; lane++)
    *sum += (double) lanes[lane];
}

SIMD_DEFINE(static, square_sum, (size_t n, const float *g, double *sum), (n, g, sum))

/* ---- a step --------------------------------------------------------------------------------------- */

static double
gradient_norm(const struct optim_range *ranges, size_t range_count, const float *g)
{
  double sum = 0.0;

  for (size_t i = 0; i < range_count; i++)
    square_sum(ranges[i].count, g + ranges[i].first, &sum);
  return sqrt(sum);
}

static void
sweep(struct optim *optim, const struct factors *f, const struct optim_range *range, float *w,
      const float *g)
{
  size_t first = range->first, count = range->count;

  switch (optim->kind)
  {
  case OPTIM_ADAMW:
  case OPTIM_ADAM:
    adam_sweep(count, *f, w + first, g + first, optim->m + first, optim->v + first);
    break;
  case OPTIM_NESTEROV:
    nesterov_sweep(count, *f, w + first, g + first, optim->m + first);
    break;
  case OPTIM_MOMENTUM:
    momentum_sweep(count, *f, w + first, g + first, optim->m + first);
    break;
  case OPTIM_RMSPROP:
    rmsprop_sweep(count, *f, w + first, g + first, optim->m + first, optim->v + first);
    break;
  }
}

double
optim_move(struct optim *optim, const struct optim_step *step, const struct optim_range *ranges,
           size_t range_count, float *w, const float *g)
{
  double norm = step->clip > 0.0 ? gradient_norm(ranges, range_count, g) : 0.0;
  double beta2 = step->beta2 > 0.0 ? step->beta2 : BETA2;
  bool adam = optim->kind == OPTIM_ADAM || optim->kind == OPTIM_ADAMW;
  bool coupled = optim->kind == OPTIM_ADAM;
  double t = (double) ++optim->steps;
  double correction = adam ? 1.0 / (1.0 - pow(BETA1, t)) : 1.0;
  struct factors f = {.momentum = (float) step->momentum,
                      .scale = norm > step->clip ? (float) (step->clip / norm) : 1.0f,
                      .beta2 = (float) beta2,
                      .later = adam ? (float) (1.0 / (1.0 - pow(beta2, t))) : 1.0f,
                      .epsilon = (float) (step->epsilon > 0.0 ? step->epsilon : EPSILON)};

  for (size_t i = 0; i < range_count; i++)
  {
    double rate = step->rate * (double) ranges[i].rate;
    double decay = step->decay * (double) ranges[i].decay;
    f.rate = (float) (rate * correction);
    f.keep = coupled ? 1.0f : (float) (1.0 - fmin(rate * decay, 1.0));
    f.couple = coupled ? (float) decay : 0.0f;
    sweep(optim, &f, &ranges[i], w, g);
  }
  return norm;
}

/* ---- the average ---------------------------------------------------------------------------------- */

enum err
ema_init(struct ema *ema, double decay, const float *w, size_t count)
{
  *ema = (struct ema){.count = count, .decay = decay};
  ema->shadow = malloc((count ? count : 1) * sizeof(float));
  if (!ema->shadow)
    return ERR_MEMORY;
  memcpy(ema->shadow, w, count * sizeof(float));
  return ERR_OK;
}

void
ema_clear(struct ema *ema)
{
  free(ema->shadow);
  *ema = (struct ema){0};
}

static SIMD_INLINE void
ema_sweep_body(size_t n, float share, const float *restrict w, float *restrict shadow)
{
  for (size_t i = 0; i < n; i++)
    shadow[i] += share * (w[i] - shadow[i]);
}

SIMD_DEFINE(static, ema_sweep, (size_t n, float share, const float *w, float *shadow),
            (n, share, w, shadow))

void
ema_update(struct ema *ema, const float *w)
{
  double t = (double) ++ema->steps;
  double decay = fmin(ema->decay, (1.0 + t) / (10.0 + t));

  ema_sweep(ema->count, (float) (1.0 - decay), w, ema->shadow);
}
