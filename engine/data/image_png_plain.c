#include <config.h>

#include "data/image_internal.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/simd.h"

#define SIGNATURE_BYTES ((size_t) 8)
#define HEAD_BYTES ((size_t) 8)   /* of a chunk: length and name */
#define CHUNK_BYTES ((size_t) 12) /* with its check sum */
#define IHDR_BYTES ((size_t) 13)
#define IHDR_END (SIGNATURE_BYTES + CHUNK_BYTES + IHDR_BYTES)
/* Lines are inflated here when they fit; what zlib asks for an inflation without a window, and more. */
#define SMALL_BYTES ((size_t) 8192)
#define ZLIB_BYTES ((size_t) 16384)

static uint32_t
read_u32(const unsigned char *at)
{
  return (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
}

/* Whether a chunk of that name lies at `at`, whole and with the right check sum. */
static bool
is_chunk(const unsigned char *bytes, size_t length, size_t at, const char *name, size_t *content)
{
  if (at > length || length - at < CHUNK_BYTES || memcmp(bytes + at + 4, name, 4) != 0)
    return false;
  *content = read_u32(bytes + at);
  if (*content > length - at - CHUNK_BYTES)
    return false;
  return (uint32_t) crc32_z(crc32_z(0, NULL, 0), bytes + at + 4, 4 + *content)
         == read_u32(bytes + at + HEAD_BYTES + *content);
}

/* Where the chunk of pixels begins, behind chunks that say nothing of their values; 0 when another one is in
 * the way. */
static size_t
find_pixels(const unsigned char *bytes, size_t length)
{
  static const char passed[][5] = {"sRGB", "pHYs", "tEXt", "tIME"};
  size_t at = IHDR_END, content;

  while (length > at && length - at >= CHUNK_BYTES && memcmp(bytes + at + 4, "IDAT", 4) != 0)
  {
    bool known = false;
    for (size_t i = 0; !known && i < sizeof passed / sizeof passed[0]; i++)
      known = is_chunk(bytes, length, at, passed[i], &content);
    if (!known)
      return 0;
    at += CHUNK_BYTES + content;
  }
  return length > at && length - at >= CHUNK_BYTES ? at : 0;
}

bool
image_png_plain_look(const unsigned char *bytes, size_t length, struct image_stored *stored)
{
  const unsigned char *header = bytes + SIGNATURE_BYTES + HEAD_BYTES;
  size_t content;

  if (!is_chunk(bytes, length, SIGNATURE_BYTES, "IHDR", &content) || content != IHDR_BYTES
      || find_pixels(bytes, length) == 0)
    return false;
  uint32_t width = read_u32(header), height = read_u32(header + 4);
  unsigned depth = header[8], colour = header[9];
  /* then the ways of compression, filters and order: there is one each but for interlaced images */
  if (depth != 8 || (colour != 0 && colour != 2) || header[10] || header[11] || header[12]
      || width == 0 || height == 0 || width > IMAGE_SIDE_MAX || height > IMAGE_SIDE_MAX)
    return false;
  stored->height = stored->image.height = height;
  stored->width = stored->image.width = width;
  stored->image.channels = colour == 2 ? 3 : 1;
  return true;
}

/* Memory for one inflation, given out once and never taken back. */
struct pool
{
  _Alignas(max_align_t) unsigned char bytes[ZLIB_BYTES];
  size_t used;
};

static voidpf
take(voidpf opaque, uInt items, uInt size)
{
  struct pool *pool = opaque;
  size_t bytes = ((size_t) items * size + 15) / 16 * 16;

  if (bytes > sizeof pool->bytes - pool->used)
    return Z_NULL;
  pool->used += bytes;
  return pool->bytes + pool->used - bytes;
}

static void
give(voidpf opaque, voidpf bytes)
{
  (void) opaque;
  (void) bytes;
}

/* out (count) ← exactly as many bytes; false for fewer, more, or a damaged stream. */
static bool
inflate_all(const unsigned char *packed, size_t length, unsigned char *out, size_t count)
{
  struct pool pool;
  z_stream stream;

  pool.used = 0;
  memset(&stream, 0, sizeof stream);
  stream.zalloc = take;
  stream.zfree = give;
  stream.opaque = &pool;
  stream.next_in = (z_const Bytef *) (uintptr_t) packed;
  stream.avail_in = (uInt) length;
  stream.next_out = out;
  stream.avail_out = (uInt) count;
  if (length > UINT32_MAX || count > UINT32_MAX || inflateInit(&stream) != Z_OK)
    return false;
  int end = inflate(&stream, Z_FINISH);
  return end == Z_STREAM_END && stream.avail_out == 0 && stream.avail_in == 0;
}

/* ---- filters ---------------------------------------------------------------------------------------- */

/* Of the bytes to the left, above, and above to the left, the one nearest to left + above − both (PNG 1.2, 6.6). */
static SIMD_INLINE int
paeth(int left, int above, int corner)
{
  int from_left = abs(above - corner), from_above = abs(left - corner);
  int from_corner = abs(left + above - 2 * corner);

  if (from_left <= from_above && from_left <= from_corner)
    return left;
  return from_above <= from_corner ? above : corner;
}

/* What a byte was told as the difference from. */
static SIMD_INLINE int
guess(unsigned filter, int left, int above, int corner)
{
  switch (filter)
  {
  case 1:
    return left;
  case 2:
    return above;
  case 3:
    return (left + above) / 2;
  case 4:
    return paeth(left, above, corner);
  default:
    return 0;
  }
}

/* out (count) ← a line's bytes; above is NULL for the first one. Inlined for each filter. */
static SIMD_INLINE void
unfilter_by(unsigned filter, const unsigned char *line, const uint8_t *above, size_t count,
            size_t channels, uint8_t *out)
{
  for (size_t i = 0; i < count; i++)
  {
    int left = i >= channels ? out[i - channels] : 0, up = above ? above[i] : 0;
    int corner = above && i >= channels ? above[i - channels] : 0;
    out[i] = (uint8_t) (line[i] + guess(filter, left, up, corner));
  }
}

static void
unfilter(unsigned filter, const unsigned char *line, const uint8_t *above, size_t count,
         size_t channels, uint8_t *out)
{
  if (filter == 1)
    unfilter_by(1, line, above, count, channels, out);
  else if (filter == 2)
    unfilter_by(2, line, above, count, channels, out);
  else if (filter == 3)
    unfilter_by(3, line, above, count, channels, out);
  else if (filter == 4)
    unfilter_by(4, line, above, count, channels, out);
  else
    memcpy(out, line, count);
}

static bool
unfilter_all(const unsigned char *lines, const struct image *image)
{
  size_t count = image->width * image->channels;
  const uint8_t *above = NULL;

  for (size_t y = 0; y < image->height; y++, lines += count + 1)
  {
    uint8_t *out = image->pixels + y * count;
    if (lines[0] > 4)
      return false;
    unfilter(lines[0], lines + 1, above, count, image->channels, out);
    above = out;
  }
  return true;
}

bool
image_png_plain_decode(const unsigned char *bytes, size_t length, const struct image *image)
{
  unsigned char small[SMALL_BYTES], *lines = small;
  size_t from = find_pixels(bytes, length), content,
         count = image->height * (image->width * image->channels + 1);
  bool good;

  /* anything that follows the pixels but the end, or lies between them, is for a full reader to judge */
  if (from == 0 || !is_chunk(bytes, length, from, "IDAT", &content))
    return false;
  size_t at = from + CHUNK_BYTES + content, rest;
  if (!is_chunk(bytes, length, at, "IEND", &rest) || rest != 0)
    return false;
  if (count > sizeof small && !(lines = malloc(count)))
    return false;
  good =
    inflate_all(bytes + from + HEAD_BYTES, content, lines, count) && unfilter_all(lines, image);
  if (lines != small)
    free(lines);
  return good;
}
