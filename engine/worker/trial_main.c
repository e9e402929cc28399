#include <config.h>

#include "worker/trial_main.h"

#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "tune/tune_finish.h"
#include "tune/tune_range.h"
#include "tune/tune_unit.h"
#include "worker/trial_batch.h"
#include "worker/work_dir.h"

#define LINE_MAX_BYTES 512
#define BASE_MOST_BYTES ((size_t) 4 << 30)

/* SIGTERM stays blocked and is looked for, never handled: oneDNN's matrix kernels (2.6.3) keep data below
 * the stack pointer, which the frame of a signal handler would overwrite. */
static void
hold_stop(void)
{
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigprocmask(SIG_BLOCK, &stop, NULL);
}

static bool
stop_asked(void)
{
  sigset_t pending;
  return sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1;
}

/* A line is far below PIPE_BUF, so it arrives whole. A pipe that is full loses a line rather than time. */
static bool
tell_epoch(void *context, const struct train_progress *progress)
{
  char line[LINE_MAX_BYTES];
  (void) context;
  json_t *json = json_pack("{s:I, s:I, s:o, s:o, s:o, s:f}", "epoch", (json_int_t) progress->epoch,
                           "epochs", (json_int_t) progress->epoch_count, "train_loss",
                           json_real_or_null(progress->train_loss), "valid_loss",
                           json_real_or_null(progress->valid_loss), "valid_metric",
                           json_real_or_null(progress->valid_metric), "seconds", progress->seconds);
  size_t length = json != NULL ? json_dumpb(json, line, sizeof line - 1, JSON_COMPACT) : 0;
  json_decref(json);
  if (length > 0 && length < sizeof line - 1)
  {
    line[length] = '\n';
    ssize_t written = write(TRIAL_PROGRESS_FD, line, length + 1);
    (void) written;
  }
  return !stop_asked();
}

/* ---- the fit ----------------------------------------------------------------------------------------- */

static enum err
write_fit(const struct work_dir *dir, const struct tune_unit_result *result, json_t **answer,
          struct err_info *info)
{
  enum err err = ERR_OK;
  if (result->paused)
    err =
      work_dir_write(dir, "paused.bin", result->checkpoint.data, result->checkpoint.length, info);
  else
    err = work_dir_write(dir, "model.bin", result->model.data, result->model.length, info);
  if (err == ERR_OK && !result->paused)
    err = work_dir_write(dir, "predictions.f32", result->predictions,
                         result->prediction_count * sizeof *result->predictions, info);
  if (err == ERR_OK)
  {
    *answer =
      json_pack("{s:b, s:b, s:o, s:o, s:f, s:o, s:O}", "ok", 1, "paused", result->paused, "metric",
                json_real_or_null(result->metric), "objective",
                json_real_or_null(result->objective), "seconds", result->seconds, "us_per_row",
                json_real_or_null(result->us_per_row), "detail", result->detail);
    if (*answer == NULL)
      err = err_set(info, ERR_MEMORY, "out of memory for the result");
  }
  return err;
}

/* The model that the fit starts from; NULL if there is none. */
static enum err
read_base(const json_t *unit, struct model **base, struct err_info *info)
{
  const char *path = json_get_string(unit, "base", NULL);
  struct buf bytes = {0};
  *base = NULL;
  if (path == NULL)
    return ERR_OK;
  enum err err = file_read_all(path, BASE_MOST_BYTES, &bytes, info);
  if (err == ERR_OK)
    err = model_load(bytes.data, bytes.length, base, info);
  buf_free(&bytes);
  return err;
}

