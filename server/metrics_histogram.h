/* Histograms of times, from half a millisecond to half a minute, and their lines in Prometheus' text format. Counting
 * takes no lock; any thread may do it. */
#ifndef ATTUNE_SERVER_METRICS_HISTOGRAM_H
#define ATTUNE_SERVER_METRICS_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

#define METRICS_BOUNDS 15

/* Zeroed is empty. */
struct metrics_histogram
{
  atomic_uint_fast64_t buckets[METRICS_BOUNDS + 1];
  atomic_uint_fast64_t total_us;
};

/* What one or more histograms have counted. */
struct metrics_times
{
  uint64_t buckets[METRICS_BOUNDS + 1];
  uint64_t total_us;
};

void metrics_histogram_add(struct metrics_histogram *histogram, double seconds);
/* times += the histogram's. */
void metrics_histogram_sum(const struct metrics_histogram *histogram, struct metrics_times *times);

/* `label` is "" or ends with a comma: "pool=\"waiting\",". The help line comes first unless it is NULL. */
void metrics_print_times(struct buf *out, const char *name, const char *label, const char *help,
                         const struct metrics_times *times);
void metrics_print_histogram(struct buf *out, const char *name, const char *label, const char *help,
                             const struct metrics_histogram *histogram);

#endif
