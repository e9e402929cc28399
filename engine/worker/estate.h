/* A worker's folder DATA_DIR/scratch/worker-…: locked while the worker or its trial lives, and what the dead leave.
 *
 * The lock is held through a descriptor that the trial inherits, so a folder that can be locked belongs to a
 * worker that is gone together with its trial, for certain and at once, where the end of a lease is only a guess. Such
 * a folder names its worker: whoever finds it ends what was leased to that name, then removes it. One thread.
 */
#ifndef ATTUNE_WORKER_ESTATE_H
#define ATTUNE_WORKER_ESTATE_H

#include <limits.h>

#include "sql/db.h"

#define ESTATE_NAME_BYTES 128

struct estate
{
  char parent[PATH_MAX];        /* DATA_DIR/scratch */
  char path[PATH_MAX];          /* the folder */
  char name[ESTATE_NAME_BYTES]; /* of the worker, never used twice: host:pid:random */
  int fd;                       /* holds the lock; -1 = none */
};

/* Makes and locks the folder of this process. */
enum err estate_make(struct estate *estate, const char *data_dir, struct err_info *info);

/* Removes it, in an orderly end. */
void estate_remove(struct estate *estate);

/* Ends the leases of dead workers of this data directory and removes their folders. DB_ROWS when there were
 * leases. What could not be done for want of the database is done by a later call. */
enum db_status estate_settle_dead(const struct estate *estate, struct db_conn *conn);

#endif
