/* Webhooks of a tenant and their deliveries.
 *
 * What happens is queued by the SQL function webhook_enqueue in the transaction that records it; attuned's
 * sender claims what is due under a lease, so that several attuned share the work and a delivery whose sender
 * died is sent again (at least once; the delivery's id tells the receiver). Strings are the arena's.
 */
#ifndef ATTUNE_SQL_DB_WEBHOOK_H
#define ATTUNE_SQL_DB_WEBHOOK_H

#include "sql/db.h"

struct db_webhook
{
  const char *id;
  const char *tenant_id;
  const char *job_id; /* NULL = of the tenant */
  const char *url;
  const char *const *events;
  size_t event_count;
  int64_t created_us;
};

struct db_webhook_insert
{
  const char *id;
  const char *tenant_id;
  const char *job_id; /* or NULL */
  const char *url;
  const char *secret;
  const char *const *events;
  size_t event_count;
};

/* An id that is there already is this call's own, run again after a lost answer, and stays as it is: *secret, the
 * arena's, is the one it has. */
enum db_status db_webhook_insert(struct db_conn *conn, const struct db_webhook_insert *insert,
                                 struct arena *arena, const char **secret);
enum db_status db_webhook_get(struct db_conn *conn, const char *tenant_id, const char *id,
                              struct arena *arena, struct db_webhook *webhook);
/* Newest first, those of jobs left out. */
enum db_status db_webhook_list(struct db_conn *conn, const char *tenant_id, const char *cursor,
                               size_t limit, struct arena *arena, struct db_webhook **webhooks,
                               size_t *count);
enum db_status db_webhook_count(struct db_conn *conn, const char *tenant_id, size_t *count);
/* What is still to be delivered ends as failed. */
enum db_status db_webhook_delete(struct db_conn *conn, const char *tenant_id, const char *id);
/* Queues the event "ping"; the id of the delivery (given) is also its key. */
enum db_status db_webhook_ping(struct db_conn *conn, const char *tenant_id, const char *id,
                               const char *delivery_id);

struct db_delivery
{
  const char *id;
  const char *event;
  const char *state; /* pending, delivered, failed */
  int attempts;
  int last_status; /* 0 = no answer yet */
  const char *last_error;
  int64_t created_us;
  int64_t next_us; /* 0 when it has ended */
  int64_t ended_us;
};
/* Newest first. DB_NONE also when the tenant has no such webhook. */
enum db_status db_delivery_list(struct db_conn *conn, const char *tenant_id, const char *webhook_id,
                                const char *cursor, size_t limit, struct arena *arena,
                                struct db_delivery **deliveries, size_t *count);

/* One that is due, leased to the caller. */
struct db_delivery_claim
{
  const char *id;
  int64_t lease_token;
  const char *url;
  const char *secret;
  const char *event;
  const char *data; /* JSON */
  int attempts;     /* this one included */
  double age_s;
  int64_t created_us;
};
/* The one that has been due for longest, of a webhook that has fewer than two under way. DB_NONE when there
 * is nothing to do. */
enum db_status db_delivery_claim(struct db_conn *conn, double lease_s, struct arena *arena,
                                 struct db_delivery_claim *claim);
/* How it went. retry_in_s < 0: it is over, delivered when error is NULL, else failed. DB_NONE when the lease
 * was lost. */
enum db_status db_delivery_settle(struct db_conn *conn, const char *id, int64_t lease_token,
                                  int status, const char *error, double retry_in_s);

#endif
