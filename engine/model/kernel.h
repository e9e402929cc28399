/* The dense layer's three products, on oneDNN or, with --without-onednn, on OpenBLAS.
 *
 * All matrices are row-major without gaps, weights stored (inputs, outputs). No allocation, no state:
 * any thread may call; one core is used (OMP_NUM_THREADS=1). The only door to dnnl.h.
 *
 * oneDNN's own matrix product on plain row-major memory is used rather than its inner-product
 * primitives: it keeps its generated code per shape itself, needs no weight reordering per step, is
 * the same call in versions 2 and 3.
 */
#ifndef ATTUNE_MODEL_KERNEL_H
#define ATTUNE_MODEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

/* y (n,m) = x (n,k) · w (k,m); false if the library refuses. */
bool kernel_dense_forward(size_t n, size_t k, size_t m, const float *x, const float *w, float *y);

/* dw (k,m) = xᵀ · dy, x (n,k), dy (n,m). */
bool kernel_dense_weights(size_t n, size_t k, size_t m, const float *x, const float *dy, float *dw);

/* dx (n,k) = dy (n,m) · wᵀ. */
bool kernel_dense_inputs(size_t n, size_t k, size_t m, const float *dy, const float *w, float *dx);

/* "onednn 2.6.3" or "openblas": stored with what it trained. */
const char *kernel_name(void);

#endif
