#include <config.h>

#include "model/net_embed.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/simd.h"

#define WAVES NET_EMBED_WAVES
#define MIXED NET_EMBED_MIXED
#define OUT NET_EMBED_OUT
#define LANES 16
#define TURN 0.15915494309189535f /* 1/2π */
#define TWO_PI 6.283185307179586f

/* Where each kind of weight starts. */
struct places
{
  size_t frequency, phase, mix, shift, end;
};

static SIMD_INLINE struct places
places_of(size_t embedded)
{
  size_t waves = embedded * WAVES;
  return (struct places){.frequency = 0,
                         .phase = waves,
                         .mix = 2 * waves,
                         .shift = (2 + MIXED) * waves,
                         .end = (2 + MIXED) * waves + embedded * MIXED};
}

size_t
net_embed_params(size_t embedded)
{
  return places_of(embedded).end;
}

void
net_embed_init(size_t embedded, float sigma, uint64_t seed, float *w)
{
  struct places at = places_of(embedded);
  const float bound = 1.0f / sqrtf((float) WAVES);
  struct rng rng;

  rng_init(&rng, seed, rng_mix(4, 0));
  for (size_t i = 0; i < at.phase; i++)
    w[i] = sigma * (float) rng_normal(&rng);
  for (size_t i = at.phase; i < at.mix; i++)
    w[i] = TWO_PI * (rng_float(&rng) - 0.5f);
  for (size_t i = at.mix; i < at.end; i++)
    w[i] = bound * (2.0f * rng_float(&rng) - 1.0f);
}

/* ---- waves ---------------------------------------------------------------------------------------- */

/* To the nearest whole turn: in −½ … ½. Turns beyond 2^22 have no fraction left to speak of. */
static SIMD_INLINE float
part_of_turn(float turns)
{
  const float round_magic = 12582912.0f; /* 1.5 · 2^23: adding it leaves a whole number */
  float bounded = turns < -4194304.0f ? -4194304.0f : turns;
  bounded = bounded > 4194304.0f ? 4194304.0f : bounded;
  return bounded - ((bounded + round_magic) - round_magic);
}

/* sin πr for |r| ≤ ½, by Taylor's sum: error below 1e-7. */
static SIMD_INLINE float
sine_of_half(float r)
{
  float a = 0.5f * TWO_PI * r, q = a * a; /* |a| ≤ π/2 */
  float p = -2.50521084e-8f + q * 1.6059044e-10f;
  p = 2.75573192e-6f + q * p;
  p = -1.98412698e-4f + q * p;
  p = 8.33333333e-3f + q * p;
  p = -1.66666667e-1f + q * p;
  return a + a * q * p;
}

/* cos πr, likewise. */
static SIMD_INLINE float
cosine_of_half(float r)
{
  float a = 0.5f * TWO_PI * r, q = a * a;
  float p = -2.75573192e-7f + q * 2.0876757e-9f;
  p = 2.48015873e-5f + q * p;
  p = -1.38888889e-3f + q * p;
  p = 4.16666667e-2f + q * p;
  p = -0.5f + q * p;
  return 1.0f + q * p;
}

/* cos 2πr = 1 − 2 sin² πr, and sin 2πr = 2 sin πr cos πr. */
static SIMD_INLINE float
cosine_of(float r)
{
  float s = sine_of_half(r);
  return 1.0f - 2.0f * s * s;
}

static SIMD_INLINE float
sine_of(float r)
{
  return 2.0f * sine_of_half(r) * cosine_of_half(r);
}

/* ---- passes --------------------------------------------------------------------------------------- */

/* One input of `lanes` rows, at most LANES: its mixtures and itself. Rows lie side by side in vectors, so a row's
 * numbers are the same whatever rows are beside it. */
static SIMD_INLINE void
forward_input(size_t lanes, size_t inputs, size_t width, const float *restrict frequency,
              const float *restrict phase, const float *restrict mix, const float *restrict shift,
              const float *restrict x, float *restrict y)
{
  float v[LANES] = {0}, sums[MIXED][LANES] = {{0}};

  for (size_t l = 0; l < lanes; l++)
    v[l] = x[l * inputs];
  for (size_t k = 0; k < WAVES; k++)
  {
    float f = frequency[k], p = phase[k] * TURN;
    for (size_t l = 0; l < LANES; l++)
    {
      float wave = cosine_of(part_of_turn(f * v[l] + p));
      for (size_t j = 0; j < MIXED; j++)
        sums[j][l] += mix[j * WAVES + k] * wave;
    }
  }
  for (size_t l = 0; l < lanes; l++)
  {
    for (size_t j = 0; j < MIXED; j++)
      y[l * width + j] = sums[j][l] + shift[j];
    y[l * width + MIXED] = v[l];
  }
}

