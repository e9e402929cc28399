/* Trials with steps: rungs, promotion, brackets, the median rule, and the log's errors. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "search/gain.h"
#include "search/search.h"
#include "tests/bench/search_curves.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct space_param line_param = {.name = "x", .kind = SPACE_FLOAT, .low = 0, .high = 1};
static const struct space line = {.params = &line_param, .count = 1};

static struct search *
start(const struct search_spec *spec)
{
  struct search *search;
  struct err_info info;
  enum err err = search_new(spec, &search, &info);
  if (err)
    fail_msg("%s", info.text);
  return search;
}

/* Runs one suggestion to its end; the value is that of `value_of` at the step. */
static struct search_suggestion
run_one(struct search *search, uint64_t id, double (*value_of)(double, double), double *point)
{
  struct search_suggestion s;
  assert_int_equal(search_suggest(search, id, &s, point, NULL), ERR_OK);
  assert_int_equal(
    search_measure(search, s.trial, s.until_step, value_of(*point, s.until_step), NULL), ERR_OK);
  return s;
}

static double
constant_curve(double x, double step)
{
  (void) step;
  return x;
}

static double
bowl(double x, double step)
{
  return (x - 0.3) * (x - 0.3) + 1 / step;
}

/* What the rule should do next, worked out plainly: the trial to continue, or `count` for a new one.
 * rung[t] is the highest rung that trial t has been to. */
static size_t
expected_next(const double *values, const size_t *rung, size_t count)
{
  for (size_t level = 2; level-- > 0;)
  {
    size_t there = 0, best = count;
    for (size_t t = 0; t < count; t++)
    {
      size_t better = 0;
      there += rung[t] >= level;
      for (size_t u = 0; u < count; u++)
        if (rung[u] >= level && values[u] < values[t])
          better++;
      if (rung[t] == level && (best == count || values[t] < values[best]))
        best = t;
    }
    size_t better = 0;
    for (size_t u = 0; best < count && u < count; u++)
      if (rung[u] >= level && values[u] < values[best])
        better++;
    if (best < count && better < there / 3)
      return best;
  }
  return count;
}

/* One worker, rungs 1, 3, 9: a trial is promoted as soon as it is in the best third, the highest rung
 * first; one trial in twenty runs through. */
static void
asha_promotes_by_thirds(void **state)
{
  (void) state;
  static const double steps[] = {1, 3, 9};
  struct search_spec spec = {.method = "asha", .space = &line, .seed = 5, .most_steps = 9};
  struct search *search = start(&spec);
  double point, values[80], best = INFINITY;
  size_t rung[80], count = 0, through = 0, continued = 0;
  for (size_t turn = 0; turn < 80; turn++)
  {
    size_t expected = expected_next(values, rung, count);
    struct search_suggestion s = run_one(search, count, constant_curve, &point);
    assert_true(s.trial == expected && s.continued == (expected < count));
    size_t to = s.continued ? rung[s.trial] + 1 : 0;
    assert_true(s.from_step == (s.continued ? steps[to - 1] : 0));
    if (s.continued)
      assert_true(values[s.trial] == point);
    else
      count++;
    if (!s.continued && s.until_step == 9)
    {
      through++;
      to = 2;
    }
    continued += s.continued;
    assert_true(s.until_step == steps[to]);
    rung[s.trial] = to;
    values[s.trial] = point;
    assert_true(search_should_stop(search, s.trial) == (to < 2));
    if (to < 2)
      continue;
    assert_int_equal(search_tell(search, s.trial, point, NULL), ERR_OK);
    best = fmin(best, point);
  }
  assert_true(through >= 1 && through <= 4 && continued > 15);
  double value;
  assert_true(search_best(search, NULL, &value, NULL) && value == best);
  search_free(search);
}

