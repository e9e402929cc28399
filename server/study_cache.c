#include <config.h>

#include "server/study_cache.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define ID_SIZE 48
#define LOG_PAGE 2000
/* A request that was woken and has not come by now is gone, or missed its call: the next one's turn. */
#define STALE_S 0.025
#define GONE_S 10.0
#define ENTRIES_MOST 10000

struct study_entry
{
  struct study_entry *newer, *older; /* by when it was left last */
  struct study_cache *cache;
  char id[ID_SIZE];
  bool busy;
  struct study_live *live; /* NULL: to be read from the log. Of who is in it while it is busy */
  size_t bytes;            /* counted in the cache */
  uint64_t *tickets;       /* of those that wait, first come first */
  size_t ticket_count, ticket_capacity;
  double woken_s; /* when the first of them was called */
};

struct study_cache
{
  pthread_mutex_t mutex;
  size_t max_bytes;
  void (*wake)(void *context, const char *key);
  void *context;
  struct study_entry *newest, *oldest;
  uint64_t last_ticket;
  size_t bytes, count;
  uint64_t hits, misses;
};

struct study_cache *
study_cache_new(size_t max_bytes, void (*wake)(void *context, const char *key), void *context)
{
  struct study_cache *cache = calloc(1, sizeof *cache);
  if (!cache)
    return NULL;
  cache->max_bytes = max_bytes;
  cache->wake = wake;
  cache->context = context;
  pthread_mutex_init(&cache->mutex, NULL);
  return cache;
}

/* ---- the list ------------------------------------------------------------------------------------------- */

static void
unlink_entry(struct study_cache *cache, struct study_entry *entry)
{
  *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
  *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
  entry->newer = entry->older = NULL;
}

static void
link_newest(struct study_cache *cache, struct study_entry *entry)
{
  entry->older = cache->newest;
  *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
  cache->newest = entry;
}

static void
free_entry(struct study_cache *cache, struct study_entry *entry)
{
  unlink_entry(cache, entry);
  cache->bytes -= entry->bytes;
  cache->count--;
  study_live_free(entry->live);
  free(entry->tickets);
  free(entry);
}

void
study_cache_free(struct study_cache *cache)
{
  if (!cache)
    return;
  while (cache->newest)
    free_entry(cache, cache->newest);
  pthread_mutex_destroy(&cache->mutex);
  free(cache);
}

static struct study_entry *
find_or_make(struct study_cache *cache, const char *study_id)
{
  struct study_entry *entry = cache->newest;
  while (entry && strcmp(entry->id, study_id) != 0)
    entry = entry->older;
  if (entry)
    return entry;
  entry = calloc(1, sizeof *entry);
  if (!entry)
    return NULL;
  entry->cache = cache;
  snprintf(entry->id, sizeof entry->id, "%s", study_id);
  link_newest(cache, entry);
  cache->count++;
  return entry;
}

/* Those used longest ago, as long as it is too much; not those that somebody waits for, unless all of them are gone. */
static void
shrink(struct study_cache *cache)
{
  double now_s = clock_monotonic_s();
  struct study_entry *entry = cache->oldest;
  while (entry && (cache->bytes > cache->max_bytes || cache->count > ENTRIES_MOST))
  {
    struct study_entry *newer = entry->newer;
    if (!entry->busy && (entry->ticket_count == 0 || now_s - entry->woken_s > GONE_S))
      free_entry(cache, entry);
    entry = newer;
  }
}

/* ---- whose turn it is ------------------------------------------------------------------------------------ */

void
study_cache_key(uint64_t ticket, char key[STUDY_KEY_SIZE])
{
  snprintf(key, STUDY_KEY_SIZE, "turn %" PRIu64, ticket);
}

static bool
queue(struct study_entry *entry, uint64_t ticket)
{
  if (entry->ticket_count == entry->ticket_capacity)
  {
    size_t capacity = entry->ticket_capacity ? 2 * entry->ticket_capacity : 16;
    uint64_t *grown = realloc(entry->tickets, capacity * sizeof *grown);
    if (!grown)
      return false;
    entry->tickets = grown;
    entry->ticket_capacity = capacity;
  }
  entry->tickets[entry->ticket_count++] = ticket;
  return true;
}

