#include <config.h>

#include "data/schema_edit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "data/dictionary.h"
#include "data/infer_types.h"

/* One column on its way to another type. */
struct change
{
  const struct column *from;
  size_t rows;
  const struct edit_change *to;
  struct arena *arena;
  struct column *result;
  struct json_faults *faults;
};

/* The canonical value as text; NULL = missing. `buffer` holds what must be printed. */
static const char *
cell_text(const struct column *column, size_t row, char buffer[64], size_t *length)
{
  switch (column->type)
  {
  case COLUMN_NUMERIC:
    if (isnan(column->number[row]))
      return NULL;
    *length = text_print_double(column->number[row], buffer);
    return buffer;
  case COLUMN_DATETIME:
    if (isnan(column->number[row]))
      return NULL;
    table_format_datetime(column->number[row], buffer, 64);
    *length = strlen(buffer);
    return buffer;
  case COLUMN_CATEGORICAL:
  case COLUMN_BOOLEAN:
    if (column->code[row] < 0)
      return NULL;
    *length = strlen(column->categories[column->code[row]]);
    return column->categories[column->code[row]];
  case COLUMN_TEXT:
  case COLUMN_IDENTIFIER:
    *length = (size_t) (column->offset[row + 1] - column->offset[row]);
    return *length > 0 ? column->text + column->offset[row] : NULL;
  }
  return NULL;
}

/* A fault at row `row` (from 0), or of the whole column. */
static void
refuse(const struct change *change, size_t row, const char *value, size_t length, const char *hint,
       const char *reason)
{
  const char *shown = NULL, *message = reason;
  if (value != NULL)
  {
    size_t cut = text_utf8_cut(value, length, 80);
    shown =
      arena_printf(change->faults->arena, "%.*s%s", (int) cut, value, cut < length ? "…" : "");
    message = arena_printf(change->faults->arena, "row %zu, column \"%s\": %s", row + 1,
                           change->from->name, reason);
  }
  struct json_fault fault = {.message = message != NULL ? message : reason,
                             .value = shown,
                             .hint = hint,
                             .row = value != NULL ? row + 1 : 0,
                             .column = change->from->name};
  json_fault_add_full(change->faults, &fault);
}

static bool
enough(const struct change *change)
{
  return change->faults->kept >= JSON_FAULTS_MAX;
}

/* The first format of the mask that all values share, or the number of formats. */
static unsigned
common_format(const struct change *change, unsigned formats,
              unsigned (*look)(const char *text, size_t length), bool *unclear)
{
  unsigned mask = (1u << formats) - 1;
  char buffer[64];
  for (size_t row = 0; row < change->rows && mask != 0; row++)
  {
    size_t length;
    const char *text = cell_text(change->from, row, buffer, &length);
    unsigned own = text != NULL ? look(text, length) : 0;
    /* What fits no format is a fault later, whatever the others are. */
    mask &= own != 0 ? own : mask;
  }
  unsigned format = 0;
  while (format < formats && (mask & (1u << format)) == 0)
    format++;
  *unclear = format < formats && (mask & (mask - 1)) != 0;
  return format;
}

/* Numbers with three digits behind the separator turned from fractions to thousands, or back. */
static void
reread(const struct change *change, double *numbers)
{
  const struct number_reading *reading = &change->to->reread;
  for (size_t row = 0; row < change->rows; row++)
  {
    double value = change->from->number[row];
    bool turned = reading->all || (reading->up ? value != floor(value) : fabs(value) >= 1000.0);
    /* An exact result: the product of a fraction and 1,000 is off by a hair. */
    numbers[row] = !turned ? value : reading->up ? nearbyint(value * 1000.0) : value / 1000.0;
  }
}

