#include <config.h>

#include "tune/tune_long.h"

#include <math.h>
#include <string.h>

#include "data/split.h"
#include "model/family.h"
#include "model/model_cnn.h"
#include "tune/tune_long_internal.h"

/* From this part of the search on that is left, fits are long. (Fashion-MNIST, `cnn` at its defaults on one core,
 * fp32, 12,000 rows held out: 0.9332 and 0.9325 right after 470 s, 0.9358 the mix of those two, 0.9387 after 940 s.) */
#define LONG_PART 0.75
/* A search this far gone starts no further one. */
#define LAST_PART 0.3
#define SHORT_PART 0.05
/* A fit is not worth its start below so many seconds, where the search is not very short itself. */
#define SHORT_LEAST_S 3.0
#define SHORT_MOST_PART 0.3
/* The most sweeps that are of use. */
#define EPOCHS_MOST 60.0
/* A network with time for fewer comes to nothing. */
#define SWEEPS_LEAST 5.0
/* With fewer a convolutional network is no better than a perceptron that has the same time. (Fashion-MNIST, fp32: 0.891
 * and 0.907 right on validation rows after one and two, of 29 s each, a perceptron after 22 s 0.902.) */
#define SWEEPS_WORTH_MORE 2.0
/* Short fits of fewer sweeps don't tell how deep a network should be: shallow ones learn quicker. (Fashion-MNIST, fits
 * of 1.7 sweeps: without blocks 0.896 and 0.895 right, the default 0.889; at length 0.928 and 0.931, the default, of
 * another job, 0.941.) */
#define SWEEPS_TELLING 5.0
/* And nothing at all with fewer than this. (Fashion-MNIST in 120 s, fits of a third of a sweep: 0.72 to 0.79 right, in no order, which
 * took 16 s of each core from long fits of 75 s.) */
#define SWEEPS_BLIND 1.0
/* The defaults have a long fit where their loss is up to this multiple of the best one's: short fits of a few sweeps
 * hardly tell more. */
#define USUAL_LOSS 1.25
/* What training on a row takes, where nobody has measured it, as a multiple of what a prediction of it does: forward
 * and back in batches against forward alone, one by one. */
#define TRAIN_PER_PREDICT 2.0
/* A fit that took less than this part of what it would have taken whole was cut short. */
#define CUT_SHORT 0.75

bool
tune_long_planned(const struct job_spec *spec, enum dataset_kind kind)
{
  static const char *const methods[] = {"bayes", "tpe", "random", "sobol"};
  bool networks = false, goes_by_results = false;

  for (size_t i = 0; i < spec->family_count; i++)
    networks = networks || model_family_find(spec->families[i])->has_rungs;
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
    goes_by_results = goes_by_results || strcmp(spec->method, methods[i]) == 0;
  return kind == DATASET_IMAGES && spec->budget_seconds > 0 && networks && goes_by_results
         && strcmp(spec->early_stopping, "none") == 0;
}

bool
tune_long_now(double search_s, double search_left_s)
{
  return search_left_s <= LONG_PART * search_s;
}

static size_t
count_again(const struct tune_study *study)
{
  size_t again = 0;
  for (size_t t = 1; t < study->noted_count; t++)
    again += study->noted[t].family > 0 && study->noted[t].repeats > 0;
  return again;
}

bool
tune_long_begun(const struct tune_study *study)
{
  return study_ends_long(study) && count_again(study) > 0;
}

double
tune_long_short_s(double search_s)
{
  return fmin(fmax(SHORT_PART * search_s, SHORT_LEAST_S), SHORT_MOST_PART * search_s);
}

/* ---- what the job leaves open ------------------------------------------------------------------------ */

const struct space_param *
long_param_of(const struct tune_study *study, const char *family, const char *name)
{
  const struct space *space = study->spec->space;
  size_t prefix = strlen(family);

  for (size_t p = 0; p < space->count; p++)
  {
    const struct space_param *param = &space->params[p];
    if (strncmp(param->name, family, prefix) == 0 && param->name[prefix] == '.'
        && strcmp(param->name + prefix + 1, name) == 0)
      return param;
  }
  return NULL;
}

