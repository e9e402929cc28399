/* A request's life: match → limits → key → body → handler → done.
 *
 * The only other files that see libmicrohttpd are http*.c. A handler gets a `struct http_request` whose
 * common part is settled: route matched, caller authenticated and allowed, body read (in memory up to the
 * route's limit, or spooled to a file). It replies exactly once through http_reply_*, returns, and the arena
 * and the spool files of the request go afterwards.
 *
 * Threads: a route without HTTP_FAST runs on the waiting pool with its connection suspended, so it may
 * wait for PostgreSQL or disk. A HTTP_FAST route is first called on the event thread and must not
 * wait there: it either replies, or returns HTTP_WAIT or HTTP_COMPUTE (without having replied) to be
 * called again, with req->pass one higher, on the waiting pool or the CPU pool.
 */
#ifndef ATTUNE_SERVER_HTTP_H
#define ATTUNE_SERVER_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "server/error.h"
#include "server/server.h"

enum http_method
{
  HTTP_GET,
  HTTP_POST,
  HTTP_PUT,
  HTTP_PATCH,
  HTTP_DELETE
};

enum http_outcome
{
  HTTP_REPLIED,
  HTTP_WAIT,
  HTTP_COMPUTE,
  HTTP_GATHER, /* event threads only: call handle_gathered with all requests that said so in this turn of the loop */
  HTTP_PARK /* call again on the waiting pool when http_park says so; no thread is held meanwhile */
};

/* For a handler that could return HTTP_GATHER: whether there may be company. Where the last turns brought a
 * single call each, fewer and fewer wait for others, so that a lone caller is answered at once. */
bool http_gather_worth(void);

/* handle_gathered gets at most so many; more in a turn make several calls. */
#define GATHERED_MAX ((size_t) 64)

enum http_route_flag
{
  HTTP_PUBLIC = 1, /* no key needed */
  HTTP_FAST = 2,   /* see above */
  HTTP_JSON = 4,  /* the body is one JSON value, parsed to req->json (NULL when there is no body) */
  HTTP_BYTES = 8, /* the body is bytes in memory, req->body */
  HTTP_UPLOAD =
    16, /* parts are spooled to files: multipart/form-data, or a raw body as one part "file" */
  HTTP_CREATES = 32, /* honours Idempotency-Key */
  HTTP_STREAM = 64,  /* the handler calls http_stream_* */
  HTTP_WHO = 128,    /* with HTTP_PUBLIC: a key or session is looked at if there is one */
  HTTP_RERUN =
    256, /* with HTTP_CREATES: a repeated request calls the handler with req->replay set */
  HTTP_ROOT = 512,    /* only for admin keys of the installation's first tenant */
  HTTP_LOOKS = 1024,  /* not GET, but changes nothing that lasts: no row in the audit */
  HTTP_LOGGED = 2048, /* changes what keeps a log of its own: no row in the audit either */
  HTTP_BASIC = 4096,  /* the key may also be the user name of Basic authentication */
  HTTP_NAMES_MODEL =
    8192 /* the path names no model, the handler knows it: it calls http_key_allows */
};

struct http_request;

struct http_route
{
  enum http_method method;
  const char *
    pattern; /* "/api/v1/jobs/{job}/trials/{trial}"; a segment may be "{model}" or "{model}:predict" */
  const char *name; /* for metrics and logs: "jobs.get" */
  enum http_outcome (*handler)(struct http_request *req);
  unsigned flags;
  unsigned scope;    /* any of these (enum db_scope, sql/db_tenant.h) will do; admin always
                        does; 0 without HTTP_PUBLIC: any key */
  size_t body_limit; /* 0: the default of its kind */
};

/* The table of all routes, ended by a NULL handler (http_route.c). */
extern const struct http_route http_routes[];

/* One part of an upload: a form field (value) or a file (path). */
struct http_part
{
  const char *name;
  const char *file_name;    /* NULL for a plain field */
  const char *content_type; /* NULL if not told */
  const char *value;        /* fields: text, at most 64 KiB */
  const char *path; /* files: spool path; removed with the request unless taken (set NULL) */
  uint64_t size;
};

struct http_request
{
  struct server *server;
  const struct http_route *route;
  struct arena *arena;
  char id[40];   /* X-Request-Id */
  unsigned pass; /* 0 = first call of the handler */
  /* who asks; empty on public routes */
  const char *tenant_id;
  const char *key_id;
  const char *key_model; /* a predict key bound to one model, else NULL */
  unsigned scopes;
  bool root; /* a key of the installation's first tenant */
  bool by_cookie;
  const uint8_t *session_hash; /* of the cookie, else NULL */
  const char *csrf;            /* of the session, else NULL */
  /* body */
  json_t *json;     /* HTTP_JSON; owned by the request */
  const char *body; /* HTTP_BYTES */
  size_t body_length;
  const char *content_type; /* lower case, without parameters; "" if none */
  struct http_part *parts;  /* HTTP_UPLOAD */
  size_t part_count;
  json_t *replay; /* HTTP_RERUN: the stored answer of the first request, else NULL */
  void *state;    /* the handler's own, from one pass to the next (arena memory) */
  const struct server_limits
    *limits;               /* that hold for who asks: the tenant's own, else the server's */
  uint64_t predicted_rows; /* told by the handler, for the tenant's usage */
  /* private to http*.c */
  struct http_exchange *exchange;
};

/* A path argument by its name in the pattern, decoded: never NULL. */
const char *http_arg(const struct http_request *req, const char *name);
/* A query parameter, decoded, or NULL; a header, or NULL. */
const char *http_query(const struct http_request *req, const char *name);
const char *http_header(const struct http_request *req, const char *name);
/* The index-th value of a query parameter that may be repeated, or NULL. */
const char *http_query_nth(const struct http_request *req, const char *name, size_t index);

