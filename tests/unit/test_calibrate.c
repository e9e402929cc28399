/* Temperatures and intervals on rows whose truth is known. */
#include <config.h>

#include "tests/harness/test_support.h"

#include "base/rng.h"
#include "model/model.h"
#include "tune/bbc_cv.h"
#include "tune/calibrate.h"
#include "tune/conformal.h"

#define CLASSES 3

/* ---- temperatures ------------------------------------------------------------------------------------ */

struct guesses
{
  size_t count;
  int32_t *truth;
  float *p;
  struct labels labels;
};

/* Truths drawn from softmax (z), predictions softmax (z · sure): the right temperature is `sure`. */
static struct guesses
guess(size_t count, double sure, uint64_t seed)
{
  struct guesses guesses = {.count = count};
  struct rng rng;
  guesses.truth = calloc(count, sizeof *guesses.truth);
  guesses.p = calloc(count * CLASSES, sizeof *guesses.p);
  rng_init(&rng, seed, 11);
  for (size_t i = 0; i < count; i++)
  {
    double z[CLASSES], sum = 0, stated = 0, draw = rng_double(&rng);
    for (size_t k = 0; k < CLASSES; k++)
    {
      z[k] = 1.3 * rng_normal(&rng);
      sum += exp(z[k]);
      stated += exp(sure * z[k]);
    }
    for (size_t k = 0; k < CLASSES; k++)
      guesses.p[i * CLASSES + k] = (float) (exp(sure * z[k]) / stated);
    while (guesses.truth[i] < CLASSES - 1 && (draw -= exp(z[guesses.truth[i]]) / sum) > 0)
      guesses.truth[i]++;
  }
  guesses.labels = (struct labels){.count = count, .classes = guesses.truth};
  return guesses;
}

static void
guesses_free(struct guesses *guesses)
{
  free(guesses->truth);
  free(guesses->p);
}

static void
test_known_temperature(void **state)
{
  (void) state;
  static const double known[] = {0.4, 0.8, 1.5, 3.0};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
  {
    struct guesses guesses = guess(6000, known[i], 5 + i);
    struct calibration found;
    assert_int_equal(calibrate_fit(&guesses.labels, guesses.p, CLASSES, &found), ERR_OK);
    assert_true(found.helps);
    assert_near(found.temperature / known[i], 1, 0.08);
    assert_true(found.after.log_loss < found.before.log_loss);
    assert_true(found.after.ece < found.before.ece && found.after.ece < 0.03);
    assert_near(found.before.log_loss - found.after.log_loss, found.gain, 1e-9);
    /* No temperature near it is better. */
    double best = INFINITY, losses[3];
    for (int side = 0; side < 3; side++)
    {
      float *p = malloc(guesses.count * CLASSES * sizeof *p);
      memcpy(p, guesses.p, guesses.count * CLASSES * sizeof *p);
      model_temper(found.fitted * (0.98 + 0.02 * side), CLASSES, guesses.count, p);
      losses[side] = calibrate_state(&guesses.labels, p, CLASSES).log_loss;
      best = fmin(best, losses[side]);
      free(p);
    }
    assert_near(best, losses[1], 0);
    guesses_free(&guesses);
  }
}

/* What is right as it is stays so, but for one time in about forty. */
static void
test_no_need(void **state)
{
  (void) state;
  size_t changed = 0;
  for (uint64_t seed = 1; seed <= 60; seed++)
  {
    struct guesses guesses = guess(150, 1, 100 + seed);
    struct calibration found;
    assert_int_equal(calibrate_fit(&guesses.labels, guesses.p, CLASSES, &found), ERR_OK);
    changed += found.helps;
    assert_near(found.temperature, found.helps ? found.fitted : 1, 0);
    guesses_free(&guesses);
  }
  assert_true(changed <= 5);
}

