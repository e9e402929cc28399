#include <config.h>

#include "server/model_cache_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "sql/db_model.h"

#define US_PER_ROW_UNKNOWN 50.0
#define LOAD_WAIT_S 30
/* How long a stale answer stands in for a database that has just failed, before it is asked again. */
#define RETRY_AFTER_S 1.0
/* What a loaded model takes beyond the bytes of its file: structures, and the trees' booster. */
#define BYTES_FACTOR 2
#define BYTES_EXTRA 16384

struct model_cache *
model_cache_new(size_t max_bytes)
{
  struct model_cache *cache = calloc(1, sizeof *cache);
  pthread_condattr_t attributes;

  if (!cache)
    return NULL;
  cache->max_bytes = max_bytes;
  pthread_mutex_init(&cache->mutex, NULL);
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&cache->loaded, &attributes);
  pthread_condattr_destroy(&attributes);
  return cache;
}

void
model_cache_free(struct model_cache *cache)
{
  if (!cache)
    return;
  for (size_t i = 0; i < MODEL_CACHE_BUCKETS; i++)
    for (struct lookup *lookup = cache->lookups[i], *next; lookup; lookup = next)
    {
      next = lookup->next;
      free(lookup);
    }
  for (struct entry *entry = cache->newest, *older; entry; entry = older)
  {
    older = entry->older;
    cache_entry_free(entry);
  }
  for (size_t i = 0; i < cache->workspace_count; i++)
    model_workspace_free(cache->workspaces[i]);
  pthread_cond_destroy(&cache->loaded);
  pthread_mutex_destroy(&cache->mutex);
  free(cache);
}

bool
model_cache_peek(struct model_cache *cache, const char *tenant_id, const char *name, int version,
                 const char *alias, struct model_ref *ref)
{
  char key[MODEL_CACHE_KEY_SIZE];
  bool found;

  if (!cache_key_make(key, tenant_id, name, version, alias))
    return false;
  pthread_mutex_lock(&cache->mutex);
  found = cache_lookup_serve(cache, key, false, ref);
  if (found)
    cache->hits++;
  pthread_mutex_unlock(&cache->mutex);
  return found;
}

/* ---- loading --------------------------------------------------------------------------------------- */

struct blob_sink
{
  struct buf bytes;
  size_t limit;
};

static bool
sink_write(void *context, const char *bytes, size_t size)
{
  struct blob_sink *sink = context;
  if (size > sink->limit - sink->bytes.length)
    return false;
  buf_append(&sink->bytes, bytes, size);
  return !sink->bytes.failed;
}

static enum err
load_model(struct db_conn *conn, const struct db_model_version *row, struct model **model,
           struct err_info *info)
{
  struct blob_sink sink = {.limit = row->bytes};
  enum err rc;

  if (!buf_reserve(&sink.bytes, row->bytes))
    return err_set(info, ERR_MEMORY, "out of memory for a model of %llu bytes",
                   (unsigned long long) row->bytes);
  switch (db_blob_read(conn, row->blob_id, sink_write, &sink))
  {
  case DB_ROWS:
    rc = model_load(sink.bytes.data, sink.bytes.length, model, info);
    if (rc != ERR_OK)
    {
      log_error("model %s version %d can't be loaded: %s", row->model_id, row->version, info->text);
      rc =
        err_set(info, rc == ERR_MEMORY ? ERR_MEMORY : ERR_INTERNAL, "the stored model is damaged");
    }
    break;
  case DB_SOFT:
    rc = err_set(info, ERR_UNAVAILABLE, "the database is away");
    break;
  case DB_NONE:
  case DB_HARD:
  default:
    rc = err_set(info, ERR_INTERNAL, "the stored model can't be read");
    break;
  }
  buf_free(&sink.bytes);
  return rc;
}

static struct entry *
entry_find(struct model_cache *cache, const char *model_id, int version)
{
  struct entry *entry = cache->newest;
  while (entry && (entry->version != version || strcmp(entry->model_id, model_id) != 0))
    entry = entry->older;
  return entry;
}

static struct entry *
entry_new(struct model_cache *cache, const struct db_model_version *row)
{
  struct entry *entry = calloc(1, sizeof *entry);

  if (!entry)
    return NULL;
  entry->model_id = strdup(row->model_id);
  entry->model_name = strdup(row->model_name);
  if (!entry->model_id || !entry->model_name)
  {
    cache_entry_free(entry);
    return NULL;
  }
  entry->state = ENTRY_LOADING;
  entry->version = row->version;
  entry->us_per_row =
    row->us_per_row > 0.0 && isfinite(row->us_per_row) ? row->us_per_row : US_PER_ROW_UNKNOWN;
  entry->listed = true;
  cache->entry_count++;
  cache_list_put_first(cache, entry);
  return entry;
}

