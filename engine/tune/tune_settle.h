/* What a mix of trials is given before it is served, from validation (out-of-fold) rows, never from report rows: the
 * temperature of its probabilities, then how they become labels; or intervals around its numbers. Private to tune/.
 */
#ifndef ATTUNE_TUNE_TUNE_SETTLE_H
#define ATTUNE_TUNE_TUNE_SETTLE_H

#include "tune/calibrate.h"
#include "tune/conformal.h"
#include "tune/tune_score.h"

struct tune_settled
{
  float
    *predictions; /* of the library's rows, as the report shows them (row_count, output_count) */
  struct calibration calibration; /* of classes */
  struct model_interval interval; /* of numbers; rows = 0: there are too few */
};

/* Settles the model that the weights make. What was settled before is replaced. */
enum err tune_settle(const struct tune_data *data, const struct tune_library *library,
                     const double *weights, size_t count, struct model *model,
                     struct tune_settled *settled, struct err_info *info);
void tune_settled_clear(struct tune_settled *settled);

/* Predictions on report rows that the settling had no part in, as the model gives them without its temperature and
 * with it. NULL labels: there are none, and what is told comes from the library's rows, each by the other parts. */
struct tune_unseen
{
  const struct labels *labels;
  struct calibration_state before, after; /* of classes */
  const float *predictions;               /* of numbers */
};

/* *calibration or *intervals ← the report's member (new reference), the other null. ERR_MEMORY only. */
enum err tune_settled_json(const struct tune_data *data, const struct tune_library *library,
                           const struct tune_settled *settled, const struct tune_unseen *unseen,
                           json_t **calibration, json_t **intervals);

#endif
