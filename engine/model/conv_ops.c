#include <config.h>

#include "model/conv_ops.h"

#include <math.h>
#include <string.h>

#include "model/activation.h"
#include "model/conv_numbers.h"

const char *const conv_activation_names[] = {"relu", "gelu", "silu", NULL};

/* Rows that are summed in float before they join a sum in double. */
#define BLOCK_ROWS 64

size_t
conv_ops_bytes(enum kernel_precision precision)
{
  return precision == KERNEL_BF16 ? sizeof(uint16_t) : sizeof(float);
}

/* ---- statistics ----------------------------------------------------------------------------------- */

/* sum, square (channels) ← of up to BLOCK_ROWS rows. Four rows at a time, so that the sums' memory is touched
 * a quarter as often. */
static SIMD_INLINE void
block_sums_body(size_t rows, size_t channels, const void *restrict x, float *restrict sum,
                float *restrict square, bool half)
{
  size_t row = 0;
  for (size_t c = 0; c < channels; c++)
    sum[c] = square[c] = 0.0f;
  for (; row + 4 <= rows; row += 4)
    for (size_t c = 0; c < channels; c++)
    {
      float a = conv_get(x, row * channels + c, half),
            b = conv_get(x, (row + 1) * channels + c, half);
      float d = conv_get(x, (row + 2) * channels + c, half),
            e = conv_get(x, (row + 3) * channels + c, half);
      sum[c] += (a + b) + (d + e);
      square[c] += (a * a + b * b) + (d * d + e * e);
    }
  for (; row < rows; row++)
    for (size_t c = 0; c < channels; c++)
    {
      float a = conv_get(x, row * channels + c, half);
      sum[c] += a;
      square[c] += a * a;
    }
}

CONV_TWO_KINDS(block_sums, (size_t rows, size_t channels, const void *x, float *sum, float *square),
               rows, channels, x, sum, square)

void
conv_ops_statistics(enum kernel_precision precision, size_t rows, size_t channels, const void *x,
                    float *mean, float *variance)
{
  double sums[CONV_OPS_CHANNELS_MAX] = {0}, squares[CONV_OPS_CHANNELS_MAX] = {0};
  float sum[CONV_OPS_CHANNELS_MAX], square[CONV_OPS_CHANNELS_MAX];
  bool half = precision == KERNEL_BF16;

  for (size_t first = 0; first < rows; first += BLOCK_ROWS)
  {
    size_t count = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
    const char *at = (const char *) x + first * channels * conv_ops_bytes(precision);
    (half ? block_sums_bf16 : block_sums_f32)(count, channels, at, sum, square);
    for (size_t c = 0; c < channels; c++)
    {
      sums[c] += (double) sum[c];
      squares[c] += (double) square[c];
    }
  }
  for (size_t c = 0; c < channels; c++)
  {
    double m = sums[c] / (double) rows;
    mean[c] = (float) m;
    variance[c] = (float) fmax(squares[c] / (double) rows - m * m, 0.0);
  }
}

/* ---- normalisation with activation ---------------------------------------------------------------- */

