#include <config.h>

#include "search/search_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct search_kind *const kinds[] = {&search_kind_bayes, &search_kind_random,
                                                  &search_kind_sobol, &search_kind_grid};

static const struct search_method_info methods[] = {
  {"bayes", "a Gaussian process with expected improvement: each trial is placed where the "
            "results so far promise most"},
  {"random", "independent random points"},
  {"sobol", "points spread evenly over the space, whatever the results"},
  {"grid", "every combination of a few values of each parameter, once"},
  {NULL, NULL}};

const struct search_method_info *
search_methods(void)
{
  return methods;
}

static const struct search_kind *
find_kind(const char *name)
{
  for (size_t k = 0; name && k < sizeof kinds / sizeof *kinds; k++)
    if (strcmp(kinds[k]->name, name) == 0)
      return kinds[k];
  return NULL;
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
    if (!isfinite(value))
      continue;
    size_t at = search->prior_count++;
    for (; at > 0 && search->prior_values[at - 1] > value; at--)
    {
      search->prior_values[at] = search->prior_values[at - 1];
      memcpy(search->prior_points + at * width, search->prior_points + (at - 1) * width,
             width * sizeof *search->prior_points);
    }
    search->prior_values[at] = value;
    memcpy(search->prior_points + at * width, spec->prior_points + k * width,
           width * sizeof *search->prior_points);
    space_repair(search->space, search->prior_points + at * width);
  }
  return ERR_OK;
}

enum err
search_new(const struct search_spec *spec, struct search **search, struct err_info *info)
{
  const struct search_kind *kind = find_kind(spec->method);
  if (!kind)
    return err_set(info, ERR_INVALID,
                   "unknown search method \"%s\"; there are bayes, random, "
                   "sobol and grid",
                   spec->method ? spec->method : "");
  if (!has_choice(spec->space))
    kind = &search_kind_random; /* one point, then the end: nothing for a method to choose */
  struct search *s = calloc(1, sizeof *s);
  if (!s)
    return err_set(info, ERR_MEMORY, "out of memory");
  s->space = spec->space;
  s->seed = spec->seed;
  s->expected_trials = spec->expected_trials;
  s->grid_resolution = spec->grid_resolution;
  s->cardinality = space_cardinality(spec->space);
  enum err err = copy_first_points(s, spec);
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
  free(search->ended);
  free(search->points);
  free(search->trials);
  free(search->prior_values);
  free(search->prior_points);
  free(search->first_points);
  free(search);
}

size_t
search_own_count(const struct search *search)
{
  size_t planned = 0;
  for (size_t t = 0; t < search->count; t++)
    planned += search->trials[t].planned;
  return search->count - planned;
}

/* The first of the first points that is not taken, or NULL. */
static const double *
next_first_point(const struct search *search, const struct search_seen *seen)
{
  for (size_t k = 0; k < search->first_count; k++)
  {
    const double *point = search->first_points + k * search->space->count;
    if (!search_seen_has(seen, point))
      return point;
  }
  return NULL;
}

static bool
grow(struct search *search)
{
  if (search->count < search->capacity)
    return true;
  size_t width = search->space->count;
  size_t capacity = search->capacity ? 2 * search->capacity : 32;
  if (capacity > SIZE_MAX / sizeof(struct search_trial)
      || (width > 0 && capacity > SIZE_MAX / 8 / width))
    return false;
  struct search_trial *trials = realloc(search->trials, capacity * sizeof *trials);
  if (!trials)
    return false;
  search->trials = trials;
  double *points = realloc(search->points, capacity * width * sizeof *points + 1);
  if (!points)
    return false;
  search->points = points;
  size_t *ended = realloc(search->ended, capacity * sizeof *ended);
  if (!ended)
    return false;
  search->ended = ended;
  search->capacity = capacity;
  return true;
}

static struct search_trial *
find_pending(struct search *search, uint64_t id)
{
  for (size_t t = search->count; t-- > 0;)
    if (search->trials[t].id == id && search->trials[t].state == SEARCH_PENDING)
      return &search->trials[t];
  return NULL;
}