/* Whether the job leaves a fit's epochs to the family, which shows in their being fixed at its tuned default. */
static bool
leaves_epochs(const struct tune_study *study, const char *family)
{
  const struct space_param *param = long_param_of(study, family, "epochs");

  return param != NULL && param->kind != SPACE_INT
         && param->values[0].number == family_number(family, &study->shape, NULL, "epochs");
}

double
long_most_epochs(const struct tune_study *study, const char *family, double usual)
{
  const struct space_param *param = long_param_of(study, family, "epochs");

  if (leaves_epochs(study, family))
    return fmax(EPOCHS_MOST, usual);
  return param != NULL && param->kind == SPACE_INT ? param->high : usual;
}

/* ---- its network ------------------------------------------------------------------------------------ */

static struct convnet_config
config_of(const struct tune_study *study, const json_t *params)
{
  struct model_pixels pixels = {.channels = study->shape.channels};
  struct convnet_config config;

  model_cnn_seen_size(&study->shape, params, &pixels.height, &pixels.width);
  model_cnn_config(&study->shape, params, &pixels, study->shape.classes ? study->shape.classes : 1,
                   &config);
  return config;
}

double
long_flops_of(const struct tune_study *study, const json_t *params)
{
  struct convnet_config config = config_of(study, params);
  return convnet_flops(&config);
}

/* Convolutions one after another. */
static size_t
depth_of(const struct tune_study *study, const json_t *params)
{
  struct convnet_config config = config_of(study, params);
  return config.stages * (1 + 2 * config.blocks);
}

void
study_note_network(const struct tune_study *study, const char *family, const json_t *params,
                   struct noted *noted)
{
  bool network = strcmp(family, "cnn") == 0;
  bool mirrored = network && family_choice(family, &study->shape, params, "flip") == FAMILY_YES;

  noted->passes = mirrored ? 2 : 1;
  noted->flops = network ? long_flops_of(study, params) : 0;
  noted->depth = network ? depth_of(study, params) : 0;
}

enum err
study_note_usual(struct tune_study *study, double *point, struct err_info *info)
{
  for (size_t f = 0; f < study->spec->family_count; f++)
  {
    const char *family;
    json_t *params;
    if (strcmp(study->spec->families[f], "cnn") != 0)
      continue;
    study_default_point(study->spec, f, point);
    enum err err = tune_point_params(study->spec, point, &family, &params, info);
    if (err != ERR_OK)
      return err;
    study_note_network(study, family, params, &study->usual);
    json_decref(params);
  }
  return ERR_OK;
}

double
long_train_us(const struct noted *noted)
{
  double guess = noted->us_per_row > 0 ? noted->us_per_row / noted->passes * TRAIN_PER_PREDICT : 0;
  return noted->train_us > 0 ? noted->train_us : guess;
}

double
long_sweep_seconds(const struct tune_study *study, double us)
{
  return (double) study->train_rows * us * 1e-6;
}

/* Seconds for each fit of a trial that is given all workers for so long. */
static double
fit_seconds(const struct tune_study *study, const struct tune_situation *situation, double seconds)
{
  size_t workers = situation->workers ? situation->workers : 1;
  return seconds / ceil((double) study->folds / (double) workers);
}

double
long_us_per_flop(const struct tune_study *study)
{
  double least = INFINITY;

  for (size_t t = 1; t < study->noted_count; t++)
  {
    const struct noted *noted = &study->noted[t];
    if (noted->flops > 0 && long_train_us(noted) > 0)
      least = fmin(least, long_train_us(noted) / noted->flops);
  }
  return isinf(least) ? 0 : least;
}

void
tune_long_note_time(struct tune_study *study, const struct tune_situation *situation)
{
  double seconds = study_ends_long(study) && isfinite(situation->search_s)
                     ? fit_seconds(study, situation, LONG_PART * situation->search_s)
                     : 0;
  if (seconds == study->long_fit_s)
    return;
  study->long_fit_s = seconds;
  study_renew_wanted(study);
}

/* Whether short fits can tell a network of these parameters from the default one. */
static bool
short_fits_tell(const struct tune_study *study, const struct tune_situation *situation,
                const json_t *params)
{
  double sweep_s = long_sweep_seconds(study, long_us_per_flop(study) * study->usual.flops);

  return depth_of(study, params) >= study->usual.depth
         || SWEEPS_TELLING * sweep_s
              <= fit_seconds(study, situation, tune_long_short_s(situation->search_s));
}

