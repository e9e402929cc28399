/* Splits: complete, disjoint, stratified, the same again, copies of a row kept together. */
#include <config.h>

#include "tests/harness/data_fixture.h"

#include "data/split.h"

static void
make_rows(struct fixture *fixture, size_t rows, bool copies)
{
  struct buf csv = {0};
  buf_append_text(&csv, "x,z,y,v\n");
  for (size_t i = 0; i < rows; i++)
  {
    size_t k = copies ? i / 3 : i;
    buf_printf(&csv, "%zu.5,%zu,%s,%g\n", k * 37 % 100003, k % 11,
               i % 50 == 49 ? ""
               : k % 10 < 7 ? "common"
               : k % 10 < 9 ? "some"
                            : "few",
               (double) k * 0.25 + 0.125);
  }
  assert_int_equal(fixture_bytes(fixture, csv.data, csv.length), ERR_OK);
  buf_free(&csv);
}

static struct split *
make_split(const struct fixture *fixture, const char *target, struct split_spec spec,
           struct task *task)
{
  struct split *split;
  struct err_info info = {0};
  assert_int_equal(task_make(fixture->dataset, target, NULL, fixture->arena, task, &info), ERR_OK);
  assert_int_equal(split_make(fixture->dataset, task, &spec, &split, &info), ERR_OK);
  return split;
}

static void
test_folds(void **state)
{
  (void) state;
  struct fixture fixture;
  struct task task;
  make_rows(&fixture, 1000, false);
  struct split *split = make_split(&fixture, "y", (struct split_spec){.seed = 1}, &task);
  assert_int_equal(split->kind, SPLIT_FOLDS);
  assert_int_equal(split->fold_count, 5);
  assert_int_equal(split->report_count, 0);
  size_t in_fold[5][3] = {{0}};
  for (size_t row = 0; row < 1000; row++)
  {
    int32_t class = task_class_of(&task, fixture.dataset, row);
    if (class < 0)
      assert_int_equal(split->fold_of[row], SPLIT_UNUSED);
    else
    {
      assert_true(split->fold_of[row] < 5);
      in_fold[split->fold_of[row]][class]++;
    }
  }
  for (size_t k = 0; k < 3; k++)
    for (size_t f = 1; f < 5; f++)
      assert_true(labs((long) in_fold[f][k] - (long) in_fold[0][k]) <= 1);
  size_t covered = 0;
  for (size_t f = 0; f < 5; f++)
  {
    size_t *train, *valid, trains, valids;
    assert_int_equal(split_train_rows(split, f, &train, &trains), ERR_OK);
    assert_int_equal(split_valid_rows(split, f, &valid, &valids), ERR_OK);
    assert_int_equal(trains + valids, 980);
    covered += valids;
    for (size_t i = 1; i < valids; i++)
      assert_true(valid[i - 1] < valid[i]);
    for (size_t i = 0; i < trains; i++)
      assert_true(split->fold_of[train[i]] != f && split->fold_of[train[i]] < 5);
    free(train);
    free(valid);
  }
  assert_int_equal(covered, 980);
  split_free(split);
  fixture_free(&fixture);
}

static void
test_seed(void **state)
{
  (void) state;
  struct fixture fixture;
  struct task task;
  make_rows(&fixture, 600, false);
  struct split *a = make_split(&fixture, "y", (struct split_spec){.seed = 5}, &task);
  struct split *b = make_split(&fixture, "y", (struct split_spec){.seed = 5}, &task);
  struct split *c = make_split(&fixture, "y", (struct split_spec){.seed = 6}, &task);
  assert_memory_equal(a->fold_of, b->fold_of, 600);
  size_t other = 0;
  for (size_t i = 0; i < 600; i++)
    other += a->fold_of[i] != c->fold_of[i];
  assert_true(other > 300);
  split_free(a);
  split_free(b);
  split_free(c);
  fixture_free(&fixture);
}

static void
test_copies_stay_together(void **state)
{
  (void) state;
  struct fixture fixture;
  struct task task;
  make_rows(&fixture, 900, true);
  /* Groups of three: fewer than half of the rows are different, which counts as natural repeats. */
  struct split *split = make_split(&fixture, "v", (struct split_spec){.seed = 2}, &task);
  size_t apart = 0;
  for (size_t i = 0; i < 900; i += 3)
    apart += split->fold_of[i] != split->fold_of[i + 1];
  assert_true(apart > 100);
  split_free(split);
  fixture_free(&fixture);

  /* Pairs among different rows are copies. */
  struct buf csv = {0};
  buf_append_text(&csv, "x,y\n");
  for (size_t i = 0; i < 400; i++)
    buf_printf(&csv, "%zu.25,%s\n", i < 300 ? i : i - 300, (i < 300 ? i : i - 300) % 2 ? "a" : "b");
  assert_int_equal(fixture_bytes(&fixture, csv.data, csv.length), ERR_OK);
  buf_free(&csv);
  split = make_split(&fixture, "y", (struct split_spec){.seed = 2}, &task);
  for (size_t i = 0; i < 100; i++)
    assert_int_equal(split->fold_of[i], split->fold_of[i + 300]);
  split_free(split);
  fixture_free(&fixture);
}

