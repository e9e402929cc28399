/* PNG and JPEG in memory to pixels, and pixels to the size a model wants.
 *
 * The size in the header is checked before anything is decoded. Pixels come out as 8-bit grey or RGB;
 * transparent parts are put on white; CMYK is refused. Images come out as they are to be seen: turned and
 * mirrored as the Exif block of a JPEG or PNG says (TIFF tag 274); every size told is that after turning. A
 * block that is damaged turns nothing. Decoding and resizing are deterministic. No state; any thread. Not for
 * writing images.
 */
#ifndef ATTUNE_DATA_IMAGE_H
#define ATTUNE_DATA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct image
{
  size_t height, width, channels; /* 1 = grey, 3 = RGB */
  uint8_t *pixels;                /* (height, width, channels) */
};

/* Whether the bytes begin as a PNG or a JPEG does. */
bool image_is_known(const void *bytes, size_t length);

/* Height and width from the header alone. ERR_INVALID when it is neither a PNG nor a JPEG, or damaged. */
enum err image_probe(const void *bytes, size_t length, size_t *height, size_t *width,
                     struct err_info *info);

/* The same with the channels image_decode would give; `head->pixels` is NULL. */
enum err image_look(const void *bytes, size_t length, struct image *head, struct err_info *info);

/* Decodes an image of at most max_pixels pixels (width × height): ERR_LIMIT above, ERR_INVALID when
 * damaged or cut off. Free with image_free. */
enum err image_decode(const void *bytes, size_t length, size_t max_pixels, struct image *image,
                      struct err_info *info);
void image_free(struct image *image);

/* out (height, width, channels) ← the image. Each pixel is the mean of the area it covers (the aspect ratio is
 * not kept), with fractional edges, exact and rounded half up; sizes that are equal copy exactly. Colour becomes
 * grey by 0.299 R + 0.587 G + 0.114 B, grey becomes colour by repetition. channels is 1 or 3. */
enum err image_fit(const struct image *image, size_t height, size_t width, size_t channels,
                   uint8_t *out, struct err_info *info);

/* From a file to pixels of a wanted size: what datasets and predictions are both made by. As image_decode, then
 * image_fit, with the same errors; but a JPEG of at least 2, 4 or 8 times the size on both sides is decoded at a
 * half, a quarter or an eighth by its frequencies, which is faster by far and differs from the mean of its
 * pixels by a few levels where they change sharply. */
enum err image_load(const void *bytes, size_t length, size_t max_pixels, size_t height,
                    size_t width, size_t channels, uint8_t *out, struct err_info *info);

#endif
