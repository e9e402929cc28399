/* What a search says about its space: shares of functions with known variances. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "search/gain.h"
#include "search/importance.h"
#include "search/slice.h"
#include "tests/unit/test_search_near.h"
#include "tests/unit/test_search_told.h"

static struct search_importance
importance_of(struct search *search, double focus)
{
  struct search_importance importance;
  struct search_importance_options options = {.focus = focus};
  assert_int_equal(search_importance(search, &options, &importance, NULL), ERR_OK);
  return importance;
}

static const struct search_share *
share_of(const struct search_importance *importance, size_t param)
{
  for (size_t k = 0; k < importance->count; k++)
    if (importance->shares[k].param == param)
      return &importance->shares[k];
  fail();
  return NULL;
}

static double
pair_of(const struct search_importance *importance, size_t a, size_t b)
{
  for (size_t k = 0; k < importance->pair_count; k++)
    if (importance->pairs[k].a == a && importance->pairs[k].b == b)
      return importance->pairs[k].share;
  return 0;
}

/* ---- shares ------------------------------------------------------------------------------------------- */

/* Variances 4/12 and 9·4/45; the others do nothing. */
static double
additive(const double *x)
{
  return 5 + 2 * x[0] + 3 * x[1] * x[1];
}

static void
additive_shares_are_their_variances(void **state)
{
  (void) state;
  static const char *const methods[] = {"sobol", "random", "bayes"};
  struct space space = unit_space(5);
  double first = 4.0 / 12, second = 9 * 4.0 / 45, all = first + second;
  for (size_t m = 0; m < 3; m++)
  {
    struct search *search = told(&space, methods[m], 3, 60, additive);
    struct search_importance importance = importance_of(search, 0);
    assert_true(importance.modelled);
    assert_int_equal(importance.trials, 60);
    assert_int_equal(importance.count, 5);
    assert_int_equal(importance.shares[0].param, 1);
    assert_near(share_of(&importance, 0)->share, first / all, 0.03);
    assert_near(share_of(&importance, 1)->share, second / all, 0.03);
    assert_near(importance.sd, sqrt(all), 0.03);
    for (size_t i = 2; i < 5; i++)
      assert_near(share_of(&importance, i)->share, 0, 0.01);
    for (size_t k = 0; k < importance.pair_count; k++)
      assert_near(importance.pairs[k].share, 0, 0.01);
    search_importance_clear(&importance);
    search_free(search);
  }
}

/* Variances 1/12 for b, 36/144 for the product, which has no main effects. */
static double
product(const double *x)
{
  return x[1] + 6 * (x[0] - 0.5) * (x[2] - 0.5);
}

static void
an_interaction_is_the_pairs(void **state)
{
  (void) state;
  struct space space = unit_space(4);
  struct search *search = searched(&space, "sobol", 7, 80, product);
  struct search_importance importance = importance_of(search, 1);
  assert_near(share_of(&importance, 1)->share, 0.25, 0.03);
  assert_near(share_of(&importance, 0)->share, 0, 0.02);
  assert_near(share_of(&importance, 2)->share, 0, 0.02);
  assert_true(importance.pair_count >= 1);
  assert_int_equal(importance.pairs[0].a, 0);
  assert_int_equal(importance.pairs[0].b, 2);
  assert_near(importance.pairs[0].share, 0.75, 0.04);
  assert_near(pair_of(&importance, 0, 1), 0, 0.01);
  assert_near(pair_of(&importance, 1, 3), 0, 0.01);
  search_importance_clear(&importance);
  search_free(search);
}

/* A categorical of three, an int of four, and a switch that does nothing. */
static double
discrete(const double *x)
{
  static const double of_choice[3] = {0, 0, 3};
  return of_choice[(int) x[0]] + x[1];
}

static void
choices_and_whole_numbers_have_shares(void **state)
{
  (void) state;
  struct space_value choices[3] = {{.text = "p"}, {.text = "q"}, {.text = "r"}};
  struct space_value switched[2] = {{.number = 0}, {.number = 1}};
  struct space_param params[4] = {
    {.name = "choice", .kind = SPACE_CATEGORICAL, .values = choices, .value_count = 3},
    {.name = "whole", .kind = SPACE_INT, .low = 1, .high = 4, .step = 1},
    {.name = "switch", .kind = SPACE_BOOL, .values = switched, .value_count = 2},
    {.name = "fixed", .kind = SPACE_FIXED, .values = choices, .value_count = 1}};
  struct space space = {.params = params, .count = 4};
  struct search *search = searched(&space, "sobol", 5, 24, discrete);
  struct search_importance importance = importance_of(search, 0);
  assert_int_equal(importance.count, 3);
  assert_near(share_of(&importance, 0)->share, 2 / 3.25, 0.05);
  assert_near(share_of(&importance, 1)->share, 1.25 / 3.25, 0.05);
  assert_near(share_of(&importance, 2)->share, 0, 0.01);
  search_importance_clear(&importance);
  search_free(search);
}

