/* The engine's side: claim work under a lease, keep it, record what came of it.
 *
 * Every claim raises the unit's lease token; every write says which token it holds, so a stale worker's
 * write is refused (DB_NONE) and a result is recorded at most once. Leases last 12 s on the database's
 * clock. All events are written in the same transaction as the change they tell.
 *
 * Locks are taken in one order: the job's advisory lock, its row, then rows of units and trials. A
 * claim and a heartbeat lock a unit alone and never wait for a job.
 */
#ifndef ATTUNE_SQL_DB_WORK_H
#define ATTUNE_SQL_DB_WORK_H

#include "sql/db.h"

#define DB_WORK_LEASE_S 12
#define DB_WORK_MAX_ATTEMPTS 3

/* The part of a budget in seconds that is kept for the finish: a tenth, at least 2 s and at most 20 s, but
 * never more than 40% of the whole. The search ends when only this is left. 0 for no budget. */
double db_work_reserve_s(double budget_s);

struct db_work_unit
{
  int64_t id;
  int64_t lease_token;
  const char *job_id;
  const char *tenant_id;
  const char *trial_id; /* NULL for a finish */
  int trial_number;
  int fold, rung;
  int attempts;       /* this one included */
  const char *params; /* JSON text with the family's parameters */
  const char *family;
  const char *spec; /* the job's */
  const char *dataset_id;
  uint8_t dataset_sha256[32];
  int64_t dataset_blob;
  uint64_t dataset_bytes;
  double
    budget_left_s; /* of the whole job, the finish included; INFINITY without a budget in seconds */
  int fold_count;  /* fits of this trial; 0 for a finish */
  int job_leased;  /* units of the job at work, this one included */
  const char *stop_reason; /* why the search ended, NULL while it goes on */
  const char *schema;      /* of the dataset version, JSON text */
  bool hurried; /* the job was cancelled when only its finish was left: it is to be a short one */
  int until_epoch;         /* the fit pauses after this epoch; 0 = it runs to its end */
  int64_t checkpoint_blob; /* what the fit goes on from; 0 = nothing: it begins anew */
  bool again;              /* its trial is at the point of an earlier one */
};

/* Claims one pending or expired unit of a running job: a finish first, then the oldest trial's next
 * fold; between jobs the one with the fewest leased units of its tenant, then the oldest. A unit that
 * has failed DB_WORK_MAX_ATTEMPTS times is not claimed but ended as failed (its trial, too). */
enum db_status db_work_claim(struct db_conn *conn, const char *worker, struct arena *arena,
                             struct db_work_unit *unit);

struct db_work_lease
{
  int64_t unit_id;
  int64_t lease_token;
};
/* Whether a unit's work should end now, and why. The numbers are those of its statement. */
enum db_work_stop
{
  DB_WORK_GO_ON = 0,
  DB_WORK_STOP_PAUSE = 1,  /* give the unit back: it is done again after the pause */
  DB_WORK_STOP_ENDED = 2,  /* the job has ended */
  DB_WORK_STOP_CANCEL = 3, /* a cancelled job does not need this trial */
  DB_WORK_STOP_TIME = 4,   /* the search's seconds are used up */
  DB_WORK_STOP_HURRY =
    5 /* only for a finish: it is to be done again, shorter, unless it is short already */
};
struct db_work_pulse
{
  enum db_work_stop stop;
  double
    search_left_s; /* until the search must end, as the budget is now; INFINITY = no such end */
};
/* Renews; DB_NONE when the lease is not ours any more. *pulse is only written on DB_ROWS. */
enum db_status db_work_heartbeat(struct db_conn *conn, const struct db_work_lease *lease,
                                 struct db_work_pulse *pulse);

/* Tells that an engine is there, every few seconds at most; heartbeats and sweeps do so, too. A budget in
 * seconds does not count time without any engine: after a silence of DB_WORK_ABSENCE_S the clocks of all
 * running jobs are put back by its length (job.idle_s). */
#define DB_WORK_ABSENCE_S 15
enum db_status db_work_presence(struct db_conn *conn);

struct db_work_epoch
{
  int epoch, epoch_count;
  double train_loss, valid_loss, valid_metric, seconds; /* NaN = none */
};
/* Rows of progress; synchronous_commit off. DB_NONE when the lease was lost. */
enum db_status db_work_epochs(struct db_conn *conn, const struct db_work_lease *lease,
                              const struct db_work_epoch *epochs, size_t count);

