#include <config.h>

#include "model/trees_walk.h"

#include "base/simd.h"

#ifdef __x86_64__

#include <immintrin.h>

SIMD_BEGIN(SIMD_AVX512)

#define LANES 16
/* Times sixteen rows that walk side by side: a gather takes long, and others can go on meanwhile. */
#define BLOCKS 2

struct rows
{
  const float *x;
  __m512i offset[BLOCKS]; /* of each row in x, in floats */
};

/* at ← 2 · at + (goes right), or left + (goes right). */
static SIMD_INLINE __m512i
turn(const float *x, __m512i offset, __m512 threshold, __m512i feature, __m512i left)
{
  const __m512i place = _mm512_set1_epi32(0x7fffffff), one = _mm512_set1_epi32(1);
  __m512 value =
    _mm512_i32gather_ps(_mm512_add_epi32(offset, _mm512_and_si512(feature, place)), x, 4);
  __mmask16 right = _mm512_cmp_ps_mask(value, threshold, _CMP_GE_OQ);

  right |= _mm512_mask_cmp_ps_mask(_mm512_movepi32_mask(feature), value, value, _CMP_UNORD_Q);
  return _mm512_mask_add_epi32(left, right, left, one);
}

/* Entries of a table of 16, 32 or 64; the last bits of `at` say which. */
static SIMD_INLINE __m512i
pick_words(const uint32_t *table, uint32_t level, __m512i at)
{
  if (level < 4)
    return _mm512_permutexvar_epi32(at, _mm512_load_si512(table));
  if (level == 4)
    return _mm512_permutexvar_epi32(at, _mm512_load_si512(table + 16));
  return _mm512_permutex2var_epi32(_mm512_load_si512(table + 32), at,
                                   _mm512_load_si512(table + 48));
}

static SIMD_INLINE __m512
pick_leaf(const float *table, __m512i at)
{
  __mmask16 upper = _mm512_test_epi32_mask(at, _mm512_set1_epi32(32));
  __m512 low = _mm512_permutex2var_ps(_mm512_load_ps(table), at, _mm512_load_ps(table + 16));
  __m512 high = _mm512_permutex2var_ps(_mm512_load_ps(table + 32), at, _mm512_load_ps(table + 48));
  return _mm512_mask_blend_ps(upper, low, high);
}

static SIMD_INLINE void
walk_top(const struct trees_top *top, uint32_t levels, const struct rows *rows, __m512i at[BLOCKS])
{
  for (int b = 0; b < BLOCKS; b++)
    at[b] = _mm512_set1_epi32(1);
#pragma GCC unroll 6
  for (uint32_t level = 0; level < levels; level++)
#pragma GCC unroll 2
    for (int b = 0; b < BLOCKS; b++)
    {
      __m512 threshold = _mm512_castsi512_ps(
        pick_words((const uint32_t *) (const void *) top->threshold, level, at[b]));
      __m512i feature = pick_words(top->feature, level, at[b]);
      at[b] = turn(rows->x, rows->offset[b], threshold, feature, _mm512_slli_epi32(at[b], 1));
    }
  for (int b = 0; b < BLOCKS; b++)
    at[b] = _mm512_sub_epi32(at[b], _mm512_set1_epi32(1 << levels));
}

static SIMD_INLINE void
add_top(const struct trees_top *top, uint32_t levels, const struct rows *rows, __m512 sum[BLOCKS])
{
  __m512i at[BLOCKS];

  walk_top(top, levels, rows, at);
  for (int b = 0; b < BLOCKS; b++)
    sum[b] =
      _mm512_add_ps(sum[b], levels <= 4 ? _mm512_permutexvar_ps(at[b], _mm512_load_ps(top->leaf))
                                        : pick_leaf(top->leaf, at[b]));
}

