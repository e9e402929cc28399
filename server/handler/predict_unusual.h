/* `unusual` of a predict call: how far rows and images are from what the model was trained on, and what about them. */
#ifndef ATTUNE_SERVER_HANDLER_PREDICT_UNUSUAL_H
#define ATTUNE_SERVER_HANDLER_PREDICT_UNUSUAL_H

#include "server/handler/predict_input.h"

/* Reads ?unusual=: 1, true, 0 or false; absent leaves *unusual as it is. False, with an answer, for anything else. */
bool predict_unusual_parse(struct http_request *req, const char *text, bool *unusual);

/* Sets input->strange and strange_about if the call wants it, for its good rows or images; false when it replied: 422
 * for images where the version has no statistics of its own. */
bool predict_unusual(struct http_request *req, const struct model_about *about,
                     struct predict_input *input);

#endif
