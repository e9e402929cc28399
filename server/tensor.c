#include <config.h>

#include "server/tensor.h"

#include <math.h>
#include <string.h>

/* Deepest nesting of a JSON list of elements. */
#define NESTING_MAX TENSOR_RANK_MAX

/* Name, bytes of an element (0 = as told), and for whole numbers what they may be. The ends of 64 bits are those
 * that a double can hold. */
static const struct
{
  const char *name;
  size_t size;
  double min, max;
} types[] = {
  [TENSOR_BOOL] = {"BOOL", 1, 0, 1},
  [TENSOR_INT8] = {"INT8", 1, INT8_MIN, INT8_MAX},
  [TENSOR_INT16] = {"INT16", 2, INT16_MIN, INT16_MAX},
  [TENSOR_INT32] = {"INT32", 4, INT32_MIN, INT32_MAX},
  [TENSOR_INT64] = {"INT64", 8, -0x1p63, 0x1p63},
  [TENSOR_UINT8] = {"UINT8", 1, 0, UINT8_MAX},
  [TENSOR_UINT16] = {"UINT16", 2, 0, UINT16_MAX},
  [TENSOR_UINT32] = {"UINT32", 4, 0, UINT32_MAX},
  [TENSOR_UINT64] = {"UINT64", 8, 0, 0x1p64},
  [TENSOR_FP16] = {"FP16", 2, 0, 0},
  [TENSOR_FP32] = {"FP32", 4, 0, 0},
  [TENSOR_FP64] = {"FP64", 8, 0, 0},
  [TENSOR_BYTES] = {"BYTES", 0, 0, 0},
};

bool
tensor_type_parse(const char *name, enum tensor_type *type)
{
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    if (strcmp(name, types[i].name) == 0)
    {
      *type = (enum tensor_type) i;
      return true;
    }
  return false;
}

const char *
tensor_type_name(enum tensor_type type)
{
  return types[type].name;
}

enum err
tensor_begin(const char *type, const json_t *shape, size_t most, struct tensor *tensor,
             struct err_info *info)
{
  bool empty = false;

  memset(tensor, 0, sizeof *tensor);
  if (!tensor_type_parse(type, &tensor->type))
    return err_set(info, ERR_INVALID,
                   "the datatype must be BOOL, INT8 to INT64, UINT8 to UINT64, FP16, FP32, FP64 "
                   "or BYTES");
  tensor->rank = json_array_size(shape);
  if (tensor->rank == 0 || tensor->rank > TENSOR_RANK_MAX)
    return err_set(info, ERR_INVALID, "the shape must be a list of 1 to %d whole numbers",
                   TENSOR_RANK_MAX);
  tensor->count = 1;
  for (size_t i = 0; i < tensor->rank; i++)
  {
    const json_t *side = json_array_get(shape, i);
    json_int_t value = json_integer_value(side);
    if (!json_is_integer(side) || value < 0)
      return err_set(info, ERR_INVALID, "the shape must be a list of whole numbers from 0");
    tensor->shape[i] = (size_t) value;
    empty = empty || value == 0;
    if (value > 0 && tensor->count > most / (size_t) value)
      return err_set(info, ERR_INVALID, "the shape has more elements than the %zu that are taken",
                     most);
    tensor->count *= value > 0 ? (size_t) value : 1;
  }
  if (empty)
    tensor->count = 0;
  return ERR_OK;
}

/* ---- raw bytes ------------------------------------------------------------------------------------- */

static uint64_t
little_endian(const uint8_t *bytes, size_t size)
{
  uint64_t value = 0;

  for (size_t i = size; i > 0; i--)
    value = value << 8 | bytes[i - 1];
  return value;
}

static enum err
take_texts(struct tensor *tensor, const uint8_t *bytes, size_t size, struct arena *arena,
           struct err_info *info)
{
  size_t at = 0;

  /* each has four bytes at least, so that a huge shape costs nothing */
  if (tensor->count > size / 4)
    return err_set(info, ERR_INVALID, "%zu bytes can't hold the %zu elements of the shape", size,
                   tensor->count);
  tensor->texts = arena_array(arena, tensor->count ? tensor->count : 1, sizeof *tensor->texts);
  if (!tensor->texts)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < tensor->count; i++)
  {
    size_t length = size - at >= 4 ? (size_t) little_endian(bytes + at, 4) : SIZE_MAX;
    if (length > size || length > size - at - 4)
      return err_set(info, ERR_INVALID, "element %zu reaches beyond the %zu bytes that are there",
                     i, size);
    tensor->texts[i] = (struct tensor_text){(const char *) bytes + at + 4, length};
    at += 4 + length;
  }
  if (at != size)
    return err_set(info, ERR_INVALID, "%zu bytes are left over after the %zu elements of the shape",
                   size - at, tensor->count);
  return ERR_OK;
}

enum err
tensor_take_bytes(struct tensor *tensor, const uint8_t *bytes, size_t size, struct arena *arena,
                  struct err_info *info)
{
  size_t each = types[tensor->type].size;

  if (each == 0)
    return take_texts(tensor, bytes, size, arena, info);
  if (size % each != 0 || size / each != tensor->count)
    return err_set(info, ERR_INVALID, "the shape has %zu elements of %zu bytes, not %zu bytes",
                   tensor->count, each, size);
  tensor->raw = bytes;
  return ERR_OK;
}

/* IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits. */
static double
half_value(uint16_t bits)
{
  int exponent = bits >> 10 & 31;
  double fraction = bits & 1023, value;

  if (exponent == 31)
    value = fraction != 0.0 ? (double) NAN : (double) INFINITY;
  else
    value = exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024.0, exponent - 25);
  return bits >> 15 ? -value : value;
}

