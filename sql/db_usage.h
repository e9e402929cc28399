/* What each tenant used, by day (UTC, counted from 1970-01-01).
 *
 * Counters of requests are added up by the servers (server/usage.h). Trials and the seconds they took are
 * read from the trials themselves; stored bytes are a gauge, kept as they were last seen on each day.
 */
#ifndef ATTUNE_SQL_DB_USAGE_H
#define ATTUNE_SQL_DB_USAGE_H

#include "sql/db.h"

struct db_usage
{
  const char *tenant_id;
  int day;
  const char *kind; /* requests, predictions, predicted_rows, uploaded_bytes, trials, … */
  double amount;
};

/* Adds counters to what is there; those of tenants that are gone are left out. */
enum db_status db_usage_add(struct db_conn *conn, const struct db_usage *rows, size_t count);

/* Writes today's stored bytes of every tenant. */
enum db_status db_usage_gauge(struct db_conn *conn);

/* One row per day and kind from the day `from` to the day `to`, by day; today's stored bytes as they are
 * now. tenant_id is not filled. */
enum db_status db_usage_list(struct db_conn *conn, const char *tenant_id, int from, int to,
                             struct arena *arena, struct db_usage **rows, size_t *count);

#endif
