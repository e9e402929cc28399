/* Random numbers by counting: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). A generator is a key (the seed), a stream and a counter, so equal (seed,
 * stream, position) give equal numbers whatever the thread or the order of calls.
 *
 * `struct rng` is a plain value: copy it to fork it, keep it where you like. Not for secrets.
 */
#ifndef ATTUNE_BASE_RNG_H
#define ATTUNE_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng
{
  uint64_t seed;
  uint64_t stream;
  uint64_t block;  /* number of the next block of four words */
  uint32_t out[4]; /* words of the current block */
  unsigned used;   /* words already given from `out`; 4 = none left */
};

/* Starts at position 0 of `stream` under `seed`. */
void rng_init(struct rng *rng, uint64_t seed, uint64_t stream);

/* Jumps to block `block` (of four 32-bit words) of the stream. */
void rng_seek(struct rng *rng, uint64_t block);

/* Mixes two numbers to one, for stream numbers such as (trial, layer). Not commutative. */
uint64_t rng_mix(uint64_t a, uint64_t b);

/* One raw block: out[0..3] = Philox4x32-10 (counter = {block, stream}, key = seed). */
void rng_block(uint64_t seed, uint64_t stream, uint64_t block, uint32_t out[4]);

uint32_t rng_u32(struct rng *rng);
uint64_t rng_u64(struct rng *rng);

/* Uniform in [0, 1): 53 bits, 24 bits. */
double rng_double(struct rng *rng);
float rng_float(struct rng *rng);

/* Standard normal (Box-Muller; takes two doubles each time, so positions stay predictable). */
double rng_normal(struct rng *rng);

/* Uniform in 0 … bound−1 without bias (Lemire's method); bound ≥ 1. */
uint64_t rng_below(struct rng *rng, uint64_t bound);

/* Fisher-Yates over an index array. */
void rng_shuffle(struct rng *rng, size_t *items, size_t count);

#endif
