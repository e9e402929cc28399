/* Columns of typed values: what a dataset, a CSV in a request and the rows of a predict call all
 * are.
 *
 * A table borrows or owns its columns' memory (see table_new and dataset_table). Immutable once
 * built; share between threads freely. Missing values: NaN in numeric and datetime columns, -1 in
 * categorical and boolean ones, a NULL-free empty span with `missing` offset rule in text ones
 * (offset[i] == offset[i+1] means missing; an empty string is missing, too).
 */
#ifndef ATTUNE_DATA_TABLE_H
#define ATTUNE_DATA_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

enum column_type
{
  COLUMN_NUMERIC,
  COLUMN_CATEGORICAL,
  COLUMN_BOOLEAN,  /* codes 0 and 1; the words of the file are its two categories */
  COLUMN_DATETIME, /* seconds since 1970 UTC as double */
  COLUMN_TEXT,
  COLUMN_IDENTIFIER /* as text; never a feature */
};

/* "numeric" … "identifier", and back (false if unknown). */
const char *column_type_name(enum column_type type);
bool column_type_parse(const char *name, enum column_type *type);

struct column
{
  const char *name;
  enum column_type type;
  /* numeric, datetime */
  const double *number;
  /* categorical, boolean: index into categories, -1 = missing */
  const int32_t *code;
  const char *const *categories;
  size_t category_count;
  /* text, identifier: bytes of row i are text + offset[i] … offset[i+1] */
  const uint64_t *offset;
  const char *text;
};

struct table
{
  size_t row_count;
  size_t column_count;
  const struct column *columns;
  uint64_t layout; /* of the row schema whose columns these are, in its order; 0 = of none */
  /* NULL, or (column_count, row_count): the numbers of all columns, one column after the other */
  const double *cells;
};

/* Index of a column by name, or SIZE_MAX. */
size_t table_find(const struct table *table, const char *name);

/* The value as text in the arena, as a CSV would show it; NULL = missing. */
const char *table_value_text(const struct column *column, size_t row, struct arena *arena);

/* The value as JSON (number, string, null), new reference. Booleans are shown by their words. */
json_t *table_value_json(const struct column *column, size_t row);

/* A number as JSON: whole ones without a fraction, null when not finite. New reference. */
json_t *table_number_json(double value);

/* Seconds since 1970 UTC as "2026-11-23" (midnight) or "2026-11-23T10:00:00Z"; size ≥ 64. */
void table_format_datetime(double seconds, char *text, size_t size);

#endif
