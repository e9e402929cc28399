/* A network's fit under way: set up in fit_mlp_setup.c, run in fit_mlp.c, its checkpoint in
 * fit_mlp_checkpoint.c. Private to engine/train.
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

/* Rows predicted at once. */
#define MLP_VALID_BATCH 256

/* Ranges of weights: of the embedding and the factors, and three of each layer. */
#define MLP_RANGES_MAX (2 + 3 * NET_LAYERS_MAX)

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
  enum optim_kind optim_kind;
  struct optim optim;
  struct ema ema; /* shadow NULL = the weights themselves are kept */
  struct optim_range ranges[MLP_RANGES_MAX];
  size_t range_count;
  struct pace pace;
  struct stop_rule rule;
  enum schedule_kind schedule;
  enum mlp_loss loss;
  struct optim_step peak; /* rate, momentum and decay as asked for */
  bool realmlp;           /* else a plain net */
  float smoothing, dropout;
  size_t batch, steps_per_epoch, epochs;
  size_t epoch; /* done */
  size_t *order;
  float *x;       /* (max (batch, MLP_VALID_BATCH), inputs) */
  int32_t *y;     /* (batch) */
  float *target;  /* (batch) */
  float *weight;  /* (batch), or NULL */
  float *best;    /* weights of the best epoch */
  float *outputs; /* predictions of the validation rows */
  double valid_seconds;
};

/* Everything of run->fit but its progress. ERR_INVALID, ERR_MEMORY; tear down in any case. */
enum err mlp_set_up(struct mlp_run *run, struct err_info *info);
void mlp_tear_down(struct mlp_run *run);

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
