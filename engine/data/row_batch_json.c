#include <config.h>

#include "data/row_batch_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* A JSON number as the text a file would have had. */
static void
set_category_number(struct row_batch *batch, size_t row, size_t column, const json_t *value)
{
  const struct row_column *known = &batch->schema->columns[column];
  double number = json_number_value(value);
  char text[TEXT_DOUBLE_SIZE + 2];
  if (known->type == COLUMN_BOOLEAN && (number == 0.0 || number == 1.0))
  {
    row_batch_set_code(batch, row, column, (int32_t) number);
    return;
  }
  size_t length = text_print_double(number, text);
  /* A file may have written 3 as 3.0. */
  if (row_column_find(known, text, length) == SIZE_MAX && number == floor(number)
      && strpbrk(text, ".en") == NULL)
  {
    memcpy(text + length, ".0", 3);
    if (row_column_find(known, text, length + 2) == SIZE_MAX)
      text[length] = '\0';
  }
  row_batch_set_text(batch, row, column, text, strlen(text), false);
}

static void
set_category_truth(struct row_batch *batch, size_t row, size_t column, bool truth)
{
  static const char *const words[2][3] = {{"false", "False", "FALSE"}, {"true", "True", "TRUE"}};
  const struct row_column *known = &batch->schema->columns[column];
  if (known->type == COLUMN_BOOLEAN)
  {
    row_batch_set_code(batch, row, column, truth ? 1 : 0);
    return;
  }
  for (size_t w = 0; w < 3; w++)
    if (row_column_find(known, words[truth][w], strlen(words[truth][w])) != SIZE_MAX)
    {
      row_batch_set_text(batch, row, column, words[truth][w], strlen(words[truth][w]), false);
      return;
    }
  row_batch_set_text(batch, row, column, words[truth][0], strlen(words[truth][0]), false);
}

static void
set_value(struct row_batch *batch, size_t row, size_t column, const json_t *value)
{
  const struct row_column *known = &batch->schema->columns[column];
  bool is_number = known->type == COLUMN_NUMERIC || known->type == COLUMN_DATETIME;
  if (json_is_null(value))
    return;
  if (json_is_string(value))
    row_batch_set_text(batch, row, column, json_string_value(value), json_string_length(value),
                       false);
  else if (json_is_number(value) && is_number)
    row_batch_set_number(batch, row, column, json_number_value(value));
  else if (json_is_number(value))
    set_category_number(batch, row, column, value);
  else if (json_is_boolean(value) && known->type == COLUMN_NUMERIC)
    row_batch_set_number(batch, row, column, json_is_true(value) ? 1.0 : 0.0);
  else if (json_is_boolean(value) && !is_number)
    set_category_truth(batch, row, column, json_is_true(value));
  else
    row_batch_note(batch, true, row, known->name, NULL,
                   known->type == COLUMN_NUMERIC    ? "give a number"
                   : known->type == COLUMN_DATETIME ? "write it as 2026-11-23"
                                                    : "give a string",
                   json_is_boolean(value) ? "a truth value does not fit here"
                                          : "an object or array does not fit here");
}

static void
note_unknown(struct row_batch *batch, size_t row, json_t *object, bool strict)
{
  const char *name;
  json_t *value;
  json_object_foreach(object, name, value)
  {
    if (row_schema_find(batch->schema, name, strlen(name)) == SIZE_MAX)
      row_batch_note(batch, strict, row, name, NULL,
                     strict ? "remove it, or leave out \"strict\"" : NULL,
                     "the model has no such column");
  }
}

/* By place: all columns in the schema's order. */
static void
read_array(struct row_batch *batch, size_t row, const json_t *array)
{
  size_t count = batch->schema->count;
  char message[96];
  if (json_array_size(array) != count)
  {
    snprintf(message, sizeof message, "the row has %zu values, the model has %zu columns",
             json_array_size(array), count);
    row_batch_note(batch, true, row, NULL, NULL,
                   "give a value or null for every column, in the schema's order", message);
    return;
  }
  for (size_t c = 0; c < count; c++)
    set_value(batch, row, c, json_array_get(array, c));
}

static void
read_row(struct row_batch *batch, size_t row, json_t *object, bool strict)
{
  const struct row_schema *schema = batch->schema;
  if (json_is_array(object))
  {
    read_array(batch, row, object);
    return;
  }
  if (!json_is_object(object))
  {
    row_batch_note(batch, true, row, NULL, NULL, "write each row as {\"column\": value, …}",
                   "the row is not an object");
    return;
  }
  size_t known = 0;
  for (size_t c = 0; c < schema->count; c++)
    known += json_object_get(object, schema->columns[c].name) != NULL;
  if (known == 0)
  {
    row_batch_note(batch, true, row, NULL, NULL, "the model's columns are listed by its schema",
                   "no column of the row is known to the model");
    return;
  }
  for (size_t c = 0; c < schema->count; c++)
  {
    const json_t *value = json_object_get(object, schema->columns[c].name);
    if (value != NULL)
      set_value(batch, row, c, value);
    else
      row_batch_note_absent(batch, row, c, strict);
  }
  if (known < json_object_size(object))
    note_unknown(batch, row, object, strict);
}

enum err
row_batch_from_json(const struct row_schema *schema, const json_t *rows, bool strict,
                    size_t max_rows, struct row_batch **batch, struct err_info *info)
{
  *batch = NULL;
  size_t count = json_array_size(rows);
  if (!json_is_array(rows))
    return err_set(info, ERR_INVALID, "\"rows\" must be an array of objects");
  if (count == 0)
    return err_set(info, ERR_INVALID, "\"rows\" is empty; give at least one row");
  if (count > max_rows)
    return err_set(info, ERR_INVALID, "%zu rows are too many; send at most %zu at a time", count,
                   max_rows);
  enum err err = row_batch_new(schema, count, batch, info);
  for (size_t row = 0; err == ERR_OK && row < count; row++)
    read_row(*batch, row, json_array_get(rows, row), strict);
  if (err == ERR_OK && (err = row_batch_finish(*batch, info)) != ERR_OK)
  {
    row_batch_free(*batch);
    *batch = NULL;
  }
  return err;
}
