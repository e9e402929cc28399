#include <config.h>

#include "model/convnet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/conv_grid.h"

#define ALIGNMENT 64
#define PARAM_LIMIT ((size_t) 1 << 27)

static float *
floats_new(size_t count)
{
  size_t bytes = (count * sizeof(float) / ALIGNMENT + 1) * ALIGNMENT;
  float *floats = aligned_alloc(ALIGNMENT, bytes);

  if (floats)
    memset(floats, 0, bytes);
  return floats;
}

/* ---- the plan --------------------------------------------------------------------------------------- */

static enum err
check_config(const struct convnet_config *config, struct err_info *info)
{
  if (config->height < 4 || config->width < 4 || config->height > CONVNET_SIDE_MAX
      || config->width > CONVNET_SIDE_MAX || config->channels == 0 || config->channels > 4
      || config->outputs == 0 || config->outputs > ((size_t) 1 << 20))
    return err_set(info, ERR_INVALID,
                   "a convolutional network for images of %zu x %zu x %zu and %zu outputs cannot "
                   "be built",
                   config->width, config->height, config->channels, config->outputs);
  if (config->stages == 0 || config->stages > CONVNET_STAGES_MAX
      || config->blocks > CONVNET_BLOCKS_MAX || config->filters == 0
      || config->filters > CONVNET_FILTERS_MAX || (config->kernel != 3 && config->kernel != 5)
      || (config->stride != 1 && config->stride != 2) || config->head_units > CONV_OPS_CHANNELS_MAX
      || config->head_grid > CONV_GRID_MAX || (config->head_grid && config->head_units))
    return err_set(info, ERR_INVALID, "the convolutional network's layers are out of range");
  if ((unsigned) config->activation >= CONV_ACTIVATION_COUNT || !(config->dropout >= 0.0f)
      || config->dropout >= 1.0f)
    return err_set(info, ERR_INVALID, "the network's activation or dropout is out of range");
  return ERR_OK;
}

/* Maps smaller than this are not made smaller still. */
#define LEAST_POOLED_SIDE 4

static void
add_unit(struct convnet *net, size_t out, bool pools, bool adds)
{
  struct convnet_unit *unit = &net->units[net->unit_count];
  const struct convnet_unit *before = net->unit_count ? unit - 1 : NULL;
  const struct convnet_config *config = &net->config;

  *unit = (struct convnet_unit){.in_height = before ? before->height : config->height,
                                .in_width = before ? before->width : config->width,
                                .in = before ? before->out : config->channels,
                                .out = out,
                                .stride = before ? 1 : config->stride,
                                .adds = adds};
  /* an odd kernel with half its side of padding */
  unit->conv_height = (unit->in_height - 1) / unit->stride + 1;
  unit->conv_width = (unit->in_width - 1) / unit->stride + 1;
  unit->pools =
    pools && unit->conv_height >= LEAST_POOLED_SIDE && unit->conv_width >= LEAST_POOLED_SIDE;
  unit->height = unit->pools ? unit->conv_height / 2 : unit->conv_height;
  unit->width = unit->pools ? unit->conv_width / 2 : unit->conv_width;
  unit->weights = net->param_count;
  unit->shift = unit->weights + config->kernel * config->kernel * unit->in * out;
  unit->statistics = net->statistic_count;
  net->param_count = unit->shift + out;
  net->statistic_count += 2 * out;
  net->unit_count++;
}

static void
add_dense(struct convnet *net, size_t in, size_t out)
{
  net->dense[net->dense_count++] = (struct convnet_dense){
    .in = in, .out = out, .weights = net->param_count, .bias = net->param_count + in * out};
  net->param_count += in * out + out;
}

/* The number of features of a grid. */
static size_t
place_taps(struct convnet *net)
{
  size_t count = 0;

  for (size_t s = 0; s < net->config.stages; s++)
  {
    const struct convnet_unit *end = &net->units[net->ends[s]];
    net->taps[s] = count;
    count += conv_grid_cells(end->height, end->width, net->config.head_grid) * end->out;
  }
  return count;
}

