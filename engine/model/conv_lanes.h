/* Eight numbers at a time, read and written in either precision: what the loops of conv_*.c are made of, since
 * compilers do not make vector code of such loops reliably. Private to engine/model.
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

#define LANES 8u

typedef float lanes __attribute__((vector_size(32)));
typedef int32_t lanes_int __attribute__((vector_size(32)));
typedef uint32_t lanes_bits __attribute__((vector_size(32)));
typedef uint16_t lanes_half __attribute__((vector_size(16)));
typedef uint8_t lanes_byte __attribute__((vector_size(8)));

static SIMD_INLINE lanes
lanes_all(float value)
{
  return (lanes){value, value, value, value, value, value, value, value};
}

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

/* As simd_exp (base/simd.h). */
static SIMD_INLINE lanes
lanes_exp(lanes x)
{
  const float round_magic = 12582912.0f;
  x = lanes_choose(x < -87.0f, lanes_all(-87.0f), x);
  x = lanes_choose(x > 87.0f, lanes_all(87.0f), x);
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
lanes_relu(lanes z)
{
  return (lanes) ((lanes_int) z & (z > 0.0f));
}

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

/* ---- loops in both precisions ------------------------------------------------------------------------- */

/* name_f32 and name_bf16 of name_body, whose last parameter says which. */
#define CONV_TWO_KINDS(name, params, ...)                                                          \
  static SIMD_INLINE void name##_f32_body params                                                   \
  {                                                                                                \
    name##_body(__VA_ARGS__, false);                                                               \
  }                                                                                                \
  static SIMD_INLINE void name##_bf16_body params                                                  \
  {                                                                                                \
    name##_body(__VA_ARGS__, true);                                                                \
  }                                                                                                \
  SIMD_DEFINE(static, name##_f32, params, (__VA_ARGS__))                                           \
  SIMD_DEFINE(static, name##_bf16, params, (__VA_ARGS__))

#endif
