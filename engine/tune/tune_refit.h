/* A trial fitted anew on more rows than its search had: training and validation rows, or all. Its epochs or
 * rounds are those that the search found to be the best of its schedule (of several folds, the median's), so
 * that there is nothing left to choose and no row has to be kept for it (as Prokhorenkova et al. 2018 and
 * Holzmüller et al. 2024 refit).
 *
 * Single-threaded. Equal (spec, dataset, trial, rows) give equal bytes. Private to tune/.
 */
#ifndef ATTUNE_TUNE_TUNE_REFIT_H
#define ATTUNE_TUNE_TUNE_REFIT_H

#include "base/buf.h"
#include "tune/tune_finish.h"

/* The rows that are used, ascending, without those of the report unless `all`; caller frees. ERR_MEMORY only. */
enum err tune_refit_rows(const struct tune_data *data, bool all, size_t **rows, size_t *count);

struct tune_refit
{
  const struct tune_trial *trial;
  const struct model *base; /* NULL = none */
  const size_t *rows;
  size_t row_count;
  double deadline_s; /* on the monotonic clock: ERR_CANCELLED when it passes; INFINITY = none */
};

/* The fold whose fit was the best at the median epoch of all; of two, the first. */
size_t tune_refit_typical_fold(const struct tune_trial *trial, size_t fold_count);

/* Its seconds on `row_count` rows, by what its fit took on `train_count`; NaN when that is not known. */
double tune_refit_seconds(const struct tune_trial *trial, size_t row_count, size_t train_count);

/* *model ← the file's bytes. Errors are those of train_run. */
enum err tune_refit_run(const struct tune_data *data, const struct tune_refit *refit,
                        struct buf *model, struct err_info *info);

#endif
