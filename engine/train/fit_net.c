#include <config.h>

#include "train/fit_net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/denormals.h"
#include "base/rng.h"
#include "model/family.h"
#include "model/net.h"

/* The pace is kept every so many steps, and once as soon as there is something to go by. */
#define PACE_EVERY 16
#define PACE_FIRST 8
/* Part of the time left that is planned for; the rest is for the last validation and hand-over. */
#define TIME_SHARE 0.97

/* What predicting a row takes, as a multiple of what training on it does. */
#define VALID_PER_STEP 0.6

/* Where a schedule goes up and down, only epochs that end at such a part of its peak or less may be the best:
 * others are better by luck alone. */
#define RATE_LOW 0.12
#define THIRD_WAVE_STARTS 0.3 /* its low ends; the one before it is at 3/15 */
#define THIRD_WAVE_ENDS (7.0 / 15.0 - 1e-9)

/* With fewer validation rows than this a metric that counts hits picks its epoch by luck, which flatters
 * the score; the log loss picks more steadily. (Of 5,000 images it took epoch 20 of 28, with 0.9418 right, whose
 * successors had 0.935 to 0.940 and the lower log losses.) */
#define METRIC_ROWS_LEAST 20000

/* ---- setting up ----------------------------------------------------------------------------------- */

static bool
goes_up_again(enum schedule_kind schedule)
{
  return schedule == SCHEDULE_COSLOG4 || schedule == SCHEDULE_SGDR || schedule == SCHEDULE_CYCLIC;
}

/* Schedules end in their best region, so a run has to be far past its best to be given up; those that go up again
 * may always come to a better one. */
static size_t
usual_patience(const struct fit_net_plan *plan)
{
  if (goes_up_again(plan->schedule))
    return 0;
  return plan->epochs / 3 > 8 ? plan->epochs / 3 : 8;
}

void
fit_net_read_plan(const struct fit *fit, struct fit_net_plan *plan)
{
  static const enum optim_kind optimizers[] = {[FAMILY_ADAMW] = OPTIM_ADAMW,
                                               [FAMILY_ADAM] = OPTIM_ADAM,
                                               [FAMILY_SGD] = OPTIM_NESTEROV,
                                               [FAMILY_HEAVY_BALL] = OPTIM_MOMENTUM,
                                               [FAMILY_RMSPROP] = OPTIM_RMSPROP};
  static const enum schedule_kind schedules[] = {
    [FAMILY_COSINE] = SCHEDULE_COSINE,     [FAMILY_ONE_CYCLE] = SCHEDULE_ONE_CYCLE,
    [FAMILY_CONSTANT] = SCHEDULE_CONSTANT, [FAMILY_STEP] = SCHEDULE_STEP,
    [FAMILY_CYCLIC] = SCHEDULE_CYCLIC,     [FAMILY_SGDR] = SCHEDULE_SGDR,
    [FAMILY_COSLOG4] = SCHEDULE_COSLOG4,   [FAMILY_FLAT_COSINE] = SCHEDULE_FLAT_COSINE};

  plan->optimizer = optimizers[fit_choice(fit, "optimizer")];
  plan->schedule = schedules[fit_choice(fit, "schedule")];
  plan->peak = (struct optim_step){.rate = fit_number(fit, "learning_rate"),
                                   .momentum = fit_number(fit, "momentum"),
                                   .decay = fit_number(fit, "weight_decay"),
                                   .beta2 = fit_number(fit, "beta2"),
                                   .clip = fit_number(fit, "gradient_clip")};
  plan->smoothing = (float) fit_number(fit, "label_smoothing");
  plan->epochs = (size_t) fit_number(fit, "epochs");
  plan->patience = usual_patience(plan);
}

static enum err
allocate(struct fit_net *run, struct err_info *info)
{
  const struct fit *fit = run->fit;
  const struct fit_net_plan *plan = run->plan;
  size_t rows = run->batch > FIT_NET_VALID_BATCH ? run->batch : FIT_NET_VALID_BATCH;
  bool weighted = fit->train.weight != NULL, averaged = plan->ema > 0.0;

  run->order = calloc(fit->train.count, sizeof *run->order);
  run->x = aligned_alloc(64, (rows * fit->train.width * sizeof(float) + 64) / 64 * 64);
  run->y = calloc(run->batch, sizeof *run->y);
  run->target = calloc(run->batch, sizeof *run->target);
  run->weight = weighted ? calloc(run->batch, sizeof *run->weight) : NULL;
  run->mixed_d = plan->mixup > 0.0 ? calloc(run->batch * fit->outputs, sizeof *run->mixed_d) : NULL;
  run->raw = averaged ? calloc(plan->param_count, sizeof *run->raw) : NULL;
  run->best = calloc(plan->param_count + plan->statistic_count, sizeof *run->best);
  run->outputs = calloc(fit->valid.count * fit->outputs + 1, sizeof *run->outputs);
  if (!run->order || !run->x || !run->y || !run->target || (weighted && !run->weight)
      || (plan->mixup > 0.0 && !run->mixed_d) || (averaged && !run->raw) || !run->best
      || !run->outputs || optim_init(&run->optim, plan->optimizer, plan->param_count) != ERR_OK
      || (averaged && ema_init(&run->ema, plan->ema, plan->w, plan->param_count) != ERR_OK))
    return err_set(info, ERR_MEMORY, "no memory for a network of %zu weights", plan->param_count);
  return ERR_OK;
}

