#include <config.h>

#include "worker/worker.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "sql/db_model.h"
#include "worker/worker_internal.h"

#define IDLE_S 1.0
#define SWEEP_S 1.0
#define PAUSE_FIRST_S 0.2
#define PAUSE_MOST_S 3.0
#define GIVE_UP_TRIES 200
#define LISTENER_AGAIN_S 5.0

bool
worker_pause(struct worker *worker, double seconds)
{
  double end_s = clock_monotonic_s() + seconds;
  while (!watchdog_stopping(worker->watchdog) && clock_monotonic_s() < end_s)
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  return !watchdog_stopping(worker->watchdog);
}

void
worker_give_up(struct worker *worker, const struct db_work_lease *lease, enum db_work_end how,
               const char *reason)
{
  /* A worker that is to stop tries once: the lease runs out by itself. */
  for (int i = 0; i < GIVE_UP_TRIES; i++)
    if (db_work_end_unit(worker->conn, lease, how, reason) != DB_SOFT || !worker_pause(worker, 0.5))
      return;
}

void
worker_record_failure(struct worker *worker, const struct db_work_lease *lease,
                      const struct runner_result *run)
{
  switch (run->end)
  {
  case RUNNER_FAILED:
    worker_give_up(worker, lease, DB_WORK_FAILED, run->reason);
    break;
  case RUNNER_KILLED:
  case RUNNER_DONE:
    worker_give_up(worker, lease, DB_WORK_RETRY, run->reason);
    break;
  case RUNNER_CANCELLED:
    worker_give_up(worker, lease, DB_WORK_CANCELLED, run->reason);
    break;
  case RUNNER_PAUSED:
  case RUNNER_HURRIED:
  case RUNNER_STOPPING:
  /* A heartbeat that was answered late may have renewed the lease all the same: given back, nobody waits
   * for its end. Where it has gone to another worker, our token is refused. */
  case RUNNER_LOST:
    worker_give_up(worker, lease, DB_WORK_RELEASE, run->reason);
    break;
  }
}

void
worker_tell(struct worker *worker, const struct db_work_unit *unit, enum log_level level,
            const char *said, const char *format, ...)
{
  char text[700];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  log_line(level, "%s", text);
  bool quiet = said == NULL || *said == '\0';
  db_job_log(worker->conn, unit->job_id, level, unit->trial_id != NULL ? "trial" : "finish",
             unit->trial_number, "%s%s%s", text, quiet ? "" : "; its last words:\n",
             quiet ? "" : said);
}

struct holding
{
  struct worker *worker;
  const struct db_work_lease *lease;
  enum db_status (*heartbeat)(struct db_conn *conn, const struct db_work_lease *lease,
                              struct db_work_pulse *pulse);
};

static bool
hold(void *context)
{
  const struct holding *holding = context;
  struct db_work_pulse pulse;
  if (watchdog_stopping(holding->worker->watchdog))
    return false;
  return holding->lease == NULL
         || holding->heartbeat(holding->worker->conn, holding->lease, &pulse) != DB_NONE;
}

enum err
worker_dataset_kept(struct worker *worker, const struct db_work_unit *unit,
                    const struct db_work_lease *lease,
                    enum db_status (*heartbeat)(struct db_conn *conn,
                                                const struct db_work_lease *lease,
                                                struct db_work_pulse *pulse),
                    char path[PATH_MAX], struct err_info *info)
{
  struct holding holding = {.worker = worker, .lease = lease, .heartbeat = heartbeat};
  struct dataset_wanted wanted = {.sha256 = unit->dataset_sha256,
                                  .blob_id = unit->dataset_blob,
                                  .bytes = unit->dataset_bytes,
                                  .tick = hold,
                                  .context = &holding};
  return dataset_cache_get(&worker->cache, worker->conn, &wanted, path, info);
}

enum err
worker_dataset(struct worker *worker, const struct db_work_unit *unit,
               const struct db_work_lease *lease, char path[PATH_MAX], struct err_info *info)
{
  return worker_dataset_kept(worker, unit, lease, db_work_heartbeat, path, info);
}

