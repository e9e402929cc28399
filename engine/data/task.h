/* What is to be predicted: the target, its kind, its classes; and the labels of rows.
 * Immutable once made. Owns its strings (in the arena it was given).
 */
#ifndef ATTUNE_DATA_TASK_H
#define ATTUNE_DATA_TASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "data/dataset.h"

enum task_kind
{
  TASK_BINARY,
  TASK_MULTICLASS,
  TASK_REGRESSION
};

struct task
{
  enum task_kind kind;
  const char *target; /* column name; NULL for images */
  size_t target_column;
  size_t class_count; /* 2 for binary, 0 for regression */
  const char *const *class_names;
  size_t output_count; /* columns of a prediction: class_count (probabilities), or 1 */
  /* How a stored label becomes a class; both NULL for regression. */
  const int32_t
    *class_of_code;           /* by category (or image label): class, or -1 for a class left out */
  const double *class_values; /* of a numeric target: the ascending values, one per class */
  const bool
    *left_out; /* by column: no feature, as those for group, time and weight; NULL = none */
};

/* More classes than TASK_MAX_CLASSES, or fewer labelled rows than TASK_MIN_ROWS, are refused;
 * classes with fewer rows than TASK_MIN_CLASS_ROWS are left out. */
#define TASK_MAX_CLASSES 1000
#define TASK_MIN_CLASS_ROWS 2
#define TASK_MIN_ROWS 10
/* Larger values of a regression's target, either way, are refused. */
#define TASK_MAX_VALUE 1e30

/* "binary", "multiclass", "regression" and back; "classification" stands for either of the first
 * two. */
const char *task_kind_name(enum task_kind kind);

/* Derives the task. `target` may be NULL for images only; `kind_name` NULL, "classification",
 * "binary", "multiclass" or "regression". A numeric target with few distinct integral values is
 * taken as classes only when asked or when it has ≤ 2 values (else regression). Refused with
 * ERR_INVALID and a sentence with a remedy: no such column, all missing, constant, one class, an
 * identifier, a categorical that is different in every row, text, regression on words, fewer than
 * 10 labelled rows, more than half of the rows in classes of a single row, a regression's number
 * beyond TASK_MAX_VALUE. A class with a single row is dropped to a warning: with ERR_OK, info->text
 * holds that warning, or is empty. Classes are in the order of their numbers or, for words, of
 * their bytes; a boolean's are its false word, then its true one. */
enum err task_make(const struct dataset *dataset, const char *target, const char *kind_name,
                   struct arena *arena, struct task *task, struct err_info *info);

/* The same from the stored schema JSON alone (no mapping needed): what attuned can check before it
 * accepts a job. Where the schema cannot tell, it passes. */
enum err task_check_schema(const json_t *schema, const char *target, const char *kind_name,
                           struct err_info *info);

/* Marks a column of the dataset as no feature; may be called for several. ERR_INVALID when there is no
 * such column. `name` NULL does nothing. */
enum err task_leave_out(struct task *task, const struct dataset *dataset, const char *name,
                        struct arena *arena, struct err_info *info);

/* Whether a column of that index may be learned from: not the target, not left out, no identifier. */
bool task_takes_column(const struct task *task, const struct table *table, size_t column);

/* Label of a row: class index (-1 = missing) for classification; number (NaN = missing) for
 * regression. */
int32_t task_class_of(const struct task *task, const struct dataset *dataset, size_t row);
double task_value_of(const struct task *task, const struct dataset *dataset, size_t row);

#endif
