#include <config.h>

#include "model/conv_direct_internal.h"

#ifdef __x86_64__

#include <immintrin.h>

#include "base/simd.h"

SIMD_BEGIN(SIMD_AVX2)

#include "model/lanes_avx2.h"

#define LONG 6

#include "model/conv_direct_body.h"

static void
pool(const struct conv_direct *conv, const float *above, const float *below, const float *bias,
     float *y)
{
  pool_lines(conv->width / 2, conv->out, above, below, bias, y);
}

SIMD_END

const struct conv_direct_form conv_direct_avx2 = {
  .name = "avx2", .lanes = LANES, .line = make_line, .pool = pool};

#endif
