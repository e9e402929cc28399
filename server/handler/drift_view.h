/* What was asked and answered beside the training data, as the API shows it. Pure. */
#ifndef ATTUNE_SERVER_HANDLER_DRIFT_VIEW_H
#define ATTUNE_SERVER_HANDLER_DRIFT_VIEW_H

#include <jansson.h>

#include "data/drift_reference.h"

/* Counts (reference->size) of what was asked; `json` is the reference as it is stored. */
struct drift_asked
{
  const struct drift_reference *reference;
  const json_t *json;
  const double *counts;
  const json_t *classes; /* names; NULL: numbers */
};

/* A list with each column; and the answers. New references. */
json_t *drift_view_columns(const struct drift_asked *asked);
json_t *drift_view_answers(const struct drift_asked *asked);

/* One sentence on all of it. New reference. */
json_t *drift_view_summary(const json_t *columns, const json_t *answers);

#endif
