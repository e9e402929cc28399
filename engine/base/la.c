#include <config.h>

#include "base/la.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>

/* OpenBLAS carries LAPACK's Fortran entry points. They see a row-major matrix as its transpose, so
 * our lower triangle is their upper one, and no data has to be turned around. The hidden length of
 * the character argument comes last. */
extern void dpotrf_(const char *uplo, const blasint *n, double *a, const blasint *lda,
                    blasint *status, size_t uplo_length);
extern void dpotri_(const char *uplo, const blasint *n, double *a, const blasint *lda,
                    blasint *status, size_t uplo_length);

/* BLAS counts with blasint; every caller's limits lie far below it. */
static blasint
dimension(size_t n)
{
  assert(n <= INT_MAX);
  return (blasint) n;
}

/* BLAS refuses a leading dimension of 0, even for a matrix without elements. */
static blasint
leading(size_t ld)
{
  return dimension(ld > 0 ? ld : 1);
}

static CBLAS_TRANSPOSE
operation(bool trans)
{
  return trans ? CblasTrans : CblasNoTrans;
}

void
la_sgemm(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a,
         size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
  if (m == 0 || n == 0)
    return;
  cblas_sgemm(CblasRowMajor, operation(trans_a), operation(trans_b), dimension(m), dimension(n),
              dimension(k), alpha, a, leading(lda), b, leading(ldb), beta, c, leading(ldc));
}

void
la_dgemm(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, double alpha, const double *a,
         size_t lda, const double *b, size_t ldb, double beta, double *c, size_t ldc)
{
  if (m == 0 || n == 0)
    return;
  cblas_dgemm(CblasRowMajor, operation(trans_a), operation(trans_b), dimension(m), dimension(n),
              dimension(k), alpha, a, leading(lda), b, leading(ldb), beta, c, leading(ldc));
}

void
la_dgemv(bool trans_a, size_t rows, size_t cols, double alpha, const double *a, size_t lda,
         const double *x, double beta, double *y)
{
  size_t m = trans_a ? cols : rows;
  if (m == 0)
    return;
  if (rows == 0 || cols == 0)
  {
    /* BLAS leaves y alone here, but an empty sum is zero */
    for (size_t i = 0; i < m; i++)
      y[i] = beta == 0.0 ? 0.0 : beta * y[i];
    return;
  }
  cblas_dgemv(CblasRowMajor, operation(trans_a), dimension(rows), dimension(cols), alpha, a,
              leading(lda), x, 1, beta, y, 1);
}

double
la_ddot(size_t n, const double *x, const double *y)
{
  return cblas_ddot(dimension(n), x, 1, y, 1);
}

void
la_daxpy(size_t n, double alpha, const double *x, double *y)
{
  cblas_daxpy(dimension(n), alpha, x, 1, y, 1);
}

bool
la_dpotrf(size_t n, double *a, size_t lda)
{
  if (n == 0)
    return true;
  blasint order = dimension(n), stride = leading(lda), status = 0;
  dpotrf_("U", &order, a, &stride, &status, 1);
  if (status != 0)
    return false;
  /* a NaN slips through every comparison of the factorisation */
  for (size_t i = 0; i < n; i++)
    if (!(a[i * lda + i] > 0.0))
      return false;
  return true;
}

void
la_dtrsv(bool trans, size_t n, const double *l, size_t ldl, double *x)
{
  if (n > 0)
    cblas_dtrsv(CblasRowMajor, CblasLower, operation(trans), CblasNonUnit, dimension(n), l,
                leading(ldl), x, 1);
}

void
la_dtrsm(bool trans, size_t n, size_t k, const double *l, size_t ldl, double *b, size_t ldb)
{
  if (n > 0 && k > 0)
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, operation(trans), CblasNonUnit, dimension(n),
                dimension(k), 1.0, l, leading(ldl), b, leading(ldb));
}

bool
la_dpotri(size_t n, double *a, size_t lda)
{
  if (n == 0)
    return true;
  blasint order = dimension(n), stride = leading(lda), status = 0;
  dpotri_("U", &order, a, &stride, &status, 1);
  return status == 0;
}
