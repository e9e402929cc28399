#include <config.h>

#include "sql/db_alias.h"

#include "sql/db_exec.h"

static const struct db_column columns[] = {{DB_TEXT, offsetof(struct db_alias, alias), 0},
                                           {DB_INT4, offsetof(struct db_alias, version), 0},
                                           {DB_JSON, offsetof(struct db_alias, split), 0},
                                           {DB_INT4, offsetof(struct db_alias, shadow), 0},
                                           {DB_TEXT, offsetof(struct db_alias, changed_by), 0},
                                           {DB_TIME, offsetof(struct db_alias, changed_us), 0}};

enum db_status
db_alias_lock(struct db_conn *conn, const char *model_id)
{
  static const struct db_statement lock = {"alias_lock",
                                           "SELECT 1 FROM model WHERE id = $1 FOR UPDATE"};
  return db_exec_none(conn, &lock, DB_PARAMS(db_text(model_id)));
}

enum db_status
db_alias_get(struct db_conn *conn, const char *model_id, const char *alias, struct arena *arena,
             struct db_alias *row)
{
  static const struct db_statement get = {
    "alias_get", "SELECT alias, version, split, shadow, changed_by, changed_at"
                 " FROM model_alias WHERE model_id = $1 AND alias = $2"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(model_id), db_text(alias)), DB_COLUMNS(columns),
                     arena, row);
}

