/* Private to sql/: values in PostgreSQL's binary format, to and from ours. Pure, no connection. */
#ifndef ATTUNE_SQL_DB_VALUE_H
#define ATTUNE_SQL_DB_VALUE_H

#include <libpq-fe.h>

#include "sql/db_exec.h"

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

/* NULL when fine, else what is wrong. Borrows the parameters' bytes; free in either case. */
const char *db_wire_make(struct db_wire *wire, const struct db_param *params, size_t count);
void db_wire_free(struct db_wire *wire);

/* Writes column `number` of `row` to its member. NULL when fine, else what is wrong. */
const char *db_value_read(const PGresult *result, int row, int number,
                          const struct db_column *column, struct arena *arena, void *target);

#endif
