/* A batch as callers see it. */
#ifndef ATTUNE_SERVER_HANDLER_BATCH_VIEW_H
#define ATTUNE_SERVER_HANDLER_BATCH_VIEW_H

#include <jansson.h>

#include "sql/db_batch.h"

/* New reference. */
json_t *batch_view(const struct db_batch *row);

#endif
