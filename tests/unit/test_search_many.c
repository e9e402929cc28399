/* Several objectives and constraints: the gain of a volume, fronts and minima that are known. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "search/search.h"
#include "search/special.h"
#include "search/volume.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define DIMS_MAX 4
#define TRIALS_MAX 128

/* ---- the volume -------------------------------------------------------------------------------------- */

static int
compare_first(const void *a, const void *b)
{
  const double *x = a, *y = b;
  return x[0] < y[0] ? -1 : x[0] > y[0];
}

/* What n pairs dominate below a reference point; sorts them. */
static double
area(size_t n, double (*pairs)[2], const double *reference)
{
  double sum = 0, top = reference[1];
  qsort(pairs, n, sizeof *pairs, compare_first);
  for (size_t i = 0; i < n; i++)
    if (pairs[i][0] < reference[0] && pairs[i][1] < top)
    {
      sum += (reference[0] - pairs[i][0]) * (top - pairs[i][1]);
      top = pairs[i][1];
    }
  return sum;
}

/* Differences of the log gain are those of a plain average over draws. */
static void
gains_are_those_of_draws(void **state)
{
  (void) state;
  static const double points[][2] = {{0, 1}, {0.4, 0.5}, {1, 0}, {0.9, 0.9}};
  static const double means[][2] = {{0.2, 0.2}, {0.5, 0.6}, {-0.1, 1.0}, {0.8, 0.3}, {0.1, 0.1}};
  static const double variances[][2] = {
    {0.01, 0.04}, {0.2, 0.1}, {0.02, 0.02}, {0.3, 0.01}, {1e-4, 1e-4}};
  struct volume volume;
  assert_int_equal(volume_init(&volume, 4, 2, points[0], 1), ERR_OK);
  double by_drawing[COUNT(means)], by_formula[COUNT(means)], a[2], b[2];
  struct rng rng;
  rng_init(&rng, 3, 3);
  double front[5][2];
  memcpy(front, points, sizeof points);
  double before = area(4, front, volume.reference);
  for (size_t k = 0; k < COUNT(means); k++)
  {
    enum
    {
      DRAWS = 20000
    };
    by_drawing[k] = 0;
    for (int d = 0; d < DRAWS; d++)
    {
      memcpy(front, points, sizeof points);
      for (size_t j = 0; j < 2; j++)
        front[4][j] = means[k][j] + sqrt(variances[k][j]) * rng_normal(&rng);
      by_drawing[k] += (area(5, front, volume.reference) - before) / DRAWS;
    }
    by_formula[k] = volume_log_gain(&volume, means[k], variances[k], a, b);
  }
  for (size_t k = 1; k < COUNT(means); k++)
  {
    double drawn = log(by_drawing[k] / by_drawing[0]), formula = by_formula[k] - by_formula[0];
    if (fabs(drawn - formula) > 0.15)
      fail_msg("point %zu: %g by drawing, %g by formula", k, drawn, formula);
  }
}

/* The derivatives are those of differences, near the front and far behind it, for 2 to 4 objectives. */
static void
gains_have_slopes(void **state)
{
  (void) state;
  struct rng rng;
  rng_init(&rng, 4, 4);
  for (size_t m = 2; m <= 4; m++)
    for (int round = 0; round < 20; round++)
    {
      double points[8 * 4], mean[4], variance[4], by_mean[4], by_variance[4], scratch[4];
      for (size_t i = 0; i < 8 * m; i++)
        points[i] = rng_double(&rng);
      struct volume volume;
      assert_int_equal(volume_init(&volume, 8, m, points, 2), ERR_OK);
      for (size_t k = 0; k < m; k++)
      {
        mean[k] = rng_double(&rng) + (round % 4 == 3 ? 5 : 0);
        variance[k] = 0.01 + 0.1 * rng_double(&rng);
      }
      double value = volume_log_gain(&volume, mean, variance, by_mean, by_variance);
      assert_true(isfinite(value));
      for (size_t k = 0; k < 2 * m; k++)
      {
        double *x = k < m ? &mean[k] : &variance[k - m], here = *x, step = 1e-5;
        *x = here + step;
        double up = volume_log_gain(&volume, mean, variance, scratch, scratch);
        *x = here - step;
        double down = volume_log_gain(&volume, mean, variance, scratch, scratch);
        *x = here;
        double slope = k < m ? by_mean[k] : by_variance[k - m];
        double difference = (up - down) / (2 * step);
        if (fabs(slope - difference) > 0.02 * (1 + fabs(difference)))
          fail_msg("%zu objectives, round %d, %zu: %g for %g", m, round, k, slope, difference);
      }
    }
}

