#include <config.h>

#include "data/image_internal.h"

#include <string.h>

#include <png.h>
#include <zlib.h>

#define SIGNATURE_BYTES ((size_t) 8)
#define CHUNK_BYTES ((size_t) 12) /* length, name and check sum */
#define HEAD_BYTES ((size_t) 8)   /* length and name */

static uint32_t
read_u32(const unsigned char *at)
{
  return (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
}

/* The interface of libpng used here passes Exif blocks over. They may come after the pixels, too. */
static unsigned
find_orientation(const unsigned char *bytes, size_t length)
{
  size_t at = SIGNATURE_BYTES;
  while (length - at >= CHUNK_BYTES)
  {
    size_t content = read_u32(bytes + at);
    const unsigned char *name = bytes + at + 4;
    if (content > length - at - CHUNK_BYTES || memcmp(name, "IEND", 4) == 0)
      return 1;
    if (memcmp(name, "eXIf", 4) == 0)
      return crc32_z(crc32_z(0, NULL, 0), name, 4 + content) == read_u32(name + 4 + content)
               ? image_exif_orientation(name + 4, content)
               : 1;
    at += CHUNK_BYTES + content;
  }
  return 1;
}

/* Whether every chunk lies within the file, as far as its chunks can be followed. libpng asks for memory by
 * what a chunk says of its length, before it reads the chunk. */
static bool
chunks_fit(const unsigned char *bytes, size_t length)
{
  for (size_t at = SIGNATURE_BYTES; at < length && length - at >= HEAD_BYTES;)
  {
    size_t content = read_u32(bytes + at), left = length - at;
    if (memcmp(bytes + at + 4, "IEND", 4) == 0)
      return content <= left;
    if (left < CHUNK_BYTES || content > left - CHUNK_BYTES)
      return false;
    at += CHUNK_BYTES + content;
  }
  return true;
}

static enum err
fault(png_image *png, struct err_info *info)
{
  enum err rc = err_set(info, ERR_INVALID, "the PNG can't be read: %s", png->message);
  png_image_free(png);
  return rc;
}

static enum err
begin(const void *bytes, size_t length, png_image *png, struct image_stored *stored,
      struct err_info *info)
{
  memset(png, 0, sizeof *png);
  png->version = PNG_IMAGE_VERSION;
  if (!chunks_fit(bytes, length))
    return err_set(info, ERR_INVALID, "the PNG can't be read: it ends in the middle of a chunk");
  if (!png_image_begin_read_from_memory(png, bytes, length))
    return fault(png, info);
  stored->height = stored->image.height = png->height;
  stored->width = stored->image.width = png->width;
  stored->image.channels = png->format & PNG_FORMAT_FLAG_COLOR ? 3 : 1;
  stored->orientation = find_orientation(bytes, length);
  return ERR_OK;
}

enum err
image_png_look(const void *bytes, size_t length, struct image_stored *head, struct err_info *info)
{
  png_image png;

  if (chunks_fit(bytes, length) && image_png_plain_look(bytes, length, head))
  {
    head->orientation = find_orientation(bytes, length);
    return ERR_OK;
  }
  enum err rc = begin(bytes, length, &png, head, info);
  if (rc == ERR_OK)
    png_image_free(&png);
  return rc;
}

/* ERR_NOT_FOUND for what is left to libpng. */
static enum err
decode_plain(const void *bytes, size_t length, size_t max_pixels, struct image_stored *stored,
             struct err_info *info)
{
  struct image *image = &stored->image;

  if (!image_png_plain_look(bytes, length, stored))
    return ERR_NOT_FOUND;
  enum err rc = image_check_size(image, max_pixels, info);
  if (rc == ERR_OK)
    rc = image_allocate(image, info);
  if (rc != ERR_OK || image_png_plain_decode(bytes, length, image))
    return rc;
  image_free(image);
  return ERR_NOT_FOUND;
}

enum err
image_png_decode(const void *bytes, size_t length, size_t max_pixels, struct image_stored *stored,
                 struct err_info *info)
{
  static const png_color white = {255, 255, 255};
  struct image *image = &stored->image;
  png_image png;
  enum err rc = decode_plain(bytes, length, max_pixels, stored, info);

  if (rc != ERR_NOT_FOUND)
    return rc;
  rc = begin(bytes, length, &png, stored, info);
  if (rc != ERR_OK)
    return rc;
  rc = image_check_size(image, max_pixels, info);
  if (rc == ERR_OK)
    rc = image_allocate(image, info);
  if (rc != ERR_OK)
  {
    png_image_free(&png);
    return rc;
  }
  png.format = image->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  if (png_image_finish_read(&png, &white, image->pixels,
                            (png_int_32) (image->width * image->channels), NULL))
    return ERR_OK;
  image_free(image);
  return fault(&png, info);
}