/* At the end of a search only what its rungs let through goes on: no new trial, and not the others. */
static void
only_the_promoted_go_on(void **state)
{
  (void) state;
  struct search_spec spec = {.method = "sobol",
                             .space = &line,
                             .seed = 2,
                             .stopping = SEARCH_STOPPING_ASHA,
                             .most_steps = 9};
  struct search *search = start(&spec);
  struct search_suggestion s;
  double point, again, values[3];
  size_t best = 0;
  assert_int_equal(search_promote(search, &s, &point, NULL), ERR_NOT_FOUND);
  for (size_t t = 0; t < 3; t++)
  {
    assert_int_equal(search_promote(search, &s, &point, NULL), ERR_NOT_FOUND);
    run_one(search, t, constant_curve, &values[t]);
    best = values[t] < values[best] ? t : best;
  }
  assert_int_equal(search_promote(search, &s, &again, NULL), ERR_OK);
  assert_true(s.trial == best && s.continued && s.from_step == 1 && s.until_step == 3);
  assert_true(again == values[best]);
  assert_int_equal(search_promote(search, &s, &point, NULL), ERR_NOT_FOUND);
  assert_int_equal(search_count(search), 3);
  search_free(search);
}

/* Which trials a rule continues follows from the values at the rung alone: the best of nine. */
static void
the_best_is_continued(void **state)
{
  (void) state;
  struct search_spec spec = {.method = "sobol",
                             .space = &line,
                             .seed = 1,
                             .stopping = SEARCH_STOPPING_ASHA,
                             .most_steps = 9};
  for (spec.seed = 0; spec.seed < 5; spec.seed++)
  {
    struct search *search = start(&spec);
    struct search_suggestion s[6];
    double points[6], best = INFINITY, again;
    uint64_t best_trial = 0;
    bool through = false;
    for (size_t t = 0; t < 6; t++)
    {
      assert_int_equal(search_suggest(search, t, &s[t], &points[t], NULL), ERR_OK);
      assert_false(s[t].continued);
      through |= s[t].until_step == 9;
    }
    for (size_t t = 0; t < 6; t++)
    {
      double value = t == 2 ? (double) NAN : points[t];
      assert_int_equal(search_measure(search, t, s[t].until_step, value, NULL), ERR_OK);
      if (t != 2 && points[t] < best && s[t].until_step == 1)
      {
        best = points[t];
        best_trial = t;
      }
    }
    if (!through)
    {
      /* Six have been there, the failed one among them: two go on. */
      struct search_suggestion next;
      assert_int_equal(search_suggest(search, 6, &next, &again, NULL), ERR_OK);
      assert_true(next.continued && next.trial == best_trial && again == best);
      assert_int_equal(search_suggest(search, 6, &next, &again, NULL), ERR_OK);
      assert_true(next.continued && next.trial != best_trial && again > best);
      assert_int_equal(search_suggest(search, 6, &next, &again, NULL), ERR_OK);
      assert_false(next.continued);
    }
    search_free(search);
  }
}

/* R = 27, eta = 3: brackets of 27, 12, 6 and 4 trials that begin at 1, 3, 9 and 27 steps. */
static void
hyperband_fills_its_brackets(void **state)
{
  (void) state;
  struct search_spec spec = {.method = "hyperband", .space = &line, .seed = 3, .most_steps = 27};
  struct search *search = start(&spec);
  size_t counts[4] = {0}, odd = 0;
  static const double begin[4] = {1, 3, 9, 27};
  static const size_t until[4] = {27, 39, 45, 49};
  for (uint64_t t = 0; t < 49; t++)
  {
    struct search_suggestion s;
    double point;
    assert_int_equal(search_suggest(search, t, &s, &point, NULL), ERR_OK);
    size_t bracket = 0;
    while (t >= until[bracket])
      bracket++;
    counts[bracket]++;
    odd += s.until_step != begin[bracket];
    assert_true(s.until_step == begin[bracket] || s.until_step == 27);
  }
  assert_true(counts[0] == 27 && counts[1] == 12 && counts[2] == 6 && counts[3] == 4);
  assert_true(odd <= 3); /* one trial in twenty runs through */
  search_free(search);
}