static void
a_conditional_parameter_counts_where_it_is_active(void **state)
{
  (void) state;
  struct search *search = searched(&family_space, "random", 2, 60, by_family);
  struct search_importance importance = importance_of(search, 0);
  assert_near(share_of(&importance, 0)->share, 6.0 / 7, 0.02);
  assert_near(share_of(&importance, 1)->share, 1.0 / 7, 0.02);
  assert_near(share_of(&importance, 1)->where_active, 1, 0.01);
  assert_near(share_of(&importance, 1)->active, 0.5, 0.001);
  assert_near(share_of(&importance, 2)->share, 0, 0.01);
  assert_near(pair_of(&importance, 0, 1), 0, 0.01);
  search_importance_clear(&importance);
  search_free(search);
}

/* Far off only the first parameter matters, near the minimum the second does, too. */
static double
valley(const double *x)
{
  return 8 * x[0] * x[0] * x[0] + 2 * (x[1] - 0.3) * (x[1] - 0.3);
}

/* The same of the function itself, on a grid: the variance of the means of columns of the indicator. */
static double
valley_share(size_t param, double limit)
{
  enum
  {
    SIDE = 400
  };
  double mean = 0, between = 0;
  for (size_t pass = 0; pass < 2; pass++)
    for (size_t i = 0; i < SIDE; i++)
    {
      double column = 0;
      for (size_t j = 0; j < SIDE; j++)
      {
        double at[2] = {((double) i + 0.5) / SIDE, ((double) j + 0.5) / SIDE};
        double point[2] = {at[param], at[1 - param]};
        column += (valley(point) > limit) / (double) SIDE;
      }
      if (pass == 0)
        mean += column / SIDE;
      else
        between += (column - mean) * (column - mean) / SIDE;
    }
  return between / (mean * (1 - mean));
}

static void
a_focus_asks_what_the_good_points_need(void **state)
{
  (void) state;
  struct space space = unit_space(3);
  struct search *search = searched(&space, "sobol", 11, 80, valley);
  struct search_importance all = importance_of(search, 1), best = importance_of(search, 0.1);
  /* The value that a tenth of the space is below, from the function. */
  double limit = 0, step = 0.001;
  for (size_t below = 0; below < 16000; limit += step)
  {
    below = 0;
    for (size_t i = 0; i < 160000; i++)
    {
      double point[2] = {((double) (i / 400) + 0.5) / 400, ((double) (i % 400) + 0.5) / 400};
      below += valley(point) <= limit;
    }
  }
  assert_true(share_of(&all, 1)->share < 0.03);
  for (size_t i = 0; i < 2; i++)
    assert_near(share_of(&best, i)->share, valley_share(i, limit - step), 0.04);
  assert_true(share_of(&best, 1)->share > 4 * share_of(&all, 1)->share);
  assert_near(share_of(&best, 2)->share, 0, 0.01);
  search_importance_clear(&best);
  search_importance_clear(&all);
  search_free(search);
}

static double
additive_of_two(const double *x)
{
  return x[0] + 3 * x[1];
}

/* Values that no process fits. */
static double
enormous(const double *x)
{
  return (2 * x[0] - 1) * 1.7e308;
}

static void
without_a_model_ranks_tell(void **state)
{
  (void) state;
  struct space space = unit_space(3);
  struct search *search = searched(&space, "random", 1, 60, enormous);
  struct search_importance importance = importance_of(search, 0);
  assert_false(importance.modelled);
  assert_true(isnan(importance.sd));
  assert_near(share_of(&importance, 0)->share, 1, 1e-9);
  assert_true(share_of(&importance, 1)->share < 0.1 && share_of(&importance, 2)->share < 0.1);
  assert_int_equal(importance.pair_count, 0);
  search_importance_clear(&importance);

  struct search_slice slice;
  struct search_gain gain;
  assert_int_equal(search_slice(search, 0, 0, &slice, NULL), ERR_NOT_FOUND);
  assert_int_equal(search_gain_left(search, &gain, NULL), ERR_NOT_FOUND);
  search_free(search);
}

/* A model of so many would take too long. */
static void
of_thousands_ranks_tell(void **state)
{
  (void) state;
  struct space space = unit_space(2);
  struct search *search = told(&space, "random", 1, 2001, additive_of_two);
  struct search_importance importance = importance_of(search, 0);
  struct search_gain gain;
  struct err_info info;
  assert_false(importance.modelled);
  assert_int_equal(importance.trials, 2001);
  assert_true(importance.shares[0].param == 1 && importance.shares[0].share > 0.8);
  assert_int_equal(search_gain_left(search, &gain, &info), ERR_NOT_FOUND);
  assert_non_null(strstr(info.text, "2000 trials"));
  search_importance_clear(&importance);
  search_free(search);
}

