#include <config.h>

#include "server/http_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/text.h"

/* Room for so many parts at first; it doubles. */
#define UPLOAD_PARTS_FIRST 16
#define UPLOAD_FIELD_MAX ((size_t) 64 << 10)

/* Parts as they come: fields in memory, files in the spool. A fault is replied at once and the rest of the
 * body is then discarded. */
struct http_upload
{
  struct http_request *req;
  struct multipart *multipart; /* NULL: the body is one file */
  struct http_part *part;      /* being filled */
  size_t part_room;            /* of req->parts */
  struct spool_file file;
  struct buf field;
  bool digest;
  crypto_generichash_state sum;
};

static void
refuse(struct http_upload *upload, enum err err, const struct err_info *info)
{
  struct http_request *req = upload->req;
  if (req->exchange->response)
    return;
  if (err == ERR_LIMIT)
  {
    log_warning("an upload was refused: %s", info->text);
    http_reply_error(req, E_STORAGE_FULL, NULL);
  }
  else
  {
    log_error("an upload failed: %s", info->text);
    http_reply_error(req, E_INTERNAL, NULL);
  }
}

/* Makes room for one more part. Nobody holds a pointer to one yet. */
static bool
grow_parts(struct http_upload *upload)
{
  struct http_request *req = upload->req;
  size_t room = upload->part_room ? 2 * upload->part_room : UPLOAD_PARTS_FIRST;
  struct http_part *parts;
  if (req->part_count < upload->part_room)
    return true;
  parts = arena_array(req->arena, room, sizeof *parts);
  if (!parts)
    return false;
  if (req->part_count)
    memcpy(parts, req->parts, req->part_count * sizeof *parts);
  req->parts = parts;
  upload->part_room = room;
  return true;
}

static bool
part_begin(void *context, const struct multipart_head *head)
{
  struct http_upload *upload = context;
  struct http_request *req = upload->req;
  struct err_info info;
  if (!grow_parts(upload))
  {
    http_reply_error(req, E_INTERNAL, NULL);
    return false;
  }
  struct http_part *part = &req->parts[req->part_count];
  part->name = arena_strdup(req->arena, head->name);
  part->file_name = head->file_name ? arena_strdup(req->arena, head->file_name) : NULL;
  part->content_type = head->content_type ? arena_strdup(req->arena, head->content_type) : NULL;
  if (!part->name || (head->file_name && !part->file_name))
  {
    http_reply_error(req, E_INTERNAL, NULL);
    return false;
  }
  upload->part = part;
  req->part_count++;
  if (upload->digest)
  {
    const char *file_name = part->file_name ? part->file_name : "";
    crypto_generichash_update(&upload->sum, (const unsigned char *) part->name,
                              strlen(part->name) + 1);
    crypto_generichash_update(&upload->sum, (const unsigned char *) file_name,
                              strlen(file_name) + 1);
  }
  if (!part->file_name)
    return true;
  enum err err = spool_open(req->server->data_dir, &upload->file, &info);
  if (err)
  {
    refuse(upload, err, &info);
    return false;
  }
  part->path = arena_strdup(req->arena, upload->file.path);
  if (!part->path)
    http_reply_error(req, E_INTERNAL, NULL);
  return part->path != NULL;
}

static bool
part_data(void *context, const char *bytes, size_t length)
{
  struct http_upload *upload = context;
  struct http_request *req = upload->req;
  struct err_info info;
  upload->part->size += length;
  if (upload->digest)
    crypto_generichash_update(&upload->sum, (const unsigned char *) bytes, length);
  if (upload->part->path)
  {
    enum err err = spool_write(&upload->file, bytes, length, &info);
    if (err)
      refuse(upload, err, &info);
    return err == ERR_OK;
  }
  if (upload->field.length + length > UPLOAD_FIELD_MAX)
  {
    http_reply_error(req, E_TOO_LARGE,
                     "A form field is longer than 64 KiB; send long content as a file part.");
    return false;
  }
  buf_append(&upload->field, bytes, length);
  return true;
}

