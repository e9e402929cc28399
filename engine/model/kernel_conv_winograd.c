#include <config.h>

#include "model/kernel_conv_internal.h"

#ifdef __x86_64__

/* A few tiles at a time, so that their points stay in the core's own cache; not so few that reading the weights'
 * points for each turn takes longer than the products. */
#define CACHE_FLOATS ((size_t) 128 * 1024)
#define TILES_LEAST ((size_t) 32)
#define TILES_MOST ((size_t) 96)

static size_t
all_tiles(const struct kernel_conv_shape *shape)
{
  return shape->images * winograd_tile_count(shape->height, shape->width);
}

static size_t
tiles_at_once(const struct kernel_conv_shape *shape)
{
  size_t fit = CACHE_FLOATS / (WINOGRAD_POINTS * (shape->in + shape->out));

  fit = fit < TILES_MOST ? fit / WINOGRAD_ROWS * WINOGRAD_ROWS : TILES_MOST;
  return fit > TILES_LEAST ? fit : TILES_LEAST;
}

static size_t
point_stride(const struct kernel_conv_shape *shape, size_t channels)
{
  return winograd_stride(tiles_at_once(shape), channels);
}

/* Scratch: the points of x, then those of y, then those of the weights' gradient. */
static float *
points_of_y(const struct kernel_conv_shape *shape, float *scratch)
{
  return scratch + WINOGRAD_POINTS * point_stride(shape, shape->in);
}

static float *
points_of_slope(const struct kernel_conv_shape *shape, float *scratch)
{
  return points_of_y(shape, scratch) + WINOGRAD_POINTS * point_stride(shape, shape->out);
}

static struct winograd_tiles
tiles_from(const struct kernel_conv_shape *shape, size_t channels, size_t first)
{
  size_t left = all_tiles(shape) - first, most = tiles_at_once(shape);

  return (struct winograd_tiles){.height = shape->height,
                                 .width = shape->width,
                                 .channels = channels,
                                 .first = first,
                                 .count = left < most ? left : most};
}

static size_t
round_rows(size_t rows)
{
  return (rows + WINOGRAD_ROWS - 1) / WINOGRAD_ROWS * WINOGRAD_ROWS;
}

static bool
pack(const struct kernel_conv *conv, const float *w, void *packed, void *scratch)
{
  (void) scratch;
  conv->winograd->take_weights(conv->shape.in, conv->shape.out, w, packed);
  return true;
}

static bool
pack_inputs(const struct kernel_conv *conv, const float *w, void *packed, void *scratch)
{
  (void) scratch;
  conv->winograd->take_turned_weights(conv->shape.in, conv->shape.out, w, packed);
  return true;
}

/* to (n, height, width, out) ← from (n, height, width, in); a and b: memory for the points of both. */
static void
convolve(const struct kernel_conv *conv, size_t in, size_t out, const float *from,
         const float *packed, const float *bias, float *a, float *b, float *to)
{
  const struct kernel_conv_shape *shape = &conv->shape;
  const struct winograd *form = conv->winograd;
  size_t a_stride = point_stride(shape, in), b_stride = point_stride(shape, out),
         w_stride = winograd_stride(in, out);

  for (size_t first = 0; first < all_tiles(shape); first += tiles_at_once(shape))
  {
    struct winograd_tiles tiles = tiles_from(shape, in, first);
    form->take_patches(&tiles, from, a, a_stride);
    for (size_t p = 0; p < WINOGRAD_POINTS; p++)
      form->product(round_rows(tiles.count), in, out, a + p * a_stride, packed + p * w_stride,
                    b + p * b_stride);
    tiles.channels = out;
    form->put_tiles(&tiles, b, b_stride, bias, to);
  }
}

static bool
forward(const struct kernel_conv *conv, const void *x, const void *packed, const float *bias,
        void *y, void *scratch)
{
  const struct kernel_conv_shape *shape = &conv->shape;

  convolve(conv, shape->in, shape->out, x, packed, bias, scratch, points_of_y(shape, scratch), y);
  return true;
}

static bool
inputs(const struct kernel_conv *conv, const void *dy, const void *packed, void *dx, void *scratch)
{
  const struct kernel_conv_shape *shape = &conv->shape;

  convolve(conv, shape->out, shape->in, dy, packed, NULL, points_of_y(shape, scratch), scratch, dx);
  return true;
}

static bool
weights(const struct kernel_conv *conv, const void *x, const void *dy, float *dw, void *scratch)
{
  const struct kernel_conv_shape *shape = &conv->shape;
  const struct winograd *form = conv->winograd;
  size_t in = shape->in, out = shape->out;
  size_t x_stride = point_stride(shape, in), y_stride = point_stride(shape, out),
         w_stride = winograd_stride(in, out);
  float *x_points = scratch, *y_points = points_of_y(shape, scratch),
        *slope = points_of_slope(shape, scratch);

  for (size_t first = 0; first < all_tiles(shape); first += tiles_at_once(shape))
  {
    struct winograd_tiles tiles = tiles_from(shape, in, first);
    form->take_patches(&tiles, x, x_points, x_stride);
    tiles.channels = out;
    form->take_tiles(&tiles, dy, tiles.count, y_points, y_stride);
    for (size_t p = 0; p < WINOGRAD_POINTS; p++)
      form->turned_product(in, tiles.count, out, x_points + p * x_stride, y_points + p * y_stride,
                           first > 0, slope + p * w_stride);
  }
  form->put_slopes(in, out, slope, dw);
  return true;
}

static void
free_nothing(void *state)
{
  (void) state;
}

static const char *
name_of(const struct kernel_conv *conv)
{
  return conv->winograd->name;
}

static const struct kernel_conv_maker maker = {.free = free_nothing,
                                               .name = name_of,
                                               .pack = pack,
                                               .pack_inputs = pack_inputs,
                                               .forward = forward,
                                               .weights = weights,
                                               .inputs = inputs};

/* Rounding errors are a few times the direct form's, which does not matter to training. Tiles that are mostly
 * outside the map, or too few of them for the weights' points, cost what the form gains; so do weights whose points,
 * four times their size, no cache holds. */
static bool
is_faster(const struct kernel_conv_shape *shape, size_t lanes)
{
  size_t most = WINOGRAD_CHANNELS_MAX, area = shape->images * shape->height * shape->width;

  return shape->training && !shape->first && shape->precision == KERNEL_FP32 && shape->kernel == 3
         && shape->stride == 1 && shape->in % lanes == 0 && shape->out % lanes == 0
         && shape->in <= most && shape->out <= most && all_tiles(shape) >= TILES_LEAST
         && all_tiles(shape) * WINOGRAD_TILE * WINOGRAD_TILE <= 2 * area;
}

void
kernel_conv_use_winograd(struct kernel_conv *conv, const struct winograd *form)
{
  const struct kernel_conv_shape *shape = &conv->shape;

  if (!form || !is_faster(shape, form->lanes))
    return;
  size_t points = point_stride(shape, shape->in) + point_stride(shape, shape->out)
                  + winograd_stride(shape->in, shape->out);
  conv->maker = &maker;
  conv->winograd = form;
  conv->packed_bytes = WINOGRAD_POINTS * winograd_stride(shape->in, shape->out) * sizeof(float);
  conv->scratch_bytes = WINOGRAD_POINTS * points * sizeof(float);
}

#else

void
kernel_conv_use_winograd(struct kernel_conv *conv, const struct winograd *form)
{
  (void) conv;
  (void) form;
}

#endif
