#include <config.h>

#include "sql/db_work_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "sql/db_job.h"

enum db_status
work_job_lock(struct db_conn *conn, const char *job_id, struct arena *arena, struct work_job *job)
{
  static const struct db_statement lock = {
    "work_job_lock", "SELECT id, state, phase, cancel_requested, stop_reason, trial_count,"
                     " best_trial_id, best_objective, coalesce((SELECT excess FROM trial"
                     "   WHERE trial.id = best_trial_id), 0) FROM job WHERE id = $1 FOR UPDATE"};
  static const struct db_column columns[] = {
    {DB_TEXT, offsetof(struct work_job, id), 0},
    {DB_TEXT, offsetof(struct work_job, state), 0},
    {DB_TEXT, offsetof(struct work_job, phase), 0},
    {DB_BOOL, offsetof(struct work_job, cancel_requested), 0},
    {DB_TEXT, offsetof(struct work_job, stop_reason), 0},
    {DB_INT4, offsetof(struct work_job, trial_count), 0},
    {DB_TEXT, offsetof(struct work_job, best_trial_id), 0},
    {DB_FLOAT8, offsetof(struct work_job, best_objective), 0},
    {DB_FLOAT8, offsetof(struct work_job, best_excess), 0}};
  return db_exec_one(conn, &lock, DB_PARAMS(db_text(job_id)), DB_COLUMNS(columns), arena, job);
}

bool
work_job_may(const struct work_job *job, enum job_verb verb)
{
  enum job_stage stage;
  if (!job_stage_of(job->state, job->phase, job->cancel_requested, &stage))
    return false;
  enum job_answer answer = job_move(stage, verb, true).answer;
  return answer == JOB_MOVED || answer == JOB_STAYED;
}

enum db_status
work_event(struct db_conn *conn, const char *job_id, const char *kind, json_t *data)
{
  char *text = data != NULL ? json_dumps(data, JSON_COMPACT) : NULL;
  json_decref(data);
  if (text == NULL)
    return DB_HARD;
  enum db_status status = db_event_insert(conn, job_id, kind, text);
  free(text);
  return status < DB_NONE ? status : DB_ROWS;
}

enum db_status
work_job_move(struct db_conn *conn, const struct work_job *job, const char *state,
              const char *phase)
{
  static const struct db_statement move = {
    "work_job_move",
    "UPDATE job SET state = $2, phase = $3,"
    " started_at = CASE WHEN $2 = 'running' THEN coalesce(started_at, now()) ELSE started_at END,"
    " ended_at = CASE WHEN $3 = 'ended' THEN now() ELSE NULL END WHERE id = $1"};
  enum db_status status =
    db_exec_none(conn, &move, DB_PARAMS(db_text(job->id), db_text(state), db_text(phase)));
  if (status != DB_ROWS)
    return status;
  json_t *data = json_pack("{s:s, s:s}", "state", state, "phase", phase);
  if (job->stop_reason != NULL)
    json_object_set_new(data, "stop_reason", json_string(job->stop_reason));
  return work_event(conn, job->id, "state", data);
}

enum db_status
work_event_done(struct db_conn *conn, const char *job_id)
{
  struct done
  {
    const char *state, *stop_reason, *problem, *model;
    int version;
  } done;
  static const struct db_statement get = {
    "work_done", "SELECT j.state, j.stop_reason, j.problem, m.name, coalesce(j.model_version, 0)"
                 " FROM job j LEFT JOIN model m ON m.id = j.model_id WHERE j.id = $1"};
  static const struct db_column columns[] = {{DB_TEXT, offsetof(struct done, state), 0},
                                             {DB_TEXT, offsetof(struct done, stop_reason), 0},
                                             {DB_JSON, offsetof(struct done, problem), 0},
                                             {DB_TEXT, offsetof(struct done, model), 0},
                                             {DB_INT4, offsetof(struct done, version), 0}};
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status =
    db_exec_one(conn, &get, DB_PARAMS(db_text(job_id)), DB_COLUMNS(columns), arena, &done);
  if (status == DB_ROWS)
  {
    json_t *data = json_pack("{s:s}", "state", done.state);
    if (done.stop_reason != NULL)
      json_object_set_new(data, "stop_reason", json_string(done.stop_reason));
    if (done.problem != NULL)
      json_object_set_new(data, "error", json_loads(done.problem, JSON_DECODE_ANY, NULL));
    if (done.model != NULL)
      json_object_set_new(data, "model",
                          json_pack("{s:s, s:i}", "name", done.model, "version", done.version));
    status = work_event(conn, job_id, "done", data);
  }
  arena_free(arena);
  return status;
}

