/* Private to http_auth.c: each thread's own note of the keys it saw last, by the text of their header, so that the
 * next request with one of them needs neither a digest nor the lock.
 *
 * A note is good while the generation is the one it was made in (http_auth.c begins another whenever anything is
 * forgotten, or changes are no longer heard of) and for the time it was made for. Texts are compared in constant
 * time. Notes are in the thread's memory and go with it.
 */
#ifndef ATTUNE_SERVER_HTTP_AUTH_MEMO_H
#define ATTUNE_SERVER_HTTP_AUTH_MEMO_H

#include "server/http_auth.h"

/* A number that no http_auth of the process has had as its generation; it may count on from there. */
uint64_t http_auth_memo_generation(void);

/* Whether this thread knows the header; then *identity is whose it is. */
bool http_auth_memo_find(uint64_t generation, const char *header, double now_s,
                         struct http_identity *identity);
/* Notes it until `until_s` of the monotonic clock. Headers longer than a key's are not noted. */
void http_auth_memo_keep(uint64_t generation, const char *header, double until_s,
                         const struct http_identity *identity);

#endif
