/* The answer of a predict call as JSON text, numbers in the shortest form that reads back the same.
 * Pure; any thread. */
#ifndef ATTUNE_SERVER_HANDLER_PREDICT_REPLY_H
#define ATTUNE_SERVER_HANDLER_PREDICT_REPLY_H

#include "base/buf.h"
#include "base/json.h"
#include "server/handler/predict_input.h"
#include "server/model_cache.h"

/* The text for the rows of `input`; outputs (good_count, output_count) are the model's. */
void predict_reply_write(const struct model_ref *ref, const struct model_about *about,
                         const char *prediction_id, const struct predict_input *input,
                         const float *outputs, struct buf *out);

/* A float with the fewest digits that strtof reads back as it. "null" when it is not finite. */
void predict_write_float(float value, struct buf *out);

/* Text as a JSON string. */
void predict_write_text(const char *text, struct buf *out);

/* Adds the faults of every row to a list. */
void predict_faults_gather(const struct predict_input *input, struct json_faults *faults);

#endif
