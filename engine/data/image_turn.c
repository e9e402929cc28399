#include <config.h>

#include "data/image_internal.h"

#include <string.h>

/* The Exif standard (CIPA DC-008, 4.6.2 and 4.6.4 A): a TIFF header, then the directory it points to, of
 * entries of 12 bytes. Every offset is the file's word only. */
#define TAG_ORIENTATION 0x0112u
#define TYPE_SHORT 3u
#define HEADER_BYTES 8u
#define ENTRY_BYTES 12u

static unsigned
read_u16(const unsigned char *at, bool big)
{
  return big ? (unsigned) at[0] << 8 | at[1] : (unsigned) at[1] << 8 | at[0];
}

static uint32_t
read_u32(const unsigned char *at, bool big)
{
  uint32_t first = read_u16(at, big), second = read_u16(at + 2, big);
  return big ? first << 16 | second : second << 16 | first;
}

unsigned
image_exif_orientation(const unsigned char *block, size_t length)
{
  if (length < HEADER_BYTES + 2)
    return 1;
  bool big = memcmp(block, "MM\0*", 4) == 0;
  if (!big && memcmp(block, "II*\0", 4) != 0)
    return 1;
  size_t at = read_u32(block + 4, big);
  if (at > length - 2)
    return 1;
  size_t count = read_u16(block + at, big);
  at += 2;
  for (size_t i = 0; i < count && length - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES)
    if (read_u16(block + at, big) == TAG_ORIENTATION)
    {
      unsigned value = read_u16(block + at + 8, big);
      bool good = read_u16(block + at + 2, big) == TYPE_SHORT && read_u32(block + at + 4, big) == 1
                  && value >= 1 && value <= 8;
      return good ? value : 1;
    }
  return 1;
}

bool
image_turns_sides(unsigned orientation)
{
  return orientation >= 5;
}

void
image_turn(const uint8_t *pixels, size_t height, size_t width, size_t channels,
           unsigned orientation, uint8_t *out)
{
  /* Which corner of the stored image is seen at the top left. */
  bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  bool across = image_turns_sides(orientation);
  size_t seen_height = across ? width : height, seen_width = across ? height : width;
  for (size_t y = 0; y < seen_height; y++)
    for (size_t x = 0; x < seen_width; x++)
    {
      size_t row = across ? x : y, column = across ? y : x;
      const uint8_t *pixel = pixels
                             + ((from_below ? height - 1 - row : row) * width
                                + (from_right ? width - 1 - column : column))
                                 * channels;
      for (size_t c = 0; c < channels; c++)
        *out++ = pixel[c];
    }
}
