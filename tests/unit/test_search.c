/* The log of asks and tells, whatever the method: replays, pending trials, failures, ends. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "search/search.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define WIDTH 5

/* rate (log), depth (int), kind {a,b,c}, momentum when kind = a, width (int, log). */
static double kind_a[] = {0};
static struct space_condition when_a = {.parent = 2, .values = kind_a, .value_count = 1};
static struct space_param mixed_params[WIDTH] = {
  {.name = "rate", .kind = SPACE_FLOAT, .scale = SPACE_LOG, .low = 1e-4, .high = 1},
  {.name = "depth", .kind = SPACE_INT, .low = 1, .high = 8, .step = 1},
  {.name = "kind", .kind = SPACE_CATEGORICAL, .value_count = 3},
  {.name = "momentum",
   .kind = SPACE_FLOAT,
   .low = 0,
   .high = 0.99,
   .conditions = &when_a,
   .condition_count = 1},
  {.name = "width", .kind = SPACE_INT, .scale = SPACE_LOG, .low = 8, .high = 512, .step = 1}};
static const struct space mixed = {.params = mixed_params, .count = WIDTH};

static struct space_param line_param = {.name = "x", .kind = SPACE_FLOAT, .low = -1, .high = 2};
static const struct space line = {.params = &line_param, .count = 1};

static struct space_param small_params[2] = {
  {.name = "n", .kind = SPACE_INT, .low = 1, .high = 4, .step = 1},
  {.name = "flag", .kind = SPACE_BOOL, .value_count = 2}};
static const struct space small = {.params = small_params, .count = 2};

static double
mixed_value(const double *p)
{
  double rate = log10(p[0]) + 2, sum = rate * rate + 0.1 * (p[1] - 3) * (p[1] - 3) + 0.3 * p[2];
  if (p[2] == 0)
    sum += (p[3] - 0.8) * (p[3] - 0.8);
  return sum + 0.2 * fabs(log2(p[4]) - 6);
}

static struct search *
start(const char *method, const struct space *space, uint64_t seed)
{
  struct search_spec spec = {.method = method, .space = space, .seed = seed};
  struct search *search;
  struct err_info info;
  assert_int_equal(search_new(&spec, &search, &info), ERR_OK);
  return search;
}

static const char *const open_methods[] = {"bayes", "tpe", "random", "sobol"};

/* One entry of a log as the database would keep it. */
struct event
{
  enum
  {
    ASK,
    TELL,
    FAIL,
    FORGET
  } kind;
  uint64_t trial;
  double value;
  double point[WIDTH];
};

static void
replay(struct search *search, const struct event *events, size_t count)
{
  for (size_t e = 0; e < count; e++)
    switch (events[e].kind)
    {
    case ASK:
      assert_int_equal(search_note_ask(search, events[e].trial, events[e].point, NULL), ERR_OK);
      break;
    case TELL:
      assert_int_equal(search_tell(search, events[e].trial, events[e].value, NULL), ERR_OK);
      break;
    case FAIL:
    case FORGET:
      assert_int_equal(search_tell_failed(search, events[e].trial, events[e].kind == FAIL, NULL),
                       ERR_OK);
      break;
    }
}

/* Three workers at once: a warm search lives through the whole log, and at many places a cold one is
 * made from the log so far and must suggest the same bytes. */
