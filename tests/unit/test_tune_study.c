/* What a job's search asks for: families in turn, the same from the log as from memory, nothing too late. */
#include <config.h>

#include "tests/unit/test_study.h"

#include "base/rng.h"

/* A landscape with a best family and a best place. */
static double
objective_of(const struct fixture *fixture, const double *point)
{
  double sum = point[0] * 0.1;
  for (size_t p = 1; p < fixture->spec->space->count; p++)
    if (!isnan(point[p]))
      sum += pow(space_to_unit(&fixture->spec->space->params[p], point[p]) - 0.3, 2);
  return sum;
}

/* Lives through `trials` trials, one after the other; with `faults` a few fail or are cancelled. */
static void
live_through(const struct fixture *fixture, struct tune_study *study, struct history *history,
             uint64_t trials, bool faults)
{
  for (uint64_t trial = 1; trial <= trials; trial++)
  {
    struct tune_situation situation = calm(trial);
    struct tune_suggestion suggestion;
    struct err_info info = {0};
    if (tune_study_suggest(study, &situation, &suggestion, &info) != ERR_OK)
      fail_msg("%s", info.text);
    assert_int_equal(suggestion.decision, TUNE_ADD);
    json_decref(suggestion.params);
    double *point = history->points[trial];
    memcpy(point, suggestion.point, fixture->spec->space->count * sizeof *point);
    log_entry(history, study,
              (struct tune_entry){.kind = TUNE_ASK, .trial = trial, .point = point});
    struct tune_entry end = {.kind = faults && trial % 7 == 5   ? TUNE_FAILED
                                     : faults && trial % 7 == 6 ? TUNE_FORGET
                                                                : TUNE_TELL,
                             .trial = trial,
                             .objective = objective_of(fixture, point),
                             .seconds = 1 + 0.1 * (double) trial};
    log_entry(history, study, end);
  }
}

static void
live(const struct fixture *fixture, struct tune_study *study, struct history *history,
     uint64_t trials)
{
  live_through(fixture, study, history, trials, true);
}

/* Larger is better here, and dearer: the search must find the best of what is allowed. */
static void
test_keeps_to_limits(void **state)
{
  struct fixture *fixture = *state;
  make_spec(fixture, "{\"target\":\"y\",\"families\":[\"linear\"],\"budget\":{\"trials\":40,"
                     "\"max_model_bytes\":1000,\"max_predict_us\":50},\"search\":{\"seed\":3}}");
  struct tune_study *study = new_study(fixture), *cold = new_study(fixture);
  struct history *history = calloc(1, sizeof *history);
  size_t param = SIZE_MAX, late = 0;
  const struct space *space = fixture->spec->space;
  double best = 0;
  for (size_t p = 0; p < space->count && param == SIZE_MAX; p++)
    if (space->params[p].kind == SPACE_FLOAT && isinf(space_param_levels(&space->params[p])))
      param = p;
  assert_true(param != SIZE_MAX);
  for (uint64_t trial = 1; trial <= 30; trial++)
  {
    struct tune_situation situation = calm(trial);
    struct tune_suggestion suggestion;
    assert_int_equal(tune_study_suggest(study, &situation, &suggestion, NULL), ERR_OK);
    assert_int_equal(suggestion.decision, TUNE_ADD);
    json_decref(suggestion.params);
    double *point = history->points[trial];
    memcpy(point, suggestion.point, space->count * sizeof *point);
    double size = space_to_unit(&space->params[param], point[param]);
    struct tune_cost cost = {.us_per_row = trial % 5 == 0 ? NAN : 20, .bytes = 200 + 2000 * size};
    log_entry(history, study,
              (struct tune_entry){.kind = TUNE_ASK, .trial = trial, .point = point});
    log_entry(history, study,
              (struct tune_entry){
                .kind = TUNE_TELL, .trial = trial, .objective = -size, .seconds = 1, .cost = cost});
    late += trial > 15 && cost.bytes > 1200;
    best = cost.bytes <= 1000 ? fmax(best, size) : best;
  }
  assert_true(best > 0.38 && best <= 0.4);
  assert_true(late <= 3); /* near the limit is where the best is */
  for (size_t i = 0; i < history->count; i++)
    assert_int_equal(tune_study_fold(cold, &history->entries[i], NULL), ERR_OK);
  struct tune_situation situation = calm(31);
  struct tune_suggestion one, other;
  assert_int_equal(tune_study_suggest(study, &situation, &one, NULL), ERR_OK);
  assert_int_equal(tune_study_suggest(cold, &situation, &other, NULL), ERR_OK);
  assert_int_equal(one.decision, TUNE_ADD);
  assert_int_equal(other.decision, TUNE_ADD);
  assert_true(space_points_equal(space, one.point, other.point));
  json_decref(one.params);
  json_decref(other.params);
  free(history);
  tune_study_free(cold);
  tune_study_free(study);
}

