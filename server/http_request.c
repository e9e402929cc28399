#include <config.h>

#include "server/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define ARENA_BLOCK 4096
#define FREE_LIST_MAX 256
#define IDS_AT_ONCE 64
/* A body's buffer is kept for the next request unless it is larger. */
#define SPARE_BUFFER_MAX ((size_t) 16 << 10)
#define QUERY_MAX 100
#define DB_WAIT_SECONDS 5.0
#define PARK_SECONDS 2.0

/* ---- begin and end --------------------------------------------------------------------------------- */

/* An id a client sent is kept if it can stand in a log line. */
static void
set_id(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  const char *sent = http_header(req, "X-Request-Id");
  size_t length = sent ? strlen(sent) : 0;
  bool good = length > 0 && length < sizeof req->id;
  for (size_t i = 0; good && i < length; i++)
    good = (sent[i] >= '0' && sent[i] <= '9') || (sent[i] >= 'a' && sent[i] <= 'z')
           || (sent[i] >= 'A' && sent[i] <= 'Z') || sent[i] == '-' || sent[i] == '_';
  if (good)
    memcpy(req->id, sent, length + 1);
  else
  {
    static _Thread_local uint64_t next, left;
    if (left == 0)
    {
      next = atomic_fetch_add(&exchange->daemon->id_next, IDS_AT_ONCE);
      left = IDS_AT_ONCE;
    }
    left--;
    uint64_t number = next++;
    uint32_t parts[] = {htonl((uint32_t) exchange->daemon->id_prefix), htonl((uint32_t) number)};
    memcpy(req->id, "req_", 4);
    text_hex_encode(parts, sizeof parts, req->id + 4);
  }
}

static void
free_exchange(struct http_exchange *exchange)
{
  if (!exchange)
    return;
  arena_free(exchange->req.arena);
  free(exchange->buffer);
  free(exchange);
}

/* One that was used before: with its arena, and perhaps a buffer; or NULL. */
static struct http_exchange *
take_spare(struct http_daemon *daemon, struct http_lane *lane)
{
  struct http_exchange *exchange = atomic_exchange(&lane->spare, NULL);
  if (exchange)
    return exchange;
  pthread_mutex_lock(&daemon->lock);
  exchange = daemon->free_list;
  if (exchange)
  {
    daemon->free_list = exchange->next;
    daemon->free_count--;
  }
  pthread_mutex_unlock(&daemon->lock);
  return exchange;
}

/* Most requests end before the thread begins another: their places pass from one to the next without a lock. */
static void
keep_spare(struct http_daemon *daemon, struct http_lane *lane, struct http_exchange *exchange)
{
  exchange = atomic_exchange(&lane->spare, exchange);
  if (!exchange)
    return;
  pthread_mutex_lock(&daemon->lock);
  bool kept = daemon->free_count < FREE_LIST_MAX;
  if (kept)
  {
    exchange->next = daemon->free_list;
    daemon->free_list = exchange;
    daemon->free_count++;
  }
  pthread_mutex_unlock(&daemon->lock);
  if (!kept)
    free_exchange(exchange);
}

void
http_daemon_free_spares(struct http_daemon *daemon)
{
  for (size_t i = 0; i < LANES; i++)
    free_exchange(atomic_exchange(&daemon->lanes[i].spare, NULL));
  while (daemon->free_list)
  {
    struct http_exchange *exchange = daemon->free_list;
    daemon->free_list = exchange->next;
    free_exchange(exchange);
  }
}

size_t
http_daemon_open(const struct http_daemon *daemon)
{
  size_t open = 0;
  for (size_t i = 0; i < LANES; i++)
    open += atomic_load(&daemon->lanes[i].open);
  return open;
}

