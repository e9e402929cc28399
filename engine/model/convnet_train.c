#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/convnet.h"
#include "model/net.h"

#define ALIGNMENT ((size_t) 64)
#define MEMORY_LIMIT ((size_t) 1 << 34)

struct unit_work
{
  struct kernel_conv *conv;
  void *c; /* after the convolution */
  void *p; /* after pooling; c itself if the unit does not pool */
  void *y; /* the unit's output */
  uint8_t *which;
  float *mean, *r; /* (out): of the batch */
};

/* Going back, each map's memory takes its gradient as soon as the map itself is not needed any more. */
struct convnet_work
{
  size_t n;
  enum kernel_precision precision;
  struct unit_work units[CONVNET_UNITS_MAX];
  size_t unit_count;
  float *features; /* what the first dense layer sees: (n, in) */
  uint32_t *where; /* places of the largest values */
  float *z, *a;    /* hidden dense layer: (n, head_units) */
  float *output, *doutput;
  float *dfeatures;
  float *scale, *offset, *variance; /* (widest) */
  double *sums;                     /* of the statistics: mean, mean², variance of each batch */
  size_t batches;
  void *packed, *scratch;
  char *memory;
};

/* ---- memory ----------------------------------------------------------------------------------------- */

/* Hands out aligned pieces; with no memory it only counts. */
struct pieces
{
  char *memory;
  size_t used;
  bool overflow;
};

static void *
take(struct pieces *pieces, size_t count, size_t size)
{
  size_t bytes, start = pieces->used;

  if (__builtin_mul_overflow(count, size, &bytes) || bytes > MEMORY_LIMIT
      || start > MEMORY_LIMIT - bytes)
  {
    pieces->overflow = true;
    return NULL;
  }
  pieces->used = start + (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  return pieces->memory ? pieces->memory + start : NULL;
}

static void
place_unit(struct convnet_work *work, const struct convnet_unit *unit, struct unit_work *at,
           struct pieces *pieces)
{
  size_t bytes = conv_ops_bytes(work->precision), n = work->n;
  size_t outputs = n * unit->height * unit->width * unit->out;

  at->c = take(pieces, n * unit->conv_height * unit->conv_width * unit->out, bytes);
  at->p = unit->pools ? take(pieces, outputs, bytes) : at->c;
  at->which = unit->pools ? take(pieces, outputs, 1) : NULL;
  at->y = take(pieces, outputs, bytes);
  at->mean = take(pieces, unit->out, sizeof(float));
  at->r = take(pieces, unit->out, sizeof(float));
}

static void
place(struct convnet_work *work, const struct convnet *net, size_t packed, size_t scratch,
      struct pieces *pieces)
{
  const struct convnet_unit *last = &net->units[net->unit_count - 1];
  size_t n = work->n, widest = CONV_OPS_CHANNELS_MAX;

  for (size_t i = 0; i < net->unit_count; i++)
    place_unit(work, &net->units[i], &work->units[i], pieces);
  work->features = take(pieces, n * net->dense[0].in, sizeof(float));
  work->dfeatures = take(pieces, n * net->dense[0].in, sizeof(float));
  work->where = take(pieces, n * last->out, sizeof(uint32_t));
  work->z = take(pieces, n * net->config.head_units, sizeof(float));
  work->a = take(pieces, n * net->config.head_units, sizeof(float));
  work->output = take(pieces, n * net->config.outputs, sizeof(float));
  work->doutput = take(pieces, n * net->config.outputs, sizeof(float));
  work->scale = take(pieces, widest, sizeof(float));
  work->offset = take(pieces, widest, sizeof(float));
  work->variance = take(pieces, widest, sizeof(float));
  work->sums = take(pieces, 3 * net->statistic_count, sizeof(double));
  work->packed = take(pieces, packed, 1);
  work->scratch = take(pieces, scratch, 1);
}

static enum err
make_kernels(struct convnet_work *work, const struct convnet *net, size_t *packed, size_t *scratch,
             struct err_info *info)
{
  *packed = *scratch = 0;
  for (size_t i = 0; i < net->unit_count; i++)
  {
    const struct convnet_unit *unit = &net->units[i];
    struct kernel_conv_shape shape = {.images = work->n,
                                      .height = unit->in_height,
                                      .width = unit->in_width,
                                      .in = unit->in,
                                      .out = unit->out,
                                      .kernel = net->config.kernel,
                                      .stride = unit->stride,
                                      .first = i == 0,
                                      .training = true,
                                      .precision = work->precision};
    enum err rc = kernel_conv_new(&shape, &work->units[i].conv, info);
    if (rc != ERR_OK)
      return rc;
    work->unit_count = i + 1;
    size_t needs = kernel_conv_packed_bytes(work->units[i].conv);
    *packed = needs > *packed ? needs : *packed;
    needs = kernel_conv_scratch_bytes(work->units[i].conv);
    *scratch = needs > *scratch ? needs : *scratch;
  }
  return ERR_OK;
}

enum err
convnet_work_new(const struct convnet *net, size_t n, enum kernel_precision precision,
                 struct convnet_work **work, struct err_info *info)
{
  struct convnet_work *made = calloc(1, sizeof *made);
  struct pieces pieces = {.memory = NULL};
  size_t packed = 0, scratch = 0;
  enum err rc = ERR_OK;

  *work = NULL;
  if (!made)
    return err_set(info, ERR_MEMORY, "no memory for a batch");
  made->n = n;
  made->precision = precision;
  rc = n == 0 || n > ((size_t) 1 << 20)
         ? err_set(info, ERR_INVALID, "a batch of %zu images cannot be trained on", n)
         : make_kernels(made, net, &packed, &scratch, info);
  if (rc == ERR_OK)
  {
    place(made, net, packed, scratch, &pieces);
    made->memory = pieces.overflow ? NULL : aligned_alloc(ALIGNMENT, pieces.used + ALIGNMENT);
    if (!made->memory)
      rc = err_set(info, ERR_MEMORY, "no memory for a batch of %zu images", n);
  }
  if (rc != ERR_OK)
  {
    convnet_work_free(made);
    return rc;
  }
  pieces = (struct pieces){.memory = made->memory};
  place(made, net, packed, scratch, &pieces);
  *work = made;
  return ERR_OK;
}

void
convnet_work_free(struct convnet_work *work)
{
  if (!work)
    return;
  for (size_t i = 0; i < work->unit_count; i++)
    kernel_conv_free(work->units[i].conv);
  free(work->memory);
  free(work);
}

float *
convnet_output_gradient(struct convnet_work *work)
{
  return work->doutput;
}

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

static bool
forward_units(const struct convnet *net, struct convnet_work *work, const float *x, enum norm norm)
{
  const void *input = x;

  for (size_t i = 0; i < net->unit_count; i++)
  {
    const struct convnet_unit *unit = &net->units[i];
    struct unit_work *at = &work->units[i];
    if (!kernel_conv_pack(at->conv, net->w + unit->weights, work->packed, work->scratch)
        || !kernel_conv_forward(at->conv, input, work->packed, NULL, at->c, work->scratch))
      return false;
    if (unit->pools)
      conv_ops_pool(work->precision, work->n, unit->conv_height, unit->conv_width, unit->out, at->c,
                    at->p, at->which);
    state_norm(net, unit, norm, work, at);
    if (norm == NORM_MEASURE)
      note_statistics(unit, at, work);
    conv_ops_normalise(work->precision, net->config.activation,
                       work->n * unit->height * unit->width, unit->out, work->scale, work->offset,
                       at->p, unit->adds ? work->units[i - 2].y : NULL, at->y);
    input = at->y;
  }
  return true;
}

/* All maps of an image after another, or two numbers for each map. */
static void
gather_features(const struct convnet *net, struct convnet_work *work)
{
  const struct convnet_unit *last = &net->units[net->unit_count - 1];
  const struct unit_work *at = &work->units[net->unit_count - 1];

  if (net->config.head_units)
    conv_ops_widen(work->precision, work->n * net->dense[0].in, at->y, work->features);
  else
    conv_ops_gather(work->precision, work->n, last->height * last->width, last->out, at->y,
                    work->features, work->where);
}

static void
drop(const struct convnet *net, uint64_t seed, uint64_t step, size_t count, float *a)
{
  if (net->config.dropout > 0.0f)
    net_dropout(seed, rng_mix(rng_mix(5, step), 0), net->config.dropout, count, a);
}

/* From the last unit's maps to the outputs. */
static const float *
forward_head(const struct convnet *net, struct convnet_work *work, uint64_t seed, uint64_t step)
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
  drop(net, seed, step, work->n * last->in, input);
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
  return forward_units(net, work, x, NORM_BATCH) ? forward_head(net, work, seed, step) : NULL;
}

