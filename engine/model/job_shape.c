#include <config.h>

#include "model/job_spec_internal.h"

#include <string.h>

#include "data/image_reduce.h"
#include "model/family_cost.h"

static size_t
whole(const json_t *object, const char *name)
{
  const json_t *value = json_object_get(object, name);
  return json_is_number(value) && json_number_value(value) > 0.0 ? (size_t) json_number_value(value)
                                                                 : 0;
}

static const json_t *
find_column(const json_t *columns, const char *name)
{
  size_t index;
  json_t *column;

  json_array_foreach((json_t *) columns, index, column)
  {
    const char *here = json_string_value(json_object_get(column, "name"));
    if (here && name && strcmp(here, name) == 0)
      return column;
  }
  return NULL;
}

/* Mirrors task_make: words and booleans are classes, numbers are values unless they have at most two
 * different ones or classes were asked for. */
static void
table_task(const json_t *column, const char *task_name, struct model_data_shape *shape)
{
  const char *type = json_string_value(json_object_get(column, "type"));
  size_t distinct = whole(column, "distinct");
  bool numeric = !type || strcmp(type, "numeric") == 0 || strcmp(type, "datetime") == 0;

  if (task_name ? strcmp(task_name, "regression") == 0 : numeric && distinct != 2)
  {
    shape->task = TASK_REGRESSION;
    shape->classes = 0;
    return;
  }
  shape->classes = distinct > 2 ? distinct : 2;
  shape->task = shape->classes == 2 ? TASK_BINARY : TASK_MULTICLASS;
}

void
job_shape_from_schema(const json_t *schema, const char *target, const char *task_name,
                      struct model_data_shape *shape)
{
  const char *kind = json_string_value(json_object_get(schema, "kind"));
  const json_t *columns = json_object_get(schema, "columns");

  memset(shape, 0, sizeof *shape);
  shape->rows = whole(schema, "rows");
  if (kind && strcmp(kind, "images") == 0)
  {
    shape->kind = DATASET_IMAGES;
    shape->height = whole(schema, "height");
    shape->width = whole(schema, "width");
    shape->channels = whole(schema, "channels");
    shape->columns = image_reduced_inputs(shape->height, shape->width, shape->channels);
    shape->classes = json_array_size(json_object_get(schema, "classes"));
    shape->task = shape->classes > 2 ? TASK_MULTICLASS : TASK_BINARY;
    return;
  }
  shape->kind = DATASET_TABLE;
  shape->columns = json_array_size(columns) > 1 ? json_array_size(columns) - 1 : 1;
  shape->encoded = family_encoded_columns(schema, target);
  shape->characters = family_text_characters(schema, target);
  table_task(find_column(columns, target), task_name, shape);
}