struct http_exchange *
http_exchange_new(struct http_daemon *daemon, struct MHD_Connection *connection, const char *url,
                  const char *method)
{
  struct http_lane *lane = &daemon->lanes[lane_of_thread()];
  struct http_exchange *exchange = take_spare(daemon, lane);
  struct arena *arena = exchange ? exchange->req.arena : arena_new(ARENA_BLOCK);
  char *buffer = exchange ? exchange->buffer : NULL;
  size_t buffer_capacity = exchange ? exchange->buffer_capacity : 0;
  if (!exchange)
    exchange = malloc(sizeof *exchange);
  if (!arena || !exchange)
  {
    arena_free(arena);
    free(exchange);
    return NULL;
  }
  memset(exchange, 0, sizeof *exchange);
  exchange->buffer = buffer;
  exchange->buffer_capacity = buffer_capacity;
  exchange->req.arena = arena;
  exchange->req.server = daemon->server;
  exchange->req.limits = &daemon->server->limits;
  exchange->req.exchange = exchange;
  exchange->req.content_type = "";
  exchange->daemon = daemon;
  exchange->lane = lane;
  exchange->connection = connection;
  exchange->path = url;
  exchange->method_text = method;
  exchange->started_s = clock_monotonic_s();
  set_id(exchange);
  atomic_fetch_add(&lane->open, 1);
  return exchange;
}

void
http_request_release_db(struct http_request *req)
{
  if (req->exchange->conn)
    db_release(req->server->db, req->exchange->conn);
  req->exchange->conn = NULL;
}

void
http_exchange_free(struct http_exchange *exchange)
{
  struct http_daemon *daemon = exchange->daemon;
  struct http_request *req = &exchange->req;
  http_claim_let_go(exchange);
  http_stream_free(exchange);
  http_request_release_db(req);
  http_body_free(exchange);
  json_decref(req->json);
  json_decref(req->replay);
  json_decref(exchange->replay_answer);
  if (exchange->response)
    MHD_destroy_response(exchange->response);
  if (exchange->buffer_capacity > SPARE_BUFFER_MAX)
  {
    free(exchange->buffer);
    exchange->buffer = NULL;
    exchange->buffer_capacity = 0;
  }
  arena_reset(req->arena);
  struct http_lane *lane = exchange->lane;
  keep_spare(daemon, lane, exchange);
  atomic_fetch_sub(&lane->open, 1);
}

/* ---- what was asked -------------------------------------------------------------------------------- */

const char *
http_arg(const struct http_request *req, const char *name)
{
  const struct http_exchange *exchange = req->exchange;
  for (size_t i = 0; i < exchange->arg_count; i++)
    if (strcmp(exchange->args[i].name, name) == 0)
      return exchange->args[i].value;
  return "";
}

const char *
http_query_nth(const struct http_request *req, const char *name, size_t index)
{
  const struct http_exchange *exchange = req->exchange;
  for (size_t i = 0; i < exchange->query_count; i++)
    if (strcmp(exchange->query[i].name, name) == 0 && index-- == 0)
      return exchange->query[i].value;
  return NULL;
}

const char *
http_query(const struct http_request *req, const char *name)
{
  return http_query_nth(req, name, 0);
}

const char *
http_header(const struct http_request *req, const char *name)
{
  return MHD_lookup_connection_value(req->exchange->connection, MHD_HEADER_KIND, name);
}

const struct sockaddr *
http_peer(const struct http_request *req)
{
  return (const struct sockaddr *) &req->exchange->peer;
}

struct query_reader
{
  struct http_exchange *exchange;
  bool bad;
};

/* MHD has turned '+' into a blank and left the escapes to us. */
static enum MHD_Result
take_query(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
  struct query_reader *reader = context;
  struct http_exchange *exchange = reader->exchange;
  struct arena *arena = exchange->req.arena;
  (void) kind;
  if (!value)
    value = "";
  if (!exchange->query)
    exchange->query = arena_array(arena, QUERY_MAX, sizeof *exchange->query);
  errno = exchange->query ? EINVAL : ENOMEM;
  reader->bad = !exchange->query || exchange->query_count == QUERY_MAX;
  if (reader->bad)
    return MHD_NO;
  struct http_name_value *item = &exchange->query[exchange->query_count++];
  item->name = http_decode(arena, name, strlen(name), false);
  item->value = item->name ? http_decode(arena, value, strlen(value), false) : NULL;
  reader->bad = !item->name || !item->value;
  return reader->bad ? MHD_NO : MHD_YES;
}

