/* POST /models: an exported model, of this or another Attune, as a version of a model here. */
#include <config.h>

#include "server/handler/handlers.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "data/metric.h"
#include "model/export_json.h"
#include "server/handler/common.h"
#include "server/json_view.h"
#include "server/model_cache.h"
#include "server/names.h"
#include "sql/db_model.h"

#define DEPTH_MOST 32
/* A value of JSON takes up to about a hundred bytes of memory, whatever its text. */
#define VALUES_MOST 4000000u
#define BUSY_S 5u

/* One import at a time: each holds several times the size of its file. */
static pthread_mutex_t importing = PTHREAD_MUTEX_INITIALIZER;

struct import
{
  struct http_request *req;
  const char *name;
  json_t *json; /* the file */
  struct buf file;
  struct model *model;
  struct model_about about;
  const char *metric;
  double score;
  char *schema, *report;
  int version;
  const char *model_id;
};

static bool
refuse(struct import *import, const char *pointer, const char *detail)
{
  reply_fault(import->req, E_INVALID, pointer,
              "send a file as GET …/versions/{version}/export?format=json gave it", "%s", detail);
  return false;
}

static bool
out_of_memory(struct import *import)
{
  reply_failure(import->req, &(struct err_info){.code = ERR_UNAVAILABLE, .text = "out of memory"});
  return false;
}

/* ---- the upload ------------------------------------------------------------------------------------- */

/* The file's part, and the name if the form has one. NULL when it replied. */
static const struct http_part *
find_part(struct import *import)
{
  struct http_request *req = import->req;
  const struct http_part *file = http_part_find(req, "file"), *name = http_part_find(req, "name");

  if (strcmp(req->content_type, "application/json") != 0
      && strcmp(req->content_type, "multipart/form-data") != 0)
  {
    http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                     "Send the exported file as application/json, or as the part `file` of "
                     "multipart/form-data.");
    return NULL;
  }
  import->name = name && name->value ? name->value : http_query(req, "name");
  for (size_t i = 0; i < req->part_count; i++)
    if (&req->parts[i] != file && &req->parts[i] != name)
    {
      reply_fault(req, E_INVALID, json_pointer(req->arena, "", req->parts[i].name),
                  "the parts are file and name, each once", "there is no such part");
      return NULL;
    }
  if (!file || !file->path)
  {
    reply_fault(req, E_INVALID, "/file", "send the exported file as the part file",
                "the file is missing");
    return NULL;
  }
  return file;
}

/* Values that the text can have at most: each but the first comes after a bracket, a comma or a colon. */
static size_t
count_values(const char *text, size_t length)
{
  bool inside = false;
  size_t count = 1;

  for (size_t i = 0; i < length; i++)
  {
    char c = text[i];
    if (inside && c == '\\')
      i++;
    else if (c == '"')
      inside = !inside;
    else if (!inside)
      count += c == ',' || c == '[' || c == '{' || c == ':';
  }
  return count;
}

static bool
read_json(struct import *import, const struct http_part *part)
{
  struct buf text = {0};
  struct err_info info = {.code = ERR_OK};
  bool fine = false;

  if (part->size > import->req->limits->export_bytes)
  {
    http_reply_error(import->req, E_TOO_LARGE,
                     arena_printf(import->req->arena,
                                  "The file is larger than the limit of %llu bytes (max-export).",
                                  (unsigned long long) import->req->limits->export_bytes));
    return false;
  }
  if (file_read_all(part->path, (size_t) part->size, &text, &info) != ERR_OK)
    reply_failure(import->req, &info);
  else if (count_values(text.data ? text.data : "", text.length) > VALUES_MOST)
    refuse(import, "", "the file has too many values; long arrays of numbers are base64");
  else if (json_parse(text.data ? text.data : "", text.length, DEPTH_MOST, &import->json, &info)
           == ERR_INVALID)
    refuse(import, "", arena_printf(import->req->arena, "the file is not JSON: %s", info.text));
  else if (!import->json)
    out_of_memory(import);
  else
    fine = true;
  buf_free(&text);
  return fine;
}

