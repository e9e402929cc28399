/* Text to features: n-grams by known values, the regressions by their optimum, no leak, bytes and back. */
#include <config.h>

#include "tests/unit/test_encode.h"

#include "data/ngram.h"
#include "data/sparse_ridge.h"
#include "tests/num/ngram_numbers.h"

/* ---- n-grams ---------------------------------------------------------------------------------------- */

static int
compare_grams(const void *left, const void *right)
{
  const struct ngram *a = left, *b = right;
  return (a->bucket > b->bucket) - (a->bucket < b->bucket);
}

static void
test_known_ngrams(void **state)
{
  (void) state;
  struct ngram_scratch *scratch = malloc(sizeof *scratch);
  for (size_t k = 0; k < sizeof ngram_cases / sizeof ngram_cases[0]; k++)
  {
    const struct ngram_case *known = &ngram_cases[k];
    size_t count = ngram_scan(known->text, strlen(known->text), 12, scratch, NULL);
    assert_int_equal(count, known->count);
    qsort(scratch->grams, count, sizeof scratch->grams[0], compare_grams);
    for (size_t i = 0; i < count; i++)
    {
      assert_int_equal(scratch->grams[i].bucket, known->grams[i].bucket);
      assert_int_equal(scratch->grams[i].count, known->grams[i].count);
    }
  }
  free(scratch);
}

static void
test_looks_and_limits(void **state)
{
  (void) state;
  struct ngram_scratch *scratch = malloc(sizeof *scratch);
  struct ngram_look look;
  const char *text = "Two Words, 42 ÄÖ!";
  ngram_scan(text, strlen(text), 16, scratch, &look);
  assert_int_equal(look.characters, 14);
  assert_int_equal(look.words, 4);
  assert_int_equal(look.digits, 2);
  assert_int_equal(look.capitals, 4);
  assert_int_equal(look.marks, 2);
  /* The longest of all: characters and words together are bounded, and so are the n-grams. */
  char *long_text = malloc(100000);
  for (size_t kind = 0; kind < 3; kind++)
  {
    struct rng rng;
    rng_init(&rng, kind, 0);
    for (size_t i = 0; i < 100000; i++)
      long_text[i] = kind == 0   ? (char) ('a' + (int) rng_below(&rng, 26))
                     : kind == 1 ? (char) (i % 2 ? ' ' : 'a' + (int) rng_below(&rng, 26))
                                 : (char) rng_below(&rng, 256);
    size_t count = ngram_scan(long_text, 100000, 16, scratch, &look);
    assert_true(count > 50 && count <= NGRAM_MAX_GRAMS);
    assert_in_range(look.characters + look.words, NGRAM_MAX_CHARACTERS - 2, NGRAM_MAX_CHARACTERS);
    for (size_t length = 0; length < 300; length++)
      ngram_scan(long_text, length, 16, scratch, &look);
  }
  assert_int_equal(ngram_scan("", 0, 16, scratch, &look), 0);
  assert_int_equal(ngram_scan(" \xc2\xa0\t", 4, 16, scratch, &look), 0);
  /* What is no UTF-8 is read as strange characters, cut short or not. */
  ngram_scan("\xff\xfe abc \xf0\x9f", 10, 16, scratch, &look);
  assert_int_equal(look.characters, 7);
  assert_int_equal(look.words, 3);
  free(long_text);
  free(scratch);
}

/* ---- the regressions --------------------------------------------------------------------------------- */

/* All rows in the first fold: the second fold's regression sees them all, the first's none. In its optimum
 * λ w = Σ a x and λ bias = Σ a, with a the residuals. */
