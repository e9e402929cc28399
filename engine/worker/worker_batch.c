#include <config.h>

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "worker/worker_internal.h"

#define MOST_DEPTH 8
#define RECORD_TRIES 200
/* A slice is short, so that jobs need not wait for it and little is done twice after a crash. */
#define SLICE_SECONDS 2.0

/* Writes an end without answers, again and again while the database is away. */
static void
give_up(struct worker *worker, const struct db_work_lease *lease, enum db_work_end how,
        const char *reason)
{
  for (int i = 0; i < RECORD_TRIES; i++)
    if (db_batch_end(worker->conn, lease, how, reason) != DB_SOFT || !worker_pause(worker, 0.5))
      return;
}

/* The batch's file and its model, in the cache of datasets. */
static enum err
fetch(struct worker *worker, const struct db_batch_unit *unit, char input[PATH_MAX],
      char model[PATH_MAX], struct err_info *info)
{
  struct db_work_unit file = {.dataset_blob = unit->input_blob, .dataset_bytes = unit->input_bytes};
  memcpy(file.dataset_sha256, unit->input_sha256, sizeof file.dataset_sha256);
  if (unit->model_blob == 0)
    return err_set(info, ERR_NOT_FOUND, "its version of the model is not there any more");
  if (unit->input_blob == 0)
    return err_set(info, ERR_NOT_FOUND, "its file is not there any more");
  enum err err = worker_dataset_kept(worker, &file, &unit->lease, db_batch_heartbeat, input, info);
  file.dataset_blob = unit->model_blob;
  file.dataset_bytes = unit->model_bytes;
  memcpy(file.dataset_sha256, unit->model_sha256, sizeof file.dataset_sha256);
  return err == ERR_OK
           ? worker_dataset_kept(worker, &file, &unit->lease, db_batch_heartbeat, model, info)
           : err;
}

static enum err
write_unit(const struct work_dir *dir, const struct db_batch_unit *unit, const char *input,
           const char *model, struct err_info *info)
{
  json_t *options = NULL;
  enum err err = json_parse(unit->options, strlen(unit->options), MOST_DEPTH, &options, info);
  if (err == ERR_OK)
  {
    json_t *json =
      json_pack("{s:s, s:s, s:s, s:I, s:O, s:I, s:I, s:I, s:f}", "mode", "batch", "input", input,
                "model", model, "parent", (json_int_t) getpid(), "options", options, "bytes",
                (json_int_t) unit->place.bytes, "rows", (json_int_t) unit->place.rows, "faulty",
                (json_int_t) unit->place.faulty, "seconds", SLICE_SECONDS);
    err = work_dir_write_json(dir, "unit.json", json, info);
    json_decref(json);
  }
  json_decref(options);
  return err;
}

static void
record(struct worker *worker, const struct db_batch_unit *unit, const struct work_dir *dir)
{
  struct err_info info = {0};
  json_t *answer = NULL;
  struct buf bytes = {0};
  enum db_status status = DB_SOFT;
  enum err err = work_dir_read_json(dir, "result.json", &answer, &info);
  if (err == ERR_OK)
    err = work_dir_read(dir, "answers.csv", &bytes, &info);
  struct db_batch_place place = {.bytes = (uint64_t) json_get_integer(answer, "bytes", 0),
                                 .rows = (uint64_t) json_get_integer(answer, "rows", 0),
                                 .faulty = (uint64_t) json_get_integer(answer, "faulty", 0),
                                 .ended = json_get_bool(answer, "ended", false)};
  for (int i = 0; err == ERR_OK && i < RECORD_TRIES && status == DB_SOFT; i++)
  {
    status =
      db_batch_store(worker->conn, unit, bytes.length > 0 ? bytes.data : "", bytes.length, &place);
    if (status == DB_SOFT && !worker_pause(worker, 0.5))
      break;
  }
  if (err != ERR_OK || status == DB_HARD)
    give_up(worker, &unit->lease, DB_WORK_RETRY, "its answers could not be stored");
  else if (status == DB_NONE)
    log_warning("answers of batch %s came too late and were refused", unit->batch_id);
  buf_free(&bytes);
  json_decref(answer);
}

static void
record_failure(struct worker *worker, const struct db_batch_unit *unit,
               const struct runner_result *run)
{
  log_info("batch %s, attempt %d: %s", unit->batch_id, unit->attempts, run->reason);
  switch (run->end)
  {
  case RUNNER_FAILED:
    give_up(worker, &unit->lease, DB_WORK_FAILED, run->reason);
    break;
  case RUNNER_KILLED:
  case RUNNER_DONE:
    give_up(worker, &unit->lease, DB_WORK_RETRY, run->reason);
    break;
  case RUNNER_CANCELLED:
  case RUNNER_PAUSED:
  case RUNNER_HURRIED:
  case RUNNER_STOPPING:
  case RUNNER_LOST:
    give_up(worker, &unit->lease, DB_WORK_RELEASE, run->reason);
    break;
  }
}

static void
run(struct worker *worker, const struct db_batch_unit *unit, const struct work_dir *dir)
{
  struct runner_result result;
  struct runner runner = {.conn = worker->conn,
                          .listener = worker->listener,
                          .watchdog = worker->watchdog,
                          .dir = dir,
                          .hold_fd = worker->estate.fd,
                          .job_id = unit->batch_id,
                          .lease = &unit->lease,
                          .heartbeat = db_batch_heartbeat,
                          .memory_bytes = worker->options->memory_bytes,
                          .seconds = worker->options->trial_seconds,
                          .stop_after_s = INFINITY};
  runner_run(&runner, &result);
  if (result.end == RUNNER_DONE)
    record(worker, unit, dir);
  else
    record_failure(worker, unit, &result);
}

void
worker_batch(struct worker *worker, const struct db_batch_unit *unit)
{
  struct err_info info = {0};
  struct work_dir dir;
  char input[PATH_MAX], model[PATH_MAX];
  log_debug("batch %s from row %llu", unit->batch_id, (unsigned long long) unit->place.rows + 1);
  enum err err = fetch(worker, unit, input, model, &info);
  if (err == ERR_OK)
    err = work_dir_make(&dir, worker->estate.path, "unit", &info);
  if (err == ERR_OK)
  {
    err = write_unit(&dir, unit, input, model, &info);
    if (err == ERR_OK)
      run(worker, unit, &dir);
    work_dir_remove(&dir);
  }
  if (err != ERR_OK)
  {
    log_warning("batch %s could not be gone on with: %s", unit->batch_id, info.text);
    give_up(worker, &unit->lease, err == ERR_NOT_FOUND ? DB_WORK_FAILED : DB_WORK_RETRY, info.text);
  }
}
