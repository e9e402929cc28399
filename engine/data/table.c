#include <config.h>

#include "data/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

static const char *const type_names[] = {
  [COLUMN_NUMERIC] = "numeric", [COLUMN_CATEGORICAL] = "categorical",
  [COLUMN_BOOLEAN] = "boolean", [COLUMN_DATETIME] = "datetime",
  [COLUMN_TEXT] = "text",       [COLUMN_IDENTIFIER] = "identifier",
};

#define TYPE_COUNT (sizeof type_names / sizeof type_names[0])

const char *
column_type_name(enum column_type type)
{
  return type_names[type];
}

bool
column_type_parse(const char *name, enum column_type *type)
{
  for (size_t i = 0; i < TYPE_COUNT; i++)
    if (strcmp(name, type_names[i]) == 0)
    {
      *type = (enum column_type) i;
      return true;
    }
  return false;
}

size_t
table_find(const struct table *table, const char *name)
{
  for (size_t c = 0; c < table->column_count; c++)
    if (strcmp(table->columns[c].name, name) == 0)
      return c;
  return SIZE_MAX;
}

/* Years the text form holds; beyond them the number of seconds is shown. */
#define DATETIME_LEAST (-62167219200.0) /* 0000-01-01 */
#define DATETIME_MOST 253402300799.0    /* 9999-12-31 23:59:59 */

void
table_format_datetime(double seconds, char *text, size_t size)
{
  if (!(seconds >= DATETIME_LEAST && seconds <= DATETIME_MOST))
  {
    text_print_double(seconds, text);
    return;
  }
  double days = floor(seconds / 86400.0);
  int64_t micros = (int64_t) llround((seconds - days * 86400.0) * 1e6);
  if (micros >= 86400000000)
  {
    days += 1;
    micros -= 86400000000;
  }
  int64_t year;
  unsigned month, day;
  clock_civil_from_days((int64_t) days, &year, &month, &day);
  int length = snprintf(text, size, "%04d-%02u-%02u", (int) year, month, day);
  if (micros == 0 || length < 0 || (size_t) length >= size)
    return;
  int64_t whole = micros / 1000000, rest = micros % 1000000;
  int more = snprintf(text + length, size - (size_t) length, "T%02d:%02d:%02d",
                      (int) (whole / 3600), (int) (whole / 60 % 60), (int) (whole % 60));
  length += more;
  if (more > 0 && rest != 0 && (size_t) length < size)
    length += snprintf(text + length, size - (size_t) length, ".%06d", (int) rest);
  if ((size_t) length < size)
    snprintf(text + length, size - (size_t) length, "Z");
}

const char *
table_value_text(const struct column *column, size_t row, struct arena *arena)
{
  char text[64];
  switch (column->type)
  {
  case COLUMN_NUMERIC:
    if (isnan(column->number[row]))
      return NULL;
    text_print_double(column->number[row], text);
    return arena_strdup(arena, text);
  case COLUMN_DATETIME:
    if (isnan(column->number[row]))
      return NULL;
    table_format_datetime(column->number[row], text, sizeof text);
    return arena_strdup(arena, text);
  case COLUMN_CATEGORICAL:
  case COLUMN_BOOLEAN:
    if (column->code[row] < 0)
      return NULL;
    return arena_strdup(arena, column->categories[column->code[row]]);
  case COLUMN_TEXT:
  case COLUMN_IDENTIFIER:
    if (column->offset[row] == column->offset[row + 1])
      return NULL;
    return arena_strndup(arena, column->text + column->offset[row],
                         (size_t) (column->offset[row + 1] - column->offset[row]));
  }
  return NULL;
}

json_t *
table_number_json(double value)
{
  /* Integral values are shown without a fraction, as the file had them. */
  if (fabs(value) < 9007199254740992.0 && value == floor(value))
    return json_integer((json_int_t) value);
  return isfinite(value) ? json_real(value) : json_null();
}

json_t *
table_value_json(const struct column *column, size_t row)
{
  char text[64];
  json_t *value = NULL;
  switch (column->type)
  {
  case COLUMN_NUMERIC:
    return table_number_json(column->number[row]);
  case COLUMN_DATETIME:
    if (isnan(column->number[row]))
      return json_null();
    table_format_datetime(column->number[row], text, sizeof text);
    return json_string(text);
  case COLUMN_CATEGORICAL:
  case COLUMN_BOOLEAN:
    if (column->code[row] < 0)
      return json_null();
    return json_string(column->categories[column->code[row]]);
  case COLUMN_TEXT:
  case COLUMN_IDENTIFIER:
    /* Bytes that are no UTF-8 give NULL here, and null there. */
    if (column->offset[row] < column->offset[row + 1])
      value = json_stringn(column->text + column->offset[row],
                           (size_t) (column->offset[row + 1] - column->offset[row]));
    return value != NULL ? value : json_null();
  }
  return json_null();
}
