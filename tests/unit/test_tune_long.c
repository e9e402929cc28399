/* A search on images that ends with long fits: when, of which trials, how wide and for how many epochs. */
#include <config.h>

#include "tests/harness/long_search.h"

/* Those that are about as good as the best take turns. */
static void
test_best_again(void **state)
{
  (void) state;
  static const uint64_t expected[] = {2, 3, 2, 3};
  struct fixture fixture;
  set_up(&fixture, "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}}");
  search_shortly(&fixture);
  expect_again(&fixture, 61, expected, 4);
  /* too late for one more */
  struct tune_suggestion last = suggest(&fixture, 25, 1);
  assert_int_equal(last.decision, TUNE_STOP);
  assert_string_equal(last.stop_reason, "budget_seconds");
  tear_down(&fixture);
}

/* What ends as the best while another is trained at length already is the next one, not that one again. */
static void
test_late_best(void **state)
{
  (void) state;
  static const uint64_t first[] = {2}, then[] = {4, 3};
  struct fixture fixture;
  set_up(&fixture, "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}}");
  search_shortly(&fixture);
  struct tune_suggestion suggestion = suggest(&fixture, 76, 0);
  uint64_t late = start(&fixture, &suggestion);
  json_decref(suggestion.params);
  expect_again(&fixture, 74, first, 1);
  end(&fixture, late, -0.902);
  expect_again(&fixture, 73, then, 2);
  tear_down(&fixture);
}

/* The defaults take the second turn, for short fits of a few sweeps hardly tell; not where they are much worse. */
static void
test_defaults_again(void **state)
{
  (void) state;
  static const uint64_t expected[] = {2, 1, 3, 2};
  struct fixture fixture;
  set_up(&fixture, "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}}");
  search_with(&fixture, (const double[]){0.88, 0.9, 0.895});
  expect_again(&fixture, 61, expected, 4);
  tear_down(&fixture);
}

/* Where no other trial comes near, the best is trained again and again. */
static void
test_best_alone(void **state)
{
  (void) state;
  static const uint64_t expected[] = {3, 3};
  struct fixture fixture;
  set_up(&fixture, "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}}");
  search_with(&fixture, (const double[]){0.7, 0.85, 0.9});
  expect_again(&fixture, 61, expected, 2);
  tear_down(&fixture);
}

/* Before the time has come it goes on searching, and never repeats a point. */
static void
test_not_yet(void **state)
{
  (void) state;
  struct fixture fixture;
  set_up(&fixture, "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}}");
  search_shortly(&fixture);
  struct tune_suggestion suggestion = suggest(&fixture, 76, 0);
  assert_int_equal(suggestion.decision, TUNE_ADD);
  for (size_t t = 1; t <= 3; t++)
    assert_memory_not_equal(suggestion.point, fixture.points[t],
                            fixture.spec->space->count * sizeof(double));
  json_decref(suggestion.params);
  tear_down(&fixture);
}

/* While the first trials are still at work there is nothing to choose from. */
static void
test_waits(void **state)
{
  (void) state;
  struct fixture fixture;
  set_up(&fixture, "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}}");
  struct tune_suggestion suggestion = suggest(&fixture, 95, 0);
  start(&fixture, &suggestion);
  json_decref(suggestion.params);
  suggestion = suggest(&fixture, 55, 1);
  assert_int_equal(suggestion.decision, TUNE_WAIT);
  end(&fixture, 1, 0.5);
  suggestion = suggest(&fixture, 55, 0);
  assert_int_equal(suggestion.decision, TUNE_ADD);
  assert_memory_equal(suggestion.point, fixture.points[1],
                      fixture.spec->space->count * sizeof(double));
  json_decref(suggestion.params);
  tear_down(&fixture);
}