static void
test_ridge_optimum(void **state)
{
  (void) state;
  enum
  {
    ROWS = 40,
    PLACES = 8,
    OUTPUTS = 3
  };
  struct sparse_entry entries[ROWS][4];
  struct sparse_row rows[ROWS];
  float y[ROWS][OUTPUTS], w[PLACES][OUTPUTS], bias[OUTPUTS], predictions[ROWS][OUTPUTS];
  struct rng rng;
  rng_init(&rng, 7, 0);
  for (size_t i = 0; i < ROWS; i++)
  {
    for (size_t k = 0; k < 4; k++)
      entries[i][k] = (struct sparse_entry){(uint16_t) ((i * 3 + k * 2 + i / 8) % PLACES), 32768};
    rows[i] = (struct sparse_row){entries[i], 4, 0};
    for (size_t s = 0; s < OUTPUTS; s++)
      y[i][s] = (float) rng_normal(&rng);
  }
  struct sparse_ridge problem = {.rows = rows,
                                 .count = ROWS,
                                 .targets = &y[0][0],
                                 .outputs = OUTPUTS,
                                 .folds = 2,
                                 .places = PLACES,
                                 .penalty = 0.7,
                                 .epochs = 300};
  assert_int_equal(sparse_ridge_fit(&problem, &w[0][0], bias, &predictions[0][0]), ERR_OK);
  for (size_t s = 0; s < OUTPUTS; s++)
  {
    double mean = 0, sum = 0, product[PLACES] = {0};
    for (size_t i = 0; i < ROWS; i++)
      mean += (double) y[i][s] / ROWS;
    double base = 2 * (double) bias[s] - mean;
    for (size_t i = 0; i < ROWS; i++)
    {
      double a = (double) y[i][s] - mean - base;
      for (size_t k = 0; k < 4; k++)
        a -= 2 * (double) w[entries[i][k].place][s] * 32768 / 65535;
      sum += a;
      for (size_t k = 0; k < 4; k++)
        product[entries[i][k].place] += a * 32768 / 65535;
    }
    assert_near(0.7 * base, sum, 1e-3);
    for (size_t p = 0; p < PLACES; p++)
      assert_near(0.7 * 2 * (double) w[p][s], product[p], 1e-3);
    /* The other regression has seen nothing. */
    for (size_t i = 0; i < ROWS; i++)
      assert_near((double) predictions[i][s], 0, 1e-9);
  }
}

/* ---- text tables ------------------------------------------------------------------------------------- */

/* The target is y; frees the text. */
static void
set_up_text(struct rig *rig, struct buf *csv, enum encode_view view, size_t train)
{
  set_up(rig, csv, "y", view, train);
  buf_free(csv);
}

/* Area under the curve of a feature for class 1. */
static double
area(const struct rig *rig, const float *x, size_t width, size_t at, size_t first, size_t count)
{
  double right = 0, pairs = 0;
  for (size_t i = 0; i < count; i++)
    for (size_t j = 0; j < count; j++)
    {
      if (task_class_of(&rig->task, rig->fixture.dataset, first + i) != 1
          || task_class_of(&rig->task, rig->fixture.dataset, first + j) != 0)
        continue;
      float a = x[i * width + at], b = x[j * width + at];
      pairs += 1;
      right += a > b ? 1.0 : a == b ? 0.5 : 0.0;
    }
  return right / pairs;
}

static void
put_word(struct buf *csv, struct rng *rng)
{
  for (size_t n = 3 + rng_below(rng, 5); n > 0; n--)
    buf_printf(csv, "%c", (char) ('a' + (int) rng_below(rng, 26)));
}

/* Random letters and a target that knows nothing of them; in half of the rows texts are taken from 100 that come
 * again and again. */
static void
test_no_leak(void **state)
{
  (void) state;
  for (int view = ENCODE_DENSE; view <= ENCODE_TREE; view++)
  {
    struct rig rig;
    struct rng rng;
    struct buf csv = {0};
    rng_init(&rng, 3, 0);
    buf_append_text(&csv, "note,again,y\n");
    for (int i = 0; i < 1200; i++)
    {
      for (int w = 0; w < 4; w++)
      {
        put_word(&csv, &rng);
        buf_append_text(&csv, w < 3 ? " " : ",");
      }
      struct rng words;
      rng_init(&words, rng_below(&rng, i < 600 ? 300 : 500), 1);
      for (int w = 0; w < 4; w++)
      {
        put_word(&csv, &words);
        buf_append_text(&csv, w < 3 ? " " : ",");
      }
      buf_append_text(&csv, rng_below(&rng, 2) ? "yes\n" : "no\n");
    }
    set_up_text(&rig, &csv, (enum encode_view) view, 1200);
    assert_int_equal(fixture_column(&rig.fixture, "again")->type, COLUMN_TEXT);
    size_t width = encoder_width(rig.encoder);
    float *inside = apply(&rig, rig.encoder, 0, 1200, true);
    float *outside = apply(&rig, rig.encoder, 0, 1200, false);
    for (size_t k = 0; k < 2; k++)
    {
      size_t at = feature(rig.encoder, k == 0 ? "note (score)" : "again (score)");
      /* By heart everything is known; out of fold it is chance. */
      assert_true(area(&rig, outside, width, at, 0, 1200) > 0.75);
      double fair = area(&rig, inside, width, at, 0, 1200);
      assert_true(fair > 0.4 && fair < 0.56);
    }
    free(inside);
    free(outside);
    tear_down(&rig);
  }
}

