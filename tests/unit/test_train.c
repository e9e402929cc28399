#include <config.h>

#include "train/train.h"

#include "base/proc.h"
#include "tests/harness/toy_fit.h"

static const char *const families[] = {"linear", "trees", "mlp"};

/* ---- what each family must learn ------------------------------------------------------------------ */

static void
test_learns_tables(void **state)
{
  (void) state;
  static const double least[3][3] = {{0.90, 0.82, 0.90}, {0.86, 0.76, 0.85}, {0.88, 0.78, 0.90}};

  for (size_t f = 0; f < 3; f++)
    for (int target = TOY_BINARY; target <= TOY_NUMBER; target++)
    {
      struct toy_fit fit;
      struct train_result result;
      toy_fit_init(&fit, toy_table(800, (enum toy_target) target, TOY_GOOD, 1), families[f], "{}");
      toy_fit_run(&fit, &result);
      if (!(result.metric > least[f][target]))
        fail_msg("%s on target %d: %g", families[f], target, result.metric);
      assert_true(result.best_epoch >= 1 && result.best_epoch <= result.epochs);
      assert_true(result.seconds > 0.0);
      assert_true(isnan(result.log_loss) == (target == TOY_NUMBER));
      train_result_clear(&result);
      toy_fit_clear(&fit);
    }
}

static void
test_learns_images(void **state)
{
  (void) state;
  static const char *const able[] = {"linear", "mlp"};

  for (size_t f = 0; f < 2; f++)
  {
    struct toy_fit fit;
    struct train_result result;
    toy_fit_init(&fit, toy_images(400, 2), able[f],
                 f ? "{\"epochs\": 20, \"units\": 32}" : "{\"penalty\": 0.01}");
    toy_fit_run(&fit, &result);
    assert_true(result.metric > 0.95);
    assert_null(model_importance(result.model));
    train_result_clear(&result);
    toy_fit_clear(&fit);
  }
}

static void
test_trees_refuse_images(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct train_result result;
  struct err_info info;

  toy_fit_init(&fit, toy_images(100, 2), "trees", "{}");
  assert_int_equal(train_run(&fit.request, &result, &info), ERR_INVALID);
  assert_has_text(info.text, "pixels");
  assert_null(result.model);
  toy_fit_clear(&fit);
}

/* ---- same request, same bytes ---------------------------------------------------------------------- */

static void
fit_to_bytes(struct toy_fit *fit, struct buf *bytes)
{
  struct train_result result;

  toy_fit_run(fit, &result);
  assert_int_equal(model_save(result.model, bytes, NULL), ERR_OK);
  train_result_clear(&result);
}

static void
test_same_seed_same_bytes(void **state)
{
  (void) state;
  for (size_t f = 0; f < 3; f++)
    for (int target = TOY_BINARY; target <= TOY_NUMBER; target += 2)
    {
      struct toy_fit fit;
      struct buf first = {0}, second = {0}, other = {0};
      toy_fit_init(&fit, toy_table(300, (enum toy_target) target, TOY_NAN_AND_HUGE, 3), families[f],
                   f == 1 ? "{\"rounds\": 30}" : "{}");
      fit_to_bytes(&fit, &first);
      fit_to_bytes(&fit, &second);
      fit.request.seed = 6;
      fit_to_bytes(&fit, &other);
      assert_int_equal(first.length, second.length);
      assert_memory_equal(first.data, second.data, first.length);
      if (f > 0) /* a linear fit has no chance in it */
        assert_true(other.length != first.length
                    || memcmp(other.data, first.data, first.length) != 0);
      buf_free(&first);
      buf_free(&second);
      buf_free(&other);
      toy_fit_clear(&fit);
    }
}