static void
log_cdf_holds_in_the_tails(void **state)
{
  (void) state;
  static const double known[][2] = {{0, -0.69314718055994531},   {-1, -1.8410216450092636},
                                    {-10, -53.231285150512471},  {-40, -804.60844201375379},
                                    {3, -0.0013508099647481940}, {8, -6.2209605742717861e-16}};
  for (size_t k = 0; k < COUNT(known); k++)
  {
    double slope, up, down, z = known[k][0], none;
    double value = special_log_cdf(z, &slope);
    assert_true(fabs(value - known[k][1]) <= 1e-10 * fabs(known[k][1]));
    up = special_log_cdf(z + 1e-4, &none);
    down = special_log_cdf(z - 1e-4, &none);
    assert_true(fabs((up - down) / 2e-4 - slope) <= 1e-4 * slope + 1e-11);
  }
}

/* ---- whole searches ---------------------------------------------------------------------------------- */

struct problem
{
  size_t dims, objectives, constraints;
  double low, high;
  void (*values)(const double *x, double *objectives, double *constraints);
};

static void
schaffer(const double *x, double *f, double *c)
{
  (void) c;
  f[0] = x[0] * x[0];
  f[1] = (x[0] - 2) * (x[0] - 2);
}

static void
zdt1(const double *x, double *f, double *c)
{
  (void) c;
  double g = 1 + 9 * (x[1] + x[2] + x[3]) / 3;
  f[0] = x[0];
  f[1] = g * (1 - sqrt(x[0] / g));
}

static void
gardner(const double *x, double *f, double *c)
{
  f[0] = sin(x[0]) + x[1];
  c[0] = sin(x[0]) * sin(x[1]) + 0.95;
}

static double
branin(const double *x)
{
  double pi = 3.14159265358979323846;
  double a = x[1] - 5.1 / (4 * pi * pi) * x[0] * x[0] + 5 / pi * x[0] - 6;
  return a * a + 10 * (1 - 1 / (8 * pi)) * cos(x[0]) + 10;
}

/* Two constraints; the minima at (−π, 12.275) and (9.42, 2.475) are cut off. */
static void
cut_branin(const double *x, double *f, double *c)
{
  double at[2] = {15 * x[0] - 5, 15 * x[1]};
  f[0] = branin(at);
  c[0] = (at[0] - 2.5) * (at[0] - 2.5) + (at[1] - 7.5) * (at[1] - 7.5) - 50;
  c[1] = at[0] + at[1] - 11;
}

/* The distances from three corners, of which the first must not be too small. */
static void
corners(const double *x, double *f, double *c)
{
  static const double corner[3][2] = {{0.1, 0.1}, {0.9, 0.2}, {0.4, 0.9}};
  for (size_t k = 0; k < 3; k++)
    f[k] = hypot(x[0] - corner[k][0], x[1] - corner[k][1]);
  c[0] = 0.2 - f[0];
}

static const struct problem schaffer_problem = {1, 2, 0, -10, 10, schaffer};
static const struct problem zdt1_problem = {4, 2, 0, 0, 1, zdt1};
static const struct problem gardner_problem = {2, 1, 1, 0, 6, gardner};
static const struct problem branin_problem = {2, 1, 2, 0, 1, cut_branin};
static const struct problem corners_problem = {2, 3, 1, 0, 1, corners};

