/* Minimising f(w) + Σ_i l1_i |w_i|: L-BFGS, and where l1 > 0 its orthant-wise form (Andrew and Gao,
 * "Scalable training of L1-regularized log-linear models", ICML 2007). Single thread; allocates its
 * history at the start.
 */
#ifndef ATTUNE_TRAIN_OWLQN_H
#define ATTUNE_TRAIN_OWLQN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct owlqn_problem
{
  size_t count;
  size_t penalised; /* the first so many weights carry l1, the rest none */
  double l1;
  /* The smooth part and its gradient g (count) at w (count); ERR_OK or why not. */
  enum err (*evaluate)(void *context, const double *w, double *f, double *g);
  /* After each iteration; false ends the run, ERR_OK is still returned. May be NULL. */
  bool (*on_iteration)(void *context, size_t iteration, double objective);
  void *context;
  size_t iteration_max;
  double tolerance; /* ends when the objective falls by less than this share three times in a row */
};

/* Improves w in place. *iterations counts the steps taken. */
enum err owlqn_minimise(const struct owlqn_problem *problem, double *w, size_t *iterations);

#endif
