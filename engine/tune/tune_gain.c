#include <config.h>

#include "tune/tune_gain.h"

#include <math.h>

/* What is not asked for (NaN) is always fulfilled. */
static bool
is_below(double value, double limit)
{
  return isnan(limit) || value < limit;
}

bool
tune_gain_is_over(const struct job_spec *spec, struct search *search, struct search_gain *gain)
{
  *gain = (struct search_gain){0};
  return spec->has_stop_when && search_done_count(search) >= spec->stop_after_trials
         && search_gain_left(search, gain, NULL) == ERR_OK
         && is_below(gain->expected, spec->stop_expected_gain)
         && is_below(gain->regret_bound, spec->stop_regret_bound);
}
