#include <config.h>

#include "sql/db_key.h"

#include <math.h>

static const struct db_column key_columns[] = {DB_KEY_COLUMNS(0)};

enum db_status
db_key_insert(struct db_conn *conn, const char *id, const char *tenant_id, const char *name,
              unsigned scopes, const char *model_name, const uint8_t hash[32], double expires_in_s)
{
  /* An id that is there already is this insert's own, run again after a lost answer. */
  static const struct db_statement insert = {
    "key_insert",
    "WITH made AS (INSERT INTO api_key (id, tenant_id, name, scopes, model_name, hash, expires_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))"
    " ON CONFLICT (id) DO NOTHING RETURNING id)"
    " SELECT pg_notify('attune', 'key ' || id) FROM made"};
  static const struct
  {
    unsigned scope;
    const char *name;
  } names[] = {{DB_SCOPE_PREDICT, "predict"},
               {DB_SCOPE_READ, "read"},
               {DB_SCOPE_TRAIN, "train"},
               {DB_SCOPE_ADMIN, "admin"}};
  const char *chosen[4];
  size_t count = 0;
  for (size_t i = 0; i < 4; i++)
    if (scopes & names[i].scope)
      chosen[count++] = names[i].name;
  enum db_status status =
    db_exec_none(conn, &insert,
                 DB_PARAMS(db_text(id), db_text(tenant_id), db_text(name),
                           db_text_array(chosen, count), db_text(model_name), db_hash(hash),
                           db_float8(expires_in_s > 0 ? expires_in_s : NAN)));
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_key_get(struct db_conn *conn, const char *id, struct arena *arena, struct db_key *key)
{
  static const struct db_statement get = {"key_get", "SELECT " DB_KEY_SQL " FROM " DB_KEY_TABLES_SQL
                                                     " WHERE k.id = $1"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(id)), DB_COLUMNS(key_columns), arena, key);
}

enum db_status
db_key_list(struct db_conn *conn, const char *tenant_id, const char *cursor, size_t limit,
            struct arena *arena, struct db_key **keys, size_t *count)
{
  static const struct db_statement list = {
    "key_list", "SELECT " DB_KEY_SQL " FROM " DB_KEY_TABLES_SQL
                " WHERE k.tenant_id = $1 AND (k.created_at, k.id) < ($2, $3)"
                " ORDER BY k.created_at DESC, k.id DESC LIMIT $4"};
  return db_exec_page(conn, &list, tenant_id, cursor, limit, DB_COLUMNS(key_columns), arena,
                      sizeof **keys, keys, count);
}

enum db_status
db_key_revoke(struct db_conn *conn, const char *tenant_id, const char *id)
{
  static const struct db_statement revoke = {
    "key_revoke", "WITH revoked AS (UPDATE api_key k SET revoked_at = now()"
                  " WHERE k.tenant_id = $1 AND k.id = $2 AND " DB_KEY_USABLE_SQL " RETURNING k.id),"
                  " ended AS (DELETE FROM session s USING revoked WHERE s.key_id = revoked.id)"
                  " SELECT pg_notify('attune', 'key ' || id) FROM revoked"};
  return db_exec_none(conn, &revoke, DB_PARAMS(db_text(tenant_id), db_text(id)));
}

enum db_status
db_key_count(struct db_conn *conn, const char *tenant_id, size_t *count)
{
  static const struct db_statement get = {
    "key_count", "SELECT count(*) FROM api_key k WHERE k.tenant_id = $1 AND " DB_KEY_USABLE_SQL};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id)), DB_SCALAR(DB_UINT8), NULL, count);
}