static void
count_parts(const struct split *split, size_t counts[256])
{
  memset(counts, 0, 256 * sizeof *counts);
  for (size_t row = 0; row < split->row_count; row++)
    counts[split->fold_of[row]]++;
}

static void
test_holdout(void **state)
{
  (void) state;
  struct fixture fixture;
  struct task task;
  size_t counts[256];
  make_rows(&fixture, 25000, false);
  struct split *split = make_split(&fixture, "y", (struct split_spec){.seed = 3}, &task);
  count_parts(split, counts);
  assert_int_equal(split->kind, SPLIT_HOLDOUT);
  assert_int_equal(split->fold_count, 1);
  assert_int_equal(counts[SPLIT_REPORT], 2450);
  assert_int_equal(counts[0], 2450);
  assert_int_equal(counts[SPLIT_UNUSED], 500);
  assert_int_equal(counts[SPLIT_TRAIN_ONLY], 24500 - 4900);
  size_t *rows, count, classes[3] = {0};
  assert_int_equal(split_report_rows(split, &rows, &count), ERR_OK);
  assert_int_equal(count, split->report_count);
  for (size_t i = 0; i < count; i++)
    classes[task_class_of(&task, fixture.dataset, rows[i])]++;
  free(rows);
  assert_int_equal(split_train_rows(split, 0, &rows, &count), ERR_OK);
  assert_int_equal(count, counts[SPLIT_TRAIN_ONLY]);
  free(rows);
  assert_near((double) classes[0] / 2450, 0.7 / 0.98, 0.001);
  split_free(split);

  /* A share that the user states; a regression. */
  split = make_split(&fixture, "v", (struct split_spec){.seed = 3, .holdout = 0.2}, &task);
  count_parts(split, counts);
  assert_int_equal(counts[SPLIT_REPORT], 5000);
  assert_int_equal(counts[0], 5000);
  double mean = 0;
  for (size_t row = 0; row < 25000; row++)
    if (split->fold_of[row] == SPLIT_REPORT)
      mean += task_value_of(&task, fixture.dataset, row) / 5000;
  assert_near(mean, 25000 * 0.125, 60);
  split_free(split);

  /* Folds that the user asks for win over the rule. */
  split = make_split(&fixture, "v", (struct split_spec){.seed = 3, .fold_count = 3}, &task);
  assert_int_equal(split->kind, SPLIT_FOLDS);
  assert_int_equal(split->fold_count, 3);
  split_free(split);
  fixture_free(&fixture);
}

static void
test_small_classes(void **state)
{
  (void) state;
  struct fixture fixture;
  struct task task;
  struct buf csv = {0};
  buf_append_text(&csv, "x,y\n");
  for (size_t i = 0; i < 60; i++)
    buf_printf(&csv, "%zu,%s\n", i * i, i < 3 ? "few" : "many");
  assert_int_equal(fixture_bytes(&fixture, csv.data, csv.length), ERR_OK);
  buf_free(&csv);
  struct split *split = make_split(&fixture, "y", (struct split_spec){.seed = 1}, &task);
  assert_int_equal(split->fold_count, 3);
  assert_true(split->fold_of[0] != split->fold_of[1] && split->fold_of[1] != split->fold_of[2]
              && split->fold_of[0] != split->fold_of[2]);
  split_free(split);

  struct err_info info = {0};
  struct split_spec bad[] = {
    {.holdout = 0.5}, {.holdout = -1}, {.fold_count = 1}, {.fold_count = 51}, {.holdout = NAN}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
  {
    assert_int_equal(split_make(fixture.dataset, &task, &bad[i], &split, &info), ERR_INVALID);
    assert_null(split);
  }
  fixture_free(&fixture);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_folds),
    cmocka_unit_test(test_seed),
    cmocka_unit_test(test_copies_stay_together),
    cmocka_unit_test(test_holdout),
    cmocka_unit_test(test_small_classes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