enum err
worker_base_model(struct worker *worker, const struct db_work_unit *unit,
                  const struct db_work_lease *lease, const json_t *spec, char path[PATH_MAX],
                  struct err_info *info)
{
  const json_t *base = json_object_get(spec, "base_model");
  struct holding holding = {.worker = worker, .lease = lease, .heartbeat = db_work_heartbeat};
  struct db_model_version model;
  path[0] = '\0';
  if (!json_is_object(base))
    return ERR_OK;
  int version = (int) json_get_integer(base, "version", 0);
  enum db_status status =
    db_model_get(worker->conn, unit->tenant_id, json_get_string(base, "id", ""), version, NULL,
                 worker->arena, &model);
  if (status == DB_NONE)
    return err_set(info, ERR_NOT_FOUND, "the base model, %s version %d, is not there any more",
                   json_get_string(base, "name", ""), version);
  if (status != DB_ROWS)
    return err_set(info, ERR_UNAVAILABLE, "could not read the base model");
  struct dataset_wanted wanted = {.sha256 = model.sha256,
                                  .blob_id = model.blob_id,
                                  .bytes = model.bytes,
                                  .tick = hold,
                                  .context = &holding};
  return dataset_cache_get(&worker->cache, worker->conn, &wanted, path, info);
}

/* ---- waiting ----------------------------------------------------------------------------------------- */

static void
note_work(void *context, const char *kind, const char *id)
{
  (void) id;
  if (strcmp(kind, "work") == 0)
    *(bool *) context = true;
}

/* A listener that broke is replaced now and then; without one the worker looks once a second. */
static void
renew_listener(struct worker *worker, double *again_s)
{
  double now_s = clock_monotonic_s();
  if (worker->listener != NULL && db_is_open(worker->listener))
    return;
  if (now_s < *again_s)
    return;
  *again_s = now_s + LISTENER_AGAIN_S;
  db_close(worker->listener);
  worker->listener = NULL;
  struct db_conn *conn = NULL;
  if (db_connect(worker->options->database, "attune-engine-listen", &conn, NULL) != ERR_OK)
    return;
  if (db_listen(conn) == DB_ROWS)
    worker->listener = conn;
  else
    db_close(conn);
}

static void
wait_for_work(struct worker *worker)
{
  bool work = false;
  double end_s = clock_monotonic_s() + IDLE_S, left_s;
  while (!work && !watchdog_stopping(worker->watchdog)
         && (left_s = end_s - clock_monotonic_s()) > 0)
    if (worker->listener == NULL
        || db_wait_notify(worker->listener, left_s < 0.2 ? left_s : 0.2, note_work, &work, NULL)
             != ERR_OK)
      worker_pause(worker, left_s);
}

/* ---- the loop ---------------------------------------------------------------------------------------- */

/* While there are jobs, batches get this part of a worker's time: neither waits for the other's end. */
#define BATCH_SHARE 0.25

/* A slice of a batch, if there is one. */
static enum db_status
serve_batch(struct worker *worker)
{
  struct db_batch_unit batch;
  double began_s = clock_monotonic_s();
  enum db_status status = db_batch_claim(worker->conn, worker->estate.name, worker->arena, &batch);
  if (status != DB_ROWS)
    return status;
  worker_batch(worker, &batch);
  double now_s = clock_monotonic_s();
  worker->batches_at_s = now_s + (now_s - began_s) * (1 / BATCH_SHARE - 1);
  return DB_ROWS;
}

