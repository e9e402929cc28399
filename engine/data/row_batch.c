#include <config.h>

#include "data/row_batch_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

/* What a row shows at most; a body with thousands of unknown columns says it this often. */
#define NOTES_PER_ROW 100
#define VALUE_SHOWN 80

static bool
has_texts(const struct row_schema *schema)
{
  for (size_t c = 0; c < schema->count; c++)
    if (schema->columns[c].type == COLUMN_TEXT)
      return true;
  return false;
}

/* Room for all columns of numbers, one column after the other. */
static bool
make_numbers(struct row_batch *batch, size_t rows)
{
  size_t columns = 0;
  for (size_t c = 0; c < batch->schema->count; c++)
    columns += row_column_has_numbers(&batch->schema->columns[c]);
  if (__builtin_mul_overflow(columns, rows, &batch->number_count))
    return false;
  batch->numbers = arena_array(batch->arena, batch->number_count, sizeof *batch->numbers);
  return batch->numbers != NULL;
}

static enum err
make_columns(struct row_batch *batch, size_t rows)
{
  size_t count = batch->schema->count;
  bool made = make_numbers(batch, rows);
  double *numbers = batch->numbers;
  if (has_texts(batch->schema))
    batch->texts = arena_array(batch->arena, count, sizeof *batch->texts);
  struct column *columns = arena_array(batch->arena, count, sizeof *columns);
  if (columns == NULL || !made || (batch->texts == NULL && has_texts(batch->schema)))
    return ERR_MEMORY;
  for (size_t c = 0; c < count; c++)
  {
    const struct row_column *known = &batch->schema->columns[c];
    columns[c].name = known->name;
    columns[c].type = known->type;
    if (row_column_has_numbers(known))
    {
      columns[c].number = numbers;
      numbers += rows;
      continue;
    }
    if (known->type == COLUMN_TEXT)
    {
      uint64_t *offset = arena_array(batch->arena, rows + 1, sizeof *offset);
      if (offset == NULL)
        return ERR_MEMORY;
      columns[c].offset = batch->texts[c].offset = offset;
      continue;
    }
    int32_t *codes = arena_array(batch->arena, rows, sizeof *codes);
    if (codes == NULL)
      return ERR_MEMORY;
    columns[c].code = codes;
    columns[c].categories = known->categories;
    columns[c].category_count = known->category_count;
  }
  batch->table = (struct table){.row_count = rows,
                                .column_count = count,
                                .columns = columns,
                                .layout = batch->schema->layout,
                                .cells = batch->schema->all_numbers ? batch->numbers : NULL};
  row_batch_clear(batch);
  return ERR_OK;
}

