#include <config.h>

#include "sql/db_webhook.h"

#include <math.h>

#include "sql/db_exec.h"

#define WEBHOOK_SQL "w.id, w.tenant_id, w.job_id, w.url, w.events, w.created_at"

static const struct db_column webhook_columns[] = {
  {DB_TEXT, offsetof(struct db_webhook, id), 0},
  {DB_TEXT, offsetof(struct db_webhook, tenant_id), 0},
  {DB_TEXT, offsetof(struct db_webhook, job_id), 0},
  {DB_TEXT, offsetof(struct db_webhook, url), 0},
  {DB_TEXT_ARRAY, offsetof(struct db_webhook, events), offsetof(struct db_webhook, event_count)},
  {DB_TIME, offsetof(struct db_webhook, created_us), 0}};

enum db_status
db_webhook_insert(struct db_conn *conn, const struct db_webhook_insert *insert, struct arena *arena,
                  const char **secret)
{
  /* One that is there already stays as it is; only an update gives its row back. */
  static const struct db_statement add = {
    "webhook_insert", "INSERT INTO webhook (id, tenant_id, job_id, url, secret, events)"
                      " VALUES ($1, $2, $3, $4, $5, $6)"
                      " ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING secret"};
  return db_exec_one(conn, &add,
                     DB_PARAMS(db_text(insert->id), db_text(insert->tenant_id),
                               db_text(insert->job_id), db_text(insert->url),
                               db_text(insert->secret),
                               db_text_array(insert->events, insert->event_count)),
                     DB_SCALAR(DB_TEXT), arena, secret);
}

enum db_status
db_webhook_get(struct db_conn *conn, const char *tenant_id, const char *id, struct arena *arena,
               struct db_webhook *webhook)
{
  static const struct db_statement get = {
    "webhook_get", "SELECT " WEBHOOK_SQL " FROM webhook w"
                   " WHERE w.tenant_id = $1 AND w.id = $2 AND w.deleted_at IS NULL"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id), db_text(id)),
                     DB_COLUMNS(webhook_columns), arena, webhook);
}

enum db_status
db_webhook_list(struct db_conn *conn, const char *tenant_id, const char *cursor, size_t limit,
                struct arena *arena, struct db_webhook **webhooks, size_t *count)
{
  static const struct db_statement list = {
    "webhook_list", "SELECT " WEBHOOK_SQL " FROM webhook w WHERE w.tenant_id = $1"
                    " AND w.deleted_at IS NULL AND w.job_id IS NULL"
                    " AND (w.created_at, w.id) < ($2, $3)"
                    " ORDER BY w.created_at DESC, w.id DESC LIMIT $4"};
  return db_exec_page(conn, &list, tenant_id, cursor, limit, DB_COLUMNS(webhook_columns), arena,
                      sizeof **webhooks, webhooks, count);
}

enum db_status
db_webhook_count(struct db_conn *conn, const char *tenant_id, size_t *count)
{
  static const struct db_statement get = {"webhook_count",
                                          "SELECT count(*) FROM webhook WHERE tenant_id = $1"
                                          " AND deleted_at IS NULL AND job_id IS NULL"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id)), DB_SCALAR(DB_UINT8), NULL, count);
}

struct deletion
{
  const char *tenant_id;
  const char *id;
};

static enum db_status
delete_webhook(struct db_conn *conn, void *context)
{
  static const struct db_statement mark = {
    "webhook_delete", "UPDATE webhook SET deleted_at = now()"
                      " WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL"};
  static const struct db_statement drop = {
    "webhook_drop_deliveries",
    "UPDATE webhook_delivery SET state = 'failed', ended_at = now(), lease_until = NULL,"
    " last_error = 'the webhook was deleted' WHERE webhook_id = $1 AND state = 'pending'"};
  const struct deletion *deletion = context;
  enum db_status status =
    db_exec_none(conn, &mark, DB_PARAMS(db_text(deletion->tenant_id), db_text(deletion->id)));
  if (status != DB_ROWS)
    return status;
  status = db_exec_none(conn, &drop, DB_PARAMS(db_text(deletion->id)));
  return status < DB_NONE ? status : DB_ROWS;
}

enum db_status
db_webhook_delete(struct db_conn *conn, const char *tenant_id, const char *id)
{
  struct deletion deletion = {.tenant_id = tenant_id, .id = id};
  return db_tx_run(conn, "webhook_delete", delete_webhook, &deletion);
}

enum db_status
db_webhook_ping(struct db_conn *conn, const char *tenant_id, const char *id,
                const char *delivery_id)
{
  static const struct db_statement ping = {
    "webhook_ping", "INSERT INTO webhook_delivery (id, webhook_id, event, event_key, payload)"
                    " SELECT $3, w.id, 'ping', $3, jsonb_build_object('webhook', w.id)"
                    " FROM webhook w WHERE w.tenant_id = $1 AND w.id = $2"
                    " AND w.deleted_at IS NULL ON CONFLICT (id) DO UPDATE SET id = excluded.id"};
  return db_exec_none(conn, &ping,
                      DB_PARAMS(db_text(tenant_id), db_text(id), db_text(delivery_id)));
}

