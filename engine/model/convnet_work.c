#include <config.h>

#include "model/convnet_work.h"

#include <stdlib.h>

#include "model/convnet_stage.h"

#define ALIGNMENT ((size_t) 64)
#define MEMORY_LIMIT ((size_t) 1 << 34)

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

/* A pooled unit's maps before pooling are large and soon gone: images are convolved a few at a time, so that the
 * maps stay in the core's own cache. */
#define CACHE_BYTES ((size_t) 512 * 1024)

static size_t
images_at_once(const struct convnet_unit *unit, size_t n, enum kernel_precision precision)
{
  size_t bytes = unit->conv_height * unit->conv_width * unit->out * conv_ops_bytes(precision);
  size_t most = CACHE_BYTES / bytes, images;

  if (!unit->pools)
    return n;
  for (images = most < n ? most : n; images > 1 && n % images; images--)
    ;
  return images > 1 ? images : n;
}

/* Of the largest weights whose gradient is summed. */
static size_t
slope_count(const struct convnet_work *work, const struct convnet *net)
{
  size_t most = 0;

  for (size_t i = 0; i < net->unit_count; i++)
  {
    size_t count = net->units[i].shift - net->units[i].weights;
    if (work->units[i].images < work->n && count > most)
      most = count;
  }
  return most;
}

static void
place_unit(struct convnet_work *work, const struct convnet_unit *unit, struct unit_work *at,
           struct pieces *pieces)
{
  size_t bytes = conv_ops_bytes(work->precision), n = work->n;
  size_t outputs = n * unit->height * unit->width * unit->out;

  at->c = take(pieces, at->images * unit->conv_height * unit->conv_width * unit->out, bytes);
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
  size_t tapped = net->config.head_grid ? n * convnet_largest_end(net) : 0;

  for (size_t i = 0; i < net->unit_count; i++)
    place_unit(work, &net->units[i], &work->units[i], pieces);
  work->features = work->precision == KERNEL_FP32 && net->config.head_units
                     ? work->units[net->unit_count - 1].y
                     : take(pieces, n * net->dense[0].in, sizeof(float));
  work->dfeatures = take(pieces, n * net->dense[0].in, sizeof(float));
  work->tap = take(pieces, tapped, sizeof(float));
  work->tap_narrow = take(pieces, tapped, conv_ops_bytes(work->precision));
  work->where = take(pieces, n * last->out, sizeof(uint32_t));
  work->z = take(pieces, n * net->config.head_units, sizeof(float));
  work->a = take(pieces, n * net->config.head_units, sizeof(float));
  work->output = take(pieces, n * net->config.outputs, sizeof(float));
  work->doutput = take(pieces, n * net->config.outputs, sizeof(float));
  work->scale = take(pieces, widest, sizeof(float));
  work->offset = take(pieces, widest, sizeof(float));
  work->variance = take(pieces, widest, sizeof(float));
  work->sums = take(pieces, 3 * net->statistic_count, sizeof(double));
  work->slope = take(pieces, slope_count(work, net), sizeof(float));
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
    work->units[i].images = images_at_once(unit, work->n, work->precision);
    struct kernel_conv_shape shape = {.images = work->units[i].images,
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
