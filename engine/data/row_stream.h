/* A CSV file of rows too many for one batch: a part of them at a time, in bounded memory, from any place on.
 *
 * Rows, faults and warnings are those that row_batch_from_csv gives for the whole, but that rows are counted from the
 * part's first. Owns its buffers, not the descriptor; the schema must outlive it. One thread.
 */
#ifndef ATTUNE_DATA_ROW_STREAM_H
#define ATTUNE_DATA_ROW_STREAM_H

#include "data/csv.h"
#include "data/row_batch.h"

struct row_stream;

/* Reads the header line of `fd`, which is seekable. ERR_INVALID when the file is no CSV or its header names no column
 * of the schema. */
struct row_stream_form
{
  bool strict; /* as of row_batch.h */
  bool plain;  /* values are written as in JSON, not as in the files that the schema was made of */
};
enum err row_stream_open(const struct row_schema *schema, int fd,
                         const struct row_stream_form *form, struct row_stream **stream,
                         struct err_info *info);
void row_stream_close(struct row_stream *stream);

/* The fields of the header line, in its order; a name is that of the schema where it has the column. */
size_t row_stream_field_count(const struct row_stream *stream);
const char *row_stream_field(const struct row_stream *stream, size_t index);

/* Counts the rows of the whole file. ERR_INVALID when there is none, there are more than max_rows, or the file can't be
 * read to its end. The place stays. */
enum err row_stream_count(struct row_stream *stream, size_t max_rows, size_t *rows,
                          struct err_info *info);

/* The place of the next row in bytes, and back to a place that was told so, with `rows` before it. */
uint64_t row_stream_place(const struct row_stream *stream);
void row_stream_seek(struct row_stream *stream, uint64_t place, uint64_t rows);

struct row_stream_want
{
  size_t rows;  /* at most */
  size_t bytes; /* of the file; the row that goes beyond is the last */
  /* Each row's fields as they were written, in order; count 0 for a row that could not be split. May be NULL. */
  void (*on_row)(void *context, const struct csv_field *fields, size_t count);
  void *context;
};

/* The next rows as a batch of the caller's, NULL at the end. ERR_INVALID with the row, from 1, when the file can't be
 * read on. */
enum err row_stream_next(struct row_stream *stream, const struct row_stream_want *want,
                         struct row_batch **batch, struct err_info *info);

#endif
