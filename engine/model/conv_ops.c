#include <config.h>

#include "model/conv_ops.h"

#include <math.h>
#include <string.h>

#include "model/conv_lanes.h"

const char *const conv_activation_names[] = {"relu", "gelu", "silu", NULL};

/* Rows that are worked on while they are in the nearest cache, and summed in float before they join a sum in
 * double. */
#define BLOCK_ROWS 64

size_t
conv_ops_bytes(enum kernel_precision precision)
{
  return precision == KERNEL_BF16 ? sizeof(uint16_t) : sizeof(float);
}

static size_t
block_rows(size_t rows, size_t first)
{
  return rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
}

static SIMD_INLINE size_t
lanes_left(size_t channels, size_t at)
{
  return channels - at < LANES ? channels - at : LANES;
}

/* ---- statistics ----------------------------------------------------------------------------------- */

/* sum, square (channels) ← of up to BLOCK_ROWS rows. */
static SIMD_INLINE void
block_sums_body(size_t rows, size_t channels, const void *x, float *sum, float *square, bool half)
{
  for (size_t c = 0; c < channels; c += LANES)
  {
    size_t count = lanes_left(channels, c);
    lanes sum0 = {0}, sum1 = {0}, square0 = {0}, square1 = {0};
    size_t row = 0;
    for (; row + 2 <= rows; row += 2)
    {
      lanes a = lanes_get(x, row * channels + c, count, half);
      lanes b = lanes_get(x, (row + 1) * channels + c, count, half);
      sum0 += a;
      sum1 += b;
      square0 += a * a;
      square1 += b * b;
    }
    if (row < rows)
    {
      lanes a = lanes_get(x, row * channels + c, count, half);
      sum0 += a;
      square0 += a * a;
    }
    lanes_store(sum + c, count, sum0 + sum1);
    lanes_store(square + c, count, square0 + square1);
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
    size_t count = block_rows(rows, first);
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
  static SIMD_INLINE void normalise_##act##_body(size_t rows, size_t channels, const float *scale, \
                                                 const float *offset, const void *x,               \
                                                 const void *skip, void *y, bool half)             \
  {                                                                                                \
    for (size_t c = 0; c < channels; c += LANES)                                                   \
    {                                                                                              \
      size_t count = lanes_left(channels, c);                                                      \
      lanes by = lanes_load(scale + c, count), plus = lanes_load(offset + c, count);               \
      for (size_t at = c; at < rows * channels; at += channels)                                    \
      {                                                                                            \
        lanes value = lanes_##act(lanes_get(x, at, count, half) * by + plus);                      \
        if (skip)                                                                                  \
          value += lanes_get(skip, at, count, half);                                               \
        lanes_put(y, at, count, value, half);                                                      \
      }                                                                                            \
    }                                                                                              \
  }                                                                                                \
  /* sums of dz and of dz·x̂ over up to BLOCK_ROWS rows */                                       \
  static SIMD_INLINE void slope_sums_##act##_body(                                                 \
    size_t rows, size_t channels, const float *mean, const float *r, const float *shift,           \
    const void *dy, const void *x, float *sum, float *cross, bool half)                            \
  {                                                                                                \
    for (size_t c = 0; c < channels; c += LANES)                                                   \
    {                                                                                              \
      size_t count = lanes_left(channels, c);                                                      \
      lanes by = lanes_load(r + c, count), plus = lanes_load(shift + c, count);                    \
      lanes middle = lanes_load(mean + c, count), sums = {0}, crosses = {0};                       \
      for (size_t at = c; at < rows * channels; at += channels)                                    \
      {                                                                                            \
        lanes seen = (lanes_get(x, at, count, half) - middle) * by;                                \
        lanes d = lanes_get(dy, at, count, half) * lanes_##act##_slope(seen + plus);               \
        sums += d;                                                                                 \
        crosses += d * seen;                                                                       \
      }                                                                                            \
      lanes_store(sum + c, count, sums);                                                           \
      lanes_store(cross + c, count, crosses);                                                      \
    }                                                                                              \
  }                                                                                                \
  static SIMD_INLINE void input_slope_##act##_body(                                                \
    size_t rows, size_t channels, const float *mean, const float *r, const float *shift,           \
    const float *sum, const float *cross, const void *dy, void *x, bool half)                      \
  {                                                                                                \
    for (size_t c = 0; c < channels; c += LANES)                                                   \
    {                                                                                              \
      size_t count = lanes_left(channels, c);                                                      \
      lanes by = lanes_load(r + c, count), plus = lanes_load(shift + c, count);                    \
      lanes middle = lanes_load(mean + c, count), less = lanes_load(sum + c, count);               \
      lanes along = lanes_load(cross + c, count);                                                  \
      for (size_t at = c; at < rows * channels; at += channels)                                    \
      {                                                                                            \
        lanes seen = (lanes_get(x, at, count, half) - middle) * by;                                \
        lanes d = lanes_get(dy, at, count, half) * lanes_##act##_slope(seen + plus);               \
        lanes_put(x, at, count, by *(d - less - seen * along), half);                              \
      }                                                                                            \
    }                                                                                              \
  }                                                                                                \
  CONV_TWO_KINDS(normalise_##act,                                                                  \
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
  slope_sums_fn *slope_sums[2];
  input_slope_fn *input_slope[2];
};

#define NORM_TABLE(act)                                                                            \
  {                                                                                                \
    {normalise_##act##_f32, normalise_##act##_bf16},                                               \
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
  size_t bytes = channels * conv_ops_bytes(precision);

  for (size_t first = 0; first < rows; first += BLOCK_ROWS)
    norm_loops[activation].normalise[precision](
      block_rows(rows, first), channels, scale, offset, (const char *) x + first * bytes,
      skip ? (const char *) skip + first * bytes : NULL, (char *) y + first * bytes);
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
    size_t count = block_rows(rows, first);
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
  for (size_t first = 0; first < rows; first += BLOCK_ROWS)
    loops->input_slope[precision](block_rows(rows, first), channels, mean, r, shift, sum, cross,
                                  (const char *) dy + first * bytes, (char *) x + first * bytes);
}

static SIMD_INLINE void
add_body(size_t count, const void *restrict from, void *restrict to, bool half)
{
  for (size_t i = 0; i < count; i += LANES)
  {
    size_t n = lanes_left(count, i);
    lanes_put(to, i, n, lanes_get(to, i, n, half) + lanes_get(from, i, n, half), half);
  }
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
  for (size_t i = 0; i < count; i += LANES)
  {
    size_t n = lanes_left(count, i);
    lanes_store(to + i, n, lanes_get(from, i, n, half));
  }
}

static SIMD_INLINE void
narrow_body(size_t count, const float *restrict from, void *restrict to, bool half)
{
  for (size_t i = 0; i < count; i += LANES)
  {
    size_t n = lanes_left(count, i);
    lanes_put(to, i, n, lanes_load(from + i, n), half);
  }
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
