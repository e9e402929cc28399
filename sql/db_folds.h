/* Which fold each row of a job's dataset was in: kept so that a model's report can be checked later.
 *
 * The bytes are those of struct split's fold_of, deflated (zlib). Written by the finish, once per job; a
 * job that is extended keeps its split. */
#ifndef ATTUNE_SQL_DB_FOLDS_H
#define ATTUNE_SQL_DB_FOLDS_H

#include "base/buf.h"
#include "sql/db.h"

/* Call inside a transaction that holds the job's row. What was stored before is replaced. */
enum db_status db_folds_store(struct db_conn *conn, const char *job_id, const void *bytes,
                              size_t length);

/* Appends the deflated bytes. DB_NONE: no such job of the tenant, or it has none. */
enum db_status db_folds_read(struct db_conn *conn, const char *tenant_id, const char *job_id,
                             struct arena *arena, struct buf *bytes);

/* The rows whose labels look wrong, by the newest job of the tenant that has ended on this version of the
 * dataset with this target (NULL: images): JSON text of the list in its report, how many there are in all,
 * and the model that says so. DB_NONE: there is no such job. */
struct db_label_suspects
{
  const char *list;
  int64_t count;
  const char *estimate; /* which rows were looked at: "holdout" = those of the report only */
  const char *job_id;
  const char *model_name;
  int version;
};
enum db_status db_label_suspects(struct db_conn *conn, const char *tenant_id,
                                 const char *dataset_id, int dataset_version, const char *target,
                                 struct arena *arena, struct db_label_suspects *suspects);

#endif
