/* How much of this server each tenant uses right now: requests per minute and uploads under way.
 *
 * A token bucket per tenant, in memory: what one attuned allows, so that two of them allow twice as much.
 * A bucket holds ten seconds' worth of requests, at least ten. Thread-safe; never waits.
 */
#ifndef ATTUNE_SERVER_RATE_H
#define ATTUNE_SERVER_RATE_H

#include <stdbool.h>
#include <stddef.h>

struct rate;

/* NULL when out of memory. */
struct rate *rate_new(void);
void rate_free(struct rate *rate);

struct rate_state
{
  double left;   /* requests that may be made at once */
  double most;   /* of them, in a full bucket */
  double wait_s; /* until the next one, 0 if there is one */
  bool low;      /* less than half is left */
};

/* Takes one request of a tenant that may make per_minute of them; false when there is none left. now_s is
 * monotonic. */
bool rate_take(struct rate *rate, const char *tenant_id, double per_minute, double now_s,
               struct rate_state *state);

/* One more upload of this tenant has begun, unless `most` are under way: then false, and *under_way says how
 * many. Each that began is to be ended. */
bool rate_upload_begin(struct rate *rate, const char *tenant_id, size_t most, size_t *under_way);
void rate_upload_end(struct rate *rate, const char *tenant_id);

#endif
