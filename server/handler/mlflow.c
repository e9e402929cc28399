#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "server/handler/common.h"
#include "server/handler/dialect.h"
#include "server/handler/predict_reply.h"

/* MLflow's scoring protocol, version 2 of its server: https://mlflow.org/docs/latest/genai/serving/ and
 * "Deploy MLflow Model to Local Inference Server" of its documentation. */

static enum predict_read
read_split(struct http_request *req, const struct model_about *about, const json_t *split,
           struct predict_input *input)
{
  static const char place[] = "/dataframe_split";
  enum predict_read result;
  json_t *rows;

  if (!json_is_object(split))
  {
    reply_fault(req, E_INVALID, place, NULL, "this must be {\"columns\": […], \"data\": [[…]]}");
    return PREDICT_REPLIED;
  }
  rows = dialect_rows_named(req, json_object_get(split, "columns"), json_object_get(split, "data"),
                            place);
  if (!rows)
    return PREDICT_REPLIED;
  input->place = "/dataframe_split/data";
  result = predict_rows_read(req, about, rows, false, input);
  json_decref(rows);
  return result;
}

/* The one member that holds the data; NULL when it replied. */
static const char *
find_member(struct http_request *req, const json_t *body)
{
  static const char *const names[] = {"dataframe_split", "dataframe_records", "instances",
                                      "inputs"};
  const char *found = NULL;
  size_t count = 0;

  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (json_object_get(body, names[i]))
    {
      found = names[i];
      count++;
    }
  if (count == 1)
    return found;
  reply_fault(req, E_INVALID, "", NULL,
              "give exactly one of dataframe_split, dataframe_records, instances and inputs; "
              "%zu are there",
              count);
  return NULL;
}

static enum predict_read
read_member(struct http_request *req, const struct model_about *about, const json_t *body,
            double us_per_row, double budget_us, struct predict_input *input)
{
  const char *name = find_member(req, body);
  const json_t *data = name ? json_object_get(body, name) : NULL;
  const char *place = name ? json_pointer(req->arena, "", name) : NULL;

  if (!place)
    return PREDICT_REPLIED;
  if (strncmp(name, "dataframe", 9) == 0 && about->input == DATASET_IMAGES)
  {
    reply_fault(req, E_INVALID, place, "send {\"instances\": [{\"b64\": …}]}",
                "this model takes images, not rows");
    return PREDICT_REPLIED;
  }
  if (strcmp(name, "dataframe_split") == 0)
  {
    size_t count = json_array_size(json_object_get(data, "data"));
    return us_per_row * (double) count > budget_us ? PREDICT_DEAR
                                                   : read_split(req, about, data, input);
  }
  if (json_is_object(data))
    return dialect_columns_read(req, about, data, place, us_per_row, budget_us, input);
  return dialect_list_read(req, about, data, place, us_per_row, budget_us, input);
}

/* Rows of numbers without a tree of them; false when they are no such rows. */
static bool
read_numbers(struct http_request *req, const struct model_about *about, double us_per_row,
             double budget_us, struct predict_input *input, enum predict_read *result)
{
  static const char *const names[] = {"instances", "inputs", "data", NULL};
  struct json_lift lift;
  json_t *body;

  if (!dialect_lift(req, about, req->body_length, names, req->arena, &lift, &body))
    return false;
  const json_t *split = json_object_get(body, "dataframe_split");
  const json_t *instances = json_object_get(body, "instances");
  const json_t *inputs = json_object_get(body, "inputs");
  const json_t *columns = json_object_get(split, "columns");
  const json_t *list = split ? json_object_get(split, "data") : instances ? instances : inputs;
  bool one = !json_object_get(body, "dataframe_records")
             && (split != NULL) + (instances != NULL) + (inputs != NULL) == 1 && !split == !columns;
  bool done = one
              && dialect_lifted_read(req, about, json_lift_find(&lift, list), columns, us_per_row,
                                     budget_us, input, result);
  json_decref(body);
  return done;
}

static enum predict_read
read_body(struct http_request *req, const struct model_about *about, double us_per_row,
          double budget_us, struct predict_input *input)
{
  enum predict_read result;
  json_t *body = NULL;

  if (!dialect_is_json(req))
  {
    double cost_us = PREDICT_US_PER_TEXT_BYTE * (double) req->body_length
                     + us_per_row * (double) predict_count_lines(req->body, req->body_length);
    if (about->input == DATASET_IMAGES)
    {
      http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                       "this model takes images: send {\"instances\": [{\"b64\": …}]} as JSON");
      return PREDICT_REPLIED;
    }
    return cost_us > budget_us
             ? PREDICT_DEAR
             : predict_csv_read(req, about, req->body, req->body_length, false, input);
  }
  if (PREDICT_US_PER_TEXT_BYTE * (double) req->body_length <= budget_us
      && read_numbers(req, about, us_per_row, budget_us, input, &result))
    return result;
  result = dialect_json_read(req, budget_us, &body);
  if (result == PREDICT_READ)
    result = read_member(req, about, body, us_per_row, budget_us, input);
  json_decref(body);
  return result;
}

static void
reply(struct http_request *req, const struct model_ref *ref, const struct model_about *about,
      const char *prediction_id, const struct predict_input *input, const float *outputs)
{
  struct buf text = {.data = NULL};

  (void) ref;
  (void) prediction_id;
  buf_append_text(&text, "{\"predictions\":[");
  for (size_t i = 0; i < input->good_count; i++)
  {
    const float *row = outputs + i * about->task->output_count;
    if (i > 0)
      buf_append(&text, ",", 1);
    if (about->task->class_count > 0)
      predict_write_text(dialect_label(about, row), &text);
    else
      predict_write_float(row[0], &text);
  }
  buf_append_text(&text, "]}");
  dialect_reply_text(req, &text);
}

static const struct predict_dialect mlflow = {.whole = true, .read = read_body, .reply = reply};

static bool
type_known(struct http_request *req)
{
  if (dialect_is_json(req) || strcmp(req->content_type, "text/csv") == 0)
    return true;
  http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE, "send application/json or text/csv");
  return false;
}

enum http_outcome
handle_mlflow_invocations(struct http_request *req)
{
  struct model_path path = {.name = NULL};

  if (req->pass == 0 && (!type_known(req) || !dialect_path(req, &path)))
    return HTTP_REPLIED;
  return predict_call_serve(req, &mlflow, &path);
}

enum http_outcome
handle_mlflow_default(struct http_request *req)
{
  const char *model = options_text(req->server->options, "default-model");
  struct model_path path = {.name = NULL};

  if (req->pass > 0)
    return predict_call_serve(req, &mlflow, &path);
  if (!http_key_allows(req, model ? model : "") || !type_known(req))
    return HTTP_REPLIED;
  if (!model || !name_model_path(req->arena, model, &path))
    http_reply_error(req, E_MODEL_NOT_FOUND,
                     model ? NULL
                           : "This server has no default model: start attuned with --default-model "
                             "NAME, or POST to /api/v1/models/{model}/invocations.");
  else
    return predict_call_serve(req, &mlflow, &path);
  return HTTP_REPLIED;
}

enum http_outcome
handle_mlflow_ping(struct http_request *req)
{
  http_reply_bytes(req, 200, "text/plain; charset=utf-8", "\n", 1);
  return HTTP_REPLIED;
}

enum http_outcome
handle_mlflow_version(struct http_request *req)
{
  http_reply_bytes(req, 200, "text/plain; charset=utf-8", PACKAGE_VERSION, strlen(PACKAGE_VERSION));
  return HTTP_REPLIED;
}
