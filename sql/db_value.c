#include <config.h>

#include "sql/db_value.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* Type numbers of pg_type.dat, which never change. */
enum
{
  OID_BOOL = 16,
  OID_BYTEA = 17,
  OID_NAME = 19,
  OID_INT8 = 20,
  OID_INT2 = 21,
  OID_INT4 = 23,
  OID_TEXT = 25,
  OID_JSON = 114,
  OID_FLOAT4 = 700,
  OID_FLOAT8 = 701,
  OID_FLOAT8_ARRAY = 1022,
  OID_TEXT_ARRAY = 1009,
  OID_VARCHAR = 1043,
  OID_TIMESTAMPTZ = 1184,
  OID_JSONB = 3802
};

/* Microseconds from 1970-01-01 to 2000-01-01, where timestamptz counts from. */
#define EPOCH_SHIFT_US INT64_C(946684800000000)

/* ---- parameters ------------------------------------------------------------------------------------- */

static struct db_param
param_bytes(enum db_type type, const void *bytes, size_t count)
{
  return (struct db_param){
    .type = type, .null = bytes == NULL, .count = count, .value.bytes = bytes};
}

static struct db_param
param_integer(enum db_type type, int64_t value)
{
  return (struct db_param){.type = type, .value.integer = value};
}

struct db_param
db_text(const char *text)
{
  return param_bytes(DB_TEXT, text, 0);
}

struct db_param
db_json(const char *json)
{
  return param_bytes(DB_JSON, json, 0);
}

struct db_param
db_int4(int value)
{
  return param_integer(DB_INT4, value);
}

struct db_param
db_int8(int64_t value)
{
  return param_integer(DB_INT8, value);
}

struct db_param
db_float8_nan(double value)
{
  return (struct db_param){.type = DB_FLOAT8, .value.number = value};
}

struct db_param
db_float8(double value)
{
  struct db_param param = db_float8_nan(value);
  param.null = isnan(value);
  return param;
}

struct db_param
db_bool(bool value)
{
  return param_integer(DB_BOOL, value);
}

struct db_param
db_time(int64_t unix_us)
{
  struct db_param param = param_integer(DB_TIME, unix_us);
  param.null = unix_us == 0;
  return param;
}

struct db_param
db_hash(const uint8_t hash[32])
{
  return param_bytes(DB_BYTES, hash, 32);
}

struct db_param
db_bytes(const void *bytes, size_t length)
{
  return param_bytes(DB_BYTES, bytes, length);
}

struct db_param
db_text_array(const char *const *items, size_t count)
{
  struct db_param param = param_bytes(DB_TEXT_ARRAY, items, count);
  param.null = items == NULL && count > 0;
  return param;
}

struct db_param
db_float8_array(const double *items, size_t count)
{
  struct db_param param = param_bytes(DB_FLOAT8_ARRAY, items, count);
  param.null = items == NULL && count > 0;
  return param;
}

static void
put_big(char *bytes, uint64_t value, size_t size)
{
  for (size_t i = 0; i < size; i++)
    bytes[i] = (char) (unsigned char) (value >> (8 * (size - 1 - i)));
}

static uint64_t
get_big(const char *bytes, size_t size)
{
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++)
    value = value << 8 | (unsigned char) bytes[i];
  return value;
}

static void
append_big(struct buf *buf, uint64_t value, size_t size)
{
  char bytes[8];
  put_big(bytes, value, size);
  buf_append(buf, bytes, size);
}

