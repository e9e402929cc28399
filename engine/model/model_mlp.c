#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_internal.h"
#include "model/net.h"

/* The body of an mlp is a struct net without gradients. */

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
  size_t out = net->layers[0].out;

  for (size_t i = 0; i < net->config.inputs; i++)
  {
    double sum = 0.0;
    for (size_t j = 0; j < out; j++)
      sum += (double) net->w[i * out + j] * (double) net->w[i * out + j];
    shares[i] = sqrt(sum);
  }
}

static void
save(const void *body, struct buf *out)
{
  const struct net *net = body;

  buf_append_u32(out, (uint32_t) net->config.inputs);
  buf_append_u32(out, (uint32_t) net->config.outputs);
  buf_append_u32(out, (uint32_t) net->config.layers);
  buf_append_u32(out, (uint32_t) net->config.units);
  buf_append_u32(out, (uint32_t) net->config.activation);
  buf_append_u64(out, net->param_count);
  writer_floats(out, net->w, net->param_count);
}

static enum err
load(struct reader *reader, void **body, struct err_info *info)
{
  struct net_config config = {.inputs = reader_u32(reader),
                              .outputs = reader_u32(reader),
                              .layers = reader_u32(reader),
                              .units = reader_u32(reader)};
  uint32_t activation = reader_u32(reader);
  uint64_t count = reader_u64(reader);
  float *weights = reader_floats(reader, count);
  struct net *net = NULL;
  enum err rc;

  *body = NULL;
  config.activation =
    activation < NET_ACTIVATION_COUNT ? (enum net_activation) activation : NET_ACTIVATION_COUNT;
  /* the weights are there before anything of the net's stated size is allocated */
  rc = reader->failed ? err_set(info, ERR_INVALID, "the network's weights in the file are damaged")
                      : net_new_sized(&config, count, &net, info);
  if (rc == ERR_OK)
    memcpy(net->w, weights, count * sizeof(float));
  free(weights);
  *body = net;
  return rc;
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
                                          .free = free_body};
