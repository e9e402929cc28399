/* The search space of a job: what a request changes of it, its rules, and what of it is stored. */
#include <config.h>

#include "base/space_json.h"
#include "tests/harness/job_reading.h"

static void
test_overrides(void **state)
{
  (void) state;
  struct reading reading;

  read_good(
    &reading, table_schema,
    "{\"target\": \"kind\", \"families\": [\"mlp\"], \"search\": {\"space\": {\"dropout\": 0.25, "
    "\"optimizer\": \"sgd\", \"units\": {\"low\": 16, \"high\": 32}, "
    "\"epochs\": {\"type\": \"int\", \"low\": 3, \"high\": 9}}}}");
  const struct space *space = reading.spec->space;
  const struct space_param *dropout = &space->params[space_find(space, "mlp.dropout")];
  const struct space_param *units = &space->params[space_find(space, "mlp.units")];
  const struct space_param *epochs = &space->params[space_find(space, "mlp.epochs")];
  assert_int_equal(dropout->kind, SPACE_FIXED);
  assert_near(dropout->values[0].number, 0.25, 0.0);
  assert_int_equal(units->kind, SPACE_INT);
  assert_int_equal(units->scale, SPACE_LOG); /* kept from the default */
  assert_near(units->high, 32.0, 0.0);
  assert_int_equal(epochs->kind, SPACE_INT);
  assert_true(space_find(space, "mlp.momentum") != SIZE_MAX);
  done(&reading);

  /* without sgd there is no momentum */
  read_good(
    &reading, table_schema,
    "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"optimizer\": \"adamw\"}}}}");
  assert_true(space_find(reading.spec->space, "mlp.momentum") == SIZE_MAX);
  done(&reading);
  read_good(
    &reading, table_schema,
    "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"optimizer\": {\"choices\": "
    "[\"adamw\", \"adam\"]}}}}}");
  assert_true(space_find(reading.spec->space, "mlp.momentum") == SIZE_MAX);
  done(&reading);
  read_good(
    &reading, table_schema,
    "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"optimizer\": {\"choices\": "
    "[\"sgd\", \"adam\"]}}}}}");
  assert_true(space_find(reading.spec->space, "mlp.momentum") != SIZE_MAX);
  done(&reading);

  /* what is not searched by default may be asked for, with what depends on it */
  read_good(&reading, table_schema,
            "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"optimizer\": "
            "\"heavy_ball\", \"activation\": {\"choices\": [\"selu\", \"silu\"]}}}}}");
  assert_true(space_find(reading.spec->space, "mlp.momentum") != SIZE_MAX);
  done(&reading);
}

/* A space as the first release stored it: none of the parameters added since, so that points keep their places. */
static void
test_stored_spaces(void **state)
{
  (void) state;
  static const char *const names[] = {
    "family",        "mlp.learning_rate",   "mlp.layers",     "mlp.units",        "mlp.dropout",
    "mlp.optimizer", "mlp.momentum",        "mlp.batch_size", "mlp.weight_decay", "mlp.activation",
    "mlp.schedule",  "mlp.label_smoothing", "mlp.epochs"};
  struct reading reading;

  read_good(
    &reading, table_schema,
    "{\"target\": \"kind\", \"families\": [\"mlp\"], \"search\": {\"space\": {\"mlp\": {"
    "\"learning_rate\": {\"type\": \"float\", \"low\": 2e-4, \"high\": 0.2, \"scale\": \"log\", "
    "\"default\": 2e-3},"
    "\"layers\": {\"type\": \"int\", \"low\": 1, \"high\": 4, \"default\": 2},"
    "\"units\": {\"type\": \"int\", \"low\": 16, \"high\": 512, \"scale\": \"log\", \"default\": "
    "64},"
    "\"dropout\": {\"type\": \"float\", \"low\": 0.0, \"high\": 0.6, \"default\": 0.15},"
    "\"optimizer\": {\"type\": \"categorical\", \"choices\": [\"adamw\", \"adam\", \"sgd\"], "
    "\"default\": \"adamw\"},"
    "\"momentum\": {\"type\": \"float\", \"low\": 0.5, \"high\": 0.98, \"default\": 0.9, \"when\": "
    "{\"optimizer\": [\"sgd\"]}},"
    "\"batch_size\": {\"type\": \"ordinal\", \"values\": [32, 64, 128, 256, 512], \"default\": 32},"
    "\"weight_decay\": {\"type\": \"float\", \"low\": 1e-6, \"high\": 0.3, \"scale\": \"log\", "
    "\"default\": 0.01},"
    "\"activation\": {\"type\": \"categorical\", \"choices\": [\"relu\", \"gelu\", \"mish\", "
    "\"tanh\"], \"default\": \"relu\"},"
    "\"schedule\": {\"type\": \"categorical\", \"choices\": [\"cosine\", \"one_cycle\", "
    "\"constant\"], \"default\": \"cosine\"},"
    "\"label_smoothing\": {\"type\": \"float\", \"low\": 0.0, \"high\": 0.2, \"default\": 0.05},"
    "\"epochs\": 80}}}}");
  const struct space *space = reading.spec->space;
  assert_int_equal(space->count, sizeof names / sizeof names[0]);
  for (size_t i = 0; i < space->count; i++)
    assert_string_equal(space->params[i].name, names[i]);
  assert_near(space->params[1].high, 0.2, 1e-12);
  done(&reading);
}