/* ---- deliveries ------------------------------------------------------------------------------------- */

enum db_status
db_delivery_list(struct db_conn *conn, const char *tenant_id, const char *webhook_id,
                 const char *cursor, size_t limit, struct arena *arena,
                 struct db_delivery **deliveries, size_t *count)
{
  static const struct db_statement there = {"delivery_webhook",
                                            "SELECT 1 FROM webhook WHERE tenant_id = $1 AND id = $2"
                                            " AND deleted_at IS NULL"};
  static const struct db_statement list = {
    "delivery_list",
    "SELECT id, event, state, attempts, coalesce(last_status, 0), last_error, created_at,"
    " CASE state WHEN 'pending' THEN next_at END, ended_at FROM webhook_delivery"
    " WHERE webhook_id = $1 AND (created_at, id) < ($2, $3)"
    " ORDER BY created_at DESC, id DESC LIMIT $4"};
  static const struct db_column columns[] = {
    {DB_TEXT, offsetof(struct db_delivery, id), 0},
    {DB_TEXT, offsetof(struct db_delivery, event), 0},
    {DB_TEXT, offsetof(struct db_delivery, state), 0},
    {DB_INT4, offsetof(struct db_delivery, attempts), 0},
    {DB_INT4, offsetof(struct db_delivery, last_status), 0},
    {DB_TEXT, offsetof(struct db_delivery, last_error), 0},
    {DB_TIME, offsetof(struct db_delivery, created_us), 0},
    {DB_TIME, offsetof(struct db_delivery, next_us), 0},
    {DB_TIME, offsetof(struct db_delivery, ended_us), 0}};
  *count = 0;
  enum db_status status =
    db_exec_none(conn, &there, DB_PARAMS(db_text(tenant_id), db_text(webhook_id)));
  if (status != DB_ROWS)
    return status;
  return db_exec_page(conn, &list, webhook_id, cursor, limit, DB_COLUMNS(columns), arena,
                      sizeof **deliveries, deliveries, count);
}

enum db_status
db_delivery_claim(struct db_conn *conn, double lease_s, struct arena *arena,
                  struct db_delivery_claim *claim)
{
  /* Two at a time for one webhook: a receiver that hangs holds up nobody else's. */
  static const struct db_statement take = {
    "delivery_claim",
    "WITH due AS (SELECT d.id FROM webhook_delivery d WHERE d.state = 'pending'"
    " AND d.next_at <= now() AND (d.lease_until IS NULL OR d.lease_until < now())"
    " AND (SELECT count(*) FROM webhook_delivery u WHERE u.webhook_id = d.webhook_id"
    "  AND u.state = 'pending' AND u.lease_until > now()) < 2"
    " ORDER BY d.next_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " UPDATE webhook_delivery d SET lease_token = d.lease_token + 1, attempts = d.attempts + 1,"
    " lease_until = now() + make_interval(secs => $1) FROM due, webhook w"
    " WHERE d.id = due.id AND w.id = d.webhook_id"
    " RETURNING d.id, d.lease_token, w.url, w.secret, d.event, d.payload, d.attempts,"
    " extract(epoch FROM now() - d.created_at)::float8, d.created_at"};
  static const struct db_column columns[] = {
    {DB_TEXT, offsetof(struct db_delivery_claim, id), 0},
    {DB_INT8, offsetof(struct db_delivery_claim, lease_token), 0},
    {DB_TEXT, offsetof(struct db_delivery_claim, url), 0},
    {DB_TEXT, offsetof(struct db_delivery_claim, secret), 0},
    {DB_TEXT, offsetof(struct db_delivery_claim, event), 0},
    {DB_JSON, offsetof(struct db_delivery_claim, data), 0},
    {DB_INT4, offsetof(struct db_delivery_claim, attempts), 0},
    {DB_FLOAT8, offsetof(struct db_delivery_claim, age_s), 0},
    {DB_TIME, offsetof(struct db_delivery_claim, created_us), 0}};
  return db_exec_one(conn, &take, DB_PARAMS(db_float8(lease_s)), DB_COLUMNS(columns), arena, claim);
}

enum db_status
db_delivery_settle(struct db_conn *conn, const char *id, int64_t lease_token, int status,
                   const char *error, double retry_in_s)
{
  static const struct db_statement settle = {
    "delivery_settle",
    "UPDATE webhook_delivery SET lease_until = NULL, last_status = nullif($3, 0), last_error = $4,"
    " state = CASE WHEN $4 IS NULL THEN 'delivered' WHEN $5 IS NULL THEN 'failed'"
    "  ELSE 'pending' END,"
    " next_at = CASE WHEN $5 IS NULL THEN next_at ELSE now() + make_interval(secs => $5) END,"
    " ended_at = CASE WHEN $5 IS NULL THEN now() END"
    " WHERE id = $1 AND lease_token = $2 AND state = 'pending'"};
  return db_exec_none(conn, &settle,
                      DB_PARAMS(db_text(id), db_int8(lease_token), db_int4(status), db_text(error),
                                db_float8(retry_in_s < 0 ? NAN : retry_in_s)));
}