static void
test_defaults_first(void **state)
{
  struct fixture *fixture = *state;
  make_spec(fixture, "{\"target\":\"y\",\"budget\":{\"trials\":30},\"search\":{\"seed\":3}}");
  struct tune_study *study = new_study(fixture);
  struct history *history = calloc(1, sizeof *history);
  size_t families = fixture->spec->family_count;
  assert_true(families >= 2);
  live(fixture, study, history, families);
  double last = 0;
  for (size_t i = 1; i <= families; i++)
  {
    const double *point = history->points[i];
    for (size_t j = 1; j < i; j++)
      assert_true(history->points[j][0] != point[0]);
    for (size_t p = 1; p < fixture->spec->space->count; p++)
      if (!isnan(point[p]) && fixture->spec->space->params[p].has_default)
        assert_near(point[p], fixture->spec->space->params[p].fallback, 1e-9);
    const char *family = fixture->spec->families[(size_t) point[0]];
    double cost = model_family_find(family)->cost_estimate(&fixture->shape, 400);
    assert_true(cost >= last);
    last = cost;
  }
  tune_study_free(study);
  free(history);
}

/* A study made from the log alone goes on exactly as the one that lived it. */
static void
test_cold_equals_warm(void **state)
{
  struct fixture *fixture = *state;
  make_spec(fixture, "{\"target\":\"y\",\"budget\":{\"trials\":200},\"search\":{\"seed\":5}}");
  struct tune_study *warm = new_study(fixture);
  struct history *history = calloc(1, sizeof *history);
  live(fixture, warm, history, 30);
  struct tune_study *cold = new_study(fixture);
  for (size_t i = 0; i < history->count; i++)
    assert_int_equal(tune_study_fold(cold, &history->entries[i], NULL), ERR_OK);
  for (uint64_t trial = 31; trial <= 33; trial++)
  {
    struct tune_situation situation = calm(trial);
    struct tune_suggestion a, b;
    assert_int_equal(tune_study_suggest(warm, &situation, &a, NULL), ERR_OK);
    assert_int_equal(tune_study_suggest(cold, &situation, &b, NULL), ERR_OK);
    assert_memory_equal(a.point, b.point, fixture->spec->space->count * sizeof *a.point);
    assert_string_equal(a.family, b.family);
    assert_true(json_equal(a.params, b.params));
    assert_near(a.predicted_s, b.predicted_s, 0);
    struct tune_entry ask = {.kind = TUNE_ASK, .trial = trial, .point = a.point};
    assert_int_equal(tune_study_fold(cold, &ask, NULL), ERR_OK);
    assert_int_equal(tune_study_fold(warm, &ask, NULL), ERR_OK);
    json_decref(a.params);
    json_decref(b.params);
  }
  tune_study_free(cold);
  tune_study_free(warm);
  free(history);
}

