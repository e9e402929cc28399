#include <config.h>

#include "train/augment.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

#define DEGREE 0.017453292519943295
/* Tries of the rejection method; each succeeds with probability above 1/8 for alpha ≤ 4. */
#define BETA_TRIES 200

/* What is done to one image. */
struct change
{
  bool flip;
  double shift_y, shift_x;     /* in pixels of the source */
  double zoom, angle;          /* source pixels per pixel; radians */
  long cut_y, cut_x, cut_side; /* cut_side 0: none */
  float gain, offset;          /* of scaled values */
};

static double
between(struct rng *rng, double most)
{
  return most * (2.0 * rng_double(rng) - 1.0);
}

/* All numbers are drawn whether they are used or not, so that one strength does not change what another does. */
static struct change
draw(const struct augment *augment, const struct model_pixels *pixels, uint64_t seed,
     uint64_t epoch, uint64_t row)
{
  struct rng rng, mirror;
  double side = (double) (pixels->height < pixels->width ? pixels->height : pixels->width);
  struct change change = {.zoom = 1.0, .gain = 1.0f};

  rng_init(&mirror, seed, rng_mix(7, row));
  rng_init(&rng, seed, rng_mix(rng_mix(6, epoch), row));
  change.flip = augment->flip && ((rng_u32(&mirror) ^ epoch) & 1u);
  change.shift_y = between(&rng, augment->shift * (double) pixels->height);
  change.shift_x = between(&rng, augment->shift * (double) pixels->width);
  change.angle = between(&rng, augment->rotation * DEGREE);
  change.zoom = 1.0 - augment->crop * rng_double(&rng);
  double free_y = between(&rng, 0.5), free_x = between(&rng, 0.5);
  change.shift_y += free_y * (1.0 - change.zoom) * (double) pixels->height;
  change.shift_x += free_x * (1.0 - change.zoom) * (double) pixels->width;
  change.gain = 1.0f + (float) between(&rng, augment->brightness);
  change.offset = (float) between(&rng, augment->brightness);
  change.cut_side = lround(augment->cutout * side);
  change.cut_y = (long) floor(rng_double(&rng) * (double) pixels->height) - change.cut_side / 2;
  change.cut_x = (long) floor(rng_double(&rng) * (double) pixels->width) - change.cut_side / 2;
  return change;
}

static size_t
bounded(long at, size_t count)
{
  return at < 0 ? 0 : at >= (long) count ? count - 1 : (size_t) at;
}

/* ---- moving ------------------------------------------------------------------------------------------- */

/* By whole pixels: a copy of lines. */
static void
copy_moved(const struct change *change, const struct model_pixels *pixels, const uint8_t *raw,
           float *x)
{
  size_t height = pixels->height, width = pixels->width, channels = pixels->channels;
  long down = lround(change->shift_y), right = lround(change->shift_x);
  float scale = pixels->scale * change->gain;
  float offset = change->offset - pixels->mean * scale;

  for (size_t i = 0; i < height; i++)
  {
    const uint8_t *line = raw + bounded((long) i + down, height) * width * channels;
    float *to = x + i * width * channels;
    for (size_t j = 0; j < width; j++)
    {
      size_t seen = change->flip ? width - 1 - j : j;
      const uint8_t *from = line + bounded((long) seen + right, width) * channels;
      for (size_t c = 0; c < channels; c++)
        to[j * channels + c] = (float) from[c] * scale + offset;
    }
  }
}

/* By any turn and size: each pixel from the four around its place in the source. */
static void
copy_turned(const struct change *change, const struct model_pixels *pixels, const uint8_t *raw,
            float *x)
{
  size_t height = pixels->height, width = pixels->width, channels = pixels->channels;
  double middle_y = 0.5 * (double) (height - 1), middle_x = 0.5 * (double) (width - 1);
  double cosine = cos(change->angle) * change->zoom, sine = sin(change->angle) * change->zoom;
  float scale = pixels->scale * change->gain;
  float offset = change->offset - pixels->mean * scale;

  for (size_t i = 0; i < height; i++)
    for (size_t j = 0; j < width; j++)
    {
      double v = (double) i - middle_y, u = (double) (change->flip ? width - 1 - j : j) - middle_x;
      double from_y = middle_y + cosine * v + sine * u + change->shift_y;
      double from_x = middle_x - sine * v + cosine * u + change->shift_x;
      double low_y = floor(from_y), low_x = floor(from_x);
      float part_y = (float) (from_y - low_y), part_x = (float) (from_x - low_x);
      size_t y0 = bounded((long) low_y, height), y1 = bounded((long) low_y + 1, height);
      size_t x0 = bounded((long) low_x, width), x1 = bounded((long) low_x + 1, width);
      const uint8_t *upper = raw + y0 * width * channels, *lower = raw + y1 * width * channels;
      float *to = x + (i * width + j) * channels;
      for (size_t c = 0; c < channels; c++)
      {
        float a = (float) upper[x0 * channels + c], b = (float) upper[x1 * channels + c];
        float d = (float) lower[x0 * channels + c], e = (float) lower[x1 * channels + c];
        float top = a + (b - a) * part_x, bottom = d + (e - d) * part_x;
        to[c] = (top + (bottom - top) * part_y) * scale + offset;
      }
    }
}

static void
blank(const struct change *change, const struct model_pixels *pixels, float *x)
{
  size_t height = pixels->height, width = pixels->width, channels = pixels->channels;
  long first_y = change->cut_y > 0 ? change->cut_y : 0;
  long first_x = change->cut_x > 0 ? change->cut_x : 0;
  long last_y = change->cut_y + change->cut_side, last_x = change->cut_x + change->cut_side;
  last_y = last_y < (long) height ? last_y : (long) height;
  last_x = last_x < (long) width ? last_x : (long) width;

  for (long i = first_y; i < last_y && first_x < last_x; i++)
    memset(x + ((size_t) i * width + (size_t) first_x) * channels, 0,
           (size_t) (last_x - first_x) * channels * sizeof *x);
}

void
augment_image(const struct augment *augment, const struct model_pixels *pixels, const uint8_t *raw,
              uint64_t seed, uint64_t epoch, uint64_t row, float *x)
{
  struct change change = draw(augment, pixels, seed, epoch, row);

  if (change.angle == 0.0 && change.zoom == 1.0)
    copy_moved(&change, pixels, raw, x);
  else
    copy_turned(&change, pixels, raw, x);
  if (change.cut_side > 0)
    blank(&change, pixels, x);
}

/* ---- mixing ------------------------------------------------------------------------------------------- */

/* Jöhnk's method: with X = U^(1/a), Y = V^(1/a), X/(X+Y) is Beta (a, a) given X + Y ≤ 1. */
double
augment_mix_share(double alpha, uint64_t seed, uint64_t step)
{
  struct rng rng;

  rng_init(&rng, seed, rng_mix(8, step));
  for (int i = 0; i < BETA_TRIES; i++)
  {
    double x = pow(rng_double(&rng), 1.0 / alpha), y = pow(rng_double(&rng), 1.0 / alpha);
    if (x + y <= 1.0 && x + y > 0.0)
      return x / (x + y);
  }
  return 1.0;
}