const float *
convnet_forward_frozen(const struct convnet *net, struct convnet_work *work, const float *x,
                       uint64_t seed, uint64_t step)
{
  return forward_units(net, work, x, NORM_KEPT) ? forward_head(net, work, seed, step) : NULL;
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
                                work->dfeatures))
      return false;
    conv_ops_narrow(work->precision, n * first->in, work->dfeatures, dy);
    return true;
  }
  if (!backward_dense(last, net, n, work->features, work->doutput, work->dfeatures))
    return false;
  undrop(net, n * last->in, work->features, work->dfeatures);
  conv_ops_gather_backward(work->precision, n, unit->height * unit->width, unit->out,
                           work->dfeatures, work->where, dy);
  return true;
}

static bool
backward_unit(struct convnet *net, struct convnet_work *work, size_t i, const float *x)
{
  const struct convnet_unit *unit = &net->units[i];
  struct unit_work *at = &work->units[i];
  void *input = i ? work->units[i - 1].y : NULL;

  conv_ops_normalise_backward(work->precision, net->config.activation,
                              work->n * unit->height * unit->width, unit->out,
                              net->config.normalised, at->mean, at->r, net->w + unit->shift, at->y,
                              at->p, net->g + unit->shift);
  if (unit->pools)
    conv_ops_pool_backward(work->precision, work->n, unit->conv_height, unit->conv_width, unit->out,
                           at->p, at->which, at->c);
  if (!kernel_conv_weights(at->conv, i ? input : x, at->c, net->g + unit->weights, work->scratch))
    return false;
  if (i == 0)
    return true;
  return kernel_conv_pack_inputs(at->conv, net->w + unit->weights, work->packed, work->scratch)
         && kernel_conv_inputs(at->conv, at->c, work->packed, input, work->scratch);
}

bool
convnet_backward(struct convnet *net, struct convnet_work *work, const float *x)
{
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
