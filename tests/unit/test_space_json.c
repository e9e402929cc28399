#include <config.h>

#include "base/space_json.h"

#include "tests/harness/space_build.h"

static void
test_build(void **state)
{
  (void) state;
  struct built built = build_good(rich);
  const struct space *space = built.space;
  assert_int_equal(space->count, 13);
  /* parents first, otherwise as written */
  static const char *const order[] = {
    "learning_rate", "optimizer", "momentum", "layers", "nesterov",  "warm", "units",
    "batch",         "drop",      "epochs",   "name",   "warm_kind", "deep"};
  for (size_t i = 0; i < 13; i++)
    assert_string_equal(space->params[i].name, order[i]);
  const struct space_param *lr = &space->params[0];
  assert_true(lr->kind == SPACE_FLOAT && lr->scale == SPACE_LOG && lr->has_default
              && lr->has_prior);
  assert_near(lr->prior_mean, 0.1, 0);
  const struct space_param *nesterov = &space->params[4];
  assert_int_equal(nesterov->condition_count, 2);
  assert_int_equal(nesterov->conditions[1].parent, 3);
  assert_near(nesterov->conditions[1].values[1], 3.0, 0);
  assert_string_equal(space->params[1].help, "how to step");
  assert_int_equal(space_find(space, "drop"), 8);
  assert_int_equal(space_find(space, "dro"), SIZE_MAX);
  arena_free(built.arena);
}

static void
test_json_round_trip(void **state)
{
  (void) state;
  struct built first = build_good(rich);
  json_t *json = space_to_json(first.space);
  assert_non_null(json);
  struct buf text = {0};
  json_write(json, &text);
  struct built second = build_good(text.data);
  json_t *again = space_to_json(second.space);
  assert_true(json_equal(json, again));
  /* what was written comes back: only order and defaults that were spelled out differ */
  assert_near(json_number_value(json_object_get(json_object_get(json, "warm"), "step")), 0.1, 0);
  assert_int_equal(json_integer_value(json_object_get(json, "epochs")), 30);
  struct rng rng;
  rng_init(&rng, 1, 0);
  for (int i = 0; i < 2000; i++)
  {
    double point[13], back[13];
    space_sample(first.space, &rng, point);
    assert_true(space_contains(first.space, point));
    json_t *values = space_point_to_json(first.space, point);
    struct buf printed = {0};
    json_write(values, &printed);
    json_t *read = parse(printed.data);
    enum err err = space_point_from_json(second.space, read, "", back, &second.faults);
    if (err)
      fail_msg("%s: %s: %s", printed.data, second.faults.items[0].pointer,
               second.faults.items[0].message);
    assert_true(space_points_equal(first.space, point, back));
    buf_free(&printed);
    json_decref(values);
    json_decref(read);
  }
  json_decref(json);
  json_decref(again);
  buf_free(&text);
  arena_free(first.arena);
  arena_free(second.arena);
}

