/* Splits: complete, disjoint, stratified, the same again, copies of a row kept together. */
#include <config.h>

#include "tests/harness/data_fixture.h"

#include "base/rng.h"
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
    {.holdout = 0.51}, {.holdout = -1}, {.fold_count = 1}, {.fold_count = 51}, {.holdout = NAN}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
  {
    assert_int_equal(split_make(fixture.dataset, &task, &bad[i], &split, &info), ERR_INVALID);
    assert_null(split);
  }
  fixture_free(&fixture);
}

/* ---- groups and times: properties over random tables ------------------------------------------------ */

/* Times are unique but for ties made on purpose; some rows have no group or no time. */
static void
make_random(struct fixture *fixture, struct rng *rng, size_t rows, size_t groups, size_t times)
{
  struct buf csv = {0};
  buf_append_text(&csv, "x,who,at,y,v\n");
  for (size_t i = 0; i < rows; i++)
  {
    size_t group = (size_t) rng_below(rng, groups);
    double draw = rng_double(rng);
    buf_printf(&csv, "%.17g,", rng_double(rng));
    if (rng_below(rng, 50) > 0)
      buf_printf(&csv, "g%zu", group);
    buf_append_text(&csv, ",");
    if (i < 3 || rng_below(rng, 40) > 0)
      buf_printf(&csv, "%zu", (size_t) rng_below(rng, times));
    /* The class goes with the group, but not wholly. */
    const char *y = draw < 0.2 ? "c" : (group + (draw < 0.5)) % 3 == 0 ? "b" : "a";
    buf_printf(&csv, ",%s,%.17g\n", y, rng_double(rng) + (double) group);
  }
  assert_int_equal(fixture_bytes(fixture, csv.data, csv.length), ERR_OK);
  buf_free(&csv);
}

static void
check_together(const struct fixture *fixture, const struct split *split)
{
  const struct column *who = fixture_column(fixture, "who");
  uint8_t part[1000];
  uint32_t number[1000];
  memset(part, SPLIT_UNUSED, sizeof part);
  assert_true(who->category_count <= 1000 && split->group_count > 0);
  for (size_t row = 0; row < split->row_count; row++)
  {
    if (split->fold_of[row] == SPLIT_UNUSED)
      continue;
    assert_true(split->group_of[row] < split->group_count);
    if (who->code[row] < 0)
      continue;
    if (part[who->code[row]] == SPLIT_UNUSED)
    {
      part[who->code[row]] = split->fold_of[row];
      number[who->code[row]] = split->group_of[row];
    }
    assert_int_equal(part[who->code[row]], split->fold_of[row]);
    assert_int_equal(number[who->code[row]], split->group_of[row]);
  }
}

/* Every row that trains a fold comes before every row that validates it, and these before the report. */
static void
check_order(const struct fixture *fixture, const struct split *split, bool grouped)
{
  const struct column *at = fixture_column(fixture, "at");
  assert_true(split->time_ordered);
  for (size_t f = 0; f < split->fold_count; f++)
  {
    size_t *train, *valid, trains, valids;
    double latest = -INFINITY;
    uint32_t rank = 0;
    assert_int_equal(split_train_rows(split, f, &train, &trains), ERR_OK);
    assert_int_equal(split_valid_rows(split, f, &valid, &valids), ERR_OK);
    assert_true(trains > 0 && valids > 0);
    for (size_t i = 0; i < trains; i++)
    {
      latest = fmax(latest, at->number[train[i]]);
      rank = split->order_of[train[i]] > rank ? split->order_of[train[i]] : rank;
    }
    for (size_t i = 0; i < valids; i++)
    {
      assert_true(split->order_of[valid[i]] > rank);
      assert_true(grouped || at->number[valid[i]] > latest);
    }
    for (size_t row = 0; row < split->row_count; row++)
      if (split->fold_of[row] == SPLIT_REPORT)
        for (size_t i = 0; i < valids; i++)
          assert_true(split->order_of[row] > split->order_of[valid[i]]);
    free(train);
    free(valid);
  }
  size_t untimed = 0;
  for (size_t row = 0; row < split->row_count; row++)
  {
    untimed += isfinite(at->number[row]) ? 0 : 1;
    assert_int_equal(split->fold_of[row] == SPLIT_UNUSED, !isfinite(at->number[row]));
  }
  assert_int_equal(split->untimed, untimed);
}

