/* Odd objectives and odd spaces: whatever is told, every method goes on with legal and distinct points. */
#include <config.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/space.h"
#include "base/space_json.h"
#include "search/search.h"
#include "tests/harness/space_build.h"

#define ASKS 18
#define WIDTH_MAX 600

static const char mixed[] =
  "{\"x\":{\"type\":\"float\",\"low\":0,\"high\":1},"
  "\"lr\":{\"type\":\"float\",\"low\":1e-6,\"high\":1,\"scale\":\"log\"},"
  "\"kind\":{\"type\":\"categorical\",\"choices\":[\"p\",\"q\",\"r\"]},"
  "\"n\":{\"type\":\"int\",\"low\":1,\"high\":64,\"when\":{\"kind\":[\"p\",\"q\"]}},"
  "\"m\":{\"type\":\"int\",\"low\":1,\"high\":64,\"when\":{\"kind\":[\"q\"]}},"
  "\"flag\":{\"type\":\"bool\"},"
  "\"$relations\":[\"n < m\",\"x + lr <= 1.5\"],"
  "\"$forbidden\":[{\"kind\":\"r\",\"flag\":true}]}";

/* 60 points */
static const char small[] = "{\"a\":{\"type\":\"int\",\"low\":1,\"high\":5},"
                            "\"b\":{\"type\":\"ordinal\",\"values\":[1,10,100]},"
                            "\"c\":{\"type\":\"categorical\",\"choices\":[\"p\",\"q\"]},"
                            "\"d\":{\"type\":\"bool\"}}";

/* What trial number t gives at a point; NAN: it fails. */
typedef double objective(const struct space *space, const double *point, size_t t);

static double
unit_at(const struct space *space, const double *point)
{
  return isnan(point[0]) ? 0.5 : space_to_unit(&space->params[0], point[0]);
}

static double
constant(const struct space *space, const double *point, size_t t)
{
  (void) space, (void) point, (void) t;
  return 7;
}

static double
always_fails(const struct space *space, const double *point, size_t t)
{
  (void) space, (void) point, (void) t;
  return NAN;
}

static double
one_value(const struct space *space, const double *point, size_t t)
{
  return t == 0 ? unit_at(space, point) : NAN;
}

static double
huge(const struct space *space, const double *point, size_t t)
{
  return t % 4 == 1 ? -1e300 : t % 4 == 3 ? 1e300 : unit_at(space, point);
}

static double
all_huge(const struct space *space, const double *point, size_t t)
{
  (void) t;
  return 1e300 * (unit_at(space, point) - 0.5);
}

static double
largest(const struct space *space, const double *point, size_t t)
{
  (void) space, (void) point;
  return t % 2 ? DBL_MAX : -DBL_MAX;
}

static double
tiny(const struct space *space, const double *point, size_t t)
{
  (void) t;
  return 1 + 1e-15 * unit_at(space, point);
}

static double
denormal(const struct space *space, const double *point, size_t t)
{
  (void) t;
  return 1e-310 * unit_at(space, point);
}

static double
infinite(const struct space *space, const double *point, size_t t)
{
  return t % 3 == 0 ? INFINITY : t % 3 == 1 ? -INFINITY : unit_at(space, point);
}

static double
two_values(const struct space *space, const double *point, size_t t)
{
  (void) t;
  return unit_at(space, point) < 0.5 ? 0 : 1;
}

static const struct
{
  const char *name;
  objective *value;
} objectives[] = {
  {"constant", constant},     {"all trials fail", always_fails},
  {"one value", one_value},   {"some huge", huge},
  {"all huge", all_huge},     {"the largest numbers", largest},
  {"tiny differences", tiny}, {"denormal numbers", denormal},
  {"infinite", infinite},     {"two values", two_values},
};

