/* Counts of the training data and of what was asked since (engine/data/drift_reference.h).
 */
#ifndef ATTUNE_SQL_DB_DRIFT_H
#define ATTUNE_SQL_DB_DRIFT_H

#include "sql/db.h"

/* The stored counts of the training data as JSON text, and why there are none (NULL: there are). */
struct db_drift_reference
{
  const char *reference, *problem;
};
enum db_status db_drift_reference_get(struct db_conn *conn, const char *model_id, int version,
                                      struct arena *arena, struct db_drift_reference *reference);
/* Stores them unless there are some; DB_NONE when the version is gone. */
enum db_status db_drift_reference_put(struct db_conn *conn, const char *model_id, int version,
                                      const struct db_drift_reference *reference);

/* What a version's training data can be found by. */
struct db_drift_source
{
  const char *tenant_id, *schema; /* as GET .../schema shows it */
  const char *dataset_id;         /* NULL: it has no job */
  int dataset_version;
};
enum db_status db_drift_source(struct db_conn *conn, const char *model_id, int version,
                               struct arena *arena, struct db_drift_source *source);

/* Adds to the counts (size) of an hour, given by any time in it. Counts of another length are replaced. DB_NONE when
 * the version is gone. */
enum db_status db_drift_add(struct db_conn *conn, const char *model_id, int version,
                            int64_t hour_us, const double *counts, size_t size, int64_t logged,
                            int64_t dropped);

/* The counts of an hour. */
struct db_drift_hour
{
  int64_t hour_us;
  const double *counts;
  size_t size;
  int64_t logged, dropped;
};
/* Those that end after a moment, oldest first. */
enum db_status db_drift_hours(struct db_conn *conn, const char *model_id, int version,
                              int64_t from_us, struct arena *arena, struct db_drift_hour **hours,
                              size_t *count);

#endif
