#include <config.h>

#include "tune/tune_finish_internal.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "tune/tune_bag.h"
#include "tune/tune_kept.h"
#include "tune/tune_limits.h"
#include "tune/tune_refit.h"

/* What a model may take so that the request is what costs. A row in JSON takes a server about 3 µs besides the model,
 * where the least that a POST can cost, client included, is 13 µs: with as much again for the model it answers 0.7
 * times as many (tests/bench/serve/). An image is to be decoded first, which takes tens of µs. */
#define FAST_ROW_US 3.0
#define FAST_IMAGE_US 100.0
#define TIMES_FASTER 2.0 /* where nothing is that fast */
/* Of the time there is: no more trials are measured beyond the first, nor is anything built. */
#define MEASURING_SHARE 0.6
#define BUILDING_SHARE 0.75
#define COST_SECONDS 0.02
#define MARGIN 1.3 /* on what a fit took in the search */

/* How a trial would be served. */
struct candidate
{
  size_t trial;   /* place in the library */
  double us_bag;  /* of all its folds' models together */
  double us_once; /* of one model; INFINITY = there can't be another than the bag */
  bool once;      /* it is to be one model */
};

/* Single trials that are fast enough, best first. */
struct fast_trials
{
  const float **predictions; /* (count) */
  struct candidate *list;    /* (count) */
  size_t count;
};

static bool
is_late(const struct finishing *work, double share)
{
  return clock_monotonic_s() - work->started_s > share * work->finish->seconds;
}

static double
fast_us(const struct finishing *work)
{
  return work->data->shape.kind == DATASET_IMAGES ? FAST_IMAGE_US : FAST_ROW_US;
}

/* ---- one model instead of its folds' ------------------------------------------------------------------ */

/* What comes after its fit takes about what the first report did, twice. */
static double
deadline_of(const struct finishing *work)
{
  return finish_deadline(work, 2 * work->report_s);
}

/* Whether a trial can be fitted again on all rows of its folds in the time there is. */
static bool
can_refit(const struct finishing *work, size_t trial)
{
  const struct split *split = work->data->split;
  size_t used = 0, held_out = 0;
  if (split->kind != SPLIT_FOLDS || split->fold_count < 2
      || (work->data->spec->base.stages > 0 && work->finish->base == NULL))
    return false;
  for (size_t row = 0; row < split->row_count; row++)
  {
    used += split->fold_of[row] != SPLIT_UNUSED;
    held_out += split->fold_of[row] == 0;
  }
  double needed_s = MARGIN * tune_refit_seconds(work->library.trials[trial], used, used - held_out);
  return clock_monotonic_s() + needed_s <= deadline_of(work);
}

/* The first fold's model has the size that one of all rows would have. */
static enum err
cost_once(const struct finishing *work, size_t trial, double *us_per_row, struct err_info *info)
{
  const struct tune_fold_output *fold = &work->library.trials[trial]->folds[0];
  struct model *model = NULL;
  *us_per_row = INFINITY;
  if (!can_refit(work, trial))
    return ERR_OK;
  enum err err = model_load(fold->model, fold->model_length, &model, info);
  if (err == ERR_OK)
    err = tune_bag_cost(work->data, model, COST_SECONDS, us_per_row, info);
  model_free(model);
  return err;
}

/* Fits it on all rows of its folds. What it is given besides was fitted to what its folds' models said of rows they had
 * not seen, and so is its score. */
static enum err
build_once(struct finishing *alone, size_t trial, struct buf *bytes, size_t *row_count,
           struct err_info *info)
{
  struct tune_refit refit = {.trial = alone->library.trials[trial],
                             .base = alone->finish->base,
                             .deadline_s = deadline_of(alone)};
  struct buf made = {0};
  struct model *model = NULL;
  size_t *rows = NULL;
  enum err err = tune_refit_rows(alone->data, false, &rows, row_count);
  refit.rows = rows;
  refit.row_count = *row_count;
  if (err == ERR_OK)
    err = tune_refit_run(alone->data, &refit, &made, info);
  if (err == ERR_OK)
    err = model_load(made.data, made.length, &model, info);
  if (err == ERR_OK)
  {
    finish_choose_single(alone, trial);
    err = finish_keep(alone, model, bytes, info);
  }
  buf_free(&made);
  free(rows);
  return err;
}

/* Says in its report what it is. */
static enum err
tell_once(json_t *report, size_t row_count, double seconds, struct err_info *info)
{
  json_t *refit = json_pack("{s:b, s:n, s:I, s:n, s:n, s:n, s:f, s:s}", "kept", 1, "reason", "rows",
                            (json_int_t) row_count, "score", "score_before", "standard_error",
                            "seconds", seconds, "trained_on", "folds");
  int failed = json_object_set_new(report, "refit", refit);
  failed |= json_array_insert_new(
    json_object_get(report, "warnings"), 0,
    json_string("This version is one model, fitted again on the rows of all folds to answer fast: "
                "its score is that of its folds' models on the rows each had not seen."));
  return failed == 0 ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory for the report");
}

/* ---- the choice --------------------------------------------------------------------------------------- */

/* Those that may be mixed are measured. */
static enum err
measure(const struct finishing *work, struct candidate *list, size_t *count, struct err_info *info)
{
  enum err err = ERR_OK;
  for (*count = 0; *count < work->mixed && err == ERR_OK && !is_late(work, MEASURING_SHARE);
       ++*count)
  {
    struct candidate *one = &list[*count];
    struct tune_cost cost;
    *one = (struct candidate){.trial = *count, .us_once = INFINITY};
    err = finish_cost_alone(work, *count, &cost, info);
    one->us_bag = cost.us_per_row;
    if (err == ERR_OK && one->us_bag > fast_us(work))
      err = cost_once(work, *count, &one->us_once, info);
  }
  return err;
}

