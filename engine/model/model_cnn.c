#include <config.h>

#include "model/model_cnn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/family.h"
#include "model/model_internal.h"
#include "model/net.h"

/* 2 also has the head's grid; a network without one is written as 1 was. */
#define BODY_VERSION 1u
#define BODY_VERSION_GRID 2u
/* Images at least this large are halved by the first convolution. */
#define STRIDE_SIDE 96

struct cnn_body
{
  struct convnet *net;
  struct convnet_infer *infer;
  bool mirror;
};

/* ---- from parameters -------------------------------------------------------------------------------- */

void
model_cnn_seen_size(const struct model_data_shape *shape, const json_t *params, size_t *height,
                    size_t *width)
{
  double most = family_number("cnn", shape, params, "side");
  double longer = (double) (shape->height > shape->width ? shape->height : shape->width);
  double factor = longer > most ? most / longer : 1.0;

  *height = (size_t) fmax(round((double) shape->height * factor), 1.0);
  *width = (size_t) fmax(round((double) shape->width * factor), 1.0);
}

void
model_cnn_config(const struct model_data_shape *shape, const json_t *params,
                 const struct model_pixels *pixels, size_t outputs, struct convnet_config *config)
{
  size_t height = pixels->seen_height ? pixels->seen_height : pixels->height;
  size_t width = pixels->seen_height ? pixels->seen_width : pixels->width;

  if (shape->base.stages)
  {
    const struct model_base *base = &shape->base;
    *config = (struct convnet_config){
      .height = height,
      .width = width,
      .channels = pixels->channels,
      .outputs = outputs,
      .stages = base->stages,
      .blocks = base->blocks,
      .filters = base->filters,
      .kernel = base->kernel,
      .stride = base->stride,
      .pool_first = base->pool_first,
      .normalised = base->normalised,
      .activation = (enum conv_activation) base->activation,
      .head_grid = (size_t) family_number("cnn", shape, params, "head_grid"),
      .dropout = (float) family_number("cnn", shape, params, "dropout")};
    return;
  }
  *config = (struct convnet_config){
    .height = height,
    .width = width,
    .channels = pixels->channels,
    .outputs = outputs,
    .stages = (size_t) family_number("cnn", shape, params, "stages"),
    .blocks = (size_t) family_number("cnn", shape, params, "blocks"),
    .filters = (size_t) family_number("cnn", shape, params, "filters"),
    .kernel = family_number("cnn", shape, params, "kernel") > 4.0 ? 5 : 3,
    .stride = height >= STRIDE_SIDE && width >= STRIDE_SIDE ? 2 : 1,
    .head_units = (size_t) family_number("cnn", shape, params, "head_units"),
    .pool_first = family_choice("cnn", shape, params, "early_pooling") == FAMILY_YES,
    .normalised = family_choice("cnn", shape, params, "batch_norm") == FAMILY_YES,
    .activation = (enum conv_activation) family_choice("cnn", shape, params, "activation"),
    .dropout = (float) family_number("cnn", shape, params, "dropout")};
}

/* ---- life ------------------------------------------------------------------------------------------- */

static void
free_body(void *body)
{
  struct cnn_body *cnn = body;

  if (!cnn)
    return;
  convnet_infer_free(cnn->infer);
  convnet_free(cnn->net);
  free(cnn);
}

/* Takes the net, also on failure. */
static enum err
body_new(struct convnet *net, bool mirror, void **body, struct err_info *info)
{
  struct cnn_body *made = calloc(1, sizeof *made);
  enum err rc;

  *body = NULL;
  if (!made)
  {
    convnet_free(net);
    return err_set(info, ERR_MEMORY, "no memory for a network");
  }
  made->net = net;
  made->mirror = mirror;
  rc = convnet_infer_new(net, &made->infer, info);
  if (rc != ERR_OK)
    free_body(made);
  else
    *body = made;
  return rc;
}

