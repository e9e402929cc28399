#include <config.h>

#include "model/kernel_row.h"

#include <stdint.h>

#include "base/simd.h"

#ifdef __x86_64__

#include <immintrin.h>

SIMD_BEGIN(SIMD_AVX512)

#define LANES ((size_t) 16)
/* Vectors of sums at a time: as many as there are registers for, so that rows of W are read in long runs. */
#define WIDE 16
/* oneDNN's matrix product sums this many products, then adds the next ones' sum; up to twice as many are halved. */
#define RUN ((size_t) 384)
/* Inputs of a run that are 0 are left out when they are more than a quarter: then it pays to list the others.
 * Zero times a finite weight changes no bit of a sum that begins at +0. */
#define MOSTLY(count) ((count) - (count) / 4)

/* What a run is multiplied of. */
struct factors
{
  const float *x;
  const uint32_t *at; /* which of the inputs; NULL = 0 … count − 1 */
  size_t count;
};

static size_t
run_of(size_t left)
{
  return left >= 2 * RUN ? RUN : left > RUN ? (left + 1) / 2 : left;
}

static SIMD_INLINE __mmask16
lanes_of(size_t columns, int vector)
{
  size_t before = (size_t) vector * LANES;
  size_t here = columns > before ? columns - before : 0;
  return (__mmask16) ((1u << (here < LANES ? here : LANES)) - 1u);
}

/* at ← which of x (k) are not 0; how many. */
static size_t
list_factors(const float *x, size_t k, uint32_t *at)
{
  __m512i place = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  size_t count = 0;

  for (size_t i = 0; i < k; i += LANES)
  {
    __mmask16 here = lanes_of(k - i, 0);
    __mmask16 kept = _mm512_mask_cmp_ps_mask(here, _mm512_maskz_loadu_ps(here, x + i),
                                             _mm512_setzero_ps(), _CMP_NEQ_UQ);
    /* whole vectors: at has room for one more than x */
    _mm512_storeu_si512(at + count, _mm512_maskz_compress_epi32(kept, place));
    count += (size_t) __builtin_popcount(kept);
    place = _mm512_add_epi32(place, _mm512_set1_epi32((int) LANES));
  }
  return count;
}

/* y (columns) ← or, after the first run, += the factors · w, whose rows are m apart. With `whole`, `columns` is
 * vectors · LANES and nothing is masked; else the last vector is not full. */
static SIMD_INLINE void
run_columns_of(bool listed, int vectors, bool whole, size_t columns, const struct factors *factors,
               size_t m, const float *w, bool first, float *y)
{
  __m512 sum[WIDE];
  __mmask16 last = lanes_of(columns, vectors - 1);

  for (int v = 0; v < vectors; v++)
    sum[v] = _mm512_setzero_ps();
  for (size_t n = 0; n < factors->count; n++)
  {
    size_t i = listed ? factors->at[n] : n;
    __m512 factor = _mm512_set1_ps(factors->x[i]);
    const float *row = w + i * m;
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
    {
      const float *from = row + (size_t) v * LANES;
      __m512 weights =
        whole || v + 1 < vectors ? _mm512_loadu_ps(from) : _mm512_maskz_loadu_ps(last, from);
      sum[v] = _mm512_fmadd_ps(factor, weights, sum[v]);
    }
  }
  for (int v = 0; v < vectors; v++)
  {
    float *to = y + (size_t) v * LANES;
    __mmask16 mask = lanes_of(columns, v);
    if (!first)
      sum[v] = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), sum[v]);
    _mm512_mask_storeu_ps(to, mask, sum[v]);
  }
}

static SIMD_INLINE void
run_columns(int vectors, bool whole, size_t columns, const struct factors *factors, size_t m,
            const float *w, bool first, float *y)
{
  if (factors->at)
    run_columns_of(true, vectors, whole, columns, factors, m, w, first, y);
  else
    run_columns_of(false, vectors, whole, columns, factors, m, w, first, y);
}

/* The widest tile that fits, then the next ones; the last is masked. */
static void
run_rows(const struct factors *factors, size_t m, const float *w, bool first, float *y)
{
  size_t j = 0;

  for (; j + 16 * LANES <= m; j += 16 * LANES)
    run_columns(16, true, 16 * LANES, factors, m, w + j, first, y + j);
  for (; j + 8 * LANES <= m; j += 8 * LANES)
    run_columns(8, true, 8 * LANES, factors, m, w + j, first, y + j);
  for (; j + 4 * LANES <= m; j += 4 * LANES)
    run_columns(4, true, 4 * LANES, factors, m, w + j, first, y + j);
  if (m - j > 3 * LANES)
    run_columns(4, false, m - j, factors, m, w + j, first, y + j);
  else if (m - j > 2 * LANES)
    run_columns(3, false, m - j, factors, m, w + j, first, y + j);
  else if (m - j > LANES)
    run_columns(2, false, m - j, factors, m, w + j, first, y + j);
  else if (m > j)
    run_columns(1, false, m - j, factors, m, w + j, first, y + j);
}

void
kernel_row_forward(size_t k, size_t m, const float *x, const float *w, float *y)
{
  uint32_t at[2 * RUN + LANES];
  size_t run;

  for (size_t from = 0; from < k; from += run)
  {
    run = run_of(k - from);
    size_t count = list_factors(x + from, run, at);
    struct factors factors = {.x = x + from, .at = at, .count = count};
    if (count >= MOSTLY(run))
      factors = (struct factors){.x = x + from, .at = NULL, .count = run};
    run_rows(&factors, m, w + from * m, from == 0, y);
  }
}

void
kernel_row_dots(size_t n, size_t k, const float *x, const float *w, float *y)
{
  for (size_t row = 0; row < n; row++, x += k)
  {
    __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                     _mm512_setzero_ps()};
    size_t i = 0;
    for (; i + 4 * LANES <= k; i += 4 * LANES)
      for (size_t v = 0; v < 4; v++)
        sum[v] = _mm512_fmadd_ps(_mm512_loadu_ps(x + i + v * LANES),
                                 _mm512_loadu_ps(w + i + v * LANES), sum[v]);
    for (; i < k; i += LANES)
    {
      __mmask16 mask = lanes_of(k - i, 0);
      sum[0] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, x + i),
                               _mm512_maskz_loadu_ps(mask, w + i), sum[0]);
    }
    y[row] = _mm512_reduce_add_ps(
      _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
  }
}

SIMD_END

bool
kernel_row_here(void)
{
  return SIMD_HAS_AVX512;
}

#else

bool
kernel_row_here(void)
{
  return false;
}

void
kernel_row_forward(size_t k, size_t m, const float *x, const float *w, float *y)
{
  (void) k, (void) m, (void) x, (void) w, (void) y;
}

void
kernel_row_dots(size_t n, size_t k, const float *x, const float *w, float *y)
{
  (void) n, (void) k, (void) x, (void) w, (void) y;
}

#endif
