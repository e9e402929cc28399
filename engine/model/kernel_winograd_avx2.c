#include <config.h>

#include "model/kernel_winograd.h"

#ifdef __x86_64__

#include <immintrin.h>

#include "base/simd.h"

SIMD_BEGIN(SIMD_AVX2)

#define LANES ((size_t) 8)
#define BLOCK_ROWS 6

typedef __m256 lanes;

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

static SIMD_INLINE lanes
all(float value)
{
  return _mm256_set1_ps(value);
}

static SIMD_INLINE lanes
join(float a, lanes b, lanes c)
{
  return _mm256_fmadd_ps(all(a), b, c);
}

static SIMD_INLINE lanes
get_every(size_t step, const float *x)
{
  __m256i lines = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

  lines = _mm256_mullo_epi32(_mm256_set1_epi32((int) step), lines);
  return _mm256_i32gather_ps(x, lines, sizeof *x);
}

#define TABLE winograd_avx2
#define TABLE_NAME "winograd:avx2"

#include "model/kernel_winograd_body.h"

SIMD_END

#endif
