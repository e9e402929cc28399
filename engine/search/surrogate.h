/* The model of a search's values: a Gaussian process over the trials of the log that ended.
 *
 * Its hyperparameters are fitted at fixed counts only: up to 60 data at each, always from the same start;
 * then at each growth by 5%, in few steps from the fit before, to at most 300 data (the best and an even
 * choice of the others). Whether and how the values are warped is decided at every fifth count, later at
 * each growth by a quarter: by how well each value is foretold by all the others (leave-one-out density in
 * the units of the values), a warp having to be ahead by two nats. So the model follows from the log alone;
 * what is kept between calls only saves time.
 *
 * The results of an earlier search are further data, of another task (features.h), for the first
 * SURROGATE_PRIOR_UNTIL trials. They are standardised by themselves and then shifted and stretched to
 * the search's own outcomes: what a process over the earlier results alone foretells at the search's
 * own points gets the mean and, with some trust in a spread of 1, the spread found there.
 * Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_SURROGATE_H
#define ATTUNE_SEARCH_SURROGATE_H

#include "search/features.h"
#include "search/gp.h"
#include "search/outcome.h"
#include "search/search_internal.h"

#define SURROGATE_PRIOR_LEAST 3 /* fewer results of an earlier search are only tried first */
#define SURROGATE_PRIOR_UNTIL 150

/* What an earlier search left: known once and for all, worked out at the first use. */
struct surrogate_prior
{
  size_t n;
  double *x;     /* (n, width), the task being 1 */
  double *y;     /* (n) outcomes */
  double *theta; /* of a fit to them alone */
  struct gp *gp; /* the posterior given them alone */
};

struct surrogate
{
  size_t output; /* what it models: an objective, or objective_count + a constraint */
  struct features features;
  double *theta; /* of the last fit */
  double *other; /* of a fit that is being compared, and of the best such */
  double *best;
  struct gp *base; /* all own data under that fit; NULL: not made yet */
  size_t fitted;   /* data of the last fit; 0 = none */
  size_t decided;  /* data of the last decision about the warp */
  enum outcome_warp warp;
  struct surrogate_prior prior;
  size_t judged; /* own trials of the last decision about the earlier results */
  bool alone;    /* it went against them */
};

/* What the process is given: the log's first `own` trials that ended (where rungs are modelled: values
 * that trials had at rungs, brought to the level of full runs), then an earlier search's results. */
struct surrogate_data
{
  size_t n, own;
  double *x;      /* (n, width) */
  double *y;      /* (n) outcomes */
  double *values; /* (n), NaN for failed trials and those of an earlier search */
  size_t *trials; /* (own): the trial of each; NULL in the data of a fit */
  struct outcome outcome;
};

/* Of the first objective; of any output of the trials. ERR_MEMORY. Only the first objective has earlier
 * results and values at rungs; a constraint is never warped, and failed trials say nothing about it. */
enum err surrogate_init(struct surrogate *surrogate, const struct search *search);
enum err surrogate_init_output(struct surrogate *surrogate, const struct search *search,
                               size_t output);
void surrogate_clear(struct surrogate *surrogate);

/* How many data the log has for a process over the first objective. */
size_t surrogate_own_count(const struct search *search);

/* Whether an earlier search's results take part in a process over so many own trials. */
bool surrogate_has_prior(const struct search *search, size_t own);

/* The posterior given all trials that ended (at least one, or an earlier search's results), with room to append
 * `spare` rows; both outputs are the caller's to free. ERR_MEMORY; ERR_DIVERGED when no covariance fits the
 * values. */
enum err surrogate_posterior(struct surrogate *surrogate, const struct search *search, size_t spare,
                             struct surrogate_data *data, struct gp **gp);

/* The posterior mean of a full run at the point of each datum, into means (data->n). ERR_MEMORY. */
enum err surrogate_full_means(const struct surrogate *surrogate, const struct surrogate_data *data,
                              struct gp *gp, double *means);
void surrogate_data_clear(struct surrogate_data *data);

#endif
