#include <config.h>

#include "server/handler/handlers.h"

#include "server/handler/common.h"
#include "server/handler/dialect.h"
#include "server/handler/predict_reply.h"
#include "sql/db_model.h"

/* TensorFlow Serving's REST API (tensorflow.org/tfx/serving/api_rest), and with the same paths KServe's V1. */

#define LIST_MAX 1000

/* Of a body that was read: whether it came by column, and so the answer goes. */
struct form
{
  bool by_column;
};

static enum predict_read
read_members(struct http_request *req, const struct model_about *about, const json_t *body,
             double us_per_row, double budget_us, struct predict_input *input)
{
  const json_t *instances = json_object_get(body, "instances");
  const json_t *inputs = json_object_get(body, "inputs");
  struct form *form = arena_alloc(req->arena, sizeof *form);

  if (!form)
  {
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return PREDICT_REPLIED;
  }
  form->by_column = inputs != NULL;
  input->dialect = form;
  if (!instances == !inputs)
  {
    reply_fault(req, E_INVALID, "", "send {\"instances\": [{…}]}",
                "give either instances or inputs");
    return PREDICT_REPLIED;
  }
  if (json_is_object(inputs))
    return dialect_columns_read(req, about, inputs, "/inputs", us_per_row, budget_us, input);
  return dialect_list_read(req, about, instances ? instances : inputs,
                           instances ? "/instances" : "/inputs", us_per_row, budget_us, input);
}

/* Rows of numbers without a tree of them; false when they are no such rows. */
static bool
read_numbers(struct http_request *req, const struct model_about *about, double us_per_row,
             double budget_us, struct predict_input *input, enum predict_read *result)
{
  static const char *const names[] = {"instances", "inputs", NULL};
  struct form *form = arena_alloc(req->arena, sizeof *form);
  struct json_lift lift;
  json_t *body;
  bool done = false;

  if (!form || !dialect_lift(req, about, req->body_length, names, req->arena, &lift, &body))
    return false;
  const json_t *instances = json_object_get(body, "instances");
  const json_t *inputs = json_object_get(body, "inputs");
  form->by_column = inputs != NULL;
  if (!instances != !inputs)
    done = dialect_lifted_read(req, about, json_lift_find(&lift, instances ? instances : inputs),
                               NULL, us_per_row, budget_us, input, result);
  if (done)
    input->dialect = form;
  json_decref(body);
  return done;
}

static enum predict_read
read_body(struct http_request *req, const struct model_about *about, double us_per_row,
          double budget_us, struct predict_input *input)
{
  json_t *body = NULL;
  enum predict_read result;

  if (PREDICT_US_PER_TEXT_BYTE * (double) req->body_length <= budget_us
      && read_numbers(req, about, us_per_row, budget_us, input, &result))
    return result;
  result = dialect_json_read(req, budget_us, &body);
  if (result == PREDICT_READ)
    result = read_members(req, about, body, us_per_row, budget_us, input);
  json_decref(body);
  return result;
}

/* A list of what `write` writes for each row. */
static void
write_rows(const struct model_about *about, size_t count, const float *outputs, struct buf *out,
           void (*write)(const struct model_about *about, const float *row, struct buf *out))
{
  buf_append(out, "[", 1);
  for (size_t i = 0; i < count; i++)
  {
    if (i > 0)
      buf_append(out, ",", 1);
    write(about, outputs + i * about->task->output_count, out);
  }
  buf_append(out, "]", 1);
}

static void
write_label(const struct model_about *about, const float *row, struct buf *out)
{
  predict_write_text(dialect_label(about, row), out);
}

static void
write_probabilities(const struct model_about *about, const float *row, struct buf *out)
{
  dialect_write_numbers(row, about->task->class_count, out);
}

static void
write_value(const struct model_about *about, const float *row, struct buf *out)
{
  (void) about;
  predict_write_float(row[0], out);
}

static void
write_class(const struct model_about *about, const float *row, struct buf *out)
{
  buf_append_text(out, "{\"label\":");
  write_label(about, row, out);
  buf_append_text(out, ",\"probabilities\":");
  write_probabilities(about, row, out);
  buf_append(out, "}", 1);
}

static void
reply(struct http_request *req, const struct model_ref *ref, const struct model_about *about,
      const char *prediction_id, const struct predict_input *input, const float *outputs)
{
  const struct form *form = input->dialect;
  bool classes = about->task->class_count > 0;
  struct buf text = {.data = NULL};

  (void) ref;
  (void) prediction_id;
  buf_append_text(&text, form->by_column ? "{\"outputs\":" : "{\"predictions\":");
  if (!classes || !form->by_column)
    write_rows(about, input->good_count, outputs, &text, classes ? write_class : write_value);
  else
  {
    buf_append_text(&text, "{\"label\":");
    write_rows(about, input->good_count, outputs, &text, write_label);
    buf_append_text(&text, ",\"probabilities\":");
    write_rows(about, input->good_count, outputs, &text, write_probabilities);
    buf_append(&text, "}", 1);
  }
  buf_append(&text, "}", 1);
  dialect_reply_text(req, &text);
}

enum http_outcome
handle_tf_predict(struct http_request *req)
{
  static const struct predict_dialect tf = {.whole = true, .read = read_body, .reply = reply};
  struct model_path path = {.name = NULL};

  if (req->pass == 0 && (!dialect_json_only(req) || !dialect_path(req, &path)))
    return HTTP_REPLIED;
  return predict_call_serve(req, &tf, &path);
}

enum http_outcome
handle_tf_status(struct http_request *req)
{
  struct model_ref ref = {.entry = NULL};
  struct model_path path;
  json_t *state;

  if (!dialect_path(req, &path) || !predict_call_load(req, &path, &ref))
    return HTTP_REPLIED;
  state = json_pack("{s:o, s:s, s:{s:s, s:s}}", "version", json_sprintf("%d", ref.version), "state",
                    "AVAILABLE", "status", "error_code", "OK", "error_message", "");
  http_reply_json(req, 200,
                  json_pack("{s:s, s:b, s:[o]}", "name", ref.model_name, "ready", 1,
                            "model_version_status", state));
  model_cache_release(req->server->models, &ref);
  return HTTP_REPLIED;
}

enum http_outcome
handle_tf_list(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_model_version *rows = NULL;
  enum db_status status;
  size_t count = 0;
  json_t *names;

  if (!conn)
    return HTTP_REPLIED;
  status = db_model_list(conn, req->tenant_id, NULL, LIST_MAX, req->arena, &rows, &count);
  if (status < DB_NONE)
  {
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
    return HTTP_REPLIED;
  }
  names = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(names, json_string(rows[i].model_name));
  http_reply_json(req, 200, json_pack("{s:o}", "models", names));
  return HTTP_REPLIED;
}
