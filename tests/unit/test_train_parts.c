/* The small parts of a run: schedules, pace, the stop rule, the solver. */
#include <config.h>

#include "base/denormals.h"
#include "tests/harness/test_support.h"
#include "train/owlqn.h"
#include "train/pace.h"
#include "train/schedule.h"
#include "train/stop.h"

static void
test_schedules(void **state)
{
  (void) state;
  assert_near(schedule_rate(SCHEDULE_CONSTANT, 0.7), 1.0, 0.0);
  assert_near(schedule_rate(SCHEDULE_COSINE, 0.0), 0.1, 1e-12);
  assert_near(schedule_rate(SCHEDULE_COSINE, 0.05), 1.0, 1e-12);
  assert_near(schedule_rate(SCHEDULE_COSINE, 0.525), 0.5, 1e-12);
  assert_near(schedule_rate(SCHEDULE_COSINE, 1.0), 0.0, 1e-12);
  assert_near(schedule_rate(SCHEDULE_ONE_CYCLE, 0.0), 0.1, 1e-12);
  assert_near(schedule_rate(SCHEDULE_ONE_CYCLE, 0.3), 1.0, 1e-12);
  assert_near(schedule_rate(SCHEDULE_ONE_CYCLE, 0.65), 0.5, 1e-12);
  assert_near(schedule_rate(SCHEDULE_ONE_CYCLE, 1.0), 0.0, 1e-12);
  assert_near(schedule_rate(SCHEDULE_ONE_CYCLE, 9.0), 0.0, 1e-12);
  static const struct
  {
    enum schedule_kind kind;
    double t, rate;
  } points[] = {{SCHEDULE_STEP, 0.49, 1.0},
                {SCHEDULE_STEP, 0.5, 0.1},
                {SCHEDULE_STEP, 0.75, 0.01},
                {SCHEDULE_STEP, 1.0, 0.01},
                {SCHEDULE_CYCLIC, 0.0, 0.1},
                {SCHEDULE_CYCLIC, 0.125, 1.0},
                {SCHEDULE_CYCLIC, 0.25, 0.1},
                {SCHEDULE_CYCLIC, 0.8125, 0.55},
                {SCHEDULE_CYCLIC, 1.0, 0.1},
                {SCHEDULE_SGDR, 0.0, 1.0},
                {SCHEDULE_SGDR, 1.0 / 14.0, 0.5},
                {SCHEDULE_SGDR, 2.0 / 7.0, 0.5},
                {SCHEDULE_SGDR, 3.0 / 7.0, 1.0},
                {SCHEDULE_SGDR, 5.0 / 7.0, 0.5},
                {SCHEDULE_SGDR, 1.0, 0.0},
                {SCHEDULE_COSLOG4, 0.0, 0.0},
                {SCHEDULE_COSLOG4, 1.0 / 15, 0.0},
                {SCHEDULE_COSLOG4, 3.0 / 15, 0.0},
                {SCHEDULE_COSLOG4, 7.0 / 15, 0.0},
                {SCHEDULE_COSLOG4, 1.0, 0.0},
                /* half a wave in log₂: 1 + 15t = 2^3.5, and a quarter */
                {SCHEDULE_COSLOG4, (11.313708498984761 - 1.0) / 15.0, 1.0},
                {SCHEDULE_COSLOG4, (9.513656920021768 - 1.0) / 15.0, 0.5},
                {SCHEDULE_FLAT_COSINE, 0.3, 1.0},
                {SCHEDULE_FLAT_COSINE, 0.5, 1.0},
                {SCHEDULE_FLAT_COSINE, 0.75, 0.5},
                {SCHEDULE_FLAT_COSINE, 1.0, 0.0}};
  for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
    assert_near(schedule_rate(points[i].kind, points[i].t), points[i].rate, 1e-9);
  for (int kind = SCHEDULE_COSINE; kind <= SCHEDULE_FLAT_COSINE; kind++)
    for (double t = 0.0; t <= 1.0; t += 0.001)
    {
      double rate = schedule_rate((enum schedule_kind) kind, t);
      assert_true(rate >= 0.0 && rate <= 1.0);
    }
  assert_near(schedule_momentum(SCHEDULE_COSINE, 0.9, 0.5), 0.9, 0.0);
  assert_near(schedule_momentum(SCHEDULE_ONE_CYCLE, 0.95, 0.3), 0.85, 1e-12);
  assert_near(schedule_momentum(SCHEDULE_ONE_CYCLE, 0.95, 1.0), 0.95, 1e-12);
  assert_near(schedule_momentum(SCHEDULE_ONE_CYCLE, 0.02, 0.3), 0.0, 0.0);
}

