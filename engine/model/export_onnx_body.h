/* Private to export_onnx*.c: a trained body as nodes.
 */
#ifndef ATTUNE_MODEL_EXPORT_ONNX_BODY_H
#define ATTUNE_MODEL_EXPORT_ONNX_BODY_H

#include "model/export_onnx_graph.h"
#include "model/model_internal.h"

/* The value (rows, outputs) of probabilities, or of a number before its scale, from features (rows, inputs); for
 * images from pixels (rows, height, width, channels) as the body sees them. */
int export_onnx_body(struct onnx *graph, const struct model *model, int x);

/* The same of a convolutional body (export_onnx_cnn.c), before the softmax. */
int export_onnx_cnn(struct onnx *graph, const void *body, int x);

/* y = x W + b, W (in, out). */
int export_onnx_dense(struct onnx *graph, int x, const float *w, const float *b, size_t in,
                      size_t out);

/* enum net_activation */
int export_onnx_activation(struct onnx *graph, int activation, int z);

#endif
