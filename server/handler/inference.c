#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "base/text.h"
#include "server/handler/common.h"
#include "server/handler/inference.h"

/* The Open Inference Protocol v2 (KServe, Triton), with Triton's binary tensor data. */

#define HEADER "Inference-Header-Content-Length"
#define ID_MAX 1000
#define DATA_MAX ((size_t) 256 << 20)

/* ---- a request ------------------------------------------------------------------------------------- */

/* What of the body is not JSON, and how much of it was taken. */
struct tail
{
  const uint8_t *bytes;
  size_t size, taken;
};

/* Splits the body. False when it replied. */
static bool
split_body(struct http_request *req, size_t *head, struct tail *tail)
{
  const char *text = http_header(req, HEADER);
  int64_t length = (int64_t) req->body_length;

  if (text
      && (!text_parse_int64(text, strlen(text), &length) || length < 0
          || (uint64_t) length > req->body_length))
  {
    http_reply_error(req, E_BAD_REQUEST,
                     arena_printf(req->arena,
                                  HEADER " must be the length of the JSON that the body of %zu "
                                         "bytes begins with.",
                                  req->body_length));
    return false;
  }
  *head = (size_t) length;
  *tail =
    (struct tail){(const uint8_t *) req->body + length, req->body_length - (size_t) length, 0};
  return true;
}

/* The bytes of an input; false when there are not that many left. */
static bool
take_bytes(struct tail *tail, const json_t *size, const uint8_t **bytes)
{
  json_int_t wanted = json_integer_value(size);

  if (!json_is_integer(size) || wanted < 0 || (uint64_t) wanted > tail->size - tail->taken)
    return false;
  *bytes = tail->bytes + tail->taken;
  tail->taken += (size_t) wanted;
  return true;
}

/* One of "inputs". False when it replied. */
static bool
read_input(struct http_request *req, const json_t *item, size_t most, struct tail *tail,
           struct inference_input *input)
{
  struct err_info info = {.code = ERR_OK};
  const json_t *parameters = json_object_get(item, "parameters");
  const json_t *size = json_object_get(parameters, "binary_data_size");
  const uint8_t *bytes = NULL;
  enum err err;

  input->name = json_get_string(item, "name", NULL);
  if (!input->name)
    err = err_set(&info, ERR_INVALID, "an input is an object with name, datatype, shape and data");
  else
    err = tensor_begin(json_get_string(item, "datatype", ""), json_object_get(item, "shape"), most,
                       &input->tensor, &info);
  if (!err && size && json_object_get(item, "data"))
    err = err_set(&info, ERR_INVALID, "give either data or binary_data_size");
  else if (!err && size && !take_bytes(tail, size, &bytes))
    err = err_set(&info, ERR_INVALID,
                  "binary_data_size says more bytes than the %zu that are left after the JSON and "
                  "the inputs before this one",
                  tail->size - tail->taken);
  else if (!err && size)
    err = tensor_take_bytes(&input->tensor, bytes, (size_t) json_integer_value(size), req->arena,
                            &info);
  else if (!err)
    err = tensor_take_json(&input->tensor, json_object_get(item, "data"), req->arena, &info);
  if (err == ERR_MEMORY)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  else if (err)
    reply_fault(req, E_INVALID, input->pointer, NULL, "%s", info.text);
  return err == ERR_OK;
}

/* Elements of one tensor: those of a table become JSON values one by one. */
static size_t
elements_max(const struct http_request *req, const struct model_about *about)
{
  return about->input == DATASET_IMAGES ? DATA_MAX : req->limits->tensor_elements;
}

/* NULL when it replied. */
static struct inference_input *
read_inputs(struct http_request *req, const struct model_about *about, const json_t *body,
            struct tail *tail, size_t *count)
{
  const json_t *list = json_object_get(body, "inputs");
  size_t most = elements_max(req, about);
  struct inference_input *inputs;

  *count = json_array_size(list);
  if (*count == 0 || *count > req->limits->columns)
  {
    reply_fault(req, E_INVALID, "/inputs", "GET /v2/models/{model} lists the inputs",
                "send a list of 1 to %zu inputs", req->limits->columns);
    return NULL;
  }
  inputs = arena_array(req->arena, *count, sizeof *inputs);
  if (!inputs)
  {
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return NULL;
  }
  for (size_t i = 0; i < *count; i++)
  {
    inputs[i].pointer = json_pointer_index(req->arena, "/inputs", i);
    if (!read_input(req, json_array_get(list, i), most, tail, &inputs[i]))
      return NULL;
    /* all of them together */
    most -= inputs[i].tensor.count;
  }
  if (tail->taken == tail->size)
    return inputs;
  http_reply_error(req, E_BAD_REQUEST,
                   arena_printf(req->arena,
                                "%zu bytes after the JSON belong to no input: see binary_data_size "
                                "of each and the header " HEADER ".",
                                tail->size - tail->taken));
  return NULL;
}

