/* `explain` of a predict call: what each input column added to each answer; where in an image it was found. */
#ifndef ATTUNE_SERVER_HANDLER_PREDICT_EXPLAIN_H
#define ATTUNE_SERVER_HANDLER_PREDICT_EXPLAIN_H

#include "server/handler/predict_input.h"
#include "server/model_cache.h"

/* Reads ?explain=: 1, true, 0 or false; absent leaves *explain as it is. False, with an answer, for anything else. */
bool predict_explain_parse(struct http_request *req, const char *text,
                           struct explain_wish *explain);

/* The same from the member "explain" of a body, a boolean or {"top": n, "of": scale, "grid": n}; NULL and null leave
 * *explain as it is. */
bool predict_explain_read(struct http_request *req, const json_t *json,
                          struct explain_wish *explain);

/* Sets input->explained and explain_about if the call wants them, for its good rows; false when it replied: 422 for
 * what the model does not have, and when they would take more than the limits explain_answers or explain_covers.
 * Takes long: on the CPU pool. */
bool predict_explain(struct http_request *req, const struct model_ref *ref,
                     const struct model_about *about, const float *outputs,
                     struct predict_input *input);

#endif
