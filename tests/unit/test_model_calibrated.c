/* Temperatures and intervals of models: what they do to predictions, that files keep them, and that damaged ones
 * are refused. */
#include <config.h>

#include <sodium.h>

#include "base/proc.h"
#include "base/rng.h"
#include "model/model_folds.h"
#include "tests/harness/toy_fit.h"

#define ROWS 200
#define SHA_BYTES crypto_hash_sha256_BYTES

static struct model *
fitted(enum toy_target target, struct toy_fit *fit)
{
  struct train_result result;
  toy_fit_init(fit, toy_table(ROWS, target, TOY_GOOD, 3), "linear", "{}");
  toy_fit_run(fit, &result);
  struct model *model = result.model;
  result.model = NULL;
  train_result_clear(&result);
  return model;
}

static void
predict(const struct model *model, const struct toy_fit *fit, float *out)
{
  struct model_workspace *workspace = model_workspace_new();
  assert_int_equal(model_predict_dataset(model, workspace, fit->dataset, NULL, ROWS, out, NULL),
                   ERR_OK);
  model_workspace_free(workspace);
}

static struct model *
reload(const struct model *model, struct buf *bytes)
{
  struct model *back = NULL;
  struct err_info info = {.text = ""};
  assert_int_equal(model_save(model, bytes, &info), ERR_OK);
  if (model_load(bytes->data, bytes->length, &back, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return back;
}

/* In double, from the definition. */
static void
test_temper(void **state)
{
  (void) state;
  float p[] = {0.7f, 0.2f, 0.1f, 1.0f, 0.0f, 0.0f};
  double sum = sqrt(0.7) + sqrt(0.2) + sqrt(0.1);
  model_temper(2, 3, 2, p);
  assert_near((double) p[0], sqrt(0.7) / sum, 1e-7);
  assert_near((double) p[1], sqrt(0.2) / sum, 1e-7);
  assert_near((double) p[2], sqrt(0.1) / sum, 1e-7);
  /* Nothing is certain that a float cannot tell from certainty. */
  assert_near((double) p[4], 3.45e-4, 1e-5);
  assert_near((double) p[3] + (double) p[4] + (double) p[5], 1, 1e-6);
}

static void
test_temperature_is_kept(void **state)
{
  (void) state;
  static const double shares[] = {0.5, 0.5};
  struct toy_fit fits[2];
  struct model *members[2], *bag, *back;
  struct model_about about;
  struct buf bytes = {0}, again = {0};
  float before[ROWS * 3], after[ROWS * 3], loaded[ROWS * 3], fold[ROWS * 3];

  for (size_t i = 0; i < 2; i++)
    members[i] = fitted(TOY_THREE, &fits[i]);
  for (int i = 0; i < 2; i++)
    model_set_fold(members[i], i);
  assert_int_equal(model_bag_take(members, shares, 2, &bag, NULL), ERR_OK);
  predict(bag, &fits[0], before);
  assert_int_equal(model_set_temperature(bag, 0, NULL), ERR_INVALID);
  assert_int_equal(model_set_temperature(bag, (double) NAN, NULL), ERR_INVALID);
  assert_int_equal(model_set_temperature(bag, 1e9, NULL), ERR_INVALID);
  assert_int_equal(model_set_temperature(bag, 1.75, NULL), ERR_OK);
  predict(bag, &fits[0], after);
  assert_memory_not_equal(before, after, sizeof after);
  model_temper(1.75, 3, ROWS, before);
  assert_memory_equal(before, after, sizeof after);

  back = reload(bag, &bytes);
  assert_int_equal(bytes.data[8], 3); /* programs before would answer other probabilities */
  model_about(back, &about);
  assert_near(about.temperature, 1.75, 0);
  predict(back, &fits[0], loaded);
  assert_memory_equal(loaded, after, sizeof after);
  assert_int_equal(model_save(back, &again, NULL), ERR_OK);
  assert_int_equal(again.length, bytes.length);
  assert_memory_equal(again.data, bytes.data, bytes.length);

  /* Both members are the same, so each fold's are as good as the whole, its temperature included. */
  struct model_workspace *workspace = model_workspace_new();
  size_t rows[ROWS];
  for (size_t i = 0; i < ROWS; i++)
    rows[i] = i;
  assert_int_equal(model_predict_fold(back, 1, workspace, fits[0].dataset, rows, ROWS, fold, NULL),
                   ERR_OK);
  for (size_t i = 0; i < ROWS * 3; i++)
    assert_near((double) fold[i], (double) after[i], 1e-6);
  model_workspace_free(workspace);
  model_free(back);
  model_free(bag);
  buf_free(&bytes);
  buf_free(&again);
  toy_fit_clear(&fits[0]);
  toy_fit_clear(&fits[1]);
}

static struct model_interval
make_interval(size_t rows, bool each_tail)
{
  struct model_interval interval = {.each_tail = each_tail};
  double *scores = calloc(rows + 1, sizeof *scores);
  for (size_t i = 0; i < rows; i++)
    scores[i] = (double) i - (each_tail ? (double) (rows - 1) / 2 : 0);
  model_interval_take(&interval, scores, rows);
  free(scores);
  return interval;
}

/* Scores 0 … n − 1: the r-th smallest is r − 1. */
static void
test_ranks(void **state)
{
  (void) state;
  double low = 7, high = 7;
  struct model_interval interval = make_interval(99, false);
  assert_true(model_interval_at(&interval, 0.9, 100, &low, &high));
  assert_near(high, 100 + 89, 0); /* ⌈100 · 0.9⌉ = 90 */
  assert_near(low, 100 - 89, 0);
  assert_true(model_interval_at(&interval, 0.901, 100, &low, &high));
  assert_near(high, 100 + 90, 0);
  assert_true(model_interval_at(&interval, 0.99, 0, &low, &high));
  assert_near(high, 98, 0);
  low = high = 7;
  assert_false(model_interval_at(&interval, 0.991, 0, &low, &high));
  assert_near(low + high, 14, 0);
  assert_near(model_interval_rows_for(false, 0.99), 99, 0);
  assert_near(model_interval_rows_for(true, 0.9), 19, 0);
  interval = make_interval(19, true);
  assert_true(model_interval_at(&interval, 0.9, 0, &low, &high));
  assert_near(low, -9, 0);
  assert_near(high, 9, 0);
  assert_false(model_interval_at(&interval, 0.91, 0, &low, &high));
  /* Of many rows some are kept: an end may lie further out, never further in. */
  interval = make_interval(20000, false);
  assert_int_equal(interval.score_count, MODEL_INTERVAL_SCORES);
  for (double level = 0.01; level < 0.9995; level += 0.0031)
  {
    assert_true(model_interval_at(&interval, level, 0, &low, &high));
    double exact = ceil(20001 * level) - 1;
    assert_true(high >= exact - 1 && high <= exact + 80);
  }
  assert_true(model_interval_at(&interval, 0.9995, 0, &low, &high));
  assert_near(high, 19990, 0); /* the extremes are all there */
}

static void
test_spread(void **state)
{
  (void) state;
  struct model_interval interval = make_interval(99, false);
  double low, high;
  interval.knot_count = 2;
  interval.knot_at[0] = 10;
  interval.knot_at[1] = 20;
  interval.knot_spread[0] = 0.5;
  interval.knot_spread[1] = 1.5;
  assert_near(model_interval_spread(&interval, 15), 1, 1e-12);
  assert_near(model_interval_spread(&interval, -1e9), 0.5, 0);
  assert_near(model_interval_spread(&interval, 1e9), 1.5, 0);
  assert_near(model_interval_spread(&interval, (double) NAN), 0.5, 0);
  assert_true(model_interval_at(&interval, 0.9, 20, &low, &high));
  assert_near(high, 20 + 1.5 * 89, 1e-9);
}

static void
test_intervals_are_kept(void **state)
{
  (void) state;
  static const double shares[] = {0.25, 0.75};
  struct toy_fit fits[2], other;
  struct model *members[2], *bag, *back, *classes = fitted(TOY_BINARY, &other);
  struct model_about about;
  struct buf bytes = {0};
  struct model_interval interval = make_interval(1000, true);
  interval.knot_count = 1;
  interval.knot_spread[0] = 2.5;

  assert_int_equal(model_set_interval(classes, &interval, NULL), ERR_INVALID);
  for (size_t i = 0; i < 2; i++)
    members[i] = fitted(TOY_NUMBER, &fits[i]);
  assert_int_equal(model_set_temperature(members[0], 2, NULL), ERR_INVALID);
  assert_int_equal(model_bag_take(members, shares, 2, &bag, NULL), ERR_OK);
  model_about(bag, &about);
  assert_null(about.interval);
  assert_int_equal(model_set_interval(bag, &interval, NULL), ERR_OK);
  back = reload(bag, &bytes);
  assert_int_equal(bytes.data[8], 1); /* what they predict is the same without */
  model_about(back, &about);
  assert_non_null(about.interval);
  for (double level = 0.05; level < 1; level += 0.05)
  {
    double ours[2], theirs[2];
    assert_true(model_interval_at(&interval, level, 3, &ours[0], &ours[1]));
    assert_true(model_interval_at(about.interval, level, 3, &theirs[0], &theirs[1]));
    assert_memory_equal(ours, theirs, sizeof ours);
  }
  model_free(back);
  model_free(bag);
  model_free(classes);
  buf_free(&bytes);
  toy_fit_clear(&fits[0]);
  toy_fit_clear(&fits[1]);
  toy_fit_clear(&other);
}

static void
test_damaged_intervals(void **state)
{
  (void) state;
  static const char *const damaged[] = {
    "[]",
    "{}",
    "{\"rows\":0,\"each_tail\":false,\"knots\":[],\"ranks\":[],\"scores\":[]}",
    "{\"rows\":2,\"each_tail\":1,\"knots\":[],\"ranks\":[1,2],\"scores\":[1,2]}",
    "{\"rows\":2,\"each_tail\":false,\"knots\":{},\"ranks\":[1,2],\"scores\":[1,2]}",
    "{\"rows\":2,\"each_tail\":false,\"knots\":[[1,0]],\"ranks\":[1,2],\"scores\":[1,2]}",
    "{\"rows\":2,\"each_tail\":false,\"knots\":[[1,1],[1,1]],\"ranks\":[1,2],\"scores\":[1,2]}",
    "{\"rows\":2,\"each_tail\":false,\"knots\":[[1]],\"ranks\":[1,2],\"scores\":[1,2]}",
    "{\"rows\":2,\"each_tail\":false,\"knots\":[],\"ranks\":[1],\"scores\":[1,2]}",
    "{\"rows\":3,\"each_tail\":false,\"knots\":[],\"ranks\":[1,2],\"scores\":[1,2]}",
    "{\"rows\":2,\"each_tail\":false,\"knots\":[],\"ranks\":[0,2],\"scores\":[1,2]}",
    "{\"rows\":2,\"each_tail\":false,\"knots\":[],\"ranks\":[2,1],\"scores\":[1,2]}",
    "{\"rows\":2,\"each_tail\":false,\"knots\":[],\"ranks\":[1,2],\"scores\":[2,1]}",
    "{\"rows\":2,\"each_tail\":false,\"knots\":[],\"ranks\":[1,2],\"scores\":[-1,1]}",
    "{\"rows\":2,\"each_tail\":false,\"knots\":[],\"ranks\":[1,2],\"scores\":[1,\"2\"]}",
    "{\"rows\":99999999999,\"each_tail\":false,\"knots\":[],\"ranks\":[1],\"scores\":[1]}",
  };
  struct model_interval interval = make_interval(1000, true), back;
  json_t *good = model_interval_json(&interval);
  assert_true(model_interval_read(good, &back));
  json_decref(good);
  assert_false(model_interval_read(NULL, &back));
  for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++)
  {
    json_t *json = json_loads(damaged[i], 0, NULL);
    assert_non_null(json);
    if (model_interval_read(json, &back))
      fail_msg("%s was taken", damaged[i]);
    json_decref(json);
  }
}

/* Writes over the first `from` of a file's head, signs it again, and expects it to be refused. */
static void
expect_refused(struct buf *file, const char *from, const char *to)
{
  struct model *model = NULL;
  struct err_info info = {.text = ""};
  char *found = memmem(file->data, file->length, from, strlen(from));
  assert_non_null(found);
  assert_int_equal(strlen(from), strlen(to));
  memcpy(found, to, strlen(to));
  crypto_hash_sha256((unsigned char *) file->data + file->length - SHA_BYTES,
                     (const unsigned char *) file->data, file->length - SHA_BYTES);
  assert_int_equal(model_load(file->data, file->length, &model, &info), ERR_INVALID);
  assert_null(model);
  assert_has_text(info.text, "head");
  memcpy(found, from, strlen(from));
}

static void
test_damaged_heads(void **state)
{
  (void) state;
  struct toy_fit fit, other;
  struct model *classes = fitted(TOY_BINARY, &fit), *numbers = fitted(TOY_NUMBER, &other);
  struct model_interval interval = make_interval(50, false);
  struct buf file = {0}, second = {0};

  assert_int_equal(model_set_temperature(classes, 1.75, NULL), ERR_OK);
  assert_int_equal(model_save(classes, &file, NULL), ERR_OK);
  expect_refused(&file, "\"temperature\":1.75", "\"temperature\":0.00");
  expect_refused(&file, "\"temperature\":1.75", "\"temperature\":null");
  expect_refused(&file, "\"temperature\":1.75", "\"temperature\":-1.7");
  assert_int_equal(model_set_interval(numbers, &interval, NULL), ERR_OK);
  assert_int_equal(model_save(numbers, &second, NULL), ERR_OK);
  expect_refused(&second, "\"ranks\":[1,2,", "\"ranks\":[1,1,");
  expect_refused(&second, "\"each_tail\":false", "\"each_tail\":null ");
  buf_free(&file);
  buf_free(&second);
  model_free(classes);
  model_free(numbers);
  toy_fit_clear(&fit);
  toy_fit_clear(&other);
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_temper),
    cmocka_unit_test(test_temperature_is_kept),
    cmocka_unit_test(test_ranks),
    cmocka_unit_test(test_spread),
    cmocka_unit_test(test_intervals_are_kept),
    cmocka_unit_test(test_damaged_intervals),
    cmocka_unit_test(test_damaged_heads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
