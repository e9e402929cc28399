/* How the loops of conv_*.c read and write numbers of either precision, and how each loop is made twice.
 * Private to engine/model.
 */
#ifndef ATTUNE_MODEL_CONV_NUMBERS_H
#define ATTUNE_MODEL_CONV_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/simd.h"

static SIMD_INLINE float
conv_get(const void *x, size_t i, bool half)
{
  if (!half)
    return ((const float *) x)[i];
  uint32_t bits = (uint32_t) ((const uint16_t *) x)[i] << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* bf16 by rounding to the nearest, ties to even. */
static SIMD_INLINE void
conv_put(void *x, size_t i, float value, bool half)
{
  if (!half)
  {
    ((float *) x)[i] = value;
    return;
  }
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  ((uint16_t *) x)[i] = (uint16_t) ((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

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
