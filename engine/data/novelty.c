#include <config.h>

#include "data/novelty_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const double novelty_levels[NOVELTY_LEVELS] = {0.0,  0.1,  0.25, 0.5,   0.75, 0.9,
                                               0.95, 0.98, 0.99, 0.995, 1.0};

struct novelty *
novelty_new(size_t inputs)
{
  struct novelty *made = calloc(1, sizeof *made);

  if (!made)
    return NULL;
  made->arena = arena_new(0);
  if (made->arena)
    made->inputs = arena_array(made->arena, inputs + 1, sizeof *made->inputs);
  if (!made->inputs)
  {
    novelty_free(made);
    return NULL;
  }
  memset(made->inputs, 0, (inputs + 1) * sizeof *made->inputs);
  made->count = inputs;
  return made;
}

void
novelty_free(struct novelty *novelty)
{
  if (!novelty)
    return;
  arena_free(novelty->arena);
  free(novelty);
}

size_t
novelty_rows(const struct novelty *novelty)
{
  return novelty->rows;
}

size_t
novelty_inputs(const struct novelty *novelty)
{
  return novelty->count;
}

bool
novelty_never_missing(const struct novelty *novelty, size_t input)
{
  return !(novelty->inputs[input].missing > 0.0);
}

bool
novelty_range(const struct novelty *novelty, size_t input, double *low, double *high)
{
  *low = novelty->inputs[input].low;
  *high = novelty->inputs[input].high;
  return novelty->inputs[input].is_number;
}

/* ---- distances -------------------------------------------------------------------------------------- */

/* Of what a share of the rows has. */
static double
rarity(const struct novelty *novelty, double share)
{
  double least = 1.0 / ((double) novelty->rows + 1.0);

  return sqrt(2.0 * -log(fmin(fmax(share, least), 1.0)));
}

double
novelty_of_number(const struct novelty *novelty, size_t input, double value)
{
  const struct novelty_input *at = &novelty->inputs[input];

  if (!isfinite(value))
    return rarity(novelty, at->missing);
  if (at->missing >= 1.0)
    return rarity(novelty, 0.0);
  if (!at->is_number || value == at->median)
    return 0.0;
  if (!(at->spread > 0.0))
    return rarity(novelty, 0.0);
  return fmin(fabs(value - at->median) / at->spread, NOVELTY_MOST);
}

static double
of_value(const struct novelty *novelty, size_t input, const struct column *column, size_t row,
         bool unknown)
{
  const struct novelty_input *at = &novelty->inputs[input];

  if (column->number)
    return novelty_of_number(novelty, input, column->number[row]);
  if (!column->code)
    return column->offset[row] == column->offset[row + 1] ? rarity(novelty, at->missing) : 0.0;
  int32_t code = column->code[row];
  if (code < 0)
    return rarity(novelty, unknown ? 0.0 : at->missing);
  return (size_t) code < at->share_count ? rarity(novelty, (double) at->shares[code]) : 0.0;
}

double
novelty_of_all(const double *distances, size_t count)
{
  double sum = 0.0;

  for (size_t i = 0; i < count; i++)
    sum += distances[i] * distances[i];
  return count ? sqrt(sum / (double) count) : 0.0;
}

double
novelty_row(const struct novelty *novelty, const struct table *table, size_t row,
            const bool *unknown, double *distances)
{
  for (size_t i = 0; i < novelty->count; i++)
    distances[i] = of_value(novelty, i, &table->columns[i], row, unknown && unknown[i]);
  return novelty_of_all(distances, novelty->count);
}

double
novelty_farther(const struct novelty *novelty, double distance)
{
  const double *at = novelty->distances;
  size_t i = 0;

  while (i < NOVELTY_LEVELS && at[i] < distance)
    i++;
  if (i == 0)
    return 1.0;
  if (i == NOVELTY_LEVELS)
    return 0.0;
  double share = (distance - at[i - 1]) / (at[i] - at[i - 1]);
  return 1.0 - novelty_levels[i - 1] - share * (novelty_levels[i] - novelty_levels[i - 1]);
}

/* ---- images ----------------------------------------------------------------------------------------- */

const char *
novelty_image_name(size_t input)
{
  static const char *const names[NOVELTY_IMAGE_INPUTS] = {"brightness", "contrast", "detail",
                                                          "colour"};

  return input < NOVELTY_IMAGE_INPUTS ? names[input] : "";
}

/* Sum of absolute differences of `count` bytes and those `step` further on. */
static uint64_t
differences(const uint8_t *bytes, size_t count, size_t step)
{
  uint64_t sum = 0;

  for (size_t i = 0; i < count; i++)
    sum += (uint64_t) abs((int) bytes[i + step] - (int) bytes[i]);
  return sum;
}

void
novelty_image_values(const uint8_t *pixels, size_t height, size_t width, size_t channels,
                     double *values)
{
  size_t line = width * channels, bytes = height * line, pairs = 0;
  uint64_t sum = 0, square = 0, difference = 0, range = 0;

  for (size_t i = 0; i < bytes; i++)
  {
    sum += pixels[i];
    square += (uint64_t) pixels[i] * pixels[i];
  }
  for (size_t y = 0; y < height; y++)
  {
    difference += differences(pixels + y * line, line - channels, channels);
    pairs += line - channels;
  }
  if (height > 1)
  {
    difference += differences(pixels, bytes - line, line);
    pairs += bytes - line;
  }
  for (size_t i = 0; channels >= 3 && i < bytes; i += channels)
  {
    uint8_t least = pixels[i], most = pixels[i];
    for (size_t c = 1; c < 3; c++)
    {
      least = pixels[i + c] < least ? pixels[i + c] : least;
      most = pixels[i + c] > most ? pixels[i + c] : most;
    }
    range += (uint64_t) most - least;
  }
  double count = bytes ? (double) bytes : 1.0, mean = (double) sum / count;
  values[0] = mean;
  values[1] = sqrt(fmax((double) square / count - mean * mean, 0.0));
  values[2] = pairs ? (double) difference / (double) pairs : 0.0;
  values[3] = (double) range / (count / (double) (channels ? channels : 1));
}

double
novelty_image(const struct novelty *novelty, const double *values, double *distances)
{
  for (size_t i = 0; i < novelty->count; i++)
    distances[i] = novelty_of_number(novelty, i, values[i]);
  return novelty_of_all(distances, novelty->count);
}
