/* Categories to features: told apart one by one where there is room, else target statistics out of fold. */
#include <config.h>

#include "tests/unit/test_encode.h"

static double
correlation(const float *x, size_t width, size_t at, const double *y, size_t count)
{
  double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0, n = (double) count;
  for (size_t i = 0; i < count; i++)
  {
    double v = x[i * width + at];
    sx += v;
    sy += y[i];
    sxx += v * v;
    syy += y[i] * y[i];
    sxy += v * y[i];
  }
  return (sxy - sx * sy / n) / sqrt((sxx - sx * sx / n) * (syy - sy * sy / n));
}

static void
check_target_statistics(bool regression)
{
  struct rig rig;
  struct buf csv = noise_csv(regression);
  set_up(&rig, &csv, "y", ENCODE_TREE, 2000);
  size_t width = encoder_width(rig.encoder), at = feature(rig.encoder, "cat (target mean)");
  double *y = malloc(2000 * sizeof *y), mean = 0;
  for (size_t i = 0; i < 2000; i++)
  {
    y[i] = regression ? task_value_of(&rig.task, rig.fixture.dataset, i)
                      : (double) task_class_of(&rig.task, rig.fixture.dataset, i);
    mean += y[i] / 2000;
  }
  float *inside = apply(&rig, rig.encoder, 0, 2000, true);
  float *outside = apply(&rig, rig.encoder, 0, 2000, false);
  /* In sample a noise category looks like a find; out of fold it must not. */
  assert_true(correlation(outside, width, at, y, 2000) > 0.2);
  assert_true(correlation(inside, width, at, y, 2000) < 0.1);
  /* One row by hand. */
  const struct column *cat = fixture_column(&rig.fixture, "cat");
  double sum = 0, count = 0;
  for (size_t i = 0; i < 2000; i++)
    if (cat->code[i] == cat->code[17])
    {
      sum += y[i];
      count++;
    }
  assert_near(outside[17 * width + at], (sum + 10 * mean) / (count + 10), 1e-5);
  free(inside);
  free(outside);
  free(y);
  tear_down(&rig);
  buf_free(&csv);
}

static void
test_target_statistics(void **state)
{
  (void) state;
  check_target_statistics(false);
  check_target_statistics(true);
}

/* Categories are told apart as long as there is room for them, columns with few of them first. */
static void
test_one_hot_limit(void **state)
{
  (void) state;
  static const size_t few[] = {3, 48, 256, 257}, many[] = {250, 250, 250, 250, 250, 60};
  assert_int_equal(encode_one_hot_limit(ENCODE_TREE, few, 4, 1000), 256);
  assert_int_equal(encode_one_hot_limit(ENCODE_DENSE, few, 4, 1000), 256);
  assert_int_equal(encode_one_hot_limit(ENCODE_TREE, NULL, 0, 1000), 256);
  assert_int_equal(encode_one_hot_limit(ENCODE_TREE, many, 6, 1000), 128);
  assert_int_equal(encode_one_hot_limit(ENCODE_TREE, few, 4, 500000), 128);
  assert_int_equal(encode_one_hot_limit(ENCODE_DENSE, few, 4, 1000000), 40);
  assert_int_equal(encode_one_hot_limit(ENCODE_TREE, few, 4, 1000000), 32);
  assert_int_equal(encode_one_hot_limit(ENCODE_TREE, few, 4, 100000000), 10);
}

static void
test_one_hot_of_many(void **state)
{
  (void) state;
  struct buf csv = {0};
  buf_append_text(&csv, "state,x,y\n");
  for (int i = 0; i < 500; i++)
    buf_printf(&csv, "s%02d,%d.5,%d.25\n", i % 50, i * 7 % 83, i % 50 * 3 + i % 7);
  for (int view = ENCODE_DENSE; view <= ENCODE_TREE; view++)
  {
    struct rig rig;
    set_up(&rig, &csv, "y", (enum encode_view) view, 500);
    size_t width = encoder_width(rig.encoder), at = feature(rig.encoder, "state=s07");
    assert_int_equal(width, 51);
    float *x = apply(&rig, rig.encoder, 0, 500, false);
    for (size_t i = 0; i < 500; i++)
      assert_near(x[i * width + at], i % 50 == 7, 0);
    free(x);
    tear_down(&rig);
  }
  buf_free(&csv);
}

/* Targets up to the largest that a job takes, from one row to the next. */
static void
test_huge_targets(void **state)
{
  (void) state;
  struct buf csv = {0};
  buf_append_text(&csv, "cat,x,y\n");
  for (int i = 0; i < 1200; i++)
    buf_printf(&csv, "c%d,%d.5,%s\n", i % 300, i * 7 % 83,
               i % 3 == 0   ? "1e30"
               : i % 3 == 1 ? "-1e30"
                            : "1e-30");
  for (int view = ENCODE_DENSE; view <= ENCODE_TREE; view++)
  {
    struct rig rig;
    set_up(&rig, &csv, "y", (enum encode_view) view, 1000);
    size_t width = encoder_width(rig.encoder), at = feature(rig.encoder, "cat (target mean)");
    float most = view == ENCODE_DENSE ? 1e3F : 1e30F;
    for (int training = 0; training <= 1; training++)
    {
      float *x = apply(&rig, rig.encoder, 0, training ? 1000 : 1200, training);
      for (size_t i = 0; i < (training ? 1000U : 1200U); i++)
        assert_true(fabsf(x[i * width + at]) <= most);
      /* What a category's rows have is still told: row 0's much, row 1's as much below zero, row 2's nothing. */
      assert_true(x[at] > x[2 * width + at] && x[2 * width + at] > x[width + at]);
      free(x);
    }
    tear_down(&rig);
  }
  buf_free(&csv);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_target_statistics),
    cmocka_unit_test(test_one_hot_limit),
    cmocka_unit_test(test_one_hot_of_many),
    cmocka_unit_test(test_huge_targets),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
