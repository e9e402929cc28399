#include <config.h>

#include "sql/db_audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "sql/db_exec.h"

#define BATCH_MAX ((size_t) 500)
#define FORGET_BATCH 20000

/* Columns as arrays: one statement for any number of rows. */
struct audit_columns
{
  const char *text[6][BATCH_MAX];
  double number[2][BATCH_MAX];
};

static enum db_status
insert_batch(struct db_conn *conn, struct audit_columns *columns, const struct db_audit *rows,
             size_t count)
{
  static const struct db_statement insert = {
    "audit_insert",
    "INSERT INTO audit (tenant_id, key_id, action, object, request_id, address, status, at)"
    " SELECT t.id, a.key_id, a.action, a.object, a.request_id, a.address, a.status::integer,"
    " to_timestamp(a.at) FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) WITH ORDINALITY"
    " AS a (tenant_id, key_id, action, object, request_id, address, status, at, place)"
    " JOIN tenant t ON t.id = a.tenant_id ORDER BY a.place"};
  for (size_t i = 0; i < count; i++)
  {
    columns->text[0][i] = rows[i].tenant_id;
    columns->text[1][i] = rows[i].key_id;
    columns->text[2][i] = rows[i].action;
    columns->text[3][i] = rows[i].object;
    columns->text[4][i] = rows[i].request_id;
    columns->text[5][i] = rows[i].address;
    columns->number[0][i] = rows[i].status;
    columns->number[1][i] = (double) rows[i].at_us / 1e6;
  }
  return db_exec_none(
    conn, &insert,
    DB_PARAMS(db_text_array(columns->text[0], count), db_text_array(columns->text[1], count),
              db_text_array(columns->text[2], count), db_text_array(columns->text[3], count),
              db_text_array(columns->text[4], count), db_text_array(columns->text[5], count),
              db_float8_array(columns->number[0], count),
              db_float8_array(columns->number[1], count)));
}

enum db_status
db_audit_insert(struct db_conn *conn, const struct db_audit *rows, size_t count)
{
  struct audit_columns *columns = malloc(sizeof *columns);
  enum db_status status = columns ? DB_ROWS : DB_SOFT;
  for (size_t i = 0; i < count && status >= DB_NONE; i += BATCH_MAX)
    status = insert_batch(conn, columns, rows + i, count - i < BATCH_MAX ? count - i : BATCH_MAX);
  free(columns);
  return status < DB_NONE ? status : DB_ROWS;
}

#define AUDIT_SQL                                                                                  \
  "SELECT id, tenant_id, key_id, action, object, status, request_id, address, at FROM audit"       \
  " WHERE tenant_id = $1 AND ($3 IS NULL OR action = $3) AND ($4 IS NULL OR key_id = $4)"

enum db_status
db_audit_list(struct db_conn *conn, const char *tenant_id, const struct db_audit_filter *filter,
              size_t limit, struct arena *arena, struct db_audit **rows, size_t *count)
{
  static const struct db_statement newest = {"audit_newest",
                                             AUDIT_SQL " AND id < $2 ORDER BY id DESC LIMIT $5"};
  static const struct db_statement after = {"audit_after",
                                            AUDIT_SQL " AND id > $2 ORDER BY id LIMIT $5"};
  static const struct db_column columns[] = {
    {DB_INT8, offsetof(struct db_audit, id), 0},
    {DB_TEXT, offsetof(struct db_audit, tenant_id), 0},
    {DB_TEXT, offsetof(struct db_audit, key_id), 0},
    {DB_TEXT, offsetof(struct db_audit, action), 0},
    {DB_TEXT, offsetof(struct db_audit, object), 0},
    {DB_INT4, offsetof(struct db_audit, status), 0},
    {DB_TEXT, offsetof(struct db_audit, request_id), 0},
    {DB_TEXT, offsetof(struct db_audit, address), 0},
    {DB_TIME, offsetof(struct db_audit, at_us), 0},
  };
  bool forward = filter->after >= 0;
  int64_t place = forward ? filter->after : filter->before > 0 ? filter->before : INT64_MAX;
  *count = 0;
  enum db_status status =
    db_exec_many(conn, forward ? &after : &newest,
                 DB_PARAMS(db_text(tenant_id), db_int8(place), db_text(filter->action),
                           db_text(filter->key_id), db_int8((int64_t) limit)),
                 DB_COLUMNS(columns), arena, sizeof **rows, rows, count);
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_audit_forget(struct db_conn *conn, double days)
{
  static const struct db_statement forget = {
    "forget_audit", "DELETE FROM audit WHERE id IN (SELECT id FROM audit"
                    " WHERE at < now() - make_interval(secs => $1 * 86400) LIMIT $2)"};
  enum db_status status;
  do
    status = db_exec_none(conn, &forget, DB_PARAMS(db_float8_nan(days), db_int4(FORGET_BATCH)));
  while (status == DB_ROWS);
  return status < DB_NONE ? status : DB_ROWS;
}
