#include <config.h>

#include "sql/db_dataset.h"

#include <string.h>

#include "base/log.h"
#include "sql/db_exec.h"

enum db_status
db_dataset_insert(struct db_conn *conn, const char *id, const char *tenant_id, const char *name,
                  const char *instance)
{
  /* An id that is there already is this insert's own, run again after a lost answer. */
  static const struct db_statement insert = {
    "dataset_insert", "INSERT INTO dataset (id, tenant_id, name, state, instance, lease_until)"
                      " VALUES ($1, $2, $3, 'ingesting', $4, now() + interval '60 seconds')"
                      " ON CONFLICT (id) DO NOTHING"};
  enum db_status status = db_exec_none(
    conn, &insert, DB_PARAMS(db_text(id), db_text(tenant_id), db_text(name), db_text(instance)));
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_dataset_heartbeat(struct db_conn *conn, const char *id, const char *instance)
{
  static const struct db_statement renew = {
    "dataset_heartbeat",
    "UPDATE dataset SET lease_until = now() + interval '60 seconds' WHERE id = $1"
    " AND instance = $2 AND state = 'ingesting' AND deleted_at IS NULL"};
  return db_exec_none(conn, &renew, DB_PARAMS(db_text(id), db_text(instance)));
}

static enum db_status
insert_version(struct db_conn *conn, const char *id, int version,
               const struct db_dataset_content *content, int64_t blob_id)
{
  static const struct db_statement insert = {
    "dataset_version_insert",
    "INSERT INTO dataset_version (dataset_id, version, kind, blob_id, sha256, bytes, rows, schema)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"};
  return db_exec_none(conn, &insert,
                      DB_PARAMS(db_text(id), db_int4(version), db_text(content->kind),
                                db_int8(blob_id), db_hash(content->sha256),
                                db_int8((int64_t) content->bytes), db_int8(content->rows),
                                db_json(content->schema)));
}

static bool
rewind_content(const struct db_dataset_content *content)
{
  if (content->rewind_fn(content->context))
    return true;
  log_error("a dataset's content could not be read from its start again");
  return false;
}

/* What webhooks hear of a dataset that has failed. */
#define TELL_FAILED                                                                                \
  "webhook_enqueue(tenant_id, NULL, 'dataset.failed', id || ':failed',"                            \
  " jsonb_build_object('dataset', id, 'name', name, 'error', problem))"

static enum db_status
tell_ready(struct db_conn *conn, const char *id)
{
  static const struct db_statement tell = {
    "dataset_ready_webhooks",
    "SELECT webhook_enqueue(d.tenant_id, NULL, 'dataset.ready', d.id || ':ready',"
    " jsonb_build_object('dataset', d.id, 'name', d.name, 'rows', v.rows, 'bytes', v.bytes))"
    " FROM dataset d JOIN dataset_version v ON v.dataset_id = d.id AND v.version = 1"
    " WHERE d.id = $1"};
  return db_exec_none(conn, &tell, DB_PARAMS(db_text(id)));
}

struct finish
{
  const char *id;
  const struct db_dataset_content *content;
  bool again; /* the content has been read before */
};

enum ingest_state
{
  INGEST_OPEN,    /* waits for its content */
  INGEST_STORED,  /* has this very content */
  INGEST_ELSEWISE /* failed, deleted, other content, or not there */
};

static enum db_status
find_ingest(struct db_conn *conn, const struct finish *finish, enum ingest_state *state)
{
  static const struct db_statement get = {
    "dataset_ingest_state",
    "SELECT d.state, v.sha256 FROM dataset d LEFT JOIN dataset_version v"
    " ON v.dataset_id = d.id AND v.version = 1 WHERE d.id = $1 AND d.deleted_at IS NULL"};
  struct row
  {
    const char *state;
    uint8_t sha256[32];
  } row;
  static const struct db_column columns[] = {{DB_TEXT, offsetof(struct row, state), 0},
                                             {DB_HASH, offsetof(struct row, sha256), 0}};
  *state = INGEST_ELSEWISE;
  struct arena *arena = arena_new(0);
  if (arena == NULL)
  {
    log_error("database: dataset_ingest_state failed: out of memory");
    return DB_HARD;
  }
  enum db_status status =
    db_exec_one(conn, &get, DB_PARAMS(db_text(finish->id)), DB_COLUMNS(columns), arena, &row);
  if (status == DB_ROWS && strcmp(row.state, "ingesting") == 0)
    *state = INGEST_OPEN;
  else if (status == DB_ROWS && strcmp(row.state, "ready") == 0
           && memcmp(row.sha256, finish->content->sha256, 32) == 0)
    *state = INGEST_STORED; /* by an earlier run whose answer was lost */
  arena_free(arena);
  return status;
}

/* The blob is written before the dataset's row is locked, so that heartbeats go on meanwhile. */
static enum db_status
finish_dataset(struct db_conn *conn, void *context)
{
  static const struct db_statement ready = {
    "dataset_ready",
    "UPDATE dataset SET state = 'ready', version = 1, lease_until = NULL, problem = NULL"
    " WHERE id = $1 AND state = 'ingesting' AND deleted_at IS NULL"};
  struct finish *finish = context;
  const struct db_dataset_content *content = finish->content;
  enum ingest_state state;
  enum db_status status = find_ingest(conn, finish, &state);
  if (status != DB_ROWS)
    return status;
  if (state != INGEST_OPEN)
    return state == INGEST_STORED ? DB_ROWS : DB_NONE;
  if (finish->again && !rewind_content(content))
    return DB_HARD;
  finish->again = true;
  int64_t blob_id;
  status = db_blob_write(conn, content->read_fn, content->context, content->sha256, content->bytes,
                         &blob_id);
  if (status != DB_ROWS)
    return status;
  status = db_exec_none(conn, &ready, DB_PARAMS(db_text(finish->id)));
  if (status == DB_NONE)
  {
    status = db_blob_delete(conn, blob_id); /* lost to a deletion meanwhile */
    return status < DB_NONE ? status : DB_NONE;
  }
  if (status == DB_ROWS)
    status = insert_version(conn, finish->id, 1, content, blob_id);
  if (status == DB_ROWS)
    status = tell_ready(conn, finish->id);
  if (status == DB_ROWS)
    status = db_notify(conn, "dataset", finish->id);
  return status;
}

enum db_status
db_dataset_finish(struct db_conn *conn, const char *id, const struct db_dataset_content *content)
{
  struct finish finish = {.id = id, .content = content};
  return db_tx_run(conn, "dataset_finish", finish_dataset, &finish);
}

enum db_status
db_dataset_fail(struct db_conn *conn, const char *id, const char *problem)
{
  static const struct db_statement fail = {
    "dataset_fail",
    "WITH failed AS (UPDATE dataset SET state = 'failed', problem = $2, lease_until = NULL"
    " WHERE id = $1 AND state = 'ingesting' AND deleted_at IS NULL"
    " RETURNING id, tenant_id, name, problem)"
    " SELECT pg_notify('attune', 'dataset ' || id), " TELL_FAILED " FROM failed"};
  return db_exec_none(conn, &fail, DB_PARAMS(db_text(id), db_json(problem)));
}

enum db_status
db_dataset_recover(struct db_conn *conn, const char *instance, struct arena *arena,
                   const char ***ids, size_t *count)
{
  static const struct db_statement give_up = {
    "dataset_give_up",
    "WITH failed AS (UPDATE dataset SET state = 'failed', lease_until = NULL, problem = $2"
    " WHERE state = 'ingesting' AND deleted_at IS NULL AND instance <> $1"
    " AND lease_until < now() - interval '60 seconds' RETURNING id, tenant_id, name, problem)"
    " SELECT pg_notify('attune', 'dataset ' || id), " TELL_FAILED " FROM failed"};
  static const struct db_statement resume = {
    "dataset_resume",
    "UPDATE dataset SET lease_until = now() + interval '60 seconds'"
    " WHERE state = 'ingesting' AND deleted_at IS NULL AND instance = $1 RETURNING id"};
  static const char interrupted[] =
    "{\"code\": \"ingest_interrupted\", \"detail\": \"the server that was reading this upload has"
    " gone away; upload the file again\", \"faults\": []}";
  *count = 0;
  enum db_status status =
    db_exec_none(conn, &give_up, DB_PARAMS(db_text(instance), db_json(interrupted)));
  if (status < DB_NONE)
    return status;
  status = db_exec_many(conn, &resume, DB_PARAMS(db_text(instance)), DB_SCALAR(DB_TEXT), arena,
                        sizeof **ids, ids, count);
  return status == DB_NONE ? DB_ROWS : status;
}

struct addition
{
  const char *tenant_id;
  const char *id;
  int from_version;
  const struct db_dataset_content *content;
  bool again;
  int version;
};

/* The blob of `from_version` when it has the same content already, else a new one. */
static enum db_status
find_or_write_blob(struct db_conn *conn, struct addition *addition, int64_t *blob_id)
{
  static const struct db_statement same = {
    "dataset_same_blob", "SELECT blob_id FROM dataset_version WHERE dataset_id = $1"
                         " AND version = $2 AND sha256 = $3 AND blob_id IS NOT NULL"};
  const struct db_dataset_content *content = addition->content;
  enum db_status status = db_exec_one(
    conn, &same,
    DB_PARAMS(db_text(addition->id), db_int4(addition->from_version), db_hash(content->sha256)),
    DB_SCALAR(DB_INT8), NULL, blob_id);
  if (status != DB_NONE)
    return status;
  if (addition->again && !rewind_content(content))
    return DB_HARD;
  addition->again = true;
  return db_blob_write(conn, content->read_fn, content->context, content->sha256, content->bytes,
                       blob_id);
}

static enum db_status
add_version(struct db_conn *conn, void *context)
{
  static const struct db_statement raise = {
    "dataset_raise_version",
    "UPDATE dataset SET version = version + 1 WHERE tenant_id = $1 AND id = $2 AND version = $3"
    " AND state = 'ready' AND deleted_at IS NULL RETURNING version"};
  struct addition *addition = context;
  /* Versions are rare and short: the row lock is held while the blob is written. */
  enum db_status status = db_exec_one(
    conn, &raise,
    DB_PARAMS(db_text(addition->tenant_id), db_text(addition->id), db_int4(addition->from_version)),
    DB_SCALAR(DB_INT4), NULL, &addition->version);
  if (status != DB_ROWS)
    return status;
  int64_t blob_id;
  status = find_or_write_blob(conn, addition, &blob_id);
  if (status == DB_ROWS)
    status = insert_version(conn, addition->id, addition->version, addition->content, blob_id);
  if (status == DB_ROWS)
    status = db_notify(conn, "dataset", addition->id);
  return status;
}

enum db_status
db_dataset_add_version(struct db_conn *conn, const char *tenant_id, const char *id,
                       int from_version, const struct db_dataset_content *content, int *version)
{
  struct addition addition = {
    .tenant_id = tenant_id, .id = id, .from_version = from_version, .content = content};
  enum db_status status = db_tx_run(conn, "dataset_add_version", add_version, &addition);
  *version = addition.version;
  return status;
}
