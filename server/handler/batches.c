#include <config.h>

#include "server/handler/handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "data/row_stream.h"
#include "server/handler/batch_dataset.h"
#include "server/handler/batch_view.h"
#include "server/handler/common.h"
#include "server/handler/predict_interval.h"
#include "server/handler/predict_threshold.h"
#include "server/model_cache.h"
#include "server/names.h"
#include "sql/db_tenant.h"

#define EMPTY "the file is empty: send a header line and rows"

/* ---- the request -------------------------------------------------------------------------------------- */

/* Types a raw body may have; a part of a form may have any, as browsers and curl guess. */
static bool
check_raw_type(struct http_request *req)
{
  static const char *const known[] = {
    "text/csv",        "text/tab-separated-values",    "text/plain",
    "application/csv", "application/vnd.ms-excel",     "application/octet-stream",
    "application/zip", "application/x-zip-compressed", NULL};

  for (size_t i = 0; known[i]; i++)
    if (strcmp(req->content_type, known[i]) == 0)
      return true;
  http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                   "send multipart/form-data with a part named file, or the bytes themselves as "
                   "text/csv, text/tab-separated-values or application/zip (curl: -H "
                   "'Content-Type: text/csv'), or "
                   "{\"dataset\": \"ds_…\"} as application/json");
  return false;
}

