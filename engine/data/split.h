/* Which rows train, validate and report: an honest split, a function of (dataset, target, spec,
 * seed).
 *
 * n ≥ 20,000 (or a stated holdout): train / valid / report, valid = report = min(10%, 5,000 rows).
 * Smaller: no reserved part; `fold_count` stratified folds give out-of-fold predictions, and fold
 * f's validation rows are those of fold f. Exact duplicate rows stay together.
 *
 * With a group column its groups stay together instead, dealt so that every part comes as near as it
 * can to its share of rows and of each class. With a time column the parts follow one another in time,
 * never cutting between equal times: train, valid, report; or fold_count + 1 windows, of which the
 * first only trains and fold f is trained on the windows before its own. A copy counts as early as
 * the earliest of its copies, a group as late as its latest row; rows without a time are left out.
 * Owns its arrays.
 */
#ifndef ATTUNE_DATA_SPLIT_H
#define ATTUNE_DATA_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/dataset.h"
#include "data/task.h"

struct split_spec
{
  uint64_t seed;
  double holdout; /* share of rows kept for the report; 0 = by the rule above */
  size_t
    fold_count; /* 0 = by the rule above (5 folds below 20,000 rows, fewer when classes are small) */
  const char *group, *time; /* columns; NULL = none */
  bool unstratified;        /* take no heed of classes, or of the target's size */
};

enum split_kind
{
  SPLIT_HOLDOUT, /* one fold: train, valid; and report rows */
  SPLIT_FOLDS    /* fold_count folds, no report rows */
};

struct split
{
  enum split_kind kind;
  size_t fold_count; /* units per trial: 1 for SPLIT_HOLDOUT */
  size_t row_count;  /* of the dataset */
  uint8_t *
    fold_of; /* per row: fold whose validation it is in; SPLIT_TRAIN_ONLY, SPLIT_REPORT, SPLIT_UNUSED */
  size_t report_count;
  bool time_ordered;  /* folds train on what comes before them only */
  size_t untimed;     /* rows left out because they have no time */
  size_t group_count; /* 0 without a group column */
  uint32_t *group_of; /* per row: its group, 0 … group_count − 1; NULL without a group column */
  uint32_t *order_of; /* per row: its place in time, equal for equal times; NULL without a time */
};

/* Why rows can't be split as the spec asks. */
struct split_refusal
{
  const char *
    member; /* of the spec: "holdout", "folds", "group", "time"; NULL = the rows don't do, however split */
  char hint[160]; /* the remedy */
};

#define SPLIT_TRAIN_ONLY 255
#define SPLIT_REPORT 254
#define SPLIT_UNUSED 253 /* the target or the time is missing */

/* ERR_INVALID with a remedy when the rows don't suffice: fewer groups or times than parts, a part
 * without rows, training rows of one class only. */
enum err split_make(const struct dataset *dataset, const struct task *task,
                    const struct split_spec *spec, struct split **split, struct err_info *info);
/* The same; on ERR_INVALID *refusal says what stands in the way, and the text leaves the remedy out. */
enum err split_try(const struct dataset *dataset, const struct task *task,
                   const struct split_spec *spec, struct split **split,
                   struct split_refusal *refusal, struct err_info *info);
void split_free(struct split *split);

/* Row indexes, ascending, newly allocated (caller frees): the training and the validation rows of a
 * fold, and the report rows. *count may be 0. */
enum err split_train_rows(const struct split *split, size_t fold, size_t **rows, size_t *count);
enum err split_valid_rows(const struct split *split, size_t fold, size_t **rows, size_t *count);
enum err split_report_rows(const struct split *split, size_t **rows, size_t *count);

/* A 64-bit hash of a row's cells (identifiers left out) or of an image with its label: equal for exact
 * duplicates. */
uint64_t split_row_hash(const struct dataset *dataset, size_t row);
/* The same without one column, such as the target; of an image without its label. */
uint64_t split_row_hash_without(const struct dataset *dataset, size_t row, size_t column);

#endif
