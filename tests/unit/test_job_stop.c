/* The rule by which a job's search ends for want of gain: how it is asked for and kept. */
#include <config.h>

#include "tests/harness/job_reading.h"

/* Reads a job's spec, or its normal form, whose search.stop_when is `rule` (NULL = left out). */
static void
read_rule(struct reading *reading, const char *rule)
{
  char request[500];
  int length = snprintf(request, sizeof request, "{\"target\": \"sold\", \"search\": {%s%s}}",
                        rule ? "\"stop_when\": " : "", rule ? rule : "");

  assert_true(length > 0 && (size_t) length < sizeof request);
  read_spec(reading, table_schema, request);
}

static void
there_is_none_unless_asked_for(void **state)
{
  static const char *const none[] = {NULL, "null"};
  (void) state;
  for (size_t i = 0; i < 2; i++)
  {
    struct reading reading;
    read_rule(&reading, none[i]);
    assert_int_equal(reading.rc, ERR_OK);
    assert_false(reading.spec->has_stop_when);
    json_t *form = job_spec_to_json(reading.spec);
    assert_null(json_object_get(json_object_get(form, "search"), "stop_when"));
    json_decref(form);
    done(&reading);
  }
}

/* The normal form of what was asked for says the same when it is read again. */
static void
check_kept(const char *rule, double gain, double bound, size_t trials)
{
  struct reading reading, again;
  read_rule(&reading, rule);
  assert_int_equal(reading.rc, ERR_OK);
  json_t *form = job_spec_to_json(reading.spec);
  char *kept = json_dumps(json_object_get(json_object_get(form, "search"), "stop_when"), 0);
  assert_non_null(kept);
  read_rule(&again, kept);
  assert_int_equal(again.rc, ERR_OK);
  const struct job_spec *specs[] = {reading.spec, again.spec};
  for (size_t i = 0; i < 2; i++)
  {
    assert_true(specs[i]->has_stop_when);
    assert_true(isnan(gain) ? isnan(specs[i]->stop_expected_gain)
                            : specs[i]->stop_expected_gain == gain);
    assert_true(isnan(bound) ? isnan(specs[i]->stop_regret_bound)
                             : specs[i]->stop_regret_bound == bound);
    assert_int_equal(specs[i]->stop_after_trials, trials);
  }
  free(kept);
  json_decref(form);
  done(&reading);
  done(&again);
}

static void
it_is_kept(void **state)
{
  (void) state;
  check_kept("{\"expected_gain\": 0.001}", 0.001, NAN, 20);
  check_kept("{\"expected_gain\": 0, \"after_trials\": 4}", 0, NAN, 4);
  check_kept("{\"regret_bound\": 2, \"expected_gain\": null}", NAN, 2, 20);
  check_kept("{\"expected_gain\": 0.5, \"regret_bound\": 2, \"after_trials\": 100}", 0.5, 2, 100);
}

static void
faults_say_where(void **state)
{
  static const struct
  {
    const char *rule, *pointer;
  } bad[] = {
    {"{}", "/search/stop_when"},
    {"{\"after_trials\": 9}", "/search/stop_when"},
    {"{\"expected_gain\": null}", "/search/stop_when"},
    {"0.001", "/search/stop_when"},
    {"{\"expected_gain\": -1}", "/search/stop_when/expected_gain"},
    {"{\"expected_gain\": \"much\"}", "/search/stop_when/expected_gain"},
    {"{\"regret_bound\": -0.5}", "/search/stop_when/regret_bound"},
    {"{\"expected_gain\": 1, \"after_trials\": 3}", "/search/stop_when/after_trials"},
    {"{\"expected_gain\": 1, \"after_trials\": -9}", "/search/stop_when/after_trials"},
    {"{\"expected_gain\": 1, \"after_trials\": 8.5}", "/search/stop_when/after_trials"},
    {"{\"expected_gain\": 1, \"gain\": 1}", "/search/stop_when/gain"},
  };
  (void) state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
  {
    struct reading reading;
    read_rule(&reading, bad[i].rule);
    assert_int_equal(reading.rc, ERR_INVALID);
    assert_int_equal(reading.faults.count, 1);
    assert_string_equal(reading.faults.items[0].pointer, bad[i].pointer);
    done(&reading);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(there_is_none_unless_asked_for),
    cmocka_unit_test(it_is_kept),
    cmocka_unit_test(faults_say_where),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
