/* Shadows: versions that an alias lets answer the same calls, to see how they would do.
 *
 * The caller's answer is made first and never waits for a shadow: a call's rows are copied into a bounded queue, one
 * thread of its own loads the shadow and predicts, and what comes out is only compared. Where the queue is full the
 * call goes without. Counts are of this process since it started. Thread-safe.
 */
#ifndef ATTUNE_SERVER_SHADOW_H
#define ATTUNE_SERVER_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/table.h"
#include "server/model_cache.h"

/* Rows of one call that a shadow answers, at most. */
#define SHADOW_ROWS 100

struct shadows;

struct shadow_counts
{
  uint64_t rows;     /* answered by both */
  uint64_t same;     /* of those with labels: the same one */
  uint64_t errors;   /* rows that the shadow could not answer */
  uint64_t dropped;  /* calls that the queue had no room for */
  double difference; /* of numbers: the sum of absolute differences */
};

enum err shadows_start(struct db_pool *db, struct model_cache *models, struct shadows **out,
                       struct err_info *info);
/* Ends the thread; what is queued is left. */
void shadows_stop(struct shadows *shadows);

/* A call that was answered: rows of `table` or images of the model's size, and what it was answered. */
struct shadow_call
{
  const char *tenant_id, *model_id, *alias;
  int version; /* the shadow's */
  const struct model_about *about;
  const struct table *table; /* NULL: images */
  const size_t *rows;
  const uint8_t *pixels;
  size_t count;
  const float *outputs; /* (count, output_count) */
};
void shadows_submit(struct shadows *shadows, const struct shadow_call *call);

/* False when there were no calls yet. */
bool shadows_count(struct shadows *shadows, const char *model_id, const char *alias, int version,
                   struct shadow_counts *counts);
/* Of all aliases, for /metrics. */
void shadows_total(struct shadows *shadows, struct shadow_counts *counts);

#endif
