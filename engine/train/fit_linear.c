#include <config.h>

#include "train/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/la.h"
#include "model/model_linear.h"
#include "train/fit_ridge.h"
#include "train/loss.h"
#include "train/owlqn.h"

/* Mean loss by weight + penalty · ((1 − l1_ratio)/2 · Σ w² + l1_ratio · Σ |w|), biases free. The data are passed
 * over in blocks, so images are scaled as they go and no copy of them is held. */

#define BLOCK_ROWS 512
#define REPORT_EVERY 5
#define ITERATIONS_TABLE 300
#define ITERATIONS_IMAGES 80

struct problem
{
  const struct fit *fit;
  enum linear_link link;
  size_t inputs, outputs; /* outputs = logits */
  double l2;
  double width; /* of the rounded corner of the pinball loss */
  float *x;     /* (BLOCK_ROWS, inputs), images only */
  float *w;     /* (inputs + 1, outputs), the last row is the bias */
  float *dw;    /* (inputs, outputs) */
  float *z, *d; /* (BLOCK_ROWS, outputs) */
  size_t last_iteration, iterations_before;
  enum err failure; /* the report's answer */
  struct err_info *info;
  bool out_of_time;
};

/* Logistic loss of one logit each: log (1 + e^−m), m = ±z; d = (p − y)·weight/n. */
static double
loss_sigmoid(size_t n, const float *z, const int32_t *classes, const float *weight, float *d)
{
  double total = 0.0;

  for (size_t i = 0; i < n; i++)
  {
    double margin = classes[i] == 1 ? (double) z[i] : -(double) z[i];
    double e = exp(-fabs(margin)), w = weight ? (double) weight[i] : 1.0;
    double wrong = margin > 0.0 ? e / (1.0 + e) : 1.0 / (1.0 + e);
    total += w * (fmax(-margin, 0.0) + log1p(e));
    d[i] = (float) ((classes[i] == 1 ? -wrong : wrong) * w / (double) n);
  }
  return total / (double) n;
}

static double
block_loss(const struct problem *problem, size_t first, size_t n)
{
  const struct fit_rows *rows = &problem->fit->train;
  const float *weight = rows->weight ? rows->weight + first : NULL;

  switch (problem->link)
  {
  case LINEAR_VALUE:
    if (problem->fit->quantile > 0.0)
      return loss_pinball(n, problem->z, rows->target + first, weight, problem->fit->quantile,
                          problem->width, problem->d);
    return loss_square(n, problem->z, rows->target + first, weight, problem->d);
  case LINEAR_SIGMOID:
    return loss_sigmoid(n, problem->z, rows->classes + first, weight, problem->d);
  case LINEAR_SOFTMAX:
    break;
  }
  return loss_softmax(n, problem->outputs, problem->z, rows->classes + first, weight, 0.0f,
                      problem->d);
}

/* z ← the outputs of a block. */
static const float *
forward_block(struct problem *problem, size_t first, size_t n)
{
  const struct fit_rows *rows = &problem->fit->train;
  size_t inputs = problem->inputs, outputs = problem->outputs;
  const float *x = rows->x ? rows->x + first * inputs : problem->x;

  if (!rows->x)
    fit_fetch(rows, NULL, first, n, problem->x);
  la_sgemm(false, false, n, outputs, inputs, 1.0f, x, inputs, problem->w, outputs, 0.0f, problem->z,
           outputs);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < outputs; j++)
      problem->z[i * outputs + j] += problem->w[inputs * outputs + j];
  return x;
}

/* Adds one block's share of the loss to *f and of the bias gradient to g's end; weights to dw. */
static void
pass_block(struct problem *problem, size_t first, size_t n, double *f, double *g_bias)
{
  const struct fit_rows *rows = &problem->fit->train;
  size_t inputs = problem->inputs, outputs = problem->outputs;
  const float *x = forward_block(problem, first, n);
  float share = (float) n / (float) rows->count;

  *f += (double) share * block_loss(problem, first, n);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < outputs; j++)
      g_bias[j] += (double) (share * problem->d[i * outputs + j]);
  la_sgemm(true, false, inputs, outputs, n, share, x, inputs, problem->d, outputs, 1.0f,
           problem->dw, outputs);
}

