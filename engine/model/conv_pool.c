#include <config.h>

#include <string.h>

#include "model/conv_numbers.h"
#include "model/conv_ops.h"

/* ---- the largest of each square ------------------------------------------------------------------- */

/* One line of squares: y, which (count, channels) of the lines x and `below`, both (2 · count, channels). */
static SIMD_INLINE void
pool_line_body(size_t count, size_t channels, const void *restrict x, const void *restrict below,
               void *restrict y, uint8_t *restrict which, bool half)
{
  for (size_t i = 0; i < count; i++)
    for (size_t c = 0; c < channels; c++)
    {
      size_t at = 2 * i * channels + c;
      float v0 = conv_get(x, at, half), v1 = conv_get(x, at + channels, half);
      float v2 = conv_get(below, at, half), v3 = conv_get(below, at + channels, half);
      float top = v1 > v0 ? v1 : v0, low = v3 > v2 ? v3 : v2;
      uint8_t top_at = v1 > v0 ? 1 : 0, low_at = v3 > v2 ? 3 : 2;
      conv_put(y, i * channels + c, low > top ? low : top, half);
      which[i * channels + c] = low > top ? low_at : top_at;
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
unpool_line_body(size_t count, size_t channels, const void *restrict dy,
                 const uint8_t *restrict which, void *restrict dx, void *restrict below, bool half)
{
  for (size_t i = 0; i < count; i++)
    for (size_t c = 0; c < channels; c++)
    {
      size_t at = 2 * i * channels + c;
      float d = conv_get(dy, i * channels + c, half);
      uint8_t place = which[i * channels + c];
      conv_put(dx, at, place == 0 ? d : 0.0f, half);
      conv_put(dx, at + channels, place == 1 ? d : 0.0f, half);
      conv_put(below, at, place == 2 ? d : 0.0f, half);
      conv_put(below, at + channels, place == 3 ? d : 0.0f, half);
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
gather_map_body(size_t area, size_t channels, const void *restrict x, float *restrict mean,
                float *restrict most, uint32_t *restrict where, bool half)
{
  for (size_t c = 0; c < channels; c++)
  {
    mean[c] = most[c] = conv_get(x, c, half);
    where[c] = 0;
  }
  for (size_t p = 1; p < area; p++)
    for (size_t c = 0; c < channels; c++)
    {
      float value = conv_get(x, p * channels + c, half);
      mean[c] += value;
      where[c] = value > most[c] ? (uint32_t) p : where[c];
      most[c] = value > most[c] ? value : most[c];
    }
  for (size_t c = 0; c < channels; c++)
    mean[c] /= (float) area;
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
spread_map_body(size_t area, size_t channels, const float *restrict dmean,
                const float *restrict dmost, const uint32_t *restrict where, void *restrict dx,
                bool half)
{
  float share = 1.0f / (float) area;
  for (size_t p = 0; p < area; p++)
    for (size_t c = 0; c < channels; c++)
      conv_put(dx, p * channels + c,
               dmean[c] * share + (where[c] == (uint32_t) p ? dmost[c] : 0.0f), half);
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
