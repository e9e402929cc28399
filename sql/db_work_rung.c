#include <config.h>

#include "sql/db_work.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "sql/db_work_internal.h"

/* Paused trials of a job whose checkpoints are kept; one of a trial beyond them begins anew when its turn comes,
 * to the same result. */
#define KEEP_CHECKPOINTS 32

/* ---- checkpoints ------------------------------------------------------------------------------------- */

enum db_status
work_drop_checkpoints(struct db_conn *conn, const char *job_id, const char *trial_id,
                      int64_t but_unit)
{
  static const struct db_statement drop = {
    "work_drop_checkpoints",
    "WITH ranked AS (SELECT id, row_number() OVER (ORDER BY rung DESC, objective, number) AS place"
    "   FROM trial WHERE job_id = $1 AND state = 'paused'),"
    " old AS (SELECT u.id, u.checkpoint_blob FROM unit u WHERE u.job_id = $1"
    "   AND u.checkpoint_blob IS NOT NULL AND ((u.trial_id = $2 AND u.id <> $3)"
    "   OR u.trial_id IN (SELECT id FROM ranked WHERE place > $4))),"
    " dropped AS (UPDATE unit u SET checkpoint_blob = NULL FROM old WHERE u.id = old.id"
    "   RETURNING old.checkpoint_blob)"
    " DELETE FROM blob WHERE id IN (SELECT checkpoint_blob FROM dropped)"};
  return db_exec_none(
    conn, &drop,
    DB_PARAMS(db_text(job_id), db_text(trial_id), db_int8(but_unit), db_int4(KEEP_CHECKPOINTS)));
}

/* ---- a rung is reached --------------------------------------------------------------------------------- */

struct measured
{
  const char *family;
  const char *params;
  double seconds;
};

/* The trial's row and its entry in the search log. */
static enum db_status
note_measure(struct db_conn *conn, const char *job_id, const char *trial_id, int rung,
             const struct db_work_result *result, struct arena *arena, struct measured *measured)
{
  static const struct db_statement note = {
    "work_measure",
    "WITH counted AS (UPDATE job SET search_seq = search_seq + 1 WHERE id = $1"
    "   RETURNING search_seq),"
    " spent AS (SELECT sum(seconds ORDER BY fold, rung) AS seconds FROM unit WHERE trial_id = $2),"
    " noted AS (INSERT INTO trial_rung (job_id, seq, trial_id, kind, rung, metric, objective, "
    "seconds)"
    "   SELECT $1, counted.search_seq, $2, 'measure', $3, $4, $5, spent.seconds FROM counted, "
    "spent)"
    " UPDATE trial t SET state = 'paused', rung = $3, metric = $4, objective = $5,"
    " seconds = spent.seconds FROM spent WHERE t.id = $2 AND t.state = 'running'"
    " RETURNING t.family, t.params, t.seconds"};
  static const struct db_column columns[] = {{DB_TEXT, offsetof(struct measured, family), 0},
                                             {DB_JSON, offsetof(struct measured, params), 0},
                                             {DB_FLOAT8, offsetof(struct measured, seconds), 0}};
  return db_exec_one(conn, &note,
                     DB_PARAMS(db_text(job_id), db_text(trial_id), db_int4(rung),
                               db_float8(result->metric), db_float8(result->objective)),
                     DB_COLUMNS(columns), arena, measured);
}

static enum db_status
tell_pause(struct db_conn *conn, const char *job_id, const char *trial_id, int number, int rung,
           const struct db_work_result *result, const struct measured *measured)
{
  json_t *data = json_pack("{s:s, s:i, s:s, s:s, s:i}", "trial", trial_id, "number", number,
                           "family", measured->family, "state", "paused", "rung", rung);
  if (data == NULL)
    return DB_HARD;
  json_object_set_new(data, "metric", json_real_or_null(result->metric));
  json_object_set_new(data, "params", json_loads(measured->params, JSON_DECODE_ANY, NULL));
  json_object_set_new(data, "seconds", json_real_or_null(measured->seconds));
  enum db_status status = work_event(conn, job_id, "trial", data);
  if (status == DB_ROWS)
    status = work_logged(db_job_log(conn, job_id, LOG_LEVEL_INFO, "trial", number,
                                    "paused at rung %d: scores %.6g, %.3g s of CPU time", rung,
                                    result->metric, measured->seconds));
  return status;
}

