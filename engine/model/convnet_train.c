#include <config.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "model/convnet_stage.h"
#include "model/convnet_work.h"
#include "model/net.h"

/* ---- forward ---------------------------------------------------------------------------------------- */

enum norm
{
  NORM_BATCH,   /* by the batch */
  NORM_MEASURE, /* by the batch, which the statistics learn from */
  NORM_KEPT     /* by the statistics */
};

/* How z = x̂ + shift is had from x in one multiplication and addition. */
static void
state_norm(const struct convnet *net, const struct convnet_unit *unit, enum norm norm,
           struct convnet_work *work, struct unit_work *at)
{
  size_t rows = work->n * unit->height * unit->width;
  const float *kept = net->statistics + unit->statistics;

  if (net->config.normalised && norm == NORM_KEPT)
  {
    memcpy(at->mean, kept, unit->out * sizeof *kept);
    memcpy(work->variance, kept + unit->out, unit->out * sizeof *kept);
  }
  else if (net->config.normalised)
    conv_ops_statistics(work->precision, rows, unit->out, at->p, at->mean, work->variance);
  for (size_t c = 0; c < unit->out; c++)
  {
    if (!net->config.normalised)
      at->mean[c] = 0.0f;
    at->r[c] = net->config.normalised ? 1.0f / sqrtf(work->variance[c] + CONV_OPS_EPSILON) : 1.0f;
    work->scale[c] = at->r[c];
    work->offset[c] = net->w[unit->shift + c] - at->mean[c] * at->r[c];
  }
}

static void
note_statistics(const struct convnet_unit *unit, const struct unit_work *at,
                struct convnet_work *work)
{
  double *sums = work->sums + 3 * unit->statistics;

  for (size_t c = 0; c < unit->out; c++)
  {
    double mean = (double) at->mean[c];
    sums[3 * c] += mean;
    sums[3 * c + 1] += mean * mean;
    sums[3 * c + 2] += (double) work->variance[c];
  }
}

/* From image `first` on, of maps of `size` numbers each. */
static void *
image_at(enum kernel_precision precision, void *maps, size_t size, size_t first)
{
  return (char *) maps + first * size * conv_ops_bytes(precision);
}

static size_t
input_size(const struct convnet_unit *unit)
{
  return unit->in_height * unit->in_width * unit->in;
}

static size_t
output_size(const struct convnet_unit *unit)
{
  return unit->height * unit->width * unit->out;
}

/* Convolves and pools. */
static bool
forward_conv(const struct convnet *net, struct convnet_work *work, size_t i, const float *x)
{
  const struct convnet_unit *unit = &net->units[i];
  struct unit_work *at = &work->units[i];

  if (!kernel_conv_pack(at->conv, net->w + unit->weights, work->packed, work->scratch))
    return false;
  for (size_t first = 0; first < work->n; first += at->images)
  {
    const void *input = i ? image_at(work->precision, work->units[i - 1].y, input_size(unit), first)
                          : x + first * input_size(unit);
    if (!kernel_conv_forward(at->conv, input, work->packed, NULL, at->c, work->scratch))
      return false;
    if (unit->pools)
      conv_ops_pool(work->precision, at->images, unit->conv_height, unit->conv_width, unit->out,
                    at->c, image_at(work->precision, at->p, output_size(unit), first),
                    at->which + first * output_size(unit));
  }
  return true;
}

static bool
forward_units(const struct convnet *net, struct convnet_work *work, const float *x, enum norm norm)
{
  for (size_t i = 0; i < net->unit_count; i++)
  {
    const struct convnet_unit *unit = &net->units[i];
    struct unit_work *at = &work->units[i];
    if (!forward_conv(net, work, i, x))
      return false;
    state_norm(net, unit, norm, work, at);
    if (norm == NORM_MEASURE)
      note_statistics(unit, at, work);
    conv_ops_normalise(work->precision, net->config.activation,
                       work->n * unit->height * unit->width, unit->out, work->scale, work->offset,
                       at->p, unit->adds ? work->units[i - 2].y : NULL, at->y);
  }
  return true;
}

/* All maps of an image after another, or a grid of each stage, or two numbers for each map. */
static void
gather_features(const struct convnet *net, struct convnet_work *work)
{
  const struct convnet_unit *last = &net->units[net->unit_count - 1];
  const struct unit_work *at = &work->units[net->unit_count - 1];

  if (net->config.head_units && work->features == at->y)
    return;
  if (net->config.head_grid)
    for (size_t s = 0; s < net->config.stages; s++)
      convnet_gather_stage(net, s, work->precision, work->n, work->units[net->ends[s]].y, work->tap,
                           work->features);
  else if (net->config.head_units)
    conv_ops_widen(work->precision, work->n * net->dense[0].in, at->y, work->features);
  else
    conv_ops_gather(work->precision, work->n, last->height * last->width, last->out, at->y,
                    work->features, work->where);
}

