#include <config.h>

#include <string.h>

#include "model/conv_lanes.h"
#include "model/conv_ops.h"

/* ---- the largest of each square ------------------------------------------------------------------- */

static SIMD_INLINE size_t
lanes_left(size_t channels, size_t at)
{
  return channels - at < LANES ? channels - at : LANES;
}

static SIMD_INLINE void
put_bytes(uint8_t *to, size_t count, lanes_int v)
{
  lanes_byte bytes = __builtin_convertvector(v, lanes_byte);
  memcpy(to, &bytes, count);
}

static SIMD_INLINE lanes_int
get_bytes(const uint8_t *from, size_t count)
{
  lanes_byte bytes = {0};
  memcpy(&bytes, from, count);
  return __builtin_convertvector(bytes, lanes_int);
}

/* One line of squares: y, which (count, channels) of the lines x and `below`, both (2 · count, channels). */
static SIMD_INLINE void
pool_line_body(size_t count, size_t channels, const void *x, const void *below, void *y,
               uint8_t *which, bool half)
{
  const lanes_int two = {2, 2, 2, 2, 2, 2, 2, 2};

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
      put_bytes(which + to, n, ((two - low_right) & down) | (-right & ~down));
    }
}

CONV_TWO_KINDS(pool_line,
               (size_t count, size_t channels, const void *x, const void *below, void *y,
                uint8_t *which),
               count, channels, x, below, y, which)

void
conv_ops_pool(enum kernel_precision precision, size_t n, size_t height, size_t width,
              size_t channels, const void *x, void *y, uint8_t *which)
{
  size_t lines = height / 2, count = width / 2, bytes = conv_ops_bytes(precision);

  for (size_t i = 0; i < n; i++)
    for (size_t line = 0; line < lines; line++)
    {
      const char *from = (const char *) x + (i * height + 2 * line) * width * channels * bytes;
      size_t to = (i * lines + line) * count * channels;
      (precision == KERNEL_BF16 ? pool_line_bf16 : pool_line_f32)(
        count, channels, from, from + width * channels * bytes, (char *) y + to * bytes,
        which + to);
    }
}

static SIMD_INLINE void
unpool_line_body(size_t count, size_t channels, const void *dy, const uint8_t *which, void *dx,
                 void *below, bool half)
{
  for (size_t i = 0; i < count; i++)
    for (size_t c = 0; c < channels; c += LANES)
    {
      size_t n = lanes_left(channels, c), at = 2 * i * channels + c, from = i * channels + c;
      lanes_int d = (lanes_int) lanes_get(dy, from, n, half), place = get_bytes(which + from, n);
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

void
conv_ops_pool_backward(enum kernel_precision precision, size_t n, size_t height, size_t width,
                       size_t channels, const void *dy, const uint8_t *which, void *dx)
{
  size_t lines = height / 2, count = width / 2, bytes = conv_ops_bytes(precision);
  size_t line_bytes = width * channels * bytes;

  for (size_t i = 0; i < n; i++)
  {
    char *image = (char *) dx + i * height * line_bytes;
    for (size_t line = 0; line < lines; line++)
    {
      size_t from = (i * lines + line) * count * channels;
      char *to = image + 2 * line * line_bytes;
      (precision == KERNEL_BF16 ? unpool_line_bf16 : unpool_line_f32)(
        count, channels, (const char *) dy + from * bytes, which + from, to, to + line_bytes);
      if (width % 2)
      {
        memset(to + line_bytes - channels * bytes, 0, channels * bytes);
        memset(to + 2 * line_bytes - channels * bytes, 0, channels * bytes);
      }
    }
    if (height % 2)
      memset(image + (height - 1) * line_bytes, 0, line_bytes);
  }
}

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
    memcpy(where + c, &place, n * sizeof *where);
  }
}

CONV_TWO_KINDS(gather_map,
               (size_t area, size_t channels, const void *x, float *mean, float *most,
                uint32_t *where),
               area, channels, x, mean, most, where)

void
conv_ops_gather(enum kernel_precision precision, size_t n, size_t area, size_t channels,
                const void *x, float *features, uint32_t *where)
{
  size_t map = area * channels * conv_ops_bytes(precision);

  for (size_t i = 0; i < n; i++)
    (precision == KERNEL_BF16 ? gather_map_bf16 : gather_map_f32)(
      area, channels, (const char *) x + i * map, features + 2 * i * channels,
      features + (2 * i + 1) * channels, where + i * channels);
}

static SIMD_INLINE void
spread_map_body(size_t area, size_t channels, const float *dmean, const float *dmost,
                const uint32_t *where, void *dx, bool half)
{
  float share = 1.0f / (float) area;
  for (size_t c = 0; c < channels; c += LANES)
  {
    size_t n = lanes_left(channels, c);
    lanes all = lanes_load(dmean + c, n) * share, one = lanes_load(dmost + c, n);
    lanes_int place = {0};
    memcpy(&place, where + c, n * sizeof *where);
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

void
conv_ops_gather_backward(enum kernel_precision precision, size_t n, size_t area, size_t channels,
                         const float *dfeatures, const uint32_t *where, void *dx)
{
  size_t map = area * channels * conv_ops_bytes(precision);

  for (size_t i = 0; i < n; i++)
    (precision == KERNEL_BF16 ? spread_map_bf16 : spread_map_f32)(
      area, channels, dfeatures + 2 * i * channels, dfeatures + (2 * i + 1) * channels,
      where + i * channels, (char *) dx + i * map);
}
