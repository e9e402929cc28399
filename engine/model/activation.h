/* Activations and their slopes, one number at a time, for loops that the compiler makes vector code of.
 * Pure; no branches and no calls.
 */
#ifndef ATTUNE_MODEL_ACTIVATION_H
#define ATTUNE_MODEL_ACTIVATION_H

#include "base/simd.h"

static SIMD_INLINE float
act_relu(float z)
{
  return z > 0.0f ? z : 0.0f;
}

static SIMD_INLINE float
act_relu_slope(float z)
{
  return z > 0.0f ? 1.0f : 0.0f;
}

static SIMD_INLINE float
act_tanh(float z)
{
  return 1.0f - 2.0f / (simd_exp(2.0f * z) + 1.0f);
}

#define ACT_GELU_SCALE 0.7978845608f
#define ACT_GELU_CUBE 0.044715f

static SIMD_INLINE float
act_gelu(float z)
{
  return 0.5f * z * (1.0f + act_tanh(ACT_GELU_SCALE * (z + ACT_GELU_CUBE * z * z * z)));
}

static SIMD_INLINE float
act_gelu_slope(float z)
{
  float t = act_tanh(ACT_GELU_SCALE * (z + ACT_GELU_CUBE * z * z * z));
  float inner = ACT_GELU_SCALE * (1.0f + 3.0f * ACT_GELU_CUBE * z * z);
  return 0.5f * (1.0f + t) + 0.5f * z * (1.0f - t * t) * inner;
}

static SIMD_INLINE float
act_silu(float z)
{
  return z / (1.0f + simd_exp(-z));
}

static SIMD_INLINE float
act_silu_slope(float z)
{
  float s = 1.0f / (1.0f + simd_exp(-z));
  return s * (1.0f + z * (1.0f - s));
}

#endif
