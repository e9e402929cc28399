#include <config.h>

#include "sql/db_tenant.h"

#include "sql/db_exec.h"

enum db_status
db_tenant_ensure(struct db_conn *conn, const char *name, struct arena *arena,
                 const char **tenant_id)
{
  static const struct db_statement insert = {
    "tenant_insert", "INSERT INTO tenant (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING"};
  static const struct db_statement get = {"tenant_get", "SELECT id FROM tenant WHERE name = $1"};
  char id[32];
  db_id_new("ten_", id, sizeof id);
  enum db_status status = db_exec_none(conn, &insert, DB_PARAMS(db_text(id), db_text(name)));
  if (status < DB_NONE)
    return status;
  return db_exec_one(conn, &get, DB_PARAMS(db_text(name)), DB_SCALAR(DB_TEXT), arena, tenant_id);
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
