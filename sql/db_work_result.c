#include <config.h>

#include "sql/db_work.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "sql/db_work_internal.h"

#define KEEP_PREDICTIONS 50 /* trials whose validation predictions are kept */

/* Whose a leased unit is, read before the job's row is locked. */
struct owner
{
  const char *job_id;
  const char *trial_id;
};

static enum db_status
find_owner(struct db_conn *conn, const struct db_work_lease *lease, struct arena *arena,
           struct owner *owner)
{
  static const struct db_statement get = {"work_owner", "SELECT job_id, trial_id FROM unit"
                                                        " WHERE id = $1 AND " WORK_SQL_HELD("")};
  static const struct db_column columns[] = {{DB_TEXT, offsetof(struct owner, job_id), 0},
                                             {DB_TEXT, offsetof(struct owner, trial_id), 0}};
  return db_exec_one(conn, &get, DB_PARAMS(db_int8(lease->unit_id), db_int8(lease->lease_token)),
                     DB_COLUMNS(columns), arena, owner);
}

struct finish
{
  const struct db_work_lease *lease;
  const struct db_work_result *result;
  int keep_models;
  bool *trial_done, *is_best;
  struct arena *arena;
};

/* The state of a trial's units, after one more of them is done. */
struct tally
{
  int left;
  double metric, objective, seconds;
  struct work_cost cost;
};

static enum db_status
store_unit(struct db_conn *conn, const struct finish *finish, int64_t blob_id)
{
  static const struct db_statement store = {
    "work_store_unit",
    "UPDATE unit SET state = 'done', metric = $3, objective = $4, seconds = $5, result = $6,"
    " predictions = $7, model_blob = nullif($8::bigint, 0),"
    " checkpoint_blob = nullif($9::bigint, 0), predict_us = $10, model_bytes = $11::float8::bigint,"
    " ended_at = now(), lease_until = NULL"
    " WHERE id = $1 AND " WORK_SQL_HELD("")};
  const struct db_work_result *result = finish->result;
  return db_exec_none(
    conn, &store,
    DB_PARAMS(db_int8(finish->lease->unit_id), db_int8(finish->lease->lease_token),
              db_float8(result->metric), db_float8(result->objective), db_float8(result->seconds),
              db_json(result->detail),
              db_bytes(result->predictions, result->prediction_count * sizeof(float)),
              db_int8(result->paused ? 0 : blob_id), db_int8(result->paused ? blob_id : 0),
              db_float8(result->paused ? NAN : result->predict_us),
              db_float8(result->paused ? NAN : (double) result->model_length)));
}

static enum db_status
tally_trial(struct db_conn *conn, const char *trial_id, struct tally *tally)
{
  /* In the folds' order: a sum's last digit depends on it, and the search on the last digit. Of a fold that
   * paused on its way the last rung counts. */
  static const struct db_statement count = {
    "work_tally", "SELECT open, metric, objective, seconds, us, bytes,"
                  " greatest(ln(nullif(us, 0) / (budget->>'max_predict_us')::float8), 0)"
                  " + greatest(ln(nullif(bytes, 0) / (budget->>'max_model_bytes')::float8), 0) FROM"
                  " (SELECT count(*) FILTER (WHERE state <> 'done')::int AS open,"
                  "   avg(metric ORDER BY fold) FILTER (WHERE newest) AS metric,"
                  "   avg(objective ORDER BY fold) FILTER (WHERE newest) AS objective,"
                  "   sum(seconds ORDER BY fold, rung) AS seconds,"
                  "   sum(predict_us ORDER BY fold) FILTER (WHERE newest) AS us,"
                  "   sum(model_bytes) FILTER (WHERE newest)::float8 AS bytes"
                  "   FROM (SELECT *, rung = max(rung) OVER (PARTITION BY fold) AS newest"
                  "     FROM unit WHERE trial_id = $1) u) folds,"
                  " (SELECT j.spec->'budget' AS budget FROM trial t JOIN job j ON j.id = t.job_id"
                  "   WHERE t.id = $1) limits"};
  static const struct db_column columns[] = {
    {DB_INT4, offsetof(struct tally, left), 0},
    {DB_FLOAT8, offsetof(struct tally, metric), 0},
    {DB_FLOAT8, offsetof(struct tally, objective), 0},
    {DB_FLOAT8, offsetof(struct tally, seconds), 0},
    {DB_FLOAT8, offsetof(struct tally, cost.predict_us), 0},
    {DB_FLOAT8, offsetof(struct tally, cost.model_bytes), 0},
    {DB_FLOAT8, offsetof(struct tally, cost.excess), 0}};
  return db_exec_one(conn, &count, DB_PARAMS(db_text(trial_id)), DB_COLUMNS(columns), NULL, tally);
}

