#include <config.h>

#include "sql/db_job.h"

#include <jansson.h>
#include <string.h>

#include "sql/db_exec.h"

enum db_status
db_event_list(struct db_conn *conn, const char *tenant_id, const char *job_id, int64_t after,
              size_t limit, struct arena *arena, struct db_event **events, size_t *count,
              int64_t *oldest)
{
  static const struct db_statement first = {
    "event_oldest",
    "SELECT coalesce((SELECT min(e.seq) FROM job_event e WHERE e.job_id = j.id), j.event_seq + 1)"
    " FROM job j WHERE j.tenant_id = $1 AND j.id = $2"};
  static const struct db_statement list = {"event_list",
                                           "SELECT seq, kind, data, at FROM job_event"
                                           " WHERE job_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"};
  static const struct db_column columns[] = {{DB_INT8, offsetof(struct db_event, seq), 0},
                                             {DB_TEXT, offsetof(struct db_event, kind), 0},
                                             {DB_JSON, offsetof(struct db_event, data), 0},
                                             {DB_TIME, offsetof(struct db_event, at_us), 0}};
  *count = 0;
  enum db_status status = db_exec_one(conn, &first, DB_PARAMS(db_text(tenant_id), db_text(job_id)),
                                      DB_SCALAR(DB_INT8), NULL, oldest);
  if (status != DB_ROWS)
    return status;
  status =
    db_exec_many(conn, &list, DB_PARAMS(db_text(job_id), db_int8(after), db_int8((int64_t) limit)),
                 DB_COLUMNS(columns), arena, sizeof **events, events, count);
  return status == DB_NONE ? DB_ROWS : status;
}

/* The outside's name of an event of a job, or NULL when webhooks don't tell it. Starts are told once: *key is
 * what makes them one, NULL for what counts each time. */
static const char *
outside_name(const char *kind, const char *data, const char **key)
{
  static const char *const states[][2] = {
    {"succeeded", "job.succeeded"}, {"failed", "job.failed"}, {"cancelled", "job.cancelled"}};
  bool is_state = strcmp(kind, "state") == 0, is_done = strcmp(kind, "done") == 0;
  const char *name = NULL;
  *key = NULL;
  if (!is_state && !is_done && strcmp(kind, "best") != 0)
    return NULL;
  json_t *value = json_loads(data, 0, NULL);
  const char *state = json_string_value(json_object_get(value, "state"));
  if (!is_state && !is_done)
    name = json_is_object(json_object_get(value, "model")) ? "model.published" : NULL;
  else if (is_done)
  {
    for (size_t i = 0; state != NULL && i < sizeof states / sizeof states[0]; i++)
      if (strcmp(states[i][0], state) == 0)
        name = states[i][1];
  }
  else if (state != NULL && strcmp(state, "paused") == 0)
    name = "job.paused";
  else if (state != NULL && strcmp(state, "running") == 0)
  {
    name = "job.started";
    *key = "started";
  }
  json_decref(value);
  return name;
}

static enum db_status
tell_outside(struct db_conn *conn, const char *job_id, const char *kind, const char *data)
{
  static const struct db_statement tell = {
    "event_webhooks",
    "SELECT webhook_enqueue(j.tenant_id, j.id, $2, concat_ws(':', j.id, coalesce($3,"
    " j.event_seq::text)), jsonb_build_object('job', j.id, 'name', j.name, 'dataset',"
    " j.dataset_id) || $4) FROM job j WHERE j.id = $1"};
  const char *key;
  const char *name = outside_name(kind, data, &key);
  if (name == NULL)
    return DB_ROWS;
  return db_exec_none(conn, &tell,
                      DB_PARAMS(db_text(job_id), db_text(name), db_text(key), db_json(data)));
}

enum db_status
db_event_insert(struct db_conn *conn, const char *job_id, const char *kind, const char *data)
{
  /* The update locks the job's row until the commit: numbers become visible in their order. */
  static const struct db_statement insert = {
    "event_insert",
    "WITH next AS (UPDATE job SET event_seq = event_seq + 1 WHERE id = $1 RETURNING id, event_seq),"
    " made AS (INSERT INTO job_event (job_id, seq, kind, data, at)"
    " SELECT id, event_seq, $2, $3, clock_timestamp() FROM next RETURNING job_id)"
    " SELECT pg_notify('attune', 'job ' || job_id) FROM made"};
  enum db_status status =
    db_exec_none(conn, &insert, DB_PARAMS(db_text(job_id), db_text(kind), db_json(data)));
  return status == DB_ROWS ? tell_outside(conn, job_id, kind, data) : status;
}
