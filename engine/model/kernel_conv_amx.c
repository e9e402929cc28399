#include <config.h>

#include "model/kernel_conv_internal.h"

#ifdef __x86_64__

#include <string.h>

#include "model/kernel_amx.h"
#include "model/kernel_bf16.h"

/* Images are copied into planes: lines of pixels with a margin of zeros after each line, above and below each image, so
 * that the pixels under the kernel's corner (ky, kx) are those of the plane from ky lines and kx pixels on, one run of
 * memory for every output in the plane's order. Outputs at margins are computed and left out. */
#define CACHE_NUMBERS ((size_t) 64 * 1024) /* of a plane, of so many images as fit */
#define CHUNK ((size_t) 256)               /* pixels whose products are summed at once */
#define SUM_SIDE ((size_t) 32)
#define NARROW_CHANNELS ((size_t) 4) /* a first layer's */

struct plane
{
  size_t images, height, width, channels;
  size_t margin;     /* half of the kernel */
  size_t line, area; /* pixels from a line to the next, from an image to the next */
};

static struct plane
plane_of(const struct kernel_conv_shape *shape, size_t images, size_t channels)
{
  size_t margin = shape->kernel / 2, line = shape->width + margin;

  return (struct plane){.images = images,
                        .height = shape->height,
                        .width = shape->width,
                        .channels = channels,
                        .margin = margin,
                        .line = line,
                        .area = (shape->height + margin) * line};
}

static size_t
round_up(size_t count, size_t to)
{
  return (count + to - 1) / to * to;
}

static size_t
larger(size_t a, size_t b)
{
  return a > b ? a : b;
}

static size_t
smaller(size_t a, size_t b)
{
  return a < b ? a : b;
}

/* Of the first pixel in the plane. */
static size_t
lead_of(const struct plane *plane)
{
  return plane->margin * plane->line + plane->margin;
}

/* Outputs in the plane's order, and as many as are computed. */
static size_t
output_count(const struct plane *plane)
{
  return round_up(plane->images * plane->area, KERNEL_AMX_DEPTH);
}

/* Pixels that products of all outputs reach, and a tile's width more, which meets weights of 0. */
static size_t
plane_pixels(const struct plane *plane)
{
  return output_count(plane) + 2 * lead_of(plane) + KERNEL_AMX_DEPTH;
}

static size_t
plane_numbers(const struct plane *plane)
{
  return plane_pixels(plane) * plane->channels + KERNEL_AMX_DEPTH;
}

static size_t
images_at_once(const struct kernel_conv_shape *shape)
{
  struct plane one = plane_of(shape, 1, larger(shape->in, shape->out));
  size_t most = CACHE_NUMBERS / (one.area * one.channels);

  return smaller(larger(most, 1), shape->images);
}

/* Turned planes have rows an odd number of cache lines apart, so that those of a tile do not meet in a cache's sets. */
static size_t
turned_stride(const struct plane *plane)
{
  size_t tiles = round_up(plane_pixels(plane), KERNEL_AMX_DEPTH) / KERNEL_AMX_DEPTH;

  return (tiles | 1) * KERNEL_AMX_DEPTH;
}

/* ---- memory ------------------------------------------------------------------------------------------ */

struct parts
{
  uint16_t *plane;  /* of x or of y's gradient */
  uint16_t *turned; /* (in, turned_stride) */
  uint16_t *woven;  /* (out / 16, output_count / 2, 16, 2) */
  float *sums;
};

/* Scratch for so many images at once; with no memory it only counts. Returns the bytes. */
static size_t
lay_out(const struct kernel_conv_shape *shape, void *scratch, struct parts *parts)
{
  size_t images = images_at_once(shape);
  struct plane x = plane_of(shape, images, shape->in), y = plane_of(shape, images, shape->out);
  size_t sums = 0, plane = sums + kernel_align(SUM_SIDE * SUM_SIDE * sizeof(float));
  size_t turned =
    plane + kernel_align(larger(plane_numbers(&x), plane_numbers(&y)) * sizeof(uint16_t));
  size_t woven = turned + kernel_align(shape->in * turned_stride(&x) * sizeof(uint16_t));

  if (scratch)
    *parts = (struct parts){.plane = (uint16_t *) ((char *) scratch + plane),
                            .turned = (uint16_t *) ((char *) scratch + turned),
                            .woven = (uint16_t *) ((char *) scratch + woven),
                            .sums = scratch};
  return woven + kernel_align(output_count(&y) * shape->out * sizeof(uint16_t));
}

