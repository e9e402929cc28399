#include <config.h>

#include "sql/db_job.h"

#include <stdio.h>
#include <string.h>

#include "sql/db_exec.h"
#include "sql/db_job_log.h"
#include "sql/db_work_internal.h"

/* The budget's clock goes on from here: what lay between was not the budget's. */
#define GO_ON_SQL                                                                                  \
  "idle_s = idle_s + CASE WHEN started_at IS NULL THEN 0 ELSE greatest(extract(epoch FROM"         \
  " clock_timestamp() - coalesce(paused_at, ended_at, clock_timestamp())), 0) END,"                \
  " resumed_at = clock_timestamp(), paused_at = NULL"

struct control
{
  const char *tenant_id, *id;
  const struct db_job_control *wanted;
  enum job_answer answer;
};

/* The job's row, locked. */
struct locked
{
  const char *state, *phase, *stop_reason, *dataset_id, *best_trial_id, *problem_code;
  bool cancel_requested, started;
  int extended;
};

static enum db_status
lock_job(struct db_conn *conn, const struct control *control, struct arena *arena,
         struct locked *job)
{
  static const struct db_statement lock = {
    "job_control_lock", "SELECT state, phase, cancel_requested,"
                        " started_at IS NOT NULL OR state = 'running', stop_reason, dataset_id,"
                        " best_trial_id, extended, problem->>'code' FROM job"
                        " WHERE tenant_id = $1 AND id = $2 FOR UPDATE"};
  static const struct db_column columns[] = {
    {DB_TEXT, offsetof(struct locked, state), 0},
    {DB_TEXT, offsetof(struct locked, phase), 0},
    {DB_BOOL, offsetof(struct locked, cancel_requested), 0},
    {DB_BOOL, offsetof(struct locked, started), 0},
    {DB_TEXT, offsetof(struct locked, stop_reason), 0},
    {DB_TEXT, offsetof(struct locked, dataset_id), 0},
    {DB_TEXT, offsetof(struct locked, best_trial_id), 0},
    {DB_INT4, offsetof(struct locked, extended), 0},
    {DB_TEXT, offsetof(struct locked, problem_code), 0}};
  return db_exec_one(conn, &lock, DB_PARAMS(db_text(control->tenant_id), db_text(control->id)),
                     DB_COLUMNS(columns), arena, job);
}

/* ---- refusals that only the database knows --------------------------------------------------------- */

/* DB_ROWS when one more live job is allowed, else DB_NONE with the answer. */
static enum db_status
check_quota(struct db_conn *conn, struct control *control)
{
  size_t live = 0;
  if (control->wanted->most_live == 0)
    return DB_ROWS;
  enum db_status status = db_job_count_live(conn, control->tenant_id, &live);
  if (status != DB_ROWS || live < control->wanted->most_live)
    return status;
  control->answer = JOB_REFUSED_QUOTA;
  return DB_NONE;
}

/* An ended job goes on from its log, its data and what its best trials made: are they still there? The share
 * lock keeps the dataset from being deleted before the job can be seen to need it. */
static enum db_status
check_remains(struct db_conn *conn, struct control *control, const struct locked *job)
{
  static const struct db_statement dataset = {
    "job_extend_dataset", "SELECT 1 FROM dataset WHERE id = $1 AND deleted_at IS NULL FOR SHARE"};
  static const struct db_statement models = {
    "job_extend_models", "SELECT 1 FROM unit WHERE trial_id = $1 AND model_blob IS NOT NULL"
                         " LIMIT 1"};
  const char *code = job->problem_code != NULL ? job->problem_code : "";
  bool exhausted = job->stop_reason != NULL && strcmp(job->stop_reason, "exhausted") == 0;
  if (exhausted)
  {
    control->answer = JOB_REFUSED_EXHAUSTED;
    return DB_NONE;
  }
  enum db_status status = db_exec_none(conn, &dataset, DB_PARAMS(db_text(job->dataset_id)));
  if (status == DB_NONE || (status == DB_ROWS && strncmp(code, "dataset_", 8) == 0))
  {
    control->answer = JOB_REFUSED_DATASET;
    return DB_NONE;
  }
  if (status != DB_ROWS || job->best_trial_id == NULL)
    return status;
  status = db_exec_none(conn, &models, DB_PARAMS(db_text(job->best_trial_id)));
  if (status == DB_NONE)
    control->answer = JOB_REFUSED_FORGOTTEN;
  return status;
}

