#include <config.h>

#include "sql/db_tenant.h"

#include "sql/db_exec.h"
#include "sql/db_key.h"
#include "sql/db_stored.h"

#define EVERY_SCOPE (DB_SCOPE_PREDICT | DB_SCOPE_READ | DB_SCOPE_TRAIN | DB_SCOPE_ADMIN)
#define TENANT_SQL "id, name, is_root, limits, created_at, disabled_at"

static const struct db_column tenant_columns[] = {
  {DB_TEXT, offsetof(struct db_tenant, id), 0},
  {DB_TEXT, offsetof(struct db_tenant, name), 0},
  {DB_BOOL, offsetof(struct db_tenant, root), 0},
  {DB_JSON, offsetof(struct db_tenant, limits), 0},
  {DB_TIME, offsetof(struct db_tenant, created_us), 0},
  {DB_TIME, offsetof(struct db_tenant, disabled_us), 0},
};

enum db_status
db_tenant_ensure(struct db_conn *conn, const char *name, struct arena *arena,
                 const char **tenant_id)
{
  static const struct db_statement insert = {
    "tenant_ensure", "INSERT INTO tenant (id, name, is_root)"
                     " SELECT $1, $2, NOT EXISTS (SELECT FROM tenant WHERE is_root)"
                     " ON CONFLICT DO NOTHING"};
  static const struct db_statement get = {"tenant_named", "SELECT id FROM tenant WHERE name = $1"};
  char id[32];
  db_id_new("ten_", id, sizeof id);
  enum db_status status = DB_NONE;
  /* Two first starts at once: who lost the place of the root tries again beside it. */
  for (int i = 0; i < 2 && status == DB_NONE; i++)
  {
    status = db_exec_none(conn, &insert, DB_PARAMS(db_text(id), db_text(name)));
    if (status >= DB_NONE)
      status =
        db_exec_one(conn, &get, DB_PARAMS(db_text(name)), DB_SCALAR(DB_TEXT), arena, tenant_id);
  }
  return status;
}

enum db_status
db_tenant_root(struct db_conn *conn, struct arena *arena, const char **tenant_id)
{
  static const struct db_statement get = {"tenant_root", "SELECT id FROM tenant WHERE is_root"};
  return db_exec_one(conn, &get, DB_NO_PARAMS, DB_SCALAR(DB_TEXT), arena, tenant_id);
}

/* Names are compared and given under one lock: nobody meets a unique index. */
static enum db_status
lock_names(struct db_conn *conn)
{
  static const struct db_statement lock = {
    "tenant_lock", "SELECT pg_advisory_xact_lock(hashtext('attune tenants'))"};
  return db_exec_none(conn, &lock, DB_NO_PARAMS);
}

static enum db_status
insert_both(struct db_conn *conn, void *context)
{
  static const struct db_statement insert = {
    "tenant_insert", "WITH made AS (INSERT INTO tenant (id, name, limits) SELECT $1, $2, $3"
                     " WHERE NOT EXISTS (SELECT FROM tenant WHERE name = $2) RETURNING id)"
                     " SELECT id FROM made UNION SELECT id FROM tenant WHERE id = $1"};
  const struct db_tenant_new *tenant = context;
  enum db_status status = lock_names(conn);
  if (status == DB_ROWS)
    status =
      db_exec_none(conn, &insert,
                   DB_PARAMS(db_text(tenant->id), db_text(tenant->name), db_json(tenant->limits)));
  if (status == DB_ROWS)
    status = db_key_insert(conn, tenant->key_id, tenant->id, tenant->key_name, EVERY_SCOPE, NULL,
                           tenant->key_hash, 0.0);
  return status;
}

enum db_status
db_tenant_insert(struct db_conn *conn, const struct db_tenant_new *tenant)
{
  struct db_tenant_new copy = *tenant;
  return db_tx_run(conn, "tenant_insert", insert_both, &copy);
}

