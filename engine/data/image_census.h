/* The sizes of many images, and the one size all of them get.
 *
 * Rule: as many pixels high and wide as the median image, at most IMAGE_SIDE_DEFAULT on the longer side (the
 * other in proportion) and at least IMAGE_SIDE_LEAST on each; 3 channels if any image has colour, else 1.
 * Owns its counts. One thread.
 */
#ifndef ATTUNE_DATA_IMAGE_CENSUS_H
#define ATTUNE_DATA_IMAGE_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define IMAGE_SIDE_DEFAULT 224u
#define IMAGE_SIDE_LEAST 8u

struct image_census
{
  uint16_t *heights, *widths;
  size_t count, capacity;
  bool colour;
  size_t small_height, small_width, large_height, large_width; /* fewest and most pixels */
};

/* Counts one image; its sides are 65,535 or less. */
enum err image_census_add(struct image_census *census, size_t height, size_t width,
                          size_t channels);

/* The common size; a wanted height and width (0 = none) win over the rule. The counts are sorted. */
void image_census_settle(struct image_census *census, size_t wanted_height, size_t wanted_width,
                         size_t *height, size_t *width, size_t *channels);

/* Whether any image is of another size. */
bool image_census_differs(const struct image_census *census, size_t height, size_t width);

void image_census_free(struct image_census *census);

#endif
