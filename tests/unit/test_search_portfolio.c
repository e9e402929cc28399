/* By which acquisition choices are made: shares, the trust region's growth, and that a search stays in it. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "search/portfolio.h"
#include "tests/unit/test_search_near.h"
#include "tests/unit/test_search_told.h"

#define DRAWS 4000

static void
shares_follow_the_dimensions(void **state)
{
  (void) state;
  static const size_t dimensions[] = {1, 4, 8, 16, 40};
  static const double bounds[] = {0.5, 0.5, 0.5, 0.25, 0.1};
  for (size_t k = 0; k < sizeof dimensions / sizeof *dimensions; k++)
  {
    struct search search = {.seed = 5 + k};
    size_t bound = 0, region = 0;
    for (search.count = 0; search.count < DRAWS; search.count++)
    {
      struct portfolio_choice choice = portfolio_choose(&search, dimensions[k]);
      struct portfolio_choice again = portfolio_choose(&search, dimensions[k]);
      assert_true(choice.by == again.by);
      assert_true(choice.by != ACQUIRE_MEAN);
      bound += choice.by == ACQUIRE_BOUND;
      region += choice.by == ACQUIRE_IMPROVEMENT && choice.region > 0;
    }
    assert_near((double) bound / DRAWS, bounds[k], 0.03);
    assert_near((double) region / DRAWS, 0.5 - bounds[k], 0.03);
  }
}

static void
short_budgets_look_elsewhere_less(void **state)
{
  (void) state;
  static const size_t budgets[] = {8, 10, 16, 25, 100};
  static const double shares[] = {0, 0, 0.2, 0.5, 0.5};
  for (size_t k = 0; k < sizeof budgets / sizeof *budgets; k++)
  {
    size_t bound = 0;
    for (uint64_t seed = 0; seed < DRAWS; seed++)
    {
      struct search search = {.seed = seed, .count = 5, .expected_trials = budgets[k]};
      bound += portfolio_choose(&search, 4).by == ACQUIRE_BOUND;
    }
    assert_near((double) bound / DRAWS, shares[k], 0.03);
  }
}

static void
the_last_of_a_budget_goes_by_the_mean(void **state)
{
  (void) state;
  struct search search = {.seed = 1, .expected_trials = 30};
  for (search.count = 0; search.count < 29; search.count++)
    assert_true(portfolio_choose(&search, 3).by != ACQUIRE_MEAN);
  assert_true(portfolio_choose(&search, 3).by == ACQUIRE_MEAN);
  search.count = 35; /* more than was said */
  assert_true(portfolio_choose(&search, 3).by == ACQUIRE_MEAN);
}

/* The side after trials with such values, NAN for one that failed. */
static double
side_after(size_t count, const double *values, size_t dimensions)
{
  struct space space = unit_space(2);
  struct search_spec spec = {.method = "bayes", .space = &space, .seed = 3};
  struct search *search;
  assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
  for (size_t t = 0; t < count; t++)
  {
    double point[DIMS_MAX];
    assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
    if (isnan(values[t]))
      assert_int_equal(search_tell_failed(search, t, true, NULL), ERR_OK);
    else
      assert_int_equal(search_tell(search, t, values[t], NULL), ERR_OK);
  }
  double side = portfolio_region(search, dimensions);
  search_free(search);
  return side;
}

static void
the_region_follows_the_log(void **state)
{
  (void) state;
  static const double better[] = {5, 4, 3, 2, 1, 0};
  static const double worse[] = {1, 2, 2, 1, NAN, 3, 4, 5, 6};
  assert_near(side_after(0, NULL, 2), 0.8, 0);
  assert_near(side_after(2, better, 2), 0.8, 0);
  assert_near(side_after(3, better, 2), 1.6, 0);
  assert_near(side_after(6, better, 2), 1.6, 0); /* no larger */
  assert_near(side_after(4, worse, 2), 0.8, 0);
  assert_near(side_after(5, worse, 2), 0.4, 0); /* an equal and a failed one are no better */
  assert_near(side_after(9, worse, 2), 0.2, 0);
  assert_near(side_after(9, worse, 8), 0.4, 0);
  double flat[29];
  for (size_t k = 0; k < 29; k++)
    flat[k] = 1;
  assert_near(side_after(25, flat, 2), 0.0125, 1e-12);
  assert_near(side_after(29, flat, 2), 0.8, 0); /* too small: anew */
}

/* Choices that go by the region lie in it, around a point that has been tried. */
static void
choices_stay_in_the_region(void **state)
{
  (void) state;
  struct space space = unit_space(10);
  size_t regions = 0;
  for (uint64_t seed = 1; seed <= 3; seed++)
  {
    struct search_spec spec = {.method = "bayes", .space = &space, .seed = seed};
    struct search *search;
    struct rng noise;
    rng_init(&noise, seed, 0);
    assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
    for (size_t t = 0; t < 60; t++)
    {
      double point[DIMS_MAX], nearest = INFINITY;
      struct portfolio_choice choice = portfolio_choose(search, 10);
      assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
      for (size_t k = 0; k < t; k++)
      {
        double farthest = 0;
        for (size_t d = 0; d < 10; d++)
          farthest = fmax(farthest, fabs(point[d] - search_point(search, k)[d]));
        nearest = fmin(nearest, farthest);
      }
      if (t >= 20 && choice.region > 0 && choice.region < 1)
      {
        assert_true(nearest <= choice.region / 2 + 1e-9);
        regions++;
      }
      assert_int_equal(search_tell(search, t, rng_normal(&noise), NULL), ERR_OK);
    }
    search_free(search);
  }
  assert_true(regions > 3);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(shares_follow_the_dimensions),
    cmocka_unit_test(short_budgets_look_elsewhere_less),
    cmocka_unit_test(the_last_of_a_budget_goes_by_the_mean),
    cmocka_unit_test(the_region_follows_the_log),
    cmocka_unit_test(choices_stay_in_the_region),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
