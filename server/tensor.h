/* Tensors of the Open Inference Protocol v2 as they come in JSON or as raw bytes: checked first, then read one by
 * one.
 *
 * Nothing is copied: a tensor borrows the bytes or the JSON it was made from. Raw bytes are little-endian and
 * row-major; an element of BYTES is its length in four bytes, then that many bytes. Pure; any thread may read.
 * github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md, and Triton's binary
 * tensor data extension.
 */
#ifndef ATTUNE_SERVER_TENSOR_H
#define ATTUNE_SERVER_TENSOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define TENSOR_RANK_MAX 8

enum tensor_type
{
  TENSOR_BOOL,
  TENSOR_INT8,
  TENSOR_INT16,
  TENSOR_INT32,
  TENSOR_INT64,
  TENSOR_UINT8,
  TENSOR_UINT16,
  TENSOR_UINT32,
  TENSOR_UINT64,
  TENSOR_FP16,
  TENSOR_FP32,
  TENSOR_FP64,
  TENSOR_BYTES
};

struct tensor_text
{
  const char *bytes;
  size_t length;
};

struct tensor
{
  enum tensor_type type;
  size_t rank;
  size_t shape[TENSOR_RANK_MAX];
  size_t count;              /* elements: the product of the shape */
  const uint8_t *raw;        /* count elements; NULL when they came as JSON, or are BYTES */
  const json_t **cells;      /* count elements that came as JSON; NULL when they did not */
  struct tensor_text *texts; /* count elements of BYTES that came raw */
};

/* "FP32" and back. */
bool tensor_type_parse(const char *name, enum tensor_type *type);
const char *tensor_type_name(enum tensor_type type);

/* Sets type, shape and count. ERR_INVALID with a sentence: an unknown type, no shape of 1 to TENSOR_RANK_MAX whole
 * numbers from 0, or more than `most` elements (also where their product overflows). */
enum err tensor_begin(const char *type, const json_t *shape, size_t most, struct tensor *tensor,
                      struct err_info *info);

/* The elements from exactly `size` bytes, which must outlive the tensor. ERR_INVALID with a sentence when they are
 * not as many as the shape says, or one of BYTES reaches beyond their end; ERR_MEMORY. */
enum err tensor_take_bytes(struct tensor *tensor, const uint8_t *bytes, size_t size,
                           struct arena *arena, struct err_info *info);

/* The elements from a JSON list, flat or nested, row-major. ERR_INVALID with a sentence when they are not as many as
 * the shape says or one does not fit the type; null fits all. */
enum err tensor_take_json(struct tensor *tensor, const json_t *data, struct arena *arena,
                          struct err_info *info);

/* Whether numbers that came as a list in JSON are elements of the type; NaN stands for null, which fits all. */
bool tensor_type_takes(enum tensor_type type, const double *numbers, size_t count);

/* Element `index` as JSON: a number, string, boolean or null (new reference). NULL when raw bytes hold what JSON
 * can't say: NaN, infinity, or text that is no UTF-8. */
json_t *tensor_value(const struct tensor *tensor, size_t index);

/* Element `index` of a numeric tensor; NaN for null. */
double tensor_number(const struct tensor *tensor, size_t index);

/* Appends floats as raw FP32, or one element of raw BYTES. */
void tensor_write_floats(const float *numbers, size_t count, struct buf *out);
void tensor_write_text(const char *text, struct buf *out);

#endif
