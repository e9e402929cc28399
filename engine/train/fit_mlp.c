#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/family.h"
#include "model/kernel.h"
#include "model/net_bf16.h"
#include "model/net_embed.h"
#include "train/fit_net.h"

/* Factors on the learning rate (Holzmüller, Grinsztajn, Steinwart 2024). */
#define EMBEDDING_RATE 0.1
#define SCALE_RATE 6.0
#define BIAS_RATE 0.1
#define ALPHA_RATE 0.1

#define RATE_INPUTS 256.0
#define OLDER_BETA2 0.99
/* Rows that a net is started on. */
#define START_ROWS 1024
/* Ranges of weights: of the embedding and the factors, and three of each layer. */
#define RANGES_MAX (2 + 3 * NET_LAYERS_MAX)

/* A perceptron's fit under way. */
struct mlp
{
  struct fit *fit;
  struct net *net;
  struct net_work work, valid_work;
  struct optim_range ranges[RANGES_MAX];
  size_t range_count;
  bool older;   /* what is asked for is a whole point of the first release */
  bool realmlp; /* else a plain net */
  float dropout;
};

/* ---- what the loop asks ----------------------------------------------------------------------------- */

static void
fetch(const struct fit_net *run, const size_t *order, size_t n, float *x)
{
  fit_fetch(&run->fit->train, order, 0, n, x);
}

static const float *
forward(const struct fit_net *run, const float *x)
{
  struct mlp *mlp = run->plan->network;

  if (mlp->realmlp)
    mlp->net->config.dropout =
      mlp->dropout * (float) schedule_rate(SCHEDULE_FLAT_COSINE, run->pace.t);
  return net_forward_training(mlp->net, &mlp->work, x, run->batch, run->fit->request->seed,
                              run->pace.done);
}

static float *
output_gradient(void *network)
{
  return ((struct mlp *) network)->work.d[0];
}

static bool
backward(void *network, const float *x)
{
  struct mlp *mlp = network;
  return net_backward(mlp->net, &mlp->work, x, mlp->work.rows);
}

static bool
settle(const struct fit_net *run)
{
  net_fold(((struct mlp *) run->plan->network)->net);
  return true;
}

static bool
predict(void *network, const float *x, size_t n, float *out)
{
  struct mlp *mlp = network;
  const float *y = net_forward(mlp->net, &mlp->valid_work, x, n);

  if (y)
    memcpy(out, y, n * mlp->net->config.outputs * sizeof *y);
  return y != NULL;
}

static const struct fit_net_kind mlp_kind = {.fetch = fetch,
                                             .forward = forward,
                                             .output_gradient = output_gradient,
                                             .backward = backward,
                                             .settle = settle,
                                             .predict = predict};

/* ---- what is asked for ------------------------------------------------------------------------------ */

