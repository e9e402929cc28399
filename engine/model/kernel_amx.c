#include <config.h>

#include "model/kernel_amx.h"

#include "base/simd.h"

#if defined __x86_64__ && defined __linux__

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

/* asm/prctl.h of Linux 5.16, and the number of the tiles' part of the processor's state */
#define ASK_FOR_STATE 0x1023
#define TILE_DATA 18

bool
kernel_amx_ready(void)
{
  const unsigned tiles = 1u << 24, bf16 = 1u << 22;
  unsigned a = 0, b = 0, c = 0, d = 0;

  if (!SIMD_HAS_AVX512 || !__builtin_cpu_supports("avx512bf16")
      || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & tiles) || !(d & bf16))
    return false;
  return syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) == 0;
}

SIMD_BEGIN(SIMD_AMX)

/* gcc's intrinsics for tiles do not say which memory they read. */
#define WRITTEN() __asm__ volatile("" : : : "memory")

/* Tiles 0 to 3 are sums, 4 and 5 of the left matrix, 6 and 7 of the woven one. */
#define TILES 8
#define FIRST_WOVEN 6

void
kernel_amx_begin(size_t rows)
{
  struct
  {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } setup = {.palette = 1};

  for (size_t i = 0; i < TILES; i++)
  {
    setup.row_bytes[i] = 64;
    setup.rows[i] = (uint8_t) (i < FIRST_WOVEN ? rows : KERNEL_AMX_SIDE);
  }
  __asm__ volatile("" : : "r"(&setup) : "memory");
  _tile_loadconfig(&setup);
}

void
kernel_amx_end(void)
{
  _tile_release();
}

/* ---- products ---------------------------------------------------------------------------------------- */

#define BYTES(count) ((long) ((count) * sizeof(uint16_t)))
#define FLOAT_BYTES(count) ((long) ((count) * sizeof(float)))
#define WOVEN_BYTES 64

static SIMD_INLINE size_t
step_at(const struct kernel_amx_rows *rows, size_t step)
{
  size_t at = step * KERNEL_AMX_DEPTH;
  return at < rows->last ? at : rows->last;
}

/* `two` is known when this is compiled, so that each form is a loop without a question. */
static SIMD_INLINE void
multiply_rows(const struct kernel_amx_rows *rows, bool two, float *sums)
{
  const uint16_t *woven = rows->woven, *second = rows->woven + rows->woven_stride;
  size_t below = KERNEL_AMX_SIDE * rows->row_stride;
  long stride = BYTES(rows->row_stride), sum_stride = FLOAT_BYTES(rows->sum_stride);

  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (size_t line = 0; line < rows->lines; line++)
    for (size_t step = 0; step < rows->steps; step++)
    {
      const uint16_t *left = rows->left + line * rows->line_stride + step_at(rows, step);
      _tile_loadd(6, woven, WOVEN_BYTES);
      _tile_loadd(4, left, stride);
      _tile_dpbf16ps(0, 4, 6);
      if (two)
      {
        _tile_loadd(7, second, WOVEN_BYTES);
        _tile_dpbf16ps(1, 4, 7);
      }
      _tile_loadd(5, left + below, stride);
      _tile_dpbf16ps(2, 5, 6);
      if (two)
        _tile_dpbf16ps(3, 5, 7);
      woven += KERNEL_AMX_TILE;
      second += KERNEL_AMX_TILE;
    }
  _tile_stored(0, sums, sum_stride);
  _tile_stored(2, sums + 16 * rows->sum_stride, sum_stride);
  if (two)
  {
    _tile_stored(1, sums + 16, sum_stride);
    _tile_stored(3, sums + 16 * rows->sum_stride + 16, sum_stride);
  }
}

void
kernel_amx_multiply_rows(const struct kernel_amx_rows *rows, bool two, float *sums)
{
  WRITTEN();
  if (two)
    multiply_rows(rows, true, sums);
  else
    multiply_rows(rows, false, sums);
}

#define SUM_BEGIN(tile, there)                                                                     \
  if ((there) && blocks->add)                                                                      \
    _tile_loadd(tile, blocks->sums[tile], sum_stride);                                             \
  else                                                                                             \
    _tile_zero(tile)
#define SUM_END(tile, there)                                                                       \
  if (there)                                                                                       \
  _tile_stored(tile, blocks->sums[tile], sum_stride)

