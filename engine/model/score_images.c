#include <config.h>

#include "model/score_images.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/csv_write.h"
#include "data/image.h"
#include "model/score_write.h"

/* One part at most: files, bytes of pixels at the model's size. */
#define PART_FILES ((size_t) 64)
#define PART_PIXEL_BYTES ((size_t) 32 << 20)
/* An encoded image that has more is at fault. */
#define FILE_MOST_BYTES ((size_t) 64 << 20)

struct score_images
{
  struct model_about about;
  const struct model *model;
  struct model_workspace *workspace;
  struct archive_walk *walk;
  struct score_place place;
  size_t most_pixels, image_bytes, part_files;
  uint8_t *pixels;  /* (part_files, image_bytes) of the good ones */
  float *outputs;   /* (part_files, output_count) */
  struct buf file;  /* the encoded image */
  struct buf texts; /* names and faults, each ended by a NUL */
};

/* A file of the part: where its texts begin. */
struct item
{
  size_t name, fault;
  bool good;
};

void
score_images_close(struct score_images *score)
{
  if (score == NULL)
    return;
  archive_walk_close(score->walk);
  model_workspace_free(score->workspace);
  buf_free(&score->file);
  buf_free(&score->texts);
  free(score->pixels);
  free(score->outputs);
  free(score);
}

enum err
score_images_open(const struct model *model, int fd, const struct score_images_options *options,
                  struct score_images **result, struct err_info *info)
{
  *result = NULL;
  struct score_images *score = calloc(1, sizeof *score);
  if (score == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  score->model = model;
  score->most_pixels = options->most_pixels;
  model_about(model, &score->about);
  if (!isnan(options->threshold))
    score->about.decision =
      (struct decision){.has_threshold = true, .threshold = options->threshold};
  score->image_bytes = score->about.height * score->about.width * score->about.channels;
  enum err err = ERR_OK;
  if (score->about.input != DATASET_IMAGES || score->image_bytes == 0)
    err = err_set(info, ERR_INVALID, "this model takes rows, not images");
  else
  {
    size_t fits = PART_PIXEL_BYTES / score->image_bytes;
    score->part_files = fits < 1 ? 1 : fits < PART_FILES ? fits : PART_FILES;
    score->workspace = model_workspace_new();
    score->pixels = calloc(score->part_files, score->image_bytes);
    score->outputs =
      calloc(score->part_files * score->about.task->output_count, sizeof *score->outputs);
    if (score->workspace == NULL || score->pixels == NULL || score->outputs == NULL)
      err = err_set(info, ERR_MEMORY, "out of memory");
  }
  if (err == ERR_OK)
    err = archive_walk_open(fd, &options->limits, &score->walk, info);
  if (err != ERR_OK)
  {
    score_images_close(score);
    return err;
  }
  *result = score;
  return ERR_OK;
}

struct score_place
score_images_place(const struct score_images *score)
{
  return score->place;
}

enum err
score_images_seek(struct score_images *score, const struct score_place *place,
                  struct err_info *info)
{
  const char *path = "";
  enum err err = ERR_OK;
  score->place = *place;
  for (uint64_t i = 0; i < place->rows && err == ERR_OK && path != NULL; i++)
    err = archive_walk_next(score->walk, &path, info);
  return err;
}

/* Reads and decodes the walk's file; ERR_INVALID with a sentence when that file is at fault, *lost when none can be
 * read after it. */
static enum err
load(struct score_images *score, uint8_t *out, bool *lost, struct err_info *info)
{
  bool ended = false;
  size_t height, width;
  score->file.length = 0;
  enum err err = archive_walk_read(score->walk, FILE_MOST_BYTES, &score->file, &ended, info);
  *lost = err != ERR_OK && err != ERR_DIVERGED;
  if (err != ERR_OK)
    return err == ERR_DIVERGED ? ERR_INVALID : err;
  if (!ended)
    return err_set(info, ERR_INVALID, "the file is larger than %zu bytes", FILE_MOST_BYTES);
  const char *bytes = score->file.length > 0 ? score->file.data : "";
  err = image_probe(bytes, score->file.length, &height, &width, info);
  if (err != ERR_OK)
    return err;
  if (width == 0 || height > score->most_pixels / width)
    return err_set(info, ERR_INVALID,
                   "the image has %zu x %zu pixels; at most %zu pixels are taken", width, height,
                   score->most_pixels);
  return image_load(bytes, score->file.length, score->most_pixels, score->about.height,
                    score->about.width, score->about.channels, out, info);
}

static size_t
keep_text(struct score_images *score, const char *text)
{
  size_t at = score->texts.length;
  buf_append(&score->texts, text, strlen(text) + 1);
  return at;
}

/* Reads the part's files. */
static enum err
read_part(struct score_images *score, struct item *items, size_t *count, size_t *good,
          struct err_info *info)
{
  *count = *good = 0;
  score->texts.length = 0;
  while (*count < score->part_files)
  {
    struct item *item = &items[*count];
    struct err_info reason = {0};
    const char *path = NULL;
    bool lost = false;
    enum err err = archive_walk_next(score->walk, &path, info);
    if (err != ERR_OK || path == NULL)
      return err;
    item->name = keep_text(score, path);
    err = load(score, score->pixels + *good * score->image_bytes, &lost, &reason);
    if (err != ERR_OK && (lost || err == ERR_MEMORY))
      return err_set(info, err, "%s", reason.text);
    item->good = err == ERR_OK;
    item->fault = keep_text(score, reason.text);
    *good += item->good;
    ++*count;
  }
  return ERR_OK;
}

static bool
is_file(const void *context, const char *name)
{
  (void) context;
  return strcmp(name, "file") == 0;
}

static void
write_part(struct score_images *score, const struct item *items, size_t count, struct buf *out)
{
  size_t next = 0, width = score->about.task->output_count;
  for (size_t i = 0; i < count; i++)
  {
    const char *name = score->texts.data + items[i].name;
    const char *fault = items[i].good ? "" : score->texts.data + items[i].fault;
    csv_write_field(name, strlen(name), *name == '\0', out);
    score_write_numbers(&score->about, (double) NAN,
                        items[i].good ? score->outputs + next * width : NULL, out);
    buf_append(out, ",", 1);
    csv_write_field(fault, strlen(fault), false, out);
    buf_append(out, ",\n", 2);
    next += items[i].good;
  }
}

enum err
score_images_next(struct score_images *score, struct buf *out, struct err_info *info)
{
  struct item items[PART_FILES];
  size_t count, good;
  enum err err = read_part(score, items, &count, &good, info);
  if (err == ERR_OK && good > 0)
    err = model_predict_images(score->model, score->workspace, score->pixels, good, score->outputs,
                               info);
  if (err == ERR_OK && score->texts.failed)
    err = err_set(info, ERR_MEMORY, "out of memory for the answers");
  if (err != ERR_OK)
    return err;
  if (score->place.bytes == 0)
  {
    buf_append_text(out, "file");
    score_write_columns(&score->about, (double) NAN, is_file, NULL, out);
  }
  write_part(score, items, count, out);
  score->place.rows += count;
  score->place.faulty += count - good;
  score->place.bytes = score->place.rows;
  score->place.ended = count < score->part_files;
  return out->failed ? err_set(info, ERR_MEMORY, "out of memory for the answers") : ERR_OK;
}