static void
run(const struct space *space, const char *method, size_t budget, objective *value,
    const char *what)
{
  static double points[ASKS][WIDTH_MAX];
  struct search_spec spec = {.method = method,
                             .space = space,
                             .seed = 9,
                             .expected_trials = budget,
                             .grid_resolution = space->count > 5 ? 2 : 3};
  struct search *search;
  struct err_info info = {.text = ""};
  if (search_new(&spec, &search, &info))
  {
    assert_string_equal(method, "grid");
    return;
  }
  for (size_t t = 0; t < ASKS; t++)
  {
    enum err err = search_ask(search, t, points[t], &info);
    if (err)
      fail_msg("%s, %s: ask %zu: %s", method, what, t, info.text);
    if (!space_contains(space, points[t]))
      fail_msg("%s, %s: ask %zu is no point of the space", method, what, t);
    for (size_t u = 0; u < t; u++)
      if (space_points_equal(space, points[u], points[t]))
        fail_msg("%s, %s: ask %zu repeats %zu", method, what, t, u);
    double told = value(space, points[t], t);
    err = isnan(told) ? search_tell_failed(search, t, true, &info)
                      : search_tell(search, t, told, &info);
    assert_int_equal(err, ERR_OK);
    double mean = 0, sd = 0;
    if (t % 6 == 5 && search_predict(search, points[t], &mean, &sd) == ERR_OK
        && (isnan(mean) || !(sd >= 0)))
      fail_msg("%s, %s: predicts %g ± %g", method, what, mean, sd);
  }
  search_free(search);
}

static void
odd_values_do_no_harm(void **state)
{
  (void) state;
  static const char *const spaces[] = {mixed, small};
  for (size_t s = 0; s < 2; s++)
  {
    struct built built = build_good(spaces[s]);
    for (const struct search_method_info *method = search_methods(); method->name; method++)
      for (size_t k = 0; k < sizeof objectives / sizeof *objectives; k++)
        run(built.space, method->name, k % 2 ? ASKS : 0, objectives[k].value, objectives[k].name);
    arena_free(built.arena);
  }
}

/* The log may hold the same point several times: parallel clients, repeats by hand. */
static void
the_same_point_may_be_told_often(void **state)
{
  (void) state;
  struct built built = build_good(mixed);
  for (const struct search_method_info *method = search_methods(); method->name; method++)
  {
    struct search_spec spec = {
      .method = method->name, .space = built.space, .seed = 4, .grid_resolution = 2};
    struct search *search;
    double first[WIDTH_MAX], point[WIDTH_MAX];
    assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
    space_default_point(built.space, first);
    for (uint64_t t = 0; t < 14; t++)
    {
      assert_int_equal(search_note_ask(search, t, first, NULL), ERR_OK);
      double told = t < 10 ? 1 + 0.01 * (double) (t % 3) : 1;
      assert_int_equal(search_tell(search, t, told, NULL), ERR_OK);
    }
    for (uint64_t t = 20; t < 24; t++)
    {
      assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
      assert_true(space_contains(built.space, point));
      assert_false(space_points_equal(built.space, first, point));
      assert_int_equal(search_tell(search, t, 2, NULL), ERR_OK);
    }
    search_free(search);
  }
  arena_free(built.arena);
}

/* Parallel asks before anything came back, and when all but one value is far off. */
static void
many_may_be_pending(void **state)
{
  (void) state;
  struct built built = build_good(mixed);
  for (const struct search_method_info *method = search_methods(); method->name; method++)
  {
    struct search_spec spec = {
      .method = method->name, .space = built.space, .seed = 4, .grid_resolution = 3};
    struct search *search;
    static double points[40][WIDTH_MAX];
    assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
    for (size_t t = 0; t < 40; t++)
    {
      assert_int_equal(search_ask(search, t, points[t], NULL), ERR_OK);
      assert_true(space_contains(built.space, points[t]));
      for (size_t u = 0; u < t; u++)
        assert_false(space_points_equal(built.space, points[u], points[t]));
      if (t == 15)
        for (size_t k = 0; k < 12; k++)
          assert_int_equal(search_tell(search, k, k == 3 ? 1e12 : 1, NULL), ERR_OK);
    }
    search_free(search);
  }
  arena_free(built.arena);
}

/* ---- odd spaces -------------------------------------------------------------------------------------- */