/* A suggestion that never came into the log, and one that another worker was quicker than, leave no trace. */
static void
test_unlogged_ask_leaves_no_trace(void **state)
{
  struct fixture *fixture = *state;
  make_spec(fixture, "{\"target\":\"y\",\"budget\":{\"trials\":200},\"search\":{\"seed\":8}}");
  struct tune_study *warm = new_study(fixture);
  struct history *history = calloc(1, sizeof *history);
  live(fixture, warm, history, 12);
  struct tune_situation situation = calm(13);
  struct tune_suggestion first, second;
  double *kept = malloc(fixture->spec->space->count * sizeof *kept);
  assert_int_equal(tune_study_suggest(warm, &situation, &first, NULL), ERR_OK);
  memcpy(kept, first.point, fixture->spec->space->count * sizeof *kept);
  assert_int_equal(tune_study_suggest(warm, &situation, &second, NULL), ERR_OK);
  assert_memory_equal(kept, second.point, fixture->spec->space->count * sizeof *kept);
  json_decref(first.params);
  json_decref(second.params);
  /* Another worker's trial 13, at another point. */
  struct tune_entry other = {.kind = TUNE_ASK, .trial = 13, .point = history->points[1]};
  struct tune_study *cold = new_study(fixture);
  for (size_t i = 0; i < history->count; i++)
    assert_int_equal(tune_study_fold(cold, &history->entries[i], NULL), ERR_OK);
  assert_int_equal(tune_study_fold(cold, &other, NULL), ERR_OK);
  assert_int_equal(tune_study_fold(warm, &other, NULL), ERR_OK);
  situation = calm(14);
  assert_int_equal(tune_study_suggest(warm, &situation, &first, NULL), ERR_OK);
  assert_int_equal(tune_study_suggest(cold, &situation, &second, NULL), ERR_OK);
  assert_memory_equal(first.point, second.point, fixture->spec->space->count * sizeof *kept);
  json_decref(first.params);
  json_decref(second.params);
  free(kept);
  tune_study_free(cold);
  tune_study_free(warm);
  free(history);
}

static void
expect_stop(struct tune_study *study, const struct tune_situation *situation, const char *reason,
            bool cancel_running)
{
  struct tune_suggestion suggestion;
  assert_int_equal(tune_study_suggest(study, situation, &suggestion, NULL), ERR_OK);
  assert_int_equal(suggestion.decision, TUNE_STOP);
  assert_string_equal(suggestion.stop_reason, reason);
  assert_int_equal(suggestion.cancel_running, cancel_running);
  assert_null(suggestion.params);
}

static void
test_reasons_to_stop(void **state)
{
  struct fixture *fixture = *state;
  make_spec(fixture, "{\"target\":\"y\",\"budget\":{\"trials\":4,\"target_score\":0.9}}");
  struct tune_study *study = new_study(fixture);
  struct history *history = calloc(1, sizeof *history);
  live(fixture, study, history, 4);
  struct tune_situation situation = calm(5);
  expect_stop(study, &situation, "budget_trials", false);
  situation = calm(4);
  situation.best_value = 0.9;
  expect_stop(study, &situation, "target_score", true);
  situation.best_value = 0.89;
  situation.search_left_s = -0.1;
  expect_stop(study, &situation, "budget_seconds", true);
  tune_study_free(study);
  free(history);
}

/* Everything but one parameter fixed: two points, then none. */
static void
test_exhausted_grid(void **state)
{
  struct fixture *fixture = *state;
  make_spec(fixture, "{\"target\":\"y\",\"families\":[\"linear\"],\"budget\":{\"trials\":50},"
                     "\"search\":{\"method\":\"grid\",\"grid_resolution\":2,"
                     "\"space\":{\"linear\":{\"l1_ratio\":0.5}}}}");
  struct tune_study *study = new_study(fixture);
  struct history *history = calloc(1, sizeof *history);
  struct tune_suggestion suggestion = {0};
  size_t asked = 0;
  for (uint64_t trial = 1; trial < MOST; trial++, asked++)
  {
    struct tune_situation situation = calm(trial);
    assert_int_equal(tune_study_suggest(study, &situation, &suggestion, NULL), ERR_OK);
    if (suggestion.decision != TUNE_ADD)
      break;
    json_decref(suggestion.params);
    memcpy(history->points[trial], suggestion.point, fixture->spec->space->count * sizeof(double));
    log_entry(
      history, study,
      (struct tune_entry){.kind = TUNE_ASK, .trial = trial, .point = history->points[trial]});
  }
  assert_int_equal(asked, 2);
  assert_int_equal(suggestion.decision, TUNE_STOP);
  assert_string_equal(suggestion.stop_reason, "exhausted");
  free(history);
  tune_study_free(study);
}

