#include <config.h>

#include "sql/db_batch.h"

#include <errno.h>
#include <unistd.h>

#include "sql/db_exec.h"

#define BATCH_SQL                                                                                  \
  "SELECT b.id, b.tenant_id, b.model_id, b.model_name, b.model_version, b.options, b.file_name,"   \
  " b.input_bytes, b.row_count, b.keep_days, b.state, b.problem, b.rows_done, b.rows_faulty,"      \
  " b.output_bytes, b.parts, b.created_at, b.started_at, b.ended_at FROM prediction_batch b"

static const struct db_column batch_columns[] = {
  {DB_TEXT, offsetof(struct db_batch, id), 0},
  {DB_TEXT, offsetof(struct db_batch, tenant_id), 0},
  {DB_TEXT, offsetof(struct db_batch, model_id), 0},
  {DB_TEXT, offsetof(struct db_batch, model_name), 0},
  {DB_INT4, offsetof(struct db_batch, model_version), 0},
  {DB_JSON, offsetof(struct db_batch, options), 0},
  {DB_TEXT, offsetof(struct db_batch, file_name), 0},
  {DB_UINT8, offsetof(struct db_batch, input_bytes), 0},
  {DB_UINT8, offsetof(struct db_batch, row_count), 0},
  {DB_FLOAT8, offsetof(struct db_batch, keep_days), 0},
  {DB_TEXT, offsetof(struct db_batch, state), 0},
  {DB_JSON, offsetof(struct db_batch, problem), 0},
  {DB_UINT8, offsetof(struct db_batch, rows_done), 0},
  {DB_UINT8, offsetof(struct db_batch, rows_faulty), 0},
  {DB_UINT8, offsetof(struct db_batch, output_bytes), 0},
  {DB_INT4, offsetof(struct db_batch, parts), 0},
  {DB_TIME, offsetof(struct db_batch, created_us), 0},
  {DB_TIME, offsetof(struct db_batch, started_us), 0},
  {DB_TIME, offsetof(struct db_batch, ended_us), 0}};

/* ---- the insert -------------------------------------------------------------------------------------- */

struct input
{
  int fd;
  off_t offset;
};

static long
read_input(void *context, char *bytes, size_t size)
{
  struct input *input = context;
  ssize_t got;
  do
    got = pread(input->fd, bytes, size, input->offset);
  while (got < 0 && errno == EINTR);
  if (got > 0)
    input->offset += got;
  return (long) got;
}

enum db_status
db_batch_insert(struct db_conn *conn, const struct db_batch *batch, int fd,
                const uint8_t sha256[32])
{
  static const struct db_statement find = {"batch_find",
                                           "SELECT 1 FROM prediction_batch WHERE id = $1"};
  static const struct db_statement insert = {
    "batch_insert",
    "INSERT INTO prediction_batch (id, tenant_id, model_id, model_name, model_version, options,"
    " file_name, input_blob, input_sha256, input_bytes, row_count, keep_days)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"};
  struct input input = {.fd = fd};
  int64_t blob_id;
  enum db_status status = db_exec_none(conn, &find, DB_PARAMS(db_text(batch->id)));
  if (status != DB_NONE)
    return status; /* stored by an earlier run whose answer was lost */
  status = db_blob_write(conn, read_input, &input, sha256, batch->input_bytes, &blob_id);
  if (status == DB_ROWS)
    status = db_exec_none(
      conn, &insert,
      DB_PARAMS(db_text(batch->id), db_text(batch->tenant_id), db_text(batch->model_id),
                db_text(batch->model_name), db_int4(batch->model_version), db_json(batch->options),
                db_text(batch->file_name), db_int8(blob_id), db_hash(sha256),
                db_int8((int64_t) batch->input_bytes), db_int8((int64_t) batch->row_count),
                db_float8(batch->keep_days)));
  return status == DB_ROWS ? db_notify(conn, "work", NULL) : status;
}

/* ---- reading ----------------------------------------------------------------------------------------- */

enum db_status
db_batch_get(struct db_conn *conn, const char *tenant_id, const char *id, struct arena *arena,
             struct db_batch *batch)
{
  static const struct db_statement get = {"batch_get",
                                          BATCH_SQL " WHERE b.tenant_id = $1 AND b.id = $2"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id), db_text(id)),
                     DB_COLUMNS(batch_columns), arena, batch);
}

