#include <config.h>

#include "sql/db_work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "sql/db_folds.h"
#include "sql/db_model.h"
#include "sql/db_work_internal.h"

enum db_status
db_work_best_trials(struct db_conn *conn, const char *job_id, size_t limit, struct arena *arena,
                    struct db_work_trial **trials, size_t *count)
{
  static const struct db_statement list = {
    "work_best_trials",
    "SELECT id, number, family, params, metric, objective, excess FROM"
    " (SELECT t.*, row_number() OVER (ORDER BY excess, objective, number) AS place,"
    "   min(number) OVER (PARTITION BY point) AS first_number,"
    "   row_number() OVER (PARTITION BY family ORDER BY excess, objective, number) AS family_place"
    "   FROM trial t WHERE job_id = $1 AND state = 'done') AS ranked"
    " WHERE place <= $2 OR family_place <= 2 OR first_number < number ORDER BY place"};
  static const struct db_column columns[] = {
    {DB_TEXT, offsetof(struct db_work_trial, id), 0},
    {DB_INT4, offsetof(struct db_work_trial, number), 0},
    {DB_TEXT, offsetof(struct db_work_trial, family), 0},
    {DB_JSON, offsetof(struct db_work_trial, params), 0},
    {DB_FLOAT8, offsetof(struct db_work_trial, metric), 0},
    {DB_FLOAT8, offsetof(struct db_work_trial, objective), 0},
    {DB_FLOAT8, offsetof(struct db_work_trial, excess), 0}};
  return db_exec_many(conn, &list, DB_PARAMS(db_text(job_id), db_int8((int64_t) limit)),
                      DB_COLUMNS(columns), arena, sizeof **trials, trials, count);
}

static bool
collect(void *context, const char *bytes, size_t size)
{
  struct buf *buf = context;
  buf_append(buf, bytes, size);
  return !buf->failed;
}

struct outputs
{
  const void *predictions;
  size_t bytes;
  int64_t blob_id;
};

enum db_status
db_work_unit_outputs(struct db_conn *conn, const char *trial_id, int fold, struct arena *arena,
                     const float **predictions, size_t *prediction_count, const char **model,
                     size_t *model_length)
{
  static const struct db_statement get = {"work_outputs",
                                          "SELECT predictions, coalesce(model_blob, 0) FROM unit"
                                          " WHERE trial_id = $1 AND fold = $2 AND state = 'done'"
                                          " ORDER BY rung DESC LIMIT 1"};
  static const struct db_column columns[] = {
    {DB_BYTES, offsetof(struct outputs, predictions), offsetof(struct outputs, bytes)},
    {DB_INT8, offsetof(struct outputs, blob_id), 0}};
  struct outputs outputs;
  enum db_status status = db_exec_one(conn, &get, DB_PARAMS(db_text(trial_id), db_int4(fold)),
                                      DB_COLUMNS(columns), arena, &outputs);
  if (status != DB_ROWS)
    return status;
  *predictions = outputs.predictions;
  *prediction_count = outputs.predictions != NULL ? outputs.bytes / sizeof(float) : 0;
  *model = NULL;
  *model_length = 0;
  if (outputs.blob_id == 0)
    return DB_ROWS;
  struct buf buf = {0};
  status = db_blob_read(conn, outputs.blob_id, collect, &buf);
  if (status == DB_ROWS)
  {
    *model = arena_strndup(arena, buf.data != NULL ? buf.data : "", buf.length);
    *model_length = buf.length;
    if (*model == NULL)
      status = DB_HARD;
  }
  buf_free(&buf);
  /* Dropped between the two queries: as good as never kept. */
  return status == DB_NONE ? DB_ROWS : status;
}

enum db_status
db_work_unit_fit(struct db_conn *conn, const char *trial_id, int fold, struct arena *arena,
                 struct db_work_fit *fit)
{
  static const struct db_statement get = {
    "work_unit_fit",
    "SELECT (SELECT coalesce(sum(seconds), 0) FROM unit WHERE trial_id = $1 AND fold = $2), result"
    " FROM unit WHERE trial_id = $1 AND fold = $2 AND state = 'done' ORDER BY rung DESC LIMIT 1"};
  static const struct db_column columns[] = {{DB_FLOAT8, offsetof(struct db_work_fit, seconds), 0},
                                             {DB_JSON, offsetof(struct db_work_fit, result), 0}};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(trial_id), db_int4(fold)), DB_COLUMNS(columns),
                     arena, fit);
}

/* ---- publishing ----------------------------------------------------------------------------------------- */

