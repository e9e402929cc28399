#include <config.h>

#include "server/handler/dataset_ingest.h"

#include <string.h>

#include "base/file.h"
#include "server/handler/common.h"
#include "server/handler/upload_files.h"
#include "server/ingest_queue.h"
#include "server/json_view.h"
#include "server/names.h"
#include "sql/db_tenant.h"

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
  static const char *const known[] = {"text/csv",
                                      "text/tab-separated-values",
                                      "text/plain",
                                      "application/csv",
                                      "application/vnd.ms-excel",
                                      "application/octet-stream",
                                      "application/gzip",
                                      "application/x-gzip",
                                      "application/zip",
                                      "application/x-zip-compressed",
                                      "application/x-tar",
                                      "application/x-gtar",
                                      "application/x-xz",
                                      "application/zstd",
                                      "application/x-compressed-tar",
                                      NULL};

  for (size_t i = 0; known[i]; i++)
    if (strcmp(req->content_type, known[i]) == 0)
      return true;
  http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                   "send multipart/form-data with a part named file, or the bytes themselves as "
                   "text/csv, text/tab-separated-values, application/zip or application/x-tar "
                   "(curl: -H 'Content-Type: text/csv')");
  return false;
}

/* ---- room ------------------------------------------------------------------------------------------ */

bool
dataset_ingest_room(struct http_request *req, struct db_conn *conn, uint64_t size)
{
  struct db_tenant_use use;
  uint64_t free_bytes = 0;
  enum db_status status = db_tenant_use(conn, req->tenant_id, &use);

  if (status < DB_NONE)
  {
    http_reply_db(req, status, E_NOT_FOUND);
    return false;
  }
  if (use.tenant_bytes + size > req->limits->tenant_bytes)
  {
    http_reply_quota(
      req, "tenant_bytes", use.tenant_bytes, req->limits->tenant_bytes,
      arena_printf(req->arena,
                   "This upload has %llu bytes: delete datasets or batches to make room.",
                   (unsigned long long) size));
    return false;
  }
  if (use.live_uploads >= req->limits->live_uploads)
  {
    http_reply_quota(req, "live_uploads", use.live_uploads, req->limits->live_uploads,
                     "Wait until one of them has been parsed.");
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
stage(struct http_request *req, const char *id, struct upload_files *files)
{
  struct ingest_upload upload;
  struct err_info info = {.code = ERR_OK};

  if (!upload_files_settle(req, files, &upload))
    return false;
  if (ingest_queue_stage(req->server->ingest, id, &upload, &info) != ERR_OK)
  {
    reply_failure(req, &info);
    return false;
  }
  /* moved: no longer the request's to remove */
  files->files[0]->path = NULL;
  if (files->labels)
    files->labels->path = NULL;
  return true;
}

static const char *
default_name(struct http_request *req, const struct upload_files *files)
{
  if (files->images)
    return "images";
  return name_from_file(req->arena, files->files[0]->file_name, files->pair ? "images" : "table");
}

bool
dataset_ingest_is_images(struct http_request *req)
{
  return upload_files_are_images(req);
}

/* Whether an attempt of this request that died got so far that its dataset exists. Otherwise *id is a new one: of
 * the old one there may be files about to be cleared away. */
static bool
made_before(struct http_request *req, struct db_conn *conn, char id[32], const char **dataset_id)
{
  struct db_dataset row;
  if (db_dataset_get(conn, req->tenant_id, id, 0, req->arena, &row) == DB_ROWS)
  {
    *dataset_id = arena_strdup(req->arena, id);
    return true;
  }
  db_id_new("ds_", id, 32);
  return false;
}

bool
dataset_ingest_begin(struct http_request *req, const char *const *fields, const char *name,
                     const char **dataset_id)
{
  struct db_conn *conn;
  enum db_status status;
  struct upload_files files;
  uint64_t size = 0;
  char id[32];

  if ((strcmp(req->content_type, "multipart/form-data") != 0 && !check_raw_type(req))
      || !upload_files_find(req, fields, &files))
    return false;
  if (!name)
    name = default_name(req, &files);
  if (!name_is_title(name))
  {
    reply_fault(req, E_INVALID, "/name", NULL,
                "a name has 1 to 200 bytes of UTF-8, without control characters");
    return false;
  }
  for (size_t i = 0; i < req->part_count; i++)
    size += req->parts[i].path ? req->parts[i].size : 0;
  conn = http_db(req);
  if (!conn)
    return false;
  http_new_id(req, "ds_", id, sizeof id);
  if (http_is_second_attempt(req) && made_before(req, conn, id, dataset_id))
    return true;
  *dataset_id = arena_strdup(req->arena, id);
  if (!dataset_ingest_room(req, conn, size) || !stage(req, id, &files))
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
