#include <config.h>

#include "sql/db_value.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

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
append_big(struct buf *buf, uint64_t value, size_t size)
{
  char bytes[8];
  db_put_big(bytes, value, size);
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
  db_put_big(wire->fixed[i], bits, size);
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
