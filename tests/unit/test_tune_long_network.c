/* Which networks a search on images tries, of which it will train some at length, and how wide those become. */
#include <config.h>

#include "tests/harness/long_search.h"

#define NARROW_OR_WIDE                                                                             \
  "\"filters\": {\"type\": \"ordinal\", \"values\": [16, 64], \"default\": 16}, \"blocks\": 1"
#define SHALLOW_OR_DEEP                                                                            \
  "\"filters\": 16, \"blocks\": {\"type\": \"int\", \"low\": 0, \"high\": 1, \"default\": 1}"

/* Ten trials of a random search over such networks. Those whose parameter `name` is `other` took other_us for each row
 * in training, the rest, which are better, usual_us. Returns how many others came after the first trial, before which
 * nothing is known. */
static size_t
search_networks(struct fixture *fixture, const char *space, const char *name, json_int_t other,
                double usual_us, double other_us)
{
  char request[400];
  size_t others = 0;

  snprintf(request, sizeof request,
           "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}, \"search\": {\"method\": "
           "\"random\", \"space\": {\"cnn\": {%s, \"flip\": \"no\", \"stages\": 3,"
           " \"early_pooling\": \"yes\"}}}}",
           space);
  set_up(fixture, request);
  for (size_t i = 0; i < 10; i++)
  {
    struct tune_suggestion suggestion = suggest(fixture, 95, 0);
    bool is_other = json_integer_value(json_object_get(suggestion.params, name)) == other;
    uint64_t trial = start(fixture, &suggestion);
    json_decref(suggestion.params);
    end_trained(fixture, trial, is_other ? -0.5 : -0.9, is_other ? other_us : usual_us);
    others += is_other && i > 0;
  }
  return others;
}

static size_t
count_others(const char *space, const char *name, json_int_t other, double usual_us,
             double other_us)
{
  struct fixture fixture;
  size_t others = search_networks(&fixture, space, name, other, usual_us, other_us);
  tear_down(&fixture);
  return others;
}

/* The wide ones, about 15 times as dear, are not tried where even a long fit, 75 s, has no time for five sweeps over
 * 16,000 rows. */
static void
test_too_dear(void **state)
{
  (void) state;
  assert_true(count_others(NARROW_OR_WIDE, "filters", 64, 10, 150) > 0);
  assert_int_equal(count_others(NARROW_OR_WIDE, "filters", 64, 80, 1200), 0);
}

/* A short fit of 5 s has five sweeps over 16,000 rows at 62 µs; with fewer a shallow network would seem better than it
 * is. */
static void
test_too_short_for_shallow(void **state)
{
  (void) state;
  assert_true(count_others(SHALLOW_OR_DEEP, "blocks", 0, 60, 30) > 0);
  assert_int_equal(count_others(SHALLOW_OR_DEEP, "blocks", 0, 65, 30), 0);
}

/* The width of the long fit where narrow networks, the best ones, see 16,000 rows 75 times in the time that is left. */
static json_int_t
width_at_length(double wide_us)
{
  struct fixture fixture;

  assert_true(search_networks(&fixture, NARROW_OR_WIDE, "filters", 64, 50, wide_us) > 0);
  struct tune_suggestion suggestion = suggest(&fixture, 60, 0);
  assert_true(suggestion.again);
  json_int_t width = json_integer_value(json_object_get(suggestion.params, "filters"));
  json_decref(suggestion.params);
  tear_down(&fixture);
  return width;
}

/* What a wide network takes is known from those that were tried: it is not always in proportion to its operations. It
 * has to see the rows 40 times. */
static void
test_width_is_measured(void **state)
{
  (void) state;
  assert_int_equal(width_at_length(750), 16);
  assert_int_equal(width_at_length(100), 16);
  assert_int_equal(width_at_length(88), 64);
}

/* Short trials before the first long one while there is time for eight and for what training on a row takes. */
static size_t
count_short(double train_us)
{
  struct fixture fixture;
  size_t count = 0;
  bool again = false;

  set_up(&fixture, "{\"families\": [\"cnn\"], \"budget\": {\"seconds\": 110}}");
  while (!again && count < 8)
  {
    struct tune_suggestion suggestion = suggest(&fixture, 95, 0);
    again = suggestion.again;
    uint64_t trial = start(&fixture, &suggestion);
    json_decref(suggestion.params);
    end_trained(&fixture, trial, -0.9, train_us);
    count += !again;
  }
  tear_down(&fixture);
  return count;
}

/* A short fit of 5 s sees 16,000 rows once at 312 µs; where rows take longer only the defaults are tried, with and without
 * mirror images, and then trained at length. */
static void
test_too_short_to_tell(void **state)
{
  (void) state;
  assert_int_equal(count_short(300), 8);
  assert_int_equal(count_short(325), 2);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_too_dear),
    cmocka_unit_test(test_too_short_for_shallow),
    cmocka_unit_test(test_width_is_measured),
    cmocka_unit_test(test_too_short_to_tell),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
