/* The learning-rate range test: what made-up curves say, and runs on small data. */
#include <config.h>

#include "base/rng.h"
#include "tests/harness/toy_fit.h"
#include "train/range_run.h"

#define LOW 1e-6
#define HIGH 10.0

/* ---- made-up curves --------------------------------------------------------------------------------- */

/* A textbook curve over log10 of the rate: 2.3 until it falls by an S around `fall`, then up from `rise` on. */
static double
curve(double rate, double fall, double rise)
{
  double x = log10(rate), loss = 2.3 - 2.0 / (1.0 + exp(-6.0 * (x - fall)));
  return x > rise ? loss + pow(10.0, 3.0 * (x - rise)) - 1.0 : loss;
}

static void
sweep(struct range_test *test, size_t steps, double fall, double rise, double noise)
{
  struct rng rng;
  bool more = true;

  rng_init(&rng, 11, 4);
  assert_int_equal(range_test_init(test, LOW, HIGH, steps), ERR_OK);
  for (size_t i = 0; more; i++)
    more =
      range_test_take(test, curve(range_test_rate(test, i), fall, rise) + noise * rng_normal(&rng));
}

static void
test_rates(void **state)
{
  struct range_test test;

  (void) state;
  assert_int_equal(range_test_init(&test, LOW, HIGH, 8), ERR_OK);
  for (size_t i = 0; i < 8; i++)
    assert_near(log10(range_test_rate(&test, i)), -6.0 + (double) i, 1e-9);
  range_test_clear(&test);
}

/* Steepest where the S is, diverged soon after the rise begins: within a quarter of a decade of the truth. */
static void
test_textbook(void **state)
{
  struct range_test test;
  struct range_test_advice advice;

  (void) state;
  for (double noise = 0.0; noise < 0.2; noise += 0.08)
    for (double fall = -4.0; fall < -1.5; fall += 0.5)
    {
      sweep(&test, 200, fall, -0.5, noise);
      assert_int_equal(test.end, RANGE_TEST_DIVERGED);
      assert_true(test.count < 200);
      range_test_advise(&test, RANGE_TEST_BRIEF, &advice);
      assert_near(log10(advice.steepest), fall, 0.25);
      assert_near(log10(advice.divergence), -0.3, 0.35);
      assert_near(advice.rate, advice.divergence / 4.0, 1e-12);
      assert_near(advice.most, advice.rate, 0.0);
      assert_true(advice.start <= advice.most);
      assert_null(advice.note);
      range_test_advise(&test, RANGE_TEST_LONG, &advice);
      assert_near(advice.rate, advice.divergence / 10.0, 1e-12);
      range_test_advise(&test, RANGE_TEST_ADAM, &advice);
      assert_near(advice.rate, advice.lowest / 10.0, 1e-12);
      assert_true(advice.lowest > advice.steepest && advice.lowest < advice.divergence);
      assert_near(advice.start, fmin(advice.steepest, advice.rate), 0.0);
      range_test_clear(&test);
    }
}

/* The smoothed loss is a0·Σ…, corrected: of a constant it is that constant from the first step on. */
static void
test_smoothing(void **state)
{
  struct range_test test;

  (void) state;
  assert_int_equal(range_test_init(&test, LOW, HIGH, 40), ERR_OK);
  for (size_t i = 0; i < 39; i++)
    assert_true(range_test_take(&test, 3.5));
  assert_false(range_test_take(&test, 3.5));
  assert_int_equal(test.end, RANGE_TEST_COMPLETE);
  for (size_t i = 0; i < 40; i++)
    assert_near(test.smooth[i], 3.5, 1e-12);
  range_test_clear(&test);
  assert_int_equal(range_test_init(&test, LOW, HIGH, 40), ERR_OK);
  range_test_take(&test, 1.0);
  range_test_take(&test, 2.0);
  assert_near(test.smooth[1], (0.09 * 1.0 + 0.1 * 2.0) / 0.19, 1e-12);
  range_test_clear(&test);
}

/* Falling to the end: no divergence, a tenth of the lowest point is taken whatever the rule. */
static void
test_monotone(void **state)
{
  struct range_test test;
  struct range_test_advice advice;

  (void) state;
  sweep(&test, 150, -2.0, 5.0, 0.02);
  assert_int_equal(test.end, RANGE_TEST_COMPLETE);
  assert_int_equal(test.count, 150);
  range_test_advise(&test, RANGE_TEST_BRIEF, &advice);
  assert_true(isnan(advice.divergence) && isnan(advice.most));
  assert_near(log10(advice.steepest), -2.0, 0.25);
  assert_near(advice.rate, advice.lowest / 10.0, 1e-12);
  assert_true(advice.start <= advice.rate);
  assert_non_null(advice.note);
  range_test_clear(&test);
}

