#include <config.h>

#include "model/conv_direct.h"

#include <string.h>

#include "base/simd.h"

#define LANES ((size_t) 16)
/* Vectors of filters at a time, and groups of pixels: their product of sums, and the weights, have to fit 32
 * registers. */
#define WIDE ((size_t) 2)
#define LONG ((size_t) 14)

struct conv_direct
conv_direct_plan(size_t in_width, size_t in, size_t out, size_t kernel, size_t stride)
{
  size_t width = (in_width - 1) / stride + 1, together = 1;

  while (2 * together * out <= LANES && width % (2 * together) == 0)
    together *= 2;
  return (struct conv_direct){.in_width = in_width,
                              .in = in,
                              .out = out,
                              .kernel = kernel,
                              .stride = stride,
                              .width = width,
                              .together = together};
}

/* Inputs of one line of the kernel: of a group's first pixel to its last one. */
static size_t
taps_of(const struct conv_direct *conv)
{
  return (conv->kernel + (conv->together - 1) * conv->stride) * conv->in;
}

static size_t
vectors_of(const struct conv_direct *conv)
{
  return (conv->together * conv->out + LANES - 1) / LANES;
}

size_t
conv_direct_packed_floats(const struct conv_direct *conv)
{
  return vectors_of(conv) * LANES * conv->kernel * taps_of(conv);
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
  size_t vectors = vectors_of(conv), taps = taps_of(conv), block;

  for (size_t v = 0; v < vectors; v += block)
  {
    block = vectors - v < WIDE ? vectors - v : WIDE;
    for (size_t line = 0; line < conv->kernel; line++)
      for (size_t tap = 0; tap < taps; tap++)
        for (size_t lane = 0; lane < block * LANES; lane++)
          *packed++ = weight_at(conv, w, line, tap, v * LANES + lane);
  }
}

#ifdef __x86_64__

#include <immintrin.h>

SIMD_BEGIN(SIMD_AVX512)

/* What a run of groups is made of. */
struct run
{
  size_t lines, taps; /* of the kernel */
  size_t line;        /* floats from one line of x to the next */
  size_t step;        /* floats of x from one group to the next */
  size_t columns;     /* floats of y from one group to the next */
  __mmask16 last;     /* of the last vector */
};

/* `vectors` of filters of `count` groups. */
static SIMD_INLINE void
make_run(const struct run *run, int vectors, int count, const float *x, const float *w, float *y)
{
  __m512 sum[LONG][WIDE];

#pragma GCC unroll 16
  for (int p = 0; p < count; p++)
    for (int v = 0; v < vectors; v++)
      sum[p][v] = _mm512_setzero_ps();
  for (size_t line = 0; line < run->lines; line++, x += run->line)
    for (size_t tap = 0; tap < run->taps; tap++, w += (size_t) vectors * LANES)
    {
      __m512 first = _mm512_load_ps(w), second = first;
      if (vectors > 1)
        second = _mm512_load_ps(w + LANES);
#pragma GCC unroll 16
      for (int p = 0; p < count; p++)
      {
        __m512 factor = _mm512_set1_ps(x[(size_t) p * run->step + tap]);
        sum[p][0] = _mm512_fmadd_ps(factor, first, sum[p][0]);
        if (vectors > 1)
          sum[p][1] = _mm512_fmadd_ps(factor, second, sum[p][1]);
      }
    }
#pragma GCC unroll 16
  for (int p = 0; p < count; p++)
  {
    float *to = y + (size_t) p * run->columns;
    if (vectors > 1)
      _mm512_storeu_ps(to, sum[p][0]);
    _mm512_mask_storeu_ps(to + (vectors > 1 ? LANES : 0), run->last, sum[p][vectors - 1]);
  }
}

#define RUN_CASE(vectors, count)                                                                   \
  case count:                                                                                      \
    make_run(run, vectors, count, x, w, y);                                                        \
    break;

#define RUN_DEFINE(name, vectors)                                                                  \
  static void name(const struct run *run, size_t count, const float *x, const float *w, float *y)  \
  {                                                                                                \
    switch (count)                                                                                 \
    {                                                                                              \
      RUN_CASE(vectors, 1)                                                                         \
      RUN_CASE(vectors, 2)                                                                         \
      RUN_CASE(vectors, 3)                                                                         \
      RUN_CASE(vectors, 4)                                                                         \
      RUN_CASE(vectors, 5)                                                                         \
      RUN_CASE(vectors, 6)                                                                         \
      RUN_CASE(vectors, 7)                                                                         \
      RUN_CASE(vectors, 8)                                                                         \
      RUN_CASE(vectors, 9)                                                                         \
      RUN_CASE(vectors, 10)                                                                        \
      RUN_CASE(vectors, 11)                                                                        \
      RUN_CASE(vectors, 12)                                                                        \
      RUN_CASE(vectors, 13)                                                                        \
      RUN_CASE(vectors, 14)                                                                        \
    default:                                                                                       \
      break;                                                                                       \
    }                                                                                              \
  }