enum db_status
db_work_may_publish(struct db_conn *conn, const char *job_id, const char *trial_id,
                    double interval_s)
{
  static const struct db_statement ask = {
    "work_may_publish",
    "SELECT 1 FROM job j WHERE j.id = $1 AND j.best_trial_id = $2 AND j.state = 'running'"
    " AND NOT EXISTS (SELECT FROM model_version v WHERE v.model_id = j.model_id"
    "   AND v.version = j.model_version AND v.created_at > now() - make_interval(secs => $3))"};
  return db_exec_none(conn, &ask,
                      DB_PARAMS(db_text(job_id), db_text(trial_id), db_float8(interval_s)));
}

struct publication
{
  const struct db_work_lease *lease;
  const struct db_model_insert *insert;
  int *version;
};

/* The unit under whose lease something is published. */
struct publisher
{
  const char *trial_id;
  const char *state;
};

static enum db_status
find_publisher(struct db_conn *conn, const struct publication *publication, struct arena *arena,
               struct publisher *unit)
{
  static const struct db_statement get = {
    "work_publisher", "SELECT trial_id, state FROM unit"
                      " WHERE id = $1 AND lease_token = $2 AND job_id = $3 FOR UPDATE"};
  static const struct db_column columns[] = {{DB_TEXT, offsetof(struct publisher, trial_id), 0},
                                             {DB_TEXT, offsetof(struct publisher, state), 0}};
  return db_exec_one(conn, &get,
                     DB_PARAMS(db_int8(publication->lease->unit_id),
                               db_int8(publication->lease->lease_token),
                               db_text(publication->insert->job_id)),
                     DB_COLUMNS(columns), arena, unit);
}

/* Whether it may: a finish that is still leased, or the best trial of a job that still runs. */
static bool
is_entitled(const struct publication *publication, const struct work_job *job,
            const struct publisher *unit)
{
  if (strcmp(job->state, "running") != 0)
    return false;
  if (publication->insert->final)
    return unit->trial_id == NULL && strcmp(unit->state, "leased") == 0;
  return unit->trial_id != NULL && job->best_trial_id != NULL
         && strcmp(unit->trial_id, job->best_trial_id) == 0;
}

/* What the finish found, in the words of its report. */
static enum db_status
log_report(struct db_conn *conn, const struct db_model_insert *insert)
{
  json_t *report = json_loads(insert->report, 0, NULL);
  const json_t *ensemble = json_object_get(report, "ensemble");
  double wins = json_get_number(ensemble, "better_in", NAN);
  char mix[160] = "no ensemble was considered";
  if (isfinite(wins))
    snprintf(mix, sizeof mix, "an ensemble was better in %.0f%% of the resamples and is %s",
             100 * wins, json_get_bool(ensemble, "used", false) ? "used" : "not used");
  const json_t *refit = json_object_get(report, "refit");
  char again[120] = "";
  if (json_is_object(refit))
    snprintf(again, sizeof again, "; a refit on training and validation rows is %s%s%.20s%s",
             json_get_bool(refit, "kept", false) ? "served" : "not served",
             json_get_string(refit, "reason", NULL) != NULL ? " (" : "",
             json_get_string(refit, "reason", ""),
             json_get_string(refit, "reason", NULL) != NULL ? ")" : "");
  enum db_status status =
    db_job_log(conn, insert->job_id, LOG_LEVEL_INFO, "finish", 0,
               "the report: %s; the estimate is %s; %s; the model is made of %zu trials%s",
               json_get_string(json_object_get(report, "baseline"), "comparison", "no baseline"),
               json_get_string(report, "estimate", "not stated"), mix,
               json_array_size(json_object_get(report, "members")), again);
  json_decref(report);
  return work_logged(status);
}

