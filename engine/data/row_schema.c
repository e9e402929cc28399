#include <config.h>

#include "data/row_schema.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_MAX_COLUMNS 10000
#define SCHEMA_MAX_CATEGORIES 1000000

/* −1, 0 or 1 as strcmp, for a span and a string. */
static int
compare_span(const char *text, size_t length, const char *other)
{
  int order = strncmp(text, other, length);
  if (order != 0)
    return order;
  return other[length] == '\0' ? 0 : -1;
}

size_t
row_schema_find(const struct row_schema *schema, const char *name, size_t length)
{
  size_t low = 0, high = schema->count;
  while (low < high)
  {
    size_t middle = (low + high) / 2, at = schema->name_order[middle];
    int order = compare_span(name, length, schema->columns[at].name);
    if (order == 0)
      return at;
    if (order > 0)
      low = middle + 1;
    else
      high = middle;
  }
  return SIZE_MAX;
}

size_t
row_column_find(const struct row_column *column, const char *text, size_t length)
{
  size_t low = 0, high = column->category_count;
  while (low < high)
  {
    size_t middle = (low + high) / 2, at = column->category_order[middle];
    int order = compare_span(text, length, column->categories[at]);
    if (order == 0)
      return at;
    if (order > 0)
      low = middle + 1;
    else
      high = middle;
  }
  return SIZE_MAX;
}

struct sort_entry
{
  const char *text;
  uint32_t position;
};

static int
compare_entries(const void *left, const void *right)
{
  const struct sort_entry *a = left, *b = right;
  return strcmp(a->text, b->text);
}

/* The positions of `texts` in ascending order; NULL when out of memory or, with *twice, when two
 * are equal. */
static uint32_t *
sort_texts(struct arena *arena, const char *const *texts, size_t count, bool *twice)
{
  struct sort_entry *entries = malloc((count + 1) * sizeof *entries);
  uint32_t *order = arena_array(arena, count, sizeof *order);
  *twice = false;
  if (entries == NULL || order == NULL)
  {
    free(entries);
    return NULL;
  }
  for (size_t i = 0; i < count; i++)
    entries[i] = (struct sort_entry){texts[i], (uint32_t) i};
  qsort(entries, count, sizeof *entries, compare_entries);
  for (size_t i = 0; i < count; i++)
  {
    order[i] = entries[i].position;
    *twice = *twice || (i > 0 && strcmp(entries[i - 1].text, entries[i].text) == 0);
  }
  free(entries);
  return *twice ? NULL : order;
}

