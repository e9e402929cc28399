#include <config.h>

#include "server/handler/upload_files.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "data/archive_kind.h"
#include "data/image.h"
#include "server/handler/common.h"
#include "server/upload_pack.h"

#define HEAD_BYTES 512
#define SIDE_LEAST 4
#define SIDE_MOST 1024

enum look
{
  LOOK_OTHER,
  LOOK_IMAGE,
  LOOK_ARCHIVE,
  LOOK_GZIP /* an archive, IDX or a table: who knows */
};

/* ---- what came ------------------------------------------------------------------------------------- */

static enum look
look_at(const struct http_part *part)
{
  char head[HEAD_BYTES];
  int fd = open(part->path, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd >= 0 ? pread(fd, head, sizeof head, 0) : -1;
  size_t length = got > 0 ? (size_t) got : 0;

  if (fd >= 0)
    close(fd);
  if (image_is_known(head, length))
    return LOOK_IMAGE;
  if (length >= 2 && memcmp(head, "\x1f\x8b", 2) == 0)
    return LOOK_GZIP;
  return archive_is_known(head, length) ? LOOK_ARCHIVE : LOOK_OTHER;
}

static bool
is_file_name(const char *name)
{
  return strcmp(name, "file") == 0 || strcmp(name, "images") == 0;
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
  const char *pointer = json_pointer(req->arena, "", part->name);
  bool file = is_file_name(part->name), labels = strcmp(part->name, "labels") == 0;

  if (!file && http_part_find(req, part->name) != part)
    json_fault_add(faults, pointer, "send each part once", "the part \"%s\" came twice",
                   part->name);
  else if (file && !part->path)
    json_fault_add(faults, pointer, arena_printf(req->arena, "curl: -F %s=@FILE", part->name),
                   "the part \"%s\" must be a file, not text", part->name);
  else if ((file || labels) && part->size == 0)
    json_fault_add(faults, pointer, NULL, "the file is empty");
  else if (!file && !labels && strcmp(part->name, "image_size") != 0
           && !is_one_of(part->name, fields))
    json_fault_add(faults, pointer, "the parts are named in /docs", "there is no part \"%s\" here",
                   part->name);
  else if (!file && !labels && !part->value)
    json_fault_add(faults, pointer, NULL, "the part \"%s\" must be text, not a file", part->name);
}

static bool
parse_side(const char *text, size_t length, size_t *side)
{
  int64_t number;

  if (!text_parse_int64(text, length, &number) || number < SIDE_LEAST || number > SIDE_MOST)
    return false;
  *side = (size_t) number;
  return true;
}

/* "64" or "64x48": width, height. */
static bool
parse_image_size(const char *text, size_t *height, size_t *width)
{
  const char *cross = strpbrk(text, "xX*");

  if (!cross)
    return parse_side(text, strlen(text), height) && parse_side(text, strlen(text), width);
  return parse_side(text, (size_t) (cross - text), width)
         && parse_side(cross + 1, strlen(cross + 1), height);
}

static void
read_image_size(struct http_request *req, struct upload_files *files, struct json_faults *faults)
{
  const struct http_part *part = http_part_find(req, "image_size");
  const char *text = part && part->value ? part->value : http_query(req, "image_size");

  if (text && *text && !parse_image_size(text, &files->image_height, &files->image_width))
    json_fault_add(faults, "/image_size", "send 64, or width x height as 64x48",
                   "\"%.40s\" is no size of %d to %d pixels a side", text, SIDE_LEAST, SIDE_MOST);
}

static void
find_files(struct http_request *req, struct upload_files *files)
{
  files->files = arena_array(req->arena, req->part_count + 1, sizeof(struct http_part *));
  for (size_t i = 0; files->files && i < req->part_count; i++)
    if (is_file_name(req->parts[i].name) && req->parts[i].path)
      files->files[files->count++] = &req->parts[i];
  files->labels = http_part_find(req, "labels");
}

/* ---- what it is together --------------------------------------------------------------------------- */

static void
judge_one(struct upload_files *files, struct json_faults *faults)
{
  enum look look = look_at(files->files[0]);
  bool called_images = strcmp(files->files[0]->name, "images") == 0;

  files->images = look == LOOK_IMAGE && (files->labels || called_images);
  files->pair = called_images && files->labels && files->labels->path
                && (look == LOOK_OTHER || look == LOOK_GZIP);
  files->archive = !files->pair && (look == LOOK_ARCHIVE || look == LOOK_GZIP);
  if (files->pair || files->images || files->archive)
    return;
  if (called_images && !files->labels)
    json_fault_add(faults, "/labels", "IDX images and labels come as two files",
                   "images were sent without labels");
  else if (called_images)
    json_fault_add(faults, "/labels", "curl: -F labels=@FILE",
                   "the part \"labels\" of IDX images must be a file, not text");
  else if (files->labels)
    json_fault_add(faults, "/file", "send labels with images only",
                   "a file and images or labels can't come together");
}

static void
judge_many(struct upload_files *files, struct json_faults *faults)
{
  size_t known = 0;

  for (size_t i = 0; i < files->count; i++)
  {
    enum look look = look_at(files->files[i]);
    known += look == LOOK_IMAGE;
    if (strcmp(files->files[i]->name, files->files[0]->name) != 0
        && (look != LOOK_IMAGE || look_at(files->files[0]) != LOOK_IMAGE))
    {
      json_fault_add(faults, "/file", "send either file, or images and labels",
                     "a file and images or labels can't come together");
      return;
    }
  }
  /* One that is none among many is left out and named; tables can't be many. */
  files->images = known > 0;
  if (known == 0)
    json_fault_add(faults, json_pointer(faults->arena, "", files->files[0]->name),
                   "send one table or archive; only PNG and JPEG images can be many",
                   "the part \"%s\" came %zu times", files->files[0]->name, files->count);
}

bool
upload_files_find(struct http_request *req, const char *const *fields, struct upload_files *files)
{
  struct json_faults faults;

  *files = (struct upload_files){.files = NULL};
  json_faults_init(&faults, req->arena);
  for (size_t i = 0; i < req->part_count; i++)
    check_part(req, &req->parts[i], fields, &faults);
  read_image_size(req, files, &faults);
  find_files(req, files);
  if (files->count == 0 && files->labels)
    json_fault_add(&faults, "/images", "IDX images and labels come as two files",
                   "labels were sent without images");
  else if (files->count == 0 && faults.count == 0)
    json_fault_add(&faults, "/file",
                   "send a CSV, or a zip with a folder of images for each class, as part file",
                   "no file was sent");
  else if (files->count == 1)
    judge_one(files, &faults);
  else if (files->count > 1)
    judge_many(files, &faults);
  if (faults.count > 0)
    http_reply_faults(req, E_INVALID, &faults);
  return faults.count == 0;
}

bool
upload_files_are_images(struct http_request *req)
{
  for (size_t i = 0; i < req->part_count; i++)
    if (is_file_name(req->parts[i].name) && req->parts[i].path)
      return strcmp(req->parts[i].name, "images") == 0 || look_at(&req->parts[i]) != LOOK_OTHER;
  return http_part_find(req, "labels") != NULL;
}

/* ---- one file of many ------------------------------------------------------------------------------ */

static bool
pack(struct http_request *req, struct upload_files *files, const char **path)
{
  struct spool_file tar;
  struct err_info info = {.code = ERR_OK};
  enum err rc = spool_open(req->server->data_dir, &tar, &info);

  for (size_t i = 0; rc == ERR_OK && i < files->count; i++)
  {
    struct http_part *part = files->files[i];
    const char *name = part->file_name && *part->file_name
                         ? part->file_name
                         : arena_printf(req->arena, "image-%zu", i + 1);
    rc = upload_pack_add(&tar, name, part->path, part->size, &info);
    /* as it goes in it goes away, so that disk is not taken twice */
    if (rc == ERR_OK && unlink(part->path) == 0)
      part->path = NULL;
  }
  if (rc == ERR_OK)
    rc = upload_pack_end(&tar, &info);
  if (rc == ERR_OK)
    rc = spool_close(&tar, &info);
  *path = rc == ERR_OK ? arena_strdup(req->arena, tar.path) : NULL;
  if (*path)
  {
    /* the request's to remove until it is staged */
    files->files[0]->path = *path;
    return true;
  }
  spool_remove(&tar);
  if (rc == ERR_LIMIT)
    http_reply_error(req, E_STORAGE_FULL, NULL);
  else
  {
    log_error("an upload failed: %s", info.text);
    http_reply_error(req, E_INTERNAL, NULL);
  }
  return false;
}

static bool
is_tsv(const struct http_request *req, const struct http_part *part)
{
  const char *dot = part->file_name ? strrchr(part->file_name, '.') : NULL;
  const char *type = part->content_type ? part->content_type : req->content_type;

  return (dot && (strcasecmp(dot, ".tsv") == 0 || strcasecmp(dot, ".tab") == 0))
         || strncasecmp(type, "text/tab-separated-values", 25) == 0;
}

bool
upload_files_settle(struct http_request *req, struct upload_files *files,
                    struct ingest_upload *upload)
{
  struct http_part *first = files->files[0];
  const char *path = first->path;

  *upload = (struct ingest_upload){.image_height = files->image_height,
                                   .image_width = files->image_width,
                                   .tabs = is_tsv(req, first)};
  if (files->images && !pack(req, files, &path))
    return false;
  if (files->pair)
    upload->images = path;
  else
    upload->file = path;
  if (files->labels)
  {
    upload->labels = files->labels->path;
    upload->labels_text = files->labels->value;
  }
  return true;
}
