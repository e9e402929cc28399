/* The rows behind each cell of a report's confusion matrix, by predictions of models that had not seen them.
 *
 * Of each cell (true class, predicted class) the rows that the model was surest of, bounded per cell and in all: where
 * all are too many every cell keeps its first row before any keeps a second. Pure; any thread.
 */
#ifndef ATTUNE_TUNE_CONFUSIONS_H
#define ATTUNE_TUNE_CONFUSIONS_H

#include <jansson.h>

#include "tune/tune_data.h"

#define CONFUSIONS_CELL_ROWS 20
#define CONFUSIONS_ROWS 4000

/* {"0,2": [[row, probability], …], …}: keys are the numbers of the true and of the predicted class, probabilities those
 * of the predicted class, highest first; cells without rows are left out. rows (labels->count) are numbers in the
 * dataset, from 0; predictions (labels->count, classes) row-major. Rows without a label are passed over. New reference;
 * NULL when out of memory. */
json_t *confusions_rows(const struct tune_data *data, const size_t *rows,
                        const struct labels *labels, const float *predictions,
                        const struct decision *decision);

#endif
