#include <config.h>

#include "server/handler/handlers.h"

#include "server/handler/predict_call.h"
#include "server/handler/predict_reply.h"

/* Of one row's answer: not more than what malloc gives from its thread's own cache. */
#define ANSWER_USUAL 500

static void
reply(struct http_request *req, const struct model_ref *ref, const struct model_about *about,
      const char *prediction_id, const struct predict_input *input, const float *outputs)
{
  struct buf text = {.data = NULL};

  buf_reserve(&text, ANSWER_USUAL);
  predict_reply_write(ref, about, prediction_id, input, outputs, &text);
  if (text.failed)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  else
    http_reply_buf(req, input->good_count < input->count ? 207 : 200, "application/json", &text);
  buf_free(&text);
}

/* That a key bound to one model names that one was checked with the key (http.c). */
enum http_outcome
handle_predict_post(struct http_request *req)
{
  static const struct predict_dialect own = {.read = predict_input_read, .reply = reply};
  struct model_path path = {.name = NULL};

  if (req->pass == 0)
  {
    if (!predict_query_check(req) || !predict_type_known(req))
      return HTTP_REPLIED;
    if (!name_model_path(req->arena, http_arg(req, "model"), &path))
    {
      http_reply_error(req, E_MODEL_NOT_FOUND, NULL);
      return HTTP_REPLIED;
    }
  }
  return predict_call_serve(req, &own, &path);
}
