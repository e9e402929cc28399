/* A call for predictions, whatever protocol it came in: find the model, read the body, predict, answer.
 *
 * A dialect says how a body is read and how the answer is written; what lies between is the same for all, so
 * that all give the same numbers. Called on the event thread first and again where waiting or computing is
 * allowed (http.h): a dialect's functions may run more than once for one request, each time from the start.
 */
#ifndef ATTUNE_SERVER_HANDLER_PREDICT_CALL_H
#define ATTUNE_SERVER_HANDLER_PREDICT_CALL_H

#include "server/handler/predict_input.h"
#include "server/model_cache.h"
#include "server/names.h"

struct predict_dialect
{
  /* Whether a call with a faulty row is refused as a whole (422); else that row alone has no prediction. */
  bool whole;
  /* Reads the body into `input`, zeroed but for threshold and interval, which are NaN. */
  enum predict_read (*read)(struct http_request *req, const struct model_about *about,
                            double us_per_row, double budget_us, struct predict_input *input);
  /* Replies. outputs is (good_count, output_count). */
  void (*reply)(struct http_request *req, const struct model_ref *ref,
                const struct model_about *about, const char *prediction_id,
                const struct predict_input *input, const float *outputs);
};

/* Does the call for the model of `path`. Keeps `path` and uses req->state. */
enum http_outcome predict_call_serve(struct http_request *req,
                                     const struct predict_dialect *dialect,
                                     const struct model_path *path);

/* The model of `path`, from memory or the database: on the waiting pool. False when it replied. Release the
 * reference with model_cache_release. */
bool predict_call_load(struct http_request *req, const struct model_path *path,
                       struct model_ref *ref);

#endif
