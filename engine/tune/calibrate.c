#include <config.h>

#include "tune/calibrate.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

#define PARTS 5
#define MOST_STEPS 40
#define STEP_FACTOR 3.0 /* of the power, at most */
#define ECE_BINS 15
#define ERRORS_NEEDED 2.0

struct fitting
{
  const struct labels *labels;
  size_t classes;
  double *logs;                     /* (rows, classes) */
  double unsure;                    /* share of each truth that is spread over the classes */
  double slope[PARTS], bend[PARTS]; /* of the summed log loss by the power, for each part */
};

static double
weight_of(const struct labels *labels, size_t row)
{
  return labels->weights != NULL ? labels->weights[row] : 1.0;
}

/* ---- the power, 1 / temperature --------------------------------------------------------------------- */

/* The log loss is convex in the power. */
static void
derive(struct fitting *fitting, double power)
{
  size_t classes = fitting->classes;
  memset(fitting->slope, 0, sizeof fitting->slope);
  memset(fitting->bend, 0, sizeof fitting->bend);
  for (size_t i = 0; i < fitting->labels->count; i++)
  {
    const double *logs = fitting->logs + i * classes;
    double weight = weight_of(fitting->labels, i), top = -INFINITY, sum = 0, mean = 0, square = 0;
    double even = 0;
    for (size_t k = 0; k < classes; k++)
      top = fmax(top, logs[k]);
    for (size_t k = 0; k < classes; k++)
    {
      double share = exp(power * (logs[k] - top));
      sum += share;
      mean += share * logs[k];
      square += share * logs[k] * logs[k];
      even += logs[k] / (double) classes;
    }
    mean /= sum;
    double truth =
      (1 - fitting->unsure) * logs[fitting->labels->classes[i]] + fitting->unsure * even;
    fitting->slope[i % PARTS] += weight * (mean - truth);
    fitting->bend[i % PARTS] += weight * (square / sum - mean * mean);
  }
}

static double
within(double power)
{
  return fmin(fmax(power, 1 / MODEL_TEMPERATURE_MOST), 1 / MODEL_TEMPERATURE_LEAST);
}

static double
newton(struct fitting *fitting)
{
  double power = 1;
  for (size_t step = 0; step < MOST_STEPS; step++)
  {
    double slope = 0, bend = 0, before = power;
    derive(fitting, power);
    for (size_t part = 0; part < PARTS; part++)
    {
      slope += fitting->slope[part];
      bend += fitting->bend[part];
    }
    if (slope == 0)
      break;
    double next = bend > 0 ? power - slope / bend : slope > 0 ? 0 : INFINITY;
    power = within(fmin(fmax(next, power / STEP_FACTOR), power * STEP_FACTOR));
    if (fabs(power - before) <= 1e-7 * power)
      break;
  }
  return power;
}

/* What the rows outside of a part would have given: one Newton step from all rows' power, which for one number is as
 * good as a fit of its own. */
static double
power_without(const struct fitting *fitting, size_t part, double power)
{
  double slope = 0, bend = 0;
  for (size_t other = 0; other < PARTS; other++)
    if (other != part)
    {
      slope += fitting->slope[other];
      bend += fitting->bend[other];
    }
  return within(bend > 0 ? power - slope / bend : power);
}

/* ---- what it is worth ------------------------------------------------------------------------------- */

static double
loss_of(double p)
{
  const double least = (double) FLT_EPSILON;
  return -log(fmin(fmax(p, least), 1 - least));
}

struct bins
{
  double weight[ECE_BINS], sure[ECE_BINS], right[ECE_BINS];
};

static void
add_to_bins(struct bins *bins, const float *p, size_t classes, int32_t truth, double weight)
{
  size_t shown = decision_class(NULL, p, classes);
  size_t bin = (size_t) fmin(fmax((double) p[shown], 0) * ECE_BINS, ECE_BINS - 1);
  bins->weight[bin] += weight;
  bins->sure[bin] += weight * (double) p[shown];
  bins->right[bin] += (size_t) truth == shown ? weight : 0;
}

