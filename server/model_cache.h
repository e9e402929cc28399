/* Loaded models: immutable, counted, bounded by bytes; a prediction never touches PostgreSQL once its
 * model is here.
 *
 * Entries are found by (tenant, name or id, version or alias). A note "model <id>" from the event hub
 * makes the cache look up aliases again; while the database is away, what is cached goes on answering.
 * Thread-safe. Owns the models; a user holds a reference from _get to _release.
 */
#ifndef ATTUNE_SERVER_MODEL_CACHE_H
#define ATTUNE_SERVER_MODEL_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/model.h"
#include "sql/db.h"

struct model_cache;

struct model_ref
{
  const struct model *model;
  const char *model_id;
  const char *model_name;
  int version;
  int shadow;        /* a version that answers the call, too, for comparison (shadow.h); 0 = none */
  double us_per_row; /* measured by earlier calls */
  double measured_us; /* by this one, 0 = not; noted when the reference is released */
  void *entry;        /* private */
};

struct model_cache *model_cache_new(size_t max_bytes);
void model_cache_free(struct model_cache *cache);

/* From memory only: true and a reference if the answer is known and fresh. */
bool model_cache_peek(struct model_cache *cache, const char *tenant_id, const char *name,
                      int version, const char *alias, struct model_ref *ref);
/* From memory or the database (waits). ERR_NOT_FOUND, ERR_UNAVAILABLE, ERR_INTERNAL (damaged file).
 * With conn == NULL, or when the database fails, what was known before is given, if anything was. A model
 * that several ask for at once is loaded once. */
enum err model_cache_get(struct model_cache *cache, struct db_conn *conn, const char *tenant_id,
                         const char *name, int version, const char *alias, struct model_ref *ref,
                         struct err_info *info);
void model_cache_release(struct model_cache *cache, struct model_ref *ref);

/* Something changed about this model: aliases are looked up again at the next get. NULL = all. */
void model_cache_forget(struct model_cache *cache, const char *model_id);
/* Folds a measurement of a predict call into the model's µs per row, when the reference is released. */
void model_cache_measured(struct model_ref *ref, double us_per_row);

/* A workspace to predict with, kept for reuse between requests: take, predict, give. NULL = no memory. */
struct model_workspace *model_cache_workspace_take(struct model_cache *cache);
void model_cache_workspace_give(struct model_cache *cache, struct model_workspace *workspace);

/* For /metrics. */
struct metrics_histogram;

struct model_cache_counts
{
  size_t models, bytes;  /* now in memory */
  uint64_t hits, misses; /* since the start, as what follows */
  uint64_t evictions;    /* models that made room for others */
  uint64_t failures;     /* loads that came to nothing */
};

void model_cache_stats(struct model_cache *cache, struct model_cache_counts *counts);
/* What loads took, from the database to a model that answers; good ones only. As long as the cache. */
const struct metrics_histogram *model_cache_loads(const struct model_cache *cache);

#endif