static bool
part_end(void *context)
{
  struct http_upload *upload = context;
  struct http_request *req = upload->req;
  struct http_part *part = upload->part;
  struct err_info info;
  uint64_t size = part->size;
  if (upload->digest)
    crypto_generichash_update(&upload->sum, (const unsigned char *) &size, sizeof size);
  upload->part = NULL;
  if (part->path)
  {
    enum err err = spool_close(&upload->file, &info);
    upload->file.path[0] = '\0'; /* from here on the part's */
    if (err)
      refuse(upload, err, &info);
    return err == ERR_OK;
  }
  const char *text = upload->field.length ? upload->field.data : "";
  bool good =
    !memchr(text, '\0', upload->field.length) && text_utf8_valid(text, upload->field.length, NULL);
  part->value = upload->field.failed ? NULL : arena_strndup(req->arena, text, upload->field.length);
  upload->field.length = 0;
  if (!good)
    http_reply_error(req, E_BAD_REQUEST, "A form field is not UTF-8 text.");
  else if (!part->value)
    http_reply_error(req, E_INTERNAL, NULL);
  return good && part->value;
}

struct http_upload *
http_upload_new(struct http_request *req, const char *boundary, bool digest)
{
  struct http_upload *upload = calloc(1, sizeof *upload);
  if (!upload)
    return NULL;
  upload->req = req;
  upload->file.fd = -1;
  upload->digest = digest;
  crypto_generichash_init(&upload->sum, NULL, 0, 32);
  struct multipart_sink sink = {
    .begin = part_begin, .data = part_data, .end = part_end, .context = upload};
  if (boundary)
    upload->multipart = multipart_new(boundary, req->server->limits.upload_parts, &sink);
  if (!grow_parts(upload) || (boundary && !upload->multipart))
  {
    http_upload_free(upload);
    return NULL;
  }
  return upload;
}

/* What the parser says is the client's fault; what the sink says was replied there. */
static void
check_form(struct http_upload *upload, enum err err, const struct err_info *info)
{
  struct http_request *req = upload->req;
  if (err && err != ERR_CANCELLED && !req->exchange->response)
    http_reply_error(req, err == ERR_LIMIT ? E_TOO_LARGE : E_BAD_REQUEST,
                     arena_printf(req->arena, "The form can't be read: %s.", info->text));
}

void
http_upload_feed(struct http_upload *upload, const char *bytes, size_t length)
{
  struct err_info info;
  if (upload->req->exchange->response || length == 0)
    return;
  if (upload->multipart)
  {
    check_form(upload, multipart_feed(upload->multipart, bytes, length, &info), &info);
    return;
  }
  struct multipart_head head = {.name = "file", .file_name = ""};
  if (upload->part || part_begin(upload, &head))
    part_data(upload, bytes, length);
}

void
http_upload_finish(struct http_upload *upload)
{
  struct err_info info;
  if (upload->req->exchange->response)
    return;
  if (upload->multipart)
    check_form(upload, multipart_finish(upload->multipart, &info), &info);
  else if (upload->part && part_end(upload))
    upload->req->parts[0].content_type = upload->req->content_type;
}

void
http_upload_free(struct http_upload *upload)
{
  if (!upload)
    return;
  spool_remove(&upload->file);
  struct http_request *req = upload->req;
  for (size_t i = 0; i < req->part_count; i++)
    if (req->parts[i].path)
    {
      struct spool_file left = {.fd = -1};
      strncpy(left.path, req->parts[i].path, sizeof left.path - 1);
      spool_remove(&left);
    }
  multipart_free(upload->multipart);
  buf_free(&upload->field);
  free(upload);
}

void
http_upload_digest(const struct http_upload *upload, crypto_generichash_state *sum)
{
  crypto_generichash_state copy = upload->sum;
  uint8_t digest[32];
  crypto_generichash_final(&copy, digest, sizeof digest);
  crypto_generichash_update(sum, digest, sizeof digest);
}
