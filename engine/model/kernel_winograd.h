/* Winograd's form of 3 x 3 convolutions, F(4 x 4, 3 x 3), in the lanes of AVX-512 or AVX2 (Winograd 1980; Lavin, Gray,
 * arXiv:1509.09308, points 0, ±1, ±2, ∞). Private to engine/model.
 *
 * The output is cut into tiles of 4 x 4. A tile, the patch of 6 x 6 inputs that it depends on, and the 3 x 3 weights
 * each become 36 numbers ("points") per channel; at each point the convolution is a product of matrices with a
 * quarter of the direct form's multiplications:
 *   y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A,    ∂L/∂w = Gᵀ [(A dy Aᵀ) ⊙ (Bᵀ x B)] G.
 * ∂L/∂x is the first form of dy with the weights turned by half a circle and in and out exchanged.
 *
 * Rows are tiles, columns channels, whose number is a multiple of the lanes. "In panels" means that as many columns
 * as two vectors hold lie together (the last panel may be one vector wide): (columns / 2 lanes, rows, 2 lanes).
 * No state; any thread.
 */
#ifndef ATTUNE_MODEL_KERNEL_WINOGRAD_H
#define ATTUNE_MODEL_KERNEL_WINOGRAD_H

#include <stdbool.h>
#include <stddef.h>

#define WINOGRAD_POINTS 36
#define WINOGRAD_TILE 4
#define WINOGRAD_ROWS ((size_t) 4) /* the number of a product's rows is a multiple of it */
#define WINOGRAD_CHANNELS_MAX 256

/* Some tiles of a batch of maps (n, height, width, channels); tiles count from the batch's first image's upper left. */
struct winograd_tiles
{
  size_t height, width, channels;
  size_t first, count;
};

/* Tiles of one image. */
size_t winograd_tile_count(size_t height, size_t width);

/* Floats from one point's matrix (rows, columns) to the next one's: a gap keeps them from sharing the same places of
 * the cache. */
static inline size_t
winograd_stride(size_t rows, size_t columns)
{
  return rows * columns + 16;
}

/* What it is made of, for one instruction set. */
struct winograd
{
  const char *name;
  size_t lanes;

  /* points (36, stride): of each point a matrix (count, channels). Bᵀ x B of the tiles' patches; A dy Aᵀ of the
   * tiles, in panels of `rows` rows, count of which are written. */
  void (*take_patches)(const struct winograd_tiles *tiles, const float *x, float *points,
                       size_t stride);
  void (*take_tiles)(const struct winograd_tiles *tiles, const float *dy, size_t rows,
                     float *points, size_t stride);

  /* y at the tiles ← Aᵀ m A + bias (channels) unless NULL. */
  void (*put_tiles)(const struct winograd_tiles *tiles, const float *points, size_t stride,
                    const float *bias, float *y);

  /* w (3, 3, in, out) → G w Gᵀ (36, winograd_stride (in, out)), each point (in, out) in panels; the same of the
   * weights that give ∂L/∂x, each point (out, in) in panels. */
  void (*take_weights)(size_t in, size_t out, const float *w, float *points);
  void (*take_turned_weights)(size_t in, size_t out, const float *w, float *points);

  /* dw (3, 3, in, out) ← Gᵀ s G of points (36, winograd_stride (in, out)), each (in, out). */
  void (*put_slopes)(size_t in, size_t out, const float *points, float *dw);

  /* c (rows, columns) ← a (rows, depth) · b (depth, columns) in panels; rows a multiple of WINOGRAD_ROWS. */
  void (*product)(size_t rows, size_t depth, size_t columns, const float *a, const float *b,
                  float *c);
  /* c (rows, columns) ← aᵀ · b, of a (depth, rows) and b in panels; + c if `adds`. */
  void (*turned_product)(size_t rows, size_t depth, size_t columns, const float *a, const float *b,
                         bool adds, float *c);
};

/* On x86-64 alone. */
extern const struct winograd winograd_avx512, winograd_avx2;

/* The best that this machine has, NULL if none: equal machines give equal bytes. */
const struct winograd *winograd_here(void);

#endif
