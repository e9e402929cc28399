/* Forbidden combinations and linear relations: read, kept, repaired, drawn, counted and written back. */
#include <config.h>

#include <math.h>
#include <string.h>

#include "base/space.h"
#include "tests/harness/space_build.h"

#define XY                                                                                         \
  "\"x\":{\"type\":\"float\",\"low\":0,\"high\":1},"                                               \
  "\"y\":{\"type\":\"float\",\"low\":0,\"high\":1}"
#define AB                                                                                         \
  "\"a\":{\"type\":\"int\",\"low\":1,\"high\":9},"                                                 \
  "\"b\":{\"type\":\"int\",\"low\":1,\"high\":9}"
#define KIND "\"kind\":{\"type\":\"categorical\",\"choices\":[\"p\",\"q\",\"r\"]}"

/* ---- reading ------------------------------------------------------------------------------------------ */

static const struct
{
  const char *relation, *printed;
} readings[] = {
  {"a < b", "a < b"},
  {"  a<=b ", "a <= b"},
  {"a > b", "b < a"},
  {"a >= b + 0", "b <= a"},
  {"2*a - b >= 0.5", "b <= 2*a - 0.5"},
  {"a * 2 + b/4 <= 3 * 5", "2*a + 0.25*b <= 15"},
  {"- -a + 1 < 13 - b", "a + b < 12"},
  {"0 < a - 2", "a > 2"},
  {"-a <= -1e0", "a >= 1"},
  {"a + a + b <= 2.5e1 + a", "a + b <= 25"},
  {"'a' < \"b\"", "a < b"},
  {"b - a > -3", "a < b + 3"},
  {"'odd-name' < 'it''s'", "'odd-name' < 'it''s'"},
  {"size <= 2*a", "size <= 2*a"},
  {"a < 1/2*b + three", "a < 0.5*b + three"},
};

static void
relations_are_read_and_written_back(void **state)
{
  (void) state;
  for (size_t i = 0; i < sizeof readings / sizeof *readings; i++)
  {
    json_t *json = parse("{" AB ",\"odd-name\":{\"type\":\"float\",\"low\":0,\"high\":1},"
                         "\"it's\":{\"type\":\"float\",\"low\":0,\"high\":1},"
                         "\"size\":{\"type\":\"ordinal\",\"values\":[4,8,16]},\"three\":3}");
    json_object_set_new(json, "$relations", json_pack("[s]", readings[i].relation));
    struct buf text = {0};
    json_write(json, &text);
    struct built built = build_good(text.data);
    assert_int_equal(built.space->relation_count, 1);
    json_t *back = space_to_json(built.space);
    assert_string_equal(json_string_value(json_array_get(json_object_get(back, "$relations"), 0)),
                        readings[i].printed);
    json_object_set(json, "$relations", json_object_get(back, "$relations"));
    struct buf again = {0};
    json_write(json, &again);
    struct built second = build_good(again.data);
    json_t *twice = space_to_json(second.space);
    assert_true(json_equal(back, twice));
    json_decref(twice);
    json_decref(back);
    json_decref(json);
    buf_free(&text);
    buf_free(&again);
    arena_free(second.arena);
    arena_free(built.arena);
  }
}

static void
chains_make_several_relations(void **state)
{
  (void) state;
  struct built built = build_good("{" AB ",\"$relations\":[\"2 <= a < b <= 8\"]}");
  assert_int_equal(built.space->relation_count, 3);
  assert_true(space_contains(built.space, (double[]){2, 8}));
  assert_false(space_contains(built.space, (double[]){1, 8}));
  assert_false(space_contains(built.space, (double[]){2, 9}));
  assert_false(space_contains(built.space, (double[]){5, 5}));
  arena_free(built.arena);
}

