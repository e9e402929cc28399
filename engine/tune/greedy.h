/* Greedy ensemble selection with replacement (Caruana et al., ICML 2004), averaged over bootstrap samples of the rows.
 *
 * From the predictions of many models on the same rows, picks a multiset whose mean minimises the
 * objective (metric_objective). Caruana's later paper (2006) averages over samples of the models instead: where few of
 * them are good, some of its selections have none to choose. Deterministic for a seed. Allocates only scratch; any
 * thread.
 */
#ifndef ATTUNE_TUNE_GREEDY_H
#define ATTUNE_TUNE_GREEDY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/metric.h"

struct greedy_request
{
  const float *const *predictions; /* `count` arrays of (labels->count, task->output_count) */
  size_t count;
  const struct labels *labels;
  const struct task *task;
  enum metric metric;
  const struct decision *decision; /* of metric_objective */
  size_t max_picks;                /* of each selection */
  size_t
    selections; /* 1 = one on the rows as they are; more = each on a sample of them, weights averaged */
  uint64_t seed;
};

/* weights (count) ≥ 0 with sum 1. ERR_MEMORY only. */
enum err greedy_select(const struct greedy_request *request, double *weights);

/* out (rows, outputs) ← Σ weights · predictions. */
void greedy_mix(const float *const *predictions, const double *weights, size_t count,
                size_t value_count, float *out);

#endif
