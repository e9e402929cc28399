/* The text of event streams (text/event-stream): one event, and the ids a client sends back.
 * Pure; any thread.
 */
#ifndef ATTUNE_SERVER_SSE_H
#define ATTUNE_SERVER_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "sql/db_job.h"

/* Appends one event; id may be NULL. Line ends in data become further data lines. */
void sse_append(struct buf *out, const char *id, const char *event, const char *data);

/* Appends an event's data as one JSON object: job, seq and time before the members of `data`. */
void sse_append_data(struct buf *out, const char *job_id, const struct db_event *event);

/* An epoch as the data of an `epoch` event. */
void sse_append_epoch(struct buf *out, const char *job_id, const struct db_epoch *epoch);

/* What a Last-Event-ID says about a job: "12" (of a stream of one job) or "job_a:12,job_b:7". False when
 * it says nothing. */
bool sse_last_id(const char *text, const char *job_id, int64_t *seq);

#endif
