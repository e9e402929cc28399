#include <config.h>

#include "data/image_reduce.h"

#include <math.h>
#include <string.h>

void
image_reduced_size(size_t height, size_t width, size_t channels, size_t *seen_height,
                   size_t *seen_width)
{
  double values = (double) height * (double) width * (double) channels;
  *seen_height = height;
  *seen_width = width;
  if (values <= (double) IMAGE_INPUTS_MAX)
    return;
  double factor = sqrt((double) IMAGE_INPUTS_MAX / values);
  *seen_height = (size_t) (factor * (double) height);
  *seen_width = (size_t) (factor * (double) width);
  /* A side of one pixel, so that the other must give way further. */
  if (*seen_height < 1)
    *seen_height = 1;
  if (*seen_width < 1)
    *seen_width = 1;
  size_t most = IMAGE_INPUTS_MAX / channels;
  if (*seen_height > most / *seen_width)
  {
    if (*seen_height == 1)
      *seen_width = most;
    else
      *seen_height = most / *seen_width;
  }
}

size_t
image_reduced_inputs(size_t height, size_t width, size_t channels)
{
  size_t seen_height, seen_width;
  image_reduced_size(height, width, channels, &seen_height, &seen_width);
  return seen_height * seen_width * channels;
}

/* sums (width, channels) += weight · the means of the line over each new pixel's share of it, times its
 * length. */
static void
add_line(const uint8_t *line, size_t have, size_t want, size_t channels, float weight, float *sums)
{
  double scale = (double) have / (double) want;
  for (size_t x = 0; x < want; x++)
  {
    double from = (double) x * scale, to = (double) (x + 1) * scale;
    size_t first = (size_t) from, last = (size_t) to < have ? (size_t) to : have - 1;
    float head = (float) ((double) (first + 1) - from), tail = (float) (to - (double) last);
    for (size_t c = 0; c < channels; c++)
    {
      const uint8_t *at = line + first * channels + c;
      uint32_t inner = 0;
      for (size_t i = first + 1; i < last; i++)
        inner += line[i * channels + c];
      float sum = (float) inner;
      /* One pixel alone holds all of a share that lies within it. */
      sum += first == last ? (float) (to - from) * (float) *at
                           : head * (float) *at + tail * (float) line[last * channels + c];
      sums[x * channels + c] += weight * sum;
    }
  }
}

void
image_reduce(const uint8_t *pixels, size_t height, size_t width, size_t channels,
             size_t seen_height, size_t seen_width, uint8_t *out)
{
  double scale = (double) height / (double) seen_height;
  float area = (float) (scale * (double) width / (double) seen_width);
  size_t line = seen_width * channels;
  float sums[IMAGE_INPUTS_MAX];
  if (line > IMAGE_INPUTS_MAX)
    return;
  for (size_t y = 0; y < seen_height; y++)
  {
    double from = (double) y * scale, to = (double) (y + 1) * scale;
    size_t last = (size_t) to < height ? (size_t) to : height - 1;
    memset(sums, 0, line * sizeof *sums);
    for (size_t i = (size_t) from; i <= last; i++)
    {
      double low = from > (double) i ? from : (double) i;
      double high = to < (double) (i + 1) ? to : (double) (i + 1);
      if (high > low)
        add_line(pixels + i * width * channels, width, seen_width, channels, (float) (high - low),
                 sums);
    }
    for (size_t k = 0; k < line; k++)
    {
      float value = sums[k] / area + 0.5f;
      out[y * line + k] = (uint8_t) (value >= 255.0f ? 255.0f : value);
    }
  }
}
