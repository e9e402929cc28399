#include <config.h>

#include "tune/tune_finish_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "tune/paired.h"
#include "tune/report.h"
#include "tune/tune_bag.h"
#include "tune/tune_kept.h"
#include "tune/tune_refit.h"

#define MARGIN 1.3       /* on what a fit took in the search */
#define MOST_SECONDS 600 /* of a finish; its process is given no more than 900 */
#define HAND_OVER_S 0.5  /* what is made is still to be stored */
#define COST_SECONDS 0.1
#define BOOTSTRAPS 200
#define NOISE 1.645 /* standard errors: one side, 95% */

/* What is served, made again on more rows. */
struct remade
{
  size_t *rows;
  size_t row_count;
  struct model *model; /* as loaded from its bytes */
  struct buf bytes;
  double us_per_row, seconds;
  double deadline_s; /* of its fits, on the monotonic clock */
};

static void
remade_clear(struct remade *remade)
{
  free(remade->rows);
  model_free(remade->model);
  buf_free(&remade->bytes);
  *remade = (struct remade){0};
}

/* ---- the time ---------------------------------------------------------------------------------------- */

double
finish_deadline(const struct finishing *work, double after_s)
{
  double seconds = fmin(work->finish->seconds, MOST_SECONDS);
  return work->started_s + seconds - after_s - HAND_OVER_S;
}

/* What fits on so many rows take, one after the other; NaN when not known. */
static double
seconds_needed(const struct finishing *work, size_t row_count)
{
  double sum = 0;
  size_t train_count = 0;
  for (size_t row = 0; row < work->data->split->row_count; row++)
    train_count += work->data->split->fold_of[row] == SPLIT_TRAIN_ONLY;
  for (size_t k = 0; k < work->servable; k++)
    if (work->weights[k] > 0)
      sum += MARGIN * tune_refit_seconds(work->library.trials[k], row_count, train_count);
  return sum;
}

static bool
has_time(const struct remade *remade, double needed_s)
{
  return clock_monotonic_s() + needed_s <= remade->deadline_s;
}

/* ---- the model --------------------------------------------------------------------------------------- */

/* What was fitted on validation rows is taken over: those are training rows now. */
static enum err
take_over(const struct model *from, struct model *to, struct err_info *info)
{
  struct model_about about;
  model_about(from, &about);
  if (about.task->kind == TASK_REGRESSION)
    return about.interval != NULL ? model_set_interval(to, about.interval, info) : ERR_OK;
  enum err err = model_set_temperature(to, about.temperature, info);
  return err == ERR_OK ? model_set_decision(to, &about.decision, info) : err;
}

