#ifndef ATTUNE_SERVER_HANDLER_MODEL_FIND_H
#define ATTUNE_SERVER_HANDLER_MODEL_FIND_H

#include "server/http.h"

/* Id and name of the path's model, in the request's arena. False when it replied. */
bool model_find(struct http_request *req, struct db_conn *conn, const char **id, const char **name);

#endif
