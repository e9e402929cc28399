/* What a new job asks of its rows that the schema alone can't tell: whether they can be scored by its
 * metric, weighed by its column, and split as it asks. */
#ifndef ATTUNE_SERVER_HANDLER_JOB_ROWS_H
#define ATTUNE_SERVER_HANDLER_JOB_ROWS_H

#include "base/arena.h"
#include "base/json.h"
#include "data/dataset.h"
#include "data/metric.h"
#include "model/job_spec.h"

/* How the rows are split: fits of a trial, and what one of them is trained and scored on (means). */
struct job_rows_split
{
  bool folded;
  size_t fits, train_rows, valid_rows;
};

/* True when the split could be made; else adds the fault, at /validation and below, or at /dataset. */
bool job_rows_split(const struct job_spec *spec, const struct dataset *dataset,
                    const struct task *task, struct arena *arena, struct job_rows_split *split,
                    struct json_faults *faults);

/* Adds the faults at /metric, /class_weight and /sample_weight. */
void job_rows_check(const struct job_spec *spec, const struct dataset *dataset,
                    const struct task *task, enum metric metric, struct arena *arena,
                    struct json_faults *faults);

#endif
