#include <config.h>

#include "tune/tune_study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/space_json.h"
#include "model/family_cost.h"
#include "search/search.h"
#include "tune/tune_gain.h"

/* Suggestions that would end too late are passed over, up to so many at a time. */
#define MOST_PASSED_OVER 6
/* Trial numbers of points that are looked at but not taken. */
#define PASSED_OVER_BASE (UINT64_C(1) << 62)
/* With this many failed trials and not one done, a job bounded by seconds gives up. */
#define HOPELESS_FAILURES 20
/* A first trial is started when this part of its predicted time is left: fits shorten themselves. */
#define FIRST_TRIAL_PART 0.2
#define MARGIN 1.15
#define FIRST_SHARE 0.85
#define LATER_SHARE 0.33
#define LATER_LEAST_S                                                                              \
  10.0 /* a search so short does better with few trials than with stunted ones */
/* A fit plans with less than it has: its process must start, and schedules are shortened by guesses. */
#define PLANNED_PART 0.9
#define START_S 0.2
#define LEAST_S 0.05
#define WARM_FIRST 3 /* best points of an earlier job that are tried first */

struct family_cost
{
  double estimate_s; /* of one trial, by the family's own model */
  double total_s;    /* measured over `count` trials */
  size_t count;
  size_t asked;
};

struct tune_study
{
  const struct job_spec *spec;
  struct search *search;
  struct family_cost *costs; /* by spec->families */
  double *point;
  size_t done, failed, asked;
  size_t *family_of; /* by trial number: index of its family + 1 */
  size_t family_of_count;
  uint64_t pending; /* trial whose ask the search has made but the log not yet told; 0 = none */
  bool spoiled;     /* the search has seen what the log does not say: rebuild before the next ask */
  struct tune_entry *log;
  size_t log_count, log_capacity;
};

static size_t
family_index(const struct job_spec *spec, const double *point)
{
  size_t param = space_find(spec->space, "family");
  double value = param == SIZE_MAX ? 0 : point[param];
  return isfinite(value) && value >= 0 && (size_t) value < spec->family_count ? (size_t) value : 0;
}

/* ---- the start --------------------------------------------------------------------------------------- */

/* Methods that learn from the defaults get them; designs that are exact by themselves don't. */
static bool
starts_with_defaults(const struct job_spec *spec)
{
  static const char *const plain[] = {"grid", "random", "sobol"};
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
    if (strcmp(spec->method, plain[i]) == 0)
      return false;
  return true;
}

/* The best points of the earlier job, then the defaults of the families (by rising cost) that it has not
 * tried. Returns how many. */
static size_t
choose_first_points(const struct tune_study *study, const size_t *order, double *points)
{
  const struct job_spec *spec = study->spec;
  size_t width = spec->space->count, param = space_find(spec->space, "family");
  size_t count = spec->warm_count < WARM_FIRST ? spec->warm_count : WARM_FIRST;
  if (count > 0)
    memcpy(points, spec->warm_points, count * width * sizeof *points);
  for (size_t i = 0; i < spec->family_count && starts_with_defaults(spec); i++)
  {
    double *point = points + count * width;
    bool known = false;
    for (size_t k = 0; k < spec->warm_count && !known; k++)
      known = family_index(spec, spec->warm_points + k * width) == order[i];
    if (known)
      continue;
    for (size_t p = 0; p < width; p++)
      point[p] = NAN;
    if (param != SIZE_MAX)
      point[param] = (double) order[i];
    space_repair(spec->space, point);
    count++;
  }
  return count;
}

/* The families by rising cost estimate. */
static void
order_families(const struct tune_study *study, size_t *order)
{
  size_t count = study->spec->family_count;
  for (size_t i = 0; i < count; i++)
  {
    size_t at = i;
    while (at > 0 && study->costs[order[at - 1]].estimate_s > study->costs[i].estimate_s)
    {
      order[at] = order[at - 1];
      at--;
    }
    order[at] = i;
  }
}

