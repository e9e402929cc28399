/* What the Gaussian process is given, and what it makes of a space of several families. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "search/outcome.h"
#include "search/search.h"
#include "tests/unit/test_search_near.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void
outcomes_have_mean_zero_and_variance_one(void **state)
{
  (void) state;
  const double values[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3};
  for (int w = 0; w < OUTCOME_WARPS; w++)
  {
    struct outcome outcome;
    double y[COUNT(values)], sum = 0, square = 0;
    assert_int_equal(outcome_fit((enum outcome_warp) w, COUNT(values), values, y, &outcome),
                     ERR_OK);
    for (size_t i = 0; i < COUNT(values); i++)
    {
      sum += y[i];
      square += y[i] * y[i];
      assert_near(outcome_value(&outcome, y[i]), values[i], 1e-12);
      for (size_t j = 0; j < i; j++)
        assert_true((values[i] < values[j]) == (y[i] < y[j]));
    }
    assert_near(sum, 0, 1e-12);
    assert_near(square, COUNT(values), 1e-12);
  }
}

static void
slope_matches_differences(void **state)
{
  (void) state;
  const double values[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 40, NAN};
  for (int w = 0; w < OUTCOME_WARPS; w++)
  {
    struct outcome outcome;
    double y[COUNT(values)];
    assert_int_equal(outcome_fit((enum outcome_warp) w, COUNT(values), values, y, &outcome),
                     ERR_OK);
    for (double at = -1; at < 1.5; at += 0.25)
    {
      double value = outcome_value(&outcome, at), log_slope;
      double above = outcome_value(&outcome, at + 1e-5);
      double below = outcome_value(&outcome, at - 1e-5);
      if (!outcome_log_slope(&outcome, value, &log_slope))
        continue;
      assert_near(log_slope, log(2e-5 / (above - below)), 1e-6);
    }
    double log_slope;
    assert_false(outcome_log_slope(&outcome, NAN, &log_slope));
    assert_true(outcome_log_slope(&outcome, 9, &log_slope));
    assert_true(outcome_log_slope(&outcome, 40, &log_slope) == (w != OUTCOME_PLAIN));
  }
}

/* A power's inverse has a pole: without an end, means of it were of the order of 1e10 in a search's slices. */
static void
what_lies_beyond_a_warp_stays_near(void **state)
{
  (void) state;
  const double cases[][8] = {{0.931, 0.9398, 0.9397, 0.9531, 0.9464, 0.9465, 0.9466, 0.9398},
                             {0, 0, 0.001, 0.002, 0.004, 1, 1, 100}};
  for (size_t k = 0; k < COUNT(cases); k++)
    for (int w = OUTCOME_PLAIN + 1; w < OUTCOME_WARPS; w++)
    {
      struct outcome outcome;
      double y[8], least = INFINITY, most = -INFINITY;
      assert_int_equal(outcome_fit((enum outcome_warp) w, 8, cases[k], y, &outcome), ERR_OK);
      for (size_t i = 0; i < 8; i++)
      {
        least = fmin(least, cases[k][i]);
        most = fmax(most, cases[k][i]);
      }
      double last = -INFINITY;
      for (double at = -1000; at <= 1000; at += 0.5)
      {
        double value = outcome_value(&outcome, at);
        assert_true(value >= last);
        assert_true(value >= least - (most - least) && value <= most + (most - least));
        last = value;
      }
    }
}

static void
the_bad_side_is_clipped_and_failures_join_it(void **state)
{
  (void) state;
  /* Quartiles 2, 3 and 4: the limit is 3 + 5 · 2. */
  const double values[] = {1, 2, 3, 4, 1e9, NAN};
  struct outcome outcome;
  double y[COUNT(values)];
  assert_int_equal(outcome_fit(OUTCOME_PLAIN, COUNT(values), values, y, &outcome), ERR_OK);
  assert_near(outcome_value(&outcome, y[4]), 13, 1e-9);
  assert_near(y[5], y[4], 0);
  assert_near(outcome_value(&outcome, y[0]), 1, 1e-9);
  /* Nothing is clipped on the good side. */
  const double good[] = {-1e9, 2, 3, 4, 5};
  assert_int_equal(outcome_fit(OUTCOME_PLAIN, COUNT(good), good, y, &outcome), ERR_OK);
  assert_near(outcome_value(&outcome, y[0]), -1e9, 1e-3);
}

