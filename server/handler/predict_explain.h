/* `explain` of a predict call: what each input column added to each answer. */
#ifndef ATTUNE_SERVER_HANDLER_PREDICT_EXPLAIN_H
#define ATTUNE_SERVER_HANDLER_PREDICT_EXPLAIN_H

#include "server/handler/predict_input.h"
#include "server/model_cache.h"

/* Reads ?explain=: 1, true, 0 or false; absent leaves *top as it is. *top: 0 = no explanation, else the most columns to
 * name. False, with an answer, for anything else. */
bool predict_explain_parse(struct http_request *req, const char *text, size_t *top);

/* The same from the member "explain" of a body, a boolean or {"top": n}; NULL and null leave *top as it is. */
bool predict_explain_read(struct http_request *req, const json_t *json, size_t *top);

/* Sets input->explained and explain_about if the call wants them, for its good rows; false when it replied: 422 for
 * images, and when they would take more answers than the limit explain_answers. Takes long: on the CPU pool. */
bool predict_explain(struct http_request *req, const struct model_ref *ref,
                     const struct model_about *about, const float *outputs,
                     struct predict_input *input);

#endif
