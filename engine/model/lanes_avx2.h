/* Vectors of AVX2 for the loops of conv_direct_body.h and kernel_winograd_body.h: eight numbers. lanes_avx512.h has the
 * same names, so that those files compile for either. To be included between SIMD_BEGIN (SIMD_AVX2) and
 * SIMD_END, with immintrin.h before. Private to engine/model.
 */
#ifndef ATTUNE_MODEL_LANES_AVX2_H
#define ATTUNE_MODEL_LANES_AVX2_H

#include <stddef.h>

#include "base/simd.h"

#define LANES ((size_t) 8)

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
  return _mm256_loadu_ps(x);
}

static SIMD_INLINE void
put(float *x, lanes v)
{
  _mm256_storeu_ps(x, v);
}

/* Numbers that lie `step` apart. */
static SIMD_INLINE lanes
get_every(size_t step, const float *x)
{
  __m256i places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

  places = _mm256_mullo_epi32(_mm256_set1_epi32((int) step), places);
  return _mm256_i32gather_ps(x, places, sizeof *x);
}

/* The first `count` numbers of a vector, all if there are more. */
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

/* The others are 0. */
static SIMD_INLINE lanes
get_some(some which, const float *x)
{
  return which == LANES ? get(x) : _mm256_maskload_ps(x, mask_of(which));
}

/* Masked stores are slow. */
static SIMD_INLINE void
put_some(float *x, some which, lanes v)
{
  if (which == LANES)
    put(x, v);
  else
    _mm256_maskstore_ps(x, mask_of(which), v);
}

/* a b + c, rounded once. */
static SIMD_INLINE lanes
join(float a, lanes b, lanes c)
{
  return _mm256_fmadd_ps(all(a), b, c);
}

static SIMD_INLINE lanes
larger(lanes a, lanes b)
{
  return _mm256_max_ps(a, b);
}

#endif
