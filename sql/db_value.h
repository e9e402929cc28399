/* Private to sql/: values in PostgreSQL's binary format, to and from ours. Pure, no connection. */
#ifndef ATTUNE_SQL_DB_VALUE_H
#define ATTUNE_SQL_DB_VALUE_H

#include <libpq-fe.h>

#include "sql/db_exec.h"

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

/* Network order: the low `size` bytes of a number. */
static inline void
db_put_big(char *bytes, uint64_t value, size_t size)
{
  for (size_t i = 0; i < size; i++)
    bytes[i] = (char) (unsigned char) (value >> (8 * (size - 1 - i)));
}

static inline uint64_t
db_get_big(const char *bytes, size_t size)
{
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++)
    value = value << 8 | (unsigned char) bytes[i];
  return value;
}

#define DB_PARAMS_MAX 40

/* Parameters as libpq wants them. Free with db_wire_free. */
struct db_wire
{
  int count;
  Oid types[DB_PARAMS_MAX];
  const char *values[DB_PARAMS_MAX];
  int lengths[DB_PARAMS_MAX];
  int formats[DB_PARAMS_MAX];
  char fixed[DB_PARAMS_MAX][8];
  void *owned[DB_PARAMS_MAX]; /* encoded arrays */
};

/* db_param.c. NULL when fine, else what is wrong. Borrows the parameters' bytes; free in either case. */
const char *db_wire_make(struct db_wire *wire, const struct db_param *params, size_t count);
void db_wire_free(struct db_wire *wire);

/* db_value.c. Writes column `number` of `row` to its member. NULL when fine, else what is wrong. */
const char *db_value_read(const PGresult *result, int row, int number,
                          const struct db_column *column, struct arena *arena, void *target);

#endif