/* Waits, mutex held and a reference taken, until another thread has loaded the entry. */
static void
wait_loaded(struct model_cache *cache, struct entry *entry)
{
  struct timespec until;

  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += LOAD_WAIT_S;
  while (entry->state == ENTRY_LOADING)
    if (pthread_cond_timedwait(&cache->loaded, &cache->mutex, &until) != 0)
      break;
}

/* Loads the new entry, the mutex being released meanwhile. The caller holds a reference. */
static void
load_entry(struct model_cache *cache, struct db_conn *conn, const struct db_model_version *row,
           struct entry *entry)
{
  struct model *model = NULL;
  struct err_info info = {.code = ERR_OK};
  double began_s = clock_monotonic_s();
  enum err rc;

  pthread_mutex_unlock(&cache->mutex);
  rc = load_model(conn, row, &model, &info);
  pthread_mutex_lock(&cache->mutex);
  if (rc == ERR_OK)
  {
    metrics_histogram_add(&cache->loads, clock_monotonic_s() - began_s);
    entry->model = model;
    entry->bytes = (size_t) row->bytes * BYTES_FACTOR + BYTES_EXTRA;
    cache->bytes += entry->bytes;
    entry->state = ENTRY_READY;
  }
  else
  {
    entry->failure = info;
    entry->state = ENTRY_FAILED;
    cache->failures++;
    cache_entry_drop(cache, entry);
  }
  pthread_cond_broadcast(&cache->loaded);
}

/* Gives back a reference with the mutex held; what is to be freed once it is not. */
static struct entry *
unref_locked(struct model_cache *cache, struct entry *entry)
{
  struct entry *surplus = cache_take_surplus(cache);

  if (--entry->refs > 0)
    return surplus;
  if (!entry->listed)
  {
    entry->older = surplus;
    return entry;
  }
  if (cache->bytes > cache->max_bytes)
  {
    cache_entry_drop(cache, entry);
    cache->evictions++;
    entry->older = surplus;
    return entry;
  }
  return surplus;
}

/* The version of a row. key NULL = what led to it is not noted here. */
static enum err
get_row(struct model_cache *cache, struct db_conn *conn, const struct db_model_version *row,
        const char *key, uint64_t forgets, struct model_ref *ref, struct err_info *info)
{
  struct entry *entry, *surplus = NULL;
  enum err rc = ERR_OK;

  pthread_mutex_lock(&cache->mutex);
  entry = entry_find(cache, row->model_id, row->version);
  if (entry)
  {
    entry->refs++;
    wait_loaded(cache, entry);
  }
  else if ((entry = entry_new(cache, row)))
  {
    cache->misses++;
    entry->refs++;
    load_entry(cache, conn, row, entry);
  }
  if (!entry)
    rc = err_set(info, ERR_MEMORY, "out of memory");
  else if (entry->state == ENTRY_READY)
  {
    struct model_route route = model_route_to(entry->version);
    if (entry->listed && key)
      cache_lookup_set(cache, key, &route, &entry, row->shadow, cache->forgets != forgets);
    entry->refs--;
    if (entry->listed)
      cache_ref_fill(cache, entry, ref);
    else
    {
      /* dropped meanwhile, but held by us: good for this one call */
      entry->refs++;
      *ref = (struct model_ref){.model = entry->model,
                                .model_id = entry->model_id,
                                .model_name = entry->model_name,
                                .version = entry->version,
                                .us_per_row = entry->us_per_row,
                                .entry = entry};
    }
    ref->shadow = key ? row->shadow : 0;
    surplus = cache_take_surplus(cache);
  }
  else
  {
    rc = entry->state == ENTRY_FAILED
           ? err_set(info, entry->failure.code, "%s", entry->failure.text)
           : err_set(info, ERR_UNAVAILABLE, "the model is still being loaded");
    surplus = unref_locked(cache, entry);
  }
  pthread_mutex_unlock(&cache->mutex);
  cache_free_surplus(surplus);
  return rc;
}

/* The database can't be asked: what was known before, if anything. */
static enum err
get_stale(struct model_cache *cache, const char *key, struct model_ref *ref, struct err_info *info)
{
  bool found;

  pthread_mutex_lock(&cache->mutex);
  found = cache_lookup_serve(cache, key, true, ref);
  if (found)
  {
    cache->hits++;
    cache_lookup_find(cache, key)->retry_at_s = clock_monotonic_s() + RETRY_AFTER_S;
  }
  pthread_mutex_unlock(&cache->mutex);
  return found ? ERR_OK : err_set(info, ERR_UNAVAILABLE, "the database is away");
}

