#include <config.h>

#include "server/http_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/json_memory.h"

#define PAGE_POLICY                                                                                \
  "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; frame-ancestors 'none'; "    \
  "base-uri 'none'; form-action 'self'"

void
http_reply_header(struct http_request *req, const char *name, const char *value)
{
  struct http_exchange *exchange = req->exchange;
  struct http_name_value *header = &exchange->answer_headers[exchange->answer_header_count];
  if (exchange->answer_header_count == HTTP_ANSWER_HEADERS_MAX)
  {
    log_error("a reply has too many headers: %s is left out", name);
    return;
  }
  header->name = arena_strdup(req->arena, name);
  header->value = arena_strdup(req->arena, value);
  if (header->name && header->value)
    exchange->answer_header_count++;
}

/* Every reply ends here. A second one is our own bug: the first stands. */
static void
settle(struct http_request *req, int status, struct MHD_Response *response)
{
  struct http_exchange *exchange = req->exchange;
  if (!response)
  {
    log_error("out of memory for a reply");
    return;
  }
  if (exchange->response)
  {
    log_error("%s replied twice: %d, then %d", req->route ? req->route->name : "-",
              exchange->status, status);
    MHD_destroy_response(response);
    return;
  }
  exchange->response = response;
  exchange->status = status;
}

static void
add_header(struct MHD_Response *response, const char *name, const char *value)
{
  if (MHD_add_response_header(response, name, value) != MHD_YES)
    log_warning("the header %s could not be sent", name);
}

/* Takes the value; its text is kept so that idempotency can store it. */
static void
reply_text(struct http_request *req, int status, const char *content_type, json_t *value)
{
  struct http_exchange *exchange = req->exchange;
  struct buf bytes = {0};
  if (value)
    json_write(value, &bytes);
  char *text = value && !json_memory_ran_out() ? buf_take(&bytes, NULL) : NULL;
  buf_free(&bytes);
  json_memory_forget();
  json_decref(value);
  if (!text)
  {
    log_error("a reply could not be written as JSON");
    const struct error_def *def = error_get(E_INTERNAL);
    if (asprintf(&text,
                 "{\"type\":\"/docs#%s\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\","
                 "\"detail\":\"%s\",\"hint\":\"%s\",\"error\":\"%s\",\"request_id\":\"%s\"}",
                 def->name, def->sentence, def->status, def->name, def->sentence, def->hint,
                 def->sentence, req->id)
        < 0)
      text = NULL;
    status = def->status;
    content_type = "application/problem+json";
  }
  size_t length = text ? strlen(text) : 0;
  struct MHD_Response *response =
    text ? MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE) : NULL;
  if (!response)
    free(text);
  else
  {
    add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (!exchange->response)
    {
      exchange->answer_body = text;
      exchange->answer_length = length;
    }
  }
  settle(req, status, response);
}

void
http_reply_json(struct http_request *req, int status, json_t *value)
{
  reply_text(req, status, "application/json", value);
}

void
http_reply_created(struct http_request *req, int status, const char *location, json_t *value)
{
  req->exchange->answer_location = arena_strdup(req->arena, location);
  http_reply_header(req, MHD_HTTP_HEADER_LOCATION, location);
  http_reply_json(req, status, value);
}

void
http_reply_list(struct http_request *req, json_t *items, const char *next_cursor)
{
  http_reply_json(req, 200, json_pack("{s:o, s:s?}", "items", items, "next_cursor", next_cursor));
}

void
http_reply_replay(struct http_request *req, json_t *value)
{
  json_decref(req->exchange->replay_answer);
  req->exchange->replay_answer = value;
}

void
http_reply_empty(struct http_request *req)
{
  static char nothing[1];
  settle(req, MHD_HTTP_NO_CONTENT,
         MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT));
}

static void
reply_memory(struct http_request *req, int status, const char *content_type, void *bytes,
             size_t length, enum MHD_ResponseMemoryMode mode)
{
  struct MHD_Response *response = MHD_create_response_from_buffer(length, bytes, mode);
  if (response)
  {
    add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  }
  else if (mode == MHD_RESPMEM_MUST_FREE)
    free(bytes);
  settle(req, status, response);
}