/* If none is fast enough, those which are a good deal faster than what is served count. A bag goes before one model
 * only where it is fast enough itself. */
static enum err
find_fast(const struct finishing *work, struct fast_trials *fast, struct err_info *info)
{
  double limit = work->us_per_row / TIMES_FASTER;
  size_t measured = 0;
  enum err err = measure(work, fast->list, &measured, info);
  for (size_t k = 0; k < measured && err == ERR_OK; k++)
    if (fmin(fast->list[k].us_bag, fast->list[k].us_once) <= fast_us(work))
      limit = fast_us(work);
  for (size_t k = 0; k < measured && err == ERR_OK; k++)
  {
    struct candidate one = fast->list[k];
    one.once = one.us_bag > fast_us(work) && one.us_once <= limit;
    if (!one.once && !(one.us_bag <= limit))
      continue;
    fast->predictions[fast->count] = work->library.predictions[one.trial];
    fast->list[fast->count++] = one;
  }
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
  /* a fit may have taken that time: then there is half of what is left */
  double now_s = clock_monotonic_s();
  request.deadline_s = fmax(work->started_s + BUILDING_SHARE * work->finish->seconds,
                            now_s + (finish_deadline(work, work->report_s) - now_s) / 2);
  if (err == ERR_OK)
  {
    request.bootstraps = bbc_bootstraps(&request);
    err = bbc_estimate(&request, &work->bbc);
  }
  free((uint32_t *) request.groups.of_row);
  work->bbc_done = err == ERR_OK;
  return err == ERR_OK ? ERR_OK : err_set(info, err, "out of memory for the estimate");
}

/* Whether its folds' models together are another model than what is served, and a faster one. */
static bool
is_other(const struct finishing *work, const struct candidate *one)
{
  return (work->ensemble || one->trial != work->best)
         && one->us_bag <= fmax(work->us_per_row / TIMES_FASTER, fast_us(work));
}

/* ---- the model ---------------------------------------------------------------------------------------- */

/* Its model's bytes; none when one model could not be made and the bag is no other. */
static enum err
build_fast(const struct finishing *work, struct finishing *alone, const struct candidate *one,
           struct buf *bytes, size_t *row_count, struct err_info *info)
{
  enum err err = ERR_OK;
  *row_count = 0;
  if (one->once)
  {
    err = build_once(alone, one->trial, bytes, row_count, info);
    if (err == ERR_OK)
      return ERR_OK;
    log_warning("trial %d can't be fitted again as a fast model: %s",
                alone->library.trials[one->trial]->number,
                err == ERR_CANCELLED ? "there was no time" : err_name(err));
    *row_count = 0;
    buf_free(bytes);
    if (!is_other(work, one))
      return ERR_OK;
  }
  return finish_build_single(alone, one->trial, bytes, info);
}

/* Builds and reports the first of them. */
static enum err
make_fast(const struct finishing *work, const struct fast_trials *fast,
          struct tune_outcome *outcome, struct err_info *info)
{
  struct finishing alone = *work;
  double start_s = clock_monotonic_s(), seconds;
  size_t row_count = 0;
  enum err err = ERR_OK;
  alone.model = NULL;
  alone.settled = (struct tune_settled){0};
  alone.bbc = (struct bbc_result){0};
  alone.bbc_done = false;
  alone.mixed = 0;
  alone.best = fast->list[0].trial;
  alone.weights = calloc(work->library.count + 1, sizeof *alone.weights);
  if (alone.weights == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory for the models");
  if (err == ERR_OK)
    err = build_fast(work, &alone, &fast->list[0], &outcome->model, &row_count, info);
  seconds = clock_monotonic_s() - start_s;
  if (err == ERR_OK && alone.model != NULL && work->data->split->kind == SPLIT_FOLDS)
    err = estimate_fast(&alone, fast, info);
  if (err == ERR_OK && alone.model != NULL)
    err = finish_report(&alone, outcome, info);
  if (err == ERR_OK && row_count > 0)
    err = tell_once(outcome->report, row_count, seconds, info);
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
  if (work->finish->provisional || work->finish->simple || work->us_per_row <= fast_us(work)
      || is_late(work, MEASURING_SHARE))
    return ERR_OK;
  fast.predictions = calloc(work->mixed + 1, sizeof *fast.predictions);
  fast.list = calloc(work->mixed + 1, sizeof *fast.list);
  if (fast.predictions == NULL || fast.list == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory for the fast model");
  if (err == ERR_OK)
    err = find_fast(work, &fast, info);
  bool wanted = fast.count > 0 && (fast.list[0].once || is_other(work, &fast.list[0]));
  if (err == ERR_OK && wanted && !is_late(work, BUILDING_SHARE))
  {
    outcome->fast = calloc(1, sizeof *outcome->fast);
    err = outcome->fast != NULL ? make_fast(work, &fast, outcome->fast, info)
                                : err_set(info, ERR_MEMORY, "out of memory for the fast model");
  }
  if (err == ERR_OK && outcome->fast != NULL && outcome->fast->report == NULL)
  {
    free(outcome->fast);
    outcome->fast = NULL;
  }
  free(fast.predictions);
  free(fast.list);
  return err;
}
