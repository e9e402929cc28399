/* What a job's own range tests make its search believe. */
#include <config.h>

#include "tests/unit/test_study.h"

#include "tune/tune_prior.h"

/* The point of the family's test with an optimizer. */
static void
test_point(const struct fixture *fixture, const char *optimizer, double *point)
{
  for (size_t i = 0; i < tune_prior_count(fixture->spec); i++)
  {
    const char *family;
    json_t *params;
    tune_prior_point(fixture->spec, i, point);
    assert_int_equal(tune_point_params(fixture->spec, point, &family, &params, NULL), ERR_OK);
    const char *found = json_string_value(json_object_get(params, "optimizer"));
    bool same = strcmp(family, "mlp") == 0 && strcmp(found ? found : "", optimizer) == 0;
    json_decref(params);
    if (same)
      return;
  }
  fail_msg("no test has the optimizer %s", optimizer);
}

#define OPTIMIZERS "{\"type\":\"categorical\",\"choices\":[\"adamw\",\"sgd\"]}"

/* Which tests there are: by family and optimizer, none where nothing is searched or the user has a belief. */
static void
test_range_tests_of_a_job(void **state)
{
  static const struct
  {
    const char *request;
    size_t tests;
  } jobs[] = {
    {"{\"target\":\"y\",\"families\":[\"mlp\"],\"search\":{\"space\":{\"optimizer\":\"sgd\"}}}", 1},
    {"{\"target\":\"y\",\"families\":[\"mlp\",\"trees\",\"linear\"],"
     "\"search\":{\"space\":{\"mlp\":{\"optimizer\":" OPTIMIZERS "}}}}",
     2},
    {"{\"target\":\"y\",\"families\":[\"trees\",\"linear\"]}", 0},
    {"{\"target\":\"y\",\"families\":[\"mlp\"],\"search\":{\"space\":{\"learning_rate\":0.01}}}",
     0},
    {"{\"target\":\"y\",\"families\":[\"mlp\"],\"search\":{\"space\":{\"learning_rate\":"
     "{\"prior\":{\"mean\":0.01,\"sd\":0.5}}}}}",
     0}};
  struct fixture *fixture = *state;
  for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
  {
    make_spec(fixture, jobs[i].request);
    assert_int_equal(tune_prior_count(fixture->spec), jobs[i].tests);
    for (size_t t = 0; t < jobs[i].tests; t++)
    {
      double point[64];
      tune_prior_point(fixture->spec, t, point);
      assert_true(space_contains(fixture->spec->space, point));
    }
  }
}

/* SGD's rate goes with the batch and 1 − momentum, Adam's with the root of the batch. */
static void
test_what_a_rate_makes_believed(void **state)
{
  struct fixture *fixture = *state;
  struct search_belief belief;
  double point[64];
  make_spec(fixture,
            "{\"target\":\"y\",\"families\":[\"mlp\",\"linear\"],\"search\":{\"space\":{\"mlp\":{"
            "\"optimizer\":" OPTIMIZERS ",\"batch_size\":{\"type\":\"ordinal\","
            "\"values\":[32,64,128],\"default\":64},\"momentum\":{\"type\":\"float\",\"low\":0.5,"
            "\"high\":0.99,\"default\":0.9}}}}}");
  const struct space *space = fixture->spec->space;
  test_point(fixture, "sgd", point);
  assert_int_equal(tune_prior_belief(fixture->spec, &fixture->shape, point, 0.05, &belief, NULL),
                   ERR_OK);
  assert_string_equal(space->params[belief.param].name, "mlp.learning_rate");
  assert_int_equal(belief.when_count, 2);
  assert_int_equal(belief.shift_count, 2);
  assert_near(belief.sd, 0.5, 0);
  /* at the test itself the shifts bring back its rate */
  assert_near(belief.mean + log10(64) + log10(0.1), log10(0.05), 1e-9);
  assert_near(belief.shifts[0].factor, 1, 0);
  assert_string_equal(space->params[belief.shifts[1].param].name, "mlp.momentum");
  assert_true(belief.shifts[1].rest);
  test_point(fixture, "adamw", point);
  assert_int_equal(tune_prior_belief(fixture->spec, &fixture->shape, point, 0.002, &belief, NULL),
                   ERR_OK);
  assert_int_equal(belief.shift_count, 1);
  assert_near(belief.shifts[0].factor, 0.5, 0);
  assert_near(belief.mean + 0.5 * log10(64), log10(0.002), 1e-9);
  assert_int_equal(tune_prior_belief(fixture->spec, &fixture->shape, point, NAN, &belief, NULL),
                   ERR_INVALID);
  assert_int_equal(tune_prior_belief(fixture->spec, &fixture->shape, point, 0, &belief, NULL),
                   ERR_INVALID);
}