static enum err
run_fit(const struct work_dir *dir, const struct tune_data *data, const json_t *unit,
        json_t **answer, struct err_info *info)
{
  struct tune_unit_result result = {0};
  struct buf checkpoint = {0};
  struct model *base = NULL;
  struct tune_unit fit = {.family = json_get_string(unit, "family", ""),
                          .params = json_object_get(unit, "params"),
                          .trial = (uint64_t) json_get_integer(unit, "trial", 0),
                          .fold = (size_t) json_get_integer(unit, "fold", 0),
                          .max_seconds = json_get_number(unit, "max_seconds", 0),
                          .pause_epoch = (size_t) json_get_integer(unit, "until_epoch", 0),
                          .on_epoch = tell_epoch};
  enum err err = read_base(unit, &base, info);
  fit.base = base;
  if (err == ERR_OK && json_get_bool(unit, "goes_on", false))
    err = work_dir_read(dir, "checkpoint.bin", &checkpoint, info);
  fit.checkpoint = checkpoint.data;
  fit.checkpoint_length = checkpoint.length;
  if (err == ERR_OK)
    err = tune_unit_run(data, &fit, &result, info);
  if (err == ERR_OK)
    err = write_fit(dir, &result, answer, info);
  tune_unit_result_clear(&result);
  buf_free(&checkpoint);
  model_free(base);
  return err;
}

/* ---- the range test ---------------------------------------------------------------------------------- */

/* Nobody looks at its epochs. */
static bool
go_on(void *context, const struct train_progress *progress)
{
  (void) context;
  (void) progress;
  return !stop_asked();
}

