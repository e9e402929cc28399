/* The counts of a version's training data: from the database, or made of its dataset when they are first needed.
 */
#ifndef ATTUNE_SERVER_DRIFT_SOURCE_H
#define ATTUNE_SERVER_DRIFT_SOURCE_H

#include "data/drift_reference.h"
#include "server/dataset_cache.h"
#include "sql/db.h"

/* *reference and *json (the same as JSON; NULL where it is not wanted) are the caller's; *problem (arena) says why there are no
 * counts, NULL where there are. May read a whole dataset. ERR_NOT_FOUND when the version is gone; ERR_UNAVAILABLE and
 * others when it may work later. */
enum err drift_source_read(struct db_conn *conn, struct dataset_cache *datasets,
                           const char *model_id, int version, struct arena *arena,
                           struct drift_reference **reference, json_t **json, const char **problem,
                           struct err_info *info);

#endif
