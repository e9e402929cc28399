#include <config.h>

#include "data/schema_edit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* What one entry of the edit is checked against. */
struct plan
{
  const struct table *table;
  const json_t *schema;
  struct edit_change *changes;
  struct json_faults *faults;
};

json_t *
schema_edit_reading_json(const struct number_reading *reading)
{
  return json_pack("{s:s, s:f, s:s}", "format", number_format_name(reading->format), "factor",
                   reading->up ? 1000.0 : 0.001, "values",
                   reading->all  ? "all"
                   : reading->up ? "fractions"
                                 : "thousands");
}

struct number_reading
schema_edit_reading(const json_t *described)
{
  const json_t *other = json_object_get(described, "other_format");
  const char *format = json_string_value(json_object_get(other, "format"));
  const char *values = json_string_value(json_object_get(other, "values"));
  struct number_reading reading = {.there = false};
  if (format == NULL || values == NULL || !number_format_parse(format, &reading.format))
    return reading;
  reading.there = true;
  reading.up = json_number_value(json_object_get(other, "factor")) > 1.0;
  reading.all = strcmp(values, "all") == 0;
  return reading;
}

struct number_reading
schema_edit_turn_back(const struct number_reading *reading, enum number_format old,
                      const double *before, size_t rows)
{
  struct number_reading back = {true, old, !reading->up, reading->all};
  for (size_t row = 0; !reading->all && row < rows; row++)
  {
    double value = fabs(before[row]);
    /* Up: a whole number from 1,000 would go down with the others. Down: what came out whole would stay. */
    if (value >= 1000.0 && fmod(value, reading->up ? 1.0 : 1000.0) == 0.0)
      back.there = false;
  }
  return back;
}

static void
plan_format(const struct plan *plan, size_t at, const char *format, const char *pointer)
{
  struct edit_change *change = &plan->changes[at];
  const json_t *described = json_array_get(json_object_get(plan->schema, "columns"), at);
  const char *old = json_string_value(json_object_get(described, "format"));
  enum column_type from = plan->table->columns[at].type;
  if (change->type == COLUMN_DATETIME && datetime_format_parse(format, &change->datetime_format))
  {
    change->has_format = true;
    if (from != COLUMN_DATETIME)
      return;
    bool other = old == NULL || strcmp(old, format) != 0;
    change->swap_day_month = other;
    change->wanted = other;
    if (other && (old == NULL || strcmp(old, "iso") == 0 || strcmp(format, "iso") == 0))
      json_fault_add(plan->faults, pointer, "leave out the format",
                     "the dates of \"%.60s\" were read year first, which has one meaning only",
                     plan->table->columns[at].name);
    return;
  }
  if (change->type == COLUMN_NUMERIC && number_format_parse(format, &change->number_format))
  {
    struct number_reading other = schema_edit_reading(described);
    change->has_format = true;
    if (from != COLUMN_NUMERIC)
      return;
    if (other.there && other.format == change->number_format)
      change->reread = other;
    else if (strcmp(format, old != NULL ? old : number_format_name(NUMBER_POINT)) != 0)
      json_fault_add(plan->faults, pointer, "upload the file again with decimal points",
                     "\"%.60s\" is stored as numbers, which can't be read in that format any more",
                     plan->table->columns[at].name);
    change->wanted = change->reread.there;
    return;
  }
  json_fault_add(plan->faults, pointer,
                 "dates: iso, dmy, mdy; numbers: decimal_point, decimal_comma, thousands_comma, "
                 "thousands_point",
                 "there is no format \"%.40s\" for %s", format, column_type_name(change->type));
}

static void
plan_column(const struct plan *plan, const char *name, const char *type, const char *format,
            const char *pointer)
{
  size_t at = table_find(plan->table, name);
  if (at == SIZE_MAX)
  {
    json_fault_add(plan->faults, pointer, "the dataset's schema lists its columns",
                   "there is no column \"%.60s\"", name);
    return;
  }
  struct edit_change *change = &plan->changes[at];
  const struct column *column = &plan->table->columns[at];
  change->type = column->type;
  if (type != NULL && !column_type_parse(type, &change->type))
  {
    json_fault_add(plan->faults, pointer,
                   "numeric, categorical, boolean, datetime, text or identifier",
                   "there is no type \"%.40s\"", type);
    return;
  }
  change->wanted = change->type != column->type;
  if (change->type == COLUMN_DATETIME && column->type == COLUMN_NUMERIC)
    json_fault_add(plan->faults, pointer, "leave it numeric, or upload dates as text",
                   "numbers can't be made dates");
  else if (format != NULL)
    plan_format(plan, at, format, pointer);
}

static void
plan_entry(const struct plan *plan, const char *name, const json_t *entry, const char *pointer)
{
  const json_t *type = json_is_string(entry) ? entry : json_object_get(entry, "type");
  const json_t *format = json_object_get(entry, "format");
  const char *key;
  const json_t *value;
  if (name == NULL)
    name = json_string_value(json_object_get(entry, "name"));
  if (name == NULL || (!json_is_string(type) && !json_is_string(format))
      || (type != NULL && !json_is_string(type) && !json_is_null(type))
      || (format != NULL && !json_is_string(format) && !json_is_null(format)))
  {
    json_fault_add(plan->faults, pointer, "write {\"name\": \"zip\", \"type\": \"categorical\"}",
                   "the entry needs a name, and a type or a format");
    return;
  }
  json_object_foreach((json_t *) (uintptr_t) entry, key, value)
  {
    if (strcmp(key, "name") != 0 && strcmp(key, "type") != 0 && strcmp(key, "format") != 0)
      json_fault_add(plan->faults, pointer, "name, type and format are known",
                     "there is no member \"%.40s\"", key);
  }
  plan_column(plan, name, json_string_value(type), json_string_value(format), pointer);
}

void
schema_edit_plan(const json_t *edit, const struct table *table, const json_t *schema,
                 struct edit_change *changes, struct json_faults *faults)
{
  struct plan plan = {.table = table, .schema = schema, .changes = changes, .faults = faults};
  const json_t *columns = json_object_get(edit, "columns");
  size_t wanted = 0, before = faults->count;
  if (json_is_array(columns))
    for (size_t i = 0; i < json_array_size(columns); i++)
      plan_entry(&plan, NULL, json_array_get(columns, i),
                 json_pointer_index(faults->arena, "/columns", i));
  else if (json_is_object(columns))
  {
    const char *name;
    const json_t *entry;
    json_object_foreach((json_t *) (uintptr_t) columns, name, entry)
    {
      plan_entry(&plan, name, entry, json_pointer(faults->arena, "/columns", name));
    }
  }
  else
    json_fault_add(faults, "/columns",
                   "write {\"columns\": [{\"name\": \"zip\", \"type\": \"categorical\"}]}",
                   "\"columns\" must say which columns change to which type");
  for (size_t c = 0; c < table->column_count; c++)
    wanted += changes[c].wanted;
  if (wanted == 0 && faults->count == before)
    json_fault_add(faults, "/columns", NULL, "every column has the type asked for already");
}
