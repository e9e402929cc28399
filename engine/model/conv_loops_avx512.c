#include <config.h>

#include "model/conv_loops.h"

#include "base/simd.h"

#ifdef __x86_64__

#include <immintrin.h>

SIMD_BEGIN(SIMD_AVX512)

#define CONV_LANES_AVX512
#define CONV_DEFINE(name, params, args)                                                            \
  static void name params                                                                          \
  {                                                                                                \
    name##_body args;                                                                              \
  }
#define CONV_TABLE static const struct conv_loops table

#include "model/conv_loops_body.h"

SIMD_END

const struct conv_loops *
conv_loops_avx512(void)
{
  return SIMD_HAS_AVX512 ? &table : NULL;
}

#else

const struct conv_loops *
conv_loops_avx512(void)
{
  return NULL;
}

#endif