static enum db_status
read_stand(struct db_conn *conn, const char *trial_id, struct work_stand *stand)
{
  static const struct db_statement get = {
    "work_stand",
    "SELECT number, rung, last_rung, coalesce(fold_count, 0) FROM trial WHERE id = $1"};
  static const struct db_column columns[] = {{DB_INT4, offsetof(struct work_stand, number), 0},
                                             {DB_INT4, offsetof(struct work_stand, rung), 0},
                                             {DB_INT4, offsetof(struct work_stand, last_rung), 0},
                                             {DB_INT4, offsetof(struct work_stand, fold_count), 0}};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(trial_id)), DB_COLUMNS(columns), NULL, stand);
}

/* Outputs of trials that fell out of the best (those within the job's limits come first) are dropped:
 * predictions beyond KEEP_PREDICTIONS, models beyond keep_models. The best two of a family keep theirs: an
 * ensemble lives on variety. */
static enum db_status
drop_outputs(struct db_conn *conn, const char *job_id, int keep_models)
{
  static const struct db_statement drop = {
    "work_drop_outputs",
    "WITH ranked AS (SELECT id, row_number() OVER (ORDER BY excess, objective, number) AS place,"
    "   row_number() OVER (PARTITION BY family ORDER BY excess, objective, number) AS family_place"
    "   FROM trial WHERE job_id = $1 AND state = 'done'),"
    " old AS (SELECT u.id, u.model_blob, r.place > $3 AS stale FROM unit u"
    "   JOIN ranked r ON r.id = u.trial_id WHERE r.place > $2 AND r.family_place > 2"
    "   AND (u.model_blob IS NOT NULL OR (u.predictions IS NOT NULL AND r.place > $3))),"
    " dropped AS (UPDATE unit u SET model_blob = NULL,"
    "   predictions = CASE WHEN old.stale THEN NULL ELSE u.predictions END"
    "   FROM old WHERE u.id = old.id RETURNING old.model_blob)"
    " DELETE FROM blob WHERE id IN (SELECT model_blob FROM dropped)"};
  return db_exec_none(conn, &drop,
                      DB_PARAMS(db_text(job_id), db_int4(keep_models), db_int4(KEEP_PREDICTIONS)));
}

static enum db_status
tell_best(struct db_conn *conn, const struct work_job *job, const char *trial_id,
          struct arena *arena)
{
  struct best
  {
    int number;
    const char *family;
    const char *params;
    double metric;
  } best;
  static const struct db_statement mark = {
    "work_best", "UPDATE job j SET best_trial_id = t.id, best_objective = t.objective,"
                 " best_value = t.metric FROM trial t WHERE j.id = $1 AND t.id = $2"
                 " RETURNING t.number, t.family, t.params, t.metric"};
  static const struct db_column columns[] = {{DB_INT4, offsetof(struct best, number), 0},
                                             {DB_TEXT, offsetof(struct best, family), 0},
                                             {DB_JSON, offsetof(struct best, params), 0},
                                             {DB_FLOAT8, offsetof(struct best, metric), 0}};
  enum db_status status = db_exec_one(conn, &mark, DB_PARAMS(db_text(job->id), db_text(trial_id)),
                                      DB_COLUMNS(columns), arena, &best);
  if (status != DB_ROWS)
    return status;
  json_t *data =
    json_pack("{s:s, s:i, s:s}", "trial", trial_id, "number", best.number, "family", best.family);
  if (data == NULL)
    return DB_HARD;
  json_object_set_new(data, "value", json_real_or_null(best.metric));
  json_object_set_new(data, "metric", json_real_or_null(best.metric));
  json_object_set_new(data, "params", json_loads(best.params, JSON_DECODE_ANY, NULL));
  status = work_event(conn, job->id, "best", data);
  if (status == DB_ROWS)
    status = work_logged(db_job_log(conn, job->id, LOG_LEVEL_INFO, "search", 0,
                                    "trial %d is the best so far: %s, %.6g", best.number,
                                    best.family, best.metric));
  return status;
}

