#include <config.h>

#include "server/http_auth.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/http_auth_memo.h"

#define FRESH_SECONDS 30.0
#define FRESH_UNHEARD_SECONDS 1.0
/* A database may be away for a minute, and what was read of a key is up to FRESH_SECONDS old by then. */
#define STALE_SECONDS 120.0
#define RETRY_DATABASE_SECONDS 1.0
#define ASK_AGAIN_SECONDS 5.0
#define MEMO_SECONDS 1.0
#define BUCKETS 1024
#define ENTRIES_MAX 20000
#define PEERS 4096
#define PEER_BURST 20.0
#define PEER_RATE 1.0
#define ALL_BURST 200.0
#define ALL_RATE 50.0

struct auth_entry
{
  struct auth_entry *next;
  struct http_identity identity;
  double read_s;      /* when the database said so */
  double asked_s;     /* when it was last asked again */
  bool suspect;       /* changes may have been missed since */
  int64_t expires_us; /* by the database's clock; 0 = never */
};

/* Tokens left for wrong guesses. */
struct auth_meter
{
  double tokens;
  double at_s;
};

struct http_auth
{
  struct db_pool *db;
  pthread_mutex_t lock;
  struct auth_entry *buckets[BUCKETS];
  size_t count;
  atomic_uint_fast64_t generation; /* raised, with the lock held, by every forgetting */
  bool listening;
  double unheard_since_s;
  double database_failed_s;
  struct auth_meter all;
  struct auth_meter peers[PEERS];
};

/* ---- cache ----------------------------------------------------------------------------------------- */

struct http_auth *
http_auth_new(struct db_pool *db)
{
  struct http_auth *auth = calloc(1, sizeof *auth);
  if (!auth)
    return NULL;
  auth->db = db;
  auth->generation = http_auth_memo_generation();
  auth->all.tokens = ALL_BURST;
  auth->database_failed_s = -RETRY_DATABASE_SECONDS;
  auth->unheard_since_s = clock_monotonic_s();
  for (size_t i = 0; i < PEERS; i++)
    auth->peers[i].tokens = PEER_BURST;
  pthread_mutex_init(&auth->lock, NULL);
  return auth;
}

static void
forget_all(struct http_auth *auth)
{
  for (size_t i = 0; i < BUCKETS; i++)
    while (auth->buckets[i])
    {
      struct auth_entry *entry = auth->buckets[i];
      auth->buckets[i] = entry->next;
      free(entry);
    }
  auth->count = 0;
}

void
http_auth_free(struct http_auth *auth)
{
  if (!auth)
    return;
  forget_all(auth);
  pthread_mutex_destroy(&auth->lock);
  free(auth);
}

/* Keys are found by their id, sessions by their hash. */
static size_t
bucket_of(bool by_session, const char *key_id, const uint8_t hash[32])
{
  uint64_t number = 14695981039346656037u;
  if (by_session)
    memcpy(&number, hash, sizeof number);
  else
    for (; *key_id; key_id++)
      number = (number ^ (unsigned char) *key_id) * 1099511628211u;
  return (size_t) (number % BUCKETS);
}

static struct auth_entry **
find(struct http_auth *auth, bool by_session, const char *key_id, const uint8_t hash[32])
{
  struct auth_entry **at = &auth->buckets[bucket_of(by_session, key_id, hash)];
  for (; *at; at = &(*at)->next)
  {
    const struct http_identity *identity = &(*at)->identity;
    if (identity->by_session != by_session)
      continue;
    if (by_session ? sodium_memcmp(identity->hash, hash, 32) == 0
                   : strcmp(identity->key_id, key_id) == 0)
      break;
  }
  return at;
}

static void
drop(struct http_auth *auth, struct auth_entry **at)
{
  struct auth_entry *entry = *at;
  *at = entry->next;
  free(entry);
  auth->count--;
}

static void
keep(struct http_auth *auth, const struct http_identity *identity, int64_t expires_us)
{
  if (auth->count >= ENTRIES_MAX)
    forget_all(auth);
  struct auth_entry **at = find(auth, identity->by_session, identity->key_id, identity->hash);
  if (!*at)
  {
    *at = calloc(1, sizeof **at);
    if (!*at)
      return;
    auth->count++;
  }
  (*at)->identity = *identity;
  (*at)->read_s = clock_monotonic_s();
  (*at)->expires_us = expires_us;
  (*at)->suspect = false;
}

void
http_auth_forget(struct http_auth *auth, const char *key_id)
{
  pthread_mutex_lock(&auth->lock);
  auth->generation++;
  for (size_t i = 0; i < BUCKETS; i++)
    for (struct auth_entry **at = &auth->buckets[i]; *at;)
      if (key_id && strcmp((*at)->identity.key_id, key_id) == 0)
        drop(auth, at);
      else
      {
        (*at)->suspect = (*at)->suspect || !key_id;
        at = &(*at)->next;
      }
  pthread_mutex_unlock(&auth->lock);
}

