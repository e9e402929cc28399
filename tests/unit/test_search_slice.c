/* Cuts through what a search believes against its own predictions, and what is still to be gained as a problem is
 * being solved. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "search/gain.h"
#include "search/slice.h"
#include "tests/bench/search_functions.h"
#include "tests/unit/test_search_near.h"
#include "tests/unit/test_search_told.h"

/* ---- cuts --------------------------------------------------------------------------------------------- */

/* The mean that search_predict gives on average over the other parameters. */
static double
averaged_prediction(struct search *search, const struct space *space, size_t param, double at)
{
  struct rng rng;
  double sum = 0;
  rng_init(&rng, 1, 1);
  for (size_t i = 0; i < 500; i++)
  {
    double point[DIMS_MAX], mean, sd;
    space_sample(space, &rng, point);
    point[param] = at;
    assert_int_equal(search_predict(search, point, &mean, &sd), ERR_OK);
    sum += mean / 500;
  }
  return sum;
}

static void
a_slice_is_what_the_model_predicts(void **state)
{
  (void) state;
  struct space space = unit_space(3);
  struct search *search = searched(&space, "bayes", 4, 16, bowl);
  double best[DIMS_MAX], pending[DIMS_MAX];
  assert_true(search_best(search, NULL, NULL, best));
  struct search_slice slice;
  assert_int_equal(search_slice(search, 1, 21, &slice, NULL), ERR_OK);
  assert_int_equal(slice.count, 21);
  assert_int_equal(slice.observation_count, 16);
  size_t lowest = 0;
  for (size_t k = 0; k < slice.count; k++)
  {
    double point[DIMS_MAX], mean, sd;
    memcpy(point, best, sizeof point);
    point[1] = slice.rows[k].at;
    assert_near(slice.rows[k].at, 0.05 * (double) k, 1e-12);
    assert_int_equal(search_predict(search, point, &mean, &sd), ERR_OK);
    assert_near(slice.rows[k].best_mean, mean, 1e-9);
    assert_near(slice.rows[k].best_sd, sd, 1e-9);
    assert_true(slice.rows[k].sd > 0 && slice.rows[k].spread > 0);
    lowest = slice.rows[k].mean < slice.rows[lowest].mean ? k : lowest;
  }
  assert_near(slice.rows[lowest].at, 0.4, 0.1);
  for (size_t k = 0; k < slice.count; k += 10)
    assert_near(slice.rows[k].mean, averaged_prediction(search, &space, 1, slice.rows[k].at), 0.3);
  for (size_t k = 0; k < slice.observation_count; k++)
    assert_int_equal(slice.observations[k].trial, k);

  /* A pending trial where improvement was expected leaves less of it there. */
  assert_int_equal(search_ask(search, 99, pending, NULL), ERR_OK);
  struct search_slice after;
  assert_int_equal(search_slice(search, 1, 21, &after, NULL), ERR_OK);
  for (size_t k = 0; k < slice.count; k++)
  {
    assert_near(after.rows[k].best_sd, slice.rows[k].best_sd, 0);
    assert_true(after.rows[k].log_ei <= slice.rows[k].log_ei + 1e-6);
  }
  search_slice_clear(&after);
  search_slice_clear(&slice);
  search_free(search);
}

static void
a_pair_is_what_the_model_predicts(void **state)
{
  (void) state;
  struct space space = unit_space(3);
  struct search *search = searched(&space, "bayes", 4, 16, bowl);
  struct search_pair pair;
  double best[DIMS_MAX];
  assert_true(search_best(search, NULL, NULL, best));
  assert_int_equal(search_pair(search, 2, 0, 11, &pair, NULL), ERR_OK);
  assert_int_equal(pair.x_count, 11);
  assert_int_equal(pair.y_count, 11);
  assert_int_equal(pair.observation_count, 16);
  size_t lowest = 0;
  for (size_t c = 0; c < 121; c++)
  {
    double point[DIMS_MAX], mean, sd;
    memcpy(point, best, sizeof point);
    point[2] = pair.x_values[c / 11];
    point[0] = pair.y_values[c % 11];
    assert_int_equal(search_predict(search, point, &mean, &sd), ERR_OK);
    assert_near(pair.best_mean[c], mean, 1e-9);
    lowest = pair.mean[c] < pair.mean[lowest] ? c : lowest;
  }
  assert_near(pair.x_values[lowest / 11], 0.6, 0.11);
  assert_near(pair.y_values[lowest % 11], 0.2, 0.11);
  search_pair_clear(&pair);
  search_free(search);
}

static void
cuts_open_what_is_conditional(void **state)
{
  (void) state;
  struct search *search = searched(&family_space, "random", 2, 40, by_family);
  struct search_slice slice;
  struct search_pair pair;
  struct err_info info;
  assert_int_equal(search_slice(search, 1, 5, &slice, NULL), ERR_OK);
  for (size_t k = 0; k < 5; k++)
  {
    assert_near(slice.rows[k].mean, 1 + 2 * slice.rows[k].at, 0.1);
    assert_true(isnan(slice.rows[k].best_mean)); /* the best are of the other family */
  }
  assert_true(slice.observation_count > 10 && slice.observation_count < 30);
  search_slice_clear(&slice);

  assert_int_equal(search_slice(search, 0, 50, &slice, NULL), ERR_OK);
  assert_int_equal(slice.count, 2);
  assert_near(slice.rows[0].mean, 2, 0.1);
  assert_near(slice.rows[1].mean, 0, 0.1);
  search_slice_clear(&slice);

  assert_int_equal(search_pair(search, 1, 2, 4, &pair, &info), ERR_INVALID);
  assert_int_equal(search_pair(search, 1, 0, 4, &pair, NULL), ERR_OK);
  for (size_t i = 0; i < 4; i++)
  {
    assert_near(pair.mean[i * 2], 1 + 2 * pair.x_values[i], 0.1);
    assert_true(isnan(pair.mean[i * 2 + 1]));
  }
  search_pair_clear(&pair);
  search_free(search);
}

