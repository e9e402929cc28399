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

static double no_weights[2] = {0.5, 0.5};
static struct space_param tuned_params[] = {
  {.name = "shift", .kind = SPACE_FLOAT, .low = 0, .high = 0.5, .has_default = true, .fallback = 0},
  {.name = "layers",
   .kind = SPACE_INT,
   .low = 1,
   .high = 5,
   .step = 1,
   .has_default = true,
   .fallback = 2},
  {.name = "size",
   .kind = SPACE_ORDINAL,
   .value_count = 2,
   .has_prior = true,
   .prior_weights = no_weights,
   .has_default = true,
   .fallback = 1}};
static const struct space tuned_space = {.params = tuned_params, .count = COUNT(tuned_params)};

/* Around a default, which may be an edge; what the user believes comes before it. */
static void
defaults_are_liked(void **state)
{
  (void) state;
  struct features features;
  assert_int_equal(features_init(&features, &tuned_space), ERR_OK);
  double layers = space_to_unit(&tuned_params[1], 2);
  double last = term_at(&features, 0, 0, layers, 0);
  assert_near(last, 0, 1e-12);
  for (double at = 0.1; at < 1; at += 0.1)
  {
    double here = term_at(&features, 0, at, layers, 0), slope[] = {0, 0, 0};
    assert_true(here < last);
    assert_near(here, -BELIEF_TRIALS * log(1 + at * at / 0.09), 1e-9);
    last = here;
    belief_term(&features, 0, (const double[]){at, layers, 0}, slope);
    assert_near(slope[0], -BELIEF_TRIALS * 2 * at / (0.09 + at * at), 1e-9);
  }
  assert_true(term_at(&features, 0, 0, 1, 0) < term_at(&features, 0, 0, layers, 0));
  assert_near(term_at(&features, 0, 0, layers, 1), term_at(&features, 0, 0, layers, 0), 1e-12);
  features_clear(&features);
}

