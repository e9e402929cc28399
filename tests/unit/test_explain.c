/* Explanations against Shapley's definition by orders, and against what a linear model must give. */
#include <config.h>

#include "base/proc.h"
#include "model/explain.h"
#include "model/model_internal.h"
#include "model/model_linear.h"
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

/* Over sets or orders of columns, even where there is a formula. */
static struct explain_plan
plan_without_formula(const struct model *model)
{
  struct explain_plan plan;
  assert_int_equal(explain_plan_make(model, EXPLAIN_ANSWER, &plan, NULL), ERR_OK);
  plan.way = explain_columns(model) <= EXPLAIN_EXACT_COLUMNS ? EXPLAIN_BY_SETS : EXPLAIN_BY_ORDERS;
  return plan;
}

static struct explain_plan
plan_of(const struct model *model, enum explain_scale scale, const char *of, const char *algorithm)
{
  struct explain_plan plan;
  assert_int_equal(explain_plan_make(model, scale, &plan, NULL), ERR_OK);
  assert_string_equal(plan.of, of);
  assert_string_equal(plan.algorithm, algorithm);
  return plan;
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
  struct explain_plan plan = plan_without_formula(model);

  assert_in_range(columns, 2, EXPLAIN_EXACT_COLUMNS);
  for (size_t row = 0; row < 3; row++)
  {
    double base, sum, given[MOST], errors[MOST], wanted[MOST] = {0};
    float out[8];
    for (size_t set = 0; set < (size_t) 1 << columns; set++)
      answers[set] = answer_of(model, workspace, table, row, output, set);
    walk_all(answers, columns, 0, 1.0, wanted);
    assert_int_equal(
      explain_row(model, &plan, workspace, table, row, output, &base, given, errors, NULL), ERR_OK);
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
  struct explain_plan plan = plan_without_formula(result.model);
  for (size_t set = 0; set < (size_t) 1 << WIDE; set++)
    answers[set] = answer_of(result.model, workspace, table, row, 0, set);
  assert_int_equal(
    explain_row(result.model, &plan, workspace, table, row, 0, &base, given, errors, NULL), ERR_OK);
  assert_int_equal(
    explain_row(result.model, &plan, workspace, table, row, 0, &again_base, again, errors, NULL),
    ERR_OK);
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
  {
    struct explain_plan plan = plan_of(members[i], EXPLAIN_AUTO, "probability", "all_sets");
    assert_int_equal(
      explain_row(members[i], &plan, workspace, table, 1, 1, &bases[i], given[i], errors, NULL),
      ERR_OK);
  }
  assert_int_equal(model_bag_take(members, shares, 2, &bag, NULL), ERR_OK);
  assert_int_equal(explain_columns(bag), columns);
  struct explain_plan plan = plan_of(bag, EXPLAIN_AUTO, "probability", "all_sets");
  assert_int_equal(
    explain_row(bag, &plan, workspace, table, 1, 1, &bases[2], given[2], errors, NULL), ERR_OK);
  assert_near(bases[2], 0.25 * bases[0] + 0.75 * bases[1], 1e-5);
  for (size_t c = 0; c < columns; c++)
    assert_near(given[2][c], 0.25 * given[0][c] + 0.75 * given[1][c], 1e-5);
  model_free(bag);
  model_workspace_free(workspace);
  for (size_t i = 0; i < 2; i++)
    toy_fit_clear(&fits[i]);
}

/* ---- by formula ------------------------------------------------------------------------------------- */

/* What base and contributions add up to on the plan's scale. */
static double
sum_of(const struct model *model, const struct explain_plan *plan, const struct table *table,
       size_t row, size_t output, double given[MOST])
{
  struct model_workspace *workspace = model_workspace_new();
  double base, errors[MOST];
  assert_int_equal(
    explain_row(model, plan, workspace, table, row, output, &base, given, errors, NULL), ERR_OK);
  for (size_t c = 0; c < explain_columns(model); c++)
  {
    assert_true(errors[c] == 0.0);
    base += given[c];
  }
  model_workspace_free(workspace);
  return base;
}

/* A class' probability as a formula tells it: its log-odds, or its logarithm over the mean of all. */
static double
log_ratio(const float *out, size_t classes, size_t output)
{
  double mean = 0.0;
  if (classes == 2)
    return log((double) out[output] / (double) out[1 - output]);
  for (size_t k = 0; k < classes; k++)
    mean += log((double) out[k]) / (double) classes;
  return log((double) out[output]) - mean;
}

/* They add up to what the model answers, whatever rebalances and tempers it. */
static void
check_sum(enum toy_target target, const char *family, const char *algorithm)
{
  static const double factors[] = {0.5, 2.0, 3.0};
  struct toy_fit fit;
  struct model *model = fitted(target, family, &fit);
  const struct table *table = dataset_table(fit.dataset);
  struct model_workspace *workspace = model_workspace_new();
  size_t classes = fit.task.class_count;
  struct explain_plan plan = plan_of(model, classes ? EXPLAIN_LOG_ODDS : EXPLAIN_AUTO,
                                     classes == 0   ? "value"
                                     : classes == 2 ? "log_odds"
                                                    : "log_ratio",
                                     algorithm);
  size_t checked = 0;
  float out[8];

  assert_string_equal(plan.reference, "training_mean");
  if (classes)
  {
    assert_int_equal(model_set_temperature(model, 1.7, NULL), ERR_OK);
    assert_int_equal(model_copy_factors(model, factors, &model->rebalance, NULL), ERR_OK);
  }
  for (size_t row = 0; row < 20; row++)
    for (size_t output = 0; output < (classes ? classes : 1); output++)
    {
      double given[MOST], sum = sum_of(model, &plan, table, row, output, given);
      assert_int_equal(model_predict_table(model, workspace, table, &row, 1, out, NULL), ERR_OK);
      double wanted = classes ? log_ratio(out, classes, output) : (double) out[0];
      /* a temperature keeps no more of a probability than this */
      bool kept = true;
      for (size_t k = 0; k < classes; k++)
        kept = kept && out[k] > 1e-3f;
      if (!kept)
        continue;
      checked++;
      assert_near(sum, wanted, 1e-4 * (1.0 + fabs(wanted)));
    }
  assert_true(checked > 5);
  model_workspace_free(workspace);
  model_free(model);
  toy_fit_clear(&fit);
}

static void
test_sums(void **state)
{
  (void) state;
  check_sum(TOY_BINARY, "linear", "linear");
  check_sum(TOY_THREE, "linear", "linear");
  check_sum(TOY_NUMBER, "linear", "linear");
  check_sum(TOY_BINARY, "trees", "tree_shap");
  check_sum(TOY_THREE, "trees", "tree_shap");
  check_sum(TOY_NUMBER, "trees", "tree_shap");
}

/* A column's contribution is the sum over its features of weight · (input − mean), and their mean over the training
 * rows is nothing; a file from before the means were kept has the middle in their place, and says so. */
static void
test_linear(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct model *model = fitted(TOY_NUMBER, "linear", &fit), *old;
  const struct table *table = dataset_table(fit.dataset);
  struct explain_plan plan = plan_of(model, EXPLAIN_AUTO, "value", "linear");
  struct linear *linear = model->body;
  struct model_workspace *workspace = model_workspace_new();
  double given[MOST], means[MOST] = {0}, last = 0.0, again;
  struct buf file = {0};
  size_t columns = explain_columns(model);
  float *x;

  assert_int_equal(plan.answers, 1);
  for (size_t row = 0; row < fit.request.train_count; row++)
  {
    double wanted[MOST] = {0};
    last = sum_of(model, &plan, table, row, 0, given);
    assert_int_equal(model_encode_row(model, workspace, table, row, &x, NULL), ERR_OK);
    for (size_t j = 0; j < linear->inputs; j++)
      wanted[encoder_feature_column(model->encoder, j)] +=
        model->target.sd * (double) linear->weights[j] * (double) (x[j] - linear->mean[j]);
    for (size_t c = 0; c < columns; c++)
    {
      assert_near(given[c], wanted[c], 1e-4);
      means[c] += given[c] / (double) fit.request.train_count;
    }
  }
  for (size_t c = 0; c < columns; c++)
    assert_near(means[c], 0.0, 1e-4);
  assert_int_equal(model_save(model, &file, NULL), ERR_OK);
  assert_int_equal(model_load(file.data, file.length, &old, NULL), ERR_OK);
  again = sum_of(old, &plan, table, fit.request.train_count - 1, 0, given);
  assert_near(again, last, 1e-6);
  free(((struct linear *) old->body)->mean);
  ((struct linear *) old->body)->mean = NULL;
  plan = plan_of(old, EXPLAIN_AUTO, "value", "linear");
  assert_string_equal(plan.reference, "training_middle");
  again = sum_of(old, &plan, table, fit.request.train_count - 1, 0, given);
  assert_near(again, last, 1e-4);
  buf_free(&file);
  model_free(old);
  model_free(model);
  model_workspace_free(workspace);
  toy_fit_clear(&fit);
}

/* Numbers of a mix are told by formula, of its probabilities only the mean of members' log-odds. */
static void
test_mix_by_formula(void **state)
{
  (void) state;
  static const double shares[] = {0.25, 0.75};
  for (size_t kind = 0; kind < 2; kind++)
  {
    enum toy_target target = kind ? TOY_BINARY : TOY_NUMBER;
    struct toy_fit fits[2];
    struct model *members[] = {fitted(target, "linear", &fits[0]),
                               fitted(target, "trees", &fits[1])};
    const struct table *table = dataset_table(fits[0].dataset);
    double given[3][MOST], sums[3];
    size_t columns = explain_columns(members[0]);
    struct explain_plan plan;
    struct model *bag;

    for (size_t i = 0; i < 2; i++)
    {
      assert_int_equal(explain_plan_make(members[i], EXPLAIN_LOG_ODDS, &plan, NULL),
                       kind ? ERR_OK : ERR_INVALID);
      assert_int_equal(
        explain_plan_make(members[i], kind ? EXPLAIN_LOG_ODDS : EXPLAIN_AUTO, &plan, NULL), ERR_OK);
      sums[i] = sum_of(members[i], &plan, table, 1, 0, given[i]);
    }
    assert_int_equal(model_bag_take(members, shares, 2, &bag, NULL), ERR_OK);
    plan = plan_of(bag, kind ? EXPLAIN_LOG_ODDS : EXPLAIN_AUTO, kind ? "mean_log_odds" : "value",
                   "weighted_members");
    sums[2] = sum_of(bag, &plan, table, 1, 0, given[2]);
    assert_near(sums[2], 0.25 * sums[0] + 0.75 * sums[1], 1e-9);
    for (size_t c = 0; c < columns; c++)
      assert_near(given[2][c], 0.25 * given[0][c] + 0.75 * given[1][c], 1e-9);
    model_free(bag);
    for (size_t i = 0; i < 2; i++)
      toy_fit_clear(&fits[i]);
  }
}

/* The statistics of a mix's data are kept once, and found again in its file. */
static void
test_mix_novelty(void **state)
{
  (void) state;
  static const double shares[] = {0.5, 0.5};
  struct toy_fit fits[2];
  struct model *members[] = {fitted(TOY_BINARY, "linear", &fits[0]),
                             fitted(TOY_BINARY, "trees", &fits[1])};
  struct model *bag, *loaded;
  struct model_about about;
  struct buf file = {0};

  assert_int_equal(model_bag_take(members, shares, 2, &bag, NULL), ERR_OK);
  assert_null(bag->members[1]->novelty);
  assert_int_equal(model_save(bag, &file, NULL), ERR_OK);
  assert_int_equal(model_load(file.data, file.length, &loaded, NULL), ERR_OK);
  model_about(loaded, &about);
  assert_non_null(about.novelty);
  assert_int_equal(novelty_rows(about.novelty), ROWS);
  assert_int_equal(novelty_inputs(about.novelty), row_schema_count(about.schema));
  buf_free(&file);
  model_free(loaded);
  model_free(bag);
  for (size_t i = 0; i < 2; i++)
    toy_fit_clear(&fits[i]);
}

/* Where there is no formula: networks' log-odds, targets taken as logarithms, mixes with a network. */
static void
test_no_formula(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct model *model = fitted(TOY_BINARY, "mlp", &fit);
  struct explain_plan plan;
  struct err_info info;

  assert_int_equal(explain_plan_make(model, EXPLAIN_LOG_ODDS, &plan, &info), ERR_INVALID);
  assert_non_null(strstr(info.text, "linear"));
  plan_of(model, EXPLAIN_AUTO, "probability", "all_sets");
  model_free(model);
  toy_fit_clear(&fit);
  model = fitted(TOY_NUMBER, "trees", &fit);
  model->target.log = true;
  plan_of(model, EXPLAIN_AUTO, "value", "all_sets");
  model_free(model);
  toy_fit_clear(&fit);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_definition),  cmocka_unit_test(test_drawn_orders),
    cmocka_unit_test(test_mix),         cmocka_unit_test(test_sums),
    cmocka_unit_test(test_linear),      cmocka_unit_test(test_mix_by_formula),
    cmocka_unit_test(test_mix_novelty), cmocka_unit_test(test_no_formula)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
