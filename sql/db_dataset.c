#include <config.h>

#include "sql/db_dataset.h"

#include "sql/db_exec.h"

/* What a query gives of dataset d and its version v. */
#define DATASET_SQL(schema)                                                                        \
  "d.id, d.name, d.state, d.problem, coalesce(v.version, d.version), v.kind, v.rows, v.bytes,"     \
  " v.sha256, " schema ", v.blob_id, d.created_at"

static const struct db_column dataset_columns[] = {
  {DB_TEXT, offsetof(struct db_dataset, id), 0},
  {DB_TEXT, offsetof(struct db_dataset, name), 0},
  {DB_TEXT, offsetof(struct db_dataset, state), 0},
  {DB_JSON, offsetof(struct db_dataset, problem), 0},
  {DB_INT4, offsetof(struct db_dataset, version), 0},
  {DB_TEXT, offsetof(struct db_dataset, kind), 0},
  {DB_INT8, offsetof(struct db_dataset, rows), 0},
  {DB_INT8, offsetof(struct db_dataset, bytes), 0},
  {DB_HASH, offsetof(struct db_dataset, sha256), 0},
  {DB_JSON, offsetof(struct db_dataset, schema), 0},
  {DB_INT8, offsetof(struct db_dataset, blob_id), 0},
  {DB_TIME, offsetof(struct db_dataset, created_us), 0}};

enum db_status
db_dataset_get(struct db_conn *conn, const char *tenant_id, const char *id, int version,
               struct arena *arena, struct db_dataset *dataset)
{
  static const struct db_statement get = {
    "dataset_get", "SELECT " DATASET_SQL(
                     "v.schema") " FROM dataset d"
                                 " LEFT JOIN dataset_version v ON v.dataset_id = d.id"
                                 " AND v.version = CASE $3 WHEN 0 THEN d.version ELSE $3 END"
                                 " WHERE d.tenant_id = $1 AND d.id = $2 AND d.deleted_at IS NULL"
                                 " AND ($3 = 0 OR v.version IS NOT NULL)"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id), db_text(id), db_int4(version)),
                     DB_COLUMNS(dataset_columns), arena, dataset);
}

enum db_status
db_dataset_list(struct db_conn *conn, const char *tenant_id, const char *cursor, size_t limit,
                struct arena *arena, struct db_dataset **datasets, size_t *count)
{
  static const struct db_statement list = {
    "dataset_list",
    "SELECT " DATASET_SQL("NULL::jsonb") " FROM dataset d LEFT JOIN dataset_version v"
                                         " ON v.dataset_id = d.id AND v.version = d.version"
                                         " WHERE d.tenant_id = $1 AND d.deleted_at IS NULL AND "
                                         "(d.created_at, d.id) < ($2, $3)"
                                         " ORDER BY d.created_at DESC, d.id DESC LIMIT $4"};
  return db_exec_page(conn, &list, tenant_id, cursor, limit, DB_COLUMNS(dataset_columns), arena,
                      sizeof **datasets, datasets, count);
}

enum db_status
db_dataset_bytes(struct db_conn *conn, const char *tenant_id, uint64_t *bytes)
{
  /* A version may share its blob with the one before. */
  static const struct db_statement get = {
    "dataset_bytes",
    "SELECT coalesce(sum(b.bytes), 0)::bigint FROM blob b WHERE b.id IN"
    " (SELECT v.blob_id FROM dataset d JOIN dataset_version v ON v.dataset_id = d.id"
    " WHERE d.tenant_id = $1)"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id)), DB_SCALAR(DB_UINT8), NULL, bytes);
}

struct deletion
{
  const char *tenant_id;
  const char *id;
  bool busy;
};

/* The row lock keeps new jobs off (db_job_insert locks it for share) while we look for live ones. */
static enum db_status
delete_dataset(struct db_conn *conn, void *context)
{
  static const struct db_statement lock = {"dataset_delete_lock",
                                           "SELECT 1 FROM dataset WHERE tenant_id = $1 AND id = $2"
                                           " AND deleted_at IS NULL FOR UPDATE"};
  static const struct db_statement busy = {"dataset_busy",
                                           "SELECT EXISTS (SELECT 1 FROM job WHERE dataset_id = $1"
                                           " AND state IN ('queued', 'running', 'paused'))"
                                           " OR EXISTS (SELECT 1 FROM lr_range_test"
                                           " WHERE dataset_id = $1"
                                           " AND state IN ('queued', 'running'))"};
  static const struct db_statement mark = {
    "dataset_mark_deleted",
    "UPDATE dataset SET deleted_at = now(), lease_until = NULL WHERE id = $1"};
  static const struct db_statement drop = {
    "dataset_drop_blobs", "DELETE FROM blob WHERE id IN"
                          " (SELECT blob_id FROM dataset_version WHERE dataset_id = $1)"};
  struct deletion *deletion = context;
  struct db_param id = db_text(deletion->id);
  deletion->busy = false;
  enum db_status status = db_exec_none(conn, &lock, DB_PARAMS(db_text(deletion->tenant_id), id));
  if (status != DB_ROWS)
    return status;
  status = db_exec_one(conn, &busy, DB_PARAMS(id), DB_SCALAR(DB_BOOL), NULL, &deletion->busy);
  if (status != DB_ROWS || deletion->busy)
    return deletion->busy ? DB_NONE : status;
  status = db_exec_none(conn, &mark, DB_PARAMS(id));
  if (status == DB_ROWS)
    status = db_exec_none(conn, &drop, DB_PARAMS(id));
  if (status >= DB_NONE)
    status = db_notify(conn, "dataset", deletion->id);
  return status;
}

enum db_status
db_dataset_delete(struct db_conn *conn, const char *tenant_id, const char *id, bool *busy)
{
  struct deletion deletion = {.tenant_id = tenant_id, .id = id};
  enum db_status status = db_tx_run(conn, "dataset_delete", delete_dataset, &deletion);
  *busy = deletion.busy;
  return status;
}
