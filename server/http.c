#include <config.h>

#include "server/http_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/handler/handlers.h"
#include "server/json_memory.h"
#include "server/metrics.h"

#define QUEUE_SECONDS 20.0

/* ---- handing a request on -------------------------------------------------------------------------- */

/* The last touch of a thread that is not the event thread. */
void
http_exchange_resume(struct http_exchange *exchange)
{
  atomic_fetch_sub(&exchange->daemon->suspended, 1);
  MHD_resume_connection(exchange->connection);
}

static void
submit(struct http_exchange *exchange, struct http_pool *pool, enum http_task_kind kind)
{
  exchange->task_kind = kind;
  http_pool_submit(pool, &exchange->task);
}

static void
suspend(struct http_exchange *exchange)
{
  atomic_fetch_add(&exchange->daemon->suspended, 1);
  MHD_suspend_connection(exchange->connection);
}

/* ---- tasks on the pools ---------------------------------------------------------------------------- */

static void
finish_handler(struct http_exchange *exchange)
{
  /* The audit first: a stored answer, once given again, must have its row. */
  http_account_change(exchange);
  http_idempotency_end(exchange);
  http_request_release_db(&exchange->req);
  http_exchange_resume(exchange);
}

static void
run_handler(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  struct http_daemon *daemon = exchange->daemon;
  enum http_outcome outcome = HTTP_REPLIED;
  json_memory_forget();
  if (req->pass == 0)
  {
    http_body_spool(exchange);
    http_body_settle(exchange);
    if (!http_replied(exchange))
      http_idempotency_begin(exchange);
  }
  if (!http_replied(exchange))
    outcome = req->route->handler(req);
  req->pass++;
  if (http_replied(exchange))
    outcome = HTTP_REPLIED;
  switch (outcome)
  {
  case HTTP_REPLIED:
    finish_handler(exchange);
    break;
  case HTTP_WAIT:
    submit(exchange, daemon->waiting, HTTP_TASK_HANDLE);
    break;
  case HTTP_GATHER: /* never on a pool */
  case HTTP_COMPUTE:
    http_request_release_db(req);
    submit(exchange, daemon->computing, HTTP_TASK_HANDLE);
    break;
  case HTTP_PARK:
    http_request_release_db(req);
    if (exchange->last_call)
      http_wake_parked(&exchange->parked, false);
    else
      http_registry_park(daemon->registry, &exchange->parked);
    break;
  }
}

static struct http_exchange *
exchange_of_task(struct http_task *task)
{
  return (struct http_exchange *) (void *) ((char *) task - offsetof(struct http_exchange, task));
}

void
http_run_task(struct http_task *task, double queued_s)
{
  struct http_exchange *exchange = exchange_of_task(task);
  struct http_request *req = &exchange->req;
  log_request_id(req->id);
  switch (exchange->task_kind)
  {
  case HTTP_TASK_AUTH:
    http_identity_ask(exchange);
    http_exchange_resume(exchange);
    break;
  case HTTP_TASK_SPOOL:
    http_body_spool(exchange);
    http_exchange_resume(exchange);
    break;
  case HTTP_TASK_HANDLE:
    /* Nobody waits for ever behind a slow database: the client can try another server. */
    if (queued_s > QUEUE_SECONDS && req->pass == 0)
    {
      http_busy_reason(req, "it waited %.0f s for one of the %zu threads (waiting-threads)",
                       queued_s, req->server->limits.waiting_threads);
      http_reply_busy(req, E_UNAVAILABLE, 5);
    }
    size_t body_length = req->body_length; /* afterwards the request is the event thread's */
    run_handler(exchange);
    http_body_let_go(body_length);
    break;
  }
  log_request_id(NULL);
}

