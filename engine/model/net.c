#include <config.h>

#include "model/net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/kernel.h"

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
  return ERR_OK;
}

static void
plan_layers(struct net *net)
{
  size_t in = net->config.inputs, at = 0;

  net->layer_count = net->config.layers + 1;
  for (size_t i = 0; i < net->layer_count; i++)
  {
    size_t out = i + 1 == net->layer_count ? net->config.outputs : net->config.units;
    net->layers[i] = (struct net_layer){.in = in, .out = out, .weights = at, .bias = at + in * out};
    at += in * out + out;
    in = out;
  }
  net->param_count = at;
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
  {
    made->w = floats_new(made->param_count);
    made->g = training ? floats_new(made->param_count) : NULL;
    if (!made->w || (training && !made->g))
      rc = err_set(info, ERR_MEMORY, "no memory for %zu weights", made->param_count);
  }
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
  free(net->g);
  free(net->w);
  free(net);
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
  free(work->memory);
  memset(work, 0, sizeof *work);
}

/* ---- passes --------------------------------------------------------------------------------------- */

static const float *
forward(const struct net *net, struct net_work *work, const float *x, size_t n, bool training,
        uint64_t seed, uint64_t step)
{
  const float *input = x;

  for (size_t i = 0; i < net->layer_count; i++)
  {
    const struct net_layer *layer = &net->layers[i];
    bool last = i + 1 == net->layer_count;
    float *z = training && !last ? work->z[i] : work->a[i];
    if (!kernel_dense_forward(n, layer->in, layer->out, input, net->w + layer->weights, z))
      return NULL;
    if (last)
      net_add_bias(n, layer->out, net->w + layer->bias, z);
    else if (training)
    {
      net_act_forward(net->config.activation, n, layer->out, net->w + layer->bias, z, work->a[i]);
      if (net->config.dropout > 0.0f)
        net_dropout(seed, rng_mix(rng_mix(2, step), i), net->config.dropout, n * layer->out,
                    work->a[i]);
    }
    else
      net_act_infer(net->config.activation, n, layer->out, net->w + layer->bias, z);
    input = work->a[i];
  }
  return input;
}

const float *
net_forward(const struct net *net, struct net_work *work, const float *x, size_t n)
{
  return forward(net, work, x, n, false, 0, 0);
}

const float *
net_forward_training(const struct net *net, struct net_work *work, const float *x, size_t n,
                     uint64_t seed, uint64_t step)
{
  return forward(net, work, x, n, true, seed, step);
}

bool
net_backward(struct net *net, struct net_work *work, const float *x, size_t n)
{
  float *d = work->d[0], *before = work->d[1];

  for (size_t i = net->layer_count; i-- > 0;)
  {
    const struct net_layer *layer = &net->layers[i];
    const float *input = i ? work->a[i - 1] : x;
    if (!kernel_dense_weights(n, layer->in, layer->out, input, d, net->g + layer->weights))
      return false;
    net_sum_rows(n, layer->out, d, net->g + layer->bias);
    if (i == 0)
      break;
    if (!kernel_dense_inputs(n, layer->in, layer->out, d, net->w + layer->weights, before))
      return false;
    net_act_backward(net->config.activation, n * layer->in, work->z[i - 1], work->a[i - 1],
                     1.0f - net->config.dropout, before);
    float *swap = d;
    d = before;
    before = swap;
  }
  return true;
}
