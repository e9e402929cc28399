#include <config.h>

#include "tune/tune_finish.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "data/split_pack.h"
#include "tune/greedy.h"
#include "tune/report.h"
#include "tune/tune_bag.h"
#include "tune/suspects.h"
#include "tune/tune_decide.h"
#include "tune/tune_kept.h"
#include "tune/tune_score.h"

#define MOST_MIXED 12 /* trials an ensemble may be made of */
#define MAX_PICKS 25
#define SELECTIONS 3
#define WINS_NEEDED 0.7
#define TABLE_PREDICT_US 2000.0
#define IMAGE_PREDICT_US 20000.0
#define HOLDOUT_BOOTSTRAPS 500
#define COST_SECONDS 0.1
#define CHOOSING_SHARE 0.5 /* of the time there is */

/* Everything the steps of one finish share. */
struct finishing
{
  const struct tune_data *data;
  const struct tune_finish *finish;
  struct tune_library library; /* servable trials first, then the others */
  size_t servable;
  size_t mixed;    /* the first so many may be mixed */
  double *weights; /* (servable): what is served */
  size_t best;     /* the best single trial */
  struct bbc_result bbc;
  bool bbc_done, ensemble;
  struct model *model; /* as loaded from the saved bytes */
  double us_per_row;
};

static uint64_t
seed_of(const struct finishing *work, uint64_t stream)
{
  return rng_mix(work->data->spec->seed, stream);
}

/* ---- the library ------------------------------------------------------------------------------------- */

static void
swap(struct tune_library *library, size_t a, size_t b)
{
  const struct tune_trial *trial = library->trials[a];
  const float *predictions = library->predictions[a];
  library->trials[a] = library->trials[b];
  library->predictions[a] = library->predictions[b];
  library->trials[b] = trial;
  library->predictions[b] = predictions;
}

/* Moves entry `from` to the front part's end `to`, keeping the order of those between. */
static void
move_up(struct tune_library *library, size_t from, size_t to)
{
  for (size_t k = from; k > to; k--)
    swap(library, k, k - 1);
}

static bool
has_family(const struct tune_library *library, size_t count, const char *family)
{
  for (size_t k = 0; k < count; k++)
    if (strcmp(library->trials[k]->family, family) == 0)
      return true;
  return false;
}

/* Servable trials to the front; of them, the best few and the best of each family may be mixed. */
static void
arrange(struct finishing *work)
{
  struct tune_library *library = &work->library;
  for (size_t k = 0; k < library->count; k++)
    if (tune_trial_servable(work->data, library->trials[k]))
      move_up(library, k, work->servable++);
  work->mixed = work->servable < MOST_MIXED ? work->servable : MOST_MIXED;
  for (size_t k = work->mixed; k < work->servable; k++)
    if (!has_family(library, work->mixed, library->trials[k]->family))
      move_up(library, k, work->mixed++);
  if (work->finish->simple || work->finish->provisional)
    work->mixed = 0;
}

/* ---- the choice -------------------------------------------------------------------------------------- */

static enum err
estimate(struct finishing *work, struct err_info *info)
{
  const struct tune_data *data = work->data;
  bool folds = data->split->kind == SPLIT_FOLDS;
  struct bbc_request request = {.predictions = work->library.predictions,
                                /* With report rows only the question single or ensemble is open. */
                                .count = folds ? work->library.count : work->servable,
                                .ensemble_count = work->mixed,
                                .max_picks = MAX_PICKS,
                                .selections = SELECTIONS,
                                .labels = &work->library.labels.labels,
                                .task = &data->task,
                                .metric = data->metric,
                                .decision = &data->decision,
                                .seed = seed_of(work, 1),
                                .deadline_s =
                                  clock_monotonic_s() + work->finish->seconds * CHOOSING_SHARE};
  enum err err = tune_groups_of(data, work->library.rows, work->library.row_count, &request.groups);
  if (err == ERR_OK)
  {
    request.bootstraps = bbc_bootstraps(&request);
    err = bbc_estimate(&request, &work->bbc);
  }
  free((uint32_t *) request.groups.of_row);
  if (err != ERR_OK)
    return err_set(info, err, "out of memory for the estimate");
  work->bbc_done = true;
  return ERR_OK;
}

