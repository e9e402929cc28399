#include <config.h>

#include "model/conv_direct_internal.h"

#ifdef __x86_64__

#include <immintrin.h>

#include "base/simd.h"

SIMD_BEGIN(SIMD_AVX2)

#define LANES ((size_t) 8)
#define LONG 6

typedef __m256 lanes;
typedef size_t some; /* how many, at most all */

static SIMD_INLINE lanes
all(float value)
{
  return _mm256_set1_ps(value);
}

static SIMD_INLINE lanes
get(const float *x)
{
  return _mm256_load_ps(x);
}

static SIMD_INLINE void
put(float *x, lanes v)
{
  _mm256_storeu_ps(x, v);
}

static SIMD_INLINE some
first_of(size_t count)
{
  return count < LANES ? count : LANES;
}

static SIMD_INLINE __m256i
mask_of(some which)
{
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int) which),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static SIMD_INLINE lanes
get_some(some which, const float *x)
{
  return which == LANES ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, mask_of(which));
}

/* Masked stores are slow. */
static SIMD_INLINE void
put_some(float *x, some which, lanes v)
{
  if (which == LANES)
    _mm256_storeu_ps(x, v);
  else
    _mm256_maskstore_ps(x, mask_of(which), v);
}

static SIMD_INLINE lanes
join(lanes a, lanes b, lanes c)
{
  return _mm256_fmadd_ps(a, b, c);
}

static SIMD_INLINE lanes
add(lanes a, lanes b)
{
  return _mm256_add_ps(a, b);
}

static SIMD_INLINE lanes
larger(lanes a, lanes b)
{
  return _mm256_max_ps(a, b);
}

#include "model/conv_direct_body.h"

static void
pool(const struct conv_direct *conv, const float *above, const float *below, const float *bias,
     float *y)
{
  pool_lines(conv->width / 2, conv->out, above, below, bias, y);
}

SIMD_END

const struct conv_direct_form conv_direct_avx2 = {
  .name = "avx2", .lanes = LANES, .line = make_line, .pool = pool};

#endif