/* A trial within the job's limits is better than any beyond them. */
static bool
is_best(const struct work_job *job, const struct tally *tally)
{
  if (job->best_trial_id == NULL)
    return true;
  if (tally->cost.excess != job->best_excess)
    return tally->cost.excess < job->best_excess;
  return tally->objective < job->best_objective;
}

/* The trial's last unit is done: so is the trial. */
static enum db_status
close_trial(struct db_conn *conn, struct finish *finish, const struct work_job *job,
            const char *trial_id, const struct tally *tally)
{
  bool scored = isfinite(tally->objective);
  struct work_trial_end end = {
    .trial_id = trial_id,
    .state = scored ? "done" : "failed",
    .metric = tally->metric,
    .objective = scored ? tally->objective : NAN,
    .seconds = tally->seconds,
    .cost = &tally->cost,
    .reason = scored ? NULL : "the metric is not defined on the validation rows"};
  enum db_status status = work_trial_end(conn, job->id, &end, finish->arena);
  if (status != DB_ROWS)
    return status;
  *finish->trial_done = true;
  if (scored && is_best(job, tally))
  {
    status = tell_best(conn, job, trial_id, finish->arena);
    *finish->is_best = true;
  }
  if (status == DB_ROWS)
    status = drop_outputs(conn, job->id, finish->keep_models);
  if (status >= DB_NONE)
    status = work_settle(conn, job, finish->arena);
  return status;
}

/* What comes after a stored unit: the next rung's turn, the other folds', or the trial's end. */
static enum db_status
go_on(struct db_conn *conn, struct finish *finish, const struct work_job *job, const char *trial_id)
{
  struct work_stand stand;
  struct tally tally;
  enum db_status status = read_stand(conn, trial_id, &stand);
  if (status != DB_ROWS)
    return status;
  if (stand.rung < stand.last_rung && (finish->result->paused || stand.fold_count > 1))
  {
    status = work_rung_reached(conn, job, trial_id, &stand, finish->result, finish->arena);
    if (status >= DB_NONE)
      status = work_drop_checkpoints(conn, job->id, trial_id, finish->lease->unit_id);
    if (status >= DB_NONE)
      status = work_settle(conn, job, finish->arena);
    return status;
  }
  status = tally_trial(conn, trial_id, &tally);
  if (status == DB_ROWS && tally.left == 0)
    status = close_trial(conn, finish, job, trial_id, &tally);
  return status;
}

static enum db_status
finish_unit(struct db_conn *conn, struct finish *finish)
{
  struct owner owner;
  struct work_job job;
  int64_t blob_id = 0;
  enum db_status status = find_owner(conn, finish->lease, finish->arena, &owner);
  if (status != DB_ROWS)
    return status;
  if (owner.trial_id == NULL)
    return DB_NONE;
  /* The long write goes first, so that the job is locked for a moment only. */
  const struct db_work_result *result = finish->result;
  const void *bytes = result->paused ? result->checkpoint : result->model;
  if (bytes != NULL)
  {
    size_t length = result->paused ? result->checkpoint_length : result->model_length;
    status = db_blob_write_bytes(conn, bytes, length, &blob_id);
    if (status != DB_ROWS)
      return status;
  }
  status = work_job_lock(conn, owner.job_id, finish->arena, &job);
  if (status == DB_ROWS)
    status = store_unit(conn, finish, blob_id);
  if (status == DB_NONE && blob_id != 0)
  {
    status = db_blob_delete(conn, blob_id);
    return status < DB_NONE ? status : DB_NONE;
  }
  if (status != DB_ROWS)
    return status;
  status = go_on(conn, finish, &job, owner.trial_id);
  return status < DB_NONE ? status : DB_ROWS;
}

