/* A linear layer over given features, solved instead of trained: where a network's new last layer starts.
 */
#ifndef ATTUNE_TRAIN_FIT_HEAD_H
#define ATTUNE_TRAIN_FIT_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A solution takes time and memory by the cube and the square of the rows; more than these add little to a start. */
#define FIT_HEAD_ROWS_MAX 1024

struct fit_head_rows
{
  size_t count, width, classes;
  size_t copies;   /* so many rows in turn are one image, changed a little: they stay together */
  float *x;        /* (count, width); standardised in place */
  int32_t *labels; /* (count) */
  float *weight;   /* (count): above 0 */
};

/* w (width, classes) and bias (classes) ← the linear discriminant with a covariance that all classes share, drawn
 * to a multiple of the unit matrix (Friedman 1989), of standardised features; its scale is the one at which images
 * that a solution did not see have the least log loss. Left as they are where there is no solution, as with one
 * row. ERR_MEMORY. Any thread. */
enum err fit_head_solve(struct fit_head_rows *rows, float *w, float *bias, struct err_info *info);

#endif