static void
rungs_are_whole_where_steps_are(void **state)
{
  (void) state;
  struct search_spec spec = {.method = "asha", .space = &line, .least_steps = 2, .most_steps = 100};
  for (int variant = 0; variant < 2; variant++)
  {
    static const double rungs[2][4] = {{2, 6, 18, 100}, {4, 11, 33, 100}};
    spec.method = variant ? "hyperband" : "asha";
    struct search *search = start(&spec);
    double point;
    struct search_suggestion s;
    size_t at = 0;
    /* With the space exhausted by nobody, the furthest paused trial can be replayed by hand. */
    assert_int_equal(search_suggest(search, 0, &s, &point, NULL), ERR_OK);
    if (s.until_step < 100)
      while (true)
      {
        assert_true(s.until_step == rungs[variant][at++]);
        assert_int_equal(search_measure(search, 0, s.until_step, 1, NULL), ERR_OK);
        if (search_note_continue(search, 0, NULL) != ERR_OK)
          break;
        s.until_step = at < 4 ? rungs[variant][at] : 0;
      }
    assert_true(at == 0 || at == 4);
    search_free(search);
  }
}

/* Curves that fall by 1/step from different heights. */
static void
the_median_rule_stops_the_worse_half(void **state)
{
  (void) state;
  struct search_spec spec = {.method = "random",
                             .space = &line,
                             .stopping = SEARCH_STOPPING_MEDIAN,
                             .least_steps = 2,
                             .most_steps = 10};
  struct search *search = start(&spec);
  double point;
  for (uint64_t t = 0; t < 8; t++)
  {
    struct search_suggestion s;
    assert_int_equal(search_suggest(search, t, &s, &point, NULL), ERR_OK);
    assert_true(!s.continued && s.until_step == 10);
  }
  for (uint64_t t = 0; t < 7; t++)
    for (double step = 1; step <= 10; step++)
    {
      assert_int_equal(search_measure(search, t, step, (double) t + 1 / step, NULL), ERR_OK);
      /* Fewer than five others have come so far, or the others are worse. */
      if (t < 4)
        assert_false(search_should_stop(search, t));
    }
  assert_true(search_should_stop(search, 6) || search_should_stop(search, 5));
  assert_false(search_should_stop(search, 0));
  assert_int_equal(search_measure(search, 7, 1, 100, NULL), ERR_OK);
  assert_false(search_should_stop(search, 7)); /* too early */
  assert_int_equal(search_measure(search, 7, 2, 0.5, NULL), ERR_OK);
  assert_false(search_should_stop(search, 7)); /* its best counts */
  assert_int_equal(search_prune(search, 6, NULL), ERR_OK);
  assert_int_equal(search_prune(search, 6, NULL), ERR_NOT_FOUND);
  assert_int_equal(search_measure(search, 6, 11, 1, NULL), ERR_NOT_FOUND);
  assert_true(search_should_stop(search, 6));
  search_free(search);
}

static void
measurements_are_checked(void **state)
{
  (void) state;
  struct search_spec spec = {.method = "asha", .space = &line, .least_steps = 4, .most_steps = 16};
  struct search *search = start(&spec);
  struct search_suggestion s;
  double point;
  struct err_info info;
  assert_int_equal(search_measure(search, 1, 1, 1, &info), ERR_NOT_FOUND);
  assert_true(search_should_stop(search, 1));
  assert_int_equal(search_suggest(search, 1, &s, &point, &info), ERR_OK);
  assert_int_equal(search_suggest(search, 1, &s, &point, &info), ERR_CONFLICT);
  assert_int_equal(search_measure(search, 1, 0, 1, &info), ERR_INVALID);
  assert_int_equal(search_measure(search, 1, -1, 1, &info), ERR_INVALID);
  assert_int_equal(search_measure(search, 1, NAN, 1, &info), ERR_INVALID);
  assert_int_equal(search_measure(search, 1, 2, 1, &info), ERR_OK);
  assert_false(search_should_stop(search, 1));
  assert_int_equal(search_measure(search, 1, 2, 1, &info), ERR_CONFLICT);
  assert_int_equal(search_measure(search, 1, 1, 1, &info), ERR_CONFLICT);
  assert_true(strlen(info.text) > 10);
  assert_int_equal(search_note_continue(search, 1, &info), ERR_NOT_FOUND);
  assert_int_equal(search_measure(search, 1, 3, INFINITY, &info), ERR_OK);
  assert_true(search_should_stop(search, 1));
  assert_int_equal(search_measure(search, 1, 4, 1, &info), ERR_NOT_FOUND);
  assert_int_equal(search_tell(search, 1, 1, &info), ERR_NOT_FOUND);
  assert_false(search_best(search, NULL, NULL, NULL));
  assert_int_equal(search_count(search), 1);
  search_free(search);
}

