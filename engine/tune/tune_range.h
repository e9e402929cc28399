/* One learning-rate range test on a job's data: run, and put into words for storage.
 *
 * Trains on the rows that the first fold of such a job would train on. Single-threaded and self-contained, so that
 * it can run in a process of its own. Equal (spec, dataset, wish) give an equal result unless the time runs out.
 */
#ifndef ATTUNE_TUNE_TUNE_RANGE_H
#define ATTUNE_TUNE_TUNE_RANGE_H

#include <jansson.h>
#include <stdbool.h>

#include "train/range_run.h"
#include "tune/tune_data.h"

struct tune_range
{
  const char *family;
  const json_t *params;
  struct range_run_wish wish;
  bool (*on_epoch)(void *context, const struct train_progress *progress);
  void *context;
};

/* *result (new reference) is {"low", "high", "steps": as it was run; "curve": {"rates", "losses", "smoothed"}, a
 * number for each step taken; "end": range_test_end_name; "steepest", "lowest", "divergence": rates or null; "suggestion":
 * {"learning_rate", "low", "high"} or null; "note": a sentence or null; "optimizer", "schedule", "momentum",
 * "batch_size": what it was run with, null where there is none}. *seconds of CPU. Errors as range_run's. */
enum err tune_range_run(const struct tune_data *data, const struct tune_range *range,
                        json_t **result, double *seconds, struct err_info *info);

#endif