/* Words of two moods among others, now and then misspelt; 1,000 rows. Every 20th row has no text. */
static struct buf
mood_csv(int classes)
{
  static const char *const moods[4][5] = {
    {"wonderful", "delightful", "charming", "splendid", "lovely"},
    {"terrible", "dreadful", "horrible", "boring", "awful"},
    {"average", "ordinary", "mediocre", "passable", "tolerable"},
    {"expensive", "costly", "overpriced", "dear", "pricey"}};
  static const char *const others[] = {"the", "film", "with", "people", "story", "was",
                                       "in",  "end",  "and",  "music",  "we",    "saw"};
  static const char *const names[] = {"good", "bad", "so-so", "dear"};
  struct buf csv = {0};
  struct rng rng;
  rng_init(&rng, 11, 0);
  buf_append_text(&csv, "n,note,y\n");
  for (int i = 0; i < 1000; i++)
  {
    size_t class = rng_below(&rng, (uint64_t) classes);
    buf_printf(&csv, "%d,", (int) rng_below(&rng, 9));
    for (size_t w = 0; w < 8 && i % 20 != 19; w++)
    {
      const char *word =
        w == 2 || w == 5 ? moods[class][rng_below(&rng, 5)] : others[rng_below(&rng, 12)];
      size_t typo = rng_below(&rng, 20);
      for (size_t c = 0; c < strlen(word); c++)
        buf_printf(&csv, "%c", c == typo ? 'x' : c == 0 && w == 0 ? word[c] - 32 : word[c]);
      buf_append_text(&csv, w < 7 ? " " : "");
    }
    buf_printf(&csv, ",%s\n", names[class]);
  }
  return csv;
}

static void
test_scores_tell_the_classes(void **state)
{
  (void) state;
  struct rig rig;
  struct buf csv = mood_csv(2);
  set_up_text(&rig, &csv, ENCODE_DENSE, 600);
  const struct encoder *e = rig.encoder;
  size_t width = encoder_width(e), at = feature(e, "note (score)");
  float *inside = apply(&rig, e, 0, 600, true), *outside = apply(&rig, e, 600, 400, false);
  /* A score is for class 1, "good"; rows without a text have none. */
  assert_true(area(&rig, inside, width, at, 0, 600) > 0.95);
  assert_true(area(&rig, outside, width, at, 600, 400) > 0.95);
  assert_near(inside[19 * width + feature(e, "note is missing")], 1, 0);
  assert_near(inside[19 * width + at], 0, 0);
  assert_near(inside[18 * width + feature(e, "note is missing")], 0, 0);
  assert_string_equal(encoder_column_name(e, encoder_feature_column(e, at)), "note");
  assert_int_equal(encoder_dropped_count(e), 0);
  /* Of training rows the mean is 0 and the deviation 1. */
  double sum = 0, square = 0, n = 0;
  for (size_t i = 0; i < 600; i++)
    if (i % 20 != 19)
    {
      sum += (double) inside[i * width + at];
      square += (double) inside[i * width + at] * (double) inside[i * width + at];
      n += 1;
    }
  assert_near(sum / n, 0, 1e-4);
  assert_near(square / n, 1, 1e-3);
  free(inside);
  free(outside);
  tear_down(&rig);
}

static void
check_round_trip(int classes, enum encode_view view)
{
  struct rig rig;
  struct buf csv = mood_csv(classes), bytes = {0}, again = {0};
  struct encoder *loaded, *twin;
  struct err_info info = {0};
  size_t used;
  set_up_text(&rig, &csv, view, 700);
  assert_int_equal(encoder_save(rig.encoder, &bytes), ERR_OK);
  assert_int_equal(bytes.data[4], 2);
  assert_int_equal(encoder_load(bytes.data, bytes.length, &used, &loaded, &info), ERR_OK);
  assert_int_equal(used, bytes.length);
  assert_int_equal(encoder_save(loaded, &again), ERR_OK);
  assert_int_equal(again.length, bytes.length);
  assert_memory_equal(again.data, bytes.data, bytes.length);
  size_t width = encoder_width(loaded);
  float *a = apply(&rig, rig.encoder, 0, 1000, false), *b = apply(&rig, loaded, 0, 1000, false);
  assert_memory_equal(a, b, 1000 * width * sizeof *a);
  for (size_t i = 0; i < 1000; i++)
    for (size_t f = 0; f < width; f++)
      assert_true(isfinite(a[i * width + f]) || (view == ENCODE_TREE && i % 20 == 19));
  for (size_t f = 0; f < width; f++)
    assert_string_equal(encoder_feature_name(loaded, f), encoder_feature_name(rig.encoder, f));
  assert_int_equal(
    encoder_apply(loaded, dataset_table(rig.fixture.dataset), NULL, 10, true, a, &info),
    ERR_CONFLICT);
  /* The same rows give the same bytes. */
  assert_int_equal(encoder_fit(rig.fixture.dataset, &rig.task, view, rig.rows, 700, &twin, &info),
                   ERR_OK);
  again.length = 0;
  assert_int_equal(encoder_save(twin, &again), ERR_OK);
  assert_memory_equal(again.data, bytes.data, bytes.length);
  encoder_free(twin);
  encoder_free(loaded);
  free(a);
  free(b);
  buf_free(&again);
  buf_free(&bytes);
  tear_down(&rig);
}

