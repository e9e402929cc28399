/* Explanations against Shapley's definition by orders, and against what a linear model must give. */
#include <config.h>

#include "base/proc.h"
#include "model/explain.h"
#include "model/model_internal.h"
#include "tests/harness/toy_fit.h"

#define ROWS 200
#define MOST 64

static struct model *
fitted(enum toy_target target, const char *family, struct toy_fit *fit)
{
  struct train_result result;
  toy_fit_init(fit, toy_table(ROWS, target, TOY_GOOD, 3), family, "{}");
  toy_fit_run(fit, &result);
  struct model *model = result.model;
  result.model = NULL;
  train_result_clear(&result);
  return model;
}

/* The answer when just the columns of `set` speak. */
static double
answer_of(const struct model *model, struct model_workspace *workspace, const struct table *table,
          size_t row, size_t output, size_t set)
{
  bool hidden[MOST];
  float out[8];
  for (size_t c = 0; c < explain_columns(model); c++)
    hidden[c] = !(set >> c & 1);
  assert_int_equal(model_predict_hidden(model, workspace, table, &row, hidden, 1, out, NULL),
                   ERR_OK);
  return (double) out[output];
}

/* Adds what each column adds in every order of those not in `set`; returns how many orders there are. */
static double
walk_all(const double *answers, size_t columns, size_t set, double share, double *sums)
{
  size_t left = columns;
  for (size_t c = 0; c < columns; c++)
    left -= set >> c & 1;
  for (size_t c = 0; c < columns; c++)
    if (!(set >> c & 1))
    {
      size_t next = set | (size_t) 1 << c;
      sums[c] += share / (double) left * (answers[next] - answers[set]);
      walk_all(answers, columns, next, share / (double) left, sums);
    }
  return share;
}

static void
check(enum toy_target target, const char *family)
{
  struct toy_fit fit;
  struct model *model = fitted(target, family, &fit);
  const struct table *table = dataset_table(fit.dataset);
  struct model_workspace *workspace = model_workspace_new();
  size_t columns = explain_columns(model), output = target == TOY_THREE ? 2 : 0;
  double *answers = calloc((size_t) 1 << columns, sizeof *answers), most = 0;

  assert_in_range(columns, 2, EXPLAIN_EXACT_COLUMNS);
  for (size_t row = 0; row < 3; row++)
  {
    double base, sum, given[MOST], errors[MOST], wanted[MOST] = {0};
    float out[8];
    for (size_t set = 0; set < (size_t) 1 << columns; set++)
      answers[set] = answer_of(model, workspace, table, row, output, set);
    walk_all(answers, columns, 0, 1.0, wanted);
    assert_int_equal(explain_row(model, workspace, table, row, output, &base, given, errors, NULL),
                     ERR_OK);
    assert_near(base, answers[0], 1e-5);
    sum = base;
    for (size_t c = 0; c < columns; c++)
    {
      assert_near(given[c], wanted[c], 1e-5);
      assert_true(errors[c] == 0.0);
      sum += given[c];
      most = fmax(most, fabs(given[c]));
    }
    assert_int_equal(model_predict_table(model, workspace, table, &row, 1, out, NULL), ERR_OK);
    assert_near(sum, (double) out[output], 1e-4);
  }
  assert_true(most > 0.01);
  free(answers);
  model_workspace_free(workspace);
  model_free(model);
  toy_fit_clear(&fit);
}

static void
test_definition(void **state)
{
  (void) state;
  check(TOY_BINARY, "linear");
  check(TOY_THREE, "trees");
  check(TOY_NUMBER, "trees");
  check(TOY_BINARY, "mlp");
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_definition)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
