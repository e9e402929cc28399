#include <config.h>

#include "model/net_bf16.h"

#include <stdlib.h>

#include "model/kernel.h"

/* Below this rounding costs more than the product saves. */
#define SIDE_LEAST 32
#define ALIGNMENT 64

struct layer
{
  size_t in, out;
  struct kernel_dense_bf16 *product; /* NULL = fp32 */
  uint16_t *x, *w;                   /* (rows, in), (in, out), of the present step */
};

struct net_bf16
{
  size_t rows, count;
  struct layer layers[NET_LAYERS_MAX];
  uint16_t *d, *dx; /* (rows, widest) */
  void *scratch;
};

static void *
bytes_new(size_t bytes)
{
  return aligned_alloc(ALIGNMENT, (bytes / ALIGNMENT + 1) * ALIGNMENT);
}

static bool
gains(const struct net *net, size_t layer, size_t rows, bool first)
{
  const struct net_layer *at = &net->layers[layer];
  return rows >= SIDE_LEAST && at->in >= SIDE_LEAST && at->out >= SIDE_LEAST && (first || layer);
}

static enum err
make_layer(struct net_bf16 *bf16, size_t index, struct err_info *info)
{
  struct layer *layer = &bf16->layers[index];
  enum err rc =
    kernel_dense_bf16_new(bf16->rows, layer->in, layer->out, KERNEL_FP32, &layer->product, info);

  if (rc != ERR_OK)
    return rc;
  layer->x = bytes_new(bf16->rows * layer->in * sizeof *layer->x);
  layer->w = bytes_new(layer->in * layer->out * sizeof *layer->w);
  return layer->x && layer->w ? ERR_OK : err_set(info, ERR_MEMORY, "no memory for bf16 products");
}

/* What the layers share. */
static enum err
make_shared(struct net_bf16 *bf16, struct err_info *info)
{
  size_t widest = 0, scratch = 0;

  for (size_t i = 0; i < bf16->count; i++)
    if (bf16->layers[i].product)
    {
      const struct layer *layer = &bf16->layers[i];
      size_t side = layer->in > layer->out ? layer->in : layer->out;
      size_t bytes = kernel_dense_bf16_scratch_bytes(layer->product);
      widest = side > widest ? side : widest;
      scratch = bytes > scratch ? bytes : scratch;
    }
  bf16->d = bytes_new(bf16->rows * widest * sizeof *bf16->d);
  bf16->dx = bytes_new(bf16->rows * widest * sizeof *bf16->dx);
  bf16->scratch = bytes_new(scratch);
  return bf16->d && bf16->dx && bf16->scratch
           ? ERR_OK
           : err_set(info, ERR_MEMORY, "no memory for bf16 products");
}

enum err
net_bf16_new(const struct net *net, size_t rows, bool first, struct net_bf16 **bf16,
             struct err_info *info)
{
  bool some = false;
  enum err rc = ERR_OK;

  *bf16 = NULL;
  for (size_t i = 0; i < net->layer_count; i++)
    some = some || gains(net, i, rows, first);
  if (!some)
    return ERR_OK;
  struct net_bf16 *made = calloc(1, sizeof *made);
  if (!made)
    return err_set(info, ERR_MEMORY, "no memory for bf16 products");
  made->rows = rows;
  made->count = net->layer_count;
  for (size_t i = 0; rc == ERR_OK && i < net->layer_count; i++)
  {
    made->layers[i].in = net->layers[i].in;
    made->layers[i].out = net->layers[i].out;
    if (gains(net, i, rows, first))
      rc = make_layer(made, i, info);
  }
  if (rc == ERR_OK)
    rc = make_shared(made, info);
  if (rc != ERR_OK)
  {
    net_bf16_free(made);
    return rc;
  }
  *bf16 = made;
  return ERR_OK;
}

void
net_bf16_free(struct net_bf16 *bf16)
{
  if (!bf16)
    return;
  for (size_t i = 0; i < bf16->count; i++)
  {
    kernel_dense_bf16_free(bf16->layers[i].product);
    free(bf16->layers[i].x);
    free(bf16->layers[i].w);
  }
  free(bf16->scratch);
  free(bf16->dx);
  free(bf16->d);
  free(bf16);
}

bool
net_bf16_has(const struct net_bf16 *bf16, size_t layer)
{
  return bf16->layers[layer].product != NULL;
}

bool
net_bf16_forward(struct net_bf16 *bf16, size_t layer, const float *x, const float *w, float *z)
{
  struct layer *at = &bf16->layers[layer];

  kernel_bf16_narrow(bf16->rows * at->in, x, at->x);
  kernel_bf16_narrow(at->in * at->out, w, at->w);
  return kernel_dense_bf16_forward(at->product, at->x, at->w, z, bf16->scratch);
}

bool
net_bf16_weights(struct net_bf16 *bf16, size_t layer, const float *d, float *g)
{
  struct layer *at = &bf16->layers[layer];

  kernel_bf16_narrow(bf16->rows * at->out, d, bf16->d);
  return kernel_dense_bf16_weights(at->product, at->x, bf16->d, g, bf16->scratch);
}

bool
net_bf16_inputs(struct net_bf16 *bf16, size_t layer, float *dx)
{
  struct layer *at = &bf16->layers[layer];

  if (!kernel_dense_bf16_inputs(at->product, bf16->d, at->w, bf16->dx, bf16->scratch))
    return false;
  kernel_bf16_widen(bf16->rows * at->in, bf16->dx, dx);
  return true;
}
