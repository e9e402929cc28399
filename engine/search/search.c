#include <config.h>

#include "search/search_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct search_kind *const kinds[] = {
  &search_kind_bayes, &search_kind_random, &search_kind_sobol, &search_kind_grid, &search_kind_tpe};

static const struct search_method_info methods[] = {
  {"bayes",
   "a Gaussian process: trials are placed where the results so far promise most, and some where "
   "much may still be hidden"},
  {"tpe", "Parzen estimators: points that are likely among the good trials and unlikely among the "
          "others"},
  {"random", "independent random points"},
  {"sobol", "points spread evenly over the space, whatever the results"},
  {"grid", "every combination of a few values of each parameter, once"},
  {NULL, NULL}};

const struct search_method_info *
search_methods(void)
{
  return methods;
}

static const struct search_method_info step_methods[] = {
  {"asha", "random points, of which the best third goes on at each rung of steps"},
  {"hyperband", "random points in brackets that begin with few or with many steps"},
  {NULL, NULL}};

const struct search_method_info *
search_step_methods(void)
{
  return step_methods;
}

const char **
search_method_names(struct arena *arena)
{
  const struct search_method_info *lists[] = {search_methods(), search_step_methods()};
  size_t count = 0, kept = 0;
  for (size_t l = 0; l < 2; l++)
    for (size_t i = 0; lists[l][i].name; i++)
      count++;
  const char **names = arena_array(arena, count + 1, sizeof *names);
  for (size_t l = 0; names && l < 2; l++)
    for (size_t i = 0; lists[l][i].name; i++)
      names[kept++] = lists[l][i].name;
  if (names)
    names[kept] = NULL;
  return names;
}

/* The method behind a name; a name that stands for a stopping rule sets that, too. */
static enum err
find_kind(const struct search_spec *spec, const struct search_kind **kind,
          enum search_stopping *stopping, struct err_info *info)
{
  const char *name = spec->method ? spec->method : "";
  enum search_stopping rule = spec->stopping;
  *kind = NULL;
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    if (strcmp(kinds[k]->name, name) == 0)
      *kind = kinds[k];
  if (strcmp(name, "asha") == 0)
    rule = SEARCH_STOPPING_ASHA;
  else if (strcmp(name, "hyperband") == 0)
    rule = SEARCH_STOPPING_HYPERBAND;
  else if (!*kind)
    return err_set(
      info, ERR_INVALID,
      "unknown search method \"%s\"; there are bayes, tpe, random, sobol, grid, asha and "
      "hyperband",
      name);
  *stopping = rule;
  if (*kind)
    return ERR_OK;
  *kind = &search_kind_random;
  if (spec->stopping != SEARCH_STOPPING_NONE && spec->stopping != rule)
    return err_set(info, ERR_INVALID, "method %s goes with no other stopping rule", name);
  return ERR_OK;
}

static enum err
check_counts(const struct search_spec *spec, struct err_info *info)
{
  if (spec->objective_count > SEARCH_OBJECTIVES_MAX)
    return err_set(info, ERR_INVALID, "at most %d objectives", SEARCH_OBJECTIVES_MAX);
  if (spec->constraint_count > SEARCH_CONSTRAINTS_MAX)
    return err_set(info, ERR_INVALID, "at most %d constraints", SEARCH_CONSTRAINTS_MAX);
  return ERR_OK;
}

static bool
has_choice(const struct space *space)
{
  for (size_t i = 0; i < space->count; i++)
    if (space_param_levels(&space->params[i]) > 1)
      return true;
  return false;
}

static enum err
copy_first_points(struct search *search, const struct search_spec *spec)
{
  size_t width = spec->space->count;
  size_t size = sizeof *search->first_points;
  if (!spec->first_count)
    return ERR_OK;
  if (width > 0 && spec->first_count > SIZE_MAX / size / width)
    return ERR_MEMORY;
  search->first_points = malloc(spec->first_count * width * size + 1);
  if (!search->first_points)
    return ERR_MEMORY;
  memcpy(search->first_points, spec->first_points, spec->first_count * width * size);
  search->first_count = spec->first_count;
  for (size_t k = 0; k < search->first_count; k++)
    space_repair(search->space, search->first_points + k * width);
  return ERR_OK;
}