/* A tree that is deeper than its top. */
static void
add_deep(const struct trees_flat *flat, size_t t, const struct rows *rows, __m512 sum[BLOCKS])
{
  const struct trees_top *top = &flat->tops[t];
  const float *steps = (const float *) (const void *) flat->steps;
  __m512i at[BLOCKS];

  walk_top(top, TREES_TOP_LEVELS, rows, at);
  for (int b = 0; b < BLOCKS; b++)
    at[b] = _mm512_i32gather_epi32(at[b], top->exit, 4);
  for (uint32_t level = TREES_TOP_LEVELS; level < flat->depth[t]; level++)
    for (int b = 0; b < BLOCKS; b++)
    {
      __m512i word = _mm512_slli_epi32(at[b], 2);
      __m512 threshold = _mm512_i32gather_ps(word, steps, 4);
      __m512i feature = _mm512_i32gather_epi32(word, steps + 1, 4);
      __m512i left = _mm512_i32gather_epi32(word, steps + 2, 4);
      at[b] = turn(rows->x, rows->offset[b], threshold, feature, left);
    }
  for (int b = 0; b < BLOCKS; b++)
    sum[b] = _mm512_add_ps(sum[b], _mm512_i32gather_ps(_mm512_slli_epi32(at[b], 2), steps + 3, 4));
}

static void
add_tree(const struct trees_flat *flat, size_t t, const struct rows *rows, __m512 sum[BLOCKS])
{
  const struct trees_top *top = &flat->tops[t];

  switch (flat->depth[t])
  {
  case 0:
    add_top(top, 0, rows, sum);
    break;
  case 1:
    add_top(top, 1, rows, sum);
    break;
  case 2:
    add_top(top, 2, rows, sum);
    break;
  case 3:
    add_top(top, 3, rows, sum);
    break;
  case 4:
    add_top(top, 4, rows, sum);
    break;
  case 5:
    add_top(top, 5, rows, sum);
    break;
  case 6:
    add_top(top, 6, rows, sum);
    break;
  default:
    add_deep(flat, t, rows, sum);
  }
}

/* Up to BLOCKS · LANES rows; places that are left over repeat the last row, and are not kept. */
static void
walk_block(const struct trees *trees, const float *x, size_t n, float *margins)
{
  const struct trees_flat *flat = trees->flat;
  size_t groups = trees->groups;
  struct rows rows = {.x = x};
  __m512 sum[BLOCKS];
  int32_t offset[BLOCKS * LANES];
  float kept[BLOCKS * LANES];

  for (size_t i = 0; i < BLOCKS * LANES; i++)
    offset[i] = (int32_t) ((i < n ? i : n - 1) * trees->inputs);
  for (int b = 0; b < BLOCKS; b++)
    rows.offset[b] = _mm512_loadu_si512(offset + b * LANES);
  for (size_t g = 0; g < groups; g++)
  {
    for (int b = 0; b < BLOCKS; b++)
      sum[b] = _mm512_set1_ps(trees->base);
    for (size_t t = flat->group_first[g]; t < flat->group_first[g + 1]; t++)
      add_tree(flat, t, &rows, sum);
    for (int b = 0; b < BLOCKS; b++)
      _mm512_storeu_ps(kept + b * LANES, sum[b]);
    for (size_t i = 0; i < n; i++)
      margins[i * groups + g] = kept[i];
  }
}

void
trees_walk_wide(const struct trees *trees, const float *x, size_t n, float *margins)
{
  for (size_t first = 0; first < n; first += BLOCKS * LANES)
    walk_block(trees, x + first * trees->inputs,
               n - first < BLOCKS * LANES ? n - first : BLOCKS * LANES,
               margins + first * trees->groups);
}

SIMD_END

bool
trees_walk_wide_here(void)
{
  return SIMD_HAS_AVX512;
}

#else

bool
trees_walk_wide_here(void)
{
  return false;
}

void
trees_walk_wide(const struct trees *trees, const float *x, size_t n, float *margins)
{
  trees_walk_any(trees, x, n, margins);
}

#endif