struct db_work_result
{
  double metric, objective, seconds;
  double predict_us;        /* NaN = unknown */
  const char *detail;       /* JSON text */
  const float *predictions; /* or NULL */
  size_t prediction_count;
  const void *model; /* bytes, or NULL */
  size_t model_length;
  bool paused;            /* at the unit's epoch, with more to come */
  const void *checkpoint; /* of a pause: bytes, or NULL when it is too large to keep */
  size_t checkpoint_length;
};
/* Records a fold's result. At a rung before its last the trial is paused then, with an entry "measure" in the
 * search log; a result that was to pause but came to its end is one of the last rung but one, where every trial
 * of several folds has its first fold whole, and of a single fold it is the trial's. When it was the trial's
 * last unit, the trial is done: mean metric and objective over folds, its place in the search log, event
 * "trial", and event "best" when it is; the predictions and models of trials that fell out of the best 50 /
 * best `keep_models` are dropped. */
enum db_status db_work_finish_unit(struct db_conn *conn, const struct db_work_lease *lease,
                                   const struct db_work_result *result, int keep_models,
                                   bool *trial_done, bool *is_best);
/* Ends a unit without a result. DB_WORK_RETRY puts it back as pending (until the attempts are used up, then it
 * failed); DB_WORK_RELEASE does so without counting the attempt, for a worker that stops in order;
 * DB_WORK_FAILED ends trial and sibling units as failed with the reason (for a finish: the job),
 * DB_WORK_CANCELLED as cancelled. */
enum db_work_end
{
  DB_WORK_RETRY,
  DB_WORK_RELEASE,
  DB_WORK_FAILED,
  DB_WORK_CANCELLED
};
enum db_status db_work_end_unit(struct db_conn *conn, const struct db_work_lease *lease,
                                enum db_work_end how, const char *reason);

/* Ends, as DB_WORK_RETRY, whatever is leased to a worker of that name. Only for one that is known to be dead, its
 * trial included. DB_NONE when nothing was. */
enum db_status db_work_end_worker(struct db_conn *conn, const char *worker, const char *reason);

/* ---- asking for the next trial --------------------------------------------------------------------- */

struct db_work_job
{
  const char *id;
  const char *tenant_id;
  const char *state;
  const char *spec;
  const char *dataset_id;
  uint8_t dataset_sha256[32];
  int64_t dataset_blob;
  uint64_t dataset_bytes;
  int trial_count;   /* numbered so far */
  int live_units;    /* pending or leased */
  double best_value; /* NaN = none */
  bool cancel_requested;
  double elapsed_s;   /* since started_at; 0 before */
  const char *schema; /* of the dataset version */
  bool has_tests;     /* range tests of its own were added (db_range.h) */
};
/* Runs `decide` for one job that could take a new trial (queued, or running in phase search with no pending
 * unit or range test under way), holding its advisory lock inside a transaction; jobs locked by another worker
 * are passed over. The callback reads the log (db_work_log), then calls db_work_add_trial or
 * db_work_stop_search, or neither. DB_NONE when no job wants anything. */
enum db_status db_work_with_job(struct db_conn *conn, struct arena *arena,
                                enum db_status (*decide)(struct db_conn *conn,
                                                         const struct db_work_job *job,
                                                         void *context),
                                void *context);

enum db_work_log_kind
{
  DB_LOG_ASK,
  DB_LOG_TELL,
  DB_LOG_FAILED,
  DB_LOG_FORGET,   /* cancelled */
  DB_LOG_MEASURE,  /* paused at a rung */
  DB_LOG_CONTINUE, /* goes on to a rung */
  DB_LOG_PRUNE,    /* ends where it was paused */
  DB_LOG_BELIEVE   /* a range test found a rate (db_range.h) */
};
struct db_work_log_entry
{
  int64_t seq;
  enum db_work_log_kind kind;
  int trial_number;
  const double *point; /* for an ask or a belief */
  size_t point_count;
  int rung;    /* of a measure or a continuation */
  double rate; /* of a belief */
  double objective, seconds;
  double predict_us, model_bytes, train_us; /* of a tell; NaN = unknown */
};
/* The job's search log after `after`, in order. */
enum db_status db_work_log(struct db_conn *conn, const char *job_id, int64_t after,
                           struct arena *arena, struct db_work_log_entry **entries, size_t *count);