/* A whole point of the first release trains as it did then, whatever defaults have come since. */
static void
test_older_point(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct train_result older, same;

  toy_fit_init(
    &fit, toy_table(TOY_ROWS_MAX, TOY_BINARY, TOY_GOOD, 3), "mlp",
    "{\"learning_rate\": 0.002, \"optimizer\": \"adamw\", \"batch_size\": 64, \"schedule\":"
    " \"cosine\", \"epochs\": 4, \"layers\": 2, \"units\": 64, \"dropout\": 0.1,"
    " \"weight_decay\": 0.01, \"activation\": \"relu\", \"label_smoothing\": 0.05}");
  toy_fit_run(&fit, &older);
  json_t *since = json_pack("{s:s, s:s, s:f, s:f}", "network", "plain", "precision", "fp32",
                            "beta2", 0.99, "ema", 0.0);
  json_object_update(fit.params, since);
  toy_fit_run(&fit, &same);
  assert_memory_equal(older.valid_predictions, same.valid_predictions,
                      fit.request.valid_count * 2 * sizeof(float));
  json_decref(since);
  train_result_clear(&older);
  train_result_clear(&same);
  toy_fit_clear(&fit);
}

/* ---- awkward data ---------------------------------------------------------------------------------- */

static void
test_awkward_columns(void **state)
{
  (void) state;
  for (size_t f = 0; f < 3; f++)
    for (int fault = TOY_NAN_AND_HUGE; fault <= TOY_USELESS; fault++)
      for (int target = TOY_BINARY; target <= TOY_NUMBER; target++)
      {
        struct toy_fit fit;
        struct train_result result;
        toy_fit_init(&fit, toy_table(300, (enum toy_target) target, (enum toy_fault) fault, 4),
                     families[f], "{}");
        toy_fit_run(&fit, &result);
        for (size_t i = 0; i < fit.request.valid_count * fit.task.output_count; i++)
          assert_true(isfinite(result.valid_predictions[i]));
        assert_true(isfinite(result.objective));
        train_result_clear(&result);
        toy_fit_clear(&fit);
      }
}

static void
expect_invalid(struct toy_fit *fit, const char *text)
{
  struct train_result result;
  struct err_info info = {.text = ""};

  assert_int_equal(train_run(&fit->request, &result, &info), ERR_INVALID);
  assert_has_text(info.text, text);
  assert_null(result.model);
  assert_null(result.valid_predictions);
}

static void
test_too_little_data(void **state)
{
  (void) state;
  for (size_t f = 0; f < 3; f++)
  {
    struct toy_fit fit;
    size_t same[50], count = 0;
    toy_fit_init(&fit, toy_table(300, TOY_BINARY, TOY_GOOD, 5), families[f], "{}");
    for (size_t i = 0; i < 300 && count < 50; i++)
      if (task_class_of(&fit.task, fit.dataset, i) == 1)
        same[count++] = i;
    fit.request.train_count = 1;
    expect_invalid(&fit, "1 training rows are too few");
    fit.request.train_rows = same;
    fit.request.train_count = count;
    expect_invalid(&fit, "one class");
    toy_fit_clear(&fit);

    /* two rows of two classes are learnt from, however badly */
    struct train_result result;
    size_t two[2] = {0, 0};
    toy_fit_init(&fit, toy_table(300, TOY_BINARY, TOY_GOOD, 5), families[f], "{}");
    while (task_class_of(&fit.task, fit.dataset, two[1])
           == task_class_of(&fit.task, fit.dataset, two[0]))
      two[1]++;
    fit.request.train_rows = two;
    fit.request.train_count = 2;
    toy_fit_run(&fit, &result);
    assert_true(isfinite(result.objective));
    train_result_clear(&result);
    toy_fit_clear(&fit);
  }
}

static void
test_constant_target(void **state)
{
  (void) state;
  struct toy_fit fit;
  size_t rows[2] = {4, 4};

  toy_fit_init(&fit, toy_table(100, TOY_NUMBER, TOY_GOOD, 5), "linear", "{}");
  fit.request.train_rows = rows;
  fit.request.train_count = 2;
  expect_invalid(&fit, "the same in all 2 training rows");
  toy_fit_clear(&fit);
}

static void
test_bad_params(void **state)
{
  (void) state;
  static const char *const cases[][3] = {
    {"linear", "{\"penalty\": -1}", "linear.penalty must be a number"},
    {"linear", "{\"depth\": 3}", "no hyperparameter \"depth\""},
    {"trees", "{\"max_depth\": 2.5}", "trees.max_depth must be a whole number"},
    {"mlp", "{\"dropout\": 1}", "mlp.dropout must be a number"},
    {"mlp", "{\"optimizer\": \"lbfgs\"}", "must be one of \"adamw\""},
    {"mlp", "{\"label_smoothing\": 0.1}", "no hyperparameter \"label_smoothing\""},
    {"forest", "{}", "no family \"forest\""},
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct toy_fit fit;
    toy_fit_init(&fit, toy_table(60, TOY_NUMBER, TOY_GOOD, 5), cases[i][0], cases[i][1]);
    expect_invalid(&fit, cases[i][2]);
    toy_fit_clear(&fit);
  }
}

