#include <config.h>

#include "data/ingest_work.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "data/csv.h"
#include "data/dataset_write.h"
#include "data/dictionary.h"
#include "data/infer_types.h"
#include "data/ingest_header.h"
#include "data/schema_edit.h"

/* Bounds that keep the parser under 256 MB with room to spare. */
#define DISTINCT_MEMORY ((size_t) 64 << 20)
#define DICTIONARY_MEMORY ((size_t) 80 << 20)

/* State of one file. */
struct run
{
  struct ingest_work *work;
  struct arena *arena;
  struct csv_reader *reader;
  struct ingest_names names;
  struct infer *infer;
  json_t *warnings;
  uint64_t rows;
  struct dataset_writer *writer;
  struct dictionary **dictionaries;
};

static void
add_fault(struct run *run, uint64_t row, const char *column, const char *value, const char *hint,
          const char *reason)
{
  const char *message =
    arena_printf(run->arena, "row %llu (line %llu): %s", (unsigned long long) row,
                 (unsigned long long) csv_line(run->reader), reason);
  struct json_fault fault = {.message = message != NULL ? message : reason,
                             .value = value,
                             .hint = hint,
                             .row = (size_t) row,
                             .column = column};
  json_fault_add_full(run->work->faults, &fault);
}

static enum err
skip_header(struct run *run, struct err_info *info)
{
  const struct csv_field *fields;
  size_t count;
  return run->names.in_file ? csv_next(run->reader, &fields, &count, info) : ERR_OK;
}

static enum err
look_at_row(struct run *run, const struct csv_field *fields, size_t count)
{
  const struct ingest_limits *limits = &run->work->limits;
  if (count != run->names.count)
  {
    char reason[96];
    snprintf(reason, sizeof reason, "the row has %zu field%s, the header has %zu", count,
             count == 1 ? "" : "s", run->names.count);
    add_fault(run, run->rows + 1, NULL, NULL,
              count > run->names.count ? "a value that holds the delimiter needs quotes around it"
                                       : "write empty fields for values that are missing",
              reason);
    return ERR_OK;
  }
  for (size_t c = 0; c < count; c++)
  {
    if (fields[c].length > limits->max_cell_bytes)
    {
      add_fault(run, run->rows + 1, run->names.names[c], NULL,
                "shorten it, or leave the column out", "the value is longer than is allowed");
      continue;
    }
    enum err err = infer_add(run->infer, c, fields[c].text, fields[c].length);
    if (err != ERR_OK)
      return err;
  }
  return ERR_OK;
}

/* Too many faults to list more of them. */
static bool
full(const struct run *run)
{
  return run->work->faults->kept >= JSON_FAULTS_MAX;
}

static enum err
faults_summary(const struct run *run, struct err_info *info)
{
  const struct json_faults *faults = run->work->faults;
  if (faults->count == 1)
    return err_set(info, ERR_INVALID, "%s", faults->items[0].message);
  return err_set(info, ERR_INVALID, "%s%zu rows can't be read; the first: %s",
                 full(run) ? "at least " : "", faults->count, faults->items[0].message);
}

/* The first pass: every record checked, every value looked at. */
static enum err
first_pass(struct run *run, struct err_info *info)
{
  enum err err = skip_header(run, info);
  while (err == ERR_OK && !full(run))
  {
    const struct csv_field *fields;
    size_t count;
    struct err_info reason = {0};
    err = csv_next(run->reader, &fields, &count, &reason);
    if (err == ERR_INVALID)
    {
      add_fault(run, run->rows + 1, NULL, NULL, NULL, reason.text);
      run->rows++;
      err = ERR_OK;
      if (!csv_can_go_on(run->reader))
        break;
      continue;
    }
    if (err != ERR_OK)
      return err_set(info, err, "%s", reason.text);
    if (count == 0)
      break;
    if (run->rows == run->work->limits.max_rows)
      return err_set(info, ERR_INVALID, "the file has more than %llu rows",
                     (unsigned long long) run->rows);
    err = look_at_row(run, fields, count);
    run->rows++;
  }
  if (err != ERR_OK)
    return err_set(info, err, "out of memory");
  if (run->work->faults->count > 0)
    return faults_summary(run, info);
  if (run->rows == 0)
    return err_set(info, ERR_INVALID, "the file has a header line and no rows; add rows");
  if (csv_blank_lines(run->reader) > 0)
  {
    const char *note = arena_printf(run->arena, "%llu empty lines are skipped",
                                    (unsigned long long) csv_blank_lines(run->reader));
    if (note != NULL)
      json_array_append_new(run->warnings, json_string(note));
  }
  return ERR_OK;
}