#define NORM_LOOPS(act)                                                                            \
  static SIMD_INLINE void normalise_##act##_body(                                                  \
    size_t rows, size_t channels, const float *restrict scale, const float *restrict offset,       \
    const void *x, void *y, bool half)                                                             \
  {                                                                                                \
    for (size_t row = 0; row < rows; row++)                                                        \
      for (size_t c = 0; c < channels; c++)                                                        \
        conv_put(y, row *channels + c,                                                             \
                 act_##act(conv_get(x, row * channels + c, half) * scale[c] + offset[c]), half);   \
  }                                                                                                \
  static SIMD_INLINE void normalise_add_##act##_body(                                              \
    size_t rows, size_t channels, const float *restrict scale, const float *restrict offset,       \
    const void *x, const void *skip, void *y, bool half)                                           \
  {                                                                                                \
    for (size_t row = 0; row < rows; row++)                                                        \
      for (size_t c = 0; c < channels; c++)                                                        \
        conv_put(y, row *channels + c,                                                             \
                 act_##act(conv_get(x, row * channels + c, half) * scale[c] + offset[c])           \
                   + conv_get(skip, row * channels + c, half),                                     \
                 half);                                                                            \
  }                                                                                                \
  /* sums of dz and of dz·x̂ over up to BLOCK_ROWS rows */                                       \
  static SIMD_INLINE void slope_sums_##act##_body(                                                 \
    size_t rows, size_t channels, const float *restrict mean, const float *restrict r,             \
    const float *restrict shift, const void *dy, const void *x, float *restrict sum,               \
    float *restrict cross, bool half)                                                              \
  {                                                                                                \
    for (size_t c = 0; c < channels; c++)                                                          \
      sum[c] = cross[c] = 0.0f;                                                                    \
    size_t row = 0;                                                                                \
    for (; row + 2 <= rows; row += 2)                                                              \
      for (size_t c = 0; c < channels; c++)                                                        \
      {                                                                                            \
        float xa = (conv_get(x, row * channels + c, half) - mean[c]) * r[c];                       \
        float xb = (conv_get(x, (row + 1) * channels + c, half) - mean[c]) * r[c];                 \
        float da = conv_get(dy, row * channels + c, half) * act_##act##_slope(xa + shift[c]);      \
        float db =                                                                                 \
          conv_get(dy, (row + 1) * channels + c, half) * act_##act##_slope(xb + shift[c]);         \
        sum[c] += da + db;                                                                         \
        cross[c] += da * xa + db * xb;                                                             \
      }                                                                                            \
    for (; row < rows; row++)                                                                      \
      for (size_t c = 0; c < channels; c++)                                                        \
      {                                                                                            \
        float xa = (conv_get(x, row * channels + c, half) - mean[c]) * r[c];                       \
        float da = conv_get(dy, row * channels + c, half) * act_##act##_slope(xa + shift[c]);      \
        sum[c] += da;                                                                              \
        cross[c] += da * xa;                                                                       \
      }                                                                                            \
  }                                                                                                \
  static SIMD_INLINE void input_slope_##act##_body(                                                \
    size_t rows, size_t channels, const float *restrict mean, const float *restrict r,             \
    const float *restrict shift, const float *restrict sum, const float *restrict cross,           \
    const void *dy, void *x, bool half)                                                            \
  {                                                                                                \
    for (size_t row = 0; row < rows; row++)                                                        \
      for (size_t c = 0; c < channels; c++)                                                        \
      {                                                                                            \
        float xh = (conv_get(x, row * channels + c, half) - mean[c]) * r[c];                       \
        float dz = conv_get(dy, row * channels + c, half) * act_##act##_slope(xh + shift[c]);      \
        conv_put(x, row *channels + c, r[c] * (dz - sum[c] - xh * cross[c]), half);                \
      }                                                                                            \
  }                                                                                                \
  CONV_TWO_KINDS(normalise_##act,                                                                  \
                 (size_t rows, size_t channels, const float *scale, const float *offset,           \
                  const void *x, void *y),                                                         \
                 rows, channels, scale, offset, x, y)                                              \
  CONV_TWO_KINDS(normalise_add_##act,                                                              \
                 (size_t rows, size_t channels, const float *scale, const float *offset,           \
                  const void *x, const void *skip, void *y),                                       \
                 rows, channels, scale, offset, x, skip, y)                                        \
  CONV_TWO_KINDS(slope_sums_##act,                                                                 \
                 (size_t rows, size_t channels, const float *mean, const float *r,                 \
                  const float *shift, const void *dy, const void *x, float *sum, float *cross),    \
                 rows, channels, mean, r, shift, dy, x, sum, cross)                                \
  CONV_TWO_KINDS(input_slope_##act,                                                                \
                 (size_t rows, size_t channels, const float *mean, const float *r,                 \
                  const float *shift, const float *sum, const float *cross, const void *dy,        \
                  void *x),                                                                        \
                 rows, channels, mean, r, shift, sum, cross, dy, x)

NORM_LOOPS(relu)
NORM_LOOPS(gelu)
NORM_LOOPS(silu)

typedef void normalise_fn(size_t rows, size_t channels, const float *scale, const float *offset,
                          const void *x, void *y);
typedef void normalise_add_fn(size_t rows, size_t channels, const float *scale, const float *offset,
                              const void *x, const void *skip, void *y);
typedef void slope_sums_fn(size_t rows, size_t channels, const float *mean, const float *r,
                           const float *shift, const void *dy, const void *x, float *sum,
                           float *cross);
typedef void input_slope_fn(size_t rows, size_t channels, const float *mean, const float *r,
                            const float *shift, const float *sum, const float *cross,
                            const void *dy, void *x);

