#include <config.h>

#include "tune/tune_bag.h"

#include <stdlib.h>

#include "base/clock.h"

#define COST_ROWS 200
#define COST_AT_LEAST 5

enum err
tune_bag_make(const struct tune_data *data, const struct tune_trial *const *trials,
              const double *weights, size_t count, struct model **bag, struct err_info *info)
{
  size_t folds = data->split->fold_count, used = 0;
  *bag = NULL;
  struct model **members = calloc(count * folds + 1, sizeof *members);
  double *shares = calloc(count * folds + 1, sizeof *shares);
  enum err err = ERR_OK;
  if (members == NULL || shares == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory for the models");
  for (size_t t = 0; t < count && err == ERR_OK; t++)
    for (size_t f = 0; f < folds && weights[t] > 0 && err == ERR_OK; f++)
    {
      const struct tune_fold_output *fold = &trials[t]->folds[f];
      err = model_load(fold->model, fold->model_length, &members[used], info);
      if (err == ERR_OK)
        shares[used++] = weights[t] / (double) folds;
    }
  if (err == ERR_OK)
    err = model_bag_take(members, shares, used, bag, info);
  else
    for (size_t i = 0; i < used; i++)
      model_free(members[i]);
  free(shares);
  free(members);
  return err;
}

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

enum err
tune_bag_cost(const struct tune_data *data, const struct model *model, double seconds,
              double *us_per_row, struct err_info *info)
{
  size_t rows = dataset_row_count(data->dataset), count = 0;
  double times[COST_ROWS];
  struct model_workspace *workspace = model_workspace_new();
  float *out = malloc((data->task.output_count + 1) * sizeof *out);
  enum err err = ERR_OK;
  if (workspace == NULL || out == NULL || rows == 0)
    err = err_set(info, ERR_MEMORY, "out of memory to measure the model");
  double start_s = clock_monotonic_s();
  for (size_t i = 0; i < COST_ROWS + 1 && err == ERR_OK; i++)
  {
    double before_s = clock_monotonic_s();
    if (i > COST_AT_LEAST && before_s - start_s > seconds)
      break;
    size_t row = (i * 7919) % rows;
    err = model_predict_dataset(model, workspace, data->dataset, &row, 1, out, info);
    /* The first call allocates; it is not what a server sees. */
    if (i > 0)
      times[count++] = (clock_monotonic_s() - before_s) * 1e6;
  }
  if (err == ERR_OK)
  {
    qsort(times, count, sizeof *times, compare_doubles);
    *us_per_row = times[count / 2];
  }
  free(out);
  model_workspace_free(workspace);
  return err;
}
