/* Vectors of AVX-512, sixteen numbers: what lanes_avx2.h has, whose comments hold here. To be included between
 * SIMD_BEGIN (SIMD_AVX512) and SIMD_END, with immintrin.h before. Private to engine/model.
 */
#ifndef ATTUNE_MODEL_LANES_AVX512_H
#define ATTUNE_MODEL_LANES_AVX512_H

#include <stddef.h>

#include "base/simd.h"

#define LANES ((size_t) 16)

typedef __m512 lanes;
typedef __mmask16 some; /* a bit for each that counts */

static SIMD_INLINE lanes
all(float value)
{
  return _mm512_set1_ps(value);
}

static SIMD_INLINE lanes
get(const float *x)
{
  return _mm512_loadu_ps(x);
}

static SIMD_INLINE void
put(float *x, lanes v)
{
  _mm512_storeu_ps(x, v);
}

static SIMD_INLINE lanes
get_every(size_t step, const float *x)
{
  __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

  places = _mm512_mullo_epi32(_mm512_set1_epi32((int) step), places);
  return _mm512_i32gather_ps(places, x, sizeof *x);
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
join(float a, lanes b, lanes c)
{
  return _mm512_fmadd_ps(all(a), b, c);
}

static SIMD_INLINE lanes
larger(lanes a, lanes b)
{
  return _mm512_max_ps(a, b);
}

#endif
