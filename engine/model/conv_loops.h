/* The loops of conv_ops.h over blocks of rows, for one instruction set and both precisions. Private to engine/model. */
#ifndef ATTUNE_MODEL_CONV_LOOPS_H
#define ATTUNE_MODEL_CONV_LOOPS_H

#include "model/conv_ops.h"

/* Each for KERNEL_FP32 and KERNEL_BF16; what they do is told where they are written, in conv_loops_body.h. */
struct conv_loops
{
  void (*block_sums[2])(size_t rows, size_t channels, const void *x, float *sum, float *square);
  void (*add[2])(size_t count, const void *from, void *to);
  void (*widen[2])(size_t count, const void *from, float *to);
  void (*narrow[2])(size_t count, const float *from, void *to);
  void (*pool_line[2])(size_t count, size_t channels, const void *x, const void *below, void *y,
                       uint8_t *which);
  void (*unpool_line[2])(size_t count, size_t channels, const void *dy, const uint8_t *which,
                         void *dx, void *below);
  void (*gather_map[2])(size_t area, size_t channels, const void *x, float *mean, float *most,
                        uint32_t *where);
  void (*spread_map[2])(size_t area, size_t channels, const float *dmean, const float *dmost,
                        const uint32_t *where, void *dx);
  void (*normalise[CONV_ACTIVATION_COUNT][2])(size_t rows, size_t channels, const float *scale,
                                              const float *offset, const void *x, const void *skip,
                                              void *y);
  void (*slope_sums[CONV_ACTIVATION_COUNT][2])(size_t rows, size_t channels, const float *mean,
                                               const float *r, const float *shift, const void *dy,
                                               const void *x, float *sum, float *cross);
  void (*input_slope[CONV_ACTIVATION_COUNT][2])(size_t rows, size_t channels, const float *mean,
                                                const float *r, const float *shift,
                                                const float *sum, const float *cross,
                                                const void *dy, void *x);
};

/* For any machine; and for AVX-512, NULL where this machine has none. */
extern const struct conv_loops conv_loops_any;
const struct conv_loops *conv_loops_avx512(void);

/* The best that this machine has: equal machines give equal bytes. */
const struct conv_loops *conv_loops(void);

#endif
