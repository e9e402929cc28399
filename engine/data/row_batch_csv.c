#include <config.h>

#include "data/row_batch_internal.h"

#include <stdlib.h>
#include <string.h>

void
row_header_free(struct row_header *header)
{
  for (size_t f = 0; header->unknown != NULL && f < header->fields; f++)
    free(header->unknown[f]);
  free(header->unknown);
  free(header->target);
  free(header->given);
}

static enum err
map_field(const struct row_schema *schema, const struct csv_field *field, size_t f,
          struct row_header *header, struct err_info *info)
{
  const char *name = field->text;
  size_t length = field->length;
  value_trim(&name, &length);
  size_t at = row_schema_find(schema, name, length);
  header->target[f] = at;
  if (at == SIZE_MAX)
  {
    header->unknown[f] = strndup(name, length);
    return header->unknown[f] != NULL ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
  }
  if (header->given[at])
    return err_set(info, ERR_INVALID, "the header names column \"%.60s\" twice",
                   schema->columns[at].name);
  header->given[at] = true;
  return ERR_OK;
}

enum err
row_header_read(const struct row_schema *schema, struct csv_reader *reader,
                struct row_header *header, struct err_info *info)
{
  const struct csv_field *fields;
  size_t count, known = 0;
  enum err err = csv_next(reader, &fields, &count, info);
  if (err != ERR_OK)
  {
    err_prefix(info, "line %llu", (unsigned long long) csv_line(reader));
    return err;
  }
  if (count == 0)
    return err_set(info, ERR_INVALID, "the CSV is empty; give a header line and at least one row");
  header->fields = count;
  header->target = calloc(count, sizeof *header->target);
  header->unknown = calloc(count, sizeof *header->unknown);
  header->given = calloc(schema->count + 1, sizeof *header->given);
  if (header->target == NULL || header->unknown == NULL || header->given == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t f = 0; f < count; f++)
  {
    err = map_field(schema, &fields[f], f, header, info);
    if (err != ERR_OK)
      return err;
    known += header->target[f] != SIZE_MAX;
  }
  if (known == 0)
    return err_set(info, ERR_INVALID,
                   "the first line must name the columns, and none of its names is known to the "
                   "model; its first column is \"%.60s\"",
                   schema->columns[0].name);
  return ERR_OK;
}

/* Records after the header; the faulty ones count, as each is a row with a fault. */
static enum err
count_rows(struct csv_reader *reader, size_t max_rows, size_t *rows, struct err_info *info)
{
  *rows = 0;
  for (;;)
  {
    const struct csv_field *fields;
    size_t count;
    enum err err = csv_next(reader, &fields, &count, info);
    if (err != ERR_OK && (err != ERR_INVALID || !csv_can_go_on(reader)))
    {
      err_prefix(info, "row %zu (line %llu)", *rows + 1, (unsigned long long) csv_line(reader));
      return err;
    }
    if (err == ERR_OK && count == 0)
      break;
    if (++*rows > max_rows)
      return err_set(info, ERR_INVALID, "there are more than %zu rows; send fewer at a time",
                     max_rows);
  }
  if (*rows == 0)
    return err_set(info, ERR_INVALID, "the CSV has a header line and no rows");
  return ERR_OK;
}

void
row_batch_fill(struct row_batch *batch, const struct row_header *header, size_t row,
               const struct csv_field *fields, size_t count, bool strict, bool csv)
{
  if (count != header->fields)
  {
    char message[96];
    snprintf(message, sizeof message, "the row has %zu field%s, the header has %zu", count,
             count == 1 ? "" : "s", header->fields);
    row_batch_note(batch, true, row, NULL, NULL, "a value with the delimiter in it needs quotes",
                   message);
    return;
  }
  for (size_t f = 0; f < count; f++)
    if (header->target[f] != SIZE_MAX)
      row_batch_set_text(batch, row, header->target[f], fields[f].text, fields[f].length, csv);
    else
      row_batch_note(batch, strict, row, header->unknown[f], NULL,
                     strict ? "remove it, or leave out \"strict\"" : NULL,
                     "the model has no such column");
  for (size_t c = 0; c < batch->schema->count; c++)
    if (!header->given[c])
      row_batch_note_absent(batch, row, c, strict);
}

enum err
row_batch_from_csv(const struct row_schema *schema, const char *bytes, size_t length, bool strict,
                   size_t max_rows, struct row_batch **result, struct err_info *info)
{
  *result = NULL;
  struct csv_options options = {0};
  struct csv_reader *reader = NULL;
  struct row_header header = {0};
  struct row_batch *batch = NULL;
  size_t rows = 0, count;
  const struct csv_field *fields;
  enum err err = csv_open_bytes(bytes, length, &options, &reader, info);
  if (err == ERR_OK)
    err = row_header_read(schema, reader, &header, info);
  if (err == ERR_OK)
    err = count_rows(reader, max_rows, &rows, info);
  if (err == ERR_OK)
    err = row_batch_new(schema, rows, &batch, info);
  if (err != ERR_OK)
    goto out;
  csv_rewind(reader);
  err = csv_next(reader, &fields, &count, info);
  for (size_t row = 0; err == ERR_OK && row < rows; row++)
  {
    struct err_info reason = {0};
    enum err bad = csv_next(reader, &fields, &count, &reason);
    if (bad == ERR_INVALID)
      row_batch_note(batch, true, row, NULL, NULL, NULL, reason.text);
    else if (bad == ERR_OK)
      row_batch_fill(batch, &header, row, fields, count, strict, true);
    else
      err = err_set(info, bad, "%s", reason.text);
  }
  if (err == ERR_OK)
    err = row_batch_finish(batch, info);
out:
  row_header_free(&header);
  csv_close(reader);
  if (err != ERR_OK)
  {
    row_batch_free(batch);
    batch = NULL;
  }
  *result = batch;
  return err;
}
