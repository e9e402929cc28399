/* Private to row_schema.c and row_batch*.c: the columns of a schema of rows.
 */
#ifndef ATTUNE_DATA_ROW_SCHEMA_H
#define ATTUNE_DATA_ROW_SCHEMA_H

#include <stdint.h>

#include "base/arena.h"
#include "data/row_batch.h"
#include "data/values.h"

struct row_column
{
  const char *name;
  size_t name_length;
  enum column_type type;
  const char *const *categories;
  uint32_t *category_order; /* positions of the categories, ascending by bytes */
  size_t category_count;
  bool has_range;
  double min, max;                      /* seen in training */
  enum number_format number_format;     /* of numbers in CSV */
  enum datetime_format datetime_format; /* of dates in CSV */
  bool has_format;
};

struct row_schema
{
  struct arena *arena; /* owns everything */
  struct row_column *columns;
  uint32_t *name_order; /* positions of the columns, ascending by name */
  size_t count;
  bool all_numbers; /* every column is of numbers or dates */
  uint64_t layout;  /* another one for every schema of a process; never 0 */
};

/* Whether a column's values are numbers: of its own, or seconds since 1970. */
static inline bool
row_column_has_numbers(const struct row_column *column)
{
  return column->type == COLUMN_NUMERIC || column->type == COLUMN_DATETIME;
}

/* Position of the column, or of the category, of that text; SIZE_MAX if there is none. */
size_t row_schema_find(const struct row_schema *schema, const char *name, size_t length);
size_t row_column_find(const struct row_column *column, const char *text, size_t length);

#endif
