/* Special functions against mpmath's numbers, log expected improvement, L-BFGS, the acquisition. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "search/acquire.h"
#include "search/lbfgs.h"
#include "search/special.h"
#include "tests/num/special_numbers.h"
#include "tests/unit/test_search_near.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void
erfcx_matches(void **state)
{
  (void) state;
  for (size_t i = 0; i < COUNT(erfcx_numbers); i++)
    assert_near(special_erfcx(erfcx_numbers[i][0]), erfcx_numbers[i][1],
                1e-14 * erfcx_numbers[i][1]);
  assert_true(special_erfcx(1e300) > 0);
  assert_true(isinf(special_erfcx(-30)));
}

static void
log_ei_matches(void **state)
{
  (void) state;
  for (size_t i = 0; i < COUNT(log_ei_numbers); i++)
  {
    double z = log_ei_numbers[i][0];
    double expected = log_ei_numbers[i][1];
    assert_near(special_log_ei(z), expected, 2e-13 * (1 + fabs(expected)));
    assert_near(special_log_ei_slope(z), log_ei_numbers[i][2], 2e-12 * log_ei_numbers[i][2]);
  }
  assert_true(isfinite(special_log_ei(-1e150)));
  assert_true(isfinite(special_log_ei_slope(-1e150)));
}

/* No step where one formula takes over from another. */
static void
log_ei_rises_evenly(void **state)
{
  (void) state;
  double before = special_log_ei(-40);
  for (double z = -40 + 1e-3; z < 5; z += 1e-3)
  {
    double value = special_log_ei(z);
    double slope = (value - before) / 1e-3;
    assert_true(value > before);
    assert_near(slope, special_log_ei_slope(z - 5e-4), 1e-5 * slope);
    before = value;
  }
}

static void
log_ei_gradient_matches_differences(void **state)
{
  (void) state;
  const double means[] = {-2, 0, 0.4, 3, 50};
  const double by_mean = 0.7, by_variance = -0.3, variance = 0.2, best = 0.1, step = 1e-6;
  for (size_t i = 0; i < COUNT(means); i++)
  {
    double gradient;
    acquire_log_ei_gradient(1, means[i], variance, best, &by_mean, &by_variance, &gradient);
    double above = acquire_log_ei(means[i] + step * by_mean, variance + step * by_variance, best);
    double below = acquire_log_ei(means[i] - step * by_mean, variance - step * by_variance, best);
    double slope = (above - below) / (2 * step);
    assert_near(gradient, slope, 1e-4 * (1 + fabs(slope)));
  }
}

static void
bound_gradient_matches_differences(void **state)
{
  (void) state;
  const double by_mean = 0.7, by_variance = -0.3, step = 1e-6;
  for (double variance = 0.01; variance < 5; variance *= 3)
  {
    double gradient;
    acquire_bound_gradient(1, variance, &by_mean, &by_variance, &gradient);
    double above = acquire_bound(0.4 + step * by_mean, variance + step * by_variance);
    double below = acquire_bound(0.4 - step * by_mean, variance - step * by_variance);
    assert_near(gradient, (above - below) / (2 * step), 1e-6 * (1 + fabs(gradient)));
  }
  assert_near(acquire_bound(1, 4), 4, 1e-12);
}

struct counted
{
  size_t calls;
};

static double
rosenbrock10(const double *x, double *g, void *context)
{
  struct counted *counted = context;
  double sum = 0;
  counted->calls++;
  memset(g, 0, 10 * sizeof *g);
  for (int i = 0; i < 9; i++)
  {
    double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
    sum += 100 * a * a + b * b;
    g[i] += -400 * a * x[i] - 2 * b;
    g[i + 1] += 200 * a;
  }
  return sum;
}

static void
lbfgs_solves_rosenbrock(void **state)
{
  (void) state;
  double low[10], high[10], x[10], value;
  for (int i = 0; i < 10; i++)
  {
    low[i] = -5;
    high[i] = 5;
    x[i] = i % 2 ? 1 : -1.2;
  }
  struct counted counted = {0};
  struct lbfgs_problem problem = {.n = 10,
                                  .low = low,
                                  .high = high,
                                  .function = rosenbrock10,
                                  .context = &counted,
                                  .max_evaluations = 400,
                                  .gradient_tolerance = 1e-8};
  assert_int_equal(lbfgs_minimise(&problem, x, &value), ERR_OK);
  assert_true(value < 1e-12 || fabs(x[0] + 0.99) < 0.02); /* its one other local minimum */
  assert_true(counted.calls <= 400);

  problem.max_evaluations = 7;
  counted.calls = 0;
  assert_int_equal(lbfgs_minimise(&problem, x, &value), ERR_OK);
  assert_true(counted.calls <= 7);
}

/* Σ (i+1)(x_i − c_i)² with half of the centres outside the box. */
static double
bowl(const double *x, double *g, void *context)
{
  const double *centre = context;
  double sum = 0;
  for (int i = 0; i < 6; i++)
  {
    double d = x[i] - centre[i];
    sum += (i + 1) * d * d;
    g[i] = 2 * (i + 1) * d;
  }
  return sum;
}

static void
lbfgs_stops_at_bounds(void **state)
{
  (void) state;
  double centre[6] = {-1, 0.3, 2, 0.5, 1.5, 0.9};
  double low[6] = {0}, high[6] = {1, 1, 1, 1, 1, 1};
  double x[6] = {0.5, 0.5, 0.5, 0.9, 0.1, 7};
  struct lbfgs_problem problem = {.n = 6,
                                  .low = low,
                                  .high = high,
                                  .function = bowl,
                                  .context = centre,
                                  .max_evaluations = 200,
                                  .gradient_tolerance = 1e-10};
  assert_int_equal(lbfgs_minimise(&problem, x, NULL), ERR_OK);
  for (int i = 0; i < 6; i++)
    assert_near(x[i], fmin(fmax(centre[i], 0), 1), 1e-7);
}

static double
never_finite(const double *x, double *g, void *context)
{
  (void) x;
  (void) g;
  (void) context;
  return INFINITY;
}

/* log x with a wall: infinite at and below 0.25. */
static double
wall(const double *x, double *g, void *context)
{
  (void) context;
  g[0] = 1 / x[0];
  return x[0] > 0.25 ? log(x[0]) : INFINITY;
}

static void
lbfgs_meets_infinity(void **state)
{
  (void) state;
  double low = 0, high = 1, x = 0.9, value;
  struct lbfgs_problem problem = {
    .n = 1, .low = &low, .high = &high, .function = never_finite, .max_evaluations = 50};
  assert_int_equal(lbfgs_minimise(&problem, &x, &value), ERR_DIVERGED);
  problem.function = wall;
  assert_int_equal(lbfgs_minimise(&problem, &x, &value), ERR_OK);
  assert_true(x > 0.25 && x < 0.3);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(erfcx_matches),
    cmocka_unit_test(log_ei_matches),
    cmocka_unit_test(log_ei_rises_evenly),
    cmocka_unit_test(log_ei_gradient_matches_differences),
    cmocka_unit_test(bound_gradient_matches_differences),
    cmocka_unit_test(lbfgs_solves_rosenbrock),
    cmocka_unit_test(lbfgs_stops_at_bounds),
    cmocka_unit_test(lbfgs_meets_infinity),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
