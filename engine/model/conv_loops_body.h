/* The loops of conv_loops.h over lanes (conv_lanes.h), included by each file that compiles them. It defines
 * CONV_DEFINE (name, (params), (args)), which makes a static `void name (params)` of name_body, and CONV_TABLE,
 * the table's name with its storage class.
 */
#include "model/conv_lanes.h"
#include "model/conv_loops.h"

/* name_f32 and name_bf16 of name_body, whose last parameter says which. */
#define CONV_TWO_KINDS(name, params, ...)                                                          \
  static SIMD_INLINE void name##_f32_body params                                                   \
  {                                                                                                \
    name##_body(__VA_ARGS__, false);                                                               \
  }                                                                                                \
  static SIMD_INLINE void name##_bf16_body params                                                  \
  {                                                                                                \
    name##_body(__VA_ARGS__, true);                                                                \
  }                                                                                                \
  CONV_DEFINE(name##_f32, params, (__VA_ARGS__))                                                   \
  CONV_DEFINE(name##_bf16, params, (__VA_ARGS__))

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

/* ---- number by number ----------------------------------------------------------------------------- */

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

/* ---- the largest of each square ------------------------------------------------------------------- */

/* One line of squares: y, which (count, channels) of the lines x and `below`, both (2 · count, channels). */
static SIMD_INLINE void
pool_line_body(size_t count, size_t channels, const void *x, const void *below, void *y,
               uint8_t *which, bool half)
{
  for (size_t i = 0; i < count; i++)
    for (size_t c = 0; c < channels; c += LANES)
    {
      size_t n = lanes_left(channels, c), at = 2 * i * channels + c, to = i * channels + c;
      lanes v0 = lanes_get(x, at, n, half), v1 = lanes_get(x, at + channels, n, half);
      lanes v2 = lanes_get(below, at, n, half), v3 = lanes_get(below, at + channels, n, half);
      /* a comparison that holds is −1 */
      lanes_int right = v1 > v0, low_right = v3 > v2;
      lanes top = lanes_choose(right, v1, v0), low = lanes_choose(low_right, v3, v2);
      lanes_int down = low > top;
      lanes_put(y, to, n, lanes_choose(down, low, top), half);
      lanes_put_bytes(which + to, n, ((2 - low_right) & down) | (-right & ~down));
    }
}

CONV_TWO_KINDS(pool_line,
               (size_t count, size_t channels, const void *x, const void *below, void *y,
                uint8_t *which),
               count, channels, x, below, y, which)

static SIMD_INLINE void
unpool_line_body(size_t count, size_t channels, const void *dy, const uint8_t *which, void *dx,
                 void *below, bool half)
{
  for (size_t i = 0; i < count; i++)
    for (size_t c = 0; c < channels; c += LANES)
    {
      size_t n = lanes_left(channels, c), at = 2 * i * channels + c, from = i * channels + c;
      lanes_int d = (lanes_int) lanes_get(dy, from, n, half),
                place = lanes_get_bytes(which + from, n);
      lanes_put(dx, at, n, (lanes) (d & (place == 0)), half);
      lanes_put(dx, at + channels, n, (lanes) (d & (place == 1)), half);
      lanes_put(below, at, n, (lanes) (d & (place == 2)), half);
      lanes_put(below, at + channels, n, (lanes) (d & (place == 3)), half);
    }
}

CONV_TWO_KINDS(unpool_line,
               (size_t count, size_t channels, const void *dy, const uint8_t *which, void *dx,
                void *below),
               count, channels, dy, which, dx, below)

/* ---- each map to two numbers ---------------------------------------------------------------------- */

static SIMD_INLINE void
gather_map_body(size_t area, size_t channels, const void *x, float *mean, float *most,
                uint32_t *where, bool half)
{
  for (size_t c = 0; c < channels; c += LANES)
  {
    size_t n = lanes_left(channels, c);
    lanes top = lanes_get(x, c, n, half), sum = top;
    lanes_int place = {0};
    for (size_t p = 1; p < area; p++)
    {
      lanes value = lanes_get(x, p * channels + c, n, half);
      lanes_int larger = value > top;
      int32_t here = (int32_t) p;
      sum += value;
      place = (larger & here) | (place & ~larger);
      top = lanes_choose(larger, value, top);
    }
    lanes_store(mean + c, n, sum / (float) area);
    lanes_store(most + c, n, top);
    lanes_put_ints(where + c, n, place);
  }
}

CONV_TWO_KINDS(gather_map,
               (size_t area, size_t channels, const void *x, float *mean, float *most,
                uint32_t *where),
               area, channels, x, mean, most, where)

static SIMD_INLINE void
spread_map_body(size_t area, size_t channels, const float *dmean, const float *dmost,
                const uint32_t *where, void *dx, bool half)
{
  float share = 1.0f / (float) area;
  for (size_t c = 0; c < channels; c += LANES)
  {
    size_t n = lanes_left(channels, c);
    lanes all = lanes_load(dmean + c, n) * share, one = lanes_load(dmost + c, n);
    lanes_int place = lanes_get_ints(where + c, n);
    for (size_t p = 0; p < area; p++)
    {
      int32_t here = (int32_t) p;
      lanes_put(dx, p * channels + c, n, all + (lanes) ((lanes_int) one & (place == here)), half);
    }
  }
}

CONV_TWO_KINDS(spread_map,
               (size_t area, size_t channels, const float *dmean, const float *dmost,
                const uint32_t *where, void *dx),
               area, channels, dmean, dmost, where, dx)

#define CONV_BOTH(name)                                                                            \
  {                                                                                                \
    name##_f32, name##_bf16                                                                        \
  }
#define CONV_ALL(name)                                                                             \
  {                                                                                                \
    [CONV_RELU] = CONV_BOTH(name##_relu), [CONV_GELU] = CONV_BOTH(name##_gelu),                    \
    [CONV_SILU] = CONV_BOTH(name##_silu)                                                           \
  }

CONV_TABLE = {.block_sums = CONV_BOTH(block_sums),
              .add = CONV_BOTH(add),
              .widen = CONV_BOTH(widen),
              .narrow = CONV_BOTH(narrow),
              .pool_line = CONV_BOTH(pool_line),
              .unpool_line = CONV_BOTH(unpool_line),
              .gather_map = CONV_BOTH(gather_map),
              .spread_map = CONV_BOTH(spread_map),
              .normalise = CONV_ALL(normalise),
              .slope_sums = CONV_ALL(slope_sums),
              .input_slope = CONV_ALL(input_slope)};
