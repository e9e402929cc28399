#include <config.h>

#include "model/conv_ops.h"

#include <math.h>
#include <string.h>

#include "model/conv_loops.h"

const char *const conv_activation_names[] = {"relu", "gelu", "silu", NULL};

/* Rows that are worked on while they are in the nearest cache, and summed in float before they join a sum in
 * double. */
#define BLOCK_ROWS 64

size_t
conv_ops_bytes(enum kernel_precision precision)
{
  return precision == KERNEL_BF16 ? sizeof(uint16_t) : sizeof(float);
}

static size_t
block_rows(size_t rows, size_t first)
{
  return rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
}

const struct conv_loops *
conv_loops(void)
{
  const struct conv_loops *wide = conv_loops_avx512();

  return wide ? wide : &conv_loops_any;
}

/* ---- statistics ----------------------------------------------------------------------------------- */

void
conv_ops_statistics(enum kernel_precision precision, size_t rows, size_t channels, const void *x,
                    float *mean, float *variance)
{
  double sums[CONV_OPS_CHANNELS_MAX] = {0}, squares[CONV_OPS_CHANNELS_MAX] = {0};
  float sum[CONV_OPS_CHANNELS_MAX], square[CONV_OPS_CHANNELS_MAX];
  void (*block_sums)(size_t, size_t, const void *, float *, float *) =
    conv_loops()->block_sums[precision];

  for (size_t first = 0; first < rows; first += BLOCK_ROWS)
  {
    size_t count = block_rows(rows, first);
    const char *at = (const char *) x + first * channels * conv_ops_bytes(precision);
    block_sums(count, channels, at, sum, square);
    for (size_t c = 0; c < channels; c++)
    {
      sums[c] += (double) sum[c];
      squares[c] += (double) square[c];
    }
  }
  for (size_t c = 0; c < channels; c++)
  {
    double m = sums[c] / (double) rows;
    mean[c] = (float) m;
    variance[c] = (float) fmax(squares[c] / (double) rows - m * m, 0.0);
  }
}

/* ---- normalisation with activation ---------------------------------------------------------------- */

void
conv_ops_normalise(enum kernel_precision precision, enum conv_activation activation, size_t rows,
                   size_t channels, const float *scale, const float *offset, const void *x,
                   const void *skip, void *y)
{
  const struct conv_loops *loops = conv_loops();
  size_t bytes = channels * conv_ops_bytes(precision);

  for (size_t first = 0; first < rows; first += BLOCK_ROWS)
    loops->normalise[activation][precision](
      block_rows(rows, first), channels, scale, offset, (const char *) x + first * bytes,
      skip ? (const char *) skip + first * bytes : NULL, (char *) y + first * bytes);
}

void
conv_ops_normalise_backward(enum kernel_precision precision, enum conv_activation activation,
                            size_t rows, size_t channels, bool centred, const float *mean,
                            const float *r, const float *shift, const void *dy, void *x,
                            float *dshift)
{
  const struct conv_loops *loops = conv_loops();
  double sums[CONV_OPS_CHANNELS_MAX] = {0}, crosses[CONV_OPS_CHANNELS_MAX] = {0};
  float sum[CONV_OPS_CHANNELS_MAX], cross[CONV_OPS_CHANNELS_MAX];
  static const float none[CONV_OPS_CHANNELS_MAX];
  size_t bytes = channels * conv_ops_bytes(precision);

  for (size_t first = 0; first < rows; first += BLOCK_ROWS)
  {
    size_t count = block_rows(rows, first);
    const char *dy_at = (const char *) dy + first * bytes;
    char *x_at = (char *) x + first * bytes;
    loops->slope_sums[activation][precision](count, channels, mean, r, shift, dy_at, x_at, sum,
                                             cross);
    for (size_t c = 0; c < channels; c++)
    {
      sums[c] += (double) sum[c];
      crosses[c] += (double) cross[c];
    }
    if (!centred) /* while the block is in the nearest cache */
      loops->input_slope[activation][precision](count, channels, mean, r, shift, none, none, dy_at,
                                                x_at);
  }
  for (size_t c = 0; c < channels; c++)
  {
    dshift[c] = (float) sums[c];
    sum[c] = (float) (sums[c] / (double) rows);
    cross[c] = (float) (crosses[c] / (double) rows);
  }
  for (size_t first = 0; centred && first < rows; first += BLOCK_ROWS)
    loops->input_slope[activation][precision](block_rows(rows, first), channels, mean, r, shift,
                                              sum, cross, (const char *) dy + first * bytes,
                                              (char *) x + first * bytes);
}

void
conv_ops_add(enum kernel_precision precision, size_t count, const void *from, void *to)
{
  conv_loops()->add[precision](count, from, to);
}

void
conv_ops_widen(enum kernel_precision precision, size_t count, const void *from, float *to)
{
  conv_loops()->widen[precision](count, from, to);
}

void
conv_ops_narrow(enum kernel_precision precision, size_t count, const float *from, void *to)
{
  conv_loops()->narrow[precision](count, from, to);
}
