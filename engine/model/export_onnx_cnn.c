#include <config.h>

#include <math.h>
#include <stdlib.h>

#include "model/conv_grid.h"
#include "model/export_onnx_body.h"
#include "model/model_cnn.h"
#include "model/net.h"

/* The weights (k, k, in, out) with the normalisation folded in, as (out, in, k, k), and the shift. */
static bool
fold_unit(const struct convnet *net, const struct convnet_unit *unit, float *w, float *b)
{
  const float *mean = net->statistics + unit->statistics, *variance = mean + unit->out;
  size_t area = net->config.kernel * net->config.kernel;

  if (!w || !b)
    return false;
  for (size_t o = 0; o < unit->out; o++)
  {
    float r = net->config.normalised ? 1.0f / sqrtf(variance[o] + CONV_OPS_EPSILON) : 1.0f;
    b[o] = net->w[unit->shift + o] - (net->config.normalised ? mean[o] * r : 0.0f);
    for (size_t i = 0; i < unit->in; i++)
      for (size_t k = 0; k < area; k++)
        w[(o * unit->in + i) * area + k] =
          r * net->w[unit->weights + (k * unit->in + i) * unit->out + o];
  }
  return true;
}

/* What is the same for both of a mirrored pair. */
struct unit_values
{
  int weights, bias;
};

static struct unit_values
unit_constants(struct onnx *graph, const struct convnet *net, const struct convnet_unit *unit)
{
  size_t k = net->config.kernel;
  float *w = calloc(unit->out * unit->in * k * k + 1, sizeof *w);
  float *b = calloc(unit->out + 1, sizeof *b);
  struct unit_values values = {0, 0};

  if (fold_unit(net, unit, w, b))
  {
    values.weights = onnx_floats(graph, w, (size_t[]){unit->out, unit->in, k, k}, 4);
    values.bias = onnx_floats(graph, b, &unit->out, 1);
  }
  else
    graph->nodes.failed = true;
  free(w);
  free(b);
  return values;
}

static int
activation_of(const struct convnet *net)
{
  static const int activations[] = {
    [CONV_RELU] = NET_RELU, [CONV_GELU] = NET_GELU, [CONV_SILU] = NET_SILU};

  return activations[net->config.activation];
}

/* A shift is the same before as after the largest is taken, so it is the convolution's own. */
static int
unit_nodes(struct onnx *graph, const struct convnet *net, const struct convnet_unit *unit,
           struct unit_values values, int x, int skip)
{
  int64_t k = (int64_t) net->config.kernel, pad = k / 2, stride = (int64_t) unit->stride;
  struct buf conv = {0}, pool = {0};

  onnx_attr_ints(&conv, "kernel_shape", (int64_t[]){k, k}, 2);
  onnx_attr_ints(&conv, "pads", (int64_t[]){pad, pad, pad, pad}, 4);
  onnx_attr_ints(&conv, "strides", (int64_t[]){stride, stride}, 2);
  int y = onnx_node(graph, "Conv", (int[]){x, values.weights, values.bias}, 3, &conv);
  if (unit->pools)
  {
    onnx_attr_ints(&pool, "kernel_shape", (int64_t[]){2, 2}, 2);
    onnx_attr_ints(&pool, "strides", (int64_t[]){2, 2}, 2);
    y = onnx_node(graph, "MaxPool", &y, 1, &pool);
  }
  y = export_onnx_activation(graph, activation_of(net), y);
  return skip ? onnx_op2(graph, "Add", y, skip) : y;
}

