/* The rule `search.stop_when` of a job: whether too little is still to be gained to search on.
 */
#ifndef ATTUNE_TUNE_TUNE_GAIN_H
#define ATTUNE_TUNE_TUNE_GAIN_H

#include <stdbool.h>

#include "model/job_spec.h"
#include "search/gain.h"

/* True when the job has such a rule, enough trials are done, and all that it names is below its limit; *gain then says
 * what the model thinks. False also while there is no model. */
bool tune_gain_is_over(const struct job_spec *spec, struct search *search,
                       struct search_gain *gain);

#endif
