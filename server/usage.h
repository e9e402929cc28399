/* Counts what tenants use and adds it to the database every 10 seconds, and at the end.
 *
 * A thread of its own writes; counting takes a lock for a moment and never waits for the database. While
 * the database is away counts are kept and written later. What was counted since the last writing is lost
 * when the process is killed: these are figures for looking, not for bills.
 */
#ifndef ATTUNE_SERVER_USAGE_H
#define ATTUNE_SERVER_USAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "sql/db.h"

struct usage;

enum usage_kind
{
  USAGE_REQUESTS,
  USAGE_PREDICTIONS,
  USAGE_PREDICTED_ROWS,
  USAGE_UPLOADED_BYTES,
  USAGE_KINDS
};

/* The pool is borrowed for ever. */
enum err usage_start(struct db_pool *db, struct usage **usage, struct err_info *info);
/* Writes what is left, ends the thread and frees. NULL is ignored. */
void usage_stop(struct usage *usage);

/* Adds to a tenant's counters of today (UTC). */
void usage_count(struct usage *usage, const char *tenant_id, const double amounts[USAGE_KINDS]);
/* Writes now what was counted, for who is about to read it; `conn` is the caller's. */
void usage_flush(struct usage *usage, struct db_conn *conn);

#endif
