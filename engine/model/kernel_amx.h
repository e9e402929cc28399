/* Products of bf16 matrices by the processor's tiles (AMX), and the forms of memory that they read.
 *
 * A tile has 16 rows of 64 bytes. One instruction adds to 16 x 16 sums in fp32 the product of 16 rows of 32 numbers
 * (any memory whose rows are equally far apart) and of 32 rows of 16 columns, which must be "woven": 16 lines, each
 * two rows of the matrix, number by number. Blocks of the sums are two tiles by two, so that each tile that is read
 * is used twice.
 *
 * Everything but kernel_amx_ready needs a machine on which that was true, and all that multiplies a
 * kernel_amx_begin before and a kernel_amx_end after it, on the same thread. No allocation; any thread.
 */
#ifndef ATTUNE_MODEL_KERNEL_AMX_H
#define ATTUNE_MODEL_KERNEL_AMX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_AMX_SIDE ((size_t) 16)  /* rows of a tile, and columns of its sums */
#define KERNEL_AMX_DEPTH ((size_t) 32) /* numbers that one instruction adds to each sum */
#define KERNEL_AMX_TILE (KERNEL_AMX_SIDE * KERNEL_AMX_DEPTH) /* numbers of a tile */

/* Whether the processor has tiles of bf16, and the kernel, which is asked, lets this process use them. */
bool kernel_amx_ready(void);

/* Sets the thread's tiles up, those of the left matrix and of the sums with so many rows (1 to 16); gives them back. */
void kernel_amx_begin(size_t rows);
void kernel_amx_end(void);

/* ---- products ---------------------------------------------------------------------------------------- */

/* Sums of 32 rows: for each of `lines` addresses, `steps` tiles side by side. */
struct kernel_amx_rows
{
  const uint16_t *left; /* row 0 of line 0 */
  size_t row_stride;    /* numbers from a row to the next */
  size_t line_stride;   /* … from a line to the next */
  size_t lines, steps;
  size_t last; /* where the last step's tile starts in its line, if not after the one before */
  const uint16_t *woven; /* (lines * steps) tiles */
  size_t woven_stride;   /* numbers to the second 16 columns' */
  size_t sum_stride;
};

/* sums (32, 32) ← rows · woven; with `two` false only its first 16 columns. 16 rows must have been set up. */
void kernel_amx_multiply_rows(const struct kernel_amx_rows *rows, bool two, float *sums);

/* One or two blocks of 16 rows and of 16 columns whose product is added to memory. */
struct kernel_amx_blocks
{
  const uint16_t *left[2];
  size_t left_stride; /* numbers from a row to the next */
  const uint16_t *woven[2];
  size_t steps;   /* of 32 numbers each */
  float *sums[4]; /* left 0 with woven 0, with woven 1; left 1 … */
  size_t sum_stride;
  bool add; /* to what is there; else in its place */
};

/* With all four sums, with those of left 0 or of woven 0 alone (the others NULL), or with the first one. */
void kernel_amx_multiply_blocks(const struct kernel_amx_blocks *blocks);

/* ---- forms of memory --------------------------------------------------------------------------------- */

/* to (rows / 2, 16, 2) ← 16 columns of rows that are `stride` apart; rows is even. */
void kernel_amx_weave(size_t rows, const uint16_t *from, size_t stride, uint16_t *to);

/* to (16, 32), rows `to_stride` apart ← 16 columns of 32 rows that are `stride` apart, turned. */
void kernel_amx_turn(const uint16_t *from, size_t stride, uint16_t *to, size_t to_stride);

/* A woven tile of bf16 ← 32 rows of 16 columns in fp32, the first `rows` of which are there and the others 0. */
void kernel_amx_weave_floats(size_t rows, const float *from, size_t stride, uint16_t *to);

/* The same of a turned matrix: 16 columns, `stride` apart, of which numbers 0 to 15 are at halves[0] and 16 to 31 at
 * halves[1] of the first column; NULL stands for zeros. */
void kernel_amx_weave_turned(const float *const halves[2], size_t stride, uint16_t *to);

/* The same of bf16, whose columns are in one piece; the first `skipped` of the 32 numbers, which are even, are 0. */
void kernel_amx_weave_turned_narrow(const uint16_t *from, size_t stride, size_t skipped,
                                    uint16_t *to);

/* to (32), bf16 ← 32 numbers of sums + bias; NULL = 0. kernel_amx_narrow_half: 16 of them. */
void kernel_amx_narrow(const float *sums, const float *bias, uint16_t *to);
void kernel_amx_narrow_half(const float *sums, const float *bias, uint16_t *to);

#endif