/* ---- control --------------------------------------------------------------------------------------- */

struct watch
{
  size_t calls, stop_at;
  double last_train_loss;
};

static bool
watch_epochs(void *context, const struct train_progress *progress)
{
  struct watch *watch = context;
  assert_true(progress->epoch >= 1 && progress->seconds >= 0.0);
  watch->last_train_loss = progress->train_loss;
  return ++watch->calls != watch->stop_at;
}

static void
test_cancel(void **state)
{
  (void) state;
  for (size_t f = 0; f < 3; f++)
  {
    struct toy_fit fit;
    struct watch watch = {.stop_at = 2};
    struct train_result result;
    struct err_info info;
    toy_fit_init(&fit, toy_table(400, TOY_THREE, TOY_GOOD, 6), families[f],
                 f == 0 ? "{\"penalty\": 1e-6}" : "{}");
    fit.request.on_epoch = watch_epochs;
    fit.request.context = &watch;
    assert_int_equal(train_run(&fit.request, &result, &info), ERR_CANCELLED);
    assert_int_equal(watch.calls, 2);
    assert_null(result.model);
    toy_fit_clear(&fit);
  }
}

static void
test_time_limit(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct train_result result;
  struct watch watch = {0};

  /* a schedule of minutes is shortened to half a second, and ends low all the same */
  toy_fit_init(
    &fit, toy_table(2000, TOY_BINARY, TOY_GOOD, 6), "mlp",
    "{\"epochs\": 10000, \"dropout\": 0, \"label_smoothing\": 0, \"units\": 64, \"layers\": 1}");
  fit.request.max_seconds = 0.6;
  fit.request.on_epoch = watch_epochs;
  fit.request.context = &watch;
  toy_fit_run(&fit, &result);
  assert_true(result.stop == TRAIN_STOP_TIME || result.stop == TRAIN_STOP_PATIENCE);
  assert_true(result.epochs < 5000);
  assert_true(result.seconds < 5.0);
  assert_true(watch.last_train_loss < 0.5);
  train_result_clear(&result);
  toy_fit_clear(&fit);

  toy_fit_init(&fit, toy_table(2000, TOY_THREE, TOY_GOOD, 6), "trees",
               "{\"rounds\": 100000, \"patience\": 100000, \"max_depth\": 10}");
  fit.request.max_seconds = 0.2;
  toy_fit_run(&fit, &result);
  assert_int_equal(result.stop, TRAIN_STOP_TIME);
  assert_true(result.seconds < 5.0);
  train_result_clear(&result);
  toy_fit_clear(&fit);
}

static void
test_divergence(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct train_result result;
  struct err_info info = {.text = ""};

  toy_fit_init(&fit, toy_table(400, TOY_NUMBER, TOY_GOOD, 7), "mlp",
               "{\"optimizer\": \"sgd\", \"learning_rate\": 100, \"epochs\": 30, \"layers\": 4}");
  assert_int_equal(train_run(&fit.request, &result, &info), ERR_DIVERGED);
  assert_has_text(info.text, "not finite");
  assert_null(result.model);
  toy_fit_clear(&fit);
}

static void
test_refit_without_validation(void **state)
{
  (void) state;
  for (size_t f = 0; f < 3; f++)
  {
    struct toy_fit fit;
    struct train_result result;
    static const char *const params[] = {"{}", "{\"rounds\": 12}", "{\"epochs\": 7}"};
    static const size_t epochs[] = {0, 12, 7};
    toy_fit_init(&fit, toy_table(400, TOY_BINARY, TOY_GOOD, 8), families[f], params[f]);
    fit.request.valid_count = 0;
    toy_fit_run(&fit, &result);
    assert_true(isnan(result.metric));
    if (f > 0)
    {
      assert_int_equal(result.epochs, epochs[f]);
      assert_int_equal(result.best_epoch, epochs[f]);
      assert_int_equal(result.stop, TRAIN_STOP_COMPLETE);
    }
    train_result_clear(&result);
    toy_fit_clear(&fit);
  }
}