/* to ← the plane of images from `images` on: fp32 where `wide`, else bf16. */
static void
fill_plane(const struct plane *plane, const void *images, bool wide, uint16_t *to)
{
  size_t channels = plane->channels, numbers = plane->width * channels, lines = plane->height;
  size_t margin = plane->margin * channels, above = plane->margin * plane->line * channels;
  uint16_t *at = to;

  memset(at, 0, (above + margin) * sizeof *at);
  at += above + margin;
  for (size_t i = 0; i < plane->images * lines; i++)
  {
    if (wide)
      kernel_bf16_narrow(numbers, (const float *) images + i * numbers, at);
    else
      memcpy(at, (const uint16_t *) images + i * numbers, numbers * sizeof *at);
    at += numbers;
    size_t gap = margin + ((i + 1) % lines == 0 ? above : 0);
    memset(at, 0, gap * sizeof *at);
    at += gap;
  }
  memset(at, 0, (plane_numbers(plane) - (size_t) (at - to)) * sizeof *at);
}

static const void *
images_from(const struct kernel_conv_shape *shape, const void *x, size_t first, size_t channels,
            bool wide)
{
  size_t numbers = first * shape->height * shape->width * channels;
  return (const char *) x + numbers * (wide ? sizeof(float) : sizeof(uint16_t));
}

/* ---- weights ----------------------------------------------------------------------------------------- */

/* Woven weights: (out / 16, kernel, steps) tiles; a line of the kernel is one run of kernel · in numbers. */
static size_t
steps_of(size_t kernel, size_t in)
{
  return (kernel * in + KERNEL_AMX_DEPTH - 1) / KERNEL_AMX_DEPTH;
}

static size_t
packed_bytes(size_t kernel, size_t in, size_t out)
{
  return kernel * steps_of(kernel, in) * out * KERNEL_AMX_DEPTH * sizeof(uint16_t);
}

static bool
pack(const struct kernel_conv *conv, const float *w, void *packed, void *scratch)
{
  size_t in = conv->shape.in, out = conv->shape.out, kernel = conv->shape.kernel;
  size_t run = kernel * in;
  uint16_t *to = packed;

  (void) scratch;
  for (size_t column = 0; column < out; column += KERNEL_AMX_SIDE)
    for (size_t line = 0; line < kernel; line++)
      for (size_t at = 0; at < run; at += KERNEL_AMX_DEPTH)
      {
        kernel_amx_weave_floats(smaller(run - at, KERNEL_AMX_DEPTH),
                                w + (line * run + at) * out + column, out, to);
        to += KERNEL_AMX_TILE;
      }
  return true;
}

/* Sixteen outputs' weights for input channels from `column` on, at number `at` of a line's run of the turned kernel. */
static const float *
turned_from(const struct kernel_conv_shape *shape, const float *w, size_t line, size_t at,
            size_t column)
{
  size_t kernel = shape->kernel, place = at / shape->out;

  if (place >= kernel)
    return NULL;
  return w + (((kernel - 1 - line) * kernel + kernel - 1 - place) * shape->in + column) * shape->out
         + at % shape->out;
}

static bool
pack_inputs(const struct kernel_conv *conv, const float *w, void *packed, void *scratch)
{
  const struct kernel_conv_shape *shape = &conv->shape;
  uint16_t *to = packed;

  (void) scratch;
  for (size_t column = 0; column < shape->in; column += KERNEL_AMX_SIDE)
    for (size_t line = 0; line < shape->kernel; line++)
      for (size_t at = 0; at < shape->kernel * shape->out; at += KERNEL_AMX_DEPTH)
      {
        const float *halves[2] = {turned_from(shape, w, line, at, column),
                                  turned_from(shape, w, line, at + KERNEL_AMX_SIDE, column)};
        kernel_amx_weave_turned(halves, shape->out, to);
        to += KERNEL_AMX_TILE;
      }
  return true;
}

/* ---- forward, and by inputs -------------------------------------------------------------------------- */

/* Those of 32 outputs in the plane's order that are pixels, from number `first` on, to their images. */
static void
put_outputs(const struct plane *plane, size_t first, const float *sums, const float *bias, bool two,
            size_t out, uint16_t *to)
{
  size_t image = first / plane->area, line = first % plane->area / plane->line,
         place = first % plane->line;

  for (size_t row = 0; row < KERNEL_AMX_DEPTH && image < plane->images; row++)
  {
    if (line < plane->height && place < plane->width)
    {
      size_t pixel = (image * plane->height + line) * plane->width + place;
      if (two)
        kernel_amx_narrow(sums + row * SUM_SIDE, bias, to + pixel * out);
      else
        kernel_amx_narrow_half(sums + row * SUM_SIDE, bias, to + pixel * out);
    }
    if (++place == plane->line)
    {
      place = 0;
      if (++line == plane->height + plane->margin)
      {
        line = 0;
        image++;
      }
    }
  }
}

