/* What the server and the engine plan with before anything ran: costs of fits, and an earlier job's trials. */
#include <config.h>

#include "model/family_cost.h"
#include "model/kernel.h"

#include <math.h>

#include "base/space_json.h"
#include "tests/harness/job_reading.h"

static const char schema_text[] =
  "{\"kind\": \"table\", \"rows\": 569, \"columns\": ["
  "{\"name\": \"x\", \"type\": \"numeric\", \"missing\": 0, \"distinct\": 500},"
  "{\"name\": \"where\", \"type\": \"categorical\", \"missing\": 0, \"distinct\": 12},"
  "{\"name\": \"street\", \"type\": \"categorical\", \"missing\": 0, \"distinct\": 400},"
  "{\"name\": \"when\", \"type\": \"datetime\", \"missing\": 0, \"distinct\": 500},"
  "{\"name\": \"story\", \"type\": \"text\", \"missing\": 0, \"distinct\": 500},"
  "{\"name\": \"kind\", \"type\": \"categorical\", \"missing\": 0, \"distinct\": 3}],"
  "\"warnings\": []}";

/* More of anything never costs less, and nothing is free or endless. */
static void
test_costs_grow(void **state)
{
  (void) state;
  static const size_t counts[] = {1, 10, 150, 1000, 100000, 50000000};
  for (const struct model_family *family = model_families(); family->name; family++)
    for (size_t c = 1; c <= 10000; c *= 10)
    {
      double before = 0;
      for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
      {
        struct model_data_shape shape = {
          .kind = DATASET_TABLE, .task = TASK_MULTICLASS, .rows = 5000, .columns = c, .classes = 4};
        if (family->refuse(&shape))
          shape = (struct model_data_shape){.kind = DATASET_IMAGES,
                                            .task = TASK_MULTICLASS,
                                            .rows = 5000,
                                            .height = 8 + c % 100,
                                            .width = 8 + c % 100,
                                            .channels = 1,
                                            .columns = c,
                                            .classes = 4};
        double cost = family_cost(family->name, &shape, NULL, counts[i]);
        double least = family_cost_least(family->name, &shape, NULL, counts[i]);
        shape.columns *= 2;
        shape.channels *= 2;
        double wider = family_cost(family->name, &shape, NULL, counts[i]);
        assert_true(isfinite(cost) && cost > before && wider >= cost);
        assert_true(least > 0 && least <= cost);
        before = cost;
      }
    }
  assert_true(family_cost("nothing", &(struct model_data_shape){.rows = 1}, NULL, 1) == 0);
}

