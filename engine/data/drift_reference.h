/* The training data of a model as counts over bins: what is asked of it later is counted over the same bins.
 *
 * Made of a dataset and the model's schema, kept as JSON {"version":1,"rows","columns":[{"name","type","edges" or
 * "codes" and "values","counts"}],"target":{"edges"?,"counts"}}. A column of numbers or dates has bins between its
 * deciles (those that differ), a text has them by its length in bytes; a column of categories has a bin for each of
 * the commonest and one for the others. Two more bins follow in every column: missing, and unknown categories. The
 * target has a bin for each class, or those between its deciles.
 *
 * Owns everything; immutable once read; any thread.
 */
#ifndef ATTUNE_DATA_DRIFT_REFERENCE_H
#define ATTUNE_DATA_DRIFT_REFERENCE_H

#include <jansson.h>

#include "data/dataset.h"

/* Columns after these are not looked at. */
#define DRIFT_COLUMNS_MAX 2000
/* Values of a column as numbers: a category's index in the model's schema, a text's bytes, or one of these. */
#define DRIFT_MISSING NAN
#define DRIFT_UNKNOWN (-2.0)
/* Bins after a column's own. */
#define DRIFT_MORE_BINS 2

struct drift_column
{
  const char *name;
  enum column_type type;
  size_t bins;         /* without the two more */
  const double *edges; /* (bins - 1), rising; NULL for categories */
  const double *codes; /* (bins - 1) of categories, for the others the last bin; NULL for numbers */
  const uint64_t *trained; /* (bins + 2) */
  size_t place;            /* of its first bin among all counts */
};

struct drift_reference
{
  struct arena *arena;
  uint64_t rows; /* that were counted */
  struct drift_column *columns;
  size_t column_count;
  struct drift_column target; /* without the two more bins; no bins where it is not known */
  size_t size;                /* of all counts; the first one counts rows, the second answers */
};

/* Counts at most `most` rows, evenly taken, of the dataset that a model with this schema (as GET .../schema shows it)
 * was trained on. New reference. ERR_INVALID when the dataset does not fit the schema, ERR_MEMORY. */
enum err drift_reference_make(const struct dataset *dataset, const json_t *schema, size_t most,
                              json_t **reference, struct err_info *info);

/* Where no dataset is left: classes without counts, no columns. NULL without memory. */
json_t *drift_reference_empty(const json_t *schema);

/* ERR_INVALID when it is damaged, ERR_MEMORY. */
enum err drift_reference_read(const json_t *json, struct drift_reference **reference,
                              struct err_info *info);
void drift_reference_free(struct drift_reference *reference);

/* Adds one value of a column, or one answer (a class, or a number), to counts (size). What has no bin is left out. */
void drift_reference_count(const struct drift_reference *reference, size_t column, double value,
                           double *counts);
void drift_reference_count_answer(const struct drift_reference *reference, bool is_class,
                                  double value, double *counts);

/* The value of a table's column in a row as one of the numbers above. */
double drift_value(const struct column *column, size_t row);

#endif