/* With time for many sweeps the network gets wider and the epochs fill the time; what the job has fixed stays. */
static void
test_fills_the_time(void **state)
{
  (void) state;
  struct fixture fixture;
  set_up(&fixture, "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110},"
                   " \"search\": {\"space\": {\"cnn\": {\"flip\": \"no\"}}}}");
  search_shortly(&fixture);
  struct tune_suggestion suggestion = suggest(&fixture, 60, 0);
  json_int_t wide = json_integer_value(json_object_get(suggestion.params, "filters"));
  json_int_t epochs = json_integer_value(json_object_get(suggestion.params, "epochs"));
  /* 16,000 rows at 40 µs are 0.64 s an epoch: 94 of them in 60 s */
  size_t filters = space_find(fixture.spec->space, "cnn.filters");
  double found =
    fixture.spec->space->params[filters].values[(size_t) fixture.points[2][filters]].number;
  assert_true((double) wide > found || found == 64);
  assert_true(epochs >= 14 && epochs <= 94);
  json_decref(suggestion.params);
  tear_down(&fixture);

  set_up(
    &fixture,
    "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}, \"search\": {\"space\": {\"cnn\":"
    " {\"filters\": 12, \"epochs\": 7}}}}");
  search_shortly(&fixture);
  suggestion = suggest(&fixture, 60, 0);
  assert_int_equal(json_integer_value(json_object_get(suggestion.params, "filters")), 12);
  assert_int_equal(json_integer_value(json_object_get(suggestion.params, "epochs")), 7);
  json_decref(suggestion.params);
  tear_down(&fixture);
}

/* What training has taken counts more than what a prediction tells of it: 16,000 rows at 160 µs are 2.56 s a sweep, of
 * which 60 s have 23, too few for a network twice as wide, and the clock sees to it that twice as many are not too
 * many. */
static void
test_training_is_measured(void **state)
{
  (void) state;
  struct fixture fixture;
  set_up(&fixture, "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}}");
  struct tune_suggestion suggestion = suggest(&fixture, 95, 0);
  json_int_t filters = json_integer_value(json_object_get(suggestion.params, "filters"));
  uint64_t trial = start(&fixture, &suggestion);
  json_decref(suggestion.params);
  end_trained(&fixture, trial, -0.9, 160);
  suggestion = suggest(&fixture, 60, 0);
  assert_true(suggestion.again);
  assert_int_equal(json_integer_value(json_object_get(suggestion.params, "filters")), filters);
  json_int_t epochs = json_integer_value(json_object_get(suggestion.params, "epochs"));
  json_int_t usual = (json_int_t) family_number("cnn", &fixture.shape, NULL, "epochs");
  assert_int_equal(epochs, usual > 46 ? usual : 46);
  json_decref(suggestion.params);
  tear_down(&fixture);
}

/* Whether the search's only trial, which took so long, is trained again when the time has come. */
static bool
is_trained_again(const char *request, size_t rows, double seconds)
{
  struct fixture fixture;
  set_up_with(&fixture, request, rows);
  struct tune_suggestion suggestion = suggest(&fixture, 95, 0);
  uint64_t trial = start(&fixture, &suggestion);
  json_decref(suggestion.params);
  end_after(&fixture, trial, 0.2, seconds);
  suggestion = suggest(&fixture, 50, 0);
  assert_int_equal(suggestion.decision, TUNE_ADD);
  bool again = space_points_equal(fixture.spec->space, suggestion.point, fixture.points[1]);
  assert_int_equal(again, suggestion.again);
  json_decref(suggestion.params);
  tear_down(&fixture);
  return again;
}

/* Fits that ran to their end have nothing to gain from more time, so that the search goes on with new points; but where
 * the rows are many, the end is early. A prediction that sees a mirror image, too, takes twice as long; an epoch
 * doesn't. */
static void
test_whole_fits_are_left(void **state)
{
  static const char any[] = "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}}";
  static const char mirrored[] = "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110},"
                                 " \"search\": {\"space\": {\"cnn\": {\"flip\": \"yes\"}}}}";
  static const char short_ones[] = "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110},"
                                   " \"search\": {\"space\": {\"cnn\": {\"epochs\": 7}}}}";
  (void) state;
  assert_false(is_trained_again(any, 20000, 30));
  assert_true(is_trained_again(any, 20000, 15));
  assert_true(is_trained_again(any, 60000, 30));
  assert_false(is_trained_again(mirrored, 20000, 15));
  assert_true(is_trained_again(mirrored, 20000, 8));
  assert_false(is_trained_again(short_ones, 60000, 5));
  assert_true(is_trained_again(short_ones, 60000, 2));
}

/* A convolutional network after half an epoch is worse than a perceptron after ten, and has more to gain; until
 * then the search keeps to the families that are cut short. */