static enum err
check_new_trial(const struct search *search, uint64_t id, struct err_info *info)
{
  for (size_t t = 0; t < search->count; t++)
    if (search->trials[t].id == id)
      return err_set(info, ERR_CONFLICT, "trial %llu has been asked for already",
                     (unsigned long long) id);
  return ERR_OK;
}

static enum err
append(struct search *search, uint64_t id, const double *point, bool planned, struct err_info *info)
{
  if (!grow(search))
    return err_set(info, ERR_MEMORY, "out of memory");
  size_t width = search->space->count;
  search->trials[search->count] =
    (struct search_trial){.id = id, .state = SEARCH_PENDING, .planned = planned, .value = NAN};
  memcpy(search->points + search->count * width, point, width * sizeof *point);
  search->count++;
  return ERR_OK;
}

enum err
search_ask(struct search *search, uint64_t trial, double *point, struct err_info *info)
{
  enum err err = check_new_trial(search, trial, info);
  if (err)
    return err;
  struct search_seen seen;
  if (search_seen_init(&seen, search))
    return err_set(info, ERR_MEMORY, "out of memory");
  const double *first = next_first_point(search, &seen);
  bool exhausted = (double) seen.count >= search->cardinality;
  search_seen_clear(&seen);
  if (exhausted)
    return err_set(info, ERR_NOT_FOUND, "every point of the space has been tried");
  if (first)
    memcpy(point, first, search->space->count * sizeof *point);
  else
    err = search->kind->ask(search, search->state, point, info);
  return err ? err : append(search, trial, point, first != NULL, info);
}

enum err
search_note_ask(struct search *search, uint64_t trial, const double *point, struct err_info *info)
{
  enum err err = check_new_trial(search, trial, info);
  if (err)
    return err;
  if (!space_contains(search->space, point))
    return err_set(info, ERR_INVALID, "the point of trial %llu is not one of this space",
                   (unsigned long long) trial);
  struct search_seen seen;
  if (search_seen_init(&seen, search))
    return err_set(info, ERR_MEMORY, "out of memory");
  const double *first = next_first_point(search, &seen);
  search_seen_clear(&seen);
  bool planned = first && space_points_equal(search->space, first, point);
  return append(search, trial, point, planned, info);
}

static enum err
end_trial(struct search *search, uint64_t id, enum search_state state, double value,
          struct err_info *info)
{
  struct search_trial *trial = find_pending(search, id);
  if (!trial)
    return err_set(info, ERR_NOT_FOUND, "trial %llu is not pending", (unsigned long long) id);
  trial->state = state;
  trial->value = value;
  if (state != SEARCH_FORGOTTEN)
    search->ended[search->ended_count++] = (size_t) (trial - search->trials);
  return ERR_OK;
}

enum err
search_tell(struct search *search, uint64_t trial, double value, double seconds,
            struct err_info *info)
{
  (void) seconds;
  if (!isfinite(value))
    return end_trial(search, trial, SEARCH_FAILED, NAN, info);
  return end_trial(search, trial, SEARCH_DONE, value, info);
}

enum err
search_tell_failed(struct search *search, uint64_t trial, bool failed, struct err_info *info)
{
  return end_trial(search, trial, failed ? SEARCH_FAILED : SEARCH_FORGOTTEN, NAN, info);
}

bool
search_best(const struct search *search, uint64_t *trial, double *value, double *point)
{
  const struct search_trial *best = NULL;
  for (size_t k = 0; k < search->ended_count; k++)
  {
    const struct search_trial *t = &search->trials[search->ended[k]];
    if (t->state == SEARCH_DONE && (!best || t->value < best->value))
      best = t;
  }
  if (!best)
    return false;
  if (trial)
    *trial = best->id;
  if (value)
    *value = best->value;
  if (point)
    memcpy(point, search_point(search, (size_t) (best - search->trials)),
           search->space->count * sizeof *point);
  return true;
}

enum err
search_predict(struct search *search, const double *point, double *mean, double *sd)
{
  if (!search->kind->predict || !space_contains(search->space, point))
    return ERR_NOT_FOUND;
  return search->kind->predict(search, search->state, point, mean, sd);
}
