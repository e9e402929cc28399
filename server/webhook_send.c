#include <config.h>

#include "server/webhook_send.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <jansson.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/tls.h"
#include "server/webhook_address.h"
#include "sql/db_webhook.h"

#define WEBHOOK_SLOTS 8
#define CONNECT_S 5.0
#define LEASE_SLACK_S 5.0 /* a lease outlives its call by this */
#define RETRY_MOST_S 3600.0
#define ANSWER_MOST ((size_t) 64 << 10)
#define IDLE_MS 500
#define BUSY_MS 200
#define STOP_S 1.0
#define DB_WAIT_S 1.0

/* A call under way, or one whose outcome is still to be recorded. */
struct slot
{
  struct webhook_sender *sender;
  CURL *easy; /* NULL = the slot is free */
  bool running;
  struct arena *arena;
  struct db_delivery_claim claim;
  struct curl_slist *headers;
  char *body;
  size_t answer_bytes;
  double lease_end_s;
  char refused[INET6_ADDRSTRLEN + 1]; /* an address that may not be called */
  int status;
  char error[200]; /* "" = delivered */
  double retry_in_s;
};

struct webhook_sender
{
  struct server *server;
  bool allow_private;
  const char *authorities; /* a file, or NULL */
  CURLM *multi;
  pthread_t thread;
  bool started;
  atomic_bool stopping;
  struct slot slots[WEBHOOK_SLOTS];
};

void
webhook_sign(char signature[WEBHOOK_SIGNATURE_SIZE], const char *secret, int64_t unix_s,
             const char *body, size_t length)
{
  crypto_auth_hmacsha256_state state;
  unsigned char mac[crypto_auth_hmacsha256_BYTES];
  char hex[2 * sizeof mac + 1], stamp[32];
  int stamp_length = snprintf(stamp, sizeof stamp, "%lld.", (long long) unix_s);
  crypto_auth_hmacsha256_init(&state, (const unsigned char *) secret, strlen(secret));
  crypto_auth_hmacsha256_update(&state, (const unsigned char *) stamp,
                                (unsigned long long) stamp_length);
  crypto_auth_hmacsha256_update(&state, (const unsigned char *) body, length);
  crypto_auth_hmacsha256_final(&state, mac);
  sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
  snprintf(signature, WEBHOOK_SIGNATURE_SIZE, "t=%lld,v1=%s", (long long) unix_s, hex);
}

/* ---- one call -------------------------------------------------------------------------------------- */

/* The last word on where a call goes: the very address that would be connected to. */
static curl_socket_t
open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
  struct slot *slot = context;
  (void) purpose;
  if (!slot->sender->allow_private && !webhook_address_public(&address->addr))
  {
    const void *bytes =
      address->family == AF_INET
        ? (const void *) &((const struct sockaddr_in *) (const void *) &address->addr)->sin_addr
        : (const void *) &((const struct sockaddr_in6 *) (const void *) &address->addr)->sin6_addr;
    if (!inet_ntop(address->family, bytes, slot->refused, sizeof slot->refused))
      strcpy(slot->refused, "?");
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Reads and forgets; more than the bound ends the call, whose status is known by then. */
static size_t
take_answer(char *bytes, size_t size, size_t count, void *context)
{
  struct slot *slot = context;
  (void) bytes;
  slot->answer_bytes += size * count;
  return slot->answer_bytes <= ANSWER_MOST ? size * count : 0;
}

static char *
make_body(const struct db_delivery_claim *claim)
{
  char at[32];
  clock_format_rfc3339(claim->created_us, at, sizeof at);
  json_t *body = json_pack("{s:s, s:s, s:s, s:o}", "id", claim->id, "event", claim->event,
                           "created_at", at, "data", json_loads(claim->data, 0, NULL));
  char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
  json_decref(body);
  return text;
}

static bool
add_header(struct slot *slot, const char *name, const char *value)
{
  const char *line = arena_printf(slot->arena, "%s: %s", name, value);
  struct curl_slist *grown = line ? curl_slist_append(slot->headers, line) : NULL;
  if (grown)
    slot->headers = grown;
  return grown != NULL;
}

static void
set_options(struct slot *slot)
{
  CURL *easy = slot->easy;
  double total_s = slot->sender->server->limits.webhook_seconds;
  curl_easy_setopt(easy, CURLOPT_URL, slot->claim.url);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* a proxy would connect for us, unchecked */
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  /* The system's folder of certificates stays in use. */
  if (slot->sender->authorities)
    curl_easy_setopt(easy, CURLOPT_CAINFO, slot->sender->authorities);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) (fmin(CONNECT_S, total_s) * 1e3));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) (total_s * 1e3));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "attune/" PACKAGE_VERSION);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, slot->headers);
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, slot->body);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) strlen(slot->body));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, slot);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, slot);
}