static enum db_status
finish_in_tx(struct db_conn *conn, void *context)
{
  struct finish *finish = context;
  *finish->trial_done = *finish->is_best = false;
  finish->arena = arena_new(0);
  if (finish->arena == NULL)
    return DB_HARD;
  enum db_status status = finish_unit(conn, finish);
  arena_free(finish->arena);
  return status;
}

enum db_status
db_work_finish_unit(struct db_conn *conn, const struct db_work_lease *lease,
                    const struct db_work_result *result, int keep_models, bool *trial_done,
                    bool *is_best)
{
  struct finish finish = {.lease = lease,
                          .result = result,
                          .keep_models = keep_models,
                          .trial_done = trial_done,
                          .is_best = is_best};
  return db_tx_run(conn, "work_finish_unit", finish_in_tx, &finish);
}

/* ---- ends without a result ------------------------------------------------------------------------- */

enum db_status
work_unit_fail(struct db_conn *conn, const struct work_job *job, int64_t unit_id,
               const char *trial_id, const char *reason, struct arena *arena)
{
  static const struct db_statement mark = {
    "work_unit_fail", "UPDATE unit SET state = 'failed', ended_at = now(), lease_until = NULL"
                      " WHERE id = $1 AND state IN ('pending','leased')"};
  enum db_status status = db_exec_none(conn, &mark, DB_PARAMS(db_int8(unit_id)));
  if (status != DB_ROWS)
    return status;
  if (trial_id == NULL)
    return work_job_may(job, JOB_FAIL) ? work_job_fail(conn, job, "finish_failed", reason)
                                       : DB_NONE;
  struct work_trial_end end = {.trial_id = trial_id,
                               .state = "failed",
                               .metric = NAN,
                               .objective = NAN,
                               .seconds = NAN,
                               .reason = reason};
  status = work_trial_end(conn, job->id, &end, arena);
  if (status >= DB_NONE)
    status = work_settle(conn, job, arena);
  return status < DB_NONE ? status : DB_ROWS;
}

struct ending
{
  const struct db_work_lease *lease;
  enum db_work_end how;
  const char *reason;
};

static enum db_status
put_back(struct db_conn *conn, const struct ending *ending, const char *trial_id)
{
  static const struct db_statement back = {
    "work_put_back", "UPDATE unit SET state = 'pending', lease_until = NULL, worker = NULL,"
                     " attempts = attempts - CASE WHEN $3 THEN 1 ELSE 0 END"
                     " WHERE id = $1 AND " WORK_SQL_HELD("")};
  static const struct db_statement note = {
    "work_note_reason", "UPDATE trial SET reasons = reasons || $2::text WHERE id = $1"};
  bool uncounted = ending->how == DB_WORK_RELEASE;
  enum db_status status =
    db_exec_none(conn, &back,
                 DB_PARAMS(db_int8(ending->lease->unit_id), db_int8(ending->lease->lease_token),
                           db_bool(uncounted)));
  if (status == DB_ROWS && !uncounted && trial_id != NULL && ending->reason != NULL)
    status = db_exec_none(conn, &note, DB_PARAMS(db_text(trial_id), db_text(ending->reason)));
  if (status == DB_ROWS)
    status = db_notify(conn, "work", NULL);
  return status;
}