static void
plan(struct convnet *net)
{
  const struct convnet_config *config = &net->config;

  for (size_t s = 0; s < config->stages; s++)
  {
    size_t out = config->filters << s;
    out = out < CONV_OPS_CHANNELS_MAX ? out : CONV_OPS_CHANNELS_MAX;
    add_unit(net, out, s > 0 || config->pool_first, false);
    for (size_t b = 0; b < config->blocks; b++)
    {
      add_unit(net, out, false, false);
      add_unit(net, out, false, true);
    }
    net->ends[s] = net->unit_count - 1;
  }
  const struct convnet_unit *last = &net->units[net->unit_count - 1];
  size_t features = config->head_units ? last->height * last->width * last->out : 2 * last->out;
  if (config->head_grid)
    features = place_taps(net);
  if (config->head_units)
  {
    add_dense(net, features, config->head_units);
    features = config->head_units;
  }
  add_dense(net, features, config->outputs);
}

enum err
convnet_count(const struct convnet_config *config, size_t *params, size_t *statistics,
              struct err_info *info)
{
  struct convnet net = {.config = *config};
  enum err rc = check_config(config, info);

  if (rc != ERR_OK)
    return rc;
  plan(&net);
  *params = net.param_count;
  *statistics = net.statistic_count;
  return ERR_OK;
}

double
convnet_flops(const struct convnet_config *config)
{
  struct convnet net = {.config = *config};
  double flops = 0.0;

  if (check_config(config, NULL) != ERR_OK)
    return 0.0;
  plan(&net);
  for (size_t i = 0; i < net.unit_count; i++)
  {
    const struct convnet_unit *unit = &net.units[i];
    flops += 2.0 * (double) (unit->conv_height * unit->conv_width * unit->out)
             * (double) (config->kernel * config->kernel * unit->in);
  }
  for (size_t i = 0; i < net.dense_count; i++)
    flops += 2.0 * (double) net.dense[i].in * (double) net.dense[i].out;
  return flops;
}

/* ---- life ------------------------------------------------------------------------------------------- */

enum err
convnet_new(const struct convnet_config *config, bool training, struct convnet **net,
            struct err_info *info)
{
  enum err rc = check_config(config, info);
  struct convnet *made;

  *net = NULL;
  if (rc != ERR_OK)
    return rc;
  made = calloc(1, sizeof *made);
  if (!made)
    return err_set(info, ERR_MEMORY, "no memory for a network");
  made->config = *config;
  plan(made);
  if (made->param_count > PARAM_LIMIT)
  {
    rc = err_set(info, ERR_INVALID, "a network of %zu weights is too large", made->param_count);
    convnet_free(made);
    return rc;
  }
  made->w = floats_new(made->param_count);
  made->g = training ? floats_new(made->param_count) : NULL;
  made->statistics = floats_new(made->statistic_count);
  if (!made->w || !made->statistics || (training && !made->g))
  {
    rc = err_set(info, ERR_MEMORY, "no memory for %zu weights", made->param_count);
    convnet_free(made);
    return rc;
  }
  for (size_t i = 0; i < made->unit_count; i++)
    for (size_t c = 0; c < made->units[i].out; c++)
      made->statistics[made->units[i].statistics + made->units[i].out + c] = 1.0f;
  *net = made;
  return ERR_OK;
}

void
convnet_free(struct convnet *net)
{
  if (!net)
    return;
  free(net->w);
  free(net->g);
  free(net->statistics);
  free(net);
}

static void
draw(float *w, size_t count, double sd, uint64_t seed, size_t stream)
{
  struct rng rng;

  rng_init(&rng, seed, rng_mix(4, stream));
  for (size_t j = 0; j < count; j++)
    w[j] = (float) (sd * rng_normal(&rng));
}

