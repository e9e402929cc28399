/* Boosted trees: answers from our arrays beside XGBoost's own prediction through its C API, in one run, one
 * thread, the same rows, margins compared bit for bit.
 *
 *   make tests/bench/serve/trees && tests/bench/serve/trees [FILE]
 *
 * With FILE, the largest model (UBJSON) is also written to FILE.ubj and its rows (float32) to FILE.rows, for
 * tests/bench/serve/trees_peers.py. One JSON object a line on stdout. The exit status is 1 if margins differ, or
 * if 1,000 rows through 500 trees of depth 6 take more than a third of XGBoost's time. */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xgboost/c_api.h>

#include "base/proc.h"
#include "base/rng.h"
#include "model/trees.h"
#include "model/trees_walk.h"

#define INPUTS 28
#define ROWS 4000
#define TRIES 7

static double
now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
}

_Noreturn static void
die(const char *what)
{
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static void
fill(float *x, float *y)
{
  struct rng rng;

  rng_init(&rng, 1, 1);
  for (size_t i = 0; i < ROWS; i++)
  {
    double sum = 0.0;
    for (size_t j = 0; j < INPUTS; j++)
    {
      double value = rng_normal(&rng);
      sum += (j % 3 ? value : value * value) / (double) (j + 1);
      x[i * INPUTS + j] = rng_below(&rng, 50) == 0 ? NAN : (float) value;
    }
    y[i] = sum + rng_normal(&rng) > 1.0 ? 1.0f : 0.0f;
  }
}

static struct trees *
grow(size_t rounds, size_t depth, const float *x, const float *y)
{
  struct trees_config config = {.objective = TREES_SIGMOID,
                                .inputs = INPUTS,
                                .groups = 1,
                                .learning_rate = 0.05,
                                .min_child_weight = 1e-3,
                                .subsample = 1.0,
                                .colsample = 1.0,
                                .max_depth = depth,
                                .seed = 1,
                                .base_score = 0.5};
  struct trees_rows train = {.x = x, .rows = ROWS, .y = y}, none = {.x = x, .rows = 0, .y = y};
  struct trees_trainer *trainer;
  struct trees *trees;
  struct err_info info;
  double loss, unused;

  if (trees_trainer_new(&config, &train, &none, &trainer, &info) != ERR_OK)
    die(info.text);
  for (size_t i = 0; i < rounds; i++)
    if (trees_trainer_round(trainer, &loss, &unused, &info) != ERR_OK)
      die(info.text);
  if (trees_trainer_finish(trainer, rounds, &trees, &info) != ERR_OK)
    die(info.text);
  trees_trainer_free(trainer);
  return trees;
}

static BoosterHandle
booster_of(const struct trees *trees)
{
  BoosterHandle booster;

  if (XGBoosterCreate(NULL, 0, &booster) != 0
      || XGBoosterLoadModelFromBuffer(booster, trees->ubj, trees->ubj_length) != 0
      || XGBoosterSetParam(booster, "nthread", "1") != 0)
    die(XGBGetLastError());
  return booster;
}

static const float *
predict_in_place(BoosterHandle booster, const float *x, size_t n)
{
  static const char how[] = "{\"type\": 1, \"iteration_begin\": 0, \"iteration_end\": 0, "
                            "\"strict_shape\": false, \"cache_id\": 0, \"missing\": NaN}";
  char data[200];
  const bst_ulong *shape;
  bst_ulong dimensions;
  const float *out;

  snprintf(data, sizeof data,
           "{\"data\": [%zu, true], \"shape\": [%zu, %d], \"typestr\": \"<f4\", \"version\": 3}",
           (size_t) x, n, INPUTS);
  if (XGBoosterPredictFromDense(booster, data, how, NULL, &shape, &dimensions, &out) != 0)
    die(XGBGetLastError());
  return out;
}

struct timing
{
  double ours, any, theirs; /* seconds a call: as the CPU can, the portable walk, XGBoost */
};

/* The least of some tries, each of calls that take long enough to be timed. */
static void
time_calls(const struct trees *trees, BoosterHandle booster, const float *x, size_t n, float *out,
           struct timing *timing)
{
  size_t calls = 1 + 20000 / (n * trees->tree_count / 100 + 1);

  *timing = (struct timing){.ours = INFINITY, .any = INFINITY, .theirs = INFINITY};
  for (int try = 0; try < TRIES; try++)
  {
    double start = now();
    for (size_t i = 0; i < calls; i++)
      trees_margins(trees, x + (n == 1 ? i % ROWS * INPUTS : 0), n, out);
    double ours = now();
    for (size_t i = 0; i < calls; i++)
      trees_walk_any(trees, x + (n == 1 ? i % ROWS * INPUTS : 0), n, out);
    double any = now();
    for (size_t i = 0; i < calls; i++)
      predict_in_place(booster, x + (n == 1 ? i % ROWS * INPUTS : 0), n);
    double theirs = now();
    timing->ours = fmin(timing->ours, (ours - start) / (double) calls);
    timing->any = fmin(timing->any, (any - ours) / (double) calls);
    timing->theirs = fmin(timing->theirs, (theirs - any) / (double) calls);
  }
}

static bool
same_margins(const struct trees *trees, BoosterHandle booster, const float *x, float *out)
{
  const float *theirs = predict_in_place(booster, x, ROWS);

  trees_margins(trees, x, ROWS, out);
  bool same = memcmp(out, theirs, ROWS * sizeof *out) == 0;
  trees_walk_any(trees, x, ROWS, out);
  return same && memcmp(out, theirs, ROWS * sizeof *out) == 0;
}

static void
keep(const char *name, const char *end, const void *bytes, size_t length)
{
  char path[4096];

  snprintf(path, sizeof path, "%s%s", name, end);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
    die("cannot write the model");
}

int
main(int argc, char **argv)
{
  static const size_t cases[][3] = {{1, 100, 6},    {8, 100, 6},    {1000, 100, 6}, {1, 500, 6},
                                    {1000, 500, 6}, {1000, 500, 3}, {1000, 500, 9}};
  float *x = malloc(ROWS * INPUTS * sizeof *x), *y = malloc(ROWS * sizeof *y);
  float *out = malloc(ROWS * sizeof *out);
  bool slow = false;

  proc_pin_blas_threads(argv, NULL);
  if (!x || !y || !out)
    die("out of memory");
  fill(x, y);
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
  {
    size_t n = cases[c][0];
    struct trees *trees = grow(cases[c][1], cases[c][2], x, y);
    BoosterHandle booster = booster_of(trees);
    struct timing timing;
    bool same = same_margins(trees, booster, x, out);
    time_calls(trees, booster, x, n, out, &timing);
    printf("{\"rows\": %zu, \"trees\": %zu, \"depth\": %zu, \"us\": %.3f, \"us_portable\": %.3f, "
           "\"us_xgboost\": %.3f, \"times\": %.2f, \"same_bits\": %s}\n",
           n, cases[c][1], cases[c][2], 1e6 * timing.ours, 1e6 * timing.any, 1e6 * timing.theirs,
           timing.theirs / timing.ours, same ? "true" : "false");
    fflush(stdout);
    bool goal = n == 1000 && cases[c][1] == 500 && cases[c][2] == 6;
    slow = slow || (goal && timing.theirs < 3.0 * timing.ours);
    if (argc > 1 && goal)
    {
      keep(argv[1], ".ubj", trees->ubj, trees->ubj_length);
      keep(argv[1], ".rows", x, 1000 * INPUTS * sizeof *x);
    }
    XGBoosterFree(booster);
    trees_free(trees);
    if (!same)
      die("the margins differ from XGBoost's");
  }
  free(x);
  free(y);
  free(out);
  return slow;
}
