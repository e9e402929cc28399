/* A search that knows an earlier one's results: ahead where the tasks are alike, hardly behind where the
 * earlier results mislead. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "search/search.h"
#include "tests/bench/search_functions.h"

#define SEEDS 10
#define EARLIER 40 /* trials of the earlier search */
#define MOST 30
#define FIRST 3

/* The earlier task: the function moved by `shift` of each range, in other units, perhaps upside down. */
struct earlier_task
{
  double shift;
  double sign;
};

static double
value_of(const struct search_function *function, const struct search_function_space *space,
         const double *point, const struct earlier_task *task)
{
  double moved[SEARCH_FUNCTION_DIMS_MAX];
  if (!task)
    return function->value(point, function->dims);
  for (size_t i = 0; i < function->dims; i++)
    moved[i] =
      point[i] + task->shift * (space->params[i].high - space->params[i].low) * (i % 2 ? -1 : 1);
  return task->sign * (40 + 7 * function->value(moved, function->dims));
}

/* Runs a search; best[t] is the best value after t + 1 trials, and the trials go to points and values if
 * these are given. */
static void
run(const struct search_function *function, const struct search_spec *spec, size_t trials,
    const struct earlier_task *task, double *best, double *points, double *values)
{
  struct search_function_space space;
  struct search_spec own = *spec;
  struct search *search;
  search_function_space(function, &space);
  own.space = &space.space;
  assert_int_equal(search_new(&own, &search, NULL), ERR_OK);
  double least = INFINITY;
  for (size_t t = 0; t < trials; t++)
  {
    double point[SEARCH_FUNCTION_DIMS_MAX];
    assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
    double value = value_of(function, &space, point, task);
    assert_int_equal(search_tell(search, t, value, NULL), ERR_OK);
    least = fmin(least, value);
    if (best)
      best[t] = least;
    if (points)
      memcpy(points + t * function->dims, point, function->dims * sizeof *points);
    if (values)
      values[t] = value;
  }
  search_free(search);
}

/* What an earlier search found, its best points in front as the first ones to try. */
struct found
{
  double points[EARLIER * SEARCH_FUNCTION_DIMS_MAX], values[EARLIER];
  double first[FIRST * SEARCH_FUNCTION_DIMS_MAX];
};

static void
search_earlier(const struct search_function *function, const struct earlier_task *task,
               uint64_t seed, struct found *found)
{
  struct search_spec spec = {.method = "bayes", .seed = 100 + seed};
  size_t order[EARLIER];
  run(function, &spec, EARLIER, task, NULL, found->points, found->values);
  for (size_t i = 0; i < EARLIER; i++)
  {
    size_t at = i;
    for (; at > 0 && found->values[order[at - 1]] > found->values[i]; at--)
      order[at] = order[at - 1];
    order[at] = i;
  }
  for (size_t k = 0; k < FIRST; k++)
    memcpy(found->first + k * function->dims, found->points + order[k] * function->dims,
           function->dims * sizeof *found->first);
}

static struct search_spec
warm_spec(const struct found *found, const char *method, uint64_t seed)
{
  return (struct search_spec){.method = method,
                              .seed = seed,
                              .first_points = found->first,
                              .first_count = FIRST,
                              .prior_points = found->points,
                              .prior_values = found->values,
                              .prior_count = EARLIER};
}

/* Mean log10 regrets after 10 and after 30 trials. */
struct regrets
{
  double after10, after30;
};

static void
add_regrets(struct regrets *sums, const struct search_function *function, const double *best)
{
  sums->after10 += log10(best[9] - function->minimum + 1e-6) / SEEDS;
  sums->after30 += log10(best[29] - function->minimum + 1e-6) / SEEDS;
}

/* The mean log10 regret must be lower by `lead` after 10 trials where the earlier task is the same but
 * moved, and higher by at most `cost` after 30 where the earlier results are upside down. */