/* Attempts a unit has had, this one included. */
static enum db_status
count_attempts(struct db_conn *conn, const struct db_work_lease *lease, int *attempts)
{
  static const struct db_statement get = {
    "work_attempts",
    "SELECT attempts FROM unit WHERE id = $1 AND " WORK_SQL_HELD("") " FOR UPDATE"};
  return db_exec_one(conn, &get, DB_PARAMS(db_int8(lease->unit_id), db_int8(lease->lease_token)),
                     DB_SCALAR(DB_INT4), NULL, attempts);
}

static enum db_status
end_cancelled(struct db_conn *conn, const struct work_job *job, const struct owner *owner,
              const char *reason, struct arena *arena)
{
  struct work_trial_end end = {.trial_id = owner->trial_id,
                               .state = "cancelled",
                               .metric = NAN,
                               .objective = NAN,
                               .seconds = NAN,
                               .reason = reason};
  enum db_status status = work_trial_end(conn, job->id, &end, arena);
  if (status >= DB_NONE)
    status = work_settle(conn, job, arena);
  return status < DB_NONE ? status : DB_ROWS;
}

static enum db_status
end_unit(struct db_conn *conn, const struct ending *ending, struct arena *arena)
{
  struct owner owner;
  struct work_job job;
  int attempts = 0;
  enum db_status status = find_owner(conn, ending->lease, arena, &owner);
  if (status == DB_ROWS)
    status = work_job_lock(conn, owner.job_id, arena, &job);
  if (status == DB_ROWS)
    status = count_attempts(conn, ending->lease, &attempts);
  if (status != DB_ROWS)
    return status;
  if (ending->how == DB_WORK_RELEASE
      || (ending->how == DB_WORK_RETRY && attempts < DB_WORK_MAX_ATTEMPTS))
    return put_back(conn, ending, owner.trial_id);
  /* A finish is never just cancelled: a cancelled job keeps its best. */
  if (ending->how == DB_WORK_CANCELLED && owner.trial_id != NULL)
    return end_cancelled(conn, &job, &owner, ending->reason, arena);
  return work_unit_fail(conn, &job, ending->lease->unit_id, owner.trial_id, ending->reason, arena);
}

static enum db_status
end_in_tx(struct db_conn *conn, void *context)
{
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status = end_unit(conn, context, arena);
  arena_free(arena);
  return status;
}

enum db_status
db_work_end_unit(struct db_conn *conn, const struct db_work_lease *lease, enum db_work_end how,
                 const char *reason)
{
  struct ending ending = {.lease = lease, .how = how, .reason = reason};
  return db_tx_run(conn, "work_end_unit", end_in_tx, &ending);
}

enum db_status
work_end_held(struct db_conn *conn, const struct db_statement *list, const char *worker,
              enum db_status (*end)(struct db_conn *conn, const struct db_work_lease *lease,
                                    enum db_work_end how, const char *reason),
              const char *reason)
{
  static const struct db_column columns[] = {
    {DB_INT8, offsetof(struct db_work_lease, unit_id), 0},
    {DB_INT8, offsetof(struct db_work_lease, lease_token), 0}};
  struct arena *arena = arena_new(0);
  struct db_work_lease *leases = NULL;
  size_t count = 0;
  if (arena == NULL)
    return DB_HARD;
  enum db_status status = db_exec_many(conn, list, DB_PARAMS(db_text(worker)), DB_COLUMNS(columns),
                                       arena, sizeof *leases, &leases, &count);
  for (size_t i = 0; i < count && status >= DB_NONE; i++)
    status = end(conn, &leases[i], DB_WORK_RETRY, reason);
  arena_free(arena);
  return status < DB_NONE ? status : count > 0 ? DB_ROWS : DB_NONE;
}

enum db_status
db_work_end_worker(struct db_conn *conn, const char *worker, const char *reason)
{
  static const struct db_statement list = {
    "work_of_worker", "SELECT id, lease_token FROM unit WHERE state = 'leased' AND worker = $1"};
  return work_end_held(conn, &list, worker, db_work_end_unit, reason);
}
