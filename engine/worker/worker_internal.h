/* Shared by the files of a worker: worker.c, worker_ask.c, worker_fit.c, worker_finish.c,
 * worker_alone.c, worker_range.c, worker_batch.c. */
#ifndef ATTUNE_WORKER_WORKER_INTERNAL_H
#define ATTUNE_WORKER_WORKER_INTERNAL_H

#include "base/arena.h"
#include "sql/db_batch.h"
#include "sql/db_job_log.h"
#include "sql/db_range.h"
#include "sql/db_work.h"
#include "worker/dataset_cache.h"
#include "worker/estate.h"
#include "worker/prepared.h"
#include "worker/runner.h"
#include "worker/worker.h"

struct worker
{
  const struct worker_options *options;
  struct estate estate; /* its folder and name */
  struct db_conn *conn;
  struct db_conn *listener; /* NULL until it could be opened */
  struct watchdog *watchdog;
  struct dataset_cache cache;
  struct prepared_jobs prepared;
  struct arena *arena; /* of one turn of the loop */
  double batches_at_s; /* until then jobs come before batches; monotonic */
};

/* Asks for a new trial: a job's search decides, the trial is added with its first unit leased to us in
 * *unit. DB_NONE when no job wants anything. */
enum db_status worker_ask(struct worker *worker, struct db_work_unit *unit);

/* The dataset's file; keeps the lease (may be NULL) meanwhile. */
enum err worker_dataset(struct worker *worker, const struct db_work_unit *unit,
                        const struct db_work_lease *lease, char path[PATH_MAX],
                        struct err_info *info);

/* The file of the model that the job's fits start from, fetched like a dataset; an empty path when its spec names
 * none. */
enum err worker_base_model(struct worker *worker, const struct db_work_unit *unit,
                           const struct db_work_lease *lease, const json_t *spec,
                           char path[PATH_MAX], struct err_info *info);

/* The same under a lease that is kept by `heartbeat`. */
enum err worker_dataset_kept(struct worker *worker, const struct db_work_unit *unit,
                             const struct db_work_lease *lease,
                             enum db_status (*heartbeat)(struct db_conn *conn,
                                                         const struct db_work_lease *lease,
                                                         struct db_work_pulse *pulse),
                             char path[PATH_MAX], struct err_info *info);

/* Work that is no unit of a job: a range test, a slice of a batch. */
struct worker_alone
{
  const char *kind, *id;  /* as the log names it */
  const char *news;       /* the job whose news the run is told, or its own id */
  const char *unrecorded; /* the reason given when its result can't be recorded */
  int attempts;
  struct db_work_lease lease;
  enum db_work_end when_cancelled; /* how a run ends that was cancelled */
  enum db_work_end when_missing;   /* and one whose files are not there any more */
  enum db_status (*heartbeat)(struct db_conn *conn, const struct db_work_lease *lease,
                              struct db_work_pulse *pulse);
  enum db_status (*end)(struct db_conn *conn, const struct db_work_lease *lease,
                        enum db_work_end how, const char *reason);
  const void *unit; /* for the two below */
  /* Fetches what it needs and writes unit.json. ERR_NOT_FOUND when a file is not there any more. */
  enum err (*prepare)(struct worker *worker, const void *unit, const struct work_dir *dir,
                      struct err_info *info);
  /* Records what the run left in its folder; called again while the database is away. DB_HARD when it can't be. */
  enum db_status (*store)(struct db_conn *conn, const void *unit, const struct work_dir *dir);
};
/* Runs it to its end and records that. */
void worker_alone(struct worker *worker, const struct worker_alone *work);

/* Runs a range test to its end and records it. */
void worker_range(struct worker *worker, const struct db_range_unit *range);

/* Answers the next rows of a batch and stores them. */
void worker_batch(struct worker *worker, const struct db_batch_unit *unit);

/* Runs a unit to its end and records it: a fold's fit, or a job's finish. */
void worker_fit(struct worker *worker, const struct db_work_unit *unit);
void worker_finish(struct worker *worker, const struct db_work_unit *unit);

/* Publishes a provisional version after the trial of this unit became its job's best. */
void worker_publish(struct worker *worker, const struct db_work_unit *unit);

/* Writes an end without a result, again and again while the database is away. */
void worker_give_up(struct worker *worker, const struct db_work_lease *lease, enum db_work_end how,
                    const char *reason);

/* Adds a line to the unit's job's log: without it nothing is lost but the line. `said` (may be NULL) are
 * last words of the unit's process. */
void worker_tell(struct worker *worker, const struct db_work_unit *unit, enum log_level level,
                 const char *said, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A pause that ends when the worker is to stop. True when the caller may try again. */
bool worker_pause(struct worker *worker, double seconds);

/* How a run that gave no result is recorded. */
void worker_record_failure(struct worker *worker, const struct db_work_lease *lease,
                           const struct runner_result *run);

/* Folds of the unit's spec in JSON: numbers of its budget; 0 = none. */
double worker_budget_seconds(const json_t *spec);
#define WORKER_KEEP_MODELS 16 /* trials whose fold models are kept for the ensemble */

#endif
