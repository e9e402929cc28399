/* Dense layers of a single row, or with a single output, for CPUs with AVX-512. oneDNN's product of one row costs
 * a call's preparations more, and adds in another order than its product of many rows, which this one keeps: a
 * row's answer is the same alone and among others. Private to engine/model.
 */
#ifndef ATTUNE_MODEL_KERNEL_ROW_H
#define ATTUNE_MODEL_KERNEL_ROW_H

#include <stdbool.h>
#include <stddef.h>

/* Whether this CPU has it. */
bool kernel_row_here(void);

/* y (m) ← x (k) · w (k, m). */
void kernel_row_forward(size_t k, size_t m, const float *x, const float *w, float *y);

/* y (n) ← x (n, k) · w (k). */
void kernel_row_dots(size_t n, size_t k, const float *x, const float *w, float *y);

#endif
