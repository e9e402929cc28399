#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/kernel.h"
#include "model/net.h"
#include "model/net_embed.h"

/* Rows whose sums a bias is made of. */
#define CORNERS 5
#define SPREAD_LEAST 1e-6

/* Each unit's weights are divided by the spread of its sums z (n, out), and the sums with them. A unit that
 * is the same for all rows keeps weights of the usual size. */
static void
even_out(struct net *net, const struct net_layer *layer, size_t n, float *z)
{
  for (size_t j = 0; j < layer->out; j++)
  {
    double sum = 0.0, square = 0.0;
    for (size_t i = 0; i < n; i++)
    {
      double value = (double) z[i * layer->out + j];
      sum += value;
      square += value * value;
    }
    double mean = sum / (double) n;
    double spread = sqrt(fmax(square / (double) n - mean * mean, 0.0));
    float factor = (float) (spread > SPREAD_LEAST ? 1.0 / spread : 1.0 / sqrt((double) layer->in));
    for (size_t i = 0; i < layer->in; i++)
      net->w[layer->weights + i * layer->out + j] *= factor;
    for (size_t i = 0; i < n; i++)
      z[i * layer->out + j] *= factor;
  }
}

static void
place_biases(struct net *net, const struct net_layer *layer, size_t n, const float *z,
             struct rng *rng)
{
  for (size_t j = 0; j < layer->out; j++)
  {
    double sum = 0.0, total = 0.0;
    for (int corner = 0; corner < CORNERS; corner++)
    {
      size_t row = rng_below(rng, n);
      double share = -log(1.0 - rng_double(rng)); /* even over all convex combinations */
      sum += share * (double) z[row * layer->out + j];
      total += share;
    }
    net->w[layer->bias + j] = total > 0.0 ? (float) (-sum / total) : 0.0f;
  }
}

/* One layer from its inputs (n, in); z (n, out) ← its outputs. */
static bool
start_layer(struct net *net, size_t index, uint64_t seed, const float *inputs, size_t n, float *z)
{
  const struct net_layer *layer = &net->layers[index];
  float *w = net->w + layer->weights;
  struct rng rng;

  rng_init(&rng, seed, rng_mix(1, index));
  for (size_t i = 0; i < layer->in * layer->out; i++)
    w[i] = (float) rng_normal(&rng);
  if (!kernel_dense_forward(n, layer->in, layer->out, inputs, w, z))
    return false;
  even_out(net, layer, n, z);
  place_biases(net, layer, n, z, &rng);
  if (index + 1 == net->layer_count)
    return true;
  if (net->config.parametric)
    for (size_t j = 0; j < layer->out; j++)
      net->w[layer->alpha + j] = 1.0f;
  net_act_infer(net->config.activation, n, layer->out, net->w + layer->bias, z);
  return true;
}

static bool
start_layers(struct net *net, uint64_t seed, const float *front, size_t n, float *z[2])
{
  const float *inputs = front;

  for (size_t i = 0; i < net->layer_count; i++)
  {
    if (!start_layer(net, i, seed, inputs, n, z[i % 2]))
      return false;
    inputs = z[i % 2];
  }
  return true;
}

enum err
net_init_from_data(struct net *net, uint64_t seed, float sigma, const float *x, size_t n,
                   struct err_info *info)
{
  size_t widest = net->config.units > net->config.outputs ? net->config.units : net->config.outputs;
  float *front = net->order ? malloc((n * net->width + 1) * sizeof *front) : NULL;
  float *z[2] = {malloc((n * widest + 1) * sizeof(float)),
                 malloc((n * widest + 1) * sizeof(float))};
  enum err rc = ERR_OK;

  if (!z[0] || !z[1] || (net->order && !front))
    rc = err_set(info, ERR_MEMORY, "no memory to start a network on %zu rows", n);
  else
  {
    net_embed_init(net->config.embedded, sigma, seed, net->w);
    for (size_t i = 0; net->config.scaled && i < net->width; i++)
      net->w[net->scale + i] = 1.0f;
    if (front)
      net_embed_forward(n, net->config.inputs, net->config.embedded, net->order, net->w, x, front);
    if (!start_layers(net, seed, front ? front : x, n, z))
      rc = err_set(info, ERR_INTERNAL, "the matrix product failed");
    net_fold(net);
  }
  free(z[1]);
  free(z[0]);
  free(front);
  return rc;
}