void
http_wake_parked(struct http_parked *parked, bool gone)
{
  struct http_exchange *exchange =
    (struct http_exchange *) (void *) ((char *) parked - offsetof(struct http_exchange, parked));
  struct http_request *req = &exchange->req;
  /* A client that left may come back with its Idempotency-Key: then the handler goes on to the end. */
  if (gone)
  {
    exchange->gone = true;
    parked->fd = -1;
    if (!exchange->idempotency_key)
      http_reply_error(req, E_REQUEST_TIMEOUT, NULL);
  }
  /* While draining, the handler is called once more and may answer with what there is. */
  else if (exchange->last_call)
    http_reply_busy(req, E_DRAINING, 1);
  exchange->last_call = req->server->draining;
  submit(exchange, exchange->daemon->waiting, HTTP_TASK_HANDLE);
}

/* ---- on the event threads -------------------------------------------------------------------------- */

/* What could not be decoded, for its own fault or for want of memory. */
static void
refuse_text(struct http_request *req, const char *detail)
{
  if (errno == ENOMEM)
    http_reply_busy(req, E_UNAVAILABLE, 1);
  else
    http_reply_error(req, E_BAD_PATH, detail);
}

static void
read_head(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  char allow[64];
  const char *length = http_header(req, MHD_HTTP_HEADER_CONTENT_LENGTH);
  const char *expect = http_header(req, MHD_HTTP_HEADER_EXPECT);
  const union MHD_ConnectionInfo *about =
    MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (about && about->client_addr)
    memcpy(&exchange->peer, about->client_addr,
           about->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                     : sizeof(struct sockaddr_in));
  about = MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  exchange->parked.fd = about ? about->connect_fd : -1;
  exchange->declared = UINT64_MAX;
  if (length)
    exchange->declared = strtoull(length, NULL, 10);
  else if (!http_header(req, MHD_HTTP_HEADER_TRANSFER_ENCODING))
    exchange->declared = 0;
  exchange->has_body = exchange->declared != 0;
  exchange->expects_continue = expect && strcasecmp(expect, "100-continue") == 0;

  switch (http_route_match(exchange->method_text, exchange->path, req->arena, &req->route,
                           exchange->args, &exchange->arg_count, allow, sizeof allow))
  {
  case HTTP_MATCH_FOUND:
    if (!http_query_read(exchange))
      refuse_text(req, "The query is not percent-encoded UTF-8.");
    break;
  case HTTP_MATCH_BAD_PATH:
    refuse_text(req, NULL);
    break;
  case HTTP_MATCH_NO_PATH:
    if (strncmp(exchange->path, "/api/", 5) == 0)
      http_reply_error(req, E_NOT_FOUND, NULL);
    else
      handle_web_missing(req);
    break;
  case HTTP_MATCH_NO_METHOD:
    http_reply_header(req, MHD_HTTP_HEADER_ALLOW, allow);
    http_reply_error(req, E_METHOD_NOT_ALLOWED, NULL);
    break;
  }
}

/* The first call, or the first one after the key was looked up; now_s: the clock. */
static enum MHD_Result
on_head(struct http_exchange *exchange, double now_s)
{
  if (!http_replied(exchange) && !exchange->identified && !http_identity_find(exchange))
  {
    suspend(exchange);
    submit(exchange, exchange->daemon->waiting, HTTP_TASK_AUTH);
    return MHD_YES;
  }
  exchange->phase = HTTP_PHASE_BODY;
  exchange->body_started_s = now_s;
  if (!http_replied(exchange))
    http_body_begin(exchange);
  if (!http_replied(exchange) || !exchange->has_body)
    return MHD_YES;
  exchange->close_after = true;
  /* The client waits for our word before it sends the body: refuse now. */
  if (exchange->expects_continue)
    return http_reply_queue(exchange);
  return MHD_YES;
}

static enum MHD_Result
on_data(struct http_exchange *exchange, const char *bytes, size_t *length)
{
  switch (http_body_take(exchange, bytes, length))
  {
  case HTTP_BODY_MORE:
    break;
  case HTTP_BODY_FULL:
    suspend(exchange);
    submit(exchange, exchange->daemon->waiting, HTTP_TASK_SPOOL);
    break;
  case HTTP_BODY_ABORT:
    http_reply_last_words(exchange);
    return MHD_NO;
  }
  return MHD_YES;
}

