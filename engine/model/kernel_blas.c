#include <config.h>

#include "model/kernel_blas.h"

#include "model/kernel.h"

#include "base/la.h"

void
kernel_blas_forward(size_t n, size_t k, size_t m, const float *x, const float *w, float *y)
{
  la_sgemm(false, false, n, m, k, 1.0f, x, k, w, m, 0.0f, y, m);
}

void
kernel_blas_weights(size_t n, size_t k, size_t m, const float *x, const float *dy, float *dw)
{
  la_sgemm(true, false, k, m, n, 1.0f, x, k, dy, m, 0.0f, dw, m);
}

void
kernel_blas_inputs(size_t n, size_t k, size_t m, const float *dy, const float *w, float *dx)
{
  la_sgemm(false, true, n, k, m, 1.0f, dy, m, w, m, 0.0f, dx, k);
}

#ifndef HAVE_ONEDNN

bool
kernel_dense_forward(size_t n, size_t k, size_t m, const float *x, const float *w, float *y)
{
  kernel_blas_forward(n, k, m, x, w, y);
  return true;
}

bool
kernel_dense_weights(size_t n, size_t k, size_t m, const float *x, const float *dy, float *dw)
{
  kernel_blas_weights(n, k, m, x, dy, dw);
  return true;
}

bool
kernel_dense_inputs(size_t n, size_t k, size_t m, const float *dy, const float *w, float *dx)
{
  kernel_blas_inputs(n, k, m, dy, w, dx);
  return true;
}

bool
kernel_rows_alike(void)
{
  return false;
}

const char *
kernel_name(void)
{
  return "openblas";
}

#endif
