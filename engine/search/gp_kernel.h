/* The kernel's inner loops; for gp.c and gp_fit.c only (gp.h has the formulas). */
#ifndef ATTUNE_SEARCH_GP_KERNEL_H
#define ATTUNE_SEARCH_GP_KERNEL_H

#include <stddef.h>

#include "search/gp.h"

/* r² between `row` and n rows stored by feature (xt[k·ld + j]), for the features of one block with
 * inverse squared lengthscales b. */
void gp_kernel_distances(const struct gp_block *block, const double *b, size_t n, const double *xt,
                         size_t ld, const double *row, double *r2);

/* From r² (n): m = (1 + √5 r + 5r²/3)·exp(−√5 r) and, if slope is not NULL, (1 + √5 r)·exp(−√5 r),
 * of which −5/6 is the derivative of m by r². `m` may be r2 itself. */
void gp_kernel_matern(size_t n, const double *r2, double *m, double *slope);

#endif
