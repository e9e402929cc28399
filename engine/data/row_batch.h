/* Rows that came in a request, checked against a model's input schema and turned into a table.
 *
 * The schema is what the model was trained on: columns by name with type and categories. A row is
 * never dropped silently: each has its own faults (it gets no prediction) and warnings (it does).
 * Absent column = missing value + warning; unknown column = warning; an unknown category = missing
 * + warning; a word in a numeric column = fault. With `strict`, absent and unknown columns are
 * faults. A row of which no column is known is a fault. A batch owns its memory but for the names
 * and categories, which are its schema's: the schema must outlive it. One thread builds, any may
 * read.
 */
#ifndef ATTUNE_DATA_ROW_BATCH_H
#define ATTUNE_DATA_ROW_BATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "data/dataset.h"
#include "data/table.h"
#include "data/task.h"

/* Input columns of a model (no target, no dropped columns); strings are owned by the schema. */
struct row_schema;

/* From and to JSON: [{"name","type","categories"?,"min"?,"max"?,"format"?}] as `GET …/schema` shows
 * it. */
enum err row_schema_from_json(const json_t *json, struct row_schema **schema,
                              struct err_info *info);
json_t *row_schema_to_json(const struct row_schema *schema);
void row_schema_free(struct row_schema *schema);
/* Number of columns. */
size_t row_schema_count(const struct row_schema *schema);
/* Name and type of column `index`; the name is the schema's. */
const char *row_schema_column(const struct row_schema *schema, size_t index,
                              enum column_type *type);

/* The least and greatest value of a numeric or datetime column in the training data; false when none is known. */
bool row_schema_range(const struct row_schema *schema, size_t index, double *low, double *high);

/* The schema of a dataset's columns without the target and identifier columns. */
enum err row_schema_from_dataset(const struct dataset *dataset, const char *target,
                                 struct row_schema **schema, struct err_info *info);
/* The same without the columns that the task leaves out, too: what its models want. */
enum err row_schema_from_task(const struct dataset *dataset, const struct task *task,
                              struct row_schema **schema, struct err_info *info);

struct row_batch;

/* From a JSON array of objects, or of arrays with a value for every column in the schema's order. Faults are
 * located by "/rows/<i>/<column>". ERR_INVALID only when the whole is unusable (not an array, empty, more than
 * max_rows): the text says so. */
enum err row_batch_from_json(const struct row_schema *schema, const json_t *rows, bool strict,
                             size_t max_rows, struct row_batch **batch, struct err_info *info);

/* From the text of a body {"rows": [...]} that has nothing out of the ordinary: each row an object that gives every
 * column once, or an array of all values in the schema's order, and no fault or warning in any. The same values as
 * by json_parse and row_batch_from_json, without the tree between. False (and no batch) for any other body, and
 * without memory: read it that way then, which tells what is wrong with it. */
bool row_batch_scan(const struct row_schema *schema, const char *bytes, size_t length,
                    size_t max_rows, struct row_batch **batch);

/* Whether every column is of numbers or dates. */
bool row_schema_is_numbers(const struct row_schema *schema);
/* Which column has the name, perhaps the guessed one; SIZE_MAX: none. */
size_t row_schema_place(const struct row_schema *schema, const char *name, size_t guess);

/* Numbers of a column: row i's is first[i · step]; NaN = missing. */
struct row_numbers
{
  const double *first;
  size_t step;
};

/* Rows of a schema of nothing but numbers and dates, (count) columns of which in its order; without faults and
 * warnings, as from JSON rows that give every column. ERR_MEMORY. */
enum err row_batch_from_numbers(const struct row_schema *schema, const struct row_numbers *columns,
                                size_t rows, struct row_batch **batch, struct err_info *info);

/* From CSV text with a header line. ERR_INVALID with the row number when it can't be parsed at all. */
enum err row_batch_from_csv(const struct row_schema *schema, const char *bytes, size_t length,
                            bool strict, size_t max_rows, struct row_batch **batch,
                            struct err_info *info);
void row_batch_free(struct row_batch *batch);

const struct table *row_batch_table(const struct row_batch *batch);
/* Faults and warnings of a row, as JSON arrays of {pointer, row (from 1), column?, value?, message,
 * hint?}; borrowed, NULL = none. */
const json_t *row_batch_faults(const struct row_batch *batch, size_t row);
const json_t *row_batch_warnings(const struct row_batch *batch, size_t row);

#endif
