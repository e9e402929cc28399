/* What a finish tells and keeps of the validation: how rows were kept apart, and whose labels look wrong.
 * Private to tune/. */
#ifndef ATTUNE_TUNE_TUNE_KEPT_H
#define ATTUNE_TUNE_TUNE_KEPT_H

#include <jansson.h>

#include "tune/bbc_cv.h"
#include "tune/tune_data.h"

/* The groups of the given rows, numbered from 0 without gaps; none without a group column. of_row is
 * allocated (caller frees). ERR_MEMORY only. */
enum err tune_groups_of(const struct tune_data *data, const size_t *rows, size_t count,
                        struct bbc_groups *groups);

/* {"kind","folds","group","groups","time","untimed_rows","stratified","folds_sha256"}: new reference. */
json_t *tune_validation_json(const struct tune_data *data);

#endif
