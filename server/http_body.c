#include <config.h>

#include "server/http_internal.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"

#define SPOOL_BUFFER ((size_t) 1 << 20)
#define SLOWEST_BYTES_PER_S 1024.0
#define MEMORY_PARTS_MAX 1024
/* What a JSON body of this size was parsed into is worth giving back. */
#define LARGE_BODY ((size_t) 4 << 20)
#define HTTP_FIELDS_MAX 10000

static size_t
body_limit(const struct http_exchange *exchange)
{
  const struct http_route *route = exchange->req.route;
  const struct server_limits *limits = exchange->req.limits;
  if (route->body_limit)
    return route->body_limit;
  if (route->flags & HTTP_UPLOAD)
    return limits->upload_bytes;
  if (route->flags & HTTP_BYTES)
    return limits->predict_bytes;
  if (route->flags & HTTP_JSON)
    return limits->json_bytes;
  return HTTP_DISCARD_BYTES;
}

static void
refuse_size(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  size_t limit = body_limit(exchange);
  bool whole = limit >= 1 << 20 && limit % (1 << 20) == 0;
  http_reply_error(req, E_TOO_LARGE,
                   arena_printf(req->arena, "The body is larger than the limit of %zu %s.",
                                whole ? limit >> 20 : limit, whole ? "MiB" : "bytes"));
}

/* Lower case, without parameters. */
static const char *
plain_content_type(struct http_request *req)
{
  const char *header = http_header(req, MHD_HTTP_HEADER_CONTENT_TYPE);
  char *type =
    arena_strndup(req->arena, header ? header : "", header ? strcspn(header, "; \t") : 0);
  for (char *c = type; c && *c; c++)
    if (*c >= 'A' && *c <= 'Z')
      *c = (char) (*c - 'A' + 'a');
  return type ? type : "";
}

/* A page of another site can make a browser send forms with its cookie, but never JSON. */
static bool
is_json_type(const struct http_request *req)
{
  const char *type = req->content_type;
  size_t length = strlen(type);
  if (strcmp(type, "application/json") == 0
      || (length > 5 && strncmp(type, "application/", 12) == 0
          && strcmp(type + length - 5, "+json") == 0))
    return true;
  bool by_key = *req->exchange->identity.key_id && !req->by_cookie;
  return by_key && (!*type || strcmp(type, "application/x-www-form-urlencoded") == 0);
}

static void
begin_upload(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  struct err_info info;
  char boundary[MULTIPART_BOUNDARY_MAX + 1];
  bool form = strcmp(req->content_type, "multipart/form-data") == 0;
  if (form && !multipart_boundary(http_header(req, MHD_HTTP_HEADER_CONTENT_TYPE), boundary))
  {
    http_reply_error(req, E_BAD_REQUEST, "The Content-Type has no legal boundary.");
    return;
  }
  if (!form
      && (!*req->content_type
          || strcmp(req->content_type, "application/x-www-form-urlencoded") == 0))
  {
    http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                     "Send multipart/form-data (curl -F file=@FILE), or the bytes of one file "
                     "with its content type, such as text/csv (curl --data-binary @FILE).");
    return;
  }
  uint64_t size = exchange->declared == UINT64_MAX ? 0 : exchange->declared;
  if (spool_check_room(req->server->data_dir, size, req->server->limits.spool_reserve, &info)
      != ERR_OK)
  {
    log_warning("an upload was refused: %s", info.text);
    http_reply_error(req, E_STORAGE_FULL, NULL);
    return;
  }
  if (!http_account_upload(exchange))
    return;
  bool digest = (req->route->flags & HTTP_CREATES) && http_header(req, "Idempotency-Key");
  free(exchange->buffer);
  exchange->buffer = malloc(SPOOL_BUFFER);
  exchange->buffer_capacity = SPOOL_BUFFER;
  exchange->upload = http_upload_new(req, form ? boundary : NULL, digest);
  if (!exchange->buffer || !exchange->upload)
    http_reply_error(req, E_INTERNAL, NULL);
}

void
http_body_begin(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  req->content_type = plain_content_type(req);
  if (!exchange->has_body)
    return;
  const char *encoding = http_header(req, MHD_HTTP_HEADER_CONTENT_ENCODING);
  if (exchange->declared != UINT64_MAX && exchange->declared > body_limit(exchange))
    refuse_size(exchange);
  else if (encoding && strcasecmp(encoding, "identity") != 0)
    http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE, "Send the body without a Content-Encoding.");
  else if (req->route->flags & HTTP_UPLOAD)
    begin_upload(exchange);
  else if ((req->route->flags & HTTP_JSON) && !is_json_type(req))
    http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                     "Send JSON with Content-Type: application/json.");
}

static enum http_body_result
discard(struct http_exchange *exchange, size_t *length)
{
  double now_s = clock_monotonic_s();
  if (!exchange->discarding)
  {
    exchange->discarding = true;
    exchange->body_started_s = now_s;
    exchange->received = 0;
  }
  exchange->received += *length;
  *length = 0;
  if (exchange->received <= HTTP_DISCARD_BYTES
      && now_s - exchange->body_started_s <= HTTP_DISCARD_SECONDS)
    return HTTP_BODY_MORE;
  return HTTP_BODY_ABORT;
}

