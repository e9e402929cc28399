#include <config.h>

#include <stdlib.h>

#include "model/kernel_blas.h"
#include "model/kernel_dense_bf16_internal.h"
#include "model/kernel_memory.h"

enum err
kernel_dense_bf16_new(size_t n, size_t k, size_t m, enum kernel_precision y,
                      struct kernel_dense_bf16 **dense, struct err_info *info)
{
  *dense = NULL;
  if (!n || !k || !m || (unsigned) y > KERNEL_BF16)
    return err_set(info, ERR_INVALID, "a product of %zu x %zu and %zu x %zu cannot be built", n, k,
                   k, m);
  if (!kernel_fits(n, k, 1, 1) || !kernel_fits(k, m, 1, 1) || !kernel_fits(n, m, 1, 1))
    return err_set(info, ERR_LIMIT, "a product of %zu x %zu and %zu x %zu is too large", n, k, k,
                   m);
  struct kernel_dense_bf16 *made = calloc(1, sizeof *made);
  if (!made)
    return err_set(info, ERR_MEMORY, "out of memory for a product of matrices");
  *made = (struct kernel_dense_bf16){.n = n, .k = k, .m = m, .y = y};
  kernel_dense_bf16_use_amx(made);
  enum err rc = made->tiles ? ERR_OK : kernel_dense_bf16_use_onednn(made, info);
  if (rc != ERR_OK)
  {
    kernel_dense_bf16_free(made);
    return rc;
  }
  if (!made->tiles && !made->onednn)
    kernel_dense_bf16_use_blas(made);
  *dense = made;
  return ERR_OK;
}

void
kernel_dense_bf16_free(struct kernel_dense_bf16 *dense)
{
  if (!dense)
    return;
  kernel_dense_bf16_onednn_free(dense->onednn);
  free(dense);
}

size_t
kernel_dense_bf16_scratch_bytes(const struct kernel_dense_bf16 *dense)
{
  return dense->scratch_bytes;
}

/* ---- in fp32 on BLAS: what is multiplied is exact, so only the order of the sums differs ------------- */

static size_t
floats_bytes(size_t rows, size_t columns)
{
  return kernel_align(rows * columns * sizeof(float));
}

void
kernel_dense_bf16_use_blas(struct kernel_dense_bf16 *dense)
{
  kernel_dense_bf16_onednn_free(dense->onednn);
  dense->onednn = NULL;
  dense->tiles = false;
  dense->scratch_bytes = floats_bytes(dense->n, dense->k) + floats_bytes(dense->k, dense->m)
                         + floats_bytes(dense->n, dense->m);
}

/* The scratch's three matrices: (n,k), (k,m), (n,m). */
struct wide
{
  float *x, *w, *y;
};

static struct wide
wide_of(const struct kernel_dense_bf16 *dense, void *scratch)
{
  char *at = scratch;
  size_t w_at = floats_bytes(dense->n, dense->k);
  size_t y_at = w_at + floats_bytes(dense->k, dense->m);

  return (struct wide){.x = (float *) (void *) at,
                       .w = (float *) (void *) (at + w_at),
                       .y = (float *) (void *) (at + y_at)};
}

static bool
run_fast(const struct kernel_dense_bf16 *dense, enum kernel_dense_product product, const void *left,
         const void *right, void *result, void *scratch)
{
  if (!dense->tiles)
    return kernel_dense_bf16_onednn_run(dense->onednn, product, left, right, result, scratch);
  kernel_dense_bf16_amx_run(dense, product, left, right, result, scratch);
  return true;
}

bool
kernel_dense_bf16_forward(const struct kernel_dense_bf16 *dense, const uint16_t *x,
                          const uint16_t *w, void *y, void *scratch)
{
  size_t n = dense->n, k = dense->k, m = dense->m;

  if (dense->tiles || dense->onednn)
    return run_fast(dense, KERNEL_DENSE_FORWARD, x, w, y, scratch);
  struct wide wide = wide_of(dense, scratch);
  float *result = dense->y == KERNEL_BF16 ? wide.y : y;
  kernel_bf16_widen(n * k, x, wide.x);
  kernel_bf16_widen(k * m, w, wide.w);
  kernel_blas_forward(n, k, m, wide.x, wide.w, result);
  if (dense->y == KERNEL_BF16)
    kernel_bf16_narrow(n * m, result, y);
  return true;
}

bool
kernel_dense_bf16_weights(const struct kernel_dense_bf16 *dense, const uint16_t *x,
                          const uint16_t *dy, float *dw, void *scratch)
{
  size_t n = dense->n, k = dense->k, m = dense->m;

  if (dense->tiles || dense->onednn)
    return run_fast(dense, KERNEL_DENSE_WEIGHTS, x, dy, dw, scratch);
  struct wide wide = wide_of(dense, scratch);
  kernel_bf16_widen(n * k, x, wide.x);
  kernel_bf16_widen(n * m, dy, wide.y);
  kernel_blas_weights(n, k, m, wide.x, wide.y, dw);
  return true;
}

bool
kernel_dense_bf16_inputs(const struct kernel_dense_bf16 *dense, const uint16_t *dy,
                         const uint16_t *w, uint16_t *dx, void *scratch)
{
  size_t n = dense->n, k = dense->k, m = dense->m;

  if (dense->tiles || dense->onednn)
    return run_fast(dense, KERNEL_DENSE_INPUTS, dy, w, dx, scratch);
  struct wide wide = wide_of(dense, scratch);
  kernel_bf16_widen(n * m, dy, wide.y);
  kernel_bf16_widen(k * m, w, wide.w);
  kernel_blas_inputs(n, k, m, wide.y, wide.w, wide.x);
  kernel_bf16_narrow(n * k, wide.x, dx);
  return true;
}
