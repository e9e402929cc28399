/* What every step of a job works on: its spec, its dataset, the task, the metric and the split.
 *
 * All of it is a function of (stored spec, dataset), so that each process that makes it anew has the same
 * folds. Owns the mapping, the split and an arena with the rest. Immutable once opened; any thread may read.
 */
#ifndef ATTUNE_TUNE_TUNE_DATA_H
#define ATTUNE_TUNE_TUNE_DATA_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "data/dataset.h"
#include "data/metric.h"
#include "data/split.h"
#include "data/task.h"
#include "model/job_spec.h"
#include "model/model.h"

struct tune_data
{
  struct arena *arena;
  struct job_spec *spec;
  struct dataset *dataset;
  struct task task;
  const char *task_note; /* what was left out of the classes, or "" */
  enum metric metric;
  struct split *split;
  struct model_data_shape shape;
  const double *class_weights; /* (task.class_count); NULL = all 1 */
  const double *row_weights;   /* by row of the dataset, ≥ 0; NULL = all 1 */
  struct decision
    decision; /* by the class weights; where a threshold is tuned it takes their place */
};

/* The spec as stored, read against the schema of its dataset version. ERR_INVALID with the first fault. */
enum err tune_spec_read(const json_t *stored, const json_t *schema, struct arena *arena,
                        struct job_spec **spec, struct err_info *info);

/* Opens the dataset file and derives the rest. ERR_INVALID when the job can't be run on it. */
enum err tune_data_open(const char *path, const json_t *stored_spec, const json_t *schema,
                        struct tune_data **data, struct err_info *info);
void tune_data_close(struct tune_data *data);

/* Labels of the given rows, in their order, with the rows' weights if there are any; free with tune_labels_free. */
struct tune_labels
{
  struct labels labels;
  int32_t *classes;
  double *values, *weights;
};
enum err tune_labels_of(const struct tune_data *data, const size_t *rows, size_t count,
                        struct tune_labels *labels);
void tune_labels_free(struct tune_labels *labels);

/* The seed of one fit: a function of the job's seed, the trial and the fold. */
uint64_t tune_fit_seed(const struct tune_data *data, uint64_t trial, size_t fold);

#endif
