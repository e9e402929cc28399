/* Greedy selection and BBC-CV on predictions whose truth is known. */
#include <config.h>

#include "tests/harness/test_support.h"

#include "base/rng.h"
#include "tune/bbc_cv.h"
#include "tune/greedy.h"

#define ROWS 300
#define MODELS 40

static const char *const names[] = {"no", "yes"};
static const struct task binary = {
  .kind = TASK_BINARY, .class_count = 2, .class_names = names, .output_count = 2};
static const struct task regression = {.kind = TASK_REGRESSION, .output_count = 1};

struct fixture
{
  int32_t classes[ROWS];
  double values[ROWS];
  float memory[MODELS][ROWS * 2];
  const float *predictions[MODELS];
  struct labels labels;
};

/* Classifiers that are right with probability `skill`, each independently. */
static void
make_classifiers(struct fixture *fixture, uint64_t seed, double skill)
{
  struct rng rng;
  rng_init(&rng, seed, 1);
  for (size_t i = 0; i < ROWS; i++)
    fixture->classes[i] = (int32_t) rng_below(&rng, 2);
  for (size_t k = 0; k < MODELS; k++)
  {
    for (size_t i = 0; i < ROWS; i++)
    {
      bool right = rng_double(&rng) < skill;
      int32_t answer = right ? fixture->classes[i] : 1 - fixture->classes[i];
      fixture->memory[k][2 * i + (size_t) answer] = 0.7f;
      fixture->memory[k][2 * i + (size_t) (1 - answer)] = 0.3f;
    }
    fixture->predictions[k] = fixture->memory[k];
  }
  fixture->labels = (struct labels){.count = ROWS, .classes = fixture->classes};
}

/* Regressors with independent errors of the stated spread. */
static void
make_regressors(struct fixture *fixture, uint64_t seed, const double *spread, size_t count)
{
  struct rng rng;
  rng_init(&rng, seed, 2);
  for (size_t i = 0; i < ROWS; i++)
    fixture->values[i] = 5 * rng_normal(&rng);
  for (size_t k = 0; k < count; k++)
  {
    for (size_t i = 0; i < ROWS; i++)
      fixture->memory[k][i] = (float) (fixture->values[i] + spread[k] * rng_normal(&rng));
    fixture->predictions[k] = fixture->memory[k];
  }
  fixture->labels = (struct labels){.count = ROWS, .values = fixture->values};
}

static void
test_greedy_mixes_what_helps(void **state)
{
  struct fixture *fixture = *state;
  static const double spread[] = {1.0, 1.0, 1.0, 9.0};
  double weights[4], sum = 0;
  float mixed[ROWS];
  make_regressors(fixture, 3, spread, 4);
  struct greedy_request request = {.predictions = fixture->predictions,
                                   .count = 4,
                                   .labels = &fixture->labels,
                                   .task = &regression,
                                   .metric = METRIC_RMSE,
                                   .max_picks = 25,
                                   .selections = 1,
                                   .seed = 1};
  assert_int_equal(greedy_select(&request, weights), ERR_OK);
  for (size_t k = 0; k < 4; k++)
    sum += weights[k];
  assert_near(sum, 1, 1e-12);
  for (size_t k = 0; k < 3; k++)
    assert_true(weights[k] > 0.15);
  assert_true(weights[3] < 0.05);
  greedy_mix(fixture->predictions, weights, 4, ROWS, mixed);
  double alone = metric_compute(METRIC_RMSE, &regression, &fixture->labels, fixture->memory[0]);
  double together = metric_compute(METRIC_RMSE, &regression, &fixture->labels, mixed);
  /* Three independent errors of equal size: their mean has 1/√3 of it. */
  assert_near(alone, 1.0, 0.12);
  assert_near(together, 1 / sqrt(3), 0.08);
}