/* Twelve trials that tell nothing apart. */
static void
live(struct tune_study *study, struct history *history, const struct fixture *fixture)
{
  for (uint64_t trial = 1; trial <= 12; trial++)
  {
    struct tune_situation situation = calm(trial);
    struct tune_suggestion suggestion;
    struct err_info info = {0};
    assert_int_equal(tune_study_suggest(study, &situation, &suggestion, &info), ERR_OK);
    assert_int_equal(suggestion.decision, TUNE_ADD);
    json_decref(suggestion.params);
    double *point = history->points[trial];
    memcpy(point, suggestion.point, fixture->spec->space->count * sizeof *point);
    log_entry(history, study,
              (struct tune_entry){.kind = TUNE_ASK, .trial = trial, .point = point});
    log_entry(history, study,
              (struct tune_entry){.kind = TUNE_TELL, .trial = trial, .objective = 1, .seconds = 1});
  }
}

/* Beliefs are entries like the others: at any place of the log, the same from it as from memory, and of effect. */
static void
test_beliefs_in_the_log(void **state)
{
  struct fixture *fixture = *state;
  static struct history history;
  double at[64];
  size_t near[2] = {0, 0};
  make_spec(fixture,
            "{\"target\":\"y\",\"families\":[\"mlp\"],\"search\":{\"seed\":3,\"space\":{"
            "\"optimizer\":\"adamw\",\"batch_size\":64,\"learning_rate\":{\"type\":\"float\","
            "\"low\":1e-6,\"high\":1,\"scale\":\"log\"}}}}");
  size_t rate = space_find(fixture->spec->space, "mlp.learning_rate");
  for (int told = 0; told < 2; told++)
  {
    struct tune_study *lived = new_study(fixture);
    struct err_info info = {0};
    history.count = 0;
    tune_prior_point(fixture->spec, 0, at);
    if (told)
      log_entry(&history, lived,
                (struct tune_entry){.kind = TUNE_BELIEVE, .point = at, .rate = 1e-5});
    live(lived, &history, fixture);
    for (uint64_t t = 2; t <= 12; t++)
      near[told] += fabs(log10(history.points[t][rate]) + 5) < 1;
    struct tune_situation situation = calm(13);
    struct tune_suggestion one, two;
    struct tune_study *fresh = new_study(fixture);
    for (size_t i = 0; i < history.count; i++)
      assert_int_equal(tune_study_fold(fresh, &history.entries[i], &info), ERR_OK);
    assert_int_equal(tune_study_suggest(lived, &situation, &one, &info), ERR_OK);
    assert_int_equal(tune_study_suggest(fresh, &situation, &two, &info), ERR_OK);
    assert_memory_equal(one.point, two.point, fixture->spec->space->count * sizeof *one.point);
    json_decref(one.params);
    json_decref(two.params);
    tune_study_free(fresh);
    tune_study_free(lived);
  }
  if (!(near[1] >= near[0] + 3))
    fail_msg("%zu of 11 near the rate with the belief, %zu without", near[1], near[0]);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    study_test(test_range_tests_of_a_job),
    study_test(test_what_a_rate_makes_believed),
    study_test(test_beliefs_in_the_log),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
