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

/* Values of a line that are added up at once. */
#define LINE_MAX 16384u
/* Values in a step of the innermost loop: so many that the compiler makes vectors of them. */
#define STEP 16u

/* sums (count) += weight · line (count) */
static void
add_line(const uint8_t *restrict line, size_t count, float weight, float *restrict sums)
{
  size_t k = 0;
  for (; k + STEP <= count; k += STEP)
    for (size_t j = 0; j < STEP; j++)
      sums[k + j] += weight * (float) line[k + j];
  for (; k < count; k++)
    sums[k] += weight * (float) line[k];
}

/* The rows of one new line, added up by their shares; `sums` begins at value `first` of each. */
static void
add_rows(const uint8_t *pixels, size_t height, size_t stride, double from, double to, size_t first,
         size_t count, float *sums)
{
  size_t last = (size_t) to < height ? (size_t) to : height - 1;
  memset(sums, 0, count * sizeof *sums);
  for (size_t i = (size_t) from; i <= last; i++)
  {
    double low = from > (double) i ? from : (double) i;
    double high = to < (double) (i + 1) ? to : (double) (i + 1);
    if (high > low)
      add_line(pixels + i * stride + first, count, (float) (high - low), sums);
  }
}

/* The sum of one channel over columns from … to of a line that begins at pixel `base`. */
static float
add_columns(const float *sums, size_t base, size_t width, size_t channels, size_t channel,
            double from, double to)
{
  size_t last = (size_t) to < width ? (size_t) to : width - 1;
  float sum = 0.0f;
  for (size_t i = (size_t) from; i <= last; i++)
  {
    double low = from > (double) i ? from : (double) i;
    double high = to < (double) (i + 1) ? to : (double) (i + 1);
    if (high > low)
      sum += (float) (high - low) * sums[(i - base) * channels + channel];
  }
  return sum;
}

void
image_reduce(const uint8_t *pixels, size_t height, size_t width, size_t channels,
             size_t seen_height, size_t seen_width, uint8_t *out)
{
  double down = (double) height / (double) seen_height;
  double across = (double) width / (double) seen_width;
  float area = (float) (down * across), sums[LINE_MAX];
  size_t room = LINE_MAX / channels; /* pixels */
  for (size_t y = 0; y < seen_height; y++)
  {
    size_t base = 0, end = 0; /* the columns that sums holds */
    for (size_t x = 0; x < seen_width; x++)
    {
      double from = (double) x * across, to = (double) (x + 1) * across;
      float total[4] = {0.0f, 0.0f, 0.0f, 0.0f};
      /* A new pixel may be wider than what is held: piece by piece. */
      for (double at = from; at < to;)
      {
        if ((size_t) at >= end)
        {
          base = (size_t) at;
          end = width - base < room ? width : base + room;
          add_rows(pixels, height, width * channels, (double) y * down, (double) (y + 1) * down,
                   base * channels, (end - base) * channels, sums);
        }
        double until = to < (double) end ? to : (double) end;
        for (size_t c = 0; c < channels && c < 4; c++)
          total[c] += add_columns(sums, base, end, channels, c, at, until);
        at = end == width && until >= (double) end ? to : until;
      }
      for (size_t c = 0; c < channels && c < 4; c++)
      {
        float value = total[c] / area + 0.5f;
        out[(y * seen_width + x) * channels + c] = (uint8_t) (value >= 255.0f ? 255.0f : value);
      }
    }
  }
}
