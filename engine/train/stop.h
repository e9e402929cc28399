/* When a run has gone on long enough without getting better. Plain value, no memory.
 */
#ifndef ATTUNE_TRAIN_STOP_H
#define ATTUNE_TRAIN_STOP_H

#include <stdbool.h>
#include <stddef.h>

struct stop_rule
{
  size_t patience; /* epochs without a new best before stopping; 0 = never */
  double best;     /* least score so far */
  size_t best_epoch;
};

void stop_init(struct stop_rule *rule, size_t patience);

/* Takes the score (less is better, NaN never is) of an epoch, from 1; true if it is the best so far. */
bool stop_is_best(struct stop_rule *rule, size_t epoch, double score);

bool stop_now(const struct stop_rule *rule, size_t epoch);

#endif
