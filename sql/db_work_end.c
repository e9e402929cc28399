#include <config.h>

#include "sql/db_work.h"

#include <math.h>
#include <string.h>

#include "sql/db_work_internal.h"

/* What is left of a job: units not over, done trials, the commonest reason of failure. */
struct remains
{
  int live, done, failed;
  const char *reason;
};

static enum db_status
count_remains(struct db_conn *conn, const char *job_id, struct arena *arena,
              struct remains *remains)
{
  static const struct db_statement count = {
    "work_remains",
    "SELECT (SELECT count(*) FROM unit WHERE job_id = $1 AND state IN ('pending','leased'))::int,"
    " (SELECT count(*) FROM trial WHERE job_id = $1 AND state = 'done')::int,"
    " (SELECT count(*) FROM trial WHERE job_id = $1 AND state = 'failed')::int,"
    " (SELECT r FROM (SELECT unnest(reasons) AS r FROM trial"
    "   WHERE job_id = $1 AND state = 'failed') AS all_reasons"
    "   GROUP BY r ORDER BY count(*) DESC, r LIMIT 1)"};
  static const struct db_column columns[] = {{DB_INT4, offsetof(struct remains, live), 0},
                                             {DB_INT4, offsetof(struct remains, done), 0},
                                             {DB_INT4, offsetof(struct remains, failed), 0},
                                             {DB_TEXT, offsetof(struct remains, reason), 0}};
  return db_exec_one(conn, &count, DB_PARAMS(db_text(job_id)), DB_COLUMNS(columns), arena, remains);
}

/* The end of a job that never had a done trial. */
static enum db_status
end_without_model(struct db_conn *conn, const struct work_job *job, const struct remains *remains,
                  struct arena *arena)
{
  if (job->cancel_requested
      || (job->stop_reason != NULL && strcmp(job->stop_reason, "cancelled") == 0))
  {
    enum db_status status = work_job_move(conn, job, "cancelled", "ended");
    return status == DB_ROWS ? work_event_done(conn, job->id) : status;
  }
  if (remains->failed == 0)
    return work_job_fail(conn, job, "budget_too_short",
                         "no trial could end within the budget: give the job more seconds");
  const char *detail = arena_printf(arena, "every trial failed; the commonest reason: %s",
                                    remains->reason != NULL ? remains->reason : "none was given");
  return work_job_fail(conn, job, "all_trials_failed", detail != NULL ? detail : "");
}

enum db_status
work_settle(struct db_conn *conn, const struct work_job *job, struct arena *arena)
{
  static const struct db_statement add = {
    "work_add_finish", "INSERT INTO unit (job_id) VALUES ($1) ON CONFLICT DO NOTHING"};
  struct remains remains;
  if (!work_job_may(job, JOB_END))
    return DB_NONE;
  enum db_status status = count_remains(conn, job->id, arena, &remains);
  if (status != DB_ROWS || remains.live > 0)
    return status;
  if (remains.done == 0)
    return end_without_model(conn, job, &remains, arena);
  status = db_exec_none(conn, &add, DB_PARAMS(db_text(job->id)));
  if (status == DB_ROWS)
    status = db_notify(conn, "work", job->id);
  return status < DB_NONE ? status : DB_ROWS;
}

/* ---- ending the search ------------------------------------------------------------------------------ */

struct stop
{
  const char *job_id;
  const char *stop_reason;
  bool cancel_running;
};

static const char *
cancel_reason(const char *stop_reason)
{
  if (strcmp(stop_reason, "cancelled") == 0)
    return "the job was cancelled";
  if (strcmp(stop_reason, "target_score") == 0)
    return "the target score was reached";
  return "the job's time was used up";
}

static enum db_status
stop_search(struct db_conn *conn, struct stop *stop, struct arena *arena)
{
  static const struct db_statement mark = {"work_stop_search",
                                           "UPDATE job SET stop_reason = $2 WHERE id = $1"};
  struct work_job job;
  enum db_status status = work_job_lock(conn, stop->job_id, arena, &job);
  if (status != DB_ROWS)
    return status;
  if (!work_job_may(&job, JOB_STOP) || strcmp(job.phase, "search") != 0)
    return DB_NONE;
  status = db_exec_none(conn, &mark, DB_PARAMS(db_text(job.id), db_text(stop->stop_reason)));
  if (status < DB_NONE)
    return status;
  job.stop_reason = stop->stop_reason;
  status = work_job_move(conn, &job, "running", "finish");
  if (status == DB_ROWS)
    status = work_logged(db_job_log(conn, job.id, LOG_LEVEL_INFO, "search", 0,
                                    "the search has ended after %d trials: %s%s", job.trial_count,
                                    stop->stop_reason,
                                    stop->cancel_running ? "; trials at work are stopped" : ""));
  if (status == DB_ROWS)
    status = work_prune_paused(conn, job.id, arena);
  if (status == DB_ROWS && stop->cancel_running)
    status = work_cancel_live(conn, job.id, cancel_reason(stop->stop_reason), arena);
  job.state = "running";
  job.phase = "finish";
  if (status == DB_ROWS)
    status = work_settle(conn, &job, arena);
  return status < DB_NONE ? status : DB_ROWS;
}