enum db_status
db_alias_list(struct db_conn *conn, const char *model_id, struct arena *arena,
              struct db_alias **rows, size_t *count)
{
  static const struct db_statement list = {
    "alias_list", "SELECT alias, version, split, shadow, changed_by, changed_at"
                  " FROM model_alias WHERE model_id = $1 ORDER BY alias"};
  enum db_status status = db_exec_many(conn, &list, DB_PARAMS(db_text(model_id)),
                                       DB_COLUMNS(columns), arena, sizeof **rows, rows, count);
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_alias_changes(struct db_conn *conn, const char *model_id, const char *alias, size_t limit,
                 struct arena *arena, struct db_alias **rows, size_t *count)
{
  static const struct db_statement list = {
    "alias_changes", "SELECT alias, coalesce(version, 0), split, shadow, changed_by, changed_at"
                     " FROM model_alias_change WHERE model_id = $1 AND alias = $2"
                     " ORDER BY number DESC LIMIT $3"};
  enum db_status status = db_exec_many(
    conn, &list, DB_PARAMS(db_text(model_id), db_text(alias), db_int8((int64_t) limit)),
    DB_COLUMNS(columns), arena, sizeof **rows, rows, count);
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_alias_former(struct db_conn *conn, const char *model_id, const char *alias, int version,
                const char *split, int shadow, struct arena *arena, struct db_alias *row)
{
  static const struct db_statement former = {
    "alias_former",
    "SELECT alias, version, split, shadow, changed_by, changed_at FROM model_alias_change"
    " WHERE model_id = $1 AND alias = $2 AND version IS NOT NULL"
    " AND (version <> $3 OR split IS DISTINCT FROM $4"
    " OR coalesce(shadow, 0) <> $5)"
    " ORDER BY number DESC LIMIT 1"};
  return db_exec_one(
    conn, &former,
    DB_PARAMS(db_text(model_id), db_text(alias), db_int4(version), db_json(split), db_int4(shadow)),
    DB_COLUMNS(columns), arena, row);
}

enum db_status
db_alias_put(struct db_conn *conn, const char *model_id, const char *alias, int version,
             const char *split, int shadow, const char *key_id)
{
  static const struct db_statement put = {
    "alias_put",
    "WITH made AS (INSERT INTO model_alias (model_id, alias, version, split, shadow, changed_by)"
    " SELECT v.model_id, $2, v.version, $4, nullif($6, 0), $5 FROM model_version v"
    " WHERE v.model_id = $1 AND v.version = $3"
    " ON CONFLICT (model_id, alias) DO UPDATE SET version = EXCLUDED.version,"
    " split = EXCLUDED.split, shadow = EXCLUDED.shadow, changed_by = EXCLUDED.changed_by"
    " RETURNING model_id) SELECT pg_notify('attune', 'model ' || model_id) FROM made"};
  return db_exec_none(conn, &put,
                      DB_PARAMS(db_text(model_id), db_text(alias), db_int4(version), db_json(split),
                                db_text(key_id), db_int4(shadow)));
}

enum db_status
db_alias_delete(struct db_conn *conn, const char *model_id, const char *alias)
{
  static const struct db_statement drop = {
    "alias_delete",
    "WITH gone AS (DELETE FROM model_alias WHERE model_id = $1 AND alias = $2 RETURNING model_id)"
    " SELECT pg_notify('attune', 'model ' || model_id) FROM gone"};
  return db_exec_none(conn, &drop, DB_PARAMS(db_text(model_id), db_text(alias)));
}

/* ---- removal --------------------------------------------------------------------------------------- */

enum db_status
db_model_uses(struct db_conn *conn, const char *model_id, int version, struct db_model_uses *uses)
{
  static const struct db_statement count = {
    "model_uses", "SELECT (SELECT count(*) FROM model_alias a WHERE a.model_id = m.id AND $2 > 0"
                  "   AND (a.version = $2 OR a.shadow = $2 OR a.split ? $2::text)),"
                  " (SELECT count(*) FROM prediction_batch b WHERE b.model_id = m.id"
                  "   AND b.state IN ('queued','running') AND ($2 = 0 OR b.model_version = $2)),"
                  " (SELECT count(*) FROM job j WHERE j.tenant_id = m.tenant_id"
                  "   AND j.state IN ('queued','running','paused')"
                  "   AND (($2 = 0 AND j.spec->>'deploy_as' = m.name)"
                  "     OR (j.spec->'base_model'->>'id' = m.id"
                  "       AND ($2 = 0 OR j.spec->'base_model'->>'version' = $2::text))))"
                  " FROM model m WHERE m.id = $1"};
  static const struct db_column fields[] = {{DB_INT8, offsetof(struct db_model_uses, aliases), 0},
                                            {DB_INT8, offsetof(struct db_model_uses, batches), 0},
                                            {DB_INT8, offsetof(struct db_model_uses, jobs), 0}};
  return db_exec_one(conn, &count, DB_PARAMS(db_text(model_id), db_int4(version)),
                     DB_COLUMNS(fields), NULL, uses);
}

enum db_status
db_model_delete(struct db_conn *conn, const char *model_id, int version)
{
  static const struct db_statement forget = {
    "model_delete_jobs", "UPDATE job SET model_id = NULL, model_version = NULL"
                         " WHERE model_id = $1 AND ($2 = 0 OR model_version = $2)"};
  static const struct db_statement aliases = {
    "model_delete_aliases", "DELETE FROM model_alias WHERE model_id = $1 AND $2 = 0"};
  static const struct db_statement versions = {
    "model_delete_versions",
    "WITH gone AS (DELETE FROM model_version WHERE model_id = $1 AND ($2 = 0 OR version = $2)"
    "   RETURNING blob_id),"
    " freed AS (DELETE FROM blob WHERE id IN (SELECT blob_id FROM gone)"
    "   AND id NOT IN (SELECT blob_id FROM model_version WHERE model_id = $1"
    "     AND $2 <> 0 AND version <> $2))"
    " SELECT 1 FROM gone"};
  static const struct db_statement whole = {"model_delete",
                                            "DELETE FROM model WHERE id = $1 AND $2 = 0"};
  struct db_param id = db_text(model_id), number = db_int4(version);
  enum db_status status = db_exec_none(conn, &forget, DB_PARAMS(id, number));

  if (status >= DB_NONE)
    status = db_exec_none(conn, &aliases, DB_PARAMS(id, number));
  if (status >= DB_NONE)
    status = db_exec_none(conn, &versions, DB_PARAMS(id, number));
  if (status < DB_NONE || (status == DB_NONE && version > 0))
    return status;
  status = db_exec_none(conn, &whole, DB_PARAMS(id, number));
  return status >= DB_NONE ? db_notify(conn, "model", model_id) : status;
}
