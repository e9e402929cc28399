#include <config.h>

#include "search/sobol_sequence.h"

#include <stdlib.h>

#include "base/rng.h"
#include "search/sobol_table.h"

#define BITS 32

_Static_assert(SOBOL_DIMENSIONS == SOBOL_ROWS + 1,
               "the table has a row for each dimension but one");

struct sobol_sequence
{
  size_t dims;
  uint64_t seed;
  uint32_t *directions; /* (dims in the table, BITS); bit 31 is the first digit */
  uint32_t *shift;      /* (dims in the table) */
};

static size_t
table_dims(size_t dims)
{
  return dims < SOBOL_DIMENSIONS ? dims : SOBOL_DIMENSIONS;
}

/* The direction numbers of one dimension by the recurrence of its polynomial. */
static void
fill_directions(size_t dim, uint32_t *directions)
{
  if (dim == 0)
  {
    for (unsigned k = 0; k < BITS; k++)
      directions[k] = UINT32_C(1) << (BITS - 1 - k);
    return;
  }
  const struct sobol_row *row = &sobol_rows[dim - 1];
  unsigned degree = row->degree;
  for (unsigned k = 0; k < BITS; k++)
  {
    if (k < degree)
    {
      directions[k] = row->initial[k] << (BITS - 1 - k);
      continue;
    }
    uint32_t v = directions[k - degree] ^ (directions[k - degree] >> degree);
    for (unsigned j = 1; j < degree; j++)
      if ((row->polynomial >> (degree - j)) & 1)
        v ^= directions[k - j];
    directions[k] = v;
  }
}

/* Multiplies one dimension's digits by a random lower-triangular matrix with a unit diagonal: each
 * output digit is a random sum of the digits before it and itself. */
static void
scramble_directions(struct rng *rng, uint32_t *directions)
{
  uint32_t rows[BITS];
  for (unsigned i = 0; i < BITS; i++)
  {
    uint32_t earlier = i == 0 ? 0 : ~UINT32_C(0) << (BITS - i);
    rows[i] = (rng_u32(rng) & earlier) | (UINT32_C(1) << (BITS - 1 - i));
  }
  for (unsigned k = 0; k < BITS; k++)
  {
    uint32_t out = 0;
    for (unsigned i = 0; i < BITS; i++)
      out |= (uint32_t) __builtin_parity(rows[i] & directions[k]) << (BITS - 1 - i);
    directions[k] = out;
  }
}

static enum err
sequence_new(size_t dims, struct sobol_sequence **sequence)
{
  struct sobol_sequence *s = calloc(1, sizeof *s);
  if (!s)
    return ERR_MEMORY;
  size_t in_table = table_dims(dims);
  s->dims = dims;
  s->directions = calloc(in_table + 1, BITS * sizeof *s->directions);
  s->shift = calloc(in_table + 1, sizeof *s->shift);
  if (!s->directions || !s->shift)
  {
    sobol_sequence_free(s);
    return ERR_MEMORY;
  }
  for (size_t dim = 0; dim < in_table; dim++)
    fill_directions(dim, s->directions + dim * BITS);
  *sequence = s;
  return ERR_OK;
}

enum err
sobol_sequence_new(size_t dims, uint64_t seed, struct sobol_sequence **sequence)
{
  enum err err = sequence_new(dims, sequence);
  if (err)
    return err;
  struct sobol_sequence *s = *sequence;
  s->seed = seed;
  for (size_t dim = 0; dim < table_dims(dims); dim++)
  {
    struct rng rng;
    rng_init(&rng, seed, rng_mix(1, dim));
    scramble_directions(&rng, s->directions + dim * BITS);
    s->shift[dim] = rng_u32(&rng);
  }
  return ERR_OK;
}

enum err
sobol_sequence_new_plain(size_t dims, struct sobol_sequence **sequence)
{
  return sequence_new(dims, sequence);
}

void
sobol_sequence_free(struct sobol_sequence *sequence)
{
  if (!sequence)
    return;
  free(sequence->shift);
  free(sequence->directions);
  free(sequence);
}

void
sobol_sequence_point(const struct sobol_sequence *sequence, uint32_t index, double *unit)
{
  size_t in_table = table_dims(sequence->dims);
  for (size_t dim = 0; dim < in_table; dim++)
  {
    const uint32_t *directions = sequence->directions + dim * BITS;
    uint32_t x = sequence->shift[dim];
    for (uint32_t rest = index; rest; rest &= rest - 1)
      x ^= directions[__builtin_ctz(rest)];
    unit[dim] = (double) x * 0x1p-32;
  }
  for (size_t dim = in_table; dim < sequence->dims; dim++)
  {
    struct rng rng;
    rng_init(&rng, sequence->seed, rng_mix(2, dim));
    rng_seek(&rng, index);
    unit[dim] = rng_double(&rng);
  }
}