static void
test_pace(void **state)
{
  (void) state;
  struct pace pace;

  /* without a limit: even steps, t ends at 1 */
  pace_init(&pace, 50);
  while (pace.left)
  {
    pace_fit(&pace, INFINITY);
    pace_step(&pace, 0.01);
  }
  assert_int_equal(pace.done, 50);
  assert_near(pace.t, 1.0, 1e-12);
  assert_false(pace.shortened);

  /* 1000 steps of 10 ms in 2 s: about 200 are taken, and t still ends at 1 */
  double clock = 0.0, largest = 0.0;
  pace_init(&pace, 1000);
  while (pace.left)
  {
    double before = pace.t;
    pace_step(&pace, 0.01);
    clock += 0.01;
    pace_fit(&pace, 2.0 - clock);
    largest = fmax(largest, pace.t - before);
  }
  assert_true(pace.shortened);
  assert_true(pace.done > 190 && pace.done <= 201);
  assert_near(pace.t, 1.0, 1e-9);
  assert_true(largest < 0.02); /* no jump at the end: the schedule was shortened, not cut */

  /* with as much again beside each step half as many fit, however many were planned */
  pace_init(&pace, 100000);
  for (int i = 0; i < 10; i++)
    pace_step(&pace, 0.01);
  pace.beside = 0.01;
  pace_fit(&pace, 1.0);
  assert_true(pace.left >= 49 && pace.left <= 50);

  /* time already over */
  pace_init(&pace, 1000);
  for (int i = 0; i < 10; i++)
    pace_step(&pace, 0.01);
  pace_fit(&pace, -1.0);
  assert_int_equal(pace.left, 0);

  /* a slow start is forgiven: the plan grows back, never beyond the full length */
  pace_init(&pace, 100);
  for (int i = 0; i < 8; i++)
    pace_step(&pace, 1.0);
  pace_fit(&pace, 10.0);
  assert_int_equal(pace.left, 10);
  pace_fit(&pace, 1000.0);
  assert_int_equal(pace.left, 92);
}

static void
test_stop_rule(void **state)
{
  (void) state;
  static const double scores[] = {0.5, 0.4, NAN, 0.45, 0.4, 0.39};
  static const bool best[] = {true, true, false, false, false, true};
  struct stop_rule rule;

  stop_init(&rule, 4);
  for (size_t i = 0; i < 6; i++)
  {
    assert_int_equal(stop_is_best(&rule, i + 1, scores[i]), best[i]);
    assert_false(stop_now(&rule, i + 1));
  }
  assert_int_equal(rule.best_epoch, 6);
  assert_false(stop_now(&rule, 9));
  assert_true(stop_now(&rule, 10));
  stop_init(&rule, 0);
  assert_false(stop_now(&rule, 1000));
}

/* Rosenbrock's valley in four dimensions. */
static enum err
rosenbrock(void *context, const double *w, double *f, double *g)
{
  size_t *calls = context;
  *f = 0.0;
  memset(g, 0, 4 * sizeof *g);
  for (size_t i = 0; i < 3; i++)
  {
    double a = w[i + 1] - w[i] * w[i], b = 1.0 - w[i];
    *f += 100.0 * a * a + b * b;
    g[i] += -400.0 * a * w[i] - 2.0 * b;
    g[i + 1] += 200.0 * a;
  }
  (*calls)++;
  return ERR_OK;
}

/* ½ Σ s_i (w_i − c_i)²: with l1 the answer is soft (c_i, l1/s_i). */
static const double centres[4] = {3.0, -0.2, -2.0, 0.05}, scales[4] = {1.0, 2.0, 10.0, 1.0};

static enum err
bowl(void *context, const double *w, double *f, double *g)
{
  (void) context;
  *f = 0.0;
  for (size_t i = 0; i < 4; i++)
  {
    g[i] = scales[i] * (w[i] - centres[i]);
    *f += 0.5 * g[i] * (w[i] - centres[i]);
  }
  return ERR_OK;
}

static enum err
not_a_number(void *context, const double *w, double *f, double *g)
{
  (void) context;
  (void) w;
  *f = NAN;
  memset(g, 0, 4 * sizeof *g);
  return ERR_OK;
}

static void
test_solver(void **state)
{
  (void) state;
  size_t calls = 0, iterations;
  double w[4] = {-1.2, 1.0, -0.5, 2.0};
  struct owlqn_problem problem = {.count = 4,
                                  .evaluate = rosenbrock,
                                  .context = &calls,
                                  .iteration_max = 500,
                                  .tolerance = 1e-14};

  assert_int_equal(owlqn_minimise(&problem, w, &iterations), ERR_OK);
  for (size_t i = 0; i < 4; i++)
    assert_near(w[i], 1.0, 1e-4);
  assert_true(iterations < 200 && calls < 400);

  double v[4] = {1.0, 1.0, 1.0, 1.0};
  problem = (struct owlqn_problem){.count = 4,
                                   .penalised = 3,
                                   .l1 = 0.5,
                                   .evaluate = bowl,
                                   .iteration_max = 200,
                                   .tolerance = 1e-14};
  assert_int_equal(owlqn_minimise(&problem, v, &iterations), ERR_OK);
  assert_near(v[0], 2.5, 1e-6);
  assert_true(v[1] == 0.0); /* exactly */
  assert_near(v[2], -1.95, 1e-6);
  assert_near(v[3], 0.05, 1e-6); /* not penalised */

  problem.evaluate = not_a_number;
  assert_int_equal(owlqn_minimise(&problem, v, &iterations), ERR_DIVERGED);
}

/* Steps take numbers below the least normal one for 0, where the processor can; what is outside of them doesn't. */
static void
test_denormals(void **state)
{
  (void) state;
  volatile float tiny = 1e-40f, half = 0.5f;
  assert_true(tiny * half > 0.0f);
  unsigned before = denormals_to_zero();
  volatile float flushed = tiny * half;
  unsigned within = denormals_to_zero(); /* may be done twice */
  denormals_restore(within);
  volatile float still = tiny * half;
  denormals_restore(before);
#ifdef __SSE2__
  assert_true(flushed == 0.0f && still == 0.0f);
#else
  assert_true(flushed == still);
#endif
  assert_true(tiny * half > 0.0f);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_denormals), cmocka_unit_test(test_schedules), cmocka_unit_test(test_pace),
    cmocka_unit_test(test_stop_rule), cmocka_unit_test(test_solver),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
