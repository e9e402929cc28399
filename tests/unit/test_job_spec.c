/* What a job's request is read as: defaults, all of its parts, and faults by their places. */
#include <config.h>

#include "model/family.h"
#include "tests/harness/job_reading.h"

static const char image_schema[] =
  "{\"kind\": \"images\", \"rows\": 60000, \"height\": 28, \"width\": 28, \"channels\": 1, "
  "\"classes\": [{\"name\": \"a\", \"count\": 20000}, {\"name\": \"b\", \"count\": 20000}, "
  "{\"name\": \"c\", \"count\": 20000}], \"warnings\": []}";

static void
test_defaults(void **state)
{
  (void) state;
  struct reading reading;

  read_good(&reading, table_schema, "{\"dataset\": \"ds_1\", \"target\": \"kind\"}");
  struct job_spec *spec = reading.spec;
  assert_string_equal(spec->target, "kind");
  assert_null(spec->task_name);
  assert_false(spec->has_metric);
  assert_near(spec->budget_seconds, 300.0, 0.0);
  assert_int_equal(spec->budget_trials, 0);
  assert_string_equal(spec->method, "bayes");
  assert_int_equal(spec->family_count, 3);
  assert_int_equal(space_find(spec->space, "family"), 0);
  assert_true(space_find(spec->space, "mlp.learning_rate") != SIZE_MAX);
  assert_true(space_find(spec->space, "trees.max_depth") != SIZE_MAX);
  assert_true(space_find(spec->space, "linear.penalty") != SIZE_MAX);
  assert_null(spec->deploy_as);
  done(&reading);

  read_good(&reading, image_schema, "{\"dataset\": \"ds_1\", \"budget\": {\"trials\": 7}}");
  assert_null(reading.spec->target);
  assert_near(reading.spec->budget_seconds, 0.0, 0.0);
  assert_int_equal(reading.spec->budget_trials, 7);
  assert_int_equal(reading.spec->family_count, 3); /* trees refuse images */
  done(&reading);
}

static void
test_everything(void **state)
{
  (void) state;
  struct reading reading;

  read_good(
    &reading, table_schema,
    "{\"target\": \"sold\", \"task\": \"binary\", \"metric\": \"log_loss\", \"name\": \"a job\","
    " \"deploy_as\": \"house-1.b\", \"budget\": {\"seconds\": 60, \"trials\": 20, "
    "\"target_score\": 0.1, \"max_predict_us\": 500, \"max_model_bytes\": 9000}, \"search\": "
    "{\"method\": "
    "\"sobol\", "
    "\"seed\": 9, \"parallel\": 2, \"grid_resolution\": 4}, \"families\": [\"mlp\", \"linear\"],"
    " \"validation\": {\"folds\": 4}, \"class_weight\": \"balanced\"}");
  struct job_spec *spec = reading.spec;
  assert_true(spec->has_metric && spec->metric == METRIC_LOG_LOSS);
  assert_string_equal(spec->deploy_as, "house-1.b");
  assert_near(spec->budget_seconds, 60.0, 0.0);
  assert_int_equal(spec->budget_trials, 20);
  assert_true(spec->has_target_score);
  assert_near(spec->target_score, 0.1, 0.0);
  assert_near(spec->max_predict_us, 500.0, 0.0);
  assert_near(spec->max_model_bytes, 9000.0, 0.0);
  assert_string_equal(spec->method, "sobol");
  assert_int_equal(spec->seed, 9);
  assert_int_equal(spec->parallel, 2);
  assert_int_equal(spec->grid_resolution, 4);
  assert_int_equal(spec->folds, 4);
  assert_true(spec->class_weight_balanced);
  assert_int_equal(spec->family_count, 2);
  assert_string_equal(spec->families[0], "mlp");
  done(&reading);
}

