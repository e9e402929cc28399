#include <config.h>

#include "tune/tune_finish_internal.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tune/tune_kept.h"
#include "tune/tune_limits.h"

#define FAST_US 100.0
#define TIMES_FASTER 2.0 /* where nothing is that fast */
/* Of the time there is: no more trials are measured beyond the first, nor is anything built. */
#define MEASURING_SHARE 0.6
#define BUILDING_SHARE 0.75

/* Single trials that are fast enough, best first. */
struct fast_trials
{
  const float **predictions; /* (count) */
  size_t *trial;             /* (count): place in the library */
  size_t count;
};

static bool
is_late(const struct finishing *work, double share)
{
  return clock_monotonic_s() - work->started_s > share * work->finish->seconds;
}

/* Those that may be mixed are measured; if none is fast enough, those which are a good deal faster than what is
 * served count. */
static enum err
find_fast(const struct finishing *work, struct fast_trials *fast, struct err_info *info)
{
  double *us_per_row = calloc(work->mixed + 1, sizeof *us_per_row);
  double limit = work->us_per_row / TIMES_FASTER;
  size_t measured = 0;
  enum err err = us_per_row != NULL ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
  for (; measured < work->mixed && err == ERR_OK && !is_late(work, MEASURING_SHARE); measured++)
  {
    struct tune_cost cost;
    err = finish_cost_alone(work, measured, &cost, info);
    us_per_row[measured] = cost.us_per_row;
    if (err == ERR_OK && cost.us_per_row <= FAST_US)
      limit = FAST_US;
  }
  for (size_t k = 0; k < measured && err == ERR_OK; k++)
    if (us_per_row[k] <= limit)
    {
      fast->predictions[fast->count] = work->library.predictions[k];
      fast->trial[fast->count++] = k;
    }
  free(us_per_row);
  return err;
}

/* The best of them is chosen again in every bootstrap. */
static enum err
estimate_fast(struct finishing *work, const struct fast_trials *fast, struct err_info *info)
{
  struct bbc_request request;
  enum err err = finish_bbc_request(work, &request);
  request.predictions = fast->predictions;
  request.count = fast->count;
  request.same_as = NULL;
  request.ensemble_count = 0;
  request.deadline_s = work->started_s + BUILDING_SHARE * work->finish->seconds;
  if (err == ERR_OK)
  {
    request.bootstraps = bbc_bootstraps(&request);
    err = bbc_estimate(&request, &work->bbc);
  }
  free((uint32_t *) request.groups.of_row);
  work->bbc_done = err == ERR_OK;
  return err == ERR_OK ? ERR_OK : err_set(info, err, "out of memory for the estimate");
}

/* Builds and reports the first of them. */
static enum err
make_fast(const struct finishing *work, const struct fast_trials *fast,
          struct tune_outcome *outcome, struct err_info *info)
{
  struct finishing alone = *work;
  enum err err = ERR_OK;
  alone.model = NULL;
  alone.settled = (struct tune_settled){0};
  alone.bbc = (struct bbc_result){0};
  alone.bbc_done = false;
  alone.mixed = 0;
  alone.best = fast->trial[0];
  alone.weights = calloc(work->library.count + 1, sizeof *alone.weights);
  if (alone.weights == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory for the models");
  if (err == ERR_OK && work->data->split->kind == SPLIT_FOLDS)
    err = estimate_fast(&alone, fast, info);
  if (err == ERR_OK)
    err = finish_build_single(&alone, alone.best, &outcome->model, info);
  if (err == ERR_OK)
    err = finish_report(&alone, outcome, info);
  model_free(alone.model);
  tune_settled_clear(&alone.settled);
  free(alone.weights);
  return err;
}

enum err
finish_fast(const struct finishing *work, struct tune_outcome *outcome, struct err_info *info)
{
  struct fast_trials fast = {0};
  enum err err = ERR_OK;
  if (work->finish->provisional || work->finish->simple || work->us_per_row <= FAST_US
      || is_late(work, MEASURING_SHARE))
    return ERR_OK;
  fast.predictions = calloc(work->mixed + 1, sizeof *fast.predictions);
  fast.trial = calloc(work->mixed + 1, sizeof *fast.trial);
  if (fast.predictions == NULL || fast.trial == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory for the fast model");
  if (err == ERR_OK)
    err = find_fast(work, &fast, info);
  bool is_other = fast.count > 0 && (work->ensemble || fast.trial[0] != work->best);
  if (err == ERR_OK && is_other && !is_late(work, BUILDING_SHARE))
  {
    outcome->fast = calloc(1, sizeof *outcome->fast);
    err = outcome->fast != NULL ? make_fast(work, &fast, outcome->fast, info)
                                : err_set(info, ERR_MEMORY, "out of memory for the fast model");
  }
  free(fast.predictions);
  free(fast.trial);
  return err;
}