bool
tune_long_suits(const struct tune_study *study, const struct tune_situation *situation)
{
  const char *family;
  json_t *params;
  struct err_info info;
  double each = long_us_per_flop(study);
  bool suits = true;

  if (!(each > 0)
      || tune_point_params(study->spec, study->point, &family, &params, &info) != ERR_OK)
    return true;
  if (strcmp(family, "cnn") == 0)
  {
    double sweeps = fmin(SWEEPS_LEAST, family_number(family, &study->shape, params, "epochs"));
    double sweep_s = long_sweep_seconds(study, each * long_flops_of(study, params));
    suits = sweeps * sweep_s <= fit_seconds(study, situation, LONG_PART * situation->search_s)
            && short_fits_tell(study, situation, params);
  }
  json_decref(params);
  return suits;
}

/* ---- the choice -------------------------------------------------------------------------------------- */

/* CPU seconds that the trial's fits would have taken if nothing had shortened them. */
static double
whole_seconds(const struct tune_study *study, const struct noted *noted)
{
  return (double) (study->folds * noted->epochs) * long_sweep_seconds(study, long_train_us(noted));
}

/* Whether a whole fit of the trial has less than half of the epochs that are of use, because the rows are many. */
static bool
is_brief(const struct tune_study *study, const struct noted *noted)
{
  const char *family = study->spec->families[noted->family - 1];

  return strcmp(family, "cnn") == 0 && study->shape.base.stages == 0 && leaves_epochs(study, family)
         && 2.0 * (double) noted->epochs <= EPOCHS_MOST;
}

/* Whether a trial may be trained at length: it was cut short, or is brief when it is whole. Others have little to
 * gain. */
static bool
is_candidate(const struct tune_study *study, const struct noted *noted)
{
  return noted->family > 0 && noted->done && noted->repeats == 0 && noted->within
         && noted->epochs > 0
         && (noted->seconds < CUT_SHORT * whole_seconds(study, noted) || is_brief(study, noted));
}

/* Whether a long fit has too little time even for the quickest network of the family that was tried. */
static bool
falls_short(const struct tune_study *study, size_t family)
{
  double us = study->costs[family - 1].train_us;

  return study->long_fit_s > 0 && us > 0
         && SWEEPS_WORTH_MORE * long_sweep_seconds(study, us) > study->long_fit_s;
}

/* Scores of fits that were cut short can be compared within a family only; of families the dearer one has the
 * more to gain, where there is the time for it. */
static bool
is_before(const struct tune_study *study, const struct noted *a, const struct noted *b)
{
  double a_s = study->costs[a->family - 1].estimate_s, b_s = study->costs[b->family - 1].estimate_s;
  bool a_short = falls_short(study, a->family), b_short = falls_short(study, b->family);

  if (a_short != b_short)
    return b_short;
  if (a->family != b->family && a_s != b_s)
    return a_s > b_s;
  return a->objective != b->objective ? a->objective < b->objective : a < b;
}

static size_t
count_candidates(const struct tune_study *study)
{
  size_t count = 0;
  for (size_t t = 1; t < study->noted_count; t++)
    count += is_candidate(study, &study->noted[t]);
  return count;
}

/* The number of the candidate that comes before all others; 0 = there is none. */
static size_t
best_candidate(const struct tune_study *study)
{
  size_t best = 0;

  for (size_t t = 1; t < study->noted_count; t++)
    if (is_candidate(study, &study->noted[t])
        && (best == 0 || is_before(study, &study->noted[t], &study->noted[best])))
      best = t;
  return best;
}

bool
tune_long_is_close(double objective, double best, enum metric metric, double times)
{
  double least = metric_higher_is_better(metric) ? -1.0 : 0.0;

  return objective - least <= times * (best - least);
}

/* Whether the trial is the first one of its family, and not a random one. */
static bool
is_usual(const struct tune_study *study, size_t trial)
{
  return study->noted[trial].first && trial <= study->first_count;
}

