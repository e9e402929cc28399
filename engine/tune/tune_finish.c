#include <config.h>

#include "tune/tune_finish_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "data/split_pack.h"
#include "tune/confusions.h"
#include "tune/report.h"
#include "tune/suspects.h"
#include "tune/tune_kept.h"
#include "tune/tune_limits.h"
#include "tune/tune_winner.h"

#define HOLDOUT_BOOTSTRAPS 500

/* ---- the score and the report ------------------------------------------------------------------------ */

struct scored
{
  float *predictions;
  size_t *rows; /* report rows */
  size_t count;
  struct tune_labels labels;
  size_t *train_rows;
  size_t train_count;
  struct tune_unseen unseen;
};

static void
scored_clear(struct scored *scored)
{
  free(scored->predictions);
  free(scored->rows);
  free(scored->train_rows);
  tune_labels_free(&scored->labels);
}

/* Predicts report rows with the model as stored. Its temperature is the last step of that, so it is left out and made
 * up for, to tell what it does. */
static enum err
predict_report_rows(const struct finishing *work, struct scored *scored, struct err_info *info)
{
  const struct tune_data *data = work->data;
  const struct labels *labels = &scored->labels.labels;
  size_t classes = data->task.class_count;
  struct model_about about;
  struct model_workspace *workspace = model_workspace_new();
  model_about(work->model, &about);
  if (workspace == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the report rows");
  if (about.temperature != 1)
    model_set_temperature(work->model, 1, NULL);
  enum err err = model_predict_dataset(work->model, workspace, data->dataset, scored->rows,
                                       scored->count, scored->predictions, info);
  model_workspace_free(workspace);
  if (err != ERR_OK || classes == 0)
    return err;
  scored->unseen.before = calibrate_state(labels, scored->predictions, classes);
  if (about.temperature != 1)
  {
    model_temper(about.temperature, classes, scored->count, scored->predictions);
    err = model_set_temperature(work->model, about.temperature, info);
  }
  scored->unseen.after = calibrate_state(labels, scored->predictions, classes);
  return err;
}

static enum err
score_report_rows(const struct finishing *work, struct scored *scored, struct err_info *info)
{
  const struct tune_data *data = work->data;
  enum err err = split_report_rows(data->split, &scored->rows, &scored->count);
  if (err == ERR_OK)
    err = split_train_rows(data->split, 0, &scored->train_rows, &scored->train_count);
  if (err == ERR_OK)
    err = tune_labels_of(data, scored->rows, scored->count, &scored->labels);
  scored->predictions =
    malloc((scored->count * data->task.output_count + 1) * sizeof *scored->predictions);
  if (err != ERR_OK || scored->predictions == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory for the report rows");
  scored->unseen =
    (struct tune_unseen){.labels = &scored->labels.labels, .predictions = scored->predictions};
  return err == ERR_OK ? predict_report_rows(work, scored, info) : err;
}

static void
describe(const struct finishing *work, const struct scored *scored, struct report_facts *facts)
{
  struct model_about about;
  model_about(work->model, &about);
  *facts = (struct report_facts){
    .decision = about.decision,
    .data = work->data,
    .finish = work->finish,
    .model = work->model,
    .predictions = scored->rows != NULL ? scored->predictions : work->settled.predictions,
    .best = work->library.trials[work->best],
    .members = work->library.trials,
    .weights = work->weights,
    .member_count = work->servable,
    .ensemble = work->ensemble,
    .ensemble_wins = work->mixed > 1 && work->bbc_done ? work->bbc.ensemble_wins : NAN,
    .cost = {.us_per_row = work->us_per_row, .bytes = (double) work->model_bytes}};
}

static enum err
score_with_interval(const struct finishing *work, const struct scored *scored,
                    struct report_facts *facts)
{
  const struct tune_data *data = work->data;
  struct bbc_groups groups;
  enum err err = tune_groups_of(data, scored->rows, scored->count, &groups);
  if (err == ERR_OK)
    err =
      bbc_interval(scored->predictions, facts->labels, &data->task, data->metric, &facts->decision,
                   &groups, HOLDOUT_BOOTSTRAPS, finish_seed(work, 3), &facts->score);
  free((uint32_t *) groups.of_row);
  return err;
}

static enum err
score(const struct finishing *work, struct scored *scored, struct report_facts *facts,
      struct err_info *info)
{
  const struct tune_data *data = work->data;
  bool held_out = data->split->kind == SPLIT_HOLDOUT && data->split->report_count > 0
                  && !work->finish->provisional;
  enum err err = held_out ? score_report_rows(work, scored, info) : ERR_OK;
  if (err != ERR_OK)
    return err;
  describe(work, scored, facts);
  if (held_out)
  {
    facts->estimate = "holdout";
    facts->labels = &scored->labels.labels;
    facts->baseline_rows = scored->train_rows;
    facts->baseline_count = scored->train_count;
    facts->bootstraps = HOLDOUT_BOOTSTRAPS;
    return score_with_interval(work, scored, facts);
  }
  facts->labels = &work->library.labels.labels;
  facts->baseline_rows = work->library.rows;
  facts->baseline_count = work->library.row_count;
  if (work->bbc_done && data->split->kind == SPLIT_FOLDS)
  {
    facts->estimate = "bbc_cv";
    facts->score = work->ensemble ? work->bbc.ensemble : work->bbc.single;
    facts->bootstraps = work->bbc.bootstraps;
    return ERR_OK;
  }
  facts->estimate = data->split->kind == SPLIT_FOLDS ? "cv" : "validation";
  facts->score =
    (struct bbc_score){.mean = metric_compute_at(data->metric, &data->task, facts->labels,
                                                 facts->predictions, &facts->decision),
                       .low = NAN,
                       .high = NAN};
  return ERR_OK;
}

/* The rows behind the confusions that the report counts. */
static bool
add_confusions(const struct finishing *work, const struct scored *scored,
               const struct report_facts *facts, json_t *report)
{
  const size_t *rows = scored->rows != NULL ? scored->rows : work->library.rows;
  if (work->data->task.class_count == 0)
    return true;
  return json_object_set_new(
           report, "confusion_rows",
           confusions_rows(work->data, rows, facts->labels, facts->predictions, &facts->decision))
         == 0;
}

/* How rows were kept apart, and the rows whose labels look wrong to models that have not seen them. */
static bool
add_validation(const struct finishing *work, const struct scored *scored,
               const struct report_facts *facts, json_t *report)
{
  size_t count = 0;
  const size_t *rows = scored->rows != NULL ? scored->rows : work->library.rows;
  json_t *suspects = suspects_find(work->data, rows, facts->labels, facts->predictions, &count);
  /* Each takes its value, whether it can be set or not. */
  int failed = json_object_set_new(report, "validation", tune_validation_json(work->data));
  failed |= json_object_set_new(report, "label_suspects", suspects);
  failed |= json_object_set_new(report, "label_suspect_count", json_integer((json_int_t) count));
  return failed == 0;
}

/* What was fitted on validation rows besides the models, and what it does on rows it was not fitted on. */
static bool
add_settled(const struct finishing *work, const struct scored *scored, json_t *report)
{
  json_t *calibration = NULL, *intervals = NULL;
  enum err err = tune_settled_json(work->data, &work->library, &work->settled, &scored->unseen,
                                   &calibration, &intervals);
  int failed = json_object_set_new(report, "calibration", calibration);
  failed |= json_object_set_new(report, "prediction_intervals", intervals);
  return err == ERR_OK && failed == 0;
}

enum err
finish_report(const struct finishing *work, struct tune_outcome *outcome, struct err_info *info)
{
  struct scored scored = {0};
  struct report_facts facts;
  enum err err = score(work, &scored, &facts, info);
  if (err == ERR_OK)
  {
    outcome->report = report_make(&facts);
    outcome->schema = report_schema(work->data, work->model);
    outcome->family = work->ensemble ? "bag" : facts.best->family;
    outcome->score = facts.score.mean;
    outcome->us_per_row = work->us_per_row;
    if (outcome->report == NULL || outcome->schema == NULL
        || !add_settled(work, &scored, outcome->report)
        || !add_confusions(work, &scored, &facts, outcome->report)
        || (!work->finish->provisional && !add_validation(work, &scored, &facts, outcome->report)))
      err = err_set(info, ERR_MEMORY, "out of memory for the report");
  }
  scored_clear(&scored);
  return err;
}

void
tune_outcome_clear(struct tune_outcome *outcome)
{
  buf_free(&outcome->model);
  buf_free(&outcome->folds);
  free(outcome->schema);
  json_decref(outcome->report);
  if (outcome->fast != NULL)
    tune_outcome_clear(outcome->fast);
  free(outcome->fast);
  if (outcome->all != NULL)
    tune_outcome_clear(outcome->all);
  free(outcome->all);
  *outcome = (struct tune_outcome){0};
}

/* Trials within the job's limits come first: the others are left out. If all are beyond them, the one that is so
 * the least is served. */
static void
take_fitting(const struct tune_data *data, struct tune_finish *finish)
{
  size_t fitting = 0, first = 0;
  while (fitting < finish->trial_count && !(finish->trials[fitting].excess > 0))
    fitting++;
  if (fitting > 0)
  {
    finish->trial_count = fitting;
    return;
  }
  while (first < finish->trial_count && !tune_trial_servable(data, &finish->trials[first]))
    first++;
  if (first == finish->trial_count)
    return; /* nothing to serve, as will be told */
  finish->trials += first;
  finish->trial_count = 1;
}

/* The winner among single trials goes before all others. */
static struct tune_trial *
put_winner_first(const struct tune_data *data, const struct tune_finish *candidates)
{
  size_t count = candidates->trial_count;
  size_t winner = tune_winner_find(data, candidates->trials, count), at = 0;
  struct tune_trial *ordered = calloc(count + 1, sizeof *ordered);
  if (ordered == NULL || count == 0)
    return ordered;
  ordered[at++] = candidates->trials[winner];
  for (size_t t = 0; t < count; t++)
    if (t != winner)
      ordered[at++] = candidates->trials[t];
  return ordered;
}

/* The finish's own arrays, by the library. */
static enum err
prepare(struct finishing *work, struct err_info *info)
{
  const struct tune_library *library = &work->library;
  finish_arrange(work);
  work->weights = calloc(library->count + 1, sizeof *work->weights);
  work->same_as = calloc(library->count + 1, sizeof *work->same_as);
  if (work->weights == NULL || work->same_as == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the models");
  for (size_t k = 0; k < library->count; k++)
    while (work->same_as[k] < k
           && !tune_winner_same(work->data, library->trials[work->same_as[k]], library->trials[k]))
      work->same_as[k]++;
  if (work->servable == 0)
    return err_set(info, ERR_NOT_FOUND, "no trial has kept the models of all its folds");
  return ERR_OK;
}

enum err
tune_finish_run(const struct tune_data *data, const struct tune_finish *finish,
                struct tune_outcome *outcome, struct err_info *info)
{
  struct finishing work = {.data = data, .finish = finish, .started_s = clock_monotonic_s()};
  *outcome = (struct tune_outcome){0};
  struct tune_finish candidates = *finish;
  take_fitting(data, &candidates);
  struct tune_trial *trials = put_winner_first(data, &candidates);
  enum err err = trials != NULL ? tune_library_make(data, trials, candidates.trial_count,
                                                    finish->provisional, &work.library, info)
                                : err_set(info, ERR_MEMORY, "out of memory for the trials");
  if (err == ERR_OK)
    err = prepare(&work, info);
  if (err == ERR_OK)
    err = finish_choose(&work, &outcome->model, info);
  work.report_s = clock_monotonic_s();
  if (err == ERR_OK)
    err = finish_report(&work, outcome, info);
  work.report_s = clock_monotonic_s() - work.report_s;
  if (err == ERR_OK)
    err = finish_fast(&work, outcome, info);
  if (err == ERR_OK && !finish->provisional)
    err = finish_refit(&work, outcome, info);
  if (err == ERR_OK && !finish->provisional && split_pack(data->split, &outcome->folds) != ERR_OK)
    err = err_set(info, ERR_MEMORY, "out of memory for the folds");
  if (err != ERR_OK)
    tune_outcome_clear(outcome);
  if (work.model != NULL)
    model_free(work.model);
  free(work.weights);
  free(work.same_as);
  tune_settled_clear(&work.settled);
  tune_library_free(&work.library);
  free(trials);
  return err;
}