enum db_status
work_rung_reached(struct db_conn *conn, const struct work_job *job, const char *trial_id,
                  const struct work_stand *stand, const struct db_work_result *result,
                  struct arena *arena)
{
  int rung = result->paused ? stand->rung : stand->last_rung - 1;
  struct measured measured;
  struct work_trial_end end = {.trial_id = trial_id,
                               .state = "failed",
                               .metric = NAN,
                               .objective = NAN,
                               .seconds = NAN,
                               .reason = "the metric is not defined on the validation rows"};
  if (!isfinite(result->objective))
    return work_trial_end(conn, job->id, &end, arena);
  enum db_status status = note_measure(conn, job->id, trial_id, rung, result, arena, &measured);
  if (status == DB_ROWS)
    status = tell_pause(conn, job->id, trial_id, stand->number, rung, result, &measured);
  if (status == DB_ROWS && strcmp(job->phase, "search") != 0)
    status = work_prune_paused(conn, job->id, arena);
  return status;
}

/* ---- pruning ------------------------------------------------------------------------------------------- */

struct paused
{
  const char *id;
  double metric, objective;
};

static const struct db_column paused_columns[] = {
  {DB_TEXT, offsetof(struct paused, id), 0},
  {DB_FLOAT8, offsetof(struct paused, metric), 0},
  {DB_FLOAT8, offsetof(struct paused, objective), 0}};

/* Keeps the score of its last rung. */
static enum db_status
prune(struct db_conn *conn, const char *job_id, const struct paused *trial, const char *reason,
      struct arena *arena)
{
  struct work_trial_end end = {.trial_id = trial->id,
                               .state = "pruned",
                               .metric = trial->metric,
                               .objective = trial->objective,
                               .seconds = NAN,
                               .reason = reason};
  return work_trial_end(conn, job_id, &end, arena);
}

enum db_status
work_prune_paused(struct db_conn *conn, const char *job_id, struct arena *arena)
{
  static const struct db_statement list = {
    "work_paused", "SELECT id, metric, objective FROM trial WHERE job_id = $1 AND state = 'paused'"
                   " ORDER BY number"};
  struct paused *trials = NULL;
  size_t count = 0;
  enum db_status status =
    db_exec_many(conn, &list, DB_PARAMS(db_text(job_id)), DB_COLUMNS(paused_columns), arena,
                 sizeof *trials, &trials, &count);
  for (size_t i = 0; i < count && status >= DB_NONE; i++)
    status = prune(conn, job_id, &trials[i], NULL, arena);
  return status < DB_NONE ? status : DB_ROWS;
}

struct change
{
  const struct db_work_job *job;
  int number, rung, until_epoch;
  const char *reason;
};

static enum db_status
prune_one(struct db_conn *conn, const struct change *change, struct arena *arena)
{
  static const struct db_statement get = {
    "work_paused_one", "SELECT id, metric, objective FROM trial WHERE job_id = $1 AND number = $2"
                       " AND state = 'paused'"};
  struct work_job job;
  struct paused trial;
  enum db_status status = work_job_lock(conn, change->job->id, arena, &job);
  if (status == DB_ROWS)
    status = db_exec_one(conn, &get, DB_PARAMS(db_text(job.id), db_int4(change->number)),
                         DB_COLUMNS(paused_columns), arena, &trial);
  if (status == DB_ROWS)
    status = prune(conn, job.id, &trial, change->reason, arena);
  return status;
}

/* ---- going on ------------------------------------------------------------------------------------------ */

/* A continued trial as it now stands. */
struct gone_on
{
  const char *id;
  int last_rung, fold_count;
};

