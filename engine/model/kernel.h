/* The dense layer's three products, on oneDNN or, with --without-onednn, on OpenBLAS.
 *
 * All matrices are row-major without gaps, weights stored (inputs, outputs). No allocation, no state:
 * any thread may call; one core is used (OMP_NUM_THREADS=1). Only kernel_*.c see dnnl.h.
 *
 * oneDNN's own matrix product on plain row-major memory is used rather than its inner-product
 * primitives: it keeps its generated code per shape itself, needs no weight reordering per step, is
 * the same call in versions 2 and 3.
 */
#ifndef ATTUNE_MODEL_KERNEL_H
#define ATTUNE_MODEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* How numbers are kept between a network's layers: fp32, or bf16 (uint16_t, the upper half of an fp32,
 * rounded to the nearest, ties to even). Sums are fp32 either way. */
enum kernel_precision
{
  KERNEL_FP32,
  KERNEL_BF16
};

/* Whether products of bf16 are faster than of fp32 here: oneDNN on a processor with AVX-512 BF16, which
 * every one with AMX has as well. Measured twice as fast as the direct form in fp32 on such a processor
 * (tests/bench/kernel_conv.c), so without AMX about as fast as Winograd's; without the instructions bf16 is worked out
 * in fp32 and only costs. */
bool kernel_bf16_fast(void);

/* count numbers from fp32 to bf16 and back. Not in place. A NaN stays a NaN. */
void kernel_bf16_narrow(size_t count, const float *from, uint16_t *to);
void kernel_bf16_widen(size_t count, const uint16_t *from, float *to);

/* y (n,m) = x (n,k) · w (k,m); false if the library refuses. */
bool kernel_dense_forward(size_t n, size_t k, size_t m, const float *x, const float *w, float *y);

/* dw (k,m) = xᵀ · dy, x (n,k), dy (n,m). */
bool kernel_dense_weights(size_t n, size_t k, size_t m, const float *x, const float *dy, float *dw);

/* dx (n,k) = dy (n,m) · wᵀ. */
bool kernel_dense_inputs(size_t n, size_t k, size_t m, const float *dy, const float *w, float *dx);

/* The same three products of bf16 matrices, for sizes fixed when it is made. Weights are bf16 (k,m), row-major
 * as the fp32 ones are: kernel_bf16_narrow of these once per step serves forward and inputs, and the
 * optimiser's sweep may as well write them. (Blocked weights multiply 2 to 10% faster, and cost more than that to
 * lay out.) Never changes once made: any thread may execute it, each with scratch of its own,
 * aligned to 64 bytes; equal machines give equal bytes. */
struct kernel_dense_bf16;

/* y's precision is either; both are as fast. ERR_INVALID for a size of 0, ERR_LIMIT for a matrix of more than
 * 2³¹ − 1 numbers, ERR_MEMORY. */
enum err kernel_dense_bf16_new(size_t n, size_t k, size_t m, enum kernel_precision y,
                               struct kernel_dense_bf16 **dense, struct err_info *info);
void kernel_dense_bf16_free(struct kernel_dense_bf16 *dense);                  /* NULL is ignored */
size_t kernel_dense_bf16_scratch_bytes(const struct kernel_dense_bf16 *dense); /* may be 0 */

/* y (n,m) = x (n,k) · w (k,m); dw (k,m) = xᵀ · dy; dx (n,k) = dy (n,m) · wᵀ. False if the library refuses. */
bool kernel_dense_bf16_forward(const struct kernel_dense_bf16 *dense, const uint16_t *x,
                               const uint16_t *w, void *y, void *scratch);
bool kernel_dense_bf16_weights(const struct kernel_dense_bf16 *dense, const uint16_t *x,
                               const uint16_t *dy, float *dw, void *scratch);
bool kernel_dense_bf16_inputs(const struct kernel_dense_bf16 *dense, const uint16_t *dy,
                              const uint16_t *w, uint16_t *dx, void *scratch);

/* Whether kernel_dense_forward gives a row the same bits alone as among others: known of oneDNN 2 with kernel_row.h. */
bool kernel_rows_alike(void);

/* "onednn 2.6.3" or "openblas": stored with what it trained. */
const char *kernel_name(void);

#endif
