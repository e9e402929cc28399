/* One fit: a family at a point of its space, on the training rows of one fold, watched on its
 * validation rows.
 *
 * Single-threaded, no files, no database. Reports epochs (boosting rounds, solver sweeps) through a
 * callback which may ask to stop. The trained model is the best epoch's. Equal request, equal bytes.
 *
 * A network's fit can pause after an epoch with a checkpoint, and go on from it elsewhere: what comes out
 * at the end is byte for byte what one run without the pause gives. The schedule is that of the whole run;
 * what is scored at a pause are the weights of the best epoch so far (tests/bench/rung_rank.c compares).
 */
#ifndef ATTUNE_TRAIN_TRAIN_H
#define ATTUNE_TRAIN_TRAIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "data/dataset.h"
#include "data/metric.h"
#include "data/task.h"
#include "model/model.h"
#include "train/range_test.h"

struct train_progress
{
  size_t epoch;       /* from 1 */
  size_t epoch_count; /* planned, 0 = unknown */
  double train_loss;  /* NaN if unknown */
  double valid_loss;
  double valid_metric;
  double seconds; /* since the start of the fit */
};

struct train_request
{
  const struct dataset *dataset;
  const struct task *task;
  const char *family;
  const json_t *params; /* the family's parameters only, without prefix: {"learning_rate":0.01} */
  const size_t *train_rows;
  size_t train_count;
  const size_t *valid_rows; /* none for a refit: what it ends with is kept (last_epoch) */
  size_t valid_count;
  enum metric metric;
  bool class_weight_balanced;      /* by the training rows; not used with class_weights */
  const double *class_weights;     /* (task->class_count), > 0; NULL = all 1 */
  const double *row_weights;       /* by row of the dataset, ≥ 0; NULL = all 1 */
  const struct decision *decision; /* how labels are scored; NULL = the likeliest class */
  /* Images, family cnn: the body is this model's, with its normalisation of the pixels, and only the head starts
   * anew (model_base.h says which models can be one). NULL = all weights start anew. Borrowed. */
  const struct model *base;
  uint64_t seed;
  double
    max_seconds; /* 0 = none: networks shorten their *schedule* to fit, never truncate it; trees
                         stop adding rounds */
  /* Networks: pause after this epoch, unless the fit has ended by then; 0 = run to the end. Other
   * families have no rungs and always run in full. */
  size_t pause_epoch;
  /* Networks and trees without validation rows: the fit ends after this epoch (round) of its whole schedule, as if an
   * earlier one had found it to be the best; 0 = it runs to its end. Other families have no such thing. */
  size_t last_epoch;
  /* From a pause of a request that was the same but for pause_epoch, limits and callback; NULL = from
   * the start. */
  const void *checkpoint;
  size_t checkpoint_length;
  /* Networks: the fit is a range test and nothing else (range_run.h), which ends with ERR_CANCELLED, after so
   * many seconds at the latest (0 = no limit); NULL = none. */
  struct range_test *range_test;
  double range_test_seconds;
  /* Called after each epoch; returning false stops the fit with ERR_CANCELLED. May be NULL. */
  bool (*on_epoch)(void *context, const struct train_progress *progress);
  void *context;
};

enum train_stop
{
  TRAIN_STOP_COMPLETE, /* all planned epochs */
  TRAIN_STOP_PATIENCE, /* no more progress on the validation rows */
  TRAIN_STOP_TIME,
  TRAIN_STOP_PAUSE /* at pause_epoch */
};

struct train_result
{
  struct model *model; /* caller frees */
  float
    *valid_predictions; /* (valid_count, output_count), from the predict code path; caller frees */
  double metric;
  double objective; /* metric_objective: minimised */
  double log_loss;  /* NaN for regression */
  double seconds;
  double
    row_us; /* microseconds that a network's training on a row took, on the mean; 0 = not measured */
  size_t epochs;
  size_t best_epoch;
  enum train_stop stop;
  struct buf checkpoint; /* of a pause, else empty */
};

/* Epochs that a fit with these parameters has when nothing shortens it; 0 for a family without rungs. */
size_t train_epochs(const char *family, const struct model_data_shape *shape, const json_t *params);

const char *train_stop_name(enum train_stop stop);

/* ERR_INVALID: a parameter, the data or the checkpoint can't be used (text says why); ERR_DIVERGED: loss not finite;
 * ERR_CANCELLED; ERR_MEMORY. On failure the result is empty. */
enum err train_run(const struct train_request *request, struct train_result *result,
                   struct err_info *info);
void train_result_clear(struct train_result *result);

#endif
