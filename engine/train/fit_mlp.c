#include <config.h>

#include "train/fit_mlp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "model/family.h"
#include "train/loss.h"

#define VALID_BATCH 256
#define PACE_EVERY 16
/* The pinball and the absolute loss are rounded within this many standard deviations of the target. */
#define PINBALL_WIDTH 0.02
#define HUBER_WIDTH 1.0
/* Part of the time left that is planned for; the rest is for the last validation and hand-over. */
#define TIME_SHARE 0.92

/* With fewer validation rows than this a metric that counts hits picks its epoch by luck, which flatters
 * the score; the log loss picks more steadily. */
#define METRIC_ROWS_LEAST 4000

/* ---- setting up ----------------------------------------------------------------------------------- */

static enum mlp_loss
choose_loss(const struct fit *fit)
{
  if (fit->train.classes)
    return MLP_SOFTMAX;
  if (fit->quantile > 0.0)
    return MLP_PINBALL;
  switch ((enum family_loss) fit_choice(fit, "loss"))
  {
  case FAMILY_LOSS_SQUARE:
    return MLP_SQUARE;
  case FAMILY_LOSS_ABSOLUTE:
    return MLP_ABSOLUTE;
  case FAMILY_LOSS_HUBER:
    return MLP_HUBER;
  case FAMILY_LOSS_AUTO:
    break;
  }
  return fit->request->metric == METRIC_MAE ? MLP_ABSOLUTE : MLP_SQUARE;
}

static void
read_params(struct mlp_run *run)
{
  const struct fit *fit = run->fit;
  static const enum schedule_kind schedules[] = {
    [FAMILY_COSINE] = SCHEDULE_COSINE,     [FAMILY_ONE_CYCLE] = SCHEDULE_ONE_CYCLE,
    [FAMILY_CONSTANT] = SCHEDULE_CONSTANT, [FAMILY_STEP] = SCHEDULE_STEP,
    [FAMILY_CYCLIC] = SCHEDULE_CYCLIC,     [FAMILY_SGDR] = SCHEDULE_SGDR,
    [FAMILY_COSLOG4] = SCHEDULE_COSLOG4,   [FAMILY_FLAT_COSINE] = SCHEDULE_FLAT_COSINE};

  run->batch = (size_t) fit_number(fit, "batch_size");
  run->batch = run->batch < fit->train.count ? run->batch : fit->train.count;
  run->steps_per_epoch = fit->train.count / run->batch;
  run->epochs = (size_t) fit_number(fit, "epochs");
  run->schedule = schedules[fit_choice(fit, "schedule")];
  run->smoothing = (float) fit_number(fit, "label_smoothing");
  run->loss = choose_loss(fit);
  run->peak = (struct optim_step){.rate = fit_number(fit, "learning_rate"),
                                  .momentum = fit_number(fit, "momentum"),
                                  .decay = fit_number(fit, "weight_decay"),
                                  .beta2 = fit_number(fit, "beta2"),
                                  .clip = fit_number(fit, "gradient_clip")};
  pace_init(&run->pace, run->epochs * run->steps_per_epoch);
  /* schedules end in their best region, so only a run that is far past its best is given up */
  size_t patience = (size_t) fit_number(fit, "patience");
  stop_init(&run->rule, patience ? patience : run->epochs / 3 > 8 ? run->epochs / 3 : 8);
}

static enum err
make_net(struct mlp_run *run, struct err_info *info)
{
  const struct fit *fit = run->fit;
  struct net_config config = {.inputs = fit->train.width,
                              .outputs = fit->outputs,
                              .layers = (size_t) fit_number(fit, "layers"),
                              .units = (size_t) fit_number(fit, "units"),
                              .activation = (enum net_activation) fit_choice(fit, "activation"),
                              .dropout = (float) fit_number(fit, "dropout")};
  enum err rc = net_new(&config, true, &run->net, info);

  if (rc != ERR_OK)
    return rc;
  net_init_weights(run->net, fit->request->seed);
  for (size_t i = 0; i < run->net->layer_count; i++)
  {
    const struct net_layer *layer = &run->net->layers[i];
    run->ranges[run->range_count++] = (struct optim_range){
      .first = layer->weights, .count = layer->in * layer->out, .rate = 1.0f, .decay = 1.0f};
    run->ranges[run->range_count++] =
      (struct optim_range){.first = layer->bias, .count = layer->out, .rate = 1.0f};
  }
  return ERR_OK;
}

