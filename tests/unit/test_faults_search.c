/* Questions about a search while memory ends. */
#include <config.h>

#include "tests/harness/scenario.h"

#include "search/gain.h"
#include "search/importance.h"
#include "search/slice.h"

#define TRIALS 7

static double opens_first[] = {0};
static struct space_value choices[] = {{.text = "p"}, {.text = "q"}};
static struct space_condition condition = {0, opens_first, 1};
static struct space_param params[] = {
  {.name = "kind", .kind = SPACE_CATEGORICAL, .values = choices, .value_count = 2},
  {.name = "p.a", .kind = SPACE_FLOAT, .high = 1, .conditions = &condition, .condition_count = 1},
  {.name = "n", .kind = SPACE_INT, .low = 1, .high = 6, .step = 1}};
static const struct space space = {.params = params, .count = 3};

/* A search with a few trials, one of them failed and one at work. */
static struct search *
told(const char *method, double size)
{
  struct search_spec spec = {.method = method, .space = &space, .seed = 3};
  struct search *search = NULL;
  struct rng rng;
  rng_init(&rng, 5, 5);
  bool done = search_new(&spec, &search, NULL) == ERR_OK;
  for (uint64_t trial = 0; done && trial < TRIALS; trial++)
  {
    double point[3];
    space_sample(&space, &rng, point);
    done = search_note_ask(search, trial, point, NULL) == ERR_OK;
    if (done && trial == 2)
      done = search_tell_failed(search, trial, true, NULL) == ERR_OK;
    else if (done && trial > 0)
      done =
        search_tell(search, trial, (trial % 2 ? size : -size) * (point[2] / 6), NULL) == ERR_OK;
  }
  if (done)
    return search;
  search_free(search);
  return NULL;
}

/* Each question has its answer whole, or none. */
static bool
ask(const char *method)
{
  struct search *search = told(method, 1);
  struct search_importance_options options = {.focus = 0.5};
  struct search_importance importance = {0};
  struct search_slice slice = {0};
  struct search_pair pair = {0};
  struct search_gain gain;
  bool done = search && search_importance(search, &options, &importance, NULL) == ERR_OK
              && importance.count == 3 && importance.modelled
              && search_slice(search, 1, 3, &slice, NULL) == ERR_OK && slice.count == 3
              && search_pair(search, 0, 2, 2, &pair, NULL) == ERR_OK && pair.x_count == 2
              && search_gain_left(search, &gain, NULL) == ERR_OK && gain.trials == TRIALS - 2;
  search_pair_clear(&pair);
  search_slice_clear(&slice);
  search_importance_clear(&importance);
  search_free(search);
  return done;
}

static bool
run_own_model(void)
{
  return ask("random");
}

static bool
run_kept_model(void)
{
  return ask("bayes");
}

/* Values that no process fits. */
static bool
run_ranks(void)
{
  struct search *search = told("sobol", 1.7e308);
  struct search_importance_options options = {0};
  struct search_importance importance = {0};
  bool done = search && search_importance(search, &options, &importance, NULL) == ERR_OK;
  if (done)
    assert_false(importance.modelled);
  search_importance_clear(&importance);
  search_free(search);
  return done;
}

static const struct scenario scenarios[] = {
  {"a search's own model", run_kept_model, false, 0, true},
  {"a model for the questions", run_own_model, false, 0, true},
  {"plain statistics", run_ranks, false, 0, true},
};

static void
test_without_memory(void **state)
{
  (void) state;
  for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
    scenario_without_memory(&scenarios[i]);
}

int
main(int argc, char **argv)
{
  (void) argc;
  scenario_restart_without_cache(argv);
  static const struct CMUnitTest tests[] = {cmocka_unit_test(test_without_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