static const struct
{
  const char *members, *pointer, *says;
} fault_cases[] = {
  {"\"$relations\":[\"a < c\"]", "/space/$relations/0", "unknown parameter \"c\""},
  {"\"$relations\":[\"a < b\",\"a < kind\"]", "/space/$relations/1", "no numbers"},
  {"\"$relations\":[\"a < flag\"]", "/space/$relations/0", "no numbers"},
  {"\"$relations\":[\"a < word\"]", "/space/$relations/0", "no numbers"},
  {"\"$relations\":[\"a\"]", "/space/$relations/0", "compares nothing"},
  {"\"$relations\":[\"\"]", "/space/$relations/0", "missing at the end"},
  {"\"$relations\":[\"a <\"]", "/space/$relations/0", "missing at the end"},
  {"\"$relations\":[\"a + < b\"]", "/space/$relations/0", "missing at \"< b\""},
  {"\"$relations\":[\"a = b\"]", "/space/$relations/0", "cannot be read at \"= b\""},
  {"\"$relations\":[\"2*(a + b) < 3\"]", "/space/$relations/0", "cannot be read at \"(a"},
  {"\"$relations\":[\"2a < b\"]", "/space/$relations/0", "operator is missing at \"a < b\""},
  {"\"$relations\":[\"a*b < 3\"]", "/space/$relations/0", "not linear"},
  {"\"$relations\":[\"1/a < 3\"]", "/space/$relations/0", "not linear"},
  {"\"$relations\":[\"a/0 < 3\"]", "/space/$relations/0", "too large"},
  {"\"$relations\":[\"1e999*a < 3\"]", "/space/$relations/0", "cannot be read"},
  {"\"$relations\":[\"1 < 3\"]", "/space/$relations/0", "depends on no parameter"},
  {"\"$relations\":[\"a < a + 1\"]", "/space/$relations/0", "depends on no parameter"},
  {"\"$relations\":[\"'a < b\"]", "/space/$relations/0", "cannot be read"},
  {"\"$relations\":[\"a + b < 2\"]", "/space/$relations/0", "can never hold"},
  {"\"$relations\":[\"1<a<b<3<b<a\"]", "/space/$relations/0", "too many comparisons"},
  {"\"$relations\":[7]", "/space/$relations/0", "must be a text"},
  {"\"$relations\":\"a < b\"", "/space/$relations", "must be a list"},
  {"\"$relations\":[\"a < b\",\"b < a\"]", "/space/$relations", "no point of the space keeps"},
  {"\"$forbid\":[]", "/space/$forbid", "unknown rule"},
  {"\"$forbidden\":{}", "/space/$forbidden", "must be a list"},
  {"\"$forbidden\":[{}]", "/space/$forbidden/0", "names at least one"},
  {"\"$forbidden\":[[1]]", "/space/$forbidden/0", "must be an object"},
  {"\"$forbidden\":[{\"kin\":\"p\"}]", "/space/$forbidden/0/kin", "unknown parameter"},
  {"\"$forbidden\":[{\"kind\":\"z\"}]", "/space/$forbidden/0/kind", "not a value of \"kind\""},
  {"\"$forbidden\":[{\"kind\":[\"p\",\"z\"]}]", "/space/$forbidden/0/kind/1", "not a value"},
  {"\"$forbidden\":[{\"kind\":[]}]", "/space/$forbidden/0/kind", "at least one value"},
  {"\"$forbidden\":[{\"kind\":{\"min\":1}}]", "/space/$forbidden/0/kind", "has no range"},
  {"\"$forbidden\":[{\"a\":{\"min\":4,\"max\":3}}]", "/space/$forbidden/0/a", "not be above max"},
  {"\"$forbidden\":[{\"a\":{}}]", "/space/$forbidden/0/a", "an empty range"},
  {"\"$forbidden\":[{\"a\":{\"min\":10}}]", "/space/$forbidden/0/a", "no value of this parameter"},
  {"\"$forbidden\":[{\"a\":{\"least\":1}}]", "/space/$forbidden/0/a/least", "unknown"},
  {"\"$forbidden\":[{\"a\":2.5}]", "/space/$forbidden/0/a", "whole number"},
  {"\"$forbidden\":[{\"kind\":[\"p\",\"q\",\"r\"]}]", "/space/$forbidden", "no point of the space"},
  {"\"$forbidden\":[{\"a\":{\"max\":5}},{\"a\":{\"min\":5}}]", "/space/$forbidden",
   "no point of the space"},
  {"\"$forbidden\":[{\"a\":{\"max\":5}}],\"$relations\":[\"a + b < 7\"]", "/space",
   "no point of the space"},
  {"\"kind2\":{\"type\":\"categorical\",\"choices\":[1,2],\"prior\":{\"weights\":[1]}}",
   "/space/kind2/prior/weights", "1 weights for 2 values"},
  {"\"kind2\":{\"type\":\"bool\",\"prior\":{\"weights\":[0,0]}}", "/space/kind2/prior/weights",
   "not all 0"},
  {"\"kind2\":{\"type\":\"bool\",\"prior\":{\"weights\":[-1,2]}}", "/space/kind2/prior/weights",
   "0 or more"},
};

