/* What a person should know before trusting a model. Private to tune/. */
#ifndef ATTUNE_TUNE_WARNINGS_H
#define ATTUNE_TUNE_WARNINGS_H

#include "tune/tune_finish.h"
#include "tune/tune_limits.h"

/* An array of sentences: columns left out, classes left out, a best point on a bound, a model that costs more than
 * the job allows and, if `final`, what of the dataset's issues bears on the score (new reference). */
json_t *warnings_make(const struct tune_data *data, const struct tune_trial *best,
                      const struct tune_cost *cost, bool final);

#endif