/* Nothing but noise says nothing: it does not end early, and no rate is made up. */
static void
test_flat(void **state)
{
  int ended = 0, told = 0;

  (void) state;
  for (uint64_t seed = 0; seed < 200; seed++)
  {
    struct range_test test;
    struct range_test_advice advice;
    struct rng rng;
    rng_init(&rng, seed, 9);
    assert_int_equal(range_test_init(&test, LOW, HIGH, 200), ERR_OK);
    while (range_test_take(&test, 2.3 + 0.1 * rng_normal(&rng)))
      ;
    range_test_advise(&test, RANGE_TEST_BRIEF, &advice);
    ended += test.end != RANGE_TEST_COMPLETE;
    told += !isnan(advice.rate);
    if (isnan(advice.rate))
      assert_non_null(advice.note);
    range_test_clear(&test);
  }
  assert_true(ended <= 6);
  assert_true(told <= 12);
}

static void
test_diverging_at_once(void **state)
{
  struct range_test test;
  struct range_test_advice advice;
  double loss = 2.0;

  (void) state;
  assert_int_equal(range_test_init(&test, 1.0, HIGH, 100), ERR_OK);
  while (range_test_take(&test, loss))
    loss *= 1.5;
  assert_int_equal(test.end, RANGE_TEST_DIVERGED);
  assert_true(test.count <= 20);
  range_test_advise(&test, RANGE_TEST_BRIEF, &advice);
  assert_true(isnan(advice.rate) && isnan(advice.start) && isnan(advice.most));
  assert_true(advice.divergence >= 1.0);
  assert_non_null(advice.note);
  range_test_clear(&test);
}

static void
test_not_finite(void **state)
{
  static const double odd[] = {NAN, INFINITY, -INFINITY};
  struct range_test_advice advice;

  (void) state;
  for (size_t k = 0; k < 3; k++)
  {
    struct range_test test;
    assert_int_equal(range_test_init(&test, LOW, HIGH, 100), ERR_OK);
    assert_false(range_test_take(&test, odd[k]));
    assert_int_equal(test.end, RANGE_TEST_NOT_FINITE);
    assert_int_equal(test.count, 0);
    assert_false(range_test_take(&test, 1.0));
    range_test_advise(&test, RANGE_TEST_ADAM, &advice);
    assert_true(isnan(advice.rate));
    assert_near(advice.divergence, LOW, 1e-18);
    range_test_clear(&test);

    assert_int_equal(range_test_init(&test, LOW, HIGH, 200), ERR_OK);
    for (size_t i = 0; i < 150; i++)
      assert_true(range_test_take(&test, curve(range_test_rate(&test, i), -3.0, 5.0)));
    assert_false(range_test_take(&test, odd[k]));
    range_test_advise(&test, RANGE_TEST_BRIEF, &advice);
    assert_near(advice.divergence, range_test_rate(&test, 150), 1e-12);
    assert_near(advice.rate, advice.divergence / 4.0, 1e-12);
    range_test_clear(&test);
  }
}

/* Enormous but finite losses end it without an overflow in what is kept. */
static void
test_huge(void **state)
{
  struct range_test test;
  struct range_test_advice advice;

  (void) state;
  assert_int_equal(range_test_init(&test, LOW, HIGH, 60), ERR_OK);
  for (size_t i = 0; range_test_take(&test, i < 30 ? 1.0 : 1e308); i++)
    ;
  assert_true(test.end == RANGE_TEST_DIVERGED || test.end == RANGE_TEST_NOT_FINITE);
  range_test_advise(&test, RANGE_TEST_BRIEF, &advice);
  assert_near(advice.divergence, range_test_rate(&test, 30), 1e-12);
  range_test_clear(&test);
}

/* ---- runs ------------------------------------------------------------------------------------------- */

static enum err
run(struct toy_fit *fit, const struct range_run_wish *wish, struct range_test *test,
    struct range_test_advice *advice)
{
  struct err_info info = {.text = ""};
  enum err rc = range_run(&fit->request, wish, test, advice, &info);
  if (rc != ERR_OK && rc != ERR_INVALID && rc != ERR_CANCELLED)
    fail_msg("%s: %s", fit->request.family, info.text);
  return rc;
}

