/* Private to sql/db_work*.c, sql/db_range*.c, sql/db_batch_work.c and sql/db_job_control.c: the job's row under its
 * lock, and the steps that several of them share. */
#ifndef ATTUNE_SQL_DB_WORK_INTERNAL_H
#define ATTUNE_SQL_DB_WORK_INTERNAL_H

#include <jansson.h>

#include "sql/db_exec.h"
#include "sql/db_job_log.h"
#include "sql/db_work.h"
#include "sql/job.h"

/* Expressions over a job row named j. */
#define WORK_SQL_SECONDS "coalesce((j.spec->'budget'->>'seconds')::float8, 0)"
/* By the budget's clock, which stands still in a pause and while there is no engine. */
#define WORK_SQL_ELAPSED                                                                           \
  "greatest(extract(epoch FROM coalesce(j.paused_at, now()) - coalesce(j.started_at, now()))"      \
  "::float8 - j.idle_s, 0)"
#define WORK_SQL_RESERVE                                                                           \
  "least(greatest(0.1 * " WORK_SQL_SECONDS ", 2), 20, 0.4 * " WORK_SQL_SECONDS ")"
#define WORK_SQL_PAST_SEARCH                                                                       \
  "(" WORK_SQL_SECONDS " > 0 AND " WORK_SQL_ELAPSED " >= " WORK_SQL_SECONDS " - " WORK_SQL_RESERVE \
  ")"
/* Cancelled when there was nothing left to do but the finish. */
#define WORK_SQL_HURRIED "(j.cancel_requested AND j.stop_reason IS DISTINCT FROM 'cancelled')"
/* Fewer units at work than the job allows. */
#define WORK_SQL_HAS_ROOM                                                                          \
  "(coalesce((j.spec->'search'->>'parallel')::int, 0) = 0 OR"                                      \
  " (SELECT count(*) FROM unit w WHERE w.job_id = j.id AND w.state = 'leased'"                     \
  "   AND w.lease_until >= now()) < (j.spec->'search'->>'parallel')::int)"
/* Units at work, of the tenant and of the job: who has fewest is served first. */
#define WORK_SQL_TENANT_LOAD                                                                       \
  "(SELECT count(*) FROM unit w JOIN job o ON o.id = w.job_id WHERE o.tenant_id = j.tenant_id"     \
  " AND w.state = 'leased' AND w.lease_until >= now())"
#define WORK_SQL_JOB_LOAD                                                                          \
  "(SELECT count(*) FROM unit w WHERE w.job_id = j.id AND w.state = 'leased'"                      \
  " AND w.lease_until >= now())"

/* That the unit (its columns after the prefix `u`) is still held under the lease token $2. The broken form is
 * for the kill test alone, which must notice it: configure --enable-broken-lease. */
#ifdef ATTUNE_BROKEN_LEASE
#define WORK_SQL_HELD(u) u "state <> 'pending' AND $2::bigint > 0"
#else
#define WORK_SQL_HELD(u) u "lease_token = $2 AND " u "state = 'leased'"
#endif

/* A job's row, locked. */
struct work_job
{
  const char *id;
  const char *state;
  const char *phase;
  bool cancel_requested;
  const char *stop_reason;
  int trial_count;
  const char *best_trial_id;
  double best_objective, best_excess;
};

/* Locks the job's row. DB_NONE: no such job. */
enum db_status work_job_lock(struct db_conn *conn, const char *job_id, struct arena *arena,
                             struct work_job *job);
/* Whether the engine may do this to the job in its present stage (job.h). */
bool work_job_may(const struct work_job *job, enum job_verb verb);

/* The status of a line added to the log by db_job_log: a full log is no fault. */
static inline enum db_status
work_logged(enum db_status status)
{
  return status < DB_NONE ? status : DB_ROWS;
}

/* Ends, to be tried again, all that a worker holds: what `list` gives for its name ($1) as numbers and lease tokens.
 * DB_NONE when that is nothing. */
enum db_status
work_end_held(struct db_conn *conn, const struct db_statement *list, const char *worker,
              enum db_status (*end)(struct db_conn *conn, const struct db_work_lease *lease,
                                    enum db_work_end how, const char *reason),
              const char *reason);

/* Inserts an event and drops the reference to `data` (NULL = out of memory = DB_HARD). */
enum db_status work_event(struct db_conn *conn, const char *job_id, const char *kind, json_t *data);

/* Sets state and phase (and started_at, ended_at where they belong) and tells it by a "state" event. */
enum db_status work_job_move(struct db_conn *conn, const struct work_job *job, const char *state,
                             const char *phase);