static enum err
set_up(struct mlp_run *run, struct err_info *info)
{
  static const enum optim_kind optimizers[] = {[FAMILY_ADAMW] = OPTIM_ADAMW,
                                               [FAMILY_ADAM] = OPTIM_ADAM,
                                               [FAMILY_SGD] = OPTIM_NESTEROV,
                                               [FAMILY_HEAVY_BALL] = OPTIM_MOMENTUM,
                                               [FAMILY_RMSPROP] = OPTIM_RMSPROP};
  const struct fit *fit = run->fit;
  enum err rc;

  read_params(run);
  rc = make_net(run, info);
  if (rc != ERR_OK)
    return rc;
  double ema = fit_number(fit, "ema");
  size_t rows = run->batch > VALID_BATCH ? run->batch : VALID_BATCH;
  run->order = calloc(fit->train.count, sizeof *run->order);
  run->x = aligned_alloc(64, (rows * fit->train.width * sizeof(float) + 64) / 64 * 64);
  run->y = calloc(run->batch, sizeof *run->y);
  run->target = calloc(run->batch, sizeof *run->target);
  run->weight = fit->train.weight ? calloc(run->batch, sizeof *run->weight) : NULL;
  run->best = calloc(run->net->param_count, sizeof *run->best);
  run->outputs = calloc(fit->valid.count * fit->outputs + 1, sizeof *run->outputs);
  if (!run->order || !run->x || !run->y || !run->target || (fit->train.weight && !run->weight)
      || !run->best || !run->outputs
      || net_work_init(&run->work, run->net, run->batch, true) != ERR_OK
      || net_work_init(&run->valid_work, run->net, VALID_BATCH, false) != ERR_OK
      || optim_init(&run->optim, optimizers[fit_choice(fit, "optimizer")], run->net->param_count)
           != ERR_OK
      || (ema > 0.0 && ema_init(&run->ema, ema, run->net->w, run->net->param_count) != ERR_OK))
    return err_set(info, ERR_MEMORY, "no memory for a network of %zu weights",
                   run->net->param_count);
  return ERR_OK;
}

static void
tear_down(struct mlp_run *run)
{
  ema_clear(&run->ema);
  optim_clear(&run->optim);
  net_work_clear(&run->valid_work);
  net_work_clear(&run->work);
  free(run->outputs);
  free(run->best);
  free(run->weight);
  free(run->target);
  free(run->y);
  free(run->x);
  free(run->order);
  net_free(run->net);
}

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

  for (size_t first = 0; first < fit->valid.count; first += VALID_BATCH)
  {
    size_t n = fit->valid.count - first < VALID_BATCH ? fit->valid.count - first : VALID_BATCH;
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
  if (stop_is_best(&run->rule, epoch, score) || epoch == 1)
    memcpy(run->best, mlp_shown_weights(run), run->net->param_count * sizeof *run->best);
  return fit_report(run->fit, &progress, info);
}

static void
keep_pace(struct mlp_run *run)
{
  double left = fit_seconds_left(run->fit) * TIME_SHARE;

  if (isinf(left) || run->pace.done % PACE_EVERY)
    return;
  /* each epoch left ends with a validation, and so does the whole */
  double ends = (double) run->pace.left / (double) run->steps_per_epoch + 2.0;
  pace_fit(&run->pace, left - ends * run->valid_seconds);
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

/* Whether the run ends after this epoch, and how. */
static bool
ends_here(const struct mlp_run *run, enum train_stop *stop)
{
  const struct fit *fit = run->fit;

  if (fit->valid.count && stop_now(&run->rule, run->epoch))
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
  enum err rc = net_new(&run->net->config, false, &net, info);

  if (rc != ERR_OK)
    return rc;
  memcpy(net->w, run->best, net->param_count * sizeof *net->w);
  for (size_t i = 0; i < net->param_count; i++)
    if (!isfinite(net->w[i]))
    {
      net_free(net);
      return err_set(info, ERR_DIVERGED,
                     "the weights are not finite; a smaller learning_rate may help");
    }
  outcome->body = net;
  return ERR_OK;
}

enum err
fit_mlp(struct fit *fit, struct fit_outcome *outcome, struct err_info *info)
{
  const struct train_request *request = fit->request;
  struct mlp_run run = {.fit = fit};
  enum err rc = set_up(&run, info);

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
  tear_down(&run);
  return rc;
}