enum db_status
work_job_fail(struct db_conn *conn, const struct work_job *job, const char *code,
              const char *detail)
{
  static const struct db_statement fail = {
    "work_job_fail",
    "UPDATE job SET problem = jsonb_build_object('code', $2::text, 'detail', $3::text)"
    " WHERE id = $1"};
  enum db_status status =
    db_exec_none(conn, &fail, DB_PARAMS(db_text(job->id), db_text(code), db_text(detail)));
  if (status == DB_ROWS)
    status = work_job_move(conn, job, "failed", "ended");
  if (status == DB_ROWS)
    status = work_logged(
      db_job_log(conn, job->id, LOG_LEVEL_ERROR, "search", 0, "the job failed: %s", detail));
  if (status == DB_ROWS)
    status = work_event_done(conn, job->id);
  return status;
}

/* ---- trials ----------------------------------------------------------------------------------------- */

struct trial_row
{
  int number;
  const char *family;
  const char *params;
  double seconds;
};

static enum db_status
trial_event(struct db_conn *conn, const char *job_id, const struct work_trial_end *end,
            const struct trial_row *trial)
{
  json_t *data = json_pack("{s:s, s:i, s:s, s:s}", "trial", end->trial_id, "number", trial->number,
                           "family", trial->family, "state", end->state);
  if (data == NULL)
    return DB_HARD;
  json_object_set_new(data, "metric", json_real_or_null(end->metric));
  json_object_set_new(data, "params", json_loads(trial->params, JSON_DECODE_ANY, NULL));
  json_object_set_new(data, "seconds", json_real_or_null(trial->seconds));
  if (end->reason != NULL)
    json_object_set_new(data, "reason", json_string(end->reason));
  return work_event(conn, job_id, "trial", data);
}

static enum db_status
trial_log(struct db_conn *conn, const char *job_id, const struct work_trial_end *end,
          const struct trial_row *trial)
{
  bool failed = strcmp(end->state, "failed") == 0;
  char score[40] = "", seconds[40] = "", beyond[80] = "";
  if (isfinite(end->metric))
    snprintf(score, sizeof score, ": scores %.6g", end->metric);
  if (isfinite(trial->seconds))
    snprintf(seconds, sizeof seconds, ", %.3g s of CPU time", trial->seconds);
  if (end->cost != NULL && end->cost->excess > 0)
    snprintf(beyond, sizeof beyond, "; beyond the job's limits with %.3g us a row, %.0f bytes",
             end->cost->predict_us, end->cost->model_bytes);
  return work_logged(db_job_log(conn, job_id, failed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "trial",
                                trial->number, "%s%s%s%s%s%s", end->state, score, seconds, beyond,
                                end->reason != NULL ? ": " : "",
                                end->reason != NULL ? end->reason : ""));
}

/* Units that are not over end with their trial; what a lost trial's folds left behind is dropped. */
static enum db_status
trial_units_end(struct db_conn *conn, const char *job_id, const struct work_trial_end *end)
{
  static const struct db_statement units = {
    "work_trial_units", "UPDATE unit SET state = CASE $2::text WHEN 'pruned' THEN 'cancelled'"
                        "   ELSE $2 END, ended_at = now(), lease_until = NULL"
                        " WHERE trial_id = $1 AND state IN ('pending','leased')"};
  static const struct db_statement outputs = {
    "work_trial_outputs", "WITH dropped AS (UPDATE unit u SET predictions = NULL, model_blob = NULL"
                          " FROM unit old WHERE u.trial_id = $1 AND old.id = u.id"
                          " RETURNING old.model_blob)"
                          " DELETE FROM blob WHERE id IN (SELECT model_blob FROM dropped)"};
  enum db_status status =
    db_exec_none(conn, &units, DB_PARAMS(db_text(end->trial_id), db_text(end->state)));
  if (status >= DB_NONE && strcmp(end->state, "done") != 0)
    status = db_exec_none(conn, &outputs, DB_PARAMS(db_text(end->trial_id)));
  if (status >= DB_NONE)
    status = work_drop_checkpoints(conn, job_id, end->trial_id, 0);
  return status;
}

