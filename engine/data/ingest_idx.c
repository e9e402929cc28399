#include <config.h>

#include "data/ingest_work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset_write.h"
#include "data/idx.h"

#define MAX_SIDE 4096
#define LABEL_VALUES 256
#define READ_PIXELS ((size_t) 1 << 20)

/* State of one pair of files. */
struct pair
{
  struct ingest_work *work;
  struct idx_reader *images, *labels;
  uint64_t count, height, width, channels;
  uint8_t *label_bytes;
  uint64_t class_rows[LABEL_VALUES];
  int32_t class_of[LABEL_VALUES]; /* label value → class, ascending */
  struct dataset_writer *writer;
};

static enum err
check_shapes(struct pair *pair, struct err_info *info)
{
  size_t image_dims = idx_dim_count(pair->images), label_dims = idx_dim_count(pair->labels);
  if (image_dims == 1 && label_dims >= 3)
    return err_set(
      info, ERR_INVALID,
      "the two files are swapped: \"images\" holds labels and \"labels\" holds images");
  if (image_dims < 3)
    return err_set(
      info, ERR_INVALID,
      "the images file has %zu dimensions; it needs 3 (images, rows, columns) or 4 (and "
      "channels)",
      image_dims);
  if (label_dims != 1)
    return err_set(info, ERR_INVALID, "the labels file has %zu dimensions; it needs 1", label_dims);
  pair->count = idx_dim(pair->images, 0);
  pair->height = idx_dim(pair->images, 1);
  pair->width = idx_dim(pair->images, 2);
  pair->channels = image_dims == 4 ? idx_dim(pair->images, 3) : 1;
  uint64_t labels = idx_dim(pair->labels, 0);
  if (pair->count != labels)
    return err_set(info, ERR_INVALID, "there are %llu images and %llu labels; each image needs one",
                   (unsigned long long) pair->count, (unsigned long long) labels);
  if (pair->count == 0)
    return err_set(info, ERR_INVALID, "the images file holds no images");
  if (pair->count > pair->work->limits.max_rows)
    return err_set(info, ERR_INVALID, "there are more than %llu images",
                   (unsigned long long) pair->work->limits.max_rows);
  if (pair->height == 0 || pair->width == 0 || pair->height > MAX_SIDE || pair->width > MAX_SIDE)
    return err_set(info, ERR_INVALID, "images of %llu × %llu pixels can't be read; 1 to %d a side",
                   (unsigned long long) pair->height, (unsigned long long) pair->width, MAX_SIDE);
  if (pair->channels != 1 && pair->channels != 3 && pair->channels != 4)
    return err_set(info, ERR_INVALID, "images of %llu channels can't be read; 1, 3 or 4",
                   (unsigned long long) pair->channels);
  return ERR_OK;
}

/* At most max_rows bytes, one a row, and no more than the file holds. */
static enum err
read_labels(struct pair *pair, struct err_info *info)
{
  size_t have = 0, capacity = 0;
  while (have < pair->count)
  {
    size_t part = READ_PIXELS < pair->count - have ? READ_PIXELS : (size_t) (pair->count - have);
    if (capacity < have + part)
    {
      capacity = (have + part) * 2;
      uint8_t *grown = realloc(pair->label_bytes, capacity);
      if (grown == NULL)
        return err_set(info, ERR_MEMORY, "out of memory");
      pair->label_bytes = grown;
    }
    enum err err = idx_read(pair->labels, pair->label_bytes + have, part, info);
    if (err != ERR_OK)
      return err;
    have += part;
  }
  for (size_t i = 0; i < have; i++)
    pair->class_rows[pair->label_bytes[i]]++;
  int32_t classes = 0;
  for (size_t v = 0; v < LABEL_VALUES; v++)
    pair->class_of[v] = pair->class_rows[v] > 0 ? classes++ : -1;
  return idx_check_end(pair->labels, info);
}

static enum err
write_failed(enum err err, struct err_info *info)
{
  if (err == ERR_MEMORY)
    return err_set(info, err, "out of memory");
  return err_set_errno(info, errno == ENOSPC || errno == EDQUOT ? ERR_UNAVAILABLE : ERR_IO, errno,
                       "could not write the dataset");
}

static enum err
copy_pixels(struct pair *pair, struct err_info *info)
{
  uint64_t left = pair->count * pair->height * pair->width * pair->channels;
  uint8_t *pixels = malloc(READ_PIXELS);
  enum err err = pixels != NULL ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
  while (err == ERR_OK && left > 0)
  {
    size_t part = left < READ_PIXELS ? (size_t) left : READ_PIXELS;
    err = idx_read(pair->images, pixels, part, info);
    if (err != ERR_OK)
      break;
    err = dataset_writer_pixels(pair->writer, pixels, part);
    if (err != ERR_OK)
      write_failed(err, info);
    left -= part;
  }
  free(pixels);
  if (err == ERR_OK)
    err = idx_check_end(pair->images, info);
  for (size_t i = 0; err == ERR_OK && i < pair->count; i++)
  {
    err = dataset_writer_label(pair->writer, pair->class_of[pair->label_bytes[i]]);
    if (err != ERR_OK)
      write_failed(err, info);
  }
  return err;
}

static json_t *
make_schema(const struct pair *pair)
{
  json_t *classes = json_array();
  for (size_t v = 0; v < LABEL_VALUES; v++)
  {
    char name[8];
    if (pair->class_of[v] < 0)
      continue;
    snprintf(name, sizeof name, "%zu", v);
    json_array_append_new(
      classes, json_pack("{s:s, s:I}", "name", name, "count", (json_int_t) pair->class_rows[v]));
  }
  return json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:[]}", "kind", "images", "rows",
                   (json_int_t) pair->count, "height", (json_int_t) pair->height, "width",
                   (json_int_t) pair->width, "channels", (json_int_t) pair->channels, "classes",
                   classes, "warnings");
}

static enum err
convert(struct pair *pair, struct err_info *info)
{
  enum err err = check_shapes(pair, info);
  if (err == ERR_OK)
    err = read_labels(pair, info);
  if (err == ERR_OK)
    err = dataset_writer_images(pair->work->output, pair->count, pair->height, pair->width,
                                pair->channels, &pair->writer, info);
  if (err == ERR_OK)
    err = copy_pixels(pair, info);
  if (err != ERR_OK)
    return err;
  pair->work->schema = make_schema(pair);
  if (pair->work->schema == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  return dataset_writer_finish(pair->writer, NULL, pair->work->schema, &pair->work->bytes, info);
}

enum err
ingest_idx(struct ingest_work *work, struct err_info *info)
{
  struct pair pair = {.work = work};
  enum err err = idx_open(work->input, "images", work->limits.max_bytes, &pair.images, info);
  if (err == ERR_OK)
    err = idx_open(work->labels, "labels", work->limits.max_bytes, &pair.labels, info);
  if (err == ERR_OK)
    err = convert(&pair, info);
  dataset_writer_free(pair.writer);
  free(pair.label_bytes);
  idx_close(pair.labels);
  idx_close(pair.images);
  return err;
}