/* The first parameter may not be above the second. */
static void
cuts_keep_the_rules(void **state)
{
  (void) state;
  size_t both[2] = {0, 1};
  double factors[2] = {1, -1};
  struct space_relation relation = {.params = both, .factors = factors, .count = 2};
  struct space space = unit_space(3);
  space.relations = &relation;
  space.relation_count = 1;
  struct search *search = told(&space, "random", 6, 40, bowl);
  struct search_slice slice;
  struct search_pair pair;
  assert_int_equal(search_pair(search, 0, 1, 6, &pair, NULL), ERR_OK);
  for (size_t i = 0; i < 6; i++)
    for (size_t j = 0; j < 6; j++)
      assert_int_equal(isnan(pair.mean[i * 6 + j]), i > j);
  search_pair_clear(&pair);
  /* Where the first is 0.9, the second is above: (0.9 − 0.2)² + at least (0.9 − 0.4)². */
  assert_int_equal(search_slice(search, 0, 11, &slice, NULL), ERR_OK);
  assert_true(slice.rows[9].mean > 10 * (0.49 + 0.25));
  assert_near(slice.rows[0].mean, 10 * (0.04 + 0.0933 + 0.0933), 0.7);
  search_slice_clear(&slice);
  search_free(search);
}

/* Trials pause at rungs where all values are worse: the answers are those for full runs. */
static void
rungs_do_not_mislead(void **state)
{
  (void) state;
  struct space space = unit_space(3);
  struct search_spec spec = {.method = "bayes",
                             .space = &space,
                             .seed = 9,
                             .stopping = SEARCH_STOPPING_ASHA,
                             .least_steps = 1,
                             .most_steps = 9};
  struct search *search;
  struct search_gain gain;
  struct search_slice slice;
  double least = INFINITY, best[DIMS_MAX];
  size_t full = 0, paused = 0;
  assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
  for (uint64_t next = 0; full < 12;)
  {
    struct search_suggestion s;
    double point[DIMS_MAX];
    assert_int_equal(search_suggest(search, next, &s, point, NULL), ERR_OK);
    next += !s.continued;
    double value = bowl(point) + 8 / s.until_step;
    if (s.until_step < spec.most_steps)
    {
      assert_int_equal(search_measure(search, s.trial, s.until_step, value, NULL), ERR_OK);
      paused++;
      continue;
    }
    assert_int_equal(search_tell(search, s.trial, value, NULL), ERR_OK);
    least = fmin(least, value);
    full++;
  }
  assert_true(paused > 2 * full);
  assert_true(search_best(search, NULL, NULL, best));
  assert_int_equal(search_gain_left(search, &gain, NULL), ERR_OK);
  assert_int_equal(gain.trials, full);
  assert_near(gain.best, least, 0.3);
  assert_true(gain.regret_bound < 2);
  assert_int_equal(search_slice(search, 0, 11, &slice, NULL), ERR_OK);
  assert_int_equal(slice.observation_count, full);
  for (size_t k = 0; k < slice.count; k++)
  {
    double point[DIMS_MAX], mean, sd;
    memcpy(point, best, sizeof point);
    point[0] = slice.rows[k].at;
    assert_int_equal(search_predict(search, point, &mean, &sd), ERR_OK);
    assert_near(slice.rows[k].best_mean, mean, 1e-9);
    if (point[0] <= 0.4) /* where the good ones are */
      assert_near(mean, bowl(point) + 8 / spec.most_steps, 0.5);
  }
  search_slice_clear(&slice);
  search_free(search);
}

/* ---- what is still to be gained ----------------------------------------------------------------------- */

static void
the_gain_shrinks_as_a_problem_is_solved(void **state)
{
  (void) state;
  const struct search_function *branin = search_function_find("branin");
  struct search_function_space space;
  search_function_space(branin, &space);
  for (uint64_t seed = 1; seed <= 3; seed++)
  {
    struct search_spec spec = {.method = "bayes", .space = &space.space, .seed = seed};
    struct search *search;
    struct search_gain early = {0}, late;
    assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
    for (size_t t = 0; t < 60; t++)
    {
      double point[2];
      assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
      assert_int_equal(search_tell(search, t, branin->value(point, 2), NULL), ERR_OK);
      if (t == 9)
        assert_int_equal(search_gain_left(search, &early, NULL), ERR_OK);
    }
    assert_int_equal(search_gain_left(search, &late, NULL), ERR_OK);
    assert_int_equal(late.trials, 60);
    assert_near(late.best, branin->minimum, 0.05);
    assert_true(early.expected > 0.05 && early.regret_bound > early.expected);
    assert_true(early.best - branin->minimum < early.regret_bound);
    assert_true(late.expected < 0.03 && late.expected < 0.1 * early.expected);
    assert_true(late.regret_bound < 0.2 * early.regret_bound);
    search_free(search);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_slice_is_what_the_model_predicts),
    cmocka_unit_test(a_pair_is_what_the_model_predicts),
    cmocka_unit_test(cuts_open_what_is_conditional),
    cmocka_unit_test(cuts_keep_the_rules),
    cmocka_unit_test(rungs_do_not_mislead),
    cmocka_unit_test(the_gain_shrinks_as_a_problem_is_solved),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
