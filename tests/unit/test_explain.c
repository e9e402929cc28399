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

#define WIDE 10

/* Ten numbers, three of which work together. */
static struct dataset *
wide_table(void)
{
  static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  static double values[WIDE + 1][ROWS];
  struct column columns[WIDE + 1] = {0};
  char folder[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  struct err_info info;
  struct rng rng;

  rng_init(&rng, 4, 9);
  for (size_t i = 0; i < ROWS; i++)
  {
    for (size_t c = 0; c < WIDE; c++)
      values[c][i] = rng_normal(&rng);
    values[WIDE][i] = 3.0 * values[0][i] * values[1][i] + 2.0 * values[2][i]
                      + (values[3][i] > 0 ? values[4][i] : -values[5][i]);
  }
  for (size_t c = 0; c <= WIDE; c++)
    columns[c] = (struct column){
      .name = c < WIDE ? names[c] : "y", .type = COLUMN_NUMERIC, .number = values[c]};
  struct table table = {.row_count = ROWS, .column_count = WIDE + 1, .columns = columns};
  test_make_dir(folder);
  test_path(path, folder, "toy.atds");
  assert_int_equal(dataset_save_table(path, &table, &info), ERR_OK);
  return toy_open(folder);
}

/* Drawn orders come as near to the values over all sets as their standard errors say, and again the same. */
static void
check_wide(const char *family)
{
  static double answers[1 << WIDE];
  struct toy_fit fit;
  struct train_result result;
  struct model_workspace *workspace = model_workspace_new();
  double base, again_base, sum, given[WIDE], again[WIDE], errors[WIDE];
  size_t row = 0;
  float out;

  toy_fit_init(&fit, wide_table(), family, "{}");
  toy_fit_run(&fit, &result);
  const struct table *table = dataset_table(fit.dataset);
  assert_int_equal(explain_columns(result.model), WIDE);
  assert_int_equal(explain_answers(result.model), EXPLAIN_ORDERS * (WIDE + 1));
  for (size_t set = 0; set < (size_t) 1 << WIDE; set++)
    answers[set] = answer_of(result.model, workspace, table, row, 0, set);
  assert_int_equal(explain_row(result.model, workspace, table, row, 0, &base, given, errors, NULL),
                   ERR_OK);
  assert_int_equal(
    explain_row(result.model, workspace, table, row, 0, &again_base, again, errors, NULL), ERR_OK);
  assert_near(base, answers[0], 1e-4);
  sum = base;
  for (size_t c = 0; c < WIDE; c++)
  {
    double wanted = 0;
    for (size_t set = 0; set < (size_t) 1 << WIDE; set++)
      if (!(set >> c & 1))
      {
        int size = __builtin_popcountll(set);
        wanted += tgamma(size + 1) * tgamma(WIDE - size) / tgamma(WIDE + 1)
                  * (answers[set | (size_t) 1 << c] - answers[set]);
      }
    assert_near(given[c], wanted, 5 * errors[c] + 1e-4);
    assert_true(given[c] == again[c]);
    sum += given[c];
  }
  assert_int_equal(model_predict_table(result.model, workspace, table, &row, 1, &out, NULL),
                   ERR_OK);
  assert_near(sum, (double) out, 1e-4);
  model_workspace_free(workspace);
  train_result_clear(&result);
  toy_fit_clear(&fit);
}

static void
test_drawn_orders(void **state)
{
  (void) state;
  check_wide("trees");
  check_wide("linear");
}

/* A mix is explained as its members are, in their shares. */
static void
test_mix(void **state)
{
  (void) state;
  static const double shares[] = {0.25, 0.75};
  struct toy_fit fits[2];
  struct model *members[] = {fitted(TOY_BINARY, "linear", &fits[0]),
                             fitted(TOY_BINARY, "trees", &fits[1])};
  struct model_workspace *workspace = model_workspace_new();
  const struct table *table = dataset_table(fits[0].dataset);
  double bases[3], given[3][MOST], errors[MOST];
  size_t columns = explain_columns(members[0]);
  struct model *bag;

  for (size_t i = 0; i < 2; i++)
    assert_int_equal(
      explain_row(members[i], workspace, table, 1, 1, &bases[i], given[i], errors, NULL), ERR_OK);
  assert_int_equal(model_bag_take(members, shares, 2, &bag, NULL), ERR_OK);
  assert_int_equal(explain_columns(bag), columns);
  assert_int_equal(explain_row(bag, workspace, table, 1, 1, &bases[2], given[2], errors, NULL),
                   ERR_OK);
  assert_near(bases[2], 0.25 * bases[0] + 0.75 * bases[1], 1e-5);
  for (size_t c = 0; c < columns; c++)
    assert_near(given[2][c], 0.25 * given[0][c] + 0.75 * given[1][c], 1e-5);
  model_free(bag);
  model_workspace_free(workspace);
  for (size_t i = 0; i < 2; i++)
    toy_fit_clear(&fits[i]);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_definition),
                                     cmocka_unit_test(test_drawn_orders),
                                     cmocka_unit_test(test_mix)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
