/* How a job's models decide between classes.
 *
 * Class weights state what errors cost, so labels go by probability × weight. A metric of labels of two
 * classes (metric_tunes_threshold) has a threshold tuned for it instead, on validation rows, never on
 * report rows. Private to tune/.
 */
#ifndef ATTUNE_TUNE_TUNE_DECIDE_H
#define ATTUNE_TUNE_TUNE_DECIDE_H

#include "tune/tune_score.h"

/* The decision of a mix of trials: tuned on their validation (out-of-fold) predictions as they are served, or the
 * job's own. Borrows from data. ERR_MEMORY only. */
enum err tune_decide(const struct tune_data *data, const struct labels *labels,
                     const float *predictions, struct decision *decision, struct err_info *info);

#endif