void
http_auth_forget_tenant(struct http_auth *auth, const char *tenant_id)
{
  pthread_mutex_lock(&auth->lock);
  auth->generation++;
  for (size_t i = 0; i < BUCKETS; i++)
    for (struct auth_entry **at = &auth->buckets[i]; *at;)
      if (strcmp((*at)->identity.tenant_id, tenant_id) == 0)
        drop(auth, at);
      else
        at = &(*at)->next;
  pthread_mutex_unlock(&auth->lock);
}

void
http_auth_forget_session(struct http_auth *auth, const uint8_t hash[32])
{
  pthread_mutex_lock(&auth->lock);
  auth->generation++;
  struct auth_entry **at = find(auth, true, "", hash);
  if (*at)
    drop(auth, at);
  pthread_mutex_unlock(&auth->lock);
}

void
http_auth_listening(struct http_auth *auth, bool listening)
{
  pthread_mutex_lock(&auth->lock);
  if (auth->listening && !listening)
    auth->unheard_since_s = clock_monotonic_s();
  auth->generation++;
  auth->listening = listening;
  pthread_mutex_unlock(&auth->lock);
}

/* ---- checking -------------------------------------------------------------------------------------- */

/* Wrong guesses this meter still allows. */
static double *
refill(struct auth_meter *meter, double now_s, double rate, double burst)
{
  double tokens = meter->tokens + (now_s - meter->at_s) * rate;
  meter->tokens = tokens < burst ? tokens : burst;
  meter->at_s = now_s;
  return &meter->tokens;
}

/* With the lock held: whether this address may guess once more. Only a wrong guess is charged. */
static bool
may_guess(struct http_auth *auth, const struct sockaddr *peer, double now_s, bool charge)
{
  uint64_t number = 0;
  if (peer && peer->sa_family == AF_INET)
    number = ((const struct sockaddr_in *) (const void *) peer)->sin_addr.s_addr;
  else if (peer && peer->sa_family == AF_INET6)
    /* A whole /64 belongs to one subscriber. */
    memcpy(&number, &((const struct sockaddr_in6 *) (const void *) peer)->sin6_addr, 8);
  number *= 0x9e3779b97f4a7c15u;
  double *own = refill(&auth->peers[number >> 52], now_s, PEER_RATE, PEER_BURST);
  double *all = refill(&auth->all, now_s, ALL_RATE, ALL_BURST);
  if (*own < 1.0 || *all < 1.0)
    return false;
  if (charge)
  {
    *own -= 1.0;
    *all -= 1.0;
  }
  return true;
}

bool
http_auth_may_guess(struct http_auth *auth, const struct sockaddr *peer, bool wrong)
{
  pthread_mutex_lock(&auth->lock);
  bool may = may_guess(auth, peer, clock_monotonic_s(), wrong);
  pthread_mutex_unlock(&auth->lock);
  return may;
}

/* With the lock held: what the cache says about a credential it knows. */
static enum http_auth_result
judge(struct http_auth *auth, struct auth_entry *entry, const struct http_credential *credential,
      const struct sockaddr *peer, double now_s, struct http_identity *identity)
{
  if (sodium_memcmp(entry->identity.hash, credential->hash, 32) != 0)
    return may_guess(auth, peer, now_s, true) ? HTTP_AUTH_REFUSED : HTTP_AUTH_SLOW_DOWN;
  double age_s = now_s - entry->read_s;
  bool heard = auth->listening || now_s - auth->unheard_since_s <= FRESH_UNHEARD_SECONDS;
  bool expiring = entry->expires_us && clock_unix_us() >= entry->expires_us - 1000000;
  bool fresh =
    age_s <= (heard ? FRESH_SECONDS : FRESH_UNHEARD_SECONDS) && !expiring && !entry->suspect;
  bool database_away = now_s - auth->database_failed_s < RETRY_DATABASE_SECONDS;
  /* One request asks again; the others don't wait for it, for the database may be slow to answer. */
  bool being_asked =
    auth->listening && !entry->suspect && now_s - entry->asked_s < ASK_AGAIN_SECONDS;
  bool good_enough = age_s <= STALE_SECONDS && !expiring && (database_away || being_asked);
  if (!fresh && !good_enough)
  {
    entry->asked_s = now_s;
    return HTTP_AUTH_ASK;
  }
  *identity = entry->identity;
  return HTTP_AUTH_OK;
}

bool
http_auth_recall(struct http_auth *auth, const char *header, double now_s,
                 struct http_identity *identity)
{
  return http_auth_memo_find(atomic_load_explicit(&auth->generation, memory_order_acquire), header,
                             now_s, identity);
}

/* With the lock held: whether this thread may take the entry's word without asking here, and until when. */
static bool
may_note(const struct http_auth *auth, const struct auth_entry *entry, double now_s,
         double *until_s)
{
  double fresh_until_s = entry->read_s + FRESH_SECONDS;
  *until_s = now_s + MEMO_SECONDS;
  return auth->listening && !entry->suspect && *until_s <= fresh_until_s
         && !(entry->expires_us
              && clock_unix_us() >= entry->expires_us - 1000000 - (int64_t) (1e6 * MEMO_SECONDS));
}

