#include <config.h>

#include "train/fit_mlp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/family.h"
#include "model/kernel.h"
#include "model/net_bf16.h"
#include "model/net_embed.h"

/* Factors on the learning rate (Holzmüller, Grinsztajn, Steinwart 2024). */
#define EMBEDDING_RATE 0.1
#define SCALE_RATE 6.0
#define BIAS_RATE 0.1
#define ALPHA_RATE 0.1

#define RATE_INPUTS 256.0
#define OLDER_BETA2 0.99
/* Rows that a net is started on. */
#define START_ROWS 1024

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

/* Epochs without a new best after which a run is given up. Schedules end in their best region, so it has to be
 * far past its best; those that go up again may always come to a better one. */
static size_t
patience_of(const struct mlp_run *run)
{
  size_t asked = (size_t) fit_number(run->fit, "patience");

  if (asked)
    return asked;
  if (run->schedule == SCHEDULE_COSLOG4 || run->schedule == SCHEDULE_SGDR
      || run->schedule == SCHEDULE_CYCLIC)
    return 0;
  return run->epochs / 3 > 8 ? run->epochs / 3 : 8;
}

/* A whole point of before there was a choice: its network is plain, of fp32 products, and its weights are not
 * averaged. */
static bool
is_older_point(const json_t *params)
{
  static const char *const all[] = {"learning_rate", "optimizer", "batch_size",
                                    "schedule",      "epochs",    NULL};

  for (size_t i = 0; all[i]; i++)
    if (!json_object_get(params, all[i]))
      return false;
  return !json_object_get(params, "network");
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

  bool older = is_older_point(fit->request->params);
  run->realmlp = fit->shape.kind == DATASET_TABLE && !older
                 && fit_choice(fit, "network") == FAMILY_NETWORK_REALMLP;
  run->batch = (size_t) fit_number(fit, "batch_size");
  run->batch = run->batch < fit->train.count ? run->batch : fit->train.count;
  if (run->realmlp) /* batches of even size: hardly a row is left out of an epoch */
    run->batch = fit->train.count / ((fit->train.count + run->batch - 1) / run->batch);
  run->steps_per_epoch = fit->train.count / run->batch;
  run->epochs = (size_t) fit_number(fit, "epochs");
  run->schedule = schedules[fit_choice(fit, "schedule")];
  run->smoothing = (float) fit_number(fit, "label_smoothing");
  run->dropout = (float) fit_number(fit, "dropout");
  run->loss = choose_loss(fit);
  run->peak = (struct optim_step){.rate = fit_number(fit, "learning_rate"),
                                  .momentum = fit_number(fit, "momentum"),
                                  .decay = fit_number(fit, "weight_decay"),
                                  .beta2 = older ? OLDER_BETA2 : fit_number(fit, "beta2"),
                                  .clip = fit_number(fit, "gradient_clip")};
  pace_init(&run->pace, run->epochs * run->steps_per_epoch);
  stop_init(&run->rule, patience_of(run));
}

/* ---- what enters the net ---------------------------------------------------------------------------- */

/* Whether a column of the training rows has more than two different values. */
static bool
is_number(const struct fit_rows *rows, size_t column)
{
  const float *x = rows->x + column;
  float first = x[0], second = first;

  for (size_t i = 1; i < rows->count; i++)
  {
    float value = x[i * rows->width];
    if (value != first && second == first)
      second = value;
    else if (value != first && value != second)
      return true;
  }
  return false;
}

/* order (width) ← numbers first, then the other columns; returns how many numbers are to be embedded. So many
 * that waves would be most of the work are left as they are. */
static size_t
order_inputs(const struct fit_rows *rows, uint32_t *order)
{
  size_t numbers = 0, others = rows->width;

  for (size_t i = 0; i < rows->width; i++)
    if (is_number(rows, i))
      order[numbers++] = (uint32_t) i;
    else
      order[--others] = (uint32_t) i;
  return numbers <= NET_EMBED_MOST ? numbers : 0;
}

