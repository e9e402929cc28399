/* From points of a space to rows of numbers for the Gaussian process.
 *
 * Every parameter that can vary is one column: floats, ints and ordinals by their unit coordinate,
 * categoricals and booleans by their index (compared by Hamming distance). An inactive parameter takes
 * its default's value (else the centre): with the condition's parent differing as well, the distance
 * between an active and an inactive one stays that of points in a Euclidean space, so the kernel stays
 * positive definite.
 *
 * Where most of the space hangs on one categorical without conditions (the model family), the kernel is
 * a sum: one block over the parameters without conditions and, for each of its values, one over the
 * parameters that the value opens.
 *
 * Where trials are known at rungs, a numeric column says how far they had come: 1 is a full run.
 *
 * A search that knows results of an earlier one has a further nominal column, the task: 0 for its own
 * points, 1 for the earlier ones. It is part of every block, so how alike the two tasks are is one more
 * thing that the fit learns.
 */
#ifndef ATTUNE_SEARCH_FEATURES_H
#define ATTUNE_SEARCH_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/space.h"
#include "search/gp.h"

struct features
{
  const struct space *space; /* borrowed */
  struct gp_layout layout;
  size_t *params; /* (layout.width): the parameter behind each column */
  double *absent; /* (layout.width): value of the column where its parameter is inactive */
  size_t step;    /* the column of the steps, or SIZE_MAX */
  size_t task;    /* the column of the task, or SIZE_MAX */
  size_t *storage;
};

enum err features_init(struct features *features, const struct space *space);
/* Adds a column for the steps; one for the task. */
void features_add_step(struct features *features);
void features_add_task(struct features *features);
void features_clear(struct features *features);

/* How many columns come from parameters. */
size_t features_own_width(const struct features *features);

/* Writes the row (layout.width) of a legal point of the search's own task, as a full run. */
void features_encode(const struct features *features, const double *point, double *row);

/* Whether a parameter's distance is 0 or 1 rather than a difference. */
bool features_is_nominal(const struct space_param *param);

/* Whether the acquisition may move a parameter by its slope. */
bool features_is_continuous(const struct space_param *param);

#endif