static double
raw_number(const struct tensor *tensor, size_t index)
{
  size_t each = types[tensor->type].size;
  uint64_t bits = little_endian(tensor->raw + index * each, each);
  uint32_t low = (uint32_t) bits;
  float single;
  double number;

  switch (tensor->type)
  {
  case TENSOR_INT8:
    return (int8_t) bits;
  case TENSOR_INT16:
    return (int16_t) bits;
  case TENSOR_INT32:
    return (int32_t) bits;
  case TENSOR_INT64:
    return (double) (int64_t) bits;
  case TENSOR_FP16:
    return half_value((uint16_t) bits);
  case TENSOR_FP32:
    memcpy(&single, &low, sizeof single);
    return single;
  case TENSOR_FP64:
    memcpy(&number, &bits, sizeof number);
    return number;
  case TENSOR_BOOL:
    return bits ? 1.0 : 0.0;
  case TENSOR_UINT8:
  case TENSOR_UINT16:
  case TENSOR_UINT32:
  case TENSOR_UINT64:
  case TENSOR_BYTES:
    break;
  }
  return (double) bits;
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

static bool
cell_fits(enum tensor_type type, const json_t *cell)
{
  double value = json_number_value(cell);

  if (json_is_null(cell))
    return true;
  if (type == TENSOR_BYTES)
    return json_is_string(cell);
  if (type == TENSOR_BOOL && json_is_boolean(cell))
    return true;
  if (!json_is_number(cell))
    return false;
  if (types[type].max == 0)
    return true;
  return value == floor(value) && value >= types[type].min && value <= types[type].max;
}

bool
tensor_type_takes(enum tensor_type type, const double *numbers, size_t count)
{
  double min = types[type].min, max = types[type].max;
  bool good = type != TENSOR_BYTES;

  for (size_t i = 0; good && max != 0 && i < count; i++)
    good = isnan(numbers[i])
           || (numbers[i] == floor(numbers[i]) && numbers[i] >= min && numbers[i] <= max);
  return good;
}

static enum err
flatten(struct tensor *tensor, const json_t *data, size_t *next, int depth, struct err_info *info)
{
  size_t index;
  json_t *item;

  json_array_foreach(data, index, item)
  {
    if (json_is_array(item))
    {
      if (depth >= NESTING_MAX)
        return err_set(info, ERR_INVALID, "the lists are nested too deep");
      if (flatten(tensor, item, next, depth + 1, info) != ERR_OK)
        return ERR_INVALID;
      continue;
    }
    if (*next == tensor->count)
      return err_set(info, ERR_INVALID, "there are more than the %zu elements of the shape",
                     tensor->count);
    if (!cell_fits(tensor->type, item))
      return err_set(info, ERR_INVALID, "element %zu is not one of %s", *next,
                     types[tensor->type].name);
    tensor->cells[(*next)++] = item;
  }
  return ERR_OK;
}

/* Elements in a list of lists; more than `most` are not counted. */
static size_t
count_cells(const json_t *data, size_t most, int depth)
{
  size_t count = 0, index;
  json_t *item;

  json_array_foreach(data, index, item)
  {
    if (count > most)
      break;
    count += json_is_array(item) && depth < NESTING_MAX ? count_cells(item, most, depth + 1) : 1;
  }
  return count;
}

enum err
tensor_take_json(struct tensor *tensor, const json_t *data, struct arena *arena,
                 struct err_info *info)
{
  size_t next = 0, count;
  enum err err;

  if (!json_is_array(data))
    return err_set(info, ERR_INVALID, "\"data\" must be a list of the elements");
  count = count_cells(data, tensor->count, 0);
  if (count != tensor->count)
    return err_set(info, ERR_INVALID, "the shape has %zu elements, %s%zu are given", tensor->count,
                   count > tensor->count ? "at least " : "", count);
  tensor->cells = arena_array(arena, tensor->count ? tensor->count : 1, sizeof *tensor->cells);
  if (!tensor->cells)
    return err_set(info, ERR_MEMORY, "out of memory");
  err = flatten(tensor, data, &next, 0, info);
  if (err == ERR_OK && next != tensor->count)
    return err_set(info, ERR_INVALID, "the shape has %zu elements, %zu are given", tensor->count,
                   next);
  return err;
}

/* ---- reading and writing --------------------------------------------------------------------------- */

double
tensor_number(const struct tensor *tensor, size_t index)
{
  const json_t *cell;

  if (tensor->raw)
    return raw_number(tensor, index);
  cell = tensor->cells ? tensor->cells[index] : NULL;
  if (json_is_boolean(cell))
    return json_is_true(cell) ? 1.0 : 0.0;
  return json_is_number(cell) ? json_number_value(cell) : (double) NAN;
}

json_t *
tensor_value(const struct tensor *tensor, size_t index)
{
  double number;

  if (tensor->texts)
  {
    const struct tensor_text *text = &tensor->texts[index];
    return memchr(text->bytes, '\0', text->length) ? NULL : json_stringn(text->bytes, text->length);
  }
  if (tensor->cells)
    return json_incref((json_t *) (uintptr_t) tensor->cells[index]);
  number = raw_number(tensor, index);
  return tensor->type == TENSOR_BOOL ? json_boolean(number != 0.0) : json_real(number);
}

void
tensor_write_floats(const float *numbers, size_t count, struct buf *out)
{
  for (size_t i = 0; i < count; i++)
  {
    uint32_t bits;
    memcpy(&bits, &numbers[i], sizeof bits);
    buf_append_u32(out, bits);
  }
}

void
tensor_write_text(const char *text, struct buf *out)
{
  size_t length = strlen(text);

  buf_append_u32(out, (uint32_t) length);
  buf_append(out, text, length);
}
