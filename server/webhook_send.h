/* Delivers webhooks: one thread that claims what is due (sql/db_webhook.h) and calls it with libcurl.
 *
 * At most WEBHOOK_SLOTS calls are under way at once. Any 2xx is success; redirects are not followed; the
 * answer's body is read and thrown away up to a bound. Failures come again after base, 2 × base, 4 × base, …
 * at most an hour, each with jitter, until the delivery is too old. Every call is signed; see api-docs/webhooks.md.
 */
#ifndef ATTUNE_SERVER_WEBHOOK_SEND_H
#define ATTUNE_SERVER_WEBHOOK_SEND_H

#include <stddef.h>
#include <stdint.h>

#include "server/server.h"

#define WEBHOOK_SIGNATURE_SIZE 100

struct webhook_sender;

/* Starts the thread. Options read: webhook-allow-private, webhook-ca-file (ERR_INVALID, ERR_IO or ERR_NOT_FOUND when it
 * is no such file; it is read again by every call). */
enum err webhook_sender_start(struct server *server, struct webhook_sender **sender,
                              struct err_info *info);
/* Lets calls under way end, up to a second, and frees; what was cut off is sent again. NULL is fine. */
void webhook_sender_stop(struct webhook_sender *sender);

/* "t=1764000000,v1=<64 hex digits>": HMAC-SHA256 with the secret's text over "<t>.<body>". */
void webhook_sign(char signature[WEBHOOK_SIGNATURE_SIZE], const char *secret, int64_t unix_s,
                  const char *body, size_t length);

#endif
