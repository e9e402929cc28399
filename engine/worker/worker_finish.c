#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "sql/db_job.h"
#include "sql/db_model.h"
#include "worker/worker_internal.h"

#define MOST_DEPTH 64
#define LIBRARY_TRIALS 50
#define LIBRARY_BYTES ((size_t) 1 << 30) /* of predictions and models read for one finish */
#define PUBLISH_INTERVAL_S 10.0
#define PUBLISH_SECONDS 60.0
#define FINISH_SECONDS 900.0
#define CANCELLED_SECONDS 10.0 /* who cancels does not want to wait */
#define RECORD_TRIES 200
#define LAST_ATTEMPT DB_WORK_MAX_ATTEMPTS

/* A finish or a provisional version on its way. */
struct finishing
{
  struct worker *worker;
  const struct db_work_unit *unit;
  const struct db_work_lease *lease;
  bool provisional;
  struct work_dir dir;
  json_t *spec, *schema;
  struct db_job job;
};

/* ---- the material ------------------------------------------------------------------------------------ */

/* How the fit went, for a refit to go the same way. */
static enum db_status
tell_fit(struct db_conn *conn, const char *trial_id, int fold, struct arena *arena, json_t *json)
{
  struct db_work_fit fit = {0};
  json_t *result = NULL;
  enum db_status status = db_work_unit_fit(conn, trial_id, fold, arena, &fit);
  if (status == DB_NONE)
    return DB_ROWS; /* nothing is known of it */
  if (status == DB_ROWS && fit.result != NULL
      && json_parse(fit.result, strlen(fit.result), MOST_DEPTH, &result, NULL) == ERR_OK)
  {
    json_object_set_new(json, "fit", result);
    json_object_set_new(json, "seconds", json_real_or_null(fit.seconds));
  }
  return status;
}

/* Writes one unit's outputs to files and names them. *bytes counts what was written. */
static enum db_status
write_outputs(struct finishing *work, const struct db_work_trial *trial, int fold, json_t *folds,
              size_t *bytes)
{
  const float *predictions = NULL;
  const char *model = NULL;
  size_t count = 0, length = 0;
  char predictions_name[64], model_name[64];
  struct arena *arena = arena_new(0);
  json_t *json = json_object();
  enum db_status status = arena != NULL && json != NULL
                            ? db_work_unit_outputs(work->worker->conn, trial->id, fold, arena,
                                                   &predictions, &count, &model, &length)
                            : DB_HARD;
  snprintf(predictions_name, sizeof predictions_name, "p%d.%d", trial->number, fold);
  snprintf(model_name, sizeof model_name, "m%d.%d", trial->number, fold);
  if (status == DB_ROWS && predictions != NULL
      && work_dir_write(&work->dir, predictions_name, predictions, count * sizeof *predictions,
                        NULL)
           == ERR_OK)
    json_object_set_new(json, "predictions", json_string(predictions_name));
  if (status == DB_ROWS && model != NULL
      && work_dir_write(&work->dir, model_name, model, length, NULL) == ERR_OK)
    json_object_set_new(json, "model", json_string(model_name));
  if (status == DB_ROWS)
    status = tell_fit(work->worker->conn, trial->id, fold, arena, json);
  *bytes += count * sizeof *predictions + length;
  json_array_append_new(folds, json);
  arena_free(arena);
  return status;
}

static json_t *
describe_trial(const struct db_work_trial *trial, json_t *folds)
{
  json_t *params = NULL;
  if (json_parse(trial->params, strlen(trial->params), MOST_DEPTH, &params, NULL) != ERR_OK)
    params = json_object();
  json_t *json = json_pack("{s:i, s:s, s:o, s:o}", "number", trial->number, "family", trial->family,
                           "params", params, "folds", folds);
  if (json != NULL)
  {
    json_object_set_new(json, "metric", json_real_or_null(trial->metric));
    json_object_set_new(json, "objective", json_real_or_null(trial->objective));
    json_object_set_new(json, "excess", json_real(trial->excess));
  }
  return json;
}

static bool
keep_lease(void *context)
{
  const struct finishing *work = context;
  struct db_work_pulse pulse;
  return work->provisional || db_work_heartbeat(work->worker->conn, work->lease, &pulse) != DB_NONE;
}

