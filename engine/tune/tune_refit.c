#include <config.h>

#include "tune/tune_refit.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "train/train.h"

enum err
tune_refit_rows(const struct tune_data *data, bool all, size_t **rows, size_t *count)
{
  const struct split *split = data->split;
  *count = 0;
  *rows = malloc((split->row_count + 1) * sizeof **rows);
  if (*rows == NULL)
    return ERR_MEMORY;
  for (size_t row = 0; row < split->row_count; row++)
    if (split->fold_of[row] != SPLIT_UNUSED && (all || split->fold_of[row] != SPLIT_REPORT))
      (*rows)[(*count)++] = row;
  return ERR_OK;
}

double
tune_refit_seconds(const struct tune_trial *trial, size_t row_count, size_t train_count)
{
  double seconds = trial->folds[0].seconds;
  return seconds > 0 ? seconds * (double) row_count / (double) train_count : (double) NAN;
}

static bool
in_time(void *context, const struct train_progress *progress)
{
  const double *deadline_s = context;
  (void) progress;
  return clock_monotonic_s() < *deadline_s;
}

size_t
tune_refit_typical_fold(const struct tune_trial *trial, size_t fold_count)
{
  for (size_t f = 0; f < fold_count; f++)
  {
    size_t epoch = trial->folds[f].best_epoch, before = 0, same = 0;
    for (size_t other = 0; other < fold_count; other++)
    {
      before += trial->folds[other].best_epoch < epoch;
      same += trial->folds[other].best_epoch == epoch;
    }
    if (before <= (fold_count - 1) / 2 && (fold_count - 1) / 2 < before + same)
      return f;
  }
  return 0;
}

/* The trial's parameters; where the clock had shortened its schedule, with the epochs that came of it (new
 * reference). */
static json_t *
params_of(const struct tune_trial *trial, const struct tune_fold_output *fit)
{
  json_t *params = trial->params != NULL ? json_deep_copy(trial->params) : json_object();
  const struct model_family *family = model_family_find(trial->family);
  if (params != NULL && fit->cut_short && fit->epochs > 0 && family != NULL && family->has_rungs)
    json_object_set_new(params, "epochs", json_integer((json_int_t) fit->epochs));
  return params;
}

enum err
tune_refit_run(const struct tune_data *data, const struct tune_refit *refit, struct buf *model,
               struct err_info *info)
{
  const struct tune_trial *trial = refit->trial;
  struct train_result trained = {0};
  double deadline_s = refit->deadline_s;
  const struct tune_fold_output *fit =
    &trial->folds[tune_refit_typical_fold(trial, data->split->fold_count)];
  json_t *params = params_of(trial, fit);
  struct train_request request = {.dataset = data->dataset,
                                  .task = &data->task,
                                  .family = trial->family,
                                  .params = params,
                                  .train_rows = refit->rows,
                                  .train_count = refit->row_count,
                                  .metric = data->metric,
                                  .class_weights = data->class_weights,
                                  .row_weights = data->row_weights,
                                  .decision = &data->decision,
                                  .base = refit->base,
                                  .seed = tune_fit_seed(data, (uint64_t) trial->number, 0),
                                  .last_epoch = fit->best_epoch,
                                  .on_epoch = in_time,
                                  .context = &deadline_s};
  if (params == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for a refit");
  enum err err = train_run(&request, &trained, info);
  if (err == ERR_OK)
    err = model_save(trained.model, model, info);
  if (err == ERR_OK && model->failed)
    err = err_set(info, ERR_MEMORY, "out of memory for a refit");
  train_result_clear(&trained);
  json_decref(params);
  return err;
}