/* What says which inputs of the last layer a step drops. */
struct dropping
{
  uint64_t seed, step;
};

static void
drop(const struct convnet *net, const struct dropping *dropping, size_t count, float *a)
{
  if (dropping && net->config.dropout > 0.0f)
    net_dropout(dropping->seed, rng_mix(rng_mix(5, dropping->step), 0), net->config.dropout, count,
                a);
}

/* From the last unit's maps to the outputs; NULL drops nothing. */
static const float *
forward_head(const struct convnet *net, struct convnet_work *work, const struct dropping *dropping)
{
  const struct convnet_dense *dense = net->dense, *last = &net->dense[net->dense_count - 1];
  float *input = work->features;

  gather_features(net, work);
  if (net->config.head_units)
  {
    for (size_t c = 0; c < dense->out; c++)
      work->scale[c] = 1.0f;
    if (!kernel_dense_forward(work->n, dense->in, dense->out, input, net->w + dense->weights,
                              work->z))
      return NULL;
    conv_ops_normalise(KERNEL_FP32, net->config.activation, work->n, dense->out, work->scale,
                       net->w + dense->bias, work->z, NULL, work->a);
    input = work->a;
  }
  drop(net, dropping, work->n * last->in, input);
  if (!kernel_dense_forward(work->n, last->in, last->out, input, net->w + last->weights,
                            work->output))
    return NULL;
  net_add_bias(work->n, last->out, net->w + last->bias, work->output);
  return work->output;
}

const float *
convnet_forward_training(const struct convnet *net, struct convnet_work *work, const float *x,
                         uint64_t seed, uint64_t step)
{
  struct dropping dropping = {.seed = seed, .step = step};
  return forward_units(net, work, x, NORM_BATCH) ? forward_head(net, work, &dropping) : NULL;
}

const float *
convnet_forward_frozen(const struct convnet *net, struct convnet_work *work, const float *x,
                       uint64_t seed, uint64_t step)
{
  struct dropping dropping = {.seed = seed, .step = step};
  return forward_units(net, work, x, NORM_KEPT) ? forward_head(net, work, &dropping) : NULL;
}

const float *
convnet_forward_kept(const struct convnet *net, struct convnet_work *work, const float *x)
{
  return forward_units(net, work, x, NORM_KEPT) ? forward_head(net, work, NULL) : NULL;
}

/* ---- backward --------------------------------------------------------------------------------------- */

/* The gradient of what was dropped is 0; what was kept had been made larger. */
static void
undrop(const struct convnet *net, size_t count, const float *a, float *d)
{
  float scale = 1.0f / (1.0f - net->config.dropout);

  if (net->config.dropout > 0.0f)
    for (size_t i = 0; i < count; i++)
      d[i] = a[i] == 0.0f ? 0.0f : d[i] * scale;
}

static bool
backward_dense(const struct convnet_dense *dense, struct convnet *net, size_t n, const float *input,
               const float *d, float *dinput)
{
  net_sum_rows(n, dense->out, d, net->g + dense->bias);
  return kernel_dense_weights(n, dense->in, dense->out, input, d, net->g + dense->weights)
         && kernel_dense_inputs(n, dense->in, dense->out, d, net->w + dense->weights, dinput);
}

/* The gradient of the last unit's output, into its place. */
bool
convnet_backward_head(struct convnet *net, struct convnet_work *work)
{
  const struct convnet_unit *unit = &net->units[net->unit_count - 1];
  const struct convnet_dense *first = net->dense, *last = &net->dense[net->dense_count - 1];
  void *dy = work->units[net->unit_count - 1].y;
  size_t n = work->n;

  if (net->config.head_units)
  {
    /* the hidden layer's output is not needed after the last layer's gradient */
    float *da = work->dfeatures;
    if (!backward_dense(last, net, n, work->a, work->doutput, da))
      return false;
    undrop(net, n * last->in, work->a, da);
    memset(work->offset, 0, first->out * sizeof(float));
    for (size_t c = 0; c < first->out; c++)
      work->scale[c] = 1.0f;
    conv_ops_normalise_backward(KERNEL_FP32, net->config.activation, n, first->out, false,
                                work->offset, work->scale, net->w + first->bias, da, work->z,
                                net->g + first->bias);
    if (!kernel_dense_weights(n, first->in, first->out, work->features, work->z,
                              net->g + first->weights)
        || !kernel_dense_inputs(n, first->in, first->out, work->z, net->w + first->weights,
                                work->precision == KERNEL_FP32 ? dy : work->dfeatures))
      return false;
    if (work->precision != KERNEL_FP32)
      conv_ops_narrow(work->precision, n * first->in, work->dfeatures, dy);
    return true;
  }
  if (!backward_dense(last, net, n, work->features, work->doutput, work->dfeatures))
    return false;
  undrop(net, n * last->in, work->features, work->dfeatures);
  if (net->config.head_grid)
    convnet_spread_stage(net, net->config.stages - 1, work->precision, n, work->dfeatures,
                         work->tap, dy);
  else
    conv_ops_gather_backward(work->precision, n, unit->height * unit->width, unit->out,
                             work->dfeatures, work->where, dy);
  return true;
}