/* Measured by tests/bench/cost_model on the machine of the constants; a factor of 3 is promised. */
static void
test_costs_measured(void **state)
{
  (void) state;
  static const struct
  {
    const char *family;
    size_t rows, columns, classes;
    double seconds;
  } cases[] = {{"linear", 455, 30, 2, 0.0014},      {"trees", 455, 30, 2, 0.36},
               {"mlp", 455, 30, 2, 0.055},          {"linear", 80000, 30, 2, 0.45},
               {"trees", 80000, 30, 2, 11.1},       {"mlp", 80000, 30, 2, 14.0},
               {"trees", 80000, 30, 7, 140.0},      {"mlp", 120, 4, 3, 0.0235},
               {"linear", 55000, 28 * 28, 10, 1.8}, {"mlp", 55000, 28 * 28, 10, 6.0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct model_data_shape shape = {.kind =
                                       cases[i].columns > 500 ? DATASET_IMAGES : DATASET_TABLE,
                                     .task = cases[i].classes > 2 ? TASK_MULTICLASS : TASK_BINARY,
                                     .rows = cases[i].rows * 5 / 4,
                                     .columns = cases[i].columns,
                                     .classes = cases[i].classes};
    double ratio = family_cost(cases[i].family, &shape, NULL, cases[i].rows) / cases[i].seconds;
    if (!(ratio > 1.0 / 3.0 && ratio < 3.0))
      fail_msg("%s on %zu rows: %.2f of what was measured", cases[i].family, cases[i].rows, ratio);
  }
  double factor = family_machine_factor();
  assert_true(factor >= 0.1 && factor <= 10.0);
}

/* Microseconds of CPU of a row in the second epoch of tests/bench/train_fit fashion cnn, on a machine that others used,
 * too. */
static void
test_cnn_costs_measured(void **state)
{
  (void) state;
  static const struct
  {
    int filters;
    double fp32_us, bf16_us;
  } cases[] = {{8, 61, 49}, {16, 139, 98}};
  struct model_data_shape shape = {.kind = DATASET_IMAGES,
                                   .task = TASK_MULTICLASS,
                                   .rows = 60000,
                                   .columns = 28 * 28,
                                   .height = 28,
                                   .width = 28,
                                   .channels = 1,
                                   .classes = 10};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (int narrow = 0; narrow < 2; narrow++)
    {
      json_t *params = json_pack("{s:i, s:i, s:s}", "filters", cases[i].filters, "epochs", 10,
                                 "precision", narrow ? "auto" : "fp32");
      double us = narrow && kernel_bf16_fast() ? cases[i].bf16_us : cases[i].fp32_us;
      double ratio = family_cost("cnn", &shape, params, 55000) / (10 * 55000 * us * 1e-6);
      json_decref(params);
      if (!(ratio > 1.0 / 3.0 && ratio < 3.0))
        fail_msg("%d filters: %.2f of what was measured", cases[i].filters, ratio);
    }
}

static void
test_job_costs(void **state)
{
  (void) state;
  struct model_data_shape shape = {
    .kind = DATASET_TABLE, .task = TASK_MULTICLASS, .rows = 569, .columns = 5, .classes = 3};
  struct reading plain, large;
  read_good(&plain, schema_text, "{\"target\": \"kind\", \"families\": [\"mlp\"]}");
  read_good(&large, schema_text,
            "{\"target\": \"kind\", \"families\": [\"mlp\"], \"search\": {\"space\": {"
            "\"units\": 2048, \"layers\": 6}}}");
  struct family_cost_range usual = family_cost_of_job(plain.spec, 0, &shape, 455);
  struct family_cost_range more = family_cost_of_job(large.spec, 0, &shape, 455);
  assert_true(usual.least_s < usual.usual_s);
  assert_true(more.usual_s > 20 * usual.usual_s);
  assert_true(more.least_s > usual.least_s && more.least_s < more.usual_s);
  done(&plain);
  done(&large);
}

static void
test_encoded_columns(void **state)
{
  (void) state;
  json_t *schema = json_loads(schema_text, 0, NULL);
  assert_int_equal(family_encoded_columns(schema, "kind"), 1 + 12 + 1 + 7 + 5 + 3);
  assert_int_equal(family_text_characters(schema, "kind"), 100);
  json_decref(schema);
}

/* An earlier job's trials become points of the new space: clamped, at the default where they say nothing. */
static void
test_warm_start(void **state)
{
  (void) state;
  struct reading reading;
  read_good(
    &reading, schema_text,
    "{\"target\": \"kind\", \"families\": [\"linear\", \"mlp\"], \"search\": {\"space\": "
    "{\"mlp\": {\"units\": {\"low\": 32, \"high\": 100}, \"optimizer\": {\"choices\": [\"adamw\", "
    "\"sgd\"]}, \"batch_size\": {\"values\": [32, 128, 256]}}}, \"warm_start_from\": \"job_1\", "
    "\"warm_start\": [[\"mlp\", {\"units\": 512, \"optimizer\": \"sgd\", \"batch_size\": 100, "
    "\"gone\": 1}, -0.9], [\"trees\", {\"max_depth\": 3}, -0.8], [\"linear\", {\"penalty\": "
    "0.5}, -0.7], [\"linear\", 3, -0.6], [], 7, [\"mlp\", {\"optimizer\": \"lion\"}, -0.5]]}}");
  const struct job_spec *spec = reading.spec;
  const struct space *space = spec->space;
  assert_string_equal(spec->warm_start_from, "job_1");
  assert_int_equal(spec->warm_count, 2);
  assert_near(spec->warm_values[0], -0.9, 0);
  assert_near(spec->warm_values[1], -0.7, 0);
  for (size_t i = 0; i < spec->warm_count; i++)
    assert_true(space_contains(space, spec->warm_points + i * space->count));
  json_t *first = space_point_to_json(space, spec->warm_points);
  assert_string_equal(json_string_value(json_object_get(first, "family")), "mlp");
  assert_int_equal(json_integer_value(json_object_get(first, "mlp.units")), 100);
  assert_int_equal(json_integer_value(json_object_get(first, "mlp.batch_size")), 128);
  assert_string_equal(json_string_value(json_object_get(first, "mlp.optimizer")), "sgd");
  assert_near(json_number_value(json_object_get(first, "mlp.dropout")), 0.15, 1e-9);
  json_decref(first);
  /* and the normal form says the same */
  json_t *form = job_spec_to_json(spec);
  struct job_spec_context context = {.methods = job_methods,
                                     .max_seconds = 86400,
                                     .max_trials = 10000,
                                     .dataset_schema = reading.schema};
  struct job_spec *again;
  assert_int_equal(job_spec_from_json(form, &context, reading.arena, &again, &reading.faults),
                   ERR_OK);
  assert_int_equal(again->warm_count, 2);
  assert_memory_equal(again->warm_values, spec->warm_values, 2 * sizeof(double));
  json_decref(form);
  done(&reading);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_costs_grow),         cmocka_unit_test(test_costs_measured),
    cmocka_unit_test(test_cnn_costs_measured), cmocka_unit_test(test_job_costs),
    cmocka_unit_test(test_encoded_columns),    cmocka_unit_test(test_warm_start),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
