#include <config.h>

#include "train/fit_mlp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "model/family.h"
#include "train/loss.h"

/* The pace is kept every so many steps, and once as soon as there is something to go by. */
#define PACE_EVERY 16
#define PACE_FIRST 8
/* The pinball and the absolute loss are rounded within this many standard deviations of the target. */
#define PINBALL_WIDTH 0.02
#define HUBER_WIDTH 1.0
/* Part of the time left that is planned for; the rest is for the last validation and hand-over. */
#define TIME_SHARE 0.92

/* Where a schedule goes up and down, only epochs that end at such a part of its peak or less may be the best:
 * others are better by luck alone. */
#define RATE_LOW 0.12
#define THIRD_WAVE_STARTS 0.3 /* its low ends; the one before it is at 3/15 */
#define THIRD_WAVE_ENDS (7.0 / 15.0 - 1e-9)

/* With fewer validation rows than this a metric that counts hits picks its epoch by luck, which flatters
 * the score; the log loss picks more steadily. */
#define METRIC_ROWS_LEAST 4000

/* ---- one step ------------------------------------------------------------------------------------- */

static void
fetch_labels(struct mlp_run *run, const size_t *order)
{
  const struct fit_rows *train = &run->fit->train;

  for (size_t i = 0; i < run->batch; i++)
  {
    if (train->classes)
      run->y[i] = train->classes[order[i]];
    else
      run->target[i] = train->target[order[i]];
    if (run->weight)
      run->weight[i] = train->weight[order[i]];
  }
}

static void
move_weights(struct mlp_run *run)
{
  struct optim_step step = run->peak;

  fit_schedule(run->fit, run->schedule, run->pace.t, &step);
  if (run->realmlp)
    step.decay *= schedule_rate(SCHEDULE_FLAT_COSINE, run->pace.t);
  optim_move(&run->optim, &step, run->ranges, run->range_count, run->net->w, run->net->g);
  if (run->ema.shadow)
    ema_update(&run->ema, run->net->w);
}

/* The loss of a batch's outputs, its gradient into the work's. */
static double
loss_of(struct mlp_run *run, const float *y)
{
  size_t n = run->batch;
  float *d = run->work.d[0];

  switch (run->loss)
  {
  case MLP_SOFTMAX:
    return loss_softmax(n, run->fit->outputs, y, run->y, run->weight, run->smoothing, d);
  case MLP_ABSOLUTE:
    return loss_absolute(n, y, run->target, run->weight, PINBALL_WIDTH, d);
  case MLP_HUBER:
    return loss_huber(n, y, run->target, run->weight, HUBER_WIDTH, d);
  case MLP_PINBALL:
    return loss_pinball(n, y, run->target, run->weight, run->fit->quantile, PINBALL_WIDTH, d);
  case MLP_SQUARE:
    break;
  }
  return loss_square(n, y, run->target, run->weight, d);
}

static enum err
take_step(struct mlp_run *run, const size_t *order, double *loss, struct err_info *info)
{
  const struct fit *fit = run->fit;

  fit_fetch(&fit->train, order, 0, run->batch, run->x);
  fetch_labels(run, order);
  if (run->realmlp)
    run->net->config.dropout =
      run->dropout * (float) schedule_rate(SCHEDULE_FLAT_COSINE, run->pace.t);
  const float *y = net_forward_training(run->net, &run->work, run->x, run->batch,
                                        fit->request->seed, run->pace.done);
  if (!y)
    return err_set(info, ERR_INTERNAL, "the matrix product failed");
  *loss = loss_of(run, y);
  enum err rc = fit_note_loss(fit, *loss, info);
  if (rc != ERR_OK)
    return rc;
  if (!isfinite(*loss))
    return err_set(info, ERR_DIVERGED,
                   "the loss is not finite after %zu steps; a smaller learning_rate may help",
                   run->pace.done);
  if (!net_backward(run->net, &run->work, run->x, run->batch))
    return err_set(info, ERR_INTERNAL, "the matrix product failed");
  move_weights(run);
  return ERR_OK;
}

/* ---- validation ----------------------------------------------------------------------------------- */

float *
mlp_shown_weights(const struct mlp_run *run)
{
  return run->ema.shadow ? run->ema.shadow : run->net->w;
}

static bool
predict_rows(struct mlp_run *run)
{
  const struct fit *fit = run->fit;
  size_t k = fit->outputs;

  for (size_t first = 0; first < fit->valid.count; first += MLP_VALID_BATCH)
  {
    size_t n =
      fit->valid.count - first < MLP_VALID_BATCH ? fit->valid.count - first : MLP_VALID_BATCH;
    fit_fetch(&fit->valid, NULL, first, n, run->x);
    const float *y = net_forward(run->net, &run->valid_work, run->x, n);
    if (!y)
      return false;
    memcpy(run->outputs + first * k, y, n * k * sizeof *y);
  }
  return true;
}

