#include <config.h>

#include "sql/db_value.h"

#include <limits.h>
#include <math.h>
#include <string.h>

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
    value = (int64_t) db_get_big(bytes, 8);
  else if (type == OID_INT4)
    value = (int32_t) (uint32_t) db_get_big(bytes, 4);
  else if (type == OID_INT2)
    value = (int16_t) (uint16_t) db_get_big(bytes, 2);
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
    value = bits_double(db_get_big(bytes, 8));
  else if (type == OID_FLOAT4)
  {
    uint32_t bits = (uint32_t) db_get_big(bytes, 4);
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
    ((double *) items)[i] = length == 8 ? bits_double(db_get_big(bytes, 8)) : NAN;
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
  uint64_t dimensions = db_get_big(bytes, 4);
  if (dimensions > 1 || (dimensions == 1 && length < 20))
    return "has more than one dimension";
  size_t count = dimensions == 0 ? 0 : (size_t) db_get_big(bytes + 12, 4);
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
    int32_t size = (int32_t) (uint32_t) db_get_big(bytes + at, 4);
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
    SET_MEMBER(int64_t, (int64_t) (db_get_big(bytes, 8) + (uint64_t) EPOCH_SHIFT_US));
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
