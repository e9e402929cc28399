/* A byte buffer that grows: for text and files being built.
 *
 * Zero-initialise it (`struct buf b = {0}`), append, then take or free the bytes. A failed
 * allocation sets `failed` and later appends do nothing, so only the end needs a check. There is
 * always a NUL after the last byte once something was appended.
 */
#ifndef ATTUNE_BASE_BUF_H
#define ATTUNE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf
{
  char *data;
  size_t length;
  size_t capacity;
  bool failed;
};

void buf_append(struct buf *buf, const void *bytes, size_t length);
/* Here, so that the length of a text that is written out is known when compiling. */
static inline void
buf_append_text(struct buf *buf, const char *text)
{
  buf_append(buf, text, strlen(text));
}
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Little-endian numbers, for files. */
void buf_append_u32(struct buf *buf, uint32_t value);
void buf_append_u64(struct buf *buf, uint64_t value);

/* Makes room for `extra` more bytes; false (and `failed`) when out of memory. */
bool buf_reserve(struct buf *buf, size_t extra);

/* Gives the bytes to the caller (who frees them) and empties the buffer; NULL if it failed. */
char *buf_take(struct buf *buf, size_t *length);

void buf_free(struct buf *buf);

#endif