/* y (images of the plane, out) ← the plane convolved with woven weights. */
static void
multiply_plane(const struct plane *plane, const struct parts *parts, size_t kernel, size_t out,
               const uint16_t *woven, const float *bias, uint16_t *y)
{
  size_t channels = plane->channels, steps = steps_of(kernel, channels);
  size_t woven_stride = kernel * steps * KERNEL_AMX_TILE;

  for (size_t column = 0; column < out; column += 2 * KERNEL_AMX_SIDE)
  {
    bool two = column + KERNEL_AMX_SIDE < out;
    for (size_t first = 0; first < plane->images * plane->area; first += KERNEL_AMX_DEPTH)
    {
      struct kernel_amx_rows rows = {.left = parts->plane + first * channels,
                                     .row_stride = channels,
                                     .line_stride = plane->line * channels,
                                     .lines = kernel,
                                     .steps = steps,
                                     .last = (steps - 1) * KERNEL_AMX_DEPTH,
                                     .sum_stride = SUM_SIDE,
                                     .woven = woven + column / KERNEL_AMX_SIDE * woven_stride,
                                     .woven_stride = woven_stride};
      kernel_amx_multiply_rows(&rows, two, parts->sums);
      put_outputs(plane, first, parts->sums, bias ? bias + column : NULL, two, out, y + column);
    }
  }
}

/* to (n, height, width, out) ← from (n, height, width, in). */
static void
convolve(const struct kernel_conv_shape *shape, size_t in, size_t out, const void *from, bool wide,
         const uint16_t *woven, const float *bias, uint16_t *to, void *scratch)
{
  size_t most = images_at_once(shape);
  struct parts parts;

  lay_out(shape, scratch, &parts);
  kernel_amx_begin(KERNEL_AMX_SIDE);
  for (size_t first = 0; first < shape->images; first += most)
  {
    struct plane plane = plane_of(shape, smaller(most, shape->images - first), in);
    fill_plane(&plane, images_from(shape, from, first, in, wide), wide, parts.plane);
    multiply_plane(&plane, &parts, shape->kernel, out, woven, bias,
                   to + first * shape->height * shape->width * out);
  }
  kernel_amx_end();
}

static bool
forward(const struct kernel_conv *conv, const void *x, const void *packed, const float *bias,
        void *y, void *scratch)
{
  const struct kernel_conv_shape *shape = &conv->shape;

  convolve(shape, shape->in, shape->out, x, !kernel_conv_x_is_bf16(shape), packed, bias, y,
           scratch);
  return true;
}

static bool
inputs(const struct kernel_conv *conv, const void *dy, const void *packed, void *dx, void *scratch)
{
  const struct kernel_conv_shape *shape = &conv->shape;

  convolve(shape, shape->out, shape->in, dy, false, packed, NULL, dx, scratch);
  return true;
}

/* ---- by weights -------------------------------------------------------------------------------------- */

/* turned (channels, turned_stride) ← the plane. */
static void
turn_plane(const struct plane *plane, const uint16_t *from, uint16_t *turned)
{
  size_t stride = turned_stride(plane), channels = plane->channels, pixels = plane_pixels(plane);

  if (channels < KERNEL_AMX_SIDE)
  {
    for (size_t c = 0; c < channels; c++)
    {
      for (size_t i = 0; i < pixels; i++)
        turned[c * stride + i] = from[i * channels + c];
      memset(turned + c * stride + pixels, 0, (stride - pixels) * sizeof *turned);
    }
    return;
  }
  for (size_t c = 0; c < channels; c += KERNEL_AMX_SIDE)
  {
    uint16_t *to = turned + c * stride;
    size_t i = 0;
    for (; i + KERNEL_AMX_DEPTH <= pixels; i += KERNEL_AMX_DEPTH)
      kernel_amx_turn(from + i * channels + c, channels, to + i, stride);
    for (size_t row = 0; row < KERNEL_AMX_SIDE; row++)
      memset(to + row * stride + i, 0, (stride - i) * sizeof *to);
  }
}

/* woven (out / 16, outputs / 2, 16, 2) ← the gradient's plane, in the order of outputs. */
static void
weave_plane(const struct plane *plane, const uint16_t *from, uint16_t *woven)
{
  size_t count = output_count(plane), channels = plane->channels;

  for (size_t c = 0; c < channels; c += KERNEL_AMX_SIDE)
    kernel_amx_weave(count, from + lead_of(plane) * channels + c, channels, woven + c * count);
}

/* The place of a block of the weights' gradient: sixteen inputs (or the few there are) at one place of the kernel. */
struct place
{
  size_t turned; /* of its pixels in the turned plane */
  size_t slope;  /* of its rows in the gradient */
};

static struct place
place_of(const struct kernel_conv_shape *shape, const struct plane *plane, size_t number)
{
  size_t places = shape->kernel * shape->kernel, place = number % places,
         c = number / places * KERNEL_AMX_SIDE;

  return (struct place){.turned = c * turned_stride(plane) + place / shape->kernel * plane->line
                                  + place % shape->kernel,
                        .slope = (place * shape->in + c) * shape->out};
}

