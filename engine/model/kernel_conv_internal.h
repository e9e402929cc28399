/* The makers of kernel_conv.h's products, private to engine/model and its tests. Each is given a checked shape. */
#ifndef ATTUNE_MODEL_KERNEL_CONV_INTERNAL_H
#define ATTUNE_MODEL_KERNEL_CONV_INTERNAL_H

#include "model/kernel_conv.h"

#define KERNEL_CONV_ALIGNMENT ((size_t) 64)

static inline size_t
kernel_conv_align(size_t bytes)
{
  return (bytes + KERNEL_CONV_ALIGNMENT - 1) / KERNEL_CONV_ALIGNMENT * KERNEL_CONV_ALIGNMENT;
}

static inline bool
kernel_conv_x_is_bf16(const struct kernel_conv_shape *shape)
{
  return shape->precision == KERNEL_BF16 && !shape->first;
}

/* ---- products of unfolded images, image by image, on BLAS: always there ---- */

size_t kernel_conv_blas_packed_bytes(const struct kernel_conv_shape *shape);
size_t kernel_conv_blas_scratch_bytes(const struct kernel_conv_shape *shape);
void kernel_conv_blas_pack(const struct kernel_conv_shape *shape, const float *w, void *packed);
void kernel_conv_blas_forward(const struct kernel_conv_shape *shape, const void *x,
                              const void *packed, const float *bias, void *y, void *scratch);
void kernel_conv_blas_weights(const struct kernel_conv_shape *shape, const void *x, const void *dy,
                              float *dw, void *scratch);
void kernel_conv_blas_inputs(const struct kernel_conv_shape *shape, const void *dy,
                             const void *packed, void *dx, void *scratch);

/* ---- oneDNN ---- */

struct kernel_conv_dnn;

/* NULL to *dnn with ERR_OK where oneDNN is not built in or has no fast code for the shape. */
enum err kernel_conv_dnn_new(const struct kernel_conv_shape *shape, struct kernel_conv_dnn **dnn,
                             struct err_info *info);
void kernel_conv_dnn_free(struct kernel_conv_dnn *dnn);
size_t kernel_conv_dnn_packed_bytes(const struct kernel_conv_dnn *dnn);
size_t kernel_conv_dnn_scratch_bytes(const struct kernel_conv_dnn *dnn);
const char *kernel_conv_dnn_name(const struct kernel_conv_dnn *dnn);
bool kernel_conv_dnn_pack(const struct kernel_conv_dnn *dnn, const float *w, void *packed,
                          void *scratch);
bool kernel_conv_dnn_pack_inputs(const struct kernel_conv_dnn *dnn, const float *w, void *packed,
                                 void *scratch);
bool kernel_conv_dnn_forward(const struct kernel_conv_dnn *dnn, const void *x, const void *packed,
                             const float *bias, void *y, void *scratch);
bool kernel_conv_dnn_weights(const struct kernel_conv_dnn *dnn, const void *x, const void *dy,
                             float *dw, void *scratch);
bool kernel_conv_dnn_inputs(const struct kernel_conv_dnn *dnn, const void *dy, const void *packed,
                            void *dx, void *scratch);

#endif