/* Another's extension came between, or this very one, whose commit was not acknowledged. */
static enum db_status
find_own_extension(struct db_conn *conn, struct control *control)
{
  static const struct db_statement own = {
    "job_extend_own", "SELECT 1 FROM job WHERE id = $1 AND spec = $2 AND extended = $3"};
  enum db_status status =
    db_exec_none(conn, &own,
                 DB_PARAMS(db_text(control->id), db_json(control->wanted->spec),
                           db_int4(control->wanted->extended + 1)));
  if (status == DB_NONE)
    control->answer = JOB_REFUSED_CHANGED;
  return status < DB_NONE ? status : DB_NONE;
}

static enum db_status
check_extend(struct db_conn *conn, struct control *control, const struct locked *job,
             enum job_stage stage)
{
  if (job->extended != control->wanted->extended)
    return find_own_extension(conn, control);
  if (!job_stage_has_ended(stage))
    return DB_ROWS;
  enum db_status status = check_remains(conn, control, job);
  return status == DB_ROWS ? check_quota(conn, control) : status;
}

/* ---- moves --------------------------------------------------------------------------------------------- */

/* Time without an engine that no engine has come back from yet is not the budget's either. */
static enum db_status
pause_job(struct db_conn *conn, const char *id)
{
  static const struct db_statement pause = {
    "job_pause",
    "UPDATE job SET state = 'paused', paused_at = clock_timestamp(), idle_s = idle_s + coalesce("
    "(SELECT greatest(extract(epoch FROM clock_timestamp()"
    "   - greatest(seen.at, coalesce(job.resumed_at, job.started_at))), 0)"
    " FROM (SELECT to_timestamp(value::float8) AS at FROM setting WHERE name = 'engine_seen') seen"
    " WHERE job.started_at IS NOT NULL AND clock_timestamp() - seen.at >= interval '15 seconds'), "
    "0)"
    " WHERE id = $1"};
  return db_exec_none(conn, &pause, DB_PARAMS(db_text(id)));
}

static enum db_status
resume_job(struct db_conn *conn, const char *id, enum job_stage to)
{
  static const struct db_statement resume = {"job_resume", "UPDATE job SET state = $2, " GO_ON_SQL
                                                           " WHERE id = $1"};
  return db_exec_none(conn, &resume, DB_PARAMS(db_text(id), db_text(job_stage_state(to))));
}

/* The engine ends a job that has begun, with its best; one that has not ends here. */
static enum db_status
cancel_job(struct db_conn *conn, const char *id, enum job_stage to)
{
  static const struct db_statement end = {
    "job_cancel_queued",
    "UPDATE job SET state = 'cancelled', phase = 'ended', cancel_requested = true,"
    " stop_reason = 'cancelled', ended_at = now(), paused_at = NULL WHERE id = $1"};
  static const struct db_statement ask = {
    "job_cancel_ask",
    "UPDATE job SET state = 'running', cancel_requested = true, " GO_ON_SQL " WHERE id = $1"};
  return db_exec_none(conn, to == JOB_CANCELLED ? &end : &ask, DB_PARAMS(db_text(id)));
}

/* Whatever it was doing, it searches on; a finish that had begun is done again later. */
static enum db_status
extend_job(struct db_conn *conn, const struct control *control, enum job_stage from,
           enum job_stage to)
{
  static const struct db_statement raise = {
    "job_extend", "UPDATE job SET spec = $2, extended = extended + 1 WHERE id = $1"};
  static const struct db_statement reopen = {
    "job_reopen", "UPDATE job SET state = $2, phase = 'search', stop_reason = NULL, problem = NULL,"
                  " cancel_requested = false, " GO_ON_SQL ", ended_at = NULL WHERE id = $1"};
  static const struct db_statement unfinish = {
    "job_unfinish", "DELETE FROM unit WHERE job_id = $1 AND trial_id IS NULL"};
  struct db_param id = db_text(control->id);
  enum db_status status = db_exec_none(conn, &raise, DB_PARAMS(id, db_json(control->wanted->spec)));
  if (status != DB_ROWS || (!job_stage_has_ended(from) && from != JOB_FINISHING))
    return status;
  status = db_exec_none(conn, &unfinish, DB_PARAMS(id));
  if (status >= DB_NONE)
    status = db_exec_none(conn, &reopen, DB_PARAMS(id, db_text(job_stage_state(to))));
  return status;
}

