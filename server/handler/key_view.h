/* How keys are shown (keys.c), for sessions as well. */
#ifndef ATTUNE_SERVER_HANDLER_KEY_VIEW_H
#define ATTUNE_SERVER_HANDLER_KEY_VIEW_H

#include <jansson.h>

/* ["predict", …] of a mask of enum db_scope (new reference). */
json_t *key_scopes_json(unsigned scopes);

#endif