static void
cold_equals_warm(const char *method, const struct space *space, size_t asks, size_t first_count)
{
  enum
  {
    EVENTS_MAX = 700
  };
  static struct event events[EVENTS_MAX];
  double firsts[2 * WIDTH] = {0.1, 2, 0, 0.5, 64, 0.01, 3, 1, NAN, 32};
  struct search_spec spec = {.method = method,
                             .space = space,
                             .seed = 11,
                             .first_points = firsts,
                             .first_count = first_count};
  struct search *warm;
  assert_int_equal(search_new(&spec, &warm, NULL), ERR_OK);
  uint64_t pending[4];
  size_t count = 0, pending_count = 0;
  struct rng rng;
  rng_init(&rng, 1, 2);
  for (size_t t = 0; t < asks; t++)
  {
    struct event *ask = &events[count];
    *ask = (struct event){.kind = ASK, .trial = 1000 + t};
    if (t % 7 == 3 || t + 3 > asks)
    {
      struct search *cold;
      double point[WIDTH] = {0};
      assert_int_equal(search_new(&spec, &cold, NULL), ERR_OK);
      replay(cold, events, count);
      assert_int_equal(search_ask(cold, ask->trial, point, NULL), ERR_OK);
      assert_int_equal(search_ask(warm, ask->trial, ask->point, NULL), ERR_OK);
      assert_memory_equal(point, ask->point, space->count * sizeof *point);
      search_free(cold);
    }
    else
      assert_int_equal(search_ask(warm, ask->trial, ask->point, NULL), ERR_OK);
    assert_true(space_contains(space, ask->point));
    count++;
    pending[pending_count++] = ask->trial;
    if (pending_count < 3)
      continue;
    size_t which = (size_t) rng_below(&rng, pending_count);
    struct event *end = &events[count++];
    *end = (struct event){.kind = TELL, .trial = pending[which]};
    uint64_t draw = rng_below(&rng, 20);
    end->kind = draw == 0 ? FAIL : draw == 1 ? FORGET : TELL;
    for (size_t e = 0; e < count; e++)
      if (events[e].kind == ASK && events[e].trial == end->trial)
        end->value = space == &mixed ? mixed_value(events[e].point) : events[e].point[0];
    replay(warm, end, 1);
    pending[which] = pending[--pending_count];
  }
  search_free(warm);
}

static void
replays_give_the_same(void **state)
{
  (void) state;
  cold_equals_warm("bayes", &mixed, 60, 2);
  cold_equals_warm("bayes", &line, 30, 0);
  cold_equals_warm("tpe", &mixed, 60, 2);
  cold_equals_warm("random", &mixed, 60, 2);
  cold_equals_warm("sobol", &mixed, 60, 0);
}

/* Beyond 100 data the fit is older than the data. */
static void
replays_give_the_same_between_refits(void **state)
{
  (void) state;
  cold_equals_warm("bayes", &mixed, 125, 0);
}

/* Beyond 300 data fits are to a part of them and candidates are screened by a bound. */
static void
large_logs_replay_the_same(void **state)
{
  (void) state;
  enum
  {
    TOLD = 330
  };
  struct search *source = start("sobol", &mixed, 1);
  struct search *warm = start("bayes", &mixed, 3);
  static double points[TOLD + 24][WIDTH];
  double best = INFINITY;
  for (size_t t = 0; t < TOLD + 24; t++)
  {
    if (t < TOLD)
    {
      assert_int_equal(search_ask(source, t, points[t], NULL), ERR_OK);
      assert_int_equal(search_note_ask(warm, t, points[t], NULL), ERR_OK);
    }
    else
      assert_int_equal(search_ask(warm, t, points[t], NULL), ERR_OK);
    if (t == TOLD || t == TOLD + 17 || t == TOLD + 23)
    {
      struct search *cold = start("bayes", &mixed, 3);
      double point[WIDTH];
      for (size_t u = 0; u < t; u++)
      {
        assert_int_equal(search_note_ask(cold, u, points[u], NULL), ERR_OK);
        assert_int_equal(search_tell(cold, u, mixed_value(points[u]), NULL), ERR_OK);
      }
      assert_int_equal(search_ask(cold, t, point, NULL), ERR_OK);
      assert_memory_equal(point, points[t], sizeof point);
      search_free(cold);
    }
    double value = mixed_value(points[t]);
    assert_int_equal(search_tell(warm, t, value, NULL), ERR_OK);
    if (t >= TOLD)
      best = fmin(best, value);
  }
  assert_true(best < 0.02);
  search_free(source);
  search_free(warm);
}

static void
seeds_differ(void **state)
{
  (void) state;
  for (size_t m = 0; m < COUNT(open_methods); m++)
  {
    struct search *a = start(open_methods[m], &mixed, 1);
    struct search *b = start(open_methods[m], &mixed, 2);
    double p[WIDTH], q[WIDTH];
    assert_int_equal(search_ask(a, 1, p, NULL), ERR_OK);
    assert_int_equal(search_ask(b, 1, q, NULL), ERR_OK);
    assert_false(space_points_equal(&mixed, p, q));
    search_free(a);
    search_free(b);
  }
}

