#include <config.h>

#include "model/net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/net_bf16.h"
#include "model/net_embed.h"

#define ALIGNMENT 64
#define PARAM_LIMIT ((size_t) 1 << 28)

static float *
floats_new(size_t count)
{
  size_t bytes = (count * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  float *floats = aligned_alloc(ALIGNMENT, bytes ? bytes : ALIGNMENT);

  if (floats)
    memset(floats, 0, bytes);
  return floats;
}

static enum err
check_config(const struct net_config *config, struct err_info *info)
{
  if (config->inputs == 0 || config->inputs > ((size_t) 1 << 24) || config->outputs == 0
      || config->outputs > ((size_t) 1 << 20))
    return err_set(info, ERR_INVALID, "a network of %zu inputs and %zu outputs cannot be built",
                   config->inputs, config->outputs);
  if (config->layers >= NET_LAYERS_MAX
      || (config->layers && (config->units == 0 || config->units > 65536)))
    return err_set(info, ERR_INVALID, "a network of %zu layers of %zu units cannot be built",
                   config->layers, config->units);
  if ((unsigned) config->activation >= NET_ACTIVATION_COUNT || !(config->dropout >= 0.0f)
      || config->dropout >= 1.0f)
    return err_set(info, ERR_INVALID, "the network's activation or dropout is out of range");
  if (config->embedded > config->inputs)
    return err_set(info, ERR_INVALID, "%zu of a network's %zu inputs cannot be embedded",
                   config->embedded, config->inputs);
  return ERR_OK;
}

static void
plan_layers(struct net *net)
{
  size_t embedded = net->config.embedded, at = net_embed_params(embedded), in;

  net->layer_count = net->config.layers + 1;
  net->width = in = embedded * NET_EMBED_OUT + net->config.inputs - embedded;
  net->scale = at;
  at += net->config.scaled ? net->width : 0;
  for (size_t i = 0; i < net->layer_count; i++)
  {
    size_t out = i + 1 == net->layer_count ? net->config.outputs : net->config.units;
    bool bent = net->config.parametric && i + 1 < net->layer_count;
    net->layers[i] = (struct net_layer){
      .in = in, .out = out, .weights = at, .bias = at + in * out, .alpha = at + in * out + out};
    at += in * out + (bent ? 2 : 1) * out;
    in = out;
  }
  net->param_count = at;
}

static enum err
allocate(struct net *net, bool training, struct err_info *info)
{
  bool embedded = net->config.embedded > 0, scaled = net->config.scaled;

  net->w = floats_new(net->param_count);
  net->g = training ? floats_new(net->param_count) : NULL;
  net->order = embedded ? calloc(net->config.inputs, sizeof *net->order) : NULL;
  net->folded = scaled ? floats_new(net->width * net->layers[0].out) : NULL;
  if (!net->w || (training && !net->g) || (embedded && !net->order) || (scaled && !net->folded))
    return err_set(info, ERR_MEMORY, "no memory for %zu weights", net->param_count);
  for (size_t i = 0; embedded && i < net->config.inputs; i++)
    net->order[i] = (uint32_t) i;
  return ERR_OK;
}

static enum err
net_make(const struct net_config *config, bool training, uint64_t wanted, struct net **net,
         struct err_info *info)
{
  enum err rc = check_config(config, info);
  struct net *made;

  *net = NULL;
  if (rc != ERR_OK)
    return rc;
  made = calloc(1, sizeof *made);
  if (!made)
    return err_set(info, ERR_MEMORY, "no memory for a network");
  made->config = *config;
  plan_layers(made);
  if (wanted && wanted != made->param_count)
    rc = err_set(info, ERR_INVALID, "the network's weights do not fit its layers");
  else if (made->param_count > PARAM_LIMIT)
    rc = err_set(info, ERR_INVALID, "a network of %zu weights is too large", made->param_count);
  if (rc == ERR_OK)
    rc = allocate(made, training, info);
  if (rc != ERR_OK)
  {
    net_free(made);
    return rc;
  }
  *net = made;
  return ERR_OK;
}

enum err
net_new(const struct net_config *config, bool training, struct net **net, struct err_info *info)
{
  return net_make(config, training, 0, net, info);
}

enum err
net_new_sized(const struct net_config *config, uint64_t param_count, struct net **net,
              struct err_info *info)
{
  return net_make(config, false, param_count ? param_count : UINT64_MAX, net, info);
}

void
net_free(struct net *net)
{
  if (!net)
    return;
  free(net->folded);
  free(net->order);
  free(net->g);
  free(net->w);
  free(net);
}

/* to (width, out) ← the first layer's W, each row times its input's factor. */
static void
fold_into(const struct net *net, const float *w, float *to)
{
  net_scale_rows(net->width, net->layers[0].out, w + net->scale, w + net->layers[0].weights, to);
}

void
net_fold(struct net *net)
{
  if (net->folded)
    fold_into(net, net->w, net->folded);
}

enum err
net_export(const struct net *net, const float *w, struct net **exported, struct err_info *info)
{
  struct net_config config = net->config;
  struct net *made;
  enum err rc;

  config.scaled = false;
  rc = net_new(&config, false, exported, info);
  if (rc != ERR_OK)
    return rc;
  made = *exported;
  if (net->order)
    memcpy(made->order, net->order, net->config.inputs * sizeof *made->order);
  memcpy(made->w, w, net_embed_params(config.embedded) * sizeof *w);
  memcpy(made->w + made->layers[0].weights, w + net->layers[0].weights,
         (made->param_count - made->layers[0].weights) * sizeof *w);
  if (net->config.scaled)
    fold_into(net, w, made->w + made->layers[0].weights);
  return ERR_OK;
}

void
net_init_weights(struct net *net, uint64_t seed)
{
  for (size_t i = 0; i < net->layer_count; i++)
  {
    const struct net_layer *layer = &net->layers[i];
    bool last = i + 1 == net->layer_count;
    bool unit_gain =
      last || net->config.activation == NET_TANH || net->config.activation == NET_SELU;
    double gain = unit_gain ? 1.0 : 2.0;
    double sd = sqrt(gain / (double) layer->in) * (last ? sqrt(0.1) : 1.0);
    struct rng rng;

    rng_init(&rng, seed, rng_mix(1, i));
    for (size_t j = 0; j < layer->in * layer->out; j++)
      net->w[layer->weights + j] = (float) (sd * rng_normal(&rng));
    memset(net->w + layer->bias, 0, layer->out * sizeof(float));
  }
}

/* ---- scratch memory ------------------------------------------------------------------------------- */

static size_t
padded(size_t count)
{
  return (count + 15) / 16 * 16;
}

size_t
net_work_floats(const struct net *net, size_t rows, bool training)
{
  size_t widest = 0, total = 0;

  for (size_t i = 0; i < net->layer_count; i++)
  {
    total += padded(rows * net->layers[i].out) * (training ? 2 : 1);
    widest = net->layers[i].out > widest ? net->layers[i].out : widest;
  }
  if (net->order)
    total += padded(rows * net->width);
  if (net->order && training)
    total += padded(rows * net->config.embedded * NET_EMBED_OUT);
  return total + (training ? 2 * padded(rows * widest) : 0);
}

void
net_work_place(struct net_work *work, const struct net *net, size_t rows, bool training,
               float *memory)
{
  size_t widest = 0;
  float *at = memory;

  memset(work, 0, sizeof *work);
  work->rows = rows;
  work->training = training;
  for (size_t i = 0; i < net->layer_count; i++)
  {
    size_t floats = padded(rows * net->layers[i].out);
    widest = net->layers[i].out > widest ? net->layers[i].out : widest;
    work->a[i] = at;
    at += floats;
    if (training)
    {
      work->z[i] = at;
      at += floats;
    }
  }
  for (size_t i = 0; training && i < 2; i++)
  {
    work->d[i] = at;
    at += padded(rows * widest);
  }
  if (net->order)
  {
    work->front = at;
    at += padded(rows * net->width);
  }
  if (net->order && training)
    work->front_d = at;
}

enum err
net_work_init(struct net_work *work, const struct net *net, size_t rows, bool training)
{
  float *memory;

  memset(work, 0, sizeof *work);
  if (rows == 0 || rows > ((size_t) 1 << 24)
      || net_work_floats(net, rows, training) > ((size_t) 1 << 34) / sizeof(float))
    return ERR_MEMORY;
  memory = floats_new(net_work_floats(net, rows, training));
  if (!memory)
    return ERR_MEMORY;
  net_work_place(work, net, rows, training, memory);
  work->memory = memory;
  return ERR_OK;
}

void
net_work_clear(struct net_work *work)
{
  net_bf16_free(work->bf16);
  free(work->memory);
  memset(work, 0, sizeof *work);
}
