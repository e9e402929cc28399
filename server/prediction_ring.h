/* A ring of records of predictions: one thread puts, one thread takes, neither ever waits.
 *
 * Each thread that answers predictions owns one ring; a background thread empties them all. A full ring drops the
 * newest record and counts it: a prediction never waits for its log.
 */
#ifndef ATTUNE_SERVER_PREDICTION_RING_H
#define ATTUNE_SERVER_PREDICTION_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prediction_ring;

/* Room for `capacity` records, a power of two, of `size` plain bytes each. NULL when it isn't one, is too large, or out
 * of memory. */
struct prediction_ring *prediction_ring_new(size_t capacity, size_t size);
/* No thread may be at the ring any more. NULL is fine. */
void prediction_ring_free(struct prediction_ring *ring);

/* Copies one record in; false when the ring was full, which counts it as dropped. Only the owner calls this. No
 * allocation, no lock, no system call. */
bool prediction_ring_put(struct prediction_ring *ring, const void *record);

/* Moves up to `most` records, oldest first, to `records`; returns how many. Only one thread at a time takes. */
size_t prediction_ring_take(struct prediction_ring *ring, void *records, size_t most);

/* Whether there is nothing to take now. The taker's. */
bool prediction_ring_is_empty(const struct prediction_ring *ring);

/* Records dropped since the start. Any thread. */
uint64_t prediction_ring_dropped(const struct prediction_ring *ring);

#endif