static void
release(struct slot *slot)
{
  struct webhook_sender *sender = slot->sender;
  if (slot->easy)
  {
    curl_multi_remove_handle(sender->multi, slot->easy);
    curl_easy_cleanup(slot->easy);
  }
  curl_slist_free_all(slot->headers);
  free(slot->body);
  arena_free(slot->arena);
  memset(slot, 0, sizeof *slot);
  slot->sender = sender;
}

/* With the claim made: false (and nothing held) when it could not be begun; its lease runs out. */
static bool
begin(struct slot *slot)
{
  char signature[WEBHOOK_SIGNATURE_SIZE];
  slot->body = make_body(&slot->claim);
  slot->easy = curl_easy_init();
  if (slot->body && slot->easy)
  {
    webhook_sign(signature, slot->claim.secret, clock_unix_us() / 1000000, slot->body,
                 strlen(slot->body));
    if (add_header(slot, "Content-Type", "application/json")
        && add_header(slot, "Attune-Event", slot->claim.event)
        && add_header(slot, "Attune-Delivery", slot->claim.id)
        && add_header(slot, "Attune-Signature", signature))
    {
      set_options(slot);
      slot->running = true;
      if (curl_multi_add_handle(slot->sender->multi, slot->easy) == CURLM_OK)
        return true;
    }
  }
  log_error("a webhook could not be called: out of memory");
  release(slot);
  return false;
}

/* ---- outcomes -------------------------------------------------------------------------------------- */

/* Twice as long each time, up to an hour; a fifth more or less, so that what failed together does not come
 * back together. Negative when that is later than the delivery may live. */
static double
next_try_s(const struct server_limits *limits, const struct db_delivery_claim *claim)
{
  double delay_s =
    fmin(limits->webhook_retry_seconds * exp2(fmin(claim->attempts - 1, 30)), RETRY_MOST_S);
  delay_s *= 0.8 + 0.4 * (double) randombytes_uniform(1000) / 1000;
  return claim->age_s + delay_s <= limits->webhook_give_up_seconds ? delay_s : -1;
}

static void
judge(struct slot *slot, CURLcode code)
{
  long status = 0;
  curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
  slot->running = false;
  slot->status = (int) status;
  slot->retry_in_s = -1;
  bool answered = code == CURLE_OK || (code == CURLE_WRITE_ERROR && status > 0);
  if (answered && status >= 200 && status < 300)
    return;
  if (*slot->refused)
    snprintf(slot->error, sizeof slot->error,
             "%s is not an address of the public Internet; the operator can allow such with "
             "--webhook-allow-private",
             slot->refused);
  else if (answered)
    snprintf(slot->error, sizeof slot->error, "answered %ld%s", status,
             status >= 300 && status < 400 ? "; redirects are not followed" : "");
  else
    snprintf(slot->error, sizeof slot->error, "%s", curl_easy_strerror(code));
  if (status != 410) /* "gone" says that nobody will ever want it */
    slot->retry_in_s = next_try_s(&slot->sender->server->limits, &slot->claim);
}

/* Tells the database; what it can't be told before the lease ends is sent again. */
static void
record_outcomes(struct webhook_sender *sender, struct db_conn *conn)
{
  for (size_t i = 0; i < WEBHOOK_SLOTS; i++)
  {
    struct slot *slot = &sender->slots[i];
    if (!slot->easy || slot->running)
      continue;
    enum db_status status = DB_SOFT;
    if (conn)
      status = db_delivery_settle(conn, slot->claim.id, slot->claim.lease_token, slot->status,
                                  *slot->error ? slot->error : NULL, slot->retry_in_s);
    if (status == DB_ROWS && *slot->error)
      log_info("webhook %s: attempt %d: %s%s", slot->claim.id, slot->claim.attempts, slot->error,
               slot->retry_in_s < 0 ? "; given up" : "");
    if (status != DB_SOFT || clock_monotonic_s() > slot->lease_end_s)
      release(slot);
  }
}

