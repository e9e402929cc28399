/* Columns of many different values, through every family of tables: texts are learned from, and what says nothing
 * about the target does not lead a model astray.
 */
#include <config.h>

#include "tests/harness/data_fixture.h"

#include "base/proc.h"
#include "base/rng.h"
#include "train/train.h"

static const char *const families[] = {"linear", "trees", "mlp"};

struct rig
{
  struct fixture fixture;
  struct task task;
  size_t *rows;
  size_t count;
};

static void
set_up(struct rig *rig, struct buf *csv)
{
  struct err_info info = {0};
  memset(rig, 0, sizeof *rig);
  assert_int_equal(fixture_bytes(&rig->fixture, csv->data, csv->length), ERR_OK);
  assert_int_equal(
    task_make(rig->fixture.dataset, "y", NULL, rig->fixture.arena, &rig->task, &info), ERR_OK);
  rig->count = dataset_row_count(rig->fixture.dataset);
  rig->rows = arena_array(rig->fixture.arena, rig->count, sizeof(size_t));
  for (size_t i = 0; i < rig->count; i++)
    rig->rows[i] = i;
  buf_free(csv);
}

/* The score on the rows behind the first `train`. */
static double
score(const struct rig *rig, const char *family, size_t train, enum metric metric)
{
  struct train_result result;
  struct err_info info = {0};
  struct train_request request = {.dataset = rig->fixture.dataset,
                                  .task = &rig->task,
                                  .family = family,
                                  .train_rows = rig->rows,
                                  .train_count = train,
                                  .valid_rows = rig->rows + train,
                                  .valid_count = rig->count - train,
                                  .metric = metric,
                                  .seed = 3};
  if (train_run(&request, &result, &info) != ERR_OK)
    fail_msg("%s: %s", family, info.text);
  double metric_value = result.metric;
  train_result_clear(&result);
  return metric_value;
}

/* 1,500 rows: x tells something of the target (in half of the tables), `key` and `note` are different in nearly
 * every row and tell nothing. */
static struct buf
noisy_csv(bool with_signal, bool with_noise)
{
  struct buf csv = {0};
  struct rng rng;
  rng_init(&rng, 21, 0);
  buf_append_text(&csv, with_noise ? "x,key,note,y\n" : "x,z,y\n");
  for (int i = 0; i < 1500; i++)
  {
    bool yes = rng_below(&rng, 2) == 1;
    double x = rng_normal(&rng) + (with_signal && yes ? 1.4 : 0.0);
    buf_printf(&csv, "%.4f,", x);
    struct rng own;
    rng_init(&own, 22, (uint64_t) i);
    if (with_noise)
    {
      buf_printf(&csv, "k%d,", (int) rng_below(&own, 500));
      for (int c = 0; c < 24; c++)
        buf_printf(&csv, "%c", c % 6 == 5 ? ' ' : (char) ('a' + (int) rng_below(&own, 26)));
      buf_append_text(&csv, "end,");
    }
    else
      buf_printf(&csv, "%d,", (int) rng_below(&own, 3));
    buf_append_text(&csv, yes ? "yes\n" : "no\n");
  }
  return csv;
}

/* Chance alone gives 0.5 ± 0.03 on 500 rows. A model that saw its own targets in the columns of noise would trust
 * them more than x. */
static void
test_noise_does_no_harm(void **state)
{
  (void) state;
  struct rig clean, noisy, nothing;
  struct buf csv = noisy_csv(true, false);
  set_up(&clean, &csv);
  csv = noisy_csv(true, true);
  set_up(&noisy, &csv);
  csv = noisy_csv(false, true);
  set_up(&nothing, &csv);
  assert_int_equal(fixture_column(&noisy.fixture, "key")->type, COLUMN_CATEGORICAL);
  assert_int_equal(fixture_column(&noisy.fixture, "note")->type, COLUMN_TEXT);
  for (size_t f = 0; f < 3; f++)
  {
    double with_x = score(&clean, families[f], 1000, METRIC_ROC_AUC);
    double beside_noise = score(&noisy, families[f], 1000, METRIC_ROC_AUC);
    double chance = score(&nothing, families[f], 1000, METRIC_ROC_AUC);
    if (!(with_x > 0.78 && beside_noise > with_x - 0.04 && chance > 0.41 && chance < 0.59))
      fail_msg("%s: x %.3f, with noise %.3f, noise alone %.3f", families[f], with_x, beside_noise,
               chance);
  }
  fixture_free(&clean.fixture);
  fixture_free(&noisy.fixture);
  fixture_free(&nothing.fixture);
}

/* Sentences about things of four kinds, few of them with the same words; and how much is written of. */
static struct buf
kinds_csv(bool numbers)
{
  static const char *const kinds[4][6] = {
    {"apple", "pear", "cherry", "grape", "peach", "plum"},
    {"hammer", "chisel", "spanner", "drill", "pliers", "anvil"},
    {"violin", "trumpet", "cello", "flute", "clarinet", "harp"},
    {"sparrow", "eagle", "pigeon", "falcon", "magpie", "heron"}};
  static const char *const others[] = {"a",    "new",  "report", "of",   "yesterday", "for",
                                       "once", "more", "about",  "that", "nice",      "thing"};
  struct buf csv = {0};
  struct rng rng;
  rng_init(&rng, 31, 0);
  buf_append_text(&csv, "note,y\n");
  for (int i = 0; i < 900; i++)
  {
    size_t kind = rng_below(&rng, 4);
    for (size_t w = 0; w < 7; w++)
      buf_printf(&csv, "%s%s ",
                 w == 3 ? kinds[kind][rng_below(&rng, 6)] : others[rng_below(&rng, 12)],
                 w == 3 && rng_below(&rng, 2) ? "s" : "");
    if (numbers)
      buf_printf(&csv, ",%.3f\n", 100.0 * (double) kind + rng_normal(&rng));
    else
      buf_printf(&csv, ",%s\n", kinds[kind][0]);
  }
  return csv;
}

static void
test_learns_texts(void **state)
{
  (void) state;
  struct rig classes, numbers;
  struct buf csv = kinds_csv(false);
  set_up(&classes, &csv);
  csv = kinds_csv(true);
  set_up(&numbers, &csv);
  for (size_t f = 0; f < 3; f++)
  {
    double accuracy = score(&classes, families[f], 600, METRIC_ACCURACY);
    double r2 = score(&numbers, families[f], 600, METRIC_R2);
    if (!(accuracy > 0.97 && r2 > 0.9))
      fail_msg("%s: accuracy %.3f, R² %.3f", families[f], accuracy, r2);
  }
  fixture_free(&classes.fixture);
  fixture_free(&numbers.fixture);
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_noise_does_no_harm),
    cmocka_unit_test(test_learns_texts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