static enum err
choose_ensemble(struct finishing *work, const bool *banned, struct err_info *info)
{
  const struct tune_data *data = work->data;
  const float *predictions[MOST_MIXED + 64];
  size_t index[MOST_MIXED + 64], count = 0;
  double weights[MOST_MIXED + 64];
  for (size_t k = 0; k < work->mixed && count < MOST_MIXED + 64; k++)
    if (!banned[k])
    {
      predictions[count] = work->library.predictions[k];
      index[count++] = k;
    }
  memset(work->weights, 0, work->servable * sizeof *work->weights);
  if (count == 0)
    return ERR_OK;
  struct greedy_request request = {.predictions = predictions,
                                   .count = count,
                                   .labels = &work->library.labels.labels,
                                   .task = &data->task,
                                   .metric = data->metric,
                                   .decision = &data->decision,
                                   .max_picks = MAX_PICKS,
                                   .selections = SELECTIONS,
                                   .seed = seed_of(work, 2)};
  enum err err = greedy_select(&request, weights);
  if (err != ERR_OK)
    return err_set(info, err, "out of memory for the ensemble");
  for (size_t i = 0; i < count; i++)
    work->weights[index[i]] = weights[i];
  return ERR_OK;
}

/* ---- the model --------------------------------------------------------------------------------------- */

static double
most_us(const struct tune_data *data)
{
  if (data->spec->max_predict_us > 0)
    return data->spec->max_predict_us;
  return data->shape.kind == DATASET_IMAGES ? IMAGE_PREDICT_US : TABLE_PREDICT_US;
}

/* Builds the bag of the weights and keeps it as it comes back from its bytes, with what it costs. */
static enum err
build(struct finishing *work, struct buf *bytes, struct err_info *info)
{
  struct model *bag = NULL;
  struct decision decision;
  buf_free(bytes);
  model_free(work->model);
  work->model = NULL;
  enum err err =
    tune_bag_make(work->data, work->library.trials, work->weights, work->servable, &bag, info);
  if (err == ERR_OK)
    err = tune_decide(work->data, &work->library, work->weights, work->servable, &decision, info);
  if (err == ERR_OK)
    err = model_set_decision(bag, &decision, info);
  if (err == ERR_OK)
    err = model_save(bag, bytes, info);
  if (bag != NULL)
    model_free(bag);
  if (err == ERR_OK && bytes->failed)
    err = err_set(info, ERR_MEMORY, "out of memory for the model");
  if (err == ERR_OK)
    err = model_load(bytes->data, bytes->length, &work->model, info);
  if (err == ERR_OK)
    err = tune_bag_cost(work->data, work->model, COST_SECONDS, &work->us_per_row, info);
  return err;
}

static enum err
build_single(struct finishing *work, size_t trial, struct buf *bytes, struct err_info *info)
{
  memset(work->weights, 0, work->servable * sizeof *work->weights);
  work->weights[trial] = 1;
  work->ensemble = false;
  return build(work, bytes, info);
}

/* The dearest member of the present mix; its own cost is measured alone. */
static enum err
dearest_member(struct finishing *work, size_t *dearest, struct err_info *info)
{
  double most = -1;
  enum err err = ERR_OK;
  for (size_t k = 0; k < work->servable && err == ERR_OK; k++)
  {
    if (!(work->weights[k] > 0))
      continue;
    struct model *alone = NULL;
    double one = 1, us = 0;
    err = tune_bag_make(work->data, &work->library.trials[k], &one, 1, &alone, info);
    if (err == ERR_OK)
      err = tune_bag_cost(work->data, alone, COST_SECONDS / 4, &us, info);
    if (alone != NULL)
      model_free(alone);
    if (us > most)
    {
      most = us;
      *dearest = k;
    }
  }
  return err;
}

/* Leaves out the dearest member until the mix is cheap enough to serve. */
static enum err
build_ensemble(struct finishing *work, struct buf *bytes, struct err_info *info)
{
  bool *banned = calloc(work->servable + 1, sizeof *banned);
  enum err err = banned != NULL ? ERR_OK : ERR_MEMORY;
  for (size_t round = 0; round < work->mixed && err == ERR_OK; round++)
  {
    size_t members = 0, dearest = 0;
    err = choose_ensemble(work, banned, info);
    for (size_t k = 0; k < work->servable; k++)
      members += work->weights[k] > 0;
    if (err != ERR_OK || members < 2)
      break;
    err = build(work, bytes, info);
    if (err != ERR_OK || work->us_per_row <= most_us(work->data))
    {
      work->ensemble = err == ERR_OK;
      break;
    }
    err = dearest_member(work, &dearest, info);
    banned[dearest] = true;
  }
  free(banned);
  return err;
}