/* ---- the net ---------------------------------------------------------------------------------------- */

static void
add_range(struct mlp_run *run, size_t first, size_t count, double rate, double decay)
{
  if (count)
    run->ranges[run->range_count++] = (struct optim_range){
      .first = first, .count = count, .rate = (float) rate, .decay = (float) decay};
}

/* Equal rates for all; only W decays. */
static void
set_even_ranges(struct mlp_run *run)
{
  const struct net *net = run->net;

  add_range(run, 0, net->layers[0].weights, 1.0, 0.0);
  for (size_t i = 0; i < net->layer_count; i++)
  {
    const struct net_layer *layer = &net->layers[i];
    add_range(run, layer->weights, layer->in * layer->out, 1.0, 1.0);
    add_range(run, layer->bias, layer->out, 1.0, 0.0);
    if (net->config.parametric && i + 1 < net->layer_count)
      add_range(run, layer->alpha, layer->out, 1.0, 0.0);
  }
}

/* RealMLP's rates are of NTK parametrisation: z = xW/√d + b, where a step of Adam moves z by as much whatever d
 * is. W here has the 1/√d in it, so its steps are divided by √d; and the learning rate is that of a layer with
 * RATE_INPUTS inputs, as for a plain net. Optimizers whose steps are as long as gradients have no use for such
 * factors. */
static void
set_realmlp_ranges(struct mlp_run *run)
{
  const struct net *net = run->net;
  bool adaptive = run->optim_kind == OPTIM_ADAMW || run->optim_kind == OPTIM_ADAM
                  || run->optim_kind == OPTIM_RMSPROP;
  double unit = sqrt(RATE_INPUTS);

  if (!adaptive)
  {
    set_even_ranges(run);
    return;
  }
  add_range(run, 0, net_embed_params(net->config.embedded), EMBEDDING_RATE * unit, 1.0 / unit);
  add_range(run, net->scale, net->config.scaled ? net->width : 0, SCALE_RATE * unit, 1.0 / unit);
  for (size_t i = 0; i < net->layer_count; i++)
  {
    const struct net_layer *layer = &net->layers[i];
    double share = unit / sqrt((double) layer->in);
    add_range(run, layer->weights, layer->in * layer->out, share, 1.0 / share);
    add_range(run, layer->bias, layer->out, BIAS_RATE * unit, 0.0);
    if (net->config.parametric && i + 1 < net->layer_count)
      add_range(run, layer->alpha, layer->out, ALPHA_RATE * unit, 1.0 / unit);
  }
}

/* Starts the net on some of the training rows. */
static enum err
start_from_data(struct mlp_run *run, struct err_info *info)
{
  const struct fit *fit = run->fit;
  size_t n = fit->train.count < START_ROWS ? fit->train.count : START_ROWS;
  float *x = malloc((n * fit->train.width + 1) * sizeof *x);
  struct rng rng;

  if (!x)
    return err_set(info, ERR_MEMORY, "no memory to start a network on %zu rows", n);
  for (size_t i = 0; i < fit->train.count; i++)
    run->order[i] = i;
  rng_init(&rng, fit->request->seed, rng_mix(3, 0));
  rng_shuffle(&rng, run->order, fit->train.count);
  fit_fetch(&fit->train, run->order, 0, n, x);
  enum err rc = net_init_from_data(run->net, fit->request->seed,
                                   (float) fit_number(fit, "embedding_scale"), x, n, info);
  free(x);
  return rc;
}