static uint64_t
double_bits(double value)
{
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* One dimension: dimensions, has-NULLs, element type, length, lower bound, then length + bytes of each. */
static char *
encode_array(const struct db_param *param, size_t *length)
{
  bool text = param->type == DB_TEXT_ARRAY;
  struct buf buf = {0};
  append_big(&buf, param->count > 0 ? 1 : 0, 4);
  append_big(&buf, 0, 4);
  append_big(&buf, text ? OID_TEXT : OID_FLOAT8, 4);
  if (param->count > 0)
  {
    append_big(&buf, param->count, 4);
    append_big(&buf, 1, 4);
  }
  for (size_t i = 0; i < param->count; i++)
    if (text)
    {
      const char *item = ((const char *const *) param->value.bytes)[i];
      append_big(&buf, item != NULL ? strlen(item) : UINT32_MAX, 4);
      if (item != NULL)
        buf_append(&buf, item, strlen(item));
    }
    else
    {
      append_big(&buf, 8, 4);
      append_big(&buf, double_bits(((const double *) param->value.bytes)[i]), 8);
    }
  return buf_take(&buf, length);
}

/* Fixed-size values go to `fixed` in network order. */
static void
wire_fixed(struct db_wire *wire, size_t i, Oid type, uint64_t bits, size_t size)
{
  put_big(wire->fixed[i], bits, size);
  wire->types[i] = type;
  wire->values[i] = wire->fixed[i];
  wire->lengths[i] = (int) size;
}

static const char *
wire_array(struct db_wire *wire, size_t i, const struct db_param *param)
{
  size_t length = 0;
  wire->types[i] = param->type == DB_TEXT_ARRAY ? OID_TEXT_ARRAY : OID_FLOAT8_ARRAY;
  if (param->null)
    return NULL;
  if (param->count > INT_MAX / 16)
    return "an array parameter is too long";
  wire->owned[i] = encode_array(param, &length);
  if (wire->owned[i] == NULL)
    return "out of memory";
  if (length > INT_MAX)
    return "an array parameter is too long";
  wire->values[i] = wire->owned[i];
  wire->lengths[i] = (int) length;
  return NULL;
}

static const char *
wire_param(struct db_wire *wire, size_t i, const struct db_param *param)
{
  wire->formats[i] = 1;
  switch (param->type)
  {
  case DB_TEXT:
  case DB_JSON:
    wire->types[i] = param->type == DB_TEXT ? OID_TEXT : OID_JSONB;
    wire->formats[i] = 0;
    wire->values[i] = param->value.bytes;
    break;
  case DB_INT4:
    wire_fixed(wire, i, OID_INT4, (uint64_t) param->value.integer & UINT32_MAX, 4);
    break;
  case DB_INT8:
  case DB_UINT8:
    wire_fixed(wire, i, OID_INT8, (uint64_t) param->value.integer, 8);
    break;
  case DB_FLOAT8:
    wire_fixed(wire, i, OID_FLOAT8, double_bits(param->value.number), 8);
    break;
  case DB_BOOL:
    wire_fixed(wire, i, OID_BOOL, param->value.integer != 0, 1);
    break;
  case DB_TIME:
    wire_fixed(wire, i, OID_TIMESTAMPTZ,
               (uint64_t) param->value.integer - (uint64_t) EPOCH_SHIFT_US, 8);
    break;
  case DB_HASH:
  case DB_BYTES:
    if (param->count > INT_MAX)
      return "a bytes parameter is too long";
    wire->types[i] = OID_BYTEA;
    wire->values[i] = param->value.bytes;
    wire->lengths[i] = (int) param->count;
    break;
  case DB_TEXT_ARRAY:
  case DB_FLOAT8_ARRAY:
    return wire_array(wire, i, param);
  }
  return NULL;
}

const char *
db_wire_make(struct db_wire *wire, const struct db_param *params, size_t count)
{
  wire->count = 0;
  if (count > DB_PARAMS_MAX)
    return "too many parameters";
  for (size_t i = 0; i < count; i++)
  {
    wire->values[i] = NULL;
    wire->lengths[i] = 0;
    wire->owned[i] = NULL;
    wire->count = (int) i + 1;
    const char *fault = wire_param(wire, i, &params[i]);
    if (fault != NULL)
      return fault;
    if (params[i].null)
      wire->values[i] = NULL;
  }
  return NULL;
}

void
db_wire_free(struct db_wire *wire)
{
  for (int i = 0; i < wire->count; i++)
    free(wire->owned[i]);
  wire->count = 0;
}

/* ---- results ---------------------------------------------------------------------------------------- */

#define SET_MEMBER(type, value)                                                                    \
  memcpy((char *) target + column->offset, &(type){(value)}, sizeof(type))

static void
set_array(const struct db_column *column, void *target, const void *items, size_t count)
{
  SET_MEMBER(const void *, items);
  memcpy((char *) target + column->count_offset, &count, sizeof count);
}

static const char *
read_integer(Oid type, const char *bytes, const struct db_column *column, void *target)
{
  int64_t value;
  if (type == OID_INT8)
    value = (int64_t) get_big(bytes, 8);
  else if (type == OID_INT4)
    value = (int32_t) (uint32_t) get_big(bytes, 4);
  else if (type == OID_INT2)
    value = (int16_t) (uint16_t) get_big(bytes, 2);
  else
    return "is not an integer";
  if (column->type == DB_INT8)
  {
    SET_MEMBER(int64_t, value);
    return NULL;
  }
  if (column->type == DB_UINT8)
  {
    if (value < 0)
      return "is negative";
    SET_MEMBER(uint64_t, (uint64_t) value);
    return NULL;
  }
  if (value < INT_MIN || value > INT_MAX)
    return "does not fit an int";
  SET_MEMBER(int, (int) value);
  return NULL;
}

static double
bits_double(uint64_t bits)
{
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static const char *
read_float(Oid type, const char *bytes, const struct db_column *column, void *target)
{
  double value;
  if (type == OID_FLOAT8)
    value = bits_double(get_big(bytes, 8));
  else if (type == OID_FLOAT4)
  {
    uint32_t bits = (uint32_t) get_big(bytes, 4);
    float narrow;
    memcpy(&narrow, &bits, sizeof narrow);
    value = (double) narrow;
  }
  else
    return "is not a floating-point number";
  SET_MEMBER(double, value);
  return NULL;
}

/* Text and JSON; jsonb's binary form has its version in front. */
static const char *
read_text(Oid type, const char *bytes, size_t length, const struct db_column *column,
          struct arena *arena, void *target)
{
  if (type == OID_JSONB)
  {
    if (length < 1 || bytes[0] != 1)
      return "is jsonb of an unknown version";
    bytes++;
    length--;
  }
  else if (type != OID_TEXT && type != OID_VARCHAR && type != OID_NAME && type != OID_JSON)
    return "is not text";
  if (arena == NULL)
    return "needs an arena";
  const char *copy = arena_strndup(arena, bytes, length);
  if (copy == NULL)
    return "is too long: out of memory";
  SET_MEMBER(const char *, copy);
  return NULL;
}

static const char *
read_bytes(Oid type, const char *bytes, size_t length, const struct db_column *column,
           struct arena *arena, void *target)
{
  if (type != OID_BYTEA)
    return "is not bytea";
  if (column->type == DB_HASH)
  {
    if (length != 32)
      return "is not 32 bytes long";
    memcpy((char *) target + column->offset, bytes, 32);
    return NULL;
  }
  if (arena == NULL)
    return "needs an arena";
  void *copy = arena_alloc(arena, length);
  if (copy == NULL)
    return "is too long: out of memory";
  memcpy(copy, bytes, length);
  set_array(column, target, copy, length);
  return NULL;
}

/* One element of `length` bytes (-1: NULL) to place `i`. */
static const char *
read_element(enum db_type type, const char *bytes, int32_t length, struct arena *arena, void *items,
             size_t i)
{
  if (type == DB_FLOAT8_ARRAY)
  {
    if (length != 8 && length != -1)
      return "has an element of a wrong size";
    ((double *) items)[i] = length == 8 ? bits_double(get_big(bytes, 8)) : NAN;
    return NULL;
  }
  const char *copy = NULL;
  if (length >= 0 && (copy = arena_strndup(arena, bytes, (size_t) length)) == NULL)
    return "is too long: out of memory";
  ((const char **) items)[i] = copy;
  return NULL;
}

static const char *
read_array(Oid type, const char *bytes, size_t length, const struct db_column *column,
           struct arena *arena, void *target)
{
  bool text = column->type == DB_TEXT_ARRAY;
  if (type != (text ? OID_TEXT_ARRAY : OID_FLOAT8_ARRAY))
    return "is not an array of the wanted type";
  if (arena == NULL)
    return "needs an arena";
  if (length < 12)
    return "is cut short";
  uint64_t dimensions = get_big(bytes, 4);
  if (dimensions > 1 || (dimensions == 1 && length < 20))
    return "has more than one dimension";
  size_t count = dimensions == 0 ? 0 : (size_t) get_big(bytes + 12, 4);
  if (count > length / 4)
    return "is cut short";
  void *items = arena_array(arena, count, text ? sizeof(char *) : sizeof(double));
  if (items == NULL)
    return "is too long: out of memory";
  size_t at = 20;
  for (size_t i = 0; i < count; i++)
  {
    if (length - at < 4)
      return "is cut short";
    int32_t size = (int32_t) (uint32_t) get_big(bytes + at, 4);
    at += 4;
    if (size < -1 || (size > 0 && length - at < (size_t) size))
      return "is cut short";
    const char *fault = read_element(column->type, bytes + at, size, arena, items, i);
    if (fault != NULL)
      return fault;
    at += size > 0 ? (size_t) size : 0;
  }
  set_array(column, target, items, count);
  return NULL;
}

static void
set_null(const struct db_column *column, void *target)
{
  switch (column->type)
  {
  case DB_TEXT:
  case DB_JSON:
    SET_MEMBER(const char *, NULL);
    break;
  case DB_INT4:
    SET_MEMBER(int, 0);
    break;
  case DB_INT8:
  case DB_UINT8:
  case DB_TIME:
    SET_MEMBER(int64_t, 0);
    break;
  case DB_FLOAT8:
    SET_MEMBER(double, NAN);
    break;
  case DB_BOOL:
    SET_MEMBER(bool, false);
    break;
  case DB_HASH:
    memset((char *) target + column->offset, 0, 32);
    break;
  case DB_BYTES:
  case DB_TEXT_ARRAY:
  case DB_FLOAT8_ARRAY:
    set_array(column, target, NULL, 0);
    break;
  }
}

const char *
db_value_read(const PGresult *result, int row, int number, const struct db_column *column,
              struct arena *arena, void *target)
{
  if (PQgetisnull(result, row, number))
  {
    set_null(column, target);
    return NULL;
  }
  Oid type = PQftype(result, number);
  const char *bytes = PQgetvalue(result, row, number);
  size_t length = (size_t) PQgetlength(result, row, number);
  switch (column->type)
  {
  case DB_TEXT:
  case DB_JSON:
    return read_text(type, bytes, length, column, arena, target);
  case DB_INT4:
  case DB_INT8:
  case DB_UINT8:
    return read_integer(type, bytes, column, target);
  case DB_FLOAT8:
    return read_float(type, bytes, column, target);
  case DB_BOOL:
    if (type != OID_BOOL)
      return "is not boolean";
    SET_MEMBER(bool, bytes[0] != 0);
    return NULL;
  case DB_TIME:
    if (type != OID_TIMESTAMPTZ)
      return "is not timestamptz";
    SET_MEMBER(int64_t, (int64_t) (get_big(bytes, 8) + (uint64_t) EPOCH_SHIFT_US));
    return NULL;
  case DB_HASH:
  case DB_BYTES:
    return read_bytes(type, bytes, length, column, arena, target);
  case DB_TEXT_ARRAY:
  case DB_FLOAT8_ARRAY:
    return read_array(type, bytes, length, column, arena, target);
  }
  return "has an unknown kind";
}
