/* Runs one trial process to its end: starts it, relays its epochs, keeps its lease, holds it to its limits.
 *
 * What the process writes to standard error goes to the worker's, too. Blocks the worker's main thread until
 * the process has been reaped. The process gets one core's worth of work: one BLAS thread, nice 10, limits on
 * memory and time, no new privileges, an environment without secrets.
 */
#ifndef ATTUNE_WORKER_RUNNER_H
#define ATTUNE_WORKER_RUNNER_H

#include <stdint.h>

#include "sql/db_work.h"
#include "worker/watchdog.h"
#include "worker/work_dir.h"

enum runner_end
{
  RUNNER_DONE,      /* result.json says it went well */
  RUNNER_FAILED,    /* it would fail again; `reason` says why */
  RUNNER_KILLED,    /* killed from outside: worth another attempt */
  RUNNER_CANCELLED, /* told to stop: the job was cancelled, or its time is used up */
  RUNNER_PAUSED,    /* told to stop: the job is paused, the work waits */
  RUNNER_HURRIED,   /* told to stop: it is to be done again, shorter */
  RUNNER_LOST,      /* the lease is not ours any more */
  RUNNER_STOPPING   /* the worker is to stop */
};

struct runner
{
  struct db_conn *conn;
  struct db_conn *listener; /* woken by notes on the job; may be NULL */
  struct watchdog *watchdog;
  const struct work_dir *dir;
  int hold_fd; /* kept open by the process while it lives, see estate.h */
  const char *job_id;
  const struct db_work_lease *lease; /* NULL: nothing to keep, no epochs */
  /* What keeps the lease; NULL = db_work_heartbeat. */
  enum db_status (*heartbeat)(struct db_conn *conn, const struct db_work_lease *lease,
                              struct db_work_pulse *pulse);
  uint64_t memory_bytes; /* resident; 0 = no limit */
  double seconds;        /* when it is killed as failed; 0 = no limit */
  bool short_already;    /* a finish that need not be hurried */
  double stop_after_s;   /* when it is asked to stop; INFINITY = never; follows the budget */
};

#define RUNNER_SAID_BYTES 2000

struct runner_result
{
  enum runner_end end;
  char reason[512];
  char said[RUNNER_SAID_BYTES + 1]; /* the last lines it wrote to standard error, "" if none */
};

void runner_run(const struct runner *runner, struct runner_result *result);

#endif