static enum db_status
store_version(struct db_conn *conn, const struct publication *publication, struct arena *arena)
{
  static const struct db_statement point = {
    "work_job_model", "UPDATE job SET model_id = $2, model_version = $3 WHERE id = $1"};
  const struct db_model_insert *insert = publication->insert;
  const char *model_id = NULL;
  enum db_status status =
    db_model_insert_version(conn, insert, arena, &model_id, publication->version);
  if (status != DB_ROWS)
    return status == DB_NONE ? DB_HARD : status;
  status = db_exec_none(
    conn, &point,
    DB_PARAMS(db_text(insert->job_id), db_text(model_id), db_int4(*publication->version)));
  if (status != DB_ROWS)
    return status;
  json_t *data = json_pack("{s:{s:s, s:i, s:b}, s:s, s:s}", "model", "name", insert->model_name,
                           "version", *publication->version, "final", insert->final, "family",
                           insert->family, "metric_name", insert->metric);
  if (data != NULL)
    json_object_set_new(data, "score", json_real_or_null(insert->score));
  status = work_event(conn, insert->job_id, "best", data);
  if (status == DB_ROWS)
    status = work_logged(db_job_log(conn, insert->job_id, LOG_LEVEL_INFO, "finish", 0,
                                    "%s %s version %d: %s, %s %.6g, %.3g µs a row",
                                    insert->final ? "stored" : "published for now",
                                    insert->model_name, *publication->version, insert->family,
                                    insert->metric, insert->score, insert->us_per_row));
  if (status == DB_ROWS && insert->fast != NULL)
    status =
      work_logged(db_job_log(conn, insert->job_id, LOG_LEVEL_INFO, "finish", 0,
                             "stored %s version %d for the alias fast: %s, %s %.6g, %.3g µs a row",
                             insert->model_name, *publication->version - 1, insert->fast->family,
                             insert->metric, insert->fast->score, insert->fast->us_per_row));
  if (status == DB_ROWS && insert->all != NULL)
    status = work_logged(db_job_log(
      conn, insert->job_id, LOG_LEVEL_INFO, "finish", 0,
      "stored %s version %d for the alias all: fitted on the report rows, too; its score is "
      "the one before",
      insert->model_name, *publication->version + 1));
  if (status == DB_ROWS && insert->final)
    status = log_report(conn, insert);
  return status;
}

/* The finish is done: so is the job. Fold models have served their purpose; an extension would need those
 * of the trials that count, which db_forget_old drops in the end. */
static enum db_status
close_job(struct db_conn *conn, const struct publication *publication, const struct work_job *job)
{
  static const struct db_statement unit = {
    "work_finish_done", "UPDATE unit SET state = 'done', ended_at = now(), lease_until = NULL"
                        " WHERE id = $1 AND " WORK_SQL_HELD("")};
  static const struct db_statement drop = {
    "work_drop_models",
    "WITH ranked AS (SELECT id, number, row_number() OVER (ORDER BY excess, objective, number) AS "
    "place,"
    "   row_number() OVER (PARTITION BY family ORDER BY excess, objective, number) AS family_place"
    "   FROM trial WHERE job_id = $1 AND state = 'done'),"
    " kept AS (SELECT id FROM ranked WHERE place <= 3 OR family_place = 1 OR number IN"
    "   (SELECT (m->>'trial')::int FROM jsonb_array_elements(CASE jsonb_typeof($2->'members')"
    "   WHEN 'array' THEN $2->'members' ELSE '[]' END) m)),"
    " dropped AS (UPDATE unit u SET model_blob = NULL FROM unit old"
    "   WHERE u.job_id = $1 AND old.id = u.id AND u.model_blob IS NOT NULL"
    "   AND u.trial_id NOT IN (SELECT id FROM kept) RETURNING old.model_blob)"
    " DELETE FROM blob WHERE id IN (SELECT model_blob FROM dropped)"};
  bool cancelled = job->cancel_requested
                   || (job->stop_reason != NULL && strcmp(job->stop_reason, "cancelled") == 0);
  enum db_status status = db_exec_none(
    conn, &unit,
    DB_PARAMS(db_int8(publication->lease->unit_id), db_int8(publication->lease->lease_token)));
  if (status == DB_ROWS)
    status =
      db_exec_none(conn, &drop, DB_PARAMS(db_text(job->id), db_json(publication->insert->report)));
  if (status >= DB_NONE)
    status = work_job_move(conn, job, cancelled ? "cancelled" : "succeeded", "ended");
  if (status == DB_ROWS)
    status = work_event_done(conn, job->id);
  return status;
}

static enum db_status
publish(struct db_conn *conn, const struct publication *publication, struct arena *arena)
{
  struct work_job job;
  struct publisher unit;
  enum db_status status = work_job_lock(conn, publication->insert->job_id, arena, &job);
  if (status == DB_ROWS)
    status = find_publisher(conn, publication, arena, &unit);
  if (status != DB_ROWS)
    return status;
  if (!is_entitled(publication, &job, &unit))
    return DB_NONE;
  status = store_version(conn, publication, arena);
  const struct db_model_insert *insert = publication->insert;
  if (status == DB_ROWS && insert->final && insert->folds != NULL)
    status = db_folds_store(conn, job.id, insert->folds, insert->folds_length);
  if (status == DB_ROWS && insert->final)
    status = close_job(conn, publication, &job);
  return status;
}

static enum db_status
publish_in_tx(struct db_conn *conn, void *context)
{
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status = publish(conn, context, arena);
  arena_free(arena);
  return status;
}

enum db_status
db_work_publish(struct db_conn *conn, const struct db_work_lease *lease,
                const struct db_model_insert *insert, int *version)
{
  struct publication publication = {.lease = lease, .insert = insert, .version = version};
  return db_tx_run(conn, "work_publish", publish_in_tx, &publication);
}