static bool
read_strict(struct http_request *req, const char *text, bool *strict)
{
  if (!text)
    return true;
  *strict = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
  if (*strict || strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
    return true;
  reply_fault(req, E_INVALID, "/strict", "send 1, 0, true or false", "must be a boolean");
  return false;
}

/* One setting by its name; false when it replied or, with *known false, there is no such setting. */
static bool
read_setting(struct http_request *req, const char *name, const char *text, struct batch_wish *wish,
             bool *known)
{
  *known = true;
  if (strcmp(name, "strict") == 0)
    return read_strict(req, text, &wish->strict);
  if (strcmp(name, "threshold") == 0)
    return predict_threshold_parse(req, text, &wish->threshold);
  if (strcmp(name, "interval") == 0)
    return predict_interval_parse(req, text, &wish->interval);
  *known = false;
  return false;
}

static const char *const settings[] = {"strict", "threshold", "interval", NULL};

/* Settings of the query, then those of the body, and the form's one file. NULL when it replied. */
static struct http_part *
read_request(struct http_request *req, struct db_conn *conn, struct batch_wish *wish)
{
  struct http_part *file = NULL;
  bool known;

  for (size_t i = 0; settings[i]; i++)
    if (!read_setting(req, settings[i], http_query(req, settings[i]), wish, &known))
      return NULL;
  if (strcmp(req->content_type, "multipart/form-data") != 0)
  {
    bool json = strcmp(req->content_type, "application/json") == 0;
    if (!json && !check_raw_type(req))
      return NULL;
    file = http_part_find(req, "file");
    if (!file)
      http_reply_error(req, E_BAD_REQUEST, EMPTY);
    return !json || !file || batch_dataset_take(req, conn, file, wish) ? file : NULL;
  }
  for (size_t i = 0; i < req->part_count; i++)
  {
    struct http_part *part = &req->parts[i];
    if (strcmp(part->name, "file") == 0 && part->path && !file)
      file = part;
    else if (strcmp(part->name, "file") == 0)
    {
      reply_fault(req, E_INVALID, "/file", "curl: -F file=@rows.csv",
                  file ? "one file makes a batch" : "must be a file");
      return NULL;
    }
    else if (!read_setting(req, part->name, part->value ? part->value : "", wish, &known))
    {
      if (!known)
        reply_fault(req, E_INVALID, json_pointer(req->arena, "", part->name),
                    "the parts are file, strict, threshold and interval",
                    "there is no part \"%s\" here", part->name);
      return NULL;
    }
  }
  if (!file)
    reply_fault(req, E_INVALID, "/file", "curl: -F file=@rows.csv", "no file was sent");
  return file;
}

/* The model as it is now. False when it replied. */
static bool
find_model(struct http_request *req, struct db_conn *conn, struct model_ref *ref)
{
  struct model_path path;
  struct err_info info = {.code = ERR_OK};
  enum err rc = ERR_NOT_FOUND;

  if (name_model_path(req->arena, http_arg(req, "model"), &path))
    rc = model_cache_get(req->server->models, conn, req->tenant_id, path.name, path.version,
                         path.alias, ref, &info);
  if (rc == ERR_NOT_FOUND)
    http_reply_error(req, E_MODEL_NOT_FOUND, NULL);
  else if (rc != ERR_OK)
    reply_failure(req, &info);
  return rc == ERR_OK;
}

/* ---- the file ------------------------------------------------------------------------------------------- */

/* Reads the header and counts the rows. False when it replied. */
static bool
check_rows(struct http_request *req, const struct model_about *about, int fd,
           const struct batch_wish *wish, size_t *rows)
{
  struct row_stream_form form = {.strict = wish->strict, .plain = wish->plain};
  struct err_info info = {.code = ERR_OK};
  struct row_stream *stream = NULL;
  enum err rc = row_stream_open(about->schema, fd, &form, &stream, &info);

  if (rc == ERR_OK)
    rc = row_stream_count(stream, req->limits->batch_rows, rows, &info);
  row_stream_close(stream);
  if (rc == ERR_INVALID)
    reply_fault(req, E_INVALID, "/file",
                "send a header line with the columns' names, then rows; GET "
                "/api/v1/models/{model}/schema lists the columns",
                "%s", info.text);
  else if (rc != ERR_OK)
    reply_failure(req, &info);
  return rc == ERR_OK;
}

/* Images come in a zip, which only an engine takes apart. False when it replied. */
static bool
check_zip(struct http_request *req, int fd)
{
  static const char magic[] = {'P', 'K', 3, 4};
  char head[sizeof magic];

  if (pread(fd, head, sizeof head, 0) == (ssize_t) sizeof head
      && memcmp(head, magic, sizeof head) == 0)
    return true;
  reply_fault(req, E_INVALID, "/file", "zip -r images.zip FOLDER",
              "this model takes images: send them in one zip");
  return false;
}

static enum err
digest_file(int fd, uint8_t digest[SHA256_BYTES], struct err_info *info)
{
  char bytes[65536];
  struct sha256 *sha = sha256_new();
  off_t offset = 0;
  ssize_t got = -1;

  if (!sha)
    return err_set(info, ERR_UNAVAILABLE, "out of memory");
  while ((got = pread(fd, bytes, sizeof bytes, offset)) > 0 || (got < 0 && errno == EINTR))
    if (got > 0)
    {
      sha256_update(sha, bytes, (size_t) got);
      offset += got;
    }
  sha256_end(sha, digest);
  return got == 0 ? ERR_OK : err_set_errno(info, ERR_IO, errno, "could not read the upload");
}

/* ---- the batch ------------------------------------------------------------------------------------------ */

struct insertion
{
  const struct http_request *req;
  const struct db_batch *batch;
  int fd;
  uint8_t digest[SHA256_BYTES];
  size_t live;
  struct db_tenant_use use;
  bool too_many, too_large;
};

/* The batch, if there is room for one more: two requests at once don't both get the last place. The tenant's lock comes
 * last, as the file takes its time. */
static enum db_status
insert_batch(struct db_conn *conn, void *context)
{
  struct insertion *insertion = context;
  const struct http_request *req = insertion->req;
  enum db_status status = db_batch_insert(conn, insertion->batch, insertion->fd, insertion->digest);

  if (status == DB_ROWS)
    status = db_tenant_lock(conn, req->tenant_id);
  if (status == DB_ROWS)
    status = db_batch_count_live(conn, req->tenant_id, &insertion->live);
  if (status == DB_ROWS)
    status = db_tenant_use(conn, req->tenant_id, &insertion->use);
  insertion->too_many = status == DB_ROWS && insertion->live > req->limits->live_batches;
  insertion->too_large =
    status == DB_ROWS && insertion->use.tenant_bytes > req->limits->tenant_bytes;
  return insertion->too_many || insertion->too_large ? DB_HARD : status;
}

static void
reply_too_many(struct http_request *req, size_t live)
{
  http_reply_quota(req, "live_batches", live, req->limits->live_batches,
                   "Wait until a batch has ended, or cancel one.");
}

static void
reply_no_room(struct http_request *req, uint64_t used, uint64_t size)
{
  http_reply_quota(
    req, "tenant_bytes", used, req->limits->tenant_bytes,
    arena_printf(req->arena, "This file has %llu bytes: delete datasets or batches to make room.",
                 (unsigned long long) size));
}

static void
create(struct http_request *req, struct db_conn *conn, const struct db_batch *batch, int fd)
{
  struct insertion insertion = {.req = req, .batch = batch, .fd = fd};
  struct err_info info = {.code = ERR_OK};
  struct db_batch row;

  if (digest_file(fd, insertion.digest, &info) != ERR_OK)
  {
    reply_failure(req, &info);
    return;
  }
  enum db_status status = db_tx_run(conn, "batch_create", insert_batch, &insertion);
  if (insertion.too_many)
  {
    reply_too_many(req, insertion.live - 1);
    return;
  }
  if (insertion.too_large)
  {
    reply_no_room(req, insertion.use.tenant_bytes - batch->input_bytes, batch->input_bytes);
    return;
  }
  if (status == DB_ROWS)
    status = db_batch_get(conn, req->tenant_id, batch->id, req->arena, &row);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_BATCH_NOT_FOUND);
  else
    http_reply_created(req, 202, arena_printf(req->arena, "/api/v1/batches/%s", batch->id),
                       batch_view(&row));
}