/* The means over a grid's cells as a product with a matrix (pixels, cells); features cell by cell. */
static int
grid_nodes(struct onnx *graph, const struct convnet_unit *unit, size_t grid, int maps)
{
  size_t pixels = unit->height * unit->width;
  size_t rows = unit->height < grid ? unit->height : grid;
  size_t columns = unit->width < grid ? unit->width : grid, cells = rows * columns;
  float *share = calloc(pixels * cells + 1, sizeof *share);

  if (!share)
  {
    graph->nodes.failed = true;
    return maps;
  }
  for (size_t cell = 0; cell < cells; cell++)
  {
    size_t i = cell / columns, j = cell % columns;
    size_t top = i * unit->height / rows, end = (i + 1) * unit->height / rows;
    size_t left = j * unit->width / columns, right = (j + 1) * unit->width / columns;
    for (size_t y = top; y < end; y++)
      for (size_t x = left; x < right; x++)
        share[(y * unit->width + x) * cells + cell] = 1.0f / (float) ((end - top) * (right - left));
  }
  int flat = onnx_reshape(graph, maps, (int64_t[]){-1, (int64_t) unit->out, (int64_t) pixels}, 3);
  int means =
    onnx_op2(graph, "MatMul", flat, onnx_floats(graph, share, (size_t[]){pixels, cells}, 2));
  free(share);
  means = onnx_transpose(graph, means, (int64_t[]){0, 2, 1}, 3);
  return onnx_reshape(graph, means, (int64_t[]){-1, (int64_t) (cells * unit->out)}, 2);
}

/* Means and largest values of the last maps, or all of them in the order (height, width, maps). */
static int
last_features(struct onnx *graph, const struct convnet *net, int maps)
{
  const struct convnet_unit *last = &net->units[net->unit_count - 1];
  int64_t out = (int64_t) last->out;

  if (net->config.head_units)
    return onnx_reshape(graph, onnx_transpose(graph, maps, (int64_t[]){0, 2, 3, 1}, 4),
                        (int64_t[]){-1, (int64_t) net->dense[0].in}, 2);
  int both[] = {onnx_op1(graph, "GlobalAveragePool", maps), onnx_op1(graph, "GlobalMaxPool", maps)};
  for (size_t i = 0; i < 2; i++)
    both[i] = onnx_reshape(graph, both[i], (int64_t[]){-1, out}, 2);
  return onnx_join(graph, both, 2, 1);
}

static int
pass(struct onnx *graph, const struct convnet *net, const struct unit_values *values, int x)
{
  int held[3] = {0}, taps[CONVNET_STAGES_MAX];
  size_t stage = 0;

  x = onnx_transpose(graph, x, (int64_t[]){0, 3, 1, 2}, 4);
  for (size_t i = 0; i < net->unit_count; i++)
  {
    const struct convnet_unit *unit = &net->units[i];
    x = unit_nodes(graph, net, unit, values[i], x, unit->adds ? held[(i + 1) % 3] : 0);
    held[i % 3] = x;
    if (net->config.head_grid && i == net->ends[stage])
    {
      taps[stage] = grid_nodes(graph, unit, net->config.head_grid, x);
      stage++;
    }
  }
  x = stage ? onnx_join(graph, taps, stage, 1) : last_features(graph, net, x);
  for (size_t d = 0; d < net->dense_count; d++)
  {
    const struct convnet_dense *dense = &net->dense[d];
    x = export_onnx_dense(graph, x, net->w + dense->weights, net->w + dense->bias, dense->in,
                          dense->out);
    if (d + 1 < net->dense_count)
      x = export_onnx_activation(graph, activation_of(net), x);
  }
  return x;
}

/* The columns of images from right to left. */
static int
mirrored(struct onnx *graph, size_t width, int x)
{
  int64_t places[CONVNET_SIDE_MAX];
  struct buf attributes = {0};

  for (size_t i = 0; i < width; i++)
    places[i] = (int64_t) (width - 1 - i);
  onnx_attr_int(&attributes, "axis", 2);
  return onnx_node(graph, "Gather", (int[]){x, onnx_longs(graph, places, width)}, 2, &attributes);
}

int
export_onnx_cnn(struct onnx *graph, const void *body, int x)
{
  const struct convnet *net = model_cnn_net(body);
  struct unit_values values[CONVNET_UNITS_MAX];

  for (size_t i = 0; i < net->unit_count; i++)
    values[i] = unit_constants(graph, net, &net->units[i]);
  int z = pass(graph, net, values, x);
  if (!model_cnn_mirrors(body))
    return z;
  int second = pass(graph, net, values, mirrored(graph, net->config.width, x));
  return onnx_op2(graph, "Mul", onnx_op2(graph, "Add", z, second), onnx_float(graph, 0.5f));
}
