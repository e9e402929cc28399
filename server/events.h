/* The event hub: one thread that listens to the database and feeds every event stream.
 *
 * Notes: "job" makes it read that job's new events once for all its streams; "key" and "model" empty the
 * caches concerned; parked requests are woken. Epochs of running jobs are polled each 250 ms, only for jobs
 * somebody watches, and only the newest of each trial is kept for a stream. A stream is written to at
 * most ten times a second; stored events (state, trial, best, warning, done) are never dropped: a slow
 * reader is fed again from the database. While the listening connection is away, watched jobs are read
 * each second and rights are checked again.
 *
 * A stream is a bounded text buffer: the hub fills it and calls wake, the reader takes from it. All functions
 * may be called from any thread; wake is called with the hub's lock held and must not call back.
 */
#ifndef ATTUNE_SERVER_EVENTS_H
#define ATTUNE_SERVER_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "server/http.h"

struct event_hub;
struct event_stream;

/* conninfo is borrowed for ever. NULL when out of memory. */
struct event_hub *event_hub_new(struct server *server, const char *conninfo);
/* Starts the thread, once all else in *server is in its place. */
enum err event_hub_start(struct event_hub *hub, struct err_info *info);
/* Ends the thread; streams may still be closed. NULL is ignored. */
void event_hub_stop(struct event_hub *hub);
/* Frees, ending the thread if need be; every stream must be closed. NULL is ignored. */
void event_hub_free(struct event_hub *hub);
/* Ends all streams, now and from now on. */
void event_hub_end_streams(struct event_hub *hub);
/* This session has signed out. */
void event_hub_end_session(struct event_hub *hub, const uint8_t hash[32]);
/* Whether notes are being heard. */
bool event_hub_listening(struct event_hub *hub);

struct event_stream_config
{
  const char *tenant_id;
  const char *key_id;
  const uint8_t *session_hash; /* or NULL */
  const struct http_stream_job *jobs;
  size_t job_count;
  int fd;                      /* of the client's socket */
  void (*wake)(void *context); /* there is something to take, or the end was reached */
  void *context;
};

/* NULL when out of memory. */
struct event_stream *event_stream_open(struct event_hub *hub,
                                       const struct event_stream_config *config);
/* Takes up to `size` bytes. 0 with *ended false: nothing now; `sleep` is then called, with the lock held,
 * before any wake can happen. */
size_t event_stream_take(struct event_stream *stream, char *bytes, size_t size, bool *ended,
                         void (*sleep)(void *context), void *context);
void event_stream_close(struct event_stream *stream);

#endif
