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

#endif
