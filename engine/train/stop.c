#include <config.h>

#include "train/stop.h"

#include <math.h>

void
stop_init(struct stop_rule *rule, size_t patience)
{
  *rule = (struct stop_rule){.patience = patience, .best = INFINITY};
}

bool
stop_is_best(struct stop_rule *rule, size_t epoch, double score)
{
  if (!(score < rule->best))
    return false;
  rule->best = score;
  rule->best_epoch = epoch;
  return true;
}

bool
stop_now(const struct stop_rule *rule, size_t epoch)
{
  return rule->patience && epoch >= rule->best_epoch + rule->patience;
}
