#include <config.h>

#include "base/space.h"

#include "tests/harness/space_build.h"

static void
test_units(void **state)
{
  (void) state;
  struct built built = build_good(rich);
  struct rng rng;
  rng_init(&rng, 2, 0);
  for (size_t p = 0; p < built.space->count; p++)
  {
    const struct space_param *param = &built.space->params[p];
    double levels = space_param_levels(param);
    if (isfinite(levels))
      for (double level = 0; level < levels; level++)
      {
        double value = space_param_level(param, level);
        assert_true(space_param_legal(param, value));
        assert_true(space_from_unit(param, space_to_unit(param, value)) == value);
      }
    double last = -INFINITY;
    for (int i = 0; i <= 1000; i++)
    {
      double value = space_from_unit(param, i / 1000.0);
      assert_true(space_param_legal(param, value));
      assert_true(value >= last);
      last = value;
      if (isinf(levels))
        assert_near(space_to_unit(param, value), i / 1000.0, 1e-12);
    }
    for (int i = 0; i < 200; i++)
      assert_true(space_param_legal(param, space_param_snap(param, 100 * rng_normal(&rng))));
    assert_true(space_param_legal(param, space_from_unit(param, -3.0)));
    assert_true(space_param_legal(param, space_from_unit(param, INFINITY)));
  }
  const struct space_param *lr = &built.space->params[0];
  assert_near(space_to_unit(lr, 0.01), 0.5, 1e-12);
  assert_true(space_from_unit(lr, 0.0) == 1e-4 && space_from_unit(lr, 1.0) == 1.0);
  assert_near(space_from_unit(&built.space->params[8], 0.5), 0.5, 1e-12); /* logit */
  const struct space_param *warm = &built.space->params[5];
  assert_near(space_param_levels(warm), 4, 0);
  assert_true(space_param_level(warm, 2) == 0.3); /* not 0.30000000000000004 */
  assert_near(space_to_unit(&built.space->params[3], 1), 0.125,
              1e-12); /* ints: half-step margins */
  assert_near(space_to_unit(&built.space->params[7], 3), 0.875, 1e-12); /* ordinal: (i + ½)/n */
  arena_free(built.arena);
}

/* Each int gets an equal share of the unit interval, on a log scale a share by its logarithm. */
static void
test_equal_shares(void **state)
{
  (void) state;
  struct built built = build_good("{\"a\":{\"type\":\"int\",\"low\":-2,\"high\":8,\"step\":3},"
                                  "\"b\":{\"type\":\"int\",\"low\":1,\"high\":4,\"scale\":\"log\"},"
                                  "\"c\":{\"type\":\"int\",\"low\":1,\"high\":100,\"step\":33,"
                                  "\"scale\":\"log\"}}");
  size_t counts[3][101] = {{0}};
  enum
  {
    TURNS = 90000
  };
  for (size_t p = 0; p < 3; p++)
    for (int i = 0; i < TURNS; i++)
    {
      double value = space_from_unit(&built.space->params[p], (i + 0.5) / TURNS);
      counts[p][(int) value + (p == 0 ? 2 : 0)]++;
    }
  for (size_t i = 0; i < 4; i++)
    assert_near((double) counts[0][3 * i], TURNS / 4.0, 2);
  for (size_t i = 1; i <= 4; i++)
    assert_near((double) counts[1][i],
                TURNS * (log((double) i + 0.5) - log((double) i - 0.5)) / (log(4.5) - log(0.5)), 2);
  for (size_t i = 0; i < 4; i++)
    assert_true(counts[2][1 + 33 * i] > 0);
  arena_free(built.arena);
}

static void
test_conditions(void **state)
{
  (void) state;
  struct built built = build_good(rich);
  const struct space *space = built.space;
  double point[13], unit[13], odd[13];
  space_default_point(space, point);
  assert_true(space_contains(space, point));
  assert_near(point[0], 0.01, 0);
  assert_near(point[7], 1, 0);
  /* sgd, 3 layers, nesterov, warm_kind b: everything is active */
  const double wanted[13] = {0.5, 0, 0.9, 3, 1, 0.2, 64, 3, 0.5, 0, 0, 1, -5};
  assert_true(space_contains(space, wanted));
  for (size_t i = 0; i < 13; i++)
    assert_true(space_active(space, i, wanted));
  /* one change at the root puts out everything below it, at any depth */
  memcpy(odd, wanted, sizeof odd);
  odd[1] = 1;
  assert_false(space_contains(space, odd));
  space_repair(space, odd);
  assert_true(space_contains(space, odd));
  assert_true(isnan(odd[2]) && isnan(odd[4]) && isnan(odd[5]) && isnan(odd[11]) && isnan(odd[12]));
  assert_false(space_points_equal(space, odd, wanted));
  odd[1] = 0;
  space_repair(space, odd); /* back: defaults or centres */
  assert_true(space_contains(space, odd));
  assert_near(odd[4], 1, 0);
  struct rng rng;
  rng_init(&rng, 3, 0);
  for (int i = 0; i < 5000; i++)
  {
    for (size_t j = 0; j < 13; j++)
    {
      unit[j] = rng_double(&rng);
      point[j] = i % 3 == 0 ? 1e3 * rng_normal(&rng) : i % 3 == 1 ? NAN : INFINITY;
    }
    space_repair(space, point);
    assert_true(space_contains(space, point));
    memcpy(odd, point, sizeof odd);
    space_repair(space, odd);
    assert_true(space_points_equal(space, point, odd));
    space_point_from_unit(space, unit, point);
    assert_true(space_contains(space, point));
  }
  arena_free(built.arena);
}

