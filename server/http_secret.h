/* API keys and sessions as text: made, and read from a request's headers.
 *
 * A key is "atk_" + 20 characters of its id + "_" + 43 characters (256 random bits, base64url); a session is a
 * cookie of 43 such characters. Only BLAKE2b-256 of the whole text is kept. Pure but for the random numbers;
 * any thread.
 */
#ifndef ATTUNE_SERVER_HTTP_SECRET_H
#define ATTUNE_SERVER_HTTP_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#define HTTP_TOKEN_SIZE 72 /* any secret as text, with its NUL */
#define HTTP_KEY_PREFIX "atk_"
#define HTTP_COOKIE "attune_session"

/* What a request carries. */
struct http_credential
{
  bool by_session;
  char key_id[40]; /* "key_…"; empty for a session */
  uint8_t hash[32];
};

/* Makes a new secret: the text and what to store; of a key with this id ("key_…"). */
void http_secret_new_key(const char *id, char text[HTTP_TOKEN_SIZE], uint8_t hash[32]);
void http_secret_new(char text[HTTP_TOKEN_SIZE], uint8_t hash[32]);
void http_secret_hash(const char *text, uint8_t hash[32]);

/* Reads "Bearer atk_…", "Basic" with the key as user name and any password, or a Cookie header with our session;
 * false when it is none. */
bool http_secret_parse_bearer(const char *authorization, struct http_credential *credential);
bool http_secret_parse_basic(const char *authorization, struct http_credential *credential);
bool http_secret_parse_cookie(const char *cookie, struct http_credential *credential);

#endif