/* Puts the members' bytes together as they were before, and keeps what comes back from the bytes of that. */
static enum err
assemble(const struct finishing *work, const struct buf *members, struct remade *remade,
         struct err_info *info)
{
  size_t count = work->servable;
  struct tune_fold_output *outputs = calloc(count + 1, sizeof *outputs);
  struct tune_trial *trials = calloc(count + 1, sizeof *trials);
  const struct tune_trial **list = calloc(count + 1, sizeof *list);
  struct model *bag = NULL;
  enum err err = ERR_OK;
  if (outputs == NULL || trials == NULL || list == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory for a refit");
  for (size_t k = 0; k < count && err == ERR_OK; k++)
  {
    outputs[k].model = members[k].data;
    outputs[k].model_length = members[k].length;
    trials[k] = *work->library.trials[k];
    trials[k].folds = &outputs[k];
    list[k] = &trials[k];
  }
  if (err == ERR_OK)
    err = tune_bag_make(work->data, list, work->weights, count, &bag, info);
  if (err == ERR_OK)
    err = take_over(work->model, bag, info);
  if (err == ERR_OK)
    err = model_save(bag, &remade->bytes, info);
  if (err == ERR_OK && remade->bytes.failed)
    err = err_set(info, ERR_MEMORY, "out of memory for a refit");
  if (err == ERR_OK)
    err = model_load(remade->bytes.data, remade->bytes.length, &remade->model, info);
  if (err == ERR_OK)
    err = tune_bag_cost(work->data, remade->model, COST_SECONDS, &remade->us_per_row, info);
  model_free(bag);
  free(list);
  free(trials);
  free(outputs);
  return err;
}

/* Fits every member again on the rows in *remade. */
static enum err
remake(const struct finishing *work, struct remade *remade, struct err_info *info)
{
  double started_s = clock_monotonic_s();
  struct buf *members = calloc(work->servable + 1, sizeof *members);
  enum err err = members != NULL ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory for a refit");
  for (size_t k = 0; k < work->servable && err == ERR_OK; k++)
    if (work->weights[k] > 0)
    {
      struct tune_refit refit = {.trial = work->library.trials[k],
                                 .base = work->finish->base,
                                 .rows = remade->rows,
                                 .row_count = remade->row_count,
                                 .deadline_s = remade->deadline_s};
      err = tune_refit_run(work->data, &refit, &members[k], info);
    }
  if (err == ERR_OK)
    err = assemble(work, members, remade, info);
  for (size_t k = 0; members != NULL && k < work->servable; k++)
    buf_free(&members[k]);
  free(members);
  remade->seconds = clock_monotonic_s() - started_s;
  return err;
}

/* ---- the comparison ---------------------------------------------------------------------------------- */

static enum err
predict(const struct finishing *work, const struct model *model, const size_t *rows, size_t count,
        float **predictions, struct err_info *info)
{
  struct model_workspace *workspace = model_workspace_new();
  *predictions = malloc((count * work->data->task.output_count + 1) * sizeof **predictions);
  enum err err = workspace != NULL && *predictions != NULL
                   ? model_predict_dataset(model, workspace, work->data->dataset, rows, count,
                                           *predictions, info)
                   : err_set(info, ERR_MEMORY, "out of memory for the report rows");
  model_workspace_free(workspace);
  return err;
}

/* Both on the report rows, through the code that serves them. */
static enum err
compare(const struct finishing *work, const struct remade *remade, struct paired *paired,
        struct err_info *info)
{
  const struct tune_data *data = work->data;
  struct tune_labels labels = {0};
  struct bbc_groups groups = {0};
  float *first = NULL, *second = NULL;
  size_t *rows = NULL, count = 0;
  struct model_about about;
  model_about(work->model, &about);
  enum err err = split_report_rows(data->split, &rows, &count);
  if (err == ERR_OK)
    err = tune_labels_of(data, rows, count, &labels);
  if (err == ERR_OK)
    err = tune_groups_of(data, rows, count, &groups);
  if (err == ERR_OK)
    err = predict(work, work->model, rows, count, &first, info);
  if (err == ERR_OK)
    err = predict(work, remade->model, rows, count, &second, info);
  struct paired_request request = {.first = first,
                                   .second = second,
                                   .labels = &labels.labels,
                                   .task = &data->task,
                                   .metric = data->metric,
                                   .decision = &about.decision,
                                   .groups = groups,
                                   .bootstraps = BOOTSTRAPS,
                                   .seed = finish_seed(work, 4)};
  if (err == ERR_OK)
    err = paired_compare(&request, paired);
  free(second);
  free(first);
  free((uint32_t *) groups.of_row);
  tune_labels_free(&labels);
  free(rows);
  return err;
}

static double
load_of(const struct finishing *work, double us_per_row, size_t bytes)
{
  struct tune_cost cost = {.us_per_row = us_per_row, .bytes = (double) bytes};
  return tune_limits_load(work->data->spec, work->data->shape.kind, &cost);
}

/* Why it is not served; NULL = it is. */
static const char *
fault_of(const struct finishing *work, const struct remade *remade, const struct paired *paired)
{
  bool worse =
    !isfinite(paired->gain) || !isfinite(paired->error) || paired->gain < -NOISE * paired->error;
  if (worse)
    return "worse";
  if (load_of(work, remade->us_per_row, remade->bytes.length) > 1
      && load_of(work, work->us_per_row, work->model_bytes) <= 1)
    return "limits";
  return NULL;
}

/* ---- what is served then ----------------------------------------------------------------------------- */

/* Puts the remade model in the first one's place, with a report of its own. */
static enum err
serve(struct finishing *work, struct remade *remade, struct tune_outcome *outcome,
      struct err_info *info)
{
  struct tune_outcome fresh = {0};
  struct finishing again = *work;
  again.model = remade->model;
  again.us_per_row = remade->us_per_row;
  again.model_bytes = remade->bytes.length;
  enum err err = finish_report(&again, &fresh, info);
  if (err != ERR_OK)
  {
    tune_outcome_clear(&fresh);
    return err;
  }
  buf_free(&outcome->model);
  free(outcome->schema);
  json_decref(outcome->report);
  fresh.folds = outcome->folds;
  fresh.fast = outcome->fast;
  fresh.model = remade->bytes;
  *outcome = fresh;
  model_free(work->model);
  work->model = remade->model;
  work->us_per_row = remade->us_per_row;
  work->model_bytes = remade->bytes.length;
  remade->model = NULL;
  remade->bytes = (struct buf){0};
  return ERR_OK;
}

static json_t *
told(const char *reason, const struct remade *remade, const struct paired *paired)
{
  json_t *json = json_pack(
    "{s:b, s:s?, s:o, s:o, s:o, s:o, s:o}", "kept", reason == NULL, "reason", reason, "rows",
    remade->row_count > 0 ? json_integer((json_int_t) remade->row_count) : json_null(), "score",
    json_real_or_null(paired->second), "score_before", json_real_or_null(paired->first),
    "standard_error", json_real_or_null(paired->error), "seconds",
    remade->seconds > 0 ? json_real(remade->seconds) : json_null());
  return json;
}

static const char *
why_failed(enum err err, const struct err_info *info)
{
  if (err == ERR_CANCELLED)
    return "time";
  log_warning("a refit failed, so the models of the search are served: %s",
              info->text[0] != '\0' ? info->text : err_name(err));
  return "failed";
}

/* On training and validation rows. `more_s` is to be left over. */
static json_t *
refit_for_best(struct finishing *work, double more_s, struct tune_outcome *outcome)
{
  /* A comparison and another report take about what the first report did, each. */
  struct remade remade = {.deadline_s = finish_deadline(work, 2 * work->report_s)};
  struct paired paired = {.first = NAN, .second = NAN, .gain = NAN, .error = NAN};
  struct err_info info = {.text = ""};
  const char *reason = NULL;
  enum err err = tune_refit_rows(work->data, false, &remade.rows, &remade.row_count);
  double needed_s = err == ERR_OK ? seconds_needed(work, remade.row_count) : NAN;
  if (err == ERR_OK && !has_time(&remade, needed_s + more_s))
    reason = "time";
  if (err == ERR_OK && reason == NULL)
    err = remake(work, &remade, &info);
  if (err == ERR_OK && reason == NULL)
    err = compare(work, &remade, &paired, &info);
  if (err == ERR_OK && reason == NULL)
    reason = fault_of(work, &remade, &paired);
  if (err == ERR_OK && reason == NULL)
    err = serve(work, &remade, outcome, &info);
  json_t *json = told(err != ERR_OK ? why_failed(err, &info) : reason, &remade, &paired);
  remade_clear(&remade);
  return json;
}

/* ---- a version of all rows --------------------------------------------------------------------------- */

/* Its report is that of the version before, with what is different. */
static enum err
report_all(const struct finishing *work, const struct remade *remade, struct tune_outcome *outcome,
           struct err_info *info)
{
  struct tune_outcome *all = calloc(1, sizeof *all);
  struct paired unknown = {.first = NAN, .second = NAN, .error = NAN};
  outcome->all = all;
  if (all == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the report");
  all->report = json_deep_copy(outcome->report);
  all->schema = report_schema(work->data, remade->model);
  all->family = outcome->family;
  all->score = outcome->score;
  all->us_per_row = remade->us_per_row;
  json_t *refit = told(NULL, remade, &unknown);
  json_t *warnings = json_object_get(all->report, "warnings");
  if (all->report == NULL || all->schema == NULL || refit == NULL || warnings == NULL)
  {
    json_decref(refit);
    return err_set(info, ERR_MEMORY, "out of memory for the report");
  }
  int failed = json_object_set_new(refit, "trained_on", json_string("all"));
  failed |= json_object_set_new(all->report, "refit", refit);
  failed |= json_object_set_new(all->report, "us_per_row", json_real_or_null(all->us_per_row));
  failed |= json_array_insert_new(
    warnings, 0,
    json_string("This version was fitted on the report rows, too, so there is no row left to score "
                "it on: its score is the one before, of the version that `best` names."));
  return failed == 0 ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory for the report");
}

static json_t *
refit_for_all(const struct finishing *work, struct tune_outcome *outcome)
{
  struct remade remade = {.deadline_s = finish_deadline(work, COST_SECONDS)};
  struct paired unknown = {.first = NAN, .second = NAN, .error = NAN};
  struct err_info info = {.text = ""};
  const char *reason = NULL;
  enum err err = tune_refit_rows(work->data, true, &remade.rows, &remade.row_count);
  if (err == ERR_OK && !has_time(&remade, seconds_needed(work, remade.row_count)))
    reason = "time";
  if (err == ERR_OK && reason == NULL)
    err = remake(work, &remade, &info);
  if (err == ERR_OK && reason == NULL && load_of(work, remade.us_per_row, remade.bytes.length) > 1
      && load_of(work, work->us_per_row, work->model_bytes) <= 1)
    reason = "limits";
  if (err == ERR_OK && reason == NULL)
    err = report_all(work, &remade, outcome, &info);
  if (err == ERR_OK && reason == NULL)
  {
    outcome->all->model = remade.bytes;
    remade.bytes = (struct buf){0};
  }
  else if (outcome->all != NULL)
  {
    tune_outcome_clear(outcome->all);
    free(outcome->all);
    outcome->all = NULL;
  }
  json_t *json = told(err != ERR_OK ? why_failed(err, &info) : reason, &remade, &unknown);
  remade_clear(&remade);
  return json;
}

/* ---- the step ---------------------------------------------------------------------------------------- */

/* Why there is none at all; NULL = there may be one. */
static const char *
why_none(const struct finishing *work)
{
  const char *stop = work->finish->stop_reason;
  if (stop != NULL && strcmp(stop, "cancelled") == 0)
    return "cancelled";
  if (work->finish->simple)
    return "hurried";
  return work->data->spec->base.stages > 0 && work->finish->base == NULL ? "failed" : NULL;
}

enum err
finish_refit(struct finishing *work, struct tune_outcome *outcome, struct err_info *info)
{
  const struct tune_data *data = work->data;
  bool reported = data->split->kind == SPLIT_HOLDOUT && data->split->report_count > 0;
  bool wanted = reported && strcmp(data->spec->refit, "none") != 0;
  bool all_too = wanted && strcmp(data->spec->refit, "all") == 0;
  const char *none = why_none(work);
  struct remade nothing = {0};
  struct paired unknown = {.first = NAN, .second = NAN, .error = NAN};
  json_t *refit = NULL, *all = NULL;
  if (!wanted)
    refit = json_null();
  else if (none != NULL)
    refit = told(none, &nothing, &unknown);
  else
    refit =
      refit_for_best(work, all_too ? seconds_needed(work, data->split->row_count) : 0, outcome);
  int failed = json_object_set_new(outcome->report, "refit", refit);
  if (all_too && none == NULL)
    all = refit_for_all(work, outcome);
  if (all_too)
    failed |= json_object_set_new(outcome->report, "refit_all",
                                  all != NULL ? all : told(none, &nothing, &unknown));
  return failed == 0 ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory for the report");
}