static void
faults_name_place_and_remedy(void **state)
{
  (void) state;
  for (size_t i = 0; i < sizeof fault_cases / sizeof *fault_cases; i++)
  {
    struct buf text = {0};
    buf_printf(&text, "{" AB "," KIND ",\"flag\":{\"type\":\"bool\"},\"word\":\"seven\",%s}",
               fault_cases[i].members);
    struct built built = build(text.data);
    if (built.err != ERR_INVALID || built.faults.count != 1)
      fail_msg("%s: %d with %zu faults", text.data, built.err, built.faults.count);
    const struct json_fault *fault = &built.faults.items[0];
    if (strcmp(fault->pointer, fault_cases[i].pointer) != 0
        || !strstr(fault->message, fault_cases[i].says))
      fail_msg("%s: %s: %s", fault_cases[i].members, fault->pointer, fault->message);
    buf_free(&text);
    arena_free(built.arena);
  }
}

static void
null_and_empty_lists_are_no_rules(void **state)
{
  (void) state;
  struct built built = build_good("{" AB ",\"$relations\":[],\"$forbidden\":null}");
  assert_int_equal(built.space->count, 2);
  assert_false(space_has_rules(built.space));
  json_t *back = space_to_json(built.space);
  assert_int_equal(json_object_size(back), 2);
  json_decref(back);
  arena_free(built.arena);
}

/* ---- what they mean ------------------------------------------------------------------------------------- */

static void
relations_mean_decimal_numbers(void **state)
{
  (void) state;
  struct built built = build_good("{\"x\":{\"type\":\"float\",\"low\":0,\"high\":1,\"step\":0.1},"
                                  "\"y\":{\"type\":\"float\",\"low\":0,\"high\":1,\"step\":0.1},"
                                  "\"$relations\":[\"x + y <= 0.3\"]}");
  assert_true(space_contains(built.space, (double[]){0.1, 0.2})); /* 0.30000000000000004 */
  assert_false(space_contains(built.space, (double[]){0.2, 0.2}));
  assert_near(space_cardinality(built.space), 10, 0);
  arena_free(built.arena);
  built = build_good("{\"x\":{\"type\":\"float\",\"low\":0,\"high\":1,\"step\":0.1},"
                     "\"y\":{\"type\":\"float\",\"low\":0,\"high\":1,\"step\":0.1},"
                     "\"$relations\":[\"x + y < 0.3\"]}");
  assert_false(space_contains(built.space, (double[]){0.1, 0.2}));
  assert_near(space_cardinality(built.space), 6, 0);
  arena_free(built.arena);
  /* whole numbers are compared exactly, however large */
  built = build_good(
    "{\"a\":{\"type\":\"int\",\"low\":1,\"high\":4503599627370496},"
    "\"b\":{\"type\":\"int\",\"low\":1,\"high\":4503599627370496},\"$relations\":[\"a < b\"]}");
  assert_true(space_contains(built.space, (double[]){4503599627370495, 4503599627370496}));
  assert_false(space_contains(built.space, (double[]){4503599627370496, 4503599627370496}));
  arena_free(built.arena);
}

static const char tree[] =
  "{" KIND ","
  "\"a\":{\"type\":\"int\",\"low\":1,\"high\":9,\"when\":{\"kind\":[\"p\"]}},"
  "\"b\":{\"type\":\"int\",\"low\":1,\"high\":9,\"when\":{\"kind\":[\"p\",\"q\"]}},"
  "\"size\":{\"type\":\"ordinal\",\"values\":[16,8,4]},"
  "\"$relations\":[\"a < b\",\"b <= size\"],"
  "\"$forbidden\":[{\"kind\":\"q\",\"size\":{\"min\":8}},{\"kind\":\"r\",\"size\":4}]}";

