/* What a new job asks of its rows that the schema alone can't tell: whether they can be scored by its
 * metric, and weighed by its column. */
#ifndef ATTUNE_SERVER_HANDLER_JOB_ROWS_H
#define ATTUNE_SERVER_HANDLER_JOB_ROWS_H

#include "base/arena.h"
#include "base/json.h"
#include "data/dataset.h"
#include "data/metric.h"
#include "model/job_spec.h"

/* Adds the faults at /metric, /class_weight and /sample_weight. */
void job_rows_check(const struct job_spec *spec, const struct dataset *dataset,
                    const struct task *task, enum metric metric, struct arena *arena,
                    struct json_faults *faults);

#endif
