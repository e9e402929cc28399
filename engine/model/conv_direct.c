#include <config.h>

#include "model/conv_direct_internal.h"

#include "base/simd.h"

const struct conv_direct_form *
conv_direct_here(void)
{
#ifdef __x86_64__
  if (SIMD_HAS_AVX512)
    return &conv_direct_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return &conv_direct_avx2;
#endif
  return NULL;
}

struct conv_direct
conv_direct_plan(const struct conv_direct_form *form, size_t in_width, size_t in, size_t out,
                 size_t kernel, size_t stride)
{
  size_t width = (in_width - 1) / stride + 1, together = 1;

  while (2 * together * out <= form->lanes && width % (2 * together) == 0)
    together *= 2;
  return (struct conv_direct){.form = form,
                              .in_width = in_width,
                              .in = in,
                              .out = out,
                              .kernel = kernel,
                              .stride = stride,
                              .width = width,
                              .together = together};
}

size_t
conv_direct_taps(const struct conv_direct *conv)
{
  return (conv->kernel + (conv->together - 1) * conv->stride) * conv->in;
}

size_t
conv_direct_vectors(const struct conv_direct *conv)
{
  return (conv->together * conv->out + conv->form->lanes - 1) / conv->form->lanes;
}

size_t
conv_direct_packed_floats(const struct conv_direct *conv)
{
  return conv_direct_vectors(conv) * conv->form->lanes * conv->kernel * conv_direct_taps(conv);
}

/* A weight of one filter of a group. */
static float
weight_at(const struct conv_direct *conv, const float *w, size_t line, size_t tap, size_t filter)
{
  size_t pixel = filter / conv->out, before = pixel * conv->stride, column = tap / conv->in;

  if (pixel >= conv->together || column < before || column - before >= conv->kernel)
    return 0.0f;
  return w[((line * conv->kernel + column - before) * conv->in + tap % conv->in) * conv->out
           + filter % conv->out];
}

void
conv_direct_pack(const struct conv_direct *conv, const float *w, float *packed)
{
  size_t vectors = conv_direct_vectors(conv), taps = conv_direct_taps(conv), block;
  size_t lanes = conv->form->lanes;

  for (size_t v = 0; v < vectors; v += block)
  {
    block = vectors - v < CONV_DIRECT_WIDE ? vectors - v : CONV_DIRECT_WIDE;
    for (size_t line = 0; line < conv->kernel; line++)
      for (size_t tap = 0; tap < taps; tap++)
        for (size_t lane = 0; lane < block * lanes; lane++)
          *packed++ = weight_at(conv, w, line, tap, v * lanes + lane);
  }
}

void
conv_direct_line(const struct conv_direct *conv, const float *x, const float *packed, float *y)
{
  conv->form->line(conv, x, packed, y);
}

void
conv_direct_pool(const struct conv_direct *conv, const float *above, const float *below,
                 const float *bias, float *y)
{
  conv->form->pool(conv, above, below, bias, y);
}
