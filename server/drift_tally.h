/* What was asked of models and answered, counted over the bins of their training data; written by the hour.
 *
 * Belongs to the log's thread (prediction_log.h).
 */
#ifndef ATTUNE_SERVER_DRIFT_TALLY_H
#define ATTUNE_SERVER_DRIFT_TALLY_H

#include "server/prediction_log.h"

struct drift_tally;

/* NULL when out of memory. keep_rows: rows of a version that the log keeps. */
struct drift_tally *drift_tally_new(struct dataset_cache *datasets, size_t keep_rows);
void drift_tally_free(struct drift_tally *tally);

/* Counts one answer, which was written or was not (logged); one sample. May read the training data's counts, or make
 * them. */
void drift_tally_answer(struct drift_tally *tally, struct db_conn *conn,
                        const struct prediction_record *record, bool logged);
void drift_tally_sample(struct drift_tally *tally, struct db_conn *conn,
                        const struct prediction_sample *sample);

/* Writes what was counted, and has the log's oldest rows deleted where there are too many. False when something could
 * not be written; it is kept. */
bool drift_tally_write(struct drift_tally *tally, struct db_conn *conn);

#endif