static void
drop_first(struct study_entry *entry)
{
  memmove(entry->tickets, entry->tickets + 1, --entry->ticket_count * sizeof *entry->tickets);
}

static bool
is_queued(const struct study_entry *entry, uint64_t ticket)
{
  for (size_t i = 0; i < entry->ticket_count; i++)
    if (entry->tickets[i] == ticket)
      return true;
  return false;
}

/* Tries to enter; *call is the ticket to be called after all (0 = none). */
static bool
enter_locked(struct study_cache *cache, struct study_entry *entry, uint64_t *ticket, uint64_t *call)
{
  double now_s = clock_monotonic_s();
  *call = 0;
  if (!entry->busy)
  {
    if (entry->ticket_count > 0 && entry->tickets[0] != *ticket && now_s - entry->woken_s > STALE_S)
    {
      drop_first(entry);
      entry->woken_s = now_s;
      if (entry->ticket_count > 0)
        *call = entry->tickets[0];
    }
    if (entry->ticket_count == 0 || entry->tickets[0] == *ticket)
    {
      if (entry->ticket_count > 0)
        drop_first(entry);
      entry->busy = true;
      *call = 0;
      return true;
    }
  }
  if (*ticket == 0 || !is_queued(entry, *ticket))
  {
    *ticket = ++cache->last_ticket;
    queue(entry, *ticket); /* without memory it is not in the queue, and comes again by itself */
  }
  return false;
}

static void
call_ticket(struct study_cache *cache, uint64_t ticket)
{
  char key[STUDY_KEY_SIZE];
  if (ticket == 0)
    return;
  study_cache_key(ticket, key);
  cache->wake(cache->context, key);
}

struct study_entry *
study_cache_enter(struct study_cache *cache, const char *study_id, uint64_t *ticket)
{
  uint64_t call = 0;
  bool in = false;
  pthread_mutex_lock(&cache->mutex);
  struct study_entry *entry = find_or_make(cache, study_id);
  if (entry)
    in = enter_locked(cache, entry, ticket, &call);
  pthread_mutex_unlock(&cache->mutex);
  call_ticket(cache, call);
  return in ? entry : NULL;
}

void
study_cache_leave(struct study_cache *cache, struct study_entry *entry)
{
  size_t bytes = entry->live ? study_live_bytes(entry->live) : 0;
  uint64_t call = 0;
  pthread_mutex_lock(&cache->mutex);
  cache->bytes += bytes - entry->bytes;
  entry->bytes = bytes;
  entry->busy = false;
  unlink_entry(cache, entry);
  link_newest(cache, entry);
  if (entry->ticket_count > 0)
  {
    call = entry->tickets[0];
    entry->woken_s = clock_monotonic_s();
  }
  else if (!entry->live)
    free_entry(cache, entry);
  shrink(cache);
  pthread_mutex_unlock(&cache->mutex);
  call_ticket(cache, call);
}

void
study_cache_stats(struct study_cache *cache, size_t *studies, size_t *bytes, uint64_t *hits,
                  uint64_t *misses)
{
  pthread_mutex_lock(&cache->mutex);
  *studies = cache->count;
  *bytes = cache->bytes;
  *hits = cache->hits;
  *misses = cache->misses;
  pthread_mutex_unlock(&cache->mutex);
}

/* ---- the turn -------------------------------------------------------------------------------------------- */

struct run
{
  struct study_entry *entry;
  const char *tenant_id, *study_id;
  enum db_status (*fn)(struct study_turn *turn, void *context);
  void *context;
  struct err_info *info;
  unsigned attempt;
};

static void
drop_live(struct study_entry *entry)
{
  study_live_free(entry->live);
  entry->live = NULL;
}

static void
count_use(struct study_cache *cache, bool hit)
{
  pthread_mutex_lock(&cache->mutex);
  cache->hits += hit;
  cache->misses += !hit;
  pthread_mutex_unlock(&cache->mutex);
}

