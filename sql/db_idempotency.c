#include <config.h>

#include "sql/db_tenant.h"

#include "sql/db_exec.h"

/* A claim can vanish between the two statements below; then it is free again. */
#define CLAIM_TRIES 5

static enum db_status
find_answer(struct db_conn *conn, const char *tenant_id, const char *route, const char *key,
            const uint8_t digest[32], struct arena *arena, struct db_stored_answer *answer)
{
  static const struct db_statement get = {
    "idempotency_get", "SELECT digest = $4, status IS NOT NULL, coalesce(status, 0), body, location"
                       " FROM idempotency WHERE tenant_id = $1 AND route = $2 AND key = $3"};
  static const struct db_column columns[] = {
    {DB_BOOL, offsetof(struct db_stored_answer, same_content), 0},
    {DB_BOOL, offsetof(struct db_stored_answer, finished), 0},
    {DB_INT4, offsetof(struct db_stored_answer, status), 0},
    {DB_TEXT, offsetof(struct db_stored_answer, body), 0},
    {DB_TEXT, offsetof(struct db_stored_answer, location), 0}};
  return db_exec_one(conn, &get,
                     DB_PARAMS(db_text(tenant_id), db_text(route), db_text(key), db_hash(digest)),
                     DB_COLUMNS(columns), arena, answer);
}

enum db_status
db_idempotency_claim(struct db_conn *conn, const char *tenant_id, const char *route,
                     const char *key, const uint8_t digest[32], struct arena *arena,
                     struct db_stored_answer *answer)
{
  static const struct db_statement claim = {
    "idempotency_claim",
    "INSERT INTO idempotency AS i (tenant_id, route, key, digest) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (tenant_id, route, key) DO UPDATE"
    " SET digest = EXCLUDED.digest, status = NULL, body = NULL, location = NULL,"
    " created_at = now()"
    " WHERE i.created_at < now() - interval '24 hours'"
    " OR (i.status IS NULL AND i.created_at < now() - interval '10 minutes')"};
  for (int i = 0; i < CLAIM_TRIES; i++)
  {
    enum db_status status = db_exec_none(
      conn, &claim, DB_PARAMS(db_text(tenant_id), db_text(route), db_text(key), db_hash(digest)));
    if (status < DB_NONE)
      return status;
    if (status == DB_ROWS)
      return DB_NONE;
    status = find_answer(conn, tenant_id, route, key, digest, arena, answer);
    if (status != DB_NONE)
      return status;
  }
  return DB_SOFT;
}

enum db_status
db_idempotency_finish(struct db_conn *conn, const char *tenant_id, const char *route,
                      const char *key, int status, const char *body, const char *location)
{
  static const struct db_statement finish = {
    "idempotency_finish", "UPDATE idempotency SET status = $4, body = $5, location = $6"
                          " WHERE tenant_id = $1 AND route = $2 AND key = $3"};
  return db_exec_none(conn, &finish,
                      DB_PARAMS(db_text(tenant_id), db_text(route), db_text(key), db_int4(status),
                                db_text(body), db_text(location)));
}

enum db_status
db_idempotency_drop(struct db_conn *conn, const char *tenant_id, const char *route, const char *key)
{
  static const struct db_statement drop = {
    "idempotency_drop", "DELETE FROM idempotency WHERE tenant_id = $1 AND route = $2 AND key = $3"};
  return db_exec_none(conn, &drop, DB_PARAMS(db_text(tenant_id), db_text(route), db_text(key)));
}
