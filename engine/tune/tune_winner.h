/* Which single trial is the winner, when the best have been run again with another seed (tune_repeat.h). Private to
 * tune/.
 */
#ifndef ATTUNE_TUNE_TUNE_WINNER_H
#define ATTUNE_TUNE_TUNE_WINNER_H

#include <jansson.h>

#include "tune/tune_finish.h"

/* Whether two trials are runs of one configuration. Never where some fits were long (tune_long.h): those have points
 * in common with short ones, but no more. */
bool tune_winner_same(const struct tune_data *data, const struct tune_trial *a,
                      const struct tune_trial *b);

/* The index of the winner among trials that come best first. If the best one's configuration was run more than once,
 * it is the one with the best mean objective of those that were and of those that need not be (model_family.exact),
 * and of its runs the best; else the first. 0 for none. */
size_t tune_winner_find(const struct tune_data *data, const struct tune_trial *trials,
                        size_t count);

/* [{"family", "trials": [numbers], "metrics": [one of each], "mean"}] of what was run more than once, in the trials'
 * order (new reference; NULL when out of memory). */
json_t *tune_winner_json(const struct tune_data *data, const struct tune_trial *trials,
                         size_t count);

#endif