bool
http_query_read(struct http_exchange *exchange)
{
  struct query_reader reader = {.exchange = exchange};
  MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, take_query, &reader);
  if (reader.bad)
    exchange->query_count = 0;
  return !reader.bad;
}

static bool
refuse_query(struct http_request *req, const char *name, const char *format, double min, double max)
{
  char detail[256];
  char low[TEXT_DOUBLE_SIZE], high[TEXT_DOUBLE_SIZE];
  text_print_double(min, low);
  text_print_double(max, high);
  snprintf(detail, sizeof detail, "?%s must be %s between %s and %s.", name, format, low, high);
  http_reply_error(req, E_BAD_REQUEST, detail);
  return false;
}

bool
http_query_integer(struct http_request *req, const char *name, int64_t min, int64_t max,
                   int64_t fallback, int64_t *value)
{
  const char *text = http_query(req, name);
  *value = fallback;
  if (!text)
    return true;
  if (text_parse_int64(text, strlen(text), value) && *value >= min && *value <= max)
    return true;
  return refuse_query(req, name, "a whole number", (double) min, (double) max);
}

bool
http_query_number(struct http_request *req, const char *name, double min, double max,
                  double fallback, double *value)
{
  const char *text = http_query(req, name);
  *value = fallback;
  if (!text)
    return true;
  if (text_parse_double(text, strlen(text), false, value) && *value >= min && *value <= max)
    return true;
  return refuse_query(req, name, "a number", min, max);
}

bool
http_query_known(struct http_request *req, const char *const *names)
{
  const struct http_exchange *exchange = req->exchange;
  size_t name_count = 0;
  while (names[name_count])
    name_count++;
  for (size_t i = 0; i < exchange->query_count; i++)
  {
    const char *name = exchange->query[i].name;
    bool known = false;
    for (size_t n = 0; n < name_count; n++)
      known = known || strcmp(names[n], name) == 0;
    if (known)
      continue;
    int cut = (int) text_utf8_cut(name, strlen(name), 60);
    const char *near = text_nearest(name, names, name_count);
    const char *detail =
      near ? arena_printf(req->arena, "There is no parameter ?%.*s; did you mean ?%s?", cut, name,
                          near)
           : arena_printf(req->arena, "There is no parameter ?%.*s here.", cut, name);
    http_reply_error(req, E_BAD_REQUEST, detail);
    return false;
  }
  return true;
}

struct http_part *
http_part_find(struct http_request *req, const char *name)
{
  for (size_t i = 0; i < req->part_count; i++)
    if (strcmp(req->parts[i].name, name) == 0)
      return &req->parts[i];
  return NULL;
}

/* ---- what a handler may ask for -------------------------------------------------------------------- */

struct db_conn *
http_db_try(struct http_request *req)
{
  struct http_exchange *exchange = req->exchange;
  struct err_info info;
  if (exchange->conn)
    return exchange->conn;
  if (db_acquire(req->server->db, DB_WAIT_SECONDS, &exchange->conn, &info) == ERR_OK)
    return exchange->conn;
  exchange->conn = NULL;
  log_warning("no database connection: %s", info.text);
  http_busy_reason(req, "%s", info.text);
  return NULL;
}

struct db_conn *
http_db(struct http_request *req)
{
  struct db_conn *conn = http_db_try(req);
  if (!conn)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  return conn;
}

void
http_park(struct http_request *req, const char *job_id, double seconds)
{
  struct http_exchange *exchange = req->exchange;
  /* News that came between the handler's look and its parking would be missed: look again soon. */
  exchange->parked.deadline_s =
    clock_monotonic_s() + (seconds < PARK_SECONDS ? seconds : PARK_SECONDS);
  exchange->parked.job_id = NULL;
  if (job_id)
  {
    snprintf(exchange->park_job, sizeof exchange->park_job, "%s", job_id);
    exchange->parked.job_id = exchange->park_job;
  }
}

bool
http_must_answer(const struct http_request *req)
{
  return req->exchange->last_call;
}
