/* What the log of predictions gets of an answered call (prediction_log.h).
 */
#ifndef ATTUNE_SERVER_HANDLER_PREDICT_LOG_H
#define ATTUNE_SERVER_HANDLER_PREDICT_LOG_H

#include "server/handler/predict_input.h"
#include "server/model_cache.h"

/* Logs the answers to the rows of `input`, outputs (good_count, output_count), and samples of the rows; nothing of a
 * call by a browser's session. Never waits. */
void predict_log(struct http_request *req, const struct model_ref *ref,
                 const struct model_about *about, const char *prediction_id,
                 const struct predict_input *input, const float *outputs);

#endif