static enum err
store_boolean(struct run *run, size_t c, const char *text, size_t length)
{
  unsigned pair;
  bool yes = false;
  value_truth(text, length, &pair, &yes);
  return dataset_writer_code(run->writer, c, yes ? 1 : 0);
}

static enum err
store_value(struct run *run, size_t c, const char *text, size_t length)
{
  const struct column_guess *guess = infer_guess(run->infer, c);
  value_trim(&text, &length);
  bool missing = value_is_missing(text, length);
  double value = (double) NAN;
  int32_t code = -1;
  switch (guess->type)
  {
  case COLUMN_NUMERIC:
    if (!missing && !value_number(text, length, guess->number_format, &value))
      return ERR_INTERNAL;
    return dataset_writer_number(run->writer, c, value);
  case COLUMN_DATETIME:
    if (!missing && !value_datetime(text, length, guess->datetime_format, &value))
      return ERR_INTERNAL;
    return dataset_writer_number(run->writer, c, value);
  case COLUMN_BOOLEAN:
    return missing ? dataset_writer_code(run->writer, c, -1) : store_boolean(run, c, text, length);
  case COLUMN_CATEGORICAL:
    if (!missing && (code = dictionary_add(run->dictionaries[c], text, length)) < 0)
      return ERR_MEMORY;
    return dataset_writer_code(run->writer, c, code);
  case COLUMN_TEXT:
  case COLUMN_IDENTIFIER:
    return dataset_writer_text(run->writer, c, text, missing ? 0 : length);
  }
  return ERR_INTERNAL;
}

static enum err
store_failed(enum err err, struct err_info *info)
{
  if (err == ERR_IO)
    return err_set_errno(info, errno == ENOSPC || errno == EDQUOT ? ERR_UNAVAILABLE : ERR_IO, errno,
                         "could not write the dataset");
  return err_set(info, err,
                 err == ERR_MEMORY ? "out of memory" : "the file changed while it was read");
}

/* The second pass: every value to its place. */
static enum err
second_pass(struct run *run, struct err_info *info)
{
  csv_rewind(run->reader);
  enum err err = skip_header(run, info);
  if (err != ERR_OK)
    return err;
  for (uint64_t row = 0; row < run->rows; row++)
  {
    const struct csv_field *fields;
    size_t count;
    err = csv_next(run->reader, &fields, &count, info);
    if (err != ERR_OK)
      return err;
    if (count != run->names.count)
      return store_failed(ERR_INTERNAL, info);
    for (size_t c = 0; c < count; c++)
    {
      err = store_value(run, c, fields[c].text, fields[c].length);
      if (err != ERR_OK)
        return store_failed(err, info);
    }
  }
  return ERR_OK;
}

static enum err
start_writer(struct run *run, struct err_info *info)
{
  size_t count = run->names.count;
  struct dataset_column_spec *specs = arena_array(run->arena, count, sizeof *specs);
  run->dictionaries = arena_array(run->arena, count, sizeof(struct dictionary *));
  if (specs == NULL || run->dictionaries == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t c = 0; c < count; c++)
  {
    const struct column_guess *guess = infer_guess(run->infer, c);
    specs[c] = (struct dataset_column_spec){guess->type, guess->text_bytes};
    if (guess->type == COLUMN_CATEGORICAL && (run->dictionaries[c] = dictionary_new()) == NULL)
      return err_set(info, ERR_MEMORY, "out of memory");
  }
  return dataset_writer_table(run->work->output, run->rows, specs, count, &run->writer, info);
}

static json_t *
example_json(const struct column_guess *guess, const char *text)
{
  double value;
  char shown[64];
  if (guess->type == COLUMN_NUMERIC
      && value_number(text, strlen(text), guess->number_format, &value))
    return table_number_json(value);
  if (guess->type == COLUMN_DATETIME
      && value_datetime(text, strlen(text), guess->datetime_format, &value))
  {
    table_format_datetime(value, shown, sizeof shown);
    return json_string(shown);
  }
  return json_string(text);
}