static void
check_function(const char *name, double shift, double lead, double cost)
{
  const struct search_function *function = search_function_find(name);
  struct regrets cold = {0}, alike = {0}, misled = {0};
  double best[MOST];
  struct found found;
  assert_non_null(function);
  for (uint64_t seed = 1; seed <= SEEDS; seed++)
  {
    struct search_spec spec = {.method = "bayes", .seed = seed};
    run(function, &spec, MOST, NULL, best, NULL, NULL);
    add_regrets(&cold, function, best);
    search_earlier(function, &(struct earlier_task){shift, 1}, seed, &found);
    spec = warm_spec(&found, "bayes", seed);
    run(function, &spec, MOST, NULL, best, NULL, NULL);
    add_regrets(&alike, function, best);
    search_earlier(function, &(struct earlier_task){0, -1}, seed, &found);
    spec = warm_spec(&found, "bayes", seed);
    run(function, &spec, MOST, NULL, best, NULL, NULL);
    add_regrets(&misled, function, best);
  }
  print_message("%s: mean log10 regret after 10: cold %.2f, warm %.2f, misled %.2f; after 30: cold "
                "%.2f, warm %.2f, misled %.2f\n",
                name, cold.after10, alike.after10, misled.after10, cold.after30, alike.after30,
                misled.after30);
  assert_true(alike.after10 < cold.after10 - lead);
  assert_true(alike.after30 < cold.after30 + 0.1);
  assert_true(misled.after30 < cold.after30 + cost);
}

static void
test_branin(void **state)
{
  (void) state;
  check_function("branin", 0.08, 0.2, 0.8);
}

static void
test_hartmann(void **state)
{
  (void) state;
  check_function("hartmann6", 0.04, 0.8, 0.3);
}

/* The next point follows from the spec and the log, lived through or replayed. */
static void
test_replay(void **state)
{
  (void) state;
  const struct search_function *function = search_function_find("branin");
  struct search_function_space space;
  struct found found;
  double log_points[12][SEARCH_FUNCTION_DIMS_MAX], log_values[12];
  search_function_space(function, &space);
  search_earlier(function, &(struct earlier_task){0.1, 1}, 3, &found);
  struct search_spec spec = warm_spec(&found, "bayes", 9);
  spec.space = &space.space;
  struct search *search;
  assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
  for (size_t t = 0; t < 12; t++)
  {
    struct search *again;
    double point[SEARCH_FUNCTION_DIMS_MAX];
    assert_int_equal(search_new(&spec, &again, NULL), ERR_OK);
    for (size_t i = 0; i < t; i++)
    {
      assert_int_equal(search_note_ask(again, i, log_points[i], NULL), ERR_OK);
      assert_int_equal(search_tell(again, i, log_values[i], NULL), ERR_OK);
    }
    assert_int_equal(search_ask(again, t, point, NULL), ERR_OK);
    assert_int_equal(search_ask(search, t, log_points[t], NULL), ERR_OK);
    assert_memory_equal(point, log_points[t], function->dims * sizeof *point);
    search_free(again);
    log_values[t] = t == 5 ? (double) NAN : function->value(log_points[t], function->dims);
    assert_int_equal(search_tell(search, t, log_values[t], NULL), ERR_OK);
    if (t < FIRST)
      assert_memory_equal(log_points[t], found.first + t * function->dims,
                          function->dims * sizeof *point);
  }
  search_free(search);
}

/* Methods without a model try the first points and go their own way then; results that are no numbers,
 * all alike, or too few do no harm. */
static void
test_edges(void **state)
{
  (void) state;
  const struct search_function *function = search_function_find("branin");
  double points[EARLIER * SEARCH_FUNCTION_DIMS_MAX], cold[EARLIER * SEARCH_FUNCTION_DIMS_MAX];
  double best[MOST];
  struct found found;
  search_earlier(function, &(struct earlier_task){0.1, 1}, 5, &found);
  struct search_spec warm = warm_spec(&found, "random", 2);
  struct search_spec plain = {.method = "random", .seed = 2};
  run(function, &warm, 8, NULL, NULL, points, NULL);
  run(function, &plain, 5, NULL, NULL, cold, NULL);
  assert_memory_equal(points, found.first, FIRST * function->dims * sizeof *points);
  assert_memory_equal(points + FIRST * function->dims, cold, 5 * function->dims * sizeof *points);
  warm = warm_spec(&found, "bayes", 2);
  for (size_t i = 0; i < EARLIER; i++)
    found.values[i] = 1;
  run(function, &warm, MOST, NULL, best, NULL, NULL);
  found.values[0] = (double) INFINITY;
  found.values[1] = (double) NAN;
  run(function, &warm, 12, NULL, best, NULL, NULL);
  warm.prior_count = 2;
  run(function, &warm, 12, NULL, best, NULL, NULL);
  warm.prior_count = 5;
  found.points[4] = (double) NAN;
  found.points[6] = 1e300;
  run(function, &warm, 12, NULL, best, NULL, NULL);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_branin),
    cmocka_unit_test(test_hartmann),
    cmocka_unit_test(test_replay),
    cmocka_unit_test(test_edges),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
