#include <config.h>

#include "tune/tune_unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "tune/stop_rows.h"
#include "tune/tune_bag.h"

#define COST_SECONDS 0.01

void
tune_unit_result_clear(struct tune_unit_result *result)
{
  buf_free(&result->model);
  buf_free(&result->checkpoint);
  free(result->predictions);
  json_decref(result->detail);
  *result = (struct tune_unit_result){0};
}

static json_t *
describe(const struct train_result *trained, size_t train_count, size_t valid_count)
{
  json_t *detail =
    json_pack("{s:I, s:I, s:s, s:I, s:I}", "epochs", (json_int_t) trained->epochs, "best_epoch",
              (json_int_t) trained->best_epoch, "stop", train_stop_name(trained->stop),
              "train_rows", (json_int_t) train_count, "valid_rows", (json_int_t) valid_count);
  if (detail != NULL)
    json_object_set_new(detail, "log_loss", json_real_or_null(trained->log_loss));
  if (detail != NULL && trained->row_us > 0)
    json_object_set_new(detail, "train_us", json_real(trained->row_us));
  return detail;
}

static enum err
keep(const struct tune_data *data, size_t fold, struct train_result *trained, size_t train_count,
     size_t valid_count, struct tune_unit_result *result, struct err_info *info)
{
  enum err err = ERR_OK;
  result->paused = trained->stop == TRAIN_STOP_PAUSE;
  result->us_per_row = NAN;
  if (data->split->kind == SPLIT_FOLDS)
    model_set_fold(trained->model, (int) fold);
  if (!result->paused)
    err = model_save(trained->model, &result->model, info);
  if (err == ERR_OK && !result->paused)
    err = tune_bag_cost(data, trained->model, COST_SECONDS, &result->us_per_row, info);
  if (err != ERR_OK)
    return err;
  result->detail = describe(trained, train_count, valid_count);
  if (result->model.failed || result->detail == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the trained model");
  if (result->paused)
  {
    result->checkpoint = trained->checkpoint;
    trained->checkpoint = (struct buf){0};
  }
  else
  {
    result->predictions = trained->valid_predictions;
    trained->valid_predictions = NULL;
    result->prediction_count = valid_count * data->task.output_count;
  }
  result->metric = trained->metric;
  result->objective = trained->objective;
  return ERR_OK;
}

/* Rows of a fold: fitted on, chosen by (epochs, rounds), and scored. */
struct unit_rows
{
  struct stop_rows fit;
  size_t *valid;
  size_t valid_count;
};

static enum err
find_rows(const struct tune_data *data, const struct tune_unit *unit, struct unit_rows *rows)
{
  const struct model_family *family = model_family_find(unit->family);
  enum err err =
    split_train_rows(data->split, unit->fold, &rows->fit.train, &rows->fit.train_count);
  if (err == ERR_OK)
    err = split_valid_rows(data->split, unit->fold, &rows->valid, &rows->valid_count);
  if (err == ERR_OK && data->split->kind == SPLIT_FOLDS && family && family->stops_on_validation)
    err = stop_rows_set_aside(data, tune_fit_seed(data, unit->trial, unit->fold), &rows->fit);
  return err;
}

/* Scores the fold's own rows, which the fit has not seen. */
static enum err
score_fold(const struct tune_data *data, const struct unit_rows *rows, struct train_result *trained,
           struct err_info *info)
{
  struct tune_labels labels = {0};
  struct model_workspace *workspace = model_workspace_new();
  float *predictions = calloc(rows->valid_count * data->task.output_count + 1, sizeof *predictions);
  enum err err = workspace && predictions
                   ? tune_labels_of(data, rows->valid, rows->valid_count, &labels)
                   : ERR_MEMORY;
  if (err != ERR_OK)
    err_set(info, err, "out of memory for the predictions of a fold");
  else
    err = model_predict_dataset(trained->model, workspace, data->dataset, rows->valid,
                                rows->valid_count, predictions, info);
  if (err == ERR_OK)
  {
    free(trained->valid_predictions);
    trained->valid_predictions = predictions;
    predictions = NULL;
    trained->metric = metric_score(data->metric, &data->task, &labels.labels,
                                   trained->valid_predictions, &data->decision);
    trained->objective = metric_objective(data->metric, &data->task, &labels.labels,
                                          trained->valid_predictions, &data->decision);
    if (data->task.kind != TASK_REGRESSION)
      trained->log_loss =
        metric_compute(METRIC_LOG_LOSS, &data->task, &labels.labels, trained->valid_predictions);
  }
  free(predictions);
  tune_labels_free(&labels);
  model_workspace_free(workspace);
  return err;
}

enum err
tune_unit_run(const struct tune_data *data, const struct tune_unit *unit,
              struct tune_unit_result *result, struct err_info *info)
{
  struct unit_rows rows = {0};
  struct train_result trained = {0};
  double start_s = clock_cpu_s();
  *result = (struct tune_unit_result){0};
  if (unit->fold >= data->split->fold_count)
    return err_set(info, ERR_INVALID, "there is no fold %zu", unit->fold);
  enum err err = find_rows(data, unit, &rows);
  if (err != ERR_OK)
  {
    err_set(info, err, "out of memory for the rows of fold %zu", unit->fold);
    goto out;
  }
  struct train_request request = {.dataset = data->dataset,
                                  .task = &data->task,
                                  .family = unit->family,
                                  .params = unit->params,
                                  .train_rows = rows.fit.train,
                                  .train_count = rows.fit.train_count,
                                  .valid_rows = rows.fit.stop ? rows.fit.stop : rows.valid,
                                  .valid_count =
                                    rows.fit.stop ? rows.fit.stop_count : rows.valid_count,
                                  .metric = data->metric,
                                  .class_weights = data->class_weights,
                                  .row_weights = data->row_weights,
                                  .decision = &data->decision,
                                  .base = unit->base,
                                  .seed = tune_fit_seed(data, unit->trial, unit->fold),
                                  .max_seconds = unit->max_seconds,
                                  .pause_epoch = unit->pause_epoch,
                                  .checkpoint = unit->checkpoint,
                                  .checkpoint_length = unit->checkpoint_length,
                                  .on_epoch = unit->on_epoch,
                                  .context = unit->context};
  err = train_run(&request, &trained, info);
  if (err == ERR_INVALID && request.checkpoint != NULL)
  {
    /* The long way gives the same, and says what else may be wrong. */
    request.checkpoint = NULL;
    err = train_run(&request, &trained, info);
  }
  if (err == ERR_OK)
  {
    if (rows.fit.stop)
      err = score_fold(data, &rows, &trained, info);
    if (err == ERR_OK)
      err = keep(data, unit->fold, &trained, rows.fit.train_count, rows.valid_count, result, info);
    result->seconds = clock_cpu_s() - start_s;
    if (err != ERR_OK)
      tune_unit_result_clear(result);
    train_result_clear(&trained);
  }
out:
  free(rows.valid);
  free(rows.fit.stop);
  free(rows.fit.train);
  return err;
}
