#include <config.h>

#include "server/http_internal.h"

#include <stdlib.h>

#include "base/log.h"
#include "server/events.h"

/* The answer's side of an event stream: sleeps, suspended, while there is nothing to send. */
struct http_sse
{
  struct http_daemon *daemon;
  struct MHD_Connection *connection;
  struct event_stream *stream;
};

/* With the hub's lock held, so that a wake can't come between "nothing there" and the sleep. */
static void
fall_asleep(void *context)
{
  struct http_sse *sse = context;
  atomic_fetch_add(&sse->daemon->suspended, 1);
  MHD_suspend_connection(sse->connection);
}

static void
wake_up(void *context)
{
  struct http_sse *sse = context;
  atomic_fetch_sub(&sse->daemon->suspended, 1);
  MHD_resume_connection(sse->connection);
}

static ssize_t
read_stream(void *context, uint64_t position, char *bytes, size_t size)
{
  struct http_sse *sse = context;
  bool ended = false;
  (void) position;
  size_t length = event_stream_take(sse->stream, bytes, size, &ended, fall_asleep, sse);
  return ended ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t) length;
}

void
http_stream_jobs(struct http_request *req, const struct http_stream_job *jobs, size_t count)
{
  struct http_exchange *exchange = req->exchange;
  struct http_daemon *daemon = exchange->daemon;
  if (atomic_fetch_add(&daemon->streams, 1) >= req->server->limits.streams)
  {
    atomic_fetch_sub(&daemon->streams, 1);
    http_busy_reason(req, "all %zu event streams are taken (max-streams)",
                     req->server->limits.streams);
    http_reply_busy(req, E_UNAVAILABLE, 10);
    return;
  }
  struct http_sse *sse = calloc(1, sizeof *sse);
  if (sse)
  {
    struct event_stream_config config = {
      .tenant_id = req->tenant_id,
      .key_id = req->key_id,
      .session_hash = req->session_hash,
      .jobs = jobs,
      .job_count = count,
      .fd = exchange->parked.fd,
      .wake = wake_up,
      .context = sse,
    };
    sse->daemon = daemon;
    sse->connection = exchange->connection;
    sse->stream = event_stream_open(req->server->events, &config);
  }
  struct MHD_Response *response = NULL;
  if (sse && sse->stream)
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_stream, sse, NULL);
  if (!response)
  {
    if (sse && sse->stream)
      event_stream_close(sse->stream);
    free(sse);
    atomic_fetch_sub(&daemon->streams, 1);
    http_reply_error(req, E_INTERNAL, NULL);
    return;
  }
  exchange->sse = sse;
  exchange->response = response;
  exchange->status = MHD_HTTP_OK;
  http_reply_header(req, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
  http_reply_header(req, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  http_reply_header(req, "X-Accel-Buffering", "no");
}

/* The connection is over: nothing reads from the response any more. */
void
http_stream_free(struct http_exchange *exchange)
{
  struct http_sse *sse = exchange->sse;
  if (!sse)
    return;
  event_stream_close(sse->stream);
  atomic_fetch_sub(&exchange->daemon->streams, 1);
  free(sse);
  exchange->sse = NULL;
}