static bool
predict_valid(struct mlp_run *run)
{
  float *trained = run->net->w;

  run->net->w = mlp_shown_weights(run);
  net_fold(run->net);
  bool good = predict_rows(run);
  run->net->w = trained;
  return good;
}

/* Scores the validation rows into *progress; *score is what the best epoch is chosen by. */
static enum err
validate(struct mlp_run *run, struct train_progress *progress, double *score, struct err_info *info)
{
  const struct fit *fit = run->fit;
  const struct train_request *request = fit->request;
  struct labels labels = {.count = fit->valid.count,
                          .classes = fit->valid.classes,
                          .values = fit->valid.values,
                          .weights = fit->valid.own};
  size_t count = fit->valid.count * fit->outputs;

  if (!predict_valid(run))
    return err_set(info, ERR_INTERNAL, "the matrix product failed");
  if (fit->valid.classes)
  {
    net_softmax(fit->valid.count, fit->outputs, run->outputs);
    if (fit->rebalance)
      model_rebalance(fit->rebalance, fit->outputs, fit->valid.count, run->outputs);
  }
  else
    model_scale_target(&fit->target, run->outputs, count);
  for (size_t i = 0; i < count; i++)
    if (!isfinite(run->outputs[i]))
      return err_set(info, ERR_DIVERGED,
                     "the predictions are not finite in epoch %zu; a smaller learning_rate may "
                     "help",
                     progress->epoch);
  progress->valid_metric =
    metric_score(request->metric, request->task, &labels, run->outputs, request->decision);
  progress->valid_loss = fit->valid.classes || fit->quantile == 0.0
                           ? metric_compute(fit->valid.classes ? METRIC_LOG_LOSS : METRIC_RMSE,
                                            request->task, &labels, run->outputs)
                           : progress->valid_metric;
  *score = progress->valid_loss;
  if (!fit->valid.classes || fit->valid.count >= METRIC_ROWS_LEAST)
    *score =
      metric_objective(request->metric, request->task, &labels, run->outputs, request->decision);
  return ERR_OK;
}

/* ---- the run -------------------------------------------------------------------------------------- */

static bool
goes_up_again(enum schedule_kind schedule)
{
  return schedule == SCHEDULE_COSLOG4 || schedule == SCHEDULE_SGDR || schedule == SCHEDULE_CYCLIC;
}

/* Keeps the weights if this epoch is the best so far; while there has been none that may be, the last is. */
static void
keep_best(struct mlp_run *run, size_t epoch, double score)
{
  bool may_be = run->fit->valid.count == 0 || !goes_up_again(run->schedule)
                || schedule_rate(run->schedule, run->pace.t) <= RATE_LOW;
  bool is_best = may_be && stop_is_best(&run->rule, epoch, score);

  if (!is_best && !(isinf(run->rule.best) && run->rule.best > 0.0))
    return;
  run->rule.best_epoch = epoch;
  memcpy(run->best, mlp_shown_weights(run), run->net->param_count * sizeof *run->best);
}

static enum err
end_epoch(struct mlp_run *run, size_t epoch, double train_loss, struct fit_outcome *outcome,
          struct err_info *info)
{
  struct train_progress progress = {.epoch = epoch,
                                    .epoch_count = run->epochs,
                                    .train_loss = train_loss,
                                    .valid_loss = (double) NAN,
                                    .valid_metric = (double) NAN};
  double score = -(double) epoch, before = clock_monotonic_s();
  enum err rc = ERR_OK;

  if (run->pace.shortened)
    progress.epoch_count = epoch + run->pace.left / run->steps_per_epoch;
  if (run->fit->valid.count)
    rc = validate(run, &progress, &score, info);
  if (rc != ERR_OK)
    return rc;
  run->valid_seconds = clock_monotonic_s() - before;
  outcome->epochs = epoch;
  keep_best(run, epoch, score);
  return fit_report(run->fit, &progress, info);
}

static void
keep_pace(struct mlp_run *run)
{
  double left = fit_seconds_left(run->fit) * TIME_SHARE;

  if (isinf(left) || (run->pace.done % PACE_EVERY && run->pace.done != PACE_FIRST))
    return;
  /* each epoch ends with a validation, and so does the whole */
  run->pace.beside = run->valid_seconds / (double) run->steps_per_epoch;
  pace_fit(&run->pace, left - 2.0 * run->valid_seconds);
}

