#include <config.h>

#include "model/trees.h"

#include "base/proc.h"
#include "base/rng.h"
#include "model/ubj.h"
#include "tests/harness/test_support.h"

#define ROWS 700
#define INPUTS 9

/* Numbers, repeated numbers, missing ones and huge ones. */
static void
fill(float *x, float *y, size_t groups, uint64_t seed)
{
  struct rng rng;

  rng_init(&rng, seed, 1);
  for (size_t i = 0; i < ROWS; i++)
  {
    for (size_t j = 0; j < INPUTS; j++)
    {
      double value = j % 3 ? rng_normal(&rng) : (double) rng_below(&rng, 4);
      x[i * INPUTS + j] = (float) value;
      if (rng_below(&rng, 11) == 0)
        x[i * INPUTS + j] = NAN;
      else if (rng_below(&rng, 97) == 0)
        x[i * INPUTS + j] = rng_below(&rng, 2) ? 1e30f : -1e30f;
    }
    float sum = 0.0f;
    for (size_t j = 0; j < 3; j++)
      sum += isnan(x[i * INPUTS + j]) ? 0.5f : fminf(fmaxf(x[i * INPUTS + j], -3.0f), 3.0f);
    sum += (float) rng_normal(&rng) * 0.2f;
    y[i] = groups == 0 ? sum : (float) ((sum > 1.0f) + (groups > 2 && sum > 3.0f));
  }
}

static struct trees *
grow(enum trees_objective objective, size_t rounds, size_t keep, const float *x, const float *y)
{
  struct trees_config config = {.objective = objective,
                                .inputs = INPUTS,
                                .groups = objective == TREES_SOFTMAX ? 3 : 1,
                                .learning_rate = 0.3,
                                .min_child_weight = 1e-3,
                                .subsample = 0.8,
                                .colsample = 0.9,
                                .alpha = 1e-4,
                                .lambda = 0.01,
                                .max_depth = 7,
                                .seed = 3,
                                .base_score = objective == TREES_SIGMOID ? 0.37 : 0.0};
  struct trees_rows train = {.x = x, .rows = ROWS - 100, .y = y};
  struct trees_rows valid = {.x = x + (ROWS - 100) * INPUTS, .rows = 100, .y = y + ROWS - 100};
  struct trees_trainer *trainer;
  struct trees *trees;
  struct err_info info;
  double first = 0.0, train_loss = 0.0, valid_loss = 0.0;

  if (trees_trainer_new(&config, &train, &valid, &trainer, &info) != ERR_OK)
    fail_msg("%s", info.text);
  for (size_t i = 0; i < rounds; i++)
  {
    assert_int_equal(trees_trainer_round(trainer, &train_loss, &valid_loss, &info), ERR_OK);
    first = i == 0 ? train_loss : first;
    assert_true(isfinite(valid_loss));
  }
  assert_true(train_loss < first);
  if (trees_trainer_finish(trainer, keep, &trees, &info) != ERR_OK)
    fail_msg("%s", info.text);
  trees_trainer_free(trainer);
  return trees;
}

/* Our arrays give XGBoost's margins to the last bit. */
static void
test_equal_to_xgboost(void **state)
{
  (void) state;
  static float x[ROWS * INPUTS], y[ROWS], ours[ROWS * 3], theirs[ROWS * 3];

  for (int objective = TREES_VALUE; objective <= TREES_SOFTMAX; objective++)
  {
    size_t groups = objective == TREES_SOFTMAX ? 3 : 1;
    fill(x, y, objective == TREES_VALUE ? 0 : (size_t) objective + 1, 5);
    struct trees *trees = grow((enum trees_objective) objective, 40, 33, x, y);
    assert_int_equal(trees->tree_count, 33 * groups);
    trees_margins(trees, x, ROWS, ours);
    assert_int_equal(trees_margins_xgboost(trees, x, ROWS, theirs, NULL), ERR_OK);
    assert_memory_equal(ours, theirs, ROWS * groups * sizeof(float));
    /* one row at a time, too */
    for (size_t i = 0; i < ROWS; i += 37)
    {
      trees_margins(trees, x + i * INPUTS, 1, ours);
      assert_memory_equal(ours, theirs + i * groups, groups * sizeof(float));
    }
    trees_free(trees);
  }
}