void
http_reply_bytes(struct http_request *req, int status, const char *content_type, const void *bytes,
                 size_t length)
{
  reply_memory(req, status, content_type, (void *) (uintptr_t) bytes, length,
               MHD_RESPMEM_MUST_COPY);
}

void
http_reply_buf(struct http_request *req, int status, const char *content_type, struct buf *text)
{
  size_t length;
  char *bytes = buf_take(text, &length);
  if (bytes)
    reply_memory(req, status, content_type, bytes, length, MHD_RESPMEM_MUST_FREE);
  else
    settle(req, status, NULL);
}

void
http_reply_file(struct http_request *req, const char *content_type, int fd, uint64_t length)
{
  struct MHD_Response *response = MHD_create_response_from_fd64(length, fd);
  if (response)
  {
    add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  }
  else
    close(fd);
  settle(req, 200, response);
}

void
http_reply_static(struct http_request *req, int status, const char *content_type, const char *etag,
                  const void *bytes, size_t length)
{
  const char *known = http_header(req, MHD_HTTP_HEADER_IF_NONE_MATCH);
  bool same = known && etag && strstr(known, etag);
  struct MHD_Response *response = MHD_create_response_from_buffer(
    same ? 0 : length, (void *) (uintptr_t) bytes, MHD_RESPMEM_PERSISTENT);
  if (response)
  {
    if (!same)
      add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    if (etag)
      add_header(response, MHD_HTTP_HEADER_ETAG, etag);
    if (strncmp(content_type, "text/html", 9) == 0)
    {
      add_header(response, "Content-Security-Policy", PAGE_POLICY);
      add_header(response, "Referrer-Policy", "no-referrer");
    }
  }
  settle(req, same ? MHD_HTTP_NOT_MODIFIED : status, response);
}

/* ---- problems -------------------------------------------------------------------------------------- */

static void
reply_problem(struct http_request *req, enum error_code code, const char *detail, json_t *faults,
              json_t *more)
{
  const struct error_def *def = error_get(code);
  const char *sentence = detail ? detail : def->sentence;
  json_t *problem = json_pack("{s:o, s:s, s:i, s:s, s:s, s:s, s:s, s:s}", "type",
                              json_sprintf("/docs#%s", def->name), "title", def->sentence, "status",
                              def->status, "code", def->name, "detail", sentence, "hint", def->hint,
                              "error", sentence, "request_id", req->id);
  if (faults && problem)
    json_object_set_new(problem, "faults", faults);
  else
    json_decref(faults);
  if (more && problem)
    json_object_update_missing(problem, more);
  json_decref(more);
  if (code == E_UNAUTHENTICATED)
    http_reply_header(req, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"attune\"");
  reply_text(req, def->status, "application/problem+json", problem);
}

void
http_busy_reason(struct http_request *req, const char *format, ...)
{
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  req->exchange->busy_reason = arena_strdup(req->arena, text);
}

/* Nobody should have to guess why a call was turned away. */
static void
log_busy(const struct http_request *req, const char *otherwise)
{
  const char *reason = req->exchange->busy_reason;
  log_info("%s is turned away with 503: %s (request %s)", req->route ? req->route->name : "-",
           reason ? reason : otherwise, req->id);
}

void
http_reply_error(struct http_request *req, enum error_code code, const char *detail)
{
  const struct error_def *def = error_get(code);
  if (def->status == 503 || def->status == 429)
    http_reply_header(req, MHD_HTTP_HEADER_RETRY_AFTER, "2");
  if (def->status == 503)
    log_busy(req, detail ? detail : def->sentence);
  reply_problem(req, code, detail, NULL, NULL);
}

void
http_reply_faults(struct http_request *req, enum error_code code, const struct json_faults *faults)
{
  const char *detail = NULL;
  if (faults->kept > 0)
  {
    const struct json_fault *first = &faults->items[0];
    const char *place = first->pointer && *first->pointer ? first->pointer : first->column;
    const char *rest =
      faults->count > 1 ? arena_printf(req->arena, " (and %zu more)", faults->count - 1) : "";
    detail = arena_printf(req->arena, "%s%s%s%s", place ? place : "", place ? ": " : "",
                          first->message ? first->message : "", rest ? rest : "");
  }
  reply_problem(req, code, detail, json_faults_to_json(faults), NULL);
}