static void
rules_hold_where_all_is_active(void **state)
{
  (void) state;
  struct built built = build_good(tree);
  const struct space *space = built.space;
  assert_true(space_contains(space, (double[]){0, 2, 3, 0}));
  assert_false(space_contains(space, (double[]){0, 3, 3, 0}));
  assert_false(space_contains(space, (double[]){0, 4, 5, 2}));     /* 5 > 4 */
  assert_true(space_contains(space, (double[]){1, NAN, 1, 2}));    /* no a */
  assert_false(space_contains(space, (double[]){1, NAN, 1, 1}));   /* forbidden: 8 */
  assert_true(space_contains(space, (double[]){2, NAN, NAN, 1}));  /* neither */
  assert_false(space_contains(space, (double[]){2, NAN, NAN, 2})); /* forbidden: 4 */
  /* p: 36 with 16, 28 with 8, 6 with 4; q: b ≤ 4; r: two sizes */
  bool exact;
  assert_near(space_count(space, &exact), 36 + 28 + 6 + 4 + 2, 0);
  assert_true(exact);
  double point[4];
  json_t *values = parse("{\"kind\":\"p\",\"a\":5,\"b\":5,\"size\":16}");
  assert_int_equal(space_point_from_json(space, values, "/params", point, &built.faults),
                   ERR_INVALID);
  assert_string_equal(built.faults.items[0].pointer, "/params");
  assert_non_null(strstr(built.faults.items[0].message, "a < b"));
  json_decref(values);
  values = parse("{\"kind\":\"r\",\"size\":4}");
  assert_int_equal(space_point_from_json(space, values, "/params", point, &built.faults),
                   ERR_INVALID);
  assert_non_null(strstr(built.faults.items[1].message, "{\"kind\":\"r\",\"size\":4}"));
  json_decref(values);
  arena_free(built.arena);
}

static void
families_keep_their_own_rules(void **state)
{
  (void) state;
  struct built built = {.arena = arena_new(0)};
  json_faults_init(&built.faults, built.arena);
  json_t *json = parse("{\"one\":{" AB ",\"$relations\":[\"a < b\"]},"
                       "\"two\":{" AB ",\"$relations\":[\"b < a\"],"
                       "\"$forbidden\":[{\"a\":9}]}}");
  assert_int_equal(space_join_families(json, "", built.arena, &built.space, &built.faults), ERR_OK);
  assert_true(space_contains(built.space, (double[]){0, 1, 2, NAN, NAN}));
  assert_false(space_contains(built.space, (double[]){0, 2, 1, NAN, NAN}));
  assert_true(space_contains(built.space, (double[]){1, NAN, NAN, 2, 1}));
  assert_false(space_contains(built.space, (double[]){1, NAN, NAN, 9, 1}));
  assert_near(space_cardinality(built.space), 36 + 28, 0);
  json_t *back = space_to_json(built.space);
  assert_string_equal(json_string_value(json_array_get(json_object_get(back, "$relations"), 0)),
                      "one.a < one.b");
  struct buf text = {0};
  json_write(back, &text);
  struct built again = build_good(text.data);
  assert_near(space_cardinality(again.space), 36 + 28, 0);
  buf_free(&text);
  json_decref(back);
  json_decref(json);
  /* a family asked for stays that family */
  double point[5] = {1, NAN, NAN, 1, 9};
  space_repair(built.space, point);
  assert_true(point[0] == 1 && space_contains(built.space, point));
  arena_free(again.arena);
  arena_free(built.arena);
}

/* ---- repairs ---------------------------------------------------------------------------------------------- */

static void
repairs_move_as_little_as_they_can(void **state)
{
  (void) state;
  struct built built = build_good("{" XY ",\"$relations\":[\"x + 0.1 <= y\"]}");
  double point[2] = {0.8, 0.5};
  space_repair(built.space, point);
  assert_near(point[0], 0.6, 1e-3);
  assert_near(point[1], 0.7, 1e-3);
  double inside[2] = {0.2, 0.5};
  space_repair(built.space, inside);
  assert_true(inside[0] == 0.2 && inside[1] == 0.5);
  double corner[2] = {1, 0};
  space_repair(built.space, corner);
  assert_true(space_contains(built.space, corner));
  arena_free(built.arena);

  built = build_good("{" AB "," KIND ",\"$forbidden\":[{\"kind\":\"q\",\"a\":{\"min\":6}}]}");
  double forbidden[3] = {7, 2, 1};
  space_repair(built.space, forbidden);
  assert_true(space_contains(built.space, forbidden));
  assert_true(forbidden[0] == 5 && forbidden[1] == 2 && forbidden[2] == 1);
  double far[3] = {9, 2, 1};
  space_repair(built.space, far); /* 4 of 9 steps are nearer than another kind */
  assert_true(far[0] == 5 && far[2] == 1);
  arena_free(built.arena);

  /* a point value of a continuous parameter */
  built = build_good("{" XY ",\"$forbidden\":[{\"x\":0}]}");
  double edge[2] = {0, 0.5};
  space_repair(built.space, edge);
  assert_true(edge[0] > 0 && edge[0] < 1e-5 && edge[1] == 0.5);
  arena_free(built.arena);
}

