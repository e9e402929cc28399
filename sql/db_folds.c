#include <config.h>

#include "sql/db_folds.h"

#include <stddef.h>

#include "sql/db_exec.h"

struct folds
{
  int64_t blob_id;
};

static const struct db_column columns[] = {{DB_INT8, offsetof(struct folds, blob_id), 0}};

enum db_status
db_folds_store(struct db_conn *conn, const char *job_id, const void *bytes, size_t length)
{
  static const struct db_statement drop = {
    "folds_drop", "WITH old AS (SELECT fold_blob FROM job WHERE id = $1 AND fold_blob IS NOT NULL),"
                  " gone AS (UPDATE job SET fold_blob = NULL WHERE id = $1)"
                  " DELETE FROM blob WHERE id IN (SELECT fold_blob FROM old)"};
  static const struct db_statement point = {"folds_point",
                                            "UPDATE job SET fold_blob = $2 WHERE id = $1"};
  int64_t blob_id;
  enum db_status status = db_exec_none(conn, &drop, DB_PARAMS(db_text(job_id)));
  if (status < DB_NONE)
    return status;
  status = db_blob_write_bytes(conn, bytes, length, &blob_id);
  return status == DB_ROWS
           ? db_exec_none(conn, &point, DB_PARAMS(db_text(job_id), db_int8(blob_id)))
           : status;
}

static bool
collect(void *context, const char *bytes, size_t size)
{
  struct buf *buf = context;
  buf_append(buf, bytes, size);
  return !buf->failed;
}

enum db_status
db_folds_read(struct db_conn *conn, const char *tenant_id, const char *job_id, struct arena *arena,
              struct buf *bytes)
{
  static const struct db_statement get = {
    "folds_get", "SELECT fold_blob FROM job WHERE id = $1 AND tenant_id = $2"
                 " AND fold_blob IS NOT NULL"};
  struct folds folds;
  enum db_status status = db_exec_one(conn, &get, DB_PARAMS(db_text(job_id), db_text(tenant_id)),
                                      DB_COLUMNS(columns), arena, &folds);
  return status == DB_ROWS ? db_blob_read(conn, folds.blob_id, collect, bytes) : status;
}

enum db_status
db_label_suspects(struct db_conn *conn, const char *tenant_id, const char *dataset_id,
                  int dataset_version, const char *target, struct arena *arena,
                  struct db_label_suspects *suspects)
{
  static const struct db_statement get = {
    "label_suspects",
    "SELECT v.report->'label_suspects' AS list,"
    " coalesce((v.report->>'label_suspect_count')::bigint, 0) AS count,"
    " coalesce(v.report->>'estimate', '') AS estimate, j.id, m.name, v.version"
    " FROM job j JOIN model_version v ON v.model_id = j.model_id AND v.version = j.model_version"
    " JOIN model m ON m.id = v.model_id"
    " WHERE j.tenant_id = $1 AND j.dataset_id = $2 AND j.dataset_version = $3 AND v.final"
    " AND v.report->>'target' IS NOT DISTINCT FROM $4"
    " AND jsonb_typeof(v.report->'label_suspects') = 'array'"
    " ORDER BY v.created_at DESC LIMIT 1"};
  static const struct db_column found[] = {
    {DB_JSON, offsetof(struct db_label_suspects, list), 0},
    {DB_INT8, offsetof(struct db_label_suspects, count), 0},
    {DB_TEXT, offsetof(struct db_label_suspects, estimate), 0},
    {DB_TEXT, offsetof(struct db_label_suspects, job_id), 0},
    {DB_TEXT, offsetof(struct db_label_suspects, model_name), 0},
    {DB_INT4, offsetof(struct db_label_suspects, version), 0}};
  return db_exec_one(
    conn, &get,
    DB_PARAMS(db_text(tenant_id), db_text(dataset_id), db_int4(dataset_version), db_text(target)),
    DB_COLUMNS(found), arena, suspects);
}