/* Whole weights are rows repeated; certain, wrong, and without any weight. */
static void
test_odd_rows(void **state)
{
  (void) state;
  struct guesses guesses = guess(400, 2, 3);
  double *weights = calloc(guesses.count, sizeof *weights);
  struct calibration heavy, light;
  guesses.labels.weights = weights;
  assert_int_equal(calibrate_fit(&guesses.labels, guesses.p, CLASSES, &heavy), ERR_OK);
  assert_false(heavy.helps);
  assert_near(heavy.temperature, 1, 0);
  for (size_t i = 0; i < guesses.count; i++)
    weights[i] = 3;
  assert_int_equal(calibrate_fit(&guesses.labels, guesses.p, CLASSES, &heavy), ERR_OK);
  guesses.labels.weights = NULL;
  assert_int_equal(calibrate_fit(&guesses.labels, guesses.p, CLASSES, &light), ERR_OK);
  assert_near(heavy.fitted, light.fitted, 1e-6);
  for (size_t i = 0; i < guesses.count; i++)
    for (size_t k = 0; k < CLASSES; k++)
      guesses.p[i * CLASSES + k] = k == (size_t) guesses.truth[i] ? 1.0f : 0.0f;
  assert_int_equal(calibrate_fit(&guesses.labels, guesses.p, CLASSES, &light), ERR_OK);
  assert_true(isfinite(light.fitted) && isfinite(light.before.log_loss));
  /* All rows right: surer, but not more than so many rows can tell. */
  for (size_t i = 0; i < guesses.count; i++)
    for (size_t k = 0; k < CLASSES; k++)
      guesses.p[i * CLASSES + k] = k == (size_t) guesses.truth[i] ? 0.9f : 0.05f;
  assert_int_equal(calibrate_fit(&guesses.labels, guesses.p, CLASSES, &light), ERR_OK);
  assert_true(light.helps);
  model_temper(light.temperature, CLASSES, 1, guesses.p);
  float sure = fmaxf(guesses.p[0], fmaxf(guesses.p[1], guesses.p[2]));
  assert_true(sure > 0.99f && sure < 0.9995f);
  for (size_t i = 0; i < guesses.count; i++)
    for (size_t k = 0; k < CLASSES; k++)
      guesses.p[i * CLASSES + k] = k == (size_t) (guesses.truth[i] + 1) % CLASSES ? 1.0f : 0.0f;
  assert_int_equal(calibrate_fit(&guesses.labels, guesses.p, CLASSES, &light), ERR_OK);
  assert_true(light.helps);
  assert_near(light.temperature, MODEL_TEMPERATURE_MOST, 1e-9);
  free(weights);
  guesses_free(&guesses);
}

/* A calibrated score is estimated without the rows that it was calibrated on: over many draws of so few rows that one
 * temperature costs something, the estimate does not come out better than what new rows say. */
static void
test_estimate(void **state)
{
  (void) state;
  static const char *const names[] = {"a", "b", "c"};
  static const struct task task = {
    .kind = TASK_MULTICLASS, .class_count = CLASSES, .class_names = names, .output_count = CLASSES};
  struct guesses fresh = guess(20000, 2.2, 77);
  double told = 0, plain = 0, real = 0, runs = 20;
  for (uint64_t seed = 0; seed < 20; seed++)
  {
    struct guesses guesses = guess(80, 2.2, 200 + seed);
    const float *predictions = guesses.p;
    struct bbc_request request = {.predictions = &predictions,
                                  .count = 1,
                                  .labels = &guesses.labels,
                                  .task = &task,
                                  .metric = METRIC_LOG_LOSS,
                                  .bootstraps = 100,
                                  .seed = seed,
                                  .calibrate = true,
                                  .deadline_s = INFINITY};
    struct bbc_result result;
    struct calibration found;
    assert_int_equal(bbc_estimate(&request, &result), ERR_OK);
    told += result.single.mean / runs;
    request.calibrate = false;
    assert_int_equal(bbc_estimate(&request, &result), ERR_OK);
    plain += result.single.mean / runs;
    assert_int_equal(calibrate_fit(&guesses.labels, guesses.p, CLASSES, &found), ERR_OK);
    float *p = malloc(fresh.count * CLASSES * sizeof *p);
    memcpy(p, fresh.p, fresh.count * CLASSES * sizeof *p);
    if (found.helps)
      model_temper(found.temperature, CLASSES, fresh.count, p);
    real += calibrate_state(&fresh.labels, p, CLASSES).log_loss / runs;
    free(p);
    guesses_free(&guesses);
  }
  assert_true(told < plain - 0.02);
  assert_near(told, real, 0.06);
  guesses_free(&fresh);
}

/* ---- intervals --------------------------------------------------------------------------------------- */

struct numbers
{
  double *truth;
  float *prediction;
  uint8_t *part;
  struct conformal_rows rows;
};

/* Errors grow with the prediction when `uneven`; their upper side is longer when `skewed`. `overfit` takes that share
 * of each error away, as a model does on rows it was trained on. */
static struct numbers
draw_numbers(size_t count, bool uneven, bool skewed, double overfit, uint64_t seed)
{
  struct numbers numbers = {.truth = calloc(count + 1, sizeof *numbers.truth),
                            .prediction = calloc(count + 1, sizeof *numbers.prediction),
                            .part = calloc(count + 1, sizeof *numbers.part)};
  struct rng rng;
  rng_init(&rng, seed, 12);
  for (size_t i = 0; i < count; i++)
  {
    double at = 10 * rng_double(&rng), noise = rng_normal(&rng);
    noise = skewed ? exp(noise) - 1 : noise;
    noise *= uneven ? 0.2 + at : 3;
    numbers.truth[i] = at + noise;
    numbers.prediction[i] = (float) (at + overfit * noise);
    numbers.part[i] = (uint8_t) (i % 5);
  }
  numbers.rows = (struct conformal_rows){.count = count,
                                         .parts = 5,
                                         .truth = numbers.truth,
                                         .prediction = numbers.prediction,
                                         .part = numbers.part};
  return numbers;
}

static void
numbers_free(struct numbers *numbers)
{
  free(numbers->truth);
  free(numbers->prediction);
  free(numbers->part);
}