/* Gradients of the weights, and of the unit's input in its place unless it is the images x. */
static bool
backward_conv(struct convnet *net, struct convnet_work *work, size_t i, const float *x)
{
  const struct convnet_unit *unit = &net->units[i];
  struct unit_work *at = &work->units[i];
  float *slope = net->g + unit->weights;

  if (i && !kernel_conv_pack_inputs(at->conv, net->w + unit->weights, work->packed, work->scratch))
    return false;
  for (size_t first = 0; first < work->n; first += at->images)
  {
    void *inner =
      i ? image_at(work->precision, work->units[i - 1].y, input_size(unit), first) : NULL;
    const void *input = i ? inner : x + first * input_size(unit);
    float *part = first ? work->slope : slope;
    if (unit->pools)
      conv_ops_pool_backward(work->precision, at->images, unit->conv_height, unit->conv_width,
                             unit->out, image_at(work->precision, at->p, output_size(unit), first),
                             at->which + first * output_size(unit), at->c);
    if (!kernel_conv_weights(at->conv, input, at->c, part, work->scratch))
      return false;
    if (first)
      conv_ops_add(KERNEL_FP32, unit->shift - unit->weights, part, slope);
    if (i && !kernel_conv_inputs(at->conv, at->c, work->packed, inner, work->scratch))
      return false;
  }
  return true;
}

static bool
backward_unit(struct convnet *net, struct convnet_work *work, size_t i, const float *x)
{
  const struct convnet_unit *unit = &net->units[i];
  struct unit_work *at = &work->units[i];

  conv_ops_normalise_backward(work->precision, net->config.activation,
                              work->n * unit->height * unit->width, unit->out,
                              net->config.normalised, at->mean, at->r, net->w + unit->shift, at->y,
                              at->p, net->g + unit->shift);
  return backward_conv(net, work, i, x);
}

bool
convnet_backward(struct convnet *net, struct convnet_work *work, const float *x)
{
  size_t stage = net->config.stages - 1;

  if (!convnet_backward_head(net, work))
    return false;
  for (size_t i = net->unit_count; i-- > 0;)
  {
    if (!backward_unit(net, work, i, x))
      return false;
    /* the skip's gradient is that of the block's output, and joins that of the block's first unit */
    if (i + 1 < net->unit_count && net->units[i + 1].adds)
      conv_ops_add(work->precision,
                   work->n * net->units[i - 1].height * net->units[i - 1].width
                     * net->units[i - 1].out,
                   work->units[i + 1].y, work->units[i - 1].y);
    if (net->config.head_grid && stage > 0 && i == net->ends[stage - 1] + 1)
    {
      /* what is before a stage has, beside its first unit's gradient, the head's */
      stage--;
      convnet_spread_stage(net, stage, work->precision, work->n, work->dfeatures, work->tap,
                           work->tap_narrow);
      conv_ops_add(work->precision, work->n * convnet_end_floats(net, stage), work->tap_narrow,
                   work->units[i - 1].y);
    }
  }
  return true;
}

/* ---- statistics ------------------------------------------------------------------------------------- */

void
convnet_measure_begin(struct convnet *net, struct convnet_work *work)
{
  memset(work->sums, 0, 3 * net->statistic_count * sizeof *work->sums);
  work->batches = 0;
}

bool
convnet_measure(struct convnet *net, struct convnet_work *work, const float *x)
{
  work->batches++;
  return !net->config.normalised || forward_units(net, work, x, NORM_MEASURE);
}

/* The variance over all batches: the mean of theirs and the variance of their means. */
void
convnet_measure_end(struct convnet *net, struct convnet_work *work)
{
  double count = (double) work->batches;

  if (work->batches == 0 || !net->config.normalised)
    return;
  for (size_t i = 0; i < net->unit_count; i++)
  {
    const struct convnet_unit *unit = &net->units[i];
    const double *sums = work->sums + 3 * unit->statistics;
    for (size_t c = 0; c < unit->out; c++)
    {
      double mean = sums[3 * c] / count;
      double between = fmax(sums[3 * c + 1] / count - mean * mean, 0.0);
      net->statistics[unit->statistics + c] = (float) mean;
      net->statistics[unit->statistics + unit->out + c] =
        (float) (sums[3 * c + 2] / count + between);
    }
  }
}
