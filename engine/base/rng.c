#include <config.h>

#include "base/rng.h"

#include <math.h>

#define PHILOX_M0 UINT32_C(0xD2511F53)
#define PHILOX_M1 UINT32_C(0xCD9E8D57)
#define PHILOX_W0 UINT32_C(0x9E3779B9)
#define PHILOX_W1 UINT32_C(0xBB67AE85)
#define PHILOX_ROUNDS 10

void
rng_block(uint64_t seed, uint64_t stream, uint64_t block, uint32_t out[4])
{
  uint32_t c0 = (uint32_t) block, c1 = (uint32_t) (block >> 32);
  uint32_t c2 = (uint32_t) stream, c3 = (uint32_t) (stream >> 32);
  uint32_t k0 = (uint32_t) seed, k1 = (uint32_t) (seed >> 32);
  for (int round = 0; round < PHILOX_ROUNDS; round++)
  {
    uint64_t p0 = (uint64_t) PHILOX_M0 * c0;
    uint64_t p1 = (uint64_t) PHILOX_M1 * c2;
    c0 = (uint32_t) (p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t) p1;
    c2 = (uint32_t) (p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t) p0;
    k0 += PHILOX_W0;
    k1 += PHILOX_W1;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

void
rng_init(struct rng *rng, uint64_t seed, uint64_t stream)
{
  *rng = (struct rng){.seed = seed, .stream = stream, .used = 4};
}

void
rng_seek(struct rng *rng, uint64_t block)
{
  rng->block = block;
  rng->used = 4;
}

uint64_t
rng_mix(uint64_t a, uint64_t b)
{
  uint32_t out[4];
  rng_block(a, UINT64_C(0x6D69780000000000), b, out); /* a stream of its own, "mix" */
  return (uint64_t) out[1] << 32 | out[0];
}

uint32_t
rng_u32(struct rng *rng)
{
  if (rng->used >= 4)
  {
    rng_block(rng->seed, rng->stream, rng->block, rng->out);
    rng->block++;
    rng->used = 0;
  }
  return rng->out[rng->used++];
}

uint64_t
rng_u64(struct rng *rng)
{
  uint64_t low = rng_u32(rng);
  uint64_t high = rng_u32(rng);
  return high << 32 | low;
}

double
rng_double(struct rng *rng)
{
  return (double) (rng_u64(rng) >> 11) * 0x1p-53;
}

float
rng_float(struct rng *rng)
{
  return (float) (rng_u32(rng) >> 8) * 0x1p-24f;
}

double
rng_normal(struct rng *rng)
{
  /* 1 − u lies in (0, 1], so the logarithm is finite */
  double radius = sqrt(-2.0 * log(1.0 - rng_double(rng)));
  return radius * cos(2.0 * M_PI * rng_double(rng));
}

uint64_t
rng_below(struct rng *rng, uint64_t bound)
{
  __extension__ typedef unsigned __int128 wide;
  if (bound <= 1)
    return 0;
  wide product = (wide) rng_u64(rng) * bound;
  if ((uint64_t) product < bound)
  {
    uint64_t threshold = (0 - bound) % bound;
    while ((uint64_t) product < threshold)
      product = (wide) rng_u64(rng) * bound;
  }
  return (uint64_t) (product >> 64);
}

void
rng_shuffle(struct rng *rng, size_t *items, size_t count)
{
  for (size_t i = count; i > 1; i--)
  {
    size_t j = (size_t) rng_below(rng, i);
    size_t swap = items[i - 1];
    items[i - 1] = items[j];
    items[j] = swap;
  }
}