static void
test_random_cases(void **state)
{
  (void) state;
  struct rng rng;
  rng_init(&rng, 11, 1);
  for (size_t round = 0; round < 60; round++)
  {
    struct fixture fixture;
    struct task task;
    size_t rows = 80 + (size_t) rng_below(&rng, 500);
    make_random(&fixture, &rng, rows, rows / 8 + (size_t) rng_below(&rng, rows / 8),
                30 + (size_t) rng_below(&rng, 4000));
    const char *target = round % 3 == 0 ? "v" : "y";
    struct split_spec spec = {.seed = round};
    if (round % 2 == 0)
      spec.fold_count = 2 + (size_t) rng_below(&rng, 6);
    else
      spec.holdout = 0.05 + 0.4 * rng_double(&rng);
    for (int mode = 1; mode < 4; mode++)
    {
      spec.group = mode & 1 ? "who" : NULL;
      spec.time = mode & 2 ? "at" : NULL;
      struct split *split = make_split(&fixture, target, spec, &task);
      struct split *again = make_split(&fixture, target, spec, &task);
      assert_memory_equal(split->fold_of, again->fold_of, rows);
      if (mode & 1)
        check_together(&fixture, split);
      if (mode & 2)
        check_order(&fixture, split, mode & 1);
      size_t counts[256] = {0};
      for (size_t row = 0; row < rows; row++)
        counts[split->fold_of[row]]++;
      assert_int_equal(counts[SPLIT_REPORT], split->report_count);
      assert_int_equal(split->report_count > 0, round % 2);
      split_free(split);
      split_free(again);
    }
    fixture_free(&fixture);
  }
}

/* With groups of a few rows each part comes near to its share of the rows and of each class. */
static void
test_grouped_strata(void **state)
{
  (void) state;
  struct rng rng;
  struct fixture fixture;
  struct task task;
  rng_init(&rng, 4, 1);
  make_random(&fixture, &rng, 3000, 400, 100000);
  size_t total[3] = {0};
  for (int holdout = 0; holdout < 2; holdout++)
  {
    struct split_spec spec = {.seed = 3, .holdout = holdout * 0.2, .group = "who"};
    struct split *split = make_split(&fixture, "y", spec, &task);
    size_t counts[256][3] = {{0}}, rows[256] = {0};
    memset(total, 0, sizeof total);
    for (size_t row = 0; row < 3000; row++)
    {
      int32_t class = task_class_of(&task, fixture.dataset, row);
      counts[split->fold_of[row]][class]++;
      rows[split->fold_of[row]]++;
      total[class]++;
    }
    for (size_t part = 0; part < 256; part++)
    {
      double share = holdout && part == SPLIT_TRAIN_ONLY ? 0.6 : 0.2;
      if (rows[part] == 0)
        continue;
      assert_near((double) rows[part] / 3000, share, 0.01);
      for (size_t k = 0; k < 3; k++)
        assert_near((double) counts[part][k] / (double) total[k], share, 0.02);
    }
    split_free(split);
  }
  fixture_free(&fixture);
}

static void
test_unstratified(void **state)
{
  (void) state;
  struct fixture fixture;
  struct task task;
  make_rows(&fixture, 1000, false);
  struct split *split =
    make_split(&fixture, "y", (struct split_spec){.seed = 1, .unstratified = true}, &task);
  size_t rows[5] = {0}, rare[5] = {0}, uneven = 0;
  for (size_t row = 0; row < 1000; row++)
    if (split->fold_of[row] < 5)
    {
      rows[split->fold_of[row]]++;
      rare[split->fold_of[row]] += task_class_of(&task, fixture.dataset, row) == 1;
    }
  for (size_t f = 0; f < 5; f++)
  {
    assert_int_equal(rows[f], 196);
    uneven += rare[f] > rare[0] + 1 || rare[0] > rare[f] + 1;
  }
  assert_true(uneven > 0);
  split_free(split);
  fixture_free(&fixture);
}

