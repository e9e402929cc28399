#include <config.h>

#include "model/net.h"

#include "base/simd.h"

const char *const net_activation_names[] = {"relu", "gelu", "mish", "tanh", "selu", "silu", NULL};

/* ---- activations and their slopes ----------------------------------------------------------------- */

static SIMD_INLINE float
relu(float z)
{
  return z > 0.0f ? z : 0.0f;
}

static SIMD_INLINE float
relu_slope(float z)
{
  return z > 0.0f ? 1.0f : 0.0f;
}

static SIMD_INLINE float
tanh_act(float z)
{
  return 1.0f - 2.0f / (simd_exp(2.0f * z) + 1.0f);
}

static SIMD_INLINE float
tanh_act_slope(float z)
{
  float t = tanh_act(z);
  return 1.0f - t * t;
}

#define GELU_SCALE 0.7978845608f
#define GELU_CUBE 0.044715f

static SIMD_INLINE float
gelu(float z)
{
  return 0.5f * z * (1.0f + tanh_act(GELU_SCALE * (z + GELU_CUBE * z * z * z)));
}

static SIMD_INLINE float
gelu_slope(float z)
{
  float t = tanh_act(GELU_SCALE * (z + GELU_CUBE * z * z * z));
  float inner = GELU_SCALE * (1.0f + 3.0f * GELU_CUBE * z * z);
  return 0.5f * (1.0f + t) + 0.5f * z * (1.0f - t * t) * inner;
}

/* tanh (log (1 + e)) = (e² + 2e)/(e² + 2e + 2) with e = exp z; above 20 it is 1 in float. */
static SIMD_INLINE float
mish_gate(float z)
{
  float e = simd_exp(z > 20.0f ? 20.0f : z);
  float q = e * (e + 2.0f);
  return q / (q + 2.0f);
}

static SIMD_INLINE float
mish(float z)
{
  return z * mish_gate(z);
}

static SIMD_INLINE float
mish_slope(float z)
{
  float gate = mish_gate(z);
  float e = simd_exp(z > 20.0f ? 20.0f : z);
  return gate + z * (1.0f - gate * gate) * (e / (1.0f + e));
}

/* Klambauer and others 2017. */
#define SELU_SCALE 1.0507009873554805f
#define SELU_ALPHA 1.6732632423543772f

static SIMD_INLINE float
selu(float z)
{
  float below = SELU_ALPHA * (simd_exp(z > 0.0f ? 0.0f : z) - 1.0f);
  return SELU_SCALE * (z > 0.0f ? z : below);
}

static SIMD_INLINE float
selu_slope(float z)
{
  float below = SELU_ALPHA * simd_exp(z > 0.0f ? 0.0f : z);
  return SELU_SCALE * (z > 0.0f ? 1.0f : below);
}

static SIMD_INLINE float
silu(float z)
{
  return z / (1.0f + simd_exp(-z));
}

static SIMD_INLINE float
silu_slope(float z)
{
  float s = 1.0f / (1.0f + simd_exp(-z));
  return s + z * s * (1.0f - s);
}

/* ---- fused loops ---------------------------------------------------------------------------------- */