static void
append_wide(struct buf *text, size_t count)
{
  for (size_t i = 0; i < count; i++)
    buf_printf(text, "%s\"p%zu\":{\"type\":\"%s\"}", i ? "," : "{", i,
               i % 3 == 0   ? "float\",\"low\":0,\"high\":1,\"scale\":\"linear"
               : i % 3 == 1 ? "int\",\"low\":1,\"high\":100,\"scale\":\"log"
                            : "bool");
  buf_append_text(text, ",\"$relations\":[\"p0 < p3\",\"p1 + p4 <= 150\"]}");
}

/* Each parameter depends on the two before it: there are more ways up than can be gone one by one. */
static void
append_entangled(struct buf *text, size_t count)
{
  for (size_t i = 0; i < count; i++)
  {
    buf_printf(text, "%s\"p%zu\":{\"type\":\"categorical\",\"choices\":[\"v\",\"w\"]",
               i ? "," : "{", i);
    if (i > 1)
      buf_printf(text, ",\"when\":{\"p%zu\":[\"v\",\"w\"],\"p%zu\":[\"v\",\"w\"]}", i - 1, i - 2);
    buf_append_text(text, "}");
  }
  buf_append_text(text, "}");
}

static void
append_choices(struct buf *text, size_t count)
{
  for (size_t i = 0; i < count; i++)
    buf_printf(text, "%s%zu", i ? "," : "{\"c\":{\"type\":\"categorical\",\"choices\":[", i);
  buf_append_text(text, "]},\"x\":{\"type\":\"float\",\"low\":0,\"high\":1}}");
}

static void
large_spaces_are_searched(void **state)
{
  (void) state;
  struct buf texts[3] = {{0}, {0}, {0}};
  append_wide(&texts[0], 500);
  append_entangled(&texts[1], 300);
  append_choices(&texts[2], 1000);
  for (size_t s = 0; s < 3; s++)
  {
    struct built built = build_good(texts[s].data);
    for (const struct search_method_info *method = search_methods(); method->name; method++)
      run(built.space, method->name, ASKS, two_values, "a large space");
    buf_free(&texts[s]);
    arena_free(built.arena);
  }
}

static void
too_large_and_empty_ones_are_refused(void **state)
{
  (void) state;
  struct buf text = {0};
  append_choices(&text, 10000);
  struct built built = build(text.data);
  assert_int_equal(built.err, ERR_INVALID);
  assert_string_equal(built.faults.items[0].pointer, "/space/c/choices");
  buf_free(&text);
  arena_free(built.arena);
  static const char *const bad[] = {
    "{\"x\":{\"type\":\"float\",\"low\":1,\"high\":0}}",
    "{\"x\":{\"type\":\"float\",\"low\":1,\"high\":1}}",
    "{\"x\":{\"type\":\"int\",\"low\":3,\"high\":2}}",
    "{\"x\":{\"type\":\"categorical\",\"choices\":[]}}",
    "{\"x\":{\"type\":\"float\",\"low\":-1e308,\"high\":1e308}}",
    "{\"x\":{\"type\":\"ordinal\",\"values\":[]}}",
    "{\"\":{\"type\":\"bool\"}}",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
  {
    built = build(bad[i]);
    assert_int_equal(built.err, ERR_INVALID);
    arena_free(built.arena);
  }
  /* nothing to choose: one point, once */
  built = build_good("{}");
  struct search_spec spec = {.method = "bayes", .space = built.space};
  struct search *search;
  double point[1];
  assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
  assert_int_equal(search_ask(search, 1, point, NULL), ERR_OK);
  assert_int_equal(search_ask(search, 2, point, NULL), ERR_NOT_FOUND);
  search_free(search);
  arena_free(built.arena);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(odd_values_do_no_harm),
    cmocka_unit_test(the_same_point_may_be_told_often),
    cmocka_unit_test(many_may_be_pending),
    cmocka_unit_test(large_spaces_are_searched),
    cmocka_unit_test(too_large_and_empty_ones_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
