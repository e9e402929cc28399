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
#define CHECKPOINT_MOST_BYTES ((size_t) 64 << 20) /* a larger one is not kept */
/* A fit that shortens itself to its share may still be a little late. */
#define LATE_FACTOR 2.0
#define LATE_S 10.0

double
worker_budget_seconds(const json_t *spec)
{
  return json_get_number(json_object_get(spec, "budget"), "seconds", 0);
}

/* How many families' first trials come one after another from this one on: folds of a trial share the
 * workers, trials of a single fit run side by side. */
static size_t
first_rounds(const struct worker *worker, const struct db_work_unit *unit, const json_t *spec)
{
  size_t families = json_array_size(json_object_get(spec, "families"));
  size_t number = (size_t) unit->trial_number, workers = worker->options->workers;
  if (number > families)
    return 0;
  size_t left = families - number + 1;
  if (unit->fold_count > 1 || workers < 2)
    return left;
  /* What runs beside this one has been counted before it. */
  return (families + workers - 1) / workers - (number - 1) / workers;
}

/* Whether the unit's trial is a short or a long one of a search on images that ends with long ones. */
static enum tune_length
fit_length(const struct worker *worker, const struct db_work_unit *unit, const json_t *spec,
           const struct tune_share *share)
{
  enum tune_length length = TUNE_LENGTH_USUAL;
  struct job_spec *read;
  struct err_info info = {0};
  json_t *schema = NULL;
  if (json_parse(unit->schema, strlen(unit->schema), MOST_DEPTH, &schema, &info) == ERR_OK
      && strcmp(json_get_string(schema, "kind", ""), "images") == 0
      && tune_spec_read(spec, schema, worker->arena, &read, &info) == ERR_OK)
    length =
      tune_unit_length(read, DATASET_IMAGES, share->search_s, share->search_left_s, unit->again);
  json_decref(schema);
  return length;
}

/* Seconds this fit may plan with; 0 = no limit. */
static double
fit_seconds(const struct worker *worker, const struct db_work_unit *unit, const json_t *spec)
{
  double budget_s = worker_budget_seconds(spec);
  struct tune_share share = {
    .search_s = INFINITY,
    .search_left_s = INFINITY,
    .folds_left = (size_t) (unit->fold_count > unit->fold ? unit->fold_count - unit->fold : 1),
    .parallel = unit->job_leased > 0 ? (size_t) unit->job_leased : 1,
    .first_rounds = first_rounds(worker, unit, spec)};
  if (budget_s > 0)
  {
    share.search_s = budget_s - db_work_reserve_s(budget_s);
    share.search_left_s = unit->budget_left_s - db_work_reserve_s(budget_s);
    share.length = fit_length(worker, unit, spec, &share);
  }
  return tune_unit_seconds(&share);
}

static enum err
write_unit(const struct work_dir *dir, const struct db_work_unit *unit, const char *path,
           const char *base, const json_t *spec, double max_seconds, bool goes_on,
           struct err_info *info)
{
  json_t *schema = NULL, *params = NULL;
  enum err err = json_parse(unit->schema, strlen(unit->schema), MOST_DEPTH, &schema, info);
  if (err == ERR_OK)
    err = json_parse(unit->params, strlen(unit->params), MOST_DEPTH, &params, info);
  if (err == ERR_OK)
  {
    json_t *json = json_pack(
      "{s:s, s:s, s:s, s:I, s:O, s:O, s:i, s:s, s:O, s:i, s:f, s:i, s:b}", "mode", "fit", "job",
      unit->job_id, "data", path, "parent", (json_int_t) getpid(), "spec", spec, "schema", schema,
      "trial", unit->trial_number, "family", unit->family, "params", params, "fold", unit->fold,
      "max_seconds", max_seconds, "until_epoch", unit->until_epoch, "goes_on", goes_on);
    if (json != NULL && *base != '\0')
      json_object_set_new(json, "base", json_string(base));
    err = work_dir_write_json(dir, "unit.json", json, info);
    json_decref(json);
  }
  json_decref(params);
  json_decref(schema);
  return err;
}

