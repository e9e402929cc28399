/* Private to row_batch*.c: a batch while it is built.
 */
#ifndef ATTUNE_DATA_ROW_BATCH_INTERNAL_H
#define ATTUNE_DATA_ROW_BATCH_INTERNAL_H

#include "base/buf.h"
#include "data/csv.h"
#include "data/row_schema.h"

struct row_batch
{
  struct row_batch *spare; /* the next one kept by a thread */
  const struct row_schema *schema;
  struct arena *arena; /* cells, columns, messages */
  struct table table;
  json_t **faults, **warnings; /* per row, NULL = none */
  struct row_text *texts;      /* per column; NULL when none is of text */
  double *numbers;             /* of all columns that have them, one after the other */
  size_t number_count;         /* cells in them */
  size_t *order, *row_of;      /* per column, for row_batch_scan.c; NULL until it asks */
};

/* The values of a text column so far. */
struct row_text
{
  struct buf bytes;
  uint64_t *offset; /* (rows + 1), set up to `next` */
  size_t next;      /* row that comes next */
};

/* A batch of `rows` rows, all missing. */
enum err row_batch_new(const struct row_schema *schema, size_t rows, struct row_batch **batch,
                       struct err_info *info);

/* row_batch_spare.c: all cells missing, as in a new batch. */
void row_batch_clear(struct row_batch *batch);
/* Each thread keeps a few batches of one row, for the next call with the same schema: most calls for a prediction have
 * one row, and building its table takes longer than reading it. Takes one, cleared; NULL = there is none. */
struct row_batch *row_batch_spare_take(const struct row_schema *schema, size_t rows);
/* False when the batch is not one to keep. */
bool row_batch_spare_keep(struct row_batch *batch);

/* After the last cell: the text columns are put in order. ERR_MEMORY when one did not fit. */
enum err row_batch_finish(struct row_batch *batch, struct err_info *info);

/* Adds a fault (or a warning) of row `row`, counted from 0; column, value and hint may be NULL. */
void row_batch_note(struct row_batch *batch, bool fault, size_t row, const char *column,
                    const char *value, const char *hint, const char *message);

/* Sets a cell from text, from a CSV field or a JSON string; each at most once, in the order of rows. Notes what is
 * wrong with it. `csv`: in
 * the format of the schema's files; else also in plain JSON form. */
void row_batch_set_text(struct row_batch *batch, size_t row, size_t column, const char *text,
                        size_t length, bool csv);
void row_batch_set_number(struct row_batch *batch, size_t row, size_t column, double value);
void row_batch_set_code(struct row_batch *batch, size_t row, size_t column, int32_t code);

/* Notes that a column was not given. */
void row_batch_note_absent(struct row_batch *batch, size_t row, size_t column, bool strict);

/* Where the fields of a header line go; all zero before it is read. */
struct row_header
{
  size_t *target; /* per field: column of the schema, or SIZE_MAX */
  char **unknown; /* per field: its name when no column has it, else NULL */
  size_t fields;
  bool *given; /* per column of the schema */
};

/* Reads the first record. ERR_INVALID when it is none, or names no column of the schema. To be freed in any case. */
enum err row_header_read(const struct row_schema *schema, struct csv_reader *reader,
                         struct row_header *header, struct err_info *info);
void row_header_free(struct row_header *header);

/* Sets a row, from 0, from the fields of a record; rows in their order. `csv` as of row_batch_set_text. */
void row_batch_fill(struct row_batch *batch, const struct row_header *header, size_t row,
                    const struct csv_field *fields, size_t count, bool strict, bool csv);

#endif