/* The best trials' outputs as files; *trials describes them. Folds are asked for until there is no more. */
static enum db_status
gather(struct finishing *work, json_t *trials)
{
  struct db_work_trial *best = NULL;
  size_t count = 0, bytes = 0;
  enum db_status status =
    db_work_best_trials(work->worker->conn, work->unit->job_id,
                        work->provisional ? 1 : LIBRARY_TRIALS, work->worker->arena, &best, &count);
  if (work->provisional && count > 1)
    count = 1;
  for (size_t t = 0; t < count && status >= DB_NONE && bytes < LIBRARY_BYTES; t++)
  {
    json_t *folds = json_array();
    status = DB_ROWS;
    for (int fold = 0; status == DB_ROWS; fold++)
    {
      status = write_outputs(work, &best[t], fold, folds, &bytes);
      if (status == DB_NONE)
        json_array_remove(folds, json_array_size(folds) - 1);
    }
    json_array_append_new(trials, describe_trial(&best[t], folds));
    if (!keep_lease(work))
      return DB_NONE;
  }
  return status < DB_NONE ? status : DB_ROWS;
}

/* ---- the unit ---------------------------------------------------------------------------------------- */

/* How long the finish may take: what is left of the budget, at least a little; INFINITY = as long as it needs. */
static double
finish_seconds(const struct finishing *work)
{
  const char *reason = work->unit->stop_reason;
  double seconds = INFINITY, budget_s = worker_budget_seconds(work->spec);
  if (budget_s > 0)
    seconds = fmax(work->unit->budget_left_s, 0.3 * db_work_reserve_s(budget_s));
  if (work->unit->hurried || (reason != NULL && strcmp(reason, "cancelled") == 0))
    seconds = fmin(seconds, CANCELLED_SECONDS);
  return seconds;
}

/* No ensemble: the last attempt leaves out what may have failed before, a hurried one what takes time. */
static bool
is_simple(const struct finishing *work)
{
  return !work->provisional && (work->unit->hurried || work->unit->attempts >= LAST_ATTEMPT);
}

static enum err
write_unit(struct finishing *work, const char *path, const char *base, json_t *trials,
           struct err_info *info)
{
  const struct db_work_unit *unit = work->unit;
  char hex[65];
  dataset_hex(unit->dataset_sha256, hex);
  json_t *json =
    json_pack("{s:s, s:s, s:s, s:I, s:O, s:O, s:O, s:b, s:b, s:s, s:s, s:{s:i, s:i, s:i}}", "mode",
              "finish", "job", unit->job_id, "data", path, "parent", (json_int_t) getpid(), "spec",
              work->spec, "schema", work->schema, "trials", trials, "provisional",
              work->provisional, "simple", is_simple(work), "dataset_id", unit->dataset_id,
              "dataset_sha256", hex, "counts", "done", work->job.trials_done, "failed",
              work->job.trials_failed, "cancelled", work->job.trials_cancelled);
  if (json != NULL && work->job.stop_reason != NULL)
    json_object_set_new(json, "stop_reason", json_string(work->job.stop_reason));
  if (json != NULL && base[0] != '\0')
    json_object_set_new(json, "base", json_string(base));
  if (json != NULL && !work->provisional && isfinite(finish_seconds(work)))
    json_object_set_new(json, "seconds", json_real(finish_seconds(work)));
  enum err err = work_dir_write_json(&work->dir, "unit.json", json, info);
  json_decref(json);
  return err;
}

static enum err
set_up(struct finishing *work, struct err_info *info)
{
  const struct db_work_unit *unit = work->unit;
  char path[PATH_MAX], base[PATH_MAX] = "";
  json_t *trials = json_array();
  enum err err = json_parse(unit->spec, strlen(unit->spec), MOST_DEPTH, &work->spec, info);
  if (err == ERR_OK)
    err = json_parse(unit->schema, strlen(unit->schema), MOST_DEPTH, &work->schema, info);
  if (err == ERR_OK)
    err = worker_dataset(work->worker, unit, work->provisional ? NULL : work->lease, path, info);
  /* Without it there is no refit, and that is all. */
  if (err == ERR_OK && !work->provisional
      && worker_base_model(work->worker, unit, work->lease, work->spec, base, NULL) != ERR_OK)
    base[0] = '\0';
  if (err == ERR_OK
      && db_job_get(work->worker->conn, unit->tenant_id, unit->job_id, work->worker->arena,
                    &work->job)
           != DB_ROWS)
    err = err_set(info, ERR_UNAVAILABLE, "could not read the job");
  if (err == ERR_OK && gather(work, trials) != DB_ROWS)
    err = err_set(info, ERR_UNAVAILABLE, "could not read the trials' models");
  if (err == ERR_OK)
    err = write_unit(work, path, base, trials, info);
  json_decref(trials);
  return err;
}

/* ---- the result -------------------------------------------------------------------------------------- */

/* A model as it will be served. */
struct served
{
  struct buf model, report, schema;
};

struct outcome
{
  json_t *json;
  struct served best, fast, all; /* the latter two when the JSON has members of these names */
  struct buf folds;
};