static enum err
run_range(const struct tune_data *data, const json_t *unit, json_t **answer, struct err_info *info)
{
  struct tune_range range = {.family = json_get_string(unit, "family", ""),
                             .params = json_object_get(unit, "params"),
                             .wish = {.low = json_get_number(unit, "low", 0),
                                      .high = json_get_number(unit, "high", 0),
                                      .steps = (size_t) json_get_integer(unit, "steps", 0),
                                      .max_seconds = json_get_number(unit, "max_seconds", 0)},
                             .on_epoch = go_on};
  json_t *result = NULL;
  double seconds = 0;
  enum err err = tune_range_run(data, &range, &result, &seconds, info);
  if (err == ERR_OK)
    *answer = json_pack("{s:b, s:o, s:f}", "ok", 1, "range", result, "seconds", seconds);
  if (err == ERR_OK && *answer == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory for the result");
  return err;
}

/* ---- the finish -------------------------------------------------------------------------------------- */

/* What the finish borrows: the trials and the files with their outputs. */
struct material
{
  struct tune_trial *trials;
  struct tune_fold_output *folds; /* (trials, folds) */
  struct buf *files;              /* (trials, folds, 2) */
  size_t trial_count, file_count;
};

static void
material_free(struct material *material)
{
  for (size_t i = 0; i < material->file_count; i++)
    buf_free(&material->files[i]);
  free(material->files);
  free(material->folds);
  free(material->trials);
}

/* A named file of the unit, empty when no name is given. */
static enum err
read_part(const struct work_dir *dir, const json_t *fold, const char *name, struct buf *file,
          struct err_info *info)
{
  const char *path = json_string_value(json_object_get(fold, name));
  return path == NULL ? ERR_OK : work_dir_read(dir, path, file, info);
}

static void
read_course(const json_t *item, struct tune_fold_output *fold)
{
  const json_t *fit = json_object_get(item, "fit");
  fold->seconds = json_get_number(item, "seconds", 0);
  fold->epochs = (size_t) json_get_count(fit, "epochs", 0);
  fold->best_epoch = (size_t) json_get_count(fit, "best_epoch", 0);
  fold->cut_short = strcmp(json_get_string(fit, "stop", ""), train_stop_name(TRAIN_STOP_TIME)) == 0;
}

static enum err
read_trial(const struct work_dir *dir, const json_t *item, size_t folds, struct material *material,
           size_t at, struct err_info *info)
{
  struct tune_trial *trial = &material->trials[at];
  const json_t *list = json_object_get(item, "folds");
  *trial = (struct tune_trial){.number = (int) json_get_integer(item, "number", 0),
                               .family = json_get_string(item, "family", ""),
                               .params = json_object_get(item, "params"),
                               .metric = json_get_number(item, "metric", NAN),
                               .objective = json_get_number(item, "objective", NAN),
                               .excess = json_get_number(item, "excess", 0),
                               .folds = material->folds + at * folds};
  enum err err = ERR_OK;
  for (size_t f = 0; f < folds && err == ERR_OK; f++)
  {
    struct tune_fold_output *fold = &material->folds[at * folds + f];
    struct buf *predictions = &material->files[2 * (at * folds + f)], *model = predictions + 1;
    err = read_part(dir, json_array_get(list, f), "predictions", predictions, info);
    if (err == ERR_OK)
      err = read_part(dir, json_array_get(list, f), "model", model, info);
    fold->predictions = (const float *) (const void *) predictions->data;
    fold->prediction_count = predictions->length / sizeof(float);
    fold->model = model->data;
    fold->model_length = model->length;
    read_course(json_array_get(list, f), fold);
  }
  return err;
}

static enum err
read_material(const struct work_dir *dir, const json_t *unit, size_t folds,
              struct material *material, struct err_info *info)
{
  const json_t *list = json_object_get(unit, "trials"), *item;
  size_t count = json_array_size(list), index;
  *material = (struct material){.trial_count = count};
  material->trials = calloc(count + 1, sizeof *material->trials);
  material->folds = calloc(count * folds + 1, sizeof *material->folds);
  material->files = calloc(2 * count * folds + 1, sizeof *material->files);
  if (material->trials == NULL || material->folds == NULL || material->files == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the trials");
  material->file_count = 2 * count * folds;
  enum err err = ERR_OK;
  json_array_foreach((json_t *) list, index, item)
  {
    if (err == ERR_OK)
      err = read_trial(dir, item, folds, material, index, info);
  }
  return err;
}

/* One model with its report and schema, in files whose names begin with `name`. */
static enum err
write_served(const struct work_dir *dir, const struct tune_outcome *outcome, const char *name,
             struct err_info *info)
{
  char model[32], report_name[32], schema[32];
  char *report = json_dumps(outcome->report, JSON_COMPACT);
  snprintf(model, sizeof model, "%smodel.bin", name);
  snprintf(report_name, sizeof report_name, "%sreport.json", name);
  snprintf(schema, sizeof schema, "%sschema.json", name);
  enum err err = report != NULL ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
  if (err == ERR_OK)
    err = work_dir_write(dir, model, outcome->model.data, outcome->model.length, info);
  if (err == ERR_OK)
    err = work_dir_write(dir, report_name, report, strlen(report), info);
  if (err == ERR_OK)
    err = work_dir_write(dir, schema, outcome->schema, strlen(outcome->schema), info);
  free(report);
  return err;
}

static json_t *
describe_served(const struct tune_outcome *outcome)
{
  return json_pack("{s:s, s:o, s:f}", "family", outcome->family, "score",
                   json_real_or_null(outcome->score), "us_per_row", outcome->us_per_row);
}

static enum err
write_finish(const struct work_dir *dir, const struct tune_data *data,
             const struct tune_outcome *outcome, json_t **answer, struct err_info *info)
{
  enum err err = write_served(dir, outcome, "", info);
  if (err == ERR_OK && outcome->fast != NULL)
    err = write_served(dir, outcome->fast, "fast-", info);
  if (err == ERR_OK && outcome->all != NULL)
    err = write_served(dir, outcome->all, "all-", info);
  if (err == ERR_OK)
    err = work_dir_write(dir, "folds.bin", outcome->folds.length > 0 ? outcome->folds.data : "",
                         outcome->folds.length, info);
  if (err != ERR_OK)
    return err;
  *answer = describe_served(outcome);
  int failed = json_object_set_new(*answer, "ok", json_true());
  failed |= json_object_set_new(*answer, "task", json_string(task_kind_name(data->task.kind)));
  failed |= json_object_set_new(*answer, "metric", json_string(metric_name(data->metric)));
  if (outcome->fast != NULL)
    failed |= json_object_set_new(*answer, "fast", describe_served(outcome->fast));
  if (outcome->all != NULL)
    failed |= json_object_set_new(*answer, "all", describe_served(outcome->all));
  return failed == 0 ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory for the result");
}

static enum err
run_finish(const struct work_dir *dir, const struct tune_data *data, const json_t *unit,
           json_t **answer, struct err_info *info)
{
  struct material material;
  struct tune_outcome outcome = {0};
  struct model *base = NULL;
  const json_t *counts = json_object_get(unit, "counts");
  enum err err = read_material(dir, unit, data->split->fold_count, &material, info);
  if (err == ERR_OK)
    err = read_base(unit, &base, info);
  if (err == ERR_OK)
  {
    struct tune_finish finish = {.trials = material.trials,
                                 .trial_count = material.trial_count,
                                 .provisional = json_get_bool(unit, "provisional", false),
                                 .simple = json_get_bool(unit, "simple", false),
                                 .seconds = json_get_number(unit, "seconds", INFINITY),
                                 .base = base,
                                 .dataset_id = json_get_string(unit, "dataset_id", ""),
                                 .dataset_sha256 = json_get_string(unit, "dataset_sha256", ""),
                                 .stop_reason = json_get_string(unit, "stop_reason", NULL),
                                 .trials_done = (size_t) json_get_integer(counts, "done", 0),
                                 .trials_failed = (size_t) json_get_integer(counts, "failed", 0),
                                 .trials_cancelled =
                                   (size_t) json_get_integer(counts, "cancelled", 0)};
    err = tune_finish_run(data, &finish, &outcome, info);
  }
  if (err == ERR_OK)
    err = write_finish(dir, data, &outcome, answer, info);
  tune_outcome_clear(&outcome);
  model_free(base);
  material_free(&material);
  return err;
}

/* ---- the process ------------------------------------------------------------------------------------- */

static enum err
run_unit(const struct work_dir *dir, const json_t *unit, json_t **answer, struct err_info *info)
{
  struct tune_data *data = NULL;
  const char *mode = json_get_string(unit, "mode", "");
  if (strcmp(mode, "batch") == 0)
    return trial_batch_run(dir, unit, stop_asked, answer, info);
  enum err err = tune_data_open(json_get_string(unit, "data", ""), json_object_get(unit, "spec"),
                                json_object_get(unit, "schema"), &data, info);
  if (err != ERR_OK)
    return err;
  if (strcmp(mode, "finish") == 0)
    err = run_finish(dir, data, unit, answer, info);
  else if (strcmp(mode, "range") == 0)
    err = run_range(data, unit, answer, info);
  else
    err = run_fit(dir, data, unit, answer, info);
  tune_data_close(data);
  return err;
}

/* A worker that is gone has no use for what comes of this. */
static bool
follow_parent(const json_t *unit)
{
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  return (json_int_t) getppid() == json_get_integer(unit, "parent", (json_int_t) getppid());
}

int
trial_main(const char *path)
{
  struct err_info info = {0};
  struct work_dir dir;
  json_t *unit = NULL, *answer = NULL;
  hold_stop();
  if (work_dir_at(&dir, path) != ERR_OK
      || work_dir_read_json(&dir, "unit.json", &unit, &info) != ERR_OK)
  {
    log_error("cannot read the unit of work in %s: %s", path, info.text);
    return 2;
  }
  log_job_id(json_get_string(unit, "job", NULL));
  if (!follow_parent(unit))
  {
    json_decref(unit);
    return 3;
  }
  enum err err = run_unit(&dir, unit, &answer, &info);
  if (err != ERR_OK)
    answer = json_pack("{s:b, s:s, s:s}", "ok", 0, "error", err_name(err), "text", info.text);
  char *text = answer != NULL ? json_dumps(answer, JSON_COMPACT) : NULL;
  err = text == NULL ? ERR_MEMORY : work_dir_write(&dir, "result.json", text, strlen(text), &info);
  if (err != ERR_OK)
    log_error("could not write the result: %s", info.text);
  free(text);
  json_decref(answer);
  json_decref(unit);
  return err == ERR_OK ? 0 : 4;
}