/* Counts by walking through every point. */
static double
count_slowly(const struct space *space, double *point, size_t index)
{
  if (index == space->count)
    return 1;
  if (!space_active(space, index, point))
  {
    point[index] = NAN;
    return count_slowly(space, point, index + 1);
  }
  double total = 0, levels = space_param_levels(&space->params[index]);
  for (double level = 0; level < levels; level++)
  {
    point[index] = space_param_level(&space->params[index], level);
    total += count_slowly(space, point, index + 1);
  }
  return total;
}

/* A random space of small parameters with random conditions on earlier ones. */
static void
random_space(struct rng *rng, struct buf *text)
{
  size_t count = 1 + rng_below(rng, 8);
  buf_append_text(text, "{");
  for (size_t i = 0; i < count; i++)
  {
    buf_printf(text, "%s\"p%zu\":{", i ? "," : "", i);
    /* all kinds have 0 … 2 or true and false among their values, so that conditions name some */
    if (i % 3 == 0)
      buf_printf(text, "\"type\":\"int\",\"low\":0,\"high\":%d", 2 + (int) rng_below(rng, 3));
    else if (i % 3 == 1)
      buf_printf(text, "\"type\":\"categorical\",\"choices\":[0,1,2]");
    else
      buf_printf(text, "\"type\":\"ordinal\",\"values\":[0,1,2,5]");
    size_t parents = i == 0 ? 0 : rng_below(rng, i < 2 ? 2 : 3);
    size_t first = parents ? rng_below(rng, i) : 0;
    if (parents)
      buf_append_text(text, ",\"when\":{");
    for (size_t j = 0; j < parents; j++)
    {
      if (j == 1 && first + 1 >= i)
        break;
      buf_printf(text, "%s\"p%zu\":[%d%s]", j ? "," : "", first + j, (int) rng_below(rng, 2),
                 rng_below(rng, 2) ? ",2" : "");
    }
    buf_append_text(text, parents ? "}}" : "}");
  }
  buf_append_text(text, "}");
}

static void
test_cardinality(void **state)
{
  (void) state;
  static const struct
  {
    const char *text;
    double count;
  } cases[] = {
    {"{}", 1},
    {"{\"a\":1}", 1},
    {"{\"a\":{\"type\":\"bool\"},\"b\":{\"type\":\"int\",\"low\":1,\"high\":10,\"step\":4}}", 6},
    {"{\"a\":{\"type\":\"bool\"},\"b\":{\"type\":\"int\",\"low\":1,\"high\":10,\"when\":{\"a\":"
     "true}}}",
     11},
    {"{\"a\":{\"type\":\"bool\"},\"b\":{\"type\":\"float\",\"low\":1,\"high\":10,\"when\":{\"a\":"
     "true}}}",
     INFINITY},
    {"{\"a\":{\"type\":\"float\",\"low\":0,\"high\":0.3,\"step\":0.1}}", 4},
    {"{\"a\":{\"type\":\"int\",\"low\":0,\"high\":99999999},\"b\":{\"type\":\"int\",\"low\":0,"
     "\"high\":99999999}}",
     1e15},
    /* the float could only be active where its two conditions contradict */
    {"{\"a\":{\"type\":\"bool\"},\"b\":{\"type\":\"bool\",\"when\":{\"a\":true}},\"c\":{\"type\":"
     "\"bool\","
     "\"when\":{\"a\":false}},\"d\":{\"type\":\"float\",\"low\":0,\"high\":1,\"when\":{\"b\":true,"
     "\"c\":true}}}",
     4},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct built built = build_good(cases[i].text);
    assert_near(space_cardinality(built.space), cases[i].count, 0);
    arena_free(built.arena);
  }
  struct rng rng;
  rng_init(&rng, 4, 0);
  double point[16];
  for (int i = 0; i < 400; i++)
  {
    struct buf text = {0};
    random_space(&rng, &text);
    struct built built = build_good(text.data);
    double slow = count_slowly(built.space, point, 0);
    if (space_cardinality(built.space) != slow)
      fail_msg("%s: %g is not %g", text.data, space_cardinality(built.space), slow);
    arena_free(built.arena);
    buf_free(&text);
  }
}

/* Many independent switches, each with a child: quick although 2^200 assignments exist. */
static void
test_cardinality_is_quick(void **state)
{
  (void) state;
  struct buf text = {0};
  buf_append_text(&text, "{");
  for (int i = 0; i < 200; i++)
    buf_printf(&text,
               "%s\"s%d\":{\"type\":\"bool\"},\"c%d\":{\"type\":\"bool\",\"when\":{\"s%d\":true}}",
               i ? "," : "", i, i, i);
  buf_append_text(&text, "}");
  struct built built = build_good(text.data);
  assert_near(space_cardinality(built.space), 1e15, 0);
  arena_free(built.arena);
  buf_free(&text);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_units),
    cmocka_unit_test(test_equal_shares),
    cmocka_unit_test(test_conditions),
    cmocka_unit_test(test_cardinality),
    cmocka_unit_test(test_cardinality_is_quick),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
