#include <config.h>

#include "tune/tune_study_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/space_json.h"
#include "model/family_cost.h"
#include "train/train.h"
#include "tune/tune_prior.h"
#include "tune/tune_long.h"

#define VARIANTS_MOST 3 /* of a family */
#define WARM_FIRST 3    /* best points of an earlier job that are tried first */

size_t
study_family_index(const struct job_spec *spec, const double *point)
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

/* Writes what a variant changes into the family's default point; false if that is nothing. */
static bool
apply_variant(const struct job_spec *spec, const char *family, const char *variant, double *point)
{
  json_t *changes = json_loads(variant, 0, NULL);
  size_t prefix = strlen(family);
  bool changed = false;
  for (size_t p = 0; p < spec->space->count; p++)
  {
    const struct space_param *param = &spec->space->params[p];
    const json_t *value = strncmp(param->name, family, prefix) == 0 && param->name[prefix] == '.'
                            ? json_object_get(changes, param->name + prefix + 1)
                            : NULL;
    double wanted = value != NULL ? space_value_near_json(param, value) : NAN;
    changed = changed || (!isnan(wanted) && wanted != point[p]);
    if (!isnan(wanted))
      point[p] = wanted;
  }
  json_decref(changes);
  return changed;
}

void
study_default_point(const struct job_spec *spec, size_t family, double *point)
{
  size_t param = space_find(spec->space, "family");
  for (size_t p = 0; p < spec->space->count; p++)
    point[p] = NAN;
  if (param != SIZE_MAX)
    point[param] = (double) family;
  space_repair(spec->space, point);
}

static bool
is_warm(const struct job_spec *spec, size_t family)
{
  bool known = false;
  for (size_t k = 0; k < spec->warm_count && !known; k++)
    known = study_family_index(spec, spec->warm_points + k * spec->space->count) == family;
  return known;
}

/* The best points of the earlier job; then, of the families that it has not tried, by rising cost, the defaults;
 * then their variants. Returns how many. */
