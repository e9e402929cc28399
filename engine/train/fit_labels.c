#include <config.h>

#include "train/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum err
read_classes(const struct train_request *request, const size_t *rows, struct fit_rows *set,
             struct err_info *info)
{
  set->classes = calloc(set->count + 1, sizeof *set->classes);
  if (!set->classes)
    return err_set(info, ERR_MEMORY, "no memory for %zu labels", set->count);
  for (size_t i = 0; i < set->count; i++)
  {
    set->classes[i] = task_class_of(request->task, request->dataset, rows[i]);
    if (set->classes[i] < 0 || (size_t) set->classes[i] >= request->task->class_count)
      return err_set(info, ERR_INVALID, "row %zu has no label", rows[i] + 1);
  }
  return ERR_OK;
}

static enum err
read_values(const struct train_request *request, const size_t *rows, struct fit_rows *set,
            struct err_info *info)
{
  set->values = calloc(set->count + 1, sizeof *set->values);
  set->target = calloc(set->count + 1, sizeof *set->target);
  if (!set->values || !set->target)
    return err_set(info, ERR_MEMORY, "no memory for %zu labels", set->count);
  for (size_t i = 0; i < set->count; i++)
  {
    set->values[i] = task_value_of(request->task, request->dataset, rows[i]);
    if (!isfinite(set->values[i]))
      return err_set(info, ERR_INVALID, "row %zu has no number to predict", rows[i] + 1);
  }
  return ERR_OK;
}

/* ln (1 + value) where errors are to count by their ratio. */
static double
transformed(const struct fit *fit, double value)
{
  return fit->target.log ? log1p(value) : value;
}

/* Mean and spread of the training rows' targets, by weight. */
static void
measure_targets(struct fit *fit, double *mean, double *square)
{
  const struct fit_rows *train = &fit->train;
  double sum = 0.0;

  *mean = *square = 0.0;
  fit->target.low = INFINITY;
  fit->target.high = -INFINITY;
  for (size_t i = 0; i < train->count; i++)
  {
    double weight = train->weight ? (double) train->weight[i] : 1.0;
    if (!(weight > 0.0))
      continue;
    double value = transformed(fit, train->values[i]), delta = value - *mean;
    sum += weight;
    *mean += delta * weight / sum;
    *square += weight * delta * (value - *mean);
    fit->target.low = fmin(fit->target.low, value);
    fit->target.high = fmax(fit->target.high, value);
  }
  *square /= sum;
}

/* Standardises by the training rows; a constant target cannot be learnt from. */
static enum err
scale_targets(struct fit *fit, struct err_info *info)
{
  struct fit_rows *train = &fit->train, *valid = &fit->valid;
  double mean, square;

  fit->target.log = fit->request->metric == METRIC_RMSLE;
  for (size_t i = 0; fit->target.log && i < train->count; i++)
    if (train->values[i] < 0.0)
      return err_set(info, ERR_INVALID, "rmsle takes no negative targets; choose rmse or mae");
  measure_targets(fit, &mean, &square);
  double sd = sqrt(square), low = fit->target.low, high = fit->target.high;
  if (!(high > low))
    return err_set(info, ERR_INVALID,
                   "the target is the same in all %zu training rows, so there is nothing to learn",
                   train->count);
  if (!isfinite(sd) || !(sd > 0.0) || high > 1e30 || low < -1e30)
    return err_set(info, ERR_INVALID, "the target's values are too large to compute with");
  fit->target.mean = mean;
  fit->target.sd = sd;
  /* a power of e of what was never seen can be anything */
  fit->target.clamp = fit->target.log || strcmp(fit->request->family, "mlp") == 0;
  for (size_t i = 0; i < train->count; i++)
    train->target[i] = (float) ((transformed(fit, train->values[i]) - mean) / sd);
  for (size_t i = 0; i < valid->count; i++)
    valid->target[i] =
      (float) ((transformed(fit, fmax(valid->values[i], fit->target.log ? 0.0 : -INFINITY)) - mean)
               / sd);
  return ERR_OK;
}

