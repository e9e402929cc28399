#include <config.h>

#include "data/ingest_header.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "data/values.h"

#define SAMPLE_RECORDS 200
#define NAME_MAX_BYTES 200

/* The first record, copied, as the reader's fields move. */
struct first_record
{
  struct csv_field *fields;
  size_t count;
};

static enum err
copy_first(struct csv_reader *reader, struct arena *arena, struct first_record *first,
           struct err_info *info)
{
  const struct csv_field *fields;
  enum err err = csv_next(reader, &fields, &first->count, info);
  if (err != ERR_OK)
  {
    err_prefix(info, "line %llu", (unsigned long long) csv_line(reader));
    return err;
  }
  if (first->count == 0)
    return err_set(info, ERR_INVALID,
                   "the file is empty; upload a CSV with a header line and rows");
  first->fields = arena_array(arena, first->count, sizeof *first->fields);
  if (first->fields == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t f = 0; f < first->count; f++)
  {
    const char *text = fields[f].text;
    size_t length = fields[f].length;
    value_trim(&text, &length);
    first->fields[f].text = arena_strndup(arena, text, length);
    first->fields[f].length = length;
    if (first->fields[f].text == NULL)
      return err_set(info, ERR_MEMORY, "out of memory");
  }
  return ERR_OK;
}

static bool
is_value(const struct csv_field *field)
{
  return value_number_formats(field->text, field->length) != 0
         || value_datetime_formats(field->text, field->length) != 0;
}

/* True when some word of the first record comes again in its column further down. */
static bool
word_comes_again(struct csv_reader *reader, const struct first_record *first)
{
  for (size_t r = 0; r < SAMPLE_RECORDS; r++)
  {
    const struct csv_field *fields;
    size_t count;
    struct err_info ignored;
    if (csv_next(reader, &fields, &count, &ignored) != ERR_OK || count == 0)
      return false;
    for (size_t f = 0; f < count && f < first->count; f++)
    {
      const char *text = fields[f].text;
      size_t length = fields[f].length;
      value_trim(&text, &length);
      if (length > 0 && length == first->fields[f].length && !is_value(&first->fields[f])
          && memcmp(text, first->fields[f].text, length) == 0)
        return true;
    }
  }
  return false;
}

/* A first record of numbers only is a row; one of numbers and words is, if its words come again. */
static bool
first_is_row(struct csv_reader *reader, const struct first_record *first)
{
  size_t values = 0, words = 0;
  for (size_t f = 0; f < first->count; f++)
    if (is_value(&first->fields[f]))
      values++;
    else if (!value_is_missing(first->fields[f].text, first->fields[f].length))
      words++;
  if (values == 0)
    return false;
  return words == 0 || word_comes_again(reader, first);
}

static void
warn(json_t *warnings, const char *text)
{
  json_array_append_new(warnings, json_string(text));
}

struct name_place
{
  const char *name;
  size_t position;
};

static int
compare_places(const void *left, const void *right)
{
  const struct name_place *a = left, *b = right;
  int order = strcmp(a->name, b->name);
  return order != 0 ? order : (a->position > b->position) - (a->position < b->position);
}

static bool
name_taken(const char *const *names, size_t count, const char *name)
{
  for (size_t c = 0; c < count; c++)
    if (strcmp(names[c], name) == 0)
      return true;
  return false;
}

/* A name of the form "x_2" that no column has. */
static const char *
free_name(const struct ingest_names *names, const char *name, struct arena *arena)
{
  for (unsigned n = 2;; n++)
  {
    const char *candidate = arena_printf(arena, "%s_%u", name, n);
    if (candidate == NULL || !name_taken(names->names, names->count, candidate))
      return candidate;
  }
}

/* Gives the second and later columns of a name another one. */
static enum err
part_equal_names(struct ingest_names *names, struct arena *arena, json_t *warnings)
{
  struct name_place *places = malloc((names->count + 1) * sizeof *places);
  enum err err = places != NULL ? ERR_OK : ERR_MEMORY;
  for (size_t c = 0; err == ERR_OK && c < names->count; c++)
    places[c] = (struct name_place){names->names[c], c};
  if (err == ERR_OK)
    qsort(places, names->count, sizeof *places, compare_places);
  for (size_t i = 1; err == ERR_OK && i < names->count; i++)
  {
    if (strcmp(places[i].name, places[i - 1].name) != 0)
      continue;
    const char *other = free_name(names, places[i].name, arena);
    const char *note =
      other != NULL ? arena_printf(arena, "two columns are named \"%s\"; column %zu is now \"%s\"",
                                   places[i].name, places[i].position + 1, other)
                    : NULL;
    if (note == NULL)
      err = ERR_MEMORY;
    else
    {
      names->names[places[i].position] = other;
      warn(warnings, note);
    }
  }
  free(places);
  return err;
}

static enum err
take_names(struct ingest_names *names, const struct first_record *first, struct arena *arena,
           json_t *warnings, struct err_info *info)
{
  for (size_t c = 0; c < names->count; c++)
  {
    const struct csv_field *field = &first->fields[c];
    if (field->length > NAME_MAX_BYTES)
      return err_set(info, ERR_INVALID, "the name of column %zu has %zu bytes; at most %d are read",
                     c + 1, field->length, NAME_MAX_BYTES);
    names->names[c] = field->text;
    if (field->length > 0)
      continue;
    names->names[c] = arena_printf(arena, "column_%zu", c + 1);
    const char *note =
      arena_printf(arena, "column %zu has no name; it is now \"column_%zu\"", c + 1, c + 1);
    if (names->names[c] == NULL || note == NULL)
      return ERR_MEMORY;
    warn(warnings, note);
  }
  return part_equal_names(names, arena, warnings);
}

static enum err
invent_names(struct ingest_names *names, struct arena *arena, json_t *warnings, bool asked)
{
  for (size_t c = 0; c < names->count; c++)
  {
    names->names[c] = arena_printf(arena, "column_%zu", c + 1);
    if (names->names[c] == NULL)
      return ERR_MEMORY;
  }
  if (!asked)
    warn(warnings, "the first line holds values, not names, so the columns are named column_1, "
                   "column_2, …; add a header line to name them");
  return ERR_OK;
}

enum err
ingest_find_names(struct csv_reader *reader, struct ingest_work *work, struct arena *arena,
                  struct ingest_names *names, json_t *warnings, struct err_info *info)
{
  struct first_record first;
  *names = (struct ingest_names){0};
  enum err err = copy_first(reader, arena, &first, info);
  if (err != ERR_OK)
    return err;
  if (first.count > work->limits.max_columns)
    return err_set(info, ERR_INVALID, "the file has %zu columns; at most %llu are allowed",
                   first.count, (unsigned long long) work->limits.max_columns);
  names->count = first.count;
  names->names = arena_array(arena, first.count, sizeof *names->names);
  if (names->names == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  names->in_file = work->header == INGEST_HEADER_YES
                   || (work->header == INGEST_HEADER_AUTO && !first_is_row(reader, &first));
  err = names->in_file ? take_names(names, &first, arena, warnings, info)
                       : invent_names(names, arena, warnings, work->header == INGEST_HEADER_NO);
  if (err == ERR_MEMORY)
    err_set(info, ERR_MEMORY, "out of memory");
  csv_rewind(reader);
  return err;
}
