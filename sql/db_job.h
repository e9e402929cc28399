/* Jobs, trials and events as the server sees them: insert, read, control. The engine's side is db_work.h,
 * what may be done to a job when is job.h, its log db_job_log.h.
 */
#ifndef ATTUNE_SQL_DB_JOB_H
#define ATTUNE_SQL_DB_JOB_H

#include "sql/db.h"
#include "sql/job.h"

struct db_job
{
  const char *id;
  const char *tenant_id;
  const char *name;
  const char *dataset_id;
  int dataset_version;
  const char *spec; /* JSON text */
  const char *state;
  const char *phase;
  bool cancel_requested;
  const char *stop_reason; /* or NULL */
  const char *problem;     /* JSON text or NULL */
  int64_t event_seq;
  int trials_total, trials_running, trials_paused, trials_done, trials_pruned, trials_failed,
    trials_cancelled;
  /* best: trial id NULL when there is none yet */
  const char *best_trial_id;
  int best_trial_number;
  const char *best_family;
  const char *best_params; /* JSON text */
  double best_value;
  const char *model_name; /* NULL until something is servable */
  int model_version;
  int64_t created_us, started_us, ended_us, now_us; /* 0 = not yet; now = the database's clock */
  int64_t paused_us;                                /* while it is paused, else 0 */
  double elapsed_s;        /* of the budget's clock: without pauses and time without an engine */
  int extended;            /* times its budget was raised */
  const char *cloned_from; /* job, or NULL */
  const char *warm_start_from; /* job, or NULL */
};

/* Inserts a queued job, its first event (state queued), and notifies "work" and "job <id>". The dataset
 * row is locked for share; DB_NONE when the dataset is gone or not ready. */
enum db_status db_job_insert(struct db_conn *conn, const char *id, const char *tenant_id,
                             const char *name, const char *dataset_id, int dataset_version,
                             const char *spec);
/* As above, with where it comes from; each member may be NULL. */
struct db_job_origin
{
  const char *by; /* key, for the log */
  const char *cloned_from;
  const char *warm_start_from;
};
enum db_status db_job_insert_from(struct db_conn *conn, const char *id, const char *tenant_id,
                                  const char *name, const char *dataset_id, int dataset_version,
                                  const char *spec, const struct db_job_origin *origin);
enum db_status db_job_get(struct db_conn *conn, const char *tenant_id, const char *id,
                          struct arena *arena, struct db_job *job);
enum db_status db_job_list(struct db_conn *conn, const char *tenant_id, const char *cursor,
                           size_t limit, struct arena *arena, struct db_job **jobs, size_t *count);
/* Jobs that are queued or running; paused ones wait without using anything. */
enum db_status db_job_count_live(struct db_conn *conn, const char *tenant_id, size_t *count);

/* Pause, resume, extend or cancel, in one transaction with its event and its line in the log. DB_NONE: no
 * such job. DB_ROWS with what came of it in *answer; a refusal changes nothing. */
struct db_job_control
{
  enum job_verb verb;
  const char *by; /* key, for the log; NULL = nobody in particular */
  size_t
    most_live; /* resume, and extend of an ended job: refused at so many live jobs; 0 = no limit */
  /* of an extend: the spec with the new budget, made from the one read with this count */
  const char *spec;
  int extended;
  const char *summary; /* of the new budget, for the log */
};
enum db_status db_job_control(struct db_conn *conn, const char *tenant_id, const char *id,
                              const struct db_job_control *control, enum job_answer *answer);

/* Asks the engine to end the job and keep its best. A queued job ends at once. DB_NONE: no such job.
 * DB_ROWS with *already_ended: it had ended before (409), nothing was changed. */
enum db_status db_job_cancel(struct db_conn *conn, const char *tenant_id, const char *id,
                             bool *already_ended);

struct db_trial
{
  const char *id;
  int number;
  const char *family;
  const char *params; /* JSON text */
  const char *state;
  double metric;    /* NaN = none */
  double objective; /* NaN = none */
  double seconds;
  const char *reasons;         /* JSON array text */
  int units_total, units_done; /* fits of all its folds; those that are whole */
  int rung, rungs;             /* that it runs to or was paused at, and the last; 0 = it has none */
  int64_t created_us, ended_us;
  double predict_us, model_bytes; /* NaN = unknown */
  bool beyond_limits;             /* of the job */
};
enum db_trial_order
{
  DB_TRIAL_BY_NUMBER,
  DB_TRIAL_BY_SCORE /* done ones only, best first; those beyond the job's limits last */
};
/* After the given number (BY_NUMBER) or offset (BY_SCORE). */
enum db_status db_trial_list(struct db_conn *conn, const char *tenant_id, const char *job_id,
                             enum db_trial_order order, int64_t after, size_t limit,
                             struct arena *arena, struct db_trial **trials, size_t *count);
enum db_status db_trial_get(struct db_conn *conn, const char *tenant_id, const char *job_id,
                            const char *trial_id, struct arena *arena, struct db_trial *trial);

struct db_epoch
{
  int64_t unit_id;
  int trial_number;
  const char *trial_id;
  int fold;
  int epoch, epoch_count;
  double train_loss, valid_loss, valid_metric, seconds; /* NaN = none */
};
/* All epochs of a trial, by fold and epoch; and the newest epoch of each leased unit of a job. */
enum db_status db_epoch_list(struct db_conn *conn, const char *trial_id, struct arena *arena,
                             struct db_epoch **epochs, size_t *count);
enum db_status db_epoch_latest(struct db_conn *conn, const char *job_id, struct arena *arena,
                               struct db_epoch **epochs, size_t *count);

struct db_event
{
  int64_t seq;
  const char *kind;
  const char *data; /* JSON text */
  int64_t at_us;
};
/* Events of a job after `after`, in order. *oldest is the first that is still kept (for `reset`). */
enum db_status db_event_list(struct db_conn *conn, const char *tenant_id, const char *job_id,
                             int64_t after, size_t limit, struct arena *arena,
                             struct db_event **events, size_t *count, int64_t *oldest);
/* Inside a transaction: raises the job's counter, inserts the event, notifies "job <id>". */
enum db_status db_event_insert(struct db_conn *conn, const char *job_id, const char *kind,
                               const char *data);

/* Forgets events, epochs, logs and kept fold models (an extension needs them) of jobs that ended more than
 * `days` ago, fold models of ended jobs whose dataset is gone, and sessions, codes stored answers that have
 * expired, what deleted studies have left, and drafts of image models that nobody touches. To be called now and then, by one program, outside a transaction. */
enum db_status db_forget_old(struct db_conn *conn, double days);

#endif