/* Whether a key that is bound to one model is bound to this one (name or id, perhaps with "@alias"); any other key
 * is. False when it replied 403. */
bool http_key_allows(struct http_request *req, const char *model);

/* The client's address. */
const struct sockaddr *http_peer(const struct http_request *req);

/* A whole-number query parameter between min and max; absent = fallback. False when it replied 400. */
bool http_query_integer(struct http_request *req, const char *name, int64_t min, int64_t max,
                        int64_t fallback, int64_t *value);
bool http_query_number(struct http_request *req, const char *name, double min, double max,
                       double fallback, double *value);
/* Replies 400 and returns false when the query has a parameter that is not in names (NULL-ended). */
bool http_query_known(struct http_request *req, const char *const *names);

/* The named part of an upload, or NULL. */
struct http_part *http_part_find(struct http_request *req, const char *name);

/* Splits a multipart/form-data body that is in memory (HTTP_BYTES) into parts whose values are the bytes
 * (size of them, a NUL after the last); the path of each is NULL. False when it replied. */
bool http_body_parts(struct http_request *req, struct http_part **parts, size_t *count);

/* Splits an application/x-www-form-urlencoded body that is in memory into parts with name and value, both decoded
 * text. False when it replied. */
bool http_body_fields(struct http_request *req, struct http_part **parts, size_t *count);

/* Before returning HTTP_PARK: be called again, with req->pass one higher, after `seconds` or sooner (at least
 * every 2 s; at once when job_id, which may be NULL, has news or the server drains). Keep your own deadline. */
void http_park(struct http_request *req, const char *job_id, double seconds);
/* True when parking again is no use, since the server drains: reply with what there is. */
bool http_must_answer(const struct http_request *req);

/* With HTTP_CREATES: what a repeated request is answered instead of the reply itself (a secret is shown
 * once). Takes the reference. */
void http_reply_replay(struct http_request *req, json_t *value);

/* ---- replies: exactly one per request; each takes the JSON reference ------------------------------- */
void http_reply_json(struct http_request *req, int status, json_t *value);
/* As above with a Location header. */
void http_reply_created(struct http_request *req, int status, const char *location, json_t *value);
/* {"items": items, "next_cursor": cursor or null} */
void http_reply_list(struct http_request *req, json_t *items, const char *next_cursor);
void http_reply_empty(struct http_request *req); /* 204 */
/* Bytes with a content type; copied. */
void http_reply_bytes(struct http_request *req, int status, const char *content_type,
                      const void *bytes, size_t length);
/* The same of what is in `text`, which is taken and left empty. */
void http_reply_buf(struct http_request *req, int status, const char *content_type,
                    struct buf *text);
/* The `length` bytes of a file from its start; takes the descriptor. */
void http_reply_file(struct http_request *req, const char *content_type, int fd, uint64_t length);
/* As http_reply_bytes with memory the caller keeps for ever (pages compiled in), with an ETag unless it is NULL. */
void http_reply_static(struct http_request *req, int status, const char *content_type,
                       const char *etag, const void *bytes, size_t length);
/* application/problem+json for a code of error.def; detail is a sentence (NULL = the code's own). */
void http_reply_error(struct http_request *req, enum error_code code, const char *detail);
void http_reply_faults(struct http_request *req, enum error_code code,
                       const struct json_faults *faults);
/* A limit of the tenant (its name in struct server_limits) is reached: 429 that names it and how much of it
 * is used. `advice` is a sentence, or NULL. */
void http_reply_quota(struct http_request *req, const char *limit, uint64_t used, uint64_t most,
                      const char *advice);
/* 503 (or another answer that may be better later) with Retry-After. A 503 leaves a line in the log that says
 * why: the sentence http_busy_reason was given, else the function that answered. */
#define http_reply_busy(req, code, retry_after_s)                                                  \
  http_reply_busy_by((req), (code), (retry_after_s), __func__)
void http_reply_busy_by(struct http_request *req, enum error_code code, unsigned retry_after_s,
                        const char *who);
void http_busy_reason(struct http_request *req, const char *format, ...)
  __attribute__((format(printf, 2, 3)));
/* The answer for a database status that is not the expected one: DB_NONE → not_found_code, DB_SOFT → 503,
 * DB_HARD → 500. */
void http_reply_db(struct http_request *req, enum db_status status, enum error_code not_found_code);
/* Adds a header to the coming reply. */
void http_reply_header(struct http_request *req, const char *name, const char *value);

/* A database connection for this request (waiting pool only), given back when it is done. NULL when it
 * replied 503. */
struct db_conn *http_db(struct http_request *req);
/* As http_db, but without a reply: for a handler that has parked before and can park again. The failure is
 * remembered as the reason of a later 503. */
struct db_conn *http_db_try(struct http_request *req);

/* A new random id. Under an Idempotency-Key it is the same in every attempt of the request, so that what an
 * attempt made before its server died is found, not made again: at most one id of a prefix in a request. */
void http_new_id(struct http_request *req, const char *prefix, char *id, size_t size);
/* Whether an earlier attempt of this request died with its server: it may have made something. */
bool http_is_second_attempt(const struct http_request *req);

/* ---- streams (text/event-stream) -------------------------------------------------------------------- */
/* Starts an SSE answer: from now on the event hub feeds it the events of these jobs, each after its `after`. */
struct http_stream_job
{
  const char *job_id;
  int64_t after;
};
void http_stream_jobs(struct http_request *req, const struct http_stream_job *jobs, size_t count);

#endif