static enum db_status
change(struct db_conn *conn, const struct control *control, enum job_stage from, enum job_stage to)
{
  switch (control->wanted->verb)
  {
  case JOB_PAUSE:
    return pause_job(conn, control->id);
  case JOB_RESUME:
    return resume_job(conn, control->id, to);
  case JOB_CANCEL:
    return cancel_job(conn, control->id, to);
  case JOB_EXTEND:
    return extend_job(conn, control, from, to);
  case JOB_TRY:
  case JOB_STOP:
  case JOB_END:
  case JOB_FAIL:
    break; /* the engine's */
  }
  return DB_HARD;
}

/* ---- telling ----------------------------------------------------------------------------------------- */

static enum db_status
tell_log(struct db_conn *conn, const struct control *control)
{
  static const char *const words[JOB_VERB_COUNT] = {[JOB_PAUSE] = "paused",
                                                    [JOB_RESUME] = "resumed",
                                                    [JOB_EXTEND] = "extended",
                                                    [JOB_CANCEL] = "cancelled"};
  const struct db_job_control *wanted = control->wanted;
  return db_job_log(conn, control->id, LOG_LEVEL_INFO, "server", 0, "%s%s%s%s%s",
                    words[wanted->verb], wanted->by != NULL ? " by " : "",
                    wanted->by != NULL ? wanted->by : "", wanted->summary != NULL ? ": " : "",
                    wanted->summary != NULL ? wanted->summary : "");
}

static enum db_status
tell(struct db_conn *conn, const struct control *control, enum job_stage to)
{
  char data[128];
  snprintf(data, sizeof data, "{\"state\": \"%s\", \"phase\": \"%s\"%s}", job_stage_state(to),
           job_stage_phase(to),
           to == JOB_CANCELLING || to == JOB_ENDING ? ", \"cancel_requested\": true" : "");
  enum db_status status = db_event_insert(
    conn, control->id, "state", to == JOB_CANCELLED ? "{\"state\": \"cancelled\"}" : data);
  if (status == DB_ROWS && to == JOB_CANCELLED)
    status = db_event_insert(conn, control->id, "done", "{\"state\": \"cancelled\"}");
  if (status == DB_ROWS)
    status = tell_log(conn, control);
  if (status >= DB_NONE)
    status = db_notify(conn, "work", NULL);
  return status < DB_NONE ? status : DB_ROWS;
}

static enum db_status
control_locked(struct db_conn *conn, struct control *control, struct arena *arena)
{
  struct locked job;
  enum job_stage stage;
  enum db_status status = lock_job(conn, control, arena, &job);
  if (status != DB_ROWS)
    return status;
  if (!job_stage_of(job.state, job.phase, job.cancel_requested, &stage))
    return DB_HARD;
  struct job_move move = job_move(stage, control->wanted->verb, job.started);
  control->answer = move.answer;
  if (move.answer != JOB_MOVED)
    return DB_ROWS;
  if (control->wanted->verb == JOB_EXTEND)
    status = check_extend(conn, control, &job, stage);
  else if (control->wanted->verb == JOB_RESUME)
    status = check_quota(conn, control);
  if (status == DB_ROWS)
    status = change(conn, control, stage, move.to);
  if (status == DB_ROWS)
    status = tell(conn, control, move.to);
  if (status == DB_ROWS && move.to == JOB_ENDING)
    status = work_hurry(conn, control->id, arena);
  /* A refusal has changed nothing. */
  return status < DB_NONE ? status : DB_ROWS;
}

static enum db_status
control_in_tx(struct db_conn *conn, void *context)
{
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return DB_HARD;
  enum db_status status = control_locked(conn, context, arena);
  arena_free(arena);
  return status;
}

enum db_status
db_job_control(struct db_conn *conn, const char *tenant_id, const char *id,
               const struct db_job_control *wanted, enum job_answer *answer)
{
  struct control control = {.tenant_id = tenant_id, .id = id, .wanted = wanted};
  enum db_status status = db_tx_run(conn, "job_control", control_in_tx, &control);
  *answer = control.answer;
  return status;
}

enum db_status
db_job_cancel(struct db_conn *conn, const char *tenant_id, const char *id, bool *already_ended)
{
  struct db_job_control wanted = {.verb = JOB_CANCEL};
  enum job_answer answer = JOB_STAYED;
  enum db_status status = db_job_control(conn, tenant_id, id, &wanted, &answer);
  *already_ended = status == DB_ROWS && answer == JOB_REFUSED_ENDED;
  return status;
}
