/* Private to attune-ingest: which columns of a dataset change to which type, and the cells they
 * become.
 *
 * Everything comes from the canonical values: texts are kept as they were ("007" stays "007" until
 * it is asked to be a number), numbers become the shortest text that reads back. A value that does
 * not fit its new type is a fault, never a missing value. Owns its plan; one thread.
 */
#ifndef ATTUNE_DATA_SCHEMA_EDIT_H
#define ATTUNE_DATA_SCHEMA_EDIT_H

#include <jansson.h>

#include "base/arena.h"
#include "base/json.h"
#include "data/infer_types.h"
#include "data/table.h"
#include "data/values.h"

struct edit_change
{
  bool wanted; /* false: the column stays */
  enum column_type type;
  bool has_format;
  enum number_format number_format;
  enum datetime_format datetime_format;
  /* For numbers whose separators were read in the wrong one of two meanings. */
  struct number_reading reread;
  /* For a date that was read in the wrong order: day and month change places. */
  bool swap_day_month;
};

/* The other reading of a numeric column as its member "other_format" of the schema, and back (there is none
 * when it is not of that form). */
json_t *schema_edit_reading_json(const struct number_reading *reading);
struct number_reading schema_edit_reading(const json_t *described);

/* How a column that was just reread could be turned back: none when its numbers do not tell. `old` is the
 * format and `before` the numbers it had. */
struct number_reading schema_edit_turn_back(const struct number_reading *reading,
                                            enum number_format old, const double *before,
                                            size_t rows);

/* Reads {"columns": [{"name","type"?,"format"?}]} or {"columns": {name: type | {type,format}}}
 * against the schema. `changes` has one entry per column, zeroed. Faults have pointers into the
 * edit. */
void schema_edit_plan(const json_t *edit, const struct table *table, const json_t *schema,
                      struct edit_change *changes, struct json_faults *faults);

/* The column under its change, in the arena; numbers, codes or offsets as the type asks. Values
 * that do not fit are faults. ERR_MEMORY or ERR_OK. */
enum err schema_edit_column(const struct column *column, size_t rows,
                            const struct edit_change *change, struct arena *arena,
                            struct column *result, struct json_faults *faults);

#endif
