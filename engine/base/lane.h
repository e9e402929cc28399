/* A small number for each thread, so that what all of them count is kept apart, one part for each lane: two threads
 * that write to one cache line wait for each other at every request.
 *
 * Threads beyond LANES share lanes, so the parts need atomics or locks all the same; those are cheap when nobody else
 * wants them. Any thread.
 */
#ifndef ATTUNE_BASE_LANE_H
#define ATTUNE_BASE_LANE_H

#define LANES 8u
/* Parts of different lanes stand at least this far apart: two lines, for they are fetched in pairs. */
#define LANE_BYTES 128u

/* From 0 to LANES - 1, the same for the thread's life. */
unsigned lane_of_thread(void);

#endif
