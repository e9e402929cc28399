/* Private to http*.c: what is behind a struct http_request, and how its parts hand it on.
 *
 * An exchange belongs to one thread at a time: to MHD's event thread, or, while its connection is
 * suspended, to the pool thread that runs its task, or to the registry (parked). Handing on goes
 * through the pools' locks or MHD_resume_connection.
 */
#ifndef ATTUNE_SERVER_HTTP_INTERNAL_H
#define ATTUNE_SERVER_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/socket.h>

#include "base/lane.h"
#include "server/http.h"
#include "server/http_auth.h"
#include "server/http_wait.h"
#include "server/multipart.h"
#include "server/spool.h"

#define HTTP_ARGS_MAX 6
#define HTTP_ANSWER_HEADERS_MAX 8
#define HTTP_DISCARD_BYTES ((uint64_t) 8 << 20)
#define HTTP_DISCARD_SECONDS 5.0

enum http_phase
{
  HTTP_PHASE_HEAD,  /* first call, perhaps again after the key was looked up */
  HTTP_PHASE_BODY,  /* data arrives */
  HTTP_PHASE_HANDLE /* the handler runs or has run */
};

enum http_task_kind
{
  HTTP_TASK_AUTH,  /* look the key up in the database */
  HTTP_TASK_SPOOL, /* write what has arrived to the spool */
  HTTP_TASK_HANDLE /* run the handler */
};

struct http_name_value
{
  const char *name;
  const char *value;
};

struct http_upload;
struct http_sse;

/* A claim on an idempotency key; in the daemon's list while it is held, under the daemon's lock. */
struct http_claim
{
  struct http_claim *next, **back; /* under the daemon's lock: its neighbours write them, too */
  bool held;                       /* is in the list; of the exchange's own thread */
  char holder[80];
  char seed[40];
  bool taken_over;
};

struct http_exchange
{
  struct http_request req;
  struct http_daemon *daemon;
  struct http_lane *lane; /* it is counted there */
  struct MHD_Connection *connection;
  struct http_task task; /* its place in a pool's queue */
  enum http_task_kind task_kind;
  enum http_phase phase;
  double started_s;

  const char *path; /* raw, of MHD, valid as long as the request */
  const char *method_text;
  struct http_name_value args[HTTP_ARGS_MAX];
  size_t arg_count;
  struct http_name_value *query;
  size_t query_count;
  struct sockaddr_storage peer;
  struct http_identity identity;
  bool identified; /* the key was checked, one way or the other */

  /* body */
  bool has_body;
  bool expects_continue;
  uint64_t declared; /* Content-Length; UINT64_MAX = not told */
  uint64_t received;
  double body_started_s;
  bool discarding; /* a fault is answered once the body is over */
  char *buffer;    /* bytes of the body, or those not yet spooled */
  size_t buffer_length;
  size_t buffer_capacity;
  struct http_upload *upload;
  double spool_s; /* time the server itself held the body up */
  bool body_done;

  /* answer */
  struct MHD_Response *response;
  int status;
  struct http_name_value answer_headers[HTTP_ANSWER_HEADERS_MAX];
  size_t answer_header_count;
  bool close_after;
  const char *answer_body; /* of a JSON or problem answer, owned by the response */
  size_t answer_length;
  const char *answer_location;
  json_t *replay_answer;
  struct http_sse *sse;

  /* idempotency */
  const char *idempotency_key; /* claimed, to be finished or dropped */
  struct http_claim claim;     /* of that key */
  bool replayed;               /* the answer is one of an earlier request */

  /* account */
  bool audited;
  bool upload_counted; /* as one of the tenant's under way */

  /* waiting */
  struct db_conn *conn;
  struct http_parked parked;
  char park_job[40];
  const char *busy_reason; /* of a 503 to come, for the log; or NULL */
  bool gone;               /* the client has closed the connection */
  bool last_call;          /* the handler may answer once more, but not park again */

  /* gathered in a turn of the event thread's loop: the first one leads, and has the list */
  bool leads;
  struct http_exchange *gathered, *gathered_next;

  struct http_exchange *next; /* in the free list */
};

/* What one event thread needs at every request. */
struct http_lane
{
  atomic_size_t open;                    /* requests begun and not completed */
  _Atomic(struct http_exchange *) spare; /* the one freed last; the others are in the free list */
  char apart[LANE_BYTES];
};

struct http_daemon
{
  struct server *server;
  struct MHD_Daemon *mhd;
  struct http_pool *waiting;
  struct http_pool *computing;
  struct http_registry *registry;
  pthread_mutex_t lock;      /* of what follows */
  struct http_claim *claims; /* held just now */
  struct http_claim
    *lapsed; /* given up while the database was away: their leases are to be ended; owned */
  struct http_exchange *free_list;
  size_t free_count;
  atomic_size_t suspended; /* of the open requests, handed out by the event threads */
  atomic_size_t streams;
  atomic_bool closing; /* no new requests */
  uint64_t id_prefix;
  atomic_uint_fast64_t id_next;
  char apart[LANE_BYTES];
  struct http_lane lanes[LANES];
};

/* http_request.c: begins and ends; the free list. */
struct http_exchange *http_exchange_new(struct http_daemon *daemon,
                                        struct MHD_Connection *connection, const char *url,
                                        const char *method);
void http_exchange_free(struct http_exchange *exchange);
/* Frees those kept for later requests. */
void http_daemon_free_spares(struct http_daemon *daemon);
/* Requests begun and not completed. */
size_t http_daemon_open(const struct http_daemon *daemon);
/* Gives the database connection of the request back. */
void http_request_release_db(struct http_request *req);