static enum err
run_epoch(struct mlp_run *run, size_t epoch, double *loss, struct err_info *info)
{
  double sum = 0.0;
  size_t steps = 0;
  struct rng rng;

  for (size_t i = 0; i < run->fit->train.count; i++)
    run->order[i] = i;
  rng_init(&rng, run->fit->request->seed, rng_mix(3, epoch));
  rng_shuffle(&rng, run->order, run->fit->train.count);
  for (; steps < run->steps_per_epoch && run->pace.left; steps++)
  {
    double before = clock_monotonic_s(), step_loss = 0.0;
    enum err rc = take_step(run, run->order + steps * run->batch, &step_loss, info);
    if (rc != ERR_OK)
      return rc;
    sum += step_loss;
    pace_step(&run->pace, clock_monotonic_s() - before);
    keep_pace(run);
  }
  *loss = steps ? sum / (double) steps : (double) NAN;
  return ERR_OK;
}

/* Of coslog4's four waves the last takes more than half the time: there is no point in it if the third came to
 * nothing better than the ones before. */
static bool
third_wave_was_in_vain(const struct mlp_run *run)
{
  double t = run->pace.t, epoch = (double) run->epoch;
  bool ends = t >= THIRD_WAVE_ENDS && t * (epoch - 1.0) / epoch < THIRD_WAVE_ENDS;

  return run->schedule == SCHEDULE_COSLOG4 && ends
         && t * (double) run->rule.best_epoch / epoch < THIRD_WAVE_STARTS;
}

/* Whether the run ends after this epoch, and how. */
static bool
ends_here(const struct mlp_run *run, enum train_stop *stop)
{
  const struct fit *fit = run->fit;

  if (fit->valid.count && stop_now(&run->rule, run->epoch))
    *stop = TRAIN_STOP_PATIENCE;
  else if (fit->valid.count && run->rule.patience == 0 && third_wave_was_in_vain(run))
    *stop = TRAIN_STOP_PATIENCE;
  else if (run->pace.left == 0)
    *stop = run->pace.done < run->pace.planned ? TRAIN_STOP_TIME : TRAIN_STOP_COMPLETE;
  else if (run->epoch == fit->request->pause_epoch)
    *stop = TRAIN_STOP_PAUSE;
  else
    return false;
  return true;
}

static enum err
run_all(struct mlp_run *run, struct fit_outcome *outcome, struct err_info *info)
{
  bool ended = run->pace.left == 0;

  outcome->epochs = run->epoch;
  while (!ended)
  {
    double loss;
    enum err rc = run_epoch(run, run->epoch + 1, &loss, info);
    if (rc == ERR_OK)
      rc = end_epoch(run, ++run->epoch, loss, outcome, info);
    if (rc != ERR_OK)
      return rc;
    ended = ends_here(run, &outcome->stop);
  }
  outcome->best_epoch = run->rule.best_epoch ? run->rule.best_epoch : 1;
  return ERR_OK;
}

/* The best weights in a net of their own without gradients and moments. */
static enum err
hand_over(const struct mlp_run *run, struct fit_outcome *outcome, struct err_info *info)
{
  struct net *net;
  enum err rc = net_export(run->net, run->best, &net, info);

  for (size_t i = 0; rc == ERR_OK && i < net->param_count; i++)
    if (!isfinite(net->w[i]))
    {
      net_free(net);
      return err_set(info, ERR_DIVERGED,
                     "the weights are not finite; a smaller learning_rate may help");
    }
  if (rc == ERR_OK)
    outcome->body = net;
  return rc;
}

enum err
fit_mlp(struct fit *fit, struct fit_outcome *outcome, struct err_info *info)
{
  const struct train_request *request = fit->request;
  struct mlp_run run = {.fit = fit};
  enum err rc = mlp_set_up(&run, info);

  if (rc == ERR_OK && request->checkpoint)
    rc = mlp_checkpoint_read(&run, request->checkpoint, request->checkpoint_length, info);
  if (rc == ERR_OK && request->pause_epoch && request->pause_epoch <= run.epoch)
    rc = err_set(info, ERR_INVALID, "the checkpoint is of epoch %zu, the pause to be after %zu",
                 run.epoch, request->pause_epoch);
  if (rc == ERR_OK)
    rc = run_all(&run, outcome, info);
  if (rc == ERR_OK && outcome->stop == TRAIN_STOP_PAUSE)
    mlp_checkpoint_write(&run, &outcome->checkpoint);
  if (rc == ERR_OK && outcome->checkpoint.failed)
    rc =
      err_set(info, ERR_MEMORY, "no memory for a checkpoint of %zu weights", run.net->param_count);
  if (rc == ERR_OK)
    rc = hand_over(&run, outcome, info);
  mlp_tear_down(&run);
  return rc;
}