/* ---- what it says ----------------------------------------------------------------------------------- */

static bool
take_model(struct import *import)
{
  struct err_info info = {.code = ERR_OK};
  enum err rc = import_json(import->json, &import->file, &import->model, &info);

  if (rc == ERR_MEMORY)
    return out_of_memory(import);
  if (rc != ERR_OK)
    return refuse(import, "/model", arena_strdup(import->req->arena, info.text));
  model_about(import->model, &import->about);
  if (import->about.input == DATASET_TABLE && !import->about.schema)
    return refuse(import, "/model", "its input schema is missing");
  return true;
}

/* What is not there, or not right, is told by those who read it. */
static bool
take_members(struct import *import)
{
  static const struct json_field fields[] = {{.name = "format"}, {.name = "format_version"},
                                             {.name = "sha256"}, {.name = "model"},
                                             {.name = "about"},  JSON_FIELD_END};
  struct json_faults faults;

  json_faults_init(&faults, import->req->arena);
  if (!json_is_object(import->json) || json_check(import->json, fields, "", &faults))
    return true;
  http_reply_faults(import->req, E_INVALID, &faults);
  return false;
}

static bool
take_name(struct import *import)
{
  const json_t *about = json_object_get(import->json, "about");

  if (!import->name)
    import->name = json_get_string(about, "name", "");
  if (name_is_model(import->name))
    return true;
  reply_fault(import->req, E_INVALID, "/name",
              "use small letters, digits, dot, minus and underscore, not digits alone",
              "\"%.80s\" is no name for a model", import->name);
  return false;
}

/* The report travels along; what the API promises of each report must be there. */
static bool
take_report(struct import *import)
{
  static const char *const estimates[] = {"holdout", "bbc_cv", "validation", "cv", NULL};
  static const struct json_field fields[] = {
    {.name = "name", .kind = JSON_KIND_STRING, .required = true, .max = 63},
    {.name = "version", .kind = JSON_KIND_INTEGER, .required = true, .min = 1, .max = 1e9},
    {.name = "metric", .kind = JSON_KIND_STRING, .required = true, .max = 64},
    {.name = "score", .kind = JSON_KIND_NUMBER, .required = true, .nullable = true},
    {.name = "report", .kind = JSON_KIND_OBJECT, .required = true},
    JSON_FIELD_END};
  json_t *about = json_object_get(import->json, "about");
  json_t *report = json_object_get(about, "report");
  struct json_faults faults;
  enum metric metric;
  bool known = false;

  json_faults_init(&faults, import->req->arena);
  if (!json_is_object(about))
    return refuse(import, "/about", "\"about\" is missing");
  if (!json_check(about, fields, "/about", &faults))
  {
    http_reply_faults(import->req, E_INVALID, &faults);
    return false;
  }
  import->metric = json_get_string(about, "metric", "");
  import->score = json_get_number(about, "score", NAN);
  const char *estimate = json_get_string(report, "estimate", "");
  for (size_t i = 0; estimates[i]; i++)
    known = known || strcmp(estimate, estimates[i]) == 0;
  if (!known || !metric_parse(import->metric, &metric)
      || strcmp(json_get_string(report, "metric", ""), import->metric) != 0
      || strcmp(json_get_string(report, "task", ""), task_kind_name(import->about.task->kind)) != 0
      || !json_is_boolean(json_object_get(report, "higher_is_better"))
      || !json_is_boolean(json_object_get(report, "final"))
      || !json_is_object(json_object_get(report, "metrics")))
    return refuse(import, "/about/report", "this is no report of the model");
  json_object_set_new(report, "imported",
                      json_pack("{s:O, s:O}", "name", json_object_get(about, "name"), "version",
                                json_object_get(about, "version")));
  import->report = json_dumps(report, JSON_COMPACT);
  return import->report ? true : out_of_memory(import);
}

