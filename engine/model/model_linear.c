#include <config.h>

#include "model/model_linear.h"

#include <math.h>
#include <stdlib.h>

#include "model/kernel.h"
#include "model/model_internal.h"
#include "model/net.h"

struct linear *
linear_new(enum linear_link link, size_t inputs, size_t outputs)
{
  struct linear *linear = calloc(1, sizeof *linear);

  if (!linear)
    return NULL;
  *linear = (struct linear){.link = link, .inputs = inputs, .outputs = outputs};
  linear->weights = calloc(inputs * outputs, sizeof(float));
  linear->bias = calloc(outputs, sizeof(float));
  linear->spread = calloc(inputs, sizeof(float));
  linear->mean = calloc(inputs, sizeof(float));
  if (!linear->weights || !linear->bias || !linear->spread || !linear->mean)
  {
    linear_free(linear);
    return NULL;
  }
  return linear;
}

void
linear_free(struct linear *linear)
{
  if (!linear)
    return;
  free(linear->mean);
  free(linear->spread);
  free(linear->bias);
  free(linear->weights);
  free(linear);
}

static size_t
inputs_of(const void *body)
{
  return ((const struct linear *) body)->inputs;
}

static size_t
outputs_of(const void *body)
{
  const struct linear *linear = body;
  return linear->link == LINEAR_SIGMOID ? 2 : linear->outputs;
}

static enum err
predict(const void *body, struct model_workspace *workspace, const float *x, size_t n, float *out,
        struct err_info *info)
{
  const struct linear *linear = body;
  float *logits = out;

  if (linear->link == LINEAR_SIGMOID)
    logits = workspace_floats(workspace, SLOT_BODY, n);
  if (!logits)
    return err_set(info, ERR_MEMORY, "no memory for predictions");
  if (!kernel_dense_forward(n, linear->inputs, linear->outputs, x, linear->weights, logits))
    return err_set(info, ERR_INTERNAL, "the matrix product failed");
  net_add_bias(n, linear->outputs, linear->bias, logits);
  if (linear->link == LINEAR_SOFTMAX)
    net_softmax(n, linear->outputs, out);
  for (size_t i = 0; linear->link == LINEAR_SIGMOID && i < n; i++)
  {
    double p = 1.0 / (1.0 + exp(-(double) logits[i]));
    out[2 * i] = (float) (1.0 - p);
    out[2 * i + 1] = (float) p;
  }
  return ERR_OK;
}

static void
importance(const void *body, double *shares)
{
  const struct linear *linear = body;

  for (size_t i = 0; i < linear->inputs; i++)
  {
    double sum = 0.0;
    for (size_t j = 0; j < linear->outputs; j++)
      sum += fabs((double) linear->weights[i * linear->outputs + j]);
    shares[i] = sum * (double) linear->spread[i];
  }
}

static void
save(const void *body, struct buf *out)
{
  const struct linear *linear = body;

  buf_append_u32(out, (uint32_t) linear->link);
  buf_append_u32(out, (uint32_t) linear->inputs);
  buf_append_u32(out, (uint32_t) linear->outputs);
  writer_floats(out, linear->weights, linear->inputs * linear->outputs);
  writer_floats(out, linear->bias, linear->outputs);
  writer_floats(out, linear->spread, linear->inputs);
}

static enum err
load(struct reader *reader, void **body, struct err_info *info)
{
  uint32_t link = reader_u32(reader), inputs = reader_u32(reader), outputs = reader_u32(reader);
  struct linear *linear = calloc(1, sizeof *linear);

  *body = NULL;
  if (!linear)
    return err_set(info, ERR_MEMORY, "no memory for a linear model");
  linear->link = (enum linear_link) link;
  linear->inputs = inputs;
  linear->outputs = outputs;
  linear->weights = reader_floats(reader, (uint64_t) inputs * outputs);
  linear->bias = reader_floats(reader, outputs);
  linear->spread = reader_floats(reader, inputs);
  if (reader->failed || link > LINEAR_SOFTMAX || inputs == 0 || outputs == 0
      || (link != LINEAR_SOFTMAX && outputs != 1))
  {
    linear_free(linear);
    return err_set(info, ERR_INVALID, "the linear weights in the file are damaged");
  }
  *body = linear;
  return ERR_OK;
}

static void
free_body(void *body)
{
  linear_free(body);
}

const struct model_kind model_linear_kind = {.family = "linear",
                                             .inputs = inputs_of,
                                             .outputs = outputs_of,
                                             .predict = predict,
                                             .importance = importance,
                                             .save = save,
                                             .load = load,
                                             .free = free_body};