static void
bad_steps_are_refused(void **state)
{
  (void) state;
  static const struct search_spec bad[] = {
    {.method = "asha"},
    {.method = "hyperband"},
    {.method = "random", .stopping = SEARCH_STOPPING_MEDIAN},
    {.method = "bayes", .stopping = SEARCH_STOPPING_ASHA},
    {.method = "asha", .stopping = SEARCH_STOPPING_MEDIAN, .most_steps = 9},
    {.method = "asha", .least_steps = 10, .most_steps = 9},
    {.method = "asha", .most_steps = -1},
    {.method = "asha", .most_steps = INFINITY},
    {.method = "asha", .most_steps = 9, .eta = 1},
    {.method = "asha", .most_steps = 9, .eta = NAN},
    {.method = "asha", .most_steps = 1e300, .eta = 2},
    {.method = "random", .objective_count = SEARCH_OBJECTIVES_MAX + 1},
    {.method = "random", .constraint_count = SEARCH_CONSTRAINTS_MAX + 1}};
  for (size_t k = 0; k < COUNT(bad); k++)
  {
    struct search_spec spec = bad[k];
    struct search *search = NULL;
    struct err_info info;
    spec.space = &line;
    assert_int_equal(search_new(&spec, &search, &info), ERR_INVALID);
    assert_true(strlen(info.text) > 10);
    assert_null(search);
  }
}

/* When every point has been tried, paused trials go on, the furthest first. */
static void
an_exhausted_space_continues_the_paused(void **state)
{
  (void) state;
  struct space_param param = {.name = "n", .kind = SPACE_INT, .low = 1, .high = 2, .step = 1};
  struct space space = {.params = &param, .count = 1};
  struct search_spec spec = {.method = "grid",
                             .space = &space,
                             .seed = 1,
                             .stopping = SEARCH_STOPPING_ASHA,
                             .most_steps = 9};
  struct search *search = start(&spec);
  double point;
  size_t turns = 0, ended = 0;
  struct search_suggestion s;
  while (search_suggest(search, turns, &s, &point, NULL) == ERR_OK)
  {
    assert_int_equal(search_measure(search, s.trial, s.until_step, point, NULL), ERR_OK);
    if (s.until_step == 9)
    {
      assert_int_equal(search_tell(search, s.trial, point, NULL), ERR_OK);
      ended++;
    }
    assert_true(++turns < 10);
  }
  assert_int_equal(ended, 2);
  search_free(search);
}

static void
results_have_fronts_and_limits(void **state)
{
  (void) state;
  struct search_spec spec = {
    .method = "random", .space = &line, .objective_count = 2, .constraint_count = 1};
  struct search *search = start(&spec);
  static const double told[][3] = {{1, 5, -1}, {2, 2, 0},  {3, 3, -1}, {0, 0, 0.5},
                                   {5, 1, -2}, {2, 2, -1}, {5, 2, -1}};
  double point, value;
  uint64_t trial, front[8];
  for (uint64_t t = 0; t < COUNT(told); t++)
  {
    struct search_result result = {.values = told[t], .constraints = told[t] + 2};
    assert_int_equal(search_ask(search, t, &point, NULL), ERR_OK);
    assert_int_equal(search_tell(search, t, 1, NULL), ERR_INVALID);
    assert_int_equal(search_tell_result(search, t, &result, NULL), ERR_OK);
  }
  const double lost[3] = {-1, NAN, -1};
  struct search_result result = {.values = lost, .constraints = lost + 2};
  assert_int_equal(search_ask(search, 7, &point, NULL), ERR_OK);
  assert_int_equal(search_tell_result(search, 7, &result, NULL), ERR_OK);
  assert_int_equal(search_tell_result(search, 7, &result, NULL), ERR_NOT_FOUND);
  assert_int_equal(search_pareto(search, front), 4);
  assert_true(front[0] == 0 && front[1] == 1 && front[2] == 4 && front[3] == 5);
  assert_true(search_best(search, &trial, &value, NULL));
  assert_true(trial == 0 && value == 1);
  search_free(search);
}

