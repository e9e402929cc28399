#include <config.h>

#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "worker/worker_internal.h"

#define MOST_DEPTH 8
/* A slice is short, so that jobs need not wait for it and little is done twice after a crash. */
#define SLICE_SECONDS 2.0

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

static enum err
prepare(struct worker *worker, const void *context, const struct work_dir *dir,
        struct err_info *info)
{
  const struct db_batch_unit *unit = context;
  char input[PATH_MAX], model[PATH_MAX];
  enum err err = fetch(worker, unit, input, model, info);
  return err == ERR_OK ? write_unit(dir, unit, input, model, info) : err;
}

static enum db_status
store(struct db_conn *conn, const void *context, const struct work_dir *dir)
{
  const struct db_batch_unit *unit = context;
  json_t *answer = NULL;
  struct buf bytes = {0};
  enum db_status status = DB_HARD;
  enum err err = work_dir_read_json(dir, "result.json", &answer, NULL);
  if (err == ERR_OK)
    err = work_dir_read(dir, "answers.csv", &bytes, NULL);
  struct db_batch_place place = {.bytes = (uint64_t) json_get_integer(answer, "bytes", 0),
                                 .rows = (uint64_t) json_get_integer(answer, "rows", 0),
                                 .faulty = (uint64_t) json_get_integer(answer, "faulty", 0),
                                 .ended = json_get_bool(answer, "ended", false)};
  if (err == ERR_OK)
    status = db_batch_store(conn, unit, bytes.length > 0 ? bytes.data : "", bytes.length, &place);
  buf_free(&bytes);
  json_decref(answer);
  return status;
}

void
worker_batch(struct worker *worker, const struct db_batch_unit *unit)
{
  struct worker_alone work = {.kind = "batch",
                              .id = unit->batch_id,
                              .news = unit->batch_id,
                              .unrecorded = "its answers could not be stored",
                              .attempts = unit->attempts,
                              .lease = unit->lease,
                              .when_cancelled = DB_WORK_RELEASE,
                              .when_missing = DB_WORK_FAILED,
                              .heartbeat = db_batch_heartbeat,
                              .end = db_batch_end,
                              .unit = unit,
                              .prepare = prepare,
                              .store = store};
  log_debug("batch %s from row %llu", unit->batch_id, (unsigned long long) unit->place.rows + 1);
  worker_alone(worker, &work);
}