static void
test_families(void **state)
{
  (void) state;
  struct fixture fixture;
  set_up(&fixture,
         "{\"families\": [\"linear\", \"mlp\", \"cnn\"], \"budget\": {\"seconds\": 110}}");
  for (size_t i = 0; i < 4; i++)
  {
    struct tune_suggestion suggestion = suggest(&fixture, 95, 0);
    bool cnn = strcmp(suggestion.family, "cnn") == 0;
    uint64_t trial = start(&fixture, &suggestion);
    json_decref(suggestion.params);
    end_after(&fixture, trial, cnn ? 0.3 - 0.01 * (double) i : 0.1, cnn ? 5 : 35);
  }
  for (size_t i = 0; i < 6; i++)
  {
    struct tune_suggestion suggestion = suggest(&fixture, 90, 0);
    assert_string_equal(suggestion.family, "cnn");
    uint64_t trial = start(&fixture, &suggestion);
    json_decref(suggestion.params);
    end(&fixture, trial, 0.4);
  }
  struct tune_suggestion suggestion = suggest(&fixture, 60, 0);
  assert_string_equal(suggestion.family, "cnn");
  assert_memory_equal(suggestion.point, fixture.points[4],
                      fixture.spec->space->count * sizeof(double));
  json_decref(suggestion.params);
  tear_down(&fixture);
}

/* The family of the long fits, and of the short ones before them unless they come at once, where the first convolutional
 * network takes so long for each row in training. */
static void
expect_long_family(double train_us, bool at_once, const char *family)
{
  struct fixture fixture;
  set_up(&fixture, "{\"families\": [\"mlp\", \"cnn\"], \"budget\": {\"seconds\": 110}}");
  for (size_t i = 0; i < 5; i++)
  {
    struct tune_suggestion suggestion = suggest(&fixture, 95, 0);
    bool cnn = strcmp(suggestion.family, "cnn") == 0;
    uint64_t trial = start(&fixture, &suggestion);
    json_decref(suggestion.params);
    end_trained(&fixture, trial, cnn ? -0.3 : -0.8, cnn ? train_us : 40);
  }
  struct tune_suggestion suggestion = suggest(&fixture, 90, 0);
  assert_int_equal(suggestion.again, at_once);
  assert_string_equal(suggestion.family, family);
  json_decref(suggestion.params);
  suggestion = suggest(&fixture, 60, 0);
  assert_true(suggestion.again);
  assert_string_equal(suggestion.family, family);
  json_decref(suggestion.params);
  tear_down(&fixture);
}

/* In 75 s a network sees 16,000 images twice at 2.3 ms each; in the 5 s of a short trial not even once. */
static void
test_too_slow_to_be_worth_it(void **state)
{
  (void) state;
  expect_long_family(60, false, "cnn");
  expect_long_family(2300, true, "cnn");
  expect_long_family(2400, false, "mlp");
}

/* A perceptron that is cut short, too, has more to learn as well, but no long fit will be one. */
static void
test_searches_the_long_family(void **state)
{
  (void) state;
  struct fixture fixture;
  set_up(&fixture, "{\"families\": [\"mlp\", \"cnn\"], \"budget\": {\"seconds\": 110}}");
  for (size_t i = 0; i < 9; i++)
  {
    struct tune_suggestion suggestion = suggest(&fixture, 95, 0);
    bool cnn = strcmp(suggestion.family, "cnn") == 0;
    uint64_t trial = start(&fixture, &suggestion);
    json_decref(suggestion.params);
    assert_true(cnn || trial <= 3);
    end(&fixture, trial, cnn ? -0.7 : -0.9);
  }
  tear_down(&fixture);
}

/* A long fit does not go to a perceptron while the first convolutional network is at work, unless that fails. */
static void
waits_for_the_dearer(enum tune_entry_kind end_kind, const char *family)
{
  struct fixture fixture;
  uint64_t first_cnn = 0;
  set_up(&fixture, "{\"families\": [\"mlp\", \"cnn\"], \"budget\": {\"seconds\": 110}}");
  while (first_cnn == 0)
  {
    struct tune_suggestion suggestion = suggest(&fixture, 95, 0);
    bool cnn = strcmp(suggestion.family, "cnn") == 0;
    uint64_t trial = start(&fixture, &suggestion);
    json_decref(suggestion.params);
    if (cnn)
      first_cnn = trial;
    else
      end(&fixture, trial, -0.9);
  }
  struct tune_suggestion suggestion = suggest(&fixture, 55, 1);
  assert_int_equal(suggestion.decision, TUNE_WAIT);
  if (end_kind == TUNE_TELL)
    end(&fixture, first_cnn, -0.7);
  else
    fold(&fixture, (struct tune_entry){.kind = end_kind, .trial = first_cnn});
  suggestion = suggest(&fixture, 54, 0);
  assert_int_equal(suggestion.decision, TUNE_ADD);
  assert_true(suggestion.again);
  assert_string_equal(suggestion.family, family);
  json_decref(suggestion.params);
  tear_down(&fixture);
}

