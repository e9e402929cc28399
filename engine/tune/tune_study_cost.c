#include <config.h>

#include "tune/tune_study_internal.h"

#include <math.h>
#include <string.h>

#include "tune/tune_long.h"

/* A first trial is started when this part of its predicted time is left: fits shorten themselves. */
#define FIRST_TRIAL_PART 0.2
/* A later one, when this part is: a network's schedule is fitted to the time, and grown trees are nearly all there. */
#define LATER_NETWORK_PART 0.6
#define LATER_TRIAL_PART 0.75
#define MARGIN 1.15
#define FIRST_SHARE 0.85
#define LATER_SHARE 0.33
#define LATER_LEAST_S                                                                              \
  10.0 /* a search so short does better with few trials than with stunted ones */
/* A fit plans with less than it has: its process must start, and schedules are shortened by guesses. */
#define PLANNED_PART 0.9
#define START_S 0.2
#define LONG_PLANNED_PART 0.97
#define LEAST_S 0.05
/* From this part of its first fold on, what a trial has taken foretells the rest better than its family does. */
#define OWN_PART 0.3

void
study_note_cost(struct tune_study *study, struct noted *trial, double share, double seconds)
{
  struct family_cost *cost = &study->costs[trial->family - 1];
  if (!(seconds >= trial->seconds) || !isfinite(seconds) || share <= trial->share)
    return;
  cost->total_s += seconds - trial->seconds;
  cost->trials += share - trial->share;
  trial->seconds = seconds;
  trial->share = share;
}

/* How far measured trials were off the estimates, over all families; 1 before any. */
static double
correction(const struct tune_study *study)
{
  double sum = 0;
  size_t count = 0;
  for (size_t i = 0; i < study->spec->family_count; i++)
  {
    const struct family_cost *cost = &study->costs[i];
    if (!(cost->trials > 0) || !(cost->estimate_s > 0) || !(cost->total_s > 0))
      continue;
    sum += log(cost->total_s / cost->trials / cost->estimate_s);
    count++;
  }
  return count == 0 ? 1 : fmin(fmax(exp(sum / (double) count), 0.1), 10);
}

double
study_cost_of(const struct tune_study *study, size_t family)
{
  const struct family_cost *cost = &study->costs[family];
  if (cost->trials > 0)
    return cost->total_s / cost->trials;
  return cost->estimate_s * correction(study);
}

double
tune_study_cost(const struct tune_study *study, const char *family)
{
  for (size_t i = 0; i < study->spec->family_count; i++)
    if (strcmp(study->spec->families[i], family) == 0)
      return study_cost_of(study, i);
  return 0;
}

/* Wall seconds until a trial that costs so many CPU seconds is whole, when `first` of its first fold is done
 * already. A trial with rungs has its other folds at its end. */
static double
wall_seconds(const struct tune_study *study, size_t family, double cost, double first,
             const struct tune_situation *situation)
{
  double workers = (double) (situation->workers ? situation->workers : 1);
  double folds = (double) study->rungs.folds;
  if (study->rungs.count == 0 || !model_family_find(study->spec->families[family])->has_rungs)
    return cost / workers;
  return cost / folds * (fmax(1 - first, 0) + (folds - 1) / workers);
}

static bool
ends_in_time(const struct tune_study *study, double seconds, const struct tune_situation *situation)
{
  /* With nothing to show yet any trial is better than none. */
  return isinf(situation->search_left_s) || seconds * MARGIN <= situation->search_left_s
         || (study->done == 0 && situation->live_trials == 0 && situation->search_left_s > 0);
}

double
study_new_s(const struct tune_study *study, size_t family, const struct tune_situation *situation)
{
  return wall_seconds(study, family, study_cost_of(study, family), 0, situation);
}

/* The part of its predicted time from which on a new trial is worth its start. */
static double
part_needed(const struct tune_study *study, size_t family)
{
  bool network = model_family_find(study->spec->families[family])->has_rungs;

  if (study->costs[family].asked == 0)
    return FIRST_TRIAL_PART;
  if (network && study->rungs.count > 0)
    return 1; /* it is to be whole */
  return network ? LATER_NETWORK_PART : LATER_TRIAL_PART;
}

bool
study_new_in_time(const struct tune_study *study, size_t family,
                  const struct tune_situation *situation)
{
  double seconds = study_new_s(study, family, situation) * part_needed(study, family);
  if (study_ends_long(study) && model_family_find(study->spec->families[family])->has_rungs)
    seconds = fmin(seconds, tune_long_short_s(situation->search_s)); /* it is cut to that */
  return ends_in_time(study, seconds, situation);
}

bool
study_paused_in_time(const struct tune_study *study, const struct noted *trial,
                     const struct tune_situation *situation)
{
  size_t family = trial->family - 1;
  double first = fmin(trial->share * (double) study->rungs.folds, 1);
  double cost = study_cost_of(study, family);
  if (first >= OWN_PART && trial->seconds > 0)
    cost = trial->seconds / trial->share;
  return ends_in_time(study, wall_seconds(study, family, cost, first, situation), situation);
}

static size_t
rounds_of(const struct tune_share *share)
{
  size_t parallel = share->parallel ? share->parallel : 1;
  size_t rounds = (share->folds_left + parallel - 1) / parallel;
  return rounds ? rounds : 1;
}

/* Its schedule is fitted to the time again and again as it goes, so little needs to be left over. */
static double
long_seconds(const struct tune_share *share)
{
  double seconds = share->search_left_s * LONG_PLANNED_PART - START_S;
  return fmax(seconds / (double) rounds_of(share), LEAST_S);
}

enum tune_length
tune_unit_length(const struct job_spec *spec, enum dataset_kind kind, double search_s,
                 double search_left_s, bool again)
{
  if (isinf(search_s) || !tune_long_planned(spec, kind))
    return TUNE_LENGTH_USUAL;
  return again || tune_long_now(search_s, search_left_s) ? TUNE_LENGTH_LONG : TUNE_LENGTH_SHORT;
}

double
tune_unit_seconds(const struct tune_share *share)
{
  if (isinf(share->search_s))
    return 0;
  if (share->length == TUNE_LENGTH_LONG)
    return long_seconds(share);
  double seconds = fmax(LATER_SHARE * share->search_s, LATER_LEAST_S);
  if (share->first_rounds > 0)
    seconds = FIRST_SHARE * share->search_left_s / (double) share->first_rounds;
  if (share->length == TUNE_LENGTH_SHORT)
    seconds = fmin(seconds, tune_long_short_s(share->search_s));
  seconds = fmin(seconds, share->search_left_s) * PLANNED_PART - START_S;
  return fmax(seconds / (double) rounds_of(share), LEAST_S);
}
