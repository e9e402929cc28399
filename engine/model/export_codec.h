/* A model file's bytes and their readable form, both ways by one description of the layout.
 *
 * Each call names a member of the current JSON object and takes the number or array on to the other side: from
 * `reader` to `object` when `packing` is false, from `object` to `out` when it is true. What comes from JSON is
 * checked (kind, range, length); the first member that is not right is noted in `fault`, and later calls do nothing,
 * so one check at the end suffices. Memory goes with the size of the input, never with a stated length. One thread.
 *
 * Arrays of up to CODEC_PLAIN_MOST numbers are JSON arrays, each number the shortest that reads back the same; longer
 * ones are base64 of their little-endian bytes. Both are read for any length.
 */
#ifndef ATTUNE_MODEL_EXPORT_CODEC_H
#define ATTUNE_MODEL_EXPORT_CODEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/reader.h"

#define CODEC_PLAIN_MOST 256

struct codec
{
  bool packing;
  struct reader *reader; /* bytes → JSON */
  struct buf *out;       /* JSON → bytes */
  json_t *object;        /* borrowed */
  bool failed;
  char fault[80]; /* the member that is not right */
};

enum codec_kind
{
  CODEC_FLOAT32,
  CODEC_FLOAT64,
  CODEC_UINT32,
  CODEC_INT16,
  CODEC_UINT8
};

/* Notes that `name` is not right. */
void codec_fail(struct codec *codec, const char *name);

/* Single numbers; 0 after a failure. */
uint32_t codec_u32(struct codec *codec, const char *name);
uint64_t codec_u64(struct codec *codec, const char *name);
double codec_double(struct codec *codec, const char *name);
void codec_float(struct codec *codec, const char *name);
/* A u32 that is not shown: it must be, or is written as, `value`. */
void codec_constant(struct codec *codec, uint32_t value);
/* A u32 shown as the word of `words` (ended by NULL) it counts to. */
uint32_t codec_choice(struct codec *codec, const char *name, const char *const *words);

/* A text after its length (u32); and a list of texts after their number. */
void codec_text(struct codec *codec, const char *name);
size_t codec_texts(struct codec *codec, const char *name);

/* Exactly `count` numbers of a kind. */
void codec_array(struct codec *codec, const char *name, uint64_t count, enum codec_kind kind);

/* The object `name`, or the index-th of a list of objects, becomes the current one; returns the one before, for
 * codec_leave. From bytes it is made: the items of a list in their order. */
json_t *codec_enter(struct codec *codec, const char *name);
json_t *codec_enter_item(struct codec *codec, const char *list, size_t index);
void codec_leave(struct codec *codec, json_t *before);

#endif