static void
test_waits_for_the_dearer(void **state)
{
  (void) state;
  waits_for_the_dearer(TUNE_TELL, "cnn");
  waits_for_the_dearer(TUNE_FAILED, "mlp");
  waits_for_the_dearer(TUNE_FORGET, "mlp");
}

/* Whether the long fit sees mirror images, of a search whose first trial does not, and the second does. */
static bool
mirrors(const char *space, double accuracy, double with_mirror_images)
{
  struct fixture fixture;
  char request[256];
  snprintf(
    request, sizeof request,
    "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}, \"search\": {\"space\": {\"cnn\":"
    " {%s}}}}",
    space);
  set_up(&fixture, request);
  search_with(&fixture, (const double[]){accuracy, with_mirror_images, 0.3});
  struct tune_suggestion suggestion = suggest(&fixture, 60, 0);
  assert_true(suggestion.again);
  assert_memory_equal(suggestion.point, fixture.points[1],
                      fixture.spec->space->count * sizeof(double));
  bool mirrors = strcmp(json_string_value(json_object_get(suggestion.params, "flip")), "yes") == 0;
  json_decref(suggestion.params);
  tear_down(&fixture);
  return mirrors;
}

/* Unless they did much worse in short fits, or the job does not leave it to the search. */
static void
test_mirror_images(void **state)
{
  (void) state;
  assert_true(mirrors("", 0.9, 0.895));
  assert_false(mirrors("", 0.9, 0.88));
  assert_false(mirrors("\"flip\": \"no\"", 0.9, 0.895));
}

/* A search that may not come to a width or a number of epochs is not stretched to it either. */
static void
test_keeps_to_the_space(void **state)
{
  (void) state;
  struct fixture fixture;
  set_up(
    &fixture,
    "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}, \"search\": {\"space\": {\"cnn\":"
    " {\"filters\": {\"type\": \"ordinal\", \"values\": [8, 12]}, \"flip\": \"no\","
    " \"epochs\": {\"type\": \"int\", \"low\": 50, \"high\": 55}}}}}");
  search_shortly(&fixture);
  struct tune_suggestion suggestion = suggest(&fixture, 60, 0);
  assert_true(json_integer_value(json_object_get(suggestion.params, "filters")) <= 12);
  assert_true(json_integer_value(json_object_get(suggestion.params, "epochs")) <= 55);
  json_decref(suggestion.params);
  tear_down(&fixture);
}

/* The layers of a base model are no parameters, so that they cannot be made wider. */
static void
test_from_a_base(void **state)
{
  (void) state;
  struct fixture fixture;
  struct err_info info = {.text = ""};
  set_up(
    &fixture,
    "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}, \"search\": {\"space\": {\"cnn\":"
    " {\"flip\": \"no\"}}}, \"base_model\": {\"id\": \"mdl_1\", \"name\": \"m\", \"version\": 1,"
    " \"body\": {\"stages\": 2, \"blocks\": 1, \"filters\": 8, \"kernel\": 3, \"stride\": 1,"
    " \"early_pooling\": true, \"batch_norm\": true, \"activation\": \"relu\", \"height\": 28,"
    " \"width\": 28, \"channels\": 1, \"seen_height\": 28, \"seen_width\": 28}}}");
  assert_int_equal(fixture.spec->base.stages, 2);
  search_shortly(&fixture);
  struct tune_suggestion suggestion = suggest(&fixture, 60, 0);
  assert_int_equal(suggestion.decision, TUNE_ADD);
  assert_memory_equal(suggestion.point, fixture.points[2],
                      fixture.spec->space->count * sizeof(double));
  if (family_check_params("cnn", &fixture.shape, suggestion.params, &info) != ERR_OK)
    fail_msg("%s", info.text);
  json_decref(suggestion.params);
  tear_down(&fixture);
}

