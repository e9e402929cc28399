/* The best trials once more with another seed: which, when, and never beyond the budget; the winner is the best on
 * the mean, and of noisy trials that is the better choice. */
#include <config.h>

#include "tests/harness/test_support.h"

#include "base/json.h"
#include "base/rng.h"
#include "tune/tune_data.h"
#include "tune/tune_repeat.h"
#include "tune/tune_study.h"
#include "tune/tune_winner.h"

#define MOST 64

static const char schema_text[] =
  "{\"kind\":\"table\",\"rows\":500,\"columns\":["
  "{\"name\":\"a\",\"type\":\"numeric\",\"missing\":0,\"distinct\":400},"
  "{\"name\":\"b\",\"type\":\"numeric\",\"missing\":0,\"distinct\":400},"
  "{\"name\":\"y\",\"type\":\"categorical\",\"missing\":0,\"distinct\":2}],\"warnings\":[]}";

struct fixture
{
  struct arena *arena;
  struct job_spec *spec;
  struct model_data_shape shape;
  struct tune_study *study;
  double points[MOST + 1][128];
  uint64_t next;
};

static struct tune_study *
new_study(const struct fixture *fixture)
{
  struct tune_study *study = NULL;
  struct err_info info = {0};
  if (tune_study_new(fixture->spec, &fixture->shape, 5, 400, &study, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return study;
}

static void
set_up(struct fixture *fixture, const char *request)
{
  struct err_info info = {0};
  json_t *schema = json_loads(schema_text, 0, NULL), *json = json_loads(request, 0, NULL);
  memset(fixture, 0, sizeof *fixture);
  fixture->arena = arena_new(0);
  fixture->next = 1;
  fixture->shape = (struct model_data_shape){
    .kind = DATASET_TABLE, .task = TASK_BINARY, .rows = 500, .columns = 2, .classes = 2};
  assert_non_null(json);
  if (tune_spec_read(json, schema, fixture->arena, &fixture->spec, &info) != ERR_OK)
    fail_msg("%s", info.text);
  fixture->study = new_study(fixture);
  json_decref(schema);
  json_decref(json);
}

static void
tear_down(struct fixture *fixture)
{
  tune_study_free(fixture->study);
  arena_free(fixture->arena);
}

static struct tune_suggestion
suggest(struct fixture *fixture, struct tune_study *study, double search_s, double left_s)
{
  struct tune_suggestion suggestion;
  struct err_info info = {0};
  struct tune_situation situation = {.next_trial = fixture->next,
                                     .search_s = search_s,
                                     .search_left_s = left_s,
                                     .best_value = NAN,
                                     .metric = METRIC_ACCURACY,
                                     .workers = 2};
  if (tune_study_suggest(study, &situation, &suggestion, &info) != ERR_OK)
    fail_msg("%s", info.text);
  json_decref(suggestion.params);
  return suggestion;
}

static void
fold(struct tune_study *study, struct tune_entry entry)
{
  struct err_info info = {0};
  if (tune_study_fold(study, &entry, &info) != ERR_OK)
    fail_msg("%s", info.text);
}

/* Starts what is suggested and ends it with the objective after so many seconds. */
static void
live(struct fixture *fixture, const struct tune_suggestion *suggestion, double objective,
     double seconds)
{
  uint64_t trial = fixture->next++;
  assert_int_equal(suggestion->decision, TUNE_ADD);
  memcpy(fixture->points[trial], suggestion->point, fixture->spec->space->count * sizeof(double));
  fold(fixture->study,
       (struct tune_entry){.kind = TUNE_ASK, .trial = trial, .point = fixture->points[trial]});
  fold(fixture->study, (struct tune_entry){.kind = TUNE_TELL,
                                           .trial = trial,
                                           .objective = objective,
                                           .seconds = seconds,
                                           .cost = {.us_per_row = 20, .bytes = 1e5}});
}

/* `count` trials that are no repeats; the 4th, 2nd and 6th are the best. */
static void
search(struct fixture *fixture, size_t count, double search_s, double left_s)
{
  for (size_t i = 0; i < count; i++)
  {
    struct tune_suggestion suggestion = suggest(fixture, fixture->study, search_s, left_s);
    uint64_t trial = fixture->next;
    assert_int_equal(suggestion.repeats, 0);
    live(fixture, &suggestion, trial == 4 ? 0.1 : trial == 2 ? 0.2 : trial == 6 ? 0.3 : 0.5, 2);
  }
}

static void
expect_repeat(struct fixture *fixture, double search_s, double left_s, uint64_t of)
{
  struct tune_suggestion suggestion = suggest(fixture, fixture->study, search_s, left_s);
  assert_int_equal(suggestion.decision, TUNE_ADD);
  assert_int_equal(suggestion.repeats, of);
  assert_memory_equal(suggestion.point, fixture->points[of],
                      fixture->spec->space->count * sizeof(double));
  live(fixture, &suggestion, 0.4, 2);
}

/* Within the budget of trials: its last tenth. */
static void
test_last_trials(void **state)
{
  (void) state;
  struct fixture fixture;
  set_up(&fixture, "{\"target\":\"y\",\"families\":[\"trees\"],\"budget\":{\"trials\":30}}");
  search(&fixture, 27, INFINITY, INFINITY);
  assert_true(tune_repeat_left_out(fixture.study));
  expect_repeat(&fixture, INFINITY, INFINITY, 4);
  assert_false(tune_repeat_left_out(fixture.study));
  expect_repeat(&fixture, INFINITY, INFINITY, 2);
  expect_repeat(&fixture, INFINITY, INFINITY, 6);
  struct tune_suggestion stop = suggest(&fixture, fixture.study, INFINITY, INFINITY);
  assert_int_equal(stop.decision, TUNE_STOP);
  assert_string_equal(stop.stop_reason, "budget_trials");
  tear_down(&fixture);
}

/* A tenth of few trials is none; a family that needs no seed, a grid and rungs have no repeats. */
static void
test_none(void **state)
{
  static const char *const requests[] = {
    "{\"target\":\"y\",\"families\":[\"trees\"],\"budget\":{\"trials\":19}}",
    "{\"target\":\"y\",\"families\":[\"linear\"],\"budget\":{\"trials\":30}}",
    "{\"target\":\"y\",\"families\":[\"trees\"],\"budget\":{\"trials\":30},"
    "\"search\":{\"method\":\"grid\"}}"};
  (void) state;
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
  {
    struct fixture fixture;
    set_up(&fixture, requests[i]);
    search(&fixture, i == 0 ? 19 : 30, INFINITY, INFINITY);
    assert_int_equal(tune_repeat_left_out(fixture.study), i == 0);
    tear_down(&fixture);
  }
}

/* Trials of 2 CPU seconds, five fits on two workers, take 1.2 s, with a margin 1.86 s. */
static void
test_seconds(void **state)
{
  (void) state;
  struct fixture fixture;
  set_up(&fixture, "{\"target\":\"y\",\"families\":[\"trees\"],\"budget\":{\"seconds\":110}}");
  search(&fixture, 8, 100, 60);
  search(&fixture, 1, 100, 7.2); /* one more and all three */
  expect_repeat(&fixture, 100, 6.2, 4);
  expect_repeat(&fixture, 100, 4.5, 2);
  /* what would end too late is left out, and the search ends in time */
  struct tune_suggestion late = suggest(&fixture, fixture.study, 100, 0.4);
  assert_int_equal(late.decision, TUNE_STOP);
  tear_down(&fixture);

  /* Three would take more than a fifth, two do not. */
  set_up(&fixture, "{\"target\":\"y\",\"families\":[\"trees\"],\"budget\":{\"seconds\":25}}");
  search(&fixture, 8, 22, 14);
  expect_repeat(&fixture, 22, 4.2, 4);
  expect_repeat(&fixture, 22, 2.4, 2);
  assert_int_equal(suggest(&fixture, fixture.study, 22, 0.4).decision, TUNE_STOP);
  tear_down(&fixture);

  set_up(&fixture, "{\"target\":\"y\",\"families\":[\"trees\"],\"budget\":{\"seconds\":18}}");
  search(&fixture, 9, 16, 9);
  assert_int_equal(suggest(&fixture, fixture.study, 16, 0.4).decision, TUNE_STOP);
  assert_true(tune_repeat_left_out(fixture.study));
  tear_down(&fixture);
}

/* What the log alone gives is what has been lived through, also where a repeat took the place of a suggestion. */
static void
test_cold_equals_warm(void **state)
{
  (void) state;
  struct fixture fixture;
  set_up(&fixture, "{\"target\":\"y\",\"families\":[\"trees\"],\"budget\":{\"seconds\":110}}");
  search(&fixture, 9, 100, 60);
  expect_repeat(&fixture, 100, 6.2, 4);
  struct tune_study *cold = new_study(&fixture);
  for (uint64_t t = 1; t < fixture.next; t++)
  {
    fold(cold, (struct tune_entry){.kind = TUNE_ASK, .trial = t, .point = fixture.points[t]});
    fold(cold, (struct tune_entry){.kind = TUNE_TELL,
                                   .trial = t,
                                   .objective = t == 4   ? 0.1
                                                : t == 2 ? 0.2
                                                : t == 6 ? 0.3
                                                : t < 10 ? 0.5
                                                         : 0.4,
                                   .seconds = 2,
                                   .cost = {.us_per_row = 20, .bytes = 1e5}});
  }
  double left_s[] = {50, 4.5};
  for (size_t i = 0; i < 2; i++)
  {
    struct tune_suggestion warm_next = suggest(&fixture, fixture.study, 100, left_s[i]);
    struct tune_suggestion cold_next = suggest(&fixture, cold, 100, left_s[i]);
    assert_int_equal(warm_next.decision, TUNE_ADD);
    assert_int_equal(warm_next.repeats, i == 0 ? 0 : 2);
    assert_int_equal(cold_next.repeats, warm_next.repeats);
    assert_memory_equal(warm_next.point, cold_next.point,
                        fixture.spec->space->count * sizeof(double));
  }
  tune_study_free(cold);
  tear_down(&fixture);
}

/* ---- the winner --------------------------------------------------------------------------------------- */

#define CONFIGURATIONS 20

struct trials
{
  struct tune_trial list[CONFIGURATIONS + 3];
  json_t *params[CONFIGURATIONS];
  size_t count;
};

static void
add_trial(struct trials *trials, size_t configuration, const char *family, double objective)
{
  size_t at = trials->count++;
  while (at > 0 && trials->list[at - 1].objective > objective)
  {
    trials->list[at] = trials->list[at - 1];
    at--;
  }
  trials->list[at] = (struct tune_trial){.number = (int) trials->count,
                                         .family = family,
                                         .params = trials->params[configuration],
                                         .metric = 1 - objective,
                                         .objective = objective};
}

static void
begin(struct trials *trials)
{
  trials->count = 0;
  for (size_t c = 0; c < CONFIGURATIONS; c++)
    trials->params[c] = json_pack("{s:i}", "max_depth", (int) c);
}

static void
end(struct trials *trials)
{
  for (size_t c = 0; c < CONFIGURATIONS; c++)
    json_decref(trials->params[c]);
}

static size_t
configuration_at(const struct trials *trials, size_t index)
{
  return (size_t) json_integer_value(json_object_get(trials->list[index].params, "max_depth"));
}

static void
test_winner(void **state)
{
  (void) state;
  struct fixture fixture;
  struct trials trials;
  set_up(&fixture, "{\"target\":\"y\",\"budget\":{\"trials\":30}}");
  struct tune_data data = {.spec = fixture.spec, .shape = fixture.shape};
  begin(&trials);
  assert_int_equal(tune_winner_find(&data, trials.list, 0), 0);
  add_trial(&trials, 1, "trees", 0.10);
  add_trial(&trials, 2, "trees", 0.12);
  add_trial(&trials, 3, "trees", 0.14);
  add_trial(&trials, 4, "trees", 0.15);
  add_trial(&trials, 1, "linear", 0.20);
  assert_int_equal(tune_winner_find(&data, trials.list, trials.count),
                   0); /* nothing was repeated */
  json_t *none = tune_winner_json(&data, trials.list, trials.count);
  assert_int_equal(json_array_size(none), 0);
  json_decref(none);
  add_trial(&trials, 1, "trees", 0.30); /* the best was lucky */
  add_trial(&trials, 2, "trees", 0.16);
  add_trial(&trials, 3, "trees", 0.17);
  assert_int_equal(configuration_at(&trials, tune_winner_find(&data, trials.list, trials.count)),
                   2);
  json_t *all = tune_winner_json(&data, trials.list, trials.count);
  assert_int_equal(json_array_size(all), 3);
  assert_near(json_get_number(json_array_get(all, 1), "mean", NAN), 0.86, 1e-12);
  json_decref(all);
  /* what needs no second run has had its chance */
  trials.list[trials.count - 1].objective = 0.5;
  for (size_t t = 0; t < trials.count; t++)
    if (strcmp(trials.list[t].family, "linear") == 0)
      trials.list[t].objective = 0.135;
  size_t winner = tune_winner_find(&data, trials.list, trials.count);
  assert_string_equal(trials.list[winner].family, "linear");
  end(&trials);
  tear_down(&fixture);
}

/* Twenty configurations whose true objectives differ by as much as the seed's noise does: the one chosen with
 * repeats is better on the mean than the one with the best single run. */
static void
test_noisy_trials(void **state)
{
  (void) state;
  struct fixture fixture;
  struct trials trials;
  struct rng rng;
  double once = 0, twice = 0, square = 0;
  const size_t jobs = 400;
  set_up(&fixture, "{\"target\":\"y\",\"budget\":{\"trials\":30}}");
  struct tune_data data = {.spec = fixture.spec, .shape = fixture.shape};
  rng_init(&rng, 5, 3);
  for (size_t job = 0; job < jobs; job++)
  {
    double truth[CONFIGURATIONS];
    begin(&trials);
    for (size_t c = 0; c < CONFIGURATIONS; c++)
    {
      truth[c] = 0.2 + 0.01 * rng_normal(&rng);
      add_trial(&trials, c, "trees", truth[c] + 0.01 * rng_normal(&rng));
    }
    size_t best[3] = {configuration_at(&trials, 0), configuration_at(&trials, 1),
                      configuration_at(&trials, 2)};
    for (size_t i = 0; i < 3; i++)
      add_trial(&trials, best[i], "trees", truth[best[i]] + 0.01 * rng_normal(&rng));
    size_t winner = tune_winner_find(&data, trials.list, trials.count);
    double gain = truth[best[0]] - truth[configuration_at(&trials, winner)];
    once += truth[best[0]] / (double) jobs;
    twice += truth[configuration_at(&trials, winner)] / (double) jobs;
    square += gain * gain;
    end(&trials);
  }
  double error = sqrt(square) / (double) jobs;
  print_message("true objective of the chosen one: %.5f by single runs, %.5f by means of two, "
                "gain %.5f ± %.5f\n",
                once, twice, once - twice, error);
  assert_true(once - twice > 4 * error);
  tear_down(&fixture);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_last_trials), cmocka_unit_test(test_none),
    cmocka_unit_test(test_seconds),     cmocka_unit_test(test_cold_equals_warm),
    cmocka_unit_test(test_winner),      cmocka_unit_test(test_noisy_trials),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
