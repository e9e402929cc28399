#include <config.h>

#include "data/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "data/atds.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "datasets are mapped as they are, so the machine must be little-endian"
#endif

struct dataset
{
  enum dataset_kind kind;
  const unsigned char *bytes;
  size_t length;
  size_t row_count;
  json_t *schema;
  struct arena *arena; /* columns, name pointers */
  struct table table;
  struct image_set images;
};

static uint32_t
get_u32(const unsigned char *bytes)
{
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

static uint64_t
get_u64(const unsigned char *bytes)
{
  uint64_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

/* The array of items × size bytes at `offset`, or NULL when it does not lie inside the file. */
static const void *
array_at(const struct dataset *dataset, uint64_t offset, uint64_t items, uint64_t size)
{
  uint64_t bytes;
  if (__builtin_mul_overflow(items, size, &bytes) || offset % 8 != 0 || offset < ATDS_HEAD_BYTES
      || offset > dataset->length || bytes > dataset->length - offset)
    return NULL;
  return dataset->bytes + offset;
}

static enum err
damaged(struct err_info *info, const char *what)
{
  return err_set(info, ERR_INVALID, "the dataset file is damaged: %s", what);
}

static enum err
read_head(struct dataset *dataset, struct err_info *info)
{
  const unsigned char *head = dataset->bytes;
  if (dataset->length < ATDS_HEAD_BYTES || memcmp(head, ATDS_MAGIC, ATDS_MAGIC_BYTES) != 0)
    return err_set(info, ERR_INVALID, "this is not a dataset file");
  uint32_t version = get_u32(head + ATDS_AT_VERSION);
  if (version != ATDS_VERSION)
    return err_set(info, ERR_INVALID,
                   "the dataset file has format version %u, this program reads %u", version,
                   ATDS_VERSION);
  uint32_t kind = get_u32(head + ATDS_AT_KIND);
  if (kind != DATASET_TABLE && kind != DATASET_IMAGES)
    return damaged(info, "unknown kind");
  dataset->kind = (enum dataset_kind) kind;
  if (get_u64(head + ATDS_AT_FILE_LENGTH) != dataset->length)
    return damaged(info, "its length is not the one it states");
  dataset->row_count = get_u64(head + ATDS_AT_ROWS);
  uint64_t schema_length = get_u64(head + ATDS_AT_SCHEMA_LENGTH);
  const char *schema = array_at(dataset, get_u64(head + ATDS_AT_SCHEMA), schema_length, 1);
  if (schema == NULL || schema_length > ATDS_MAX_SCHEMA_BYTES)
    return damaged(info, "its schema lies outside the file");
  struct err_info reason = {0};
  enum err err = json_parse(schema, schema_length, 16, &dataset->schema, &reason);
  if (err == ERR_MEMORY)
    return err_set(info, ERR_MEMORY, "out of memory");
  if (err != ERR_OK || !json_is_object(dataset->schema))
    return damaged(info, "its schema is not a JSON object");
  return ERR_OK;
}

static bool
read_dictionary(struct dataset *dataset, const unsigned char *entry, struct column *column)
{
  uint64_t length = get_u64(entry + ATDS_AT_DICT_LENGTH);
  uint64_t count = get_u64(entry + ATDS_AT_CATEGORIES);
  const char *bytes = array_at(dataset, get_u64(entry + ATDS_AT_DICT), length, 1);
  if (bytes == NULL || count > length || count > INT32_MAX
      || (length > 0 && bytes[length - 1] != '\0') || !text_utf8_valid(bytes, length, NULL))
    return false;
  const char **values = arena_array(dataset->arena, count, sizeof *values);
  if (values == NULL)
    return false;
  size_t at = 0;
  for (size_t i = 0; i < count; i++)
  {
    if (at >= length)
      return false;
    values[i] = bytes + at;
    at += strlen(bytes + at) + 1;
  }
  column->categories = values;
  column->category_count = count;
  return at == length;
}

static bool
codes_in_range(const int32_t *codes, size_t rows, int32_t first, size_t count)
{
  int32_t least = first, most = -1;
  for (size_t i = 0; i < rows; i++)
  {
    least = codes[i] < least ? codes[i] : least;
    most = codes[i] > most ? codes[i] : most;
  }
  return least >= first && most < (int64_t) count;
}

static bool
read_text(const struct dataset *dataset, const unsigned char *entry, uint64_t data,
          struct column *column)
{
  if (dataset->row_count == SIZE_MAX)
    return false;
  uint64_t length = get_u64(entry + ATDS_AT_TEXT_LENGTH);
  column->text = array_at(dataset, get_u64(entry + ATDS_AT_TEXT), length, 1);
  column->offset = array_at(dataset, data, dataset->row_count + 1, sizeof(uint64_t));
  if (column->text == NULL || column->offset == NULL || column->offset[0] != 0
      || column->offset[dataset->row_count] != length)
    return false;
  bool rising = true;
  for (size_t i = 0; i < dataset->row_count; i++)
    rising = rising && column->offset[i] <= column->offset[i + 1];
  return rising;
}

static bool
read_column(struct dataset *dataset, const unsigned char *entry, struct column *column)
{
  uint64_t data = get_u64(entry + ATDS_AT_DATA);
  switch (column->type)
  {
  case COLUMN_NUMERIC:
  case COLUMN_DATETIME:
    column->number = array_at(dataset, data, dataset->row_count, sizeof(double));
    return column->number != NULL;
  case COLUMN_CATEGORICAL:
  case COLUMN_BOOLEAN:
    column->code = array_at(dataset, data, dataset->row_count, sizeof(int32_t));
    return column->code != NULL && read_dictionary(dataset, entry, column)
           && (column->type != COLUMN_BOOLEAN || column->category_count == 2)
           && codes_in_range(column->code, dataset->row_count, -1, column->category_count);
  case COLUMN_TEXT:
  case COLUMN_IDENTIFIER:
    return read_text(dataset, entry, data, column);
  }
  return false;
}

static enum err
read_table(struct dataset *dataset, struct err_info *info)
{
  const unsigned char *head = dataset->bytes;
  uint64_t count = get_u64(head + ATDS_AT_COLUMNS);
  const unsigned char *directory =
    array_at(dataset, get_u64(head + ATDS_AT_DIRECTORY), count, ATDS_ENTRY_BYTES);
  const json_t *list = json_object_get(dataset->schema, "columns");
  if (directory == NULL || count == 0 || count > ATDS_MAX_COLUMNS || json_array_size(list) != count)
    return damaged(info, "its list of columns does not fit");
  struct column *columns = arena_array(dataset->arena, count, sizeof *columns);
  if (columns == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t c = 0; c < count; c++)
  {
    const unsigned char *entry = directory + c * ATDS_ENTRY_BYTES;
    const json_t *item = json_array_get(list, c);
    const char *type = json_string_value(json_object_get(item, "type"));
    columns[c].name = json_string_value(json_object_get(item, "name"));
    if (columns[c].name == NULL || type == NULL || !column_type_parse(type, &columns[c].type)
        || get_u32(entry + ATDS_AT_TYPE) != (uint32_t) columns[c].type
        || !read_column(dataset, entry, &columns[c]))
      return damaged(info, "a column does not fit its description");
  }
  dataset->table =
    (struct table){.row_count = dataset->row_count, .column_count = count, .columns = columns};
  return ERR_OK;
}

static enum err
read_images(struct dataset *dataset, struct err_info *info)
{
  const unsigned char *head = dataset->bytes;
  struct image_set *images = &dataset->images;
  images->count = dataset->row_count;
  images->height = get_u64(head + ATDS_AT_HEIGHT);
  images->width = get_u64(head + ATDS_AT_WIDTH);
  images->channels = get_u64(head + ATDS_AT_CHANNELS);
  images->class_count = get_u64(head + ATDS_AT_CLASSES);
  const json_t *classes = json_object_get(dataset->schema, "classes");
  uint64_t pixels;
  if (images->height == 0 || images->width == 0 || images->channels == 0
      || __builtin_mul_overflow(images->height, images->width, &pixels)
      || __builtin_mul_overflow(pixels, images->channels, &pixels))
    return damaged(info, "its images have no size");
  images->pixels = array_at(dataset, get_u64(head + ATDS_AT_PIXELS), images->count, pixels);
  images->labels =
    array_at(dataset, get_u64(head + ATDS_AT_LABELS), images->count, sizeof(int32_t));
  if (images->pixels == NULL || images->labels == NULL)
    return damaged(info, "its pixels lie outside the file");
  if (images->class_count == 0 || images->class_count > ATDS_MAX_CLASSES
      || json_array_size(classes) != images->class_count
      || !codes_in_range(images->labels, images->count, 0, images->class_count))
    return damaged(info, "its classes do not fit");
  const char **names = arena_array(dataset->arena, images->class_count, sizeof *names);
  if (names == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t k = 0; k < images->class_count; k++)
  {
    names[k] = json_string_value(json_object_get(json_array_get(classes, k), "name"));
    if (names[k] == NULL)
      return damaged(info, "a class has no name");
  }
  images->class_names = names;
  return ERR_OK;
}

static enum err
map_file(int fd, struct dataset *dataset, struct err_info *info)
{
  struct stat status;
  if (fstat(fd, &status) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not read the dataset");
  if (!S_ISREG(status.st_mode) || status.st_size < (off_t) ATDS_HEAD_BYTES)
    return err_set(info, ERR_INVALID, "this is not a dataset file");
  void *bytes = mmap(NULL, (size_t) status.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED)
    return err_set_errno(info, ERR_IO, errno, "could not map the dataset");
  dataset->bytes = bytes;
  dataset->length = (size_t) status.st_size;
  return ERR_OK;
}

enum err
dataset_open_fd(int fd, struct dataset **result, struct err_info *info)
{
  *result = NULL;
  struct dataset *dataset = calloc(1, sizeof *dataset);
  if (dataset == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  dataset->arena = arena_new(0);
  enum err err = dataset->arena == NULL ? err_set(info, ERR_MEMORY, "out of memory")
                                        : map_file(fd, dataset, info);
  if (err == ERR_OK)
    err = read_head(dataset, info);
  if (err == ERR_OK)
    err = dataset->kind == DATASET_TABLE ? read_table(dataset, info) : read_images(dataset, info);
  if (err != ERR_OK)
  {
    dataset_close(dataset);
    return err;
  }
  *result = dataset;
  return ERR_OK;
}

enum err
dataset_open(const char *path, struct dataset **dataset, struct err_info *info)
{
  *dataset = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return err_set_errno(info, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
                         "could not open dataset %s", path);
  enum err err = dataset_open_fd(fd, dataset, info);
  close(fd);
  return err;
}

void
dataset_close(struct dataset *dataset)
{
  if (dataset == NULL)
    return;
  json_decref(dataset->schema);
  arena_free(dataset->arena);
  if (dataset->bytes != NULL)
    munmap((void *) (uintptr_t) dataset->bytes, dataset->length);
  free(dataset);
}

enum dataset_kind
dataset_kind(const struct dataset *dataset)
{
  return dataset->kind;
}

size_t
dataset_row_count(const struct dataset *dataset)
{
  return dataset->row_count;
}

const struct table *
dataset_table(const struct dataset *dataset)
{
  return dataset->kind == DATASET_TABLE ? &dataset->table : NULL;
}

const struct image_set *
dataset_images(const struct dataset *dataset)
{
  return dataset->kind == DATASET_IMAGES ? &dataset->images : NULL;
}

const json_t *
dataset_schema(const struct dataset *dataset)
{
  return dataset->schema;
}
