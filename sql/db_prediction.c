#include <config.h>

#include "sql/db_prediction.h"

#include <math.h>
#include <stdlib.h>

#include "sql/db_exec.h"

#define BATCH_MAX ((size_t) 1000)
#define FORGET_BATCH 20000

/* Columns as arrays: one statement for any number of rows. */
struct prediction_columns
{
  const char *id[BATCH_MAX], *model[BATCH_MAX];
  double row[BATCH_MAX], rows[BATCH_MAX], version[BATCH_MAX], class_index[BATCH_MAX],
    value[BATCH_MAX], at[BATCH_MAX];
};

static enum db_status
insert_batch(struct db_conn *conn, struct prediction_columns *columns,
             const struct db_prediction *rows, size_t count)
{
  static const struct db_statement insert = {
    "prediction_insert",
    "INSERT INTO prediction (id, row, rows, model_id, version, class, value, at)"
    " SELECT a.id, a.row::integer, a.rows::integer, v.model_id, v.version,"
    " CASE WHEN a.class >= 0 THEN a.class::integer END, a.value, to_timestamp(a.at)"
    " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)"
    " AS a (id, row, rows, model_id, version, class, value, at)"
    " JOIN model_version v ON v.model_id = a.model_id AND v.version = a.version::integer"
    " FOR KEY SHARE OF v ON CONFLICT DO NOTHING"}; /* one that is deleted meanwhile is left out */
  for (size_t i = 0; i < count; i++)
  {
    columns->id[i] = rows[i].id;
    columns->model[i] = rows[i].model_id;
    columns->row[i] = rows[i].row;
    columns->rows[i] = rows[i].rows;
    columns->version[i] = rows[i].version;
    columns->class_index[i] = rows[i].class_index;
    columns->value[i] = rows[i].value;
    columns->at[i] = (double) rows[i].at_us / 1e6;
  }
  return db_exec_none(
    conn, &insert,
    DB_PARAMS(db_text_array(columns->id, count), db_float8_array(columns->row, count),
              db_float8_array(columns->rows, count), db_text_array(columns->model, count),
              db_float8_array(columns->version, count),
              db_float8_array(columns->class_index, count), db_float8_array(columns->value, count),
              db_float8_array(columns->at, count)));
}

enum db_status
db_prediction_insert(struct db_conn *conn, const struct db_prediction *rows, size_t count)
{
  struct prediction_columns *columns = malloc(sizeof *columns);
  enum db_status status = columns ? DB_ROWS : DB_SOFT;
  for (size_t i = 0; i < count && status >= DB_NONE; i += BATCH_MAX)
    status = insert_batch(conn, columns, rows + i, count - i < BATCH_MAX ? count - i : BATCH_MAX);
  free(columns);
  return status < DB_NONE ? status : DB_ROWS;
}

