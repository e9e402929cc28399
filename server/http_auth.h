/* API key or session → tenant and scopes.
 *
 * What the database said is cached for a short time: forgotten at once when the event hub hears of a change,
 * looked at again after 30 s (after 1 s while nobody listens), good for 60 s at most while the database is
 * away; and by each thread for a second, until anything is forgotten. What its tenant may use comes with a key.
 * Guessing is slowed down per address and in all. Thread-safe.
 */
#ifndef ATTUNE_SERVER_HTTP_AUTH_H
#define ATTUNE_SERVER_HTTP_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "server/http_secret.h"
#include "server/tenant_limits.h"
#include "sql/db_tenant.h"

struct http_auth;

/* Who asks. */
struct http_identity
{
  char tenant_id[40];
  char key_id[40];
  char key_model[72];    /* "" = every model */
  char key_model_id[40]; /* of that model; "" while there is none of this name */
  char csrf[64];         /* of a session */
  unsigned scopes;
  bool by_session;
  bool root;        /* of the installation's first tenant */
  bool disabled;    /* its tenant is */
  uint8_t hash[32]; /* of the secret */
  struct tenant_limits limits;
};

enum http_auth_result
{
  HTTP_AUTH_OK,
  HTTP_AUTH_ASK, /* only the database knows: call http_auth_ask where waiting is allowed */
  HTTP_AUTH_REFUSED,
  HTTP_AUTH_SLOW_DOWN,
  HTTP_AUTH_UNAVAILABLE
};

struct http_auth *http_auth_new(struct db_pool *db);
void http_auth_free(struct http_auth *auth);

/* Whether this thread found the same Authorization header to be good less than a second ago, and nothing was forgotten
 * since. */
bool http_auth_recall(struct http_auth *auth, const char *header, double now_s,
                      struct http_identity *identity);
/* From memory only. `header` NULL, or the Authorization header, to be recalled. */
enum http_auth_result http_auth_check(struct http_auth *auth,
                                      const struct http_credential *credential, const char *header,
                                      const struct sockaddr *peer, struct http_identity *identity);
/* From the database. */
enum http_auth_result http_auth_ask(struct http_auth *auth,
                                    const struct http_credential *credential,
                                    const struct sockaddr *peer, struct http_identity *identity);

/* Whether this address may try one more secret that http_auth itself does not look at (a sign-in code);
 * `wrong` counts one that was none. */
bool http_auth_may_guess(struct http_auth *auth, const struct sockaddr *peer, bool wrong);

/* A key changed: it and its sessions are looked up again. NULL = changes of any may have been missed: all are
 * asked again as soon as the database answers. */
void http_auth_forget(struct http_auth *auth, const char *key_id);
/* A tenant changed: all its keys are looked up again. */
void http_auth_forget_tenant(struct http_auth *auth, const char *tenant_id);
void http_auth_forget_session(struct http_auth *auth, const uint8_t hash[32]);
/* Whether changes are being heard of. */
void http_auth_listening(struct http_auth *auth, bool listening);

#endif