static void
test_coverage(void **state)
{
  (void) state;
  static const double levels[] = {0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99};
  for (int form = 0; form < 4; form++)
  {
    bool uneven = form & 1, skewed = form & 2;
    struct numbers seen = draw_numbers(1500, uneven, skewed, 0, 31 + (uint64_t) form);
    struct numbers fresh = draw_numbers(20000, uneven, skewed, 0, 51 + (uint64_t) form);
    struct model_interval interval;
    struct conformal_measure measures[7], crossed[7];
    assert_int_equal(conformal_fit(&seen.rows, &interval), ERR_OK);
    assert_int_equal(interval.rows, 1500);
    assert_int_equal(interval.knot_count > 0, uneven);
    if (skewed)
      assert_true(interval.each_tail);
    for (size_t l = 0; l < 7; l++)
      measures[l].level = crossed[l].level = levels[l];
    conformal_measure(&fresh.rows, &interval, measures, 7);
    assert_int_equal(conformal_measure_crossed(&seen.rows, &interval, crossed, 7), ERR_OK);
    for (size_t l = 0; l < 7; l++)
    {
      /* Three standard errors of the share below the quantile of 1,500 rows. */
      double spread = 3 * sqrt(levels[l] * (1 - levels[l]) / 1500);
      assert_near(measures[l].coverage, levels[l], spread + 0.006);
      assert_near(crossed[l].coverage, levels[l], spread + 0.006);
      assert_near(crossed[l].width / measures[l].width, 1, 0.15);
    }
    numbers_free(&seen);
    numbers_free(&fresh);
  }
}

/* Where errors are small intervals are narrow, and hold as much as where they are large. */
static void
test_coverage_by_spread(void **state)
{
  (void) state;
  struct numbers seen = draw_numbers(2000, true, false, 0, 41),
                 fresh = draw_numbers(20000, true, false, 0, 42);
  struct model_interval interval;
  double held[2] = {0}, count[2] = {0};
  assert_int_equal(conformal_fit(&seen.rows, &interval), ERR_OK);
  for (size_t i = 0; i < 20000; i++)
  {
    double low, high, prediction = (double) fresh.prediction[i];
    size_t side = prediction > 5;
    assert_true(model_interval_at(&interval, 0.9, prediction, &low, &high));
    count[side]++;
    held[side] += fresh.truth[i] >= low && fresh.truth[i] <= high;
  }
  assert_near(held[0] / count[0], 0.9, 0.04);
  assert_near(held[1] / count[1], 0.9, 0.04);
  interval.knot_count = 0; /* what one width for all would be */
  numbers_free(&seen);
  numbers_free(&fresh);
}

/* Errors of rows that a model was trained on make intervals that are too narrow: the test of coverage sees that. */
static void
test_trained_rows_fail(void **state)
{
  (void) state;
  struct numbers seen = draw_numbers(1500, true, false, 0.4, 41);
  struct numbers fresh = draw_numbers(20000, true, false, 0, 42);
  struct model_interval interval;
  struct conformal_measure measure = {.level = 0.9};
  assert_int_equal(conformal_fit(&seen.rows, &interval), ERR_OK);
  conformal_measure(&fresh.rows, &interval, &measure, 1);
  assert_true(measure.coverage < 0.8);
  numbers_free(&seen);
  numbers_free(&fresh);
}

static void
test_few_rows(void **state)
{
  (void) state;
  struct model_interval interval;
  struct conformal_measure measure = {.level = 0.9};
  double low, high;
  struct numbers numbers = draw_numbers(30, false, false, 0, 1);
  numbers.rows.count = 9;
  assert_int_equal(conformal_fit(&numbers.rows, &interval), ERR_OK);
  assert_int_equal(interval.rows, 0);
  assert_false(model_interval_at(&interval, 0.5, 0, &low, &high));
  numbers.rows.count = 0;
  assert_int_equal(conformal_fit(&numbers.rows, &interval), ERR_OK);
  assert_int_equal(interval.rows, 0);
  numbers.rows.count = 30;
  numbers.truth[3] = (double) NAN;
  numbers.prediction[4] = INFINITY;
  assert_int_equal(conformal_fit(&numbers.rows, &interval), ERR_OK);
  assert_int_equal(interval.rows, 28);
  assert_int_equal(conformal_measure_crossed(&numbers.rows, &interval, &measure, 1), ERR_OK);
  assert_int_equal(measure.rows, 28);
  /* Nothing but right answers. */
  for (size_t i = 0; i < 30; i++)
    numbers.truth[i] = (double) (numbers.prediction[i] = 4);
  assert_int_equal(conformal_fit(&numbers.rows, &interval), ERR_OK);
  assert_true(model_interval_at(&interval, 0.9, 4, &low, &high));
  assert_near(high - low, 0, 0);
  numbers_free(&numbers);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_known_temperature), cmocka_unit_test(test_no_need),
    cmocka_unit_test(test_odd_rows),          cmocka_unit_test(test_estimate),
    cmocka_unit_test(test_coverage),          cmocka_unit_test(test_coverage_by_spread),
    cmocka_unit_test(test_trained_rows_fail), cmocka_unit_test(test_few_rows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