static enum err
make_net(struct mlp_run *run, struct err_info *info)
{
  const struct fit *fit = run->fit;
  bool waves = run->realmlp && fit_choice(fit, "embedding") == FAMILY_EMBEDDING_PERIODIC;
  uint32_t *order = waves ? calloc(fit->train.width + 1, sizeof *order) : NULL;
  struct net_config config = {.inputs = fit->train.width,
                              .outputs = fit->outputs,
                              .layers = (size_t) fit_number(fit, "layers"),
                              .units = (size_t) fit_number(fit, "units"),
                              .activation = (enum net_activation) fit_choice(fit, "activation"),
                              .dropout = run->dropout,
                              .scaled = run->realmlp,
                              .parametric = run->realmlp};
  enum err rc = ERR_OK;

  if (waves && !order)
    rc = err_set(info, ERR_MEMORY, "no memory for a network");
  if (order)
    config.embedded = order_inputs(&fit->train, order);
  if (rc == ERR_OK)
    rc = net_new(&config, true, &run->net, info);
  if (rc == ERR_OK && run->net->order)
    memcpy(run->net->order, order, fit->train.width * sizeof *order);
  free(order);
  if (rc != ERR_OK)
    return rc;
  if (run->realmlp)
    set_realmlp_ranges(run);
  else
    set_even_ranges(run);
  if (run->realmlp)
    return start_from_data(run, info);
  net_init_weights(run->net, fit->request->seed);
  return ERR_OK;
}

/* ---- memory ----------------------------------------------------------------------------------------- */

enum err
mlp_set_up(struct mlp_run *run, struct err_info *info)
{
  static const enum optim_kind optimizers[] = {[FAMILY_ADAMW] = OPTIM_ADAMW,
                                               [FAMILY_ADAM] = OPTIM_ADAM,
                                               [FAMILY_SGD] = OPTIM_NESTEROV,
                                               [FAMILY_HEAVY_BALL] = OPTIM_MOMENTUM,
                                               [FAMILY_RMSPROP] = OPTIM_RMSPROP};
  const struct fit *fit = run->fit;
  enum err rc;

  run->optim_kind = optimizers[fit_choice(fit, "optimizer")];
  read_params(run);
  run->order = calloc(fit->train.count, sizeof *run->order);
  if (!run->order)
    return err_set(info, ERR_MEMORY, "no memory for %zu row numbers", fit->train.count);
  rc = make_net(run, info);
  if (rc != ERR_OK)
    return rc;
  bool older = is_older_point(fit->request->params);
  double ema = older ? 0.0 : fit_number(fit, "ema");
  size_t rows = run->batch > MLP_VALID_BATCH ? run->batch : MLP_VALID_BATCH;
  run->x = aligned_alloc(64, (rows * fit->train.width * sizeof(float) + 64) / 64 * 64);
  run->y = calloc(run->batch, sizeof *run->y);
  run->target = calloc(run->batch, sizeof *run->target);
  run->weight = fit->train.weight ? calloc(run->batch, sizeof *run->weight) : NULL;
  run->best = calloc(run->net->param_count, sizeof *run->best);
  run->outputs = calloc(fit->valid.count * fit->outputs + 1, sizeof *run->outputs);
  if (!run->x || !run->y || !run->target || (fit->train.weight && !run->weight) || !run->best
      || !run->outputs || net_work_init(&run->work, run->net, run->batch, true) != ERR_OK
      || net_work_init(&run->valid_work, run->net, MLP_VALID_BATCH, false) != ERR_OK
      || optim_init(&run->optim, run->optim_kind, run->net->param_count) != ERR_OK
      || (ema > 0.0 && ema_init(&run->ema, ema, run->net->w, run->net->param_count) != ERR_OK))
    return err_set(info, ERR_MEMORY, "no memory for a network of %zu weights",
                   run->net->param_count);
  /* what a table's columns hold is not rounded */
  bool rounds = kernel_bf16_fast() && !older && fit_choice(fit, "precision") == FAMILY_AUTO;
  return rounds ? net_bf16_new(run->net, run->batch, fit->shape.kind == DATASET_IMAGES,
                               &run->work.bf16, info)
                : ERR_OK;
}

void
mlp_tear_down(struct mlp_run *run)
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