RUN_DEFINE(run_one, 1)
RUN_DEFINE(run_two, 2)

void
conv_direct_line(const struct conv_direct *conv, const float *x, const float *packed, float *y)
{
  size_t filters = conv->together * conv->out, groups = conv->width / conv->together;
  size_t vectors = vectors_of(conv), runs = (groups + LONG - 1) / LONG, block;
  struct run run = {.lines = conv->kernel,
                    .taps = taps_of(conv),
                    .line = (conv->in_width + conv->kernel - 1) * conv->in,
                    .step = conv->together * conv->stride * conv->in,
                    .columns = filters};

  for (size_t v = 0; v < vectors; v += block)
  {
    block = vectors - v < WIDE ? vectors - v : WIDE;
    size_t left = filters - (v + block - 1) * LANES;
    run.last = (__mmask16) (left < LANES ? (1u << left) - 1u : 0xFFFFu);
    /* of nearly the same length: a short last one would leave the arithmetic units waiting */
    for (size_t r = 0; r < runs; r++)
    {
      size_t first = r * groups / runs, end = (r + 1) * groups / runs;
      const float *from = x + first * run.step;
      float *to = y + first * filters + v * LANES;
      if (block > 1)
        run_two(&run, end - first, from, packed, to);
      else
        run_one(&run, end - first, from, packed, to);
    }
    packed += block * LANES * conv->kernel * run.taps;
  }
}

static SIMD_INLINE __m512
end_pool(__m512 most, __m512 bias)
{
  return _mm512_max_ps(_mm512_add_ps(most, bias), _mm512_setzero_ps());
}

/* Filters that fill vectors, the last one perhaps not. */
static SIMD_INLINE void
pool_wide(size_t count, size_t out, const float *above, const float *below, const float *bias,
          float *y)
{
  for (size_t c = 0; c < out; c += LANES)
  {
    __mmask16 mask = (__mmask16) (out - c < LANES ? (1u << (out - c)) - 1u : 0xFFFFu);
    __m512 plus = _mm512_maskz_loadu_ps(mask, bias + c);
    for (size_t i = 0; i < count; i++)
    {
      size_t left = 2 * i * out + c, right = left + out;
      __m512 top = _mm512_max_ps(_mm512_maskz_loadu_ps(mask, above + left),
                                 _mm512_maskz_loadu_ps(mask, above + right));
      __m512 low = _mm512_max_ps(_mm512_maskz_loadu_ps(mask, below + left),
                                 _mm512_maskz_loadu_ps(mask, below + right));
      _mm512_mask_storeu_ps(y + i * out + c, mask, end_pool(_mm512_max_ps(low, top), plus));
    }
  }
}

/* Eight filters: two squares at once. */
static SIMD_INLINE void
pool_eight(size_t count, const float *above, const float *below, const float *bias, float *y)
{
  __m512 plus = _mm512_castpd_ps(_mm512_broadcast_f64x4(_mm256_castps_pd(_mm256_loadu_ps(bias))));

  for (size_t i = 0; i < count; i += 2, above += 2 * LANES, below += 2 * LANES, y += LANES)
  {
    /* the last square may be alone */
    __mmask16 mask = i + 1 < count ? 0xFFFF : 0xFF, more = i + 1 < count ? 0xFFFF : 0;
    __m512 first = _mm512_max_ps(_mm512_loadu_ps(above), _mm512_loadu_ps(below));
    __m512 second = _mm512_max_ps(_mm512_maskz_loadu_ps(more, above + LANES),
                                  _mm512_maskz_loadu_ps(more, below + LANES));
    __m512 left = _mm512_shuffle_f32x4(first, second, 0x44);
    __m512 right = _mm512_shuffle_f32x4(first, second, 0xEE);
    _mm512_mask_storeu_ps(y, mask, end_pool(_mm512_max_ps(left, right), plus));
  }
}

void
conv_direct_pool(const struct conv_direct *conv, const float *above, const float *below,
                 const float *bias, float *y)
{
  size_t count = conv->width / 2;

  if (conv->out == 8)
    pool_eight(count, above, below, bias, y);
  else
    pool_wide(count, conv->out, above, below, bias, y);
}

SIMD_END

bool
conv_direct_here(void)
{
  return SIMD_HAS_AVX512;
}

#else

bool
conv_direct_here(void)
{
  return false;
}

void
conv_direct_line(const struct conv_direct *conv, const float *x, const float *packed, float *y)
{
  (void) conv, (void) x, (void) packed, (void) y;
}

void
conv_direct_pool(const struct conv_direct *conv, const float *above, const float *below,
                 const float *bias, float *y)
{
  (void) conv, (void) above, (void) below, (void) bias, (void) y;
}

#endif
