/* Training rows set aside for a fit to choose its epoch or rounds by: a family that chooses them by the
 * rows it is scored on would report too much, and no correction over trials can see that.
 *
 * They stand to the rest as validation rows do: whole groups where rows have groups, the latest rows where
 * they have a time, else a share of every class. Private to tune/; any thread.
 */
#ifndef ATTUNE_TUNE_STOP_ROWS_H
#define ATTUNE_TUNE_STOP_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "tune/tune_data.h"

struct stop_rows
{
  size_t *train, *stop; /* ascending; caller frees `stop` */
  size_t train_count, stop_count;
};

/* Moves rows from rows->train, where they keep their order, to rows->stop. ERR_MEMORY only. */
enum err stop_rows_set_aside(const struct tune_data *data, uint64_t seed, struct stop_rows *rows);

#endif