static const struct
{
  const char *text, *pointer, *says;
} fault_cases[] = {
  {"[]", "/space", "must be an object"},
  {"{\"a\":null}", "/space/a", "cannot be a parameter"},
  {"{\"a\":[1,2]}", "/space/a", "cannot be a parameter"},
  {"{\"\":1}", "/space/", "name has 1 to"},
  {"{\"a\":{}}", "/space/a/type", "is missing"},
  {"{\"a\":{\"type\":\"flaot\"}}", "/space/a/type", "not one of"},
  {"{\"a\":{\"type\":3}}", "/space/a/type", "must be a string"},
  {"{\"a\":{\"type\":\"float\",\"low\":1}}", "/space/a/high", "missing"},
  {"{\"a\":{\"type\":\"float\",\"low\":2,\"high\":1}}", "/space/a/low", "low must be below high"},
  {"{\"a\":{\"type\":\"float\",\"low\":1,\"high\":1}}", "/space/a/low", "low must be below high"},
  {"{\"a\":{\"type\":\"float\",\"low\":-1e308,\"high\":1e308}}", "/space/a/high", "too wide"},
  {"{\"a\":{\"type\":\"float\",\"low\":0,\"high\":1,\"scale\":\"log\"}}", "/space/a/low",
   "above 0"},
  {"{\"a\":{\"type\":\"float\",\"low\":0.5,\"high\":1,\"scale\":\"logit\"}}", "/space/a/scale",
   "logit"},
  {"{\"a\":{\"type\":\"float\",\"low\":0,\"high\":1,\"scale\":\"lin\"}}", "/space/a/scale",
   "not one of"},
  {"{\"a\":{\"type\":\"float\",\"low\":0,\"high\":1,\"step\":2}}", "/space/a/step", "above 0"},
  {"{\"a\":{\"type\":\"float\",\"low\":0,\"high\":1,\"step\":1e-300}}", "/space/a/step",
   "too small"},
  {"{\"a\":{\"type\":\"float\",\"low\":0,\"high\":1,\"choices\":[1]}}", "/space/a/choices",
   "unknown"},
  {"{\"a\":{\"type\":\"int\",\"low\":0.5,\"high\":3}}", "/space/a/low", "whole"},
  {"{\"a\":{\"type\":\"int\",\"low\":1,\"high\":3,\"scale\":\"logit\"}}", "/space/a/scale",
   "not one of"},
  {"{\"a\":{\"type\":\"int\",\"low\":1,\"high\":3,\"step\":0}}", "/space/a/step", "between 1 and"},
  {"{\"a\":{\"type\":\"categorical\",\"choices\":[]}}", "/space/a/choices", "between 1 and"},
  {"{\"a\":{\"type\":\"categorical\"}}", "/space/a/choices", "missing"},
  {"{\"a\":{\"type\":\"categorical\",\"choices\":[1,1.0]}}", "/space/a/choices/1", "repeated"},
  {"{\"a\":{\"type\":\"ordinal\",\"values\":[1,{}]}}", "/space/a/values/1",
   "must be a number, a string"},
  {"{\"a\":{\"type\":\"int\",\"low\":1,\"high\":3,\"default\":4}}", "/space/a/default",
   "between 1 and 3"},
  {"{\"a\":{\"type\":\"int\",\"low\":1,\"high\":7,\"step\":3,\"default\":5}}", "/space/a/default",
   "step"},
  {"{\"a\":{\"type\":\"bool\",\"default\":1}}", "/space/a/default", "true or false"},
  {"{\"a\":{\"type\":\"float\",\"low\":0,\"high\":1,\"prior\":{\"mean\":2,\"sd\":1}}}",
   "/space/a/prior/mean", "between low and high"},
  {"{\"a\":{\"type\":\"float\",\"low\":0,\"high\":1,\"prior\":{\"mean\":0.5,\"sd\":0}}}",
   "/space/a/prior/sd", "above 0"},
  {"{\"a\":{\"type\":\"bool\",\"when\":{\"b\":1}}}", "/space/a/when/b", "unknown parameter"},
  {"{\"a\":{\"type\":\"bool\",\"when\":{\"a\":true}}}", "/space/a/when/a", "itself"},
  {"{\"a\":{\"type\":\"bool\",\"when\":{\"b\":true}},\"b\":{\"type\":\"bool\",\"when\":{\"a\":"
   "true}}}",
   "/space/a/when", "circle"},
  {"{\"b\":{\"type\":\"float\",\"low\":0,\"high\":1},\"a\":{\"type\":\"bool\",\"when\":{\"b\":1}}"
   "}",
   "/space/a/when/b", "float parameter"},
  {"{\"b\":{\"type\":\"bool\"},\"a\":{\"type\":\"bool\",\"when\":{\"b\":[true,3]}}}",
   "/space/a/when/b/1", "not a value of"},
  {"{\"b\":{\"type\":\"bool\"},\"a\":{\"type\":\"bool\",\"when\":{\"b\":[]}}}", "/space/a/when/b",
   "at least one"},
  {"{\"a\":{\"type\":\"bool\",\"when\":[]}}", "/space/a/when", "must be an object"},
};