static double
error_of_bins(const struct bins *bins)
{
  double gap = 0, total = 0;
  for (size_t b = 0; b < ECE_BINS; b++)
  {
    gap += fabs(bins->sure[b] - bins->right[b]);
    total += bins->weight[b];
  }
  return gap / total;
}

struct calibration_state
calibrate_state(const struct labels *labels, const float *predictions, size_t classes)
{
  struct bins bins = {0};
  double sum = 0, total = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    const float *p = predictions + i * classes;
    double weight = weight_of(labels, i);
    add_to_bins(&bins, p, classes, labels->classes[i], weight);
    sum += weight * loss_of((double) p[labels->classes[i]]);
    total += weight;
  }
  return (struct calibration_state){.log_loss = sum / total, .ece = error_of_bins(&bins)};
}

/* Every row tempered by what the other parts gave. */
static void
check(const struct fitting *fitting, const float *predictions, double power, float *row,
      struct calibration *result)
{
  const struct labels *labels = fitting->labels;
  size_t classes = fitting->classes;
  double powers[PARTS], total = 0, sum = 0, squares = 0, gains = 0;
  struct bins bins = {0};
  for (size_t part = 0; part < PARTS; part++)
    powers[part] = power_without(fitting, part, power);
  for (int pass = 0; pass < 2; pass++)
    for (size_t i = 0; i < labels->count; i++)
    {
      const float *p = predictions + i * classes;
      double weight = weight_of(labels, i);
      memcpy(row, p, classes * sizeof *row);
      model_temper(1 / powers[i % PARTS], classes, 1, row);
      double after = loss_of((double) row[labels->classes[i]]);
      double gain = loss_of((double) p[labels->classes[i]]) - after;
      if (pass == 1)
      {
        squares += weight * weight * (gain - result->gain) * (gain - result->gain);
        continue;
      }
      add_to_bins(&bins, row, classes, labels->classes[i], weight);
      total += weight;
      sum += weight * after;
      gains += weight * gain;
      result->gain = gains / total;
    }
  result->after = (struct calibration_state){sum / total, error_of_bins(&bins)};
  result->gain_error = sqrt(squares) / total;
}

enum err
calibrate_fit(const struct labels *labels, const float *predictions, size_t classes,
              struct calibration *calibration)
{
  size_t values = labels->count * classes;
  double total = 0;
  *calibration = (struct calibration){.temperature = 1, .fitted = 1};
  for (size_t i = 0; i < labels->count; i++)
    total += weight_of(labels, i);
  if (!(total > 0) || classes < 2)
    return ERR_OK;
  /* One row in so many may be otherwise than the model says, even if all of them were right: without that nothing
   * would hold back certainty (Platt 1999). */
  struct fitting fitting = {
    .labels = labels, .classes = classes, .unsure = 1 / ((double) labels->count + 2)};
  fitting.logs = malloc((values + 1) * sizeof *fitting.logs);
  float *row = malloc(classes * sizeof *row);
  if (fitting.logs == NULL || row == NULL)
  {
    free(fitting.logs);
    free(row);
    return ERR_MEMORY;
  }
  for (size_t i = 0; i < values; i++)
    fitting.logs[i] = log(fmax((double) predictions[i], (double) FLT_EPSILON));
  double power = newton(&fitting);
  calibration->fitted = fmin(fmax(1 / power, MODEL_TEMPERATURE_LEAST), MODEL_TEMPERATURE_MOST);
  calibration->before = calibrate_state(labels, predictions, classes);
  check(&fitting, predictions, power, row, calibration);
  calibration->helps = calibration->gain > ERRORS_NEEDED * calibration->gain_error;
  if (calibration->helps)
    calibration->temperature = calibration->fitted;
  free(row);
  free(fitting.logs);
  return ERR_OK;
}

bool
calibrate_matters(enum metric metric, const struct task *task, const struct decision *decision)
{
  if (task->kind == TASK_REGRESSION)
    return false;
  if (metric == METRIC_LOG_LOSS || metric == METRIC_BRIER)
    return true;
  if (metric == METRIC_ROC_AUC || metric == METRIC_PR_AUC)
    return task->kind == TASK_MULTICLASS;
  return decision != NULL && decision->factors != NULL
         && !metric_tunes_threshold(metric, task->kind);
}
