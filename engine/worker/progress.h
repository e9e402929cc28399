/* Epochs on their way from a trial process to the database: JSON lines in, rows out, a few at a time. */
#ifndef ATTUNE_WORKER_PROGRESS_H
#define ATTUNE_WORKER_PROGRESS_H

#include <stdbool.h>

#include "sql/db_work.h"

struct progress;

struct progress *progress_new(void);
void progress_free(struct progress *progress);

/* Takes what the (non-blocking) pipe has. False at its end. */
bool progress_read(struct progress *progress, int fd);

/* Stores what has come when the last time is long enough ago, or always with `last`. Epochs that could not
 * be stored stay for the next time. DB_NONE: the lease was lost. */
enum db_status progress_flush(struct progress *progress, struct db_conn *conn,
                              const struct db_work_lease *lease, bool last);

#endif