static enum err
evaluate(void *context, const double *w, double *f, double *g)
{
  struct problem *problem = context;
  size_t weights = problem->inputs * problem->outputs, rows = problem->fit->train.count;

  for (size_t i = 0; i < weights + problem->outputs; i++)
    problem->w[i] = (float) w[i];
  memset(problem->dw, 0, weights * sizeof *problem->dw);
  memset(g + weights, 0, problem->outputs * sizeof *g);
  *f = 0.0;
  for (size_t first = 0; first < rows; first += BLOCK_ROWS)
    pass_block(problem, first, rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS, f,
               g + weights);
  for (size_t i = 0; i < weights; i++)
  {
    g[i] = (double) problem->dw[i] + problem->l2 * w[i];
    *f += 0.5 * problem->l2 * w[i] * w[i];
  }
  return ERR_OK;
}

static bool
on_iteration(void *context, size_t iteration, double objective)
{
  struct problem *problem = context;

  iteration += problem->iterations_before;
  problem->last_iteration = iteration;
  if (fit_seconds_left(problem->fit) < 0.1 * problem->fit->request->max_seconds)
  {
    problem->out_of_time = true;
    return false;
  }
  if (iteration % REPORT_EVERY == 0)
  {
    struct train_progress progress = {.epoch = iteration,
                                      .train_loss = objective,
                                      .valid_loss = (double) NAN,
                                      .valid_metric = (double) NAN};
    problem->failure = fit_report(problem->fit, &progress, problem->info);
  }
  return problem->failure == ERR_OK;
}

static bool
allocate(struct problem *problem)
{
  size_t inputs = problem->inputs, outputs = problem->outputs;

  problem->w = calloc((inputs + 1) * outputs, sizeof(float));
  problem->dw = calloc(inputs * outputs, sizeof(float));
  problem->z = calloc(BLOCK_ROWS * outputs, sizeof(float));
  problem->d = calloc(BLOCK_ROWS * outputs, sizeof(float));
  if (!problem->fit->train.x)
    problem->x = calloc(BLOCK_ROWS * inputs, sizeof(float));
  return problem->w && problem->dw && problem->z && problem->d
         && (problem->fit->train.x || problem->x);
}

/* Puts the bias where the asked share of the training targets lies below: exact for given weights. */
static enum err
settle_bias(struct problem *problem, double *w)
{
  const struct fit_rows *rows = &problem->fit->train;
  double *misses = calloc(2 * rows->count + 1, sizeof *misses), *weights = misses + rows->count;

  if (!misses)
    return ERR_MEMORY;
  for (size_t i = 0; i < problem->inputs + 1; i++)
    problem->w[i] = (float) w[i];
  for (size_t first = 0; first < rows->count; first += BLOCK_ROWS)
  {
    size_t n = rows->count - first < BLOCK_ROWS ? rows->count - first : BLOCK_ROWS;
    forward_block(problem, first, n);
    for (size_t i = 0; i < n; i++)
    {
      misses[first + i] = (double) rows->target[first + i] - (double) problem->z[i];
      weights[first + i] = rows->weight ? (double) rows->weight[first + i] : 1.0;
    }
  }
  w[problem->inputs] +=
    metric_weighted_quantile(misses, weights, rows->count, problem->fit->quantile);
  free(misses);
  return ERR_OK;
}

/* The pinball loss has a corner, which a method of gradients can't turn at: it is rounded, less and
 * less, each solution starting the next. */
static enum err
descend(struct problem *problem, struct owlqn_problem *general, double *w, size_t *iterations)
{
  static const double widths[] = {0.5, 0.1, 0.02};
  enum err rc = ERR_OK;

  if (problem->fit->quantile == 0.0)
    return owlqn_minimise(general, w, iterations);
  for (size_t i = 0; rc == ERR_OK && i < sizeof widths / sizeof widths[0]; i++)
  {
    size_t here = 0;
    problem->width = widths[i];
    problem->iterations_before = *iterations;
    if (!problem->out_of_time && problem->failure == ERR_OK)
      rc = owlqn_minimise(general, w, &here);
    *iterations += here;
  }
  return rc == ERR_OK ? settle_bias(problem, w) : rc;
}