static enum MHD_Result
on_body_end(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  struct http_daemon *daemon = exchange->daemon;
  struct http_pool *pool = daemon->waiting;
  exchange->phase = HTTP_PHASE_HANDLE;
  exchange->body_done = true;
  if (exchange->discarding)
    exchange->close_after = true;
  if (http_replied(exchange))
    return http_reply_queue(exchange);
  if (req->route->flags & HTTP_FAST)
  {
    json_memory_forget();
    http_body_settle(exchange);
    enum http_outcome outcome = http_replied(exchange) ? HTTP_REPLIED : req->route->handler(req);
    req->pass++;
    if (outcome == HTTP_REPLIED || http_replied(exchange))
      return http_reply_queue(exchange);
    if (outcome == HTTP_GATHER)
    {
      http_gather_add(exchange);
      return MHD_YES;
    }
    if (outcome == HTTP_COMPUTE)
      pool = daemon->computing;
  }
  suspend(exchange);
  submit(exchange, pool, HTTP_TASK_HANDLE);
  return MHD_YES;
}

enum MHD_Result
http_on_access(void *context, struct MHD_Connection *connection, const char *url,
               const char *method, const char *version, const char *data, size_t *data_length,
               void **slot)
{
  struct http_exchange *exchange = *slot;
  (void) version;
  if (!exchange)
  {
    struct http_daemon *daemon = context;
    exchange = daemon->closing ? NULL : http_exchange_new(daemon, connection, url, method);
    if (!exchange)
      return MHD_NO;
    *slot = exchange;
    read_head(exchange);
    return on_head(exchange, exchange->started_s);
  }
  switch (exchange->phase)
  {
  case HTTP_PHASE_HEAD:
    return on_head(exchange, clock_monotonic_s());
  case HTTP_PHASE_BODY:
    return *data_length ? on_data(exchange, data, data_length) : on_body_end(exchange);
  case HTTP_PHASE_HANDLE:
    break;
  }
  if (exchange->leads)
    http_gather_end(exchange);
  return exchange->gone ? MHD_NO : http_reply_queue(exchange);
}

/* status: 0 = broken off. */
static void
log_exchange(const struct http_exchange *exchange, enum log_level level, int status, double seconds)
{
  const struct http_request *req = &exchange->req;
  /* A key that somebody put into the path by mistake is not for the log. */
  const char *secret = strstr(exchange->path, HTTP_KEY_PREFIX);
  int shown = (int) (secret ? (size_t) (secret - exchange->path) : strlen(exchange->path));
  log_request_id(req->id);
  log_line(level, "%s %s %.*s%s %d %.1f ms%s", req->route ? req->route->name : "-",
           exchange->method_text, shown, exchange->path, secret ? HTTP_KEY_PREFIX "…" : "",
           exchange->status, seconds * 1e3, status == 0 ? " broken off" : "");
  log_request_id(NULL);
}

void
http_on_completed(void *context, struct MHD_Connection *connection, void **slot,
                  enum MHD_RequestTerminationCode code)
{
  struct http_daemon *daemon = context;
  struct http_exchange *exchange = *slot;
  (void) connection;
  if (!exchange)
    return;
  *slot = NULL;
  if (exchange->leads)
    http_gather_end(exchange);
  struct http_request *req = &exchange->req;
  double seconds = clock_monotonic_s() - exchange->started_s;
  bool whole = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
  int status = exchange->status;
  /* A stream is ended by either side; it is whole all the same. */
  if (!whole && !exchange->sse && !exchange->discarding)
    status = 0;
  metrics_request(daemon->server->metrics, http_route_index(req->route), status, seconds);
  http_account_end(exchange, status);
  bool quiet = req->route && (req->route->flags & HTTP_FAST) && status >= 200 && status < 400;
  enum log_level level = quiet ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
  if (log_is_written(level))
    log_exchange(exchange, level, status, seconds);
  http_exchange_free(exchange);
}
