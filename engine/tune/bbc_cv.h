/* Bootstrap bias-corrected cross-validation (Tsamardinos, Greasidou, Borboudakis, "Bootstrapping the
 * out-of-sample predictions for efficient and accurate cross-validation", Machine Learning 2018).
 *
 * The best of many configurations looks better on the rows it was chosen on than it is. Each bootstrap draws
 * rows with replacement, chooses on them again (the single best, and a greedy ensemble, the temperature of each
 * if asked, and its threshold where one is tuned) and scores the choice on the rows that were not drawn; the
 * mean of those scores is the estimate, their 2.5% and 97.5% points the interval. Deterministic for a seed
 * unless the deadline cuts it short.
 */
#ifndef ATTUNE_TUNE_BBC_CV_H
#define ATTUNE_TUNE_BBC_CV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/metric.h"

/* Rows that belong together are drawn together: they are not independent of each other, and an interval
 * from single rows would be too narrow. */
struct bbc_groups
{
  const uint32_t *of_row; /* (labels->count), 0 … count − 1; NULL = rows are drawn one by one */
  size_t count;
};

struct bbc_request
{
  const float *const *predictions; /* (count): out-of-fold, each (labels->count, output_count) */
  size_t count;                    /* configurations */
  /* (count): the first entry with the same configuration, itself if there is none before it. The single best is
   * chosen by the mean over those of its configuration. NULL = all differ. */
  const size_t *same_as;
  size_t ensemble_count; /* the first so many may be mixed; < 2 = no ensembles */
  size_t max_picks;      /* of the greedy selection, one in each bootstrap */
  const struct labels *labels;
  const struct task *task;
  enum metric metric;
  const struct decision *decision; /* where no threshold is tuned; NULL = the likeliest class */
  bool calibrate; /* probabilities are tempered before they are scored (calibrate.h) */
  struct bbc_groups groups;
  size_t bootstraps; /* 500; fewer where that would take very long (bbc_bootstraps) */
  uint64_t seed;
  double deadline_s; /* on the monotonic clock; INFINITY = none */
};

struct bbc_score
{
  double mean, low, high; /* of the metric; NaN when no bootstrap could be scored */
};

struct bbc_result
{
  struct bbc_score single, ensemble;
  /* Share of bootstraps in which the ensemble scored better than the single one; with classes the mean of that share and
   * of the one in which its log loss was lower. */
  double ensemble_wins;
  size_t bootstraps; /* done */
};

/* How many bootstraps keep the work within reason: 500, at least 50. */
size_t bbc_bootstraps(const struct bbc_request *request);

enum err bbc_estimate(const struct bbc_request *request, struct bbc_result *result);

/* The interval of one model's score on rows it has never seen: plain bootstrap of the rows, or of the
 * groups (NULL = none). */
enum err bbc_interval(const float *predictions, const struct labels *labels,
                      const struct task *task, enum metric metric, const struct decision *decision,
                      const struct bbc_groups *groups, size_t bootstraps, uint64_t seed,
                      struct bbc_score *score);

#endif
