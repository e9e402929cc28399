/* Private to model_cache*.c: entries (loaded models), lookups (what a key means), and the list by last use.
 * Every function but cache_entry_free, cache_free_surplus and cache_key_make needs the mutex. */
#ifndef ATTUNE_SERVER_MODEL_CACHE_INTERNAL_H
#define ATTUNE_SERVER_MODEL_CACHE_INTERNAL_H

#include <pthread.h>

#include "server/metrics_histogram.h"
#include "server/model_cache.h"
#include "server/model_route.h"

#define MODEL_CACHE_BUCKETS 1024u
#define MODEL_CACHE_KEY_SIZE 512
#define MODEL_CACHE_WORKSPACES 64

enum entry_state
{
  ENTRY_LOADING,
  ENTRY_READY,
  ENTRY_FAILED
};

struct entry
{
  enum entry_state state;
  struct model *model;
  char *model_id, *model_name;
  int version;
  size_t bytes;
  unsigned refs;
  bool listed; /* false: dropped from the list, freed with its last reference */
  double us_per_row;
  struct err_info failure;
  struct entry *newer, *older; /* the list, by last use */
};

/* What (tenant, name, version, alias) means: one version, or several of a model of which each call takes one. */
struct lookup
{
  struct lookup *next;
  struct model_route route;
  struct entry *parts[MODEL_ROUTE_PARTS]; /* as many as the route has */
  int shadow;
  bool stale;
  double retry_at_s; /* a stale one is good until then: the database has just failed */
  char key[];
};

struct model_cache
{
  pthread_mutex_t mutex;
  pthread_cond_t loaded;
  size_t max_bytes, bytes, entry_count, lookup_count;
  uint64_t hits, misses, evictions, failures;
  struct metrics_histogram loads;
  uint64_t draws;   /* of calls divided among versions */
  uint64_t forgets; /* raised by each forget: an answer read before it is not trusted after it */
  struct entry *newest, *oldest;
  struct lookup *lookups[MODEL_CACHE_BUCKETS];
  struct model_workspace *workspaces[MODEL_CACHE_WORKSPACES];
  size_t workspace_count;
};

void cache_entry_free(struct entry *entry);
void cache_list_put_first(struct model_cache *cache, struct entry *entry);
/* Takes the entry out of list and lookups. */
void cache_entry_drop(struct model_cache *cache, struct entry *entry);
/* Takes unused entries over the bound out, oldest first, chained by `older`; free them without the mutex. */
struct entry *cache_take_surplus(struct model_cache *cache);
void cache_free_surplus(struct entry *surplus);

/* False when it doesn't fit: no legal name is that long. */
bool cache_key_make(char key[MODEL_CACHE_KEY_SIZE], const char *tenant_id, const char *name,
                    int version, const char *alias);
struct lookup *cache_lookup_find(struct model_cache *cache, const char *key);
void cache_lookup_remove(struct model_cache *cache, const char *key);
/* Notes what a key means. Without memory, or with too many keys, it is just not noted. */
void cache_lookup_set(struct model_cache *cache, const char *key, const struct model_route *route,
                      struct entry *const *parts, int shadow, bool stale);
/* A part of the route, at random by its percents. */
size_t cache_route_draw(struct model_cache *cache, const struct model_route *route);
/* A reference to a ready entry; and the same by key, true when it is known and fresh (or also_stale). */
void cache_ref_fill(struct model_cache *cache, struct entry *entry, struct model_ref *ref);
bool cache_lookup_serve(struct model_cache *cache, const char *key, bool also_stale,
                        struct model_ref *ref);

#endif
