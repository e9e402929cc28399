#include <config.h>

#include "train/fit.h"

#include <math.h>
#include <stdlib.h>

#include "model/trees.h"
#include "train/stop.h"

#define REPORT_EVERY 5

static enum trees_objective
objective_of(const struct fit *fit)
{
  if (fit->shape.task == TASK_REGRESSION)
    return fit->quantile == 0.0 ? TREES_VALUE : TREES_QUANTILE;
  return fit->outputs == 2 ? TREES_SIGMOID : TREES_SOFTMAX;
}

static double
first_quantile(const struct fit *fit)
{
  size_t count = fit->train.count;
  double *values = calloc(2 * count + 1, sizeof *values), *weights = values + count;

  for (size_t i = 0; values && i < count; i++)
  {
    values[i] = (double) fit->train.target[i];
    weights[i] = fit->train.weight ? (double) fit->train.weight[i] : 1.0;
  }
  double first = values ? metric_weighted_quantile(values, weights, count, fit->quantile) : 0.0;
  free(values);
  return isfinite(first) ? first : 0.0;
}

/* The share of the second class, by weight: where boosting starts. */
static double
base_score(const struct fit *fit, enum trees_objective objective)
{
  double sum = 0.0, hits = 0.0;

  if (objective == TREES_QUANTILE)
    return first_quantile(fit);
  if (objective != TREES_SIGMOID)
    return 0.0;
  for (size_t i = 0; i < fit->train.count; i++)
  {
    double weight = fit->train.weight ? (double) fit->train.weight[i] : 1.0;
    sum += weight;
    hits += fit->train.classes[i] == 1 ? weight : 0.0;
  }
  return fmin(fmax(hits / sum, 1e-6), 1.0 - 1e-6);
}

/* Labels as XGBoost takes them; borrowed or new (*owned). */
static const float *
labels_of(const struct fit_rows *rows, float **owned)
{
  *owned = NULL;
  if (rows->target)
    return rows->target;
  *owned = malloc((rows->count + 1) * sizeof **owned);
  for (size_t i = 0; *owned && i < rows->count; i++)
    (*owned)[i] = (float) rows->classes[i];
  return *owned;
}

/* How many rounds there are at most. */
static size_t
rounds_of(const struct fit *fit)
{
  size_t rounds = (size_t) fit_number(fit, "rounds"), last = fit->request->last_epoch;

  return fit->valid.count == 0 && last && last < rounds ? last : rounds;
}

static enum err
grow(const struct fit *fit, struct trees_trainer *trainer, struct fit_outcome *outcome,
     struct err_info *info)
{
  size_t rounds = rounds_of(fit);
  size_t patience = fit->valid.count ? (size_t) fit_number(fit, "patience") : 0;
  struct stop_rule rule;
  double slowest = 0.0, before = fit_elapsed(fit);

  stop_init(&rule, patience);
  outcome->stop = TRAIN_STOP_COMPLETE;
  for (size_t round = 1; round <= rounds; round++)
  {
    struct train_progress progress = {
      .epoch = round, .epoch_count = rounds, .valid_metric = (double) NAN};
    enum err rc = trees_trainer_round(trainer, &progress.train_loss, &progress.valid_loss, info);
    if (rc != ERR_OK)
      return rc;
    if (!isfinite(progress.train_loss))
      return err_set(info, ERR_DIVERGED, "the loss is not finite after %zu rounds", round);
    outcome->epochs = round;
    stop_is_best(&rule, round, fit->valid.count ? progress.valid_loss : -(double) round);
    if (fit->request->metric == METRIC_LOG_LOSS && !fit->class_weight)
      progress.valid_metric = progress.valid_loss;
    else if (fit->request->metric == METRIC_RMSE || fit->quantile > 0.0)
      progress.valid_metric = progress.valid_loss * fit->target.sd;
    if (round % REPORT_EVERY == 0 || round == 1 || round == rounds)
      if ((rc = fit_report(fit, &progress, info)) != ERR_OK)
        return rc;
    double now = fit_elapsed(fit);
    slowest = fmax(now - before, slowest);
    before = now;
    if (stop_now(&rule, round))
    {
      outcome->stop = TRAIN_STOP_PATIENCE;
      break;
    }
    if (fit_seconds_left(fit) < 2.0 * slowest)
    {
      outcome->stop = TRAIN_STOP_TIME;
      break;
    }
  }
  outcome->best_epoch = rule.best_epoch ? rule.best_epoch : outcome->epochs;
  return ERR_OK;
}

enum err
fit_trees(const struct fit *fit, struct fit_outcome *outcome, struct err_info *info)
{
  enum trees_objective objective = objective_of(fit);
  struct trees_config config = {.objective = objective,
                                .inputs = fit->train.width,
                                .groups = objective == TREES_SOFTMAX ? fit->outputs : 1,
                                .learning_rate = fit_number(fit, "learning_rate"),
                                .min_child_weight = fit_number(fit, "min_child_weight"),
                                .subsample = fit_number(fit, "subsample"),
                                .colsample = fit_number(fit, "colsample"),
                                .alpha = fit_number(fit, "alpha"),
                                .lambda = fit_number(fit, "lambda"),
                                .max_depth = (size_t) fit_number(fit, "max_depth"),
                                .seed = fit->request->seed,
                                .quantile = fit->quantile,
                                .base_score = base_score(fit, objective)};
  float *train_owned, *valid_owned;
  struct trees_rows train = {.x = fit->train.x,
                             .rows = fit->train.count,
                             .y = labels_of(&fit->train, &train_owned),
                             .weight = fit->train.weight};
  struct trees_rows valid = {.x = fit->valid.x,
                             .rows = fit->valid.count,
                             .y = labels_of(&fit->valid, &valid_owned),
                             .weight = fit->valid.weight};
  struct trees_trainer *trainer = NULL;
  struct trees *trees = NULL;
  enum err rc = ERR_OK;

  if (!train.y || !valid.y)
    rc = err_set(info, ERR_MEMORY, "no memory for %zu labels", train.rows);
  if (rc == ERR_OK)
    rc = trees_trainer_new(&config, &train, &valid, &trainer, info);
  if (rc == ERR_OK)
    rc = grow(fit, trainer, outcome, info);
  if (rc == ERR_OK)
    rc = trees_trainer_finish(trainer, outcome->best_epoch, &trees, info);
  outcome->body = trees;
  trees_trainer_free(trainer);
  free(valid_owned);
  free(train_owned);
  return rc;
}
