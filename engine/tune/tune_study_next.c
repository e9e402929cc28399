#include <config.h>

#include "tune/tune_study_internal.h"

#include <math.h>
#include <string.h>

#include "base/space_json.h"
#include "train/train.h"
#include "tune/tune_gain.h"
#include "tune/tune_long.h"
#include "tune/tune_repeat.h"

/* Suggestions that would end too late are passed over, up to so many at a time, where others might not. */
#define MOST_PASSED_OVER 12
/* With this many failed trials and not one done, a job bounded by seconds gives up. */
#define HOPELESS_FAILURES 20
/* Of the trials with rungs at least so many are whole at the end. */
#define WHOLE_ONE_IN 9

enum err
tune_point_params(const struct job_spec *spec, const double *point, const char **family,
                  json_t **params, struct err_info *info)
{
  *family = spec->families[study_family_index(spec, point)];
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

static bool
trials_used_up(const struct job_spec *spec, const struct tune_situation *situation)
{
  return spec->budget_trials > 0 && situation->next_trial > spec->budget_trials;
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
  else if (study->rungs.count == 0 && trials_used_up(spec, situation))
    stop_with(suggestion, "budget_trials", false);
  else if (situation->search_left_s <= 0)
    stop_with(suggestion, "budget_seconds", true);
  else if (spec->budget_trials == 0 && study->done == 0 && study->failed >= HOPELESS_FAILURES)
    stop_with(suggestion, "exhausted", false);
  else
    return false;
  return true;
}

/* Once every family and variant has had its turn, a search that ends with long fits keeps to those families
 * whose fits are cut short, and to networks that such a fit has the time for and short fits can tell. */
static bool
is_wanted(const struct tune_study *study, const struct tune_situation *situation)
{
  return !study_ends_long(study) || study->asked < study->first_count
         || (tune_long_wants(study, study_family_index(study->spec, study->point))
             && tune_long_suits(study, situation));
}

static bool
any_in_time(const struct tune_study *study, const struct tune_situation *situation)
{
  bool any = false;

  for (size_t f = 0; f < study->spec->family_count; f++)
    any = any || study_new_in_time(study, f, situation);
  return any;
}

/* Asks until a point comes that ends in time; one of a family that is not wanted only if no other comes. What was
 * passed over stays pending meanwhile, so that it does not come again; afterwards the search has a state that
 * no log leads to. */
static enum err
ask_in_time(struct tune_study *study, const struct tune_situation *situation, bool *found,
            struct err_info *info)
{
  size_t bytes = study->spec->space->count * sizeof *study->point;
  *found = false;
  if (!any_in_time(study, situation))
    return ERR_OK;
  for (uint64_t i = 0; i <= MOST_PASSED_OVER; i++)
  {
    uint64_t trial = i == 0 ? situation->next_trial : PASSED_OVER_BASE + i;
    enum err err = search_ask(study->search, trial, study->point, info);
    if (err == ERR_NOT_FOUND && *found)
      break;
    if (err != ERR_OK)
      return err;
    study->pending = situation->next_trial;
    study->spoiled = i > 0;
    bool in_time =
      study_new_in_time(study, study_family_index(study->spec, study->point), situation);
    if (in_time && is_wanted(study, situation))
    {
      *found = true;
      return ERR_OK;
    }
    if (in_time && !*found)
      memcpy(study->second, study->point, bytes);
    *found = *found || in_time;
  }
  if (*found)
    memcpy(study->point, study->second, bytes);
  return ERR_OK;
}

/* ---- paused trials ------------------------------------------------------------------------------------ */

static void
go_on_with(const struct tune_study *study, uint64_t trial, struct tune_suggestion *suggestion)
{
  const struct noted *noted = &study->noted[trial];
  suggestion->decision = TUNE_GO_ON;
  suggestion->trial = trial;
  suggestion->rung = noted->rung + 1;
  suggestion->last_rung = study->rungs.count - 1;
  suggestion->until_epoch = tune_rungs_epoch(&study->rungs, suggestion->rung, noted->epochs);
}

/* Trials that no rule holds back, and those that the median rule ends. */
static bool
settle_paused(const struct tune_study *study, struct tune_suggestion *suggestion)
{
  for (size_t t = 1; t < study->noted_count; t++)
  {
    if (!study->noted[t].paused)
      continue;
    if (study->noted[t].first || !search_should_stop(study->search, t))
    {
      go_on_with(study, t, suggestion);
      return true;
    }
    if (study->rungs.stopping == SEARCH_STOPPING_MEDIAN)
    {
      suggestion->decision = TUNE_DROP;
      suggestion->trial = t;
      return true;
    }
  }
  return false;
}

/* *found: the search lets a trial through that can be whole in time. */
static enum err
promote(const struct tune_study *study, const struct tune_situation *situation, bool *found,
        struct tune_suggestion *suggestion, struct err_info *info)
{
  uint64_t trial = 0;
  *found = false;
  if (study->rungs.count == 0)
    return ERR_OK;
  enum err err = search_promotes(study->search, found, &trial, info);
  *found = err == ERR_OK && *found && trial < study->noted_count && study->noted[trial].paused
           && study_paused_in_time(study, &study->noted[trial], situation);
  if (*found)
    go_on_with(study, trial, suggestion);
  return err;
}

/* Of those that can still be whole in time the one furthest on, of several the best. */
static bool
take_furthest(const struct tune_study *study, const struct tune_situation *situation,
              struct tune_suggestion *suggestion)
{
  const struct noted *best = NULL;
  for (size_t t = 1; t < study->noted_count; t++)
  {
    const struct noted *noted = &study->noted[t];
    if (noted->paused && study_paused_in_time(study, noted, situation)
        && (best == NULL || noted->rung > best->rung
            || (noted->rung == best->rung && noted->objective < best->objective)))
      best = noted;
  }
  if (best != NULL)
    go_on_with(study, (uint64_t) (best - study->noted), suggestion);
  return best != NULL;
}

/* ---- what comes next ----------------------------------------------------------------------------------- */

static enum err
add(const struct tune_study *study, struct tune_suggestion *suggestion, struct err_info *info)
{
  size_t family = study_family_index(study->spec, study->point);
  suggestion->decision = TUNE_ADD;
  suggestion->point = study->point;
  suggestion->predicted_s = study_cost_of(study, family);
  enum err err =
    tune_point_params(study->spec, study->point, &suggestion->family, &suggestion->params, info);
  size_t epochs = err == ERR_OK && study->rungs.count > 0
                    ? train_epochs(suggestion->family, &study->shape, suggestion->params)
                    : 0;
  if (epochs > 0)
  {
    suggestion->last_rung = study->rungs.count - 1;
    suggestion->until_epoch = tune_rungs_epoch(&study->rungs, 0, epochs);
  }
  return err;
}

/* Whether more of the trials that were begun should be whole, for the model to choose from and to mix. */
static bool
too_few_whole(const struct tune_study *study)
{
  size_t asked = 0, whole = 0;
  for (size_t i = 0; i < study->spec->family_count; i++)
    if (model_family_find(study->spec->families[i])->has_rungs)
    {
      asked += study->costs[i].asked;
      whole += study->costs[i].done;
    }
  return whole * WHOLE_ONE_IN < asked;
}

/* No new trial will come, for the stated reason. Seconds too few for one go to paused trials; without a budget
 * in seconds some of them are made whole all the same. While trials are at work others may be let through by
 * what they show. */
static void
wind_up(const struct tune_study *study, const struct tune_situation *situation, const char *reason,
        struct tune_suggestion *suggestion)
{
  bool idle = situation->live_trials == 0;
  bool wanted = strcmp(reason, "budget_seconds") == 0 || (idle && too_few_whole(study));
  if (study->rungs.count > 0 && wanted && take_furthest(study, situation, suggestion))
    return;
  if (study->rungs.count == 0 || idle)
    stop_with(suggestion, reason, false);
}

/* What comes after all that was begun: a new trial, the best ones again, or the end. */
static enum err
begin(struct tune_study *study, const struct tune_situation *situation,
      struct tune_suggestion *suggestion, struct err_info *info)
{
  const char *over = trials_used_up(study->spec, situation) ? "budget_trials" : NULL;
  bool found = false, again = false;
  enum err err = tune_repeat_suggest(study, situation, 0, &again, suggestion, info);
  if (err != ERR_OK || again)
    return err;
  if (over == NULL && tune_gain_is_over(study->spec, study->search, &suggestion->gain))
    over = "no_gain";
  if (over == NULL)
  {
    err = ask_in_time(study, situation, &found, info);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
      return err;
    over = err == ERR_NOT_FOUND ? "exhausted" : found ? NULL : "budget_seconds";
  }
  /* Nothing more is to be found by short fits: the long ones need not wait for their time. */
  if (over != NULL && strcmp(over, "budget_trials") != 0 && study_ends_long(study))
  {
    study->spoiled = study->spoiled || study->pending != 0;
    err = tune_long_suggest(study, situation, &found, suggestion, info);
    if (err != ERR_OK || found)
      return err;
  }
  double next_s = over != NULL
                    ? INFINITY
                    : study_new_s(study, study_family_index(study->spec, study->point), situation);
  err = tune_repeat_suggest(study, situation, next_s, &again, suggestion, info);
  if (err != ERR_OK || again)
    return err;
  if (over == NULL)
    return add(study, suggestion, info);
  wind_up(study, situation, over, suggestion);
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
  tune_long_note_time(study, situation);
  /* An ask that was never logged (its transaction failed) is undone by starting again. */
  enum err err = study->spoiled || study->pending != 0 ? study_rebuild(study, info) : ERR_OK;
  if (err != ERR_OK || settle_paused(study, suggestion))
    return err;
  err = promote(study, situation, &found, suggestion, info);
  if (err != ERR_OK || found)
    return err;
  if (study_ends_long(study)
      && (tune_long_begun(study) || tune_long_now(situation->search_s, situation->search_left_s)
          || tune_long_at_once(study, situation)))
  {
    err = tune_long_suggest(study, situation, &found, suggestion, info);
    if (err != ERR_OK || found)
      return err;
  }
  return begin(study, situation, suggestion, info);
}
