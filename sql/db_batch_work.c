#include <config.h>

#include "sql/db_batch.h"

#include <math.h>

#include "sql/db_work_internal.h"

/* ---- the claim --------------------------------------------------------------------------------------- */

static const struct db_column unit_columns[] = {
  {DB_TEXT, offsetof(struct db_batch_unit, batch_id), 0},
  {DB_INT8, offsetof(struct db_batch_unit, lease.unit_id), 0},
  {DB_INT8, offsetof(struct db_batch_unit, lease.lease_token), 0},
  {DB_INT4, offsetof(struct db_batch_unit, attempts), 0},
  {DB_JSON, offsetof(struct db_batch_unit, options), 0},
  {DB_UINT8, offsetof(struct db_batch_unit, place.bytes), 0},
  {DB_UINT8, offsetof(struct db_batch_unit, place.rows), 0},
  {DB_UINT8, offsetof(struct db_batch_unit, place.faulty), 0},
  {DB_INT4, offsetof(struct db_batch_unit, parts), 0},
  {DB_HASH, offsetof(struct db_batch_unit, input_sha256), 0},
  {DB_INT8, offsetof(struct db_batch_unit, input_blob), 0},
  {DB_UINT8, offsetof(struct db_batch_unit, input_bytes), 0},
  {DB_HASH, offsetof(struct db_batch_unit, model_sha256), 0},
  {DB_INT8, offsetof(struct db_batch_unit, model_blob), 0},
  {DB_UINT8, offsetof(struct db_batch_unit, model_bytes), 0}};

static const struct db_statement take = {
  "batch_claim",
  "UPDATE prediction_batch SET state = 'running', lease_token = lease_token + 1, worker = $1,"
  " lease_until = now() + make_interval(secs => $2), attempts = attempts + 1, served_at = now(),"
  " started_at = coalesce(started_at, now()) WHERE id = (SELECT b.id FROM prediction_batch b"
  "   WHERE b.state IN ('queued','running') AND coalesce(b.lease_until < now(), true)"
  "   AND b.attempts < $3 ORDER BY (SELECT count(*) FROM prediction_batch o"
  "     WHERE o.tenant_id = b.tenant_id AND o.state = 'running' AND o.lease_until >= now()),"
  "   b.served_at, b.number LIMIT 1 FOR UPDATE OF b SKIP LOCKED) RETURNING number"};
/* without its model it has no bytes, and a digest of nothing */
static const struct db_statement get = {
  "batch_unit", "SELECT b.id, b.number, b.lease_token, b.attempts, b.options, b.place, b.rows_done,"
                " b.rows_faulty, b.parts, b.input_sha256, coalesce(b.input_blob, 0), b.input_bytes,"
                " coalesce(v.sha256, b.input_sha256), coalesce(v.blob_id, 0), coalesce(v.bytes, 0)"
                " FROM prediction_batch b LEFT JOIN model_version v ON v.model_id = b.model_id"
                " AND v.version = b.model_version WHERE b.number = $1"};
static const struct db_statement put_back = {
  "batch_put_back", "UPDATE prediction_batch SET lease_until = NULL, worker = NULL,"
                    " attempts = attempts - $3 WHERE number = $1 AND lease_token = $2"
                    " AND state = 'running' AND attempts - $3 < $4"};

static const struct work_alone slices = {.take = &take,
                                         .get = &get,
                                         .put_back = &put_back,
                                         .columns = unit_columns,
                                         .column_count =
                                           sizeof unit_columns / sizeof *unit_columns};

#define END_SQL                                                                                    \
  "state = 'failed', ended_at = now(), lease_until = NULL, problem = jsonb_build_object('code',"   \
  " 'batch_failed', 'detail', $"

/* Its slice has used up its attempts. */
static enum db_status
fail_exhausted(struct db_conn *conn)
{
  static const struct db_statement fail = {
    "batch_exhausted",
    "UPDATE prediction_batch SET " END_SQL "2::text) WHERE attempts >= $1"
    " AND state IN ('queued','running') AND coalesce(lease_until < now(), true)"};
  return db_exec_none(conn, &fail,
                      DB_PARAMS(db_int4(DB_WORK_MAX_ATTEMPTS),
                                db_text("it ended before its time in each of its attempts")));
}

enum db_status
db_batch_claim(struct db_conn *conn, const char *worker, struct arena *arena,
               struct db_batch_unit *unit)
{
  enum db_status status = fail_exhausted(conn);
  *unit = (struct db_batch_unit){0};
  return status < DB_NONE ? status : work_alone_claim(conn, &slices, worker, arena, unit);
}

