#include <config.h>

#include "model/kernel.h"
#include "model/kernel_bf16.h"

bool
kernel_bf16_fast(void)
{
#if defined HAVE_ONEDNN && defined __x86_64__
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

static SIMD_INLINE void
kernel_bf16_narrow_body(size_t count, const float *restrict from, uint16_t *restrict to)
{
  for (size_t i = 0; i < count; i++)
    to[i] = bf16_narrow(from[i]);
}

static SIMD_INLINE void
kernel_bf16_widen_body(size_t count, const uint16_t *restrict from, float *restrict to)
{
  for (size_t i = 0; i < count; i++)
    to[i] = bf16_widen(from[i]);
}

SIMD_DEFINE(, kernel_bf16_narrow, (size_t count, const float *from, uint16_t *to),
            (count, from, to))
SIMD_DEFINE(, kernel_bf16_widen, (size_t count, const uint16_t *from, float *to), (count, from, to))
