/* Whether this server can serve: the database answers, the schema fits, it is not stopping. */
#ifndef ATTUNE_SERVER_HANDLER_HEALTH_H
#define ATTUNE_SERVER_HANDLER_HEALTH_H

#include "server/http.h"

/* False when it replied 503 that says why not. On the waiting pool. */
bool health_check_ready(struct http_request *req);

#endif