enum db_status
work_hurry(struct db_conn *conn, const char *job_id, struct arena *arena)
{
  static const struct db_statement mark = {
    "work_hurry", "UPDATE job SET stop_reason = 'cancelled' WHERE id = $1"};
  struct work_job job;
  size_t cancelled = 0;
  enum db_status status =
    work_cancel_trials(conn, job_id, cancel_reason("cancelled"), arena, &cancelled);
  if (status == DB_ROWS && cancelled > 0)
    status = db_exec_none(conn, &mark, DB_PARAMS(db_text(job_id)));
  if (status == DB_ROWS)
    status = work_job_lock(conn, job_id, arena, &job);
  if (status == DB_ROWS)
    status = work_settle(conn, &job, arena);
  return status < DB_NONE ? status : DB_ROWS;
}

static enum db_status
stop_in_tx(struct db_conn *conn, void *context)
{
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status = stop_search(conn, context, arena);
  arena_free(arena);
  return status;
}

enum db_status
db_work_stop_search(struct db_conn *conn, const struct db_work_job *job, const char *stop_reason,
                    bool cancel_running)
{
  struct stop stop = {
    .job_id = job->id, .stop_reason = stop_reason, .cancel_running = cancel_running};
  return db_tx_run(conn, "work_stop_search", stop_in_tx, &stop);
}

/* ---- failing a job ----------------------------------------------------------------------------------- */

struct fail
{
  const char *job_id, *code, *detail;
};

static enum db_status
fail_in_tx(struct db_conn *conn, void *context)
{
  const struct fail *fail = context;
  struct work_job job;
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status = work_job_lock(conn, fail->job_id, arena, &job);
  if (status == DB_ROWS && !work_job_may(&job, JOB_FAIL))
    status = DB_NONE;
  if (status == DB_ROWS)
    status = work_prune_paused(conn, job.id, arena);
  if (status == DB_ROWS)
    status = work_cancel_live(conn, job.id, "the job failed", arena);
  if (status == DB_ROWS)
    status = work_job_fail(conn, &job, fail->code, fail->detail);
  arena_free(arena);
  return status;
}

enum db_status
db_work_fail_job(struct db_conn *conn, const char *job_id, const char *code, const char *detail)
{
  struct fail fail = {.job_id = job_id, .code = code, .detail = detail};
  return db_tx_run(conn, "work_fail_job", fail_in_tx, &fail);
}

/* ---- the sweep --------------------------------------------------------------------------------------- */

struct due
{
  const char *id;
  bool cancel_requested;
  bool searching;
};

static enum db_status
settle_in_tx(struct db_conn *conn, void *context)
{
  struct work_job job;
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status = work_job_lock(conn, context, arena, &job);
  if (status == DB_ROWS)
    status = work_settle(conn, &job, arena);
  arena_free(arena);
  return status;
}

static enum db_status
sweep_job(struct db_conn *conn, const struct due *due)
{
  if (!due->searching)
    return db_tx_run(conn, "work_settle", settle_in_tx, (void *) due->id);
  struct stop stop = {.job_id = due->id,
                      .stop_reason = due->cancel_requested ? "cancelled" : "budget_seconds",
                      .cancel_running = true};
  return db_tx_run(conn, "work_stop_search", stop_in_tx, &stop);
}

enum db_status
db_work_sweep(struct db_conn *conn)
{
  static const struct db_statement list = {
    "work_sweep",
    "SELECT j.id, j.cancel_requested, j.phase = 'search' FROM job j"
    " WHERE j.state IN ('queued','running') AND ("
    " (j.phase = 'search' AND (j.cancel_requested OR (j.state = 'running' AND " WORK_SQL_PAST_SEARCH
    "))) OR (j.phase = 'finish' AND NOT EXISTS (SELECT FROM unit u WHERE u.job_id = j.id"
    " AND u.state IN ('pending','leased')))) ORDER BY j.created_at LIMIT 100"};
  static const struct db_column columns[] = {{DB_TEXT, offsetof(struct due, id), 0},
                                             {DB_BOOL, offsetof(struct due, cancel_requested), 0},
                                             {DB_BOOL, offsetof(struct due, searching), 0}};
  struct arena *arena = arena_new(0);
  struct due *jobs = NULL;
  size_t count = 0;
  if (arena == NULL)
    return DB_HARD;
  /* First, or jobs would end for time in which nobody could work on them. */
  enum db_status status = db_work_presence(conn);
  if (status >= DB_NONE)
    status = db_exec_many(conn, &list, DB_NO_PARAMS, DB_COLUMNS(columns), arena, sizeof *jobs,
                          &jobs, &count);
  for (size_t i = 0; i < count && status >= DB_NONE; i++)
    status = sweep_job(conn, &jobs[i]);
  if (status >= DB_NONE)
    status = work_fail_exhausted(conn);
  arena_free(arena);
  return status;
}
