#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernel.h"
#include "model/model_internal.h"
#include "model/net.h"
#include "model/net_embed.h"

/* The body of an mlp is a struct net without gradients and factors.
 *
 * Its bytes, all numbers little-endian: u32 inputs, outputs, layers, units, activation | u64 count | weights
 * (floats). A net that embeds inputs or has parametric activations starts with u32 0, which no net has for
 * inputs, and u32 BODY_VERSION, has u32 embedded, parametric after its activation, then, if it embeds any,
 * the order of its inputs (u32 each). */
#define BODY_VERSION 2u
#define BODY_FILE_VERSION 3u

static size_t
inputs_of(const void *body)
{
  return ((const struct net *) body)->config.inputs;
}

static size_t
outputs_of(const void *body)
{
  return ((const struct net *) body)->config.outputs;
}

static enum err
predict(const void *body, struct model_workspace *workspace, const float *x, size_t n, float *out,
        struct err_info *info)
{
  const struct net *net = body;
  size_t outputs = net->config.outputs;
  float *memory = workspace_floats(workspace, SLOT_BODY, net_work_floats(net, n, false));
  struct net_work work;

  if (!memory)
    return err_set(info, ERR_MEMORY, "no memory for predictions");
  net_work_place(&work, net, n, false, memory);
  const float *y = net_forward(net, &work, x, n);
  if (!y)
    return err_set(info, ERR_INTERNAL, "the matrix product failed");
  memcpy(out, y, n * outputs * sizeof *out);
  if (outputs > 1)
    net_softmax(n, outputs, out);
  return ERR_OK;
}

static void
importance(const void *body, double *shares)
{
  const struct net *net = body;
  size_t out = net->layers[0].out, embedded = net->config.embedded;
  const float *w = net->w + net->layers[0].weights;

  for (size_t i = 0; i < net->config.inputs; i++)
  {
    size_t rows = i < embedded ? NET_EMBED_OUT : 1;
    double sum = 0.0;
    for (size_t j = 0; j < rows * out; j++, w++)
      sum += (double) *w * (double) *w;
    shares[net->order ? net->order[i] : i] = sqrt(sum);
  }
}

static bool
is_plain(const struct net *net)
{
  return net->config.embedded == 0 && !net->config.parametric;
}

static uint32_t
file_version(const void *body)
{
  return is_plain(body) ? 1 : BODY_FILE_VERSION;
}

static void
save(const void *body, struct buf *out)
{
  const struct net *net = body;

  if (!is_plain(net))
  {
    buf_append_u32(out, 0);
    buf_append_u32(out, BODY_VERSION);
  }
  buf_append_u32(out, (uint32_t) net->config.inputs);
  buf_append_u32(out, (uint32_t) net->config.outputs);
  buf_append_u32(out, (uint32_t) net->config.layers);
  buf_append_u32(out, (uint32_t) net->config.units);
  buf_append_u32(out, (uint32_t) net->config.activation);
  if (!is_plain(net))
  {
    buf_append_u32(out, (uint32_t) net->config.embedded);
    buf_append_u32(out, net->config.parametric);
  }
  if (net->order)
    writer_words(out, net->order, net->config.inputs);
  buf_append_u64(out, net->param_count);
  writer_floats(out, net->w, net->param_count);
}

/* The net's shape. */
static enum err
read_config(struct reader *reader, struct net_config *config, struct err_info *info)
{
  uint32_t inputs = reader_u32(reader), version = inputs ? 1 : reader_u32(reader);

  if (version != 1 && version != BODY_VERSION)
    return err_set(info, ERR_INVALID,
                   "the network in the file is of version %u, this program reads %u", version,
                   BODY_VERSION);
  config->inputs = version == 1 ? inputs : reader_u32(reader);
  config->outputs = reader_u32(reader);
  config->layers = reader_u32(reader);
  config->units = reader_u32(reader);
  uint32_t activation = reader_u32(reader);
  config->activation =
    activation < NET_ACTIVATION_COUNT ? (enum net_activation) activation : NET_ACTIVATION_COUNT;
  config->embedded = version == 1 ? 0 : reader_u32(reader);
  config->parametric = version == 1 ? false : reader_u32(reader) != 0;
  return ERR_OK;
}

/* Each input once; false when it is not so. */
static bool
is_order(const uint32_t *order, size_t count)
{
  unsigned char *seen = calloc(count + 1, 1);
  bool good = seen != NULL;

  for (size_t i = 0; good && i < count; i++)
  {
    good = order[i] < count && !seen[order[i]];
    if (good)
      seen[order[i]] = 1;
  }
  free(seen);
  return good;
}

/* The net of what has been read. */
static enum err
make(const struct net_config *config, const uint32_t *order, const float *weights, uint64_t count,
     struct net **net, struct err_info *info)
{
  enum err rc = net_new_sized(config, count, net, info);

  if (rc != ERR_OK)
    return rc;
  memcpy((*net)->w, weights, count * sizeof *weights);
  if ((*net)->order && !is_order(order, config->inputs))
  {
    net_free(*net);
    *net = NULL;
    return err_set(info, ERR_INVALID, "the order of the network's inputs in the file is damaged");
  }
  if ((*net)->order)
    memcpy((*net)->order, order, config->inputs * sizeof *order);
  return ERR_OK;
}

static enum err
load(struct reader *reader, void **body, struct err_info *info)
{
  struct net_config config = {0};
  struct net *net = NULL;
  enum err rc = read_config(reader, &config, info);

  *body = NULL;
  if (rc != ERR_OK)
    return rc;
  uint32_t *order = config.embedded ? reader_words(reader, config.inputs) : NULL;
  uint64_t count = reader_u64(reader);
  float *weights = reader_floats(reader, count);
  /* the weights are there before anything of the net's stated size is allocated */
  if (reader->failed)
    rc = err_set(info, ERR_INVALID, "the network's weights in the file are damaged");
  else
    rc = make(&config, order, weights, count, &net, info);
  free(weights);
  free(order);
  *body = net;
  return rc;
}

/* Rows that would be answered otherwise together than alone are not to be put together. */
static size_t
pass_bytes(const void *body)
{
  return kernel_rows_alike() ? ((const struct net *) body)->param_count * sizeof(float) : 0;
}

static void
free_body(void *body)
{
  net_free(body);
}

const struct model_kind model_mlp_kind = {.family = "mlp",
                                          .inputs = inputs_of,
                                          .outputs = outputs_of,
                                          .predict = predict,
                                          .importance = importance,
                                          .save = save,
                                          .load = load,
                                          .free = free_body,
                                          .file_version = file_version,
                                          .pass_bytes = pass_bytes};
