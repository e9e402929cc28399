#include <config.h>

#include "data/png.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define PNG_MAX_SIDE 4096

static void
put_big_endian(unsigned char *to, uint32_t value)
{
  for (int i = 0; i < 4; i++)
    to[i] = (unsigned char) (value >> (24 - 8 * i));
}

static void
append_chunk(struct buf *out, const char *type, const unsigned char *data, size_t length)
{
  unsigned char number[4];
  put_big_endian(number, (uint32_t) length);
  buf_append(out, number, 4);
  buf_append(out, type, 4);
  buf_append(out, data, length);
  uLong crc = crc32(0, (const Bytef *) type, 4);
  if (length > 0)
    crc = crc32(crc, data, (uInt) length);
  put_big_endian(number, (uint32_t) crc);
  buf_append(out, number, 4);
}

enum err
png_write(const uint8_t *pixels, size_t height, size_t width, size_t channels, struct buf *out)
{
  static const unsigned char color_types[] = {0, 0, 4, 2, 6}; /* by number of channels */
  if (height == 0 || width == 0 || height > PNG_MAX_SIDE || width > PNG_MAX_SIDE || channels == 0
      || channels > 4)
    return ERR_INVALID;
  size_t row = width * channels, raw_length = height * (row + 1);
  uLongf packed_length = compressBound((uLong) raw_length);
  unsigned char *raw = malloc(raw_length), *packed = malloc(packed_length);
  enum err err = ERR_MEMORY;
  if (raw != NULL && packed != NULL)
  {
    for (size_t y = 0; y < height; y++)
    {
      raw[y * (row + 1)] = 0; /* no filter */
      memcpy(raw + y * (row + 1) + 1, pixels + y * row, row);
    }
    if (compress2(packed, &packed_length, raw, (uLong) raw_length, 6) == Z_OK)
    {
      unsigned char head[13] = {0};
      put_big_endian(head, (uint32_t) width);
      put_big_endian(head + 4, (uint32_t) height);
      head[8] = 8;
      head[9] = color_types[channels];
      buf_append(out, "\x89PNG\r\n\x1a\n", 8);
      append_chunk(out, "IHDR", head, sizeof head);
      append_chunk(out, "IDAT", packed, packed_length);
      append_chunk(out, "IEND", NULL, 0);
      err = out->failed ? ERR_MEMORY : ERR_OK;
    }
  }
  free(packed);
  free(raw);
  return err;
}
