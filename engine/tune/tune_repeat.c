#include <config.h>

#include "tune/tune_repeat.h"

#include <math.h>
#include <string.h>

#include "tune/tune_study_internal.h"

#define REPEATS_MOST 3
#define REPEATS_LEAST 2 /* one alone could only lose to those that had a single chance */
#define TRIALS_PART 0.1
#define SECONDS_PART 0.2
/* A fit plans with less than it is given (tune_study_cost.c), and must not be shortened now. */
#define MARGIN 1.3
#define START_S 0.3

static bool
is_planned(const struct tune_study *study)
{
  static const char *const methods[] = {"bayes", "tpe", "random", "sobol"};
  if (study->rungs.count > 0 || study_ends_long(study))
    return false;
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
    if (strcmp(study->spec->method, methods[i]) == 0)
      return true;
  return false;
}

/* The best trials that are no repeats themselves, best first. Returns how many. */
static size_t
find_best(const struct tune_study *study, size_t best[REPEATS_MOST])
{
  size_t count = 0;
  for (size_t t = 1; t < study->noted_count; t++)
  {
    const struct noted *noted = &study->noted[t];
    if (noted->family == 0 || !noted->done || !noted->within || noted->repeats > 0)
      continue;
    size_t at = count < REPEATS_MOST ? count++ : REPEATS_MOST;
    while (at > 0 && study->noted[best[at - 1]].objective > noted->objective)
    {
      if (at < REPEATS_MOST)
        best[at] = best[at - 1];
      at--;
    }
    if (at < REPEATS_MOST)
      best[at] = t;
  }
  return count;
}

static bool
is_exact(const struct tune_study *study, size_t trial)
{
  return model_family_find(study->spec->families[study->noted[trial].family - 1])->exact;
}

static bool
is_due(const struct tune_study *study, size_t trial)
{
  if (is_exact(study, trial))
    return false;
  for (size_t t = 1; t < study->noted_count; t++)
    if (study->noted[t].family > 0 && study->noted[t].repeats == trial)
      return false;
  return true;
}

bool
tune_repeat_left_out(const struct tune_study *study)
{
  size_t best[REPEATS_MOST], due = 0, exact = 0;
  size_t count = is_planned(study) ? find_best(study, best) : 0;
  for (size_t i = 0; i < count; i++)
  {
    due += is_due(study, best[i]);
    exact += is_exact(study, best[i]);
  }
  return count == REPEATS_MOST && due > 0 && due + exact == count;
}

/* Wall seconds until the trial is done once more, by what it has taken. */
static double
seconds_again(const struct tune_study *study, size_t trial, const struct tune_situation *situation)
{
  size_t workers = situation->workers ? situation->workers : 1;
  double rounds = ceil((double) study->folds / (double) workers);
  return study->noted[trial].seconds / (double) study->folds * rounds * MARGIN + START_S;
}

/* How many of the best may be repeated within the part of the budget that is meant for it. */
static size_t
count_allowed(const struct tune_study *study, const struct tune_situation *situation,
              const size_t *best, size_t count)
{
  double seconds[REPEATS_MOST + 1] = {0};
  size_t trials = study->spec->budget_trials, allowed = count;
  if (count < REPEATS_MOST)
    return 0; /* of so few none is best by luck alone */
  if (trials > 0)
    allowed = (size_t) fmin((double) allowed, floor(TRIALS_PART * (double) trials));
  for (size_t i = 0; i < count; i++)
    seconds[i + 1] = seconds[i] + seconds_again(study, best[i], situation);
  while (allowed > 0 && seconds[allowed] > SECONDS_PART * situation->search_s)
    allowed--;
  return allowed >= REPEATS_LEAST ? allowed : 0;
}

enum err
tune_repeat_suggest(struct tune_study *study, const struct tune_situation *situation,
                    double other_s, bool *found, struct tune_suggestion *suggestion,
                    struct err_info *info)
{
  size_t best[REPEATS_MOST], next = 0, due = 0;
  double needed_s = 0;
  *found = false;
  if (!is_planned(study))
    return ERR_OK;
  size_t count = find_best(study, best);
  count = count_allowed(study, situation, best, count);
  for (size_t i = 0; i < count; i++)
  {
    if (!is_due(study, best[i]))
      continue;
    next = due++ == 0 ? best[i] : next;
    needed_s += seconds_again(study, best[i], situation);
  }
  size_t trials = study->spec->budget_trials;
  size_t trials_left =
    trials + 1 > situation->next_trial ? (size_t) (trials + 1 - situation->next_trial) : 0;
  bool last = needed_s + other_s > situation->search_left_s || isinf(other_s)
              || (trials > 0 && trials_left <= due);
  *found =
    due > 0 && last && needed_s <= situation->search_left_s && (trials == 0 || trials_left > 0);
  if (!*found)
    return ERR_OK;
  suggestion->repeats = next;
  return study_suggest_again(study, next, suggestion, info);
}
