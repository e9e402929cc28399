#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/conv_direct.h"
#include "model/conv_loops.h"
#include "model/convnet.h"
#include "model/convnet_stage.h"
#include "model/net.h"

#define ALIGNMENT ((size_t) 64)
/* Outputs that are held at once: of this unit, of the one before, and of the one before that for a skip. */
#define HELD 3

struct convnet_infer
{
  struct convnet net; /* the plan, and weights of its own for the dense layers and shifts */
  /* Where this machine has them, and the head takes no maps on the way, the units are run line by line by `lines`;
   * else by `convs`, which are NULL then. */
  bool direct;
  struct conv_direct lines[CONVNET_UNITS_MAX];
  struct kernel_conv *convs[CONVNET_UNITS_MAX];
  void *packed[CONVNET_UNITS_MAX]; /* weights · r, as the kernel reads them */
  float *bias[CONVNET_UNITS_MAX];  /* shift − mean · r */
  float *folded;                   /* scratch of folding: the widest unit's weights */
  size_t
    map_floats; /* of the largest map after a convolution before pooling, or of two of its lines */
  size_t held_floats; /* of the largest output of a unit, with its border */
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
  if (!infer->direct)
    return kernel_conv_pack(infer->convs[i], infer->folded, infer->packed[i], scratch);
  conv_direct_pack(&infer->lines[i], infer->folded, infer->packed[i]);
  return true;
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

/* Zeros around the inputs of a unit: the kernel reaches as far. */
static size_t
border_before(const struct convnet_infer *infer, size_t unit)
{
  return infer->direct && unit < infer->net.unit_count ? infer->net.config.kernel / 2 : 0;
}

static size_t
bordered_floats(size_t height, size_t width, size_t channels, size_t border)
{
  return (height + 2 * border) * (width + 2 * border) * channels;
}

/* Memory that a unit's pass takes. */
static void
count_unit(struct convnet_infer *infer, size_t i)
{
  const struct convnet_unit *unit = &infer->net.units[i];
  size_t lines = infer->direct ? 2 : unit->conv_height, map = lines * unit->conv_width * unit->out;
  size_t held = bordered_floats(unit->height, unit->width, unit->out, border_before(infer, i + 1));

  infer->map_floats = map > infer->map_floats ? map : infer->map_floats;
  infer->held_floats = held > infer->held_floats ? held : infer->held_floats;
}

static enum err
make_conv(struct convnet_infer *infer, size_t i, struct err_info *info)
{
  const struct convnet_unit *unit = &infer->net.units[i];
  struct kernel_conv_shape shape = {.images = 1,
                                    .height = unit->in_height,
                                    .width = unit->in_width,
                                    .in = unit->in,
                                    .out = unit->out,
                                    .kernel = infer->net.config.kernel,
                                    .stride = unit->stride,
                                    .first = i == 0,
                                    .precision = KERNEL_FP32};
  enum err rc = kernel_conv_new(&shape, &infer->convs[i], info);

  if (rc != ERR_OK)
    return rc;
  size_t scratch = kernel_conv_scratch_bytes(infer->convs[i]) / sizeof(float) + 16;
  infer->scratch_floats = scratch > infer->scratch_floats ? scratch : infer->scratch_floats;
  infer->packed[i] = floats_new(kernel_conv_packed_bytes(infer->convs[i]) / sizeof(float) + 1);
  return ERR_OK;
}

static enum err
make_unit(struct convnet_infer *infer, size_t i, struct err_info *info)
{
  const struct convnet_unit *unit = &infer->net.units[i];
  enum err rc = ERR_OK;

  if (infer->direct)
  {
    infer->lines[i] = conv_direct_plan(conv_direct_here(), unit->in_width, unit->in, unit->out,
                                       infer->net.config.kernel, unit->stride);
    infer->packed[i] = floats_new(conv_direct_packed_floats(&infer->lines[i]));
  }
  else
    rc = make_conv(infer, i, info);
  if (rc != ERR_OK)
    return rc;
  count_unit(infer, i);
  infer->bias[i] = floats_new(unit->out);
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
  infer->direct = conv_direct_here() != NULL && net->config.head_grid == 0;
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
  float *input;      /* the image with its border; none without one */
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
  const struct convnet_config *config = &net->config;
  size_t map = padded(infer->map_floats), held = padded(infer->held_floats), at = 0;
  size_t border = border_before(infer, 0);

  place->input = scratch;
  at +=
    border ? padded(bordered_floats(config->height, config->width, config->channels, border)) : 0;
  place->map = scratch ? scratch + at : NULL;
  at += map;
  for (size_t i = 0; i < HELD; i++, at += held)
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

/* maps (height, width, channels) within zeros; lines of `width` pixels are copied in unless `from` is NULL. The first
 * line that is not border. */
static float *
make_border(size_t height, size_t width, size_t channels, size_t border, const float *from,
            float *maps)
{
  size_t line = (width + 2 * border) * channels, side = border * channels;
  float *first = maps + border * line + side;

  memset(maps, 0, (border * line + side) * sizeof *maps);
  for (size_t i = 0; i < height; i++)
  {
    float *at = first + i * line;
    if (from)
      memcpy(at, from + i * width * channels, width * channels * sizeof *at);
    memset(at + width * channels, 0, 2 * side * sizeof *at);
  }
  /* the last line's zeros reach as far into the border below as the first one begins before it */
  memset(first + height * line, 0, (border * line - side) * sizeof *maps);
  return first;
}

/* y ← two lines after their convolution. */
static void
end_pooled_line(const struct convnet_infer *infer, const struct place *place, size_t i, float *y)
{
  const struct convnet_unit *unit = &infer->net.units[i];
  const float *above = place->map, *below = above + unit->conv_width * unit->out;

  if (infer->net.config.activation == CONV_RELU)
  {
    conv_direct_pool(&infer->lines[i], above, below, infer->bias[i], y);
    return;
  }
  conv_loops()->pool_line[KERNEL_FP32](unit->width, unit->out, above, below, y, place->which);
  conv_loops()->normalise[infer->net.config.activation][KERNEL_FP32](
    unit->width, unit->out, infer->ones, infer->bias[i], y, NULL, y);
}

/* One unit, line by line: each is bent, and halved with the one below it, while it is near. x and skip with their
 * borders, y at its first line. */
static void
run_lines(const struct convnet_infer *infer, const struct place *place, size_t i, const float *x,
          const float *skip, float *y)
{
  const struct convnet_unit *unit = &infer->net.units[i];
  const struct conv_direct *conv = &infer->lines[i];
  size_t x_line = (unit->in_width + infer->net.config.kernel - 1) * unit->in * unit->stride;
  size_t y_line = (unit->width + 2 * border_before(infer, i + 1)) * unit->out;
  size_t made = unit->conv_width * unit->out, skipped = border_before(infer, i - 1);
  size_t skip_line = (unit->width + 2 * skipped) * unit->out;

  if (skip)
    skip += skipped * (skip_line + unit->out);
  for (size_t line = 0; line < unit->height; line++, y += y_line)
  {
    conv_direct_line(conv, x, infer->packed[i], place->map);
    x += x_line;
    if (unit->pools)
    {
      conv_direct_line(conv, x, infer->packed[i], place->map + made);
      x += x_line;
      end_pooled_line(infer, place, i, y);
      continue;
    }
    conv_loops()->normalise[infer->net.config.activation][KERNEL_FP32](
      unit->width, unit->out, infer->ones, infer->bias[i], place->map, skip, y);
    skip = skip ? skip + skip_line : NULL;
  }
}

/* The last maps, line by line. */
static const float *
run_direct(const struct convnet_infer *infer, const struct place *place, const float *x)
{
  const struct convnet *net = &infer->net;
  const struct convnet_config *config = &net->config;
  const float *input = place->input;

  make_border(config->height, config->width, config->channels, border_before(infer, 0), x,
              place->input);
  for (size_t i = 0; i < net->unit_count; i++)
  {
    const struct convnet_unit *unit = &net->units[i];
    size_t border = border_before(infer, i + 1);
    float *y = place->held[i % HELD], *first = y;
    if (border)
      first = make_border(unit->height, unit->width, unit->out, border, NULL, y);
    run_lines(infer, place, i, input, unit->adds ? place->held[(i - 2) % HELD] : NULL, first);
    input = y;
  }
  return input;
}

/* The last maps; with head_grid the features are made on the way. */
static const float *
run_units(const struct convnet_infer *infer, const struct place *place, const float *x)
{
  const struct convnet *net = &infer->net;
  const float *input = x;
  size_t stage = 0;

  if (infer->direct)
    return run_direct(infer, place, x);
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
