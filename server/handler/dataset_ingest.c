#include <config.h>

#include "server/handler/dataset_ingest.h"

#include <string.h>

#include "base/file.h"
#include "server/handler/common.h"
#include "server/ingest_queue.h"
#include "server/json_view.h"
#include "server/names.h"

/* Free space that must stay after an upload and its canonical copy. */
#define SPARE_BYTES (UINT64_C(1) << 30)

const char *
upload_field(struct http_request *req, const char *name)
{
  const struct http_part *part = http_part_find(req, name);
  return part && part->value && *part->value ? part->value : NULL;
}

/* ---- the parts ------------------------------------------------------------------------------------- */

/* Types a raw body may have; a part of a form may have any, as browsers and curl guess. */
static bool
check_raw_type(struct http_request *req)
{
  static const char *const known[] = {
    "text/csv",         "text/tab-separated-values", "text/plain",
    "application/csv",  "application/vnd.ms-excel",  "application/octet-stream",
    "application/gzip", "application/x-gzip",        NULL};

  for (size_t i = 0; known[i]; i++)
    if (strcmp(req->content_type, known[i]) == 0)
      return true;
  http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                   "send multipart/form-data with a part named file, or the bytes themselves as "
                   "text/csv or text/tab-separated-values (curl: -H 'Content-Type: text/csv')");
  return false;
}

static bool
is_one_of(const char *name, const char *const *names)
{
  for (size_t i = 0; names[i]; i++)
    if (strcmp(name, names[i]) == 0)
      return true;
  return false;
}

static void
check_part(struct http_request *req, const struct http_part *part, const char *const *fields,
           struct json_faults *faults)
{
  static const char *const files[] = {"file", "images", "labels", NULL};
  const char *pointer = json_pointer(req->arena, "", part->name);

  if (http_part_find(req, part->name) != part)
    json_fault_add(faults, pointer, "send each part once", "the part \"%s\" came twice",
                   part->name);
  else if (is_one_of(part->name, files))
  {
    if (!part->path)
      json_fault_add(faults, pointer, arena_printf(req->arena, "curl: -F %s=@FILE", part->name),
                     "the part \"%s\" must be a file, not text", part->name);
    else if (part->size == 0)
      json_fault_add(faults, pointer, NULL, "the file is empty");
  }
  else if (!is_one_of(part->name, fields))
    json_fault_add(faults, pointer, "the parts are named in /docs", "there is no part \"%s\" here",
                   part->name);
  else if (!part->value)
    json_fault_add(faults, pointer, NULL, "the part \"%s\" must be text, not a file", part->name);
}

/* Either a file, or images and labels. False when it replied. */
static bool
check_parts(struct http_request *req, const char *const *fields)
{
  const struct http_part *file = http_part_find(req, "file");
  const struct http_part *images = http_part_find(req, "images");
  const struct http_part *labels = http_part_find(req, "labels");
  struct json_faults faults;

  if (strcmp(req->content_type, "multipart/form-data") != 0 && !check_raw_type(req))
    return false;
  json_faults_init(&faults, req->arena);
  for (size_t i = 0; i < req->part_count; i++)
    check_part(req, &req->parts[i], fields, &faults);
  if (!file && !images && !labels)
    json_fault_add(&faults, "/file", "send a CSV as part file, or IDX files as images and labels",
                   "no file was sent");
  else if (file && (images || labels))
    json_fault_add(&faults, "/file", "send either file, or images and labels",
                   "a file and images or labels can't come together");
  else if (!file && (!images || !labels))
    json_fault_add(&faults, images ? "/labels" : "/images",
                   "IDX images and labels come as two files", "%s were sent without %s",
                   images ? "images" : "labels", images ? "labels" : "images");
  if (faults.count > 0)
    http_reply_faults(req, E_INVALID, &faults);
  return faults.count == 0;
}

/* ---- room ------------------------------------------------------------------------------------------ */

static bool
check_room(struct http_request *req, struct db_conn *conn, uint64_t size)
{
  uint64_t stored = 0, free_bytes = 0;
  enum db_status status = db_dataset_bytes(conn, req->tenant_id, &stored);

  if (status < DB_NONE)
  {
    http_reply_db(req, status, E_NOT_FOUND);
    return false;
  }
  if (stored + size > req->server->limits.tenant_bytes)
  {
    http_reply_error(req, E_QUOTA,
                     arena_printf(req->arena,
                                  "the datasets of this tenant have %llu of at most %zu bytes, and "
                                  "this upload has %llu; delete some first",
                                  (unsigned long long) stored, req->server->limits.tenant_bytes,
                                  (unsigned long long) size));
    return false;
  }
  if (file_free_bytes(req->server->data_dir, &free_bytes, NULL) == ERR_OK
      && free_bytes < 2 * size + SPARE_BYTES)
  {
    http_reply_error(req, E_STORAGE_FULL, NULL);
    return false;
  }
  return true;
}

