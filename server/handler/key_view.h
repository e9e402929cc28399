/* How keys are shown (keys.c), for sessions as well. */
#ifndef ATTUNE_SERVER_HANDLER_KEY_VIEW_H
#define ATTUNE_SERVER_HANDLER_KEY_VIEW_H

#include <jansson.h>

#include "sql/db_tenant.h"

/* ["predict", …] of a mask of enum db_scope (new reference). */
json_t *key_scopes_json(unsigned scopes);

/* A key without its secret (new reference). */
json_t *key_view(const struct db_key *key);

/* Whether it was stored with this secret's hash: if not, an earlier attempt at the same request made it, whose secret
 * nobody knows any more. */
bool key_is_new(const struct db_key *key, const uint8_t hash[32]);

#endif
