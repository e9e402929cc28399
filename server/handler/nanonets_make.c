/* Models are created and get their images. */
#include <config.h>

#include "server/handler/nanonets.h"

#include <string.h>

#include "base/file.h"
#include "data/image.h"
#include "server/handler/common.h"
#include "server/handler/dataset_ingest.h"
#include "server/handler/dialect.h"
#include "server/handler/handlers.h"
#include "server/names.h"
#include "sql/db_tenant.h"

#define CATEGORIES_MAX 10000

/* ---- create ---------------------------------------------------------------------------------------- */

static bool
is_json_body(const struct http_request *req)
{
  size_t blank = strspn(req->body, " \t\r\n");

  return strcmp(req->content_type, "application/json") == 0
         || (dialect_is_json(req) && blank < req->body_length && req->body[blank] == '{');
}

/* {"categories": ["…", …]}. False when it replied. */
static bool
names_of_json(struct http_request *req, const char ***names, size_t *count)
{
  struct err_info info = {.code = ERR_OK};
  json_t *body = NULL, *list, *item;
  size_t index;
  enum err err =
    json_parse(req->body, req->body_length, req->server->limits.json_depth, &body, &info);

  if (err == ERR_MEMORY)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  else if (err)
    http_reply_error(req, E_BAD_JSON, info.text);
  if (err)
    return false;
  list = json_object_get(body, "categories");
  *names = arena_array(req->arena, json_array_size(list) + 1, sizeof **names);
  json_array_foreach(list, index, item)
  {
    /* what is no text is no name */
    if (*names)
      (*names)[(*count)++] =
        json_is_string(item) ? arena_strdup(req->arena, json_string_value(item)) : "";
  }
  json_decref(body);
  if (*names)
    return true;
  http_reply_busy(req, E_UNAVAILABLE, 2);
  return false;
}

/* A part or field "categories" (or "categories[]", as some write lists) for each. False when it replied. */
static bool
names_of_form(struct http_request *req, const char ***names, size_t *count)
{
  struct http_part *parts = NULL;
  size_t part_count = 0;
  bool multipart = strcmp(req->content_type, "multipart/form-data") == 0;

  if (!(multipart ? http_body_parts(req, &parts, &part_count)
                  : http_body_fields(req, &parts, &part_count)))
    return false;
  *names = arena_array(req->arena, part_count + 1, sizeof **names);
  for (size_t i = 0; *names && i < part_count; i++)
    if (strcmp(parts[i].name, "categories") == 0 || strcmp(parts[i].name, "categories[]") == 0)
      (*names)[(*count)++] = parts[i].value;
  if (*names)
    return true;
  http_reply_busy(req, E_UNAVAILABLE, 2);
  return false;
}

/* Two categories at least, each with a name of its own. False when it replied. */
static bool
names_fit(struct http_request *req, const char *const *names, size_t count)
{
  json_t *seen = json_object();
  struct json_faults faults;

  json_faults_init(&faults, req->arena);
  if (count < 2 || count > CATEGORIES_MAX)
    json_fault_add(&faults, "/categories", "curl: -d categories=one -d categories=other",
                   "send 2 to %d categories", CATEGORIES_MAX);
  for (size_t i = 0; i < count && count <= CATEGORIES_MAX; i++)
  {
    const char *place = json_pointer_index(req->arena, "/categories", i);
    if (!name_is_title(names[i]))
      json_fault_add(&faults, place, NULL,
                     "a category is a text of 1 to 200 bytes of UTF-8, without control characters");
    else if (json_object_get(seen, names[i]))
      json_fault_add(&faults, place, NULL, "the category \"%s\" came twice", names[i]);
    else
      json_object_set_new(seen, names[i], json_true());
  }
  json_decref(seen);
  if (faults.count > 0)
    http_reply_faults(req, E_INVALID, &faults);
  return faults.count == 0;
}

enum http_outcome
handle_nanonets_create(struct http_request *req)
{
  const char **names = NULL;
  struct db_conn *conn;
  enum db_status status;
  size_t count = 0;
  char id[32];

  if (!is_json_body(req) && strcmp(req->content_type, "multipart/form-data") != 0
      && strcmp(req->content_type, "application/x-www-form-urlencoded") != 0)
  {
    http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                     "send {\"categories\": [\"…\", \"…\"]} as application/json, or a form with a "
                     "field categories for each (curl: -d categories=one -d categories=other)");
    return HTTP_REPLIED;
  }
  if (!(is_json_body(req) ? names_of_json : names_of_form)(req, &names, &count)
      || !names_fit(req, names, count) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  http_new_id(req, NANONETS_ID, id, sizeof id);
  status = db_draft_insert(conn, id, req->tenant_id, names, count);
  if (status == DB_ROWS)
    nanonets_draft_reply(req, conn, id);
  else
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  return HTTP_REPLIED;
}

/* ---- upload ---------------------------------------------------------------------------------------- */

struct upload
{
  struct http_request *req;
  char id[32]; /* of this upload */
  struct db_draft draft;
  size_t category;
  const char **paths; /* of its files */
  size_t count;
  uint64_t bytes;
  struct err_info info; /* why a file could not be read */
};