/* ---- begin ----------------------------------------------------------------------------------------- */

static bool
stage(struct http_request *req, const char *id)
{
  struct http_part *file = http_part_find(req, "file");
  struct http_part *images = http_part_find(req, "images");
  struct http_part *labels = http_part_find(req, "labels");
  struct ingest_upload upload = {.file = file ? file->path : NULL,
                                 .images = images ? images->path : NULL,
                                 .labels = labels ? labels->path : NULL};
  struct err_info info = {.code = ERR_OK};

  if (ingest_queue_stage(req->server->ingest, id, &upload, &info) != ERR_OK)
  {
    reply_failure(req, &info);
    return false;
  }
  /* moved: no longer the request's to remove */
  if (file)
    file->path = NULL;
  if (images)
    images->path = labels->path = NULL;
  return true;
}

static const char *
default_name(struct http_request *req)
{
  const struct http_part *file = http_part_find(req, "file");
  const struct http_part *images = http_part_find(req, "images");
  return file ? name_from_file(req->arena, file->file_name, "table")
              : name_from_file(req->arena, images ? images->file_name : NULL, "images");
}

bool
dataset_ingest_begin(struct http_request *req, const char *const *fields, const char *name,
                     const char **dataset_id)
{
  struct db_conn *conn;
  enum db_status status;
  uint64_t size = 0;
  char id[32];

  if (!check_parts(req, fields))
    return false;
  if (!name)
    name = default_name(req);
  if (!name_is_title(name))
  {
    reply_fault(req, E_INVALID, "/name", NULL,
                "a name has 1 to 200 bytes of UTF-8, without control characters");
    return false;
  }
  for (size_t i = 0; i < req->part_count; i++)
    size += req->parts[i].path ? req->parts[i].size : 0;
  conn = http_db(req);
  db_id_new("ds_", id, sizeof id);
  *dataset_id = arena_strdup(req->arena, id);
  if (!conn || !check_room(req, conn, size) || !stage(req, id))
    return false;
  status = db_dataset_insert(conn, id, req->tenant_id, name, req->server->instance);
  if (status != DB_ROWS)
  {
    ingest_queue_discard(req->server->ingest, id);
    http_reply_db(req, status, E_NOT_FOUND);
    return false;
  }
  if (ingest_queue_add(req->server->ingest, id) == ERR_OK)
    return true;
  http_reply_busy(req, E_UNAVAILABLE, 5);
  return false;
}

/* ---- look ------------------------------------------------------------------------------------------ */

/* The stored problem's faults, as those of this request. */
static void
reply_problem(struct http_request *req, const char *problem)
{
  json_t *stored = view_json(problem), *item;
  const char *detail = json_get_string(stored, "detail", NULL);
  struct json_faults faults;
  size_t index;

  json_faults_init(&faults, req->arena);
  json_array_foreach(json_object_get(stored, "faults"), index, item)
  {
    struct json_fault fault = {.pointer = json_get_string(item, "pointer", ""),
                               .message = json_get_string(item, "message", detail ? detail : ""),
                               .value = json_get_string(item, "value", NULL),
                               .hint = json_get_string(item, "hint", NULL),
                               .row = (size_t) json_get_integer(item, "row", 0),
                               .column = json_get_string(item, "column", NULL)};
    json_fault_add_full(&faults, &fault);
  }
  const char *code = json_get_string(stored, "code", "");
  if (strcmp(code, "storage_full") == 0)
    http_reply_error(req, E_STORAGE_FULL, NULL);
  else if (strcmp(code, "dataset_invalid") != 0)
  {
    http_busy_reason(req, "the upload could not be parsed (%s): %s", code, detail ? detail : "");
    http_reply_busy(req, E_UNAVAILABLE, 5);
  }
  else
  {
    if (faults.count == 0)
      json_fault_add(&faults, "/file", NULL, "%s", detail ? detail : "the file can't be read");
    http_reply_faults(req, E_DATASET_INVALID, &faults);
  }
  json_decref(stored);
}

enum dataset_ingest_state
dataset_ingest_look(struct http_request *req, struct db_conn *conn, const char *dataset_id,
                    struct db_dataset *row)
{
  enum db_status status = db_dataset_get(conn, req->tenant_id, dataset_id, 0, req->arena, row);
  bool busy;

  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_DATASET_NOT_FOUND);
    return DATASET_INGEST_REPLIED;
  }
  if (strcmp(row->state, "ready") == 0)
    return DATASET_INGEST_READY;
  if (strcmp(row->state, "failed") != 0)
    return DATASET_INGEST_RUNNING;
  /* the caller hears the faults now and has no id: nothing to look at later */
  db_dataset_delete(conn, req->tenant_id, dataset_id, &busy);
  reply_problem(req, row->problem);
  return DATASET_INGEST_REPLIED;
}
