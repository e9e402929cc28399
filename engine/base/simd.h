/* Loops over arrays of numbers, compiled three times: for the base instruction set and, on x86-64, for AVX2
 * with fused multiply-add and for AVX-512; the best one is taken when called.
 *
 * Write the loop once as `static SIMD_INLINE void name_body (params)`, then
 * SIMD_DEFINE (linkage, name, (params), (args)) makes `void name (params)` of it; linkage is `static` or
 * empty. Which copy runs depends on the machine only, so equal machines give
 * equal bytes. The build's -fno-trapping-math is what lets compilers turn conditions into vector code.
 */
#ifndef ATTUNE_BASE_SIMD_H
#define ATTUNE_BASE_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define SIMD_INLINE inline __attribute__((always_inline))

#if defined __GNUC__ && !defined __clang__
#define SIMD_OPTIMIZE __attribute__((optimize("O3", "no-trapping-math", "no-math-errno")))
#define SIMD_WIDE ",prefer-vector-width=512"
#else
#define SIMD_OPTIMIZE
#define SIMD_WIDE
#endif

/* Functions between SIMD_BEGIN (an instruction set) and SIMD_END are compiled for it, and are run only where it is
 * there. */
#define SIMD_PRAGMA(text) _Pragma(#text)
#ifdef __clang__
#define SIMD_BEGIN(set)                                                                            \
  SIMD_PRAGMA(clang attribute push(__attribute__((target(set))), apply_to = function))
#define SIMD_END SIMD_PRAGMA(clang attribute pop)
#else
#define SIMD_BEGIN(set) SIMD_PRAGMA(GCC push_options) SIMD_PRAGMA(GCC target(set))
#define SIMD_END SIMD_PRAGMA(GCC pop_options)
#endif

#if defined __x86_64__
#define SIMD_AVX2 "avx2,fma"
#define SIMD_AMX "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16"
#define SIMD_AVX512 "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl" SIMD_WIDE
#define SIMD_HAS_AVX512                                                                            \
  (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")                         \
   && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
#define SIMD_DEFINE(linkage, name, params, args)                                                   \
  __attribute__((target(SIMD_AVX512))) SIMD_OPTIMIZE static void name##_avx512 params              \
  {                                                                                                \
    name##_body args;                                                                              \
  }                                                                                                \
  __attribute__((target(SIMD_AVX2))) SIMD_OPTIMIZE static void name##_avx2 params                  \
  {                                                                                                \
    name##_body args;                                                                              \
  }                                                                                                \
  SIMD_OPTIMIZE static void name##_plain params                                                    \
  {                                                                                                \
    name##_body args;                                                                              \
  }                                                                                                \
  linkage void name params                                                                         \
  {                                                                                                \
    if (SIMD_HAS_AVX512)                                                                           \
      name##_avx512 args;                                                                          \
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                      \
      name##_avx2 args;                                                                            \
    else                                                                                           \
      name##_plain args;                                                                           \
  }
#else
#define SIMD_DEFINE(linkage, name, params, args)                                                   \
  SIMD_OPTIMIZE linkage void name params                                                           \
  {                                                                                                \
    name##_body args;                                                                              \
  }
#endif

/* a where `take` is set, else b: no branch that a compiler could follow and copy code into. */
static SIMD_INLINE float
simd_choose(int take, float a, float b)
{
  uint32_t mask = 0u - (uint32_t) take, a_bits, b_bits;
  memcpy(&a_bits, &a, sizeof a_bits);
  memcpy(&b_bits, &b, sizeof b_bits);
  uint32_t bits = (a_bits & mask) | (b_bits & ~mask);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* exp by 2^n · p(r), |r| ≤ ½ ln 2, p a polynomial of degree 6: relative error below 2e-7; saturates
 * outside ±87. No branch and no call, so loops over it become vector code. */
static SIMD_INLINE float
simd_exp(float x)
{
  const float round_magic = 12582912.0f; /* 1.5 · 2^23: adding it leaves a whole number */
  x = simd_choose(x < -87.0f, -87.0f, x);
  x = simd_choose(x > 87.0f, 87.0f, x);
  float shifted = x * 1.44269504f + round_magic;
  float whole = shifted - round_magic;
  float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  float p = 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127u) << 23; /* the whole number sits in the low mantissa bits */
  float scale;
  memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

#endif
