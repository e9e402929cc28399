/* What may be wrong with a dataset, before anything is learned from it.
 *
 * Looks at values only: gaps, constant columns, copies, identifiers, small classes, columns that give the
 * target away, odd values, blank images. Deterministic; on large data an even sample of rows is looked at
 * and the answer says so. Pure; any thread.
 */
#ifndef ATTUNE_DATA_ISSUES_H
#define ATTUNE_DATA_ISSUES_H

#include <jansson.h>
#include <stddef.h>

#include "data/dataset.h"

struct issues_request
{
  const struct dataset *dataset;
  const char *target; /* NULL = what depends on the target is left out (images have their labels) */
  const char *task_name; /* as in task_make; NULL = derive */
  size_t row_limit;      /* rows to look at; 0 = all */
  double seconds; /* columns that are not reached in this time are left out; INFINITY = all */
};

/* {"rows","rows_looked_at","complete","issues":[{"code","severity","column","rows_count","rows",
 * "message","hint"}]}: severity is info, warning or error; column may be null; rows are up to 20 examples,
 * counted from 0. Codes: empty_column, missing, missing_target, constant, nearly_constant, identifier,
 * mixed_types, placeholder, outliers, duplicates, duplicate_conflict, blank_image, small_class, imbalance,
 * leak, target (it can't be one). New reference. ERR_INVALID when the target can't be one. */
enum err issues_find(const struct issues_request *request, json_t **found, struct err_info *info);

/* One such entry, for a finder elsewhere; `column`, `rows` and `hint` may be NULL (new reference). */
json_t *issue_json(const char *code, const char *severity, const char *column, size_t rows_count,
                   json_t *rows, const char *message, const char *hint);

#endif