/* A copy made later trains with the original; a group counts as late as its latest row. */
static void
test_time_of_copies(void **state)
{
  (void) state;
  struct fixture fixture;
  struct task task;
  struct buf csv = {0};
  buf_append_text(&csv, "x,at,who,y\n");
  for (size_t i = 0; i < 40; i++)
    buf_printf(&csv, "%zu.5,%zu,g%zu,%s\n", i * i, i, i == 39 ? 0 : i, i % 2 ? "a" : "b");
  assert_int_equal(fixture_bytes(&fixture, csv.data, csv.length), ERR_OK);
  struct split *split = make_split(
    &fixture, "y", (struct split_spec){.fold_count = 3, .time = "at", .group = "who"}, &task);
  assert_int_equal(split->fold_of[0], 2);
  assert_int_equal(split->fold_of[39], 2);
  assert_int_equal(split->fold_of[1], SPLIT_TRAIN_ONLY);
  split_free(split);
  fixture_free(&fixture);
  buf_free(&csv);
}

static void
expect_refusal(const struct fixture *fixture, const struct task *task, struct split_spec spec,
               const char *text)
{
  struct split *split;
  struct err_info info = {0};
  assert_int_equal(split_make(fixture->dataset, task, &spec, &split, &info), ERR_INVALID);
  assert_null(split);
  if (strstr(info.text, text) == NULL)
    fail_msg("\"%s\" is not in: %s", text, info.text);
}

static void
test_refusals(void **state)
{
  (void) state;
  struct fixture fixture;
  struct task task;
  struct err_info info = {0};
  struct buf csv = {0};
  buf_append_text(&csv, "x,four,two,at,sorted\n");
  for (size_t i = 0; i < 60; i++)
    buf_printf(&csv, "%zu.25,g%zu,%s,%zu,%s\n", i * i, i % 4, i % 2 ? "u" : "w", i / 10,
               i < 50 ? "early" : "late");
  assert_int_equal(fixture_bytes(&fixture, csv.data, csv.length), ERR_OK);
  buf_free(&csv);
  assert_int_equal(task_make(fixture.dataset, "sorted", NULL, fixture.arena, &task, &info), ERR_OK);
  expect_refusal(&fixture, &task, (struct split_spec){.fold_count = 5, .group = "four"},
                 "only 4 groups with a label, and 5 folds need 5; ask for at most 4 folds");
  struct split_refusal refusal;
  struct split *split;
  assert_int_equal(split_try(fixture.dataset, &task,
                             &(struct split_spec){.fold_count = 5, .group = "four"}, &split,
                             &refusal, &info),
                   ERR_INVALID);
  assert_null(split);
  assert_string_equal(info.text,
                      "column \"four\" has only 4 groups with a label, and 5 folds need 5");
  assert_string_equal(refusal.member, "folds");
  assert_string_equal(refusal.hint, "ask for at most 4 folds");
  expect_refusal(&fixture, &task, (struct split_spec){.holdout = 0.2, .group = "two"},
                 "only 2 groups with a label, and a holdout needs 3");
  expect_refusal(&fixture, &task, (struct split_spec){.fold_count = 7, .time = "at"},
                 "only 6 different times with a label, and 7 folds need 8; ask for at most 5");
  expect_refusal(&fixture, &task, (struct split_spec){.fold_count = 3, .time = "at"},
                 "of fold 1 of 3 are of the same class, because they are the earliest");
  expect_refusal(&fixture, &task, (struct split_spec){.holdout = 0.1, .time = "at"},
                 "all training rows are of the same class, because they are the earliest");
  expect_refusal(&fixture, &task, (struct split_spec){.time = "two"}, "no times or numbers");
  expect_refusal(&fixture, &task, (struct split_spec){.group = "none"}, "no column \"none\"");
  /* By rule there are as many folds as groups. */
  split = make_split(&fixture, "two", (struct split_spec){.group = "four"}, &task);
  assert_int_equal(split->fold_count, 4);
  split_free(split);
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
    cmocka_unit_test(test_random_cases),
    cmocka_unit_test(test_grouped_strata),
    cmocka_unit_test(test_unstratified),
    cmocka_unit_test(test_time_of_copies),
    cmocka_unit_test(test_refusals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
