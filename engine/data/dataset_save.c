#include <config.h>

#include "data/dataset_write.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/distinct.h"
#include "data/hash.h"

#define SCHEMA_EXAMPLES 5

static bool
value_missing(const struct column *column, size_t row)
{
  if (column->number != NULL)
    return isnan(column->number[row]);
  if (column->code != NULL)
    return column->code[row] < 0;
  return column->offset[row] == column->offset[row + 1];
}

static uint64_t
value_hash(const struct column *column, size_t row)
{
  if (column->number != NULL)
    return hash_bytes(&column->number[row], sizeof(double), 0);
  if (column->code != NULL)
    return hash_bytes(&column->code[row], sizeof(int32_t), 0);
  return hash_bytes(column->text + column->offset[row],
                    (size_t) (column->offset[row + 1] - column->offset[row]), 0);
}

static json_t *
column_schema(const struct column *column, size_t row_count)
{
  size_t missing = 0;
  json_t *examples = json_array();
  struct distinct *distinct = distinct_new(DISTINCT_EXACT_LIMIT);
  if (distinct == NULL)
  {
    json_decref(examples);
    return NULL;
  }
  for (size_t row = 0; row < row_count; row++)
    if (value_missing(column, row))
      missing++;
    else if (distinct_add(distinct, value_hash(column, row))
             && json_array_size(examples) < SCHEMA_EXAMPLES)
      json_array_append_new(examples, table_value_json(column, row));
  json_t *schema =
    json_pack("{s:s, s:s, s:I, s:I, s:o}", "name", column->name, "type",
              column_type_name(column->type), "missing", (json_int_t) missing, "distinct",
              (json_int_t) distinct_count(distinct), "examples", examples);
  if (schema != NULL && !distinct_is_exact(distinct))
    json_object_set_new(schema, "distinct_exact", json_false());
  distinct_free(distinct);
  return schema;
}

json_t *
dataset_schema_of_table(const struct table *table)
{
  json_t *columns = json_array();
  for (size_t c = 0; columns != NULL && c < table->column_count; c++)
    if (json_array_append_new(columns, column_schema(&table->columns[c], table->row_count)) != 0)
    {
      json_decref(columns);
      return NULL;
    }
  return json_pack("{s:s, s:I, s:o, s:[]}", "kind", "table", "rows", (json_int_t) table->row_count,
                   "columns", columns, "warnings");
}

json_t *
dataset_schema_of_images(const struct image_set *images)
{
  json_t *classes = json_array();
  size_t *counts = calloc(images->class_count + 1, sizeof *counts);
  if (classes == NULL || counts == NULL)
  {
    json_decref(classes);
    free(counts);
    return NULL;
  }
  for (size_t i = 0; i < images->count; i++)
    if (images->labels[i] >= 0 && (size_t) images->labels[i] < images->class_count)
      counts[images->labels[i]]++;
  for (size_t k = 0; k < images->class_count; k++)
    json_array_append_new(classes, json_pack("{s:s, s:I}", "name", images->class_names[k], "count",
                                             (json_int_t) counts[k]));
  free(counts);
  return json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:[]}", "kind", "images", "rows",
                   (json_int_t) images->count, "height", (json_int_t) images->height, "width",
                   (json_int_t) images->width, "channels", (json_int_t) images->channels, "classes",
                   classes, "warnings");
}

static enum err
write_cell(struct dataset_writer *writer, size_t c, const struct column *column, size_t row)
{
  if (column->type == COLUMN_NUMERIC || column->type == COLUMN_DATETIME)
    return dataset_writer_number(writer, c, column->number[row]);
  if (column->type == COLUMN_CATEGORICAL || column->type == COLUMN_BOOLEAN)
    return dataset_writer_code(writer, c, column->code[row]);
  return dataset_writer_text(writer, c, column->text + column->offset[row],
                             (size_t) (column->offset[row + 1] - column->offset[row]));
}

enum err
dataset_write_table(int fd, const struct table *table, const json_t *schema, uint64_t *bytes,
                    struct err_info *info)
{
  size_t count = table->column_count;
  struct dataset_writer *writer = NULL;
  struct dataset_column_spec *specs = calloc(count + 1, sizeof *specs);
  struct dataset_dictionary *dictionaries = calloc(count + 1, sizeof *dictionaries);
  enum err err = ERR_OK;
  if (specs == NULL || dictionaries == NULL)
  {
    err = err_set(info, ERR_MEMORY, "out of memory");
    goto out;
  }
  for (size_t c = 0; c < count; c++)
  {
    const struct column *column = &table->columns[c];
    specs[c].type = column->type;
    if (column->type == COLUMN_TEXT || column->type == COLUMN_IDENTIFIER)
      specs[c].text_bytes = column->offset[table->row_count] - column->offset[0];
    dictionaries[c].values = column->categories;
    dictionaries[c].count = column->category_count;
  }
  err = dataset_writer_table(fd, table->row_count, specs, count, &writer, info);
  for (size_t c = 0; err == ERR_OK && c < count; c++)
    for (size_t row = 0; err == ERR_OK && row < table->row_count; row++)
    {
      err = write_cell(writer, c, &table->columns[c], row);
      if (err != ERR_OK)
        err_set_errno(info, err, errno, "could not write the dataset");
    }
  if (err == ERR_OK)
    err = dataset_writer_finish(writer, dictionaries, schema, bytes, info);
out:
  dataset_writer_free(writer);
  free(dictionaries);
  free(specs);
  return err;
}

static enum err
write_images(int fd, const struct image_set *images, const json_t *schema, uint64_t *bytes,
             struct err_info *info)
{
  struct dataset_writer *writer = NULL;
  enum err err = dataset_writer_images(fd, images->count, images->height, images->width,
                                       images->channels, &writer, info);
  if (err != ERR_OK)
    return err;
  size_t pixels = images->height * images->width * images->channels;
  for (size_t i = 0; err == ERR_OK && i < images->count; i++)
  {
    err = dataset_writer_pixels(writer, images->pixels + i * pixels, pixels);
    if (err == ERR_OK)
      err = dataset_writer_label(writer, images->labels[i]);
  }
  if (err == ERR_OK)
    err = dataset_writer_finish(writer, NULL, schema, bytes, info);
  else
    err_set_errno(info, err, errno, "could not write the dataset");
  dataset_writer_free(writer);
  return err;
}

/* Exactly one of table and images is given. Takes the reference to `schema`. */
static enum err
save(const char *path, const struct table *table, const struct image_set *images, json_t *schema,
     struct err_info *info)
{
  if (schema == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0)
  {
    json_decref(schema);
    return err_set_errno(info, ERR_IO, errno, "could not create %s", path);
  }
  uint64_t bytes;
  enum err err = table != NULL ? dataset_write_table(fd, table, schema, &bytes, info)
                               : write_images(fd, images, schema, &bytes, info);
  json_decref(schema);
  if (close(fd) != 0 && err == ERR_OK)
    err = err_set_errno(info, ERR_IO, errno, "could not write %s", path);
  if (err != ERR_OK)
    unlink(path);
  return err;
}

enum err
dataset_save_table(const char *path, const struct table *table, struct err_info *info)
{
  return save(path, table, NULL, dataset_schema_of_table(table), info);
}

enum err
dataset_save_images(const char *path, const struct image_set *images, struct err_info *info)
{
  return save(path, NULL, images, dataset_schema_of_images(images), info);
}
