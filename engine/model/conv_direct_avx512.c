#include <config.h>

#include "model/conv_direct_internal.h"

#ifdef __x86_64__

#include <immintrin.h>

#include "base/simd.h"

SIMD_BEGIN(SIMD_AVX512)

#include "model/lanes_avx512.h"

#define LONG 14

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
    lanes first = larger(get(above), get(below));
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