static bool
collect(void *context, const char *bytes, size_t size)
{
  struct buf *buf = context;
  buf_append(buf, bytes, size);
  return !buf->failed;
}

/* Puts the fit's checkpoint, if there is one, where its process looks for it. Without one the fit begins anew, to
 * the same result. */
static bool
fetch_checkpoint(struct worker *worker, const struct db_work_unit *unit, const struct work_dir *dir)
{
  struct buf bytes = {0};
  if (unit->checkpoint_blob == 0)
    return false;
  bool there = db_blob_read(worker->conn, unit->checkpoint_blob, collect, &bytes) == DB_ROWS
               && work_dir_write(dir, "checkpoint.bin", bytes.data, bytes.length, NULL) == ERR_OK;
  if (!there)
    log_warning("the checkpoint of trial %d can't be had: its fit begins anew", unit->trial_number);
  buf_free(&bytes);
  return there;
}

/* ---- recording --------------------------------------------------------------------------------------- */

struct fitted
{
  struct db_work_result result;
  struct buf model, predictions, checkpoint;
  json_t *json;
  char *detail;
};

static void
fitted_clear(struct fitted *fitted)
{
  buf_free(&fitted->model);
  buf_free(&fitted->predictions);
  buf_free(&fitted->checkpoint);
  json_decref(fitted->json);
  free(fitted->detail);
}

static enum err
read_fitted(const struct work_dir *dir, struct fitted *fitted, struct err_info *info)
{
  enum err err = work_dir_read_json(dir, "result.json", &fitted->json, info);
  bool paused = json_get_bool(fitted->json, "paused", false);
  if (err == ERR_OK && paused)
    err = work_dir_read(dir, "paused.bin", &fitted->checkpoint, info);
  if (err == ERR_OK && !paused)
    err = work_dir_read(dir, "model.bin", &fitted->model, info);
  if (err == ERR_OK && !paused)
    err = work_dir_read(dir, "predictions.f32", &fitted->predictions, info);
  if (err != ERR_OK)
    return err;
  bool kept = paused && fitted->checkpoint.length <= CHECKPOINT_MOST_BYTES;
  fitted->detail = json_dumps(json_object_get(fitted->json, "detail"), JSON_COMPACT);
  fitted->result =
    (struct db_work_result){.metric = json_get_number(fitted->json, "metric", NAN),
                            .objective = json_get_number(fitted->json, "objective", NAN),
                            .seconds = json_get_number(fitted->json, "seconds", 0),
                            .predict_us = json_get_number(fitted->json, "us_per_row", NAN),
                            .detail = fitted->detail,
                            .predictions = (const float *) (const void *) fitted->predictions.data,
                            .prediction_count = fitted->predictions.length / sizeof(float),
                            .model = fitted->model.data,
                            .model_length = fitted->model.length,
                            .paused = paused,
                            .checkpoint = kept ? fitted->checkpoint.data : NULL,
                            .checkpoint_length = fitted->checkpoint.length};
  return ERR_OK;
}

/* Records the result, however long the database is away; the lease decides whether it still counts. */
static enum db_status
record(struct worker *worker, const struct db_work_lease *lease, const struct fitted *fitted,
       bool *is_best)
{
  bool trial_done = false, told_full = false;
  enum db_status status = DB_SOFT;
  for (int i = 0; i < RECORD_TRIES && status == DB_SOFT; i++)
  {
    status = db_work_finish_unit(worker->conn, lease, &fitted->result, WORKER_KEEP_MODELS,
                                 &trial_done, is_best);
    if (status == DB_SOFT && db_is_full(worker->conn))
    {
      /* Work that is done is not thrown away for want of room: somebody will make some. */
      if (!told_full)
        log_warning(
          "the database's disk is full: the result is kept and offered again until there is "
          "room");
      told_full = true;
      i = 0;
    }
    if (status == DB_SOFT && !worker_pause(worker, 0.5))
      break;
  }
  return status;
}