enum db_status
db_batch_list(struct db_conn *conn, const char *tenant_id, const char *model_name,
              const char *cursor, size_t limit, struct arena *arena, struct db_batch **batches,
              size_t *count)
{
  static const struct db_statement list = {
    "batch_list", BATCH_SQL " WHERE b.tenant_id = $1 AND (b.created_at, b.id) < ($2, $3)"
                            " AND ($5::text IS NULL OR b.model_name = $5)"
                            " ORDER BY b.created_at DESC, b.id DESC LIMIT $4"};
  int64_t created_us;
  const char *id;
  if (!db_cursor_parse(cursor, &created_us, &id))
    return DB_NONE;
  enum db_status status =
    db_exec_many(conn, &list,
                 DB_PARAMS(db_text(tenant_id), db_time(created_us), db_text(id),
                           db_int8((int64_t) limit), db_text(model_name)),
                 DB_COLUMNS(batch_columns), arena, sizeof **batches, batches, count);
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_batch_count_live(struct db_conn *conn, const char *tenant_id, size_t *count)
{
  static const struct db_statement get = {
    "batch_count_live", "SELECT count(*) FROM prediction_batch WHERE tenant_id = $1"
                        " AND state IN ('queued', 'running')"};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id)), DB_SCALAR(DB_UINT8), NULL, count);
}

enum db_status
db_batch_part(struct db_conn *conn, const char *id, int seq, struct arena *arena,
              const void **bytes, size_t *length)
{
  static const struct db_statement get = {
    "batch_part", "SELECT data FROM prediction_batch_part WHERE batch_id = $1 AND seq = $2"};
  struct part
  {
    const void *bytes;
    size_t length;
  } part;
  static const struct db_column columns[] = {
    {DB_BYTES, offsetof(struct part, bytes), offsetof(struct part, length)}};
  enum db_status status = db_exec_one(conn, &get, DB_PARAMS(db_text(id), db_int4(seq)),
                                      DB_COLUMNS(columns), arena, &part);
  if (status == DB_ROWS)
  {
    *bytes = part.bytes;
    *length = part.length;
  }
  return status;
}

/* ---- ends that are asked for ---------------------------------------------------------------------------- */

struct named
{
  const char *tenant_id, *id;
};

static enum db_status
cancel(struct db_conn *conn, void *context)
{
  static const struct db_statement end = {
    "batch_cancel",
    "WITH old AS (SELECT id, input_blob FROM prediction_batch WHERE tenant_id = $1 AND id = $2"
    "   AND state IN ('queued','running') FOR UPDATE),"
    " ended AS (UPDATE prediction_batch b SET state = 'cancelled', ended_at = now(),"
    "   lease_until = NULL, input_blob = NULL FROM old WHERE b.id = old.id RETURNING "
    "old.input_blob)"
    " DELETE FROM blob WHERE id IN (SELECT input_blob FROM ended)"};
  static const struct db_statement drop = {"batch_drop_parts",
                                           "DELETE FROM prediction_batch_part WHERE batch_id = $1"};
  const struct named *batch = context;
  enum db_status status =
    db_exec_none(conn, &end, DB_PARAMS(db_text(batch->tenant_id), db_text(batch->id)));
  if (status == DB_ROWS)
    status = db_exec_none(conn, &drop, DB_PARAMS(db_text(batch->id)));
  else
    return status;
  return status < DB_NONE ? status : DB_ROWS;
}

enum db_status
db_batch_cancel(struct db_conn *conn, const char *tenant_id, const char *id)
{
  struct named batch = {tenant_id, id};
  return db_tx_run(conn, "batch_cancel", cancel, &batch);
}

enum db_status
db_batch_delete(struct db_conn *conn, const char *tenant_id, const char *id)
{
  static const struct db_statement remove = {
    "batch_delete",
    "WITH gone AS (DELETE FROM prediction_batch WHERE tenant_id = $1 AND id = $2"
    " RETURNING input_blob), freed AS (DELETE FROM blob WHERE id IN (SELECT input_blob FROM gone))"
    " SELECT 1 FROM gone"};
  return db_exec_none(conn, &remove, DB_PARAMS(db_text(tenant_id), db_text(id)));
}

enum db_status
db_batch_sweep(struct db_conn *conn)
{
  static const struct db_statement inputs = {
    "batch_sweep_inputs",
    "WITH old AS (UPDATE prediction_batch b SET input_blob = NULL FROM prediction_batch o"
    "   WHERE o.id = b.id AND o.ended_at IS NOT NULL AND o.input_blob IS NOT NULL"
    "   RETURNING o.input_blob) DELETE FROM blob WHERE id IN (SELECT input_blob FROM old)"};
  /* one at a time: each may be large */
  static const struct db_statement sweep = {
    "batch_sweep",
    "DELETE FROM prediction_batch WHERE id = (SELECT id FROM prediction_batch WHERE ended_at"
    " < now() - make_interval(secs => keep_days * 86400) AND input_blob IS NULL LIMIT 1)"};
  enum db_status status = db_exec_none(conn, &inputs, DB_NO_PARAMS);
  return status < DB_NONE ? status : db_exec_none(conn, &sweep, DB_NO_PARAMS);
}
