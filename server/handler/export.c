/* GET …/export: a version as a file that needs no Attune, or that another one takes. */
#include <config.h>

#include "server/handler/handlers.h"

#include <stdio.h>
#include <string.h>

#include "model/export_c.h"
#include "model/export_json.h"
#include "model/export_onnx.h"
#include "server/handler/common.h"
#include "server/json_view.h"
#include "server/model_cache.h"
#include "server/names.h"
#include "sql/db_model.h"

/* A form that a model can be had in. `write` appends the file; ERR_INVALID says what can't be expressed in it. */
struct export_format
{
  const char *name, *content_type, *ending;
  bool whole; /* nothing of a prediction is left out */
  enum err (*write)(const struct model *model, const struct db_model_version *version,
                    struct buf *out, struct err_info *info);
};

/* The version's own facts beside the model, for the one that imports it. */
static enum err
write_json(const struct model *model, const struct db_model_version *version, struct buf *out,
           struct err_info *info)
{
  json_t *json;
  enum err rc = export_json(model, &json, info);

  if (rc != ERR_OK)
    return rc;
  json_object_set_new(json, "about",
                      json_pack("{s:s, s:i, s:s, s:o, s:o}", "name", version->model_name, "version",
                                version->version, "metric", version->metric, "score",
                                json_real_or_null(version->score), "report",
                                view_json(version->report)));
  json_write(json, out);
  json_decref(json);
  return out->failed ? err_set(info, ERR_MEMORY, "no memory for the file") : ERR_OK;
}

static enum err
write_c(const struct model *model, const struct db_model_version *version, struct buf *out,
        struct err_info *info)
{
  char title[128];

  snprintf(title, sizeof title, "%s version %d", version->model_name, version->version);
  return export_c(model, title, out, info);
}

static enum err
write_onnx(const struct model *model, const struct db_model_version *version, struct buf *out,
           struct err_info *info)
{
  return export_onnx(model, version->model_name, out, info);
}

static const struct export_format formats[] = {
  {"onnx", "application/octet-stream", "onnx", false, write_onnx},
  {"c", "text/x-c; charset=utf-8", "c", false, write_c},
  {"json", "application/json", "json", true, write_json}};

#define FORMATS_TEXT "format is c, json or onnx"

static const struct export_format *
find_format(struct http_request *req)
{
  const char *name = http_query(req, "format");

  for (size_t i = 0; name && i < sizeof formats / sizeof formats[0]; i++)
    if (strcmp(formats[i].name, name) == 0)
      return &formats[i];
  http_reply_error(req, E_BAD_REQUEST, FORMATS_TEXT);
  return NULL;
}

static void
reply_file(struct http_request *req, const struct export_format *format,
           const struct db_model_version *version, const struct model *model,
           const struct buf *file)
{
  const char *left_out = format->whole ? NULL : export_left_out(model);

  http_reply_header(req, "Content-Disposition",
                    arena_printf(req->arena, "attachment; filename=\"%s-%d.%s\"",
                                 version->model_name, version->version, format->ending));
  http_reply_header(req, "Attune-Left-Out", left_out ? left_out : "nothing");
  http_reply_bytes(req, 200, format->content_type, file->data, file->length);
}

static void
refuse_size(struct http_request *req, uint64_t bytes)
{
  reply_fault(req, E_INVALID, "", "an operator can raise max-export",
              "the model has %llu bytes; exported files have at most %llu",
              (unsigned long long) bytes, (unsigned long long) req->limits->export_bytes);
}

static void
write_and_reply(struct http_request *req, const struct export_format *format,
                const struct db_model_version *version, const struct model *model)
{
  struct err_info info = {.code = ERR_OK};
  struct buf file = {0};
  enum err rc = format->write(model, version, &file, &info);

  if (rc == ERR_INVALID)
    reply_fault(req, E_INVALID, "", "format=json takes every model", "%s", info.text);
  else if (rc == ERR_MEMORY)
    reply_failure(req, &(struct err_info){.code = ERR_UNAVAILABLE, .text = "out of memory"});
  else if (rc != ERR_OK)
    reply_failure(req, &info);
  else if (file.length > req->limits->export_bytes)
    refuse_size(req, file.length);
  else
    reply_file(req, format, version, model, &file);
  buf_free(&file);
}

enum http_outcome
handle_model_export(struct http_request *req)
{
  static const char *const known[] = {"format", NULL};
  const struct export_format *format = NULL;
  int number = version_parse(http_arg(req, "version"));
  struct err_info info = {.code = ERR_OK};
  struct db_model_version version;
  struct model_ref ref = {.model = NULL};
  struct db_conn *conn;
  enum db_status status = DB_NONE;

  if (!http_query_known(req, known) || !(format = find_format(req)) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  if (number > 0)
    status = db_model_get(conn, req->tenant_id, http_arg(req, "model"), number, NULL, req->arena,
                          &version);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  else if (version.bytes > req->limits->export_bytes)
    refuse_size(req, version.bytes);
  else if (model_cache_get(req->server->models, conn, req->tenant_id, version.model_id,
                           version.version, NULL, &ref, &info)
           != ERR_OK)
    reply_failure(req, &info);
  else
  {
    write_and_reply(req, format, &version, ref.model);
    model_cache_release(req->server->models, &ref);
  }
  return HTTP_REPLIED;
}
