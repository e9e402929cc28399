#include <config.h>

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
buf_reserve(struct buf *buf, size_t extra)
{
  if (buf->failed)
    return false;
  size_t need;
  if (__builtin_add_overflow(buf->length, extra, &need)
      || __builtin_add_overflow(need, (size_t) 1, &need))
  {
    buf->failed = true;
    return false;
  }
  if (need <= buf->capacity)
    return true;
  size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
  while (capacity < need)
    capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
  char *data = realloc(buf->data, capacity);
  if (!data)
  {
    buf->failed = true;
    return false;
  }
  buf->data = data;
  buf->capacity = capacity;
  return true;
}

void
buf_append(struct buf *buf, const void *bytes, size_t length)
{
  if (!buf_reserve(buf, length))
    return;
  if (length > 0)
    memcpy(buf->data + buf->length, bytes, length);
  buf->length += length;
  buf->data[buf->length] = '\0';
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  va_list again;
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (length < 0)
    buf->failed = true;
  else if (buf_reserve(buf, (size_t) length))
  {
    vsnprintf(buf->data + buf->length, (size_t) length + 1, format, again);
    buf->length += (size_t) length;
  }
  va_end(again);
}

static void
append_little_endian(struct buf *buf, uint64_t value, size_t bytes)
{
  unsigned char out[8];
  for (size_t i = 0; i < bytes; i++)
    out[i] = (unsigned char) (value >> (8 * i));
  buf_append(buf, out, bytes);
}

void
buf_append_u32(struct buf *buf, uint32_t value)
{
  append_little_endian(buf, value, 4);
}

void
buf_append_u64(struct buf *buf, uint64_t value)
{
  append_little_endian(buf, value, 8);
}

char *
buf_take(struct buf *buf, size_t *length)
{
  char *data = NULL;
  size_t taken = 0;
  /* an empty buffer still gives a valid, NUL-ended text */
  if (buf_reserve(buf, 0))
  {
    data = buf->data;
    taken = buf->length;
    data[taken] = '\0';
  }
  else
    free(buf->data);
  if (length)
    *length = taken;
  *buf = (struct buf){0};
  return data;
}

void
buf_free(struct buf *buf)
{
  if (!buf)
    return;
  free(buf->data);
  *buf = (struct buf){0};
}
