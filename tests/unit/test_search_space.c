/* How points are spread: Sobol's sequence, grids, and legal points in thousands of random spaces. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "search/enumerate.h"
#include "search/features.h"
#include "search/search.h"
#include "search/sobol_sequence.h"
#include "tests/unit/test_search_near.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define PARAMS_MAX 9

static void
sobol_begins_as_published(void **state)
{
  (void) state;
  /* Points 1, 2, 3, 4 of the first three dimensions, in the order of the index's own digits. */
  static const double expected[4][3] = {
    {0.5, 0.5, 0.5}, {0.25, 0.75, 0.75}, {0.75, 0.25, 0.25}, {0.125, 0.625, 0.375}};
  struct sobol_sequence *sequence;
  double unit[3];
  assert_int_equal(sobol_sequence_new_plain(3, &sequence), ERR_OK);
  sobol_sequence_point(sequence, 0, unit);
  assert_true(unit[0] == 0 && unit[1] == 0 && unit[2] == 0);
  for (uint32_t i = 0; i < 4; i++)
  {
    sobol_sequence_point(sequence, i + 1, unit);
    for (size_t d = 0; d < 3; d++)
      assert_near(unit[d], expected[i][d], 0);
  }
  sobol_sequence_free(sequence);
}

/* Any 64 points from a multiple of 64 on hold one point in each 64th of every dimension, and in the
 * first two dimensions one in each cell of every 2^a × 2^b grid. */
static void
sobol_is_balanced(void **state)
{
  (void) state;
  enum
  {
    DIMS = 170
  };
  static double unit[64][DIMS];
  for (uint64_t seed = 0; seed < 4; seed++)
  {
    struct sobol_sequence *sequence;
    assert_int_equal(sobol_sequence_new(DIMS, seed, &sequence), ERR_OK);
    for (uint32_t from = 0; from < 256; from += 64)
    {
      for (uint32_t i = 0; i < 64; i++)
        sobol_sequence_point(sequence, from + i, unit[i]);
      for (size_t d = 0; d < DIMS; d++)
      {
        uint64_t hit = 0;
        for (size_t i = 0; i < 64; i++)
        {
          assert_true(unit[i][d] >= 0 && unit[i][d] < 1);
          hit |= UINT64_C(1) << (unsigned) (64 * unit[i][d]);
        }
        if (d < SOBOL_DIMENSIONS)
          assert_true(hit == UINT64_MAX);
      }
      for (unsigned a = 0; a <= 6; a++)
      {
        uint64_t hit = 0;
        for (size_t i = 0; i < 64; i++)
        {
          unsigned x = (unsigned) (unit[i][0] * (1 << a));
          unsigned y = (unsigned) (unit[i][1] * (1 << (6 - a)));
          hit |= UINT64_C(1) << (x << (6 - a) | y);
        }
        assert_true(hit == UINT64_MAX);
      }
    }
    sobol_sequence_free(sequence);
  }
}

static void
sobol_scrambles_by_seed(void **state)
{
  (void) state;
  struct sobol_sequence *a, *b, *c;
  double u[3], v[3], w[3];
  assert_int_equal(sobol_sequence_new(3, 1, &a), ERR_OK);
  assert_int_equal(sobol_sequence_new(3, 1, &b), ERR_OK);
  assert_int_equal(sobol_sequence_new(3, 2, &c), ERR_OK);
  for (uint32_t i = 0; i < 100; i++)
  {
    sobol_sequence_point(a, i, u);
    sobol_sequence_point(b, i, v);
    sobol_sequence_point(c, i, w);
    assert_memory_equal(u, v, sizeof u);
    assert_true(memcmp(u, w, sizeof u) != 0);
  }
  sobol_sequence_free(a);
  sobol_sequence_free(b);
  sobol_sequence_free(c);
}

/* kind {0,1}: a (float) when 0; n (int 1 … 50) when 1; and a flag always. */
static double first[] = {0}, second[] = {1};
static struct space_condition when_first = {.parent = 0, .values = first, .value_count = 1};
static struct space_condition when_second = {.parent = 0, .values = second, .value_count = 1};
static struct space_param tree_params[4] = {
  {.name = "kind", .kind = SPACE_CATEGORICAL, .value_count = 2},
  {.name = "a",
   .kind = SPACE_FLOAT,
   .scale = SPACE_LOG,
   .low = 0.01,
   .high = 100,
   .conditions = &when_first,
   .condition_count = 1},
  {.name = "n",
   .kind = SPACE_INT,
   .low = 1,
   .high = 50,
   .step = 1,
   .conditions = &when_second,
   .condition_count = 1},
  {.name = "flag", .kind = SPACE_BOOL, .value_count = 2}};
static const struct space tree = {.params = tree_params, .count = 4};