static void
served_clear(struct served *served)
{
  buf_free(&served->model);
  buf_free(&served->report);
  buf_free(&served->schema);
}

static void
outcome_clear(struct outcome *outcome)
{
  json_decref(outcome->json);
  served_clear(&outcome->best);
  served_clear(&outcome->fast);
  served_clear(&outcome->all);
  buf_free(&outcome->folds);
}

static enum err
read_served(const struct work_dir *dir, const char *name, struct served *served,
            struct err_info *info)
{
  char path[32];
  snprintf(path, sizeof path, "%smodel.bin", name);
  enum err err = work_dir_read(dir, path, &served->model, info);
  snprintf(path, sizeof path, "%sreport.json", name);
  if (err == ERR_OK)
    err = work_dir_read(dir, path, &served->report, info);
  snprintf(path, sizeof path, "%sschema.json", name);
  if (err == ERR_OK)
    err = work_dir_read(dir, path, &served->schema, info);
  return err;
}

static enum err
read_outcome(const struct work_dir *dir, struct outcome *outcome, struct err_info *info)
{
  enum err err = work_dir_read_json(dir, "result.json", &outcome->json, info);
  if (err == ERR_OK)
    err = read_served(dir, "", &outcome->best, info);
  if (err == ERR_OK && json_object_get(outcome->json, "fast") != NULL)
    err = read_served(dir, "fast-", &outcome->fast, info);
  if (err == ERR_OK && json_object_get(outcome->json, "all") != NULL)
    err = read_served(dir, "all-", &outcome->all, info);
  if (err == ERR_OK)
    err = work_dir_read(dir, "folds.bin", &outcome->folds, info);
  return err;
}

/* The name to serve under: as asked for, else the job's id in a form that names may have. */
static const char *
model_name(const struct finishing *work)
{
  const char *name = json_get_string(work->spec, "deploy_as", NULL);
  if (name != NULL)
    return name;
  char *made = arena_strdup(work->worker->arena, work->unit->job_id);
  for (char *at = made; at != NULL && *at != '\0'; at++)
    if (*at == '_')
      *at = '-';
  return made;
}

static struct db_model_insert
describe_insert(const struct finishing *work, const struct outcome *outcome,
                const struct served *served, const json_t *json)
{
  return (struct db_model_insert){.tenant_id = work->unit->tenant_id,
                                  .model_name = model_name(work),
                                  .job_id = work->unit->job_id,
                                  .bytes = served->model.data,
                                  .length = served->model.length,
                                  .family = json_get_string(json, "family", ""),
                                  .task = json_get_string(outcome->json, "task", ""),
                                  .metric = json_get_string(outcome->json, "metric", ""),
                                  .score = json_get_number(json, "score", NAN),
                                  .final = !work->provisional,
                                  .schema = served->schema.data,
                                  .report = served->report.data,
                                  .us_per_row = json_get_number(json, "us_per_row", NAN)};
}

static enum db_status
publish(const struct finishing *work, const struct outcome *outcome)
{
  const json_t *fast_json = json_object_get(outcome->json, "fast");
  const json_t *all_json = json_object_get(outcome->json, "all");
  struct db_model_insert insert = describe_insert(work, outcome, &outcome->best, outcome->json);
  struct db_model_insert fast = describe_insert(work, outcome, &outcome->fast, fast_json);
  struct db_model_insert all = describe_insert(work, outcome, &outcome->all, all_json);
  insert.fast = fast_json != NULL ? &fast : NULL;
  insert.all = all_json != NULL ? &all : NULL;
  insert.folds = outcome->folds.length > 0 ? outcome->folds.data : NULL;
  insert.folds_length = outcome->folds.length;
  int version = 0;
  enum db_status status = DB_SOFT;
  if (insert.model_name == NULL)
    return DB_HARD;
  for (int i = 0; i < (work->provisional ? 1 : RECORD_TRIES) && status == DB_SOFT; i++)
  {
    status = db_work_publish(work->worker->conn, work->lease, &insert, &version);
    if (status == DB_SOFT && db_is_full(work->worker->conn) && !work->provisional)
    {
      if (i == 0)
        log_warning(
          "the database's disk is full: the model is kept and offered again until there is "
          "room");
      i = 1;
    }
    if (status == DB_SOFT && !worker_pause(work->worker, 0.5))
      break;
  }
  if (status == DB_ROWS)
    log_info("published %s version %d, %s %.5g%s", insert.model_name, version, insert.metric,
             insert.score, work->provisional ? ", provisional" : "");
  return status;
}