/* The same: with a second woven matrix, with a second left one. */
static SIMD_INLINE void
multiply_blocks(const struct kernel_amx_blocks *blocks, bool right, bool below)
{
  long stride = BYTES(blocks->left_stride), sum_stride = FLOAT_BYTES(blocks->sum_stride);

  SUM_BEGIN(0, true);
  SUM_BEGIN(1, right);
  SUM_BEGIN(2, below);
  SUM_BEGIN(3, right && below);
  for (size_t step = 0; step < blocks->steps; step++)
  {
    _tile_loadd(4, blocks->left[0] + step * KERNEL_AMX_DEPTH, stride);
    _tile_loadd(6, blocks->woven[0] + step * KERNEL_AMX_TILE, WOVEN_BYTES);
    _tile_dpbf16ps(0, 4, 6);
    if (right)
    {
      _tile_loadd(7, blocks->woven[1] + step * KERNEL_AMX_TILE, WOVEN_BYTES);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (below)
    {
      _tile_loadd(5, blocks->left[1] + step * KERNEL_AMX_DEPTH, stride);
      _tile_dpbf16ps(2, 5, 6);
    }
    if (right && below)
      _tile_dpbf16ps(3, 5, 7);
  }
  SUM_END(0, true);
  SUM_END(1, right);
  SUM_END(2, below);
  SUM_END(3, right && below);
}

void
kernel_amx_multiply_blocks(const struct kernel_amx_blocks *blocks)
{
  WRITTEN();
  if (blocks->sums[3])
    multiply_blocks(blocks, true, true);
  else if (blocks->sums[2])
    multiply_blocks(blocks, false, true);
  else if (blocks->sums[1])
    multiply_blocks(blocks, true, false);
  else
    multiply_blocks(blocks, false, false);
}

/* ---- forms of memory --------------------------------------------------------------------------------- */

/* Number by number of two lines of 16. */
static SIMD_INLINE __m512i
weave(__m256i low, __m256i high)
{
  return _mm512_or_si512(_mm512_cvtepu16_epi32(low),
                         _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
}

static SIMD_INLINE __m256i
load_line(const uint16_t *from)
{
  return _mm256_loadu_si256((const __m256i *) from);
}

static SIMD_INLINE __m256i
narrow_line(const float *from)
{
  return (__m256i) _mm512_cvtneps_pbh(_mm512_loadu_ps(from));
}

/* Sixteen lines of sixteen pairs, turned: pairs within quarters of a line first, then the quarters. */
SIMD_OPTIMIZE static SIMD_INLINE void
turn_pairs(__m512i v[16])
{
  __m512i t[16];

  for (size_t i = 0; i < 16; i += 2)
  {
    t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
  }
  for (size_t i = 0; i < 16; i += 4)
  {
    v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (size_t i = 0; i < 4; i++)
  {
    t[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
  }
  for (size_t i = 0; i < 4; i++)
  {
    v[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    v[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    v[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    v[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

void
kernel_amx_weave(size_t rows, const uint16_t *from, size_t stride, uint16_t *to)
{
  for (size_t row = 0; row < rows; row += 2)
    _mm512_storeu_si512(to + row * KERNEL_AMX_SIDE, weave(load_line(from + row * stride),
                                                          load_line(from + (row + 1) * stride)));
}

SIMD_OPTIMIZE void
kernel_amx_turn(const uint16_t *from, size_t stride, uint16_t *to, size_t to_stride)
{
  __m512i v[16];

  for (size_t i = 0; i < 16; i++)
    v[i] = weave(load_line(from + 2 * i * stride), load_line(from + (2 * i + 1) * stride));
  turn_pairs(v);
  for (size_t i = 0; i < 16; i++)
    _mm512_storeu_si512(to + i * to_stride, v[i]);
}

void
kernel_amx_weave_floats(size_t rows, const float *from, size_t stride, uint16_t *to)
{
  __m256i zero = _mm256_setzero_si256();

  for (size_t row = 0; row < KERNEL_AMX_DEPTH; row += 2)
    _mm512_storeu_si512(to + row * KERNEL_AMX_SIDE,
                        weave(row < rows ? narrow_line(from + row * stride) : zero,
                              row + 1 < rows ? narrow_line(from + (row + 1) * stride) : zero));
}

SIMD_OPTIMIZE void
kernel_amx_weave_turned(const float *const halves[2], size_t stride, uint16_t *to)
{
  __m512i v[16];

  for (size_t i = 0; i < 16; i++)
  {
    __m256i low = halves[0] ? narrow_line(halves[0] + i * stride) : _mm256_setzero_si256();
    __m256i high = halves[1] ? narrow_line(halves[1] + i * stride) : _mm256_setzero_si256();
    v[i] = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }
  turn_pairs(v);
  for (size_t i = 0; i < 16; i++)
    _mm512_storeu_si512(to + i * KERNEL_AMX_DEPTH, v[i]);
}

SIMD_OPTIMIZE void
kernel_amx_weave_turned_narrow(const uint16_t *from, size_t stride, size_t skipped, uint16_t *to)
{
  __mmask16 taken = (__mmask16) (0xffffu << skipped / 2);
  __m512i v[16];

  for (size_t i = 0; i < 16; i++)
    v[i] = _mm512_maskz_loadu_epi32(taken, from + i * stride);
  turn_pairs(v);
  for (size_t i = 0; i < 16; i++)
    _mm512_storeu_si512(to + i * KERNEL_AMX_DEPTH, v[i]);
}

static SIMD_INLINE __m512
sums_at(const float *sums, const float *bias)
{
  __m512 value = _mm512_loadu_ps(sums);
  return bias ? _mm512_add_ps(value, _mm512_loadu_ps(bias)) : value;
}

void
kernel_amx_narrow(const float *sums, const float *bias, uint16_t *to)
{
  __m512 low = sums_at(sums, bias), high = sums_at(sums + 16, bias ? bias + 16 : NULL);
  _mm512_storeu_si512(to, (__m512i) _mm512_cvtne2ps_pbh(high, low));
}

void
kernel_amx_narrow_half(const float *sums, const float *bias, uint16_t *to)
{
  _mm256_storeu_si256((__m256i *) to, (__m256i) _mm512_cvtneps_pbh(sums_at(sums, bias)));
}

SIMD_END

#else

bool
kernel_amx_ready(void)
{
  return false;
}

#endif