static void
claim_due(struct webhook_sender *sender, struct db_conn *conn)
{
  double lease_s = sender->server->limits.webhook_seconds + LEASE_SLACK_S;
  for (size_t i = 0; i < WEBHOOK_SLOTS; i++)
  {
    struct slot *slot = &sender->slots[i];
    if (slot->easy)
      continue;
    slot->arena = arena_new(0);
    if (!slot->arena)
      return;
    slot->lease_end_s = clock_monotonic_s() + lease_s;
    enum db_status status = db_delivery_claim(conn, lease_s, slot->arena, &slot->claim);
    if (status != DB_ROWS)
    {
      release(slot);
      return;
    }
    begin(slot);
  }
}

static size_t
count_slots(const struct webhook_sender *sender, bool running)
{
  size_t count = 0;
  for (size_t i = 0; i < WEBHOOK_SLOTS; i++)
    count += sender->slots[i].easy && sender->slots[i].running == running;
  return count;
}

static void
collect(struct webhook_sender *sender)
{
  int left;
  for (CURLMsg *message; (message = curl_multi_info_read(sender->multi, &left));)
  {
    struct slot *slot = NULL;
    if (message->msg != CURLMSG_DONE)
      continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &slot);
    judge(slot, message->data.result);
  }
}

/* ---- the thread ------------------------------------------------------------------------------------ */

static void *
send_webhooks(void *context)
{
  struct webhook_sender *sender = context;
  double claim_s = 0, stop_s = INFINITY;
  for (;;)
  {
    int running = 0;
    curl_multi_perform(sender->multi, &running);
    collect(sender);
    bool stopping = sender->stopping;
    double now_s = clock_monotonic_s();
    if (stopping && isinf(stop_s))
      stop_s = now_s + STOP_S;
    bool claims = !stopping && now_s >= claim_s
                  && count_slots(sender, true) + count_slots(sender, false) < WEBHOOK_SLOTS;
    if (claims || count_slots(sender, false) > 0)
    {
      struct db_conn *conn = NULL;
      if (db_acquire(sender->server->db, DB_WAIT_S, &conn, NULL) != ERR_OK)
        conn = NULL;
      record_outcomes(sender, conn);
      if (conn && claims)
        claim_due(sender, conn);
      db_release(sender->server->db, conn);
      claim_s = clock_monotonic_s() + IDLE_MS / 1e3;
    }
    if (stopping
        && (now_s >= stop_s || count_slots(sender, true) + count_slots(sender, false) == 0))
      return NULL;
    curl_multi_poll(sender->multi, NULL, 0, count_slots(sender, true) > 0 ? BUSY_MS : IDLE_MS,
                    NULL);
  }
}

enum err
webhook_sender_start(struct server *server, struct webhook_sender **out, struct err_info *info)
{
  const char *authorities = options_text(server->options, "webhook-ca-file");
  *out = NULL;
  enum err err = authorities ? tls_check_authorities(authorities, info) : ERR_OK;
  if (err)
    return err;
  struct webhook_sender *sender = calloc(1, sizeof *sender);
  if (!sender || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
  {
    free(sender);
    return err_set(info, ERR_MEMORY, "out of memory");
  }
  sender->server = server;
  sender->authorities = authorities;
  sender->allow_private = options_flag(server->options, "webhook-allow-private");
  for (size_t i = 0; i < WEBHOOK_SLOTS; i++)
    sender->slots[i].sender = sender;
  sender->multi = curl_multi_init();
  sender->started =
    sender->multi && pthread_create(&sender->thread, NULL, send_webhooks, sender) == 0;
  if (!sender->started)
  {
    webhook_sender_stop(sender);
    return err_set(info, ERR_UNAVAILABLE, "the thread that sends webhooks could not be started");
  }
  *out = sender;
  return ERR_OK;
}

void
webhook_sender_stop(struct webhook_sender *sender)
{
  if (!sender)
    return;
  sender->stopping = true;
  if (sender->started)
  {
    curl_multi_wakeup(sender->multi);
    pthread_join(sender->thread, NULL);
  }
  for (size_t i = 0; i < WEBHOOK_SLOTS; i++)
    release(&sender->slots[i]);
  if (sender->multi)
    curl_multi_cleanup(sender->multi);
  curl_global_cleanup();
  free(sender);
}
