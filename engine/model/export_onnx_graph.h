/* Building an ONNX graph: values are numbers from 1 on, named "#1", "#2", … in the file.
 *
 * The bytes are those of onnx.proto (ONNX 1.x, IR version 8), written as protocol-buffer fields. A failed allocation
 * sets `failed` of a buffer and shows at the end. One thread.
 */
#ifndef ATTUNE_MODEL_EXPORT_ONNX_GRAPH_H
#define ATTUNE_MODEL_EXPORT_ONNX_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum onnx_type
{
  ONNX_FLOAT = 1,
  ONNX_UINT8 = 2,
  ONNX_INT64 = 7,
  ONNX_STRING = 8,
  ONNX_DOUBLE = 11
};

struct onnx
{
  struct buf nodes, initializers, inputs, outputs;
  int last; /* value */
};

void onnx_clear(struct onnx *graph);

/* The whole file. left_out, if not NULL, becomes the property "attune_left_out" of its metadata. */
void onnx_finish(const struct onnx *graph, const char *name, const char *left_out, struct buf *out);

/* An input or output of the graph; the first of dims (count) is the number of rows, whatever it is. An output is the
 * value under another name. */
int onnx_input(struct onnx *graph, const char *name, enum onnx_type type, const size_t *dims,
               size_t count);
void onnx_output(struct onnx *graph, int value, const char *name, enum onnx_type type,
                 const size_t *dims, size_t count);

/* Constants. */
int onnx_floats(struct onnx *graph, const float *values, const size_t *dims, size_t count);
int onnx_doubles(struct onnx *graph, const double *values, const size_t *dims, size_t count);
int onnx_longs(struct onnx *graph, const int64_t *values, size_t length);
int onnx_float(struct onnx *graph, float value);
int onnx_double(struct onnx *graph, double value);

/* A node with one output, its value. attributes (may be NULL) is what onnx_attr_* appended; freed. */
int onnx_node(struct onnx *graph, const char *op, const int *inputs, size_t count,
              struct buf *attributes);
/* The same of ai.onnx.ml. */
int onnx_node_ml(struct onnx *graph, const char *op, const int *inputs, size_t count,
                 struct buf *attributes);
int onnx_op1(struct onnx *graph, const char *op, int a);
int onnx_op2(struct onnx *graph, const char *op, int a, int b);
int onnx_op3(struct onnx *graph, const char *op, int a, int b, int c);
int onnx_cast(struct onnx *graph, int value, enum onnx_type type);
int onnx_join(struct onnx *graph, const int *values, size_t count, int64_t axis);
int onnx_transpose(struct onnx *graph, int value, const int64_t *order, size_t count);
int onnx_reshape(struct onnx *graph, int value, const int64_t *dims, size_t count);
int onnx_softmax(struct onnx *graph, int value);

void onnx_attr_int(struct buf *attributes, const char *name, int64_t value);
void onnx_attr_ints(struct buf *attributes, const char *name, const int64_t *values, size_t count);
void onnx_attr_floats(struct buf *attributes, const char *name, const float *values, size_t count);
void onnx_attr_float(struct buf *attributes, const char *name, float value);
void onnx_attr_strings(struct buf *attributes, const char *name, const char *const *texts,
                       size_t count);

#endif
