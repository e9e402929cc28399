#include <config.h>

#include "server/model_cache_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define LOOKUPS_MAX 20000u

void
cache_entry_free(struct entry *entry)
{
  if (!entry)
    return;
  model_free(entry->model);
  free(entry->model_id);
  free(entry->model_name);
  free(entry);
}

/* ---- the list of entries, by last use (all with the mutex held) ------------------------------------ */

static void
list_remove(struct model_cache *cache, struct entry *entry)
{
  *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
  *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
  entry->newer = entry->older = NULL;
}

void
cache_list_put_first(struct model_cache *cache, struct entry *entry)
{
  entry->newer = NULL;
  entry->older = cache->newest;
  *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
  cache->newest = entry;
}

static void
list_touch(struct model_cache *cache, struct entry *entry)
{
  if (cache->newest == entry)
    return;
  list_remove(cache, entry);
  cache_list_put_first(cache, entry);
}

static bool
has_part(const struct lookup *lookup, const struct entry *entry)
{
  for (size_t i = 0; i < lookup->route.count; i++)
    if (lookup->parts[i] == entry)
      return true;
  return false;
}

/* Takes the entry out of list and lookups. */
void
cache_entry_drop(struct model_cache *cache, struct entry *entry)
{
  for (size_t i = 0; i < MODEL_CACHE_BUCKETS; i++)
    for (struct lookup **place = &cache->lookups[i]; *place;)
    {
      struct lookup *lookup = *place;
      if (!has_part(lookup, entry))
      {
        place = &lookup->next;
        continue;
      }
      *place = lookup->next;
      cache->lookup_count--;
      free(lookup);
    }
  list_remove(cache, entry);
  entry->listed = false;
  cache->bytes -= entry->bytes;
  cache->entry_count--;
}

/* Takes unused entries over the bound out, oldest first, and chains them by `older` for freeing once
 * the mutex is free. */
struct entry *
cache_take_surplus(struct model_cache *cache)
{
  struct entry *surplus = NULL;

  for (struct entry *entry = cache->oldest, *newer; entry && cache->bytes > cache->max_bytes;
       entry = newer)
  {
    newer = entry->newer;
    if (entry->refs > 0)
      continue;
    cache_entry_drop(cache, entry);
    cache->evictions++;
    entry->older = surplus;
    surplus = entry;
  }
  return surplus;
}

void
cache_free_surplus(struct entry *surplus)
{
  for (struct entry *older; surplus; surplus = older)
  {
    older = surplus->older;
    cache_entry_free(surplus);
  }
}

/* ---- lookups --------------------------------------------------------------------------------------- */

/* False when it doesn't fit: no legal name is that long. */
bool
cache_key_make(char key[MODEL_CACHE_KEY_SIZE], const char *tenant_id, const char *name, int version,
               const char *alias)
{
  const char *parts[] = {tenant_id, name, version ? "" : alias ? alias : "best"};
  size_t length = 0;

  /* made for every prediction: printf takes longer than the look-up */
  for (size_t i = 0; i < 3; i++)
  {
    size_t size = strlen(parts[i]);
    if (size >= MODEL_CACHE_KEY_SIZE - length - 16)
      return false;
    memcpy(key + length, parts[i], size);
    length += size;
    key[length++] = '\n';
  }
  text_hex_encode(&version, sizeof version, key + length);
  return true;
}

static unsigned
key_bucket(const char *key)
{
  uint64_t hash = 14695981039346656037u; /* as FNV-1a, but by words */
  size_t length = strlen(key);
  for (size_t i = 0; i < length; i += 8)
  {
    uint64_t word = 0;
    memcpy(&word, key + i, length - i < 8 ? length - i : 8);
    hash = (hash ^ word) * 1099511628211u;
    hash ^= hash >> 32;
  }
  return (unsigned) (hash % MODEL_CACHE_BUCKETS);
}

struct lookup *
cache_lookup_find(struct model_cache *cache, const char *key)
{
  struct lookup *lookup = cache->lookups[key_bucket(key)];
  while (lookup && strcmp(lookup->key, key) != 0)
    lookup = lookup->next;
  return lookup;
}

void
cache_lookup_remove(struct model_cache *cache, const char *key)
{
  for (struct lookup **place = &cache->lookups[key_bucket(key)]; *place; place = &(*place)->next)
    if (strcmp((*place)->key, key) == 0)
    {
      struct lookup *lookup = *place;
      *place = lookup->next;
      cache->lookup_count--;
      free(lookup);
      return;
    }
}

/* Notes what a key means. Without memory, or with too many keys, it is just not noted. */
void
cache_lookup_set(struct model_cache *cache, const char *key, const struct model_route *route,
                 struct entry *const *parts, int shadow, bool stale)
{
  struct lookup *lookup = cache_lookup_find(cache, key);
  unsigned bucket = key_bucket(key);
  size_t size = strlen(key) + 1;

  if (!lookup)
  {
    if (cache->lookup_count >= LOOKUPS_MAX)
      return;
    lookup = calloc(1, sizeof *lookup + size);
    if (!lookup)
      return;
    memcpy(lookup->key, key, size);
    lookup->next = cache->lookups[bucket];
    cache->lookups[bucket] = lookup;
    cache->lookup_count++;
  }
  lookup->route = *route;
  memcpy(lookup->parts, parts, route->count * sizeof *parts);
  lookup->shadow = shadow;
  lookup->stale = stale;
  lookup->retry_at_s = 0.0;
}

void
cache_ref_fill(struct model_cache *cache, struct entry *entry, struct model_ref *ref)
{
  entry->refs++;
  list_touch(cache, entry);
  *ref = (struct model_ref){.model = entry->model,
                            .model_id = entry->model_id,
                            .model_name = entry->model_name,
                            .version = entry->version,
                            .us_per_row = entry->us_per_row,
                            .entry = entry};
}

size_t
cache_route_draw(struct model_cache *cache, const struct model_route *route)
{
  uint64_t x = cache->draws += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64, Steele et al. 2014 */

  x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
  x ^= x >> 31;
  return model_route_pick(route, (unsigned) (x % 100));
}

bool
cache_lookup_serve(struct model_cache *cache, const char *key, bool also_stale,
                   struct model_ref *ref)
{
  struct lookup *lookup = cache_lookup_find(cache, key);
  struct entry *entry;

  if (!lookup)
    return false;
  if (lookup->stale && !also_stale && clock_monotonic_s() >= lookup->retry_at_s)
    return false;
  entry = lookup->parts[lookup->route.count > 1 ? cache_route_draw(cache, &lookup->route) : 0];
  if (entry->state != ENTRY_READY)
    return false;
  cache_ref_fill(cache, entry, ref);
  ref->shadow = lookup->shadow;
  return true;
}

/* ---- figures --------------------------------------------------------------------------------------- */

const struct metrics_histogram *
model_cache_loads(const struct model_cache *cache)
{
  return &cache->loads;
}

void
model_cache_stats(struct model_cache *cache, struct model_cache_counts *counts)
{
  pthread_mutex_lock(&cache->mutex);
  *counts = (struct model_cache_counts){.models = cache->entry_count,
                                        .bytes = cache->bytes,
                                        .hits = cache->hits,
                                        .misses = cache->misses,
                                        .evictions = cache->evictions,
                                        .failures = cache->failures};
  pthread_mutex_unlock(&cache->mutex);
}
