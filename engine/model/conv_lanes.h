/* Several numbers at a time, read and written in either precision: what the loops of conv_loops_*.c are made of,
 * since compilers do not make vector code of such loops reliably. Eight in the compiler's own vectors or, where
 * CONV_LANES_AVX512 is defined, sixteen in those of AVX-512. Private to engine/model.
 */
#ifndef ATTUNE_MODEL_CONV_LANES_H
#define ATTUNE_MODEL_CONV_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/simd.h"

/* The functions below are always inlined, so how vectors are passed does not matter. */
#ifdef __GNUC__ /* clang as well */
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#ifdef CONV_LANES_AVX512
#define LANES 16u
#else
#define LANES 8u
#endif

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t lanes_int __attribute__((vector_size(4 * LANES)));
typedef uint32_t lanes_bits __attribute__((vector_size(4 * LANES)));
typedef uint16_t lanes_half __attribute__((vector_size(2 * LANES)));
typedef uint8_t lanes_byte __attribute__((vector_size(LANES)));

static SIMD_INLINE lanes
lanes_all(float value)
{
  return value - (lanes){0};
}

static SIMD_INLINE size_t
lanes_left(size_t channels, size_t at)
{
  return channels - at < LANES ? channels - at : LANES;
}

#ifdef CONV_LANES_AVX512

static SIMD_INLINE __mmask16
lanes_mask(size_t count)
{
  return (__mmask16) ((1u << count) - 1u);
}

static SIMD_INLINE lanes
lanes_load(const float *x, size_t count)
{
  return (lanes) _mm512_maskz_loadu_ps(lanes_mask(count), x);
}

static SIMD_INLINE void
lanes_store(float *x, size_t count, lanes v)
{
  _mm512_mask_storeu_ps(x, lanes_mask(count), (__m512) v);
}

static SIMD_INLINE lanes
lanes_get(const void *x, size_t at, size_t count, bool half)
{
  if (!half)
    return lanes_load((const float *) x + at, count);
  __m256i h = _mm256_maskz_loadu_epi16(lanes_mask(count), (const uint16_t *) x + at);
  return (lanes) _mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16);
}

static SIMD_INLINE void
lanes_put(void *x, size_t at, size_t count, lanes v, bool half)
{
  if (!half)
  {
    lanes_store((float *) x + at, count, v);
    return;
  }
  lanes_bits bits = (lanes_bits) v;
  bits = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
  _mm256_mask_storeu_epi16((uint16_t *) x + at, lanes_mask(count),
                           _mm512_cvtepi32_epi16((__m512i) bits));
}

static SIMD_INLINE lanes
lanes_choose(lanes_int mask, lanes a, lanes b)
{
  return (lanes) _mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i) mask), (__m512) b, (__m512) a);
}

static SIMD_INLINE lanes
lanes_clamp(lanes x, float most)
{
  __m512 above = _mm512_max_ps(_mm512_set1_ps(-most), (__m512) x);
  return (lanes) _mm512_min_ps(_mm512_set1_ps(most), above);
}

static SIMD_INLINE lanes
lanes_relu(lanes z)
{
  return (lanes) _mm512_max_ps((__m512) z, _mm512_setzero_ps());
}

static SIMD_INLINE void
lanes_put_bytes(uint8_t *to, size_t count, lanes_int v)
{
  _mm_mask_storeu_epi8(to, lanes_mask(count), _mm512_cvtepi32_epi8((__m512i) v));
}

static SIMD_INLINE lanes_int
lanes_get_bytes(const uint8_t *from, size_t count)
{
  return (lanes_int) _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes_mask(count), from));
}

static SIMD_INLINE lanes_int
lanes_get_ints(const uint32_t *from, size_t count)
{
  return (lanes_int) _mm512_maskz_loadu_epi32(lanes_mask(count), from);
}

static SIMD_INLINE void
lanes_put_ints(uint32_t *to, size_t count, lanes_int v)
{
  _mm512_mask_storeu_epi32(to, lanes_mask(count), (__m512i) v);
}

#else

/* The first `count` ≤ LANES of a float array, the others 0. */
static SIMD_INLINE lanes
lanes_load(const float *x, size_t count)
{
  lanes v = {0};
  if (count == LANES)
    memcpy(&v, x, sizeof v);
  else
    memcpy(&v, x, count * sizeof *x);
  return v;
}

static SIMD_INLINE void
lanes_store(float *x, size_t count, lanes v)
{
  if (count == LANES)
    memcpy(x, &v, sizeof v);
  else
    memcpy(x, &v, count * sizeof *x);
}

