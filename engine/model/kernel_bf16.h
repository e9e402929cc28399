/* bf16: the upper half of an fp32. Private to engine/model. */
#ifndef ATTUNE_MODEL_KERNEL_BF16_H
#define ATTUNE_MODEL_KERNEL_BF16_H

#include <stdint.h>
#include <string.h>

#include "base/simd.h"

static SIMD_INLINE float
bf16_widen(uint16_t half)
{
  uint32_t bits = (uint32_t) half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* To the nearest, ties to even; what lies beyond the largest bf16 becomes infinite. A NaN keeps its sign and
 * upper bits with the quiet bit set: rounding could carry it over to infinity or, past that, to zero. */
static SIMD_INLINE uint16_t
bf16_narrow(float value)
{
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
  uint32_t nan = bits >> 16 | 0x40u;
  return (uint16_t) ((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
}

#endif
