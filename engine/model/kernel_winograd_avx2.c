#include <config.h>

#include "model/kernel_winograd.h"

#ifdef __x86_64__

#include <immintrin.h>

#include "base/simd.h"

SIMD_BEGIN(SIMD_AVX2)

#include "model/lanes_avx2.h"

#define BLOCK_ROWS 6
#define TABLE winograd_avx2
#define TABLE_NAME "winograd:avx2"

#include "model/kernel_winograd_body.h"

SIMD_END

#endif
