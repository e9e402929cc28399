#include <config.h>

#include "data/image_census.h"

#include <stdlib.h>

enum err
image_census_add(struct image_census *census, size_t height, size_t width, size_t channels)
{
  if (census->count == census->capacity)
  {
    size_t capacity = census->capacity > 0 ? 2 * census->capacity : 1024;
    uint16_t *heights = reallocarray(census->heights, capacity, sizeof *heights);
    if (heights != NULL)
      census->heights = heights;
    uint16_t *widths = reallocarray(census->widths, capacity, sizeof *widths);
    if (widths != NULL)
      census->widths = widths;
    if (heights == NULL || widths == NULL)
      return ERR_MEMORY;
    census->capacity = capacity;
  }
  census->heights[census->count] = (uint16_t) height;
  census->widths[census->count] = (uint16_t) width;
  if (census->count == 0 || height * width < census->small_height * census->small_width)
  {
    census->small_height = height;
    census->small_width = width;
  }
  if (census->count == 0 || height * width > census->large_height * census->large_width)
  {
    census->large_height = height;
    census->large_width = width;
  }
  census->count++;
  census->colour = census->colour || channels == 3;
  return ERR_OK;
}

static int
compare_sides(const void *a, const void *b)
{
  return (int) *(const uint16_t *) a - (int) *(const uint16_t *) b;
}

static size_t
median(uint16_t *sides, size_t count)
{
  if (count == 0)
    return IMAGE_SIDE_LEAST;
  qsort(sides, count, sizeof *sides, compare_sides);
  return sides[count / 2];
}

void
image_census_settle(struct image_census *census, size_t wanted_height, size_t wanted_width,
                    size_t *height, size_t *width, size_t *channels)
{
  *channels = census->colour ? 3 : 1;
  *height = wanted_height;
  *width = wanted_width;
  if (wanted_height > 0 && wanted_width > 0)
    return;
  size_t high = median(census->heights, census->count);
  size_t wide = median(census->widths, census->count);
  size_t longer = high > wide ? high : wide;
  if (longer > IMAGE_SIDE_DEFAULT)
  {
    high = (high * IMAGE_SIDE_DEFAULT + longer / 2) / longer;
    wide = (wide * IMAGE_SIDE_DEFAULT + longer / 2) / longer;
  }
  *height = high < IMAGE_SIDE_LEAST ? IMAGE_SIDE_LEAST : high;
  *width = wide < IMAGE_SIDE_LEAST ? IMAGE_SIDE_LEAST : wide;
}

bool
image_census_differs(const struct image_census *census, size_t height, size_t width)
{
  for (size_t i = 0; i < census->count; i++)
    if (census->heights[i] != height || census->widths[i] != width)
      return true;
  return false;
}

void
image_census_free(struct image_census *census)
{
  free(census->heights);
  free(census->widths);
  *census = (struct image_census){0};
}
