/* The level at which a predict call wants intervals around the predicted numbers. */
#ifndef ATTUNE_SERVER_HANDLER_PREDICT_INTERVAL_H
#define ATTUNE_SERVER_HANDLER_PREDICT_INTERVAL_H

#include "model/model.h"
#include "server/http.h"

/* Reads ?interval= or a form's part as text; absent (NULL) leaves *level as it is. False, with an answer, when it is
 * no number between 0 and 1. */
bool predict_interval_parse(struct http_request *req, const char *text, double *level);

/* Whether the model has intervals at this level; answers and returns false otherwise. NaN (none was asked for) always
 * passes. */
bool predict_interval_fits(struct http_request *req, const struct model_about *about, double level);

#endif
