/* Limited-memory BFGS on a box: minimises a smooth function of n variables between bounds.
 *
 * The two-loop recursion (Nocedal 1980) runs on the variables not held at a bound; steps are projected
 * onto the box and shortened until they satisfy Armijo's condition. Deterministic, one thread, no
 * state kept between calls. Not for noisy functions, not for general constraints.
 */
#ifndef ATTUNE_SEARCH_LBFGS_H
#define ATTUNE_SEARCH_LBFGS_H

#include <stddef.h>

#include "base/err.h"

/* The value at x (n) and, into gradient (n), its gradient. A value that is not finite means "outside":
 * the step is shortened. */
typedef double lbfgs_function(const double *x, double *gradient, void *context);

struct lbfgs_problem
{
  size_t n;
  const double *low, *high; /* (n) each */
  lbfgs_function *function;
  void *context;
  size_t max_evaluations;
  double gradient_tolerance; /* stop when no free slope is larger */
  double value_tolerance;    /* stop when a step gains less than this, relative to 1 + |value| */
  double first_step;         /* longest first step in any variable; 0 = 1 */
};

/* Moves x (n) from where it stands to a local minimum, whose value goes to *value (may be NULL).
 * ERR_DIVERGED if the function is not finite at the start; ERR_MEMORY. */
enum err lbfgs_minimise(const struct lbfgs_problem *problem, double *x, double *value);

#endif
