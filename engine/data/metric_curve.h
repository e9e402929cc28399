/* Private to the metrics: counts per class, rankings, and the curves drawn from them.
 * Pure; any thread.
 */
#ifndef ATTUNE_DATA_METRIC_CURVE_H
#define ATTUNE_DATA_METRIC_CURVE_H

#include <jansson.h>
#include <stddef.h>

#include "data/metric.h"

struct class_counts
{
  size_t truth;   /* rows of the class */
  size_t guessed; /* rows predicted as it */
  size_t right;   /* both */
};

/* The largest of `count` outputs; the first of equals. */
size_t metric_predicted_class(const float *outputs, size_t count);

/* Counts of every class (caller frees); NULL when out of memory. */
struct class_counts *metric_count_classes(const struct task *task, const struct labels *labels,
                                          const float *predictions);
double metric_class_f1(const struct class_counts *counts);

/* The area under the ROC curve of class `k` against the rest, by output k of (n, outputs): the
 * share of pairs in order, ties counting half (Mann-Whitney). NaN when one side is empty. */
double metric_auc(const struct labels *labels, const float *predictions, size_t outputs, size_t k);

/* Points of the ROC curve [{"fpr","tpr","threshold"}] and of the precision-recall curve
 * [{"recall","precision","threshold"}] of class `k`, thinned to at most `limit`. New references. */
json_t *metric_roc_points(const struct labels *labels, const float *predictions, size_t outputs,
                          size_t k, size_t limit);
json_t *metric_pr_points(const struct labels *labels, const float *predictions, size_t outputs,
                         size_t k, size_t limit);

#endif
