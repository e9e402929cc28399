#include <config.h>

#include "sql/db_exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/db_conn.h"
#include "sql/db_io.h"
#include "sql/db_value.h"

bool
db_in_tx(const struct db_conn *conn)
{
  return conn->tx_depth > 0 || PQtransactionStatus(conn->pg) != PQTRANS_IDLE;
}

enum db_status
db_exec_sql(struct db_conn *conn, const char *sql)
{
  PGresult *result = db_io_exec(conn, sql);
  ExecStatusType kind = PQresultStatus(result);
  enum db_status status = DB_ROWS;
  if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK && kind != PGRES_EMPTY_QUERY)
  {
    char what[64]; /* its beginning is enough for a log line */
    snprintf(what, sizeof what, "%.*s", (int) strcspn(sql, "\n"), sql);
    status = db_conn_fail(conn, result, what);
  }
  PQclear(result);
  return status;
}

/* Runs a statement once: *result is its rows or NULL. */
static enum db_status
run_once(struct db_conn *conn, const struct db_statement *statement, const struct db_wire *wire,
         PGresult **result)
{
  *result = NULL;
  enum db_status status = db_conn_prepare(conn, statement, wire->types, (size_t) wire->count);
  if (status != DB_ROWS)
    return status;
  PGresult *got = db_io_run(conn, statement, wire);
  ExecStatusType kind = PQresultStatus(got);
  if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK)
  {
    status = db_conn_fail(conn, got, statement->name);
    PQclear(got);
    return status;
  }
  *result = got;
  return DB_ROWS;
}

/* Outside a transaction a stale prepared statement is prepared again here; within one only db_tx_run
 * can, as the transaction is lost. */
static enum db_status
run(struct db_conn *conn, const struct db_statement *statement, const struct db_param *params,
    size_t param_count, PGresult **result)
{
  *result = NULL;
  enum db_status status = db_conn_ready(conn);
  if (status != DB_ROWS)
    return status;
  struct db_wire wire;
  const char *fault = db_wire_make(&wire, params, param_count);
  if (fault != NULL)
  {
    db_wire_free(&wire);
    return db_conn_fault(conn, statement->name, "%s", fault);
  }
  for (int attempt = 0;; attempt++)
  {
    bool idle = PQtransactionStatus(conn->pg) == PQTRANS_IDLE;
    if (conn->stale && idle)
      db_conn_forget(conn);
    status = run_once(conn, statement, &wire, result);
    if (status == DB_ROWS || !conn->stale || !idle || attempt > 0)
      break;
  }
  db_wire_free(&wire);
  return status;
}

enum db_status
db_exec_none(struct db_conn *conn, const struct db_statement *statement,
             const struct db_param *params, size_t param_count)
{
  PGresult *result;
  enum db_status status = run(conn, statement, params, param_count, &result);
  if (status == DB_ROWS && strtoll(PQcmdTuples(result), NULL, 10) == 0)
    status = DB_NONE;
  PQclear(result);
  return status;
}

static enum db_status
read_row(struct db_conn *conn, const struct db_statement *statement, const PGresult *result,
         int row, const struct db_column *columns, size_t column_count, struct arena *arena,
         void *target)
{
  if ((size_t) PQnfields(result) != column_count)
    return db_conn_fault(conn, statement->name, "it gives %d columns, %zu are wanted",
                         PQnfields(result), column_count);
  for (size_t i = 0; i < column_count; i++)
  {
    const char *fault = db_value_read(result, row, (int) i, &columns[i], arena, target);
    if (fault != NULL)
      return db_conn_fault(conn, statement->name, "column %zu (%s) %s", i + 1,
                           PQfname(result, (int) i), fault);
  }
  return DB_ROWS;
}

enum db_status
db_exec_one(struct db_conn *conn, const struct db_statement *statement,
            const struct db_param *params, size_t param_count, const struct db_column *columns,
            size_t column_count, struct arena *arena, void *row)
{
  PGresult *result;
  enum db_status status = run(conn, statement, params, param_count, &result);
  if (status == DB_ROWS)
  {
    int rows = PQntuples(result);
    if (rows > 1)
      status = db_conn_fault(conn, statement->name, "it gives %d rows, one is wanted", rows);
    else if (rows == 0)
      status = DB_NONE;
    else
      status = read_row(conn, statement, result, 0, columns, column_count, arena, row);
  }
  PQclear(result);
  return status;
}

