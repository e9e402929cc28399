#include <config.h>

#include "server/events_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/sse.h"

#define COMMENT_SECONDS 15.0
#define WRITE_SECONDS 0.1
#define EPOCHS_PER_S 10.0

/* ---- jobs ------------------------------------------------------------------------------------------ */

static struct hub_event *
ring_at(struct hub_job *job, size_t index)
{
  return &job->ring[(job->ring_start + index) % HUB_RING];
}

void
hub_job_add_event(struct hub_job *job, int64_t seq, const char *kind, char *data)
{
  if (job->ring_count == HUB_RING)
  {
    free(ring_at(job, 0)->data);
    job->ring_start = (job->ring_start + 1) % HUB_RING;
    job->ring_count--;
  }
  struct hub_event *event = ring_at(job, job->ring_count++);
  event->seq = seq;
  snprintf(event->kind, sizeof event->kind, "%s", kind);
  event->data = data;
  job->last_seq = seq;
  /* A job that was extended goes on after its end. */
  if (strcmp(kind, "done") == 0 || strcmp(kind, "state") == 0)
    job->ended = strcmp(kind, "done") == 0;
}

struct hub_job *
hub_job_watch(struct event_hub *hub, const char *tenant_id, const char *job_id, int64_t after)
{
  struct hub_job *job = hub->jobs;
  while (job && (strcmp(job->id, job_id) != 0 || strcmp(job->tenant_id, tenant_id) != 0))
    job = job->next;
  if (!job)
  {
    job = calloc(1, sizeof *job);
    if (!job)
      return NULL;
    snprintf(job->id, sizeof job->id, "%s", job_id);
    snprintf(job->tenant_id, sizeof job->tenant_id, "%s", tenant_id);
    job->last_seq = after;
    job->next = hub->jobs;
    hub->jobs = job;
  }
  job->dirty = true;
  job->watchers++;
  return job;
}

void
hub_job_unwatch(struct event_hub *hub, struct hub_job *job)
{
  if (--job->watchers > 0)
    return;
  struct hub_job **at = &hub->jobs;
  while (*at != job)
    at = &(*at)->next;
  *at = job->next;
  for (size_t i = 0; i < job->ring_count; i++)
    free(ring_at(job, i)->data);
  for (size_t i = 0; i < job->epoch_count; i++)
    free(job->epochs[i].data);
  free(job);
}

bool
hub_cursor_is_behind(const struct hub_cursor *cursor)
{
  const struct hub_job *job = cursor->job;
  if (cursor->seq >= job->last_seq)
    return false;
  return job->ring_count == 0 || job->ring[job->ring_start].seq > cursor->seq + 1;
}

/* ---- streams --------------------------------------------------------------------------------------- */

struct event_stream *
stream_find(struct event_hub *hub, const struct event_stream *stream, uint64_t serial)
{
  for (struct event_stream *at = hub->streams; at; at = at->next)
    if (at == stream && at->serial == serial)
      return at;
  return NULL;
}

void
stream_wake(struct event_stream *stream)
{
  if (!stream->asleep)
    return;
  stream->asleep = false;
  stream->wake(stream->context);
}

void
stream_end(struct event_stream *stream)
{
  stream->ended = true;
  stream_wake(stream);
}

static size_t
pending(const struct event_stream *stream)
{
  return stream->out.length - stream->taken;
}

/* "12" on a stream of one job, else where every job stands. */
static void
append_id(struct buf *id, const struct event_stream *stream)
{
  for (size_t i = 0; i < stream->cursor_count; i++)
  {
    const struct hub_cursor *cursor = &stream->cursors[i];
    if (stream->cursor_count == 1)
      buf_printf(id, "%lld", (long long) cursor->seq);
    else
      buf_printf(id, "%s%s:%lld", i ? "," : "", cursor->job->id, (long long) cursor->seq);
  }
}