/* One of the versions that an alias divides its calls among: all of them are loaded, so that none waits later. */
static enum err
get_part(struct model_cache *cache, struct db_conn *conn, const char *tenant_id,
         const struct db_model_version *row, const struct model_route *route, const char *key,
         uint64_t forgets, struct arena *arena, struct model_ref *ref, struct err_info *info)
{
  struct model_ref refs[MODEL_ROUTE_PARTS];
  struct entry *entries[MODEL_ROUTE_PARTS];
  size_t held = 0, chosen = SIZE_MAX;
  bool listed = true;
  enum err rc = ERR_OK;

  while (rc == ERR_OK && held < route->count)
  {
    struct db_model_version part = *row;
    if (route->parts[held].version != row->version
        && db_model_get(conn, tenant_id, row->model_id, route->parts[held].version, NULL, arena,
                        &part)
             != DB_ROWS)
      rc = err_set(info, ERR_UNAVAILABLE, "version %d can't be read", route->parts[held].version);
    else
      rc = get_row(cache, conn, &part, NULL, forgets, &refs[held], info);
    held += rc == ERR_OK;
  }
  if (rc == ERR_OK)
  {
    pthread_mutex_lock(&cache->mutex);
    for (size_t i = 0; i < held; i++)
    {
      entries[i] = refs[i].entry;
      listed = listed && entries[i]->listed;
    }
    if (listed)
      cache_lookup_set(cache, key, route, entries, row->shadow, cache->forgets != forgets);
    chosen = cache_route_draw(cache, route);
    pthread_mutex_unlock(&cache->mutex);
    *ref = refs[chosen];
    ref->shadow = row->shadow;
  }
  for (size_t i = 0; i < held; i++)
    if (i != chosen)
      model_cache_release(cache, &refs[i]);
  return rc;
}

enum err
model_cache_get(struct model_cache *cache, struct db_conn *conn, const char *tenant_id,
                const char *name, int version, const char *alias, struct model_ref *ref,
                struct err_info *info)
{
  struct db_model_version row;
  struct model_route route;
  struct err_info own, failure = {.code = ERR_OK};
  struct arena *arena;
  char key[MODEL_CACHE_KEY_SIZE];
  uint64_t forgets;
  enum err rc;

  if (!info)
    info = &own;
  if (!cache_key_make(key, tenant_id, name, version, alias))
    return err_set(info, ERR_NOT_FOUND, "there is no such model");
  if (model_cache_peek(cache, tenant_id, name, version, alias, ref))
    return ERR_OK;
  if (!conn)
    return get_stale(cache, key, ref, info);
  arena = arena_new(0);
  if (!arena)
    return err_set(info, ERR_MEMORY, "out of memory");
  pthread_mutex_lock(&cache->mutex);
  forgets = cache->forgets;
  pthread_mutex_unlock(&cache->mutex);
  switch (db_model_get(conn, tenant_id, name, version, alias, arena, &row))
  {
  case DB_ROWS:
    route = model_route_stored(row.version, row.split, row.shadow);
    rc = route.count > 1
           ? get_part(cache, conn, tenant_id, &row, &route, key, forgets, arena, ref, info)
           : get_row(cache, conn, &row, key, forgets, ref, info);
    /* what can't be loaded does not take the place of what serves */
    if (rc != ERR_OK && get_stale(cache, key, ref, &failure) == ERR_OK)
      rc = ERR_OK;
    break;
  case DB_NONE:
    pthread_mutex_lock(&cache->mutex);
    cache_lookup_remove(cache, key);
    pthread_mutex_unlock(&cache->mutex);
    rc = err_set(info, ERR_NOT_FOUND, "there is no such model");
    break;
  case DB_SOFT:
  case DB_HARD:
  default:
    rc = get_stale(cache, key, ref, info);
    break;
  }
  arena_free(arena);
  return rc;
}

void
model_cache_release(struct model_cache *cache, struct model_ref *ref)
{
  struct entry *surplus;

  if (!ref->entry)
    return;
  pthread_mutex_lock(&cache->mutex);
  if (ref->measured_us > 0.0)
  {
    struct entry *entry = ref->entry;
    entry->us_per_row = 0.9 * entry->us_per_row + 0.1 * ref->measured_us;
  }
  surplus = unref_locked(cache, ref->entry);
  pthread_mutex_unlock(&cache->mutex);
  ref->entry = NULL;
  cache_free_surplus(surplus);
}

/* ---- the rest -------------------------------------------------------------------------------------- */

void
model_cache_forget(struct model_cache *cache, const char *model_id)
{
  pthread_mutex_lock(&cache->mutex);
  cache->forgets++;
  for (size_t i = 0; i < MODEL_CACHE_BUCKETS; i++)
    for (struct lookup *lookup = cache->lookups[i]; lookup; lookup = lookup->next)
      if (!model_id || strcmp(lookup->parts[0]->model_id, model_id) == 0)
        lookup->stale = true;
  pthread_mutex_unlock(&cache->mutex);
}

void
model_cache_measured(struct model_ref *ref, double us_per_row)
{
  if (isfinite(us_per_row) && us_per_row > 0.0)
    ref->measured_us = us_per_row;
}
