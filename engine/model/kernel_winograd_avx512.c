#include <config.h>

#include "model/kernel_winograd.h"

#ifdef __x86_64__

#include <immintrin.h>

#include "base/simd.h"

SIMD_BEGIN(SIMD_AVX512)

#include "model/lanes_avx512.h"

#define BLOCK_ROWS 8
#define TABLE winograd_avx512
#define TABLE_NAME "winograd:avx512"

#include "model/kernel_winograd_body.h"

SIMD_END

#endif
