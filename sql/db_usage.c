#include <config.h>

#include "sql/db_usage.h"

#include <stdlib.h>

#include "sql/db_exec.h"
#include "sql/db_stored.h"

#define BATCH_MAX ((size_t) 500)
#define DAY_SQL(time) "((" time " AT TIME ZONE 'UTC')::date - date '1970-01-01')"
#define TODAY_SQL DAY_SQL("now()")
#define STORED_SQL "SELECT d.tenant_id, sum(d.bytes)::float8 AS bytes FROM " DB_STORED_SQL " d"

struct usage_columns
{
  const char *tenant[BATCH_MAX];
  const char *kind[BATCH_MAX];
  double day[BATCH_MAX];
  double amount[BATCH_MAX];
};

static enum db_status
add_batch(struct db_conn *conn, struct usage_columns *columns, const struct db_usage *rows,
          size_t count)
{
  static const struct db_statement add = {
    "usage_add", "INSERT INTO usage_day AS u (tenant_id, day, kind, amount)"
                 " SELECT t.id, date '1970-01-01' + a.day::integer, a.kind, sum(a.amount)"
                 " FROM unnest($1, $2, $3, $4) AS a (tenant_id, day, kind, amount)"
                 " JOIN tenant t ON t.id = a.tenant_id GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
                 " ON CONFLICT (tenant_id, day, kind) DO UPDATE"
                 " SET amount = u.amount + EXCLUDED.amount"};
  for (size_t i = 0; i < count; i++)
  {
    columns->tenant[i] = rows[i].tenant_id;
    columns->day[i] = rows[i].day;
    columns->kind[i] = rows[i].kind;
    columns->amount[i] = rows[i].amount;
  }
  return db_exec_none(
    conn, &add,
    DB_PARAMS(db_text_array(columns->tenant, count), db_float8_array(columns->day, count),
              db_text_array(columns->kind, count), db_float8_array(columns->amount, count)));
}

struct addition
{
  const struct db_usage *rows;
  size_t count;
  struct usage_columns *columns;
};

static enum db_status
add_all(struct db_conn *conn, void *context)
{
  struct addition *all = context;
  enum db_status status = DB_ROWS;
  for (size_t i = 0; i < all->count && status >= DB_NONE; i += BATCH_MAX)
    status = add_batch(conn, all->columns, all->rows + i,
                       all->count - i < BATCH_MAX ? all->count - i : BATCH_MAX);
  return status < DB_NONE ? status : DB_ROWS;
}

enum db_status
db_usage_add(struct db_conn *conn, const struct db_usage *rows, size_t count)
{
  struct addition all = {.rows = rows, .count = count, .columns = malloc(sizeof *all.columns)};
  if (!all.columns)
    return DB_SOFT;
  enum db_status status = db_tx_run(conn, "usage_add", add_all, &all);
  free(all.columns);
  return status;
}

enum db_status
db_usage_gauge(struct db_conn *conn)
{
  static const struct db_statement gauge = {
    "usage_gauge", "INSERT INTO usage_day (tenant_id, day, kind, amount)"
                   " SELECT t.id, (now() AT TIME ZONE 'UTC')::date, 'stored_bytes',"
                   " coalesce(s.bytes, 0) FROM tenant t LEFT JOIN (" STORED_SQL
                   " GROUP BY d.tenant_id) s ON s.tenant_id = t.id ORDER BY t.id"
                   " ON CONFLICT (tenant_id, day, kind) DO UPDATE SET amount = EXCLUDED.amount"};
  return db_exec_none(conn, &gauge, DB_NO_PARAMS);
}

enum db_status
db_usage_list(struct db_conn *conn, const char *tenant_id, int from, int to, struct arena *arena,
              struct db_usage **rows, size_t *count)
{
  static const struct db_statement list = {
    "usage_list", "SELECT day, kind, amount FROM ("
                  " SELECT u.day - date '1970-01-01' AS day, u.kind, u.amount FROM usage_day u"
                  " WHERE u.tenant_id = $1 AND NOT (u.kind = 'stored_bytes'"
                  "   AND u.day - date '1970-01-01' = " TODAY_SQL ")"
                  " UNION ALL SELECT " DAY_SQL(
                    "x.ended_at") ", k.kind,"
                                  "   CASE k.kind WHEN 'trials' THEN count(*)::float8 ELSE "
                                  "sum(coalesce(x.seconds, 0)) END"
                                  "   FROM job j JOIN trial x ON x.job_id = j.id, (VALUES "
                                  "('trials'), ('training_seconds')) k (kind)"
                                  "   WHERE j.tenant_id = $1 AND x.ended_at IS NOT NULL"
                                  "   AND (j.ended_at IS NULL OR j.ended_at >= to_timestamp($2 * "
                                  "86400.0)) GROUP BY 1, 2"
                                  " UNION ALL SELECT " TODAY_SQL
                                  ", 'stored_bytes', coalesce((SELECT bytes FROM (" STORED_SQL
                                  " WHERE d.tenant_id = $1 GROUP BY d.tenant_id) s), 0)) all_days "
                                  "(day, kind, amount)"
                                  " WHERE day BETWEEN $2 AND $3 ORDER BY day, kind"};
  static const struct db_column columns[] = {{DB_INT4, offsetof(struct db_usage, day), 0},
                                             {DB_TEXT, offsetof(struct db_usage, kind), 0},
                                             {DB_FLOAT8, offsetof(struct db_usage, amount), 0}};
  *count = 0;
  enum db_status status =
    db_exec_many(conn, &list, DB_PARAMS(db_text(tenant_id), db_int4(from), db_int4(to)),
                 DB_COLUMNS(columns), arena, sizeof **rows, rows, count);
  return status == DB_NONE ? DB_ROWS : status;
}
