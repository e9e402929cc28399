#include <config.h>

#include "tune/tune_gain.h"

bool
tune_gain_is_over(const struct job_spec *spec, struct search *search, struct search_gain *gain)
{
  struct search_stop_rule rule = {.set = spec->has_stop_when,
                                  .expected_gain = spec->stop_expected_gain,
                                  .regret_bound = spec->stop_regret_bound,
                                  .after_trials = spec->stop_after_trials};
  return search_gain_is_over(search, &rule, gain);
}