/* The category of the draft that the form or the query names. False when it replied. */
static bool
find_category(struct http_request *req, struct upload *upload)
{
  const char *name = nanonets_text(req, req->parts, req->part_count, "category");

  for (size_t i = 0; name && i < upload->draft.category_count; i++)
    if (strcmp(upload->draft.categories[i], name) == 0)
    {
      upload->category = i;
      return true;
    }
  if (!name)
    reply_fault(req, E_INVALID, "/category", "curl: -F category=NAME", "category is missing");
  else
    reply_fault(req, E_INVALID, "/category",
                "GET /api/v2/ImageCategorization/Model/{model} lists them",
                "the model has no category \"%.200s\"", name);
  return false;
}

/* What is wrong with a file by its size and first bytes; NULL = nothing. The whole of it is judged when it is
 * parsed. */
static const char *
judge_file(struct http_request *req, const struct http_part *part)
{
  struct err_info info = {.code = ERR_OK};
  struct buf bytes = {.data = NULL};
  const char *fault = NULL;
  size_t height, width;

  if (part->size > req->limits->predict_bytes)
    return arena_printf(req->arena, "the file has more than %zu bytes", req->limits->predict_bytes);
  if (file_read_all(part->path, req->limits->predict_bytes, &bytes, &info) != ERR_OK)
    fault = "the file could not be read";
  else if (image_probe(bytes.data, bytes.length, &height, &width, &info) != ERR_OK)
    fault = arena_strdup(req->arena, info.text);
  else if (height * width > req->limits->image_pixels)
    fault = arena_printf(req->arena, "the image has %zu x %zu pixels; at most %zu are taken", width,
                         height, req->limits->image_pixels);
  buf_free(&bytes);
  return fault;
}

/* The files among the parts. False when it replied. */
static bool
find_files(struct http_request *req, struct upload *upload)
{
  struct json_faults faults;

  json_faults_init(&faults, req->arena);
  upload->paths = arena_array(req->arena, req->part_count + 1, sizeof *upload->paths);
  for (size_t i = 0; i < req->part_count && upload->paths; i++)
  {
    const struct http_part *part = &req->parts[i];
    const char *fault, *place = json_pointer_index(req->arena, "/file", upload->count);
    if (strcmp(part->name, "file") != 0)
      continue;
    fault = part->path ? judge_file(req, part) : "the part \"file\" must be a file, not text";
    if (fault)
      json_fault_add(&faults, place, "send PNG or JPEG images", "%s", fault);
    upload->paths[upload->count++] = part->path;
    upload->bytes += part->size;
  }
  if (upload->count == 0)
    json_fault_add(&faults, "/file", "curl: -F file=@image.jpg", "no file was sent");
  if (faults.count > 0)
    http_reply_faults(req, E_INVALID, &faults);
  return faults.count == 0;
}

/* All files or none. */
static enum db_status
store(struct db_conn *conn, void *context)
{
  struct upload *upload = context;
  const char *id = upload->draft.id;
  enum db_status status = db_draft_upload_begin(conn, id, upload->id);

  if (status != DB_NONE)
    return status; /* stored by an earlier run whose answer was lost */
  status = DB_ROWS;
  for (size_t i = 0; i < upload->count && status == DB_ROWS; i++)
  {
    struct buf bytes = {.data = NULL};
    if (file_read_all(upload->paths[i], upload->req->limits->predict_bytes, &bytes, &upload->info)
        != ERR_OK)
      status = DB_HARD;
    else
      status = db_draft_upload_add(conn, id, upload->id, (int) i, upload->category, bytes.data,
                                   bytes.length);
    buf_free(&bytes);
  }
  if (status == DB_ROWS)
    status = db_draft_upload_end(conn, id, upload->category, upload->count, upload->bytes);
  return status;
}

enum http_outcome
handle_nanonets_upload(struct http_request *req)
{
  const char *id = nanonets_model_id(req, req->parts, req->part_count);
  struct upload upload = {.req = req, .info = {.code = ERR_OK}};
  struct db_conn *conn = id ? http_db(req) : NULL;
  enum db_status status;

  if (!conn || !nanonets_draft_find(req, conn, id, &upload.draft))
    return HTTP_REPLIED;
  if (strcmp(req->content_type, "multipart/form-data") != 0)
  {
    http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                     "send multipart/form-data (curl -F modelId=ID -F category=NAME -F "
                     "file=@image.jpg)");
    return HTTP_REPLIED;
  }
  if (!find_category(req, &upload) || !find_files(req, &upload)
      || !dataset_ingest_room(req, conn, upload.bytes))
    return HTTP_REPLIED;
  http_new_id(req, "up_", upload.id, sizeof upload.id);
  status = db_tx_run(conn, "draft_upload", store, &upload);
  if (upload.info.code != ERR_OK)
    reply_failure(req, &upload.info);
  else if (status == DB_ROWS)
    nanonets_draft_reply(req, conn, id);
  else
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  return HTTP_REPLIED;
}