static size_t
run_grid(const struct search_spec *spec)
{
  struct search *search;
  double point[PARAMS_MAX];
  struct err_info info;
  size_t count = 0;
  assert_int_equal(search_new(spec, &search, &info), ERR_OK);
  enum err err;
  while ((err = search_ask(search, count, point, &info)) == ERR_OK)
  {
    assert_true(space_contains(spec->space, point));
    count++;
  }
  assert_int_equal(err, ERR_NOT_FOUND);
  search_free(search);
  return count;
}

static void
grids_have_the_size_they_say(void **state)
{
  (void) state;
  struct search_spec spec = {.method = "grid", .space = &tree, .grid_resolution = 3};
  assert_int_equal(run_grid(&spec), 2 * 3 + 3 * 2);
  spec.grid_resolution = 60; /* all 50 integers, never a repeat */
  assert_int_equal(run_grid(&spec), 60 * 2 + 50 * 2);
  spec.grid_resolution = 0;
  assert_int_equal(run_grid(&spec), 2 * 5 + 5 * 2);
  spec.expected_trials = 45; /* the finest that fits: 11 · 2 + 11 · 2 */
  assert_int_equal(run_grid(&spec), 44);
  spec.expected_trials = 1;
  assert_int_equal(run_grid(&spec), 8);
}

static void
grids_reach_both_ends(void **state)
{
  (void) state;
  struct enumerate *walk;
  double point[4], lowest = INFINITY, highest = 0;
  bool had_one = false, had_fifty = false, had_middle = false;
  assert_int_equal(enumerate_new(&tree, 3, &walk), ERR_OK);
  assert_int_equal(enumerate_count(walk, 1000), 12);
  assert_int_equal(enumerate_count(walk, 7), 7);
  while (enumerate_next(walk, point))
  {
    if (!isnan(point[1]))
    {
      lowest = fmin(lowest, point[1]);
      highest = fmax(highest, point[1]);
      had_middle = had_middle || fabs(point[1] - 1) < 1e-9; /* even on the log scale */
    }
    had_one = had_one || point[2] == 1;
    had_fifty = had_fifty || point[2] == 50;
  }
  assert_true(lowest == 0.01 && highest == 100 && had_one && had_fifty && had_middle);
  enumerate_free(walk);
  assert_int_equal(enumerate_new(&tree, 0, &walk), ERR_INVALID);
}

static void
grids_beyond_the_limit_are_refused(void **state)
{
  (void) state;
  struct space_param params[PARAMS_MAX];
  memset(params, 0, sizeof params);
  for (size_t i = 0; i < PARAMS_MAX; i++)
    params[i] = (struct space_param){.name = "x", .kind = SPACE_FLOAT, .low = 0, .high = 1};
  struct space space = {.params = params, .count = PARAMS_MAX};
  struct search_spec spec = {.method = "grid", .space = &space, .grid_resolution = 8};
  struct search *search;
  struct err_info info;
  assert_int_equal(search_new(&spec, &search, &info), ERR_INVALID);
  assert_non_null(strstr(info.text, "grid"));
}

/* A random space: every kind, scale and step, with conditions on earlier discrete parameters. */
struct random_space
{
  struct space space;
  struct space_param params[PARAMS_MAX];
  struct space_condition conditions[PARAMS_MAX][2];
  double values[PARAMS_MAX][2][4];
};

static void
make_param(struct rng *rng, struct space_param *param)
{
  *param = (struct space_param){.name = "p"};
  static const enum space_kind kinds[] = {SPACE_FLOAT,       SPACE_FLOAT, SPACE_INT,  SPACE_ORDINAL,
                                          SPACE_CATEGORICAL, SPACE_BOOL,  SPACE_FIXED};
  static struct space_value one[1] = {{.kind = SPACE_VALUE_NUMBER, .number = 3}};
  param->kind = kinds[rng_below(rng, COUNT(kinds))];
  param->scale = rng_below(rng, 2) ? SPACE_LOG : SPACE_LINEAR;
  param->low = 1 + (double) rng_below(rng, 5);
  param->high = param->low + 1 + (double) rng_below(rng, 400);
  if (param->kind == SPACE_FLOAT && rng_below(rng, 4) == 0)
    param->step = 0.5;
  if (param->kind == SPACE_FLOAT && rng_below(rng, 6) == 0)
  {
    param->scale = SPACE_LOGIT;
    param->low = 0.001;
    param->high = 0.99;
    param->step = 0;
  }
  if (param->kind == SPACE_INT)
    param->step = 1 + (double) rng_below(rng, 3);
  if (param->kind == SPACE_ORDINAL || param->kind == SPACE_CATEGORICAL)
    param->value_count = 1 + rng_below(rng, 5);
  if (param->kind == SPACE_BOOL)
    param->value_count = 2;
  if (param->kind == SPACE_FIXED)
  {
    param->values = one;
    param->value_count = 1;
  }
}