static void
pending_trials_get_different_points(void **state)
{
  (void) state;
  for (size_t m = 0; m < COUNT(open_methods); m++)
  {
    enum
    {
      TOLD = 12,
      PENDING = 30
    };
    struct search *search = start(open_methods[m], &line, 4);
    double points[TOLD + PENDING];
    for (size_t t = 0; t < TOLD + PENDING; t++)
    {
      assert_int_equal(search_ask(search, t, &points[t], NULL), ERR_OK);
      for (size_t u = 0; u < t; u++)
        assert_true(points[u] != points[t]);
      if (t < TOLD)
        assert_int_equal(search_tell(search, t, points[t] * points[t], NULL), ERR_OK);
    }
    search_free(search);
  }
}

static void
unknown_trials_are_refused(void **state)
{
  (void) state;
  struct search *search = start("bayes", &mixed, 1);
  double point[WIDTH];
  struct err_info info;
  assert_int_equal(search_tell(search, 5, 1, &info), ERR_NOT_FOUND);
  assert_int_equal(search_tell_failed(search, 5, true, &info), ERR_NOT_FOUND);
  assert_int_equal(search_ask(search, 5, point, &info), ERR_OK);
  double other[WIDTH];
  assert_int_equal(search_ask(search, 5, other, &info), ERR_CONFLICT);
  assert_int_equal(search_note_ask(search, 5, point, &info), ERR_CONFLICT);
  assert_int_equal(search_tell(search, 5, 1, &info), ERR_OK);
  assert_int_equal(search_tell(search, 5, 1, &info), ERR_NOT_FOUND);
  point[1] = 99;
  assert_int_equal(search_note_ask(search, 6, point, &info), ERR_INVALID);
  assert_true(strlen(info.text) > 10);
  search_free(search);
}

static void
best_is_the_lowest_told(void **state)
{
  (void) state;
  struct search *search = start("random", &line, 1);
  double point, best_point = 0, value;
  uint64_t trial;
  assert_false(search_best(search, &trial, &value, &point));
  const double values[] = {3, NAN, -2, INFINITY, -INFINITY, 5};
  for (size_t t = 0; t < COUNT(values); t++)
  {
    assert_int_equal(search_ask(search, t + 10, &point, NULL), ERR_OK);
    assert_int_equal(search_tell(search, t + 10, values[t], NULL), ERR_OK);
    if (t == 2)
      best_point = point;
  }
  assert_true(search_best(search, &trial, &value, &point));
  assert_true(trial == 12 && value == -2 && point == best_point);
  assert_true(search_best(search, NULL, NULL, NULL));
  search_free(search);
}

/* NaN, failed and constant results, huge and tiny values: always a legal point, never an error. */
static void
odd_values_are_survived(void **state)
{
  (void) state;
  for (int run = 0; run < 16; run++)
  {
    int variant = run % 8;
    struct search *search = start(run < 8 ? "bayes" : "tpe", &mixed, (uint64_t) variant);
    double point[WIDTH];
    for (size_t t = 0; t < 30; t++)
    {
      assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
      assert_true(space_contains(&mixed, point));
      double value = mixed_value(point);
      switch (variant)
      {
      case 0:
        value = NAN;
        break;
      case 1:
        value = 7;
        break;
      case 2:
        value *= 1e300;
        break;
      case 3:
        value *= 1e-300;
        break;
      case 4:
        value = t % 2 ? 1e308 : -1e308;
        break;
      case 5:
        value = t == 9 ? 1e200 : value;
        break;
      case 6:
        value = t == 11 ? value : NAN;
        break;
      default:
        value = point[2] == 1 ? NAN : value;
      }
      assert_int_equal(search_tell(search, t, value, NULL), ERR_OK);
    }
    search_free(search);
  }
}

/* A third of the space fails: the search must learn to stay away from it. */
static void
failures_are_avoided(void **state)
{
  (void) state;
  struct search *search = start("bayes", &mixed, 3);
  double point[WIDTH];
  size_t late = 0;
  for (size_t t = 0; t < 45; t++)
  {
    assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
    if (point[2] == 0)
    {
      late += t >= 15;
      assert_int_equal(search_tell_failed(search, t, true, NULL), ERR_OK);
    }
    else
      assert_int_equal(search_tell(search, t, mixed_value(point), NULL), ERR_OK);
  }
  assert_true(late <= 3);
  search_free(search);
}