bool
stream_append_event(struct event_stream *stream, struct hub_cursor *cursor, int64_t seq,
                    const char *kind, const char *data)
{
  if (pending(stream) > 0 && pending(stream) + strlen(data) + 4096 > HUB_STREAM_BYTES)
    return false;
  struct buf id = {0};
  int64_t before = cursor->seq;
  cursor->seq = seq;
  append_id(&id, stream);
  if (id.failed)
  {
    cursor->seq = before;
    buf_free(&id);
    return false;
  }
  sse_append(&stream->out, id.data, kind, data);
  buf_free(&id);
  if (strcmp(kind, "done") == 0 || strcmp(kind, "state") == 0)
    cursor->done = strcmp(kind, "done") == 0;
  return true;
}

void
stream_append_reset(struct event_stream *stream, struct hub_cursor *cursor, int64_t oldest)
{
  char data[128];
  snprintf(data, sizeof data, "{\"job\":\"%s\",\"oldest\":%lld}", cursor->job->id,
           (long long) oldest);
  stream_append_event(stream, cursor, oldest - 1, "reset", data);
}

static void
feed_epochs(struct event_stream *stream, struct hub_cursor *cursor)
{
  struct hub_job *job = cursor->job;
  for (size_t i = 0; i < job->epoch_count && stream->epoch_tokens >= 1.0; i++)
  {
    const struct hub_epoch *epoch = &job->epochs[i];
    if (epoch->version <= cursor->epoch_version || pending(stream) > HUB_STREAM_BYTES / 2)
      continue;
    sse_append(&stream->out, NULL, "epoch", epoch->data);
    stream->epoch_tokens -= 1.0;
  }
  cursor->epoch_version = stream->hub->epoch_version;
}

bool
stream_feed(struct event_stream *stream, double now_s)
{
  size_t before = stream->out.length;
  bool all_done = true;
  if (stream->ended || now_s < stream->next_write_s)
    return false;
  stream->epoch_tokens += (now_s - stream->epoch_at_s) * EPOCHS_PER_S;
  if (stream->epoch_tokens > EPOCHS_PER_S)
    stream->epoch_tokens = EPOCHS_PER_S;
  stream->epoch_at_s = now_s;
  for (size_t i = 0; i < stream->cursor_count; i++)
  {
    struct hub_cursor *cursor = &stream->cursors[i];
    struct hub_job *job = cursor->job;
    bool room = !hub_cursor_is_behind(cursor);
    for (size_t n = 0; room && n < job->ring_count; n++)
    {
      const struct hub_event *event = ring_at(job, n);
      if (event->seq > cursor->seq)
        room = stream_append_event(stream, cursor, event->seq, event->kind, event->data);
    }
    if (room && !cursor->done)
      feed_epochs(stream, cursor);
    all_done = all_done && cursor->done;
  }
  if (stream->out.length == before && pending(stream) == 0
      && now_s - stream->last_write_s >= COMMENT_SECONDS)
    buf_append_text(&stream->out, ": still here\n\n");
  stream->ended = stream->ended || all_done || stream->out.failed;
  if (stream->out.length == before && !stream->ended)
    return false;
  stream->last_write_s = now_s;
  stream->next_write_s = now_s + WRITE_SECONDS;
  return true;
}

size_t
event_stream_take(struct event_stream *stream, char *bytes, size_t size, bool *ended,
                  void (*sleep)(void *context), void *context)
{
  pthread_mutex_lock(&stream->hub->lock);
  size_t take = pending(stream);
  if (take > size)
    take = size;
  if (take > 0)
    memcpy(bytes, stream->out.data + stream->taken, take);
  stream->taken += take;
  if (stream->taken == stream->out.length)
    stream->out.length = stream->taken = 0;
  else if (stream->taken > HUB_STREAM_BYTES)
  {
    memmove(stream->out.data, stream->out.data + stream->taken, pending(stream));
    stream->out.length -= stream->taken;
    stream->taken = 0;
  }
  *ended = take == 0 && stream->ended;
  if (take == 0 && !*ended)
  {
    stream->asleep = true;
    sleep(context);
  }
  pthread_mutex_unlock(&stream->hub->lock);
  return take;
}