static void
test_nothing_starts_too_late(void **state)
{
  struct fixture *fixture = *state;
  make_spec(fixture, "{\"target\":\"y\",\"budget\":{\"seconds\":100},\"search\":{\"seed\":2}}");
  struct tune_study *study = new_study(fixture);
  size_t families = fixture->spec->family_count, width = fixture->spec->space->count;
  double *points = calloc((families + 1) * width, sizeof *points);
  /* The first family costs 1 s a trial, the second 10, the third 100. */
  for (uint64_t trial = 1; trial <= families; trial++)
  {
    struct tune_situation situation = calm(trial);
    struct tune_suggestion suggestion;
    situation.search_left_s = 1000;
    assert_int_equal(tune_study_suggest(study, &situation, &suggestion, NULL), ERR_OK);
    assert_int_equal(suggestion.decision, TUNE_ADD);
    json_decref(suggestion.params);
    double *point = points + trial * width;
    memcpy(point, suggestion.point, width * sizeof *point);
    struct tune_entry ask = {.kind = TUNE_ASK, .trial = trial, .point = point};
    struct tune_entry tell = {.kind = TUNE_TELL,
                              .trial = trial,
                              .objective = -(double) trial, /* the dearest is the best */
                              .seconds = pow(10, (double) trial - 1)};
    assert_int_equal(tune_study_fold(study, &ask, NULL), ERR_OK);
    assert_int_equal(tune_study_fold(study, &tell, NULL), ERR_OK);
    assert_near(tune_study_cost(study, fixture->spec->families[(size_t) point[0]]), tell.seconds,
                1e-9);
  }
  for (int round = 0; round < 5; round++)
  {
    struct tune_situation situation = calm(families + 1);
    struct tune_suggestion suggestion;
    situation.search_left_s = 12;
    assert_int_equal(tune_study_suggest(study, &situation, &suggestion, NULL), ERR_OK);
    if (suggestion.decision == TUNE_ADD)
      assert_true(suggestion.predicted_s <= 12);
    else
      assert_string_equal(suggestion.stop_reason, "budget_seconds");
    json_decref(suggestion.params);
  }
  struct tune_situation late = calm(families + 1);
  late.search_left_s = 0.5;
  expect_stop(study, &late, "budget_seconds", false);
  free(points);
  tune_study_free(study);
}

/* Whether a family whose first trial took 10 s is given another one with so much left. */
static bool
starts_with(struct fixture *fixture, const char *request, double left_s)
{
  make_spec(fixture, request);
  struct tune_study *study = new_study(fixture);
  struct tune_situation situation = calm(1);
  struct tune_suggestion suggestion;
  situation.search_left_s = 50;
  assert_int_equal(tune_study_suggest(study, &situation, &suggestion, NULL), ERR_OK);
  assert_int_equal(suggestion.decision, TUNE_ADD);
  json_decref(suggestion.params);
  struct tune_entry ask = {.kind = TUNE_ASK, .trial = 1, .point = suggestion.point};
  struct tune_entry tell = {.kind = TUNE_TELL, .trial = 1, .objective = 1, .seconds = 10};
  assert_int_equal(tune_study_fold(study, &ask, NULL), ERR_OK);
  assert_int_equal(tune_study_fold(study, &tell, NULL), ERR_OK);
  situation = calm(2);
  situation.workers = 1;
  situation.search_left_s = left_s;
  assert_int_equal(tune_study_suggest(study, &situation, &suggestion, NULL), ERR_OK);
  json_decref(suggestion.params);
  tune_study_free(study);
  return suggestion.decision == TUNE_ADD;
}

/* A network's schedule can be shortened to what is left, and of trees most are grown then; but not by much. */
static void
test_last_trials_are_shorter(void **state)
{
  static const char mlp[] = "{\"target\":\"y\",\"families\":[\"mlp\"],\"budget\":{\"seconds\":60}}";
  static const char trees[] =
    "{\"target\":\"y\",\"families\":[\"trees\"],\"budget\":{\"seconds\":60}}";
  assert_true(starts_with(*state, mlp, 7));
  assert_false(starts_with(*state, mlp, 6.8));
  assert_true(starts_with(*state, trees, 8.7));
  assert_false(starts_with(*state, trees, 8.5));
}