/* Few random points keep these: a simplex in ten dimensions, a narrow band, a needle of integers. */
static const char *const narrow[] = {
  "{\"a\":{\"type\":\"float\",\"low\":0,\"high\":1},\"b\":{\"type\":\"float\",\"low\":0,\"high\":1}"
  ","
  "\"c\":{\"type\":\"float\",\"low\":0,\"high\":1},\"d\":{\"type\":\"float\",\"low\":0,\"high\":1},"
  "\"e\":{\"type\":\"float\",\"low\":0,\"high\":1},\"f\":{\"type\":\"float\",\"low\":0,\"high\":1},"
  "\"g\":{\"type\":\"float\",\"low\":0,\"high\":1},\"h\":{\"type\":\"float\",\"low\":0,\"high\":1},"
  "\"i\":{\"type\":\"float\",\"low\":0,\"high\":1},\"j\":{\"type\":\"float\",\"low\":0,\"high\":1},"
  "\"$relations\":[\"a + b + c + d + e + f + g + h + i + j <= 1\"]}",
  "{" XY ",\"$relations\":[\"0 <= x - y <= 1e-7\"]}",
  "{\"a\":{\"type\":\"int\",\"low\":1,\"high\":1000000},"
  "\"b\":{\"type\":\"int\",\"low\":1,\"high\":1000000},"
  "\"c\":{\"type\":\"int\",\"low\":1,\"high\":1000000},"
  "\"$relations\":[\"a < b\",\"b < c\",\"c <= a + 2\"]}",
  "{\"x\":{\"type\":\"float\",\"low\":1e-6,\"high\":1,\"scale\":\"log\"},"
  "\"y\":{\"type\":\"float\",\"low\":0.001,\"high\":0.999,\"scale\":\"logit\"},"
  "\"n\":{\"type\":\"int\",\"low\":1,\"high\":100},"
  "\"$relations\":[\"1000*x + y <= 0.1\",\"n >= 99\",\"y > 0.0985\"]}",
};

static void
narrow_spaces_are_drawn_from(void **state)
{
  (void) state;
  for (size_t s = 0; s < sizeof narrow / sizeof *narrow; s++)
  {
    struct built built = build_good(narrow[s]);
    assert_true(space_contains(built.space, built.space->witness));
    struct rng rng;
    rng_init(&rng, s, 0);
    double point[10], sum[10] = {0};
    enum
    {
      DRAWS = 400
    };
    for (int i = 0; i < DRAWS; i++)
    {
      space_sample(built.space, &rng, point);
      if (!space_contains(built.space, point))
        fail_msg("space %zu: draw %d breaks a rule", s, i);
      for (size_t p = 0; p < built.space->count; p++)
        sum[p] += space_to_unit(&built.space->params[p], point[p]) / DRAWS;
    }
    /* of a uniform point of the simplex each coordinate is 1/11 on average: not all on its face */
    for (size_t p = 0; s == 0 && p < 10; p++)
      assert_near(sum[p], 1 / 11.0, 0.025);
    arena_free(built.arena);
  }
}

static void
draws_are_uniform_within_the_rules(void **state)
{
  (void) state;
  struct built built = build_good("{" AB ",\"$relations\":[\"a < b\"]}");
  size_t hits[10][10] = {{0}};
  struct rng rng;
  rng_init(&rng, 5, 0);
  enum
  {
    DRAWS = 36000
  };
  for (int i = 0; i < DRAWS; i++)
  {
    double point[2];
    space_sample(built.space, &rng, point);
    hits[(int) point[0]][(int) point[1]]++;
  }
  for (size_t a = 1; a <= 9; a++)
    for (size_t b = 1; b <= 9; b++)
      assert_near((double) hits[a][b], a < b ? 1000 : 0, a < b ? 160 : 0);
  arena_free(built.arena);
}

/* ---- counts ------------------------------------------------------------------------------------------------ */

