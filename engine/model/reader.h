/* Reading a model file's bytes without trusting them: every read checks what is left.
 *
 * After the first read beyond the end `failed` is set and all reads give zeros, so one check at the end
 * suffices. Numbers are little-endian. Does not own the bytes.
 */
#ifndef ATTUNE_MODEL_READER_H
#define ATTUNE_MODEL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader
{
  const unsigned char *bytes;
  size_t left;
  bool failed;
};

uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);

/* `length` bytes in place, or NULL. */
const unsigned char *reader_bytes(struct reader *reader, uint64_t length);

/* A new array of `count` finite floats (caller frees); NULL (and failed) when they are not all there,
 * one is not finite, or memory is out. */
float *reader_floats(struct reader *reader, uint64_t count);

/* The same for 32-bit words. */
uint32_t *reader_words(struct reader *reader, uint64_t count);

struct buf;
void writer_floats(struct buf *out, const float *floats, size_t count);
void writer_words(struct buf *out, const uint32_t *words, size_t count);

#endif
