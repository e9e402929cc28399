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
#define MEASURING_SHARE 0.75
#define BUILDING_SHARE 0.85
#define COST_SECONDS 0.02
#define MARGIN 1.3 /* on what a fit took in the search */

/* How a trial would be served. */
struct candidate
{
  size_t trial;   /* place in the library */
  double us_bag;  /* of all its folds' models together */
  double us_once; /* of one model; INFINITY = there is no other than the bag */
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

/* What comes after its fit takes about what the first report did; its estimate takes no more than there is. */
static double
deadline_of(const struct finishing *work)
{
  return finish_deadline(work, work->report_s);
}

/* How one model came about. */
struct once
{
  size_t row_count; /* that it learns from */
  double seconds;
  const char *reason; /* why it was not fitted again; NULL = it was */
};

/* Why a trial can't be fitted again on all rows of its folds; NULL = it can. */
static const char *
why_not_again(const struct finishing *work, size_t trial)
{
  const struct split *split = work->data->split;
  size_t used = 0, held_out = 0;
  if (work->data->spec->base.stages > 0 && work->finish->base == NULL)
    return "failed";
  for (size_t row = 0; row < split->row_count; row++)
  {
    used += split->fold_of[row] != SPLIT_UNUSED;
    held_out += split->fold_of[row] == 0;
  }
  double needed_s = MARGIN * tune_refit_seconds(work->library.trials[trial], used, used - held_out);
  return clock_monotonic_s() + needed_s <= deadline_of(work) ? NULL : "time";
}

/* The first fold's model has about the size that one of all rows would have. */
static enum err
cost_once(const struct finishing *work, size_t trial, double *us_per_row, struct err_info *info)
{
  const struct tune_fold_output *fold = &work->library.trials[trial]->folds[0];
  struct model *model = NULL;
  *us_per_row = INFINITY;
  if (work->data->split->kind != SPLIT_FOLDS || work->data->split->fold_count < 2)
    return ERR_OK;
  enum err err = model_load(fold->model, fold->model_length, &model, info);
  if (err == ERR_OK)
    err = tune_bag_cost(work->data, model, COST_SECONDS, us_per_row, info);
  model_free(model);
  return err;
}

/* Fits it on all rows of its folds. */
static enum err
fit_again(const struct finishing *work, size_t trial, struct buf *made, size_t *row_count,
          struct err_info *info)
{
  struct tune_refit refit = {.trial = work->library.trials[trial],
                             .base = work->finish->base,
                             .deadline_s = deadline_of(work)};
  size_t *rows = NULL;
  enum err err = tune_refit_rows(work->data, false, &rows, row_count);
  refit.rows = rows;
  refit.row_count = *row_count;
  if (err == ERR_OK)
    err = tune_refit_run(work->data, &refit, made, info);
  free(rows);
  return err;
}

/* *model ← the model of the trial's typical fold. */
static enum err
take_fold(const struct finishing *work, size_t trial, struct model **model, size_t *row_count,
          struct err_info *info)
{
  const struct tune_trial *chosen = work->library.trials[trial];
  const struct split *split = work->data->split;
  size_t fold = tune_refit_typical_fold(chosen, split->fold_count);
  size_t *rows = NULL;
  enum err err = split_train_rows(split, fold, &rows, row_count);
  free(rows);
  if (err != ERR_OK)
    return err_set(info, err, "out of memory for the fast model");
  return model_load(chosen->folds[fold].model, chosen->folds[fold].model_length, model, info);
}

/* One model in the place of its folds': of all rows, or if there is no time for that the model of one fold. What it is
 * given besides was fitted to what all its folds' models said of rows they had not seen, and so is its score. */
static enum err
build_once(struct finishing *alone, size_t trial, struct buf *bytes, struct once *once,
           struct err_info *info)
{
  double start_s = clock_monotonic_s();
  struct err_info why = {.text = ""};
  struct buf made = {0};
  struct model *model = NULL;
  enum err err = ERR_OK;
  *once = (struct once){.reason = why_not_again(alone, trial)};
  if (once->reason == NULL)
  {
    err = fit_again(alone, trial, &made, &once->row_count, &why);
    if (err == ERR_OK)
      err = model_load(made.data, made.length, &model, &why);
    if (err != ERR_OK)
      once->reason = err == ERR_CANCELLED ? "time" : "failed";
    if (err != ERR_OK && err != ERR_CANCELLED)
      log_warning("a fast model can't be fitted again, so one fold's is served: %s", why.text);
  }
  err = once->reason != NULL ? take_fold(alone, trial, &model, &once->row_count, info) : ERR_OK;
  once->seconds = clock_monotonic_s() - start_s;
  if (err == ERR_OK)
  {
    finish_choose_single(alone, trial);
    err = finish_keep(alone, model, bytes, info);
  }
  buf_free(&made);
  return err;
}

/* Says in its report what it is. */
static enum err
tell_once(json_t *report, const struct once *once, struct err_info *info)
{
  bool again = once->reason == NULL;
  json_t *refit =
    json_pack("{s:b, s:s?, s:I, s:n, s:n, s:n, s:f, s:s}", "kept", again, "reason", once->reason,
              "rows", (json_int_t) once->row_count, "score", "score_before", "standard_error",
              "seconds", once->seconds, "trained_on", again ? "folds" : "fold");
  int failed = json_object_set_new(report, "refit", refit);
  failed |= json_array_insert_new(
    json_object_get(report, "warnings"), 0,
    json_string(again
                  ? "This version is one model, fitted again on the rows of all folds to answer "
                    "fast: its score is that of its folds' models on the rows each had not seen."
                  : "This version is the model of one fold, to answer fast, for it could not be "
                    "fitted again on all rows: its score is that of all folds' models on the rows "
                    "each had not seen."));
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

/* Whether it is another model than what is served. */
static bool
is_other(const struct finishing *work, const struct candidate *one)
{
  return one->once || work->ensemble || one->trial != work->best;
}

/* ---- the model ---------------------------------------------------------------------------------------- */

/* Builds and reports the first of them. */
static enum err
make_fast(const struct finishing *work, const struct fast_trials *fast,
          struct tune_outcome *outcome, struct err_info *info)
{
  struct finishing alone = *work;
  const struct candidate *first = &fast->list[0];
  struct once once = {0};
  enum err err = ERR_OK;
  alone.model = NULL;
  alone.settled = (struct tune_settled){0};
  alone.bbc = (struct bbc_result){0};
  alone.bbc_done = false;
  alone.mixed = 0;
  alone.best = first->trial;
  alone.weights = calloc(work->library.count + 1, sizeof *alone.weights);
  if (alone.weights == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory for the models");
  if (err == ERR_OK)
    err = first->once ? build_once(&alone, first->trial, &outcome->model, &once, info)
                      : finish_build_single(&alone, first->trial, &outcome->model, info);
  if (err == ERR_OK && work->data->split->kind == SPLIT_FOLDS)
    err = estimate_fast(&alone, fast, info);
  if (err == ERR_OK)
    err = finish_report(&alone, outcome, info);
  if (err == ERR_OK && first->once)
    err = tell_once(outcome->report, &once, info);
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
  bool wanted = fast.count > 0 && is_other(work, &fast.list[0]);
  if (err == ERR_OK && wanted && !is_late(work, BUILDING_SHARE))
  {
    outcome->fast = calloc(1, sizeof *outcome->fast);
    err = outcome->fast != NULL ? make_fast(work, &fast, outcome->fast, info)
                                : err_set(info, ERR_MEMORY, "out of memory for the fast model");
  }
  free(fast.predictions);
  free(fast.list);
  return err;
}
