/* Who did what: rows that are only ever added, read, and forgotten after a while.
 * Secrets never reach this table: it holds ids, names of routes, statuses and addresses.
 */
#ifndef ATTUNE_SQL_DB_AUDIT_H
#define ATTUNE_SQL_DB_AUDIT_H

#include "sql/db.h"

struct db_audit
{
  int64_t id; /* given by the database; grows */
  const char *tenant_id;
  const char *key_id; /* NULL: the installation itself */
  const char *action; /* a route's name: "jobs.create" */
  const char *object; /* what it was done to, or NULL */
  int status;
  const char *request_id;
  const char *address;
  int64_t at_us;
};

/* Adds rows, in order; those of tenants that are gone are left out. */
enum db_status db_audit_insert(struct db_conn *conn, const struct db_audit *rows, size_t count);

/* Rows of one tenant. With after ≥ 0 the oldest first, beginning after that id; else the newest first,
 * beginning before `before` (0 = from the newest). action and key_id may be NULL. */
struct db_audit_filter
{
  int64_t after;
  int64_t before;
  const char *action;
  const char *key_id;
};
enum db_status db_audit_list(struct db_conn *conn, const char *tenant_id,
                             const struct db_audit_filter *filter, size_t limit,
                             struct arena *arena, struct db_audit **rows, size_t *count);

/* Deletes what is older. */
enum db_status db_audit_forget(struct db_conn *conn, double days);

#endif
