#include <config.h>

#include "server/http_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define KEY_MAX 200
#define RENEW_MOST 1000 /* claims at a time: more are never being answered */

/* ---- claims that are held ---------------------------------------------------------------------------- */

static void
hold(struct http_exchange *exchange, const struct db_stored_answer *answer)
{
  struct http_claim *claim = &exchange->claim;
  struct http_daemon *daemon = exchange->daemon;
  snprintf(claim->seed, sizeof claim->seed, "%s", answer->seed ? answer->seed : "");
  claim->taken_over = answer->taken_over;
  claim->held = true;
  pthread_mutex_lock(&daemon->lock);
  claim->next = daemon->claims;
  claim->back = &daemon->claims;
  if (claim->next)
    claim->next->back = &claim->next;
  daemon->claims = claim;
  pthread_mutex_unlock(&daemon->lock);
}

void
http_claim_let_go(struct http_exchange *exchange)
{
  struct http_claim *claim = &exchange->claim;
  if (!claim->held)
    return;
  claim->held = false;
  pthread_mutex_lock(&exchange->daemon->lock);
  *claim->back = claim->next;
  if (claim->next)
    claim->next->back = claim->back;
  pthread_mutex_unlock(&exchange->daemon->lock);
}

/* The end of this claim could not be told: a copy stays until the database is back. */
static void
note_lapsed(struct http_exchange *exchange)
{
  struct http_daemon *daemon = exchange->daemon;
  struct http_claim *copy = malloc(sizeof *copy);
  if (!copy)
    return; /* its lease ends by itself */
  *copy = exchange->claim;
  pthread_mutex_lock(&daemon->lock);
  copy->next = daemon->lapsed;
  daemon->lapsed = copy;
  pthread_mutex_unlock(&daemon->lock);
}

static size_t
copy_holders(struct arena *arena, const struct http_claim *claim, const char **holders)
{
  size_t count = 0;
  for (; claim && count < RENEW_MOST; claim = claim->next)
    if ((holders[count] = arena_strdup(arena, claim->holder)))
      count++;
  return count;
}

void
http_daemon_forget_lapsed(struct http_daemon *daemon)
{
  pthread_mutex_lock(&daemon->lock);
  struct http_claim *claim = daemon->lapsed;
  daemon->lapsed = NULL;
  pthread_mutex_unlock(&daemon->lock);
  while (claim)
  {
    struct http_claim *next = claim->next;
    free(claim);
    claim = next;
  }
}

void
http_daemon_renew_claims(struct http_daemon *daemon)
{
  struct db_conn *conn = NULL;
  struct arena *arena = arena_new(0);
  const char **held = arena ? arena_array(arena, RENEW_MOST, sizeof *held) : NULL;
  const char **lapsed = arena ? arena_array(arena, RENEW_MOST, sizeof *lapsed) : NULL;
  size_t held_count = 0, lapsed_count = 0;
  if (held && lapsed)
  {
    pthread_mutex_lock(&daemon->lock);
    held_count = copy_holders(arena, daemon->claims, held);
    lapsed_count = copy_holders(arena, daemon->lapsed, lapsed);
    pthread_mutex_unlock(&daemon->lock);
  }
  if (held_count + lapsed_count > 0 && db_acquire(daemon->server->db, 1.0, &conn, NULL) == ERR_OK)
  {
    enum db_status status = DB_NONE;
    if (held_count > 0)
      status = db_idempotency_renew(conn, held, held_count, DB_IDEMPOTENCY_LEASE_S);
    if (status >= 0 && lapsed_count > 0)
    {
      status = db_idempotency_renew(conn, lapsed, lapsed_count, 0);
      if (status >= 0)
        http_daemon_forget_lapsed(daemon);
    }
    if (status < 0)
      log_warning("the claims of idempotency keys were not renewed; another try follows");
    db_release(daemon->server->db, conn);
  }
  arena_free(arena);
}

void
http_new_id(struct http_request *req, const char *prefix, char *id, size_t size)
{
  const struct http_claim *claim = &req->exchange->claim;
  if (*claim->seed)
    snprintf(id, size, "%s%s", prefix, claim->seed);
  else
    db_id_new(prefix, id, size);
}

bool
http_is_second_attempt(const struct http_request *req)
{
  return req->exchange->claim.taken_over;
}

/* ---- answers ------------------------------------------------------------------------------------------- */