/* One row in ten is of class b; labels by balanced weights must find more of them, while probabilities
 * stay those of the rows as they are. */
static void
test_class_weights(void **state)
{
  (void) state;
  for (size_t f = 0; f < 3; f++)
  {
    double share[2];
    for (int balanced = 0; balanced < 2; balanced++)
    {
      struct toy_fit fit;
      struct train_result result;
      size_t kept[TOY_ROWS_MAX], count = 0, all = 0, seen = 0;
      toy_fit_init(&fit, toy_table(1600, TOY_BINARY, TOY_USELESS, 9), families[f], "{}");
      for (size_t i = 0; i < 1600; i++)
      {
        if (task_class_of(&fit.task, fit.dataset, i) == 0 || seen++ % 10 == 0)
          kept[all++] = i;
        count = i < fit.request.train_count ? all : count;
      }
      fit.request.train_rows = kept;
      fit.request.train_count = count;
      fit.request.valid_rows = kept + count;
      fit.request.valid_count = all - count;
      fit.request.class_weight_balanced = balanced;
      toy_fit_run(&fit, &result);
      size_t said = 0, rare = (seen + 9) / 10;
      double real = (double) rare / (double) all, mean = 0.0;
      struct decision decision = {.has_threshold = balanced, .threshold = real};
      for (size_t i = 0; i < fit.request.valid_count; i++)
      {
        said += decision_class(&decision, result.valid_predictions + 2 * i, 2);
        mean += (double) result.valid_predictions[2 * i + 1] / (double) fit.request.valid_count;
      }
      share[balanced] = (double) said / (double) fit.request.valid_count;
      /* taken as they came out, balanced weights would say about 0.5 */
      if (!(fabs(mean - real) < 0.1))
        fail_msg("%s: mean probability %g, share %g", families[f], mean, real);
      train_result_clear(&result);
      toy_fit_clear(&fit);
    }
    if (!(share[1] > share[0] + 0.1))
      fail_msg("%s: %g then %g", families[f], share[0], share[1]);
  }
}

static void
test_importance(void **state)
{
  (void) state;
  for (size_t f = 0; f < 3; f++)
  {
    struct toy_fit fit;
    struct train_result result;
    double sum = 0.0, last = INFINITY;
    size_t index;
    json_t *item;
    toy_fit_init(&fit, toy_table(800, TOY_NUMBER, TOY_GOOD, 10), families[f], "{}");
    toy_fit_run(&fit, &result);
    json_t *list = model_importance(result.model);
    assert_int_equal(json_array_size(list), 7);
    json_array_foreach(list, index, item)
    {
      double share = json_number_value(json_object_get(item, "importance"));
      assert_true(share >= 0.0 && share <= last);
      last = share;
      sum += share;
    }
    assert_near(sum, 1.0, 1e-9);
    const char *first = json_string_value(json_object_get(json_array_get(list, 0), "name"));
    const char *second = json_string_value(json_object_get(json_array_get(list, 1), "name"));
    if (f < 2) /* x1 and x2 carry most of the target */
      assert_true((strcmp(first, "x1") == 0 || strcmp(second, "x1") == 0)
                  && (strcmp(first, "x2") == 0 || strcmp(second, "x2") == 0
                      || strcmp(second, "color") == 0 || strcmp(first, "color") == 0));
    json_decref(list);
    train_result_clear(&result);
    toy_fit_clear(&fit);
  }
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_learns_tables),
    cmocka_unit_test(test_learns_images),
    cmocka_unit_test(test_trees_refuse_images),
    cmocka_unit_test(test_same_seed_same_bytes),
    cmocka_unit_test(test_older_point),
    cmocka_unit_test(test_awkward_columns),
    cmocka_unit_test(test_too_little_data),
    cmocka_unit_test(test_constant_target),
    cmocka_unit_test(test_bad_params),
    cmocka_unit_test(test_cancel),
    cmocka_unit_test(test_time_limit),
    cmocka_unit_test(test_divergence),
    cmocka_unit_test(test_refit_without_validation),
    cmocka_unit_test(test_class_weights),
    cmocka_unit_test(test_importance),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
