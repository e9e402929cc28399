#include <config.h>

#include <string.h>

#include "model/conv_loops.h"

/* ---- the largest of each square ------------------------------------------------------------------- */

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
      conv_loops()->pool_line[precision](count, channels, from, from + width * channels * bytes,
                                         (char *) y + to * bytes, which + to);
    }
}

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
      conv_loops()->unpool_line[precision](count, channels, (const char *) dy + from * bytes,
                                           which + from, to, to + line_bytes);
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

void
conv_ops_gather(enum kernel_precision precision, size_t n, size_t area, size_t channels,
                const void *x, float *features, uint32_t *where)
{
  size_t map = area * channels * conv_ops_bytes(precision);

  for (size_t i = 0; i < n; i++)
    conv_loops()->gather_map[precision](area, channels, (const char *) x + i * map,
                                        features + 2 * i * channels,
                                        features + (2 * i + 1) * channels, where + i * channels);
}

void
conv_ops_gather_backward(enum kernel_precision precision, size_t n, size_t area, size_t channels,
                         const float *dfeatures, const uint32_t *where, void *dx)
{
  size_t map = area * channels * conv_ops_bytes(precision);

  for (size_t i = 0; i < n; i++)
    conv_loops()->spread_map[precision](area, channels, dfeatures + 2 * i * channels,
                                        dfeatures + (2 * i + 1) * channels, where + i * channels,
                                        (char *) dx + i * map);
}