static enum err
make_search(struct tune_study *study, struct err_info *info)
{
  const struct job_spec *spec = study->spec;
  size_t width = spec->space->count, count = spec->family_count;
  double *points = calloc((count + WARM_FIRST) * width + 1, sizeof *points);
  size_t *order = calloc(count + 1, sizeof *order);
  enum err err = ERR_MEMORY;
  if (points == NULL || order == NULL)
    goto out;
  order_families(study, order);
  struct search_spec search = {.method = spec->method,
                               .space = spec->space,
                               .seed = spec->seed,
                               .expected_trials = spec->budget_trials,
                               .grid_resolution = spec->grid_resolution,
                               .first_points = points,
                               .first_count = choose_first_points(study, order, points),
                               .prior_points = spec->warm_points,
                               .prior_values = spec->warm_values,
                               .prior_count = spec->warm_count};
  search_free(study->search);
  study->search = NULL;
  err = search_new(&search, &study->search, info);
out:
  free(order);
  free(points);
  return err == ERR_MEMORY ? err_set(info, err, "out of memory for the search") : err;
}

enum err
tune_study_new(const struct job_spec *spec, const struct model_data_shape *shape, size_t fold_count,
               size_t train_rows, struct tune_study **study, struct err_info *info)
{
  struct tune_study *made = calloc(1, sizeof *made);
  *study = NULL;
  if (made == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the search");
  made->spec = spec;
  made->costs = calloc(spec->family_count + 1, sizeof *made->costs);
  made->point = calloc(spec->space->count + 1, sizeof *made->point);
  if (made->costs == NULL || made->point == NULL)
  {
    tune_study_free(made);
    return err_set(info, ERR_MEMORY, "out of memory for the search");
  }
  for (size_t i = 0; i < spec->family_count; i++)
    made->costs[i].estimate_s =
      family_cost_of_job(spec, i, shape, train_rows).usual_s * (double) fold_count;
  enum err err = make_search(made, info);
  if (err != ERR_OK)
  {
    tune_study_free(made);
    return err;
  }
  *study = made;
  return ERR_OK;
}

void
tune_study_free(struct tune_study *study)
{
  if (study == NULL)
    return;
  search_free(study->search);
  for (size_t i = 0; i < study->log_count; i++)
    free((double *) study->log[i].point);
  free(study->log);
  free(study->family_of);
  free(study->costs);
  free(study->point);
  free(study);
}

/* ---- the log ----------------------------------------------------------------------------------------- */

static enum err
remember(struct tune_study *study, const struct tune_entry *entry)
{
  if (study->log_count == study->log_capacity)
  {
    size_t capacity = study->log_capacity * 2 + 64;
    struct tune_entry *log = realloc(study->log, capacity * sizeof *log);
    if (log == NULL)
      return ERR_MEMORY;
    study->log = log;
    study->log_capacity = capacity;
  }
  struct tune_entry *kept = &study->log[study->log_count];
  *kept = *entry;
  kept->point = NULL;
  if (entry->kind == TUNE_ASK)
  {
    size_t bytes = study->spec->space->count * sizeof(double);
    double *point = malloc(bytes + 1);
    if (point == NULL)
      return ERR_MEMORY;
    memcpy(point, entry->point, bytes);
    kept->point = point;
  }
  study->log_count++;
  return ERR_OK;
}

static enum err
note_family(struct tune_study *study, uint64_t trial, size_t family)
{
  if (trial >= PASSED_OVER_BASE / 2)
    return ERR_INVALID;
  if (trial >= study->family_of_count)
  {
    size_t count = (size_t) trial * 2 + 64;
    size_t *grown = realloc(study->family_of, count * sizeof *grown);
    if (grown == NULL)
      return ERR_MEMORY;
    memset(grown + study->family_of_count, 0, (count - study->family_of_count) * sizeof *grown);
    study->family_of = grown;
    study->family_of_count = count;
  }
  study->family_of[trial] = family + 1;
  return ERR_OK;
}

static void
note_cost(struct tune_study *study, const struct tune_entry *entry)
{
  size_t family = entry->trial < study->family_of_count ? study->family_of[entry->trial] : 0;
  if (family == 0 || !(entry->seconds >= 0) || !isfinite(entry->seconds))
    return;
  study->costs[family - 1].total_s += entry->seconds;
  study->costs[family - 1].count++;
}

static enum err
search_take(struct tune_study *study, const struct tune_entry *entry, struct err_info *info)
{
  switch (entry->kind)
  {
  case TUNE_ASK:
    return search_note_ask(study->search, entry->trial, entry->point, info);
  case TUNE_TELL:
    return search_tell(study->search, entry->trial, entry->objective, entry->seconds, info);
  case TUNE_FAILED:
    return search_tell_failed(study->search, entry->trial, true, info);
  case TUNE_FORGET:
    return search_tell_failed(study->search, entry->trial, false, info);
  }
  return err_set(info, ERR_INTERNAL, "unknown kind of log entry");
}

enum err
tune_study_fold(struct tune_study *study, const struct tune_entry *entry, struct err_info *info)
{
  enum err err = ERR_OK;
  if (entry->kind == TUNE_ASK)
  {
    size_t family = family_index(study->spec, entry->point);
    err = note_family(study, entry->trial, family);
    if (err == ERR_OK)
    {
      study->costs[family].asked++;
      study->asked++;
    }
  }
  else if (entry->kind == TUNE_TELL)
  {
    study->done++;
    note_cost(study, entry);
  }
  else if (entry->kind == TUNE_FAILED)
    study->failed++;
  if (err == ERR_OK)
    err = remember(study, entry);
  if (err != ERR_OK)
    return err_set(info, err, "the search log could not be kept");
  if (study->pending != 0)
  {
    /* The log either confirms the ask just made, or tells that something came between. */
    bool confirmed = entry->kind == TUNE_ASK && entry->trial == study->pending
                     && space_points_equal(study->spec->space, entry->point, study->point);
    study->pending = 0;
    study->spoiled = study->spoiled || !confirmed;
    return ERR_OK;
  }
  return study->spoiled ? ERR_OK : search_take(study, entry, info);
}

/* Back to the state that the log alone gives. */
static enum err
rebuild(struct tune_study *study, struct err_info *info)
{
  enum err err = make_search(study, info);
  study->pending = 0;
  for (size_t i = 0; i < study->log_count && err == ERR_OK; i++)
    err = search_take(study, &study->log[i], info);
  study->spoiled = err != ERR_OK;
  return err;
}

/* ---- costs ------------------------------------------------------------------------------------------- */

/* How far measured trials were off the estimates, over all families; 1 before any. */
static double
correction(const struct tune_study *study)
{
  double sum = 0;
  size_t count = 0;
  for (size_t i = 0; i < study->spec->family_count; i++)
  {
    const struct family_cost *cost = &study->costs[i];
    if (cost->count == 0 || !(cost->estimate_s > 0) || !(cost->total_s > 0))
      continue;
    sum += log(cost->total_s / (double) cost->count / cost->estimate_s);
    count++;
  }
  return count == 0 ? 1 : fmin(fmax(exp(sum / (double) count), 0.1), 10);
}

static double
cost_of(const struct tune_study *study, size_t family)
{
  const struct family_cost *cost = &study->costs[family];
  if (cost->count > 0)
    return cost->total_s / (double) cost->count;
  return cost->estimate_s * correction(study);
}

double
tune_study_cost(const struct tune_study *study, const char *family)
{
  for (size_t i = 0; i < study->spec->family_count; i++)
    if (strcmp(study->spec->families[i], family) == 0)
      return cost_of(study, i);
  return 0;
}

static bool
in_time(const struct tune_study *study, size_t family, const struct tune_situation *situation)
{
  if (isinf(situation->search_left_s))
    return true;
  double seconds = cost_of(study, family) / (double) (situation->workers ? situation->workers : 1);
  if (study->costs[family].asked == 0)
    seconds *= FIRST_TRIAL_PART;
  /* With nothing to show yet any trial is better than none. */
  return seconds * MARGIN <= situation->search_left_s
         || (study->done == 0 && situation->live_trials == 0 && situation->search_left_s > 0);
}

double
tune_unit_seconds(const struct tune_share *share)
{
  if (isinf(share->search_s))
    return 0;
  size_t parallel = share->parallel ? share->parallel : 1;
  size_t rounds = (share->folds_left + parallel - 1) / parallel;
  double seconds = fmax(LATER_SHARE * share->search_s, LATER_LEAST_S);
  if (share->first_rounds > 0)
    seconds = FIRST_SHARE * share->search_left_s / (double) share->first_rounds;
  seconds = fmin(seconds, share->search_left_s) * PLANNED_PART - START_S;
  return fmax(seconds / (double) (rounds ? rounds : 1), LEAST_S);
}

/* ---- what comes next --------------------------------------------------------------------------------- */

enum err
tune_point_params(const struct job_spec *spec, const double *point, const char **family,
                  json_t **params, struct err_info *info)
{
  *family = spec->families[family_index(spec, point)];
  *params = json_object();
  json_t *all = space_point_to_json(spec->space, point);
  const char *name;
  json_t *value;
  size_t prefix = strlen(*family);
  if (all == NULL || *params == NULL)
  {
    json_decref(all);
    json_decref(*params);
    *params = NULL;
    return err_set(info, ERR_MEMORY, "out of memory for a trial's parameters");
  }
  json_object_foreach(all, name, value)
  {
    if (strncmp(name, *family, prefix) == 0 && name[prefix] == '.')
      json_object_set(*params, name + prefix + 1, value);
  }
  json_decref(all);
  return ERR_OK;
}

static void
stop_with(struct tune_suggestion *suggestion, const char *reason, bool cancel_running)
{
  suggestion->decision = TUNE_STOP;
  suggestion->stop_reason = reason;
  suggestion->cancel_running = cancel_running;
}

/* Reasons to end that need no suggestion. */
static bool
is_over(const struct tune_study *study, const struct tune_situation *situation,
        struct tune_suggestion *suggestion)
{
  const struct job_spec *spec = study->spec;
  double best = situation->best_value;
  if (spec->has_target_score && isfinite(best)
      && (metric_higher_is_better(situation->metric) ? best >= spec->target_score
                                                     : best <= spec->target_score))
    stop_with(suggestion, "target_score", true);
  else if (spec->budget_trials > 0 && situation->next_trial > spec->budget_trials)
    stop_with(suggestion, "budget_trials", false);
  else if (situation->search_left_s <= 0)
    stop_with(suggestion, "budget_seconds", true);
  else if (spec->budget_trials == 0 && study->done == 0 && study->failed >= HOPELESS_FAILURES)
    stop_with(suggestion, "exhausted", false);
  else
    return false;
  return true;
}

/* Asks until a point comes that ends in time. What was passed over stays pending meanwhile, so that it
 * does not come again; afterwards the search has a state that no log leads to. */
static enum err
ask_in_time(struct tune_study *study, const struct tune_situation *situation, bool *found,
            struct err_info *info)
{
  *found = false;
  for (uint64_t i = 0; i <= MOST_PASSED_OVER; i++)
  {
    uint64_t trial = i == 0 ? situation->next_trial : PASSED_OVER_BASE + i;
    enum err err = search_ask(study->search, trial, study->point, info);
    if (err != ERR_OK)
      return err;
    study->pending = situation->next_trial;
    study->spoiled = i > 0;
    if (in_time(study, family_index(study->spec, study->point), situation))
    {
      *found = true;
      return ERR_OK;
    }
  }
  return ERR_OK;
}

enum err
tune_study_suggest(struct tune_study *study, const struct tune_situation *situation,
                   struct tune_suggestion *suggestion, struct err_info *info)
{
  bool found = false;
  *suggestion = (struct tune_suggestion){.decision = TUNE_WAIT};
  if (is_over(study, situation, suggestion))
    return ERR_OK;
  /* An ask that was never logged (its transaction failed) is undone by starting again. */
  enum err err = study->spoiled || study->pending != 0 ? rebuild(study, info) : ERR_OK;
  if (err == ERR_OK && tune_gain_is_over(study->spec, study->search, &suggestion->gain))
  {
    stop_with(suggestion, "no_gain", false);
    return ERR_OK;
  }
  if (err == ERR_OK)
    err = ask_in_time(study, situation, &found, info);
  if (err == ERR_NOT_FOUND)
  {
    stop_with(suggestion, "exhausted", false);
    return ERR_OK;
  }
  if (err != ERR_OK)
    return err;
  if (!found)
  {
    stop_with(suggestion, "budget_seconds", false);
    return ERR_OK;
  }
  suggestion->decision = TUNE_ADD;
  suggestion->point = study->point;
  suggestion->predicted_s = cost_of(study, family_index(study->spec, study->point));
  return tune_point_params(study->spec, study->point, &suggestion->family, &suggestion->params,
                           info);
}
