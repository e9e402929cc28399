#include <config.h>

#include "data/ingest_work.h"

#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "data/dataset_write.h"
#include "data/schema_edit.h"

/* A column that was reread says how it could be turned back, when it can. */
static void
set_turn_back(json_t *item, const json_t *old, const struct edit_change *change,
              const struct table *table, size_t c)
{
  const char *name = json_string_value(json_object_get(old, "format"));
  enum number_format format = NUMBER_POINT;
  if (name != NULL)
    number_format_parse(name, &format);
  struct number_reading back =
    schema_edit_turn_back(&change->reread, format, table->columns[c].number, table->row_count);
  json_object_set_new(item, "note", json_string("the format was set by hand"));
  if (back.there)
    json_object_set_new(item, "other_format", schema_edit_reading_json(&back));
}

/* The old schema with the entries of the changed columns made anew. */
static json_t *
make_schema(const struct dataset *dataset, const struct table *table,
            const struct edit_change *changes)
{
  json_t *schema = json_deep_copy(dataset_schema(dataset));
  json_t *fresh = dataset_schema_of_table(table);
  json_t *columns = json_object_get(schema, "columns");
  if (schema == NULL || fresh == NULL)
  {
    json_decref(schema);
    json_decref(fresh);
    return NULL;
  }
  for (size_t c = 0; c < table->column_count; c++)
  {
    if (!changes[c].wanted)
      continue;
    json_t *item = json_array_get(json_object_get(fresh, "columns"), c);
    const struct edit_change *change = &changes[c];
    json_object_set_new(item, "note", json_string("the type was set by hand"));
    if (change->has_format && change->type == COLUMN_DATETIME)
      json_object_set_new(item, "format",
                          json_string(datetime_format_name(change->datetime_format)));
    if (change->has_format && change->type == COLUMN_NUMERIC
        && change->number_format != NUMBER_POINT)
      json_object_set_new(item, "format", json_string(number_format_name(change->number_format)));
    if (change->reread.there)
      set_turn_back(item, json_array_get(columns, c), change, dataset_table(dataset), c);
    json_array_set(columns, c, item);
  }
  json_decref(fresh);
  return schema;
}

static enum err
edit_table(struct ingest_work *work, const struct dataset *dataset, struct arena *arena,
           struct err_info *info)
{
  const struct table *table = dataset_table(dataset);
  struct edit_change *changes = arena_array(arena, table->column_count, sizeof *changes);
  struct column *columns = arena_array(arena, table->column_count, sizeof *columns);
  if (changes == NULL || columns == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  schema_edit_plan(work->edit, table, dataset_schema(dataset), changes, work->faults);
  enum err err = ERR_OK;
  for (size_t c = 0; err == ERR_OK && work->faults->count == 0 && c < table->column_count; c++)
    err = schema_edit_column(&table->columns[c], table->row_count, &changes[c], arena, &columns[c],
                             work->faults);
  if (err != ERR_OK)
    return err_set(info, err, "out of memory");
  if (work->faults->count == 1)
    return err_set(info, ERR_INVALID, "%s", work->faults->items[0].message);
  if (work->faults->count > 0)
    return err_set(info, ERR_INVALID, "the types can't be changed: %zu faults; the first: %s",
                   work->faults->count, work->faults->items[0].message);
  struct table edited = *table;
  edited.columns = columns;
  work->schema = make_schema(dataset, &edited, changes);
  if (work->schema == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  return dataset_write_table(work->output, &edited, work->schema, &work->bytes, info);
}

enum err
ingest_edit(struct ingest_work *work, struct err_info *info)
{
  struct dataset *dataset = NULL;
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  enum err err = dataset_open_fd(work->input, &dataset, info);
  if (err == ERR_OK && dataset_table(dataset) == NULL)
    err = err_set(info, ERR_INVALID, "images have no column types to change");
  if (err == ERR_OK)
    err = edit_table(work, dataset, arena, info);
  dataset_close(dataset);
  arena_free(arena);
  return err;
}
