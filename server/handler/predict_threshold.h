/* The threshold a predict call may bring along, in place of the model's own. */
#ifndef ATTUNE_SERVER_HANDLER_PREDICT_THRESHOLD_H
#define ATTUNE_SERVER_HANDLER_PREDICT_THRESHOLD_H

#include "model/model.h"
#include "server/http.h"

/* Reads ?threshold= or a form's part as text; absent (NULL) leaves *threshold as it is. False, with an
 * answer, when it is no number from 0 to 1. */
bool predict_threshold_parse(struct http_request *req, const char *text, double *threshold);

/* Whether the model decides between two classes, which a threshold is for; answers and returns false
 * otherwise. NaN (none was sent) always passes. */
bool predict_threshold_fits(struct http_request *req, const struct model_about *about,
                            double threshold);

#endif