static void
test_greedy_keeps_one_that_is_enough(void **state)
{
  struct fixture *fixture = *state;
  static const double spread[] = {6.0, 0.01, 6.0};
  double weights[3], again[3];
  make_regressors(fixture, 4, spread, 3);
  struct greedy_request request = {.predictions = fixture->predictions,
                                   .count = 3,
                                   .labels = &fixture->labels,
                                   .task = &regression,
                                   .metric = METRIC_RMSE,
                                   .max_picks = 25,
                                   .selections = 1};
  assert_int_equal(greedy_select(&request, weights), ERR_OK);
  assert_near(weights[1], 1, 1e-12);
  request.selections = 5;
  request.seed = 9;
  assert_int_equal(greedy_select(&request, weights), ERR_OK);
  assert_int_equal(greedy_select(&request, again), ERR_OK);
  assert_memory_equal(weights, again, sizeof weights);
  assert_near(weights[0] + weights[1] + weights[2], 1, 1e-12);
}

/* With a sample of the rows for each, every selection has the good models to choose from. */
static void
test_greedy_samples_leave_bad_models_out(void **state)
{
  struct fixture *fixture = *state;
  static const double spread[] = {9.0, 1.0, 9.0, 1.0, 9.0, 9.0};
  double weights[6], doubled[ROWS];
  make_regressors(fixture, 5, spread, 6);
  struct greedy_request request = {.predictions = fixture->predictions,
                                   .count = 6,
                                   .labels = &fixture->labels,
                                   .task = &regression,
                                   .metric = METRIC_RMSE,
                                   .max_picks = 25,
                                   .selections = 5};
  for (uint64_t seed = 1; seed <= 10; seed++)
  {
    request.seed = seed;
    assert_int_equal(greedy_select(&request, weights), ERR_OK);
    assert_true(weights[1] > 0.35 && weights[3] > 0.35);
    assert_true(weights[1] + weights[3] > 0.95);
  }
  /* Rows that weigh nothing are not learned from: here those where the good ones are good. */
  for (size_t i = 0; i < ROWS; i++)
  {
    doubled[i] = i % 2 == 0 ? 2 : 0;
    if (i % 2 == 0)
      fixture->memory[1][i] += 20;
  }
  fixture->labels.weights = doubled;
  assert_int_equal(greedy_select(&request, weights), ERR_OK);
  assert_true(weights[1] < 0.05);
}

/* All models are equally good, so whatever the best shows on the rows it was chosen on is luck. */
static void
test_bbc_is_less_optimistic(void **state)
{
  struct fixture *fixture = *state;
  double naive_bias = 0, bbc_bias = 0;
  const double skill = 0.7;
  for (uint64_t seed = 1; seed <= 6; seed++)
  {
    double naive = 0;
    struct bbc_result result;
    make_classifiers(fixture, seed, skill);
    for (size_t k = 0; k < MODELS; k++)
      naive = fmax(
        naive, metric_compute(METRIC_ACCURACY, &binary, &fixture->labels, fixture->predictions[k]));
    struct bbc_request request = {.predictions = fixture->predictions,
                                  .count = MODELS,
                                  .labels = &fixture->labels,
                                  .task = &binary,
                                  .metric = METRIC_ACCURACY,
                                  .bootstraps = 200,
                                  .seed = seed,
                                  .deadline_s = INFINITY};
    assert_int_equal(bbc_estimate(&request, &result), ERR_OK);
    assert_int_equal(result.bootstraps, 200);
    assert_true(result.single.low < result.single.mean && result.single.mean < result.single.high);
    assert_true(result.single.mean < naive);
    assert_true(result.single.low < skill && skill < result.single.high);
    naive_bias += (naive - skill) / 6;
    bbc_bias += (result.single.mean - skill) / 6;
  }
  print_message("bias of the naive best %.4f, of BBC-CV %.4f\n", naive_bias, bbc_bias);
  assert_true(naive_bias > 0.03);
  assert_true(fabs(bbc_bias) < naive_bias / 2);
}