static bool
make_room(struct http_exchange *exchange, size_t length)
{
  size_t need = exchange->buffer_length + length + 1;
  if (need <= exchange->buffer_capacity)
    return true;
  size_t capacity = exchange->buffer_capacity ? exchange->buffer_capacity : 1024;
  if (exchange->declared != UINT64_MAX && exchange->declared < body_limit(exchange)
      && capacity <= exchange->declared)
    capacity = (size_t) exchange->declared + 1;
  while (capacity < need)
    capacity *= 2;
  char *buffer = realloc(exchange->buffer, capacity);
  if (!buffer)
    return false;
  exchange->buffer = buffer;
  exchange->buffer_capacity = capacity;
  return true;
}

/* Whether the body comes slower than anybody's line: one byte now and then to hold a connection. */
static bool
is_stalled(const struct http_exchange *exchange)
{
  double elapsed_s = clock_monotonic_s() - exchange->body_started_s - exchange->spool_s;
  return elapsed_s > exchange->req.server->limits.body_seconds
         && (double) exchange->received < SLOWEST_BYTES_PER_S * elapsed_s;
}

enum http_body_result
http_body_take(struct http_exchange *exchange, const char *bytes, size_t *length)
{
  struct http_request *req = &exchange->req;
  if (http_replied(exchange))
    return discard(exchange, length);
  /* what is whole now came in time */
  bool last = exchange->received + *length == exchange->declared;
  if (!last && is_stalled(exchange))
    http_reply_error(req, E_REQUEST_TIMEOUT, NULL);
  else if (exchange->received + *length > body_limit(exchange))
    refuse_size(exchange);
  if (http_replied(exchange))
    return discard(exchange, length);
  if (exchange->upload)
  {
    size_t room = exchange->buffer_capacity - exchange->buffer_length;
    size_t take = *length < room ? *length : room;
    memcpy(exchange->buffer + exchange->buffer_length, bytes, take);
    exchange->buffer_length += take;
    exchange->received += take;
    *length -= take;
    return *length ? HTTP_BODY_FULL : HTTP_BODY_MORE;
  }
  if ((req->route->flags & (HTTP_JSON | HTTP_BYTES)) && !make_room(exchange, *length))
  {
    http_reply_error(req, E_INTERNAL, NULL);
    return discard(exchange, length);
  }
  exchange->received += *length;
  if (req->route->flags & (HTTP_JSON | HTTP_BYTES))
  {
    memcpy(exchange->buffer + exchange->buffer_length, bytes, *length);
    exchange->buffer_length += *length;
  }
  *length = 0;
  return HTTP_BODY_MORE;
}

void
http_body_spool(struct http_exchange *exchange)
{
  if (!exchange->upload)
    return;
  double start_s = clock_monotonic_s();
  struct err_info info;
  if (exchange->declared == UINT64_MAX && !http_replied(exchange)
      && spool_check_room(exchange->req.server->data_dir, exchange->received,
                          exchange->req.server->limits.spool_reserve, &info)
           != ERR_OK)
  {
    log_warning("an upload was refused: %s", info.text);
    http_reply_error(&exchange->req, E_STORAGE_FULL, NULL);
  }
  http_upload_feed(exchange->upload, exchange->buffer, exchange->buffer_length);
  exchange->buffer_length = 0;
  if (exchange->body_done)
    http_upload_finish(exchange->upload);
  exchange->spool_s += clock_monotonic_s() - start_s;
}

void
http_body_settle(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  struct err_info info;
  if (http_replied(exchange) || exchange->upload)
    return;
  req->body = exchange->buffer_length ? exchange->buffer : "";
  req->body_length = exchange->buffer_length;
  if (exchange->buffer_length)
    exchange->buffer[exchange->buffer_length] = '\0';
  if (!(req->route->flags & HTTP_JSON) || req->body_length == 0)
    return;
  enum err err =
    json_parse(req->body, req->body_length, req->server->limits.json_depth, &req->json, &info);
  if (err == ERR_MEMORY)
    http_reply_error(req, E_INTERNAL, NULL);
  else if (err)
    http_reply_error(req, E_BAD_JSON, info.text);
}

void
http_body_free(struct http_exchange *exchange)
{
  http_upload_free(exchange->upload);
  exchange->upload = NULL;
}

void
http_body_let_go(size_t length)
{
#ifdef __GLIBC__
  if (length > LARGE_BODY)
    malloc_trim(0);
#else
  (void) length;
#endif
}

