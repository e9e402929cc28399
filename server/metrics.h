/* Counts and latencies of requests per route, for /metrics.
 *
 * Fixed arrays of atomic counters, one for each lane of threads: counting takes no lock, any thread may do it, and
 * threads don't wait for each other. Routes are known by their number in the table; one more row counts what matched
 * no route.
 */
#ifndef ATTUNE_SERVER_METRICS_H
#define ATTUNE_SERVER_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct metrics;

/* `names` (count of them) are borrowed for ever. NULL when out of memory. */
struct metrics *metrics_new(const char *const *names, size_t count);
void metrics_free(struct metrics *metrics);

/* One finished request of route number `route` (count or more: no route). */
void metrics_request(struct metrics *metrics, size_t route, int status, double seconds);

/* Lines in Prometheus' text format. */
void metrics_print(const struct metrics *metrics, struct buf *out);
/* One gauge or counter with its help line. */
void metrics_print_value(struct buf *out, const char *name, const char *kind, const char *help,
                         double value);

#endif