static void
test_faults(void **state)
{
  (void) state;
  for (size_t i = 0; i < sizeof fault_cases / sizeof fault_cases[0]; i++)
  {
    struct built built = build(fault_cases[i].text);
    assert_int_equal(built.err, ERR_INVALID);
    bool found = false;
    for (size_t j = 0; j < built.faults.kept; j++)
      found = found
              || (strcmp(built.faults.items[j].pointer, fault_cases[i].pointer) == 0
                  && strstr(built.faults.items[j].message, fault_cases[i].says));
    if (!found)
      fail_msg("%s: no fault \"%s\" at %s but \"%s\" at %s", fault_cases[i].text,
               fault_cases[i].says, fault_cases[i].pointer, built.faults.items[0].message,
               built.faults.items[0].pointer);
    arena_free(built.arena);
  }
  /* all of them at once */
  struct built built =
    build("{\"a\":null,\"b\":{\"type\":\"int\"},\"c\":{\"type\":\"bool\",\"when\":"
          "{\"x\":1,\"a\":2}},\"d\":{\"type\":\"float\",\"low\":3,\"high\":1}}");
  assert_int_equal(built.faults.count, 5);
  arena_free(built.arena);
}

static void
test_point_faults(void **state)
{
  (void) state;
  struct built built = build_good(
    "{\"opt\":{\"type\":\"categorical\",\"choices\":[\"sgd\",\"adam\"]},\"momentum\":{\"type\":"
    "\"float\",\"low\":0,\"high\":1,\"when\":{\"opt\":\"sgd\"}},\"k\":{\"type\":\"int\",\"low\":1,"
    "\"high\":5},\"fixed\":3,\"deep\":{\"type\":\"bool\",\"when\":{\"k\":[2]}}}");
  static const struct
  {
    const char *text, *pointer;
    size_t count;
  } cases[] = {
    {"{\"opt\":\"sgd\",\"momentum\":0.5,\"k\":1,\"fixed\":3}", NULL, 0},
    {"{\"opt\":\"adam\",\"k\":2.0,\"deep\":true,\"momentum\":null}", NULL, 0},
    {"{\"opt\":\"adam\",\"k\":1,\"momentum\":0.5}", "/p/momentum", 1},
    {"{\"opt\":\"sgd\",\"k\":1}", "/p/momentum", 1},
    {"{\"opt\":\"sgd\",\"momentum\":1.5,\"k\":1}", "/p/momentum", 1},
    {"{\"opt\":\"sgd\",\"momentum\":\"0.5\",\"k\":1}", "/p/momentum", 1},
    {"{\"opt\":\"adam\",\"k\":1.5,\"deep\":true}", "/p/k", 1}, /* nothing is said on deep */
    {"{\"opt\":\"adm\",\"momentum\":7,\"k\":9,\"fixed\":4}", "/p/opt", 3},
    {"{\"opt\":\"adam\",\"k\":1,\"K\":2}", "/p/K", 1},
    {"{}", "/p/opt", 2},
    {"7", "/p", 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct json_faults faults;
    double point[5];
    json_t *json = parse(cases[i].text);
    json_faults_init(&faults, built.arena);
    enum err err = space_point_from_json(built.space, json, "/p", point, &faults);
    assert_int_equal(err, cases[i].count ? ERR_INVALID : ERR_OK);
    if (faults.count != cases[i].count)
      fail_msg("%s: %zu faults", cases[i].text, faults.count);
    if (cases[i].count)
      assert_string_equal(faults.items[0].pointer, cases[i].pointer);
    else
      assert_true(space_contains(built.space, point));
    json_decref(json);
  }
  arena_free(built.arena);
}

static void
test_join(void **state)
{
  (void) state;
  struct arena *arena = arena_new(0);
  struct json_faults faults;
  struct space *space;
  json_faults_init(&faults, arena);
  json_t *families = parse(
    "{\"linear\":{\"c\":{\"type\":\"float\",\"low\":0.1,\"high\":1}},\"mlp\":{\"m\":{\"type\":"
    "\"bool\",\"when\":{\"opt\":\"sgd\"}},\"opt\":{\"type\":\"categorical\",\"choices\":"
    "[\"adam\",\"sgd\"]}},\"none\":{}}");
  assert_int_equal(space_join_families(families, "", arena, &space, &faults), ERR_OK);
  assert_int_equal(space->count, 4);
  assert_string_equal(space->params[0].name, "family");
  assert_string_equal(space->params[1].name, "linear.c");
  assert_string_equal(space->params[3].name, "mlp.m");
  const double points[][4] = {
    {0, 0.5, NAN, NAN}, {1, NAN, 0, NAN}, {1, NAN, 1, 1}, {2, NAN, NAN, NAN}};
  for (size_t i = 0; i < 4; i++)
    assert_true(space_contains(space, points[i]));
  const double bad[][4] = {{0, NAN, NAN, NAN}, {1, 0.5, 0, NAN}, {1, NAN, 0, 1}, {2, NAN, 0, NAN}};
  for (size_t i = 0; i < 4; i++)
    assert_false(space_contains(space, bad[i]));
  json_t *json = space_to_json(space);
  struct space *again;
  assert_int_equal(space_from_json(json, "", arena, &again, &faults), ERR_OK);
  json_t *json_again = space_to_json(again);
  assert_true(json_equal(json, json_again));
  json_decref(json_again);
  json_decref(json);
  json_decref(families);
  families = parse("{\"a\":{\"x\":null},\"b\":3}");
  assert_int_equal(space_join_families(families, "/f", arena, &space, &faults), ERR_INVALID);
  assert_int_equal(faults.count, 2);
  assert_string_equal(faults.items[0].pointer, "/f/a/x");
  assert_string_equal(faults.items[1].pointer, "/f/b");
  json_decref(families);
  arena_free(arena);
}

/* Random changes to good JSON: refused with faults or built soundly, never a crash. */
static void
test_noise(void **state)
{
  (void) state;
  static const char alphabet[] = "{}[]\":,0123456789.eE-truefalsnlogintcw \n";
  struct rng rng;
  rng_init(&rng, 5, 0);
  size_t built_count = 0, refused = 0;
  for (int i = 0; i < 20000; i++)
  {
    char text[sizeof rich];
    memcpy(text, rich, sizeof text);
    size_t changes = 1 + rng_below(&rng, 3);
    for (size_t j = 0; j < changes; j++)
    {
      /* every other time only digits are changed, so that much stays JSON */
      size_t at = rng_below(&rng, sizeof text - 1);
      if (i % 2 == 0)
        text[at] = alphabet[rng_below(&rng, sizeof alphabet - 1)];
      else if (text[at] >= '0' && text[at] <= '9')
        text[at] = (char) ('0' + rng_below(&rng, 10));
    }
    json_t *json;
    if (json_parse(text, sizeof text - 1, 16, &json, NULL) != ERR_OK)
      continue;
    struct built built = {.arena = arena_new(0)};
    json_faults_init(&built.faults, built.arena);
    if (space_from_json(json, "", built.arena, &built.space, &built.faults) == ERR_OK)
    {
      built_count++;
      double point[16];
      assert_true(built.space->count <= 16);
      space_sample(built.space, &rng, point);
      assert_true(space_contains(built.space, point));
      assert_true(space_cardinality(built.space) >= 1);
    }
    else
      refused += built.faults.count > 0;
    json_decref(json);
    arena_free(built.arena);
  }
  assert_true(built_count > 1000);
  assert_true(refused > 1000);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_build),  cmocka_unit_test(test_json_round_trip),
    cmocka_unit_test(test_faults), cmocka_unit_test(test_point_faults),
    cmocka_unit_test(test_join),   cmocka_unit_test(test_noise),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