static const char rich_schema[] =
  "{\"kind\": \"table\", \"rows\": 400, \"columns\": ["
  "{\"name\": \"x\", \"type\": \"numeric\", \"missing\": 0, \"distinct\": 300},"
  "{\"name\": \"gaps\", \"type\": \"numeric\", \"missing\": 3, \"distinct\": 300},"
  "{\"name\": \"kind\", \"type\": \"categorical\", \"missing\": 0, \"distinct\": 3, "
  "\"examples\": [\"a\", \"b\", \"c\"]},"
  "{\"name\": \"when\", \"type\": \"datetime\", \"missing\": 0, \"distinct\": 90},"
  "{\"name\": \"patient\", \"type\": \"identifier\", \"missing\": 0, \"distinct\": 80},"
  "{\"name\": \"story\", \"type\": \"text\", \"missing\": 0, \"distinct\": 400},"
  "{\"name\": \"w\", \"type\": \"numeric\", \"missing\": 0, \"distinct\": 20}],"
  "\"warnings\": []}";

static void
test_rows(void **state)
{
  (void) state;
  struct reading reading;

  read_good(&reading, rich_schema,
            "{\"target\": \"kind\", \"validation\": {\"folds\": 3, \"group\": \"patient\", "
            "\"time\": \"when\"}, \"class_weight\": {\"b\": 2.5, \"c\": 1}, "
            "\"sample_weight\": \"w\", \"refit\": \"all\"}");
  const struct job_spec *spec = reading.spec;
  assert_string_equal(spec->group_column, "patient");
  assert_string_equal(spec->time_column, "when");
  assert_false(spec->stratify);
  assert_string_equal(spec->sample_weight, "w");
  assert_string_equal(spec->refit, "all");
  json_t *normal = job_spec_to_json(spec);
  assert_string_equal(json_get_string(normal, "refit", ""), "all");
  json_decref(normal);
  assert_false(spec->class_weight_balanced);
  assert_int_equal(spec->class_weight_count, 2);
  assert_string_equal(spec->class_weight_names[0], "b");
  assert_near(spec->class_weight_values[0], 2.5, 0);
  assert_true(job_spec_is_special_column(spec, "w") && job_spec_is_special_column(spec, "when"));
  assert_false(job_spec_is_special_column(spec, "x"));
  assert_int_equal(job_spec_special_columns(spec), 3);
  done(&reading);

  read_good(&reading, rich_schema, "{\"target\": \"kind\", \"class_weight\": null}");
  assert_true(reading.spec->stratify);
  assert_null(reading.spec->group_column);
  assert_null(reading.spec->time_column);
  assert_null(reading.spec->sample_weight);
  assert_string_equal(reading.spec->refit, "auto");
  assert_int_equal(reading.spec->class_weight_count, 0);
  done(&reading);
}