static enum err
to_numeric(const struct change *change)
{
  double *numbers = arena_array(change->arena, change->rows, sizeof *numbers);
  char buffer[64];
  bool unclear = false;
  unsigned format = change->to->number_format;
  if (numbers == NULL)
    return ERR_MEMORY;
  change->result->number = numbers;
  if (change->to->reread.there)
  {
    reread(change, numbers);
    return ERR_OK;
  }
  if (change->from->type == COLUMN_DATETIME)
  {
    memcpy(numbers, change->from->number, change->rows * sizeof *numbers);
    return ERR_OK;
  }
  if (!change->to->has_format)
    format = common_format(change, NUMBER_FORMATS, value_number_formats, &unclear);
  if (format == NUMBER_FORMATS)
    format = NUMBER_POINT;
  /* Plain digits are the same in every format; only commas alone have two meanings. */
  if (unclear && format == NUMBER_COMMA)
    refuse(change, 0, NULL, 0, "give \"format\": \"decimal_comma\" or \"thousands_comma\"",
           "its commas can be decimal commas or thousands");
  for (size_t row = 0; row < change->rows && !enough(change); row++)
  {
    size_t length;
    const char *text = cell_text(change->from, row, buffer, &length);
    numbers[row] = (double) NAN;
    if (text != NULL && !value_number(text, length, (enum number_format) format, &numbers[row]))
    {
      numbers[row] = (double) NAN;
      refuse(change, row, text, length, "leave the column as it is, or correct the file",
             "the value is not a number");
    }
  }
  return ERR_OK;
}

/* Day and month of a stored date change places; false when there is no such day. */
static bool
swap_day_month(double seconds, double *swapped)
{
  int64_t year;
  unsigned month, day;
  double days = floor(seconds / 86400.0);
  clock_civil_from_days((int64_t) days, &year, &month, &day);
  *swapped =
    (double) clock_days_from_civil(year, day, month) * 86400.0 + (seconds - days * 86400.0);
  return day <= 12;
}

static enum err
to_datetime(const struct change *change)
{
  double *seconds = arena_array(change->arena, change->rows, sizeof *seconds);
  char buffer[64];
  bool unclear = false;
  unsigned format = change->to->datetime_format;
  if (seconds == NULL)
    return ERR_MEMORY;
  change->result->number = seconds;
  if (!change->to->has_format)
    format = common_format(change, DATETIME_FORMATS, value_datetime_formats, &unclear);
  if (unclear)
    refuse(change, 0, NULL, 0, "give \"format\": \"dmy\" or \"mdy\"",
           "the order of day and month is not clear");
  for (size_t row = 0; row < change->rows && !enough(change); row++)
  {
    size_t length;
    const char *text = cell_text(change->from, row, buffer, &length);
    seconds[row] = (double) NAN;
    if (text == NULL)
      continue;
    bool good = change->to->swap_day_month
                  ? swap_day_month(change->from->number[row], &seconds[row])
                  : format < DATETIME_FORMATS
                      && value_datetime(text, length, (enum datetime_format) format, &seconds[row]);
    if (!good)
    {
      seconds[row] = (double) NAN;
      refuse(change, row, text, length, "dates look like 2026-11-23, 23.11.2026 or 11/23/2026",
             "the value is not a date in the order asked for");
    }
  }
  return ERR_OK;
}

/* Codes in the order of first appearance. */
static enum err
to_codes(const struct change *change, size_t limit, const char *too_many)
{
  struct dictionary *dictionary = dictionary_new();
  int32_t *codes = arena_array(change->arena, change->rows, sizeof *codes);
  enum err err = dictionary != NULL && codes != NULL ? ERR_OK : ERR_MEMORY;
  char buffer[64];
  for (size_t row = 0; err == ERR_OK && row < change->rows; row++)
  {
    size_t length;
    const char *text = cell_text(change->from, row, buffer, &length);
    codes[row] = text != NULL ? dictionary_add(dictionary, text, length) : -1;
    if (text != NULL && codes[row] < 0)
      err = ERR_MEMORY;
    else if (dictionary_count(dictionary) > limit)
    {
      refuse(change, 0, NULL, 0, "leave the column as it is", too_many);
      break;
    }
  }
  size_t count = err == ERR_OK ? dictionary_count(dictionary) : 0;
  const char **texts = arena_array(change->arena, count, sizeof *texts);
  if (texts == NULL)
    err = ERR_MEMORY;
  for (size_t k = 0; err == ERR_OK && k < count; k++)
    if ((texts[k] = arena_strdup(change->arena, dictionary_texts(dictionary)[k])) == NULL)
      err = ERR_MEMORY;
  dictionary_free(dictionary);
  change->result->code = codes;
  change->result->categories = texts;
  change->result->category_count = count;
  return err;
}

