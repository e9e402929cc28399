#include <config.h>

#include "tune/tune_finish_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tune/greedy.h"
#include "tune/tune_bag.h"
#include "tune/tune_kept.h"
#include "tune/tune_limits.h"
#include "tune/tune_long.h"

#define MOST_MIXED 12 /* trials an ensemble may be made of */
/* Of a search that ends with long fits those are mixed that lose at most so many times what the best one does. (A job of
 * 1,200 s on Fashion-MNIST, weights found on half of its validation rows: 5.59% errors on the other half and a log loss
 * of 0.241 with the short fits, of 8.3% and more alone, for candidates, 5.53% and 0.234 without.) */
#define MIXED_LOSS 1.15
#define MAX_PICKS 25
#define SELECTIONS 5
#define LEAST_WEIGHT                                                                               \
  0.05 /* of a member: half of them are below it, and take half of the time for nothing */
#define WINS_NEEDED 0.7
#define COST_SECONDS 0.1
#define CHOOSING_SHARE 0.5 /* of the time there is */

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

/* Whether the trial is near enough to the best one; of searches whose fits are as long as each needs, all are. */
static bool
is_close(const struct finishing *work, size_t k)
{
  const struct tune_data *data = work->data;
  const struct tune_trial *const *trials = work->library.trials;

  return k == 0 || !tune_long_planned(data->spec, data->shape.kind)
         || tune_long_is_close(trials[k]->objective, trials[0]->objective, data->metric,
                               MIXED_LOSS);
}

/* Those that are near enough come first of those to be mixed. */
static void
leave_out_distant(struct finishing *work)
{
  size_t close = 0;

  for (size_t k = 0; k < work->mixed; k++)
    if (is_close(work, k))
      move_up(&work->library, k, close++);
  work->mixed = close;
}

/* Servable trials to the front; of them, the best few and the best of each family may be mixed. */
void
finish_arrange(struct finishing *work)
{
  struct tune_library *library = &work->library;
  for (size_t k = 0; k < library->count; k++)
    if (tune_trial_servable(work->data, library->trials[k]))
      move_up(library, k, work->servable++);
  work->mixed = work->servable < MOST_MIXED ? work->servable : MOST_MIXED;
  for (size_t k = work->mixed; k < work->servable; k++)
    if (!has_family(library, work->mixed, library->trials[k]->family))
      move_up(library, k, work->mixed++);
  leave_out_distant(work);
  if (work->finish->simple || work->finish->provisional)
    work->mixed = 0;
}

/* ---- the choice -------------------------------------------------------------------------------------- */

enum err
finish_bbc_request(const struct finishing *work, struct bbc_request *request)
{
  const struct tune_data *data = work->data;
  bool folds = data->split->kind == SPLIT_FOLDS;
  *request = (struct bbc_request){
    .predictions = work->library.predictions,
    /* With report rows only the question single or ensemble is open. */
    .count = folds ? work->library.count : work->servable,
    .same_as = work->same_as,
    .ensemble_count = work->mixed,
    .max_picks = MAX_PICKS,
    .labels = &work->library.labels.labels,
    .task = &data->task,
    .metric = data->metric,
    .decision = &data->decision,
    .calibrate = true,
    .seed = finish_seed(work, 1),
    .deadline_s = clock_monotonic_s() + work->finish->seconds * CHOOSING_SHARE};
  return tune_groups_of(data, work->library.rows, work->library.row_count, &request->groups);
}

static enum err
estimate(struct finishing *work, struct err_info *info)
{
  struct bbc_request request;
  enum err err = finish_bbc_request(work, &request);
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

/* Members that hardly count are left out, the others' weights again sum to 1. */
static void
drop_light(double *weights, size_t count)
{
  double sum = 0;
  for (size_t k = 0; k < count; k++)
  {
    if (weights[k] < LEAST_WEIGHT)
      weights[k] = 0;
    sum += weights[k];
  }
  for (size_t k = 0; k < count && sum > 0; k++)
    weights[k] /= sum;
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
                                   .seed = finish_seed(work, 2)};
  enum err err = greedy_select(&request, weights);
  if (err != ERR_OK)
    return err_set(info, err, "out of memory for the ensemble");
  drop_light(weights, count);
  for (size_t i = 0; i < count; i++)
    work->weights[index[i]] = weights[i];
  return ERR_OK;
}

/* ---- the model --------------------------------------------------------------------------------------- */