/* Runs the process and stores what it made. DB_NONE with *run filled when it made nothing. */
static enum db_status
run(struct finishing *work, struct runner_result *result, struct err_info *info)
{
  struct outcome outcome = {0};
  double most_s = work->provisional ? PUBLISH_SECONDS : FINISH_SECONDS;
  struct runner runner = {.conn = work->worker->conn,
                          .listener = work->provisional ? NULL : work->worker->listener,
                          .watchdog = work->worker->watchdog,
                          .dir = &work->dir,
                          .hold_fd = work->worker->estate.fd,
                          .job_id = work->unit->job_id,
                          .lease = work->provisional ? NULL : work->lease,
                          .memory_bytes = work->worker->options->memory_bytes,
                          .seconds = most_s,
                          .short_already =
                            is_simple(work) || finish_seconds(work) <= CANCELLED_SECONDS,
                          .stop_after_s = INFINITY};
  enum db_status status = DB_NONE;
  runner_run(&runner, result);
  if (result->end != RUNNER_DONE)
    return DB_NONE;
  if (read_outcome(&work->dir, &outcome, info) == ERR_OK)
    status = publish(work, &outcome);
  else
  {
    result->end = RUNNER_KILLED;
    snprintf(result->reason, sizeof result->reason, "%.350s", info->text);
  }
  outcome_clear(&outcome);
  return status;
}

static void
finishing_clear(struct finishing *work)
{
  work_dir_remove(&work->dir);
  json_decref(work->spec);
  json_decref(work->schema);
}

void
worker_finish(struct worker *worker, const struct db_work_unit *unit)
{
  struct db_work_lease lease = {.unit_id = unit->id, .lease_token = unit->lease_token};
  struct finishing work = {.worker = worker, .unit = unit, .lease = &lease};
  struct runner_result result = {.end = RUNNER_KILLED};
  struct err_info info = {0};
  enum db_status status = DB_NONE;
  const char *how = unit->hurried      ? " (without an ensemble, for it was cancelled)"
                    : is_simple(&work) ? " (without an ensemble this last time)"
                                       : "";
  enum err err = work_dir_make(&work.dir, worker->estate.path, "finish", &info);
  if (err == ERR_OK)
    err = set_up(&work, &info);
  if (err == ERR_OK)
  {
    worker_tell(
      worker, unit, LOG_LEVEL_INFO, NULL,
      "the finish has begun, attempt %d: the best of %d trials, an ensemble, the report%s",
      unit->attempts, work.job.trials_done, how);
    status = run(&work, &result, &info);
  }
  else
    snprintf(result.reason, sizeof result.reason, "%.350s", info.text);
  finishing_clear(&work);
  if (status == DB_ROWS)
  {
    prepared_drop(&worker->prepared, unit->job_id);
    return;
  }
  if (err == ERR_OK && result.end == RUNNER_DONE)
  {
    if (status == DB_NONE)
      worker_tell(worker, unit, LOG_LEVEL_WARNING, NULL,
                  "the finished model came too late and was refused");
    else
      worker_give_up(worker, &lease, DB_WORK_RETRY, "the model could not be stored");
    return;
  }
  worker_tell(worker, unit, result.end == RUNNER_HURRIED ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
              result.said, "the finish was not done: %s", result.reason);
  /* A failure may come of what the last attempt leaves out, so it is tried again, too. */
  if (result.end == RUNNER_FAILED || result.end == RUNNER_CANCELLED)
    result.end = RUNNER_KILLED;
  worker_record_failure(worker, &lease, &result);
}

void
worker_publish(struct worker *worker, const struct db_work_unit *unit)
{
  struct db_work_lease lease = {.unit_id = unit->id, .lease_token = unit->lease_token};
  struct finishing work = {.worker = worker, .unit = unit, .lease = &lease, .provisional = true};
  struct db_work_trial *best = NULL;
  struct runner_result result = {0};
  struct err_info info = {0};
  size_t count = 0;
  if (db_work_best_trials(worker->conn, unit->job_id, 1, worker->arena, &best, &count) != DB_ROWS
      || count == 0 || best[0].number != unit->trial_number
      || db_work_may_publish(worker->conn, unit->job_id, best[0].id, PUBLISH_INTERVAL_S) != DB_ROWS)
    return;
  enum err err = work_dir_make(&work.dir, worker->estate.path, "publish", &info);
  if (err == ERR_OK)
    err = set_up(&work, &info);
  if (err == ERR_OK && run(&work, &result, &info) < DB_NONE)
    log_warning("a provisional model could not be stored: %s", db_last_error(worker->conn));
  else if (err != ERR_OK || (result.end != RUNNER_DONE && result.end != RUNNER_STOPPING))
    worker_tell(worker, unit, LOG_LEVEL_WARNING, result.said,
                "a provisional model could not be made: %s",
                err != ERR_OK ? info.text : result.reason);
  finishing_clear(&work);
}