/* Writes an earlier point made legal. Where it breaks one of this space's rules, no point near it has its
 * value: false. */
static bool
take_prior(const struct space *space, const double *from, double *point)
{
  memcpy(point, from, space->count * sizeof *point);
  space_settle(space, point);
  return space_allowed(space, point);
}

/* Keeps the finite ones, best first (of equals the earlier), so that their order does not matter. */
static enum err
copy_priors(struct search *search, const struct search_spec *spec)
{
  size_t width = spec->space->count;
  if (!spec->prior_count)
    return ERR_OK;
  if (width > 0 && spec->prior_count > SIZE_MAX / sizeof(double) / width)
    return ERR_MEMORY;
  search->prior_points = malloc(spec->prior_count * width * sizeof *search->prior_points + 1);
  search->prior_values = malloc(spec->prior_count * sizeof *search->prior_values);
  if (!search->prior_points || !search->prior_values)
    return ERR_MEMORY;
  for (size_t k = 0; k < spec->prior_count; k++)
  {
    double value = spec->prior_values[k];
    const double *from = spec->prior_points + k * width;
    if (!isfinite(value)
        || !take_prior(search->space, from, search->prior_points + search->prior_count * width))
      continue;
    size_t at = search->prior_count++;
    for (; at > 0 && search->prior_values[at - 1] > value; at--)
    {
      search->prior_values[at] = search->prior_values[at - 1];
      memcpy(search->prior_points + at * width, search->prior_points + (at - 1) * width,
             width * sizeof *search->prior_points);
    }
    search->prior_values[at] = value;
    take_prior(search->space, from, search->prior_points + at * width);
  }
  return ERR_OK;
}

enum err
search_new(const struct search_spec *spec, struct search **search, struct err_info *info)
{
  const struct search_kind *kind;
  enum search_stopping stopping = spec->stopping;
  struct fidelity fidelity;
  enum err err = find_kind(spec, &kind, &stopping, info);
  if (!err)
    err = check_counts(spec, info);
  if (!err)
    err = fidelity_init(&fidelity, spec, stopping, info);
  if (err)
    return err;
  if (!has_choice(spec->space))
    kind = &search_kind_random; /* one point, then the end: nothing for a method to choose */
  struct search *s = calloc(1, sizeof *s);
  if (!s)
    return err_set(info, ERR_MEMORY, "out of memory");
  s->space = spec->space;
  s->seed = spec->seed;
  s->expected_trials = spec->expected_trials;
  s->grid_resolution = spec->grid_resolution;
  bool exact;
  s->cardinality = space_count(spec->space, &exact);
  if (!exact && isfinite(s->cardinality))
    s->cardinality = 1e300; /* nobody is told that a space is exhausted because of an estimate */
  s->objective_count = spec->objective_count ? spec->objective_count : 1;
  s->constraint_count = spec->constraint_count;
  s->fidelity = fidelity;
  err = copy_first_points(s, spec);
  if (!err)
    err = copy_priors(s, spec);
  if (err)
    err_set(info, err, "out of memory");
  else
    err = kind->start(s, &s->state, info);
  if (err)
  {
    search_free(s);
    return err;
  }
  s->kind = kind;
  *search = s;
  return ERR_OK;
}

void
search_free(struct search *search)
{
  if (!search)
    return;
  if (search->kind)
    search->kind->stop(search->state);
  for (size_t t = 0; t < search->count; t++)
    free(search->trials[t].curve);
  free(search->observed);
  free(search->ended);
  free(search->rungs);
  free(search->results);
  free(search->points);
  free(search->trials);
  free(search->prior_values);
  free(search->prior_points);
  free(search->first_points);
  free(search->beliefs);
  free(search);
}

enum err
search_predict(struct search *search, const double *point, double *mean, double *sd)
{
  if (!search->kind->predict || !space_contains(search->space, point))
    return ERR_NOT_FOUND;
  return search->kind->predict(search, search->state, point, mean, sd);
}