/* Rules are told within a family (or flat), and those about what has left the space go with it. */
static void
test_rules(void **state)
{
  (void) state;
  struct reading reading;

  read_good(
    &reading, table_schema,
    "{\"target\": \"kind\", \"families\": [\"mlp\"], \"search\": {\"space\": {\"optimizer\": "
    "{\"choices\": [\"adam\", \"sgd\"]}, \"$relations\": [\"units <= 8*epochs\"], \"$forbidden\": "
    "[{\"optimizer\": \"sgd\", \"units\": {\"min\": "
    "129}}, {\"momentum\": {\"min\": 0.95}}]}}}");
  const struct space *space = reading.spec->space;
  assert_int_equal(space->relation_count, 1);
  assert_int_equal(space->forbidden_count, 2);
  double *point = test_calloc(space->count, sizeof *point);
  struct rng rng;
  rng_init(&rng, 4, 0);
  size_t units = space_find(space, "mlp.units"), epochs = space_find(space, "mlp.epochs");
  for (int i = 0; i < 200; i++)
  {
    space_sample(space, &rng, point);
    assert_true(space_contains(space, point));
    assert_true(point[units] <= 8 * space_param_number(&space->params[epochs], point[epochs]));
  }
  test_free(point);
  done(&reading);

  /* adamw has no momentum: the combination with it can't come up */
  read_good(&reading, table_schema,
            "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"optimizer\": \"adamw\", "
            "\"$relations\": [\"momentum < dropout\", \"units <= 8*epochs\"], "
            "\"$forbidden\": [{\"momentum\": {\"min\": 0.95}}, {\"optimizer\": \"sgd\"}]}}}}");
  assert_int_equal(reading.spec->space->relation_count, 1);
  assert_int_equal(reading.spec->space->forbidden_count, 0);
  done(&reading);

  read_spec(
    &reading, table_schema,
    "{\"target\": \"kind\", \"search\": {\"space\": {\"$relations\": [\"units < epochs\"]}}}");
  expect_fault(&reading, "/search/space/$relations", "within a family");
  done(&reading);
  read_spec(&reading, table_schema,
            "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"$relations\": [\"units < "
            "epoch\"]}}}}");
  expect_fault(&reading, "/search/space/mlp/$relations/0", "unknown parameter \"epoch\"");
  done(&reading);
  read_spec(
    &reading, table_schema,
    "{\"target\": \"kind\", \"families\": [\"mlp\"], \"search\": {\"space\": {\"$relations\": "
    "[\"units < 2\"]}}}");
  expect_fault(&reading, "/search/space/$relations/0", "can never hold");
  done(&reading);
}

/* What is stored reads back to the same job, and to the same stored form. */
static void
test_normal_form(void **state)
{
  (void) state;
  static const char *const requests[] = {
    "{\"target\": \"kind\"}",
    "{\"target\": \"price\", \"families\": [\"trees\"], \"search\": {\"space\": {\"max_depth\": "
    "3}}, "
    "\"validation\": {\"holdout\": 0.3}}",
    "{\"target\": \"sold\", \"metric\": \"roc_auc\", \"deploy_as\": \"m\", \"budget\": "
    "{\"trials\": 4, "
    "\"target_score\": 0.9}, \"search\": {\"space\": {\"mlp\": {\"optimizer\": \"sgd\", \"units\": "
    "{\"type\": \"ordinal\", \"values\": [8, 16]}}}}, \"class_weight\": \"balanced\"}",
    "{\"target\": \"kind\", \"class_weight\": {\"b\": 2.5}, \"sample_weight\": \"x\", "
    "\"validation\": {\"time\": \"price\"}}",
    "{\"target\": \"kind\", \"validation\": {\"stratify\": false, \"group\": \"sold\"}}",
    "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"$relations\": [\"units <= "
    "8*epochs\"], "
    "\"$forbidden\": [{\"optimizer\": \"sgd\", \"units\": {\"min\": 129}}]}, \"trees\": "
    "{\"$relations\": [\"max_depth <= 9\"]}}}}"};

  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
  {
    struct reading first, second;
    read_good(&first, table_schema, requests[i]);
    json_t *form = job_spec_to_json(first.spec);
    assert_non_null(form);
    char *text = json_dumps(form, 0);
    read_good(&second, table_schema, text);
    json_t *again = job_spec_to_json(second.spec);
    if (!json_equal(form, again))
      fail_msg("%s\n%s", text, json_dumps(again, 0));
    json_t *space = space_to_json(first.spec->space),
           *space_again = space_to_json(second.spec->space);
    assert_true(json_equal(space, space_again));
    assert_int_equal(first.spec->has_target_score, second.spec->has_target_score);
    assert_int_equal(first.spec->stratify, second.spec->stratify);
    json_decref(space);
    json_decref(space_again);
    json_decref(form);
    json_decref(again);
    free(text);
    done(&first);
    done(&second);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_overrides),
    cmocka_unit_test(test_stored_spaces),
    cmocka_unit_test(test_rules),
    cmocka_unit_test(test_normal_form),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
