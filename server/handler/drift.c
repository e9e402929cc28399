/* GET …/drift: what a version is asked and answers now, beside what it was trained on, and how often it is right. */
#include <config.h>

#include "server/handler/handlers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/drift_source.h"
#include "server/handler/common.h"
#include "server/handler/drift_view.h"
#include "server/json_view.h"
#include "server/prediction_log.h"
#include "sql/db_drift.h"
#include "sql/db_model.h"
#include "sql/db_prediction.h"

#define FLUSH_S 5.0
#define WINDOW_LEAST_S 60.0
#define WINDOW_S 604800.0
#define WINDOW_MOST_S 315360000.0
#define PARTS 10

struct view
{
  struct http_request *req;
  struct db_model_version version;
  double window_s;
  int64_t from_us, until_us;
  struct drift_reference *reference;
  json_t *reference_json, *schema;
  const char *problem;
  double *counts;
  int64_t logged, skipped;
};

/* ---- the rolling score ----------------------------------------------------------------------------- */

/* Of rows with a truth, by how the model answers. */
static json_t *
score_view(const struct view *view, const struct db_prediction_part *part)
{
  bool classes = json_object_get(view->schema, "classes") != NULL;
  double truths = (double) part->truths;
  json_t *json =
    json_pack("{s:I, s:I}", "rows", (json_int_t) part->rows, "truths", (json_int_t) part->truths);

  if (classes)
    json_object_set_new(json, "accuracy",
                        json_real_or_null(truths > 0 ? (double) part->right / truths : NAN));
  else
  {
    json_object_set_new(json, "rmse",
                        json_real_or_null(truths > 0 ? sqrt(part->squares / truths) : NAN));
    json_object_set_new(json, "mae", json_real_or_null(truths > 0 ? part->absolute / truths : NAN));
  }
  return json;
}

static json_t *
feedback_view(const struct view *view, const struct db_prediction_part *parts, size_t count)
{
  struct db_prediction_part by_part[PARTS] = {{0}}, all = {0};
  json_t *list = json_array();

  for (size_t i = 0; i < count; i++)
  {
    /* a row of the last moment, or from a clock that is ahead, belongs to the last part */
    int place = parts[i].part < 0 ? 0 : parts[i].part < PARTS ? parts[i].part : PARTS - 1;
    struct db_prediction_part *const to[] = {&by_part[place], &all};
    for (size_t k = 0; k < 2; k++)
    {
      to[k]->rows += parts[i].rows;
      to[k]->truths += parts[i].truths;
      to[k]->right += parts[i].right;
      to[k]->absolute += parts[i].absolute;
      to[k]->squares += parts[i].squares;
    }
  }
  for (int i = 0; i < PARTS; i++)
  {
    json_t *part = score_view(view, &by_part[i]);
    int64_t width = (int64_t) (1e6 * view->window_s / PARTS);
    json_object_set_new(part, "from", view_time(view->from_us + i * width));
    json_object_set_new(part, "until", view_time(view->from_us + (i + 1) * width));
    json_array_append_new(list, part);
  }
  json_t *json = score_view(view, &all);
  json_object_set_new(json, "parts", list);
  return json;
}

/* ---- reading --------------------------------------------------------------------------------------- */

/* False when it replied. */
static bool
find_version(struct view *view, struct db_conn *conn)
{
  static const char *const known[] = {"version", "window", NULL};
  struct http_request *req = view->req;
  int64_t version = 0;

  if (!http_query_known(req, known)
      || !http_query_integer(req, "version", 1, 1000000000, 0, &version)
      || !http_query_number(req, "window", WINDOW_LEAST_S, WINDOW_MOST_S, WINDOW_S,
                            &view->window_s))
    return false;
  enum db_status status = db_model_get(conn, req->tenant_id, http_arg(req, "model"), (int) version,
                                       NULL, req->arena, &view->version);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  else
    view->schema = view_json(view->version.schema);
  return status == DB_ROWS;
}