static void
record_fit(struct worker *worker, const struct db_work_unit *unit,
           const struct db_work_lease *lease, const struct work_dir *dir)
{
  struct fitted fitted = {0};
  struct err_info info = {0};
  bool is_best = false;
  enum db_status status = DB_HARD;
  if (read_fitted(dir, &fitted, &info) != ERR_OK)
    worker_give_up(worker, lease, DB_WORK_RETRY, info.text);
  else if ((status = record(worker, lease, &fitted, &is_best)) == DB_HARD)
    worker_give_up(worker, lease, DB_WORK_RETRY, "its result could not be stored");
  else if (status == DB_NONE)
    worker_tell(worker, unit, LOG_LEVEL_WARNING, NULL,
                "the result of trial %d, fold %d came too late and was refused", unit->trial_number,
                unit->fold);
  fitted_clear(&fitted);
  if (status == DB_ROWS && is_best)
    worker_publish(worker, unit);
}

/* ---- the fit ----------------------------------------------------------------------------------------- */

static void
run_fit(struct worker *worker, const struct db_work_unit *unit, const struct db_work_lease *lease,
        const struct work_dir *dir, const json_t *spec, double planned_s)
{
  struct runner_result run;
  double budget_s = worker_budget_seconds(spec);
  struct runner runner = {.conn = worker->conn,
                          .listener = worker->listener,
                          .watchdog = worker->watchdog,
                          .dir = dir,
                          .hold_fd = worker->estate.fd,
                          .job_id = unit->job_id,
                          .lease = lease,
                          .memory_bytes = worker->options->memory_bytes,
                          .seconds = worker->options->trial_seconds,
                          .stop_after_s = INFINITY};
  if (planned_s > 0 && planned_s * LATE_FACTOR + LATE_S < runner.seconds)
    runner.seconds = planned_s * LATE_FACTOR + LATE_S;
  if (budget_s > 0)
    runner.stop_after_s = unit->budget_left_s - db_work_reserve_s(budget_s);
  runner_run(&runner, &run);
  if (run.end == RUNNER_DONE)
    record_fit(worker, unit, lease, dir);
  else
  {
    bool again = run.end == RUNNER_KILLED && unit->attempts < DB_WORK_MAX_ATTEMPTS;
    bool crashed = run.end == RUNNER_KILLED || run.end == RUNNER_FAILED;
    worker_tell(worker, unit, crashed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
                crashed ? run.said : NULL, "trial %d, fold %d, attempt %d: %s%s",
                unit->trial_number, unit->fold, unit->attempts, run.reason,
                again ? "; it is tried again" : "");
    worker_record_failure(worker, lease, &run);
  }
}

void
worker_fit(struct worker *worker, const struct db_work_unit *unit)
{
  struct db_work_lease lease = {.unit_id = unit->id, .lease_token = unit->lease_token};
  struct err_info info = {0};
  struct work_dir dir;
  json_t *spec = NULL;
  char path[PATH_MAX], base[PATH_MAX];
  log_debug("trial %d, fold %d: %s", unit->trial_number, unit->fold, unit->family);
  enum err err = json_parse(unit->spec, strlen(unit->spec), MOST_DEPTH, &spec, &info);
  if (err == ERR_OK)
    err = worker_dataset(worker, unit, &lease, path, &info);
  if (err == ERR_OK)
    err = worker_base_model(worker, unit, &lease, spec, base, &info);
  if (err == ERR_OK)
    err = work_dir_make(&dir, worker->estate.path, "unit", &info);
  if (err == ERR_OK)
  {
    double planned_s = fit_seconds(worker, unit, spec);
    err = write_unit(&dir, unit, path, base, spec, planned_s, fetch_checkpoint(worker, unit, &dir),
                     &info);
    if (err == ERR_OK)
      run_fit(worker, unit, &lease, &dir, spec, planned_s);
    work_dir_remove(&dir);
  }
  json_decref(spec);
  if (err != ERR_OK)
  {
    worker_tell(worker, unit, LOG_LEVEL_WARNING, NULL, "trial %d could not be started: %s",
                unit->trial_number, info.text);
    worker_give_up(worker, &lease, DB_WORK_RETRY, info.text);
  }
}