/* A trial with rungs: it starts with its first fold alone, which pauses after until_epoch. */
struct db_work_rungs
{
  int last;        /* number of the rung at which the trial is whole, from 1 */
  int until_epoch; /* of rung 0 */
};
/* Adds the next trial with `fold_count` units, the first leased to `worker`, and moves a queued job to
 * running (events). *unit_id and *lease_token are fold 0's. `rungs` NULL: it has none. */
enum db_status db_work_add_trial(struct db_conn *conn, const struct db_work_job *job,
                                 const char *family, const char *params, const double *point,
                                 size_t point_count, int fold_count,
                                 const struct db_work_rungs *rungs, const char *worker,
                                 struct db_work_lease *lease);
/* Sends a paused trial on to a rung, with an entry "continue": the units it takes become pending, the fit of
 * the first fold until until_epoch (0 = to its end), at the last rung of several folds the other folds.
 * DB_NONE when the job takes no more work or the trial is not paused below that rung. */
enum db_status db_work_continue_trial(struct db_conn *conn, const struct db_work_job *job,
                                      int number, int rung, int until_epoch);
/* Ends a paused trial as pruned, for the stated reason. DB_NONE when it is not paused. */
enum db_status db_work_prune_trial(struct db_conn *conn, const struct db_work_job *job, int number,
                                   const char *reason);
/* Ends the search: no more trials. Paused trials end as pruned. Running units go on (or are cancelled with
 * `cancel_running`). When none is left the finish unit is added (or the job ends: failed when no trial is done,
 * with a problem). */
enum db_status db_work_stop_search(struct db_conn *conn, const struct db_work_job *job,
                                   const char *stop_reason, bool cancel_running);
/* Ends a job at once as failed with {code, detail}; its units are cancelled. */
enum db_status db_work_fail_job(struct db_conn *conn, const char *job_id, const char *code,
                                const char *detail);
/* Jobs whose search has ended and whose last unit has gone get their finish unit; jobs past their seconds
 * or with cancel requested get their search stopped. Called by every worker about once a second. */
enum db_status db_work_sweep(struct db_conn *conn);

/* ---- the finish --------------------------------------------------------------------------------------- */

struct db_work_trial
{
  const char *id;
  int number;
  const char *family;
  const char *params;
  double metric, objective;
  double excess; /* over the job's limits, as log factors; 0 = within them */
};
/* The best `limit` done trials of a job, the best two of each family, and those at the point of an earlier one, best
 * first; those within the job's limits are better than all others. */
enum db_status db_work_best_trials(struct db_conn *conn, const char *job_id, size_t limit,
                                   struct arena *arena, struct db_work_trial **trials,
                                   size_t *count);
/* One unit's stored predictions and model (bytes NULL when dropped). */
enum db_status db_work_unit_outputs(struct db_conn *conn, const char *trial_id, int fold,
                                    struct arena *arena, const float **predictions,
                                    size_t *prediction_count, const char **model,
                                    size_t *model_length);

/* How a done unit's fit went: CPU seconds over all rungs, and its result as JSON text. NULL result = not known. */
struct db_work_fit
{
  double seconds;
  const char *result;
};
enum db_status db_work_unit_fit(struct db_conn *conn, const char *trial_id, int fold,
                                struct arena *arena, struct db_work_fit *fit);

struct db_model_insert;
/* Whether a further version of a running job may be published now: the trial is still its best and
 * nothing was published for `interval_s` seconds. DB_NONE when not. */
enum db_status db_work_may_publish(struct db_conn *conn, const char *job_id, const char *trial_id,
                                   double interval_s);
/* Stores a model version for a running job (final = false, `lease` being the one its best trial's last unit was
 * done under) or as the end of its finish (final = true: the unit is done, the job succeeded or cancelled,
 * events "best"/"state"/"done"). DB_NONE when the lease was lost, or the trial is no longer the best. */
enum db_status db_work_publish(struct db_conn *conn, const struct db_work_lease *lease,
                               const struct db_model_insert *insert, int *version);

#endif