static void
test_ensemble_wins_where_it_should(void **state)
{
  struct fixture *fixture = *state;
  struct bbc_result result, again;
  /* Independent errors: a vote is far better than any one. */
  make_classifiers(fixture, 11, 0.7);
  struct bbc_request request = {.predictions = fixture->predictions,
                                .count = 12,
                                .ensemble_count = 12,
                                .max_picks = 25,
                                .labels = &fixture->labels,
                                .task = &binary,
                                .metric = METRIC_ACCURACY,
                                .bootstraps = 60,
                                .seed = 5,
                                .deadline_s = INFINITY};
  assert_int_equal(bbc_estimate(&request, &result), ERR_OK);
  assert_true(result.ensemble_wins > 0.95);
  assert_true(result.ensemble.mean > result.single.mean + 0.05);
  assert_int_equal(bbc_estimate(&request, &again), ERR_OK);
  assert_memory_equal(&result, &again, sizeof result);
  /* One that knows it all, and noise: nothing to win. */
  static const double spread[] = {0.001, 8, 8, 8};
  make_regressors(fixture, 12, spread, 4);
  request.count = request.ensemble_count = 4;
  request.task = &regression;
  request.metric = METRIC_RMSE;
  assert_int_equal(bbc_estimate(&request, &result), ERR_OK);
  assert_true(result.ensemble_wins < 0.3);
}

/* Both name every class, each is sure of other rows: as many errors as their mix, which is sure of more. */
static void
test_equal_scores_go_by_log_loss(void **state)
{
  struct fixture *fixture = *state;
  struct bbc_result result;
  make_classifiers(fixture, 13, 1);
  for (size_t k = 0; k < 2; k++)
    for (size_t i = 0; i < ROWS; i++)
    {
      float sure = i % 2 == k ? 0.99f : 0.51f;
      fixture->memory[k][2 * i + (size_t) fixture->classes[i]] = sure;
      fixture->memory[k][2 * i + (size_t) (1 - fixture->classes[i])] = 1 - sure;
    }
  struct bbc_request request = {.predictions = fixture->predictions,
                                .count = 2,
                                .ensemble_count = 2,
                                .max_picks = 25,
                                .labels = &fixture->labels,
                                .task = &binary,
                                .metric = METRIC_ACCURACY,
                                .bootstraps = 40,
                                .seed = 6,
                                .deadline_s = INFINITY};
  assert_int_equal(bbc_estimate(&request, &result), ERR_OK);
  assert_near(result.single.mean, 1, 1e-12);
  assert_near(result.ensemble.mean, 1, 1e-12);
  assert_near(result.ensemble_wins, 1, 1e-12);
  /* With one model alone there is nothing to choose. */
  fixture->predictions[1] = fixture->predictions[0];
  assert_int_equal(bbc_estimate(&request, &result), ERR_OK);
  assert_near(result.ensemble_wins, 0, 1e-12);
}

/* One bootstrap at a time: the better accuracy is half of a win, the lower log loss the other half. */
static void
test_log_loss_is_half_of_a_win(void **state)
{
  struct fixture *fixture = *state;
  struct bbc_result result;
  size_t halves = 0;
  make_classifiers(fixture, 15, 0.8);
  struct bbc_request request = {.predictions = fixture->predictions,
                                .count = 3,
                                .ensemble_count = 3,
                                .max_picks = 25,
                                .labels = &fixture->labels,
                                .task = &binary,
                                .metric = METRIC_ACCURACY,
                                .bootstraps = 1,
                                .deadline_s = INFINITY};
  for (request.seed = 1; request.seed <= 60; request.seed++)
  {
    assert_int_equal(bbc_estimate(&request, &result), ERR_OK);
    double wins = result.ensemble_wins, ahead = result.ensemble.mean - result.single.mean;
    assert_true(wins == 0 || wins == 0.5 || wins == 1);
    assert_true(ahead > 0 ? wins >= 0.5 : ahead < 0 ? wins <= 0.5 : wins != 0.5);
    halves += wins == 0.5;
  }
  assert_true(halves > 0);
}