/* http_request.c: decodes the query parameters; false when one is malformed, or with errno ENOMEM for want of
 * memory. */
bool http_query_read(struct http_exchange *exchange);

/* http_path.c: "%2F" and the like. Decodes a segment or a query part into the arena; NULL when it is not
 * allowed (bad escape, bad UTF-8, NUL; in a path also '/', "." and ".."), or with errno ENOMEM for want of memory. */
const char *http_decode(struct arena *arena, const char *text, size_t length, bool is_path);

/* http_route.c: finds the route of a raw path and fills args. */
enum http_match
{
  HTTP_MATCH_FOUND,
  HTTP_MATCH_BAD_PATH, /* or, with errno ENOMEM, out of memory */
  HTTP_MATCH_NO_PATH,
  HTTP_MATCH_NO_METHOD /* *allow lists those there are */
};
enum http_match http_route_match(const char *method, const char *path, struct arena *arena,
                                 const struct http_route **route, struct http_name_value *args,
                                 size_t *arg_count, char *allow, size_t allow_size);
/* Number of a route in the table, and how many there are (without the end). */
size_t http_route_index(const struct http_route *route);
size_t http_route_count(void);

/* http_body.c: checks what the head says about the body (replies when that is at fault), takes bytes, ends. */
void http_body_begin(struct http_exchange *exchange);
enum http_body_result
{
  HTTP_BODY_MORE, /* all taken */
  HTTP_BODY_FULL, /* run HTTP_TASK_SPOOL, then come again with the rest */
  HTTP_BODY_ABORT /* close the connection */
};
/* *length: how many bytes there are; then how many were left. */
enum http_body_result http_body_take(struct http_exchange *exchange, const char *bytes,
                                     size_t *length);
/* Writes what has arrived to the spool (waits for the disk); with body_done ends the parts. */
void http_body_spool(struct http_exchange *exchange);
/* The body is whole: makes req->json or req->body of it; replies when it can't. */
void http_body_settle(struct http_exchange *exchange);
/* After the handler of a request whose body had so many bytes: what its values took, up to 20 times as much, goes back
 * to the system instead of lying idle in this thread's pool. Not on an event thread. */
void http_body_let_go(size_t length);
void http_body_free(struct http_exchange *exchange);
/* The digest of the content, which idempotency compares. */
void http_body_digest(struct http_exchange *exchange, uint8_t digest[32]);

/* http_upload.c: the parts of an upload. */
struct http_upload *http_upload_new(struct http_request *req, const char *boundary, bool digest);
void http_upload_feed(struct http_upload *upload, const char *bytes, size_t length);
void http_upload_finish(struct http_upload *upload);
/* Removes the files that were not taken over. */
void http_upload_free(struct http_upload *upload);
void http_upload_digest(const struct http_upload *upload, crypto_generichash_state *sum);

/* http_idempotency.c: true when the handler should run; else it replied. */
bool http_idempotency_begin(struct http_exchange *exchange);
void http_idempotency_end(struct http_exchange *exchange);
/* Holds the claim no longer (its lease runs out, if it was not finished); for one that is not held, nothing. */
void http_claim_let_go(struct http_exchange *exchange);
/* Frees what is remembered of claims that were given up. */
void http_daemon_forget_lapsed(struct http_daemon *daemon);

/* http_gather.c, on the event threads. Suspends the request until the thread has gone through all connections that have
 * something for it: then MHD calls for the first one of the turn again, before it waits for more. */
void http_gather_add(struct http_exchange *exchange);
/* When that call comes, or the first one is gone: has all of the turn answered. */
void http_gather_end(struct http_exchange *leader);

/* http_identity.c: who asks, and whether they may: both may reply. */

/* From memory, on the event thread; false when the database has to be asked. */
bool http_identity_find(struct http_exchange *exchange);
/* From the database, where waiting is allowed. */
void http_identity_ask(struct http_exchange *exchange);

/* http_account.c: what a request takes from its tenant and leaves in the books. */

/* Whether the tenant may ask once more now; replies 429 when not. */
bool http_account_begin(struct http_exchange *exchange);
/* Whether the tenant may upload one more; replies 429 when not. */
bool http_account_upload(struct http_exchange *exchange);
/* Before the answer of a handler on a pool is sent: writes a change to the audit. */
void http_account_change(struct http_exchange *exchange);
/* When all is over: refusals to the audit's queue, counters to the usage. */
void http_account_end(struct http_exchange *exchange, int status);

/* http_reply.c: a problem with further members (the reference is taken) and Retry-After when not 0. */
void http_reply_limit(struct http_request *req, enum error_code code, const char *detail,
                      json_t *more, unsigned retry_after_s);
/* http_reply.c: the last thing on the event thread. */
enum MHD_Result http_reply_queue(struct http_exchange *exchange);
/* Writes the prepared problem straight to the socket, where MHD takes no answer any more. */
void http_reply_last_words(struct http_exchange *exchange);
static inline bool
http_replied(const struct http_exchange *exchange)
{
  return exchange->response != NULL;
}

/* http_stream.c: ends the stream of an exchange, if it has one. */
void http_stream_free(struct http_exchange *exchange);

/* http.c: back to the event thread. */
void http_exchange_resume(struct http_exchange *exchange);
/* What the pools, the registry and libmicrohttpd call. */
void http_run_task(struct http_task *task, double queued_s);
void http_wake_parked(struct http_parked *parked, bool gone);
enum MHD_Result http_on_access(void *context, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *data_length, void **slot);
void http_on_completed(void *context, struct MHD_Connection *connection, void **slot,
                       enum MHD_RequestTerminationCode code);

#endif
