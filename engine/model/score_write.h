/* What the answers to files of rows and of images have in common: the columns of predictions. Pure; any thread. */
#ifndef ATTUNE_MODEL_SCORE_WRITE_H
#define ATTUNE_MODEL_SCORE_WRITE_H

#include "base/buf.h"
#include "model/model.h"

/* Appends the names of the columns, from predicted_label or predicted_value to error and warning, a comma before each,
 * and ends the line. A name that `taken` knows gets "_" behind it, as often as needed. `interval`: NaN = none. */
void score_write_columns(const struct model_about *about, double interval,
                         bool (*taken)(const void *context, const char *name), const void *context,
                         struct buf *out);

/* Appends what a row has in the columns before error, a comma before each; empty without outputs. */
void score_write_numbers(const struct model_about *about, double interval, const float *outputs,
                         struct buf *out);

#endif