static void
first_points_come_first(void **state)
{
  (void) state;
  static const char *const methods[] = {"bayes", "tpe", "random", "sobol", "grid"};
  for (size_t m = 0; m < COUNT(methods); m++)
  {
    /* The second needs repair (a momentum that is not active), the third is the first again. */
    double firsts[3 * WIDTH] = {0.1, 2, 0, 0.5, 64, 0.01, 3, 1, 0.9, 32, 0.1, 2, 0, 0.5, 64};
    struct search_spec spec = {.method = methods[m],
                               .space = &mixed,
                               .grid_resolution = 2,
                               .first_points = firsts,
                               .first_count = 3};
    struct search *search;
    assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
    double point[WIDTH];
    assert_int_equal(search_ask(search, 1, point, NULL), ERR_OK);
    assert_true(space_points_equal(&mixed, point, firsts));
    assert_int_equal(search_ask(search, 2, point, NULL), ERR_OK);
    firsts[WIDTH + 3] = NAN;
    assert_true(space_points_equal(&mixed, point, firsts + WIDTH));
    assert_int_equal(search_ask(search, 3, point, NULL), ERR_OK);
    assert_false(space_points_equal(&mixed, point, firsts));
    /* Lost before it gave anything: asked again. */
    assert_int_equal(search_tell_failed(search, 1, false, NULL), ERR_OK);
    assert_int_equal(search_ask(search, 4, point, NULL), ERR_OK);
    assert_true(space_points_equal(&mixed, point, firsts));
    search_free(search);
  }
}

static void
discrete_spaces_end(void **state)
{
  (void) state;
  static const char *const methods[] = {"bayes", "tpe", "random", "sobol", "grid"};
  for (size_t m = 0; m < COUNT(methods); m++)
    for (int told = 0; told < 2; told++)
    {
      struct search *search = start(methods[m], &small, 9);
      bool had[4][2] = {{false}};
      double point[2];
      struct err_info info;
      for (size_t t = 0; t < 8; t++)
      {
        assert_int_equal(search_ask(search, t, point, &info), ERR_OK);
        bool *cell = &had[(int) point[0] - 1][(int) point[1]];
        assert_false(*cell);
        *cell = true;
        if (told)
          assert_int_equal(search_tell(search, t, point[0], NULL), ERR_OK);
      }
      assert_int_equal(search_ask(search, 8, point, &info), ERR_NOT_FOUND);
      assert_true(strlen(info.text) > 10);
      if (!told)
      {
        /* A forgotten point is free again. */
        assert_int_equal(search_tell_failed(search, 3, false, NULL), ERR_OK);
        assert_int_equal(search_ask(search, 9, point, NULL), ERR_OK);
        assert_int_equal(search_ask(search, 10, point, NULL), ERR_NOT_FOUND);
      }
      search_free(search);
    }
}

static void
bad_specs_are_refused(void **state)
{
  (void) state;
  struct search_spec spec = {.method = "annealing", .space = &mixed};
  struct search *search = NULL;
  struct err_info info;
  assert_int_equal(search_new(&spec, &search, &info), ERR_INVALID);
  assert_non_null(strstr(info.text, "annealing"));
  spec.method = NULL;
  assert_int_equal(search_new(&spec, &search, &info), ERR_INVALID);
  assert_null(search);
}

