/* Intervals around a predicted number that hold the truth as often as asked for (split conformal prediction:
 * Papadopoulos et al. 2002; Lei et al., "Distribution-free predictive inference for regression", JASA 2018).
 *
 * Scores are errors on rows that the model has not seen, divided by the spread that is expected at the prediction.
 * A new row's score is no larger than the ⌈(n + 1) · level⌉-th smallest of n with at least that probability, whatever
 * the errors look like, as long as it comes from where those rows came from. A value; pure; any thread.
 */
#ifndef ATTUNE_MODEL_MODEL_INTERVAL_H
#define ATTUNE_MODEL_MODEL_INTERVAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_INTERVAL_KNOTS 12
#define MODEL_INTERVAL_SCORES 512

struct model_interval
{
  size_t rows; /* that the scores come from; 0 = there are no intervals */
  /* Scores are truth − prediction and each end has its own share of misses; else they are without their sign and
   * the interval has the prediction in its middle. */
  bool each_tail;
  /* The spread of errors by the prediction, linear between knots; none = 1 everywhere. */
  size_t knot_count;
  double knot_at[MODEL_INTERVAL_KNOTS], knot_spread[MODEL_INTERVAL_KNOTS];
  /* Ascending scores and which of all rows' they are, from 1: all of them, or the extremes and some between. */
  size_t score_count;
  uint32_t rank[MODEL_INTERVAL_SCORES];
  double score[MODEL_INTERVAL_SCORES];
};

/* Keeps what is needed of ascending scores (rows); the other members stay. */
void model_interval_take(struct model_interval *interval, const double *sorted, size_t rows);

/* The spread of errors expected at a prediction. */
double model_interval_spread(const struct model_interval *interval, double prediction);

/* How many rows a level in (0, 1) needs. */
double model_interval_rows_for(bool each_tail, double level);

/* The interval at a level in (0, 1). False, and nothing written, when there are too few rows for it. */
bool model_interval_at(const struct model_interval *interval, double level, double prediction,
                       double *low, double *high);

/* {"rows","each_tail","knots":[[prediction, spread]…],"ranks","scores"}: new reference, and back. False when it is
 * damaged. */
json_t *model_interval_json(const struct model_interval *interval);
bool model_interval_read(const json_t *json, struct model_interval *interval);

#endif
