#include <config.h>

#include "model/export_onnx_graph.h"

#include <stdio.h>
#include <string.h>

#define IR_VERSION 8
#define OPSET 17
#define OPSET_ML 3
#define NAME_SIZE 32

/* ---- fields of protocol buffers --------------------------------------------------------------------- */

static void
put_varint(struct buf *out, uint64_t value)
{
  do
  {
    unsigned char byte = (unsigned char) (value & 0x7F);
    value >>= 7;
    byte = (unsigned char) (byte | (value ? 0x80 : 0));
    buf_append(out, &byte, 1);
  } while (value);
}

static void
put_int(struct buf *out, unsigned field, int64_t value)
{
  put_varint(out, field << 3);
  put_varint(out, (uint64_t) value);
}

static void
put_float(struct buf *out, unsigned field, float value)
{
  uint32_t bits;

  memcpy(&bits, &value, sizeof bits);
  put_varint(out, field << 3 | 5);
  buf_append_u32(out, bits);
}

static void
put_bytes(struct buf *out, unsigned field, const void *bytes, size_t length)
{
  put_varint(out, field << 3 | 2);
  put_varint(out, length);
  if (length)
    buf_append(out, bytes, length);
}

static void
put_text(struct buf *out, unsigned field, const char *text)
{
  put_bytes(out, field, text, strlen(text));
}

/* A message as a field; freed. */
static void
put_message(struct buf *out, unsigned field, struct buf *message)
{
  put_bytes(out, field, message->data, message->length);
  out->failed = out->failed || message->failed;
  buf_free(message);
}

/* ---- values ----------------------------------------------------------------------------------------- */

static void
put_value(struct buf *out, unsigned field, int value)
{
  char name[NAME_SIZE];

  snprintf(name, sizeof name, "#%d", value);
  put_text(out, field, name);
}

/* ValueInfoProto */
static void
put_info(struct buf *out, unsigned field, const char *name, enum onnx_type type, const size_t *dims,
         size_t count)
{
  struct buf info = {0}, kind = {0}, tensor = {0}, shape = {0};

  for (size_t i = 0; i < count; i++)
  {
    struct buf dim = {0};
    if (i == 0)
      put_text(&dim, 2, "rows");
    else
      put_int(&dim, 1, (int64_t) dims[i]);
    put_message(&shape, 1, &dim);
  }
  put_int(&tensor, 1, type);
  put_message(&tensor, 2, &shape);
  put_message(&kind, 1, &tensor);
  put_text(&info, 1, name);
  put_message(&info, 2, &kind);
  put_message(out, field, &info);
}

int
onnx_input(struct onnx *graph, const char *name, enum onnx_type type, const size_t *dims,
           size_t count)
{
  struct buf node = {0};

  put_info(&graph->inputs, 11, name, type, dims, count);
  put_text(&node, 1, name);
  put_value(&node, 2, ++graph->last);
  put_text(&node, 4, "Identity");
  put_message(&graph->nodes, 1, &node);
  return graph->last;
}

void
onnx_output(struct onnx *graph, int value, const char *name, enum onnx_type type,
            const size_t *dims, size_t count)
{
  struct buf node = {0};

  put_info(&graph->outputs, 12, name, type, dims, count);
  put_value(&node, 1, value);
  put_text(&node, 2, name);
  put_text(&node, 4, "Identity");
  put_message(&graph->nodes, 1, &node);
}

/* ---- constants -------------------------------------------------------------------------------------- */

/* TensorProto of raw bytes; x86-64 and AArch64 are little-endian, as the format wants. */
static int
constant(struct onnx *graph, enum onnx_type type, const void *values, size_t size,
         const size_t *dims, size_t count)
{
  struct buf tensor = {0};

  for (size_t i = 0; i < count; i++)
  {
    put_int(&tensor, 1, (int64_t) dims[i]);
    size *= dims[i];
  }
  put_int(&tensor, 2, type);
  put_value(&tensor, 8, ++graph->last);
  put_bytes(&tensor, 9, values, size);
  put_message(&graph->initializers, 5, &tensor);
  return graph->last;
}

int
onnx_floats(struct onnx *graph, const float *values, const size_t *dims, size_t count)
{
  return constant(graph, ONNX_FLOAT, values, sizeof *values, dims, count);
}

int
onnx_doubles(struct onnx *graph, const double *values, const size_t *dims, size_t count)
{
  return constant(graph, ONNX_DOUBLE, values, sizeof *values, dims, count);
}

int
onnx_longs(struct onnx *graph, const int64_t *values, size_t length)
{
  return constant(graph, ONNX_INT64, values, sizeof *values, &length, 1);
}

int
onnx_float(struct onnx *graph, float value)
{
  return onnx_floats(graph, &value, NULL, 0);
}

int
onnx_double(struct onnx *graph, double value)
{
  return onnx_doubles(graph, &value, NULL, 0);
}

/* ---- nodes ------------------------------------------------------------------------------------------ */

static int
add_node(struct onnx *graph, const char *op, const char *domain, const int *inputs, size_t count,
         struct buf *attributes)
{
  struct buf node = {0};

  for (size_t i = 0; i < count; i++)
    put_value(&node, 1, inputs[i]);
  put_value(&node, 2, ++graph->last);
  put_text(&node, 4, op);
  if (attributes && attributes->length)
    buf_append(&node, attributes->data, attributes->length);
  if (*domain)
    put_text(&node, 7, domain);
  if (attributes)
  {
    node.failed = node.failed || attributes->failed;
    buf_free(attributes);
  }
  put_message(&graph->nodes, 1, &node);
  return graph->last;
}