enum db_status
work_trial_end(struct db_conn *conn, const char *job_id, const struct work_trial_end *end,
               struct arena *arena)
{
  static const struct db_statement close = {
    "work_trial_end",
    "WITH counted AS (UPDATE job SET search_seq = search_seq + 1 WHERE id = $1 AND EXISTS"
    " (SELECT FROM trial WHERE id = $2 AND state IN ('running','paused')) RETURNING search_seq)"
    " UPDATE trial SET state = $3, metric = $4, objective = $5,"
    " seconds = coalesce($6, (SELECT sum(seconds ORDER BY fold, rung) FROM unit WHERE trial_id = "
    "$2)),"
    " reasons = CASE WHEN $7::text IS NULL THEN reasons ELSE reasons || $7::text END,"
    " predict_us = $8, model_bytes = $9::float8::bigint, excess = coalesce($10, 0),"
    " tell_seq = counted.search_seq, ended_at = now()"
    " FROM counted WHERE id = $2 RETURNING number, family, params, seconds"};
  static const struct db_column columns[] = {{DB_INT4, offsetof(struct trial_row, number), 0},
                                             {DB_TEXT, offsetof(struct trial_row, family), 0},
                                             {DB_JSON, offsetof(struct trial_row, params), 0},
                                             {DB_FLOAT8, offsetof(struct trial_row, seconds), 0}};
  static const struct work_cost unknown = {NAN, NAN, NAN};
  const struct work_cost *cost = end->cost != NULL ? end->cost : &unknown;
  struct trial_row trial;
  enum db_status status = db_exec_one(
    conn, &close,
    DB_PARAMS(db_text(job_id), db_text(end->trial_id), db_text(end->state), db_float8(end->metric),
              db_float8(end->objective), db_float8(end->seconds), db_text(end->reason),
              db_float8(cost->predict_us), db_float8(cost->model_bytes), db_float8(cost->excess)),
    DB_COLUMNS(columns), arena, &trial);
  if (status != DB_ROWS)
    return status;
  status = trial_units_end(conn, job_id, end);
  if (status >= DB_NONE)
    status = trial_event(conn, job_id, end, &trial);
  if (status == DB_ROWS)
    status = trial_log(conn, job_id, end, &trial);
  return status;
}

enum db_status
work_cancel_trials(struct db_conn *conn, const char *job_id, const char *reason,
                   struct arena *arena, size_t *cancelled)
{
  struct live
  {
    const char *id;
  } *live = NULL;
  static const struct db_statement list = {
    "work_live_trials",
    "SELECT id FROM trial WHERE job_id = $1 AND state = 'running' ORDER BY number"};
  static const struct db_column columns[] = {{DB_TEXT, offsetof(struct live, id), 0}};
  size_t count = 0;
  enum db_status status = db_exec_many(conn, &list, DB_PARAMS(db_text(job_id)), DB_COLUMNS(columns),
                                       arena, sizeof *live, &live, &count);
  for (size_t i = 0; i < count && status >= DB_NONE; i++)
  {
    struct work_trial_end end = {.trial_id = live[i].id,
                                 .state = "cancelled",
                                 .metric = NAN,
                                 .objective = NAN,
                                 .seconds = NAN,
                                 .reason = reason};
    status = work_trial_end(conn, job_id, &end, arena);
  }
  if (cancelled != NULL)
    *cancelled = count;
  return status < DB_NONE ? status : DB_ROWS;
}

enum db_status
work_cancel_live(struct db_conn *conn, const char *job_id, const char *reason, struct arena *arena)
{
  static const struct db_statement finish = {
    "work_cancel_finish",
    "UPDATE unit SET state = 'cancelled', ended_at = now(), lease_until = NULL"
    " WHERE job_id = $1 AND trial_id IS NULL AND state IN ('pending','leased')"};
  enum db_status status = work_cancel_trials(conn, job_id, reason, arena, NULL);
  if (status == DB_ROWS)
    status = db_exec_none(conn, &finish, DB_PARAMS(db_text(job_id)));
  return status < DB_NONE ? status : DB_ROWS;
}