bool
tune_long_at_once(const struct tune_study *study, const struct tune_situation *situation)
{
  double us = long_us_per_flop(study) * study->usual.flops;
  bool known = study_ends_long(study) && study->noted_count > study->first_count && us > 0;

  for (size_t t = 1; known && t <= study->first_count; t++)
    known = study->noted[t].ended;
  return known && study->noted[best_candidate(study)].flops > 0
         && SWEEPS_BLIND * long_sweep_seconds(study, us)
              > fit_seconds(study, situation, tune_long_short_s(situation->search_s));
}

/* Whether the trial takes turns with the best one, being of its family and about as good; the defaults, which are good
 * at length on most data, may be worse. */
static bool
is_in_turn(const struct tune_study *study, size_t trial, size_t best, enum metric metric)
{
  const struct noted *noted = &study->noted[trial];
  double times = is_usual(study, trial) ? USUAL_LOSS : LONG_CLOSE_LOSS;

  return noted->family == study->noted[best].family
         && tune_long_is_close(noted->objective, study->noted[best].objective, metric, times);
}

static size_t
count_repeats(const struct tune_study *study, size_t trial)
{
  size_t repeats = 0;

  for (size_t t = 1; t < study->noted_count; t++)
    repeats += study->noted[t].family > 0 && study->noted[t].repeats == trial;
  return repeats;
}

/* The candidate whose turn it is, of those that had the fewest long fits: the best, then its family's defaults, then
 * others. Where there is but the best, it is trained again from other random numbers, which makes a better mix than a
 * worse trial does. */
static size_t
candidate_in_turn(const struct tune_study *study, enum metric metric)
{
  size_t best = best_candidate(study), chosen = best, fewest = count_repeats(study, best);

  for (size_t t = 1; t < study->noted_count; t++)
  {
    if (t == best || !is_candidate(study, &study->noted[t]) || !is_in_turn(study, t, best, metric))
      continue;
    size_t repeats = count_repeats(study, t);
    bool usual = is_usual(study, t), chosen_usual = is_usual(study, chosen);
    bool sooner =
      usual != chosen_usual ? usual : is_before(study, &study->noted[t], &study->noted[chosen]);
    if (repeats > fewest || (repeats == fewest && (chosen == best || !sooner)))
      continue;
    chosen = t;
    fewest = repeats;
  }
  return chosen;
}

/* Whether a family that is dearer than the best candidate's, so that its trials come before that, still has its first one
 * at work. */
static bool
dearer_is_to_come(const struct tune_study *study)
{
  const struct noted *best = &study->noted[best_candidate(study)];
  bool to_come = false;

  for (size_t t = 1; t < study->noted_count; t++)
  {
    const struct noted *noted = &study->noted[t];
    to_come = to_come
              || (noted->family > 0 && noted->first && !noted->ended && noted->epochs > 0
                  && study->costs[noted->family - 1].estimate_s
                       > study->costs[best->family - 1].estimate_s);
  }
  return to_come;
}

bool
tune_long_wants(const struct tune_study *study, size_t family)
{
  size_t best = best_candidate(study);

  return best == 0 || study->noted[best].family == family + 1;
}

/* ---- the suggestion ---------------------------------------------------------------------------------- */

enum err
tune_long_suggest(struct tune_study *study, const struct tune_situation *situation, bool *found,
                  struct tune_suggestion *suggestion, struct err_info *info)
{
  size_t candidates = count_candidates(study), again = count_again(study);
  double search_s = situation->search_s;

  *found = candidates > 0 || (study->done == 0 && situation->live_trials > 0);
  if (candidates == 0 || (situation->live_trials > 0 && dearer_is_to_come(study)))
    return ERR_OK; /* TUNE_WAIT, or the search goes on */
  if (again > 0 && situation->search_left_s < LAST_PART * search_s)
  {
    suggestion->decision = TUNE_STOP;
    suggestion->stop_reason = "budget_seconds";
    return ERR_OK;
  }
  size_t trial = candidate_in_turn(study, situation->metric);
  enum err err = study_suggest_again(study, trial, suggestion, info);
  suggestion->predicted_s = situation->search_left_s;
  if (err == ERR_OK && strcmp(suggestion->family, "cnn") == 0)
    long_grow(study, &study->noted[trial], situation->metric,
              fit_seconds(study, situation, situation->search_left_s), suggestion->params);
  return err;
}
