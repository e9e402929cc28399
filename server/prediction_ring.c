#include <config.h>

#include "server/prediction_ring.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_LINE 64

struct prediction_ring
{
  /* The two sides' places lie on lines of their own: they would fight for one otherwise. Places only grow, the
   * slot is the place modulo the capacity, so that full and empty differ. */
  _Alignas(CACHE_LINE) atomic_size_t put;
  size_t taken_seen; /* of `taken`, as the owner last read it */
  atomic_uint_fast64_t dropped;
  _Alignas(CACHE_LINE) atomic_size_t taken;
  _Alignas(CACHE_LINE) size_t mask;
  size_t size; /* of a record */
  char *records;
};

struct prediction_ring *
prediction_ring_new(size_t capacity, size_t size)
{
  if (capacity == 0 || (capacity & (capacity - 1)) != 0 || size == 0 || capacity > SIZE_MAX / size)
    return NULL;
  struct prediction_ring *ring = aligned_alloc(CACHE_LINE, sizeof *ring);
  if (ring == NULL)
    return NULL;
  atomic_init(&ring->put, 0);
  atomic_init(&ring->taken, 0);
  atomic_init(&ring->dropped, 0);
  ring->taken_seen = 0;
  ring->mask = capacity - 1;
  ring->size = size;
  ring->records = calloc(capacity, size);
  if (ring->records == NULL)
  {
    free(ring);
    return NULL;
  }
  return ring;
}

void
prediction_ring_free(struct prediction_ring *ring)
{
  if (ring == NULL)
    return;
  free(ring->records);
  free(ring);
}

bool
prediction_ring_put(struct prediction_ring *ring, const void *record)
{
  size_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);
  if (put - ring->taken_seen > ring->mask)
    ring->taken_seen = atomic_load_explicit(&ring->taken, memory_order_acquire);
  if (put - ring->taken_seen > ring->mask)
  {
    atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
    return false;
  }
  memcpy(ring->records + (put & ring->mask) * ring->size, record, ring->size);
  atomic_store_explicit(&ring->put, put + 1, memory_order_release);
  return true;
}

size_t
prediction_ring_take(struct prediction_ring *ring, void *records, size_t most)
{
  size_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
  size_t count = atomic_load_explicit(&ring->put, memory_order_acquire) - taken;
  if (count > most)
    count = most;
  for (size_t i = 0; i < count; i++)
    memcpy((char *) records + i * ring->size,
           ring->records + ((taken + i) & ring->mask) * ring->size, ring->size);
  atomic_store_explicit(&ring->taken, taken + count, memory_order_release);
  return count;
}

bool
prediction_ring_is_empty(const struct prediction_ring *ring)
{
  return atomic_load_explicit(&ring->put, memory_order_acquire)
         == atomic_load_explicit(&ring->taken, memory_order_relaxed);
}

uint64_t
prediction_ring_dropped(const struct prediction_ring *ring)
{
  return atomic_load_explicit(&ring->dropped, memory_order_relaxed);
}
