#include <config.h>

#include "train/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/simd.h"

#define BETA1 0.9
#define BETA2 0.99
#define EPSILON 1e-8f

enum err
optim_init(struct optim *optim, enum optim_kind kind, size_t count)
{
  *optim = (struct optim){.kind = kind, .count = count};
  optim->m = calloc(count ? count : 1, sizeof(float));
  optim->v = kind == OPTIM_SGD ? NULL : calloc(count ? count : 1, sizeof(float));
  if (!optim->m || (kind != OPTIM_SGD && !optim->v))
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

void
optim_begin(struct optim *optim)
{
  optim->steps++;
}

/* The factors of a step, precomputed: keep shrinks w, couple adds decay to the gradient. */
struct factors
{
  float rate, momentum, keep, couple, second;
};

static SIMD_INLINE void
sgd_sweep_body(size_t n, struct factors f, float *restrict w, const float *restrict g,
               float *restrict m)
{
  for (size_t i = 0; i < n; i++)
  {
    float speed = f.momentum * m[i] + g[i];
    m[i] = speed;
    w[i] = w[i] * f.keep - f.rate * (g[i] + f.momentum * speed);
  }
}

SIMD_DEFINE(static, sgd_sweep, (size_t n, struct factors f, float *w, const float *g, float *m),
            (n, f, w, g, m))

/* rate and second carry the bias corrections: step = rate/(1−β₁ᵗ), second = 1/(1−β₂ᵗ). */
static SIMD_INLINE void
adam_sweep_body(size_t n, struct factors f, float *restrict w, const float *restrict g,
                float *restrict m, float *restrict v)
{
  const float b1 = (float) BETA1, b2 = (float) BETA2;

  for (size_t i = 0; i < n; i++)
  {
    float gradient = g[i] + f.couple * w[i];
    float first = b1 * m[i] + (1.0f - b1) * gradient;
    float square = b2 * v[i] + (1.0f - b2) * gradient * gradient;
    m[i] = first;
    v[i] = square;
    w[i] = w[i] * f.keep - f.rate * first / (__builtin_sqrtf(square * f.second) + EPSILON);
  }
}

SIMD_DEFINE(static, adam_sweep,
            (size_t n, struct factors f, float *w, const float *g, float *m, float *v),
            (n, f, w, g, m, v))

void
optim_range(struct optim *optim, const struct optim_step *step, bool decays, size_t first,
            size_t count, float *w, const float *g)
{
  double decay = decays ? step->decay : 0.0;
  bool coupled = optim->kind == OPTIM_ADAM;
  struct factors f = {.rate = (float) step->rate,
                      .momentum = (float) step->momentum,
                      .keep = coupled ? 1.0f : (float) (1.0 - fmin(step->rate * decay, 1.0)),
                      .couple = coupled ? (float) decay : 0.0f};

  if (optim->kind == OPTIM_SGD)
  {
    sgd_sweep(count, f, w + first, g + first, optim->m + first);
    return;
  }
  double t = (double) optim->steps;
  f.rate = (float) (step->rate / (1.0 - pow(BETA1, t)));
  f.second = (float) (1.0 / (1.0 - pow(BETA2, t)));
  adam_sweep(count, f, w + first, g + first, optim->m + first, optim->v + first);
}