/* A search that has nothing more to gain turns to its long fits at once, and stays there. */
static void
test_before_their_time(void **state)
{
  static const char request[] =
    "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}, \"search\": {\"stop_when\":"
    " {\"expected_gain\": 1e6, \"regret_bound\": 1e6, \"after_trials\": 8}}}";
  (void) state;
  struct fixture fixture;
  set_up(&fixture, request);
  for (size_t i = 0; i < 8; i++)
  {
    struct tune_suggestion suggestion = suggest(&fixture, 95, 0);
    assert_false(suggestion.again);
    uint64_t trial = start(&fixture, &suggestion);
    json_decref(suggestion.params);
    end(&fixture, trial, i == 3 ? 0.1 : 0.2 + 0.01 * (double) i);
  }
  for (size_t i = 0; i < 2; i++)
  {
    struct tune_suggestion suggestion = suggest(&fixture, 90, i);
    start(&fixture, &suggestion);
    assert_true(suggestion.again);
    assert_memory_equal(suggestion.point, fixture.points[i == 0 ? 4 : 1],
                        fixture.spec->space->count * sizeof(double));
    json_decref(suggestion.params);
  }
  assert_true(tune_long_begun(fixture.study));
  end_after(&fixture, 9, 0.05, 50);
  struct tune_suggestion last = suggest(&fixture, 25, 1);
  assert_int_equal(last.decision, TUNE_STOP);
  tear_down(&fixture);
}

static void
test_when(void **state)
{
  (void) state;
  static const struct
  {
    const char *request;
    bool planned;
  } cases[] = {
    {"{\"budget\": {\"seconds\": 60}}", true},
    {"{\"budget\": {\"trials\": 9}}", false},
    {"{\"budget\": {\"seconds\": 60}, \"families\": [\"linear\"]}", false},
    {"{\"budget\": {\"seconds\": 60}, \"search\": {\"method\": \"random\"}}", true},
    {"{\"budget\": {\"seconds\": 60}, \"search\": {\"early_stopping\": \"asha\"}}", false}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct fixture fixture;
    set_up(&fixture, cases[i].request);
    assert_int_equal(tune_long_planned(fixture.spec, DATASET_IMAGES), cases[i].planned);
    assert_false(tune_long_planned(fixture.spec, DATASET_TABLE));
    enum tune_length early = tune_unit_length(fixture.spec, DATASET_IMAGES, 100, 90, false);
    enum tune_length late = tune_unit_length(fixture.spec, DATASET_IMAGES, 100, 40, false);
    enum tune_length again = tune_unit_length(fixture.spec, DATASET_IMAGES, 100, 90, true);
    assert_int_equal(early, cases[i].planned ? TUNE_LENGTH_SHORT : TUNE_LENGTH_USUAL);
    assert_int_equal(again, late);
    assert_int_equal(late, cases[i].planned ? TUNE_LENGTH_LONG : TUNE_LENGTH_USUAL);
    tear_down(&fixture);
  }
  struct tune_share share = {
    .search_s = 100, .search_left_s = 90, .folds_left = 1, .length = TUNE_LENGTH_SHORT};
  double brief = tune_unit_seconds(&share);
  share.length = TUNE_LENGTH_LONG;
  share.search_left_s = 60;
  double whole = tune_unit_seconds(&share);
  assert_true(brief < 8 && whole > 55 && whole < 60);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_best_again),
                                     cmocka_unit_test(test_defaults_again),
                                     cmocka_unit_test(test_late_best),
                                     cmocka_unit_test(test_best_alone),
                                     cmocka_unit_test(test_not_yet),
                                     cmocka_unit_test(test_waits),
                                     cmocka_unit_test(test_fills_the_time),
                                     cmocka_unit_test(test_whole_fits_are_left),
                                     cmocka_unit_test(test_families),
                                     cmocka_unit_test(test_too_slow_to_be_worth_it),
                                     cmocka_unit_test(test_waits_for_the_dearer),
                                     cmocka_unit_test(test_keeps_to_the_space),
                                     cmocka_unit_test(test_from_a_base),
                                     cmocka_unit_test(test_before_their_time),
                                     cmocka_unit_test(test_when),
                                     cmocka_unit_test(test_training_is_measured),
                                     cmocka_unit_test(test_searches_the_long_family),
                                     cmocka_unit_test(test_mirror_images)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