static void
odd_values_stay_finite(void **state)
{
  (void) state;
  const double cases[][4] = {{NAN, NAN, NAN, NAN}, {7, 7, 7, 7},          {NAN, 7, NAN, NAN},
                             {1, 1, 1, 2},         {-1e308, 1e308, 0, 1}, {5e-324, 0, 0, 1}};
  for (size_t k = 0; k < COUNT(cases); k++)
    for (int w = 0; w < OUTCOME_WARPS; w++)
    {
      struct outcome outcome;
      double y[4];
      assert_int_equal(outcome_fit((enum outcome_warp) w, 4, cases[k], y, &outcome), ERR_OK);
      for (size_t i = 0; i < 4; i++)
        assert_true(isfinite(y[i]));
    }
}

/* Three families as the jobs have them: one hopeless, one fair, one good, each with parameters of its
 * own. The search must find the good family and tune it, and try every default first. */
static double first_family[] = {0}, second_family[] = {1}, third_family[] = {2};
static struct space_condition in_first = {.parent = 0, .values = first_family, .value_count = 1};
static struct space_condition in_second = {.parent = 0, .values = second_family, .value_count = 1};
static struct space_condition in_third = {.parent = 0, .values = third_family, .value_count = 1};
#define UNDER(condition) .conditions = &(condition), .condition_count = 1
static struct space_param family_params[] = {
  {.name = "family", .kind = SPACE_CATEGORICAL, .value_count = 3},
  {.name = "linear.l2",
   .kind = SPACE_FLOAT,
   .scale = SPACE_LOG,
   .low = 1e-6,
   .high = 10,
   UNDER(in_first)},
  {.name = "trees.eta",
   .kind = SPACE_FLOAT,
   .scale = SPACE_LOG,
   .low = 0.01,
   .high = 0.5,
   UNDER(in_second)},
  {.name = "trees.depth", .kind = SPACE_INT, .low = 2, .high = 12, .step = 1, UNDER(in_second)},
  {.name = "trees.rows", .kind = SPACE_FLOAT, .low = 0.4, .high = 1, UNDER(in_second)},
  {.name = "mlp.rate",
   .kind = SPACE_FLOAT,
   .scale = SPACE_LOG,
   .low = 1e-4,
   .high = 1,
   UNDER(in_third)},
  {.name = "mlp.width",
   .kind = SPACE_INT,
   .scale = SPACE_LOG,
   .low = 16,
   .high = 512,
   .step = 1,
   UNDER(in_third)},
  {.name = "mlp.dropout", .kind = SPACE_FLOAT, .low = 0, .high = 0.6, UNDER(in_third)}};
static const struct space families = {.params = family_params, .count = COUNT(family_params)};

static double
family_value(const double *p)
{
  if (p[0] == 0)
    return 0.6 + 0.01 * fabs(log10(p[1]));
  if (p[0] == 1)
  {
    double eta = log10(p[2]) + 1.1, depth = (p[3] - 6) / 5, rows = p[4] - 0.75;
    return 0.2 + 0.3 * eta * eta + 0.1 * depth * depth + 0.1 * rows * rows;
  }
  double rate = log10(p[5]) + 2.3, width = log2(p[6] / 128), dropout = p[7] - 0.1;
  return 0.28 + 0.1 * rate * rate + 0.02 * width * width + 0.2 * dropout * dropout;
}

static void
families_are_searched_together(void **state)
{
  (void) state;
  for (uint64_t seed = 1; seed <= 5; seed++)
  {
    double firsts[3 * COUNT(family_params)];
    for (size_t f = 0; f < 3; f++)
    {
      double *point = firsts + f * families.count;
      for (size_t i = 0; i < families.count; i++)
        point[i] = NAN;
      point[0] = (double) f;
      space_repair(&families, point);
    }
    struct search_spec spec = {.method = "bayes",
                               .space = &families,
                               .seed = seed,
                               .first_points = firsts,
                               .first_count = 3};
    struct search *search;
    assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
    double point[COUNT(family_params)], best;
    size_t asked[3] = {0};
    for (size_t t = 0; t < 40; t++)
    {
      assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
      assert_true(space_contains(&families, point));
      if (t < 3)
        assert_true(point[0] == (double) t);
      asked[(size_t) point[0]]++;
      assert_int_equal(search_tell(search, t, family_value(point), NULL), ERR_OK);
    }
    assert_true(search_best(search, NULL, &best, point));
    assert_true(point[0] == 1 && best < 0.21);
    assert_true(asked[1] > asked[0] + 8);
    search_free(search);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(outcomes_have_mean_zero_and_variance_one),
    cmocka_unit_test(slope_matches_differences),
    cmocka_unit_test(what_lies_beyond_a_warp_stays_near),
    cmocka_unit_test(the_bad_side_is_clipped_and_failures_join_it),
    cmocka_unit_test(odd_values_stay_finite),
    cmocka_unit_test(families_are_searched_together),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