static enum fit_net_loss
choose_loss(const struct fit *fit)
{
  switch ((enum family_loss) fit_choice(fit, "loss"))
  {
  case FAMILY_LOSS_SQUARE:
    return FIT_NET_SQUARE;
  case FAMILY_LOSS_ABSOLUTE:
    return FIT_NET_ABSOLUTE;
  case FAMILY_LOSS_HUBER:
    return FIT_NET_HUBER;
  case FAMILY_LOSS_AUTO:
    break;
  }
  return fit->request->metric == METRIC_MAE ? FIT_NET_ABSOLUTE : FIT_NET_SQUARE;
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

static size_t
batch_of(const struct mlp *mlp)
{
  size_t count = mlp->fit->train.count, batch = (size_t) fit_number(mlp->fit, "batch_size");

  batch = batch < count ? batch : count;
  if (!mlp->realmlp)
    return batch;
  /* batches of even size: hardly a row is left out of an epoch */
  return count / ((count + batch - 1) / batch);
}

static void
read_params(struct mlp *mlp, struct fit_net_plan *plan)
{
  const struct fit *fit = mlp->fit;
  size_t patience = (size_t) fit_number(fit, "patience");

  fit_net_read_plan(fit, plan);
  mlp->older = is_older_point(fit->request->params);
  mlp->realmlp = fit->shape.kind == DATASET_TABLE && !mlp->older
                 && fit_choice(fit, "network") == FAMILY_NETWORK_REALMLP;
  mlp->dropout = (float) fit_number(fit, "dropout");
  plan->batch = batch_of(mlp);
  plan->decay_falls = mlp->realmlp;
  plan->ema = mlp->older ? 0.0 : fit_number(fit, "ema");
  if (mlp->older)
    plan->peak.beta2 = OLDER_BETA2;
  if (!fit->train.classes)
    plan->loss = choose_loss(fit);
  if (patience)
    plan->patience = patience;
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
add_range(struct mlp *mlp, size_t first, size_t count, double rate, double decay)
{
  if (count)
    mlp->ranges[mlp->range_count++] = (struct optim_range){
      .first = first, .count = count, .rate = (float) rate, .decay = (float) decay};
}

/* Equal rates for all; only W decays. */
static void
set_even_ranges(struct mlp *mlp)
{
  const struct net *net = mlp->net;

  add_range(mlp, 0, net->layers[0].weights, 1.0, 0.0);
  for (size_t i = 0; i < net->layer_count; i++)
  {
    const struct net_layer *layer = &net->layers[i];
    add_range(mlp, layer->weights, layer->in * layer->out, 1.0, 1.0);
    add_range(mlp, layer->bias, layer->out, 1.0, 0.0);
    if (net->config.parametric && i + 1 < net->layer_count)
      add_range(mlp, layer->alpha, layer->out, 1.0, 0.0);
  }
}

/* RealMLP's rates are of NTK parametrisation: z = xW/√d + b, where a step of Adam moves z by as much whatever d
 * is. W here has the 1/√d in it, so its steps are divided by √d; and the learning rate is that of a layer with
 * RATE_INPUTS inputs, as for a plain net. Optimizers whose steps are as long as gradients have no use for such
 * factors. */
static void
set_realmlp_ranges(struct mlp *mlp, enum optim_kind optimizer)
{
  const struct net *net = mlp->net;
  bool adaptive = optimizer == OPTIM_ADAMW || optimizer == OPTIM_ADAM || optimizer == OPTIM_RMSPROP;
  double unit = sqrt(RATE_INPUTS);

  if (!adaptive)
  {
    set_even_ranges(mlp);
    return;
  }
  add_range(mlp, 0, net_embed_params(net->config.embedded), EMBEDDING_RATE * unit, 1.0 / unit);
  add_range(mlp, net->scale, net->config.scaled ? net->width : 0, SCALE_RATE * unit, 1.0 / unit);
  for (size_t i = 0; i < net->layer_count; i++)
  {
    const struct net_layer *layer = &net->layers[i];
    double share = unit / sqrt((double) layer->in);
    add_range(mlp, layer->weights, layer->in * layer->out, share, 1.0 / share);
    add_range(mlp, layer->bias, layer->out, BIAS_RATE * unit, 0.0);
    if (net->config.parametric && i + 1 < net->layer_count)
      add_range(mlp, layer->alpha, layer->out, ALPHA_RATE * unit, 1.0 / unit);
  }
}

/* Starts the net on some of the training rows. */
static enum err
start_from_data(struct mlp *mlp, struct err_info *info)
{
  const struct fit *fit = mlp->fit;
  size_t n = fit->train.count < START_ROWS ? fit->train.count : START_ROWS;
  float *x = malloc((n * fit->train.width + 1) * sizeof *x);
  size_t *order = calloc(fit->train.count, sizeof *order);
  enum err rc = ERR_MEMORY;
  struct rng rng;

  if (!x || !order)
  {
    err_set(info, rc, "no memory to start a network on %zu rows", n);
    goto out;
  }
  for (size_t i = 0; i < fit->train.count; i++)
    order[i] = i;
  rng_init(&rng, fit->request->seed, rng_mix(3, 0));
  rng_shuffle(&rng, order, fit->train.count);
  fit_fetch(&fit->train, order, 0, n, x);
  rc = net_init_from_data(mlp->net, fit->request->seed, (float) fit_number(fit, "embedding_scale"),
                          x, n, info);
out:
  free(order);
  free(x);
  return rc;
}

static enum err
make_net(struct mlp *mlp, enum optim_kind optimizer, struct err_info *info)
{
  const struct fit *fit = mlp->fit;
  bool waves = mlp->realmlp && fit_choice(fit, "embedding") == FAMILY_EMBEDDING_PERIODIC;
  uint32_t *order = waves ? calloc(fit->train.width + 1, sizeof *order) : NULL;
  struct net_config config = {.inputs = fit->train.width,
                              .outputs = fit->outputs,
                              .layers = (size_t) fit_number(fit, "layers"),
                              .units = (size_t) fit_number(fit, "units"),
                              .activation = (enum net_activation) fit_choice(fit, "activation"),
                              .dropout = mlp->dropout,
                              .scaled = mlp->realmlp,
                              .parametric = mlp->realmlp};
  enum err rc = ERR_OK;

  if (waves && !order)
    rc = err_set(info, ERR_MEMORY, "no memory for a network");
  if (order)
    config.embedded = order_inputs(&fit->train, order);
  if (rc == ERR_OK)
    rc = net_new(&config, true, &mlp->net, info);
  if (rc == ERR_OK && mlp->net->order)
    memcpy(mlp->net->order, order, fit->train.width * sizeof *order);
  free(order);
  if (rc != ERR_OK)
    return rc;
  if (mlp->realmlp)
    set_realmlp_ranges(mlp, optimizer);
  else
    set_even_ranges(mlp);
  if (mlp->realmlp)
    return start_from_data(mlp, info);
  net_init_weights(mlp->net, fit->request->seed);
  return ERR_OK;
}

/* ---- the fit ---------------------------------------------------------------------------------------- */

static enum err
set_up(struct mlp *mlp, const struct fit_net_plan *plan, struct err_info *info)
{
  const struct fit *fit = mlp->fit;
  enum err rc = make_net(mlp, plan->optimizer, info);

  if (rc != ERR_OK)
    return rc;
  if (net_work_init(&mlp->work, mlp->net, plan->batch, true) != ERR_OK
      || net_work_init(&mlp->valid_work, mlp->net, FIT_NET_VALID_BATCH, false) != ERR_OK)
    return err_set(info, ERR_MEMORY, "no memory for a network of %zu weights",
                   mlp->net->param_count);
  bool rounds = kernel_bf16_fast() && !mlp->older && fit_choice(fit, "precision") == FAMILY_AUTO;
  /* what a table's columns hold is not rounded */
  return rounds ? net_bf16_new(mlp->net, plan->batch, fit->shape.kind == DATASET_IMAGES,
                               &mlp->work.bf16, info)
                : ERR_OK;
}

static void
tear_down(struct mlp *mlp)
{
  net_work_clear(&mlp->valid_work);
  net_work_clear(&mlp->work);
  net_free(mlp->net);
}

enum err
fit_mlp(struct fit *fit, struct fit_outcome *outcome, struct err_info *info)
{
  struct mlp mlp = {.fit = fit};
  struct fit_net_plan plan = {.kind = &mlp_kind, .network = &mlp, .ranges = mlp.ranges};
  struct net *net = NULL;

  read_params(&mlp, &plan);
  enum err rc = set_up(&mlp, &plan, info);
  if (rc == ERR_OK)
  {
    plan.w = mlp.net->w;
    plan.g = mlp.net->g;
    plan.param_count = mlp.net->param_count;
    plan.range_count = mlp.range_count;
    rc = fit_net_run(fit, &plan, outcome, info);
  }
  if (rc == ERR_OK)
    rc = net_export(mlp.net, mlp.net->w, &net, info);
  outcome->body = net;
  tear_down(&mlp);
  return rc;
}