enum db_status
db_tenant_get(struct db_conn *conn, const char *id, struct arena *arena, struct db_tenant *tenant)
{
  static const struct db_statement get = {"tenant_get",
                                          "SELECT " TENANT_SQL " FROM tenant WHERE id = $1"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(id)), DB_COLUMNS(tenant_columns), arena, tenant);
}

enum db_status
db_tenant_list(struct db_conn *conn, const char *cursor, size_t limit, struct arena *arena,
               struct db_tenant **tenants, size_t *count)
{
  static const struct db_statement list = {
    "tenant_list", "SELECT " TENANT_SQL " FROM tenant WHERE (created_at, id) < ($1, $2)"
                   " ORDER BY created_at DESC, id DESC LIMIT $3"};
  int64_t before_us;
  const char *before_id;
  *count = 0;
  if (!db_cursor_parse(cursor, &before_us, &before_id))
    return DB_NONE;
  enum db_status status = db_exec_many(
    conn, &list, DB_PARAMS(db_time(before_us), db_text(before_id), db_int8((int64_t) limit)),
    DB_COLUMNS(tenant_columns), arena, sizeof **tenants, tenants, count);
  return status == DB_NONE ? DB_ROWS : status;
}

struct update
{
  const char *id;
  const struct db_tenant_change *change;
  bool *name_taken;
};

static enum db_status
update_one(struct db_conn *conn, void *context)
{
  static const struct db_statement taken = {"tenant_name_taken",
                                            "SELECT FROM tenant WHERE name = $2 AND id <> $1"};
  static const struct db_statement update = {
    "tenant_update", "WITH changed AS (UPDATE tenant SET name = coalesce($2, name),"
                     " limits = jsonb_strip_nulls(limits || coalesce($3, '{}')),"
                     " disabled_at = CASE WHEN $4 IS NULL THEN disabled_at"
                     " WHEN $4 THEN coalesce(disabled_at, now()) END WHERE id = $1 RETURNING id)"
                     " SELECT pg_notify('attune', 'tenant ' || id) FROM changed"};
  struct update *asked = context;
  const struct db_tenant_change *change = asked->change;
  struct db_param disabled = db_bool(change->disabled && *change->disabled);
  disabled.null = !change->disabled;
  *asked->name_taken = false;
  enum db_status status = lock_names(conn);
  if (status == DB_ROWS && change->name)
  {
    status = db_exec_none(conn, &taken, DB_PARAMS(db_text(asked->id), db_text(change->name)));
    *asked->name_taken = status == DB_ROWS;
    if (status != DB_NONE)
      return status == DB_ROWS ? DB_NONE : status;
    status = DB_ROWS;
  }
  if (status == DB_ROWS)
    status = db_exec_none(
      conn, &update,
      DB_PARAMS(db_text(asked->id), db_text(change->name), db_json(change->limits), disabled));
  return status;
}

enum db_status
db_tenant_update(struct db_conn *conn, const char *id, const struct db_tenant_change *change,
                 bool *name_taken)
{
  struct update asked = {.id = id, .change = change, .name_taken = name_taken};
  return db_tx_run(conn, "tenant_update", update_one, &asked);
}

struct removal
{
  const char *id;
  bool *busy;
};

