/* One unit of work: the fit of a trial on one fold.
 *
 * Single-threaded and self-contained, so that it can run in a process of its own. Equal (spec, dataset,
 * family, parameters, trial, fold) give equal bytes unless the time runs out.
 */
#ifndef ATTUNE_TUNE_TUNE_UNIT_H
#define ATTUNE_TUNE_TUNE_UNIT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "train/train.h"
#include "tune/tune_data.h"

struct tune_unit
{
  const char *family;
  const json_t *params;
  const struct model *base; /* where the spec says one; else NULL */
  uint64_t trial;           /* its number */
  size_t fold;
  double max_seconds; /* 0 = none; of the whole fit, pauses left out */
  size_t pause_epoch; /* the fit pauses after this epoch; 0 = it runs to its end */
  /* Of the same fit paused earlier; NULL, or one that can't be used = from the start. */
  const void *checkpoint;
  size_t checkpoint_length;
  bool (*on_epoch)(void *context, const struct train_progress *progress);
  void *context;
};

struct tune_unit_result
{
  struct buf model;   /* the model's file */
  float *predictions; /* of the fold's validation rows, ascending (count, output_count) */
  size_t prediction_count;
  double metric, objective;
  double seconds;    /* CPU */
  double us_per_row; /* of a prediction, alone; NaN of a pause */
  json_t *detail;    /* {"epochs","best_epoch","stop","log_loss","rows"} */
  bool paused; /* the scores are of the best epoch so far; there is neither model nor predictions */
  struct buf checkpoint; /* of a pause */
};

/* Errors are those of train_run; the result is then empty. */
enum err tune_unit_run(const struct tune_data *data, const struct tune_unit *unit,
                       struct tune_unit_result *result, struct err_info *info);
void tune_unit_result_clear(struct tune_unit_result *result);

#endif
