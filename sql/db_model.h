/* Models, versions, aliases. */
#ifndef ATTUNE_SQL_DB_MODEL_H
#define ATTUNE_SQL_DB_MODEL_H

#include "sql/db.h"

struct db_model_version
{
  const char *model_id;
  const char *model_name;
  int version;
  const char *job_id; /* or NULL */
  int64_t blob_id;
  uint8_t sha256[32];
  uint64_t bytes;
  const char *family;
  const char *task;
  const char *metric;
  double score;
  bool final;
  const char *schema; /* JSON text */
  const char *report; /* JSON text; NULL in lists */
  double us_per_row;
  int64_t created_us;
  /* Where an alias was asked for that divides its calls: {"3": 90, "4": 10}, this version being the one with most. */
  const char *split;
  int shadow; /* and the version whose answers are compared with; 0 = none */
};

/* A version to store: model_name of the tenant is made when new. In one transaction with its blob; the alias "best"
 * points to it, "fast" to `fast` or to itself if it is final, and while nothing else is. *version is its number. */
struct db_model_insert
{
  const char *tenant_id;
  const char *model_name;
  const char *job_id;
  const void *bytes;
  size_t length;
  const char *family;
  const char *task;
  const char *metric;
  double score;
  bool final;
  const char *schema;
  const char *report;
  double us_per_row;
  /* Of a final version: its job's deflated fold membership (db_folds.h); NULL = none. */
  const void *folds;
  size_t folds_length;
  /* A cheaper model of the same job, stored as the version before; NULL = none. */
  const struct db_model_insert *fast;
  /* The same model fitted on all rows, stored as the version after, which the alias "all" points to; NULL = none. */
  const struct db_model_insert *all;
};
/* Call inside a transaction; notifies "model <id>". */
enum db_status db_model_insert_version(struct db_conn *conn, const struct db_model_insert *insert,
                                       struct arena *arena, const char **model_id, int *version);

/* By name or id; version 0 = what alias `alias` (NULL: "best") points to. */
enum db_status db_model_get(struct db_conn *conn, const char *tenant_id, const char *name_or_id,
                            int version, const char *alias, struct arena *arena,
                            struct db_model_version *model);
/* Newest versions' summary per model (a page's order and cursor go by that version's created_us and the
 * model's id), and all versions of one, newest first. */
enum db_status db_model_list(struct db_conn *conn, const char *tenant_id, const char *cursor,
                             size_t limit, struct arena *arena, struct db_model_version **models,
                             size_t *count);
enum db_status db_model_version_list(struct db_conn *conn, const char *tenant_id,
                                     const char *name_or_id, size_t limit, struct arena *arena,
                                     struct db_model_version **models, size_t *count);

#endif
