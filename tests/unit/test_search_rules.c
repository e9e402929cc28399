/* Every method on random spaces with conditions on conditions, forbidden combinations and relations: each
 * suggestion is a point of the space, a discrete space gives each point once, JSON keeps everything. */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/space.h"
#include "base/space_json.h"
#include "search/search.h"
#include "tests/harness/space_build.h"
#include "tests/harness/space_random.h"

#define WIDTH_MAX (SPACE_RANDOM_MAX + 1)
#define ASKS_MAX 24

/* A random space that has a point; its rules may leave none, and that is then said. */
static bool
build_random(struct rng *rng, bool discrete, struct random_space *r, struct built *built)
{
  space_random_make(rng, discrete, r);
  *built = build(r->text.data);
  if (built->err == ERR_OK)
    return true;
  for (size_t k = 0; k < built->faults.kept; k++)
  {
    const char *message = built->faults.items[k].message;
    if (!strstr(message, "no point") && !strstr(message, "can never hold")
        && !strstr(message, "no value of this parameter"))
      fail_msg("%s: %s: %s", r->text.data, built->faults.items[k].pointer, message);
  }
  buf_free(&r->text);
  arena_free(built->arena);
  return false;
}

static void
free_random(struct random_space *r, struct built *built)
{
  buf_free(&r->text);
  arena_free(built->arena);
}

/* ---- the space itself ------------------------------------------------------------------------------------ */

/* Counts by trying every value of everything. */
static double
count_by_trying(const struct space *space, size_t index, double *point)
{
  if (index == space->count)
    return space_allowed(space, point) ? 1 : 0;
  if (!space_active(space, index, point))
  {
    point[index] = NAN;
    return count_by_trying(space, index + 1, point);
  }
  double total = 0, levels = space_param_levels(&space->params[index]);
  for (double level = 0; level < levels; level++)
  {
    point[index] = space_param_level(&space->params[index], level);
    total += count_by_trying(space, index + 1, point);
  }
  return total;
}

static void
spaces_count_as_many_points_as_they_have(void **state)
{
  (void) state;
  struct rng rng;
  rng_init(&rng, 11, 0);
  size_t counted = 0, none = 0, ruled = 0;
  for (int round = 0; round < 1500; round++)
  {
    struct random_space r;
    struct built built;
    double point[WIDTH_MAX];
    if (!build_random(&rng, true, &r, &built))
    {
      none++;
      continue;
    }
    bool exact;
    double count = space_count(built.space, &exact);
    assert_true(exact);
    double tried = count_by_trying(built.space, 0, point);
    if (count != tried || count < 1)
      fail_msg("%s: %g points, not %g", r.text.data, tried, count);
    ruled += space_has_rules(built.space);
    counted++;
    free_random(&r, &built);
  }
  assert_true(counted > 1000 && none > 20 && ruled > 500);
}

static void
check_point(const struct random_space *r, const struct space *space, const double *point,
            const char *what)
{
  if (!space_contains(space, point))
    fail_msg("%s: %s gives no point of the space (rule %zu)", r->text.data, what,
             space_broken_rule(space, point));
}

static void
points_are_kept_by_json_and_repairs(void **state)
{
  (void) state;
  struct rng rng;
  rng_init(&rng, 12, 0);
  int deepest = 0;
  for (int round = 0; round < 2500; round++)
  {
    struct random_space r;
    struct built built;
    if (!build_random(&rng, round % 3 == 0, &r, &built))
      continue;
    const struct space *space = built.space;
    deepest = r.depth > deepest ? r.depth : deepest;
    json_t *json = space_to_json(space);
    struct json_faults faults;
    json_faults_init(&faults, built.arena);
    struct space *second;
    assert_int_equal(space_from_json(json, "", built.arena, &second, &faults), ERR_OK);
    json_t *again = space_to_json(second);
    assert_true(json_equal(json, again));
    json_decref(again);
    json_decref(json);
    double point[WIDTH_MAX], back[WIDTH_MAX];
    for (int i = 0; i < 20; i++)
    {
      space_sample(space, &rng, point);
      check_point(&r, space, point, "a draw");
      assert_true(space_contains(second, point));
      memcpy(back, point, sizeof back);
      space_repair(space, back); /* changes nothing */
      assert_true(space_points_equal(space, point, back));
      json_t *values = space_point_to_json(space, point);
      assert_int_equal(space_point_from_json(second, values, "", back, &faults), ERR_OK);
      assert_true(space_points_equal(space, point, back));
      json_decref(values);
      for (size_t p = 0; p < space->count; p++)
        point[p] = rng_below(&rng, 5) == 0 ? NAN : 40 * rng_normal(&rng);
      memcpy(back, point, sizeof back);
      space_repair(space, point);
      space_repair(space, back);
      check_point(&r, space, point, "a repair");
      assert_true(space_points_equal(space, point, back));
    }
    space_default_point(space, point);
    check_point(&r, space, point, "the defaults");
    free_random(&r, &built);
  }
  assert_true(deepest >= 4);
}