/* Ends a running or paused trial as 'done', 'pruned', 'failed' or 'cancelled': its row, its place in the search
 * log, its units that are not over, its event. `reason` (may be NULL) is added to its reasons. DB_NONE when it
 * had ended before. The job's row is locked. */
struct work_cost
{
  double predict_us, model_bytes; /* as served; NaN = unknown */
  double excess;                  /* over the job's limits */
};
struct work_trial_end
{
  const char *trial_id;
  const char *state;
  double metric, objective, seconds; /* NaN = none */
  const struct work_cost *cost;      /* NULL = unknown */
  const char *reason;
};
enum db_status work_trial_end(struct db_conn *conn, const char *job_id,
                              const struct work_trial_end *end, struct arena *arena);

/* What is known of a trial at work. */
struct work_stand
{
  int number, rung, last_rung, fold_count;
};
/* Records that the trial of a unit just stored has reached a rung: pauses it, or ends it when the search is
 * over or the score is none. The job's row is locked. */
enum db_status work_rung_reached(struct db_conn *conn, const struct work_job *job,
                                 const char *trial_id, const struct work_stand *stand,
                                 const struct db_work_result *result, struct arena *arena);

/* Drops the checkpoints of a trial but that of one unit (0 = all), and those of the job's paused trials that are
 * too many. */
enum db_status work_drop_checkpoints(struct db_conn *conn, const char *job_id, const char *trial_id,
                                     int64_t but_unit);

/* Ends every paused trial of the job as pruned. The job's row is locked. */
enum db_status work_prune_paused(struct db_conn *conn, const char *job_id, struct arena *arena);

/* Cancels every trial of the job that is not over, and its units; *count (may be NULL): how many there were. */
enum db_status work_cancel_trials(struct db_conn *conn, const char *job_id, const char *reason,
                                  struct arena *arena, size_t *count);

/* The same, and the finish. */
enum db_status work_cancel_live(struct db_conn *conn, const char *job_id, const char *reason,
                                struct arena *arena);

/* A job whose search has ended: once its last unit has gone it gets its finish unit or, without a single
 * done trial, its end. The job's row is locked. */
enum db_status work_settle(struct db_conn *conn, const struct work_job *job, struct arena *arena);

/* A job whose search has ended is cancelled (its flag is set): trials still at work are cancelled with their units, as
 * if the search had been, and the finish need wait for them no longer. One that is being made already ends soon
 * (WORK_SQL_HURRIED). The job's row is locked. */
enum db_status work_hurry(struct db_conn *conn, const char *job_id, struct arena *arena);

/* Ends the job as failed with a problem; its units must be over. */
enum db_status work_job_fail(struct db_conn *conn, const struct work_job *job, const char *code,
                             const char *detail);

/* Events "state" is told by the caller; this tells "done" with the model, if any. */
enum db_status work_event_done(struct db_conn *conn, const char *job_id);

/* Ends, in a transaction of its own, a unit that has used up its attempts. */
enum db_status work_fail_exhausted(struct db_conn *conn);

/* Work that is no unit of a job but goes by the same rules: a range test, a slice of a batch. The unit of its lease is
 * the number of its row. */
struct work_alone
{
  const struct db_statement *take;     /* $1 worker, $2 seconds, $3 most attempts: its number */
  const struct db_statement *get;      /* $1 number: all of it that is worked with */
  const struct db_statement *put_back; /* $1 number, $2 token, $3 attempts given back, $4 most */
  const struct db_column *columns;     /* of `get` */
  size_t column_count;
};
/* Takes the next and reads it into *unit, in one transaction. DB_NONE when there is none. */
enum db_status work_alone_claim(struct db_conn *conn, const struct work_alone *kind,
                                const char *worker, struct arena *arena, void *unit);
/* Puts it back for another attempt and notifies "work". The attempts left decide over a DB_WORK_RETRY, a
 * DB_WORK_RELEASE gives its attempt back; DB_NONE when it is not to be tried again, or the lease is not ours. */
enum db_status work_alone_put_back(struct db_conn *conn, const struct work_alone *kind,
                                   const struct db_work_lease *lease, enum db_work_end how);

/* Ends a range test as failed, which its job's log tells. DB_NONE when the lease is not ours. */
enum db_status work_range_fail(struct db_conn *conn, const struct db_work_lease *lease,
                               const char *reason);

/* Ends a unit as failed: its trial, or for a finish its job. The job's row is locked. */
enum db_status work_unit_fail(struct db_conn *conn, const struct work_job *job, int64_t unit_id,
                              const char *trial_id, const char *reason, struct arena *arena);

#endif