/* Folds what the log has and *live lacks. */
static enum db_status
catch_up(struct db_conn *conn, const struct run *run, struct study_live *live, int64_t until)
{
  while (live->seq < until)
  {
    struct db_study_entry *entries = NULL;
    size_t count = 0;
    struct arena *arena = arena_new(0);
    if (!arena)
      return DB_HARD;
    enum db_status status =
      db_study_log(conn, run->study_id, live->seq, LOG_PAGE, arena, &entries, &count);
    for (size_t i = 0; i < count && status == DB_ROWS; i++)
      if (study_live_fold(live, &entries[i], run->info))
      {
        err_prefix(run->info, "entry %lld of the log of study %s", (long long) entries[i].seq,
                   run->study_id);
        log_error("%s", run->info->text);
        status = DB_HARD;
      }
    arena_free(arena);
    if (status != DB_ROWS || count == 0)
      return status == DB_ROWS ? DB_HARD : status;
  }
  return DB_ROWS;
}

/* Locks the study and makes the entry's search hold all of its log. */
static enum db_status
prepare(struct db_conn *conn, const struct run *run, struct arena *arena,
        struct db_study_head *head)
{
  struct study_entry *entry = run->entry;
  if (entry->live && entry->live->ahead)
    drop_live(entry);
  bool hit = entry->live != NULL;
  enum db_status status = db_study_lock(conn, run->tenant_id, run->study_id, !hit, arena, head);
  if (status == DB_ROWS && hit && entry->live->seq > head->log_seq)
  {
    drop_live(entry); /* the database was set back */
    hit = false;
    status = db_study_lock(conn, run->tenant_id, run->study_id, true, arena, head);
  }
  if (status != DB_ROWS)
    return status;
  count_use(entry->cache, hit);
  if (!hit && study_live_new(head->spec, &entry->live, run->info))
  {
    log_error("study %s: %s", run->study_id, run->info->text);
    return DB_HARD;
  }
  status = catch_up(conn, run, entry->live, head->log_seq);
  if (status != DB_ROWS)
    drop_live(entry);
  return status;
}

static enum db_status
run_in_tx(struct db_conn *conn, void *context)
{
  struct run *run = context;
  struct db_study_head head = {.id = NULL};
  struct arena *arena = arena_new(0);
  if (!arena)
    return DB_HARD;
  enum db_status status = prepare(conn, run, arena, &head);
  if (status == DB_ROWS)
  {
    struct study_turn turn = {.conn = conn,
                              .live = run->entry->live,
                              .head = &head,
                              .arena = arena,
                              .attempt = run->attempt++};
    status = run->fn(&turn, run->context);
  }
  arena_free(arena);
  return status;
}

enum db_status
study_cache_run(struct study_entry *entry, struct db_conn *conn, const char *tenant_id,
                const char *study_id, enum db_status (*fn)(struct study_turn *turn, void *context),
                void *context, struct err_info *info)
{
  struct run run = {.entry = entry,
                    .tenant_id = tenant_id,
                    .study_id = study_id,
                    .fn = fn,
                    .context = context,
                    .info = info};
  enum db_status status = db_tx_run(conn, "study", run_in_tx, &run);
  if (entry->live && status >= DB_NONE)
    entry->live->ahead = false;
  else if (entry->live && entry->live->ahead)
    drop_live(entry);
  return status;
}

enum err
study_change(struct study_turn *turn, struct db_study_entry *entry, bool folded,
             enum db_status *status, struct err_info *info)
{
  struct study_live *live = turn->live;
  *status = DB_ROWS;
  entry->seq = live->seq + 1;
  if (folded)
  {
    live->seq = entry->seq;
    live->trials += entry->kind == DB_STUDY_ASK;
  }
  else
  {
    enum err err = study_live_fold(live, entry, info);
    if (err)
      return err;
  }
  live->ahead = true;
  *status = db_study_append(turn->conn, turn->head->id, entry);
  return *status == DB_ROWS ? ERR_OK
                            : err_set(info, ERR_UNAVAILABLE, "the log could not be written");
}
