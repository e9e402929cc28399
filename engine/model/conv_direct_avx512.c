#include <config.h>

#include "model/conv_direct_internal.h"

#ifdef __x86_64__

#include <immintrin.h>

#include "base/simd.h"

SIMD_BEGIN(SIMD_AVX512)

#define LANES ((size_t) 16)
#define LONG 14

typedef __m512 lanes;
typedef __mmask16 some;

static SIMD_INLINE lanes
all(float value)
{
  return _mm512_set1_ps(value);
}

static SIMD_INLINE lanes
get(const float *x)
{
  return _mm512_load_ps(x);
}

static SIMD_INLINE void
put(float *x, lanes v)
{
  _mm512_storeu_ps(x, v);
}

static SIMD_INLINE some
first_of(size_t count)
{
  return (some) (count < LANES ? (1u << count) - 1u : 0xFFFFu);
}

static SIMD_INLINE lanes
get_some(some which, const float *x)
{
  return _mm512_maskz_loadu_ps(which, x);
}

static SIMD_INLINE void
put_some(float *x, some which, lanes v)
{
  _mm512_mask_storeu_ps(x, which, v);
}

static SIMD_INLINE lanes
join(lanes a, lanes b, lanes c)
{
  return _mm512_fmadd_ps(a, b, c);
}

static SIMD_INLINE lanes
add(lanes a, lanes b)
{
  return _mm512_add_ps(a, b);
}

static SIMD_INLINE lanes
larger(lanes a, lanes b)
{
  return _mm512_max_ps(a, b);
}

#include "model/conv_direct_body.h"

/* Eight filters: two squares at once. */
static SIMD_INLINE void
pool_eight(size_t count, const float *above, const float *below, const float *bias, float *y)
{
  lanes plus = _mm512_castpd_ps(_mm512_broadcast_f64x4(_mm256_castps_pd(_mm256_loadu_ps(bias))));

  for (size_t i = 0; i < count; i += 2, above += 2 * LANES, below += 2 * LANES, y += LANES)
  {
    /* the last square may be alone */
    some here = i + 1 < count ? 0xFFFF : 0xFF, more = i + 1 < count ? 0xFFFF : 0;
    lanes first = larger(_mm512_loadu_ps(above), _mm512_loadu_ps(below));
    lanes second = larger(get_some(more, above + LANES), get_some(more, below + LANES));
    lanes left = _mm512_shuffle_f32x4(first, second, 0x44);
    lanes right = _mm512_shuffle_f32x4(first, second, 0xEE);
    put_some(y, here, end_pool(larger(left, right), plus));
  }
}

static void
pool(const struct conv_direct *conv, const float *above, const float *below, const float *bias,
     float *y)
{
  if (conv->out == 8)
    pool_eight(conv->width / 2, above, below, bias, y);
  else
    pool_lines(conv->width / 2, conv->out, above, below, bias, y);
}

SIMD_END

const struct conv_direct_form conv_direct_avx512 = {
  .name = "avx512", .lanes = LANES, .line = make_line, .pool = pool};

#endif
