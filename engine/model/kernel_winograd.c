#include <config.h>

#include "model/kernel_winograd.h"

#include "base/simd.h"

size_t
winograd_tile_count(size_t height, size_t width)
{
  return ((height + WINOGRAD_TILE - 1) / WINOGRAD_TILE)
         * ((width + WINOGRAD_TILE - 1) / WINOGRAD_TILE);
}

const struct winograd *
winograd_here(void)
{
#ifdef __x86_64__
  if (SIMD_HAS_AVX512)
    return &winograd_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return &winograd_avx2;
#endif
  return NULL;
}
