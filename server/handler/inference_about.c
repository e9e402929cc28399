#include <config.h>

#include "server/handler/handlers.h"

#include "server/handler/health.h"
#include "server/handler/inference.h"

/* What the Open Inference Protocol v2 tells of a server and its models. */

enum http_outcome
handle_inference_server(struct http_request *req)
{
  http_reply_json(req, 200,
                  json_pack("{s:s, s:s, s:[s]}", "name", "attune", "version", PACKAGE_VERSION,
                            "extensions", "binary_tensor_data"));
  return HTTP_REPLIED;
}

/* One answer for both: KServe's client looks for the member of either. */
enum http_outcome
handle_inference_live(struct http_request *req)
{
  http_reply_json(req, 200, json_pack("{s:b, s:b}", "live", 1, "ready", 1));
  return HTTP_REPLIED;
}

enum http_outcome
handle_inference_ready(struct http_request *req)
{
  return health_check_ready(req) ? handle_inference_live(req) : HTTP_REPLIED;
}

static json_t *
input_list(const struct model_about *about)
{
  json_t *list = json_array();

  if (about->input == DATASET_IMAGES)
    json_array_append_new(list, json_pack("{s:s, s:s, s:[i, I, I, I]}", "name", "image", "datatype",
                                          "UINT8", "shape", -1, (json_int_t) about->height,
                                          (json_int_t) about->width, (json_int_t) about->channels));
  else
    for (size_t i = 0; i < row_schema_count(about->schema); i++)
    {
      enum column_type type;
      const char *name = row_schema_column(about->schema, i, &type);
      json_array_append_new(list,
                            json_pack("{s:s, s:s, s:[i]}", "name", name, "datatype",
                                      type == COLUMN_NUMERIC ? "FP64" : "BYTES", "shape", -1));
    }
  return list;
}

static json_t *
output_list(const struct task *task)
{
  json_t *classes;

  if (task->class_count == 0)
    return json_pack("[{s:s, s:s, s:[i]}]", "name", inference_output_names[INFERENCE_VALUE],
                     "datatype", "FP32", "shape", -1);
  classes = json_array();
  for (size_t i = 0; i < task->class_count; i++)
    json_array_append_new(classes, json_string(task->class_names[i]));
  return json_pack("[{s:s, s:s, s:[i]}, {s:s, s:s, s:[i, I], s:{s:o}}]", "name",
                   inference_output_names[INFERENCE_LABEL], "datatype", "BYTES", "shape", -1,
                   "name", inference_output_names[INFERENCE_PROBABILITIES], "datatype", "FP32",
                   "shape", -1, (json_int_t) task->class_count, "parameters", "labels", classes);
}

enum http_outcome
handle_inference_model(struct http_request *req)
{
  struct model_ref ref = {.entry = NULL};
  struct model_about about;
  struct model_path path;

  if (!dialect_path(req, &path) || !predict_call_load(req, &path, &ref))
    return HTTP_REPLIED;
  model_about(ref.model, &about);
  http_reply_json(req, 200,
                  json_pack("{s:s, s:[o], s:s, s:o, s:o}", "name", ref.model_name, "versions",
                            json_sprintf("%d", ref.version), "platform", "attune", "inputs",
                            input_list(&about), "outputs", output_list(about.task)));
  model_cache_release(req->server->models, &ref);
  return HTTP_REPLIED;
}

enum http_outcome
handle_inference_model_ready(struct http_request *req)
{
  struct model_ref ref = {.entry = NULL};
  struct model_path path;

  if (!dialect_path(req, &path) || !predict_call_load(req, &path, &ref))
    return HTTP_REPLIED;
  http_reply_json(req, 200, json_pack("{s:s, s:b}", "name", ref.model_name, "ready", 1));
  model_cache_release(req->server->models, &ref);
  return HTTP_REPLIED;
}