int
onnx_node(struct onnx *graph, const char *op, const int *inputs, size_t count,
          struct buf *attributes)
{
  return add_node(graph, op, "", inputs, count, attributes);
}

int
onnx_node_ml(struct onnx *graph, const char *op, const int *inputs, size_t count,
             struct buf *attributes)
{
  return add_node(graph, op, "ai.onnx.ml", inputs, count, attributes);
}

int
onnx_op1(struct onnx *graph, const char *op, int a)
{
  return onnx_node(graph, op, &a, 1, NULL);
}

int
onnx_op2(struct onnx *graph, const char *op, int a, int b)
{
  return onnx_node(graph, op, (int[]){a, b}, 2, NULL);
}

int
onnx_op3(struct onnx *graph, const char *op, int a, int b, int c)
{
  return onnx_node(graph, op, (int[]){a, b, c}, 3, NULL);
}

int
onnx_cast(struct onnx *graph, int value, enum onnx_type type)
{
  struct buf attributes = {0};

  onnx_attr_int(&attributes, "to", type);
  return onnx_node(graph, "Cast", &value, 1, &attributes);
}

int
onnx_join(struct onnx *graph, const int *values, size_t count, int64_t axis)
{
  struct buf attributes = {0};

  onnx_attr_int(&attributes, "axis", axis);
  return onnx_node(graph, "Concat", values, count, &attributes);
}

int
onnx_transpose(struct onnx *graph, int value, const int64_t *order, size_t count)
{
  struct buf attributes = {0};

  onnx_attr_ints(&attributes, "perm", order, count);
  return onnx_node(graph, "Transpose", &value, 1, &attributes);
}

int
onnx_reshape(struct onnx *graph, int value, const int64_t *dims, size_t count)
{
  return onnx_op2(graph, "Reshape", value, onnx_longs(graph, dims, count));
}

int
onnx_softmax(struct onnx *graph, int value)
{
  struct buf attributes = {0};

  onnx_attr_int(&attributes, "axis", 1);
  return onnx_node(graph, "Softmax", &value, 1, &attributes);
}

/* ---- attributes ------------------------------------------------------------------------------------- */

/* An AttributeProto of a type, its value already in `body`. */
static void
add_attribute(struct buf *attributes, const char *name, int type, struct buf *body)
{
  struct buf attribute = {0};

  put_text(&attribute, 1, name);
  put_int(&attribute, 20, type);
  if (body->length)
    buf_append(&attribute, body->data, body->length);
  attribute.failed = attribute.failed || body->failed;
  buf_free(body);
  put_message(attributes, 5, &attribute);
}

void
onnx_attr_int(struct buf *attributes, const char *name, int64_t value)
{
  struct buf body = {0};

  put_int(&body, 3, value);
  add_attribute(attributes, name, 2, &body);
}

void
onnx_attr_ints(struct buf *attributes, const char *name, const int64_t *values, size_t count)
{
  struct buf body = {0};

  for (size_t i = 0; i < count; i++)
    put_int(&body, 8, values[i]);
  add_attribute(attributes, name, 7, &body);
}

void
onnx_attr_float(struct buf *attributes, const char *name, float value)
{
  struct buf body = {0};

  put_float(&body, 2, value);
  add_attribute(attributes, name, 1, &body);
}

void
onnx_attr_floats(struct buf *attributes, const char *name, const float *values, size_t count)
{
  struct buf body = {0};

  for (size_t i = 0; i < count; i++)
    put_float(&body, 7, values[i]);
  add_attribute(attributes, name, 6, &body);
}

void
onnx_attr_strings(struct buf *attributes, const char *name, const char *const *texts, size_t count)
{
  struct buf body = {0};

  for (size_t i = 0; i < count; i++)
    put_text(&body, 9, texts[i]);
  add_attribute(attributes, name, 8, &body);
}

/* ---- the file --------------------------------------------------------------------------------------- */

void
onnx_clear(struct onnx *graph)
{
  buf_free(&graph->nodes);
  buf_free(&graph->initializers);
  buf_free(&graph->inputs);
  buf_free(&graph->outputs);
}

static void
put_opset(struct buf *out, const char *domain, int64_t version)
{
  struct buf opset = {0};

  put_text(&opset, 1, domain);
  put_int(&opset, 2, version);
  put_message(out, 8, &opset);
}

void
onnx_finish(const struct onnx *graph, const char *name, const char *left_out, struct buf *out)
{
  const struct buf *parts[] = {&graph->nodes, &graph->initializers, &graph->inputs,
                               &graph->outputs};
  struct buf body = {0}, property = {0};

  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
  {
    if (parts[i]->length)
      buf_append(&body, parts[i]->data, parts[i]->length);
    body.failed = body.failed || parts[i]->failed;
  }
  put_text(&body, 2, name);
  put_int(out, 1, IR_VERSION);
  put_text(out, 2, "Attune");
  put_text(out, 6, "A model exported by Attune");
  put_message(out, 7, &body);
  put_opset(out, "", OPSET);
  put_opset(out, "ai.onnx.ml", OPSET_ML);
  if (!left_out)
    return;
  put_text(&property, 1, "attune_left_out");
  put_text(&property, 2, left_out);
  put_message(out, 14, &property);
}