static void
test_ubj_damaged(void **state)
{
  (void) state;
  static float x[ROWS * INPUTS], y[ROWS];
  struct trees *copy;
  struct rng rng;

  fill(x, y, 0, 6);
  struct trees *trees = grow(TREES_VALUE, 3, 3, x, y);
  unsigned char *bytes = malloc(trees->ubj_length);
  assert_int_equal(trees_from_ubj(trees->ubj, trees->ubj_length, 3, INPUTS, &copy, NULL), ERR_OK);
  trees_free(copy);
  assert_int_equal(trees_from_ubj(trees->ubj, trees->ubj_length, 4, INPUTS, &copy, NULL),
                   ERR_INTERNAL);
  assert_int_equal(trees_from_ubj(trees->ubj, trees->ubj_length, 3, 2, &copy, NULL), ERR_INTERNAL);
  for (size_t cut = 0; cut < trees->ubj_length - 1; cut += trees->ubj_length / 60 + 1)
  {
    memcpy(bytes, trees->ubj, cut); /* exactly so long, for the address sanitizer */
    unsigned char *exact = malloc(cut + 1);
    memcpy(exact, trees->ubj, cut);
    enum err rc = trees_from_ubj(exact, cut, 3, INPUTS, &copy, NULL);
    trees_free(rc == ERR_OK ? copy : NULL);
    assert_int_not_equal(rc, ERR_OK);
    free(exact);
  }
  rng_init(&rng, 8, 8);
  for (int tries = 0; tries < 2000; tries++)
  {
    memcpy(bytes, trees->ubj, trees->ubj_length);
    for (int flips = 0; flips < 3; flips++)
      bytes[rng_below(&rng, trees->ubj_length)] = (unsigned char) rng_u32(&rng);
    if (trees_from_ubj(bytes, trees->ubj_length, 3, INPUTS, &copy, NULL) == ERR_OK)
      trees_free(copy);
  }
  free(bytes);
  trees_free(trees);
}

static void
test_ubj_forms(void **state)
{
  (void) state;
  /* {"a": [1, -2, 3.5f, true], "b": [$U#3 1 2 3], "c": "text", "d": {}} */
  static const unsigned char bytes[] = "{U\1a[i\1I\xff\xfe"
                                       "d\x40\x60\0\0T]i\1b[$U#U\3\1\2\3i\1cSU\4textU\1dN{}}";
  struct ubj ubj = {.at = bytes, .end = bytes + sizeof bytes - 1};
  static const double tagged[] = {1, -2, 3.5, 1}, typed[] = {1, 2, 3};
  const char *key;
  size_t length, seen = 0;
  struct ubj_array array;
  char text[8];

  assert_true(ubj_enter_object(&ubj));
  assert_true(ubj_next_key(&ubj, &key, &length) && ubj_key_is(key, length, "a"));
  ubj_enter_array(&ubj, &array);
  while (ubj_next_element(&ubj, &array))
    assert_near(ubj_element_number(&ubj, &array), tagged[seen++], 0.0);
  assert_int_equal(seen, 4);
  assert_true(ubj_next_key(&ubj, &key, &length) && ubj_key_is(key, length, "b"));
  ubj_enter_array(&ubj, &array);
  for (seen = 0; ubj_next_element(&ubj, &array); seen++)
    assert_near(ubj_element_number(&ubj, &array), typed[seen], 0.0);
  assert_int_equal(seen, 3);
  assert_true(ubj_next_key(&ubj, &key, &length));
  assert_true(ubj_text(&ubj, text, sizeof text));
  assert_string_equal(text, "text");
  assert_true(ubj_next_key(&ubj, &key, &length));
  ubj_skip(&ubj);
  assert_false(ubj_next_key(&ubj, &key, &length));
  assert_false(ubj.failed);
  assert_ptr_equal(ubj.at, ubj.end);
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_equal_to_xgboost),
    cmocka_unit_test(test_ubj_damaged),
    cmocka_unit_test(test_ubj_forms),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