/* The fault with that pointer and text is there. */
static void
test_single_faults(void **state)
{
  (void) state;
  static const struct
  {
    const char *schema, *request, *pointer, *text;
  } cases[] = {
    {table_schema, "[]", "", "must be a JSON object"},
    {table_schema, "{}", "/target", "needs a target"},
    {table_schema, "{\"target\": \"colour\"}", "/target", "colour"},
    {table_schema, "{\"target\": \"kind\", \"budgets\": {}}", "/budgets", ""},
    {table_schema, "{\"target\": \"kind\", \"budget\": {\"seconds\": 0}}", "/budget/seconds", ""},
    {table_schema, "{\"target\": \"kind\", \"budget\": {\"trials\": 0}}", "/budget/trials", ""},
    {table_schema, "{\"target\": \"kind\", \"budget\": {\"seconds\": 1e9}}", "/budget/seconds", ""},
    {table_schema, "{\"target\": \"kind\", \"metric\": \"beauty\"}", "/metric", "no metric"},
    {table_schema, "{\"target\": \"kind\", \"metric\": \"rmse\"}", "/metric", "does not fit"},
    {table_schema, "{\"target\": \"price\", \"metric\": \"accuracy\"}", "/metric", "does not fit"},
    {table_schema, "{\"target\": \"price\", \"class_weight\": \"balanced\"}", "/class_weight",
     "regression"},
    {table_schema, "{\"target\": \"kind\", \"deploy_as\": \"Iris\"}", "/deploy_as", "no name"},
    {table_schema, "{\"target\": \"kind\", \"deploy_as\": \"-iris\"}", "/deploy_as", "no name"},
    {table_schema, "{\"target\": \"kind\", \"deploy_as\": \"123\"}", "/deploy_as", "only digits"},
    {table_schema, "{\"target\": \"kind\", \"deploy_as\": \"mdl_x\"}", "/deploy_as", "mdl_"},
    {table_schema, "{\"target\": \"kind\", \"families\": [\"forest\"]}", "/families/0",
     "no family"},
    {table_schema, "{\"target\": \"kind\", \"families\": [\"mlp\", \"mlp\"]}", "/families/1",
     "twice"},
    {image_schema, "{\"families\": [\"trees\"]}", "/families/0", "pixels"},
    {table_schema, "{\"target\": \"kind\", \"families\": []}", "/families", ""},
    {table_schema, "{\"target\": \"kind\", \"validation\": {\"holdout\": 0.2, \"folds\": 3}}",
     "/validation", "exclude"},
    {table_schema, "{\"target\": \"kind\", \"search\": {\"method\": \"magic\"}}", "/search/method",
     ""},
    {table_schema, "{\"target\": \"kind\", \"search\": {\"seed\": -1}}", "/search/seed", ""},
    {table_schema, "{\"target\": \"kind\", \"search\": {\"space\": {\"cnn\": {}}}}",
     "/search/space/cnn", "not a family of this job"},
    {table_schema, "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"neurons\": 3}}}}",
     "/search/space/mlp/neurons", "no hyperparameter"},
    {table_schema, "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"dropout\": 3}}}}",
     "/search/space/mlp/dropout", "0.95"},
    {table_schema,
     "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"dropout\": \"x\"}}}}",
     "/search/space/mlp/dropout", "must be a number"},
    {table_schema,
     "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"units\": {\"low\": 64, \"high\": "
     "8}}}}}",
     "/search/space/mlp/units/low", ""},
    {table_schema,
     "{\"target\": \"kind\", \"families\": [\"mlp\"], \"search\": {\"space\": {\"units\": "
     "{\"low\": 64, "
     "\"high\": 8}}}}",
     "/search/space/units/low", ""},
    {table_schema,
     "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"learning_rate\": {\"high\": "
     "1e9}}}}}",
     "/search/space/mlp/learning_rate/high", "100"},
    {table_schema,
     "{\"target\": \"kind\", \"search\": {\"space\": {\"mlp\": {\"epochs\": {\"low\": 3}}}}}",
     "/search/space/mlp/epochs", "type"},
    {table_schema,
     "{\"target\": \"kind\", \"families\": [\"linear\"], \"search\": {\"warm_start_from\": "
     "\"job_1\", "
     "\"warm_start\": [[\"mlp\", {\"units\": 64}, 0.1]]}}",
     "/search/warm_start_from", "in common"},
    {table_schema, "{\"target\": \"kind\", \"search\": {\"warm_start_from\": \"job_1\"}}",
     "/search/warm_start_from", "in common"},
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct reading reading;
    read_spec(&reading, cases[i].schema, cases[i].request);
    if (reading.rc != ERR_INVALID)
      fail_msg("accepted: %s", cases[i].request);
    expect_fault(&reading, cases[i].pointer, cases[i].text);
    done(&reading);
  }
}

