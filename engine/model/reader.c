#include <config.h>

#include "model/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

const unsigned char *
reader_bytes(struct reader *reader, uint64_t length)
{
  const unsigned char *here = reader->bytes;

  if (reader->failed || length > reader->left)
  {
    reader->failed = true;
    return NULL;
  }
  reader->bytes += length;
  reader->left -= (size_t) length;
  return here;
}

static uint64_t
little_endian(struct reader *reader, size_t width)
{
  const unsigned char *bytes = reader_bytes(reader, width);
  uint64_t value = 0;

  for (size_t i = width; bytes && i-- > 0;)
    value = value << 8 | bytes[i];
  return value;
}

uint32_t
reader_u32(struct reader *reader)
{
  return (uint32_t) little_endian(reader, 4);
}

uint64_t
reader_u64(struct reader *reader)
{
  return little_endian(reader, 8);
}

uint32_t *
reader_words(struct reader *reader, uint64_t count)
{
  uint32_t *words;

  if (reader->failed || count > reader->left / 4)
  {
    reader->failed = true;
    return NULL;
  }
  words = malloc(count ? (size_t) count * 4 : 1);
  if (!words)
  {
    reader->failed = true;
    return NULL;
  }
  for (size_t i = 0; i < count; i++)
    words[i] = reader_u32(reader);
  return words;
}

float *
reader_floats(struct reader *reader, uint64_t count)
{
  uint32_t *words = reader_words(reader, count);
  float *floats = words ? aligned_alloc(64, ((size_t) count * 4 + 64) / 64 * 64) : NULL;

  if (!floats)
  {
    reader->failed = true;
    free(words);
    return NULL;
  }
  memcpy(floats, words, (size_t) count * 4);
  free(words);
  for (size_t i = 0; i < count; i++)
    if (!isfinite(floats[i]))
    {
      reader->failed = true;
      free(floats);
      return NULL;
    }
  return floats;
}

void
writer_words(struct buf *out, const uint32_t *words, size_t count)
{
  for (size_t i = 0; i < count; i++)
    buf_append_u32(out, words[i]);
}

void
writer_floats(struct buf *out, const float *floats, size_t count)
{
  for (size_t i = 0; i < count; i++)
  {
    uint32_t word;
    memcpy(&word, floats + i, sizeof word);
    buf_append_u32(out, word);
  }
}
