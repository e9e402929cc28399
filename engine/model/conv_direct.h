/* Convolutions of one image in fp32 for prediction, on CPUs with AVX-512 or AVX2, line by line: what a network of few filters
 * needs, where a library's preparations cost more than its products. Private to engine/model.
 *
 * Images are (height, width, channels) with a border of zeros, kernel / 2 wide, around them, so that no line is
 * special and the inputs of a line of the kernel lie together. Where the filters fill half a vector or less, several
 * pixels next to one another are made in one, as if they were filters of one pixel. Nothing here has state; any
 * thread. Equal machines give equal bytes.
 */
#ifndef ATTUNE_MODEL_CONV_DIRECT_H
#define ATTUNE_MODEL_CONV_DIRECT_H

#include <stddef.h>

struct conv_direct_form;

struct conv_direct
{
  const struct conv_direct_form *form;
  size_t in_width, in, out, kernel, stride;
  size_t width;    /* of the output */
  size_t together; /* pixels in one vector, 1 unless out is small */
};

/* What makes lines, for one instruction set: conv_direct_line and conv_direct_pool. */
struct conv_direct_form
{
  const char *name;
  size_t lanes;
  void (*line)(const struct conv_direct *conv, const float *x, const float *packed, float *y);
  void (*pool)(const struct conv_direct *conv, const float *above, const float *below,
               const float *bias, float *y);
};

/* On x86-64 alone. */
extern const struct conv_direct_form conv_direct_avx512, conv_direct_avx2;

/* The best that this machine has, NULL if none. */
const struct conv_direct_form *conv_direct_here(void);

/* The convolution of images `in_width` wide, of an odd kernel; all sizes above 0. */
struct conv_direct conv_direct_plan(const struct conv_direct_form *form, size_t in_width, size_t in,
                                    size_t out, size_t kernel, size_t stride);

/* Of the weights (kernel, kernel, in, out) as conv_direct_line reads them. */
size_t conv_direct_packed_floats(const struct conv_direct *conv);
void conv_direct_pack(const struct conv_direct *conv, const float *w, float *packed);

/* y (width, out) ← the line of outputs whose inputs begin with x's first line, x (kernel, in_width + kernel − 1, in).
 * Packed is aligned to 64 bytes. */
void conv_direct_line(const struct conv_direct *conv, const float *x, const float *packed,
                      float *y);

/* y (width / 2, out) ← bias (out) + the largest of each 2 x 2 of the lines `above` and `below`, or 0 where that is
 * less. */
void conv_direct_pool(const struct conv_direct *conv, const float *above, const float *below,
                      const float *bias, float *y);

#endif
