#include <config.h>

#include "data/row_stream.h"

#include <stdlib.h>

#include "data/row_batch_internal.h"

struct row_stream
{
  const struct row_schema *schema;
  struct csv_reader *reader;
  struct row_header header;
  struct row_stream_form form;
  uint64_t first, place; /* bytes: of the first row, of the next */
  uint64_t rows;         /* before the next */
};

void
row_stream_close(struct row_stream *stream)
{
  if (stream == NULL)
    return;
  row_header_free(&stream->header);
  csv_close(stream->reader);
  free(stream);
}

enum err
row_stream_open(const struct row_schema *schema, int fd, const struct row_stream_form *form,
                struct row_stream **result, struct err_info *info)
{
  *result = NULL;
  struct csv_options options = {0};
  struct row_stream *stream = calloc(1, sizeof *stream);
  if (stream == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  stream->schema = schema;
  stream->form = *form;
  enum err err = csv_open_fd(fd, &options, &stream->reader, info);
  if (err == ERR_OK)
    err = row_header_read(schema, stream->reader, &stream->header, info);
  if (err != ERR_OK)
  {
    row_stream_close(stream);
    return err;
  }
  stream->first = stream->place = csv_bytes(stream->reader);
  *result = stream;
  return ERR_OK;
}

size_t
row_stream_field_count(const struct row_stream *stream)
{
  return stream->header.fields;
}

const char *
row_stream_field(const struct row_stream *stream, size_t index)
{
  const char *unknown = stream->header.unknown[index];
  return unknown != NULL ? unknown : stream->schema->columns[stream->header.target[index]].name;
}

uint64_t
row_stream_place(const struct row_stream *stream)
{
  return stream->place;
}

void
row_stream_seek(struct row_stream *stream, uint64_t place, uint64_t rows)
{
  stream->place = place < stream->first ? stream->first : place;
  stream->rows = rows;
}

/* Counts rows from the place on, as far as `want` goes; *bytes: where the last of them ends. A faulty row counts, as it
 * is a row with a fault. */
static enum err
count_rows(struct row_stream *stream, size_t most, size_t most_bytes, size_t *rows, uint64_t *end,
           struct err_info *info)
{
  *rows = 0;
  *end = stream->place;
  csv_seek(stream->reader, stream->place);
  while (*rows < most && *end - stream->place < most_bytes)
  {
    const struct csv_field *fields;
    size_t count;
    enum err err = csv_next(stream->reader, &fields, &count, info);
    if (err != ERR_OK && (err != ERR_INVALID || !csv_can_go_on(stream->reader)))
    {
      err_prefix(info, "row %llu", (unsigned long long) (stream->rows + *rows + 1));
      return err;
    }
    if (err == ERR_OK && count == 0)
      break;
    ++*rows;
    *end = csv_bytes(stream->reader);
  }
  return ERR_OK;
}

enum err
row_stream_count(struct row_stream *stream, size_t max_rows, size_t *rows, struct err_info *info)
{
  uint64_t place = stream->place, before = stream->rows, end;
  row_stream_seek(stream, 0, 0);
  enum err err =
    count_rows(stream, max_rows < SIZE_MAX ? max_rows + 1 : max_rows, SIZE_MAX, rows, &end, info);
  row_stream_seek(stream, place, before);
  if (err == ERR_OK && *rows > max_rows)
    err = err_set(info, ERR_INVALID, "there are more than %zu rows", max_rows);
  if (err == ERR_OK && *rows == 0)
    err = err_set(info, ERR_INVALID, "the CSV has a header line and no rows");
  return err;
}

static enum err
fill(struct row_stream *stream, const struct row_stream_want *want, size_t rows,
     struct row_batch *batch, struct err_info *info)
{
  csv_seek(stream->reader, stream->place);
  for (size_t row = 0; row < rows; row++)
  {
    struct err_info reason = {0};
    const struct csv_field *fields;
    size_t count;
    enum err err = csv_next(stream->reader, &fields, &count, &reason);
    if (err == ERR_INVALID)
      row_batch_note(batch, true, row, NULL, NULL, NULL, reason.text);
    else if (err == ERR_OK)
      row_batch_fill(batch, &stream->header, row, fields, count, stream->form.strict,
                     !stream->form.plain);
    else
      return err_set(info, err, "%s", reason.text);
    if (want->on_row != NULL)
      want->on_row(want->context, fields, err == ERR_OK ? count : 0);
  }
  return row_batch_finish(batch, info);
}

enum err
row_stream_next(struct row_stream *stream, const struct row_stream_want *want,
                struct row_batch **result, struct err_info *info)
{
  struct row_batch *batch = NULL;
  uint64_t end;
  size_t rows;
  *result = NULL;
  enum err err = count_rows(stream, want->rows, want->bytes, &rows, &end, info);
  if (err != ERR_OK || rows == 0)
    return err;
  err = row_batch_new(stream->schema, rows, &batch, info);
  if (err == ERR_OK)
    err = fill(stream, want, rows, batch, info);
  if (err != ERR_OK)
  {
    row_batch_free(batch);
    return err;
  }
  stream->place = end;
  stream->rows += rows;
  *result = batch;
  return ERR_OK;
}
