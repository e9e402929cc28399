/* A model's answer for a row is the same alone, among others, and wherever it stands among them. */
#include <config.h>

#include "base/proc.h"
#include "model/kernel.h"
#include "model/kernel_row.h"
#include "model/model_build.h"
#include "tests/harness/toy_fit.h"

#define ROWS ((size_t) 300) /* more than one batch of predict.c's */
#define OUTPUTS_MAX ((size_t) 3)

/* Of kernels whose order of adding is not known the last bits may differ. */
static double
allowed(void)
{
  return kernel_row_here() && strncmp(kernel_name(), "onednn 2.", 9) == 0 ? 0.0 : 1e-5;
}

static void
check_model(const struct model *model, const struct dataset *dataset)
{
  static float all[ROWS * OUTPUTS_MAX], some[ROWS * OUTPUTS_MAX];
  static const size_t counts[] = {1, 2, 5, 10, 33, 255};
  struct model_workspace *workspace = model_workspace_new();
  struct model_about about;
  size_t rows[ROWS];

  model_about(model, &about);
  size_t outputs = about.task->output_count;
  assert_non_null(workspace);
  assert_int_equal(model_predict_dataset(model, workspace, dataset, NULL, ROWS, all, NULL), ERR_OK);
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
    for (size_t first = 0; first + counts[c] <= ROWS; first += counts[c] < 10 ? 23 : 37)
    {
      size_t n = counts[c];
      for (size_t i = 0; i < n; i++)
        rows[i] = first + n - 1 - i; /* the other way round */
      assert_int_equal(model_predict_dataset(model, workspace, dataset, rows, n, some, NULL),
                       ERR_OK);
      for (size_t i = 0; i < n * outputs; i++)
        assert_near(some[i], all[rows[i / outputs] * outputs + i % outputs], allowed());
    }
  model_workspace_free(workspace);
}

/* Tables of one row each, as calls that are gathered have them. */
static void
check_singles(const struct model *model)
{
  enum
  {
    COUNT = 21
  };
  struct model_workspace *workspace = model_workspace_new();
  struct model_about about;
  struct row_batch *all, *batches[COUNT];
  const struct table *tables[COUNT];
  float together[COUNT * OUTPUTS_MAX], expected[COUNT * OUTPUTS_MAX];
  json_t *rows = json_array();
  struct rng rng;

  rng_init(&rng, 3, 3);
  model_about(model, &about);
  for (size_t i = 0; i < COUNT; i++)
  {
    json_t *row = json_array();
    for (size_t c = 0; c < row_schema_count(about.schema); c++)
    {
      enum column_type type;
      row_schema_column(about.schema, c, &type);
      json_array_append_new(row,
                            type == COLUMN_NUMERIC ? json_real(rng_normal(&rng)) : json_null());
    }
    json_array_append_new(rows, row);
  }
  for (size_t i = 0; i < COUNT; i++)
  {
    json_t *one = json_pack("[O]", json_array_get(rows, i));
    assert_int_equal(row_batch_from_json(about.schema, one, false, 1, &batches[i], NULL), ERR_OK);
    tables[i] = row_batch_table(batches[i]);
    json_decref(one);
  }
  assert_int_equal(row_batch_from_json(about.schema, rows, false, COUNT, &all, NULL), ERR_OK);
  assert_int_equal(
    model_predict_table(model, workspace, row_batch_table(all), NULL, COUNT, expected, NULL),
    ERR_OK);
  assert_int_equal(model_predict_singles(model, workspace, tables, COUNT, together, NULL), ERR_OK);
  for (size_t i = 0; i < COUNT * about.task->output_count; i++)
    assert_near(together[i], expected[i], allowed());
  assert_int_equal(model_predict_singles(model, workspace, tables, 1, together, NULL), ERR_OK);
  for (size_t i = 0; i < about.task->output_count; i++)
    assert_near(together[i], expected[i], allowed());
  assert_true(model_pass_bytes(model) == 0
              || (strcmp(about.family, "mlp") == 0 && kernel_rows_alike()));
  for (size_t i = 0; i < COUNT; i++)
    row_batch_free(batches[i]);
  row_batch_free(all);
  json_decref(rows);
  model_workspace_free(workspace);
}

static void
check_family(const char *family, const char *params, enum toy_target target)
{
  struct toy_fit fit;
  struct train_result result = {.model = NULL};

  toy_fit_init(&fit, toy_table(ROWS, target, TOY_NAN_AND_HUGE, 9), family, params);
  toy_fit_run(&fit, &result);
  if (target != TOY_NUMBER)
    assert_int_equal(model_set_temperature(result.model, 1.4, NULL), ERR_OK);
  check_model(result.model, fit.dataset);
  check_singles(result.model);
  train_result_clear(&result);
  toy_fit_clear(&fit);
}

static void
test_rows(void **state)
{
  (void) state;
  for (int target = TOY_BINARY; target <= TOY_NUMBER; target++)
  {
    check_family("linear", "{}", (enum toy_target) target);
    check_family("trees", "{\"rounds\": 20}", (enum toy_target) target);
    check_family("mlp", "{\"layers\": 2, \"units\": 48, \"epochs\": 2}", (enum toy_target) target);
  }
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