/* Every method asks once for the one point of a space without a choice, whatever is planned or known before. */
static void
a_space_without_a_choice_has_one_point(void **state)
{
  (void) state;
  struct space_param fixed[2] = {{.name = "a", .kind = SPACE_FIXED, .value_count = 1},
                                 {.name = "b", .kind = SPACE_INT, .low = 3, .high = 3, .step = 1}};
  struct space space = {.params = fixed, .count = 2};
  double first[2] = {0, 3}, point[2] = {NAN, NAN};
  struct search *search = NULL;
  struct err_info info;
  for (const struct search_method_info *method = search_methods(); method->name; method++)
  {
    assert_true(strlen(method->help) > 10);
    for (size_t variant = 0; variant < 8; variant++)
    {
      space.count = variant < 4 ? 2 : 0;
      struct search_spec spec = {.method = method->name,
                                 .space = &space,
                                 .expected_trials = 5,
                                 .first_points = first,
                                 .first_count = variant % 2,
                                 .prior_points = first,
                                 .prior_values = first,
                                 .prior_count = variant / 2 % 2};
      assert_int_equal(search_new(&spec, &search, &info), ERR_OK);
      assert_int_equal(search_ask(search, 1, point, &info), ERR_OK);
      assert_true(space.count == 0 || (point[0] == 0 && point[1] == 3));
      assert_int_equal(search_ask(search, 2, point, &info), ERR_NOT_FOUND);
      assert_int_equal(search_tell(search, 1, 0.5, &info), ERR_OK);
      assert_int_equal(search_ask(search, 2, point, &info), ERR_NOT_FOUND);
      search_free(search);
    }
  }
}

static void
predictions_follow_the_values(void **state)
{
  (void) state;
  struct search *search = start("bayes", &line, 2);
  double point, mean, sd;
  assert_int_equal(search_predict(search, &point, &mean, &sd), ERR_NOT_FOUND);
  for (size_t t = 0; t < 20; t++)
  {
    assert_int_equal(search_ask(search, t, &point, NULL), ERR_OK);
    double value = 1000 + 50 * (point - 0.7) * (point - 0.7);
    assert_int_equal(search_tell(search, t, value, NULL), ERR_OK);
  }
  point = 0.5;
  assert_int_equal(search_predict(search, &point, &mean, &sd), ERR_OK);
  assert_true(fabs(mean - 1002) < 1 && sd > 0 && sd < 5);
  point = 7;
  assert_int_equal(search_predict(search, &point, &mean, &sd), ERR_NOT_FOUND);
  search_free(search);
  search = start("random", &line, 2);
  point = 0.5;
  assert_int_equal(search_predict(search, &point, &mean, &sd), ERR_NOT_FOUND);
  search_free(search);
}

/* Beyond 2,000 trials the process would take seconds: its suggestions are those of the densities. */
static void
many_trials_are_left_to_densities(void **state)
{
  (void) state;
  struct search *process = start("bayes", &mixed, 3), *densities = start("tpe", &mixed, 3);
  double point[WIDTH], other[WIDTH];
  struct rng rng;
  rng_init(&rng, 1, 0);
  for (size_t t = 0; t < 2001; t++)
  {
    space_sample(&mixed, &rng, point);
    assert_int_equal(search_note_ask(process, t, point, NULL), ERR_OK);
    assert_int_equal(search_note_ask(densities, t, point, NULL), ERR_OK);
    assert_int_equal(search_tell(process, t, mixed_value(point), NULL), ERR_OK);
    assert_int_equal(search_tell(densities, t, mixed_value(point), NULL), ERR_OK);
  }
  for (size_t t = 3000; t < 3003; t++)
  {
    assert_int_equal(search_ask(process, t, point, NULL), ERR_OK);
    assert_int_equal(search_ask(densities, t, other, NULL), ERR_OK);
    assert_true(space_points_equal(&mixed, point, other));
  }
  search_free(process);
  search_free(densities);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(replays_give_the_same),
    cmocka_unit_test(replays_give_the_same_between_refits),
    cmocka_unit_test(large_logs_replay_the_same),
    cmocka_unit_test(seeds_differ),
    cmocka_unit_test(pending_trials_get_different_points),
    cmocka_unit_test(unknown_trials_are_refused),
    cmocka_unit_test(best_is_the_lowest_told),
    cmocka_unit_test(odd_values_are_survived),
    cmocka_unit_test(failures_are_avoided),
    cmocka_unit_test(first_points_come_first),
    cmocka_unit_test(discrete_spaces_end),
    cmocka_unit_test(bad_specs_are_refused),
    cmocka_unit_test(a_space_without_a_choice_has_one_point),
    cmocka_unit_test(predictions_follow_the_values),
    cmocka_unit_test(many_trials_are_left_to_densities),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