/* The best single trial that is cheap enough; if none is, the best one all the same. */
static enum err
build_best_single(struct finishing *work, struct buf *bytes, struct err_info *info)
{
  for (size_t k = 0; k < work->servable; k++)
  {
    enum err err = build_single(work, k, bytes, info);
    if (err != ERR_OK)
      return err;
    if (work->us_per_row <= most_us(work->data))
    {
      work->best = k;
      return ERR_OK;
    }
  }
  work->best = 0;
  return build_single(work, 0, bytes, info);
}

static enum err
choose_and_build(struct finishing *work, struct buf *bytes, struct err_info *info)
{
  bool folds = work->data->split->kind == SPLIT_FOLDS;
  enum err err = ERR_OK;
  if (!work->finish->provisional && (folds || work->mixed > 1))
    err = estimate(work, info);
  if (err == ERR_OK && work->mixed > 1 && work->bbc.ensemble_wins >= WINS_NEEDED)
    err = build_ensemble(work, bytes, info);
  if (err == ERR_OK && !work->ensemble)
    err = build_best_single(work, bytes, info);
  return err;
}

/* ---- the score and the report ------------------------------------------------------------------------ */

struct scored
{
  float *predictions;
  size_t *rows; /* report rows */
  size_t count;
  struct tune_labels labels;
  size_t *train_rows;
  size_t train_count;
};

static void
scored_clear(struct scored *scored)
{
  free(scored->predictions);
  free(scored->rows);
  free(scored->train_rows);
  tune_labels_free(&scored->labels);
}

/* Predicts the report rows with the model as stored. */
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
  struct model_workspace *workspace = model_workspace_new();
  if (err != ERR_OK || scored->predictions == NULL || workspace == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory for the report rows");
  if (err == ERR_OK)
    err = model_predict_dataset(work->model, workspace, data->dataset, scored->rows, scored->count,
                                scored->predictions, info);
  model_workspace_free(workspace);
  return err;
}

/* The out-of-fold predictions of what is served: the mean over trials, as the bag's is. */
static enum err
mix_validation(const struct finishing *work, struct scored *scored, struct err_info *info)
{
  size_t values = work->library.row_count * work->data->task.output_count;
  scored->predictions = malloc((values + 1) * sizeof *scored->predictions);
  if (scored->predictions == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the report");
  greedy_mix(work->library.predictions, work->weights, work->servable, values, scored->predictions);
  return ERR_OK;
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
    .predictions = scored->predictions,
    .best = work->library.trials[work->best],
    .members = work->library.trials,
    .weights = work->weights,
    .member_count = work->servable,
    .ensemble = work->ensemble,
    .ensemble_wins = work->mixed > 1 && work->bbc_done ? work->bbc.ensemble_wins : NAN,
    .us_per_row = work->us_per_row};
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
                   &groups, HOLDOUT_BOOTSTRAPS, seed_of(work, 3), &facts->score);
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
  enum err err =
    held_out ? score_report_rows(work, scored, info) : mix_validation(work, scored, info);
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
                                                 scored->predictions, &facts->decision),
                       .low = NAN,
                       .high = NAN};
  return ERR_OK;
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

static enum err
write_report(const struct finishing *work, struct tune_outcome *outcome, struct err_info *info)
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
  *outcome = (struct tune_outcome){0};
}

enum err
tune_finish_run(const struct tune_data *data, const struct tune_finish *finish,
                struct tune_outcome *outcome, struct err_info *info)
{
  struct finishing work = {.data = data, .finish = finish};
  *outcome = (struct tune_outcome){0};
  enum err err = tune_library_make(data, finish->trials, finish->trial_count, finish->provisional,
                                   &work.library, info);
  if (err != ERR_OK)
    return err;
  arrange(&work);
  work.weights = calloc(work.library.count + 1, sizeof *work.weights);
  if (work.weights == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory for the models");
  else if (work.servable == 0)
    err = err_set(info, ERR_NOT_FOUND, "no trial has kept the models of all its folds");
  if (err == ERR_OK)
    err = choose_and_build(&work, &outcome->model, info);
  if (err == ERR_OK)
    err = write_report(&work, outcome, info);
  if (err == ERR_OK && !finish->provisional && split_pack(data->split, &outcome->folds) != ERR_OK)
    err = err_set(info, ERR_MEMORY, "out of memory for the folds");
  if (err != ERR_OK)
    tune_outcome_clear(outcome);
  if (work.model != NULL)
    model_free(work.model);
  free(work.weights);
  tune_library_free(&work.library);
  return err;
}
