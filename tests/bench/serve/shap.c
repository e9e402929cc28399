/* Contributions of features to trees' margins beside XGBoost's pred_contribs, one thread, the same rows, in one run.
 *
 *   make tests/bench/serve/shap && tests/bench/serve/shap
 *
 * One JSON object a line on stdout; each time is the least of TRIES. The exit status is 1 if a contribution differs
 * by more than XGBoost's float sums explain. */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/proc.h"
#include "base/rng.h"
#include "model/trees.h"
#include "model/trees_shap.h"

#define INPUTS 20
#define ROWS 20000
#define SHOWN 50
#define TRIES 7

_Noreturn static void
die(const char *what)
{
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static float *
floats(size_t count)
{
  float *made = calloc(count, sizeof *made);
  if (!made)
    die("no memory");
  return made;
}

/* Two classes, some inputs working together, a twentieth of the values missing. */
static void
make_rows(float *x, float *y)
{
  struct rng rng;
  rng_init(&rng, 1, 2);
  for (size_t i = 0; i < ROWS; i++)
  {
    float *row = x + i * INPUTS;
    double sum = rng_normal(&rng);
    for (size_t j = 0; j < INPUTS; j++)
    {
      row[j] = (float) rng_normal(&rng);
      sum += (double) row[j] * ((double) (j % 5) - 2.0);
    }
    y[i] = sum + 3.0 * (double) (row[0] * row[1]) > 0.0;
    for (size_t j = 0; j < INPUTS; j++)
      row[j] = rng_below(&rng, 20) ? row[j] : NAN;
  }
}

static struct trees *
grow(const float *x, const float *y, size_t count, size_t depth)
{
  struct trees_config config = {.objective = TREES_SIGMOID,
                                .inputs = INPUTS,
                                .groups = 1,
                                .learning_rate = 0.1,
                                .min_child_weight = 1.0,
                                .subsample = 1.0,
                                .colsample = 1.0,
                                .lambda = 1.0,
                                .max_depth = depth,
                                .seed = 1,
                                .base_score = 0.5};
  struct trees_rows train = {.x = x, .rows = ROWS, .y = y}, none = {0};
  struct trees_trainer *trainer;
  struct trees *trees;
  struct err_info info;
  double train_loss, valid_loss;

  if (trees_trainer_new(&config, &train, &none, &trainer, &info) != ERR_OK)
    die(info.text);
  for (size_t round = 0; round < count; round++)
    if (trees_trainer_round(trainer, &train_loss, &valid_loss, &info) != ERR_OK)
      die(info.text);
  if (trees_trainer_finish(trainer, count, &trees, &info) != ERR_OK)
    die(info.text);
  trees_trainer_free(trainer);
  return trees;
}

/* The largest difference to XGBoost's contributions, wanted (SHOWN, INPUTS + 1). */
static double
explain(const struct trees *trees, const float *x, const float *wanted)
{
  double most = 0.0;
  for (size_t i = 0; i < SHOWN; i++)
  {
    double shares[INPUTS] = {0}, expected = 0.0;
    if (trees_shap_add(trees, x + i * INPUTS, 0, 1.0, shares, &expected, NULL) != ERR_OK)
      die("these trees can't be explained");
    for (size_t j = 0; j < INPUTS; j++)
      most = fmax(most, fabs(shares[j] - (double) wanted[i * (INPUTS + 1) + j]));
    most = fmax(most, fabs(expected - (double) wanted[i * (INPUTS + 1) + INPUTS]));
  }
  return most;
}

/* False when the contributions differ. */
static bool
measure(const struct trees *trees, const float *x, size_t count, size_t depth)
{
  float *wanted = floats(SHOWN * (INPUTS + 1)), margin;
  double ours = INFINITY, theirs = INFINITY, answer = INFINITY, differ = 0.0;

  for (size_t try = 0; try < TRIES; try++)
  {
    double start = clock_monotonic_s();
    if (trees_shap_xgboost(trees, x, SHOWN, wanted, NULL) != ERR_OK)
      die("XGBoost failed");
    theirs = fmin(theirs, clock_monotonic_s() - start);
    start = clock_monotonic_s();
    differ = explain(trees, x, wanted);
    ours = fmin(ours, clock_monotonic_s() - start);
    start = clock_monotonic_s();
    for (size_t i = 0; i < SHOWN; i++)
      trees_margins(trees, x + i * INPUTS, 1, &margin);
    answer = fmin(answer, clock_monotonic_s() - start);
  }
  printf("{\"trees\":%zu,\"depth\":%zu,\"explain_us\":%.1f,\"xgboost_us\":%.1f,\"times\":%.2f,"
         "\"predict_us\":%.2f,\"answers\":%.0f,\"answers_said\":%zu,\"differ\":%.2g}\n",
         count, depth, 1e6 * ours / SHOWN, 1e6 * theirs / SHOWN, theirs / ours,
         1e6 * answer / SHOWN, ours / answer, trees_shap_answers(trees), differ);
  free(wanted);
  return differ < 1e-4;
}

int
main(int argc, char **argv)
{
  static const size_t cases[][2] = {{100, 6}, {500, 6}, {500, 8}};
  float *x, *y;
  bool good = true;

  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  x = floats(ROWS * INPUTS);
  y = floats(ROWS);
  make_rows(x, y);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct trees *trees = grow(x, y, cases[i][0], cases[i][1]);
    good = measure(trees, x, cases[i][0], cases[i][1]) && good;
    trees_free(trees);
  }
  free(x);
  free(y);
  return good ? 0 : 1;
}
