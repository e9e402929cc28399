#include <config.h>

#include "sql/db_tenant.h"

#include "sql/db_exec.h"
#include "sql/db_key.h"

enum db_status
db_session_insert(struct db_conn *conn, const uint8_t hash[32], const char *key_id,
                  const char *csrf, double lifetime_s)
{
  static const struct db_statement insert = {
    "session_insert", "INSERT INTO session (hash, key_id, csrf, expires_at)"
                      " VALUES ($1, $2, $3, now() + make_interval(secs => $4))"};
  return db_exec_none(
    conn, &insert, DB_PARAMS(db_hash(hash), db_text(key_id), db_text(csrf), db_float8(lifetime_s)));
}

enum db_status
db_session_get(struct db_conn *conn, const uint8_t hash[32], struct arena *arena,
               struct db_session *session)
{
  static const struct db_statement get = {
    "session_get", "SELECT " DB_KEY_SQL ", s.csrf, s.expires_at FROM " DB_KEY_TABLES_SQL
                   " JOIN session s ON s.key_id = k.id"
                   " WHERE s.hash = $1 AND s.expires_at > now() AND " DB_KEY_USABLE_SQL};
  static const struct db_column columns[] = {DB_KEY_COLUMNS(offsetof(struct db_session, key)),
                                             {DB_TEXT, offsetof(struct db_session, csrf), 0},
                                             {DB_TIME, offsetof(struct db_session, expires_us), 0}};
  return db_exec_one(conn, &get, DB_PARAMS(db_hash(hash)), DB_COLUMNS(columns), arena, session);
}

enum db_status
db_session_delete(struct db_conn *conn, const uint8_t hash[32])
{
  static const struct db_statement delete = {
    "session_delete", "WITH gone AS (DELETE FROM session WHERE hash = $1 RETURNING key_id)"
                      " SELECT pg_notify('attune', 'key ' || key_id) FROM gone"};
  return db_exec_none(conn, &delete, DB_PARAMS(db_hash(hash)));
}

enum db_status
db_sign_in_code_insert(struct db_conn *conn, const uint8_t hash[32], const char *key_id,
                       double lifetime_s)
{
  static const struct db_statement insert = {"code_insert",
                                             "INSERT INTO sign_in_code (hash, key_id, expires_at)"
                                             " VALUES ($1, $2, now() + make_interval(secs => $3))"};
  return db_exec_none(conn, &insert,
                      DB_PARAMS(db_hash(hash), db_text(key_id), db_float8(lifetime_s)));
}

enum db_status
db_sign_in_code_use(struct db_conn *conn, const uint8_t hash[32], struct arena *arena,
                    const char **key_id)
{
  static const struct db_statement use = {
    "code_use",
    "UPDATE sign_in_code c SET used_at = now() FROM " DB_KEY_TABLES_SQL
    " WHERE c.hash = $1 AND c.used_at IS NULL AND c.expires_at > now()"
    " AND t.disabled_at IS NULL AND k.id = c.key_id AND " DB_KEY_USABLE_SQL " RETURNING c.key_id"};
  return db_exec_one(conn, &use, DB_PARAMS(db_hash(hash)), DB_SCALAR(DB_TEXT), arena, key_id);
}