struct outcome_log
{
  double objectives[TRIALS_MAX][SEARCH_OBJECTIVES_MAX];
  uint64_t front[TRIALS_MAX];
  size_t front_count;
  bool has_best;
  double best;
};

/* Runs a search, two trials at a time. */
static void
run(const struct problem *p, const char *method, size_t trials, uint64_t seed,
    struct outcome_log *log)
{
  struct space_param params[DIMS_MAX] = {{0}};
  struct space space = {.params = params, .count = p->dims};
  for (size_t i = 0; i < p->dims; i++)
    params[i] =
      (struct space_param){.name = "x", .kind = SPACE_FLOAT, .low = p->low, .high = p->high};
  struct search_spec spec = {.method = method,
                             .space = &space,
                             .seed = seed,
                             .objective_count = p->objectives,
                             .constraint_count = p->constraints};
  struct search *search;
  double point[DIMS_MAX], constraints[2][SEARCH_CONSTRAINTS_MAX];
  assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
  for (size_t t = 0; t < trials + 1; t++)
  {
    if (t < trials)
    {
      assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
      p->values(point, log->objectives[t], constraints[t % 2]);
    }
    if (!t)
      continue;
    struct search_result result = {.values = log->objectives[t - 1],
                                   .constraints = constraints[(t - 1) % 2]};
    assert_int_equal(search_tell_result(search, t - 1, &result, NULL), ERR_OK);
  }
  log->front_count = search_pareto(search, log->front);
  log->has_best = search_best(search, NULL, &log->best, NULL);
  search_free(search);
}

static double
front_area(const struct problem *p, const char *method, size_t trials, const double *reference)
{
  double sum = 0;
  for (uint64_t seed = 1; seed <= 3; seed++)
  {
    struct outcome_log log;
    double pairs[TRIALS_MAX][2];
    run(p, method, trials, seed, &log);
    for (size_t k = 0; k < log.front_count; k++)
      memcpy(pairs[k], log.objectives[log.front[k]], sizeof pairs[k]);
    sum += area(log.front_count, pairs, reference) / 3;
  }
  return sum;
}

/* The front of Schaffer's function is √f2 = 2 − √f1, that of ZDT1 f2 = 1 − √f1. */
static void
fronts_are_found(void **state)
{
  (void) state;
  static const double schaffer_reference[2] = {4.4, 4.4}, zdt1_reference[2] = {1.1, 1.1};
  double whole = 4.4 * 4.4 - 8.0 / 3;
  double bayes = front_area(&schaffer_problem, "bayes", 30, schaffer_reference) / whole;
  double tpe = front_area(&schaffer_problem, "tpe", 60, schaffer_reference) / whole;
  double random = front_area(&schaffer_problem, "random", 30, schaffer_reference) / whole;
  print_message("schaffer: bayes %.3f, tpe (60) %.3f, random %.3f of the area\n", bayes, tpe,
                random);
  assert_true(bayes > 0.95 && bayes > random && tpe > 0.93);
  whole = 0.1 + 2.0 / 3 + 0.11;
  bayes = front_area(&zdt1_problem, "bayes", 40, zdt1_reference) / whole;
  tpe = front_area(&zdt1_problem, "tpe", 80, zdt1_reference) / whole;
  random = front_area(&zdt1_problem, "random", 80, zdt1_reference) / whole;
  print_message("zdt1: bayes (40) %.3f, tpe (80) %.3f, random (80) %.3f of the area\n", bayes, tpe,
                random);
  assert_true(bayes > 0.8 && tpe > random + 0.2);
}

static double
worst_best(const struct problem *p, const char *method, size_t trials)
{
  double worst = -INFINITY;
  for (uint64_t seed = 1; seed <= 3; seed++)
  {
    struct outcome_log log;
    run(p, method, trials, seed, &log);
    worst = fmax(worst, log.has_best ? log.best : INFINITY);
  }
  return worst;
}