static void
test_shares_of_time(void **state)
{
  (void) state;
  struct tune_share share = {.search_s = INFINITY, .folds_left = 5, .parallel = 1};
  assert_near(tune_unit_seconds(&share), 0, 0);
  share.search_s = 120;
  share.search_left_s = 60;
  double alone = tune_unit_seconds(&share);
  assert_true(alone > 6 && alone < 8); /* a third of the whole for five folds */
  share.parallel = 5;
  assert_true(tune_unit_seconds(&share) > 4.5 * alone);
  share.parallel = 1;
  share.folds_left = 1;
  assert_true(tune_unit_seconds(&share) < 40);
  share.first_rounds = 1;
  double last = tune_unit_seconds(&share);
  assert_true(last > 40 && last < 60); /* nothing comes after it: most of what is left */
  share.first_rounds = 3;
  double first = tune_unit_seconds(&share);
  assert_true(first > 14 && first < 18);
  share.first_rounds = 0;
  share.search_left_s = 10;
  assert_true(tune_unit_seconds(&share) < 10);
  share.search_s = 8;
  share.search_left_s = 6;
  assert_true(tune_unit_seconds(&share) > 4.5); /* a short search: few trials, not stunted ones */
  share.search_left_s = -5;
  assert_true(tune_unit_seconds(&share) > 0);
}

static struct tune_study *
ruled_study(struct fixture *fixture, const char *rule)
{
  char json[200];
  snprintf(json, sizeof json,
           "{\"target\":\"y\",\"budget\":{\"trials\":60},\"families\":[\"linear\"],"
           "\"search\":{\"seed\":3%s}}",
           rule);
  make_spec(fixture, json);
  return new_study(fixture);
}

/* What a study with this rule says after so many trials of one without. */
static struct tune_suggestion
after_trials(struct fixture *fixture, const char *rule, uint64_t trials)
{
  struct tune_study *free_study = ruled_study(fixture, "");
  struct history *history = calloc(1, sizeof *history);
  struct tune_situation situation = calm(trials + 1);
  struct tune_suggestion suggestion;
  live_through(fixture, free_study, history, trials, false);
  struct tune_study *study = ruled_study(fixture, rule);
  for (size_t i = 0; i < history->count; i++)
    assert_int_equal(tune_study_fold(study, &history->entries[i], NULL), ERR_OK);
  assert_int_equal(tune_study_suggest(study, &situation, &suggestion, NULL), ERR_OK);
  json_decref(suggestion.params);
  tune_study_free(study);
  tune_study_free(free_study);
  free(history);
  return suggestion;
}

static void
test_stops_for_want_of_gain(void **state)
{
  static const char much[] = ",\"stop_when\":{\"expected_gain\":1e6,\"after_trials\":8}";
  static const char both[] =
    ",\"stop_when\":{\"expected_gain\":1e6,\"regret_bound\":1e-12,\"after_trials\":8}";
  struct fixture *fixture = *state;
  char half[100];
  assert_int_equal(after_trials(fixture, "", 40).decision, TUNE_ADD);
  assert_int_equal(after_trials(fixture, much, 7).decision, TUNE_ADD);
  struct tune_suggestion stop = after_trials(fixture, much, 8);
  assert_int_equal(stop.decision, TUNE_STOP);
  assert_string_equal(stop.stop_reason, "no_gain");
  assert_false(stop.cancel_running);
  assert_int_equal(stop.gain.trials, 8);
  /* Half of that gain is too little to stop now, and as the trials go on it becomes less than that. */
  snprintf(half, sizeof half, ",\"stop_when\":{\"expected_gain\":%.17g,\"after_trials\":8}",
           stop.gain.expected / 2);
  assert_int_equal(after_trials(fixture, half, 8).decision, TUNE_ADD);
  struct tune_suggestion late = after_trials(fixture, half, 40);
  assert_int_equal(late.decision, TUNE_STOP);
  assert_true(late.gain.expected < stop.gain.expected / 2);
  assert_true(late.gain.regret_bound < stop.gain.regret_bound);
  assert_int_equal(after_trials(fixture, both, 8).decision, TUNE_ADD);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    study_test(test_defaults_first),
    study_test(test_cold_equals_warm),
    study_test(test_unlogged_ask_leaves_no_trace),
    study_test(test_reasons_to_stop),
    study_test(test_stops_for_want_of_gain),
    study_test(test_exhausted_grid),
    study_test(test_nothing_starts_too_late),
    study_test(test_last_trials_are_shorter),
    study_test(test_shares_of_time),
    study_test(test_keeps_to_limits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