/* Half of a search's start has nothing of what is off by default; without a default none is at an edge. */
static void
starts_go_by_what_is_believed(void **state)
{
  (void) state;
  assert_near(belief_start_unit(&tuned_params[0], 0.3), 0, 1e-12);
  assert_true(belief_start_unit(&tuned_params[0], 0.7) > 0.1);
  assert_near(belief_start_unit(&tuned_params[1], 0.5), space_to_unit(&tuned_params[1], 2), 1e-12);
  assert_near(belief_start_unit(&tuned_params[2], 0), 0.1, 1e-12);
  assert_near(belief_start_unit(&params[0], 1), 0.9, 1e-12);
  assert_near(belief_start_unit(&params[1], 0.5), 0.25, 1e-12);
  for (double unit = 0; unit <= 1; unit += 0.125)
    for (size_t k = 0; k < 2; k++)
    {
      double start = belief_start_unit(&tuned_params[k], unit);
      assert_true(start >= 0 && start <= 1);
    }
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
    assert_int_equal(search_tell(search, t, 0.001 * (double) (t % 3), &info), ERR_OK);
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

/* ---- beliefs that go by other parameters --------------------------------------------------------------- */

static struct space_param linked_params[] = {
  {.name = "rate", .kind = SPACE_FLOAT, .scale = SPACE_LOG, .low = 1e-6, .high = 10},
  {.name = "momentum", .kind = SPACE_FLOAT, .low = 0.5, .high = 0.98},
  {.name = "batch", .kind = SPACE_INT, .scale = SPACE_LOG, .low = 8, .high = 512, .step = 1},
  {.name = "optimizer", .kind = SPACE_CATEGORICAL, .value_count = 2}};
static const struct space linked_space = {.params = linked_params, .count = COUNT(linked_params)};

/* rate ~ 1e-3 · (batch/8) · (1 − momentum)/0.5, under optimizer 1 */
static struct search_belief
a_linked_belief(void)
{
  struct search_belief belief = {
    .param = 0,
    .mean = -3 - log10(8) - log10(0.5),
    .sd = 0.5,
    .when = {{.param = 3, .value = 1}},
    .when_count = 1,
    .shifts = {{.param = 2, .factor = 1}, {.param = 1, .factor = 1, .rest = true}},
    .shift_count = 2};
  return belief;
}

static struct search *
linked_search(uint64_t seed, bool told)
{
  struct search_spec spec = {.method = "bayes", .space = &linked_space, .seed = seed};
  struct search *search;
  struct search_belief belief = a_linked_belief();
  assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
  if (told)
    assert_int_equal(search_believe(search, &belief, NULL), ERR_OK);
  return search;
}

static double
unit_of(size_t param, double value)
{
  return space_to_unit(&linked_params[param], value);
}

static void
linked_means_move_with_the_others(void **state)
{
  (void) state;
  struct search *search = linked_search(1, true);
  struct features features;
  assert_int_equal(features_init(&features, &linked_space), ERR_OK);
  static const struct
  {
    double batch, momentum, rate;
  } best[] = {{8, 0.5, 1e-3}, {80, 0.5, 1e-2}, {8, 0.95, 1e-4}, {512, 0.75, 3.2e-2}};
  for (size_t i = 0; i < COUNT(best); i++)
  {
    double row[] = {unit_of(0, best[i].rate), unit_of(1, best[i].momentum),
                    unit_of(2, best[i].batch), 1};
    double high[] = {unit_of(0, best[i].rate * 100), row[1], row[2], 1};
    double low[] = {unit_of(0, best[i].rate / 100), row[1], row[2], 1};
    double elsewhere[] = {row[0], row[1], row[2], 0};
    double there = belief_of_search(search, &features, 0, row, NULL);
    /* two decades are four standard deviations, on either side */
    assert_near(belief_of_search(search, &features, 0, high, NULL) - there, -8 * BELIEF_TRIALS,
                1e-6);
    assert_near(belief_of_search(search, &features, 0, low, NULL) - there, -8 * BELIEF_TRIALS,
                1e-6);
    /* it fades, and holds under its condition alone */
    assert_near(belief_of_search(search, &features, 99, row, NULL), there / 100, 1e-9);
    assert_near(belief_of_search(search, &features, 0, elsewhere, NULL),
                belief_term(&features, 0, elsewhere, NULL), 1e-12);
  }
  features_clear(&features);
  search_free(search);
}

static void
linked_slopes_match_differences(void **state)
{
  (void) state;
  struct search *search = linked_search(1, true);
  struct features features;
  const double step = 1e-5;
  assert_int_equal(features_init(&features, &linked_space), ERR_OK);
  for (double at = 0.05; at < 1; at += 0.15)
    for (size_t k = 0; k < 2; k++)
    {
      double row[] = {at, 0.9 - 0.8 * at, 0.5, 1}, slope[] = {0, 0, 0, 0};
      belief_of_search(search, &features, 4, row, slope);
      row[k] += step;
      double above = belief_of_search(search, &features, 4, row, NULL);
      row[k] -= 2 * step;
      double below = belief_of_search(search, &features, 4, row, NULL);
      assert_near(slope[k], (above - below) / (2 * step), 1e-3 * (1 + fabs(slope[k])));
    }
  features_clear(&features);
  search_free(search);
}

/* How many of 16 asks are near the belief; the objective is flat. The log alone gives the same points. */
static size_t
near_linked(uint64_t seed, bool told, bool late)
{
  struct search *search = linked_search(seed, told && !late), *again;
  double points[16][COUNT(linked_params)];
  size_t near = 0;
  for (uint64_t t = 0; t < 16; t++)
  {
    struct search_belief belief = a_linked_belief();
    if (told && late && t == 3)
      assert_int_equal(search_believe(search, &belief, NULL), ERR_OK);
    assert_int_equal(search_ask(search, t, points[t], NULL), ERR_OK);
    assert_int_equal(search_tell(search, t, 0.001 * (double) (t % 3), NULL), ERR_OK);
    const double *p = points[t];
    double mean = -3 + log10(p[2] / 8) + log10((1 - p[1]) / 0.5);
    near += p[3] == 1 && fabs(log10(p[0]) - mean) < 1;
  }
  again = linked_search(seed, told && !late);
  for (uint64_t t = 0; t < 15; t++)
  {
    struct search_belief belief = a_linked_belief();
    if (told && late && t == 3)
      assert_int_equal(search_believe(again, &belief, NULL), ERR_OK);
    assert_int_equal(search_note_ask(again, t, points[t], NULL), ERR_OK);
    assert_int_equal(search_tell(again, t, 0.001 * (double) (t % 3), NULL), ERR_OK);
  }
  double point[COUNT(linked_params)];
  assert_int_equal(search_ask(again, 15, point, NULL), ERR_OK);
  assert_memory_equal(point, points[15], sizeof point);
  search_free(again);
  search_free(search);
  return near;
}

static void
a_linked_belief_draws_the_search(void **state)
{
  (void) state;
  size_t with = 0, late = 0, alone = 0;
  for (uint64_t seed = 1; seed <= 5; seed++)
  {
    with += near_linked(seed, true, false);
    late += near_linked(seed, true, true);
    alone += near_linked(seed, false, false);
  }
  if (!(with > alone + 10 && late > alone + 5))
    fail_msg("with %zu, late %zu, alone %zu", with, late, alone);
}

static void
odd_beliefs_are_refused(void **state)
{
  (void) state;
  struct search *search = linked_search(1, false);
  struct search_belief good = a_linked_belief(), bad[9];
  for (size_t i = 0; i < COUNT(bad); i++)
    bad[i] = good;
  bad[0].param = 1;
  bad[1].param = 99;
  bad[2].sd = 0;
  bad[3].mean = NAN;
  bad[4].when[0].param = 99;
  bad[5].shifts[0].param = 99;
  bad[6].shifts[0].param = 3;   /* has no logarithm */
  bad[7].shifts[0].rest = true; /* 1 − 512 neither */
  bad[8].when_count = 3;
  for (size_t i = 0; i < COUNT(bad); i++)
    assert_int_equal(search_believe(search, &bad[i], NULL), ERR_INVALID);
  assert_int_equal(search->belief_count, 0);
  assert_int_equal(search_believe(search, &good, NULL), ERR_OK);
  assert_int_equal(search->belief_count, 1);
  search_free(search);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(linked_means_move_with_the_others),
    cmocka_unit_test(linked_slopes_match_differences),
    cmocka_unit_test(a_linked_belief_draws_the_search),
    cmocka_unit_test(odd_beliefs_are_refused),
    cmocka_unit_test(slopes_match_differences),
    cmocka_unit_test(defaults_are_liked),
    cmocka_unit_test(starts_go_by_what_is_believed),
    cmocka_unit_test(the_middle_and_the_users_values_are_liked_and_it_fades),
    cmocka_unit_test(a_belief_draws_the_search),
    cmocka_unit_test(paused_trials_count_as_known),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
