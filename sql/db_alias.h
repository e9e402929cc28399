/* What the aliases of a model point to, and pointed to before; removal of models and versions. */
#ifndef ATTUNE_SQL_DB_ALIAS_H
#define ATTUNE_SQL_DB_ALIAS_H

#include "sql/db.h"

struct db_alias
{
  const char *alias;
  int version;       /* of a split the one with most; 0: the alias was removed (in changes only) */
  const char *split; /* JSON text {"3": 90, "4": 10}; NULL = all calls go to `version` */
  int shadow;        /* a version whose answers are only compared; 0 = none */
  const char *changed_by; /* a key's id; NULL = a job */
  int64_t changed_us;
};

/* Locks the model's row until the end of the transaction: aliases and versions change one after the other.
 * DB_NONE: it is gone. */
enum db_status db_alias_lock(struct db_conn *conn, const char *model_id);

enum db_status db_alias_get(struct db_conn *conn, const char *model_id, const char *alias,
                            struct arena *arena, struct db_alias *row);
/* All of a model, by name; DB_ROWS also for none. */
enum db_status db_alias_list(struct db_conn *conn, const char *model_id, struct arena *arena,
                             struct db_alias **rows, size_t *count);

/* Its latest changes, newest first. */
enum db_status db_alias_changes(struct db_conn *conn, const char *model_id, const char *alias,
                                size_t limit, struct arena *arena, struct db_alias **rows,
                                size_t *count);
/* What it pointed to last that is not (version, split, shadow), of which version is 0 for an alias that is not
 * there. */
enum db_status db_alias_former(struct db_conn *conn, const char *model_id, const char *alias,
                               int version, const char *split, int shadow, struct arena *arena,
                               struct db_alias *row);

/* Makes or moves it; notifies. DB_NONE when there is no such version. */
enum db_status db_alias_put(struct db_conn *conn, const char *model_id, const char *alias,
                            int version, const char *split, int shadow, const char *key_id);
/* Notifies. DB_NONE when there is none. */
enum db_status db_alias_delete(struct db_conn *conn, const char *model_id, const char *alias);

/* What stands against the removal of a model (version 0) or of one version: aliases of the version, batches that are
 * not done, jobs of the model's name that have not ended. */
struct db_model_uses
{
  int64_t aliases, batches, jobs;
};
enum db_status db_model_uses(struct db_conn *conn, const char *model_id, int version,
                             struct db_model_uses *uses);
/* Removes a version, or with version 0 the model with all of its own; jobs keep their trials and no longer name it.
 * Notifies. Call inside a transaction, the model locked. DB_NONE when there is none. */
enum db_status db_model_delete(struct db_conn *conn, const char *model_id, int version);

#endif
