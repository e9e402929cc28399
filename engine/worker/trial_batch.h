/* A slice of a batch prediction, in the trial's process: rows of a file answered for a while. */
#ifndef ATTUNE_WORKER_TRIAL_BATCH_H
#define ATTUNE_WORKER_TRIAL_BATCH_H

#include <jansson.h>
#include <stdbool.h>

#include "worker/work_dir.h"

/* Answers rows of the unit's file "input" from the place "bytes", "rows", "faulty" on with the model in "model", until
 * "seconds" have passed or there is enough for one part, into the folder's answers.csv. *answer: {"ok", "bytes",
 * "rows", "faulty", "ended"}, where the next slice begins. ERR_CANCELLED when `stop` says so. */
enum err trial_batch_run(const struct work_dir *dir, const json_t *unit, bool (*stop)(void),
                         json_t **answer, struct err_info *info);

#endif