/* What the built model costs, as a multiple of what it may. */
static double
load_of(const struct finishing *work)
{
  struct tune_cost cost = {.us_per_row = work->us_per_row, .bytes = (double) work->model_bytes};
  return tune_limits_load(work->data->spec, work->data->shape.kind, &cost);
}

enum err
finish_cost_alone(const struct finishing *work, size_t trial, struct tune_cost *cost,
                  struct err_info *info)
{
  struct model *alone = NULL;
  const struct tune_trial *chosen = work->library.trials[trial];
  double one = 1;
  *cost = (struct tune_cost){0};
  enum err err = tune_bag_make(work->data, &chosen, &one, 1, &alone, info);
  if (err == ERR_OK)
    err = tune_bag_cost(work->data, alone, COST_SECONDS / 4, &cost->us_per_row, info);
  if (alone != NULL)
    model_free(alone);
  for (size_t f = 0; f < work->data->split->fold_count; f++)
    cost->bytes += (double) chosen->folds[f].model_length;
  return err;
}

/* The same of one trial alone. */
static enum err
load_alone(const struct finishing *work, size_t trial, double *load, struct err_info *info)
{
  struct tune_cost cost;
  enum err err = finish_cost_alone(work, trial, &cost, info);
  *load = tune_limits_load(work->data->spec, work->data->shape.kind, &cost);
  return err;
}

enum err
finish_keep(struct finishing *work, struct model *made, struct buf *bytes, struct err_info *info)
{
  buf_free(bytes);
  model_free(work->model);
  work->model = NULL;
  enum err err = tune_settle(work->data, &work->library, work->weights, work->servable, made,
                             &work->settled, info);
  if (err == ERR_OK)
    err = model_save(made, bytes, info);
  model_free(made);
  if (err == ERR_OK && bytes->failed)
    err = err_set(info, ERR_MEMORY, "out of memory for the model");
  if (err == ERR_OK)
    err = model_load(bytes->data, bytes->length, &work->model, info);
  work->model_bytes = bytes->length;
  if (err == ERR_OK)
    err = tune_bag_cost(work->data, work->model, COST_SECONDS, &work->us_per_row, info);
  return err;
}

/* The bag of the weights. */
static enum err
build(struct finishing *work, struct buf *bytes, struct err_info *info)
{
  struct model *bag = NULL;
  enum err err =
    tune_bag_make(work->data, work->library.trials, work->weights, work->servable, &bag, info);
  return err == ERR_OK ? finish_keep(work, bag, bytes, info) : err;
}

void
finish_choose_single(struct finishing *work, size_t trial)
{
  memset(work->weights, 0, work->servable * sizeof *work->weights);
  work->weights[trial] = 1;
  work->ensemble = false;
}

enum err
finish_build_single(struct finishing *work, size_t trial, struct buf *bytes, struct err_info *info)
{
  finish_choose_single(work, trial);
  return build(work, bytes, info);
}

/* The dearest member of the present mix; its own cost is measured alone. */
static enum err
dearest_member(const struct finishing *work, size_t *dearest, struct err_info *info)
{
  double most = -1;
  enum err err = ERR_OK;
  for (size_t k = 0; k < work->servable && err == ERR_OK; k++)
  {
    double load = 0;
    if (!(work->weights[k] > 0))
      continue;
    err = load_alone(work, k, &load, info);
    if (load > most)
    {
      most = load;
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
    if (err != ERR_OK || load_of(work) <= 1)
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

/* The best single trial; of a job with limits the best that is cheap enough, if one is. What is usual for a mix does
 * not count: nobody asked for a worse model. */
static enum err
build_best_single(struct finishing *work, struct buf *bytes, struct err_info *info)
{
  size_t tried = tune_limits_count(work->data->spec) > 0 ? work->servable : 0;

  for (size_t k = 0; k < tried; k++)
  {
    enum err err = finish_build_single(work, k, bytes, info);
    if (err != ERR_OK)
      return err;
    if (load_of(work) <= 1)
    {
      work->best = k;
      /* A bootstrap's choice knows of no cost: it tells nothing of one that took the best one's place for that. */
      work->bbc_done = work->bbc_done && k == 0;
      return ERR_OK;
    }
  }
  work->best = 0;
  return finish_build_single(work, 0, bytes, info);
}

enum err
finish_choose(struct finishing *work, struct buf *bytes, struct err_info *info)
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
