/* API key or session → tenant and scopes.
 *
 * A key is "atk_" + 20 characters of its id + "_" + 43 characters (256 random bits, base64url); a session is
 * a cookie of 43 such characters. Only BLAKE2b-256 of the whole text is kept, compared in constant time.
 * What the database said is cached for a short time: forgotten at once when the event hub hears of a
 * change, looked at again after 30 s (after 1 s while nobody listens), good for 60 s at most while the database
 * is away; and by each thread for a second, until anything is forgotten. What its tenant may use comes with a key. Guessing is slowed down per address and in all. Thread-safe.
 */
#ifndef ATTUNE_SERVER_HTTP_AUTH_H
#define ATTUNE_SERVER_HTTP_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "server/tenant_limits.h"
#include "sql/db_tenant.h"

#define HTTP_TOKEN_SIZE 72 /* any secret as text, with its NUL */
#define HTTP_KEY_PREFIX "atk_"
#define HTTP_COOKIE "attune_session"

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

/* What a request carries. */
struct http_credential
{
  bool by_session;
  char key_id[40]; /* "key_…"; empty for a session */
  uint8_t hash[32];
};

enum http_auth_result
{
  HTTP_AUTH_OK,
  HTTP_AUTH_ASK, /* only the database knows: call http_auth_ask where waiting is allowed */
  HTTP_AUTH_REFUSED,
  HTTP_AUTH_SLOW_DOWN,
  HTTP_AUTH_UNAVAILABLE
};

/* Makes a new secret: the text and what to store; of a key with this id ("key_…"). */
void http_auth_new_key(const char *id, char text[HTTP_TOKEN_SIZE], uint8_t hash[32]);
void http_auth_new_secret(char text[HTTP_TOKEN_SIZE], uint8_t hash[32]);
void http_auth_hash(const char *text, uint8_t hash[32]);

/* Reads "Bearer atk_…", "Basic" with the key as user name and any password, or a Cookie header with our session;
 * false when it is none. */
bool http_auth_parse_bearer(const char *authorization, struct http_credential *credential);
bool http_auth_parse_basic(const char *authorization, struct http_credential *credential);
bool http_auth_parse_cookie(const char *cookie, struct http_credential *credential);

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