enum err
row_batch_new(const struct row_schema *schema, size_t rows, struct row_batch **result,
              struct err_info *info)
{
  struct row_batch *batch = row_batch_spare_take(schema, rows);
  *result = batch;
  if (batch != NULL)
    return ERR_OK;
  batch = calloc(1, sizeof *batch);
  if (batch == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  batch->schema = schema;
  batch->arena = arena_new(0);
  if (batch->arena != NULL)
  {
    batch->faults = arena_array(batch->arena, rows, sizeof(json_t *));
    batch->warnings = arena_array(batch->arena, rows, sizeof(json_t *));
  }
  if (batch->faults == NULL || batch->warnings == NULL || make_columns(batch, rows) != ERR_OK)
  {
    row_batch_free(batch);
    return err_set(info, ERR_MEMORY, "out of memory");
  }
  *result = batch;
  return ERR_OK;
}

void
row_batch_free(struct row_batch *batch)
{
  if (batch == NULL || row_batch_spare_keep(batch))
    return;
  for (size_t i = 0; i < batch->table.row_count; i++)
  {
    json_decref(batch->faults[i]);
    json_decref(batch->warnings[i]);
  }
  for (size_t c = 0; batch->texts != NULL && c < batch->schema->count; c++)
    buf_free(&batch->texts[c].bytes);
  arena_free(batch->arena);
  free(batch);
}

const struct table *
row_batch_table(const struct row_batch *batch)
{
  return &batch->table;
}

const json_t *
row_batch_faults(const struct row_batch *batch, size_t row)
{
  return batch->faults[row];
}

const json_t *
row_batch_warnings(const struct row_batch *batch, size_t row)
{
  return batch->warnings[row];
}

void
row_batch_note(struct row_batch *batch, bool fault, size_t row, const char *column,
               const char *value, const char *hint, const char *message)
{
  json_t **list = fault ? &batch->faults[row] : &batch->warnings[row];
  if (*list == NULL)
    *list = json_array();
  if (json_array_size(*list) >= NOTES_PER_ROW)
    return;
  const char *pointer = json_pointer_index(batch->arena, "/rows", row);
  if (column != NULL && pointer != NULL)
    pointer = json_pointer(batch->arena, pointer, column);
  json_t *note = json_pack("{s:s, s:I, s:s}", "pointer", pointer != NULL ? pointer : "/rows", "row",
                           (json_int_t) row + 1, "message", message);
  if (column != NULL)
    json_object_set_new(note, "column", json_string(column));
  if (value != NULL)
    json_object_set_new(note, "value", json_string(value));
  if (hint != NULL)
    json_object_set_new(note, "hint", json_string(hint));
  json_array_append_new(*list, note);
}

void
row_batch_note_absent(struct row_batch *batch, size_t row, size_t column, bool strict)
{
  row_batch_note(batch, strict, row, batch->schema->columns[column].name, NULL,
                 strict ? "give every column, or leave out \"strict\"" : NULL,
                 strict ? "the column is not given" : "not given, taken as missing");
}

void
row_batch_set_number(struct row_batch *batch, size_t row, size_t column, double value)
{
  ((double *) (uintptr_t) batch->table.columns[column].number)[row] = value;
}

void
row_batch_set_code(struct row_batch *batch, size_t row, size_t column, int32_t code)
{
  ((int32_t *) (uintptr_t) batch->table.columns[column].code)[row] = code;
}

/* The start of a value, for a message. */
static const char *
shown(struct row_batch *batch, const char *text, size_t length)
{
  size_t cut = text_utf8_cut(text, length, VALUE_SHOWN);
  const char *copy = arena_printf(batch->arena, "%.*s%s", (int) cut, text, cut < length ? "…" : "");
  return copy != NULL ? copy : "";
}

static void
set_number_text(struct row_batch *batch, size_t row, size_t column, const char *text, size_t length,
                bool csv)
{
  const struct row_column *known = &batch->schema->columns[column];
  double value;
  bool good =
    csv && known->has_format
      ? value_number(text, length, known->number_format, &value)
      : value_number(text, length, NUMBER_POINT, &value)
          || (known->has_format && value_number(text, length, known->number_format, &value));
  if (good)
    row_batch_set_number(batch, row, column, value);
  else if (!value_is_missing(text, length))
    row_batch_note(batch, true, row, known->name, shown(batch, text, length),
                   "give a number, or leave it out when it is not known", "this is not a number");
}

static void
set_datetime_text(struct row_batch *batch, size_t row, size_t column, const char *text,
                  size_t length)
{
  const struct row_column *known = &batch->schema->columns[column];
  double value;
  if (value_datetime(text, length, DATETIME_ISO, &value)
      || (known->has_format && value_datetime(text, length, known->datetime_format, &value)))
    row_batch_set_number(batch, row, column, value);
  else if (!value_is_missing(text, length))
    row_batch_note(batch, true, row, known->name, shown(batch, text, length),
                   "write it as 2026-11-23 or 2026-11-23T10:00:00Z", "this is not a date");
}

/* A truth value by any spelling of its two words. */
static size_t
find_truth(const struct row_column *column, const char *text, size_t length)
{
  unsigned own, given;
  bool yes, own_yes;
  for (size_t k = 0; k < column->category_count; k++)
    if (strlen(column->categories[k]) == length
        && strncasecmp(column->categories[k], text, length) == 0)
      return k;
  /* "true" for a column of yes and no. */
  if (value_truth(text, length, &given, &yes)
      && value_truth(column->categories[1], strlen(column->categories[1]), &own, &own_yes))
    return yes == own_yes ? 1 : 0;
  return SIZE_MAX;
}

static void
set_category_text(struct row_batch *batch, size_t row, size_t column, const char *text,
                  size_t length)
{
  const struct row_column *known = &batch->schema->columns[column];
  size_t found = row_column_find(known, text, length);
  if (found == SIZE_MAX && known->type == COLUMN_BOOLEAN)
    found = find_truth(known, text, length);
  if (found != SIZE_MAX)
    row_batch_set_code(batch, row, column, (int32_t) found);
  else if (!value_is_missing(text, length))
    row_batch_note(batch, false, row, known->name, shown(batch, text, length), NULL,
                   "a value the model has never seen, taken as missing");
}

/* Ends every row before `row` where the text ends now. */
static void
end_rows(struct row_text *text, size_t row)
{
  while (text->next < row)
    text->offset[++text->next] = text->bytes.length;
}

static void
set_words(struct row_batch *batch, size_t row, size_t column, const char *text, size_t length)
{
  struct row_text *texts = &batch->texts[column];
  end_rows(texts, row);
  if (!value_is_missing(text, length))
    buf_append(&texts->bytes, text, length);
  end_rows(texts, row + 1);
}

enum err
row_batch_finish(struct row_batch *batch, struct err_info *info)
{
  struct column *columns = (struct column *) (uintptr_t) batch->table.columns;
  for (size_t c = 0; batch->texts != NULL && c < batch->schema->count; c++)
  {
    struct row_text *texts = &batch->texts[c];
    if (columns[c].type != COLUMN_TEXT)
      continue;
    if (texts->bytes.failed)
      return err_set(info, ERR_MEMORY, "out of memory");
    end_rows(texts, batch->table.row_count);
    columns[c].text = texts->bytes.data != NULL ? texts->bytes.data : "";
  }
  return ERR_OK;
}

void
row_batch_set_text(struct row_batch *batch, size_t row, size_t column, const char *text,
                   size_t length, bool csv)
{
  value_trim(&text, &length);
  switch (batch->schema->columns[column].type)
  {
  case COLUMN_NUMERIC:
    set_number_text(batch, row, column, text, length, csv);
    return;
  case COLUMN_DATETIME:
    set_datetime_text(batch, row, column, text, length);
    return;
  case COLUMN_CATEGORICAL:
  case COLUMN_BOOLEAN:
    set_category_text(batch, row, column, text, length);
    return;
  case COLUMN_TEXT:
    set_words(batch, row, column, text, length);
    return;
  case COLUMN_IDENTIFIER:
    return;
  }
}
