#include <config.h>

#include "model/kernel_winograd.h"

#ifdef __x86_64__

#include <immintrin.h>

#include "base/simd.h"

SIMD_BEGIN(SIMD_AVX512)

#define LANES ((size_t) 16)
#define BLOCK_ROWS 8

typedef __m512 lanes;

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
all(float value)
{
  return _mm512_set1_ps(value);
}

static SIMD_INLINE lanes
join(float a, lanes b, lanes c)
{
  return _mm512_fmadd_ps(all(a), b, c);
}

static SIMD_INLINE lanes
get_every(size_t step, const float *x)
{
  __m512i lines = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

  lines = _mm512_mullo_epi32(_mm512_set1_epi32((int) step), lines);
  return _mm512_i32gather_ps(lines, x, sizeof *x);
}

#define TABLE winograd_avx512
#define TABLE_NAME "winograd:avx512"

#include "model/kernel_winograd_body.h"

SIMD_END

#endif
