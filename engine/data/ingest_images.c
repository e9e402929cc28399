#include <config.h>

#include "data/ingest_images.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "data/atds.h"
#include "data/dataset_write.h"
#include "data/dictionary.h"
#include "data/image.h"

#define NAMED_MAX 20 /* images left out that are named one by one */
#define IMAGES_LEAST 10
#define CLASSES_LEAST 2
#define CLASS_BYTES_MAX 200

/* State of the second pass. */
struct pictures
{
  struct ingest_archive *archive;
  struct dataset_writer *writer;
  struct dictionary *classes; /* as they come */
  size_t height, width, channels;
  uint8_t *fitted;
  int32_t *labels; /* of the images taken, by the dictionary */
  size_t seen, taken, left_out;
};

static enum err
write_failed(enum err err, struct err_info *info)
{
  if (err == ERR_MEMORY)
    return err_set(info, err, "out of memory");
  return err_set_errno(info, errno == ENOSPC || errno == EDQUOT ? ERR_UNAVAILABLE : ERR_IO, errno,
                       "could not write the dataset");
}

/* Names an image that can't be used: in the warnings, and in the faults if the upload fails for it. */
static enum err
leave_out(struct pictures *pictures, const char *path, const char *reason, struct err_info *info)
{
  struct ingest_archive *archive = pictures->archive;
  if (pictures->left_out++ >= NAMED_MAX)
    return ERR_OK;
  const char *shown = arena_strndup(archive->arena, path, text_utf8_cut(path, strlen(path), 160));
  const char *text =
    shown != NULL ? arena_printf(archive->arena, "%s was left out: %s", shown, reason) : NULL;
  if (text == NULL || json_array_append_new(archive->warnings, json_string(text)) != 0)
    return err_set(info, ERR_MEMORY, "out of memory");
  return ERR_OK;
}

/* The class of an image, or NULL with why it has none. */
static const char *
class_of(struct pictures *pictures, const char *path, size_t *length, const char **reason)
{
  const struct ingest_archive *archive = pictures->archive;
  const char *inner = path + archive->top_length, *slash = strrchr(inner, '/');
  if (archive->labels != NULL)
  {
    const char *label =
      image_labels_find(archive->labels, path, archive->top_length, pictures->seen);
    *length = label != NULL ? strlen(label) : 0;
    *reason = "the list of labels does not name it";
    return label;
  }
  *reason = "it is in no class folder";
  if (slash == NULL)
    return NULL;
  const char *start = slash;
  while (start > inner && start[-1] != '/')
    start--;
  *length = (size_t) (slash - start);
  return start;
}

/* Decodes, fits and stores one image. ERR_DIVERGED: it can't be used, *reason says why. */
static enum err
store_image(struct pictures *pictures, const struct buf *bytes, const char *class_name,
            size_t class_length, struct err_info *info)
{
  enum err err =
    image_load(bytes->data, bytes->length, pictures->archive->limits_pixels, pictures->height,
               pictures->width, pictures->channels, pictures->fitted, info);
  if (err == ERR_INVALID || err == ERR_LIMIT)
    return ERR_DIVERGED;
  if (err != ERR_OK)
    return err;
  int32_t label = dictionary_add(pictures->classes, class_name, class_length);
  if (label < 0)
    return err_set(info, ERR_MEMORY, "out of memory");
  if (label >= (int32_t) ATDS_MAX_CLASSES)
    return err_set(info, ERR_INVALID, "there are more than %u classes", ATDS_MAX_CLASSES);
  err = dataset_writer_pixels(pictures->writer, pictures->fitted,
                              pictures->height * pictures->width * pictures->channels);
  if (err != ERR_OK)
    return write_failed(err, info);
  pictures->labels[pictures->taken++] = label;
  return ERR_OK;
}

static const char *
why_bad(const char *path, const struct buf *head)
{
  const char *dot = strrchr(path, '.');
  if (head->length == 0)
    return "it is empty";
  if (dot != NULL && (strcasecmp(dot, ".png") == 0 || strncasecmp(dot, ".jp", 3) == 0))
    return "it is called an image but is neither a PNG nor a JPEG";
  return "it is neither a PNG nor a JPEG; save it as one";
}

