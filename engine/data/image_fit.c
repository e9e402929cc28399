#include <config.h>

#include "data/image_internal.h"

#include <stdlib.h>
#include <string.h>

/* All sums are whole numbers and exact: along a side of `have` pixels that becomes `want`, positions are counted
 * in parts of a pixel, `want` to each, so that a new pixel covers `have` parts; pixels that stand for several
 * have as many times the parts. A column adds up to at most 65,500 · 255 < 2^24, which a float holds; an area of
 * the whole image to less than 2^53. */

/* Values in a step of the innermost loop: so many that the compiler makes vectors of them. */
#define STEP 16u

enum err
image_check_fit(size_t height, size_t width, size_t channels, struct err_info *info)
{
  if (height == 0 || width == 0 || height > IMAGE_SIDE_MAX || width > IMAGE_SIDE_MAX
      || (channels != 1 && channels != 3))
    return err_set(info, ERR_INVALID, "images of %zu x %zu with %zu channels can't be made", width,
                   height, channels);
  return ERR_OK;
}

/* Where a new pixel begins: after `whole` pixels and so many parts of the next. */
struct cut
{
  size_t whole;
  double parts;
};

/* cuts (want + 1); a pixel has `parts`. */
static void
make_cuts(size_t have, size_t want, size_t parts, struct cut *cuts)
{
  for (size_t x = 0; x <= want; x++)
  {
    uint64_t at = (uint64_t) x * have;
    cuts[x] = (struct cut){(size_t) (at / parts), (double) (at % parts)};
  }
}

/* sums (count) += parts · line (count) */
static void
add_line(const uint8_t *restrict line, size_t count, float parts, float *restrict sums)
{
  size_t k = 0;
  for (; k + STEP <= count; k += STEP)
    for (size_t j = 0; j < STEP; j++)
      sums[k + j] += parts * (float) line[k + j];
  for (; k < count; k++)
    sums[k] += parts * (float) line[k];
}

/* sums (image width, channels) ← the rows between two cuts of the height, each of which has `whole` parts. */
static void
add_rows(const struct image *image, const struct cut *from, const struct cut *to, double whole,
         float *sums)
{
  size_t count = image->width * image->channels;
  memset(sums, 0, count * sizeof *sums);
  for (size_t i = from->whole; i <= to->whole && i < image->height; i++)
  {
    double parts = (i < to->whole ? whole : to->parts) - (i == from->whole ? from->parts : 0.0);
    if (parts > 0.0)
      add_line(image->pixels + i * count, count, (float) parts, sums);
  }
}

/* One line of new pixels in the making. Inlined for 1 and 3 channels each, so that loops over them unroll. */
struct line
{
  const float *sums; /* (image width + 1, channels): of the rows, the last one 0 */
  double *running;   /* (image width + 1, channels): of the columns before each */
  const struct cut *cuts;
  size_t have, want; /* pixels */
  double whole;      /* parts of a pixel */
  double area;       /* of the image */
};

static inline __attribute__((always_inline)) void
run_up(const struct line *line, const size_t channels)
{
  double total[3] = {0.0, 0.0, 0.0};
  for (size_t i = 0; i <= line->have; i++)
#pragma GCC unroll 3
    for (size_t c = 0; c < channels; c++)
    {
      line->running[i * channels + c] = total[c];
      total[c] += (double) line->sums[i * channels + c];
    }
}

/* The sums of the channels in one new pixel. */
static inline __attribute__((always_inline)) void
add_columns(const struct line *line, size_t x, const size_t channels, double *sum)
{
  const struct cut *from = &line->cuts[x], *to = from + 1;
  const size_t first = from->whole * channels, last = to->whole * channels;
#pragma GCC unroll 3
  for (size_t c = 0; c < channels; c++)
    sum[c] = (line->running[last + c] - line->running[first + c]) * line->whole
             + to->parts * (double) line->sums[last + c]
             - from->parts * (double) line->sums[first + c];
}

/* The mean, rounded half up. The quotients lie at least 1 / (2 · area) below a whole number or at or above it:
 * a quarter of a step more keeps rounding errors of the product away from that border. */
static inline uint8_t
mean(double sum, double area, double share)
{
  return (uint8_t) (int) ((sum + (0.5 * area + 0.25)) * share);
}

static void
fit_grey(const struct line *line, size_t channels, uint8_t *out)
{
  const double area = line->area, share = 1.0 / area;
  run_up(line, 1);
  for (size_t x = 0; x < line->want; x++)
  {
    double sum;
    add_columns(line, x, 1, &sum);
    uint8_t value = mean(sum, area, share);
    for (size_t c = 0; c < channels; c++)
      *out++ = value;
  }
}

static void
fit_colour(const struct line *line, uint8_t *out)
{
  const double area = line->area, share = 1.0 / area;
  run_up(line, 3);
  for (size_t x = 0; x < line->want; x++)
  {
    double sum[3];
    add_columns(line, x, 3, sum);
#pragma GCC unroll 3
    for (size_t c = 0; c < 3; c++)
      *out++ = mean(sum[c], area, share);
  }
}

static void
fit_colour_to_grey(const struct line *line, uint8_t *out)
{
  const double area = 1000.0 * line->area, share = 1.0 / area;
  run_up(line, 3);
  for (size_t x = 0; x < line->want; x++)
  {
    double sum[3];
    add_columns(line, x, 3, sum);
    *out++ = mean(299.0 * sum[0] + 587.0 * sum[1] + 114.0 * sum[2], area, share);
  }
}

enum err
image_fit_stored(const struct image_stored *stored, size_t height, size_t width, size_t channels,
                 uint8_t *out, struct err_info *info)
{
  const struct image *image = &stored->image;
  size_t values = (image->width + 1) * image->channels;
  size_t down_parts = height * stored->divisor, across_parts = width * stored->divisor;
  struct cut *down = NULL, *across = NULL;
  double *running = NULL;
  float *sums = NULL;
  enum err rc = image_check_fit(height, width, channels, info);

  if (rc != ERR_OK)
    return rc;
  if (stored->height == height && stored->width == width && image->channels == channels)
  {
    memcpy(out, image->pixels, height * width * channels);
    return ERR_OK;
  }
  down = calloc(height + 1, sizeof *down);
  across = calloc(width + 1, sizeof *across);
  running = calloc(values, sizeof *running);
  sums = calloc(values, sizeof *sums);
  if (!down || !across || !running || !sums)
  {
    rc = err_set(info, ERR_MEMORY, "out of memory for an image");
    goto out;
  }
  make_cuts(stored->height, height, down_parts, down);
  make_cuts(stored->width, width, across_parts, across);
  struct line line = {sums,
                      running,
                      across,
                      image->width,
                      width,
                      (double) across_parts,
                      (double) stored->height * (double) stored->width};
  for (size_t y = 0; y < height; y++)
  {
    uint8_t *out_line = out + y * width * channels;
    add_rows(image, &down[y], &down[y + 1], (double) down_parts, sums);
    if (image->channels == 1)
      fit_grey(&line, channels, out_line);
    else if (channels == 3)
      fit_colour(&line, out_line);
    else
      fit_colour_to_grey(&line, out_line);
  }
out:
  free(sums);
  free(running);
  free(across);
  free(down);
  return rc;
}

enum err
image_fit(const struct image *image, size_t height, size_t width, size_t channels, uint8_t *out,
          struct err_info *info)
{
  const struct image_stored stored = {
    .image = *image, .height = image->height, .width = image->width, .divisor = 1};
  return image_fit_stored(&stored, height, width, channels, out, info);
}
