#include <config.h>

#include "data/ingest_images.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "data/archive_kind.h"
#include "data/image.h"

#define HEAD_BYTES ((size_t) 512)
#define LABELS_BYTES_MAX ((size_t) 64 << 20)

/* ---- what a file is -------------------------------------------------------------------------------- */

static const char *
last_component(const char *path)
{
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

static bool
ends_with_one_of(const char *path, const char *const *ends)
{
  const char *dot = strrchr(last_component(path), '.');
  for (size_t i = 0; dot != NULL && ends[i] != NULL; i++)
    if (strcasecmp(dot + 1, ends[i]) == 0)
      return true;
  return false;
}

static size_t
depth(const char *path)
{
  size_t count = 0;
  for (const char *at = path; *at != '\0'; at++)
    count += *at == '/';
  return count;
}

static enum archive_file
kind_of(const char *path, const struct buf *head)
{
  static const char *const image_ends[] = {"png",  "jpg",  "jpeg", "jpe", "gif",  "bmp", "tif",
                                           "tiff", "webp", "heic", "ppm", "jfif", NULL};
  static const char *const table_ends[] = {"csv", "tsv", "tab", "txt", NULL};
  if (image_is_known(head->data, head->length))
    return ARCHIVE_FILE_IMAGE;
  if (ends_with_one_of(path, image_ends))
    return ARCHIVE_FILE_BAD;
  if (strcasecmp(last_component(path), "labels.csv") == 0 && depth(path) <= 1)
    return ARCHIVE_FILE_LABELS;
  /* A file compressed by itself has no name to go by. */
  return *path == '\0' || ends_with_one_of(path, table_ends) ? ARCHIVE_FILE_TABLE
                                                             : ARCHIVE_FILE_OTHER;
}

static enum err
refuse_kinds(const char *path, const struct buf *head, struct err_info *info)
{
  if (strcmp(path, "[Content_Types].xml") == 0)
    return err_set(info, ERR_INVALID,
                   "the file is an Excel workbook or another office document; save the sheet as "
                   "CSV and upload that");
  if (archive_is_any(head->data, head->length) && *path == '\0')
    return err_set(info, ERR_INVALID,
                   "the file is compressed twice, or is an archive of another kind than tar; "
                   "unpack it once");
  if (archive_is_any(head->data, head->length))
    return err_set(info, ERR_INVALID,
                   "the archive's entry \"%.120s\" is an archive itself; unpack it and pack its "
                   "files",
                   path);
  if (*path == '\0' && head->length >= 4 && memcmp(head->data, "\0\0\x08", 3) == 0)
    return err_set(info, ERR_INVALID,
                   "this is an IDX file, which comes with another: send both, curl -F images=@FILE "
                   "-F labels=@FILE");
  return ERR_OK;
}

enum err
ingest_archive_walk(struct ingest_archive *archive, struct err_info *info,
                    enum err (*visit)(struct ingest_archive *archive, struct archive_walk *walk,
                                      const char *path, enum archive_file kind, struct buf *head,
                                      struct err_info *info, void *context),
                    void *context)
{
  struct archive_walk *walk = NULL;
  struct buf head = {0};
  const char *path;
  enum err err = archive_walk_open(archive->work->input, &archive->limits, &walk, info);
  while (err == ERR_OK && (err = archive_walk_next(walk, &path, info)) == ERR_OK && path != NULL)
  {
    bool ended;
    head.length = 0;
    struct err_info reason = {0};
    err = archive_walk_read(walk, HEAD_BYTES, &head, &ended, &reason);
    /* A damaged beginning leaves nothing to tell its kind by but the name. */
    if (err != ERR_OK && err != ERR_DIVERGED)
      err_set(info, err, "%s", reason.text);
    else if ((err = refuse_kinds(path, &head, info)) == ERR_OK)
      err = visit(archive, walk, path, kind_of(path, &head), &head, info, context);
  }
  buf_free(&head);
  archive_walk_close(walk);
  return err;
}

enum err
ingest_archive_read_image(struct archive_walk *walk, struct buf *bytes, struct err_info *info)
{
  bool ended;
  enum err err = archive_walk_read(walk, INGEST_IMAGE_BYTES_MAX + 1, bytes, &ended, info);
  if (err == ERR_OK && !ended)
    return err_set(info, ERR_DIVERGED, "it is longer than %zu MB", INGEST_IMAGE_BYTES_MAX >> 20);
  return err;
}

/* ---- the first pass -------------------------------------------------------------------------------- */

static enum err
note_top(struct ingest_archive *archive, const char *path)
{
  size_t length = strcspn(path, "/");
  bool folder = path[length] == '/';
  if (archive->images == 0 && folder)
  {
    archive->top = arena_strndup(archive->arena, path, length);
    return archive->top != NULL ? ERR_OK : ERR_MEMORY;
  }
  if (archive->top != NULL
      && (!folder || strlen(archive->top) != length || strncmp(archive->top, path, length) != 0))
    archive->top = NULL;
  return ERR_OK;
}

static enum err
read_labels(struct ingest_archive *archive, struct archive_walk *walk, struct buf *head,
            struct err_info *info)
{
  bool ended;
  enum err err = archive_walk_read(walk, LABELS_BYTES_MAX, head, &ended, info);
  if (err == ERR_OK && !ended)
    err = err_set(info, ERR_INVALID, "labels.csv is longer than %zu MB", LABELS_BYTES_MAX >> 20);
  if (err == ERR_DIVERGED)
    return err_set(info, ERR_INVALID, "labels.csv can't be read: %s; pack it again",
                   "the archive's copy of it is damaged");
  return err == ERR_OK
           ? image_labels_new(head->data, head->length, "labels.csv", &archive->labels, info)
           : err;
}

static enum err
count_image(struct ingest_archive *archive, struct archive_walk *walk, const char *path,
            struct buf *head, struct err_info *info)
{
  struct image look;
  enum err err = note_top(archive, path);
  if (err != ERR_OK)
    return err_set(info, err, "out of memory");
  archive->images++;
  err = ingest_archive_read_image(walk, head, info);
  if (err == ERR_DIVERGED)
    return ERR_OK;
  if (err != ERR_OK)
    return err;
  /* What is wrong with one image is for the second pass to say. */
  if (image_look(head->data, head->length, &look, NULL) != ERR_OK || look.height == 0
      || look.width == 0 || look.height > UINT16_MAX || look.width > UINT16_MAX
      || look.height > archive->limits_pixels / look.width)
    return ERR_OK;
  if (image_census_add(&archive->census, look.height, look.width, look.channels) != ERR_OK)
    return err_set(info, ERR_MEMORY, "out of memory");
  return ERR_OK;
}

static enum err
count_file(struct ingest_archive *archive, struct archive_walk *walk, const char *path,
           enum archive_file kind, struct buf *head, struct err_info *info, void *context)
{
  (void) context;
  switch (kind)
  {
  case ARCHIVE_FILE_IMAGE:
    return count_image(archive, walk, path, head, info);
  case ARCHIVE_FILE_BAD:
    if (note_top(archive, path) != ERR_OK)
      return err_set(info, ERR_MEMORY, "out of memory");
    archive->images++;
    return ERR_OK;
  case ARCHIVE_FILE_LABELS:
    archive->tables++;
    if (archive->table == NULL)
      archive->table = arena_strdup(archive->arena, path);
    if (archive->labels == NULL)
      archive->labels_path = arena_strdup(archive->arena, path);
    return archive->labels == NULL ? read_labels(archive, walk, head, info) : ERR_OK;
  case ARCHIVE_FILE_TABLE:
    if (archive->tables++ == 0)
      archive->table = arena_strdup(archive->arena, path);
    return ERR_OK;
  case ARCHIVE_FILE_OTHER:
    if (archive->others++ == 0)
      archive->other = arena_strdup(archive->arena, path);
    return ERR_OK;
  }
  return ERR_OK;
}

/* ---- an archive of one table ----------------------------------------------------------------------- */

static enum err
copy_table(struct ingest_archive *archive, struct archive_walk *walk, const char *path,
           enum archive_file kind, struct buf *head, struct err_info *info, void *context)
{
  const struct ingest_work *work = archive->work;
  uint64_t *copied = context;
  enum err err = ERR_OK;
  bool ended = false;
  if ((kind != ARCHIVE_FILE_TABLE && kind != ARCHIVE_FILE_LABELS)
      || strcmp(path, archive->table) != 0)
    return ERR_OK;
  while (err == ERR_OK)
  {
    *copied += head->length;
    if (*copied > work->limits.max_bytes)
      return err_set(info, ERR_INVALID, "the table has more than %llu MB when unpacked",
                     (unsigned long long) (work->limits.max_bytes >> 20));
    err = file_write_fd(work->scratch, head->data, head->length, info);
    if (err != ERR_OK)
      return err_set_errno(info, errno == ENOSPC || errno == EDQUOT ? ERR_UNAVAILABLE : ERR_IO,
                           errno, "could not unpack the table");
    if (ended)
      return ERR_OK;
    head->length = 0;
    err = archive_walk_read(walk, (size_t) 1 << 20, head, &ended, info);
  }
  return err == ERR_DIVERGED
           ? err_set(info, ERR_INVALID,
                     "\"%.120s\" in the archive is damaged; pack and upload it again", path)
           : err;
}

static bool
looks_tabbed(int fd, const char *path)
{
  static const char *const ends[] = {"tsv", "tab", NULL};
  char line[4096];
  ssize_t got = ends_with_one_of(path, ends) ? pread(fd, line, sizeof line, 0) : 0;
  const char *end = got > 0 ? memchr(line, '\n', (size_t) got) : NULL;
  size_t length = end != NULL ? (size_t) (end - line) : got > 0 ? (size_t) got : 0;
  return length > 0 && memchr(line, '\t', length) != NULL;
}

static enum err
ingest_table(struct ingest_archive *archive, struct err_info *info)
{
  struct ingest_work *work = archive->work;
  uint64_t copied = 0;
  enum err err = ERR_OK;
  if (archive->tables > 1)
    return err_set(info, ERR_INVALID,
                   "the archive holds %llu tables; upload each by itself, or join them to one",
                   (unsigned long long) archive->tables);
  if (archive->table == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  err = ingest_archive_walk(archive, info, copy_table, &copied);
  if (err != ERR_OK)
    return err;
  struct ingest_work table = *work;
  table.input = work->scratch;
  if (table.delimiter == 0 && looks_tabbed(table.input, archive->table))
    table.delimiter = '\t';
  err = ingest_csv(&table, info);
  work->schema = table.schema;
  work->bytes = table.bytes;
  return err;
}

/* ---- both ------------------------------------------------------------------------------------------ */

static enum err
read_given_labels(struct ingest_archive *archive, struct err_info *info)
{
  struct buf text = {0};
  enum err err = file_read_fd(archive->work->labels, LABELS_BYTES_MAX, &text, info);
  if (err == ERR_OK)
    err = image_labels_new(text.data != NULL ? text.data : "", text.length, "labels",
                           &archive->labels, info);
  buf_free(&text);
  return err;
}

/* labels.csv lies at the top, or in the one folder all images are in. */
static void
settle_top(struct ingest_archive *archive)
{
  const char *path = archive->labels_path;
  archive->top_length = archive->top != NULL ? strlen(archive->top) + 1 : 0;
  bool belongs =
    path == NULL || depth(path) == 0
    || (archive->top != NULL && strncmp(path, archive->top, archive->top_length - 1) == 0
        && path[archive->top_length - 1] == '/');
  if (belongs)
    return;
  image_labels_free(archive->labels);
  archive->labels = NULL;
}

static enum err
nothing_found(const struct ingest_archive *archive, struct err_info *info)
{
  if (archive->others > 0)
    return err_set(info, ERR_INVALID,
                   "the archive holds no PNG or JPEG images and no CSV; its first file is "
                   "\"%.120s\"",
                   archive->other != NULL ? archive->other : "");
  return err_set(info, ERR_INVALID,
                 "the archive is empty; pack one folder of images for each class, or one CSV");
}

enum err
ingest_archive(struct ingest_work *work, struct err_info *info)
{
  struct ingest_archive archive = {
    .work = work,
    .arena = arena_new(0),
    .limits = {.max_entries = work->limits.max_entries, .max_bytes = work->limits.max_unpacked},
    .limits_pixels = (size_t) work->limits.max_pixels,
    .warnings = json_array()};
  enum err err = archive.arena == NULL || archive.warnings == NULL
                   ? err_set(info, ERR_MEMORY, "out of memory")
                   : ERR_OK;
  if (err == ERR_OK && work->labels >= 0)
    err = read_given_labels(&archive, info);
  if (err == ERR_OK)
    err = ingest_archive_walk(&archive, info, count_file, NULL);
  if (err == ERR_OK)
  {
    settle_top(&archive);
    err = archive.images > 0   ? ingest_images(&archive, info)
          : archive.tables > 0 ? ingest_table(&archive, info)
                               : nothing_found(&archive, info);
  }
  image_labels_free(archive.labels);
  image_census_free(&archive.census);
  json_decref(archive.warnings);
  arena_free(archive.arena);
  return err;
}