/* ---- every method ------------------------------------------------------------------------------------------ */

struct tally
{
  size_t asked, ended, refused;
};

/* Asks until the space is exhausted, with values, failures and trials still running in between. */
static void
search_space(const struct random_space *r, const struct space *space, const char *method,
             uint64_t seed, struct tally *tally)
{
  double points[ASKS_MAX][WIDTH_MAX], cardinality = space_cardinality(space);
  bool grid = strcmp(method, "grid") == 0, rungs = strcmp(method, "asha") == 0;
  struct search_spec spec = {.method = method,
                             .space = space,
                             .seed = seed,
                             .expected_trials = seed % 2 ? ASKS_MAX : 0,
                             .grid_resolution = 3,
                             .most_steps = rungs ? 9 : 0};
  struct search *search;
  struct err_info info = {.text = ""};
  enum err err = search_new(&spec, &search, &info);
  if (err)
  {
    assert_true(grid && err == ERR_INVALID && strstr(info.text, "grid"));
    tally->refused++;
    return;
  }
  size_t size = 0;
  if (grid)
    assert_int_equal(search_grid_size(&spec, &size, &info), ERR_OK);
  for (size_t t = 0; t < ASKS_MAX; t++)
  {
    err = search_ask(search, t, points[t], &info);
    if (err)
    {
      assert_int_equal(err, ERR_NOT_FOUND);
      double all = grid ? (double) size : cardinality;
      if ((double) t != all)
        fail_msg("%s: %s ends after %zu of %g", r->text.data, method, t, all);
      tally->ended++;
      break;
    }
    check_point(r, space, points[t], method);
    for (size_t u = 0; isfinite(cardinality) && u < t; u++)
      if (space_points_equal(space, points[u], points[t]))
        fail_msg("%s: %s repeats point %zu", r->text.data, method, u);
    double value = 0;
    for (size_t i = 0; i < space->count; i++)
      value +=
        isnan(points[t][i]) ? 0.3 : pow(space_to_unit(&space->params[i], points[t][i]) - 0.4, 2);
    if (t % 7 == 3)
      assert_int_equal(search_tell_failed(search, t, true, NULL), ERR_OK);
    else if (t % 5 != 4)
      assert_int_equal(search_tell(search, t, value, NULL), ERR_OK);
    tally->asked++;
  }
  search_free(search);
}

static void
every_suggestion_is_a_point_of_the_space(void **state)
{
  (void) state;
  struct rng rng;
  rng_init(&rng, 13, 0);
  struct tally tally = {0};
  for (int round = 0; round < 240; round++)
  {
    struct random_space r;
    struct built built;
    if (!build_random(&rng, round % 2 == 0, &r, &built))
      continue;
    for (const struct search_method_info *method = search_methods(); method->name; method++)
    {
      bool model = strcmp(method->name, "bayes") == 0 || strcmp(method->name, "tpe") == 0;
      if (!model || round % 4 < 2)
        search_space(&r, built.space, method->name, (uint64_t) round, &tally);
    }
    search_space(&r, built.space, "asha", (uint64_t) round, &tally);
    free_random(&r, &built);
  }
  assert_true(tally.asked > 6000 && tally.ended > 100);
}

/* The best allowed point lies on the edge that a relation draws. */
static void
optima_on_an_edge_are_found(void **state)
{
  (void) state;
  struct built built = build_good("{\"x\":{\"type\":\"float\",\"low\":0,\"high\":1},"
                                  "\"y\":{\"type\":\"float\",\"low\":0,\"high\":1},"
                                  "\"z\":{\"type\":\"float\",\"low\":0,\"high\":1},"
                                  "\"$relations\":[\"x + y + z <= 1\"]}");
  struct search_spec spec = {
    .method = "bayes", .space = built.space, .seed = 3, .expected_trials = 30};
  struct search *search;
  double point[3], best;
  assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
  for (uint64_t t = 0; t < 30; t++)
  {
    assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
    assert_true(space_contains(built.space, point));
    double value = pow(point[0] - 0.7, 2) + pow(point[1] - 0.5, 2) + pow(point[2] - 0.1, 2);
    assert_int_equal(search_tell(search, t, value, NULL), ERR_OK);
  }
  assert_true(search_best(search, NULL, &best, NULL));
  assert_true(best < 0.03 + 0.004); /* the least is 0.3²/3 */
  search_free(search);
  arena_free(built.arena);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(spaces_count_as_many_points_as_they_have),
    cmocka_unit_test(points_are_kept_by_json_and_repairs),
    cmocka_unit_test(every_suggestion_is_a_point_of_the_space),
    cmocka_unit_test(optima_on_an_edge_are_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
