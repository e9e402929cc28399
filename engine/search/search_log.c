#include <config.h>

#include "search/search_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t
search_open_count(const struct search *search)
{
  size_t count = 0;
  for (size_t t = 0; t < search->count; t++)
    count += search_is_open(&search->trials[t]);
  return count;
}

size_t
search_known_count(const struct search *search)
{
  size_t count = 0;
  for (size_t t = 0; t < search->count; t++)
  {
    const struct search_trial *trial = &search->trials[t];
    count += trial->reached > 0 || trial->state == SEARCH_DONE || trial->state == SEARCH_FAILED;
  }
  return count;
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

/* As realloc to `capacity` rows of `width` things of `size` bytes. */
static void *
resized(void *held, size_t capacity, size_t width, size_t size)
{
  if (width && capacity > SIZE_MAX / 2 / size / width)
    return NULL;
  return realloc(held, capacity * width * size + 1);
}

static bool
grow(struct search *search)
{
  if (search->count < search->capacity)
    return true;
  size_t capacity = search->capacity ? 2 * search->capacity : 32;
  size_t widths[] = {search->space->count, search->objective_count + search->constraint_count,
                     search->fidelity.count};
  double **arrays[] = {&search->points, &search->results, &search->rungs};
  for (size_t k = 0; k < 3; k++)
  {
    double *grown = resized(*arrays[k], capacity, widths[k], sizeof *grown);
    if (!grown)
      return false;
    *arrays[k] = grown;
  }
  struct search_trial *trials = resized(search->trials, capacity, 1, sizeof *trials);
  if (!trials)
    return false;
  search->trials = trials;
  size_t *ended = resized(search->ended, capacity, 1, sizeof *ended);
  if (!ended)
    return false;
  search->ended = ended;
  search->capacity = capacity;
  return true;
}

/* Whether a parameter's logarithm (or that of 1 less it) is a number all over its range. */
static bool
has_logarithm(const struct space_param *param, bool rest)
{
  if (param->kind == SPACE_ORDINAL)
  {
    for (size_t v = 0; v < param->value_count; v++)
    {
      double number = space_param_number(param, (double) v);
      if (!(rest ? number < 1 : number > 0))
        return false;
    }
    return true;
  }
  return (param->kind == SPACE_FLOAT || param->kind == SPACE_INT)
         && (rest ? param->high < 1 : param->low > 0);
}

enum err
search_believe(struct search *search, const struct search_belief *belief, struct err_info *info)
{
  const struct space *space = search->space;
  bool good = belief->param < space->count && belief->when_count <= SEARCH_BELIEF_PARTS
              && belief->shift_count <= SEARCH_BELIEF_PARTS && isfinite(belief->mean)
              && belief->sd > 0 && isfinite(belief->sd)
              && space->params[belief->param].kind == SPACE_FLOAT
              && space->params[belief->param].scale == SPACE_LOG;
  for (size_t i = 0; good && i < belief->when_count; i++)
    good = belief->when[i].param < space->count;
  for (size_t i = 0; good && i < belief->shift_count; i++)
    good = belief->shifts[i].param < space->count
           && has_logarithm(&space->params[belief->shifts[i].param], belief->shifts[i].rest);
  if (!good)
    return err_set(info, ERR_INVALID,
                   "a belief must be about a number with a log scale, and go by others");
  struct search_belief *grown =
    realloc(search->beliefs, (search->belief_count + 1) * sizeof *grown);
  if (!grown)
    return err_set(info, ERR_MEMORY, "out of memory");
  search->beliefs = grown;
  search->beliefs[search->belief_count++] = *belief;
  return ERR_OK;
}

static struct search_trial *
find_trial(const struct search *search, uint64_t id)
{
  for (size_t t = search->count; t-- > 0;)
    if (search->trials[t].id == id)
      return &search->trials[t];
  return NULL;
}

/* The trial if it is pending (or, where that will do, paused); NULL and the reason otherwise. */
static struct search_trial *
find_open(const struct search *search, uint64_t id, bool paused_too, struct err_info *info)
{
  struct search_trial *trial = find_trial(search, id);
  if (trial && (trial->state == SEARCH_PENDING || (paused_too && trial->state == SEARCH_PAUSED)))
    return trial;
  err_set(info, ERR_NOT_FOUND, "trial %llu is not %s", (unsigned long long) id,
          trial && trial->state == SEARCH_PAUSED ? "running: it is paused" : "pending");
  return NULL;
}

static size_t
index_of(const struct search *search, const struct search_trial *trial)
{
  return (size_t) (trial - search->trials);
}

static enum err
check_new_trial(const struct search *search, uint64_t id, struct err_info *info)
{
  return find_trial(search, id) ? err_set(
           info, ERR_CONFLICT, "trial %llu has been asked for already", (unsigned long long) id)
                                : ERR_OK;
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
  fidelity_start(search, search->count - 1);
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

/* Hands a paused trial out again. */
static void
resume(struct search *search, size_t trial, struct search_suggestion *suggestion, double *point)
{
  const struct search_trial *t = &search->trials[trial];
  *suggestion = (struct search_suggestion){
    .trial = t->id, .continued = true, .from_step = t->curve[t->curve_count - 1].step};
  fidelity_continue(search, trial);
  suggestion->until_step = fidelity_until(search, trial);
  memcpy(point, search_point(search, trial), search->space->count * sizeof *point);
}

/* The paused trial that is to go on, or SIZE_MAX. */
static enum err
choose_paused(const struct search *search, size_t *paused, struct err_info *info)
{
  enum err err = ERR_OK;
  if (fidelity_pauses(&search->fidelity) && search->kind->advance)
    err = search->kind->advance(search, search->state, paused);
  else
    *paused = fidelity_promotion(search);
  return err ? err_set(info, err, "out of memory") : ERR_OK;
}

enum err
search_promotes(const struct search *search, bool *promotes, uint64_t *trial, struct err_info *info)
{
  size_t paused = SIZE_MAX;
  enum err err = choose_paused(search, &paused, info);
  *promotes = !err && paused != SIZE_MAX;
  if (*promotes)
    *trial = search->trials[paused].id;
  return err;
}

enum err
search_promote(struct search *search, struct search_suggestion *suggestion, double *point,
               struct err_info *info)
{
  size_t paused;
  enum err err = choose_paused(search, &paused, info);
  if (err)
    return err;
  if (paused == SIZE_MAX)
    return err_set(info, ERR_NOT_FOUND, "no paused trial is to go on");
  resume(search, paused, suggestion, point);
  return ERR_OK;
}

enum err
search_suggest(struct search *search, uint64_t next_trial, struct search_suggestion *suggestion,
               double *point, struct err_info *info)
{
  enum err err = check_new_trial(search, next_trial, info);
  if (err)
    return err;
  size_t paused;
  err = choose_paused(search, &paused, info);
  if (err)
    return err;
  if (paused == SIZE_MAX)
  {
    err = search_ask(search, next_trial, point, info);
    if (!err)
      *suggestion = (struct search_suggestion){
        .trial = next_trial, .until_step = fidelity_until(search, search->count - 1)};
    if (err != ERR_NOT_FOUND)
      return err;
    paused = fidelity_furthest(search);
  }
  if (paused == SIZE_MAX)
    return err;
  resume(search, paused, suggestion, point);
  return ERR_OK;
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
  bool planned = false;
  if (search->first_count)
  {
    struct search_seen seen;
    if (search_seen_init(&seen, search))
      return err_set(info, ERR_MEMORY, "out of memory");
    const double *first = next_first_point(search, &seen);
    search_seen_clear(&seen);
    planned = first && space_points_equal(search->space, first, point);
  }
  return append(search, trial, point, planned, info);
}

enum err
search_note_continue(struct search *search, uint64_t trial, struct err_info *info)
{
  struct search_trial *t = find_trial(search, trial);
  if (!t || t->state != SEARCH_PAUSED)
    return err_set(info, ERR_NOT_FOUND, "trial %llu is not paused", (unsigned long long) trial);
  fidelity_continue(search, index_of(search, t));
  return ERR_OK;
}

/* ---- what trials give -------------------------------------------------------------------------------- */

enum err
search_reserve_observed(struct search *search)
{
  if (search->observed_count < search->observed_capacity)
    return ERR_OK;
  size_t capacity = search->observed_capacity ? 2 * search->observed_capacity : 32;
  struct search_observed *grown = resized(search->observed, capacity, 1, sizeof *grown);
  if (!grown)
    return ERR_MEMORY;
  search->observed = grown;
  search->observed_capacity = capacity;
  return ERR_OK;
}

/* Ends a trial; there is room for an observation where trials have steps. */
static void
end_trial(struct search *search, struct search_trial *trial, enum search_state state)
{
  size_t index = index_of(search, trial);
  trial->state = state;
  if (state != SEARCH_DONE && state != SEARCH_FAILED)
    return;
  search->ended[search->ended_count++] = index;
  if (search->fidelity.count)
    search->observed[search->observed_count++] = (struct search_observed){
      index, state == SEARCH_DONE ? search->fidelity.count - 1 : trial->target, trial->value};
}

/* The trial that is to be ended, with room for what is observed then. */
static enum err
find_to_end(struct search *search, uint64_t id, struct search_trial **trial, struct err_info *info)
{
  *trial = find_open(search, id, true, info);
  if (!*trial)
    return ERR_NOT_FOUND;
  if (search->fidelity.count && search_reserve_observed(search))
    return err_set(info, ERR_MEMORY, "out of memory");
  return ERR_OK;
}

static enum err
add_to_curve(struct search_trial *trial, double step, double value)
{
  if (trial->curve_count == trial->curve_capacity)
  {
    size_t capacity = trial->curve_capacity ? 2 * trial->curve_capacity : 8;
    struct search_measured *grown = resized(trial->curve, capacity, 1, sizeof *grown);
    if (!grown)
      return ERR_MEMORY;
    trial->curve = grown;
    trial->curve_capacity = capacity;
  }
  trial->curve[trial->curve_count++] = (struct search_measured){step, value};
  return ERR_OK;
}

enum err
search_measure(struct search *search, uint64_t trial, double step, double value,
               struct err_info *info)
{
  struct search_trial *t = find_open(search, trial, false, info);
  if (!t)
    return ERR_NOT_FOUND;
  if (!isfinite(step) || step <= 0)
    return err_set(info, ERR_INVALID, "a step is a positive number");
  if (search_reserve_observed(search))
    return err_set(info, ERR_MEMORY, "out of memory");
  double last = t->curve_count ? t->curve[t->curve_count - 1].step : 0;
  if (step <= last)
    return err_set(info, ERR_CONFLICT,
                   "trial %llu has been measured at step %g: the next must be later",
                   (unsigned long long) trial, last);
  if (!isfinite(value))
    end_trial(search, t, SEARCH_FAILED);
  else if (add_to_curve(t, step, value))
    return err_set(info, ERR_MEMORY, "out of memory");
  else if (fidelity_measure(search, index_of(search, t), step, value))
    t->state = SEARCH_PAUSED;
  return ERR_OK;
}

bool
search_should_stop(const struct search *search, uint64_t trial)
{
  const struct search_trial *t = find_trial(search, trial);
  return !t || t->state != SEARCH_PENDING || fidelity_median_stops(search, index_of(search, t));
}

enum err
search_tell_result(struct search *search, uint64_t trial, const struct search_result *result,
                   struct err_info *info)
{
  struct search_trial *t;
  enum err err = find_to_end(search, trial, &t, info);
  if (err)
    return err;
  size_t objectives = search->objective_count, constraints = search->constraint_count;
  double *kept = search->results + index_of(search, t) * (objectives + constraints);
  bool finite = true, feasible = true;
  for (size_t k = 0; k < objectives + constraints; k++)
  {
    kept[k] = k < objectives ? result->values[k] : result->constraints[k - objectives];
    finite = finite && isfinite(kept[k]);
    feasible = feasible && (k < objectives || kept[k] <= 0);
  }
  t->feasible = finite && feasible;
  t->value = finite ? kept[0] : NAN;
  end_trial(search, t, finite ? SEARCH_DONE : SEARCH_FAILED);
  return ERR_OK;
}

enum err
search_tell(struct search *search, uint64_t trial, double value, struct err_info *info)
{
  if (search->objective_count > 1 || search->constraint_count)
    return err_set(info, ERR_INVALID, "this search has more than one value for each trial");
  struct search_result result = {.values = &value};
  return search_tell_result(search, trial, &result, info);
}

enum err
search_tell_failed(struct search *search, uint64_t trial, bool failed, struct err_info *info)
{
  struct search_trial *t;
  enum err err = find_to_end(search, trial, &t, info);
  if (err)
    return err;
  end_trial(search, t,
            failed       ? SEARCH_FAILED
            : t->reached ? SEARCH_PRUNED /* what it measured stays known */
                         : SEARCH_FORGOTTEN);
  return ERR_OK;
}

enum err
search_prune(struct search *search, uint64_t trial, struct err_info *info)
{
  struct search_trial *t;
  enum err err = find_to_end(search, trial, &t, info);
  if (err)
    return err;
  end_trial(search, t, SEARCH_PRUNED);
  return ERR_OK;
}
