#include <config.h>

#include "server/http_internal.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "server/audit.h"
#include "server/rate.h"
#include "server/usage.h"

#define OBJECT_MAX 200

/* ---- what a tenant may take ------------------------------------------------------------------------ */

static void
tell_rate(struct http_request *req, const struct rate_state *state)
{
  size_t per_minute = req->limits->requests_per_minute;
  http_reply_header(req, "RateLimit-Policy",
                    arena_printf(req->arena, "\"tenant\";q=%zu;w=60", per_minute));
  http_reply_header(
    req, "RateLimit",
    arena_printf(req->arena, "\"tenant\";r=%.0f;t=%.0f", state->left, ceil(state->wait_s)));
}

bool
http_account_begin(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  size_t per_minute = req->limits->requests_per_minute;
  struct rate_state state;
  bool allowed =
    rate_take(req->server->rate, req->tenant_id, (double) per_minute, exchange->started_s, &state);
  if (state.low)
    tell_rate(req, &state);
  if (!allowed)
    http_reply_limit(
      req, E_TOO_MANY_REQUESTS,
      arena_printf(req->arena, "The limit \"requests_per_minute\" is reached: %zu may be made.",
                   per_minute),
      json_pack("{s:s, s:I}", "limit", "requests_per_minute", "most", (json_int_t) per_minute),
      (unsigned) fmin(fmax(ceil(state.wait_s), 1.0), 60.0));
  return allowed;
}

bool
http_account_upload(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  size_t under_way = 0, most = req->limits->live_uploads;
  exchange->upload_counted = rate_upload_begin(req->server->rate, req->tenant_id, most, &under_way);
  if (!exchange->upload_counted)
    http_reply_quota(req, "live_uploads", under_way, most, "Wait until one of them has ended.");
  return exchange->upload_counted;
}

/* ---- what is written down -------------------------------------------------------------------------- */

/* Ids from the path or of what was made, without anything that looks like a secret. */
static const char *
object_of(const struct http_exchange *exchange)
{
  struct arena *arena = exchange->req.arena;
  const char *made = exchange->answer_location ? strrchr(exchange->answer_location, '/') : NULL;
  const char *object = NULL;
  if (made)
    object = arena_strndup(arena, made + 1, strcspn(made + 1, "?"));
  for (size_t i = 0; !made && i < exchange->arg_count; i++)
    object = object ? arena_printf(arena, "%s/%s", object, exchange->args[i].value)
                    : exchange->args[i].value;
  if (!object)
    return NULL;
  if (strstr(object, HTTP_KEY_PREFIX))
    return HTTP_KEY_PREFIX "…";
  return arena_strndup(arena, object, text_utf8_cut(object, strlen(object), OBJECT_MAX));
}

static void
print_address(const struct http_exchange *exchange, char text[INET6_ADDRSTRLEN])
{
  const struct sockaddr_storage *peer = &exchange->peer;
  const void *address = peer->ss_family == AF_INET6
                          ? (const void *) &((const struct sockaddr_in6 *) peer)->sin6_addr
                          : (const void *) &((const struct sockaddr_in *) peer)->sin_addr;
  int family = peer->ss_family == AF_INET6 ? AF_INET6 : AF_INET;
  if (!inet_ntop(family, address, text, INET6_ADDRSTRLEN))
    *text = '\0';
  /* An IPv4 address as a socket for both kinds sees it. */
  if (strncmp(text, "::ffff:", 7) == 0 && strchr(text, '.'))
    memmove(text, text + 7, strlen(text + 7) + 1);
}

static bool
is_change(const struct http_exchange *exchange, int status)
{
  const struct http_request *req = &exchange->req;
  const char *only_looks = http_query(req, "validate_only");
  return req->route && req->tenant_id && req->route->method != HTTP_GET
         && !(req->route->flags & (HTTP_LOOKS | HTTP_LOGGED)) && status >= 200 && status < 300
         && !exchange->replayed && !(only_looks && strcmp(only_looks, "0") != 0);
}

static struct db_audit
row_of(const struct http_exchange *exchange, int status, char address[INET6_ADDRSTRLEN])
{
  const struct http_request *req = &exchange->req;
  print_address(exchange, address);
  return (struct db_audit){
    .tenant_id = req->tenant_id,
    .key_id = req->key_id,
    .action = req->route->name,
    .object = object_of(exchange),
    .status = status,
    .request_id = req->id,
    .address = address,
    .at_us = clock_unix_us(),
  };
}

void
http_account_change(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  struct err_info info;
  char address[INET6_ADDRSTRLEN];
  if (!is_change(exchange, exchange->status))
    return;
  if (!exchange->conn && db_acquire(req->server->db, 5.0, &exchange->conn, &info) != ERR_OK)
  {
    exchange->conn = NULL;
    log_warning("an audit row has to wait: %s", info.text);
  }
  struct db_audit row = row_of(exchange, exchange->status, address);
  audit_write(req->server->audit, exchange->conn, &row);
  exchange->audited = true;
}

void
http_account_end(struct http_exchange *exchange, int status)
{
  struct http_request *req = &exchange->req;
  struct server *server = req->server;
  if (exchange->upload_counted)
    rate_upload_end(server->rate, req->tenant_id);
  if (!req->tenant_id || !req->route)
    return;
  bool refused = exchange->status == 403 || exchange->status == 401;
  if (refused || (!exchange->audited && is_change(exchange, exchange->status)))
  {
    char address[INET6_ADDRSTRLEN];
    struct db_audit row = row_of(exchange, exchange->status, address);
    audit_queue(server->audit, &row, refused);
  }
  double amounts[USAGE_KINDS] = {[USAGE_REQUESTS] = 1.0};
  amounts[USAGE_PREDICTED_ROWS] = (double) req->predicted_rows;
  amounts[USAGE_PREDICTIONS] = req->predicted_rows > 0 ? 1.0 : 0.0;
  if (exchange->upload && status >= 200 && status < 300)
    amounts[USAGE_UPLOADED_BYTES] = (double) exchange->received;
  usage_count(server->usage, req->tenant_id, amounts);
}
