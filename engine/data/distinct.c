#include <config.h>

#include "data/distinct.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REGISTERS 4096u
#define REGISTER_BITS 12

struct distinct
{
  uint64_t *slots; /* 0 = free; a hash of 0 is stored as 1 */
  size_t capacity; /* power of two, 0 when the set was given up */
  size_t count;
  size_t limit;
  uint8_t *registers; /* largest rank seen, per bucket; NULL while the set is there */
};

#define START_CAPACITY 64

struct distinct *
distinct_new(size_t limit)
{
  struct distinct *distinct = calloc(1, sizeof *distinct);
  if (distinct == NULL)
    return NULL;
  distinct->limit = limit;
  distinct->capacity = START_CAPACITY;
  distinct->slots = calloc(distinct->capacity, sizeof *distinct->slots);
  if (distinct->slots == NULL)
  {
    free(distinct);
    return NULL;
  }
  return distinct;
}

void
distinct_free(struct distinct *distinct)
{
  if (distinct == NULL)
    return;
  free(distinct->registers);
  free(distinct->slots);
  free(distinct);
}

static void
note_rank(struct distinct *distinct, uint64_t hash)
{
  if (distinct->registers == NULL)
    return;
  unsigned bucket = (unsigned) (hash >> (64 - REGISTER_BITS));
  uint64_t rest = (hash << REGISTER_BITS) | ((uint64_t) 1 << (REGISTER_BITS - 1));
  uint8_t rank = (uint8_t) (__builtin_clzll(rest) + 1);
  if (rank > distinct->registers[bucket])
    distinct->registers[bucket] = rank;
}

void
distinct_forget(struct distinct *distinct)
{
  if (distinct->capacity == 0)
    return;
  /* Without memory for the registers the count just stays where it is. */
  distinct->registers = calloc(REGISTERS, 1);
  for (size_t i = 0; i < distinct->capacity; i++)
    if (distinct->slots[i] != 0)
      note_rank(distinct, distinct->slots[i]);
  free(distinct->slots);
  distinct->slots = NULL;
  distinct->capacity = 0;
}

size_t
distinct_bytes(const struct distinct *distinct)
{
  return distinct->capacity * sizeof *distinct->slots;
}

static size_t
find_slot(const uint64_t *slots, size_t capacity, uint64_t hash)
{
  size_t at = (size_t) (hash & (capacity - 1));
  while (slots[at] != 0 && slots[at] != hash)
    at = (at + 1) & (capacity - 1);
  return at;
}

static bool
grow(struct distinct *distinct)
{
  size_t capacity = distinct->capacity * 2;
  uint64_t *slots = calloc(capacity, sizeof *slots);
  if (slots == NULL)
    return false;
  for (size_t i = 0; i < distinct->capacity; i++)
    if (distinct->slots[i] != 0)
      slots[find_slot(slots, capacity, distinct->slots[i])] = distinct->slots[i];
  free(distinct->slots);
  distinct->slots = slots;
  distinct->capacity = capacity;
  return true;
}

bool
distinct_add(struct distinct *distinct, uint64_t hash)
{
  if (hash == 0)
    hash = 1;
  if (distinct->capacity == 0)
  {
    note_rank(distinct, hash);
    return false;
  }
  size_t at = find_slot(distinct->slots, distinct->capacity, hash);
  if (distinct->slots[at] == hash)
    return false;
  distinct->slots[at] = hash;
  distinct->count++;
  if (distinct->count > distinct->limit
      || (distinct->count * 2 > distinct->capacity && !grow(distinct)))
    distinct_forget(distinct);
  return true;
}

bool
distinct_is_exact(const struct distinct *distinct)
{
  return distinct->capacity > 0;
}

size_t
distinct_count(const struct distinct *distinct)
{
  if (distinct->registers == NULL)
    return distinct->count;
  double sum = 0;
  unsigned zeros = 0;
  for (unsigned i = 0; i < REGISTERS; i++)
  {
    sum += ldexp(1.0, -(int) distinct->registers[i]);
    zeros += distinct->registers[i] == 0;
  }
  const double m = REGISTERS;
  double estimate = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
  if (estimate < 2.5 * m && zeros > 0)
    estimate = m * log(m / zeros);
  /* The set was exact up to `count`, so no fewer than that were seen. */
  return estimate > (double) distinct->count ? (size_t) llround(estimate) : distinct->count;
}