/* Fills w (inputs + 1, outputs) by the general solver. */
static enum err
solve(struct problem *problem, double l1, double *w, struct err_info *info)
{
  size_t weights = problem->inputs * problem->outputs;
  struct owlqn_problem general = {.count = weights + problem->outputs,
                                  .penalised = weights,
                                  .l1 = l1,
                                  .evaluate = evaluate,
                                  .on_iteration = on_iteration,
                                  .context = problem,
                                  .iteration_max =
                                    problem->fit->train.x ? ITERATIONS_TABLE : ITERATIONS_IMAGES,
                                  .tolerance = problem->fit->train.x ? 1e-6 : 1e-5};
  size_t iterations = 0;
  enum err rc = allocate(problem) ? descend(problem, &general, w, &iterations) : ERR_MEMORY;

  problem->last_iteration = iterations;
  if (rc == ERR_OK)
    rc = problem->failure;
  else if (rc == ERR_DIVERGED)
    err_set(info, rc, "the loss is not finite");
  else
    err_set(info, rc, "no memory for %zu weights", weights);
  free(problem->d);
  free(problem->z);
  free(problem->dw);
  free(problem->w);
  free(problem->x);
  return rc;
}

/* Mean and standard deviation of each input over the training rows; images count each pixel alike, and have no mean. */
static void
measure_inputs(const struct fit_rows *rows, struct linear *linear)
{
  for (size_t j = 0; j < rows->width; j++)
  {
    double mean = 0.0, square = 0.0;
    for (size_t i = 0; rows->x && i < rows->count; i++)
    {
      double delta = (double) rows->x[i * rows->width + j] - mean;
      mean += delta / (double) (i + 1);
      square += delta * ((double) rows->x[i * rows->width + j] - mean);
    }
    linear->spread[j] = rows->x ? (float) sqrt(square / (double) rows->count) : 1.0f;
    linear->mean[j] = (float) mean;
  }
  if (rows->x)
    return;
  free(linear->mean);
  linear->mean = NULL;
}

static enum err
hand_over(const struct problem *problem, const double *w, struct fit_outcome *outcome,
          struct err_info *info)
{
  size_t weights = problem->inputs * problem->outputs;
  struct linear *linear = linear_new(problem->link, problem->inputs, problem->outputs);

  if (!linear)
    return err_set(info, ERR_MEMORY, "no memory for %zu weights", weights);
  outcome->body = linear;
  for (size_t i = 0; i < weights; i++)
    linear->weights[i] = (float) w[i];
  for (size_t j = 0; j < problem->outputs; j++)
    linear->bias[j] = (float) w[weights + j];
  measure_inputs(&problem->fit->train, linear);
  outcome->epochs = outcome->best_epoch = problem->last_iteration;
  outcome->stop = problem->out_of_time ? TRAIN_STOP_TIME : TRAIN_STOP_COMPLETE;
  return ERR_OK;
}

enum err
fit_linear(const struct fit *fit, struct fit_outcome *outcome, struct err_info *info)
{
  double penalty = fit_number(fit, "penalty"), l1_ratio = fit_number(fit, "l1_ratio");
  struct problem problem = {.fit = fit,
                            .link = LINEAR_SOFTMAX,
                            .inputs = fit->train.width,
                            .outputs = fit->outputs,
                            .l2 = penalty * (1.0 - l1_ratio),
                            .info = info};
  enum err rc;

  if (fit->outputs <= 2)
  {
    problem.link = fit->shape.task == TASK_REGRESSION ? LINEAR_VALUE : LINEAR_SIGMOID;
    problem.outputs = 1;
  }
  double *w = calloc((problem.inputs + 1) * problem.outputs, sizeof *w);
  if (!w)
    return err_set(info, ERR_MEMORY, "no memory for %zu weights", problem.inputs);
  if (problem.link == LINEAR_VALUE && fit->quantile == 0.0 && fit->train.x
      && problem.inputs <= RIDGE_INPUTS_MAX)
    rc = fit_ridge(&fit->train, penalty, l1_ratio, w, &problem.last_iteration, info);
  else
    rc = solve(&problem, penalty * l1_ratio, w, info);
  for (size_t i = 0; rc == ERR_OK && i < (problem.inputs + 1) * problem.outputs; i++)
    if (!isfinite(w[i]))
      rc = err_set(info, ERR_DIVERGED, "the weights are not finite");
  if (rc == ERR_OK)
    rc = hand_over(&problem, w, outcome, info);
  free(w);
  return rc;
}
