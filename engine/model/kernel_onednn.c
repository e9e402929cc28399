#include <config.h>

#include "model/kernel.h"

#ifdef HAVE_ONEDNN

#include <dnnl.h>

#include "model/kernel_row.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

bool
kernel_dense_forward(size_t n, size_t k, size_t m, const float *x, const float *w, float *y)
{
  if (k > 0 && n > 0 && m == 1 && kernel_row_here())
  {
    kernel_row_dots(n, k, x, w, y);
    return true;
  }
  if (k > 0 && m > 0 && n == 1 && kernel_row_here())
  {
    kernel_row_forward(k, m, x, w, y);
    return true;
  }
  return dnnl_sgemm('N', 'N', (dnnl_dim_t) n, (dnnl_dim_t) m, (dnnl_dim_t) k, 1.0f, x,
                    (dnnl_dim_t) k, w, (dnnl_dim_t) m, 0.0f, y, (dnnl_dim_t) m)
         == dnnl_success;
}

bool
kernel_dense_weights(size_t n, size_t k, size_t m, const float *x, const float *dy, float *dw)
{
  return dnnl_sgemm('T', 'N', (dnnl_dim_t) k, (dnnl_dim_t) m, (dnnl_dim_t) n, 1.0f, x,
                    (dnnl_dim_t) k, dy, (dnnl_dim_t) m, 0.0f, dw, (dnnl_dim_t) m)
         == dnnl_success;
}

bool
kernel_dense_inputs(size_t n, size_t k, size_t m, const float *dy, const float *w, float *dx)
{
  return dnnl_sgemm('N', 'T', (dnnl_dim_t) n, (dnnl_dim_t) k, (dnnl_dim_t) m, 1.0f, dy,
                    (dnnl_dim_t) m, w, (dnnl_dim_t) m, 0.0f, dx, (dnnl_dim_t) k)
         == dnnl_success;
}

bool
kernel_rows_alike(void)
{
  return DNNL_VERSION_MAJOR == 2 && kernel_row_here();
}

const char *
kernel_name(void)
{
  return "onednn " TEXT(DNNL_VERSION_MAJOR) "." TEXT(DNNL_VERSION_MINOR) "." TEXT(
    DNNL_VERSION_PATCH);
}

#else

/* An empty translation unit is not C. */
extern int kernel_onednn_unused;

#endif
