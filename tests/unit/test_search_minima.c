/* The methods find known minima within a stated number of trials, for fixed seeds. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "search/search.h"
#include "tests/bench/search_functions.h"

/* Best value above the minimum after so many trials, `workers` of them at once. */
static double
regret(const char *name, const char *method, size_t trials, size_t workers, uint64_t seed)
{
  const struct search_function *function = search_function_find(name);
  assert_non_null(function);
  struct search_function_space space;
  search_function_space(function, &space);
  struct search_spec spec = {.method = method, .space = &space.space, .seed = seed};
  struct search *search;
  assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
  double values[8];
  for (size_t t = 0; t < trials; t++)
  {
    double point[SEARCH_FUNCTION_DIMS_MAX];
    if (t >= workers)
      assert_int_equal(search_tell(search, t - workers, values[t % workers], NULL), ERR_OK);
    assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
    values[t % workers] = function->value(point, function->dims);
  }
  for (size_t t = trials - workers; t < trials; t++)
    assert_int_equal(search_tell(search, t, values[t % workers], NULL), ERR_OK);
  double best;
  assert_true(search_best(search, NULL, &best, NULL));
  search_free(search);
  return best - function->minimum;
}

static double
worst_of(const char *name, const char *method, size_t trials, size_t workers)
{
  double worst = 0;
  for (uint64_t seed = 1; seed <= 4; seed++)
    worst = fmax(worst, regret(name, method, trials, workers, seed));
  return worst;
}

static void
minima_are_found(void **state)
{
  (void) state;
  assert_true(worst_of("branin", "bayes", 40, 1) < 0.01);
  assert_true(worst_of("hartmann6", "bayes", 60, 1) < 0.2); /* a local minimum lies 0.12 above */
  assert_true(worst_of("sphere10", "bayes", 60, 1) < 0.01);
  assert_true(worst_of("tuning7", "bayes", 60, 1) < 0.03);
}

static void
parallel_workers_find_them_too(void **state)
{
  (void) state;
  assert_true(worst_of("branin", "bayes", 48, 4) < 0.05);
  assert_true(worst_of("hartmann6", "bayes", 80, 4) < 0.3);
}

static void
other_methods_need_longer(void **state)
{
  (void) state;
  assert_true(worst_of("branin", "tpe", 100, 1) < 0.1);
  assert_true(worst_of("hartmann6", "tpe", 150, 1) < 0.4);
  assert_true(worst_of("sphere10", "tpe", 200, 1) < 0.1);
  assert_true(worst_of("tuning7", "tpe", 100, 1) < 0.03);
  assert_true(worst_of("branin", "tpe", 120, 4) < 0.1);
  assert_true(worst_of("branin", "random", 1000, 1) < 0.3);
  assert_true(worst_of("branin", "sobol", 1000, 1) < 0.2);
  assert_true(worst_of("tuning7", "random", 2000, 1) < 0.06);
  assert_true(worst_of("tuning7", "sobol", 2000, 1) < 0.06);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(minima_are_found),
    cmocka_unit_test(parallel_workers_find_them_too),
    cmocka_unit_test(other_methods_need_longer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
