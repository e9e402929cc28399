#include <config.h>

#include "server/handler/predict_interval.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "server/handler/common.h"

static bool
is_level(double value)
{
  return value > 0.0 && value < 1.0;
}

static bool
refuse_level(struct http_request *req)
{
  reply_fault(req, E_INVALID, "/interval", "send a number such as 0.9",
              "must be a number between 0 and 1");
  return false;
}

bool
predict_interval_parse(struct http_request *req, const char *text, double *level)
{
  double value;

  if (!text)
    return true;
  if (!text_parse_double(text, strlen(text), false, &value) || !is_level(value))
    return refuse_level(req);
  *level = value;
  return true;
}

/* The widest level that so many rows can give, rounded down. */
static double
most_level(const struct model_interval *interval)
{
  double rows = (double) interval->rows, missed = (interval->each_tail ? 2.0 : 1.0) / (rows + 1.0);

  return floor(1e4 * (1.0 - missed) + 1e-6) / 1e4;
}

bool
predict_interval_fits(struct http_request *req, const struct model_about *about, double level)
{
  const struct model_interval *interval = about->interval;

  if (isnan(level))
    return true;
  if (!is_level(level))
    return refuse_level(req);
  if (about->task->kind != TASK_REGRESSION)
    reply_fault(req, E_INVALID, "/interval", "leave it out; its answers have probabilities",
                "intervals are for numbers; this model answers a %s task",
                task_kind_name(about->task->kind));
  else if (!interval)
    reply_fault(req, E_INVALID, "/interval",
                "leave it out, or run the job again on ten rows or more",
                "this version has no intervals: it was made before there were any, or from too few "
                "rows");
  else if ((double) interval->rows < model_interval_rows_for(interval->each_tail, level))
    reply_fault(
      req, E_INVALID, "/interval",
      arena_printf(req->arena, "send at most %g", most_level(interval)),
      "an interval at %g needs the errors of %.0f rows that the model was not trained on; "
      "there are %zu",
      level, model_interval_rows_for(interval->each_tail, level), interval->rows);
  else
    return true;
  return false;
}
