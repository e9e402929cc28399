#include <config.h>

#include "tune/tune_rungs.h"

#include <math.h>
#include <string.h>

#define RUNGS_OF_A_FIT 3

static enum search_stopping
stopping_of(const char *name)
{
  static const struct
  {
    const char *name;
    enum search_stopping stopping;
  } rules[] = {{"median", SEARCH_STOPPING_MEDIAN},
               {"asha", SEARCH_STOPPING_ASHA},
               {"hyperband", SEARCH_STOPPING_HYPERBAND}};
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
    if (strcmp(rules[i].name, name) == 0)
      return rules[i].stopping;
  return SEARCH_STOPPING_NONE;
}

void
tune_rungs_plan(const struct job_spec *spec, size_t fold_count, struct tune_rungs *rungs)
{
  bool some = false;
  *rungs = (struct tune_rungs){.stopping = stopping_of(spec->early_stopping), .folds = fold_count};
  for (size_t i = 0; i < spec->family_count; i++)
    some = some || model_family_find(spec->families[i])->has_rungs;
  if (!some)
    rungs->stopping = SEARCH_STOPPING_NONE;
  if (rungs->stopping != SEARCH_STOPPING_NONE)
    rungs->count = RUNGS_OF_A_FIT + (fold_count > 1);
}

double
tune_rungs_step(size_t rung)
{
  return pow(TUNE_RUNGS_ETA, (double) rung);
}

size_t
tune_rungs_epoch(const struct tune_rungs *rungs, size_t rung, size_t epochs)
{
  if (rung + 1 >= RUNGS_OF_A_FIT || rung + 1 >= rungs->count)
    return 0;
  double part = pow(TUNE_RUNGS_ETA, (double) (RUNGS_OF_A_FIT - 1 - rung));
  size_t until = (size_t) ceil((double) epochs / part - 1e-9);
  if (until < rung + 1) /* of a few epochs each rung has one more */
    until = rung + 1;
  return until < epochs ? until : 0;
}

size_t
tune_rungs_whole(const struct tune_rungs *rungs, size_t trials)
{
  double above = (double) rungs->count - 1, whole = tune_rungs_step(rungs->count - 1);
  if (rungs->stopping == SEARCH_STOPPING_MEDIAN)
    return trials;
  return (size_t) ceil((double) trials * (1 + above * (1 - 1 / TUNE_RUNGS_ETA)) / whole);
}

double
tune_rungs_share(const struct tune_rungs *rungs, size_t rung, size_t epochs)
{
  if (rung + 1 >= rungs->count)
    return 1;
  size_t until = tune_rungs_epoch(rungs, rung, epochs);
  return (until > 0 ? (double) until / (double) epochs : 1) / (double) rungs->folds;
}