/* The model behind the questions asked of a search knows the rungs, too. */
static void
what_is_left_to_gain_is_known(void **state)
{
  (void) state;
  struct search_spec spec = {
    .method = "bayes", .space = &line, .stopping = SEARCH_STOPPING_ASHA, .most_steps = 9};
  struct search *search = start(&spec);
  double point;
  for (uint64_t turn = 0; turn < 60; turn++)
  {
    struct search_suggestion s = run_one(search, search_count(search), bowl, &point);
    if (s.until_step == 9)
      assert_int_equal(search_tell(search, s.trial, bowl(point, 9), NULL), ERR_OK);
  }
  struct search_gain gain;
  struct err_info info;
  assert_int_equal(search_gain_left(search, &gain, &info), ERR_OK);
  assert_true(fabs(gain.best - bowl(0.3, 9)) < 0.02 && gain.expected < 0.02);
  double mean, sd;
  point = 0.5;
  assert_int_equal(search_predict(search, &point, &mean, &sd), ERR_OK);
  assert_true(fabs(mean - bowl(0.5, 9)) < 0.1);
  search_free(search);
}

static double
mean_of(const struct curves *curves, const char *name, size_t budget, uint64_t seeds)
{
  double sum = 0;
  for (size_t w = 0; w < curve_way_count; w++)
    for (uint64_t seed = 1; strcmp(curve_ways[w].name, name) == 0 && seed <= seeds; seed++)
      sum += curves_run(curves, &curve_ways[w], budget, 27, seed, NULL) / (double) seeds;
  return sum;
}

/* For the same steps, stopping early must be worth it, slow starters or not: against full runs, and
 * against running all for one step and the best to the end. */
static void
the_model_of_rungs_pays(void **state)
{
  (void) state;
  static const size_t tasks[] = {1, 4}; /* plain-hartmann6, slow-hartmann6 */
  for (size_t k = 0; k < COUNT(tasks); k++)
  {
    struct curves curves;
    curves_init(&curves, &curve_tasks[tasks[k]]);
    double rungs = mean_of(&curves, "bayes+asha", 8, 5);
    double full = mean_of(&curves, "bayes", 8, 5), top = mean_of(&curves, "top", 8, 5);
    print_message("%s: with rungs %.2f, full runs %.2f, one step then the top %.2f\n",
                  curve_tasks[tasks[k]].name, rungs, full, top);
    assert_true(rungs < full - 1 && rungs < top - 0.3);
  }
}

/* The minimum of the plain task is that of Branin's function, moved. */
static void
every_rule_finds_the_minimum(void **state)
{
  (void) state;
  static const char *const ways[] = {"asha", "hyperband", "tpe+asha", "bayes+median",
                                     "bayes+hyperband"};
  static const size_t budgets[] = {60, 60, 30, 20, 20};
  struct curves curves;
  curves_init(&curves, &curve_tasks[0]);
  double least = (curves.function->minimum - curves.mean) / curves.sd
                 + curve_tasks[0].height * pow(27, -curve_tasks[0].power);
  for (size_t k = 0; k < COUNT(ways); k++)
  {
    double above = mean_of(&curves, ways[k], budgets[k], 3) - least;
    print_message("%s: %.4f above\n", ways[k], above);
    assert_true(above >= 0 && above < 0.06);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(asha_promotes_by_thirds),
    cmocka_unit_test(only_the_promoted_go_on),
    cmocka_unit_test(the_best_is_continued),
    cmocka_unit_test(hyperband_fills_its_brackets),
    cmocka_unit_test(rungs_are_whole_where_steps_are),
    cmocka_unit_test(the_median_rule_stops_the_worse_half),
    cmocka_unit_test(measurements_are_checked),
    cmocka_unit_test(bad_steps_are_refused),
    cmocka_unit_test(an_exhausted_space_continues_the_paused),
    cmocka_unit_test(results_have_fronts_and_limits),
    cmocka_unit_test(what_is_left_to_gain_is_known),
    cmocka_unit_test(the_model_of_rungs_pays),
    cmocka_unit_test(every_rule_finds_the_minimum),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
