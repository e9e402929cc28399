#include <config.h>

#include "data/metric_internal.h"

#include <math.h>
#include <stdlib.h>

struct class_counts *
metric_count_classes(const struct task *task, const struct labels *labels, const float *predictions,
                     const struct decision *decision)
{
  size_t classes = task->class_count;
  struct class_counts *counts = calloc(classes + 1, sizeof *counts);
  for (size_t i = 0; counts != NULL && i < labels->count; i++)
  {
    size_t truth = (size_t) labels->classes[i];
    size_t guess = decision_class(decision, predictions + i * classes, classes);
    double weight = labels_weight(labels, i);
    counts[truth].truth += weight;
    counts[truth].rows++;
    counts[guess].guessed += weight;
    counts[truth].right += truth == guess ? weight : 0.0;
  }
  return counts;
}

static double
ratio(double part, double whole)
{
  return whole > 0 ? part / whole : 0.0;
}

double
metric_class_f1(const struct class_counts *counts)
{
  return ratio(2.0 * counts->right, counts->truth + counts->guessed);
}

static double
class_precision(const struct class_counts *counts)
{
  return ratio(counts->right, counts->guessed);
}

static double
class_recall(const struct class_counts *counts)
{
  return ratio(counts->right, counts->truth);
}

/* Mean over the classes that occur in the labels or, unless `only_truths`, in the predictions. */
static double
macro(size_t classes, const struct class_counts *counts, bool only_truths,
      double (*of_class)(const struct class_counts *))
{
  double sum = 0;
  size_t present = 0;
  for (size_t k = 0; k < classes; k++)
    if (counts[k].truth + (only_truths ? 0.0 : counts[k].guessed) > 0)
    {
      sum += of_class(&counts[k]);
      present++;
    }
  return present > 0 ? sum / (double) present : (double) NAN;
}

static double
f1_weighted(size_t classes, const struct class_counts *counts)
{
  double sum = 0, total = 0;
  for (size_t k = 0; k < classes; k++)
  {
    sum += counts[k].truth * metric_class_f1(&counts[k]);
    total += counts[k].truth;
  }
  return total > 0 ? sum / total : (double) NAN;
}

static double
accuracy(size_t classes, const struct class_counts *counts)
{
  double right = 0, total = 0;
  for (size_t k = 0; k < classes; k++)
  {
    right += counts[k].right;
    total += counts[k].truth;
  }
  return total > 0 ? right / total : (double) NAN;
}

/* R_K: the correlation of truth and guess (Gorodkin, "Comparing two K-category assignments by a
 * K-category correlation coefficient", 2004); 0 when one of them is constant. */
static double
matthews(size_t classes, const struct class_counts *counts)
{
  double right = 0, total = 0, both = 0, truths = 0, guesses = 0;
  for (size_t k = 0; k < classes; k++)
  {
    right += counts[k].right;
    total += counts[k].truth;
    both += counts[k].truth * counts[k].guessed;
    truths += counts[k].truth * counts[k].truth;
    guesses += counts[k].guessed * counts[k].guessed;
  }
  double spread = (total * total - guesses) * (total * total - truths);
  /* What remains of a constant side by rounding is no spread. */
  if (!(spread > 1e-20 * total * total * total * total))
    return 0.0;
  return (right * total - both) / sqrt(spread);
}

bool
metric_counts_labels(enum metric metric)
{
  return metric == METRIC_ACCURACY || metric == METRIC_BALANCED_ACCURACY || metric == METRIC_F1
         || metric == METRIC_F1_WEIGHTED || metric == METRIC_F1_BINARY || metric == METRIC_MCC
         || metric == METRIC_PRECISION || metric == METRIC_RECALL;
}

double
metric_of_counts(enum metric metric, size_t classes, const struct class_counts *counts)
{
  switch ((int) metric)
  {
  case METRIC_ACCURACY:
    return accuracy(classes, counts);
  case METRIC_BALANCED_ACCURACY:
    return macro(classes, counts, true, class_recall);
  case METRIC_F1:
    return macro(classes, counts, false, metric_class_f1);
  case METRIC_F1_WEIGHTED:
    return f1_weighted(classes, counts);
  case METRIC_F1_BINARY:
    return metric_class_f1(&counts[1]);
  case METRIC_MCC:
    return matthews(classes, counts);
  case METRIC_PRECISION:
    return classes == 2 ? class_precision(&counts[1])
                        : macro(classes, counts, false, class_precision);
  case METRIC_RECALL:
    return classes == 2 ? class_recall(&counts[1]) : macro(classes, counts, false, class_recall);
  default:
    return (double) NAN;
  }
}
