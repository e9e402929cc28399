/* The body of a predict call, whatever its kind, as rows or pixels a model can take.
 *
 * Nothing is predicted from an input that has not been checked against the model: each row is either good or
 * has faults of its own. Owns its memory (predict_input_free); borrows the request and the model. One thread.
 */
#ifndef ATTUNE_SERVER_HANDLER_PREDICT_INPUT_H
#define ATTUNE_SERVER_HANDLER_PREDICT_INPUT_H

#include "data/row_batch.h"
#include "model/model.h"
#include "server/http.h"

struct predict_input
{
  size_t count; /* rows or images sent */
  size_t *good; /* indexes of those that can be predicted, ascending */
  size_t good_count;
  struct row_batch *batch; /* tables */
  const uint8_t *pixels;   /* images: (good_count, height, width, channels) */
  uint8_t *owned_pixels;
  json_t **faults;    /* images: per image an array of faults, or NULL */
  const char **names; /* images of a form: their file names, else NULL */
  double threshold;   /* sent with the call, 0 … 1; NaN = the model's own */
  double interval;    /* the level of intervals, in (0, 1); NaN = none are wanted */
};

enum predict_read
{
  PREDICT_READ,
  PREDICT_REPLIED, /* the whole body is unusable; the caller has been told */
  PREDICT_DEAR     /* would take more than budget_us: nothing was done */
};

/* Whether the content type is one that predict calls take; replies 415 and returns false otherwise. */
bool predict_type_known(struct http_request *req);

/* Whether the query is one that predict calls take; replies 400 and returns false otherwise. */
bool predict_query_check(struct http_request *req);

/* Reads the body for a model that takes us_per_row. budget_us INFINITY = whatever it takes. */
enum predict_read predict_input_read(struct http_request *req, const struct model_about *about,
                                     double us_per_row, double budget_us,
                                     struct predict_input *input);
void predict_input_free(struct predict_input *input);

/* Faults and warnings of a row as JSON arrays; borrowed, NULL for none. */
const json_t *predict_input_faults(const struct predict_input *input, size_t row);
const json_t *predict_input_warnings(const struct predict_input *input, size_t row);

#endif
