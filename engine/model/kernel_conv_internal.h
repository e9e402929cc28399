/* What makes the products of kernel_conv.h. Private to engine/model and its tests. */
#ifndef ATTUNE_MODEL_KERNEL_CONV_INTERNAL_H
#define ATTUNE_MODEL_KERNEL_CONV_INTERNAL_H

#include "model/kernel_conv.h"
#include "model/kernel_memory.h"
#include "model/kernel_winograd.h"

/* One way to compute them. The functions are those of kernel_conv.h, never called for what the shape rules out. */
struct kernel_conv_maker
{
  void (*free)(void *state);
  const char *(*name)(const struct kernel_conv *conv);
  bool (*pack)(const struct kernel_conv *conv, const float *w, void *packed, void *scratch);
  bool (*pack_inputs)(const struct kernel_conv *conv, const float *w, void *packed, void *scratch);
  bool (*forward)(const struct kernel_conv *conv, const void *x, const void *packed,
                  const float *bias, void *y, void *scratch);
  bool (*weights)(const struct kernel_conv *conv, const void *x, const void *dy, float *dw,
                  void *scratch);
  bool (*inputs)(const struct kernel_conv *conv, const void *dy, const void *packed, void *dx,
                 void *scratch);
};

struct kernel_conv
{
  struct kernel_conv_shape shape;
  const struct kernel_conv_maker *maker;
  void *state;                     /* the maker's */
  const struct winograd *winograd; /* of Winograd's form */
  size_t packed_bytes, scratch_bytes;
};

static inline bool
kernel_conv_x_is_bf16(const struct kernel_conv_shape *shape)
{
  return shape->precision == KERNEL_BF16 && !shape->first;
}

/* Each gives a conv that holds only its checked shape its maker, or leaves it without one where it has no
 * fast code for the shape; ERR_MEMORY. */
enum err kernel_conv_use_onednn(struct kernel_conv *conv, struct err_info *info);

/* Winograd's form in the lanes of `form`, NULL where the machine has none, for training in fp32: leaves all but kernels
 * of 3 x 3 with a stride of 1 and channels that fill the lanes to the others. Cannot fail. */
void kernel_conv_use_winograd(struct kernel_conv *conv, const struct winograd *form);

/* Tiles of bf16 (kernel_amx.h), for training in bf16 where the processor has them: leaves all but strides of 1 and whole
 * tiles of channels (or a first layer's few) to the others. Cannot fail. */
void kernel_conv_use_amx(struct kernel_conv *conv);

/* Unfolded images times weights, image by image: has code for every shape, cannot fail. */
void kernel_conv_use_blas(struct kernel_conv *conv);

#endif