static bool
read_reference(struct view *view, struct db_conn *conn)
{
  struct http_request *req = view->req;
  struct err_info info = {.code = ERR_OK};
  enum err rc =
    drift_source_read(conn, req->server->datasets, view->version.model_id, view->version.version,
                      req->arena, &view->reference, &view->reference_json, &view->problem, &info);
  if (rc == ERR_OK)
    view->counts = calloc(view->reference->size, sizeof *view->counts);
  if (rc == ERR_NOT_FOUND)
    http_reply_error(req, E_MODEL_NOT_FOUND, NULL);
  else if (rc != ERR_OK)
    reply_failure(req, &info);
  else if (!view->counts)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  return view->counts != NULL;
}

static bool
read_counts(struct view *view, struct db_conn *conn)
{
  struct db_drift_hour *hours = NULL;
  size_t count = 0;
  enum db_status status = db_drift_hours(conn, view->version.model_id, view->version.version,
                                         view->from_us, view->req->arena, &hours, &count);

  if (status != DB_ROWS)
    http_reply_db(view->req, status, E_MODEL_NOT_FOUND);
  for (size_t h = 0; status == DB_ROWS && h < count; h++)
  {
    view->logged += hours[h].logged;
    view->skipped += hours[h].dropped;
    for (size_t i = 0; hours[h].size == view->reference->size && i < hours[h].size; i++)
      view->counts[i] += hours[h].counts[i];
  }
  return status == DB_ROWS;
}

/* ---- the answer ------------------------------------------------------------------------------------ */

static void
reply(struct view *view, const struct db_prediction_part *parts, size_t count)
{
  struct prediction_log_counts here;
  const struct drift_asked asked = {.reference = view->reference,
                                    .json = view->reference_json,
                                    .counts = view->counts,
                                    .classes = json_object_get(view->schema, "classes")};
  json_t *columns = drift_view_columns(&asked), *answers = drift_view_answers(&asked);
  json_t *json = json_pack("{s:s, s:i, s:f, s:o, s:o}", "model", view->version.model_name,
                           "version", view->version.version, "window", view->window_s, "from",
                           view_time(view->from_us), "until", view_time(view->until_us));

  prediction_log_counts(view->req->server->predictions, &here);
  json_object_set_new(json, "summary", drift_view_summary(columns, answers));
  json_object_set_new(json, "reference",
                      json_pack("{s:I, s:o}", "rows", (json_int_t) view->reference->rows, "problem",
                                view_text(view->problem)));
  json_object_set_new(json, "sampled", json_integer((json_int_t) view->counts[0]));
  json_object_set_new(json, "columns", columns);
  json_object_set_new(json, "answers", answers);
  json_object_set_new(json, "feedback", feedback_view(view, parts, count));
  json_object_set_new(json, "log",
                      json_pack("{s:I, s:I, s:I}", "logged", (json_int_t) view->logged, "skipped",
                                (json_int_t) view->skipped, "dropped_of_all",
                                (json_int_t) here.dropped));
  http_reply_json(view->req, 200, json);
}

enum http_outcome
handle_model_drift(struct http_request *req)
{
  struct view view = {.req = req};
  struct db_prediction_part *parts = NULL;
  struct db_conn *conn = http_db(req);
  size_t count = 0;

  if (conn && find_version(&view, conn))
  {
    /* what is not written in time shows up later */
    prediction_log_flush(req->server->predictions, FLUSH_S);
    view.until_us = clock_unix_us();
    view.from_us = view.until_us - (int64_t) (1e6 * view.window_s);
    if (read_reference(&view, conn) && read_counts(&view, conn))
    {
      enum db_status status =
        db_prediction_parts(conn, view.version.model_id, view.version.version, view.from_us,
                            view.window_s / PARTS, req->arena, &parts, &count);
      if (status == DB_ROWS)
        reply(&view, parts, count);
      else
        http_reply_db(req, status, E_MODEL_NOT_FOUND);
    }
  }
  drift_reference_free(view.reference);
  free(view.counts);
  json_decref(view.reference_json);
  json_decref(view.schema);
  return HTTP_REPLIED;
}
