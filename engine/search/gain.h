/* What is still to be gained by searching on, as the model sees it.
 *
 * Two figures in the units of the values: the expected improvement of the most promising further trial
 * over the lowest posterior mean among those tried, and a bound on the regret: the least upper confidence
 * bound of the points tried less the least lower one of the space (Makarova et al., "Automatic
 * termination for hyperparameter optimization", 2022). Their confidence is sqrt(beta) standard
 * deviations, beta = 0.4·log(d·t²·π²/0.6) with d parameters and t trials, which is a fifth of the theory's.
 * Beside them the noise: what a repeated trial would differ by. To go on below it is seldom worth it.
 */
#ifndef ATTUNE_SEARCH_GAIN_H
#define ATTUNE_SEARCH_GAIN_H

#include "search/search.h"

struct search_gain
{
  size_t trials;   /* with a value */
  double best;     /* the lowest posterior mean at a trial */
  double expected; /* expected improvement of the best next trial, at least 0 */
  double
    regret_bound; /* most that the best trial is thought to fall short of the minimum, at least 0 */
  double noise;   /* standard deviation of a repeated trial */
};

/* ERR_NOT_FOUND without a model: too few trials with a value or too many, nothing to choose, or values that
 * no process fits; ERR_MEMORY. The search's later suggestions are not touched. */
enum err search_gain_left(struct search *search, struct search_gain *gain, struct err_info *info);

/* A rule to end a search by: whether too little is still to be gained. */
struct search_stop_rule
{
  bool set;
  double expected_gain, regret_bound; /* what is left must be below; NaN = whatever it is */
  size_t after_trials;                /* with a value, at least */
};

/* True when there is a rule and it is fulfilled; *gain then says what the model thinks. False also without a model. */
bool search_gain_is_over(struct search *search, const struct search_stop_rule *rule,
                         struct search_gain *gain);

#endif