static void
replay(struct http_exchange *exchange, const struct db_stored_answer *answer)
{
  struct http_request *req = &exchange->req;
  struct err_info info;
  json_t *value = NULL;
  exchange->replayed = true;
  size_t length = answer->body ? strlen(answer->body) : 0;
  if (length > 0 && answer->status >= 400)
  {
    http_reply_header(req, "Idempotency-Replayed", "true");
    http_reply_bytes(req, answer->status, "application/problem+json", answer->body, length);
    return;
  }
  if (length > 0 && json_parse(answer->body, length, 64, &value, &info) != ERR_OK)
  {
    log_error("a stored answer is damaged: %s", info.text);
    http_reply_error(req, E_INTERNAL, NULL);
    return;
  }
  http_reply_header(req, "Idempotency-Replayed", "true");
  if (!value)
    http_reply_empty(req);
  else if (answer->location && *answer->location)
    http_reply_created(req, answer->status, answer->location, value);
  else
    http_reply_json(req, answer->status, value);
}

/* Somebody was first with this key. */
static bool
answer_repeated(struct http_exchange *exchange, const struct db_stored_answer *answer)
{
  struct http_request *req = &exchange->req;
  struct err_info info;
  if (!answer->same_content)
    http_reply_error(req, E_IDEMPOTENCY_MISMATCH, NULL);
  else if (!answer->finished)
    http_reply_busy(req, E_IDEMPOTENCY_BUSY, 1);
  else if ((req->route->flags & HTTP_RERUN) && answer->status < 300 && answer->body
           && json_parse(answer->body, strlen(answer->body), 64, &req->replay, &info) == ERR_OK)
  {
    exchange->replayed = true;
    http_reply_header(req, "Idempotency-Replayed", "true");
    return true;
  }
  else
    replay(exchange, answer);
  return false;
}

bool
http_idempotency_begin(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  if (!(req->route->flags & HTTP_CREATES))
    return true;
  const char *key = http_header(req, "Idempotency-Key"), *only = http_query(req, "validate_only");
  if (!key || (only && strcmp(only, "1") == 0)) /* nothing will be made */
    return true;
  size_t length = strlen(key);
  bool good = length > 0 && length <= KEY_MAX;
  for (size_t i = 0; good && i < length; i++)
    good = key[i] > ' ' && key[i] < 0x7f;
  if (!good)
  {
    http_reply_error(req, E_BAD_REQUEST,
                     "Idempotency-Key must be 1 to 200 visible ASCII characters.");
    return false;
  }
  struct db_conn *conn = http_db(req);
  if (!conn)
    return false;
  uint8_t digest[32];
  struct db_stored_answer answer = {0};
  http_body_digest(exchange, digest);
  char holder[40];
  db_id_new(":", holder, sizeof holder);
  snprintf(exchange->claim.holder, sizeof exchange->claim.holder, "%s%s", req->server->instance,
           holder);
  enum db_status status = db_idempotency_claim(conn, req->tenant_id, req->route->name, key, digest,
                                               exchange->claim.holder, req->arena, &answer);
  switch (status)
  {
  case DB_NONE:
    exchange->idempotency_key = key;
    hold(exchange, &answer);
    return true;
  case DB_ROWS:
    return answer_repeated(exchange, &answer);
  case DB_SOFT:
  case DB_HARD:
    break;
  }
  note_lapsed(exchange); /* the claim may have been stored all the same */
  http_reply_db(req, status, E_INTERNAL);
  return false;
}

void
http_idempotency_end(struct http_exchange *exchange)
{
  struct http_request *req = &exchange->req;
  const char *key = exchange->idempotency_key;
  exchange->idempotency_key = NULL;
  if (!key)
    return;
  const char *holder = exchange->claim.holder;
  http_claim_let_go(exchange);
  struct err_info info;
  bool own = !exchange->conn;
  if (own && db_acquire(req->server->db, 5.0, &exchange->conn, &info) != ERR_OK)
  {
    exchange->conn = NULL;
    note_lapsed(exchange);
    log_warning("the answer for an idempotency key was not stored: %s", info.text);
    return;
  }
  /* What may go better next time is not kept: overload, limits, a server's fault. */
  bool keep = exchange->status < 500 && exchange->status != 429 && exchange->status != 409
              && exchange->status != 408;
  enum db_status status;
  if (keep)
  {
    char *other = exchange->replay_answer
                    ? json_dumps(exchange->replay_answer, JSON_COMPACT | JSON_ENCODE_ANY)
                    : NULL;
    status = db_idempotency_finish(exchange->conn, req->tenant_id, req->route->name, key, holder,
                                   exchange->status, other ? other : exchange->answer_body,
                                   exchange->answer_location);
    free(other);
  }
  else
    status = db_idempotency_drop(exchange->conn, req->tenant_id, req->route->name, key, holder);
  if (status >= 0)
    return;
  note_lapsed(exchange);
  log_warning("the answer for an idempotency key was not stored");
}