void
http_reply_busy_by(struct http_request *req, enum error_code code, unsigned retry_after_s,
                   const char *who)
{
  char text[16];
  if (error_get(code)->status == 503)
    log_busy(req, who);
  snprintf(text, sizeof text, "%u", retry_after_s);
  http_reply_header(req, MHD_HTTP_HEADER_RETRY_AFTER, text);
  reply_problem(req, code, NULL, NULL, NULL);
}

void
http_reply_limit(struct http_request *req, enum error_code code, const char *detail, json_t *more,
                 unsigned retry_after_s)
{
  char text[16];
  snprintf(text, sizeof text, "%u", retry_after_s);
  if (retry_after_s)
    http_reply_header(req, MHD_HTTP_HEADER_RETRY_AFTER, text);
  reply_problem(req, code, detail, NULL, more);
}

void
http_reply_quota(struct http_request *req, const char *limit, uint64_t used, uint64_t most,
                 const char *advice)
{
  const char *detail = arena_printf(
    req->arena, "The limit \"%s\" is reached: %llu of %llu are in use.%s%s", limit,
    (unsigned long long) used, (unsigned long long) most, advice ? " " : "", advice ? advice : "");
  http_reply_limit(req, E_QUOTA, detail,
                   json_pack("{s:s, s:I, s:I}", "limit", limit, "used", (json_int_t) used, "most",
                             (json_int_t) most),
                   2);
}

void
http_reply_db(struct http_request *req, enum db_status status, enum error_code not_found_code)
{
  switch (status)
  {
  case DB_NONE:
    http_reply_error(req, not_found_code, NULL);
    break;
  case DB_SOFT:
    if (req->exchange->conn && db_is_full(req->exchange->conn))
    {
      log_warning("the database's disk is full: %s", db_last_error(req->exchange->conn));
      http_reply_error(req, E_STORAGE_FULL, NULL);
      break;
    }
    if (req->exchange->conn)
      http_busy_reason(req, "the database: %s", db_last_error(req->exchange->conn));
    http_reply_busy(req, E_UNAVAILABLE, 2);
    break;
  case DB_HARD:
  case DB_ROWS:
    http_reply_error(req, E_INTERNAL, NULL);
    break;
  }
}

/* ---- to the client --------------------------------------------------------------------------------- */

enum MHD_Result
http_reply_queue(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  if (!exchange->response)
    http_reply_error(req, E_INTERNAL, NULL);
  struct MHD_Response *response = exchange->response;
  if (!response)
    return MHD_NO;
  add_header(response, "X-Request-Id", req->id);
  add_header(response, "X-Content-Type-Options", "nosniff");
  if (req->server->tls)
    add_header(response, "Strict-Transport-Security", "max-age=31536000");
  for (size_t i = 0; i < exchange->answer_header_count; i++)
    add_header(response, exchange->answer_headers[i].name, exchange->answer_headers[i].value);
  if (exchange->close_after || req->server->draining)
    add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  return MHD_queue_response(exchange->connection, (unsigned) exchange->status, response);
}

void
http_reply_last_words(struct http_exchange *exchange)
{
  const union MHD_ConnectionInfo *about =
    MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  if (!about || exchange->req.server->tls || !exchange->answer_body)
    return;
  char text[8192];
  int length =
    snprintf(text, sizeof text,
             "HTTP/1.1 %d Refused\r\nContent-Type: application/problem+json\r\n"
             "Content-Length: %zu\r\nX-Request-Id: %s\r\nConnection: close\r\n\r\n%s",
             exchange->status, exchange->answer_length, exchange->req.id, exchange->answer_body);
  if (length > 0 && (size_t) length < sizeof text)
  {
    ssize_t sent = send(about->connect_fd, text, (size_t) length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == length)
      shutdown(about->connect_fd, SHUT_WR);
  }
}