static enum err
take_file(struct ingest_archive *archive, struct archive_walk *walk, const char *path,
          enum archive_file kind, struct buf *head, struct err_info *info, void *context)
{
  struct pictures *pictures = context;
  struct err_info reason = {0};
  const char *missing;
  size_t length = 0;
  enum err err;
  if (kind != ARCHIVE_FILE_IMAGE && kind != ARCHIVE_FILE_BAD)
    return ERR_OK;
  if (pictures->seen >= archive->images)
    return err_set(info, ERR_INTERNAL, "the archive changed while it was read");
  const char *class_name = class_of(pictures, path, &length, &missing);
  pictures->seen++;
  if (kind == ARCHIVE_FILE_BAD)
    return leave_out(pictures, path, why_bad(path, head), info);
  if (class_name == NULL || length == 0)
    return leave_out(pictures, path, missing, info);
  if (length > CLASS_BYTES_MAX)
    return leave_out(pictures, path, "the name of its class is longer than 200 bytes", info);
  err = ingest_archive_read_image(walk, head, &reason);
  if (err == ERR_OK)
    err = store_image(pictures, head, class_name, length, &reason);
  if (err == ERR_DIVERGED)
    return leave_out(pictures, path, reason.text, info);
  return err != ERR_OK ? err_set(info, err, "%s", reason.text) : ERR_OK;
}

/* ---- what came of it ------------------------------------------------------------------------------- */

/* Why an upload fails, then the images that were left out. */
static void
add_faults(struct ingest_archive *archive, const char *why)
{
  size_t index;
  json_t *item;
  json_fault_add(archive->work->faults, "/file", NULL, "%s", why);
  json_array_foreach(archive->warnings, index, item)
  {
    json_fault_add(archive->work->faults, "/file", NULL, "%s", json_string_value(item));
  }
}

static enum err
check_enough(struct pictures *pictures, struct err_info *info)
{
  struct ingest_archive *archive = pictures->archive;
  size_t classes = dictionary_count(pictures->classes);
  struct err_info why = {0};
  enum err err = ERR_OK;
  if (pictures->left_out * 2 > pictures->seen)
    err = err_set(&why, ERR_INVALID, "%zu of %zu images can't be used, which is more than half; %s",
                  pictures->left_out, pictures->seen,
                  archive->labels != NULL
                    ? "check the files and the list of labels"
                    : "put each class into a folder of its own, or add labels.csv (file,label)");
  else if (classes < CLASSES_LEAST)
    err = err_set(&why, ERR_INVALID,
                  "all images are of one class, \"%.80s\", so there is nothing to tell apart; "
                  "make one folder for each class",
                  classes > 0 ? dictionary_texts(pictures->classes)[0] : "");
  else if (pictures->taken < IMAGES_LEAST)
    err = err_set(&why, ERR_INVALID, "there %s only %zu image%s; at least %d are needed",
                  pictures->taken == 1 ? "is" : "are", pictures->taken,
                  pictures->taken == 1 ? "" : "s", IMAGES_LEAST);
  if (err == ERR_OK)
    return ERR_OK;
  add_faults(archive, why.text);
  return err_set(info, err, "%s", why.text);
}

static enum err
add_warning(struct ingest_archive *archive, const char *text, struct err_info *info)
{
  if (text == NULL || json_array_append_new(archive->warnings, json_string(text)) != 0)
    return err_set(info, ERR_MEMORY, "out of memory");
  return ERR_OK;
}

static enum err
add_notes(struct pictures *pictures, struct err_info *info)
{
  struct ingest_archive *archive = pictures->archive;
  const struct image_census *census = &archive->census;
  enum err err = ERR_OK;
  if (pictures->left_out > NAMED_MAX)
    err = add_warning(archive,
                      arena_printf(archive->arena, "and %zu more images were left out",
                                   pictures->left_out - NAMED_MAX),
                      info);
  if (err == ERR_OK && image_census_differs(census, pictures->height, pictures->width))
    err = add_warning(
      archive,
      arena_printf(archive->arena,
                   "images were resized from %zu×%zu…%zu×%zu to %zu×%zu (width×height); "
                   "the field image_size asks for another size",
                   census->small_width, census->small_height, census->large_width,
                   census->large_height, pictures->width, pictures->height),
      info);
  if (err == ERR_OK && archive->others > 0)
    err = add_warning(archive,
                      arena_printf(archive->arena,
                                   "%llu files that are no images were passed over, such as %.160s",
                                   (unsigned long long) archive->others, archive->other),
                      info);
  return err;
}

/* ---- classes in the order of their names ----------------------------------------------------------- */

struct class_entry
{
  const char *name;
  int32_t found; /* number in the dictionary */
};

static int
compare_classes(const void *a, const void *b)
{
  return strcmp(((const struct class_entry *) a)->name, ((const struct class_entry *) b)->name);
}

static json_t *
original_sizes(const struct image_census *census)
{
  return json_pack("{s:{s:I, s:I}, s:{s:I, s:I}}", "smallest", "height",
                   (json_int_t) census->small_height, "width", (json_int_t) census->small_width,
                   "largest", "height", (json_int_t) census->large_height, "width",
                   (json_int_t) census->large_width);
}