/* One input of one row: its waves lie side by side, as vectors of rows would hold one number each. They are summed in
 * the same order, so the numbers are those of forward_input. */
static SIMD_INLINE void
forward_alone(const float *restrict frequency, const float *restrict phase,
              const float *restrict mix, const float *restrict shift, float v, float *restrict y)
{
  float waves[WAVES], sums[MIXED] = {0};

  for (size_t k = 0; k < WAVES; k++)
    waves[k] = cosine_of(part_of_turn(frequency[k] * v + phase[k] * TURN));
  for (size_t k = 0; k < WAVES; k++)
    for (size_t j = 0; j < MIXED; j++)
      sums[j] += mix[j * WAVES + k] * waves[k];
  for (size_t j = 0; j < MIXED; j++)
    y[j] = sums[j] + shift[j];
  y[MIXED] = v;
}

static SIMD_INLINE void
net_embed_forward_body(size_t n, size_t inputs, size_t embedded, const uint32_t *restrict order,
                       const float *restrict w, const float *restrict x, float *restrict y)
{
  struct places at = places_of(embedded);
  size_t width = embedded * OUT + inputs - embedded;

  for (size_t row = 0; row < n; row += LANES)
  {
    size_t lanes = n - row < LANES ? n - row : LANES;
    for (size_t e = 0; e < embedded && lanes == 1; e++)
      forward_alone(w + at.frequency + e * WAVES, w + at.phase + e * WAVES,
                    w + at.mix + e * MIXED * WAVES, w + at.shift + e * MIXED,
                    x[row * inputs + order[e]], y + row * width + e * OUT);
    for (size_t e = 0; e < embedded && lanes > 1; e++)
      forward_input(lanes, inputs, width, w + at.frequency + e * WAVES, w + at.phase + e * WAVES,
                    w + at.mix + e * MIXED * WAVES, w + at.shift + e * MIXED,
                    x + row * inputs + order[e], y + row * width + e * OUT);
  }
  for (size_t row = 0; embedded < inputs && row < n; row++)
    for (size_t i = embedded; i < inputs; i++)
      y[row * width + embedded * OUT + i - embedded] = x[row * inputs + order[i]];
}

SIMD_DEFINE(, net_embed_forward,
            (size_t n, size_t inputs, size_t embedded, const uint32_t *order, const float *w,
             const float *x, float *y),
            (n, inputs, embedded, order, w, x, y))

/* One input's gradients over all rows. */
static SIMD_INLINE void
backward_input(size_t n, size_t inputs, size_t stride, const float *restrict frequency,
               const float *restrict phase, const float *restrict mix, const float *restrict v,
               const float *restrict d, float *restrict g[4])
{
  for (size_t row = 0; row < n; row++)
  {
    const float *dy = d + row * stride;
    float value = v[row * inputs];
    for (size_t k = 0; k < WAVES; k++)
    {
      float turn = part_of_turn(frequency[k] * value + phase[k] * TURN), back = 0.0f;
      float wave = cosine_of(turn);
      for (size_t j = 0; j < MIXED; j++)
      {
        back += mix[j * WAVES + k] * dy[j];
        g[2][j * WAVES + k] += dy[j] * wave;
      }
      back *= -sine_of(turn);
      g[1][k] += back;
      g[0][k] += back * value * TWO_PI;
    }
    for (size_t j = 0; j < MIXED; j++)
      g[3][j] += dy[j];
  }
}

static SIMD_INLINE void
net_embed_backward_body(size_t n, size_t inputs, size_t embedded, const uint32_t *restrict order,
                        const float *restrict w, const float *restrict x, const float *restrict d,
                        float *restrict g)
{
  struct places at = places_of(embedded);

  for (size_t e = 0; e < embedded; e++)
  {
    float frequency[WAVES] = {0}, phase[WAVES] = {0}, mix[MIXED * WAVES] = {0}, shift[MIXED] = {0};
    float *sums[4] = {frequency, phase, mix, shift};
    backward_input(n, inputs, embedded * OUT, w + at.frequency + e * WAVES,
                   w + at.phase + e * WAVES, w + at.mix + e * MIXED * WAVES, x + order[e],
                   d + e * OUT, sums);
    memcpy(g + at.frequency + e * WAVES, frequency, sizeof frequency);
    memcpy(g + at.phase + e * WAVES, phase, sizeof phase);
    memcpy(g + at.mix + e * MIXED * WAVES, mix, sizeof mix);
    memcpy(g + at.shift + e * MIXED, shift, sizeof shift);
  }
}

SIMD_DEFINE(, net_embed_backward,
            (size_t n, size_t inputs, size_t embedded, const uint32_t *order, const float *w,
             const float *x, const float *d, float *g),
            (n, inputs, embedded, order, w, x, d, g))
