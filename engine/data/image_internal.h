/* Private to the sources of image.h: one format each, and what both need.
 */
#ifndef ATTUNE_DATA_IMAGE_INTERNAL_H
#define ATTUNE_DATA_IMAGE_INTERNAL_H

#include "data/image.h"

/* Neither format can hold more in a legal file, and it keeps every product far from overflow. */
#define IMAGE_SIDE_MAX 65500u

/* An image as its file holds it, but perhaps decoded smaller: each pixel stands for divisor x divisor ones, of
 * which the last may lie outside. */
struct image_stored
{
  struct image image;
  size_t height, width;
  size_t divisor;
  unsigned orientation; /* 1 to 8: how it is to be turned, by the Exif standard */
};

/* The size an image is wanted in, as it is seen; 0 = its own. */
struct image_want
{
  size_t height, width;
};

/* ERR_INVALID for a size without pixels, ERR_LIMIT for one above max_pixels. */
enum err image_check_size(const struct image *image, size_t max_pixels, struct err_info *info);
/* Pixels for an image whose size is checked. */
enum err image_allocate(struct image *image, struct err_info *info);

/* Whether pixels of this size can be made: image_fit's fault. */
enum err image_check_fit(size_t height, size_t width, size_t channels, struct err_info *info);

/* image_fit of an image as it is stored, without turning it. */
enum err image_fit_stored(const struct image_stored *stored, size_t height, size_t width,
                          size_t channels, uint8_t *out, struct err_info *info);

/* The heads and the pixels of the two formats. A JPEG is decoded smaller where what is wanted allows it. */
enum err image_png_look(const void *bytes, size_t length, struct image_stored *head,
                        struct err_info *info);
enum err image_png_decode(const void *bytes, size_t length, size_t max_pixels,
                          struct image_stored *stored, struct err_info *info);

/* The most common PNGs without libpng's preparations, which cost several times as much as the pixels of a small
 * one: 8 bits of grey or RGB, not interlaced, all in one chunk that the end follows, and no chunk about their
 * colours. The head, or the pixels into memory of its size; the same as libpng's. False for any other file, and
 * for one with a fault: libpng is to read it, or to say what is wrong. What was written by then means nothing. */
bool image_png_plain_look(const unsigned char *bytes, size_t length, struct image_stored *stored);
bool image_png_plain_decode(const unsigned char *bytes, size_t length, const struct image *image);

enum err image_jpeg_look(const void *bytes, size_t length, struct image_stored *head,
                         struct err_info *info);
enum err image_jpeg_decode(const void *bytes, size_t length, size_t max_pixels,
                           const struct image_want *want, struct image_stored *stored,
                           struct err_info *info);

/* The orientation an Exif block (from its byte order on) tells of its image; 1 where it tells none, or is
 * damaged. */
unsigned image_exif_orientation(const unsigned char *block, size_t length);

/* Whether the seen image lies across the stored one. */
bool image_turns_sides(unsigned orientation);

/* out ← the stored pixels (height, width, channels) as they are to be seen. */
void image_turn(const uint8_t *pixels, size_t height, size_t width, size_t channels,
                unsigned orientation, uint8_t *out);

#endif
