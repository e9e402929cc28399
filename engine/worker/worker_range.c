#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "worker/worker_internal.h"

#define MOST_DEPTH 64
#define RECORD_TRIES 200
/* A test is to be short; one that takes longer ends with the curve it has. Of a job's seconds it has a small part. */
#define MOST_SECONDS 120.0
#define BUDGET_SHARE 0.02
#define LEAST_SECONDS 1.0

/* Writes an end without a result, again and again while the database is away. */
static void
give_up(struct worker *worker, const struct db_work_lease *lease, enum db_work_end how,
        const char *reason)
{
  for (int i = 0; i < RECORD_TRIES; i++)
    if (db_range_end(worker->conn, lease, how, reason) != DB_SOFT || !worker_pause(worker, 0.5))
      return;
}

static double
most_seconds(const struct db_work_unit *unit, const json_t *spec)
{
  double budget_s = unit->job_id != NULL ? worker_budget_seconds(spec) : 0;
  return budget_s > 0 ? fmin(fmax(budget_s * BUDGET_SHARE, LEAST_SECONDS), MOST_SECONDS)
                      : MOST_SECONDS;
}

static enum err
write_unit(const struct work_dir *dir, const struct db_range_unit *range, const char *path,
           struct err_info *info)
{
  const struct db_work_unit *unit = &range->unit;
  json_t *spec = NULL, *schema = NULL, *params = NULL;
  enum err err = json_parse(unit->spec, strlen(unit->spec), MOST_DEPTH, &spec, info);
  if (err == ERR_OK)
    err = json_parse(unit->schema, strlen(unit->schema), MOST_DEPTH, &schema, info);
  if (err == ERR_OK)
    err = json_parse(unit->params, strlen(unit->params), MOST_DEPTH, &params, info);
  if (err == ERR_OK)
  {
    json_t *json =
      json_pack("{s:s, s:s, s:I, s:O, s:O, s:s, s:O, s:f, s:f, s:i, s:f}", "mode", "range", "data",
                path, "parent", (json_int_t) getpid(), "spec", spec, "schema", schema, "family",
                unit->family, "params", params, "low", isnan(range->low) ? 0.0 : range->low, "high",
                isnan(range->high) ? 0.0 : range->high, "steps", range->steps, "max_seconds",
                most_seconds(unit, spec));
    err = work_dir_write_json(dir, "unit.json", json, info);
    json_decref(json);
  }
  json_decref(params);
  json_decref(schema);
  json_decref(spec);
  return err;
}

static void
record(struct worker *worker, const struct db_range_unit *range, const struct db_work_lease *lease,
       const struct work_dir *dir)
{
  struct err_info info = {0};
  json_t *answer = NULL;
  enum err err = work_dir_read_json(dir, "result.json", &answer, &info);
  char *text = err == ERR_OK ? json_dumps(json_object_get(answer, "range"), JSON_COMPACT) : NULL;
  double seconds = json_get_number(answer, "seconds", NAN);
  const json_t *suggestion = json_object_get(json_object_get(answer, "range"), "suggestion");
  double rate = json_get_number(suggestion, "learning_rate", NAN);
  enum db_status status = DB_SOFT;
  for (int i = 0; text != NULL && i < RECORD_TRIES && status == DB_SOFT; i++)
  {
    status = db_range_finish(worker->conn, lease, text, rate, seconds);
    if (status == DB_SOFT && !worker_pause(worker, 0.5))
      break;
  }
  if (text == NULL || status == DB_HARD)
    give_up(worker, lease, DB_WORK_RETRY, "its result could not be stored");
  else if (status == DB_NONE)
    log_warning("the result of range test %s came too late and was refused", range->test_id);
  free(text);
  json_decref(answer);
}

/* How a run that gave no result is recorded. */
static void
record_failure(struct worker *worker, const struct db_range_unit *range,
               const struct db_work_lease *lease, const struct runner_result *run)
{
  log_info("range test %s, attempt %d: %s", range->test_id, range->unit.attempts, run->reason);
  switch (run->end)
  {
  case RUNNER_FAILED:
  case RUNNER_CANCELLED:
    give_up(worker, lease, DB_WORK_FAILED, run->reason);
    break;
  case RUNNER_KILLED:
  case RUNNER_DONE:
    give_up(worker, lease, DB_WORK_RETRY, run->reason);
    break;
  case RUNNER_PAUSED:
  case RUNNER_HURRIED:
  case RUNNER_STOPPING:
  case RUNNER_LOST:
    give_up(worker, lease, DB_WORK_RELEASE, run->reason);
    break;
  }
}

static void
run(struct worker *worker, const struct db_range_unit *range, const struct db_work_lease *lease,
    const struct work_dir *dir)
{
  struct runner_result result;
  struct runner runner = {.conn = worker->conn,
                          .listener = worker->listener,
                          .watchdog = worker->watchdog,
                          .dir = dir,
                          .hold_fd = worker->estate.fd,
                          .job_id =
                            range->unit.job_id != NULL ? range->unit.job_id : range->test_id,
                          .lease = lease,
                          .heartbeat = db_range_heartbeat,
                          .memory_bytes = worker->options->memory_bytes,
                          .seconds = worker->options->trial_seconds,
                          .stop_after_s = INFINITY};
  runner_run(&runner, &result);
  if (result.end == RUNNER_DONE)
    record(worker, range, lease, dir);
  else
    record_failure(worker, range, lease, &result);
}

void
worker_range(struct worker *worker, const struct db_range_unit *range)
{
  struct db_work_lease lease = {.unit_id = range->unit.id, .lease_token = range->unit.lease_token};
  struct err_info info = {0};
  struct work_dir dir;
  char path[PATH_MAX];
  log_debug("range test %s: %s", range->test_id, range->unit.family);
  enum err err = worker_dataset_kept(worker, &range->unit, &lease, db_range_heartbeat, path, &info);
  if (err == ERR_OK)
    err = work_dir_make(&dir, worker->estate.path, "unit", &info);
  if (err == ERR_OK)
  {
    err = write_unit(&dir, range, path, &info);
    if (err == ERR_OK)
      run(worker, range, &lease, &dir);
    work_dir_remove(&dir);
  }
  if (err != ERR_OK)
  {
    log_warning("range test %s could not be started: %s", range->test_id, info.text);
    give_up(worker, &lease, DB_WORK_RETRY, info.text);
  }
}
