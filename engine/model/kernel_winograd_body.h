/* Winograd's form in lanes of one instruction set: the functions of kernel_winograd.h. Includers have included lanes_avx2.h
 * or lanes_avx512.h, and define
 *   BLOCK_ROWS            rows of a product at a time, 6 or 8: as many as the registers hold
 *   TABLE, TABLE_NAME     the table that is made of them, and what it is called to users
 */
#include <stdint.h>

#include "base/simd.h"
#include "model/kernel_winograd.h"

#define TILE WINOGRAD_TILE
#define PATCH 6
#define PANEL (2 * LANES)

/* ---- the transforms of one line, from and to every step-th of an array ------------------------------- */

/* Bᵀ */
static SIMD_INLINE void
patch_line(const lanes d[PATCH], lanes *to, size_t step)
{
  lanes a = join(-4.0f, d[2], d[4]), b = join(-4.0f, d[1], d[3]);
  lanes c = d[4] - d[2], e = 2.0f * (d[3] - d[1]);

  to[0] = join(4.0f, d[0], join(-5.0f, d[2], d[4]));
  to[step] = a + b;
  to[2 * step] = a - b;
  to[3 * step] = c + e;
  to[4 * step] = c - e;
  to[5 * step] = join(4.0f, d[1], join(-5.0f, d[3], d[5]));
}

/* A */
static SIMD_INLINE void
spread_line(const lanes d[TILE], lanes *to, size_t step)
{
  lanes even = d[0] + d[2], odd = d[1] + d[3];
  lanes even2 = join(4.0f, d[2], d[0]), odd2 = 2.0f * join(4.0f, d[3], d[1]);

  to[0] = d[0];
  to[step] = even + odd;
  to[2 * step] = even - odd;
  to[3 * step] = even2 + odd2;
  to[4 * step] = even2 - odd2;
  to[5 * step] = d[3];
}

/* Aᵀ */
static SIMD_INLINE void
collect_line(const lanes m[PATCH], lanes *to, size_t step)
{
  lanes p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];

  to[0] = m[0] + p + r;
  to[step] = join(2.0f, s, q);
  to[2 * step] = join(4.0f, r, p);
  to[3 * step] = join(8.0f, s, q) + m[5];
}

/* G */
static SIMD_INLINE void
weights_line(const lanes w[3], lanes *to, size_t step)
{
  lanes even = (w[0] + w[2]) * (-1.0f / 6.0f), odd = w[1] * (-1.0f / 6.0f);
  lanes even2 = join(1.0f / 24.0f, w[0], w[2] * (1.0f / 6.0f)), odd2 = w[1] * (1.0f / 12.0f);

  to[0] = w[0] * 0.25f;
  to[step] = even + odd;
  to[2 * step] = even - odd;
  to[3 * step] = even2 + odd2;
  to[4 * step] = even2 - odd2;
  to[5 * step] = w[2];
}

/* Gᵀ */
static SIMD_INLINE void
slope_line(const lanes s[PATCH], lanes *to, size_t step)
{
  lanes p = (s[1] + s[2]) * (-1.0f / 6.0f), r = s[3] + s[4];

  to[0] = join(0.25f, s[0], join(1.0f / 24.0f, r, p));
  to[step] = join(1.0f / 6.0f, s[2] - s[1], (s[3] - s[4]) * (1.0f / 12.0f));
  to[2 * step] = join(1.0f / 6.0f, r, p) + s[5];
}

/* ---- tiles ------------------------------------------------------------------------------------------- */

static const float zeros[WINOGRAD_CHANNELS_MAX];

struct place
{
  size_t image, y, x; /* of the tile's first number */
};

static struct place
place_of(const struct winograd_tiles *tiles, size_t tile)
{
  size_t across = (tiles->width + TILE - 1) / TILE,
         each = winograd_tile_count(tiles->height, tiles->width);

  return (struct place){
    .image = tile / each, .y = tile % each / across * TILE, .x = tile % each % across * TILE};
}