static enum db_status
insert_units(struct db_conn *conn, const struct change *change, const struct gone_on *trial)
{
  static const struct db_statement first = {
    "work_rung_unit", "INSERT INTO unit (job_id, trial_id, fold, rung, until_epoch)"
                      " VALUES ($1, $2, 0, $3, nullif($4, 0))"};
  static const struct db_statement others = {
    "work_rung_units", "INSERT INTO unit (job_id, trial_id, fold, rung)"
                       " SELECT $1, $2, fold, $3 FROM generate_series(1, $4 - 1) AS fold"};
  struct db_param job = db_text(change->job->id), id = db_text(trial->id);
  if (change->rung < trial->last_rung || trial->fold_count < 2)
    return db_exec_none(conn, &first,
                        DB_PARAMS(job, id, db_int4(change->rung), db_int4(change->until_epoch)));
  return db_exec_none(conn, &others,
                      DB_PARAMS(job, id, db_int4(change->rung), db_int4(trial->fold_count)));
}

static enum db_status
continue_one(struct db_conn *conn, const struct change *change, struct arena *arena)
{
  static const struct db_statement go = {
    "work_continue",
    "WITH gone AS (UPDATE trial SET state = 'running', rung = $3 WHERE job_id = $1 AND number = $2"
    "   AND state = 'paused' AND rung < $3 AND $3 <= last_rung"
    "   RETURNING id, last_rung, coalesce(fold_count, 1) AS folds),"
    " counted AS (UPDATE job SET search_seq = search_seq + 1 WHERE id = $1"
    "   AND EXISTS (SELECT FROM gone) RETURNING search_seq),"
    " noted AS (INSERT INTO trial_rung (job_id, seq, trial_id, kind, rung)"
    "   SELECT $1, counted.search_seq, gone.id, 'continue', $3 FROM gone, counted)"
    " SELECT id, last_rung, folds FROM gone"};
  static const struct db_column columns[] = {{DB_TEXT, offsetof(struct gone_on, id), 0},
                                             {DB_INT4, offsetof(struct gone_on, last_rung), 0},
                                             {DB_INT4, offsetof(struct gone_on, fold_count), 0}};
  struct work_job job;
  struct gone_on trial;
  enum db_status status = work_job_lock(conn, change->job->id, arena, &job);
  if (status != DB_ROWS || !work_job_may(&job, JOB_TRY))
    return status < DB_NONE ? status : DB_NONE;
  status = db_exec_one(conn, &go,
                       DB_PARAMS(db_text(job.id), db_int4(change->number), db_int4(change->rung)),
                       DB_COLUMNS(columns), arena, &trial);
  if (status != DB_ROWS)
    return status;
  status = insert_units(conn, change, &trial);
  if (status == DB_ROWS)
    status = work_logged(db_job_log(conn, job.id, LOG_LEVEL_INFO, "trial", change->number,
                                    "goes on to rung %d%s", change->rung,
                                    change->rung == trial.last_rung ? ", the last" : ""));
  if (status == DB_ROWS)
    status = db_notify(conn, "work", job.id);
  return status < DB_NONE ? status : DB_ROWS;
}

static enum db_status
change_in_tx(struct db_conn *conn, void *context)
{
  const struct change *change = context;
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status =
    change->rung > 0 ? continue_one(conn, change, arena) : prune_one(conn, change, arena);
  arena_free(arena);
  return status;
}

enum db_status
db_work_continue_trial(struct db_conn *conn, const struct db_work_job *job, int number, int rung,
                       int until_epoch)
{
  struct change change = {.job = job, .number = number, .rung = rung, .until_epoch = until_epoch};
  return db_tx_run(conn, "work_continue", change_in_tx, &change);
}

enum db_status
db_work_prune_trial(struct db_conn *conn, const struct db_work_job *job, int number,
                    const char *reason)
{
  struct change change = {.job = job, .number = number, .reason = reason};
  return db_tx_run(conn, "work_prune", change_in_tx, &change);
}
