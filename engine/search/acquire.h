/* Where to try next: an acquisition, and its maximum over a space.
 *
 * Log EI = log σ + log h((best − μ)/σ), h(z) = φ(z) + z·Φ(z), where best is the lowest posterior mean
 * among the points tried; or the confidence bound κσ − μ. What is believed of good points is added (belief.h).
 * The maximum is looked for among evenly spread points and perturbations of the best ones; the most promising
 * are refined by L-BFGS over their numeric parameters and by sweeps over the discrete ones. Points already
 * taken are never chosen while others are left. Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_ACQUIRE_H
#define ATTUNE_SEARCH_ACQUIRE_H

#include "search/features.h"
#include "search/gp.h"
#include "search/search_internal.h"

/* Log EI under a posterior; its gradient by the features if both gradients are given and `gradient`
 * (width) is not NULL. */
double acquire_log_ei(double mean, double variance, double best);
void acquire_log_ei_gradient(size_t width, double mean, double variance, double best,
                             const double *mean_gradient, const double *variance_gradient,
                             double *gradient);

/* The confidence bound κσ − μ, κ = 2.5, and its gradient likewise. */
double acquire_bound(double mean, double variance);
void acquire_bound_gradient(size_t width, double variance, const double *mean_gradient,
                            const double *variance_gradient, double *gradient);

/* Something else to be made as large as possible: its values at `count` rows, and at one row with its
 * gradient by the features (width each; `gradient` may be NULL). */
struct acquire_score
{
  enum err (*many)(void *context, size_t count, const double *rows, double *scores);
  double (*one)(void *context, const double *row, double *gradient);
  void *context;
};

/* What is made as large as possible where the task has no score of its own. */
enum acquire_by
{
  ACQUIRE_IMPROVEMENT, /* log EI */
  ACQUIRE_BOUND,       /* κσ − μ */
  ACQUIRE_MEAN,        /* −μ, whatever is believed */
};

struct acquire_task
{
  const struct search *search;
  const struct search_seen *seen;
  const struct features *features;
  struct gp *gp;         /* pending points appended */
  double best;           /* the incumbent, in the units of the process */
  const double *anchors; /* (anchor_count, space->count): the best points so far, best first */
  size_t anchor_count;
  uint64_t stream; /* of the random numbers of this choice */
  size_t
    known; /* trials that say where good points are: what is believed without them fades (belief.h) */
  enum acquire_by by;
  /* The side of a box around the first anchor, in units of the cube, that numeric parameters are looked for
   * in; 0, or 1 and more: everywhere. */
  double region;
  const struct acquire_score *score; /* in place of gp, best and by; NULL = by that under gp */
};

/* Writes the chosen point. ERR_NOT_FOUND when every point is taken; ERR_MEMORY. */
enum err acquire_choose(const struct acquire_task *task, double *point);

#endif