static void
make_space(struct rng *rng, struct random_space *r)
{
  memset(r, 0, sizeof *r);
  r->space.params = r->params;
  r->space.count = 1 + rng_below(rng, PARAMS_MAX);
  for (size_t i = 0; i < r->space.count; i++)
  {
    make_param(rng, &r->params[i]);
    r->params[i].conditions = r->conditions[i];
    for (size_t c = 0; i > 0 && c < rng_below(rng, 3); c++)
    {
      size_t parent = rng_below(rng, i);
      const struct space_param *p = &r->params[parent];
      double levels = space_param_levels(p);
      if (isinf(levels))
        continue;
      struct space_condition *condition = &r->conditions[i][r->params[i].condition_count];
      double *values = r->values[i][r->params[i].condition_count++];
      condition->parent = parent;
      condition->values = values;
      condition->value_count = 1 + rng_below(rng, 2);
      for (size_t v = 0; v < condition->value_count; v++)
        values[v] = space_param_level(p, (double) rng_below(rng, (uint64_t) levels));
    }
  }
}

static void
points_are_always_legal(void **state)
{
  (void) state;
  struct rng rng;
  rng_init(&rng, 77, 0);
  size_t searched = 0, ended = 0;
  for (int round = 0; round < 3000; round++)
  {
    struct random_space r;
    make_space(&rng, &r);
    static const char *const methods[] = {"random", "sobol", "grid", "tpe", "bayes"};
    bool by_process = round % 20 == 0;
    struct search_spec spec = {.method = methods[by_process ? 4 : round % 4],
                               .space = &r.space,
                               .seed = (uint64_t) round,
                               .grid_resolution = 2};
    struct search *search;
    enum err err = search_new(&spec, &search, NULL);
    if (err)
    {
      assert_int_equal(err, ERR_INVALID);
      continue;
    }
    searched++;
    double seen[24][PARAMS_MAX];
    bool discrete = isfinite(space_cardinality(&r.space));
    for (size_t t = 0; t < 24; t++)
    {
      err = search_ask(search, t, seen[t], NULL);
      if (err)
      {
        assert_int_equal(err, ERR_NOT_FOUND);
        if (discrete && strcmp(spec.method, "grid") != 0)
          assert_true((double) t == space_cardinality(&r.space));
        ended++;
        break;
      }
      assert_true(space_contains(&r.space, seen[t]));
      for (size_t u = 0; discrete && u < t; u++)
        assert_false(space_points_equal(&r.space, seen[u], seen[t]));
      double value = 0;
      for (size_t i = 0; i < r.space.count; i++)
        value += isnan(seen[t][i]) ? 0.3 : space_to_unit(&r.params[i], seen[t][i]);
      if (t % 5 != 4)
        assert_int_equal(search_tell(search, t, value, NULL), ERR_OK);
    }
    search_free(search);
  }
  assert_true(searched > 2500 && ended > 100);
}

/* A joined space of two families gets a block for each and one for what they share. */
static void
families_get_blocks(void **state)
{
  (void) state;
  struct space_param params[6];
  memcpy(params, tree_params, sizeof tree_params);
  struct space space = {.params = params, .count = 3};
  struct features features;
  assert_int_equal(features_init(&features, &space), ERR_OK);
  assert_int_equal(features.layout.block_count, 3);
  assert_int_equal(features.layout.blocks[0].count, 1);
  assert_int_equal(features.layout.blocks[1].count, 1);
  assert_int_equal(features.layout.blocks[1].features[0], 1);
  assert_int_equal(features.layout.blocks[2].features[0], 2);
  assert_true(features.layout.blocks[2].gated && features.layout.blocks[2].gate_value == 1);
  double a[3] = {0, 1, NAN}, b[3] = {1, NAN, 50}, row[3];
  features_encode(&features, a, row);
  assert_near(row[0], 0, 0);
  assert_near(row[1], 0.5, 1e-12);
  assert_near(row[2], 0.5, 0);
  features_encode(&features, b, row);
  assert_near(row[0], 1, 0);
  assert_near(row[2], 0.99, 1e-12);
  features_clear(&features);

  /* Most parameters without conditions: one block. */
  for (size_t i = 3; i < 6; i++)
    params[i] = (struct space_param){.name = "x", .kind = SPACE_FLOAT, .low = 0, .high = 1};
  space.count = 6;
  assert_int_equal(features_init(&features, &space), ERR_OK);
  assert_int_equal(features.layout.block_count, 1);
  assert_int_equal(features.layout.blocks[0].count, 6);
  assert_int_equal(features.layout.blocks[0].numeric, 5);
  assert_int_equal(features.layout.blocks[0].features[5], 0);
  features_clear(&features);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(sobol_begins_as_published),
    cmocka_unit_test(sobol_is_balanced),
    cmocka_unit_test(sobol_scrambles_by_seed),
    cmocka_unit_test(grids_have_the_size_they_say),
    cmocka_unit_test(grids_reach_both_ends),
    cmocka_unit_test(grids_beyond_the_limit_are_refused),
    cmocka_unit_test(points_are_always_legal),
    cmocka_unit_test(families_get_blocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
