/* Squared error with an elastic net on few enough inputs for the Gram matrix: exact and fast.
 */
#ifndef ATTUNE_TRAIN_FIT_RIDGE_H
#define ATTUNE_TRAIN_FIT_RIDGE_H

#include "train/fit.h"

#define RIDGE_INPUTS_MAX 1500

/* w (inputs + 1), the last the bias, minimises Σ weight (y − xw − b)²/(2n) + penalty · ((1−l1_ratio)/2 Σ w² +
 * l1_ratio Σ |w|): by a Cholesky factor without the l1 part, else by coordinate descent on the Gram
 * matrix (Friedman, Hastie, Tibshirani 2010). */
enum err fit_ridge(const struct fit_rows *rows, double penalty, double l1_ratio, double *w,
                   size_t *iterations, struct err_info *info);

#endif