static json_t *
describe_column(const struct column_guess *guess)
{
  json_t *examples = json_array();
  for (size_t i = 0; i < guess->example_count; i++)
    json_array_append_new(examples, example_json(guess, guess->examples[i]));
  json_t *item = json_pack("{s:s, s:s, s:I, s:I, s:o}", "name", guess->name, "type",
                           column_type_name(guess->type), "missing", (json_int_t) guess->missing,
                           "distinct", (json_int_t) guess->distinct, "examples", examples);
  if (item == NULL)
    return NULL;
  if (!guess->distinct_exact)
    json_object_set_new(item, "distinct_exact", json_false());
  if (guess->type == COLUMN_DATETIME)
    json_object_set_new(item, "format", json_string(datetime_format_name(guess->datetime_format)));
  if (guess->type == COLUMN_NUMERIC && guess->number_format != NUMBER_POINT)
    json_object_set_new(item, "format", json_string(number_format_name(guess->number_format)));
  if (guess->type == COLUMN_NUMERIC && guess->other.there)
    json_object_set_new(item, "other_format", schema_edit_reading_json(&guess->other));
  if (guess->note != NULL)
    json_object_set_new(item, "note", json_string(guess->note));
  return item;
}

static json_t *
make_schema(const struct run *run)
{
  json_t *columns = json_array();
  for (size_t c = 0; columns != NULL && c < run->names.count; c++)
    if (json_array_append_new(columns, describe_column(infer_guess(run->infer, c))) != 0)
    {
      json_decref(columns);
      return NULL;
    }
  return json_pack("{s:s, s:I, s:o, s:O}", "kind", "table", "rows", (json_int_t) run->rows,
                   "columns", columns, "warnings", run->warnings);
}

static enum err
finish(struct run *run, struct err_info *info)
{
  size_t count = run->names.count;
  struct dataset_dictionary *dictionaries = arena_array(run->arena, count, sizeof *dictionaries);
  run->work->schema = make_schema(run);
  if (dictionaries == NULL || run->work->schema == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t c = 0; c < count; c++)
  {
    const struct column_guess *guess = infer_guess(run->infer, c);
    if (guess->type == COLUMN_BOOLEAN)
      dictionaries[c] = (struct dataset_dictionary){guess->words, 2};
    else if (guess->type == COLUMN_CATEGORICAL)
      dictionaries[c] = (struct dataset_dictionary){dictionary_texts(run->dictionaries[c]),
                                                    dictionary_count(run->dictionaries[c])};
  }
  return dataset_writer_finish(run->writer, dictionaries, run->work->schema, &run->work->bytes,
                               info);
}

static enum err
check_size(const struct ingest_work *work, struct err_info *info)
{
  struct stat status;
  if (fstat(work->input, &status) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not read the file");
  if ((uint64_t) status.st_size > work->limits.max_bytes)
    return err_set(info, ERR_INVALID, "the file has %lld bytes; at most %llu are allowed",
                   (long long) status.st_size, (unsigned long long) work->limits.max_bytes);
  return ERR_OK;
}

enum err
ingest_csv(struct ingest_work *work, struct err_info *info)
{
  struct run run = {.work = work, .arena = arena_new(0), .warnings = json_array()};
  struct csv_options options = {.delimiter = work->delimiter,
                                .max_columns = work->limits.max_columns};
  enum err err = run.arena == NULL || run.warnings == NULL
                   ? err_set(info, ERR_MEMORY, "out of memory")
                   : check_size(work, info);
  if (err == ERR_OK)
    err = csv_open_fd(work->input, &options, &run.reader, info);
  if (err == ERR_OK)
    err = ingest_find_names(run.reader, work, run.arena, &run.names, run.warnings, info);
  if (err == ERR_OK)
  {
    run.infer = infer_new(run.names.names, run.names.count, DISTINCT_MEMORY);
    err = run.infer == NULL ? err_set(info, ERR_MEMORY, "out of memory") : first_pass(&run, info);
  }
  if (err == ERR_OK
      && infer_settle(run.infer, csv_delimiter(run.reader), DICTIONARY_MEMORY) != ERR_OK)
    err = err_set(info, ERR_MEMORY, "out of memory");
  if (err == ERR_OK)
    err = start_writer(&run, info);
  if (err == ERR_OK)
    err = second_pass(&run, info);
  if (err == ERR_OK)
    err = finish(&run, info);
  dataset_writer_free(run.writer);
  for (size_t c = 0; run.dictionaries != NULL && c < run.names.count; c++)
    dictionary_free(run.dictionaries[c]);
  infer_free(run.infer);
  csv_close(run.reader);
  json_decref(run.warnings);
  arena_free(run.arena);
  return err;
}
