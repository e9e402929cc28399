/* The families' published spaces and parameters. */
#include <config.h>

#include "base/space.h"
#include "base/space_json.h"
#include "data/metric.h"
#include "model/family.h"
#include "tests/harness/test_support.h"

/* Every family's space, for every kind of data: legal, with defaults, and legal for the trainers. */
static void
test_family_spaces(void **state)
{
  (void) state;
  static const size_t rows[] = {12, 500, 5000, 60000, 2000000};

  for (const struct model_family *family = model_families(); family->name; family++)
    for (int task = TASK_BINARY; task <= TASK_REGRESSION; task++)
      for (size_t r = 0; r < 5; r++)
        for (int images = 0; images < 2; images++)
        {
          struct model_data_shape shape = {.kind = images ? DATASET_IMAGES : DATASET_TABLE,
                                           .task = (enum task_kind) task,
                                           .rows = rows[r],
                                           .columns = images ? 784 : 12,
                                           .height = 28,
                                           .width = 28,
                                           .channels = 1,
                                           .classes =
                                             task == TASK_REGRESSION ? 0 : 2 + 3 * (size_t) task};
          struct arena *arena = arena_new(0);
          struct json_faults faults;
          struct space *space;
          double point[64];
          json_t *json = family->default_space(&shape);
          json_faults_init(&faults, arena);
          if (space_from_json(json, "", arena, &space, &faults) != ERR_OK)
            fail_msg("%s: %s %s", family->name, faults.items[0].pointer, faults.items[0].message);
          assert_true(space->count <= 64);
          for (size_t i = 0; i < space->count; i++)
            assert_true(space->params[i].kind == SPACE_FIXED
                        || (space->params[i].has_default && space->params[i].help));
          struct rng rng;
          rng_init(&rng, 1, 1);
          for (int tries = 0; tries < 30; tries++)
          {
            struct err_info info = {.text = ""};
            if (tries == 0)
              space_default_point(space, point);
            else
              space_sample(space, &rng, point);
            json_t *params = space_point_to_json(space, point);
            if (family_check_params(family->name, &shape, params, &info) != ERR_OK)
              fail_msg("%s", info.text);
            json_decref(params);
          }
          assert_true(family->cost_estimate(&shape, rows[r]) > 0.0);
          assert_true(family->cost_estimate(&shape, 2 * rows[r])
                      > family->cost_estimate(&shape, rows[r]));
          json_decref(json);
          arena_free(arena);
        }
}

/* Labels are not smoothed where probabilities are scored; large tables get wider nets, small ones more epochs. */
static void
test_tuned_defaults(void **state)
{
  (void) state;
  struct model_data_shape shape = {
    .kind = DATASET_TABLE, .task = TASK_BINARY, .rows = 900, .columns = 9, .classes = 2};
  assert_near(family_number("mlp", &shape, NULL, "label_smoothing"), 0.1, 0.0);
  assert_near(family_number("mlp", &shape, NULL, "learning_rate"), 2.5e-3, 0.0);
  assert_near(family_number("mlp", &shape, NULL, "units"), 128, 0.0);
  assert_near(family_number("mlp", &shape, NULL, "epochs"), 128, 0.0);
  assert_near(family_number("mlp", &shape, NULL, "layers"), 2, 0.0);
  shape.probabilities = true;
  assert_near(family_number("mlp", &shape, NULL, "label_smoothing"), 0.0, 0.0);
  shape.rows = 80000;
  assert_near(family_number("mlp", &shape, NULL, "units"), 256, 0.0);
  assert_near(family_number("mlp", &shape, NULL, "epochs"), 24, 0.0);
  shape.task = TASK_REGRESSION;
  assert_near(family_number("mlp", &shape, NULL, "learning_rate"), 1.25e-2, 0.0);
  assert_null(family_param_find("mlp", "label_smoothing", &shape));
  shape.kind = DATASET_IMAGES;
  assert_null(family_param_find("mlp", "network", &shape));
  assert_true(metric_takes_probabilities(METRIC_LOG_LOSS)
              && metric_takes_probabilities(METRIC_ROC_AUC));
  assert_false(metric_takes_probabilities(METRIC_ACCURACY)
               || metric_takes_probabilities(METRIC_RMSE));
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_family_spaces),
                                     cmocka_unit_test(test_tuned_defaults)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
