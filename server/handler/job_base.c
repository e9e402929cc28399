#include <config.h>

#include "server/handler/job_base.h"

#include "model/model_base.h"
#include "server/handler/common.h"
#include "server/model_cache.h"
#include "server/names.h"

#define POINTER "/base_model"
#define LIST_HINT "list yours with GET /api/v1/models"

static void
set_base(struct http_request *req, const struct model_ref *ref, json_t *request,
         struct json_faults *faults)
{
  struct err_info info = {.code = ERR_OK};
  struct model_base base;

  if (model_base_find(ref->model, &base, &info) != ERR_OK)
  {
    json_fault_add(faults, POINTER,
                   "name a model of images of the family cnn, or an ensemble with one", "%s",
                   arena_strdup(req->arena, info.text));
    json_object_del(request, "base_model");
    return;
  }
  json_object_set_new(request, "base_model",
                      json_pack("{s:s, s:s, s:i, s:o}", "id", ref->model_id, "name",
                                ref->model_name, "version", ref->version, "body",
                                model_base_to_json(&base)));
}

bool
job_base_fill(struct http_request *req, struct db_conn *conn, json_t *request,
              struct json_faults *faults)
{
  const json_t *asked = json_object_get(request, "base_model");
  const char *text = json_string_value(asked);
  struct err_info info = {.code = ERR_OK};
  struct model_ref ref = {.entry = NULL};
  struct model_path path;
  enum err rc;

  if (!asked || json_is_null(asked))
    return true;
  if (!text)
    json_fault_add(faults, POINTER, LIST_HINT, "must be a string with the name of a model");
  else if (!name_model_path(req->arena, text, &path))
    json_fault_add(faults, POINTER, "such as \"shoes\", \"shoes@fast\" or \"shoes@3\"",
                   "\"%.60s\" cannot be a model's name", text);
  else
  {
    rc = model_cache_get(req->server->models, conn, req->tenant_id, path.name, path.version,
                         path.alias, &ref, &info);
    if (rc == ERR_OK)
    {
      set_base(req, &ref, request, faults);
      model_cache_release(req->server->models, &ref);
      return true;
    }
    if (rc != ERR_NOT_FOUND)
    {
      reply_failure(req, &info);
      return false;
    }
    json_fault_add(faults, POINTER, LIST_HINT, "there is no model \"%.60s\"", text);
  }
  /* the rest is checked as if it had not been asked for */
  json_object_del(request, "base_model");
  return true;
}