/* Whether the second of two texts is the no: by its word, else by its number, else by its bytes. */
static bool
second_is_no(const char *first, const char *second)
{
  unsigned pair;
  bool yes;
  double a, b;
  if (value_truth(second, strlen(second), &pair, &yes))
    return !yes;
  if (text_parse_double(first, strlen(first), false, &a)
      && text_parse_double(second, strlen(second), false, &b))
    return b < a;
  return strcmp(second, first) < 0;
}

static enum err
to_boolean(const struct change *change)
{
  enum err err =
    to_codes(change, 2, "it has more than two different values, so it can't be boolean");
  struct column *result = change->result;
  if (err != ERR_OK || result->category_count > 2)
    return err;
  if (result->category_count < 2)
  {
    refuse(change, 0, NULL, 0, "leave the column as it is",
           "it has fewer than two different values, so it can't be boolean");
    return ERR_OK;
  }
  if (!second_is_no(result->categories[0], result->categories[1]))
    return ERR_OK;
  const char **words = (const char **) (uintptr_t) result->categories;
  const char *first = words[0];
  words[0] = words[1];
  words[1] = first;
  int32_t *codes = (int32_t *) (uintptr_t) result->code;
  for (size_t row = 0; row < change->rows; row++)
    codes[row] = codes[row] >= 0 ? 1 - codes[row] : -1;
  return ERR_OK;
}

static enum err
to_text(const struct change *change)
{
  uint64_t *offsets = arena_array(change->arena, change->rows + 1, sizeof *offsets);
  char buffer[64];
  size_t length;
  if (offsets == NULL)
    return ERR_MEMORY;
  for (size_t row = 0; row < change->rows; row++)
    offsets[row + 1] =
      offsets[row]
      + (cell_text(change->from, row, buffer, &length) != NULL ? (uint64_t) length : 0);
  char *bytes = arena_alloc(change->arena, (size_t) offsets[change->rows]);
  if (bytes == NULL)
    return ERR_MEMORY;
  for (size_t row = 0; row < change->rows; row++)
  {
    const char *text = cell_text(change->from, row, buffer, &length);
    if (text != NULL)
      memcpy(bytes + offsets[row], text, length);
  }
  change->result->offset = offsets;
  change->result->text = bytes;
  return ERR_OK;
}

enum err
schema_edit_column(const struct column *column, size_t rows, const struct edit_change *to,
                   struct arena *arena, struct column *result, struct json_faults *faults)
{
  *result = *column;
  if (!to->wanted)
    return ERR_OK;
  *result = (struct column){.name = column->name, .type = to->type};
  struct change change = {
    .from = column, .rows = rows, .to = to, .arena = arena, .result = result, .faults = faults};
  switch (to->type)
  {
  case COLUMN_NUMERIC:
    return to_numeric(&change);
  case COLUMN_DATETIME:
    return to_datetime(&change);
  case COLUMN_CATEGORICAL:
    return to_codes(&change, INFER_MAX_CATEGORIES,
                    "it has more than 65536 different values, so it can't be categorical");
  case COLUMN_BOOLEAN:
    return to_boolean(&change);
  case COLUMN_TEXT:
  case COLUMN_IDENTIFIER:
    return to_text(&change);
  }
  return ERR_INTERNAL;
}