static enum err
index_names(struct row_schema *schema, struct err_info *info)
{
  const char **names = arena_array(schema->arena, schema->count, sizeof *names);
  if (names == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  schema->all_numbers = true;
  for (size_t c = 0; c < schema->count; c++)
  {
    struct row_column *column = &schema->columns[c];
    names[c] = column->name;
    column->name_length = strlen(column->name);
    schema->all_numbers = schema->all_numbers && row_column_has_numbers(column);
  }
  bool twice;
  schema->name_order = sort_texts(schema->arena, names, schema->count, &twice);
  if (twice)
    return err_set(info, ERR_INVALID, "two columns of the schema have the same name");
  return schema->name_order != NULL ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
}

static enum err
index_categories(struct row_schema *schema, struct row_column *column, struct err_info *info)
{
  bool twice;
  column->category_order =
    sort_texts(schema->arena, column->categories, column->category_count, &twice);
  if (twice)
    return err_set(info, ERR_INVALID, "column \"%.60s\" has a category twice", column->name);
  return column->category_order != NULL ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
}

static struct row_schema *
schema_new(size_t capacity)
{
  static atomic_uint_fast64_t last_layout;
  struct row_schema *schema = calloc(1, sizeof *schema);
  if (schema == NULL)
    return NULL;
  schema->arena = arena_new(0);
  if (schema->arena != NULL)
    schema->columns = arena_array(schema->arena, capacity, sizeof *schema->columns);
  if (schema->columns == NULL)
  {
    row_schema_free(schema);
    return NULL;
  }
  schema->layout = atomic_fetch_add(&last_layout, 1) + 1;
  return schema;
}

void
row_schema_free(struct row_schema *schema)
{
  if (schema == NULL)
    return;
  arena_free(schema->arena);
  free(schema);
}

size_t
row_schema_count(const struct row_schema *schema)
{
  return schema->count;
}

const char *
row_schema_column(const struct row_schema *schema, size_t index, enum column_type *type)
{
  *type = schema->columns[index].type;
  return schema->columns[index].name;
}

bool
row_schema_range(const struct row_schema *schema, size_t index, double *low, double *high)
{
  const struct row_column *column = &schema->columns[index];

  *low = column->min;
  *high = column->max;
  return column->has_range;
}

static void
set_format(struct row_column *column, const char *format)
{
  if (format == NULL)
    return;
  column->has_format = column->type == COLUMN_DATETIME
                         ? datetime_format_parse(format, &column->datetime_format)
                         : number_format_parse(format, &column->number_format);
}

static enum err
categories_from_json(struct row_schema *schema, struct row_column *column, const json_t *list,
                     struct err_info *info)
{
  size_t count = json_array_size(list);
  if (!json_is_array(list) || count > SCHEMA_MAX_CATEGORIES
      || (column->type == COLUMN_BOOLEAN && count != 2))
    return err_set(info, ERR_INVALID, "column \"%.60s\" of the schema has no list of categories",
                   column->name);
  const char **texts = arena_array(schema->arena, count, sizeof *texts);
  if (texts == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t k = 0; k < count; k++)
  {
    const char *text = json_string_value(json_array_get(list, k));
    if (text == NULL)
      return err_set(info, ERR_INVALID, "a category of column \"%.60s\" is no string",
                     column->name);
    texts[k] = arena_strdup(schema->arena, text);
    if (texts[k] == NULL)
      return err_set(info, ERR_MEMORY, "out of memory");
  }
  column->categories = texts;
  column->category_count = count;
  return index_categories(schema, column, info);
}

static enum err
column_from_json(struct row_schema *schema, const json_t *item, struct err_info *info)
{
  struct row_column *column = &schema->columns[schema->count];
  const char *name = json_string_value(json_object_get(item, "name"));
  const char *type = json_string_value(json_object_get(item, "type"));
  if (name == NULL || type == NULL || !column_type_parse(type, &column->type)
      || column->type == COLUMN_IDENTIFIER)
    return err_set(info, ERR_INVALID, "a column of the schema has no name or no usable type");
  column->name = arena_strdup(schema->arena, name);
  if (column->name == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  schema->count++;
  set_format(column, json_string_value(json_object_get(item, "format")));
  const json_t *min = json_object_get(item, "min"), *max = json_object_get(item, "max");
  if (json_is_number(min) && json_is_number(max))
  {
    column->has_range = true;
    column->min = json_number_value(min);
    column->max = json_number_value(max);
  }
  if (column->type == COLUMN_CATEGORICAL || column->type == COLUMN_BOOLEAN)
    return categories_from_json(schema, column, json_object_get(item, "categories"), info);
  return ERR_OK;
}

enum err
row_schema_from_json(const json_t *json, struct row_schema **result, struct err_info *info)
{
  *result = NULL;
  size_t count = json_array_size(json);
  if (count == 0 || count > SCHEMA_MAX_COLUMNS)
    return err_set(info, ERR_INVALID, "the schema is not a list of columns");
  struct row_schema *schema = schema_new(count);
  if (schema == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  enum err err = ERR_OK;
  for (size_t c = 0; err == ERR_OK && c < count; c++)
    err = column_from_json(schema, json_array_get(json, c), info);
  if (err == ERR_OK)
    err = index_names(schema, info);
  if (err != ERR_OK)
  {
    row_schema_free(schema);
    return err;
  }
  *result = schema;
  return ERR_OK;
}

static json_t *
column_to_json(const struct row_column *column)
{
  json_t *item =
    json_pack("{s:s, s:s}", "name", column->name, "type", column_type_name(column->type));
  if (item == NULL)
    return NULL;
  if (column->type == COLUMN_CATEGORICAL || column->type == COLUMN_BOOLEAN)
  {
    json_t *list = json_array();
    for (size_t k = 0; k < column->category_count; k++)
      json_array_append_new(list, json_string(column->categories[k]));
    json_object_set_new(item, "categories", list);
  }
  if (column->has_range)
  {
    json_object_set_new(item, "min", json_real(column->min));
    json_object_set_new(item, "max", json_real(column->max));
  }
  if (column->has_format)
    json_object_set_new(item, "format",
                        json_string(column->type == COLUMN_DATETIME
                                      ? datetime_format_name(column->datetime_format)
                                      : number_format_name(column->number_format)));
  return item;
}

json_t *
row_schema_to_json(const struct row_schema *schema)
{
  json_t *list = json_array();
  for (size_t c = 0; list != NULL && c < schema->count; c++)
    if (json_array_append_new(list, column_to_json(&schema->columns[c])) != 0)
    {
      json_decref(list);
      return NULL;
    }
  return list;
}

static void
find_range(const struct column *input, size_t rows, struct row_column *column)
{
  for (size_t i = 0; i < rows; i++)
  {
    double value = input->number[i];
    if (!isfinite(value))
      continue;
    if (!column->has_range || value < column->min)
      column->min = value;
    if (!column->has_range || value > column->max)
      column->max = value;
    column->has_range = true;
  }
}

static enum err
column_from_dataset(struct row_schema *schema, const struct column *input, size_t rows,
                    const json_t *described, struct err_info *info)
{
  struct row_column *column = &schema->columns[schema->count];
  column->type = input->type;
  column->name = arena_strdup(schema->arena, input->name);
  if (column->name == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  schema->count++;
  set_format(column, json_string_value(json_object_get(described, "format")));
  if (input->number != NULL)
  {
    find_range(input, rows, column);
    return ERR_OK;
  }
  if (input->type == COLUMN_TEXT)
    return ERR_OK;
  const char **texts = arena_array(schema->arena, input->category_count, sizeof *texts);
  if (texts == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t k = 0; k < input->category_count; k++)
    if ((texts[k] = arena_strdup(schema->arena, input->categories[k])) == NULL)
      return err_set(info, ERR_MEMORY, "out of memory");
  column->categories = texts;
  column->category_count = input->category_count;
  return index_categories(schema, column, info);
}

enum err
row_schema_from_dataset(const struct dataset *dataset, const char *target,
                        struct row_schema **result, struct err_info *info)
{
  const struct table *table = dataset_table(dataset);
  struct task task = {.target_column = SIZE_MAX};
  if (table != NULL && target != NULL)
    task.target_column = table_find(table, target);
  return row_schema_from_task(dataset, &task, result, info);
}

enum err
row_schema_from_task(const struct dataset *dataset, const struct task *task,
                     struct row_schema **result, struct err_info *info)
{
  *result = NULL;
  const struct table *table = dataset_table(dataset);
  if (table == NULL)
    return err_set(info, ERR_INVALID, "images have no columns");
  struct row_schema *schema = schema_new(table->column_count);
  if (schema == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  const json_t *described = json_object_get(dataset_schema(dataset), "columns");
  enum err err = ERR_OK;
  for (size_t c = 0; err == ERR_OK && c < table->column_count; c++)
  {
    const struct column *input = &table->columns[c];
    if (!task_takes_column(task, table, c))
      continue;
    err = column_from_dataset(schema, input, table->row_count, json_array_get(described, c), info);
  }
  if (err == ERR_OK && schema->count == 0)
    err = err_set(info, ERR_INVALID, "no column can be learned from: all others are identifiers");
  if (err == ERR_OK)
    err = index_names(schema, info);
  if (err != ERR_OK)
  {
    row_schema_free(schema);
    return err;
  }
  *result = schema;
  return ERR_OK;
}
