/* Private to events*.c: what the hub knows, all of it under one lock but what is marked as the thread's. */
#ifndef ATTUNE_SERVER_EVENTS_INTERNAL_H
#define ATTUNE_SERVER_EVENTS_INTERNAL_H

#include <pthread.h>

#include "base/arena.h"
#include "base/buf.h"
#include "server/events.h"
#include "sql/db_job.h"

#define HUB_RING 128
#define HUB_EPOCHS 64
#define HUB_STREAM_BYTES ((size_t) 64 << 10)

/* A stored event, as it is sent. */
struct hub_event
{
  int64_t seq;
  char kind[16];
  char *data; /* JSON text with job, seq and time */
};

/* The newest epoch of a unit of work. */
struct hub_epoch
{
  int64_t unit_id;
  int epoch;
  uint64_t version; /* of the hub's counter, when it changed */
  char *data;
  bool seen;
};

/* A job somebody watches. */
struct hub_job
{
  struct hub_job *next;
  char id[40];
  char tenant_id[40];
  size_t watchers;
  int64_t last_seq; /* newest event read; the ring holds the last ring_count up to it */
  bool dirty;
  bool ended; /* its done event was read: no more epochs */
  struct hub_event ring[HUB_RING];
  size_t ring_start, ring_count;
  struct hub_epoch epochs[HUB_EPOCHS];
  size_t epoch_count;
};

struct hub_cursor
{
  struct hub_job *job;
  int64_t seq; /* last sent */
  uint64_t epoch_version;
  bool done;
};

struct event_stream
{
  struct event_stream *next, *previous;
  struct event_hub *hub;
  uint64_t serial;
  char tenant_id[40];
  char key_id[40];
  bool by_session;
  uint8_t session_hash[32];
  int fd;
  void (*wake)(void *context);
  void *context;
  struct buf out;
  size_t taken; /* of out, by the reader */
  bool ended;   /* once out is taken */
  bool asleep;
  bool recheck;
  double verified_s;
  double next_write_s;
  double last_write_s;
  double epoch_tokens;
  double epoch_at_s;
  size_t cursor_count;
  struct hub_cursor cursors[];
};

struct event_hub
{
  struct server *server;
  const char *conninfo;
  pthread_t thread;
  bool started;
  int wake_fd; /* eventfd: something for the thread */
  pthread_mutex_t lock;
  bool stopping;
  bool draining;
  bool listening;
  struct event_stream *streams;
  struct hub_job *jobs;
  uint64_t next_serial;
  uint64_t epoch_version;
  /* the thread's own */
  struct db_conn *listen;
  struct db_conn *query;
  struct arena *arena;
  double retry_s;
  double next_epochs_s;
  double next_look_s;
  double next_reread_s;
};

/* events_read.c: all on the hub's thread, without the lock. */

/* A usable connection for queries, or NULL. */
struct db_conn *hub_query(struct event_hub *hub);
/* Reads the new events of jobs marked dirty into their rings. */
void hub_read_events(struct event_hub *hub);
/* Reads the newest epochs of running jobs. */
void hub_read_epochs(struct event_hub *hub);
/* Feeds streams that are behind their job's ring from the database. */
void hub_catch_up(struct event_hub *hub, double now_s);
/* Ends the streams whose key or session no longer holds. */
void hub_check_rights(struct event_hub *hub, double now_s);

/* events_stream.c: with the lock held. */

/* Appends one stored event to a stream; false when its buffer is full. */
bool stream_append_event(struct event_stream *stream, struct hub_cursor *cursor, int64_t seq,
                         const char *kind, const char *data);
void stream_append_reset(struct event_stream *stream, struct hub_cursor *cursor, int64_t oldest);
/* Appends what the rings hold for it; true when its reader should be woken. */
bool stream_feed(struct event_stream *stream, double now_s);
void stream_wake(struct event_stream *stream);
void stream_end(struct event_stream *stream);
struct event_stream *stream_find(struct event_hub *hub, const struct event_stream *stream,
                                 uint64_t serial);
void hub_job_add_event(struct hub_job *job, int64_t seq, const char *kind, char *data);
struct hub_job *hub_job_watch(struct event_hub *hub, const char *tenant_id, const char *job_id,
                              int64_t after);
void hub_job_unwatch(struct event_hub *hub, struct hub_job *job);
/* Whether the cursor's next event is in the ring, is not there yet, or only the database has it. */
bool hub_cursor_is_behind(const struct hub_cursor *cursor);

#endif
