#include <config.h>

#include <math.h>

#include "base/log.h"
#include "worker/worker_internal.h"

#define RECORD_TRIES 200

/* Writes an end without a result, again and again while the database is away. */
static void
give_up(struct worker *worker, const struct worker_alone *work, enum db_work_end how,
        const char *reason)
{
  for (int i = 0; i < RECORD_TRIES; i++)
    if (work->end(worker->conn, &work->lease, how, reason) != DB_SOFT || !worker_pause(worker, 0.5))
      return;
}

static void
record(struct worker *worker, const struct worker_alone *work, const struct work_dir *dir)
{
  enum db_status status = DB_SOFT;
  for (int i = 0; i < RECORD_TRIES && status == DB_SOFT; i++)
  {
    status = work->store(worker->conn, work->unit, dir);
    if (status == DB_SOFT && !worker_pause(worker, 0.5))
      break;
  }
  if (status == DB_HARD)
    give_up(worker, work, DB_WORK_RETRY, work->unrecorded);
  else if (status == DB_NONE)
    log_warning("the result of %s %s came too late and was refused", work->kind, work->id);
}

/* How a run that gave no result is recorded. */
static void
record_failure(struct worker *worker, const struct worker_alone *work,
               const struct runner_result *run)
{
  log_info("%s %s, attempt %d: %s", work->kind, work->id, work->attempts, run->reason);
  switch (run->end)
  {
  case RUNNER_FAILED:
    give_up(worker, work, DB_WORK_FAILED, run->reason);
    break;
  case RUNNER_CANCELLED:
    give_up(worker, work, work->when_cancelled, run->reason);
    break;
  case RUNNER_KILLED:
  case RUNNER_DONE:
    give_up(worker, work, DB_WORK_RETRY, run->reason);
    break;
  case RUNNER_PAUSED:
  case RUNNER_HURRIED:
  case RUNNER_STOPPING:
  case RUNNER_LOST:
    give_up(worker, work, DB_WORK_RELEASE, run->reason);
    break;
  }
}

static void
run(struct worker *worker, const struct worker_alone *work, const struct work_dir *dir)
{
  struct runner_result result;
  struct runner runner = {.conn = worker->conn,
                          .listener = worker->listener,
                          .watchdog = worker->watchdog,
                          .dir = dir,
                          .hold_fd = worker->estate.fd,
                          .job_id = work->news,
                          .lease = &work->lease,
                          .heartbeat = work->heartbeat,
                          .memory_bytes = worker->options->memory_bytes,
                          .seconds = worker->options->trial_seconds,
                          .stop_after_s = INFINITY};
  runner_run(&runner, &result);
  if (result.end == RUNNER_DONE)
    record(worker, work, dir);
  else
    record_failure(worker, work, &result);
}

void
worker_alone(struct worker *worker, const struct worker_alone *work)
{
  struct err_info info = {0};
  struct work_dir dir;
  enum err err = work_dir_make(&dir, worker->estate.path, "unit", &info);
  if (err == ERR_OK)
  {
    err = work->prepare(worker, work->unit, &dir, &info);
    if (err == ERR_OK)
      run(worker, work, &dir);
    work_dir_remove(&dir);
  }
  if (err != ERR_OK)
  {
    log_warning("%s %s could not be started: %s", work->kind, work->id, info.text);
    give_up(worker, work, err == ERR_NOT_FOUND ? work->when_missing : DB_WORK_RETRY, info.text);
  }
}
