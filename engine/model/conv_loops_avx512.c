#include <config.h>

#include "model/conv_loops.h"

#ifdef __x86_64__

#include <immintrin.h>

/* Everything below is compiled for AVX-512, and only run where it is there. */
#ifdef __clang__
#pragma clang attribute push(                                                                      \
  __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
#endif

#define CONV_LANES_AVX512
#define CONV_DEFINE(name, params, args)                                                            \
  static void name params                                                                          \
  {                                                                                                \
    name##_body args;                                                                              \
  }
#define CONV_TABLE static const struct conv_loops table

#include "model/conv_loops_body.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

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