void
http_body_digest(struct http_exchange *exchange, uint8_t digest[32])
{
  struct http_request *req = &exchange->req;
  crypto_generichash_state sum;
  crypto_generichash_init(&sum, NULL, 0, 32);
  crypto_generichash_update(&sum, (const unsigned char *) exchange->path,
                            strlen(exchange->path) + 1);
  for (size_t i = 0; i < exchange->query_count; i++)
  {
    const struct http_name_value *item = &exchange->query[i];
    /* How long to wait for the answer is no part of what is asked for. */
    if ((req->route->flags & HTTP_RERUN) && strcmp(item->name, "wait") == 0)
      continue;
    crypto_generichash_update(&sum, (const unsigned char *) item->name, strlen(item->name) + 1);
    crypto_generichash_update(&sum, (const unsigned char *) item->value, strlen(item->value) + 1);
  }
  if (exchange->upload)
    http_upload_digest(exchange->upload, &sum);
  else
    crypto_generichash_update(&sum, (const unsigned char *) req->body, req->body_length);
  crypto_generichash_final(&sum, digest, 32);
}

/* ---- a form in memory ------------------------------------------------------------------------------ */

struct memory_form
{
  struct http_request *req;
  struct http_part *parts;
  size_t count;
  char *out; /* room for the body and a NUL per part */
};

static bool
memory_begin(void *context, const struct multipart_head *head)
{
  struct memory_form *form = context;
  struct http_part *part = &form->parts[form->count++];
  struct arena *arena = form->req->arena;
  part->name = arena_strdup(arena, head->name);
  part->file_name = head->file_name ? arena_strdup(arena, head->file_name) : NULL;
  part->content_type = head->content_type ? arena_strdup(arena, head->content_type) : NULL;
  part->value = form->out;
  return part->name != NULL;
}

static bool
memory_data(void *context, const char *bytes, size_t length)
{
  struct memory_form *form = context;
  memcpy(form->out, bytes, length);
  form->out += length;
  form->parts[form->count - 1].size += length;
  return true;
}

static bool
memory_end(void *context)
{
  struct memory_form *form = context;
  *form->out++ = '\0';
  return true;
}

bool
http_body_parts(struct http_request *req, struct http_part **parts, size_t *count)
{
  struct err_info info;
  char boundary[MULTIPART_BOUNDARY_MAX + 1];
  const char *type = http_header(req, MHD_HTTP_HEADER_CONTENT_TYPE);
  if (!type || !multipart_boundary(type, boundary))
  {
    http_reply_error(req, E_BAD_REQUEST, "The Content-Type has no legal boundary.");
    return false;
  }
  struct memory_form form = {.req = req};
  struct multipart_sink sink = {
    .begin = memory_begin, .data = memory_data, .end = memory_end, .context = &form};
  form.parts = arena_array(req->arena, MEMORY_PARTS_MAX, sizeof *form.parts);
  form.out = arena_alloc(req->arena, req->body_length + MEMORY_PARTS_MAX);
  struct multipart *multipart = multipart_new(boundary, MEMORY_PARTS_MAX, &sink);
  enum err err = ERR_MEMORY;
  if (form.parts && form.out && multipart)
    err = multipart_feed(multipart, req->body, req->body_length, &info);
  if (!err)
    err = multipart_finish(multipart, &info);
  multipart_free(multipart);
  if (err == ERR_MEMORY || err == ERR_CANCELLED)
    http_reply_error(req, E_INTERNAL, NULL);
  else if (err)
    http_reply_error(req, E_BAD_REQUEST,
                     arena_printf(req->arena, "The form can't be read: %s.", info.text));
  *parts = form.parts;
  *count = form.count;
  return err == ERR_OK;
}

/* ---- a form as text -------------------------------------------------------------------------------- */

/* NULL when it is no text, or out of memory. */
static const char *
decode_field(struct http_request *req, const char *text, size_t length)
{
  char *spaced = arena_strndup(req->arena, text, length);
  const char *value;

  for (char *c = spaced; c && *c; c++)
    if (*c == '+')
      *c = ' ';
  value =
    spaced && strlen(spaced) == length ? http_decode(req->arena, spaced, length, false) : NULL;
  return value;
}

bool
http_body_fields(struct http_request *req, struct http_part **parts, size_t *count)
{
  const char *at = req->body, *end = req->body + req->body_length;
  size_t most = 1;

  for (const char *c = at; c < end; c++)
    most += *c == '&';
  *count = 0;
  *parts = most <= HTTP_FIELDS_MAX ? arena_array(req->arena, most, sizeof **parts) : NULL;
  if (!*parts)
  {
    http_reply_error(req, E_TOO_LARGE, "The form has too many fields.");
    return false;
  }
  while (at < end)
  {
    size_t length = 0, name = 0;
    struct http_part *part = &(*parts)[*count];
    while (at + length < end && at[length] != '&')
      length++;
    while (name < length && at[name] != '=')
      name++;
    part->name = decode_field(req, at, name);
    part->value = decode_field(req, at + name + (name < length), length - name - (name < length));
    if (!part->name || !part->value)
    {
      http_reply_error(req, E_BAD_REQUEST, "The form can't be read: it is not URL-encoded UTF-8.");
      return false;
    }
    *count += length > 0;
    at += length + 1;
  }
  return true;
}
