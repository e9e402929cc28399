/* Which hyperparameters matter: shares of the variance of what the model foretells over the space.
 *
 * Functional ANOVA (Hutter, Hoos and Leyton-Brown, "An efficient approach for assessing hyperparameter
 * importance", 2014) of the Gaussian process' posterior mean, in the units of the values. The space is
 * covered by one scrambled Sobol sample; a parameter's main effect is the variance of the means of its
 * bins, a pair's interaction that of its cells once the main effects are taken away, both less what the
 * finite sample adds by chance. What is worse than the worst outcome of the trials counts as that.
 *
 * A conditional parameter is judged among the points where it is active: `where_active` is its share of
 * the variance there, `share` its part in the variance of the whole space.
 *
 * With a focus below 1 the question is what it takes to be among the best part of the space: the same
 * for the indicator of the lowest means. A parameter's share then is, up to a common factor, the Pearson
 * divergence between its distribution among the good points and in the space (Watanabe, Bansal and
 * Hutter, "PED-ANOVA", 2023, with the model's points in place of the trials).
 *
 * Where no process fits the values, plain statistics of the trials stand in: squared rank correlations,
 * and for unordered choices the share of the ranks' variance between them. Deterministic by seed and log.
 */
#ifndef ATTUNE_SEARCH_IMPORTANCE_H
#define ATTUNE_SEARCH_IMPORTANCE_H

#include "search/search.h"

struct search_importance_options
{
  double focus;      /* the best part of the space, in (0, 1]; 0 = 1: all of it */
  size_t most_pairs; /* 0 = 10 */
};

struct search_share
{
  size_t param; /* index in the space */
  double share;
  double where_active; /* NaN where too few points tell */
  double active;       /* part of the space where it is active */
};

struct search_pair_share
{
  size_t a, b; /* indexes in the space, a < b */
  double share, where_active, active;
};

struct search_importance
{
  bool modelled;               /* false: plain statistics, without pairs */
  size_t trials;               /* with a value */
  double sd;                   /* of the means over the space; NaN without a model */
  struct search_share *shares; /* every parameter with a choice, the largest first */
  size_t count;
  struct search_pair_share *pairs; /* the largest interactions, the largest first */
  size_t pair_count;
};

/* ERR_NOT_FOUND when there are too few trials with a value or nothing to choose; ERR_INVALID for a focus
 * outside of (0, 1]; ERR_MEMORY. The caller clears the result. */
enum err search_importance(struct search *search, const struct search_importance_options *options,
                           struct search_importance *importance, struct err_info *info);
void search_importance_clear(struct search_importance *importance);

#endif