enum db_status
db_prediction_find(struct db_conn *conn, const char *tenant_id, const char *const *ids,
                   const double *rows, size_t count, struct arena *arena,
                   struct db_prediction_found **found, size_t *found_count)
{
  static const struct db_statement find = {
    "prediction_find", "SELECT a.place - 1, p.rows, m.id, m.name, p.version, p.truth_at,"
                       " coalesce(p.truth_class, -1), p.truth_value"
                       " FROM unnest($2, $3) WITH ORDINALITY AS a (id, row, place)"
                       " JOIN prediction p ON p.id = a.id AND p.row = a.row::integer"
                       " JOIN model m ON m.id = p.model_id AND m.tenant_id = $1 ORDER BY a.place"};
  static const struct db_column columns[] = {
    {DB_UINT8, offsetof(struct db_prediction_found, place), 0},
    {DB_INT4, offsetof(struct db_prediction_found, rows), 0},
    {DB_TEXT, offsetof(struct db_prediction_found, model_id), 0},
    {DB_TEXT, offsetof(struct db_prediction_found, model_name), 0},
    {DB_INT4, offsetof(struct db_prediction_found, version), 0},
    {DB_TIME, offsetof(struct db_prediction_found, truth_us), 0},
    {DB_INT4, offsetof(struct db_prediction_found, truth_class), 0},
    {DB_FLOAT8, offsetof(struct db_prediction_found, truth_value), 0}};
  enum db_status status = db_exec_many(
    conn, &find,
    DB_PARAMS(db_text(tenant_id), db_text_array(ids, count), db_float8_array(rows, count)),
    DB_COLUMNS(columns), arena, sizeof **found, found, found_count);
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_prediction_set_truth(struct db_conn *conn, const char *const *ids, const double *rows,
                        const double *classes, const double *values, size_t count)
{
  static const struct db_statement set = {
    "prediction_set_truth",
    "UPDATE prediction p SET truth_class = CASE WHEN a.class >= 0 THEN a.class::integer END,"
    " truth_value = CASE WHEN a.class < 0 THEN a.value END, truth_at = now()"
    " FROM unnest($1, $2, $3, $4) AS a (id, row, class, value)"
    " WHERE p.id = a.id AND p.row = a.row::integer"};
  enum db_status status =
    db_exec_none(conn, &set,
                 DB_PARAMS(db_text_array(ids, count), db_float8_array(rows, count),
                           db_float8_array(classes, count), db_float8_array(values, count)));
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_truth_keep(struct db_conn *conn, const char *tenant_id, const char *const *ids,
              const double *rows, const char *const *truths, size_t count, size_t most, bool *full)
{
  static const struct db_statement keep = {
    "truth_keep",
    "INSERT INTO prediction_truth (tenant_id, id, row, truth)"
    " SELECT $1, a.id, a.row::integer, a.truth::jsonb"
    " FROM unnest($2, $3, $4) AS a (id, row, truth)"
    " WHERE (SELECT count(*) FROM prediction_truth WHERE tenant_id = $1) + $5 <= $6"
    " ON CONFLICT (tenant_id, id, row) DO UPDATE SET truth = EXCLUDED.truth, at = now()"};
  enum db_status status = db_exec_none(
    conn, &keep,
    DB_PARAMS(db_text(tenant_id), db_text_array(ids, count), db_float8_array(rows, count),
              db_text_array(truths, count), db_int8((int64_t) count), db_int8((int64_t) most)));
  *full = status == DB_NONE;
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_truth_join(struct db_conn *conn)
{
  static const struct db_statement join = {
    "truth_join",
    "WITH found AS (DELETE FROM prediction_truth t USING prediction p JOIN model m"
    "   ON m.id = p.model_id WHERE p.id = t.id AND p.row = t.row AND m.tenant_id = t.tenant_id"
    "   RETURNING t.id, t.row, t.truth, p.model_id, p.version),"
    " told AS (SELECT f.id, f.row, f.truth, v.schema ->> 'task' = 'regression' AS number,"
    "   (SELECT c.place - 1 FROM jsonb_array_elements_text(v.schema -> 'classes')"
    "     WITH ORDINALITY AS c (name, place) WHERE c.name = f.truth #>> '{}') AS class"
    "   FROM found f JOIN model_version v ON v.model_id = f.model_id AND v.version = f.version)"
    " UPDATE prediction p SET truth_class = told.class, truth_at = now(),"
    " truth_value = CASE WHEN told.number THEN (told.truth #>> '{}')::float8 END"
    " FROM told WHERE p.id = told.id AND p.row = told.row AND (told.class IS NOT NULL"
    "   OR (told.number AND jsonb_typeof(told.truth) = 'number'))"};
  static const struct db_statement forget = {
    "truth_forget", "DELETE FROM prediction_truth WHERE at < now() - interval '1 hour'"};
  enum db_status status = db_exec_none(conn, &join, DB_NO_PARAMS);
  if (status >= DB_NONE)
    status = db_exec_none(conn, &forget, DB_NO_PARAMS);
  return status < DB_NONE ? status : DB_ROWS;
}

enum db_status
db_prediction_has_peers(struct db_conn *conn, bool *peers)
{
  static const struct db_statement count = {
    "prediction_peers",
    "SELECT count(*) > 1 FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'attuned listen'"};
  return db_exec_one(conn, &count, DB_NO_PARAMS, DB_SCALAR(DB_BOOL), NULL, peers);
}

enum db_status
db_prediction_parts(struct db_conn *conn, const char *model_id, int version, int64_t from_us,
                    double part_seconds, struct arena *arena, struct db_prediction_part **parts,
                    size_t *count)
{
  static const struct db_statement list = {
    "prediction_parts",
    "SELECT floor(extract(epoch FROM at - $3) / $4)::integer AS part, count(*), count(truth_at),"
    " count(*) FILTER (WHERE truth_class = class),"
    " coalesce(sum(abs(truth_value - value)), 0),"
    " coalesce(sum((truth_value - value) * (truth_value - value)), 0)"
    " FROM prediction WHERE model_id = $1 AND version = $2 AND at >= $3 GROUP BY 1 ORDER BY 1"};
  static const struct db_column columns[] = {
    {DB_INT4, offsetof(struct db_prediction_part, part), 0},
    {DB_INT8, offsetof(struct db_prediction_part, rows), 0},
    {DB_INT8, offsetof(struct db_prediction_part, truths), 0},
    {DB_INT8, offsetof(struct db_prediction_part, right), 0},
    {DB_FLOAT8, offsetof(struct db_prediction_part, absolute), 0},
    {DB_FLOAT8, offsetof(struct db_prediction_part, squares), 0}};
  enum db_status status = db_exec_many(
    conn, &list,
    DB_PARAMS(db_text(model_id), db_int4(version), db_time(from_us), db_float8(part_seconds)),
    DB_COLUMNS(columns), arena, sizeof **parts, parts, count);
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_prediction_trim(struct db_conn *conn, const char *model_id, int version, size_t most)
{
  static const struct db_statement trim = {
    "prediction_trim",
    "DELETE FROM prediction WHERE (id, row) IN (SELECT id, row FROM prediction"
    " WHERE model_id = $1 AND version = $2 ORDER BY at DESC OFFSET $3 LIMIT $4)"};
  enum db_status status;
  do
    status = db_exec_none(conn, &trim,
                          DB_PARAMS(db_text(model_id), db_int4(version), db_int8((int64_t) most),
                                    db_int8(FORGET_BATCH)));
  while (status == DB_ROWS);
  return status < DB_NONE ? status : DB_ROWS;
}

enum db_status
db_prediction_forget(struct db_conn *conn, double days)
{
  static const struct db_statement rows = {
    "forget_predictions",
    "DELETE FROM prediction WHERE (id, row) IN (SELECT id, row FROM prediction"
    " WHERE at < now() - make_interval(secs => $1 * 86400) LIMIT $2)"};
  static const struct db_statement counts = {
    "forget_drift", "DELETE FROM drift_count WHERE hour < now() - make_interval(secs => $1 * 86400)"
                    " - interval '1 hour'"};
  enum db_status status;
  do
    status = db_exec_none(conn, &rows, DB_PARAMS(db_float8_nan(days), db_int4(FORGET_BATCH)));
  while (status == DB_ROWS);
  if (status >= DB_NONE)
    status = db_exec_none(conn, &counts, DB_PARAMS(db_float8_nan(days)));
  return status < DB_NONE ? status : DB_ROWS;
}
