#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/convnet.h"
#include "model/convnet_stage.h"
#include "model/net.h"

#define ALIGNMENT ((size_t) 64)
/* Outputs that are held at once: of this unit, of the one before, and of the one before that for a skip. */
#define HELD 3

struct convnet_infer
{
  struct convnet net; /* the plan, and weights of its own for the dense layers and shifts */
  struct kernel_conv *convs[CONVNET_UNITS_MAX];
  void *packed[CONVNET_UNITS_MAX]; /* weights · r, as the kernel reads them */
  float *bias[CONVNET_UNITS_MAX];  /* shift − mean · r */
  float *folded;                   /* scratch of folding: the widest unit's weights */
  size_t map_floats;               /* of the largest map after a convolution, before pooling */
  size_t scratch_floats;
  float *ones;
};

static size_t
padded(size_t count)
{
  return (count + 15) / 16 * 16;
}

static float *
floats_new(size_t count)
{
  return aligned_alloc(ALIGNMENT, padded(count + 1) * sizeof(float));
}

/* ---- folding ---------------------------------------------------------------------------------------- */

static bool
fold_unit(struct convnet_infer *infer, const struct convnet *net, size_t i, void *scratch)
{
  const struct convnet_unit *unit = &net->units[i];
  const float *mean = net->statistics + unit->statistics, *variance = mean + unit->out;
  size_t inputs = net->config.kernel * net->config.kernel * unit->in;
  const float *w = net->w + unit->weights;
  bool normalised = net->config.normalised;

  for (size_t c = 0; c < unit->out; c++)
  {
    float r = normalised ? 1.0f / sqrtf(variance[c] + CONV_OPS_EPSILON) : 1.0f;
    infer->bias[i][c] = net->w[unit->shift + c] - (normalised ? mean[c] * r : 0.0f);
    for (size_t k = 0; k < inputs; k++)
      infer->folded[k * unit->out + c] = w[k * unit->out + c] * r;
  }
  return kernel_conv_pack(infer->convs[i], infer->folded, infer->packed[i], scratch);
}

bool
convnet_infer_take(struct convnet_infer *infer, const struct convnet *net)
{
  float *scratch = floats_new(infer->scratch_floats);
  bool good = scratch != NULL;

  for (size_t i = 0; good && i < net->unit_count; i++)
    good = fold_unit(infer, net, i, scratch);
  memcpy(infer->net.w, net->w, net->param_count * sizeof *net->w);
  free(scratch);
  return good;
}

/* ---- life ------------------------------------------------------------------------------------------- */

static enum err
make_unit(struct convnet_infer *infer, size_t i, struct err_info *info)
{
  const struct convnet *net = &infer->net;
  const struct convnet_unit *unit = &net->units[i];
  struct kernel_conv_shape shape = {.images = 1,
                                    .height = unit->in_height,
                                    .width = unit->in_width,
                                    .in = unit->in,
                                    .out = unit->out,
                                    .kernel = net->config.kernel,
                                    .stride = unit->stride,
                                    .first = i == 0,
                                    .precision = KERNEL_FP32};
  enum err rc = kernel_conv_new(&shape, &infer->convs[i], info);

  if (rc != ERR_OK)
    return rc;
  size_t packed = kernel_conv_packed_bytes(infer->convs[i]);
  size_t scratch = kernel_conv_scratch_bytes(infer->convs[i]) / sizeof(float) + 16;
  infer->packed[i] = floats_new(packed / sizeof(float) + 1);
  infer->bias[i] = floats_new(unit->out);
  infer->scratch_floats = scratch > infer->scratch_floats ? scratch : infer->scratch_floats;
  size_t map = unit->conv_height * unit->conv_width * unit->out;
  infer->map_floats = map > infer->map_floats ? map : infer->map_floats;
  return infer->packed[i] && infer->bias[i]
           ? ERR_OK
           : err_set(info, ERR_MEMORY, "no memory for a network's weights");
}

static enum err
make(struct convnet_infer *infer, const struct convnet *net, struct err_info *info)
{
  size_t widest = 0;
  enum err rc = ERR_OK;

  infer->net = *net;
  infer->net.g = infer->net.statistics = NULL;
  infer->net.w = floats_new(net->param_count);
  for (size_t i = 0; rc == ERR_OK && i < net->unit_count; i++)
  {
    size_t weights = net->units[i].shift - net->units[i].weights;
    widest = weights > widest ? weights : widest;
    rc = make_unit(infer, i, info);
  }
  infer->folded = floats_new(widest);
  infer->ones = floats_new(CONV_OPS_CHANNELS_MAX);
  if (rc == ERR_OK && (!infer->net.w || !infer->folded || !infer->ones))
    rc = err_set(info, ERR_MEMORY, "no memory for a network's weights");
  for (size_t c = 0; rc == ERR_OK && c < CONV_OPS_CHANNELS_MAX; c++)
    infer->ones[c] = 1.0f;
  if (rc == ERR_OK && !convnet_infer_take(infer, net))
    rc = err_set(info, ERR_MEMORY, "the network's weights cannot be packed");
  return rc;
}

enum err
convnet_infer_new(const struct convnet *net, struct convnet_infer **infer, struct err_info *info)
{
  struct convnet_infer *made = calloc(1, sizeof *made);
  enum err rc;

  *infer = NULL;
  if (!made)
    return err_set(info, ERR_MEMORY, "no memory for a network");
  rc = make(made, net, info);
  if (rc != ERR_OK)
    convnet_infer_free(made);
  else
    *infer = made;
  return rc;
}

