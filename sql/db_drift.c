#include <config.h>

#include "sql/db_drift.h"

#include "sql/db_exec.h"

enum db_status
db_drift_reference_get(struct db_conn *conn, const char *model_id, int version, struct arena *arena,
                       struct db_drift_reference *reference)
{
  static const struct db_statement get = {
    "drift_reference_get",
    "SELECT reference, problem FROM drift_reference WHERE model_id = $1 AND version = $2"};
  static const struct db_column columns[] = {
    {DB_JSON, offsetof(struct db_drift_reference, reference), 0},
    {DB_TEXT, offsetof(struct db_drift_reference, problem), 0}};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(model_id), db_int4(version)),
                     DB_COLUMNS(columns), arena, reference);
}

enum db_status
db_drift_reference_put(struct db_conn *conn, const char *model_id, int version,
                       const struct db_drift_reference *reference)
{
  static const struct db_statement put = {
    "drift_reference_put",
    "INSERT INTO drift_reference (model_id, version, reference, problem)"
    " SELECT model_id, version, $3, $4 FROM model_version WHERE model_id = $1 AND version = $2"
    " FOR KEY SHARE"
    " ON CONFLICT (model_id, version) DO UPDATE SET problem = drift_reference.problem"};
  return db_exec_none(conn, &put,
                      DB_PARAMS(db_text(model_id), db_int4(version), db_json(reference->reference),
                                db_text(reference->problem)));
}

enum db_status
db_drift_source(struct db_conn *conn, const char *model_id, int version, struct arena *arena,
                struct db_drift_source *source)
{
  static const struct db_statement get = {
    "drift_source", "SELECT m.tenant_id, v.schema, j.dataset_id, coalesce(j.dataset_version, 0)"
                    " FROM model_version v JOIN model m ON m.id = v.model_id"
                    " LEFT JOIN job j ON j.id = v.job_id WHERE v.model_id = $1 AND v.version = $2"};
  static const struct db_column columns[] = {
    {DB_TEXT, offsetof(struct db_drift_source, tenant_id), 0},
    {DB_JSON, offsetof(struct db_drift_source, schema), 0},
    {DB_TEXT, offsetof(struct db_drift_source, dataset_id), 0},
    {DB_INT4, offsetof(struct db_drift_source, dataset_version), 0}};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(model_id), db_int4(version)),
                     DB_COLUMNS(columns), arena, source);
}

enum db_status
db_drift_add(struct db_conn *conn, const char *model_id, int version, int64_t hour_us,
             const double *counts, size_t size, int64_t logged, int64_t dropped)
{
  static const struct db_statement add = {
    "drift_add",
    "INSERT INTO drift_count AS d (model_id, version, hour, counts, logged, dropped)"
    " SELECT model_id, version, date_trunc('hour', $3), $4, $5, $6 FROM model_version"
    "   WHERE model_id = $1 AND version = $2 FOR KEY SHARE"
    " ON CONFLICT (model_id, version, hour) DO UPDATE SET counts ="
    "   CASE WHEN cardinality(d.counts) <> cardinality(EXCLUDED.counts) THEN EXCLUDED.counts"
    "   ELSE (SELECT array_agg(a.old + a.more ORDER BY a.place)"
    "     FROM unnest(d.counts, EXCLUDED.counts) WITH ORDINALITY AS a (old, more, place)) END,"
    "   logged = d.logged + EXCLUDED.logged, dropped = d.dropped + EXCLUDED.dropped"};
  return db_exec_none(conn, &add,
                      DB_PARAMS(db_text(model_id), db_int4(version), db_time(hour_us),
                                db_float8_array(counts, size), db_int8(logged), db_int8(dropped)));
}

enum db_status
db_drift_hours(struct db_conn *conn, const char *model_id, int version, int64_t from_us,
               struct arena *arena, struct db_drift_hour **hours, size_t *count)
{
  static const struct db_statement list = {
    "drift_hours", "SELECT hour, counts, logged, dropped FROM drift_count"
                   " WHERE model_id = $1 AND version = $2 AND hour > $3 - interval '1 hour'"
                   " ORDER BY hour"};
  static const struct db_column columns[] = {
    {DB_TIME, offsetof(struct db_drift_hour, hour_us), 0},
    {DB_FLOAT8_ARRAY, offsetof(struct db_drift_hour, counts), offsetof(struct db_drift_hour, size)},
    {DB_INT8, offsetof(struct db_drift_hour, logged), 0},
    {DB_INT8, offsetof(struct db_drift_hour, dropped), 0}};
  enum db_status status =
    db_exec_many(conn, &list, DB_PARAMS(db_text(model_id), db_int4(version), db_time(from_us)),
                 DB_COLUMNS(columns), arena, sizeof **hours, hours, count);
  return status == DB_NONE ? DB_ROWS : status;
}
