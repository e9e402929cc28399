#include <config.h>

#include "model/trees.h"
#include "model/trees_walk.h"

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
grow_deep(enum trees_objective objective, size_t depth, size_t rounds, size_t keep, const float *x,
          const float *y)
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
                                .max_depth = depth,
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
  assert_true(rounds == 1 || train_loss < first);
  if (trees_trainer_finish(trainer, keep, &trees, &info) != ERR_OK)
    fail_msg("%s", info.text);
  trees_trainer_free(trainer);
  return trees;
}

static struct trees *
grow(enum trees_objective objective, size_t rounds, size_t keep, const float *x, const float *y)
{
  return grow_deep(objective, 7, rounds, keep, x, y);
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

/* Trees grown to `depth`, `keep` rounds of them, and the ways to answer that this machine has. */
static void
check_shape(enum trees_objective objective, size_t depth, size_t keep, const float *x,
            const float *y)
{
  static float ours[ROWS * 3], theirs[ROWS * 3];
  static const size_t counts[] = {1, 2, 4, 5, 8, 15, 16, 17, 31, 32, 33, 65, ROWS};
  size_t groups = objective == TREES_SOFTMAX ? 3 : 1;
  struct trees *trees = grow_deep(objective, depth, keep, keep, x, y);

  assert_int_equal(trees_margins_xgboost(trees, x, ROWS, theirs, NULL), ERR_OK);
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
  {
    size_t n = counts[i], first = ROWS - n;
    memset(ours, 0xff, sizeof ours);
    trees_walk_any(trees, x + first * INPUTS, n, ours);
    assert_memory_equal(ours, theirs + first * groups, n * groups * sizeof(float));
    memset(ours, 0xff, sizeof ours);
    if (trees->flat->tops)
      trees_walk_wide(trees, x + first * INPUTS, n, ours);
    else
      trees_margins(trees, x + first * INPUTS, n, ours);
    assert_memory_equal(ours, theirs + first * groups, n * groups * sizeof(float));
    assert_true(n * groups >= ROWS * 3 || isnan(ours[n * groups])); /* nothing beyond */
  }
  trees_free(trees);
}

/* Whatever the trees' depth, their number and the number of rows, each way gives XGBoost's bits. */
static void
test_shapes_equal(void **state)
{
  (void) state;
  static float x[ROWS * INPUTS], y[ROWS];
  static const size_t keeps[] = {1, 7, 8, 9, 20};

  for (int objective = TREES_VALUE; objective <= TREES_SOFTMAX; objective++)
  {
    fill(x, y, objective == TREES_VALUE ? 0 : (size_t) objective + 1, 11);
    for (size_t depth = 1; depth <= 9; depth++)
      check_shape((enum trees_objective) objective, depth, keeps[depth % 5], x, y);
  }
}

/* Margins of trees that are not in turn: each margin adds its own, in their order. */
static void
test_margins_in_any_order(void **state)
{
  (void) state;
  static float x[ROWS * INPUTS], y[ROWS], any[ROWS * 3], mixed[ROWS * 3];

  fill(x, y, 3, 12);
  struct trees *trees = grow(TREES_SOFTMAX, 6, 6, x, y);
  for (size_t t = 0; t < trees->tree_count; t++)
    trees->group[t] = (uint32_t) (t * t % 3 == 1 ? 2 : 0); /* none has margin 1 */
  assert_int_equal(trees_lay_out(trees, NULL), ERR_OK);
  trees_walk_any(trees, x, ROWS, any);
  trees_margins(trees, x, ROWS, mixed);
  assert_memory_equal(any, mixed, sizeof any);
  for (size_t i = 0; i < ROWS; i++)
  {
    float sums[3] = {trees->base, trees->base, trees->base};
    for (size_t t = 0; t < trees->tree_count; t++)
    {
      const struct trees_node *node = &trees->nodes[trees->starts[t]];
      while (node->left)
      {
        float value = x[i * INPUTS + (node->feature & ~TREES_MISSING_LEFT)];
        bool left = isnan(value) ? node->feature & TREES_MISSING_LEFT : value < node->value;
        node = &trees->nodes[node->left + (left ? 0 : 1)];
      }
      sums[trees->group[t]] += node->value;
    }
    assert_memory_equal(sums, any + 3 * i, sizeof sums);
  }
  trees_free(trees);
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
    cmocka_unit_test(test_shapes_equal),
    cmocka_unit_test(test_margins_in_any_order),
    cmocka_unit_test(test_ubj_damaged),
    cmocka_unit_test(test_ubj_forms),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
