#include <config.h>

#include "base/sha256.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#define BLOCK ((size_t) 64)

static const uint32_t first_state[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                        0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};

static const uint32_t constants[64] __attribute__((aligned(16))) = {
  0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u,
  0xab1c5ed5u, 0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu,
  0x9bdc06a7u, 0xc19bf174u, 0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu,
  0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau, 0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u,
  0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u, 0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu,
  0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u, 0xa2bfe8a1u, 0xa81a664bu,
  0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u, 0x19a4c116u,
  0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
  0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u,
  0xc67178f2u};

/* ---- without the instructions ---------------------------------------------------------------------- */

static uint32_t
rotate(uint32_t value, unsigned by)
{
  return value >> by | value << (32 - by);
}

static void
fill_schedule(const uint8_t *bytes, uint32_t w[64])
{
  for (size_t t = 0; t < 16; t++, bytes += 4)
    w[t] =
      (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8 | bytes[3];
  for (size_t t = 16; t < 64; t++)
  {
    uint32_t a = w[t - 15], b = w[t - 2];
    w[t] = w[t - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[t - 7]
           + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
  }
}

static void
blocks_portable(uint32_t state[8], const uint8_t *bytes, size_t count)
{
  for (; count > 0; count--, bytes += BLOCK)
  {
    uint32_t w[64], s[8];
    fill_schedule(bytes, w);
    memcpy(s, state, sizeof s);
    for (size_t t = 0; t < 64; t++)
    {
      uint32_t one = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25))
                     + ((s[4] & s[5]) ^ (~s[4] & s[6])) + constants[t] + w[t];
      uint32_t two = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22))
                     + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
      memmove(s + 1, s, 7 * sizeof *s);
      s[4] += one;
      s[0] = one + two;
    }
    for (size_t i = 0; i < 8; i++)
      state[i] += s[i];
  }
}

/* ---- with them ------------------------------------------------------------------------------------- */

#if defined(__x86_64__)

/* The instructions want the state as the words F E B A and H G D C, from the lowest on. Four rounds take four
 * words of the schedule, which are made from the sixteen before them. */
__attribute__((target("sha,sse4.1"))) static void
blocks_x86(uint32_t state[8], const uint8_t *bytes, size_t count)
{
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i dcba = _mm_loadu_si128((const __m128i *) (const void *) state);
  __m128i hgfe = _mm_loadu_si128((const __m128i *) (const void *) (state + 4));
  dcba = _mm_shuffle_epi32(dcba, 0x1b);
  hgfe = _mm_shuffle_epi32(hgfe, 0x1b);
  __m128i feba = _mm_unpackhi_epi64(hgfe, dcba), hgdc = _mm_unpacklo_epi64(hgfe, dcba);
  for (; count > 0; count--, bytes += BLOCK)
  {
    const __m128i feba_before = feba, hgdc_before = hgdc;
    __m128i w[4];
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++)
    {
      if (i < 4)
      {
        w[i] = _mm_loadu_si128((const __m128i *) (const void *) (bytes + 16 * i));
        w[i] = _mm_shuffle_epi8(w[i], big_endian);
      }
      else
      {
        const __m128i last = w[(i + 3) % 4];
        __m128i next = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(last, w[(i + 2) % 4], 4));
        w[i % 4] = _mm_sha256msg2_epu32(next, last);
      }
      const __m128i *four = (const __m128i *) (const void *) (constants + 4 * i);
      __m128i sum = _mm_add_epi32(w[i % 4], _mm_load_si128(four));
      hgdc = _mm_sha256rnds2_epu32(hgdc, feba, sum);
      feba = _mm_sha256rnds2_epu32(feba, hgdc, _mm_shuffle_epi32(sum, 0x0e));
    }
    feba = _mm_add_epi32(feba, feba_before);
    hgdc = _mm_add_epi32(hgdc, hgdc_before);
  }
  dcba = _mm_shuffle_epi32(_mm_unpackhi_epi64(hgdc, feba), 0x1b);
  hgfe = _mm_shuffle_epi32(_mm_unpacklo_epi64(hgdc, feba), 0x1b);
  _mm_storeu_si128((__m128i *) (void *) state, dcba);
  _mm_storeu_si128((__m128i *) (void *) (state + 4), hgfe);
}

static int
has_instructions(void)
{
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1))
    return 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

#endif

/* ---- both ------------------------------------------------------------------------------------------ */

void
sha256_init_portable(struct sha256 *sha)
{
  memset(sha, 0, sizeof *sha);
  memcpy(sha->state, first_state, sizeof first_state);
  sha->blocks = blocks_portable;
}

void
sha256_init(struct sha256 *sha)
{
  sha256_init_portable(sha);
#if defined(__x86_64__)
  if (has_instructions())
    sha->blocks = blocks_x86;
#endif
}

void
sha256_update(struct sha256 *sha, const void *bytes, size_t length)
{
  const uint8_t *at = bytes;
  size_t held = (size_t) (sha->length % BLOCK);
  if (length == 0)
    return;
  sha->length += length;
  if (held > 0)
  {
    size_t part = BLOCK - held < length ? BLOCK - held : length;
    memcpy(sha->buffer + held, at, part);
    at += part;
    length -= part;
    if (held + part < BLOCK)
      return;
    sha->blocks(sha->state, sha->buffer, 1);
  }
  sha->blocks(sha->state, at, length / BLOCK);
  memcpy(sha->buffer, at + length / BLOCK * BLOCK, length % BLOCK);
}

void
sha256_final(struct sha256 *sha, uint8_t digest[SHA256_BYTES])
{
  static const uint8_t padding[BLOCK] = {0x80};
  uint64_t bits = sha->length * 8;
  size_t held = (size_t) (sha->length % BLOCK);
  uint8_t end[8];
  for (size_t i = 0; i < sizeof end; i++)
    end[i] = (uint8_t) (bits >> (56 - 8 * i));
  sha256_update(sha, padding, held < 56 ? 56 - held : BLOCK + 56 - held);
  sha256_update(sha, end, sizeof end);
  for (size_t i = 0; i < SHA256_BYTES; i++)
    digest[i] = (uint8_t) (sha->state[i / 4] >> (24 - 8 * (i % 4)));
}
