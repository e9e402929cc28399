/* `unusual` of a predict call: which values of a row are unlike all that the model was trained on. */
#ifndef ATTUNE_SERVER_HANDLER_PREDICT_UNUSUAL_H
#define ATTUNE_SERVER_HANDLER_PREDICT_UNUSUAL_H

#include "server/handler/predict_input.h"

/* Reads ?unusual=: 1, true, 0 or false; absent leaves *unusual as it is. False, with an answer, for anything else. */
bool predict_unusual_parse(struct http_request *req, const char *text, bool *unusual);

/* Sets input->strange if the call wants it, for its good rows; false when it replied: 422 for images. */
bool predict_unusual(struct http_request *req, const struct model_about *about,
                     struct predict_input *input);

#endif
