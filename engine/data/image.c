#include <config.h>

#include "data/image.h"

#include <stdlib.h>
#include <string.h>

#include "data/image_internal.h"

static bool
is_png(const void *bytes, size_t length)
{
  return length >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static bool
is_jpeg(const void *bytes, size_t length)
{
  return length >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

bool
image_is_known(const void *bytes, size_t length)
{
  return is_png(bytes, length) || is_jpeg(bytes, length);
}

void
image_free(struct image *image)
{
  free(image->pixels);
  image->pixels = NULL;
}

enum err
image_check_size(const struct image *image, size_t max_pixels, struct err_info *info)
{
  if (image->height == 0 || image->width == 0)
    return err_set(info, ERR_INVALID, "the image has no pixels");
  if (image->height > IMAGE_SIDE_MAX || image->width > IMAGE_SIDE_MAX
      || image->height > max_pixels / image->width)
    return err_set(info, ERR_LIMIT, "the image has %zu x %zu pixels; at most %zu pixels are taken",
                   image->width, image->height, max_pixels);
  return ERR_OK;
}

enum err
image_allocate(struct image *image, struct err_info *info)
{
  image->pixels = malloc(image->height * image->width * image->channels);
  return image->pixels ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory for an image");
}

enum err
image_look(const void *bytes, size_t length, struct image *head, struct err_info *info)
{
  struct image_stored stored = {.divisor = 1, .orientation = 1};
  enum err rc;

  if (is_png(bytes, length))
    rc = image_png_look(bytes, length, &stored, info);
  else if (is_jpeg(bytes, length))
    rc = image_jpeg_look(bytes, length, &stored, info);
  else
    rc = err_set(info, ERR_INVALID, "this is neither a PNG nor a JPEG");
  *head = stored.image;
  if (rc == ERR_OK && image_turns_sides(stored.orientation))
  {
    head->height = stored.width;
    head->width = stored.height;
  }
  return rc;
}

enum err
image_probe(const void *bytes, size_t length, size_t *height, size_t *width, struct err_info *info)
{
  struct image head;
  enum err rc = image_look(bytes, length, &head, info);

  *height = head.height;
  *width = head.width;
  return rc;
}

/* At least of the size that is wanted, if it is that large. */
static enum err
decode_stored(const void *bytes, size_t length, size_t max_pixels, const struct image_want *want,
              struct image_stored *stored, struct err_info *info)
{
  *stored = (struct image_stored){.divisor = 1, .orientation = 1};
  if (is_png(bytes, length))
    return image_png_decode(bytes, length, max_pixels, stored, info);
  if (is_jpeg(bytes, length))
    return image_jpeg_decode(bytes, length, max_pixels, want, stored, info);
  return err_set(info, ERR_INVALID, "this is neither a PNG nor a JPEG");
}

enum err
image_decode(const void *bytes, size_t length, size_t max_pixels, struct image *image,
             struct err_info *info)
{
  static const struct image_want whole = {0, 0};
  struct image_stored stored;
  enum err rc = decode_stored(bytes, length, max_pixels, &whole, &stored, info);

  *image = stored.image;
  if (rc != ERR_OK || stored.orientation == 1)
    return rc;
  if (image_turns_sides(stored.orientation))
  {
    image->height = stored.width;
    image->width = stored.height;
  }
  rc = image_allocate(image, info);
  if (rc == ERR_OK)
    image_turn(stored.image.pixels, stored.height, stored.width, image->channels,
               stored.orientation, image->pixels);
  image_free(&stored.image);
  return rc;
}

/* Turned after it is fitted, when it is small: the means are exact, so that the order makes no difference. */
static enum err
fit_turned(const struct image_stored *stored, size_t height, size_t width, size_t channels,
           uint8_t *out, struct err_info *info)
{
  bool across = image_turns_sides(stored->orientation);
  size_t lying_height = across ? width : height, lying_width = across ? height : width;
  if (stored->orientation == 1)
    return image_fit_stored(stored, height, width, channels, out, info);
  uint8_t *fitted = calloc(height * width, channels);
  if (!fitted)
    return err_set(info, ERR_MEMORY, "out of memory for an image");
  enum err rc = image_fit_stored(stored, lying_height, lying_width, channels, fitted, info);
  if (rc == ERR_OK)
    image_turn(fitted, lying_height, lying_width, channels, stored->orientation, out);
  free(fitted);
  return rc;
}

enum err
image_load(const void *bytes, size_t length, size_t max_pixels, size_t height, size_t width,
           size_t channels, uint8_t *out, struct err_info *info)
{
  struct image_want want = {height, width};
  struct image_stored stored;
  enum err rc = image_check_fit(height, width, channels, info);

  if (rc != ERR_OK)
    return rc;
  rc = decode_stored(bytes, length, max_pixels, &want, &stored, info);
  if (rc == ERR_OK)
    rc = fit_turned(&stored, height, width, channels, out, info);
  image_free(&stored.image);
  return rc;
}
