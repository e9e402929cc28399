/* What is believed of good points: its slopes, its fading, and that it draws a search where the user says. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "search/belief.h"
#include "search/search.h"
#include "search/search_internal.h"
#include "tests/unit/test_search_near.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static double weights[3] = {0.7, 0.3, 0};
static struct space_param params[] = {{.name = "plain", .kind = SPACE_FLOAT, .low = -1, .high = 3},
                                      {.name = "rate",
                                       .kind = SPACE_FLOAT,
                                       .scale = SPACE_LOG,
                                       .low = 1e-4,
                                       .high = 1,
                                       .has_prior = true,
                                       .prior_mean = 1e-3,
                                       .prior_sd = 0.5},
                                      {.name = "kind",
                                       .kind = SPACE_CATEGORICAL,
                                       .value_count = 3,
                                       .has_prior = true,
                                       .prior_weights = weights}};
static const struct space space = {.params = params, .count = COUNT(params)};

static double
term_at(const struct features *features, size_t trials, double plain, double rate, double kind)
{
  const double row[] = {plain, rate, kind};
  return belief_term(features, trials, row, NULL);
}

static void
slopes_match_differences(void **state)
{
  (void) state;
  struct features features;
  assert_int_equal(features_init(&features, &space), ERR_OK);
  for (double at = 0.05; at < 1; at += 0.15)
  {
    const double row[] = {at, 1 - at, 1};
    double slope[] = {0, 0, 0};
    belief_term(&features, 4, row, slope);
    double step = 1e-6;
    assert_near(
      slope[0],
      (term_at(&features, 4, at + step, 1 - at, 1) - term_at(&features, 4, at - step, 1 - at, 1))
        / (2 * step),
      1e-6);
    assert_near(
      slope[1],
      (term_at(&features, 4, at, 1 - at + step, 1) - term_at(&features, 4, at, 1 - at - step, 1))
        / (2 * step),
      1e-6);
    assert_near(slope[2], 0, 1e-12);
  }
  features_clear(&features);
}

static void
the_middle_and_the_users_values_are_liked_and_it_fades(void **state)
{
  (void) state;
  struct features features;
  assert_int_equal(features_init(&features, &space), ERR_OK);
  /* 1e-3 is a quarter of the way from 1e-4 to 1. */
  assert_true(term_at(&features, 0, 0.5, 0.25, 0) > term_at(&features, 0, 0.0, 0.25, 0));
  assert_true(term_at(&features, 0, 0.5, 0.25, 0) > term_at(&features, 0, 0.5, 0.5, 0));
  assert_true(term_at(&features, 0, 0.5, 0.25, 0) > term_at(&features, 0, 0.5, 0.25, 1));
  /* A weight of 0 rules nothing out. */
  assert_true(isfinite(term_at(&features, 0, 0.5, 0.25, 2)));
  /* Two decades are four standard deviations: −½·4² times the weight. */
  assert_near(term_at(&features, 0, 0.5, 0.75, 0) - term_at(&features, 0, 0.5, 0.25, 0),
              -8 * BELIEF_TRIALS, 1e-9);
  assert_near(term_at(&features, 99, 0.1, 0.9, 1), term_at(&features, 0, 0.1, 0.9, 1) / 100, 1e-12);
  features_clear(&features);
}

/* Trials of a flat objective whose rate lies within a standard deviation of what the user believes. */
static size_t
near_belief(const struct space *searched, uint64_t seed)
{
  struct search_spec spec = {.method = "bayes", .space = searched, .seed = seed};
  struct search *search;
  struct err_info info;
  double point[COUNT(params)];
  size_t near = 0;
  assert_int_equal(search_new(&spec, &search, &info), ERR_OK);
  for (uint64_t t = 0; t < 20; t++)
  {
    assert_int_equal(search_ask(search, t, point, &info), ERR_OK);
    assert_int_equal(search_tell(search, t, 0.001 * (double) (t % 3), NAN, &info), ERR_OK);
    near += fabs(log10(point[1]) + 3) < 0.5;
  }
  search_free(search);
  return near;
}

static void
a_belief_draws_the_search(void **state)
{
  (void) state;
  struct space_param without[COUNT(params)];
  for (size_t i = 0; i < COUNT(params); i++)
  {
    without[i] = params[i];
    without[i].has_prior = false;
    without[i].prior_weights = NULL;
  }
  const struct space plain = {.params = without, .count = COUNT(without)};
  size_t with = 0, alone = 0;
  for (uint64_t seed = 1; seed <= 5; seed++)
  {
    with += near_belief(&space, seed);
    alone += near_belief(&plain, seed);
  }
  assert_true(with > alone + 10);
}

/* It fades with what trials have shown, be they ended or paused at a rung; not with what is only asked or cancelled. */
static void
paused_trials_count_as_known(void **state)
{
  (void) state;
  struct search_spec spec = {.method = "bayes",
                             .space = &space,
                             .seed = 1,
                             .stopping = SEARCH_STOPPING_ASHA,
                             .most_steps = 9};
  struct search *search;
  assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
  for (uint64_t trial = 0; trial < 7; trial++)
  {
    double point[COUNT(params)];
    assert_int_equal(search_ask(search, trial, point, NULL), ERR_OK);
  }
  assert_int_equal(search_known_count(search), 0);
  for (uint64_t trial = 0; trial < 4; trial++)
    assert_int_equal(search_measure(search, trial, 1, (double) trial, NULL), ERR_OK);
  assert_int_equal(search->ended_count, 0);
  assert_int_equal(search_known_count(search), 4);
  assert_int_equal(search_tell_failed(search, 4, true, NULL), ERR_OK);
  assert_int_equal(search_tell_failed(search, 5, false, NULL), ERR_OK);
  assert_int_equal(search_known_count(search), 5);
  search_free(search);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(slopes_match_differences),
    cmocka_unit_test(the_middle_and_the_users_values_are_liked_and_it_fades),
    cmocka_unit_test(a_belief_draws_the_search),
    cmocka_unit_test(paused_trials_count_as_known),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
