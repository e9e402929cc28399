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

static enum db_status
take_claim(struct db_conn *conn, const char *tenant_id, const char *route, const char *key,
           const uint8_t digest[32], const char *holder, struct arena *arena,
           struct db_stored_answer *answer)
{
  /* What was claimed a day ago is another request; a claim that nobody holds any more is taken over by the same
   * request with its seed, so that what was made before is found again. */
  static const struct db_statement claim = {
    "idempotency_claim",
    "INSERT INTO idempotency AS i (tenant_id, route, key, digest, holder, lease_until, seed)"
    " VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6), $7)"
    " ON CONFLICT (tenant_id, route, key) DO UPDATE SET digest = EXCLUDED.digest,"
    " holder = EXCLUDED.holder, lease_until = EXCLUDED.lease_until,"
    " status = NULL, body = NULL, location = NULL,"
    " seed = CASE WHEN i.created_at < now() - interval '24 hours' THEN EXCLUDED.seed"
    "   ELSE coalesce(i.seed, EXCLUDED.seed) END,"
    " created_at = CASE WHEN i.created_at < now() - interval '24 hours' THEN now()"
    "   ELSE i.created_at END"
    " WHERE i.created_at < now() - interval '24 hours'"
    " OR (i.status IS NULL AND i.digest = EXCLUDED.digest"
    "   AND coalesce(i.lease_until, i.created_at + interval '10 minutes') < now())"
    " RETURNING seed, seed <> $7"};
  static const struct db_column columns[] = {
    {DB_TEXT, offsetof(struct db_stored_answer, seed), 0},
    {DB_BOOL, offsetof(struct db_stored_answer, taken_over), 0}};
  char seed[40];
  db_id_new("", seed, sizeof seed);
  return db_exec_one(conn, &claim,
                     DB_PARAMS(db_text(tenant_id), db_text(route), db_text(key), db_hash(digest),
                               db_text(holder), db_float8(DB_IDEMPOTENCY_LEASE_S), db_text(seed)),
                     DB_COLUMNS(columns), arena, answer);
}

enum db_status
db_idempotency_claim(struct db_conn *conn, const char *tenant_id, const char *route,
                     const char *key, const uint8_t digest[32], const char *holder,
                     struct arena *arena, struct db_stored_answer *answer)
{
  for (int i = 0; i < CLAIM_TRIES; i++)
  {
    enum db_status status = take_claim(conn, tenant_id, route, key, digest, holder, arena, answer);
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
db_idempotency_renew(struct db_conn *conn, const char *const *holders, size_t count, double seconds)
{
  static const struct db_statement renew = {
    "idempotency_renew", "UPDATE idempotency SET lease_until = now() + make_interval(secs => $2)"
                         " WHERE holder = ANY ($1)"};
  return db_exec_none(conn, &renew, DB_PARAMS(db_text_array(holders, count), db_float8(seconds)));
}

enum db_status
db_idempotency_orphan(struct db_conn *conn, const char *instance)
{
  static const struct db_statement orphan = {
    "idempotency_orphan", "UPDATE idempotency SET lease_until = now()"
                          " WHERE holder IS NOT NULL AND split_part(holder, ':', 1) = $1"};
  return db_exec_none(conn, &orphan, DB_PARAMS(db_text(instance)));
}

enum db_status
db_idempotency_finish(struct db_conn *conn, const char *tenant_id, const char *route,
                      const char *key, const char *holder, int status, const char *body,
                      const char *location)
{
  static const struct db_statement finish = {
    "idempotency_finish",
    "UPDATE idempotency SET status = $5, body = $6, location = $7, holder = NULL,"
    " lease_until = NULL WHERE tenant_id = $1 AND route = $2 AND key = $3 AND holder = $4"};
  return db_exec_none(conn, &finish,
                      DB_PARAMS(db_text(tenant_id), db_text(route), db_text(key), db_text(holder),
                                db_int4(status), db_text(body), db_text(location)));
}

enum db_status
db_idempotency_drop(struct db_conn *conn, const char *tenant_id, const char *route, const char *key,
                    const char *holder)
{
  static const struct db_statement drop = {
    "idempotency_drop", "DELETE FROM idempotency WHERE tenant_id = $1 AND route = $2 AND key = $3"
                        " AND holder = $4"};
  return db_exec_none(conn, &drop,
                      DB_PARAMS(db_text(tenant_id), db_text(route), db_text(key), db_text(holder)));
}