static size_t
choose_first_points(const struct tune_study *study, const size_t *order, double *points)
{
  const struct job_spec *spec = study->spec;
  size_t width = spec->space->count;
  size_t count = spec->warm_count < WARM_FIRST ? spec->warm_count : WARM_FIRST;
  if (count > 0)
    memcpy(points, spec->warm_points, count * width * sizeof *points);
  if (!starts_with_defaults(spec))
    return count;
  for (size_t i = 0; i < spec->family_count; i++)
    if (!is_warm(spec, order[i]))
      study_default_point(spec, order[i], points + count++ * width);
  for (size_t i = 0; i < spec->family_count; i++)
  {
    const char *family = spec->families[order[i]];
    const char *const *variants = model_family_find(family)->variants;
    for (size_t v = 0; variants != NULL && variants[v] != NULL && v < VARIANTS_MOST; v++)
    {
      double *point = points + count * width;
      study_default_point(spec, order[i], point);
      count += !is_warm(spec, order[i]) && apply_variant(spec, family, variants[v], point);
    }
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
  double *points =
    calloc((count * (1 + VARIANTS_MOST) + WARM_FIRST + 1) * width + 1, sizeof *points);
  size_t *order = calloc(count + 1, sizeof *order);
  enum err err = ERR_MEMORY;
  if (points == NULL || order == NULL)
    goto out;
  err = study_note_usual(study, points, info);
  if (err != ERR_OK)
    goto out;
  order_families(study, order);
  study->first_count = choose_first_points(study, order, points);
  bool is_rule = strcmp(spec->method, "asha") == 0 || strcmp(spec->method, "hyperband") == 0;
  struct search_spec search = {.method = is_rule ? "random" : spec->method,
                               .space = spec->space,
                               .seed = spec->seed,
                               .expected_trials = spec->budget_trials,
                               .grid_resolution = spec->grid_resolution,
                               .first_points = points,
                               .first_count = study->first_count,
                               .prior_points = spec->warm_points,
                               .prior_values = spec->warm_values,
                               .prior_count = spec->warm_count,
                               .constraint_count = tune_limits_count(spec),
                               .stopping = study->rungs.stopping};
  if (study->rungs.count > 0)
  {
    search.least_steps = tune_rungs_step(0);
    search.most_steps = tune_rungs_step(study->rungs.count - 1);
    search.eta = TUNE_RUNGS_ETA;
    if (strcmp(spec->method, "bayes") == 0)
      search.expected_trials = tune_rungs_whole(&study->rungs, spec->budget_trials);
  }
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
  made->shape = *shape;
  made->folds = fold_count;
  made->train_rows = train_rows;
  tune_rungs_plan(spec, fold_count, &made->rungs);
  made->costs = calloc(spec->family_count + 1, sizeof *made->costs);
  made->point = calloc(spec->space->count + 1, sizeof *made->point);
  made->second = calloc(spec->space->count + 1, sizeof *made->second);
  made->wanted = UINT64_MAX;
  if (made->costs == NULL || made->point == NULL || made->second == NULL)
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
  free(study->noted);
  free(study->costs);
  free(study->point);
  free(study->second);
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
  if (entry->kind == TUNE_ASK || entry->kind == TUNE_BELIEVE)
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

bool
study_ends_long(const struct tune_study *study)
{
  return tune_long_planned(study->spec, study->shape.kind);
}

static const double *
point_of(const struct tune_study *study, uint64_t trial)
{
  for (size_t i = 0; i < study->log_count; i++)
    if (study->log[i].kind == TUNE_ASK && study->log[i].trial == trial)
      return study->log[i].point;
  return NULL;
}

enum err
study_suggest_again(struct tune_study *study, uint64_t trial, struct tune_suggestion *suggestion,
                    struct err_info *info)
{
  const double *point = point_of(study, trial);
  if (point == NULL)
    return err_set(info, ERR_INTERNAL, "the point of trial %llu is not in the log",
                   (unsigned long long) trial);
  memcpy(study->point, point, study->spec->space->count * sizeof *point);
  /* What the search was asked just now is not what will be logged. */
  study->spoiled = study->spoiled || study->pending != 0;
  suggestion->decision = TUNE_ADD;
  suggestion->again = true;
  suggestion->point = study->point;
  suggestion->predicted_s = study->noted[trial].seconds;
  return tune_point_params(study->spec, study->point, &suggestion->family, &suggestion->params,
                           info);
}

/* The first trial at the entry's point; 0 = none before it. */
static size_t
asked_before(const struct tune_study *study, const struct tune_entry *entry)
{
  for (size_t i = 0; i < study->log_count; i++)
    if (study->log[i].kind == TUNE_ASK
        && space_points_equal(study->spec->space, study->log[i].point, entry->point))
      return (size_t) study->log[i].trial;
  return 0;
}

static enum err
note_ask(struct tune_study *study, const struct tune_entry *entry, struct err_info *info)
{
  size_t trial = (size_t) entry->trial, family = study_family_index(study->spec, entry->point);
  const char *name;
  json_t *params;
  if (entry->trial >= PASSED_OVER_BASE / 2)
    return ERR_INVALID;
  if (trial >= study->noted_count)
  {
    size_t count = trial * 2 + 64;
    struct noted *grown = realloc(study->noted, count * sizeof *grown);
    if (grown == NULL)
      return ERR_MEMORY;
    memset(grown + study->noted_count, 0, (count - study->noted_count) * sizeof *grown);
    study->noted = grown;
    study->noted_count = count;
  }
  enum err err = tune_point_params(study->spec, entry->point, &name, &params, info);
  if (err != ERR_OK)
    return err;
  study->noted[trial] = (struct noted){.family = family + 1,
                                       .first = study->costs[family].asked == 0,
                                       .repeats = asked_before(study, entry),
                                       .epochs = train_epochs(name, &study->shape, params)};
  study_note_network(study, name, params, &study->noted[trial]);
  json_decref(params);
  study->costs[family].asked++;
  study->asked++;
  return ERR_OK;
}

static void
note_train_us(struct family_cost *cost, double us)
{
  if (us > 0 && (!(cost->train_us > 0) || us < cost->train_us))
    cost->train_us = us;
}

static void
note(struct tune_study *study, const struct tune_entry *entry)
{
  bool known = entry->trial < study->noted_count && study->noted[entry->trial].family != 0;
  struct noted *trial = known ? &study->noted[entry->trial] : NULL;
  study->done += entry->kind == TUNE_TELL;
  study->failed += entry->kind == TUNE_FAILED;
  if (trial == NULL)
    return;
  trial->paused = entry->kind == TUNE_MEASURE;
  trial->ended = entry->kind == TUNE_TELL || entry->kind == TUNE_FAILED
                 || entry->kind == TUNE_FORGET || entry->kind == TUNE_PRUNE;
  if (entry->kind == TUNE_TELL)
  {
    study->costs[trial->family - 1].done++;
    trial->done = true;
    trial->objective = entry->objective;
    trial->us_per_row = entry->cost.us_per_row;
    trial->train_us = entry->cost.train_us > 0 ? entry->cost.train_us : 0;
    note_train_us(&study->costs[trial->family - 1], trial->train_us);
    trial->within = tune_limits_met(study->spec, &entry->cost);
    study_note_cost(study, trial, 1, entry->seconds);
  }
  else if (entry->kind == TUNE_MEASURE)
  {
    trial->rung = entry->rung;
    trial->objective = entry->objective;
    study_note_cost(study, trial, tune_rungs_share(&study->rungs, entry->rung, trial->epochs),
                    entry->seconds);
  }
}

/* Whether the search has this trial as paused. */
static bool
search_pauses(const struct tune_study *study, uint64_t trial)
{
  return (study->rungs.stopping == SEARCH_STOPPING_ASHA
          || study->rungs.stopping == SEARCH_STOPPING_HYPERBAND)
         && search_should_stop(study->search, trial);
}

/* As far beyond the worst as that is from the best. */
static double
bad_objective(const struct tune_study *study)
{
  double best = INFINITY, worst = -INFINITY;
  for (size_t t = 1; t < study->noted_count; t++)
    if (study->noted[t].done)
    {
      best = fmin(best, study->noted[t].objective);
      worst = fmax(worst, study->noted[t].objective);
    }
  return worst + (worst - best);
}

/* A whole fit's score says nothing beside those of fits that were cut short, and which of them the search should
 * follow is known: it is told that the others are bad. */
static bool
is_comparable(const struct tune_study *study, uint64_t trial)
{
  size_t family = study->noted[trial].family - 1;
  return family >= 64 || (study->wanted >> family & 1) != 0;
}

/* Which families are wanted may change with every result; then the search is to be told all of them anew. */
void
study_renew_wanted(struct tune_study *study)
{
  uint64_t wanted = UINT64_MAX;
  for (size_t f = 0; f < study->spec->family_count && f < 64 && study_ends_long(study); f++)
    if (!tune_long_wants(study, f))
      wanted &= ~(UINT64_C(1) << f);
  study->spoiled = study->spoiled || wanted != study->wanted;
  study->wanted = wanted;
}

static enum err
tell(struct tune_study *study, const struct tune_entry *entry, struct err_info *info)
{
  double constraints[TUNE_LIMITS_MOST];
  struct search_result result = {.values = &entry->objective, .constraints = constraints};
  double bad = bad_objective(study);
  if (!is_comparable(study, entry->trial))
    result.values = &bad;
  tune_limits_constraints(study->spec, &entry->cost, constraints);
  return search_tell_result(study->search, entry->trial, &result, info);
}

static enum err
believe(struct tune_study *study, const struct tune_entry *entry, struct err_info *info)
{
  struct search_belief belief;
  enum err err =
    tune_prior_belief(study->spec, &study->shape, entry->point, entry->rate, &belief, info);
  return err == ERR_OK ? search_believe(study->search, &belief, info) : err;
}

static enum err
search_take(struct tune_study *study, const struct tune_entry *entry, struct err_info *info)
{
  switch (entry->kind)
  {
  case TUNE_ASK:
    return search_note_ask(study->search, entry->trial, entry->point, info);
  case TUNE_TELL:
    return tell(study, entry, info);
  case TUNE_FAILED:
    return search_tell_failed(study->search, entry->trial, true, info);
  case TUNE_FORGET:
    return search_tell_failed(study->search, entry->trial, false, info);
  case TUNE_MEASURE:
    return search_measure(study->search, entry->trial, tune_rungs_step(entry->rung),
                          entry->objective, info);
  case TUNE_CONTINUE:
    /* To the search a trial that it did not stop has been running all the time. */
    return search_pauses(study, entry->trial)
             ? search_note_continue(study->search, entry->trial, info)
             : ERR_OK;
  case TUNE_PRUNE:
    return search_prune(study->search, entry->trial, info);
  case TUNE_BELIEVE:
    return believe(study, entry, info);
  }
  return err_set(info, ERR_INTERNAL, "unknown kind of log entry");
}

enum err
tune_study_fold(struct tune_study *study, const struct tune_entry *entry, struct err_info *info)
{
  enum err err = entry->kind == TUNE_ASK ? note_ask(study, entry, info) : ERR_OK;
  note(study, entry);
  if (entry->kind == TUNE_TELL)
    study_renew_wanted(study);
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

enum err
study_rebuild(struct tune_study *study, struct err_info *info)
{
  enum err err = make_search(study, info);
  study->pending = 0;
  for (size_t i = 0; i < study->log_count && err == ERR_OK; i++)
    err = search_take(study, &study->log[i], info);
  study->spoiled = err != ERR_OK;
  return err;
}