/* Each kind of optimizer finds a rate that learns, the same each time. */
static void
test_runs(void **state)
{
  static const struct
  {
    bool images;
    const char *family, *params;
    double high, least, most;
  } runs[] = {
    {false, "mlp", "{\"optimizer\": \"adamw\"}", 3.0, 3e-5, 0.5},
    {false, "mlp", "{\"optimizer\": \"sgd\", \"learning_rate\": 1e-7}", 10.0, 1e-3, 2.0},
    {true, "mlp", "{\"optimizer\": \"sgd\", \"schedule\": \"constant\"}", 10.0, 1e-4, 2.0},
    {true, "cnn", "{\"filters\": 6, \"stages\": 2, \"batch_size\": 16}", 10.0, 1e-3, 10.0},
  };

  (void) state;
  for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
  {
    struct toy_fit fit;
    struct range_run_wish wish = {.low = 0.0};
    struct range_test test, again;
    struct range_test_advice advice;
    struct dataset *dataset =
      runs[i].images ? toy_images(300, 3) : toy_table(900, TOY_THREE, TOY_GOOD, 3);
    toy_fit_init(&fit, dataset, runs[i].family, runs[i].params);
    assert_int_equal(run(&fit, &wish, &test, &advice), ERR_OK);
    assert_int_equal(test.steps, 100);
    assert_near(test.low, 1e-6, 1e-12);
    assert_near(test.high, runs[i].high, 1e-12);
    assert_true(test.count > 20);
    if (!(advice.rate > runs[i].least && advice.rate < runs[i].most))
      fail_msg("run %zu: rate %g, steepest %g, divergence %g", i, advice.rate, advice.steepest,
               advice.divergence);
    assert_int_equal(run(&fit, &wish, &again, &advice), ERR_OK);
    assert_int_equal(again.count, test.count);
    assert_memory_equal(again.loss, test.loss, test.count * sizeof *test.loss);
    range_test_clear(&again);
    fit.request.seed++;
    assert_int_equal(run(&fit, &wish, &again, &advice), ERR_OK);
    assert_true(memcmp(again.loss, test.loss, 20 * sizeof *test.loss) != 0);
    range_test_clear(&again);
    range_test_clear(&test);
    toy_fit_clear(&fit);
  }
}

static bool
never(void *context, const struct train_progress *progress)
{
  (void) context;
  (void) progress;
  return false;
}

static void
test_wishes(void **state)
{
  static const struct range_run_wish bad[] = {
    {.low = 1.0, .high = 0.1, .steps = 50},      {.low = 1.0, .high = 1.0, .steps = 50},
    {.low = 1.0, .high = INFINITY, .steps = 50}, {.low = 20.0, .steps = 50},
    {.steps = MODEL_RANGE_STEPS_LEAST - 1},      {.steps = MODEL_RANGE_STEPS_MOST + 1}};
  struct range_run_wish wish = {.low = 1e-4, .high = 0.1, .steps = MODEL_RANGE_STEPS_LEAST};
  struct toy_fit fit;
  struct range_test test;
  struct range_test_advice advice;

  (void) state;
  toy_fit_init(&fit, toy_table(400, TOY_NUMBER, TOY_GOOD, 3), "mlp", "{}");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
  {
    assert_int_equal(run(&fit, &bad[i], &test, &advice), ERR_INVALID);
    assert_null(test.loss);
  }
  assert_int_equal(run(&fit, &wish, &test, &advice), ERR_OK);
  assert_true(test.count <= test.steps && test.steps == MODEL_RANGE_STEPS_LEAST);
  range_test_clear(&test);
  wish.max_seconds = 1e-9;
  assert_int_equal(run(&fit, &wish, &test, &advice), ERR_OK);
  assert_int_equal(test.end, RANGE_TEST_TIME);
  assert_int_equal(test.count, 1);
  assert_true(isnan(advice.rate));
  assert_non_null(advice.note);
  range_test_clear(&test);
  wish = (struct range_run_wish){.steps = 200};
  fit.request.on_epoch = never;
  assert_int_equal(run(&fit, &wish, &test, &advice), ERR_CANCELLED);
  assert_null(test.loss);
  fit.request.on_epoch = NULL;
  fit.request.family = "trees";
  assert_int_equal(run(&fit, &wish, &test, &advice), ERR_INVALID);
  fit.request.family = "nothing";
  assert_int_equal(run(&fit, &wish, &test, &advice), ERR_INVALID);
  toy_fit_clear(&fit);
  toy_fit_init(&fit, toy_table(400, TOY_NUMBER, TOY_GOOD, 3), "mlp", "{\"dropout\": 7}");
  assert_int_equal(run(&fit, &wish, &test, &advice), ERR_INVALID);
  toy_fit_clear(&fit);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_rates),      cmocka_unit_test(test_textbook),
    cmocka_unit_test(test_smoothing),  cmocka_unit_test(test_monotone),
    cmocka_unit_test(test_flat),       cmocka_unit_test(test_diverging_at_once),
    cmocka_unit_test(test_not_finite), cmocka_unit_test(test_huge),
    cmocka_unit_test(test_runs),       cmocka_unit_test(test_wishes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
