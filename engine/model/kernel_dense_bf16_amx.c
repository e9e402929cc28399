#include <config.h>

#include "model/kernel_dense_bf16_internal.h"

#ifdef __x86_64__

#include <string.h>

#include "model/kernel_amx.h"
#include "model/kernel_memory.h"

#define BLOCK ((size_t) 32) /* rows and columns of sums that are made at once */

/* Where things lie in scratch. */
struct parts
{
  uint16_t *woven;  /* the right matrix */
  uint16_t *turned; /* x, turned: (k, turned_stride) */
  float *sums;      /* (BLOCK, BLOCK) */
};

static size_t
steps_of(size_t inner)
{
  return (inner + KERNEL_AMX_DEPTH - 1) / KERNEL_AMX_DEPTH;
}

static size_t
larger(size_t a, size_t b)
{
  return a > b ? a : b;
}

/* Rows an odd number of cache lines apart, so that those of a tile do not meet in a cache's sets. */
static size_t
turned_stride(size_t n)
{
  return (steps_of(n) | 1) * KERNEL_AMX_DEPTH;
}

/* With no memory it only counts. Returns the bytes. */
static size_t
lay_out(const struct kernel_dense_bf16 *dense, void *scratch, struct parts *parts)
{
  size_t n = dense->n, k = dense->k, m = dense->m;
  size_t woven = larger(larger(steps_of(k) * m, steps_of(m) * k), steps_of(n) * m);
  size_t turned_at = kernel_align(woven * KERNEL_AMX_DEPTH * sizeof(uint16_t));
  size_t sums_at = turned_at + kernel_align(k * turned_stride(n) * sizeof(uint16_t));

  if (scratch)
    *parts = (struct parts){.woven = scratch,
                            .turned = (uint16_t *) ((char *) scratch + turned_at),
                            .sums = (float *) (void *) ((char *) scratch + sums_at)};
  return sums_at + kernel_align(BLOCK * BLOCK * sizeof(float));
}

static void
put_narrow(const float *sums, bool two, size_t columns, uint16_t *to)
{
  for (size_t i = 0; i < BLOCK; i++)
    if (two)
      kernel_amx_narrow(sums + i * BLOCK, NULL, to + i * columns);
    else
      kernel_amx_narrow_half(sums + i * BLOCK, NULL, to + i * columns);
}

/* result (rows, columns) ← left (rows, inner) · the woven matrix, in fp32 where `wide`, else in bf16. Where the last
 * step would reach beyond a row it starts before the end of the one before, whose numbers meet zeros in it. */
static void
multiply(size_t rows, size_t inner, size_t columns, const uint16_t *left, const struct parts *parts,
         bool wide, void *result)
{
  size_t tile_columns = steps_of(inner) * KERNEL_AMX_TILE;

  for (size_t column = 0; column < columns; column += BLOCK)
    for (size_t row = 0; row < rows; row += BLOCK)
    {
      bool two = column + KERNEL_AMX_SIDE < columns;
      size_t at = row * columns + column;
      struct kernel_amx_rows product = {.left = left + row * inner,
                                        .row_stride = inner,
                                        .lines = 1,
                                        .steps = steps_of(inner),
                                        .last = inner - KERNEL_AMX_DEPTH,
                                        .woven =
                                          parts->woven + column / KERNEL_AMX_SIDE * tile_columns,
                                        .woven_stride = tile_columns,
                                        .sum_stride = wide ? columns : BLOCK};
      kernel_amx_multiply_rows(&product, two, wide ? (float *) result + at : parts->sums);
      if (!wide)
        put_narrow(parts->sums, two, columns, (uint16_t *) result + at);
    }
}

/* ---- the products ------------------------------------------------------------------------------------ */

static void
forward(const struct kernel_dense_bf16 *dense, const uint16_t *x, const uint16_t *w, void *y,
        const struct parts *parts)
{
  size_t k = dense->k, m = dense->m, whole = k / KERNEL_AMX_DEPTH * KERNEL_AMX_DEPTH;
  size_t left = k - whole, skipped = KERNEL_AMX_DEPTH - left;
  uint16_t *to = parts->woven;

  for (size_t column = 0; column < m; column += KERNEL_AMX_SIDE)
  {
    kernel_amx_weave(whole, w + column, m, to);
    to += whole * KERNEL_AMX_SIDE;
    if (!left)
      continue;
    memset(to, 0, skipped * KERNEL_AMX_SIDE * sizeof *to);
    kernel_amx_weave(left, w + whole * m + column, m, to + skipped * KERNEL_AMX_SIDE);
    to += KERNEL_AMX_TILE;
  }
  multiply(dense->n, k, m, x, parts, dense->y == KERNEL_FP32, y);
}

