/* What a convolutional network does between its convolutions, each in as few passes over memory as it
 * can be: batch normalisation with activation and addition, pooling, and their gradients.
 *
 * All maps are NHWC, seen as `rows` (n · height · width) of `channels` numbers, in the given precision
 * (kernel.h; bf16 is read and written only, sums and statistics are fp32 and double). Deterministic; no
 * allocation, no state; any thread.
 *
 * Batch normalisation (Ioffe, Szegedy 2015) has a shift and no scale of its own: before an activation that
 * is followed by another normalised convolution the scale would be undone there. With x̂ = (x − mean)·r,
 * r = 1/√(variance + ε), z = x̂ + shift and dz = dy·act′(z):
 * dshift = Σ dz,  dx = r·(dz − mean(dz) − x̂·mean(dz·x̂)).
 */
#ifndef ATTUNE_MODEL_CONV_OPS_H
#define ATTUNE_MODEL_CONV_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/kernel.h"

enum conv_activation
{
  CONV_RELU,
  CONV_GELU,
  CONV_SILU,
  CONV_ACTIVATION_COUNT
};

/* NULL-terminated, in the order of the enum. */
extern const char *const conv_activation_names[];

#define CONV_OPS_EPSILON 1e-5f
#define CONV_OPS_CHANNELS_MAX 1024

/* Bytes of one number. */
size_t conv_ops_bytes(enum kernel_precision precision);

/* mean, variance (channels) of x (rows, channels). */
void conv_ops_statistics(enum kernel_precision precision, size_t rows, size_t channels,
                         const void *x, float *mean, float *variance);

/* y = act (x · scale + offset) + skip; skip may be NULL, y may be x. scale, offset (channels). */
void conv_ops_normalise(enum kernel_precision precision, enum conv_activation activation,
                        size_t rows, size_t channels, const float *scale, const float *offset,
                        const void *x, const void *skip, void *y);

/* x ← ∂L/∂x from x and dy; dshift (channels) ← Σ dz. Unless `centred`, mean and r are numbers that do not depend
 * on x, so that dx = r·dz. */
void conv_ops_normalise_backward(enum kernel_precision precision, enum conv_activation activation,
                                 size_t rows, size_t channels, bool centred, const float *mean,
                                 const float *r, const float *shift, const void *dy, void *x,
                                 float *dshift);

/* to += from. */
void conv_ops_add(enum kernel_precision precision, size_t count, const void *from, void *to);

/* From a precision to fp32, and back. */
void conv_ops_widen(enum kernel_precision precision, size_t count, const void *from, float *to);
void conv_ops_narrow(enum kernel_precision precision, size_t count, const float *from, void *to);

/* The largest of each 2 × 2 square (a last odd line is left out); y (n, height/2, width/2, channels), and
 * which of the four it was. */
void conv_ops_pool(enum kernel_precision precision, size_t n, size_t height, size_t width,
                   size_t channels, const void *x, void *y, uint8_t *which);
/* dx (n, height, width, channels) ← dy at the places that were taken, 0 elsewhere. */
void conv_ops_pool_backward(enum kernel_precision precision, size_t n, size_t height, size_t width,
                            size_t channels, const void *dy, const uint8_t *which, void *dx);

/* features (n, 2 · channels) ← of each map the mean, then the largest value; where (n, channels) its place. */
void conv_ops_gather(enum kernel_precision precision, size_t n, size_t area, size_t channels,
                     const void *x, float *features, uint32_t *where);
void conv_ops_gather_backward(enum kernel_precision precision, size_t n, size_t area,
                              size_t channels, const float *dfeatures, const uint32_t *where,
                              void *dx);

#endif
