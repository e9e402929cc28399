#include <config.h>

#include "sql/db_model.h"

#include "sql/db_exec.h"

/* What a query gives of model m and its version v. */
#define MODEL_SQL(report, split)                                                                   \
  "m.id, m.name, v.version, v.job_id, v.blob_id, v.sha256, v.bytes, v.family, v.task, v.metric,"   \
  " v.score, v.final, v.schema, " report ", v.us_per_row, v.created_at, " split

static const struct db_column model_columns[] = {
  {DB_TEXT, offsetof(struct db_model_version, model_id), 0},
  {DB_TEXT, offsetof(struct db_model_version, model_name), 0},
  {DB_INT4, offsetof(struct db_model_version, version), 0},
  {DB_TEXT, offsetof(struct db_model_version, job_id), 0},
  {DB_INT8, offsetof(struct db_model_version, blob_id), 0},
  {DB_HASH, offsetof(struct db_model_version, sha256), 0},
  {DB_UINT8, offsetof(struct db_model_version, bytes), 0},
  {DB_TEXT, offsetof(struct db_model_version, family), 0},
  {DB_TEXT, offsetof(struct db_model_version, task), 0},
  {DB_TEXT, offsetof(struct db_model_version, metric), 0},
  {DB_FLOAT8, offsetof(struct db_model_version, score), 0},
  {DB_BOOL, offsetof(struct db_model_version, final), 0},
  {DB_JSON, offsetof(struct db_model_version, schema), 0},
  {DB_JSON, offsetof(struct db_model_version, report), 0},
  {DB_FLOAT8, offsetof(struct db_model_version, us_per_row), 0},
  {DB_TIME, offsetof(struct db_model_version, created_us), 0},
  {DB_JSON, offsetof(struct db_model_version, split), 0},
  {DB_INT4, offsetof(struct db_model_version, shadow), 0}};

/* The model's row is locked until the commit, so that versions are numbered one after the other. */
static enum db_status
take_version(struct db_conn *conn, const struct db_model_insert *insert, struct arena *arena,
             const char **model_id, int *version)
{
  static const struct db_statement make = {
    "model_make", "INSERT INTO model (id, tenant_id, name) VALUES ($1, $2, $3)"
                  " ON CONFLICT (tenant_id, name) DO NOTHING"};
  static const struct db_statement lock = {
    "model_lock", "SELECT id FROM model WHERE tenant_id = $1 AND name = $2 FOR UPDATE"};
  static const struct db_statement next = {
    "model_next_version",
    "SELECT coalesce(max(version), 0) + 1 FROM model_version WHERE model_id = $1"};
  struct db_param tenant = db_text(insert->tenant_id), name = db_text(insert->model_name);
  char id[32];
  db_id_new("mdl_", id, sizeof id);
  enum db_status status = db_exec_none(conn, &make, DB_PARAMS(db_text(id), tenant, name));
  if (status >= DB_NONE)
    status = db_exec_one(conn, &lock, DB_PARAMS(tenant, name), DB_SCALAR(DB_TEXT), arena, model_id);
  if (status == DB_ROWS)
    status =
      db_exec_one(conn, &next, DB_PARAMS(db_text(*model_id)), DB_SCALAR(DB_INT4), NULL, version);
  return status;
}

static enum db_status
insert_row(struct db_conn *conn, const struct db_model_insert *insert, const char *model_id,
           int version, int64_t blob_id)
{
  /* The digest is the blob's, which was computed from these bytes. */
  static const struct db_statement statement = {
    "model_version_insert",
    "INSERT INTO model_version (model_id, version, job_id, blob_id, sha256, bytes, family, task,"
    " metric, score, final, schema, report, us_per_row)"
    " SELECT $1, $2, $3, b.id, b.sha256, b.bytes, $5, $6, $7, $8, $9, $10, $11, $12"
    " FROM blob b WHERE b.id = $4"};
  return db_exec_none(conn, &statement,
                      DB_PARAMS(db_text(model_id), db_int4(version), db_text(insert->job_id),
                                db_int8(blob_id), db_text(insert->family), db_text(insert->task),
                                db_text(insert->metric), db_float8(insert->score),
                                db_bool(insert->final), db_json(insert->schema),
                                db_json(insert->report), db_float8(insert->us_per_row)));
}

static enum db_status
insert_one(struct db_conn *conn, const struct db_model_insert *insert, struct arena *arena,
           const char **model_id, int *version)
{
  int64_t blob_id;
  enum db_status status = db_blob_write_bytes(conn, insert->bytes, insert->length, &blob_id);
  if (status == DB_ROWS)
    status = take_version(conn, insert, arena, model_id, version);
  if (status == DB_ROWS)
    status = insert_row(conn, insert, *model_id, *version, blob_id);
  return status;
}

