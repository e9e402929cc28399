/* Small searches to ask questions of: spaces, functions, and searches that have been told about them. */
#ifndef ATTUNE_TESTS_UNIT_TEST_SEARCH_TOLD_H
#define ATTUNE_TESTS_UNIT_TEST_SEARCH_TOLD_H

#include <stdint.h>

#include "base/rng.h"
#include "search/search.h"

#define DIMS_MAX 10

typedef double function(const double *point);

static struct space_param unit_params[DIMS_MAX];

static inline struct space
unit_space(size_t dims)
{
  static const char *const names[DIMS_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  for (size_t i = 0; i < dims; i++)
    unit_params[i] = (struct space_param){.name = names[i], .kind = SPACE_FLOAT, .high = 1};
  return (struct space){.params = unit_params, .count = dims};
}

/* A search that has tried `trials` points of its own choice. */
static inline struct search *
searched(const struct space *space, const char *method, uint64_t seed, size_t trials,
         function *value)
{
  struct search *search;
  struct search_spec spec = {.method = method, .space = space, .seed = seed};
  assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
  for (size_t t = 0; t < trials; t++)
  {
    double point[DIMS_MAX];
    assert_int_equal(search_ask(search, t, point, NULL), ERR_OK);
    assert_int_equal(search_tell(search, t, value(point), NULL), ERR_OK);
  }
  return search;
}

/* A search that has been told about random points, whatever its method would have asked. */
static inline struct search *
told(const struct space *space, const char *method, uint64_t seed, size_t trials, function *value)
{
  struct search *search;
  struct search_spec spec = {.method = method, .space = space, .seed = seed};
  struct rng rng;
  rng_init(&rng, seed, 7);
  assert_int_equal(search_new(&spec, &search, NULL), ERR_OK);
  for (size_t t = 0; t < trials; t++)
  {
    double point[DIMS_MAX];
    space_sample(space, &rng, point);
    assert_int_equal(search_note_ask(search, t, point, NULL), ERR_OK);
    assert_int_equal(search_tell(search, t, value(point), NULL), ERR_OK);
  }
  return search;
}

/* Two families with a parameter each, of which the second does nothing: 1 + 2a, or 0. */
static inline double
by_family(const double *x)
{
  return x[0] == 0 ? 1 + 2 * x[1] : 0;
}

static double first_value[1] = {0}, second_value[1] = {1};
static struct space_condition is_first = {0, first_value, 1}, is_second = {0, second_value, 1};
static struct space_value families[2] = {{.text = "p"}, {.text = "q"}};
static struct space_param family_params[3] = {
  {.name = "family", .kind = SPACE_CATEGORICAL, .values = families, .value_count = 2},
  {.name = "p.a", .kind = SPACE_FLOAT, .high = 1, .conditions = &is_first, .condition_count = 1},
  {.name = "q.b", .kind = SPACE_FLOAT, .high = 1, .conditions = &is_second, .condition_count = 1}};
static const struct space family_space = {.params = family_params, .count = 3};

/* A bowl with its minimum at (0.2, 0.4, 0.6). */
static inline double
bowl(const double *x)
{
  double sum = 0;
  for (size_t i = 0; i < 3; i++)
    sum += (x[i] - 0.2 * (double) (i + 1)) * (x[i] - 0.2 * (double) (i + 1));
  return 10 * sum;
}

#endif
