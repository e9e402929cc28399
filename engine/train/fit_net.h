/* The training loop of every network: batches, steps, schedule, averaged weights, validation, pauses.
 *
 * A family makes its network and says in a plan how it is run; the loop owns the rest and leaves the best
 * epoch's weights in the network. The scored weights are those of the moving average where the plan asks
 * for one. Run in fit_net.c, its steps in fit_net_step.c, its checkpoint in fit_net_checkpoint.c. Private to
 * engine/train; one thread.
 */
#ifndef ATTUNE_TRAIN_FIT_NET_H
#define ATTUNE_TRAIN_FIT_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "train/fit.h"
#include "train/optim.h"
#include "train/pace.h"
#include "train/schedule.h"
#include "train/stop.h"

struct fit_net;

/* What the loop asks of a network; functions return false when a kernel fails. */
struct fit_net_kind
{
  /* x (n, width) ← training rows order[0 … n−1] as this epoch shows them. */
  void (*fetch)(const struct fit_net *run, const size_t *order, size_t n, float *x);
  /* Outputs (n, outputs) in training mode of a whole batch, in the step that run->pace says. */
  const float *(*forward)(const struct fit_net *run, const float *x);
  float *(*output_gradient)(void *network);
  bool (*backward)(void *network, const float *x);
  /* The weights in place are about to predict: makes what predictions need of them. */
  bool (*settle)(const struct fit_net *run);
  bool (*predict)(void *network, const float *x, size_t n, float *out);
};

/* What is made small where numbers are predicted; where it is a quantile, it is that one's loss. */
enum fit_net_loss
{
  FIT_NET_SQUARE,
  FIT_NET_ABSOLUTE,
  FIT_NET_HUBER
};

/* How the first part of a run goes in which some layers are frozen. */
struct fit_net_freeze
{
  double share; /* of the run; 0 = there is no such part */
  const struct fit_net_kind *kind;
  const struct optim_range *ranges; /* those that are trained */
  size_t range_count;
};

struct fit_net_plan
{
  const struct fit_net_kind *kind;
  void *network;
  float *w, *g; /* (param_count) */
  size_t param_count;
  float
    *statistics; /* (statistic_count): what settle makes and must be kept with the best weights */
  size_t statistic_count;
  const struct optim_range *ranges;
  size_t range_count;
  struct fit_net_freeze freeze;
  uint64_t origin; /* tells apart what weights start from beside the seed; 0 = the seed alone */
  enum optim_kind optimizer;
  enum schedule_kind schedule;
  struct optim_step peak; /* rate, momentum and decay as asked for */
  bool decay_falls;       /* the decay is multiplied by SCHEDULE_FLAT_COSINE, too */
  double ema;   /* decay of the weights' average (struct ema); 0 = they are not averaged */
  double mixup; /* alpha of augment_mix_share; 0 = none */
  enum fit_net_loss loss;
  float smoothing;
  size_t batch, epochs;
  size_t patience; /* epochs without a new best before a run is given up; 0 = never */
};

struct fit_net
{
  struct fit *fit;
  const struct fit_net_plan *plan;
  struct optim optim;
  struct ema ema;
  struct pace pace;
  struct stop_rule rule;
  size_t batch, steps_per_epoch;
  size_t epoch; /* done */
  bool frozen;  /* the step under way, or the last one, is of the part with frozen layers */
  size_t *order;
  float *x;       /* (max (batch, FIT_NET_VALID_BATCH), width) */
  int32_t *y;     /* (batch) */
  float *target;  /* (batch) */
  float *weight;  /* (batch), or NULL */
  float *mixed_d; /* (batch, outputs), or NULL: a second gradient, of mixed labels */
  float *raw;     /* weights set aside while averaged ones are scored, or NULL */
  float *best;    /* weights, then statistics, of the best epoch */
  float *outputs; /* predictions of the validation rows */
  double valid_seconds;
};

#define FIT_NET_VALID_BATCH 256

/* What families say alike: optimizer, schedule, rate, decay, epochs, smoothing, and the patience that is usual with
 * them. */
void fit_net_read_plan(const struct fit *fit, struct fit_net_plan *plan);

/* Runs the plan to its end or pause. Errors as train_run's. */
enum err fit_net_run(struct fit *fit, const struct fit_net_plan *plan, struct fit_outcome *outcome,
                     struct err_info *info);

/* ---- parts of the loop ---------------------------------------------------------------------------- */

/* How the present step is done: with frozen layers or without. */
const struct fit_net_kind *fit_net_kind_now(const struct fit_net *run);

/* One step on the batch's training rows, order (batch); *loss is their mean. Errors as train_run's. */
enum err fit_net_take_step(struct fit_net *run, const size_t *order, double *loss,
                           struct err_info *info);

/* Writes what a run needs to go on: weights, moments, counters, the best so far. What follows from the
 * request (rows, order, dropout) is not in it. A failure shows in out->failed. */
void fit_net_checkpoint_write(const struct fit_net *run, struct buf *out);

/* Puts a run that has just been set up where the checkpoint was written. ERR_INVALID when the bytes are
 * damaged or not of this request; the run is then as it was. */
enum err fit_net_checkpoint_read(struct fit_net *run, const void *bytes, size_t length,
                                 struct err_info *info);

#endif
