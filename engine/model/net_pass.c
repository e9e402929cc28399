#include <config.h>

#include "base/rng.h"
#include "model/kernel.h"
#include "model/net.h"
#include "model/net_bf16.h"
#include "model/net_embed.h"

/* What the first layer is given. */
static const float *
front_of(const struct net *net, struct net_work *work, const float *x, size_t n)
{
  if (!net->order)
    return x;
  net_embed_forward(n, net->config.inputs, net->config.embedded, net->order, net->w, x,
                    work->front);
  return work->front;
}

static const float *
first_weights(const struct net *net)
{
  return net->folded ? net->folded : net->w + net->layers[0].weights;
}

/* Whether a layer's products are bf16 ones. */
static bool
in_bf16(const struct net_work *work, size_t layer, size_t n)
{
  return work->bf16 && n == work->rows && net_bf16_has(work->bf16, layer);
}

static bool
product_forward(const struct net *net, struct net_work *work, size_t i, size_t n, bool training,
                const float *input, float *z)
{
  const struct net_layer *layer = &net->layers[i];
  const float *w = i ? net->w + layer->weights : first_weights(net);

  if (training && in_bf16(work, i, n))
    return net_bf16_forward(work->bf16, i, input, w, z);
  return kernel_dense_forward(n, layer->in, layer->out, input, w, z);
}

static void
activate(const struct net *net, const struct net_layer *layer, size_t n, bool training, float *z,
         float *a)
{
  enum net_activation activation = net->config.activation;
  const float *bias = net->w + layer->bias, *alpha = net->w + layer->alpha;

  if (training && net->config.parametric)
    net_act_forward_parametric(activation, n, layer->out, bias, alpha, z, a);
  else if (training)
    net_act_forward(activation, n, layer->out, bias, z, a);
  else if (net->config.parametric)
    net_act_infer_parametric(activation, n, layer->out, bias, alpha, z);
  else
    net_act_infer(activation, n, layer->out, bias, z);
}

static const float *
forward(const struct net *net, struct net_work *work, const float *x, size_t n, bool training,
        uint64_t seed, uint64_t step)
{
  const float *input = front_of(net, work, x, n);

  for (size_t i = 0; i < net->layer_count; i++)
  {
    const struct net_layer *layer = &net->layers[i];
    bool last = i + 1 == net->layer_count;
    float *z = training && !last ? work->z[i] : work->a[i];
    if (!product_forward(net, work, i, n, training, input, z))
      return NULL;
    if (last)
      net_add_bias(n, layer->out, net->w + layer->bias, z);
    else
      activate(net, layer, n, training, z, work->a[i]);
    if (!last && training && net->config.dropout > 0.0f)
      net_dropout(seed, rng_mix(rng_mix(2, step), i), net->config.dropout, n * layer->out,
                  work->a[i]);
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
net_forward_training(struct net *net, struct net_work *work, const float *x, size_t n,
                     uint64_t seed, uint64_t step)
{
  net_fold(net);
  return forward(net, work, x, n, true, seed, step);
}

/* What lies before the first layer, from the gradient d (n, out) of its sums. */
static bool
backward_front(struct net *net, struct net_work *work, const float *x, size_t n, const float *d)
{
  size_t embedded = net->config.embedded;

  /* the first layer's dW is of the product of factors and W: both from it */
  if (net->config.scaled)
    net_unscale_gradient(net->width, net->layers[0].out, net->w + net->scale,
                         net->w + net->layers[0].weights, net->g + net->layers[0].weights,
                         net->g + net->scale);
  if (!embedded)
    return true;
  /* the embedded columns come first, so their rows of W do, too */
  if (!kernel_dense_inputs(n, embedded * NET_EMBED_OUT, net->layers[0].out, d, first_weights(net),
                           work->front_d))
    return false;
  net_embed_backward(n, net->config.inputs, embedded, net->order, net->w, x, work->front_d, net->g);
  return true;
}

static void
deactivate(struct net *net, struct net_work *work, size_t layer, size_t n, float *d)
{
  const struct net_layer *at = &net->layers[layer];
  float keep = 1.0f - net->config.dropout;

  if (net->config.parametric)
    net_act_backward_parametric(net->config.activation, n, at->out, work->z[layer], work->a[layer],
                                keep, net->w + at->alpha, d, net->g + at->alpha);
  else
    net_act_backward(net->config.activation, n * at->out, work->z[layer], work->a[layer], keep, d);
}

bool
net_backward(struct net *net, struct net_work *work, const float *x, size_t n)
{
  float *d = work->d[0], *before = work->d[1];

  for (size_t i = net->layer_count; i-- > 0;)
  {
    const struct net_layer *layer = &net->layers[i];
    const float *input = i ? work->a[i - 1] : net->order ? work->front : x;
    bool narrow = in_bf16(work, i, n);
    if (narrow ? !net_bf16_weights(work->bf16, i, d, net->g + layer->weights)
               : !kernel_dense_weights(n, layer->in, layer->out, input, d, net->g + layer->weights))
      return false;
    net_sum_rows(n, layer->out, d, net->g + layer->bias);
    if (i == 0)
      return backward_front(net, work, x, n, d);
    if (narrow ? !net_bf16_inputs(work->bf16, i, before)
               : !kernel_dense_inputs(n, layer->in, layer->out, d, net->w + layer->weights, before))
      return false;
    deactivate(net, work, i - 1, n, before);
    float *swap = d;
    d = before;
    before = swap;
  }
  return true;
}