static void
constrained_minima_are_found(void **state)
{
  (void) state;
  double gardner_bayes = worst_best(&gardner_problem, "bayes", 35);
  double gardner_tpe = worst_best(&gardner_problem, "tpe", 120);
  double branin_bayes = worst_best(&branin_problem, "bayes", 35);
  print_message("gardner: bayes %.4f, tpe (120) %.4f for 0.2532; branin: bayes %.4f for 0.3979\n",
                gardner_bayes, gardner_tpe, branin_bayes);
  assert_true(gardner_bayes < 0.2532 + 0.05 && gardner_bayes >= 0.2532 - 1e-3);
  assert_true(gardner_tpe < 6); /* the feasible part is small: it may end in its other half */
  assert_true(branin_bayes < 0.3979 + 0.05 && branin_bayes >= 0.3978);
}

/* Of a cube the share that the front dominates. */
static double
cube_share(const struct problem *p, const char *method, size_t trials)
{
  struct outcome_log log;
  struct rng rng;
  size_t inside = 0;
  run(p, method, trials, 2, &log);
  rng_init(&rng, 9, 9);
  for (int k = 0; k < 20000; k++)
  {
    double at[3] = {rng_double(&rng), rng_double(&rng), rng_double(&rng)};
    bool dominated = false;
    for (size_t f = 0; f < log.front_count && !dominated; f++)
    {
      const double *o = log.objectives[log.front[f]];
      dominated = o[0] <= at[0] && o[1] <= at[1] && o[2] <= at[2];
    }
    inside += dominated;
  }
  return (double) inside / 20000;
}

static void
three_objectives_under_a_constraint(void **state)
{
  (void) state;
  double bayes = cube_share(&corners_problem, "bayes", 40);
  double random = cube_share(&corners_problem, "random", 40);
  print_message("corners: bayes %.3f, random %.3f\n", bayes, random);
  assert_true(bayes > random + 0.01);
}

/* Nothing feasible, constraints that never change, failures, equal values: always a legal point. */
static void
odd_results_are_survived(void **state)
{
  (void) state;
  struct space_param params[2] = {{.name = "x", .kind = SPACE_FLOAT, .low = 0, .high = 1},
                                  {.name = "n", .kind = SPACE_INT, .low = 1, .high = 9, .step = 1}};
  struct space space = {.params = params, .count = 2};
  static const char *const methods[] = {"bayes", "tpe"};
  for (int run = 0; run < 12; run++)
  {
    struct search_spec spec = {.method = methods[run % 2],
                               .space = &space,
                               .objective_count = 1 + (size_t) (run / 2 % 2),
                               .constraint_count = 2};
    struct search *search;
    assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
    for (uint64_t t = 0; t < 16; t++)
    {
      double point[2];
      assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
      assert_true(space_contains(&space, point));
      double values[2] = {point[0], -point[1]}, constraints[2] = {1, 1};
      if (run >= 4 && run < 8)
      {
        values[0] = t % 3 ? 5 : (double) NAN;
        values[1] = 1e300;
        constraints[0] = constraints[1] = t % 2 ? 1e-300 : -1e300;
      }
      if (run >= 8)
        values[0] = NAN;
      struct search_result result = {.values = values, .constraints = constraints};
      assert_int_equal(search_tell_result(search, t, &result, NULL), ERR_OK);
    }
    search_free(search);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(log_cdf_holds_in_the_tails),
    cmocka_unit_test(gains_are_those_of_draws),
    cmocka_unit_test(gains_have_slopes),
    cmocka_unit_test(fronts_are_found),
    cmocka_unit_test(constrained_minima_are_found),
    cmocka_unit_test(three_objectives_under_a_constraint),
    cmocka_unit_test(odd_results_are_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