#define ACT_LOOPS(name)                                                                            \
  static SIMD_INLINE void forward_##name##_body(size_t n, size_t out, const float *bias,           \
                                                float *restrict z, float *restrict a)              \
  {                                                                                                \
    for (size_t row = 0; row < n; row++)                                                           \
    {                                                                                              \
      float *restrict zr = z + row * out;                                                          \
      float *restrict ar = a + row * out;                                                          \
      for (size_t j = 0; j < out; j++)                                                             \
      {                                                                                            \
        float sum = zr[j] + bias[j];                                                               \
        zr[j] = sum;                                                                               \
        ar[j] = name(sum);                                                                         \
      }                                                                                            \
    }                                                                                              \
  }                                                                                                \
  static SIMD_INLINE void infer_##name##_body(size_t n, size_t out, const float *restrict bias,    \
                                              float *restrict y)                                   \
  {                                                                                                \
    for (size_t row = 0; row < n; row++)                                                           \
      for (size_t j = 0; j < out; j++)                                                             \
        y[row * out + j] = name(y[row * out + j] + bias[j]);                                       \
  }                                                                                                \
  static SIMD_INLINE void backward_##name##_body(size_t count, const float *restrict z,            \
                                                 const float *restrict a, float scale,             \
                                                 float *restrict d)                                \
  {                                                                                                \
    for (size_t i = 0; i < count; i++)                                                             \
    {                                                                                              \
      float slope = name##_slope(z[i]) * scale;                                                    \
      d[i] *= a[i] == 0.0f ? 0.0f : slope;                                                         \
    }                                                                                              \
  }                                                                                                \
  static SIMD_INLINE void forward_p_##name##_body(size_t n, size_t out, const float *bias,         \
                                                  const float *alpha, float *restrict z,           \
                                                  float *restrict a)                               \
  {                                                                                                \
    for (size_t row = 0; row < n; row++)                                                           \
      for (size_t j = 0; j < out; j++)                                                             \
      {                                                                                            \
        float sum = z[row * out + j] + bias[j];                                                    \
        z[row * out + j] = sum;                                                                    \
        a[row * out + j] = sum + alpha[j] * (name(sum) - sum);                                     \
      }                                                                                            \
  }                                                                                                \
  static SIMD_INLINE void infer_p_##name##_body(size_t n, size_t out, const float *bias,           \
                                                const float *alpha, float *restrict y)             \
  {                                                                                                \
    for (size_t row = 0; row < n; row++)                                                           \
      for (size_t j = 0; j < out; j++)                                                             \
      {                                                                                            \
        float sum = y[row * out + j] + bias[j];                                                    \
        y[row * out + j] = sum + alpha[j] * (name(sum) - sum);                                     \
      }                                                                                            \
  }                                                                                                \
  static SIMD_INLINE void backward_p_##name##_body(                                                \
    size_t n, size_t out, const float *restrict z, const float *restrict a, float scale,           \
    const float *restrict alpha, float *restrict d, float *restrict alpha_d)                       \
  {                                                                                                \
    for (size_t j = 0; j < out; j++)                                                               \
      alpha_d[j] = 0.0f;                                                                           \
    for (size_t row = 0; row < n; row++)                                                           \
      for (size_t j = 0; j < out; j++)                                                             \
      {                                                                                            \
        size_t i = row * out + j;                                                                  \
        float up = a[i] == 0.0f ? 0.0f : d[i] * scale;                                             \
        alpha_d[j] += up * (name(z[i]) - z[i]);                                                    \
        d[i] = up * (1.0f + alpha[j] * (name##_slope(z[i]) - 1.0f));                               \
      }                                                                                            \
  }                                                                                                \
  SIMD_DEFINE(static, forward_##name,                                                              \
              (size_t n, size_t out, const float *bias, float *z, float *a), (n, out, bias, z, a)) \
  SIMD_DEFINE(static, infer_##name, (size_t n, size_t out, const float *bias, float *y),           \
              (n, out, bias, y))                                                                   \
  SIMD_DEFINE(static, forward_p_##name,                                                            \
              (size_t n, size_t out, const float *bias, const float *alpha, float *z, float *a),   \
              (n, out, bias, alpha, z, a))                                                         \
  SIMD_DEFINE(static, infer_p_##name,                                                              \
              (size_t n, size_t out, const float *bias, const float *alpha, float *y),             \
              (n, out, bias, alpha, y))                                                            \
  SIMD_DEFINE(static, backward_p_##name,                                                           \
              (size_t n, size_t out, const float *z, const float *a, float scale,                  \
               const float *alpha, float *d, float *alpha_d),                                      \
              (n, out, z, a, scale, alpha, d, alpha_d))                                            \
  SIMD_DEFINE(static, backward_##name,                                                             \
              (size_t count, const float *z, const float *a, float scale, float *d),               \
              (count, z, a, scale, d))

ACT_LOOPS(relu)
ACT_LOOPS(gelu)
ACT_LOOPS(mish)
ACT_LOOPS(tanh_act)
ACT_LOOPS(selu)
ACT_LOOPS(silu)

typedef void forward_fn(size_t n, size_t out, const float *bias, float *z, float *a);
typedef void infer_fn(size_t n, size_t out, const float *bias, float *y);
typedef void backward_fn(size_t count, const float *z, const float *a, float scale, float *d);

static forward_fn *const forward_loops[NET_ACTIVATION_COUNT] = {
  forward_relu, forward_gelu, forward_mish, forward_tanh_act, forward_selu, forward_silu};
static infer_fn *const infer_loops[NET_ACTIVATION_COUNT] = {infer_relu,     infer_gelu, infer_mish,
                                                            infer_tanh_act, infer_selu, infer_silu};
static backward_fn *const backward_loops[NET_ACTIVATION_COUNT] = {
  backward_relu, backward_gelu, backward_mish, backward_tanh_act, backward_selu, backward_silu};

void
net_act_forward(enum net_activation activation, size_t n, size_t out, const float *bias, float *z,
                float *a)
{
  forward_loops[activation](n, out, bias, z, a);
}

void
net_act_infer(enum net_activation activation, size_t n, size_t out, const float *bias, float *y)
{
  infer_loops[activation](n, out, bias, y);
}

/* A unit whose output is 0 was dropped, or sits where its slope is 0 or has measure zero. */
void
net_act_backward(enum net_activation activation, size_t count, const float *z, const float *a,
                 float keep, float *d)
{
  backward_loops[activation](count, z, a, 1.0f / keep, d);
}

typedef void forward_p_fn(size_t n, size_t out, const float *bias, const float *alpha, float *z,
                          float *a);
typedef void infer_p_fn(size_t n, size_t out, const float *bias, const float *alpha, float *y);
typedef void backward_p_fn(size_t n, size_t out, const float *z, const float *a, float scale,
                           const float *alpha, float *d, float *alpha_d);

#define ACT_TABLE(kind)                                                                            \
  {                                                                                                \
    kind##_relu, kind##_gelu, kind##_mish, kind##_tanh_act, kind##_selu, kind##_silu               \
  }
static forward_p_fn *const forward_p_loops[NET_ACTIVATION_COUNT] = ACT_TABLE(forward_p);
static infer_p_fn *const infer_p_loops[NET_ACTIVATION_COUNT] = ACT_TABLE(infer_p);
static backward_p_fn *const backward_p_loops[NET_ACTIVATION_COUNT] = ACT_TABLE(backward_p);

void
net_act_forward_parametric(enum net_activation activation, size_t n, size_t out, const float *bias,
                           const float *alpha, float *z, float *a)
{
  forward_p_loops[activation](n, out, bias, alpha, z, a);
}

void
net_act_infer_parametric(enum net_activation activation, size_t n, size_t out, const float *bias,
                         const float *alpha, float *y)
{
  infer_p_loops[activation](n, out, bias, alpha, y);
}

void
net_act_backward_parametric(enum net_activation activation, size_t n, size_t out, const float *z,
                            const float *a, float keep, const float *alpha, float *d,
                            float *alpha_d)
{
  backward_p_loops[activation](n, out, z, a, 1.0f / keep, alpha, d, alpha_d);
}

/* ---- dropout -------------------------------------------------------------------------------------- */

#define DROPOUT_BLOCKS NET_PHILOX_BLOCKS
#define DROPOUT_RUN (8 * DROPOUT_BLOCKS)

static SIMD_INLINE void
drop_run_body(size_t count, const uint16_t *restrict words, uint32_t threshold, float scale,
              float *restrict a)
{
  for (size_t i = 0; i < count; i++)
    a[i] = words[i] < threshold ? 0.0f : a[i] * scale;
}

SIMD_DEFINE(static, drop_run,
            (size_t count, const uint16_t *words, uint32_t threshold, float scale, float *a),
            (count, words, threshold, scale, a))

/* The words of blocks first … first + DROPOUT_BLOCKS − 1 of Philox4x32-10 (see base/rng.h), word w of
 * block i at words[w][i]: many blocks side by side, so that the rounds become vector code. */
static SIMD_INLINE void
net_philox_run_body(uint64_t seed, uint64_t stream, uint64_t first,
                    uint32_t (*restrict words)[DROPOUT_BLOCKS])
{
  for (size_t i = 0; i < DROPOUT_BLOCKS; i++)
  {
    uint32_t c0 = (uint32_t) (first + i), c1 = (uint32_t) ((first + i) >> 32);
    uint32_t c2 = (uint32_t) stream, c3 = (uint32_t) (stream >> 32);
    uint32_t k0 = (uint32_t) seed, k1 = (uint32_t) (seed >> 32);
    for (int round = 0; round < 10; round++)
    {
      uint64_t p0 = (uint64_t) UINT32_C(0xD2511F53) * c0;
      uint64_t p1 = (uint64_t) UINT32_C(0xCD9E8D57) * c2;
      c0 = (uint32_t) (p1 >> 32) ^ c1 ^ k0;
      c1 = (uint32_t) p1;
      c2 = (uint32_t) (p0 >> 32) ^ c3 ^ k1;
      c3 = (uint32_t) p0;
      k0 += UINT32_C(0x9E3779B9);
      k1 += UINT32_C(0xBB67AE85);
    }
    words[0][i] = c0;
    words[1][i] = c1;
    words[2][i] = c2;
    words[3][i] = c3;
  }
}

SIMD_DEFINE(, net_philox_run,
            (uint64_t seed, uint64_t stream, uint64_t first, uint32_t (*words)[DROPOUT_BLOCKS]),
            (seed, stream, first, words))

/* Sixteen bits a unit, so the probability is right to 1/65536. */
void
net_dropout(uint64_t seed, uint64_t stream, float dropout, size_t count, float *a)
{
  uint32_t words[4][DROPOUT_BLOCKS];
  uint16_t halves[DROPOUT_RUN];
  uint32_t threshold = (uint32_t) lrintf(dropout * 65536.0f);
  float scale = 1.0f / (1.0f - dropout);

  for (size_t start = 0; start < count; start += DROPOUT_RUN)
  {
    net_philox_run(seed, stream, start / DROPOUT_RUN * DROPOUT_BLOCKS, words);
    memcpy(halves, words, sizeof halves);
    drop_run(count - start < DROPOUT_RUN ? count - start : DROPOUT_RUN, halves, threshold, scale,
             a + start);
  }
}

/* ---- sums and softmax ----------------------------------------------------------------------------- */

static SIMD_INLINE void
net_add_bias_body(size_t n, size_t out, const float *restrict bias, float *restrict y)
{
  for (size_t row = 0; row < n; row++)
    for (size_t j = 0; j < out; j++)
      y[row * out + j] += bias[j];
}

SIMD_DEFINE(, net_add_bias, (size_t n, size_t out, const float *bias, float *y), (n, out, bias, y))

static SIMD_INLINE void
net_sum_rows_body(size_t n, size_t out, const float *restrict d, float *restrict sum)
{
  for (size_t j = 0; j < out; j++)
    sum[j] = 0.0f;
  for (size_t row = 0; row < n; row++)
    for (size_t j = 0; j < out; j++)
      sum[j] += d[row * out + j];
}

SIMD_DEFINE(, net_sum_rows, (size_t n, size_t out, const float *d, float *sum), (n, out, d, sum))

static SIMD_INLINE void
net_scale_rows_body(size_t n, size_t out, const float *restrict scale, const float *restrict from,
                    float *restrict to)
{
  for (size_t row = 0; row < n; row++)
    for (size_t j = 0; j < out; j++)
      to[row * out + j] = from[row * out + j] * scale[row];
}

SIMD_DEFINE(, net_scale_rows,
            (size_t n, size_t out, const float *scale, const float *from, float *to),
            (n, out, scale, from, to))

#define SUM_LANES 16

/* Sums side by side, so that they do not depend on the width of vectors. */
static SIMD_INLINE void
net_unscale_gradient_body(size_t n, size_t out, const float *restrict scale,
                          const float *restrict from, float *restrict g, float *restrict scale_g)
{
  for (size_t row = 0; row < n; row++)
  {
    float lanes[SUM_LANES] = {0}, sum = 0.0f, factor = scale[row];
    const float *w = from + row * out;
    float *gr = g + row * out;
    size_t j = 0;
    for (; j + SUM_LANES <= out; j += SUM_LANES)
      for (size_t lane = 0; lane < SUM_LANES; lane++)
      {
        lanes[lane] += w[j + lane] * gr[j + lane];
        gr[j + lane] *= factor;
      }
    for (; j < out; j++)
    {
      sum += w[j] * gr[j];
      gr[j] *= factor;
    }
    for (size_t lane = 0; lane < SUM_LANES; lane++)
      sum += lanes[lane];
    scale_g[row] = sum;
  }
}

SIMD_DEFINE(, net_unscale_gradient,
            (size_t n, size_t out, const float *scale, const float *from, float *g, float *scale_g),
            (n, out, scale, from, g, scale_g))

void
net_softmax(size_t n, size_t k, float *y)
{
  for (size_t row = 0; row < n; row++)
  {
    float *r = y + row * k;
    float top = r[0], sum = 0.0f;
    for (size_t j = 1; j < k; j++)
      top = r[j] > top ? r[j] : top;
    for (size_t j = 0; j < k; j++)
      sum += r[j] = simd_exp(r[j] - top);
    for (size_t j = 0; j < k; j++)
      r[j] /= sum;
  }
}
