/* The webhook that a job's request names: taken out of the request, stored with the job, shown once. */
#ifndef ATTUNE_SERVER_HANDLER_WEBHOOKS_H
#define ATTUNE_SERVER_HANDLER_WEBHOOKS_H

#include "server/http.h"
#include "sql/db.h"

struct webhook_wish
{
  const char *id; /* NULL = none is wanted */
  const char *url;
  const char *secret;
  bool secret_made; /* by us: it must be shown */
};

/* Reads "webhook" (a URL, or {"url", "secret"?}) of a job's request and removes it from there. False when it
 * replied with what is wrong. */
bool webhook_wish_take(struct http_request *req, json_t *request, struct webhook_wish *wish);
/* In the transaction that inserts the job; the wish gets the secret that is stored. DB_ROWS also when none is
 * wanted. */
enum db_status webhook_wish_insert(struct db_conn *conn, struct webhook_wish *wish,
                                   const char *tenant_id, const char *job_id, struct arena *arena);
/* {"id", "url", "secret"?}; NULL when none was wanted. */
json_t *webhook_wish_view(const struct webhook_wish *wish, bool with_secret);

#endif
