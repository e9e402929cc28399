#include <config.h>

#include "sql/db_range.h"

#include <math.h>

#include "sql/db_work_internal.h"

/* ---- the claim --------------------------------------------------------------------------------------- */

static const struct db_column unit_columns[] = {
  {DB_TEXT, offsetof(struct db_range_unit, test_id), 0},
  {DB_INT8, offsetof(struct db_range_unit, unit.id), 0},
  {DB_INT8, offsetof(struct db_range_unit, unit.lease_token), 0},
  {DB_TEXT, offsetof(struct db_range_unit, unit.tenant_id), 0},
  {DB_TEXT, offsetof(struct db_range_unit, unit.job_id), 0},
  {DB_INT4, offsetof(struct db_range_unit, unit.attempts), 0},
  {DB_JSON, offsetof(struct db_range_unit, unit.params), 0},
  {DB_TEXT, offsetof(struct db_range_unit, unit.family), 0},
  {DB_JSON, offsetof(struct db_range_unit, unit.spec), 0},
  {DB_TEXT, offsetof(struct db_range_unit, unit.dataset_id), 0},
  {DB_HASH, offsetof(struct db_range_unit, unit.dataset_sha256), 0},
  {DB_INT8, offsetof(struct db_range_unit, unit.dataset_blob), 0},
  {DB_UINT8, offsetof(struct db_range_unit, unit.dataset_bytes), 0},
  {DB_JSON, offsetof(struct db_range_unit, unit.schema), 0},
  {DB_FLOAT8, offsetof(struct db_range_unit, low), 0},
  {DB_FLOAT8, offsetof(struct db_range_unit, high), 0},
  {DB_INT4, offsetof(struct db_range_unit, steps), 0}};

static const struct db_statement take = {
  "range_claim",
  "UPDATE lr_range_test SET state = 'running', lease_token = lease_token + 1, worker = $1,"
  " lease_until = now() + make_interval(secs => $2), attempts = attempts + 1,"
  " started_at = coalesce(started_at, now()) WHERE id = (SELECT r.id FROM lr_range_test r"
  "   LEFT JOIN job j ON j.id = r.job_id WHERE (r.job_id IS NULL OR (j.state = 'running'"
  "     AND j.phase = 'search' AND NOT j.cancel_requested))"
  "   AND (r.state = 'queued' OR (r.state = 'running' AND r.lease_until < now()))"
  "   AND r.attempts < $3 ORDER BY (SELECT count(*) FROM lr_range_test o"
  "     WHERE o.tenant_id = r.tenant_id AND o.state = 'running' AND o.lease_until >= now()),"
  "   r.created_at, r.number LIMIT 1 FOR UPDATE OF r SKIP LOCKED) RETURNING number"};
static const struct db_statement get = {
  "range_unit",
  "SELECT r.id, r.number, r.lease_token, r.tenant_id, r.job_id, r.attempts, r.params, r.family,"
  " r.spec, r.dataset_id, v.sha256, v.blob_id, v.bytes, v.schema, r.low, r.high,"
  " coalesce(r.steps, 0) FROM lr_range_test r JOIN dataset_version v ON v.dataset_id = r.dataset_id"
  " AND v.version = r.dataset_version WHERE r.number = $1"};
static const struct db_statement put_back = {
  "range_put_back",
  "UPDATE lr_range_test SET state = 'queued', lease_until = NULL, worker = NULL,"
  " attempts = attempts - $3 WHERE number = $1 AND lease_token = $2 AND state = 'running'"
  " AND attempts - $3 < $4"};

static const struct work_alone tests = {.take = &take,
                                        .get = &get,
                                        .put_back = &put_back,
                                        .columns = unit_columns,
                                        .column_count = sizeof unit_columns / sizeof *unit_columns};

/* Its attempts are used up, or its job's search has ended without it. */
static enum db_status
fail_idle(struct db_conn *conn)
{
  static const struct db_statement fail = {
    "range_exhausted",
    "UPDATE lr_range_test SET state = 'failed', ended_at = now(), lease_until = NULL,"
    " problem = jsonb_build_object('code', 'range_test_failed', 'detail',"
    "   'it ended before its time in each of its attempts') WHERE attempts >= $1"
    " AND (state = 'queued' OR (state = 'running' AND lease_until < now()))"};
  static const struct db_statement drop = {
    "range_drop",
    "UPDATE lr_range_test r SET state = 'failed', ended_at = now(), lease_until = NULL,"
    " problem = jsonb_build_object('code', 'range_test_failed', 'detail',"
    "   'the search of its job ended before it') FROM job j WHERE j.id = r.job_id"
    " AND r.state IN ('queued','running') AND coalesce(r.lease_until < now(), true)"
    " AND (j.phase <> 'search' OR j.cancel_requested)"};
  enum db_status status = db_exec_none(conn, &fail, DB_PARAMS(db_int4(DB_WORK_MAX_ATTEMPTS)));
  return status < DB_NONE ? status : db_exec_none(conn, &drop, DB_NO_PARAMS);
}

enum db_status
db_range_claim(struct db_conn *conn, const char *worker, struct arena *arena,
               struct db_range_unit *unit)
{
  enum db_status status = fail_idle(conn);
  *unit = (struct db_range_unit){.unit.budget_left_s = INFINITY};
  return status < DB_NONE ? status : work_alone_claim(conn, &tests, worker, arena, unit);
}

/* ---- while it runs, and its end ---------------------------------------------------------------------- */

enum db_status
db_range_heartbeat(struct db_conn *conn, const struct db_work_lease *lease,
                   struct db_work_pulse *pulse)
{
  /* the numbers of enum db_work_stop */
  static const struct db_statement renew = {
    "range_heartbeat",
    "UPDATE lr_range_test r SET lease_until = now() + make_interval(secs => $3)"
    " FROM lr_range_test own LEFT JOIN job j ON j.id = own.job_id"
    " WHERE own.number = $1 AND r.number = $1 AND r.lease_token = $2 AND r.state = 'running'"
    " RETURNING CASE WHEN j.id IS NULL THEN 0 WHEN j.state = 'paused' THEN 1"
    "   WHEN j.state <> 'running' OR j.phase <> 'search' THEN 2"
    "   WHEN j.cancel_requested THEN 3 ELSE 0 END"};
  int stop = 0;
  enum db_status status = db_work_presence(conn);
  if (status < DB_NONE)
    return status;
  status = db_exec_one(
    conn, &renew,
    DB_PARAMS(db_int8(lease->unit_id), db_int8(lease->lease_token), db_float8(DB_WORK_LEASE_S)),
    DB_SCALAR(DB_INT4), NULL, &stop);
  if (status == DB_ROWS)
    *pulse = (struct db_work_pulse){.stop = (enum db_work_stop) stop, .search_left_s = INFINITY};
  return status;
}

enum db_status
db_range_end(struct db_conn *conn, const struct db_work_lease *lease, enum db_work_end how,
             const char *reason)
{
  enum db_status status = work_alone_put_back(conn, &tests, lease, how);
  return status == DB_NONE ? work_range_fail(conn, lease, reason) : status;
}

enum db_status
db_range_end_worker(struct db_conn *conn, const char *worker, const char *reason)
{
  static const struct db_statement list = {
    "range_of_worker",
    "SELECT number, lease_token FROM lr_range_test WHERE state = 'running' AND worker = $1"};
  return work_end_held(conn, &list, worker, db_range_end, reason);
}