static enum err
write_labels(struct pictures *pictures, struct err_info *info)
{
  struct ingest_archive *archive = pictures->archive;
  size_t count = dictionary_count(pictures->classes);
  struct class_entry *entries = arena_array(archive->arena, count, sizeof *entries);
  int32_t *place = arena_array(archive->arena, count, sizeof *place);
  json_int_t *rows = arena_array(archive->arena, count, sizeof *rows);
  json_t *classes = json_array();
  enum err err = ERR_OK;
  if (entries == NULL || place == NULL || rows == NULL || classes == NULL)
  {
    json_decref(classes);
    return err_set(info, ERR_MEMORY, "out of memory");
  }
  for (size_t k = 0; k < count; k++)
    entries[k] = (struct class_entry){dictionary_texts(pictures->classes)[k], (int32_t) k};
  qsort(entries, count, sizeof *entries, compare_classes);
  for (size_t k = 0; k < count; k++)
    place[entries[k].found] = (int32_t) k;
  for (size_t i = 0; err == ERR_OK && i < pictures->taken; i++)
  {
    int32_t label = place[pictures->labels[i]];
    rows[label]++;
    err = dataset_writer_label(pictures->writer, label);
  }
  if (err != ERR_OK)
    write_failed(err, info);
  for (size_t k = 0; k < count; k++)
    json_array_append_new(classes,
                          json_pack("{s:s, s:I}", "name", entries[k].name, "count", rows[k]));
  archive->work->schema = json_pack(
    "{s:s, s:I, s:I, s:I, s:I, s:o, s:O}", "kind", "images", "rows", (json_int_t) pictures->taken,
    "height", (json_int_t) pictures->height, "width", (json_int_t) pictures->width, "channels",
    (json_int_t) pictures->channels, "classes", classes, "warnings", archive->warnings);
  if (err == ERR_OK
      && (archive->work->schema == NULL
          || json_object_set_new(archive->work->schema, "original_sizes",
                                 original_sizes(&archive->census))
               != 0))
    err = err_set(info, ERR_MEMORY, "out of memory");
  return err;
}

/* ---- all of it ------------------------------------------------------------------------------------- */

static enum err
begin(struct pictures *pictures, struct err_info *info)
{
  struct ingest_archive *archive = pictures->archive;
  const struct ingest_work *work = archive->work;
  uint64_t bytes;
  image_census_settle(&archive->census, work->image_height, work->image_width, &pictures->height,
                      &pictures->width, &pictures->channels);
  size_t each = pictures->height * pictures->width * pictures->channels;
  if (archive->images > work->limits.max_rows)
    return err_set(info, ERR_INVALID, "there are more than %llu images",
                   (unsigned long long) work->limits.max_rows);
  if (__builtin_mul_overflow(archive->images, (uint64_t) each + 4, &bytes)
      || bytes > work->limits.max_output)
    return err_set(info, ERR_INVALID,
                   "%llu images of %zu×%zu are more than %llu MB; ask for smaller ones with the "
                   "field image_size, such as 64x64",
                   (unsigned long long) archive->images, pictures->width, pictures->height,
                   (unsigned long long) (work->limits.max_output >> 20));
  pictures->fitted = malloc(each);
  pictures->labels = calloc(archive->images, sizeof *pictures->labels);
  pictures->classes = dictionary_new();
  if (pictures->fitted == NULL || pictures->labels == NULL || pictures->classes == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  return dataset_writer_images(work->output, archive->images, pictures->height, pictures->width,
                               pictures->channels, &pictures->writer, info);
}

enum err
ingest_images(struct ingest_archive *archive, struct err_info *info)
{
  struct pictures pictures = {.archive = archive};
  enum err err = begin(&pictures, info);
  if (err == ERR_OK)
    err = ingest_archive_walk(archive, info, take_file, &pictures);
  if (err == ERR_OK)
    err = check_enough(&pictures, info);
  if (err == ERR_OK)
    err = add_notes(&pictures, info);
  if (err == ERR_OK)
    err = dataset_writer_fewer(pictures.writer, pictures.taken);
  if (err == ERR_INTERNAL)
    err_set(info, err, "the images could not be put together");
  if (err == ERR_OK)
    err = write_labels(&pictures, info);
  if (err == ERR_OK)
    err = dataset_writer_finish(pictures.writer, NULL, archive->work->schema, &archive->work->bytes,
                                info);
  dataset_writer_free(pictures.writer);
  dictionary_free(pictures.classes);
  free(pictures.labels);
  free(pictures.fitted);
  return err;
}