enum db_status
db_model_insert_version(struct db_conn *conn, const struct db_model_insert *insert,
                        struct arena *arena, const char **model_id, int *version)
{
  static const struct db_statement point = {
    "model_point", "INSERT INTO model_alias (model_id, alias, version)"
                   " VALUES ($1, $2, $3) ON CONFLICT (model_id, alias)"
                   " DO UPDATE SET version = EXCLUDED.version, split = NULL,"
                   " shadow = NULL,"
                   " changed_by = NULL"};
  static const struct db_statement first = {"model_point_first",
                                            "INSERT INTO model_alias (model_id, alias, version)"
                                            " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"};
  int fast = 0, all = 0;
  enum db_status status = DB_ROWS;
  if (insert->fast != NULL)
    status = insert_one(conn, insert->fast, arena, model_id, &fast);
  if (status == DB_ROWS)
    status = insert_one(conn, insert, arena, model_id, version);
  if (status != DB_ROWS)
    return status;
  struct db_param id = db_text(*model_id), number = db_int4(*version);
  status = db_exec_none(conn, &point, DB_PARAMS(id, db_text("best"), number));
  if (status == DB_ROWS)
    status =
      db_exec_none(conn, insert->final ? &point : &first,
                   DB_PARAMS(id, db_text("fast"), insert->fast != NULL ? db_int4(fast) : number));
  if (status >= DB_NONE && insert->all != NULL)
    status = insert_one(conn, insert->all, arena, model_id, &all);
  if (status >= DB_NONE && insert->all != NULL)
    status = db_exec_none(conn, &point, DB_PARAMS(id, db_text("all"), db_int4(all)));
  if (status >= DB_NONE)
    status = db_notify(conn, "model", *model_id);
  return status;
}

enum db_status
db_model_get(struct db_conn *conn, const char *tenant_id, const char *name_or_id, int version,
             const char *alias, struct arena *arena, struct db_model_version *model)
{
  static const struct db_statement get = {
    "model_get",
    "SELECT " MODEL_SQL("v.report - 'confusion_rows'",
                        "CASE $3 WHEN 0 THEN a.split END, CASE $3 WHEN 0 THEN a.shadow "
                        "END") " FROM model m"
                               " LEFT JOIN model_alias a ON a.model_id = m.id AND "
                               "a.alias = $4"
                               " JOIN model_version v ON v.model_id = m.id"
                               " AND v.version = CASE $3 WHEN 0 THEN a.version ELSE $3 "
                               "END"
                               " WHERE m.tenant_id = $1 AND (m.name = $2 OR m.id = $2)"};
  return db_exec_one(conn, &get,
                     DB_PARAMS(db_text(tenant_id), db_text(name_or_id), db_int4(version),
                               db_text(alias != NULL ? alias : "best")),
                     DB_COLUMNS(model_columns), arena, model);
}

enum db_status
db_model_list(struct db_conn *conn, const char *tenant_id, const char *cursor, size_t limit,
              struct arena *arena, struct db_model_version **models, size_t *count)
{
  static const struct db_statement list = {
    "model_list",
    "SELECT " MODEL_SQL(
      "NULL::jsonb",
      "NULL::jsonb, NULL::integer") " FROM model m JOIN model_version v ON v.model_id = m.id"
                                    " WHERE m.tenant_id = $1 AND (v.created_at, m.id) < ($2, $3) "
                                    "AND v.version ="
                                    " (SELECT max(n.version) FROM model_version n WHERE n.model_id "
                                    "= m.id)"
                                    " ORDER BY v.created_at DESC, m.id DESC LIMIT $4"};
  return db_exec_page(conn, &list, tenant_id, cursor, limit, DB_COLUMNS(model_columns), arena,
                      sizeof **models, models, count);
}

enum db_status
db_model_version_list(struct db_conn *conn, const char *tenant_id, const char *name_or_id,
                      size_t limit, struct arena *arena, struct db_model_version **models,
                      size_t *count)
{
  static const struct db_statement list = {
    "model_version_list",
    "SELECT " MODEL_SQL(
      "NULL::jsonb",
      "NULL::jsonb, NULL::integer") " FROM model m"
                                    " JOIN model_version v ON v.model_id = m.id"
                                    " WHERE m.tenant_id = $1 AND (m.name = $2 OR m.id = $2)"
                                    " ORDER BY v.version DESC LIMIT $3"};
  return db_exec_many(conn, &list,
                      DB_PARAMS(db_text(tenant_id), db_text(name_or_id), db_int8((int64_t) limit)),
                      DB_COLUMNS(model_columns), arena, sizeof **models, models, count);
}
