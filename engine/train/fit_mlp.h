/* A network's fit under way, and its checkpoint: fit_mlp.c, fit_mlp_checkpoint.c. Private to engine/train.
 */
#ifndef ATTUNE_TRAIN_FIT_MLP_H
#define ATTUNE_TRAIN_FIT_MLP_H

#include "base/buf.h"
#include "model/net.h"
#include "train/fit.h"
#include "train/optim.h"
#include "train/pace.h"
#include "train/schedule.h"
#include "train/stop.h"

enum mlp_loss
{
  MLP_SOFTMAX,
  MLP_SQUARE,
  MLP_ABSOLUTE,
  MLP_HUBER,
  MLP_PINBALL
};

/* All a run needs, allocated before its first step. */
struct mlp_run
{
  struct fit *fit;
  struct net *net;
  struct net_work work, valid_work;
  struct optim optim;
  struct ema ema; /* shadow NULL = the weights themselves are kept */
  struct optim_range ranges[2 * NET_LAYERS_MAX];
  size_t range_count;
  struct pace pace;
  struct stop_rule rule;
  enum schedule_kind schedule;
  enum mlp_loss loss;
  struct optim_step peak; /* rate, momentum and decay as asked for */
  float smoothing;
  size_t batch, steps_per_epoch, epochs;
  size_t epoch; /* done */
  size_t *order;
  float *x;       /* (max (batch, VALID_BATCH), inputs) */
  int32_t *y;     /* (batch) */
  float *target;  /* (batch) */
  float *weight;  /* (batch), or NULL */
  float *best;    /* weights of the best epoch */
  float *outputs; /* predictions of the validation rows */
  double valid_seconds;
};

/* The weights to predict with: the average of them if there is one. Borrowed. */
float *mlp_shown_weights(const struct mlp_run *run);

/* Writes what a run needs to go on: weights, moments, counters, the best so far. What follows from the
 * request (rows, order, dropout) is not in it. A failure shows in out->failed. */
void mlp_checkpoint_write(const struct mlp_run *run, struct buf *out);

/* Puts a run that has just been set up where the checkpoint was written. ERR_INVALID when the bytes are
 * damaged or not of this request; the run is then as it was. */
enum err mlp_checkpoint_read(struct mlp_run *run, const void *bytes, size_t length,
                             struct err_info *info);

#endif