enum db_status
db_exec_many(struct db_conn *conn, const struct db_statement *statement,
             const struct db_param *params, size_t param_count, const struct db_column *columns,
             size_t column_count, struct arena *arena, size_t row_size, void *rows, size_t *count)
{
  *count = 0;
  PGresult *result;
  enum db_status status = run(conn, statement, params, param_count, &result);
  if (status == DB_ROWS)
  {
    size_t found = (size_t) PQntuples(result);
    char *made = arena_array(arena, found, row_size);
    if (made == NULL)
      status = db_conn_fault(conn, statement->name, "out of memory");
    for (size_t i = 0; i < found && status == DB_ROWS; i++)
      status = read_row(conn, statement, result, (int) i, columns, column_count, arena,
                        made + i * row_size);
    if (status == DB_ROWS)
    {
      memcpy(rows, &made, sizeof made);
      *count = found;
      if (found == 0)
        status = DB_NONE;
    }
  }
  PQclear(result);
  return status;
}

enum db_status
db_exec_page(struct db_conn *conn, const struct db_statement *statement, const char *of,
             const char *cursor, size_t limit, const struct db_column *columns, size_t column_count,
             struct arena *arena, size_t row_size, void *rows, size_t *count)
{
  int64_t before_us;
  const char *before_id;
  *count = 0;
  if (!db_cursor_parse(cursor, &before_us, &before_id))
    return DB_NONE;
  enum db_status status = db_exec_many(
    conn, statement,
    DB_PARAMS(db_text(of), db_time(before_us), db_text(before_id), db_int8((int64_t) limit)),
    columns, column_count, arena, row_size, rows, count);
  return status == DB_NONE ? DB_ROWS : status;
}

/* Reads rows in single-row mode until the last, or until something fails. */
static enum db_status
each_row(struct db_conn *conn, const struct db_statement *statement,
         const struct db_column *columns, size_t column_count, struct arena *arena, void *row,
         size_t row_size, bool (*on_row)(void *context, const void *row), void *context)
{
  enum db_status status = DB_NONE;
  for (PGresult *result; (result = db_io_next(conn)) != NULL; PQclear(result))
  {
    ExecStatusType kind = PQresultStatus(result);
    if (status < DB_NONE || kind == PGRES_TUPLES_OK || kind == PGRES_COMMAND_OK)
      continue; /* the end of the rows, or what follows a failure */
    if (kind != PGRES_SINGLE_TUPLE)
    {
      status = db_conn_fail(conn, result, statement->name);
      continue;
    }
    arena_reset(arena);
    memset(row, 0, row_size);
    status = read_row(conn, statement, result, 0, columns, column_count, arena, row);
    if (status == DB_ROWS && !on_row(context, row))
      status = db_conn_fault(conn, statement->name, "the reader of its rows stopped");
    if (status < DB_NONE)
    {
      PQclear(result);
      db_io_break(conn); /* the rest could be long, and asking to cancel it would wait */
      break;
    }
  }
  return status;
}

enum db_status
db_exec_rows(struct db_conn *conn, const struct db_statement *statement,
             const struct db_param *params, size_t param_count, const struct db_column *columns,
             size_t column_count, size_t row_size, bool (*on_row)(void *context, const void *row),
             void *context)
{
  enum db_status status = db_conn_ready(conn);
  if (status != DB_ROWS)
    return status;
  if (conn->stale && PQtransactionStatus(conn->pg) == PQTRANS_IDLE)
    db_conn_forget(conn);
  struct db_wire wire;
  struct arena *arena = arena_new(0);
  void *row = calloc(1, row_size > 0 ? row_size : 1);
  const char *fault = db_wire_make(&wire, params, param_count);
  if (arena == NULL || row == NULL)
    fault = "out of memory";
  if (fault != NULL)
  {
    status = db_conn_fault(conn, statement->name, "%s", fault);
    goto out;
  }
  status = db_conn_prepare(conn, statement, wire.types, (size_t) wire.count);
  if (status != DB_ROWS)
    goto out;
  if (!PQsendQueryPrepared(conn->pg, statement->name, wire.count, wire.values, wire.lengths,
                           wire.formats, 1)
      || !PQsetSingleRowMode(conn->pg) || !db_io_flush(conn))
  {
    status = db_conn_fail(conn, NULL, statement->name);
    goto out;
  }
  status = each_row(conn, statement, columns, column_count, arena, row, row_size, on_row, context);
out:
  db_wire_free(&wire);
  free(row);
  arena_free(arena);
  return status;
}