static const char *
wish_text(struct http_request *req, const struct batch_wish *wish)
{
  const struct server_limits *limits = req->limits;
  size_t entries =
    limits->batch_rows < limits->archive_entries ? limits->batch_rows : limits->archive_entries;
  json_t *json = json_pack("{s:b, s:b, s:o, s:o, s:I, s:I, s:I}", "strict", wish->strict, "plain",
                           wish->plain, "threshold", json_real_or_null(wish->threshold), "interval",
                           json_real_or_null(wish->interval), "most_pixels",
                           (json_int_t) limits->image_pixels, "most_entries", (json_int_t) entries,
                           "most_bytes", (json_int_t) limits->unpacked_bytes);
  struct buf text = {0};

  if (json)
    json_write(json, &text);
  json_decref(json);
  const char *copy = text.length > 0 && !text.failed ? arena_strdup(req->arena, text.data) : NULL;
  buf_free(&text);
  return copy;
}

/* With the model at hand and the file open: everything that can be judged now is. */
static void
accept_file(struct http_request *req, struct db_conn *conn, const struct model_ref *ref,
            const struct http_part *file, int fd, const struct batch_wish *wish)
{
  struct model_about about;
  size_t rows = 0;
  char id[32];

  model_about(ref->model, &about);
  if (!predict_threshold_fits(req, &about, wish->threshold)
      || !predict_interval_fits(req, &about, wish->interval)
      || !(about.input == DATASET_IMAGES ? check_zip(req, fd)
                                         : check_rows(req, &about, fd, wish, &rows)))
    return;
  http_new_id(req, "bat_", id, sizeof id);
  struct db_batch batch = {.id = id,
                           .tenant_id = req->tenant_id,
                           .model_id = ref->model_id,
                           .model_name = ref->model_name,
                           .model_version = ref->version,
                           .options = wish_text(req, wish),
                           .file_name =
                             name_from_file(req->arena, file->file_name,
                                            about.input == DATASET_IMAGES ? "images" : "rows"),
                           .input_bytes = file->size,
                           .row_count = rows,
                           .keep_days = req->server->limits.batch_days};
  if (batch.options && batch.file_name)
    create(req, conn, &batch, fd);
  else
    http_reply_busy(req, E_UNAVAILABLE, 2);
}

/* Whether there is room for another batch. False when it replied; it is looked at again under the tenant's lock. */
static bool
check_room(struct http_request *req, struct db_conn *conn, const struct http_part *file)
{
  size_t live = 0;
  struct db_tenant_use use;
  enum db_status status = db_batch_count_live(conn, req->tenant_id, &live);

  if (status == DB_ROWS)
    status = db_tenant_use(conn, req->tenant_id, &use);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_BATCH_NOT_FOUND);
  else if (file->size == 0)
    http_reply_error(req, E_BAD_REQUEST, EMPTY);
  else if (file->size > req->limits->batch_bytes)
    http_reply_error(req, E_TOO_LARGE,
                     arena_printf(req->arena, "The file is larger than the limit of %zu bytes.",
                                  req->limits->batch_bytes));
  else if (live >= req->limits->live_batches && !http_is_second_attempt(req))
    reply_too_many(req, live);
  else if (use.tenant_bytes + file->size > req->limits->tenant_bytes
           && !http_is_second_attempt(req))
    reply_no_room(req, use.tenant_bytes, file->size);
  else
    return true;
  return false;
}

/* With the model at hand: the rest of the request. */
static void
read_and_accept(struct http_request *req, struct db_conn *conn, const struct model_ref *ref)
{
  struct batch_wish wish = {.threshold = NAN, .interval = NAN};
  struct err_info info = {.code = ERR_OK};
  struct http_part *file = read_request(req, conn, &wish);

  if (!file || !check_room(req, conn, file))
    return;
  int fd = open(file->path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
  {
    err_set_errno(&info, ERR_IO, errno, "could not open an upload");
    reply_failure(req, &info);
    return;
  }
  accept_file(req, conn, ref, file, fd, &wish);
  close(fd);
}

enum http_outcome
handle_batches_post(struct http_request *req)
{
  struct model_ref ref = {.entry = NULL};
  struct db_conn *conn;

  if (!http_query_known(req, settings) || !(conn = http_db(req)) || !find_model(req, conn, &ref))
    return HTTP_REPLIED;
  read_and_accept(req, conn, &ref);
  model_cache_release(req->server->models, &ref);
  return HTTP_REPLIED;
}