static enum db_status
delete_one(struct db_conn *conn, void *context)
{
  static const struct db_statement look = {
    "tenant_deletable",
    "SELECT disabled_at IS NULL OR is_root OR EXISTS (SELECT FROM dataset WHERE tenant_id = $1)"
    " OR EXISTS (SELECT FROM job WHERE tenant_id = $1)"
    " OR EXISTS (SELECT FROM model WHERE tenant_id = $1)"
    " OR EXISTS (SELECT FROM webhook WHERE tenant_id = $1) FROM tenant WHERE id = $1 FOR UPDATE"};
  static const struct db_statement parts[] = {
    {"tenant_drop_sessions", "DELETE FROM session s USING api_key k"
                             " WHERE s.key_id = k.id AND k.tenant_id = $1"},
    {"tenant_drop_codes", "DELETE FROM sign_in_code c USING api_key k"
                          " WHERE c.key_id = k.id AND k.tenant_id = $1"},
    {"tenant_drop_keys", "DELETE FROM api_key WHERE tenant_id = $1"},
    {"tenant_drop_answers", "DELETE FROM idempotency WHERE tenant_id = $1"},
    {"tenant_drop_audit", "DELETE FROM audit WHERE tenant_id = $1"},
    {"tenant_drop_usage", "DELETE FROM usage_day WHERE tenant_id = $1"},
    {"tenant_drop", "WITH gone AS (DELETE FROM tenant WHERE id = $1 RETURNING id)"
                    " SELECT pg_notify('attune', 'tenant ' || id) FROM gone"},
  };
  struct removal *asked = context;
  *asked->busy = false;
  enum db_status status =
    db_exec_one(conn, &look, DB_PARAMS(db_text(asked->id)), DB_SCALAR(DB_BOOL), NULL, asked->busy);
  if (status != DB_ROWS || *asked->busy)
    return status == DB_ROWS ? DB_NONE : status;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status >= DB_NONE; i++)
    status = db_exec_none(conn, &parts[i], DB_PARAMS(db_text(asked->id)));
  return status;
}

enum db_status
db_tenant_delete(struct db_conn *conn, const char *id, bool *busy)
{
  struct removal asked = {.id = id, .busy = busy};
  return db_tx_run(conn, "tenant_delete", delete_one, &asked);
}

enum db_status
db_tenant_lock(struct db_conn *conn, const char *id)
{
  static const struct db_statement lock = {"tenant_lock_row",
                                           "SELECT FROM tenant WHERE id = $1 FOR NO KEY UPDATE"};
  return db_exec_none(conn, &lock, DB_PARAMS(db_text(id)));
}

enum db_status
db_tenant_use(struct db_conn *conn, const char *id, struct db_tenant_use *use)
{
  static const struct db_statement get = {
    "tenant_use",
    "SELECT (SELECT coalesce(sum(d.bytes), 0)::bigint FROM " DB_STORED_SQL
    " d WHERE d.tenant_id = $1),"
    " (SELECT count(*) FROM job WHERE tenant_id = $1 AND state IN ('queued','running')),"
    " (SELECT count(*) FROM dataset WHERE tenant_id = $1 AND state = 'ingesting'"
    " AND deleted_at IS NULL),"
    " (SELECT count(*) FROM api_key k WHERE k.tenant_id = $1 AND " DB_KEY_USABLE_SQL ")"};
  static const struct db_column columns[] = {
    {DB_UINT8, offsetof(struct db_tenant_use, tenant_bytes), 0},
    {DB_UINT8, offsetof(struct db_tenant_use, live_jobs), 0},
    {DB_UINT8, offsetof(struct db_tenant_use, live_uploads), 0},
    {DB_UINT8, offsetof(struct db_tenant_use, keys), 0},
  };
  return db_exec_one(conn, &get, DB_PARAMS(db_text(id)), DB_COLUMNS(columns), NULL, use);
}

enum db_status
db_setting_get(struct db_conn *conn, const char *name, struct arena *arena, const char **value)
{
  static const struct db_statement get = {"setting_get",
                                          "SELECT value FROM setting WHERE name = $1"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(name)), DB_SCALAR(DB_TEXT), arena, value);
}

enum db_status
db_setting_set(struct db_conn *conn, const char *name, const char *value)
{
  static const struct db_statement set = {
    "setting_set", "INSERT INTO setting (name, value) VALUES ($1, $2)"
                   " ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"};
  return db_exec_none(conn, &set, DB_PARAMS(db_text(name), db_text(value)));
}