enum err
model_cnn_take(const struct convnet *net, bool mirror, void **body, struct err_info *info)
{
  struct convnet *copy;
  enum err rc = convnet_new(&net->config, false, &copy, info);

  *body = NULL;
  if (rc != ERR_OK)
    return rc;
  memcpy(copy->w, net->w, net->param_count * sizeof *net->w);
  memcpy(copy->statistics, net->statistics, net->statistic_count * sizeof *net->statistics);
  return body_new(copy, mirror, body, info);
}

const struct convnet *
model_cnn_net(const void *body)
{
  return ((const struct cnn_body *) body)->net;
}

bool
model_cnn_mirrors(const void *body)
{
  return ((const struct cnn_body *) body)->mirror;
}

/* ---- prediction ------------------------------------------------------------------------------------- */

static size_t
inputs_of(const void *body)
{
  const struct convnet_config *config = &model_cnn_net(body)->config;
  return config->height * config->width * config->channels;
}

static size_t
outputs_of(const void *body)
{
  return model_cnn_net(body)->config.outputs;
}

static void
mirror_image(const struct convnet_config *config, const float *x, float *mirrored)
{
  size_t channels = config->channels, width = config->width;

  for (size_t i = 0; i < config->height; i++)
    for (size_t j = 0; j < width; j++)
      memcpy(mirrored + (i * width + j) * channels, x + (i * width + width - 1 - j) * channels,
             channels * sizeof *x);
}

static bool
predict_one(const struct cnn_body *cnn, float *scratch, const float *x, float *out)
{
  const struct convnet_config *config = &cnn->net->config;
  size_t inputs = inputs_of(cnn), outputs = config->outputs;
  float *mirrored = scratch, *second = mirrored + inputs, *rest = second + outputs;

  /* what the kernels work in stays aligned */
  rest = scratch + (inputs + outputs + 15) / 16 * 16;
  if (!convnet_infer_run(cnn->infer, rest, x, 1, out))
    return false;
  if (!cnn->mirror)
    return true;
  mirror_image(config, x, mirrored);
  if (!convnet_infer_run(cnn->infer, rest, mirrored, 1, second))
    return false;
  for (size_t k = 0; k < outputs; k++)
    out[k] = 0.5f * (out[k] + second[k]);
  return true;
}

static enum err
predict(const void *body, struct model_workspace *workspace, const float *x, size_t n, float *out,
        struct err_info *info)
{
  const struct cnn_body *cnn = body;
  size_t inputs = inputs_of(body), outputs = outputs_of(body);
  size_t floats = (inputs + outputs + 15) / 16 * 16 + convnet_infer_floats(cnn->infer);
  float *scratch = workspace_floats(workspace, SLOT_BODY, floats);

  if (!scratch)
    return err_set(info, ERR_MEMORY, "no memory for predictions");
  for (size_t i = 0; i < n; i++)
    if (!predict_one(cnn, scratch, x + i * inputs, out + i * outputs))
      return err_set(info, ERR_INTERNAL, "a convolution failed");
  if (outputs > 1)
    net_softmax(n, outputs, out);
  return ERR_OK;
}

/* Pixels have no names to be important by. */
static void
importance(const void *body, double *shares)
{
  memset(shares, 0, inputs_of(body) * sizeof *shares);
}

/* ---- the file --------------------------------------------------------------------------------------- */