enum http_auth_result
http_auth_check(struct http_auth *auth, const struct http_credential *credential,
                const char *header, const struct sockaddr *peer, struct http_identity *identity)
{
  double now_s = clock_monotonic_s();
  pthread_mutex_lock(&auth->lock);
  struct auth_entry *entry =
    *find(auth, credential->by_session, credential->key_id, credential->hash);
  enum http_auth_result result;
  if (entry)
  {
    double until_s;
    result = judge(auth, entry, credential, peer, now_s, identity);
    if (result == HTTP_AUTH_OK && header && may_note(auth, entry, now_s, &until_s))
      http_auth_memo_keep(auth->generation, header, until_s, identity);
  }
  else
    result = may_guess(auth, peer, now_s, false) ? HTTP_AUTH_ASK : HTTP_AUTH_SLOW_DOWN;
  pthread_mutex_unlock(&auth->lock);
  return result;
}

/* The database is away: what was known not long ago still holds. */
static enum http_auth_result
fall_back(struct http_auth *auth, const struct http_credential *credential,
          struct http_identity *identity)
{
  double now_s = clock_monotonic_s();
  enum http_auth_result result = HTTP_AUTH_UNAVAILABLE;
  pthread_mutex_lock(&auth->lock);
  auth->database_failed_s = now_s;
  struct auth_entry *entry =
    *find(auth, credential->by_session, credential->key_id, credential->hash);
  if (entry && sodium_memcmp(entry->identity.hash, credential->hash, 32) == 0
      && now_s - entry->read_s <= STALE_SECONDS
      && !(entry->expires_us && clock_unix_us() >= entry->expires_us))
  {
    *identity = entry->identity;
    result = HTTP_AUTH_OK;
  }
  pthread_mutex_unlock(&auth->lock);
  return result;
}

static void
copy_text(char *out, size_t size, const char *text)
{
  size_t length = text ? strnlen(text, size - 1) : 0;
  if (length)
    memcpy(out, text, length);
  out[length] = '\0';
}

static enum db_status
read_identity(struct db_conn *conn, const struct http_credential *credential, struct arena *arena,
              struct http_identity *identity, int64_t *expires_us)
{
  struct db_session session = {0};
  enum db_status status;
  if (credential->by_session)
    status = db_session_get(conn, credential->hash, arena, &session);
  else
    status = db_key_get(conn, credential->key_id, arena, &session.key);
  if (status != DB_ROWS)
    return status;
  const struct db_key *key = &session.key;
  if (!key->usable
      || (!credential->by_session && sodium_memcmp(key->hash, credential->hash, 32) != 0))
    return DB_NONE;
  memset(identity, 0, sizeof *identity);
  copy_text(identity->tenant_id, sizeof identity->tenant_id, key->tenant_id);
  copy_text(identity->key_id, sizeof identity->key_id, key->id);
  copy_text(identity->key_model, sizeof identity->key_model, key->model_name);
  copy_text(identity->key_model_id, sizeof identity->key_model_id, key->model_id);
  copy_text(identity->csrf, sizeof identity->csrf, session.csrf);
  identity->scopes = key->scopes;
  identity->by_session = credential->by_session;
  identity->root = key->tenant_root;
  identity->disabled = key->tenant_disabled;
  tenant_limits_read(key->tenant_limits, &identity->limits);
  memcpy(identity->hash, credential->hash, 32);
  *expires_us = key->expires_us;
  if (session.expires_us && (!*expires_us || session.expires_us < *expires_us))
    *expires_us = session.expires_us;
  return DB_ROWS;
}

enum http_auth_result
http_auth_ask(struct http_auth *auth, const struct http_credential *credential,
              const struct sockaddr *peer, struct http_identity *identity)
{
  struct err_info info;
  struct db_conn *conn = NULL;
  struct arena *arena = arena_new(1024);
  int64_t expires_us = 0;
  enum db_status status = DB_SOFT;
  pthread_mutex_lock(&auth->lock);
  uint64_t generation = auth->generation;
  pthread_mutex_unlock(&auth->lock);
  if (arena && db_acquire(auth->db, 5.0, &conn, &info) == ERR_OK)
  {
    status = read_identity(conn, credential, arena, identity, &expires_us);
    db_release(auth->db, conn);
  }
  arena_free(arena);
  switch (status)
  {
  case DB_ROWS:
  case DB_NONE:
    break;
  case DB_SOFT:
  case DB_HARD:
    return fall_back(auth, credential, identity);
  }
  pthread_mutex_lock(&auth->lock);
  struct auth_entry **known =
    find(auth, credential->by_session, credential->key_id, credential->hash);
  /* A revocation heard of while the row was on its way: what was read may be from before it. */
  bool current = generation == auth->generation;
  if (status == DB_ROWS && current)
    keep(auth, identity, expires_us);
  else if (*known && sodium_memcmp((*known)->identity.hash, credential->hash, 32) == 0)
    drop(auth, known);
  if (status == DB_NONE)
    may_guess(auth, peer, clock_monotonic_s(), true);
  pthread_mutex_unlock(&auth->lock);
  return status == DB_ROWS ? HTTP_AUTH_OK : HTTP_AUTH_REFUSED;
}