/* Where the side · side numbers lie that start `margin` lines and columns before the tile; zeros outside. */
static void
find_pixels(const struct winograd_tiles *tiles, size_t tile, const float *x, size_t side,
            size_t margin, const float **pixels)
{
  struct place at = place_of(tiles, tile);
  const float *image = x + at.image * tiles->height * tiles->width * tiles->channels;

  for (size_t i = 0; i < side; i++)
    for (size_t j = 0; j < side; j++)
    {
      /* below 0 wraps round to a large number */
      size_t line = at.y + i - margin, column = at.x + j - margin;
      pixels[i * side + j] = line < tiles->height && column < tiles->width
                               ? image + (line * tiles->width + column) * tiles->channels
                               : zeros;
    }
}

/* Bᵀ of a patch's line of points, already combined along the other side, to six matrices. */
static SIMD_INLINE void
put_patch_line(const lanes d[PATCH], float *to, size_t stride)
{
  lanes line[PATCH];

  patch_line(d, line, 1);
  put(to, line[0]);
  put(to + stride, line[1]);
  put(to + 2 * stride, line[2]);
  put(to + 3 * stride, line[3]);
  put(to + 4 * stride, line[4]);
  put(to + 5 * stride, line[5]);
}

#define EACH_COLUMN(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)

/* Pixels are read anew for each pair of lines, which takes less than to keep what is common to all lines, for that
 * does not fit the registers. */
static SIMD_INLINE void
put_patch(const float *const *pixels, size_t c, float *to, size_t stride)
{
  lanes upper[PATCH], lower[PATCH];

#define PIXEL(i, j) get(pixels[(i) *PATCH + (j)] + c)
#define OUTER(j) upper[j] = join(4.0f, PIXEL(0, j), join(-5.0f, PIXEL(2, j), PIXEL(4, j)));
#define NEAR(j)                                                                                    \
  {                                                                                                \
    lanes a = join(-4.0f, PIXEL(2, j), PIXEL(4, j)), b = join(-4.0f, PIXEL(1, j), PIXEL(3, j));    \
    upper[j] = a + b;                                                                              \
    lower[j] = a - b;                                                                              \
  }
#define FAR(j)                                                                                     \
  {                                                                                                \
    lanes a = PIXEL(4, j) - PIXEL(2, j), b = 2.0f * (PIXEL(3, j) - PIXEL(1, j));                   \
    upper[j] = a + b;                                                                              \
    lower[j] = a - b;                                                                              \
  }
#define LAST(j) upper[j] = join(4.0f, PIXEL(1, j), join(-5.0f, PIXEL(3, j), PIXEL(5, j)));
  EACH_COLUMN(OUTER)
  put_patch_line(upper, to, stride);
  EACH_COLUMN(NEAR)
  put_patch_line(upper, to + PATCH * stride, stride);
  put_patch_line(lower, to + 2 * PATCH * stride, stride);
  EACH_COLUMN(FAR)
  put_patch_line(upper, to + 3 * PATCH * stride, stride);
  put_patch_line(lower, to + 4 * PATCH * stride, stride);
  EACH_COLUMN(LAST)
  put_patch_line(upper, to + 5 * PATCH * stride, stride);
}

static void
take_patches(const struct winograd_tiles *tiles, const float *x, float *points, size_t stride)
{
  const float *pixels[PATCH * PATCH];

  for (size_t row = 0; row < tiles->count; row++)
  {
    find_pixels(tiles, tiles->first + row, x, PATCH, 1, pixels);
    for (size_t c = 0; c < tiles->channels; c += LANES)
      put_patch(pixels, c, points + row * tiles->channels + c, stride);
  }
}

/* Where row, c of a matrix in panels lies. */
static SIMD_INLINE size_t
panel_at(size_t rows, size_t columns, size_t row, size_t c)
{
  size_t panel = c / PANEL * PANEL, wide = columns - panel < PANEL ? columns - panel : PANEL;

  return panel * rows + row * wide + c - panel;
}