static void
inputs(const struct kernel_dense_bf16 *dense, const uint16_t *dy, const uint16_t *w, uint16_t *dx,
       const struct parts *parts)
{
  size_t k = dense->k, m = dense->m;
  uint16_t *to = parts->woven;

  for (size_t column = 0; column < k; column += KERNEL_AMX_SIDE)
    for (size_t at = 0; at < m; at += KERNEL_AMX_DEPTH)
    {
      size_t over = at + KERNEL_AMX_DEPTH > m ? at + KERNEL_AMX_DEPTH - m : 0;
      kernel_amx_weave_turned_narrow(w + column * m + at - over, m, over, to);
      to += KERNEL_AMX_TILE;
    }
  multiply(dense->n, m, k, dy, parts, false, dx);
}

static void
weights(const struct kernel_dense_bf16 *dense, const uint16_t *x, const uint16_t *dy, float *dw,
        const struct parts *parts)
{
  size_t n = dense->n, k = dense->k, m = dense->m, stride = turned_stride(n);

  for (size_t c = 0; c < k; c += KERNEL_AMX_SIDE)
    for (size_t row = 0; row < n; row += KERNEL_AMX_DEPTH)
      kernel_amx_turn(x + row * k + c, k, parts->turned + c * stride + row, stride);
  for (size_t c = 0; c < m; c += KERNEL_AMX_SIDE)
    kernel_amx_weave(n, dy + c, m, parts->woven + c * n);
  for (size_t row = 0; row < k; row += BLOCK)
    for (size_t column = 0; column < m; column += BLOCK)
    {
      bool below = row + KERNEL_AMX_SIDE < k, right = column + KERNEL_AMX_SIDE < m;
      const uint16_t *left = parts->turned + row * stride, *woven = parts->woven + column * n;
      float *sums = dw + row * m + column, *second = sums + KERNEL_AMX_SIDE * m;
      struct kernel_amx_blocks blocks = {.left = {left, left + KERNEL_AMX_SIDE * stride},
                                         .left_stride = stride,
                                         .woven = {woven, woven + KERNEL_AMX_SIDE * n},
                                         .steps = n / KERNEL_AMX_DEPTH,
                                         .sums = {sums, right ? sums + KERNEL_AMX_SIDE : NULL,
                                                  below ? second : NULL,
                                                  right && below ? second + KERNEL_AMX_SIDE : NULL},
                                         .sum_stride = m};
      kernel_amx_multiply_blocks(&blocks);
    }
}

void
kernel_dense_bf16_amx_run(const struct kernel_dense_bf16 *dense, enum kernel_dense_product product,
                          const void *left, const void *right, void *result, void *scratch)
{
  struct parts parts;

  lay_out(dense, scratch, &parts);
  kernel_amx_begin(KERNEL_AMX_SIDE);
  if (product == KERNEL_DENSE_FORWARD)
    forward(dense, left, right, result, &parts);
  else if (product == KERNEL_DENSE_WEIGHTS)
    weights(dense, left, right, result, &parts);
  else
    inputs(dense, left, right, result, &parts);
  kernel_amx_end();
}

void
kernel_dense_bf16_use_amx(struct kernel_dense_bf16 *dense)
{
  bool whole = dense->n % KERNEL_AMX_DEPTH == 0 && dense->k % KERNEL_AMX_SIDE == 0
               && dense->m % KERNEL_AMX_SIDE == 0 && dense->k >= KERNEL_AMX_DEPTH
               && dense->m >= KERNEL_AMX_DEPTH;

  dense->tiles = whole && kernel_amx_ready();
  if (dense->tiles)
    dense->scratch_bytes = lay_out(dense, NULL, NULL);
}

#else

void
kernel_dense_bf16_amx_run(const struct kernel_dense_bf16 *dense, enum kernel_dense_product product,
                          const void *left, const void *right, void *result, void *scratch)
{
  (void) dense, (void) product, (void) left, (void) right, (void) result, (void) scratch;
}

void
kernel_dense_bf16_use_amx(struct kernel_dense_bf16 *dense)
{
  dense->tiles = false;
}

#endif