/* The same from number `at` on, in fp32 or bf16. */
static SIMD_INLINE lanes
lanes_get(const void *x, size_t at, size_t count, bool half)
{
  if (!half)
    return lanes_load((const float *) x + at, count);
  lanes_half h = {0};
  if (count == LANES)
    memcpy(&h, (const uint16_t *) x + at, sizeof h);
  else
    memcpy(&h, (const uint16_t *) x + at, count * sizeof(uint16_t));
  lanes_bits bits = __builtin_convertvector(h, lanes_bits) << 16;
  return (lanes) bits;
}

/* bf16 by rounding to the nearest, ties to even; not for NaN, which no map holds. */
static SIMD_INLINE void
lanes_put(void *x, size_t at, size_t count, lanes v, bool half)
{
  if (!half)
  {
    lanes_store((float *) x + at, count, v);
    return;
  }
  lanes_bits bits = (lanes_bits) v;
  bits = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
  lanes_half h = __builtin_convertvector(bits, lanes_half);
  if (count == LANES)
    memcpy((uint16_t *) x + at, &h, sizeof h);
  else
    memcpy((uint16_t *) x + at, &h, count * sizeof(uint16_t));
}

/* a where the mask is set, b elsewhere. */
static SIMD_INLINE lanes
lanes_choose(lanes_int mask, lanes a, lanes b)
{
  return (lanes) (((lanes_int) a & mask) | ((lanes_int) b & ~mask));
}

/* x, or ±most where it lies beyond; a NaN stays one. */
static SIMD_INLINE lanes
lanes_clamp(lanes x, float most)
{
  x = lanes_choose(x < -most, lanes_all(-most), x);
  return lanes_choose(x > most, lanes_all(most), x);
}

static SIMD_INLINE lanes
lanes_relu(lanes z)
{
  return (lanes) ((lanes_int) z & (z > 0.0f));
}

/* Whole numbers of other widths, `count` of them. */
static SIMD_INLINE void
lanes_put_bytes(uint8_t *to, size_t count, lanes_int v)
{
  lanes_byte bytes = __builtin_convertvector(v, lanes_byte);
  memcpy(to, &bytes, count);
}

static SIMD_INLINE lanes_int
lanes_get_bytes(const uint8_t *from, size_t count)
{
  lanes_byte bytes = {0};
  memcpy(&bytes, from, count);
  return __builtin_convertvector(bytes, lanes_int);
}

static SIMD_INLINE lanes_int
lanes_get_ints(const uint32_t *from, size_t count)
{
  lanes_int ints = {0};
  memcpy(&ints, from, count * sizeof *from);
  return ints;
}

static SIMD_INLINE void
lanes_put_ints(uint32_t *to, size_t count, lanes_int v)
{
  memcpy(to, &v, count * sizeof *to);
}

#endif

/* As simd_exp (base/simd.h). */
static SIMD_INLINE lanes
lanes_exp(lanes x)
{
  const float round_magic = 12582912.0f;
  x = lanes_clamp(x, 87.0f);
  lanes shifted = x * 1.44269504f + round_magic;
  lanes whole = shifted - round_magic;
  lanes r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  lanes p = r * (1.0f / 720.0f) + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  lanes_bits scale = ((lanes_bits) shifted + 127u) << 23;
  return p * (lanes) scale;
}

/* ---- activations and their slopes --------------------------------------------------------------------- */

static SIMD_INLINE lanes
lanes_relu_slope(lanes z)
{
  return (lanes) ((lanes_int) lanes_all(1.0f) & (z > 0.0f));
}

static SIMD_INLINE lanes
lanes_tanh(lanes z)
{
  return 1.0f - 2.0f / (lanes_exp(2.0f * z) + 1.0f);
}

#define LANES_GELU_SCALE 0.7978845608f
#define LANES_GELU_CUBE 0.044715f

static SIMD_INLINE lanes
lanes_gelu(lanes z)
{
  return 0.5f * z * (1.0f + lanes_tanh(LANES_GELU_SCALE * (z + LANES_GELU_CUBE * z * z * z)));
}

static SIMD_INLINE lanes
lanes_gelu_slope(lanes z)
{
  lanes t = lanes_tanh(LANES_GELU_SCALE * (z + LANES_GELU_CUBE * z * z * z));
  lanes inner = LANES_GELU_SCALE * (1.0f + 3.0f * LANES_GELU_CUBE * z * z);
  return 0.5f * (1.0f + t) + 0.5f * z * (1.0f - t * t) * inner;
}

static SIMD_INLINE lanes
lanes_silu(lanes z)
{
  return z / (1.0f + lanes_exp(-z));
}

static SIMD_INLINE lanes
lanes_silu_slope(lanes z)
{
  lanes s = 1.0f / (1.0f + lanes_exp(-z));
  return s * (1.0f + z * (1.0f - s));
}

#endif