static void
take_tiles(const struct winograd_tiles *tiles, const float *dy, size_t rows, float *points,
           size_t stride)
{
  const float *pixels[TILE * TILE];
  lanes half[PATCH * TILE];

  for (size_t row = 0; row < tiles->count; row++)
  {
    find_pixels(tiles, tiles->first + row, dy, TILE, 0, pixels);
    for (size_t c = 0; c < tiles->channels; c += LANES)
    {
      float *to = points + panel_at(rows, tiles->channels, row, c);
      for (size_t j = 0; j < TILE; j++)
      {
        lanes d[TILE] = {get(pixels[j] + c), get(pixels[4 + j] + c), get(pixels[8 + j] + c),
                         get(pixels[12 + j] + c)};
        spread_line(d, half + j, TILE);
      }
      for (size_t i = 0; i < PATCH; i++, to += PATCH * stride)
      {
        lanes line[PATCH];
        spread_line(half + i * TILE, line, 1);
        put(to, line[0]);
        put(to + stride, line[1]);
        put(to + 2 * stride, line[2]);
        put(to + 3 * stride, line[3]);
        put(to + 4 * stride, line[4]);
        put(to + 5 * stride, line[5]);
      }
    }
  }
}

static void
put_tiles(const struct winograd_tiles *tiles, const float *points, size_t stride, const float *bias,
          float *y)
{
  lanes half[TILE * PATCH];

  for (size_t row = 0; row < tiles->count; row++)
  {
    struct place at = place_of(tiles, tiles->first + row);
    size_t line_size = tiles->width * tiles->channels;
    size_t down = tiles->height - at.y < TILE ? tiles->height - at.y : TILE;
    size_t right = tiles->width - at.x < TILE ? tiles->width - at.x : TILE;
    float *corner = y + ((at.image * tiles->height + at.y) * tiles->width + at.x) * tiles->channels;
    for (size_t c = 0; c < tiles->channels; c += LANES)
    {
      const float *from = points + row * tiles->channels + c;
      lanes plus = bias ? get(bias + c) : all(0.0f);
      for (size_t j = 0; j < PATCH; j++, from += stride)
      {
        lanes m[PATCH] = {get(from),
                          get(from + PATCH * stride),
                          get(from + 2 * PATCH * stride),
                          get(from + 3 * PATCH * stride),
                          get(from + 4 * PATCH * stride),
                          get(from + 5 * PATCH * stride)};
        collect_line(m, half + j, PATCH);
      }
      for (size_t i = 0; i < down; i++)
      {
        lanes line[TILE];
        collect_line(half + i * PATCH, line, 1);
        for (size_t j = 0; j < right; j++)
          put(corner + i * line_size + j * tiles->channels + c, line[j] + plus);
      }
    }
  }
}

/* ---- weights ----------------------------------------------------------------------------------------- */

/* Point by point, from each `stride` floats. */
static SIMD_INLINE void
put_weights(const lanes w[9], float *to, size_t stride)
{
  lanes half[PATCH * 3];

  for (size_t j = 0; j < 3; j++)
    weights_line((const lanes[]){w[j], w[3 + j], w[6 + j]}, half + j, 3);
  for (size_t i = 0; i < PATCH; i++)
  {
    lanes line[PATCH];
    weights_line(half + 3 * i, line, 1);
    for (size_t j = 0; j < PATCH; j++)
      put(to + (i * PATCH + j) * stride, line[j]);
  }
}

static void
take_weights(size_t in, size_t out, const float *w, float *points)
{
  for (size_t i = 0; i < in; i++)
    for (size_t o = 0; o < out; o += LANES)
    {
      lanes square[9];
      for (size_t k = 0; k < 9; k++)
        square[k] = get(w + (k * in + i) * out + o);
      put_weights(square, points + panel_at(in, out, i, o), winograd_stride(in, out));
    }
}

static void
take_turned_weights(size_t in, size_t out, const float *w, float *points)
{
  for (size_t i = 0; i < in; i += LANES)
    for (size_t o = 0; o < out; o++)
    {
      lanes square[9];
      for (size_t k = 0; k < 9; k++)
        square[8 - k] = get_every(out, w + (k * in + i) * out + o);
      put_weights(square, points + panel_at(out, in, o, i), winograd_stride(in, out));
    }
}

