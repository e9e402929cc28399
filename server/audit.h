/* Writes who did what.
 *
 * A change is written at once, by the thread that made it and before its answer is sent (audit_write): who
 * has got an answer finds its row. Refusals, and changes that could not be written because the database was
 * away, go through a queue (audit_queue) that a thread of its own writes twice a second: of those a killed
 * process loses at most what came in the last second. A tenant's refusals beyond 600 a minute, and what does
 * not fit the queue while the database is away, are only counted in the log. Thread-safe.
 */
#ifndef ATTUNE_SERVER_AUDIT_H
#define ATTUNE_SERVER_AUDIT_H

#include "base/err.h"
#include "sql/db_audit.h"

struct audit;

/* The pool is borrowed for ever. */
enum err audit_start(struct db_pool *db, struct audit **audit, struct err_info *info);
/* Writes what is queued, ends the thread and frees. NULL is ignored. */
void audit_stop(struct audit *audit);

/* Writes one row now; queues it when that failed. */
void audit_write(struct audit *audit, struct db_conn *conn, const struct db_audit *row);
/* Copies the row to the queue; never waits. `refusal`: one that may be left out when there are too many. */
void audit_queue(struct audit *audit, const struct db_audit *row, bool refusal);

#endif