static enum err
set_up(struct fit_net *run, struct err_info *info)
{
  const struct fit_net_plan *plan = run->plan;
  size_t count = run->fit->train.count;

  run->batch = plan->batch < count ? plan->batch : count;
  run->steps_per_epoch = count / run->batch;
  pace_init(&run->pace, plan->epochs * run->steps_per_epoch);
  stop_init(&run->rule, plan->patience);
  return allocate(run, info);
}

static void
tear_down(struct fit_net *run)
{
  optim_clear(&run->optim);
  ema_clear(&run->ema);
  free(run->outputs);
  free(run->best);
  free(run->raw);
  free(run->mixed_d);
  free(run->weight);
  free(run->target);
  free(run->y);
  free(run->x);
  free(run->order);
}

/* ---- validation ----------------------------------------------------------------------------------- */

static bool
predict_valid(struct fit_net *run)
{
  const struct fit *fit = run->fit;

  for (size_t first = 0; first < fit->valid.count; first += FIT_NET_VALID_BATCH)
  {
    size_t left = fit->valid.count - first;
    size_t n = left < FIT_NET_VALID_BATCH ? left : FIT_NET_VALID_BATCH;
    fit_fetch(&fit->valid, NULL, first, n, run->x);
    if (!run->plan->kind->predict(run->plan->network, run->x, n,
                                  run->outputs + first * fit->outputs))
      return false;
  }
  return true;
}