/* One turn: DB_ROWS when something was done, DB_NONE when there was nothing to do. */
static enum db_status
turn(struct worker *worker, double *swept_s)
{
  struct db_work_unit unit;
  enum db_status status = DB_NONE;
  if (clock_monotonic_s() - *swept_s > SWEEP_S)
  {
    *swept_s = clock_monotonic_s();
    status = estate_settle_dead(&worker->estate, worker->conn);
    if (status >= DB_NONE)
      status = db_work_sweep(worker->conn);
  }
  bool early = clock_monotonic_s() >= worker->batches_at_s;
  if (status >= DB_NONE && early)
  {
    status = serve_batch(worker);
    if (status == DB_ROWS)
      return status;
  }
  if (status >= DB_NONE)
    status = db_work_claim(worker->conn, worker->estate.name, worker->arena, &unit);
  if (status == DB_NONE)
  {
    struct db_range_unit range;
    status = db_range_claim(worker->conn, worker->estate.name, worker->arena, &range);
    if (status == DB_ROWS)
    {
      worker_range(worker, &range);
      return DB_ROWS;
    }
  }
  if (status == DB_NONE)
    status = worker_ask(worker, &unit);
  if (status == DB_NONE && !early)
    return serve_batch(worker);
  if (status != DB_ROWS)
    return status;
  log_job_id(unit.job_id);
  if (unit.trial_id == NULL)
    worker_finish(worker, &unit);
  else
    worker_fit(worker, &unit);
  log_job_id(NULL);
  return DB_ROWS;
}

static void
loop(struct worker *worker)
{
  double pause_s = PAUSE_FIRST_S, swept_s = 0, listener_again_s = 0;
  while (!watchdog_stopping(worker->watchdog))
  {
    renew_listener(worker, &listener_again_s);
    arena_reset(worker->arena);
    switch (turn(worker, &swept_s))
    {
    case DB_ROWS:
      pause_s = PAUSE_FIRST_S;
      break;
    case DB_NONE:
      pause_s = PAUSE_FIRST_S;
      wait_for_work(worker);
      break;
    case DB_SOFT:
    case DB_HARD:
      log_warning("waiting for the database: %s", db_last_error(worker->conn));
      worker_pause(worker, pause_s);
      pause_s = pause_s * 2 < PAUSE_MOST_S ? pause_s * 2 : PAUSE_MOST_S;
      break;
    }
  }
}

/* ---- the start --------------------------------------------------------------------------------------- */

static void
on_stop(int number)
{
  (void) number;
  watchdog_ask_stop();
}

static void
catch_signals(void)
{
  struct sigaction stop = {.sa_handler = on_stop};
  sigaction(SIGTERM, &stop, NULL);
  sigaction(SIGINT, &stop, NULL);
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigaction(SIGPIPE, &ignore, NULL);
}

static enum err
start(struct worker *worker, struct err_info *info)
{
  worker->arena = arena_new(0);
  enum err err = worker->arena != NULL ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
  if (err == ERR_OK)
    err = watchdog_start(worker->options->parent_fd, &worker->watchdog, info);
  if (err == ERR_OK)
    err = estate_make(&worker->estate, worker->options->data_dir, info);
  if (err == ERR_OK)
    err = dataset_cache_open(&worker->cache, worker->options->data_dir,
                             worker->options->cache_bytes, info);
  return err;
}

/* Waits until the database is there and has a schema this program knows. */
static bool
connect_patiently(struct worker *worker)
{
  double pause_s = PAUSE_FIRST_S;
  struct err_info info = {0}, told = {0};
  do
  {
    enum err err = ERR_OK;
    if (worker->conn == NULL)
      err = db_connect(worker->options->database, "attune-engine", &worker->conn, &info);
    else if (!db_is_open(worker->conn))
      err = db_reopen(worker->conn, &info);
    if (err == ERR_OK)
      err = db_patch_check(worker->conn, &info);
    if (err == ERR_OK)
      return true;
    if (strcmp(told.text, info.text) != 0)
      log_warning("not ready: %s", info.text);
    told = info;
    pause_s = pause_s * 2 < PAUSE_MOST_S ? pause_s * 2 : PAUSE_MOST_S;
  } while (worker_pause(worker, pause_s));
  return false;
}

int
worker_main(const struct worker_options *options)
{
  struct worker worker = {.options = options, .estate.fd = -1};
  struct err_info info = {0};
  catch_signals();
  enum err err = start(&worker, &info);
  if (err != ERR_OK)
    log_error("could not start a worker: %s", info.text);
  else if (connect_patiently(&worker))
    loop(&worker);
  prepared_clear(&worker.prepared);
  db_close(worker.listener);
  db_close(worker.conn);
  estate_remove(&worker.estate);
  watchdog_free(worker.watchdog);
  arena_free(worker.arena);
  return err == ERR_OK ? 0 : 1;
}
