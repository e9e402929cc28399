/* The one door to BLAS and LAPACK. All matrices are row-major, leading dimension = columns unless
 * an `ld` argument says otherwise. No allocation but where said. Re-entrant; one BLAS thread.
 */
#ifndef ATTUNE_BASE_LA_H
#define ATTUNE_BASE_LA_H

#include <stdbool.h>
#include <stddef.h>

/* c (m,n) = alpha · op(a) · op(b) + beta · c, op = transpose if the flag is set; op(a) (m,k), op(b) (k,n). */
void la_sgemm(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a,
              size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc);
void la_dgemm(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, double alpha,
              const double *a, size_t lda, const double *b, size_t ldb, double beta, double *c,
              size_t ldc);

/* y (m) = alpha · op(a) · x + beta · y, with a (rows,cols). */
void la_dgemv(bool trans_a, size_t rows, size_t cols, double alpha, const double *a, size_t lda,
              const double *x, double beta, double *y);
double la_ddot(size_t n, const double *x, const double *y);
void la_daxpy(size_t n, double alpha, const double *x, double *y);

/* In place: the lower triangle of a (n,n) becomes its Cholesky factor L, a = L·Lᵀ. False if a is not
 * positive definite. The strict upper triangle is left as it was. */
bool la_dpotrf(size_t n, double *a, size_t lda);

/* In place: x (n) = L⁻¹ x or, with trans, L⁻ᵀ x; b (n,k) row-major likewise. */
void la_dtrsv(bool trans, size_t n, const double *l, size_t ldl, double *x);
void la_dtrsm(bool trans, size_t n, size_t k, const double *l, size_t ldl, double *b, size_t ldb);

/* From the factor L in the lower triangle of a: a becomes the lower triangle of (L·Lᵀ)⁻¹. */
bool la_dpotri(size_t n, double *a, size_t lda);

#endif