static void
test_save_and_load(void **state)
{
  (void) state;
  for (int classes = 2; classes <= 4; classes += 2)
  {
    check_round_trip(classes, ENCODE_DENSE);
    check_round_trip(classes, ENCODE_TREE);
  }
}

static void
test_damaged_bytes(void **state)
{
  (void) state;
  struct rig rig;
  struct buf csv = {0}, bytes = {0};
  struct err_info info;
  struct encoder *loaded;
  size_t used, refused = 0;
  buf_append_text(&csv, "note,y\n");
  for (int i = 0; i < 30; i++)
    buf_printf(&csv, "some words in row %d,%s\n", i, i % 3 ? "a" : "b");
  set_up_text(&rig, &csv, ENCODE_DENSE, 30);
  assert_int_equal(encoder_save(rig.encoder, &bytes), ERR_OK);
  for (size_t cut = 0; cut < bytes.length; cut += 1 + cut / 100)
    assert_int_equal(encoder_load(bytes.data, cut, &used, &loaded, &info), ERR_INVALID);
  struct rng rng;
  rng_init(&rng, 9, 0);
  for (int round = 0; round < 4000; round++)
  {
    char *copy = malloc(bytes.length);
    memcpy(copy, bytes.data, bytes.length);
    for (size_t n = 1 + rng_below(&rng, 3); n > 0; n--)
      copy[rng_below(&rng, 400)] = (char) rng_below(&rng, 256);
    if (encoder_load(copy, bytes.length, &used, &loaded, &info) != ERR_OK)
      refused++;
    else
    {
      float *x = malloc(30 * encoder_width(loaded) * sizeof *x);
      enum err err =
        encoder_apply(loaded, dataset_table(rig.fixture.dataset), NULL, 30, false, x, &info);
      assert_true(err == ERR_OK || err == ERR_INVALID);
      free(x);
      encoder_free(loaded);
    }
    free(copy);
  }
  assert_true(refused > 100);
  buf_free(&bytes);
  tear_down(&rig);
}

/* More classes than scores; a regression; a text that never changes; texts in no row. */
static void
test_odd_columns(void **state)
{
  (void) state;
  struct rig rig;
  struct buf csv = {0};
  struct rng rng;
  rng_init(&rng, 5, 0);
  buf_append_text(&csv, "note,y\n");
  for (int i = 0; i < 400; i++)
    buf_printf(&csv, "row %d says word%d here,k%d\n", i, i % 40 * 7919, i % 40);
  set_up_text(&rig, &csv, ENCODE_TREE, 400);
  assert_int_equal(encoder_width(rig.encoder), ENCODE_LOOKS + ENCODE_MAX_SCORES);
  tear_down(&rig);

  csv = (struct buf){0};
  buf_append_text(&csv, "note,y\n");
  for (int i = 0; i < 400; i++)
    buf_printf(&csv, "%s thing number %d,%g\n", i % 2 ? "large" : "small", i,
               (i % 2 ? 1e12 : 1.0) + rng_normal(&rng));
  set_up_text(&rig, &csv, ENCODE_DENSE, 300);
  float *x = apply(&rig, rig.encoder, 300, 100, false);
  size_t width = encoder_width(rig.encoder), at = feature(rig.encoder, "note (score)");
  for (size_t i = 0; i < 100; i++)
    assert_true(i % 2 ? x[i * width + at] > 0 : x[i * width + at] < 0);
  free(x);
  tear_down(&rig);

  csv = (struct buf){0};
  buf_append_text(&csv, "n,note,y\n");
  for (int i = 0; i < 40; i++)
    buf_printf(&csv, "%d,%s %d,%s\n", i % 7, "all these are the same", i < 20 ? 0 : i,
               i % 2 ? "a" : "b");
  set_up_text(&rig, &csv, ENCODE_DENSE, 20);
  assert_int_equal(encoder_width(rig.encoder), 1);
  assert_string_equal(encoder_dropped_name(rig.encoder, 0), "note");
  tear_down(&rig);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_known_ngrams),
    cmocka_unit_test(test_looks_and_limits),
    cmocka_unit_test(test_ridge_optimum),
    cmocka_unit_test(test_no_leak),
    cmocka_unit_test(test_scores_tell_the_classes),
    cmocka_unit_test(test_save_and_load),
    cmocka_unit_test(test_damaged_bytes),
    cmocka_unit_test(test_odd_columns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