/* The JSON in front, with *body a new reference. False when it replied. */
static bool
parse_head(struct http_request *req, size_t length, json_t **body)
{
  struct err_info info = {.code = ERR_OK};
  enum err err = json_parse(req->body, length, req->server->limits.json_depth, body, &info);

  if (err == ERR_MEMORY)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  else if (err)
    http_reply_error(req, E_BAD_JSON, info.text);
  else if (json_is_object(*body))
    return true;
  else
    reply_fault(req, E_INVALID, "", NULL, "the body must be a JSON object");
  return false;
}

static bool
read_id(struct http_request *req, const json_t *body, struct inference_answer *answer)
{
  const json_t *id = json_object_get(body, "id");

  if (!id || json_is_null(id))
    return true;
  if (json_is_string(id) && json_string_length(id) <= ID_MAX)
  {
    answer->id = arena_strdup(req->arena, json_string_value(id));
    return true;
  }
  reply_fault(req, E_INVALID, "/id", NULL, "this must be a string of at most %d bytes", ID_MAX);
  return false;
}

/* A body that is JSON alone, of inputs of numbers, without a tree of them. False when it is none; then nothing
 * was done. */
static bool
read_numbers(struct http_request *req, const struct model_about *about, double us_per_row,
             double budget_us, struct predict_input *input, struct inference_answer *answer,
             enum predict_read *result)
{
  static const char *const names[] = {"data", NULL};
  struct json_lift lift;
  json_t *body;
  bool done = false;

  if (!dialect_lift(req, about, req->body_length, names, req->arena, &lift, &body))
    return false;
  /* what these have to say does not depend on the inputs */
  if (!read_id(req, body, answer) || !inference_outputs_read(req, about, body, answer))
  {
    *result = PREDICT_REPLIED;
    done = true;
  }
  else
    done = inference_numbers_read(req, about, json_object_get(body, "inputs"), &lift, us_per_row,
                                  budget_us, input, result);
  if (!done)
    *answer = (struct inference_answer){.id = NULL};
  json_decref(body);
  return done;
}

static enum predict_read
read_body(struct http_request *req, const struct model_about *about, double us_per_row,
          double budget_us, struct predict_input *input)
{
  struct inference_answer *answer = arena_alloc(req->arena, sizeof *answer);
  enum predict_read result = PREDICT_REPLIED;
  struct inference_input *inputs;
  struct tail tail;
  json_t *body = NULL;
  size_t head, count;

  if (!answer)
  {
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return PREDICT_REPLIED;
  }
  *answer = (struct inference_answer){.id = NULL};
  input->dialect = answer;
  if (!split_body(req, &head, &tail))
    return PREDICT_REPLIED;
  if (PREDICT_US_PER_TEXT_BYTE * (double) req->body_length > budget_us)
    return PREDICT_DEAR;
  if (tail.size == 0 && read_numbers(req, about, us_per_row, budget_us, input, answer, &result))
    return result;
  if (parse_head(req, head, &body) && read_id(req, body, answer)
      && inference_outputs_read(req, about, body, answer)
      && (inputs = read_inputs(req, about, body, &tail, &count)))
    result = inference_rows_read(req, about, inputs, count, us_per_row, budget_us, input);
  json_decref(body);
  return result;
}

static bool
type_known(struct http_request *req)
{
  if (dialect_is_json(req)
      || (!req->by_cookie && strcmp(req->content_type, "application/octet-stream") == 0))
    return true;
  http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                   "send application/json, or application/octet-stream with " HEADER);
  return false;
}

enum http_outcome
handle_inference_post(struct http_request *req)
{
  static const struct predict_dialect v2 = {
    .whole = true, .read = read_body, .reply = inference_reply};
  struct model_path path = {.name = NULL};

  if (req->pass == 0 && (!type_known(req) || !dialect_path(req, &path)))
    return HTTP_REPLIED;
  return predict_call_serve(req, &v2, &path);
}