/* A vote of models that are less sure than they should be is less sure still: it is worth what it is after tempering. */
static void
test_unsure_models_are_tempered(void **state)
{
  struct fixture *fixture = *state;
  struct bbc_result raw, tempered;
  make_classifiers(fixture, 16, 0.7);
  for (size_t k = 0; k < 12; k++)
    for (size_t i = 0; i < 2 * ROWS; i++)
      fixture->memory[k][i] = fixture->memory[k][i] > 0.5f ? 0.55f : 0.45f;
  struct bbc_request request = {.predictions = fixture->predictions,
                                .count = 12,
                                .ensemble_count = 12,
                                .max_picks = 25,
                                .labels = &fixture->labels,
                                .task = &binary,
                                .metric = METRIC_ACCURACY,
                                .bootstraps = 60,
                                .seed = 5,
                                .deadline_s = INFINITY};
  assert_int_equal(bbc_estimate(&request, &raw), ERR_OK);
  request.calibrate = true;
  assert_int_equal(bbc_estimate(&request, &tempered), ERR_OK);
  assert_near(tempered.ensemble.mean, raw.ensemble.mean, 1e-6);
  print_message("wins of the vote: %.3f as it is, %.3f tempered\n", raw.ensemble_wins,
                tempered.ensemble_wins);
  assert_true(tempered.ensemble_wins > raw.ensemble_wins + 0.1);
  assert_true(tempered.ensemble_wins > 0.85);
}

static void
test_bbc_limits(void **state)
{
  struct fixture *fixture = *state;
  struct bbc_result result;
  struct bbc_score score;
  make_classifiers(fixture, 13, 0.8);
  struct bbc_request request = {.predictions = fixture->predictions,
                                .count = MODELS,
                                .labels = &fixture->labels,
                                .task = &binary,
                                .metric = METRIC_ROC_AUC,
                                .bootstraps = 500,
                                .seed = 5};
  /* A deadline in the past still leaves enough to speak of. */
  assert_int_equal(bbc_estimate(&request, &result), ERR_OK);
  assert_int_equal(result.bootstraps, 20);
  assert_true(isfinite(result.single.mean));
  assert_int_equal(bbc_bootstraps(&request), 500);
  struct labels many = {.count = 20000, .classes = fixture->classes};
  request.labels = &many; /* only its count is looked at */
  request.count = 200;
  request.ensemble_count = 12;
  request.max_picks = 25;
  assert_int_equal(bbc_bootstraps(&request), 50);
  request.count = 0;
  assert_int_equal(bbc_estimate(&request, &result), ERR_INVALID);
  /* Of a model never chosen on these rows: the score as it is, with the width that counting gives. */
  assert_int_equal(bbc_interval(fixture->predictions[0], &fixture->labels, &binary, METRIC_ACCURACY,
                                NULL, NULL, 500, 3, &score),
                   ERR_OK);
  assert_near(score.mean,
              metric_compute(METRIC_ACCURACY, &binary, &fixture->labels, fixture->predictions[0]),
              0);
  double sd = sqrt(score.mean * (1 - score.mean) / ROWS);
  assert_near(score.high - score.low, 2 * 1.96 * sd, 0.5 * sd);
}

/* Ten rows that stand and fall together say no more than one: the interval is √10 times as wide as rows
 * alone would have it. */