static void
counts_are_exact_or_say_so(void **state)
{
  (void) state;
  bool exact;
  /* groups that rules don't link multiply */
  struct built built = build_good(
    "{" AB ",\"c\":{\"type\":\"int\",\"low\":1,\"high\":9},\"d\":{\"type\":\"int\",\"low\":1,"
    "\"high\":9},\"e\":{\"type\":\"int\",\"low\":1,\"high\":100000},"
    "\"$relations\":[\"a < b\",\"c < d\"]}");
  assert_near(space_count(built.space, &exact), 36.0 * 36.0 * 100000, 0);
  assert_true(exact);
  arena_free(built.arena);

  built = build_good("{" XY ",\"flag\":{\"type\":\"bool\"},\"$relations\":[\"x < y\"]}");
  assert_true(isinf(space_count(built.space, &exact)) && exact);
  arena_free(built.arena);

  /* what has the continuous parameter is forbidden */
  built = build_good("{" KIND ",\"x\":{\"type\":\"float\",\"low\":0,\"high\":1,\"when\":{\"kind\":"
                     "\"p\"}},\"$forbidden\":[{\"kind\":\"p\"}]}");
  assert_near(space_count(built.space, &exact), 2, 0);
  assert_true(exact);
  arena_free(built.arena);

  built = build_good("{\"a\":{\"type\":\"int\",\"low\":1,\"high\":100000},"
                     "\"b\":{\"type\":\"int\",\"low\":1,\"high\":100000},"
                     "\"$relations\":[\"a < b\"]}");
  assert_near(space_count(built.space, &exact), 5e9, 5e8);
  assert_false(exact);
  arena_free(built.arena);
}

static void
beliefs_weigh_points(void **state)
{
  (void) state;
  struct built built = build_good(
    "{\"lr\":{\"type\":\"float\",\"low\":1e-5,\"high\":1,\"scale\":\"log\","
    "\"prior\":{\"mean\":0.01,\"sd\":0.5}},"
    "\"kind\":{\"type\":\"categorical\",\"choices\":[\"p\",\"q\"],\"prior\":{\"weights\":[3,1]}},"
    "\"n\":{\"type\":\"int\",\"low\":1,\"high\":9,\"when\":{\"kind\":\"q\"},"
    "\"prior\":{\"mean\":5,\"sd\":100}},"
    "\"flag\":{\"type\":\"bool\",\"prior\":{\"weights\":[0,1]}}}");
  const struct space *space = built.space;
  double best = space_prior_log(space, (double[]){0.01, 0, NAN, 1});
  assert_near(best - space_prior_log(space, (double[]){0.001, 0, NAN, 1}), 2, 1e-9); /* 2 sd */
  assert_near(best - space_prior_log(space, (double[]){0.01, 1, 5, 1}), log(3), 1e-3);
  assert_true(best - space_prior_log(space, (double[]){0.01, 0, NAN, 0}) > 10);
  /* in all a density over the unit interval */
  double sum = 0;
  for (int i = 0; i < 2000; i++)
    sum += exp(space_prior_log(
                 space, (double[]){space_from_unit(&space->params[0], (i + 0.5) / 2000), 0, NAN, 1})
               - log(1.5) - log(2))
           / 2000;
  assert_near(sum, 1, 1e-3);
  json_t *json = space_to_json(space);
  struct buf text = {0};
  json_write(json, &text);
  struct built again = build_good(text.data);
  assert_near(again.space->params[1].prior_weights[0], 0.75, 0);
  buf_free(&text);
  json_decref(json);
  arena_free(again.arena);
  arena_free(built.arena);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(relations_are_read_and_written_back),
    cmocka_unit_test(chains_make_several_relations),
    cmocka_unit_test(faults_name_place_and_remedy),
    cmocka_unit_test(null_and_empty_lists_are_no_rules),
    cmocka_unit_test(relations_mean_decimal_numbers),
    cmocka_unit_test(rules_hold_where_all_is_active),
    cmocka_unit_test(families_keep_their_own_rules),
    cmocka_unit_test(repairs_move_as_little_as_they_can),
    cmocka_unit_test(narrow_spaces_are_drawn_from),
    cmocka_unit_test(draws_are_uniform_within_the_rules),
    cmocka_unit_test(counts_are_exact_or_say_so),
    cmocka_unit_test(beliefs_weigh_points),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