enum db_status
db_batch_heartbeat(struct db_conn *conn, const struct db_work_lease *lease,
                   struct db_work_pulse *pulse)
{
  static const struct db_statement renew = {
    "batch_heartbeat",
    "UPDATE prediction_batch SET lease_until = now() + make_interval(secs => $3)"
    " WHERE number = $1 AND lease_token = $2 AND state = 'running' AND lease_until IS NOT NULL"};
  enum db_status status = db_work_presence(conn);
  if (status < DB_NONE)
    return status;
  status = db_exec_none(
    conn, &renew,
    DB_PARAMS(db_int8(lease->unit_id), db_int8(lease->lease_token), db_float8(DB_WORK_LEASE_S)));
  if (status == DB_ROWS)
    *pulse = (struct db_work_pulse){.search_left_s = INFINITY};
  return status;
}

/* ---- the end of a slice ---------------------------------------------------------------------------------- */

struct slice
{
  const struct db_batch_unit *unit;
  const void *bytes;
  size_t length;
  const struct db_batch_place *place;
};

static enum db_status
store(struct db_conn *conn, void *context)
{
  static const struct db_statement move = {
    "batch_move",
    "UPDATE prediction_batch SET place = $4, rows_done = $5, rows_faulty = $6, parts = parts + 1,"
    " output_bytes = output_bytes + $7, attempts = 0, lease_until = NULL, worker = NULL,"
    " served_at = now(), state = CASE WHEN $8 THEN 'succeeded' ELSE 'running' END,"
    " ended_at = CASE WHEN $8 THEN now() END, row_count = CASE WHEN $8 THEN $5 ELSE row_count END"
    " WHERE number = $1 AND lease_token = $2 AND state = 'running' AND parts = $3"};
  static const struct db_statement insert = {
    "batch_store", "INSERT INTO prediction_batch_part (batch_id, seq, data) VALUES ($1, $2, $3)"};
  static const struct db_statement free_input = {
    "batch_free_input",
    "WITH old AS (UPDATE prediction_batch b SET input_blob = NULL FROM prediction_batch o"
    " WHERE b.id = $1 AND o.id = $1 RETURNING o.input_blob)"
    " DELETE FROM blob WHERE id IN (SELECT input_blob FROM old)"};
  const struct slice *slice = context;
  const struct db_batch_unit *unit = slice->unit;
  enum db_status status = db_exec_none(
    conn, &move,
    DB_PARAMS(db_int8(unit->lease.unit_id), db_int8(unit->lease.lease_token), db_int4(unit->parts),
              db_int8((int64_t) slice->place->bytes), db_int8((int64_t) slice->place->rows),
              db_int8((int64_t) slice->place->faulty), db_int8((int64_t) slice->length),
              db_bool(slice->place->ended)));
  if (status == DB_ROWS)
    status = db_exec_none(conn, &insert,
                          DB_PARAMS(db_text(unit->batch_id), db_int4(unit->parts),
                                    db_bytes(slice->bytes, slice->length)));
  if (status == DB_ROWS && slice->place->ended)
    status = db_exec_none(conn, &free_input, DB_PARAMS(db_text(unit->batch_id)));
  return status;
}

enum db_status
db_batch_store(struct db_conn *conn, const struct db_batch_unit *unit, const void *bytes,
               size_t length, const struct db_batch_place *place)
{
  struct slice slice = {.unit = unit, .bytes = bytes, .length = length, .place = place};
  return db_tx_run(conn, "batch_store", store, &slice);
}

enum db_status
db_batch_end(struct db_conn *conn, const struct db_work_lease *lease, enum db_work_end how,
             const char *reason)
{
  static const struct db_statement fail = {
    "batch_fail", "UPDATE prediction_batch SET " END_SQL "3::text)"
                  " WHERE number = $1 AND lease_token = $2 AND state = 'running'"};
  enum db_status status = work_alone_put_back(conn, &slices, lease, how);
  return status == DB_NONE ? db_exec_none(
           conn, &fail,
           DB_PARAMS(db_int8(lease->unit_id), db_int8(lease->lease_token), db_text(reason)))
                           : status;
}

enum db_status
db_batch_end_worker(struct db_conn *conn, const char *worker)
{
  static const struct db_statement list = {
    "batch_of_worker", "UPDATE prediction_batch SET lease_until = NULL, worker = NULL,"
                       " lease_token = lease_token + 1 WHERE state = 'running' AND worker = $1"};
  enum db_status status = db_exec_none(conn, &list, DB_PARAMS(db_text(worker)));
  return status == DB_ROWS ? db_notify(conn, "work", NULL) : status;
}