static void
test_row_faults(void **state)
{
  (void) state;
  static const struct
  {
    const char *request, *pointer, *text;
  } cases[] = {
    {"\"validation\": {\"group\": \"nobody\"}", "/validation/group", "no column \"nobody\""},
    {"\"validation\": {\"group\": \"kind\"}", "/validation/group", "can't be the target"},
    {"\"validation\": {\"group\": \"story\"}", "/validation/group", "any type but text"},
    {"\"validation\": {\"group\": 7}", "/validation/group", "must"},
    {"\"validation\": {\"time\": \"patient\"}", "/validation/time", "datetime or numeric"},
    {"\"validation\": {\"time\": \"when\", \"stratify\": true}", "/validation/stratify",
     "can't be stratified"},
    {"\"validation\": {\"time\": \"when\", \"group\": \"when\"}", "/validation/time",
     "same column"},
    {"\"sample_weight\": \"when\"", "/sample_weight", "must be numeric"},
    {"\"sample_weight\": \"gaps\"", "/sample_weight", "no value in 3 rows"},
    {"\"sample_weight\": \"x\", \"validation\": {\"time\": \"x\"}", "/sample_weight",
     "already says"},
    {"\"class_weight\": {\"b\": 0}", "/class_weight/b", "number from"},
    {"\"class_weight\": {\"z\": 1}", "/class_weight/z", "no class \"z\""},
    {"\"class_weight\": {}", "/class_weight", "no class is named"},
    {"\"refit\": \"some\"", "/refit", "not one of the legal values"},
    {"\"refit\": true", "/refit", "must"},
    {"\"class_weight\": 3", "/class_weight", "must be \"balanced\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
  {
    struct reading reading;
    char request[300];
    snprintf(request, sizeof request, "{\"target\": \"kind\", %s}", cases[i].request);
    read_spec(&reading, rich_schema, request);
    expect_fault(&reading, cases[i].pointer, cases[i].text);
    assert_int_equal(reading.faults.count, 1);
    done(&reading);
  }
  struct reading reading;
  read_spec(&reading, rich_schema,
            "{\"target\": \"x\", \"class_weight\": {\"b\": -1}, \"sample_weight\": \"kind\", "
            "\"validation\": {\"group\": \"x\", \"time\": \"kind\", \"holdout\": 0.2, "
            "\"folds\": 3}}");
  assert_int_equal(reading.faults.count, 6);
  done(&reading);
  read_spec(&reading, image_schema, "{\"validation\": {\"group\": \"a\"}}");
  expect_fault(&reading, "/validation/group", "no columns");
  done(&reading);
}

static void
test_all_faults_at_once(void **state)
{
  (void) state;
  struct reading reading;

  read_spec(&reading, table_schema,
            "{\"target\": \"kind\", \"metric\": \"r2\", \"deploy_as\": \"A\", \"budget\": "
            "{\"seconds\": -1}, "
            "\"families\": [\"mlp\", \"x\"], \"search\": {\"method\": \"y\", \"space\": {\"mlp\": "
            "{\"z\": 1}}}}");
  expect_fault(&reading, "/metric", "");
  expect_fault(&reading, "/deploy_as", "");
  expect_fault(&reading, "/budget/seconds", "");
  expect_fault(&reading, "/families/1", "");
  expect_fault(&reading, "/search/method", "");
  expect_fault(&reading, "/search/space/mlp/z", "");
  assert_int_equal(reading.faults.count, 6);
  done(&reading);
}

/* The rule is none unless it is asked for, or the method is one; it stays so in the normal form. */
static void
test_early_stopping(void **state)
{
  (void) state;
  static const struct
  {
    const char *search, *rule;
  } cases[] = {{"{}", "none"},
               {"{\"early_stopping\": null}", "none"},
               {"{\"early_stopping\": \"median\"}", "median"},
               {"{\"method\": \"asha\"}", "asha"},
               {"{\"method\": \"asha\", \"early_stopping\": \"asha\"}", "asha"}};
  struct reading reading;
  char text[200];

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
  {
    snprintf(text, sizeof text, "{\"target\": \"kind\", \"search\": %s}", cases[i].search);
    read_good(&reading, table_schema, text);
    assert_string_equal(reading.spec->early_stopping, cases[i].rule);
    json_t *normal = job_spec_to_json(reading.spec);
    assert_string_equal(json_get_string(json_object_get(normal, "search"), "early_stopping", ""),
                        cases[i].rule);
    json_decref(normal);
    done(&reading);
  }
  read_spec(
    &reading, table_schema,
    "{\"target\": \"kind\", \"search\": {\"method\": \"asha\", \"early_stopping\": \"none\"}}");
  assert_int_equal(reading.rc, ERR_INVALID);
  assert_string_equal(reading.faults.items[0].pointer, "/search/early_stopping");
  done(&reading);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_early_stopping),
    cmocka_unit_test(test_defaults),
    cmocka_unit_test(test_everything),
    cmocka_unit_test(test_single_faults),
    cmocka_unit_test(test_rows),
    cmocka_unit_test(test_row_faults),
    cmocka_unit_test(test_all_faults_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