void
convnet_init_weights(struct convnet *net, uint64_t seed)
{
  size_t square = net->config.kernel * net->config.kernel;

  memset(net->w, 0, net->param_count * sizeof *net->w);
  for (size_t i = 0; i < net->unit_count; i++)
  {
    const struct convnet_unit *unit = &net->units[i];
    size_t inputs = square * unit->in;
    draw(net->w + unit->weights, inputs * unit->out, sqrt(2.0 / (double) inputs), seed, i);
  }
  for (size_t i = 0; i < net->dense_count; i++)
  {
    const struct convnet_dense *dense = &net->dense[i];
    double gain = i + 1 == net->dense_count ? 0.1 : 2.0;
    draw(net->w + dense->weights, dense->in * dense->out, sqrt(gain / (double) dense->in), seed,
         CONVNET_UNITS_MAX + i);
  }
}

size_t
convnet_range_count(const struct convnet *net)
{
  return 2 * (net->unit_count + net->dense_count);
}

bool
convnet_range(const struct convnet *net, size_t index, size_t *first, size_t *count)
{
  size_t square = net->config.kernel * net->config.kernel, layer = index / 2;
  bool weights = index % 2 == 0;

  if (layer < net->unit_count)
  {
    const struct convnet_unit *unit = &net->units[layer];
    *first = weights ? unit->weights : unit->shift;
    *count = weights ? square * unit->in * unit->out : unit->out;
  }
  else
  {
    const struct convnet_dense *dense = &net->dense[layer - net->unit_count];
    *first = weights ? dense->weights : dense->bias;
    *count = weights ? dense->in * dense->out : dense->out;
  }
  return weights;
}

size_t
convnet_body_count(const struct convnet *net)
{
  return net->dense[0].weights;
}

/* ---- another net's body ----------------------------------------------------------------------------- */

static bool
same_units(const struct convnet *net, const struct convnet *from)
{
  size_t mine = net->config.channels, other = from->config.channels;

  if (net->unit_count != from->unit_count || net->config.kernel != from->config.kernel
      || net->config.normalised != from->config.normalised
      || net->config.activation != from->config.activation
      || (mine != other && mine != 1 && other != 1))
    return false;
  for (size_t i = 0; i < net->unit_count; i++)
    if ((i > 0 && net->units[i].in != from->units[i].in) || net->units[i].out != from->units[i].out
        || net->units[i].adds != from->units[i].adds)
      return false;
  return true;
}

/* The first unit's weights, (square, in, out), for other inputs. */
static void
take_first_weights(const struct convnet *net, const struct convnet *from)
{
  size_t square = net->config.kernel * net->config.kernel, out = net->units[0].out;
  size_t mine = net->units[0].in, other = from->units[0].in;
  const float *w = from->w + from->units[0].weights;
  float *to = net->w + net->units[0].weights;

  memset(to, 0, square * mine * out * sizeof *to);
  for (size_t k = 0; k < square; k++)
    for (size_t j = 0; j < out; j++)
      for (size_t c = 0; c < (mine > other ? mine : other); c++)
        to[(k * mine + (mine > 1 ? c : 0)) * out + j] +=
          w[(k * other + (other > 1 ? c : 0)) * out + j] / (float) (mine > 1 ? mine : 1);
}

bool
convnet_take_body(struct convnet *net, const struct convnet *from)
{
  const struct convnet_unit *first = &net->units[0], *source = &from->units[0];

  if (!same_units(net, from))
    return false;
  if (first->in == source->in)
    memcpy(net->w, from->w, convnet_body_count(net) * sizeof *net->w);
  else
  {
    take_first_weights(net, from);
    memcpy(net->w + first->shift, from->w + source->shift,
           (convnet_body_count(net) - first->shift) * sizeof *net->w);
  }
  memcpy(net->statistics, from->statistics, net->statistic_count * sizeof *net->statistics);
  return true;
}