/* The weights of the loss: the rows' own times their classes', brought to a mean of 1. */
static enum err
weigh(const struct fit *fit, struct fit_rows *set)
{
  double sum = 0.0;

  if (!set->own && !fit->class_weight)
    return ERR_OK;
  set->weight = calloc(set->count + 1, sizeof *set->weight);
  if (!set->weight)
    return ERR_MEMORY;
  for (int pass = 0; pass < 2; pass++)
    for (size_t i = 0; i < set->count; i++)
    {
      double weight = set->own ? set->own[i] : 1.0;
      if (fit->class_weight)
        weight *= fit->class_weight[set->classes[i]];
      if (pass == 0)
        sum += weight;
      else
        set->weight[i] = (float) (sum > 0.0 ? weight * (double) set->count / sum : 1.0);
    }
  return ERR_OK;
}

/* Weight of each class's training rows; a class without any is not there to learn. */
static enum err
check_classes(struct fit *fit, struct err_info *info)
{
  const struct train_request *request = fit->request;
  size_t classes = request->task->class_count, present = 0;
  double *sums = calloc(classes + 1, sizeof *sums), total = 0.0;
  bool weighted = request->class_weights || request->class_weight_balanced;
  enum err rc = sums ? ERR_OK : ERR_MEMORY;

  for (size_t i = 0; sums && i < fit->train.count; i++)
    sums[fit->train.classes[i]] += fit->train.own ? fit->train.own[i] : 1.0;
  for (size_t k = 0; sums && k < classes; k++)
  {
    present += sums[k] > 0.0;
    total += sums[k];
  }
  if (sums && present < 2)
    rc = err_set(info, ERR_INVALID,
                 "all %zu training rows are of one class, so there is nothing to learn",
                 fit->train.count);
  if (rc == ERR_OK && weighted)
  {
    fit->class_weight = calloc(classes + 1, sizeof *fit->class_weight);
    fit->rebalance = calloc(classes + 1, sizeof *fit->rebalance);
    rc = fit->class_weight && fit->rebalance ? ERR_OK : ERR_MEMORY;
  }
  for (size_t k = 0; rc == ERR_OK && weighted && k < classes; k++)
  {
    double balanced = sums[k] > 0.0 ? total / ((double) present * sums[k]) : 1.0;
    fit->class_weight[k] = request->class_weights ? request->class_weights[k] : balanced;
    fit->rebalance[k] = 1.0 / fit->class_weight[k];
  }
  free(sums);
  return rc == ERR_MEMORY ? err_set(info, rc, "no memory for %zu classes", classes) : rc;
}

static enum err
read_weights(const struct train_request *request, const size_t *rows, struct fit_rows *set,
             struct err_info *info)
{
  double sum = 0.0;

  if (!request->row_weights || set->count == 0)
    return ERR_OK;
  set->own = calloc(set->count, sizeof *set->own);
  if (!set->own)
    return err_set(info, ERR_MEMORY, "no memory for %zu weights", set->count);
  for (size_t i = 0; i < set->count; i++)
    sum += set->own[i] = request->row_weights[rows[i]];
  if (!(sum > 0.0) || !isfinite(sum))
    return err_set(
      info, ERR_INVALID,
      "the sample weights of %zu rows of a part of the data have no finite sum above 0; "
      "give more rows a weight",
      set->count);
  return ERR_OK;
}

enum err
fit_read_labels(struct fit *fit, struct err_info *info)
{
  const struct train_request *request = fit->request;
  bool regression = request->task->kind == TASK_REGRESSION;
  enum err (*read)(const struct train_request *, const size_t *, struct fit_rows *,
                   struct err_info *) = regression ? read_values : read_classes;
  enum err rc = read(request, request->train_rows, &fit->train, info);

  if (rc == ERR_OK)
    rc = read(request, request->valid_rows, &fit->valid, info);
  if (rc == ERR_OK)
    rc = read_weights(request, request->train_rows, &fit->train, info);
  if (rc == ERR_OK)
    rc = read_weights(request, request->valid_rows, &fit->valid, info);
  if (rc == ERR_OK && !regression)
    rc = check_classes(fit, info);
  if (rc == ERR_OK && (weigh(fit, &fit->train) != ERR_OK || weigh(fit, &fit->valid) != ERR_OK))
    rc = err_set(info, ERR_MEMORY, "no memory for %zu weights", fit->train.count);
  return rc == ERR_OK && regression ? scale_targets(fit, info) : rc;
}