static double
constant(const double *x)
{
  (void) x;
  return 2;
}

static void
a_constant_has_no_shares(void **state)
{
  (void) state;
  struct space space = unit_space(2);
  struct search *search = searched(&space, "bayes", 1, 12, constant);
  struct search_importance importance = importance_of(search, 0), best = importance_of(search, 0.2);
  struct search_gain gain;
  for (size_t i = 0; i < 2; i++)
  {
    assert_near(share_of(&importance, i)->share, 0, 0);
    assert_near(share_of(&best, i)->share, 0, 0);
  }
  assert_int_equal(search_gain_left(search, &gain, NULL), ERR_OK);
  assert_near(gain.best, 2, 1e-9);
  search_importance_clear(&best);
  search_importance_clear(&importance);
  search_free(search);
}

/* ---- what is refused ---------------------------------------------------------------------------------- */

static void
what_can_not_be_told_is_refused(void **state)
{
  (void) state;
  struct space space = unit_space(2);
  struct search *search = searched(&space, "bayes", 1, 3, constant);
  struct search_importance importance;
  struct search_slice slice;
  struct search_pair pair;
  struct search_gain gain;
  struct err_info info;
  struct search_importance_options options = {.focus = 0};
  assert_int_equal(search_importance(search, &options, &importance, &info), ERR_NOT_FOUND);
  assert_non_null(strstr(info.text, "4 trials"));
  assert_int_equal(search_slice(search, 0, 0, &slice, &info), ERR_NOT_FOUND);
  assert_int_equal(search_pair(search, 0, 1, 0, &pair, &info), ERR_NOT_FOUND);
  assert_int_equal(search_gain_left(search, &gain, &info), ERR_NOT_FOUND);
  options.focus = 1.5;
  assert_int_equal(search_importance(search, &options, &importance, &info), ERR_INVALID);
  options.focus = NAN;
  assert_int_equal(search_importance(search, &options, &importance, &info), ERR_INVALID);
  assert_int_equal(search_slice(search, 2, 0, &slice, &info), ERR_INVALID);
  assert_int_equal(search_slice(search, 0, 1, &slice, &info), ERR_INVALID);
  assert_int_equal(search_slice(search, 0, 201, &slice, &info), ERR_INVALID);
  assert_int_equal(search_pair(search, 1, 1, 0, &pair, &info), ERR_INVALID);
  assert_int_equal(search_pair(search, 0, 1, 41, &pair, &info), ERR_INVALID);
  search_free(search);
}

/* ---- determinism -------------------------------------------------------------------------------------- */

static void
questions_change_nothing_and_have_one_answer(void **state)
{
  (void) state;
  struct space space = unit_space(3);
  struct search *asked = searched(&space, "bayes", 8, 20, bowl);
  struct search *silent = searched(&space, "bayes", 8, 20, bowl);
  double points[2][DIMS_MAX];
  for (int round = 0; round < 2; round++)
  {
    struct search_importance one = importance_of(asked, 0.3), other = importance_of(silent, 0.3);
    struct search_gain gains[2];
    assert_memory_equal(one.shares, other.shares, one.count * sizeof *one.shares);
    assert_int_equal(one.pair_count, other.pair_count);
    assert_memory_equal(one.pairs, other.pairs, one.pair_count * sizeof *one.pairs);
    assert_int_equal(search_gain_left(asked, &gains[0], NULL), ERR_OK);
    assert_int_equal(search_gain_left(asked, &gains[1], NULL), ERR_OK);
    assert_memory_equal(&gains[0], &gains[1], sizeof gains[0]);
    search_importance_clear(&one);
    search_importance_clear(&other);
    search_free(silent);
    silent = searched(&space, "bayes", 8, 20, bowl);
  }
  assert_int_equal(search_ask(asked, 50, points[0], NULL), ERR_OK);
  assert_int_equal(search_ask(silent, 50, points[1], NULL), ERR_OK);
  assert_memory_equal(points[0], points[1], 3 * sizeof points[0][0]);
  search_free(asked);
  search_free(silent);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(additive_shares_are_their_variances),
    cmocka_unit_test(an_interaction_is_the_pairs),
    cmocka_unit_test(choices_and_whole_numbers_have_shares),
    cmocka_unit_test(a_conditional_parameter_counts_where_it_is_active),
    cmocka_unit_test(a_focus_asks_what_the_good_points_need),
    cmocka_unit_test(without_a_model_ranks_tell),
    cmocka_unit_test(of_thousands_ranks_tell),
    cmocka_unit_test(a_constant_has_no_shares),
    cmocka_unit_test(what_can_not_be_told_is_refused),
    cmocka_unit_test(questions_change_nothing_and_have_one_answer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
