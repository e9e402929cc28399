#include <config.h>

#include <string.h>

#include "base/la.h"
#include "model/kernel_bf16.h"
#include "model/kernel_conv_internal.h"

/* An image in fp32, its unfolded form (oh·ow, kernel·kernel·in) and its output in fp32, in the scratch. */
struct fold
{
  size_t out_height, out_width;
  size_t in_count, out_count; /* numbers of one image */
  size_t rows, depth;         /* of the unfolded image */
  float *image, *unfolded, *output;
};

static size_t
floats_bytes(size_t count)
{
  return kernel_align(count * sizeof(float));
}

static struct fold
fold_of(const struct kernel_conv_shape *shape, void *scratch)
{
  struct fold fold = {0};
  char *at = scratch;

  kernel_conv_out_size(shape, &fold.out_height, &fold.out_width);
  fold.in_count = shape->height * shape->width * shape->in;
  fold.rows = fold.out_height * fold.out_width;
  fold.out_count = fold.rows * shape->out;
  fold.depth = shape->kernel * shape->kernel * shape->in;
  if (at)
  {
    fold.image = (float *) (void *) at;
    fold.output = (float *) (void *) (at + floats_bytes(fold.in_count));
    fold.unfolded =
      (float *) (void *) (at + floats_bytes(fold.in_count) + floats_bytes(fold.out_count));
  }
  return fold;
}

static size_t
weight_count(const struct kernel_conv_shape *shape)
{
  return shape->kernel * shape->kernel * shape->in * shape->out;
}

static bool
pack(const struct kernel_conv *conv, const float *w, void *packed, void *scratch)
{
  float *to = packed;
  size_t count = weight_count(&conv->shape);

  (void) scratch;
  if (conv->shape.precision == KERNEL_FP32)
    memcpy(to, w, count * sizeof *to);
  else
    for (size_t i = 0; i < count; i++)
      to[i] = bf16_widen(bf16_narrow(w[i]));
  return true;
}

/* The image's numbers in fp32: where they are, or copied to `room`. */
static const float *
image_of(const void *images, bool half, size_t image, size_t count, float *room)
{
  if (!half)
    return (const float *) images + image * count;
  kernel_bf16_widen(count, (const uint16_t *) images + image * count, room);
  return room;
}

/* Kernel position (ky, kx) of output (oy, ox) reads input (oy·stride + ky − pad, ox·stride + kx − pad); the input
 * row or column as a size_t wraps round when it lies before the first. */
static void
unfold(const struct kernel_conv_shape *shape, const struct fold *fold, const float *image)
{
  size_t pad = shape->kernel / 2, in = shape->in;
  float *to = fold->unfolded;

  for (size_t oy = 0; oy < fold->out_height; oy++)
    for (size_t ox = 0; ox < fold->out_width; ox++)
      for (size_t ky = 0; ky < shape->kernel; ky++)
        for (size_t kx = 0; kx < shape->kernel; kx++, to += in)
        {
          size_t y = oy * shape->stride + ky - pad, x = ox * shape->stride + kx - pad;
          if (y < shape->height && x < shape->width)
            memcpy(to, image + (y * shape->width + x) * in, in * sizeof *to);
          else
            memset(to, 0, in * sizeof *to);
        }
}

/* The transpose of unfold: what came from one input is added up there. */
static void
fold_back(const struct kernel_conv_shape *shape, const struct fold *fold, float *image)
{
  size_t pad = shape->kernel / 2, in = shape->in;
  const float *from = fold->unfolded;

  memset(image, 0, fold->in_count * sizeof *image);
  for (size_t oy = 0; oy < fold->out_height; oy++)
    for (size_t ox = 0; ox < fold->out_width; ox++)
      for (size_t ky = 0; ky < shape->kernel; ky++)
        for (size_t kx = 0; kx < shape->kernel; kx++, from += in)
        {
          size_t y = oy * shape->stride + ky - pad, x = ox * shape->stride + kx - pad;
          if (y >= shape->height || x >= shape->width)
            continue;
          float *to = image + (y * shape->width + x) * in;
          for (size_t c = 0; c < in; c++)
            to[c] += from[c];
        }
}

static bool
forward(const struct kernel_conv *conv, const void *x, const void *packed, const float *bias,
        void *y, void *scratch)
{
  const struct kernel_conv_shape *shape = &conv->shape;
  struct fold fold = fold_of(shape, scratch);
  bool half = shape->precision == KERNEL_BF16;

  for (size_t i = 0; i < shape->images; i++)
  {
    float *output = half ? fold.output : (float *) y + i * fold.out_count;
    unfold(shape, &fold, image_of(x, kernel_conv_x_is_bf16(shape), i, fold.in_count, fold.image));
    la_sgemm(false, false, fold.rows, shape->out, fold.depth, 1.0f, fold.unfolded, fold.depth,
             packed, shape->out, 0.0f, output, shape->out);
    if (bias)
      for (size_t row = 0; row < fold.rows; row++)
        for (size_t c = 0; c < shape->out; c++)
          output[row * shape->out + c] += bias[c];
    if (half)
      kernel_bf16_narrow(fold.out_count, output, (uint16_t *) y + i * fold.out_count);
  }
  return true;
}

static bool
weights(const struct kernel_conv *conv, const void *x, const void *dy, float *dw, void *scratch)
{
  const struct kernel_conv_shape *shape = &conv->shape;
  struct fold fold = fold_of(shape, scratch);
  bool half = shape->precision == KERNEL_BF16;

  for (size_t i = 0; i < shape->images; i++)
  {
    const float *slope = image_of(dy, half, i, fold.out_count, fold.output);
    unfold(shape, &fold, image_of(x, kernel_conv_x_is_bf16(shape), i, fold.in_count, fold.image));
    la_sgemm(true, false, fold.depth, shape->out, fold.rows, 1.0f, fold.unfolded, fold.depth, slope,
             shape->out, i ? 1.0f : 0.0f, dw, shape->out);
  }
  return true;
}

static bool
inputs(const struct kernel_conv *conv, const void *dy, const void *packed, void *dx, void *scratch)
{
  const struct kernel_conv_shape *shape = &conv->shape;
  struct fold fold = fold_of(shape, scratch);
  bool half = shape->precision == KERNEL_BF16;

  for (size_t i = 0; i < shape->images; i++)
  {
    const float *slope = image_of(dy, half, i, fold.out_count, fold.output);
    float *image = half ? fold.image : (float *) dx + i * fold.in_count;
    la_sgemm(false, true, fold.rows, fold.depth, shape->out, 1.0f, slope, shape->out, packed,
             shape->out, 0.0f, fold.unfolded, fold.depth);
    fold_back(shape, &fold, image);
    if (half)
      kernel_bf16_narrow(fold.in_count, image, (uint16_t *) dx + i * fold.in_count);
  }
  return true;
}

static const char *
name(const struct kernel_conv *conv)
{
  (void) conv;
  return "blas";
}

static void
free_nothing(void *state)
{
  (void) state;
}

static const struct kernel_conv_maker maker = {.free = free_nothing,
                                               .name = name,
                                               .pack = pack,
                                               .pack_inputs = pack,
                                               .forward = forward,
                                               .weights = weights,
                                               .inputs = inputs};

void
kernel_conv_use_blas(struct kernel_conv *conv)
{
  struct fold fold = fold_of(&conv->shape, NULL);

  conv->maker = &maker;
  conv->packed_bytes = floats_bytes(weight_count(&conv->shape));
  conv->scratch_bytes = floats_bytes(fold.in_count) + floats_bytes(fold.out_count)
                        + floats_bytes(fold.rows * fold.depth);
}
