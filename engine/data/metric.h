/* Scores of predictions against labels.
 *
 * Predictions are (n, output_count) row-major floats: class probabilities, or one value. The positive
 * class of two is the second. Every score takes the weights of the rows into account: whole weights give
 * what rows repeated so often would give. Pure; any thread.
 */
#ifndef ATTUNE_DATA_METRIC_H
#define ATTUNE_DATA_METRIC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/decision.h"
#include "data/task.h"

enum metric
{
  METRIC_ACCURACY,
  METRIC_BALANCED_ACCURACY,
  METRIC_LOG_LOSS,
  METRIC_ROC_AUC, /* many classes: mean of one-against-rest over classes present */
  METRIC_F1,      /* macro */
  METRIC_RMSE,
  METRIC_MAE,
  METRIC_R2,
  METRIC_PR_AUC, /* average precision; many classes: mean of one-against-rest over classes present */
  METRIC_MCC,    /* Matthews; many classes: R_K (Gorodkin 2004) */
  METRIC_F1_WEIGHTED,    /* mean by the classes' weight */
  METRIC_F1_BINARY,      /* of the positive class; two classes only */
  METRIC_PRECISION,      /* two classes: of the positive one; many: macro */
  METRIC_RECALL,         /* likewise */
  METRIC_TOP_2_ACCURACY, /* the truth is among the two likeliest; many classes only */
  METRIC_TOP_3_ACCURACY,
  METRIC_TOP_5_ACCURACY,
  METRIC_BRIER,       /* two classes: (p − y)²; many: Σ over classes of it */
  METRIC_MAPE,        /* as a share, not in percent; rows whose truth is 0 are left out */
  METRIC_RMSLE,       /* no negative truths; negative predictions count as 0 */
  METRIC_QUANTILE_05, /* pinball loss at 0.05, and so on: see metric_quantile */
  METRIC_QUANTILE_10,
  METRIC_QUANTILE_25,
  METRIC_QUANTILE_50,
  METRIC_QUANTILE_75,
  METRIC_QUANTILE_90,
  METRIC_QUANTILE_95,
  METRIC_COUNT
};

/* Names are the constants' in small letters; "f1_binary", "top_3_accuracy", "brier_score", "quantile_0.05",
 * "quantile_0.1" …; metric_parse returns false for others. */
const char *metric_name(enum metric metric);
bool metric_parse(const char *name, enum metric *metric);
bool metric_fits_task(enum metric metric, enum task_kind kind);
bool metric_higher_is_better(enum metric metric);

/* Whether it looks at probabilities, and not only at the class they make the likeliest. */
bool metric_takes_probabilities(enum metric metric);

/* The level of a quantile loss, in (0, 1): what training should predict; NaN for all other metrics. */
double metric_quantile(enum metric metric);

/* The default: accuracy (balanced accuracy when the smallest class is under 10%), RMSE. */
enum metric metric_default(const struct task *task, const size_t *class_rows);

/* Labels: classes (classification) or values (regression); the other is NULL. */
struct labels
{
  size_t count;
  const int32_t *classes;
  const double *values;
  const double *weights; /* (count), ≥ 0; NULL = all 1 */
};

/* Whether the metric can be stated for these labels at all: ERR_INVALID with a sentence that says what to
 * do (negative truths for RMSLE, only zeros for MAPE, as many classes as a top-k counts). Labels that are
 * missing (class < 0, NaN) are passed over. */
enum err metric_check(enum metric metric, const struct task *task, const struct labels *labels,
                      struct err_info *info);

/* NaN where undefined. `decision` makes labels of probabilities; NULL = the likeliest class. */
double metric_compute_at(enum metric metric, const struct task *task, const struct labels *labels,
                         const float *predictions, const struct decision *decision);

/* The same with the likeliest class. */
double metric_compute(enum metric metric, const struct task *task, const struct labels *labels,
                      const float *predictions);

/* Whether the threshold is to be tuned for this metric: two classes, and a score that counts labels and
 * is not helped by answering with the likeliest (F1s, MCC, balanced accuracy). */
bool metric_tunes_threshold(enum metric metric, enum task_kind kind);

/* The threshold with the best score on these rows, midway between two predictions that occur; of equal
 * ones the nearest to 0.5. *score may be NULL; NaN, and 0.5, when there is no usable row. */
double metric_best_threshold(enum metric metric, const struct task *task,
                             const struct labels *labels, const float *predictions, double *score);

/* What a model that is still to be given its threshold scores: at the best threshold on these rows where
 * one is tuned, else by `decision`. */
double metric_score(enum metric metric, const struct task *task, const struct labels *labels,
                    const float *predictions, const struct decision *decision);

/* What the search minimises: metric_score (negated when higher is better) + 1e-3 × log loss for
 * classification, so that plateaus of a counting metric are broken. */
double metric_objective(enum metric metric, const struct task *task, const struct labels *labels,
                        const float *predictions, const struct decision *decision);

/* The value at a level in [0,1] of weighted values: the least whose weight with all below it reaches the
 * level; weights NULL = all 1. NaN without rows or memory. */
double metric_weighted_quantile(const double *values, const double *weights, size_t count,
                                double level);

/* All metrics of the task (of the quantile losses only `metric`), the confusion matrix, per-class
 * precision/recall/F1/support, ROC and PR points (≤ 200, binary), a 10-bin calibration table; for
 * regression residual quantiles and a predicted-against-true sample of ≤ 500 points. Two classes: with the
 * threshold. New reference. */
json_t *metric_report(enum metric metric, const struct task *task, const struct labels *labels,
                      const float *predictions, const struct decision *decision);

#endif