void
convnet_infer_free(struct convnet_infer *infer)
{
  if (!infer)
    return;
  for (size_t i = 0; i < CONVNET_UNITS_MAX; i++)
  {
    kernel_conv_free(infer->convs[i]);
    free(infer->packed[i]);
    free(infer->bias[i]);
  }
  free(infer->net.w);
  free(infer->folded);
  free(infer->ones);
  free(infer);
}

/* ---- a pass ----------------------------------------------------------------------------------------- */

/* Where things lie in the caller's memory. */
struct place
{
  float *map;        /* after a convolution */
  float *held[HELD]; /* outputs of units, by number mod HELD */
  float *kernel;     /* what kernels want */
  float *features, *hidden;
  uint8_t *which;
  uint32_t *where;
};

static size_t
lay_out(const struct convnet_infer *infer, float *scratch, struct place *place)
{
  const struct convnet *net = &infer->net;
  size_t map = padded(infer->map_floats), at = 0;

  place->map = scratch;
  at += map;
  for (size_t i = 0; i < HELD; i++, at += map)
    place->held[i] = scratch ? scratch + at : NULL;
  place->kernel = scratch ? scratch + at : NULL;
  at += padded(infer->scratch_floats);
  place->features = scratch ? scratch + at : NULL;
  at += padded(net->dense[0].in);
  place->hidden = scratch ? scratch + at : NULL;
  at += padded(net->config.head_units);
  place->which = scratch ? (uint8_t *) (scratch + at) : NULL;
  at += padded(map / sizeof(float));
  place->where = scratch ? (uint32_t *) (void *) (scratch + at) : NULL;
  at += padded(net->units[net->unit_count - 1].out);
  return at;
}

size_t
convnet_infer_floats(const struct convnet_infer *infer)
{
  struct place place;
  return lay_out(infer, NULL, &place);
}

/* The last maps; with head_grid the features are made on the way. */
static const float *
run_units(const struct convnet_infer *infer, const struct place *place, const float *x)
{
  const struct convnet *net = &infer->net;
  const float *input = x;
  size_t stage = 0;

  for (size_t i = 0; i < net->unit_count; i++)
  {
    const struct convnet_unit *unit = &net->units[i];
    float *y = place->held[i % HELD], *c = place->map;
    const float *from = c;
    if (!kernel_conv_forward(infer->convs[i], input, infer->packed[i], NULL, c, place->kernel))
      return NULL;
    if (unit->pools)
    {
      conv_ops_pool(KERNEL_FP32, 1, unit->conv_height, unit->conv_width, unit->out, c, y,
                    place->which);
      from = y;
    }
    conv_ops_normalise(KERNEL_FP32, net->config.activation, unit->height * unit->width, unit->out,
                       infer->ones, infer->bias[i], from,
                       unit->adds ? place->held[(i - 2) % HELD] : NULL, y);
    input = y;
    if (net->config.head_grid && i == net->ends[stage])
      convnet_gather_stage(net, stage++, KERNEL_FP32, 1, y, NULL, place->features);
  }
  return input;
}

static void
gather_features(const struct convnet *net, const struct place *place, const float *maps)
{
  const struct convnet_unit *last = &net->units[net->unit_count - 1];

  if (!net->config.head_grid)
    conv_ops_gather(KERNEL_FP32, 1, last->height * last->width, last->out, maps, place->features,
                    place->where);
}

static bool
run_head(const struct convnet_infer *infer, const struct place *place, const float *maps,
         float *out)
{
  const struct convnet *net = &infer->net;
  const struct convnet_dense *first = net->dense, *end = &net->dense[net->dense_count - 1];
  const float *input = place->features;

  if (net->config.head_units)
  {
    if (!kernel_dense_forward(1, first->in, first->out, maps, net->w + first->weights,
                              place->hidden))
      return false;
    conv_ops_normalise(KERNEL_FP32, net->config.activation, 1, first->out, infer->ones,
                       net->w + first->bias, place->hidden, NULL, place->hidden);
    input = place->hidden;
  }
  else
    gather_features(net, place, maps);
  if (!kernel_dense_forward(1, end->in, end->out, input, net->w + end->weights, out))
    return false;
  net_add_bias(1, end->out, net->w + end->bias, out);
  return true;
}

bool
convnet_infer_features(const struct convnet_infer *infer, float *scratch, const float *x, size_t n,
                       float *features)
{
  const struct convnet_config *config = &infer->net.config;
  size_t pixels = config->height * config->width * config->channels;
  size_t count = infer->net.dense[0].in;
  struct place place;

  lay_out(infer, scratch, &place);
  for (size_t i = 0; i < n; i++)
  {
    const float *maps = run_units(infer, &place, x + i * pixels);
    if (!maps)
      return false;
    gather_features(&infer->net, &place, maps);
    memcpy(features + i * count, place.features, count * sizeof *features);
  }
  return true;
}

bool
convnet_infer_run(const struct convnet_infer *infer, float *scratch, const float *x, size_t n,
                  float *out)
{
  const struct convnet_config *config = &infer->net.config;
  size_t pixels = config->height * config->width * config->channels;
  struct place place;

  lay_out(infer, scratch, &place);
  for (size_t i = 0; i < n; i++)
  {
    const float *maps = run_units(infer, &place, x + i * pixels);
    if (!maps || !run_head(infer, &place, maps, out + i * config->outputs))
      return false;
  }
  return true;
}
