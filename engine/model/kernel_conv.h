/* A two-dimensional convolution's three products: forward, by its weights, by its inputs.
 *
 * Images are (n, height, width, channels) without gaps, weights (kernel, kernel, in, out). Sizes are fixed
 * when a convolution is made, so that code is generated for them once. Which code runs depends on the shape
 * and the machine only: equal machines give equal bytes, from any number of threads at once.
 *
 * For training in fp32 on AVX-512 or AVX2, Winograd's form of 3 x 3 convolutions where it is faster: 1.6 to 2.9 times
 * as fast as the direct form in all three products, with rounding errors of a few times its size. It is this project's
 * own; oneDNN's (version 2, AVX-512, blocked memory only) would gain a third. For training in bf16 on AMX, tiles of its
 * own (kernel_amx.h): the product by weights takes half of the time of oneDNN's, which turns its operands for every
 * place of the kernel anew, the others as long. Else, and for every prediction, oneDNN's direct convolutions on plain
 * channels-last memory, or products of unfolded images on BLAS where oneDNN is absent or has nothing fast for the
 * shape. oneDNN's blocked memory gains nothing over it (tests/bench/kernel_conv.c).
 */
#ifndef ATTUNE_MODEL_KERNEL_CONV_H
#define ATTUNE_MODEL_KERNEL_CONV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "model/kernel.h"

struct kernel_conv_shape
{
  size_t images;        /* n: fixed batch */
  size_t height, width; /* of the input */
  size_t in, out;       /* channels */
  size_t
    kernel; /* odd; zero padding of kernel / 2 on each side: output side = (side − 1) / stride + 1 */
  size_t stride;
  bool first;    /* of the network: x is always fp32 and no input gradient will be asked for */
  bool training; /* backward products will be asked for */
  enum kernel_precision
    precision; /* of x (unless first), y, dy, dx; weights, dw and bias are fp32 always */
};

/* Never changes once made: any thread may execute it, each with scratch of its own. */
struct kernel_conv;

/* A convolution of this shape to *conv, the caller's to free. ERR_INVALID for sizes that make no sense, ERR_LIMIT
 * for more than 2³¹ − 1 numbers in an image batch or an unfolded image, ERR_MEMORY. */
enum err kernel_conv_new(const struct kernel_conv_shape *shape, struct kernel_conv **conv,
                         struct err_info *info);
void kernel_conv_free(struct kernel_conv *conv); /* NULL is ignored */

/* The output's sides, of a shape with odd kernel and sizes above 0. */
void kernel_conv_out_size(const struct kernel_conv_shape *shape, size_t *height, size_t *width);

/* What one packing of the weights takes, and the memory that every execution needs; packings and scratch are
 * aligned to 64 bytes. Scratch may be 0 bytes. */
size_t kernel_conv_packed_bytes(const struct kernel_conv *conv);
size_t kernel_conv_scratch_bytes(const struct kernel_conv *conv);

/* w (kernel, kernel, in, out) → the form that kernel_conv_forward reads, and that kernel_conv_inputs reads. These
 * and all below return false if the library refuses. */
bool kernel_conv_pack(const struct kernel_conv *conv, const float *w, void *packed, void *scratch);
bool kernel_conv_pack_inputs(const struct kernel_conv *conv, const float *w, void *packed,
                             void *scratch);

/* y (n, oh, ow, out) = x (n, h, w, in) convolved with the weights, + bias (out) unless NULL. */
bool kernel_conv_forward(const struct kernel_conv *conv, const void *x, const void *packed,
                         const float *bias, void *y, void *scratch);

/* dw (kernel, kernel, in, out) = sum over the batch; needs a shape with `training`. */
bool kernel_conv_weights(const struct kernel_conv *conv, const void *x, const void *dy, float *dw,
                         void *scratch);

/* dx (n, h, w, in); needs a shape with `training` and without `first`. */
bool kernel_conv_inputs(const struct kernel_conv *conv, const void *dy, const void *packed_inputs,
                        void *dx, void *scratch);

/* What computes it, such as "winograd:avx2", "jit:avx512_core" or "blas"; lives as long as the convolution. */
const char *kernel_conv_name(const struct kernel_conv *conv);

#endif