static void
test_groups(void **state)
{
  struct fixture *fixture = *state;
  struct bbc_score alone, grouped;
  struct rng rng;
  uint32_t of_row[ROWS];
  rng_init(&rng, 8, 1);
  for (size_t i = 0; i < ROWS; i++)
  {
    of_row[i] = (uint32_t) (i * 7 % 30);
    fixture->classes[i] = (int32_t) (i % 2);
  }
  for (size_t g = 0; g < 30; g++)
  {
    bool right = rng_double(&rng) < 0.7;
    for (size_t i = 0; i < ROWS; i++)
      if (of_row[i] == g)
      {
        size_t answer = right ? (size_t) fixture->classes[i] : (size_t) (1 - fixture->classes[i]);
        fixture->memory[0][2 * i + answer] = 0.7f;
        fixture->memory[0][2 * i + (1 - answer)] = 0.3f;
      }
  }
  fixture->labels = (struct labels){.count = ROWS, .classes = fixture->classes};
  fixture->predictions[0] = fixture->memory[0];
  struct bbc_groups groups = {.of_row = of_row, .count = 30};
  assert_int_equal(bbc_interval(fixture->predictions[0], &fixture->labels, &binary, METRIC_ACCURACY,
                                NULL, NULL, 500, 3, &alone),
                   ERR_OK);
  assert_int_equal(bbc_interval(fixture->predictions[0], &fixture->labels, &binary, METRIC_ACCURACY,
                                NULL, &groups, 500, 3, &grouped),
                   ERR_OK);
  assert_near(grouped.mean, alone.mean, 0);
  assert_near((grouped.high - grouped.low) / (alone.high - alone.low), sqrt(10), 0.6);
  /* The choice is made anew on whole groups, too: what was not drawn is whole groups. */
  struct bbc_request request = {.predictions = fixture->predictions,
                                .count = 1,
                                .labels = &fixture->labels,
                                .task = &binary,
                                .metric = METRIC_ACCURACY,
                                .groups = groups,
                                .bootstraps = 200,
                                .seed = 1,
                                .deadline_s = INFINITY};
  struct bbc_result result;
  assert_int_equal(bbc_estimate(&request, &result), ERR_OK);
  assert_near(result.single.mean, alone.mean, 0.03);
  assert_true(result.single.high - result.single.low > 2 * (alone.high - alone.low));
}

static int
setup(void **state)
{
  *state = calloc(1, sizeof(struct fixture));
  return *state == NULL;
}

static int
teardown(void **state)
{
  free(*state);
  return 0;
}

/* Scores without any skill: the best threshold on the rows it was chosen on flatters them, choosing it
 * again in every bootstrap does not. */
static void
test_thresholds_are_chosen_again(void **state)
{
  struct fixture *fixture = *state;
  double naive = 0, honest = 0;
  for (uint64_t seed = 1; seed <= 6; seed++)
  {
    struct bbc_result result;
    struct rng rng;
    double score;
    rng_init(&rng, seed, 9);
    for (size_t i = 0; i < ROWS; i++)
      fixture->classes[i] = rng_below(&rng, 12) == 0;
    for (size_t i = 0; i < ROWS; i++)
    {
      fixture->memory[0][2 * i + 1] = (float) rng_double(&rng);
      fixture->memory[0][2 * i] = 1 - fixture->memory[0][2 * i + 1];
    }
    fixture->predictions[0] = fixture->memory[0];
    fixture->labels = (struct labels){.count = ROWS, .classes = fixture->classes};
    struct bbc_request request = {.predictions = fixture->predictions,
                                  .count = 1,
                                  .labels = &fixture->labels,
                                  .task = &binary,
                                  .metric = METRIC_MCC,
                                  .bootstraps = 200,
                                  .seed = seed,
                                  .deadline_s = INFINITY};
    assert_int_equal(bbc_estimate(&request, &result), ERR_OK);
    metric_best_threshold(METRIC_MCC, &binary, &fixture->labels, fixture->predictions[0], &score);
    naive += score / 6;
    honest += result.single.mean / 6;
  }
  if (!(naive > 0.08) || !(honest < 0.6 * naive))
    fail_msg("%g where it was chosen, %g elsewhere", naive, honest);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_greedy_mixes_what_helps),
    cmocka_unit_test(test_greedy_keeps_one_that_is_enough),
    cmocka_unit_test(test_greedy_samples_leave_bad_models_out),
    cmocka_unit_test(test_bbc_is_less_optimistic),
    cmocka_unit_test(test_ensemble_wins_where_it_should),
    cmocka_unit_test(test_equal_scores_go_by_log_loss),
    cmocka_unit_test(test_log_loss_is_half_of_a_win),
    cmocka_unit_test(test_unsure_models_are_tempered),
    cmocka_unit_test(test_bbc_limits),
    cmocka_unit_test(test_thresholds_are_chosen_again),
    cmocka_unit_test(test_groups),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