/* Scores the validation rows into *progress; *score is what the best epoch is chosen by. */
static enum err
validate(struct fit_net *run, struct train_progress *progress, double *score, struct err_info *info)
{
  const struct fit *fit = run->fit;
  const struct train_request *request = fit->request;
  struct labels labels = {.count = fit->valid.count,
                          .classes = fit->valid.classes,
                          .values = fit->valid.values,
                          .weights = fit->valid.own};
  size_t count = fit->valid.count * fit->outputs;

  if (!predict_valid(run))
    return err_set(info, ERR_INTERNAL, "a product of the network failed");
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

/* Takes the averaged weights in the trained ones' place; put_back undoes it. */
static void
show_average(struct fit_net *run)
{
  size_t bytes = run->plan->param_count * sizeof(float);

  if (!run->raw)
    return;
  memcpy(run->raw, run->plan->w, bytes);
  memcpy(run->plan->w, run->ema.shadow, bytes);
}

static void
put_back(struct fit_net *run)
{
  if (run->raw)
    memcpy(run->plan->w, run->raw, run->plan->param_count * sizeof(float));
}

/* Keeps the weights if this epoch is the best so far; while there has been none that may be, the last is. */
static void
keep_best(struct fit_net *run, size_t epoch, double score)
{
  const struct fit_net_plan *plan = run->plan;
  bool may_be = run->fit->valid.count == 0 || !goes_up_again(plan->schedule)
                || schedule_rate(plan->schedule, run->pace.t) <= RATE_LOW;
  bool is_best = may_be && stop_is_best(&run->rule, epoch, score);

  if (!is_best && !(isinf(run->rule.best) && run->rule.best > 0.0))
    return;
  run->rule.best_epoch = epoch;
  memcpy(run->best, plan->w, plan->param_count * sizeof *run->best);
  if (plan->statistic_count)
    memcpy(run->best + plan->param_count, plan->statistics,
           plan->statistic_count * sizeof *run->best);
}

static enum err
end_epoch(struct fit_net *run, size_t epoch, double train_loss, struct fit_outcome *outcome,
          struct err_info *info)
{
  struct train_progress progress = {.epoch = epoch,
                                    .epoch_count = run->plan->epochs,
                                    .train_loss = train_loss,
                                    .valid_loss = (double) NAN,
                                    .valid_metric = (double) NAN};
  double score = -(double) epoch, before = clock_monotonic_s();
  enum err rc = ERR_OK;

  if (run->pace.shortened)
    progress.epoch_count = epoch + run->pace.left / run->steps_per_epoch;
  show_average(run);
  if (!run->fit->request->range_test && !fit_net_kind_now(run)->settle(run))
    rc = err_set(info, ERR_INTERNAL, "a product of the network failed");
  if (rc == ERR_OK && run->fit->valid.count)
    rc = validate(run, &progress, &score, info);
  run->valid_seconds = clock_monotonic_s() - before;
  outcome->epochs = epoch;
  if (rc == ERR_OK)
    keep_best(run, epoch, score);
  put_back(run);
  return rc == ERR_OK ? fit_report(run->fit, &progress, info) : rc;
}

/* What the last one took; before any, a guess from what the steps have taken. */
static double
validation_seconds(const struct fit_net *run)
{
  double rows = (double) run->fit->valid.count;

  if (run->valid_seconds > 0.0 || run->pace.done == 0)
    return run->valid_seconds;
  return VALID_PER_STEP * rows * run->pace.measured / (double) (run->pace.done * run->batch);
}

static void
keep_pace(struct fit_net *run)
{
  double left = fit_seconds_left(run->fit) * TIME_SHARE;

  if (isinf(left) || (run->pace.done % PACE_EVERY && run->pace.done != PACE_FIRST))
    return;
  /* each epoch ends with a validation, and so does the whole */
  double valid_s = validation_seconds(run);
  run->pace.beside = valid_s / (double) run->steps_per_epoch;
  pace_fit(&run->pace, left - 2.0 * valid_s);
}

static enum err
run_epoch(struct fit_net *run, size_t epoch, double *loss, struct err_info *info)
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
    unsigned denormals = denormals_to_zero();
    enum err rc = fit_net_take_step(run, run->order + steps * run->batch, &step_loss, info);
    denormals_restore(denormals);
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
third_wave_was_in_vain(const struct fit_net *run)
{
  double t = run->pace.t, epoch = (double) run->epoch;
  bool ends = t >= THIRD_WAVE_ENDS && t * (epoch - 1.0) / epoch < THIRD_WAVE_ENDS;

  return run->plan->schedule == SCHEDULE_COSLOG4 && ends
         && t * (double) run->rule.best_epoch / epoch < THIRD_WAVE_STARTS;
}

/* Whether the run ends after this epoch, and how. */
static bool
ends_here(const struct fit_net *run, enum train_stop *stop)
{
  const struct fit *fit = run->fit;

  if (fit->valid.count && stop_now(&run->rule, run->epoch))
    *stop = TRAIN_STOP_PATIENCE;
  else if (fit->valid.count && run->rule.patience == 0 && third_wave_was_in_vain(run))
    *stop = TRAIN_STOP_PATIENCE;
  else if (run->pace.left == 0)
    *stop = run->pace.done < run->pace.planned ? TRAIN_STOP_TIME : TRAIN_STOP_COMPLETE;
  else if (fit->valid.count == 0 && run->epoch == fit->request->last_epoch)
    *stop = TRAIN_STOP_COMPLETE;
  else if (run->epoch == fit->request->pause_epoch)
    *stop = TRAIN_STOP_PAUSE;
  else
    return false;
  return true;
}

static enum err
run_all(struct fit_net *run, struct fit_outcome *outcome, struct err_info *info)
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
  outcome->row_us = pace_step_seconds(&run->pace) / (double) run->batch * 1e6;
  return ERR_OK;
}

/* The best weights and their statistics into the network. */
static enum err
hand_over(const struct fit_net *run, struct err_info *info)
{
  const struct fit_net_plan *plan = run->plan;

  for (size_t i = 0; i < plan->param_count + plan->statistic_count; i++)
    if (!isfinite(run->best[i]))
      return err_set(info, ERR_DIVERGED,
                     "the weights are not finite; a smaller learning_rate may help");
  memcpy(plan->w, run->best, plan->param_count * sizeof *plan->w);
  if (plan->statistic_count)
    memcpy(plan->statistics, run->best + plan->param_count,
           plan->statistic_count * sizeof *plan->w);
  return ERR_OK;
}

enum err
fit_net_run(struct fit *fit, const struct fit_net_plan *plan, struct fit_outcome *outcome,
            struct err_info *info)
{
  const struct train_request *request = fit->request;
  struct fit_net run = {.fit = fit, .plan = plan};
  enum err rc = set_up(&run, info);

  if (rc == ERR_OK && request->checkpoint)
    rc = fit_net_checkpoint_read(&run, request->checkpoint, request->checkpoint_length, info);
  if (rc == ERR_OK && request->pause_epoch && request->pause_epoch <= run.epoch)
    rc = err_set(info, ERR_INVALID, "the checkpoint is of epoch %zu, the pause to be after %zu",
                 run.epoch, request->pause_epoch);
  if (rc == ERR_OK)
    rc = run_all(&run, outcome, info);
  if (rc == ERR_OK && outcome->stop == TRAIN_STOP_PAUSE)
    fit_net_checkpoint_write(&run, &outcome->checkpoint);
  if (rc == ERR_OK && outcome->checkpoint.failed)
    rc = err_set(info, ERR_MEMORY, "no memory for a checkpoint of %zu weights", plan->param_count);
  if (rc == ERR_OK)
    rc = hand_over(&run, info);
  tear_down(&run);
  return rc;
}
