/* Ridge regressions on sparse rows, one for each fold left out, all fitted in the same passes.
 *
 * For each output and each fold, w minimises λ/2 ‖w‖² + ½ Σ (y − w·x)² over the rows of the other folds, by
 * dual coordinate ascent: in the optimum w = Σ a x / λ with a = y − w·x, and a step puts one row's a right
 * (Shalev-Shwartz and Zhang, "Stochastic dual coordinate ascent", JMLR 2013). A row's products with all of the
 * weight vectors are taken at once, side by side in memory, so five folds cost little more than one. The same
 * rows and seed give the same weights on the same machine. One thread.
 */
#ifndef ATTUNE_DATA_SPARSE_RIDGE_H
#define ATTUNE_DATA_SPARSE_RIDGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A value of 0 … 1 in units of 1/65535. */
struct sparse_entry
{
  uint16_t place;
  uint16_t value;
};

struct sparse_row
{
  const struct sparse_entry *entries;
  uint32_t count;
  uint32_t fold; /* below `folds` */
};

struct sparse_ridge
{
  const struct sparse_row *rows; /* each of a length near 1 */
  size_t count;
  const float *targets; /* (count, outputs) */
  size_t outputs, folds;
  size_t places; /* at most 65536 */
  double penalty;
  size_t epochs;
};

/* weights (places, outputs) and bias (outputs): the mean over the folds; predictions (count, outputs): each
 * row's by the regression that has not seen it. ERR_MEMORY only. */
enum err sparse_ridge_fit(const struct sparse_ridge *problem, float *weights, float *bias,
                          float *predictions);

#endif