/* Adds to dw, or puts there, what `count` outputs from `first` on give. */
static void
multiply_chunk(const struct kernel_conv_shape *shape, const struct plane *x,
               const struct parts *parts, size_t first, size_t count, bool add, float *dw)
{
  size_t places = shape->kernel * shape->kernel, out = shape->out;
  size_t numbers = places * ((shape->in + KERNEL_AMX_SIDE - 1) / KERNEL_AMX_SIDE);
  size_t outputs = output_count(x);

  for (size_t column = 0; column < out; column += 2 * KERNEL_AMX_SIDE)
    for (size_t number = 0; number < numbers; number += 2)
    {
      bool right = column + KERNEL_AMX_SIDE < out, below = number + 1 < numbers;
      struct place one = place_of(shape, x, number),
                   next = below ? place_of(shape, x, number + 1) : one;
      const uint16_t *woven = parts->woven + column * outputs + first * KERNEL_AMX_SIDE;
      float *slope = dw + one.slope + column, *second = dw + next.slope + column;
      struct kernel_amx_blocks blocks = {
        .left = {parts->turned + one.turned + first, parts->turned + next.turned + first},
        .left_stride = turned_stride(x),
        .woven = {woven, right ? woven + KERNEL_AMX_SIDE * outputs : woven},
        .steps = count / KERNEL_AMX_DEPTH,
        .sums = {slope, right ? slope + KERNEL_AMX_SIDE : NULL, below ? second : NULL,
                 right && below ? second + KERNEL_AMX_SIDE : NULL},
        .sum_stride = out,
        .add = add};
      kernel_amx_multiply_blocks(&blocks);
    }
}

static bool
weights(const struct kernel_conv *conv, const void *x, const void *dy, float *dw, void *scratch)
{
  const struct kernel_conv_shape *shape = &conv->shape;
  size_t most = images_at_once(shape);
  bool wide = !kernel_conv_x_is_bf16(shape);
  struct parts parts;

  lay_out(shape, scratch, &parts);
  kernel_amx_begin(smaller(shape->in, KERNEL_AMX_SIDE));
  for (size_t first = 0; first < shape->images; first += most)
  {
    size_t images = smaller(most, shape->images - first);
    struct plane x_plane = plane_of(shape, images, shape->in),
                 y_plane = plane_of(shape, images, shape->out);
    fill_plane(&x_plane, images_from(shape, x, first, shape->in, wide), wide, parts.plane);
    turn_plane(&x_plane, parts.plane, parts.turned);
    fill_plane(&y_plane, images_from(shape, dy, first, shape->out, false), false, parts.plane);
    weave_plane(&y_plane, parts.plane, parts.woven);
    for (size_t at = 0; at < output_count(&y_plane); at += CHUNK)
      multiply_chunk(shape, &x_plane, &parts, at, smaller(CHUNK, output_count(&y_plane) - at),
                     first + at > 0, dw);
  }
  kernel_amx_end();
  return true;
}

/* ---- its maker --------------------------------------------------------------------------------------- */

static void
free_nothing(void *state)
{
  (void) state;
}

static const char *
name_of(const struct kernel_conv *conv)
{
  (void) conv;
  return "tiles:amx_bf16";
}

static const struct kernel_conv_maker maker = {.free = free_nothing,
                                               .name = name_of,
                                               .pack = pack,
                                               .pack_inputs = pack_inputs,
                                               .forward = forward,
                                               .weights = weights,
                                               .inputs = inputs};

/* Whole tiles of channels; a first layer may have few, whose gradient's rows fill a part of each tile. */
static bool
is_made_for(const struct kernel_conv_shape *shape)
{
  return shape->training && shape->precision == KERNEL_BF16 && shape->stride == 1
         && shape->out % KERNEL_AMX_SIDE == 0
         && (shape->first ? shape->in <= NARROW_CHANNELS : shape->in % KERNEL_AMX_SIDE == 0);
}

void
kernel_conv_use_amx(struct kernel_conv *conv)
{
  const struct kernel_conv_shape *shape = &conv->shape;

  if (!is_made_for(shape) || !kernel_amx_ready())
    return;
  size_t forwards = packed_bytes(shape->kernel, shape->in, shape->out),
         backwards = packed_bytes(shape->kernel, shape->out, shape->in);
  conv->maker = &maker;
  conv->packed_bytes = shape->first ? forwards : larger(forwards, backwards);
  conv->scratch_bytes = lay_out(shape, NULL, NULL);
}

#else

void
kernel_conv_use_amx(struct kernel_conv *conv)
{
  (void) conv;
}

#endif
