/* The dense products on OpenBLAS: the fallback of kernel.h, also built beside oneDNN so that a test
 * can compare the two. Shapes as in kernel.h.
 */
#ifndef ATTUNE_MODEL_KERNEL_BLAS_H
#define ATTUNE_MODEL_KERNEL_BLAS_H

#include <stddef.h>

void kernel_blas_forward(size_t n, size_t k, size_t m, const float *x, const float *w, float *y);
void kernel_blas_weights(size_t n, size_t k, size_t m, const float *x, const float *dy, float *dw);
void kernel_blas_inputs(size_t n, size_t k, size_t m, const float *dy, const float *w, float *dx);

#endif
