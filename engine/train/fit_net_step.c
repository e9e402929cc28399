#include <config.h>

#include <math.h>

#include "train/augment.h"
#include "train/fit_net.h"
#include "train/loss.h"

/* The pinball and the absolute loss are rounded within this many standard deviations of the target. */
#define PINBALL_WIDTH 0.02
#define HUBER_WIDTH 1.0

static void
fetch_labels(struct fit_net *run, const size_t *order)
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

/* The loss of a batch's outputs, its gradient into d (batch, outputs). */
static double
loss_of(const struct fit_net *run, const float *outputs, float *d)
{
  const struct fit *fit = run->fit;
  size_t n = run->batch;

  if (fit->train.classes)
    return loss_softmax(n, fit->outputs, outputs, run->y, run->weight, run->plan->smoothing, d);
  if (fit->quantile > 0.0)
    return loss_pinball(n, outputs, run->target, run->weight, fit->quantile, PINBALL_WIDTH, d);
  switch (run->plan->loss)
  {
  case FIT_NET_ABSOLUTE:
    return loss_absolute(n, outputs, run->target, run->weight, PINBALL_WIDTH, d);
  case FIT_NET_HUBER:
    return loss_huber(n, outputs, run->target, run->weight, HUBER_WIDTH, d);
  case FIT_NET_SQUARE:
    break;
  }
  return loss_square(n, outputs, run->target, run->weight, d);
}

/* Each row with its opposite in the batch: x ← share · x + (1 − share) · x', in place. */
static void
mix_rows(const struct fit_net *run, float share)
{
  size_t width = run->fit->train.width;

  for (size_t i = 0; i < run->batch / 2; i++)
  {
    float *a = run->x + i * width, *b = run->x + (run->batch - 1 - i) * width;
    for (size_t j = 0; j < width; j++)
    {
      float first = a[j], second = b[j];
      a[j] = share * first + (1.0f - share) * second;
      b[j] = share * second + (1.0f - share) * first;
    }
  }
}

static void
turn_labels_round(struct fit_net *run)
{
  for (size_t i = 0; i < run->batch / 2; i++)
  {
    size_t other = run->batch - 1 - i;
    int32_t class = run->y[i];
    float target = run->target[i], weight = run->weight ? run->weight[i] : 0.0f;
    run->y[i] = run->y[other];
    run->y[other] = class;
    run->target[i] = run->target[other];
    run->target[other] = target;
    if (run->weight)
    {
      run->weight[i] = run->weight[other];
      run->weight[other] = weight;
    }
  }
}

/* The loss of a mix is the same mix of its labels' losses. */
static double
mixed_loss(struct fit_net *run, const float *outputs, float share, float *d)
{
  double loss = (double) share * loss_of(run, outputs, d);

  turn_labels_round(run);
  loss += (1.0 - (double) share) * loss_of(run, outputs, run->mixed_d);
  for (size_t i = 0; i < run->batch * run->fit->outputs; i++)
    d[i] = share * d[i] + (1.0f - share) * run->mixed_d[i];
  return loss;
}

const struct fit_net_kind *
fit_net_kind_now(const struct fit_net *run)
{
  return run->frozen ? run->plan->freeze.kind : run->plan->kind;
}

static void
move_weights(struct fit_net *run)
{
  const struct fit_net_plan *plan = run->plan;
  const struct optim_range *ranges = run->frozen ? plan->freeze.ranges : plan->ranges;
  size_t range_count = run->frozen ? plan->freeze.range_count : plan->range_count;
  struct optim_step step = plan->peak;

  fit_schedule(run->fit, plan->schedule, run->pace.t, &step);
  if (plan->decay_falls)
    step.decay *= schedule_rate(SCHEDULE_FLAT_COSINE, run->pace.t);
  optim_move(&run->optim, &step, ranges, range_count, plan->w, plan->g);
  if (plan->ema > 0.0)
    ema_update(&run->ema, plan->w);
}

enum err
fit_net_take_step(struct fit_net *run, const size_t *order, double *loss, struct err_info *info)
{
  const struct fit_net_plan *plan = run->plan;
  const struct fit_net_kind *kind;
  bool mixes = plan->mixup > 0.0;
  float share =
    mixes ? (float) augment_mix_share(plan->mixup, run->fit->request->seed, run->pace.done) : 1.0f;

  run->frozen = run->pace.t < plan->freeze.share;
  kind = fit_net_kind_now(run);
  kind->fetch(run, order, run->batch, run->x);
  fetch_labels(run, order);
  if (mixes)
    mix_rows(run, share);
  const float *outputs = kind->forward(run, run->x);
  if (!outputs)
    return err_set(info, ERR_INTERNAL, "a product of the network failed");
  float *d = kind->output_gradient(plan->network);
  *loss = mixes ? mixed_loss(run, outputs, share, d) : loss_of(run, outputs, d);
  enum err rc = fit_note_loss(run->fit, *loss, info);
  if (rc != ERR_OK)
    return rc;
  if (!isfinite(*loss))
    return err_set(info, ERR_DIVERGED,
                   "the loss is not finite after %zu steps; a smaller learning_rate may help",
                   run->pace.done);
  if (!kind->backward(plan->network, run->x))
    return err_set(info, ERR_INTERNAL, "a product of the network failed");
  move_weights(run);
  return ERR_OK;
}
