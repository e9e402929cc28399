#include <config.h>

#include "server/handler/predict_threshold.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "server/handler/common.h"

bool
predict_threshold_parse(struct http_request *req, const char *text, double *threshold)
{
  double value;

  if (!text)
    return true;
  if (text_parse_double(text, strlen(text), false, &value) && value >= 0.0 && value <= 1.0)
  {
    *threshold = value;
    return true;
  }
  reply_fault(req, E_INVALID, "/threshold", "send a number such as 0.3",
              "must be a number from 0 to 1");
  return false;
}

bool
predict_threshold_fits(struct http_request *req, const struct model_about *about, double threshold)
{
  if (isnan(threshold) || about->task->kind == TASK_BINARY)
    return true;
  reply_fault(req, E_INVALID, "/threshold", "leave it out",
              "a threshold is for two classes; this model answers a %s task",
              task_kind_name(about->task->kind));
  return false;
}