static void
put_slopes(size_t in, size_t out, const float *points, float *dw)
{
  size_t stride = winograd_stride(in, out);

  for (size_t at = 0; at < in * out; at += LANES)
  {
    lanes half[3 * PATCH];
    for (size_t j = 0; j < PATCH; j++)
    {
      lanes s[PATCH];
      for (size_t i = 0; i < PATCH; i++)
        s[i] = get(points + (i * PATCH + j) * stride + at);
      slope_line(s, half + j, PATCH);
    }
    for (size_t i = 0; i < 3; i++)
    {
      lanes line[3];
      slope_line(half + i * PATCH, line, 1);
      for (size_t j = 0; j < 3; j++)
        put(dw + (3 * i + j) * in * out + at, line[j]);
    }
  }
}

/* ---- products ---------------------------------------------------------------------------------------- */

#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

#define BEGIN_ROW(r)                                                                               \
  lanes low##r = adds && r < rows ? get(c + r * columns) : all(0.0f),                              \
        high##r = adds && wide && r < rows ? get(c + r * columns + LANES) : all(0.0f);
#define STEP_ROW(r)                                                                                \
  if (r < rows)                                                                                    \
  {                                                                                                \
    float factor = a[turned ? k * lead + r : r * lead + k];                                        \
    low##r = join(factor, b0, low##r);                                                             \
    if (wide)                                                                                      \
      high##r = join(factor, b1, high##r);                                                         \
  }
#define END_ROW(r)                                                                                 \
  if (r < rows)                                                                                    \
  {                                                                                                \
    put(c + r * columns, low##r);                                                                  \
    if (wide)                                                                                      \
      put(c + r * columns + LANES, high##r);                                                       \
  }

/* So many rows of one panel, of as many columns as lanes or, if `wide`, twice; lead: of a's lines. */
static SIMD_INLINE void
block(size_t rows, size_t depth, size_t columns, const float *a, size_t lead, bool turned,
      const float *b, bool wide, bool adds, float *c)
{
  EACH_ROW(BEGIN_ROW)
  for (size_t k = 0; k < depth; k++)
  {
    lanes b0 = get(b), b1 = wide ? get(b + LANES) : b0;
    EACH_ROW(STEP_ROW)
    b += wide ? PANEL : LANES;
  }
  EACH_ROW(END_ROW)
}

static SIMD_INLINE void
panel_product(size_t rows, size_t depth, size_t columns, const float *a, bool turned,
              const float *b, bool wide, bool adds, float *c)
{
  size_t lead = turned ? rows : depth, step = turned ? 1 : depth, r = 0;

  /* the number of rows can be divided by four: blocks of six are not to leave two over */
  while (rows - r >= BLOCK_ROWS && rows - r != BLOCK_ROWS + 2)
  {
    block(BLOCK_ROWS, depth, columns, a + r * step, lead, turned, b, wide, adds, c + r * columns);
    r += BLOCK_ROWS;
  }
  for (; r < rows; r += WINOGRAD_ROWS)
    block(WINOGRAD_ROWS, depth, columns, a + r * step, lead, turned, b, wide, adds,
          c + r * columns);
}

static SIMD_INLINE void
product(size_t rows, size_t depth, size_t columns, const float *a, bool turned, const float *b,
        bool adds, float *c)
{
  size_t o = 0;

  for (; o + PANEL <= columns; o += PANEL)
    panel_product(rows, depth, columns, a, turned, b + o * depth, true, adds, c + o);
  if (o < columns)
    panel_product(rows, depth, columns, a, turned, b + o * depth, false, adds, c + o);
}

static void
multiply(size_t rows, size_t depth, size_t columns, const float *a, const float *b, float *c)
{
  product(rows, depth, columns, a, false, b, false, c);
}

static void
multiply_turned(size_t rows, size_t depth, size_t columns, const float *a, const float *b,
                bool adds, float *c)
{
  if (adds)
    product(rows, depth, columns, a, true, b, true, c);
  else
    product(rows, depth, columns, a, true, b, false, c);
}

const struct winograd TABLE = {.name = TABLE_NAME,
                               .lanes = LANES,
                               .take_patches = take_patches,
                               .take_tiles = take_tiles,
                               .put_tiles = put_tiles,
                               .take_weights = take_weights,
                               .take_turned_weights = take_turned_weights,
                               .put_slopes = put_slopes,
                               .product = multiply,
                               .turned_product = multiply_turned};