static void
save(const void *body, struct buf *out)
{
  const struct cnn_body *cnn = body;
  const struct convnet *net = cnn->net;
  const struct convnet_config *config = &net->config;
  uint32_t bits;

  memcpy(&bits, &config->dropout, sizeof bits);
  buf_append_u32(out, config->head_grid ? BODY_VERSION_GRID : BODY_VERSION);
  buf_append_u32(out, (uint32_t) config->height);
  buf_append_u32(out, (uint32_t) config->width);
  buf_append_u32(out, (uint32_t) config->channels);
  buf_append_u32(out, (uint32_t) config->outputs);
  buf_append_u32(out, (uint32_t) config->stages);
  buf_append_u32(out, (uint32_t) config->blocks);
  buf_append_u32(out, (uint32_t) config->filters);
  buf_append_u32(out, (uint32_t) config->kernel);
  buf_append_u32(out, (uint32_t) config->stride);
  buf_append_u32(out, (uint32_t) config->head_units);
  buf_append_u32(out, config->pool_first);
  buf_append_u32(out, config->normalised);
  buf_append_u32(out, (uint32_t) config->activation);
  buf_append_u32(out, bits);
  buf_append_u32(out, cnn->mirror);
  if (config->head_grid)
    buf_append_u32(out, (uint32_t) config->head_grid);
  buf_append_u64(out, net->param_count);
  writer_floats(out, net->w, net->param_count);
  buf_append_u64(out, net->statistic_count);
  writer_floats(out, net->statistics, net->statistic_count);
}

static void
read_config(struct reader *reader, uint32_t version, struct convnet_config *config, bool *mirror)
{
  config->height = reader_u32(reader);
  config->width = reader_u32(reader);
  config->channels = reader_u32(reader);
  config->outputs = reader_u32(reader);
  config->stages = reader_u32(reader);
  config->blocks = reader_u32(reader);
  config->filters = reader_u32(reader);
  config->kernel = reader_u32(reader);
  config->stride = reader_u32(reader);
  config->head_units = reader_u32(reader);
  config->pool_first = reader_u32(reader) != 0;
  config->normalised = reader_u32(reader) != 0;
  uint32_t activation = reader_u32(reader), bits = reader_u32(reader);
  config->activation =
    activation < CONV_ACTIVATION_COUNT ? (enum conv_activation) activation : CONV_ACTIVATION_COUNT;
  memcpy(&config->dropout, &bits, sizeof bits);
  *mirror = reader_u32(reader) != 0;
  config->head_grid = version == BODY_VERSION_GRID ? reader_u32(reader) : 0;
}

/* A variance may be 0, never less. */
static bool
statistics_sound(const struct convnet *net, const float *statistics)
{
  for (size_t i = 0; i < net->unit_count; i++)
    for (size_t c = 0; c < net->units[i].out; c++)
      if (!(statistics[net->units[i].statistics + net->units[i].out + c] >= 0.0f))
        return false;
  return true;
}

static enum err
load(struct reader *reader, void **body, struct err_info *info)
{
  struct convnet_config config = {0};
  size_t params = 0, counted = 0;
  uint32_t version = reader_u32(reader);
  bool mirror, good = version == BODY_VERSION || version == BODY_VERSION_GRID;
  struct convnet *net = NULL;
  enum err rc = ERR_OK;

  *body = NULL;
  read_config(reader, version, &config, &mirror);
  /* the weights are there before anything of the net's stated size is allocated */
  uint64_t weight_count = reader_u64(reader);
  float *weights = reader_floats(reader, weight_count);
  uint64_t statistic_count = reader_u64(reader);
  float *statistics = reader_floats(reader, statistic_count);
  good = good && !reader->failed && convnet_count(&config, &params, &counted, info) == ERR_OK
         && params == weight_count && counted == statistic_count;
  if (good)
    rc = convnet_new(&config, false, &net, info);
  if (!good || (rc == ERR_OK && !statistics_sound(net, statistics)))
    rc = err_set(info, ERR_INVALID, "the network's weights in the file are damaged");
  if (rc == ERR_OK)
  {
    memcpy(net->w, weights, params * sizeof *net->w);
    memcpy(net->statistics, statistics, counted * sizeof *net->statistics);
    rc = body_new(net, mirror, body, info);
    net = NULL;
  }
  convnet_free(net);
  free(weights);
  free(statistics);
  return rc;
}

const struct model_kind model_cnn_kind = {.family = "cnn",
                                          .inputs = inputs_of,
                                          .outputs = outputs_of,
                                          .predict = predict,
                                          .importance = importance,
                                          .save = save,
                                          .load = load,
                                          .free = free_body};
