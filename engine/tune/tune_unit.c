#include <config.h>

#include "tune/tune_unit.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"

void
tune_unit_result_clear(struct tune_unit_result *result)
{
  buf_free(&result->model);
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
  return detail;
}

static enum err
keep(const struct tune_data *data, struct train_result *trained, size_t train_count,
     size_t valid_count, struct tune_unit_result *result, struct err_info *info)
{
  enum err err = model_save(trained->model, &result->model, info);
  if (err != ERR_OK)
    return err;
  result->detail = describe(trained, train_count, valid_count);
  if (result->model.failed || result->detail == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the trained model");
  result->predictions = trained->valid_predictions;
  trained->valid_predictions = NULL;
  result->prediction_count = valid_count * data->task.output_count;
  result->metric = trained->metric;
  result->objective = trained->objective;
  return ERR_OK;
}

enum err
tune_unit_run(const struct tune_data *data, const struct tune_unit *unit,
              struct tune_unit_result *result, struct err_info *info)
{
  size_t *train_rows = NULL, *valid_rows = NULL, train_count = 0, valid_count = 0;
  struct train_result trained = {0};
  double start_s = clock_cpu_s();
  *result = (struct tune_unit_result){0};
  if (unit->fold >= data->split->fold_count)
    return err_set(info, ERR_INVALID, "there is no fold %zu", unit->fold);
  enum err err = split_train_rows(data->split, unit->fold, &train_rows, &train_count);
  if (err == ERR_OK)
    err = split_valid_rows(data->split, unit->fold, &valid_rows, &valid_count);
  if (err != ERR_OK)
  {
    err_set(info, err, "out of memory for the rows of fold %zu", unit->fold);
    goto out;
  }
  struct train_request request = {.dataset = data->dataset,
                                  .task = &data->task,
                                  .family = unit->family,
                                  .params = unit->params,
                                  .train_rows = train_rows,
                                  .train_count = train_count,
                                  .valid_rows = valid_rows,
                                  .valid_count = valid_count,
                                  .metric = data->metric,
                                  .class_weight_balanced = data->spec->class_weight_balanced,
                                  .seed = tune_fit_seed(data, unit->trial, unit->fold),
                                  .max_seconds = unit->max_seconds,
                                  .on_epoch = unit->on_epoch,
                                  .context = unit->context};
  err = train_run(&request, &trained, info);
  if (err == ERR_OK)
  {
    err = keep(data, &trained, train_count, valid_count, result, info);
    result->seconds = clock_cpu_s() - start_s;
    if (err != ERR_OK)
      tune_unit_result_clear(result);
    train_result_clear(&trained);
  }
out:
  free(valid_rows);
  free(train_rows);
  return err;
}