/* What predict wants, as the end of a job states it. */
static bool
make_schema(struct import *import)
{
  const struct model_about *about = &import->about;
  const struct task *task = about->task;
  json_t *classes = json_array(), *schema;

  for (size_t i = 0; i < task->class_count; i++)
    json_array_append_new(classes, json_string(task->class_names[i]));
  if (about->input == DATASET_IMAGES)
    schema =
      json_pack("{s:s, s:I, s:I, s:I}", "kind", "images", "height", (json_int_t) about->height,
                "width", (json_int_t) about->width, "channels", (json_int_t) about->channels);
  else
    schema = json_pack("{s:s, s:o}", "kind", "table", "columns", row_schema_to_json(about->schema));
  json_object_set_new(schema, "task", json_string(task_kind_name(task->kind)));
  if (task->target)
    json_object_set_new(schema, "target", json_string(task->target));
  if (task->class_count > 0)
    json_object_set(schema, "classes", classes);
  if (task->kind == TASK_BINARY)
    json_object_set_new(schema, "threshold", json_real(decision_threshold(&about->decision)));
  import->schema = schema ? json_dumps(schema, JSON_COMPACT) : NULL;
  json_decref(classes);
  json_decref(schema);
  return import->schema ? true : out_of_memory(import);
}

/* ---- storing ---------------------------------------------------------------------------------------- */

/* Whether the newest version is this file: what an attempt that died with its server made. */
static bool
is_stored(struct import *import, struct db_conn *conn)
{
  struct db_model_version *rows = NULL;
  size_t count = 0;
  unsigned char sha[SHA256_BYTES];

  if (!http_is_second_attempt(import->req)
      || db_model_version_list(conn, import->req->tenant_id, import->name, 1, import->req->arena,
                               &rows, &count)
           != DB_ROWS
      || count == 0)
    return false;
  sha256_of(import->file.data, import->file.length, sha);
  import->version = rows[0].version;
  import->model_id = rows[0].model_id;
  return memcmp(rows[0].sha256, sha, sizeof sha) == 0;
}

static enum db_status
store(struct db_conn *conn, void *context)
{
  struct import *import = context;
  struct db_model_insert insert = {.tenant_id = import->req->tenant_id,
                                   .model_name = import->name,
                                   .bytes = import->file.data,
                                   .length = import->file.length,
                                   .family = import->about.family,
                                   .task = task_kind_name(import->about.task->kind),
                                   .metric = import->metric,
                                   .score = import->score,
                                   .final = true,
                                   .schema = import->schema,
                                   .report = import->report,
                                   .us_per_row = NAN};

  return db_model_insert_version(conn, &insert, import->req->arena, &import->model_id,
                                 &import->version);
}

static void
store_and_reply(struct import *import)
{
  struct http_request *req = import->req;
  struct db_conn *conn = http_db(req);
  struct db_model_version row;
  enum db_status status = DB_ROWS;

  if (!conn)
    return;
  if (!is_stored(import, conn))
    status = db_tx_run(conn, "model_import", store, import);
  if (status >= DB_NONE)
  {
    model_cache_forget(req->server->models, import->model_id);
    status =
      db_model_get(conn, req->tenant_id, import->model_id, import->version, NULL, req->arena, &row);
  }
  if (status != DB_ROWS)
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  else
    http_reply_created(
      req, 201,
      arena_printf(req->arena, "/api/v1/models/%s/versions/%d", row.model_name, row.version),
      view_model(&row));
}

enum http_outcome
handle_models_post(struct http_request *req)
{
  static const char *const known[] = {"name", NULL};
  struct import import = {.req = req};
  const struct http_part *part;

  if (!http_query_known(req, known) || !(part = find_part(&import)))
    return HTTP_REPLIED;
  if (pthread_mutex_trylock(&importing) != 0)
  {
    http_busy_reason(req, "another model is being imported");
    http_reply_busy(req, E_UNAVAILABLE, BUSY_S);
    return HTTP_REPLIED;
  }
  if (read_json(&import, part) && take_members(&import) && take_model(&import)
      && take_report(&import) && take_name(&import) && make_schema(&import))
    store_and_reply(&import);
  pthread_mutex_unlock(&importing);
  model_free(import.model);
  free(import.report);
  free(import.schema);
  buf_free(&import.file);
  json_decref(import.json);
  return HTTP_REPLIED;
}
