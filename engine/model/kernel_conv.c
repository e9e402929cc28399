#include <config.h>

#include "model/kernel_conv.h"

#include <stdlib.h>

#include "model/kernel_conv_internal.h"

void
kernel_conv_out_size(const struct kernel_conv_shape *shape, size_t *height, size_t *width)
{
  *height = (shape->height - 1) / shape->stride + 1;
  *width = (shape->width - 1) / shape->stride + 1;
}

static enum err
check_shape(const struct kernel_conv_shape *shape, struct err_info *info)
{
  size_t height, width;

  if (!shape->images || !shape->height || !shape->width || !shape->in || !shape->out
      || !shape->stride || shape->kernel % 2 == 0)
    return err_set(info, ERR_INVALID,
                   "a convolution of %zu images of %zu x %zu, %zu to %zu channels, kernel %zu, "
                   "stride %zu cannot be built",
                   shape->images, shape->height, shape->width, shape->in, shape->out, shape->kernel,
                   shape->stride);
  if ((unsigned) shape->precision > KERNEL_BF16)
    return err_set(info, ERR_INVALID, "the convolution's precision is out of range");
  kernel_conv_out_size(shape, &height, &width);
  if (!kernel_fits(shape->images, shape->height, shape->width, shape->in)
      || !kernel_fits(shape->images, height, width, shape->out)
      || !kernel_fits(shape->kernel, shape->kernel, shape->in, shape->out)
      || !kernel_fits(height * width, shape->kernel, shape->kernel, shape->in))
    return err_set(info, ERR_LIMIT,
                   "a convolution of %zu images of %zu x %zu, %zu to %zu channels, is too large",
                   shape->images, shape->height, shape->width, shape->in, shape->out);
  return ERR_OK;
}

enum err
kernel_conv_new(const struct kernel_conv_shape *shape, struct kernel_conv **conv,
                struct err_info *info)
{
  *conv = NULL;
  enum err rc = check_shape(shape, info);
  if (rc != ERR_OK)
    return rc;
  struct kernel_conv *made = calloc(1, sizeof *made);
  if (!made)
    return err_set(info, ERR_MEMORY, "out of memory for a convolution");
  made->shape = *shape;
  kernel_conv_use_winograd(made, winograd_here());
  if (!made->maker)
    kernel_conv_use_amx(made);
  if (!made->maker)
    rc = kernel_conv_use_onednn(made, info);
  if (rc != ERR_OK)
  {
    kernel_conv_free(made);
    return rc;
  }
  if (!made->maker)
    kernel_conv_use_blas(made);
  *conv = made;
  return ERR_OK;
}

void
kernel_conv_free(struct kernel_conv *conv)
{
  if (!conv)
    return;
  if (conv->maker)
    conv->maker->free(conv->state);
  free(conv);
}

size_t
kernel_conv_packed_bytes(const struct kernel_conv *conv)
{
  return conv->packed_bytes;
}

size_t
kernel_conv_scratch_bytes(const struct kernel_conv *conv)
{
  return conv->scratch_bytes;
}

const char *
kernel_conv_name(const struct kernel_conv *conv)
{
  return conv->maker->name(conv);
}

bool
kernel_conv_pack(const struct kernel_conv *conv, const float *w, void *packed, void *scratch)
{
  return conv->maker->pack(conv, w, packed, scratch);
}

bool
kernel_conv_pack_inputs(const struct kernel_conv *conv, const float *w, void *packed, void *scratch)
{
  return conv->shape.training && !conv->shape.first
         && conv->maker->pack_inputs(conv, w, packed, scratch);
}

bool
kernel_conv_forward(const struct kernel_conv *conv, const void *x, const void *packed,
                    const float *bias, void *y, void *scratch)
{
  return conv->maker->forward(conv, x, packed, bias, y, scratch);
}

bool
kernel_conv_weights(const struct kernel_conv *conv, const void *x, const void *dy, float *dw,
                    void *scratch)
{
  return conv->shape.training && conv->maker->weights(conv, x, dy, dw, scratch);
}

bool
kernel_conv_inputs(const struct kernel_conv *conv, const void *dy, const void *packed_inputs,
                   void *dx, void *scratch)
{
  return conv->shape.training && !conv->shape.first
         && conv->maker->inputs(conv, dy, packed_inputs, dx, scratch);
}
