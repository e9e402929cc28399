/* Shared by the files of the metrics: counts per class, rankings, and the curves drawn from them.
 * Pure; any thread.
 */
#ifndef ATTUNE_DATA_METRIC_INTERNAL_H
#define ATTUNE_DATA_METRIC_INTERNAL_H

#include <jansson.h>
#include <stddef.h>

#include "data/metric.h"

struct class_counts
{
  double truth;   /* weight of the rows of the class */
  double guessed; /* of the rows predicted as it */
  double right;   /* both */
  size_t rows;    /* of the class */
};

static inline double
labels_weight(const struct labels *labels, size_t row)
{
  return labels->weights != NULL ? labels->weights[row] : 1.0;
}

/* Counts of every class (caller frees); NULL when out of memory. */
struct class_counts *metric_count_classes(const struct task *task, const struct labels *labels,
                                          const float *predictions,
                                          const struct decision *decision);
double metric_class_f1(const struct class_counts *counts);

/* A metric that is a function of the counts alone (metric_counts_labels), of `classes` classes. */
bool metric_counts_labels(enum metric metric);
double metric_of_counts(enum metric metric, size_t classes, const struct class_counts *counts);

/* The metrics of numbers. */
double metric_of_values(enum metric metric, const struct labels *labels, const float *predictions);

/* A row by what it scores for a class. */
struct scored
{
  float score;
  bool positive;
  double weight;
};

/* Rows by falling output k of (n, outputs); caller frees; NULL when out of memory. *positives is the
 * weight of the rows of class k, *total of all. */
struct scored *metric_rank_rows(const struct labels *labels, const float *predictions,
                                size_t outputs, size_t k, double *positives, double *total);

/* The area under the ROC curve of class `k` against the rest, by output k of (n, outputs): the
 * share of pairs in order, ties counting half (Mann-Whitney). NaN when one side is empty. */
double metric_auc(const struct labels *labels, const float *predictions, size_t outputs, size_t k);

/* Average precision of class `k` against the rest: Σ (recall step) · precision over falling scores. NaN
 * without a row of the class. */
double metric_average_precision(const struct labels *labels, const float *predictions,
                                size_t outputs, size_t k);

/* Points of the ROC curve [{"fpr","tpr","threshold"}] and of the precision-recall curve
 * [{"recall","precision","threshold"}] of class `k`, thinned to at most `limit`. New references. */
json_t *metric_roc_points(const struct labels *labels, const float *predictions, size_t outputs,
                          size_t k, size_t limit);
json_t *metric_pr_points(const struct labels *labels, const float *predictions, size_t outputs,
                         size_t k, size_t limit);

#endif