struct norm_loops
{
  normalise_fn *normalise[2]; /* by precision */
  normalise_add_fn *normalise_add[2];
  slope_sums_fn *slope_sums[2];
  input_slope_fn *input_slope[2];
};

#define NORM_TABLE(act)                                                                            \
  {                                                                                                \
    {normalise_##act##_f32, normalise_##act##_bf16},                                               \
      {normalise_add_##act##_f32, normalise_add_##act##_bf16},                                     \
      {slope_sums_##act##_f32, slope_sums_##act##_bf16},                                           \
    {                                                                                              \
      input_slope_##act##_f32, input_slope_##act##_bf16                                            \
    }                                                                                              \
  }

static const struct norm_loops norm_loops[CONV_ACTIVATION_COUNT] = {
  [CONV_RELU] = NORM_TABLE(relu), [CONV_GELU] = NORM_TABLE(gelu), [CONV_SILU] = NORM_TABLE(silu)};

void
conv_ops_normalise(enum kernel_precision precision, enum conv_activation activation, size_t rows,
                   size_t channels, const float *scale, const float *offset, const void *x,
                   const void *skip, void *y)
{
  const struct norm_loops *loops = &norm_loops[activation];

  if (skip)
    loops->normalise_add[precision](rows, channels, scale, offset, x, skip, y);
  else
    loops->normalise[precision](rows, channels, scale, offset, x, y);
}

void
conv_ops_normalise_backward(enum kernel_precision precision, enum conv_activation activation,
                            size_t rows, size_t channels, bool centred, const float *mean,
                            const float *r, const float *shift, const void *dy, void *x,
                            float *dshift)
{
  const struct norm_loops *loops = &norm_loops[activation];
  double sums[CONV_OPS_CHANNELS_MAX] = {0}, crosses[CONV_OPS_CHANNELS_MAX] = {0};
  float sum[CONV_OPS_CHANNELS_MAX], cross[CONV_OPS_CHANNELS_MAX];
  size_t bytes = channels * conv_ops_bytes(precision);

  for (size_t first = 0; first < rows; first += BLOCK_ROWS)
  {
    size_t count = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
    loops->slope_sums[precision](count, channels, mean, r, shift, (const char *) dy + first * bytes,
                                 (const char *) x + first * bytes, sum, cross);
    for (size_t c = 0; c < channels; c++)
    {
      sums[c] += (double) sum[c];
      crosses[c] += (double) cross[c];
    }
  }
  for (size_t c = 0; c < channels; c++)
  {
    dshift[c] = (float) sums[c];
    sum[c] = centred ? (float) (sums[c] / (double) rows) : 0.0f;
    cross[c] = centred ? (float) (crosses[c] / (double) rows) : 0.0f;
  }
  loops->input_slope[precision](rows, channels, mean, r, shift, sum, cross, dy, x);
}

static SIMD_INLINE void
add_body(size_t count, const void *restrict from, void *restrict to, bool half)
{
  for (size_t i = 0; i < count; i++)
    conv_put(to, i, conv_get(to, i, half) + conv_get(from, i, half), half);
}

CONV_TWO_KINDS(add, (size_t count, const void *from, void *to), count, from, to)

void
conv_ops_add(enum kernel_precision precision, size_t count, const void *from, void *to)
{
  (precision == KERNEL_BF16 ? add_bf16 : add_f32)(count, from, to);
}

static SIMD_INLINE void
widen_body(size_t count, const void *restrict from, float *restrict to, bool half)
{
  for (size_t i = 0; i < count; i++)
    to[i] = conv_get(from, i, half);
}

static SIMD_INLINE void
narrow_body(size_t count, const float *restrict from, void *restrict to, bool half)
{
  for (size_t i = 0; i < count; i++)
    conv_put(to, i, from[i], half);
}

CONV_TWO_KINDS(widen, (size_t count, const void *from, float *to), count, from, to)
CONV_TWO_KINDS(narrow, (size_t count, const float *from, void *to), count, from, to)

void
conv_ops_widen(enum kernel_precision precision, size_t count, const void *from, float *to)
{
  (precision == KERNEL_BF16 ? widen_bf16 : widen_f32)(count, from, to);
}

void
conv_ops_narrow(enum kernel_precision precision, size_t count, const float *from, void *to)
{
  (precision == KERNEL_BF16 ? narrow_bf16 : narrow_f32)(count, from, to);
}
