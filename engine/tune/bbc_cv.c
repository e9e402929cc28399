#include <config.h>

#include "tune/bbc_cv.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "model/model.h"
#include "tune/calibrate.h"
#include "tune/greedy.h"

#define BBC_STREAM 0x424243u
#define MOST_BOOTSTRAPS 500
#define FEWEST_BOOTSTRAPS 50
/* Elementary steps for all bootstraps together: a few seconds. */
#define WORK_LIMIT 1.5e9
/* Even a missed deadline leaves this many, or the interval would say nothing. */
#define BOOTSTRAPS_AT_LEAST 20
/* A temperature of the single choice and one of the mix take as long as scoring about so many configurations. */
#define CALIBRATION_SCORINGS 200

/* How a choice did on the rows that it was not made on. */
struct outside
{
  double metric;
  double log_loss; /* 0 with numbers */
};

/* Rows chosen for one bootstrap, with their labels. */
struct part
{
  size_t *rows;
  size_t count;
  int32_t *classes;
  double *values, *weights;
  struct labels labels;
};

struct bbc
{
  const struct bbc_request *request;
  size_t outputs;
  struct part in, out;
  uint8_t *drawn;
  size_t room; /* rows that fit into the bag */
  size_t *starts, *by_group;
  float *gathered; /* (max (1, ensemble_count), room, outputs): in-bag predictions */
  float *scored;   /* (room, outputs): predictions of a choice */
  const float **candidates;
  const float **outside;
  double *weights, *objectives;
  double *single, *ensemble; /* scores by bootstrap */
  double wins;
  size_t compared;
};

/* ---- memory ------------------------------------------------------------------------------------------ */

static bool
part_init(struct part *part, size_t rows)
{
  part->rows = malloc((rows + 1) * sizeof *part->rows);
  part->classes = malloc((rows + 1) * sizeof *part->classes);
  part->values = malloc((rows + 1) * sizeof *part->values);
  part->weights = malloc((rows + 1) * sizeof *part->weights);
  return part->rows != NULL && part->classes != NULL && part->values != NULL
         && part->weights != NULL;
}

static void
part_free(struct part *part)
{
  free(part->rows);
  free(part->classes);
  free(part->values);
  free(part->weights);
}

static void
bbc_clear(struct bbc *bbc)
{
  part_free(&bbc->in);
  part_free(&bbc->out);
  free(bbc->drawn);
  free(bbc->starts);
  free(bbc->by_group);
  free(bbc->gathered);
  free(bbc->scored);
  free(bbc->candidates);
  free(bbc->outside);
  free(bbc->weights);
  free(bbc->objectives);
  free(bbc->single);
  free(bbc->ensemble);
}

static bool
bbc_init(struct bbc *bbc, const struct bbc_request *request)
{
  size_t rows = request->labels->count, mixed = request->ensemble_count;
  *bbc = (struct bbc){.request = request, .outputs = request->task->output_count};
  if (mixed < 2)
    mixed = 1;
  if (rows == 0 || bbc->outputs == 0 || rows > SIZE_MAX / 32 / bbc->outputs / (mixed + 1))
    return false;
  bbc->room = request->groups.of_row != NULL ? 2 * rows : rows;
  bool parts = part_init(&bbc->in, bbc->room) && part_init(&bbc->out, rows);
  bbc->drawn = malloc(rows);
  bbc->gathered = malloc(mixed * bbc->room * bbc->outputs * sizeof *bbc->gathered);
  bbc->scored = malloc(bbc->room * bbc->outputs * sizeof *bbc->scored);
  bbc->candidates = calloc(mixed, sizeof *bbc->candidates);
  bbc->outside = calloc(mixed, sizeof *bbc->outside);
  bbc->weights = calloc(mixed, sizeof *bbc->weights);
  bbc->objectives = calloc(request->count + 1, sizeof *bbc->objectives);
  bbc->single = calloc(request->bootstraps + 1, sizeof *bbc->single);
  bbc->ensemble = calloc(request->bootstraps + 1, sizeof *bbc->ensemble);
  return parts && bbc->drawn != NULL && bbc->gathered != NULL && bbc->scored != NULL
         && bbc->candidates != NULL && bbc->outside != NULL && bbc->weights != NULL
         && bbc->objectives != NULL && bbc->single != NULL && bbc->ensemble != NULL;
}

/* ---- one bootstrap ----------------------------------------------------------------------------------- */

static void
part_label(struct part *part, const struct labels *all)
{
  for (size_t i = 0; i < part->count; i++)
  {
    if (all->classes != NULL)
      part->classes[i] = all->classes[part->rows[i]];
    if (all->values != NULL)
      part->values[i] = all->values[part->rows[i]];
    if (all->weights != NULL)
      part->weights[i] = all->weights[part->rows[i]];
  }
  part->labels = (struct labels){.count = part->count,
                                 .classes = all->classes != NULL ? part->classes : NULL,
                                 .values = all->values != NULL ? part->values : NULL,
                                 .weights = all->weights != NULL ? part->weights : NULL};
}

/* Sorts the rows by group: group g's are by_group[starts[g] … starts[g + 1] − 1]. */
static bool
sort_groups(struct bbc *bbc)
{
  const struct bbc_groups *groups = &bbc->request->groups;
  size_t rows = bbc->request->labels->count;
  if (groups->of_row == NULL)
    return true;
  bbc->starts = calloc(groups->count + 2, sizeof *bbc->starts);
  bbc->by_group = calloc(rows + 1, sizeof *bbc->by_group);
  if (bbc->starts == NULL || bbc->by_group == NULL)
    return false;
  for (size_t i = 0; i < rows; i++)
    bbc->starts[groups->of_row[i] + 2]++;
  for (size_t g = 0; g < groups->count; g++)
    bbc->starts[g + 2] += bbc->starts[g + 1];
  for (size_t i = 0; i < rows; i++)
    bbc->by_group[bbc->starts[groups->of_row[i] + 1]++] = i;
  return true;
}

/* Takes a row into the bag, as often as it is drawn. */
static void
take(struct bbc *bbc, size_t row)
{
  bbc->in.rows[bbc->in.count++] = row;
  bbc->drawn[row] = 1;
}

/* As many groups as there are, with replacement. Should large ones come so often that twice the rows do
 * not hold them, the draw ends there. */
static void
draw_groups(struct bbc *bbc, struct rng *rng)
{
  size_t groups = bbc->request->groups.count;
  for (size_t k = 0; k < groups; k++)
  {
    size_t group = (size_t) rng_below(rng, groups);
    size_t begin = bbc->starts[group], end = bbc->starts[group + 1];
    if (end - begin > bbc->room - bbc->in.count)
      break;
    for (size_t i = begin; i < end; i++)
      take(bbc, bbc->by_group[i]);
  }
}

static void
draw(struct bbc *bbc, struct rng *rng)
{
  size_t rows = bbc->request->labels->count;
  memset(bbc->drawn, 0, rows);
  bbc->in.count = 0;
  bbc->out.count = 0;
  if (bbc->starts != NULL)
    draw_groups(bbc, rng);
  else
    for (size_t i = 0; i < rows; i++)
      take(bbc, (size_t) rng_below(rng, rows));
  for (size_t row = 0; row < rows; row++)
    if (!bbc->drawn[row])
      bbc->out.rows[bbc->out.count++] = row;
  part_label(&bbc->in, bbc->request->labels);
  part_label(&bbc->out, bbc->request->labels);
}

static void
gather(const struct bbc *bbc, const struct part *part, const float *from, float *to)
{
  for (size_t i = 0; i < part->count; i++)
    memcpy(to + i * bbc->outputs, from + part->rows[i] * bbc->outputs, bbc->outputs * sizeof *to);
}

/* Mean objective over the entries of k's configuration. */
static double
mean_objective(const struct bbc *bbc, size_t k)
{
  const size_t *same_as = bbc->request->same_as;
  double sum = 0, count = 0;
  if (same_as == NULL)
    return bbc->objectives[k];
  for (size_t other = 0; other < bbc->request->count; other++)
    if (same_as[other] == same_as[k])
    {
      sum += bbc->objectives[other];
      count++;
    }
  return sum / count;
}

/* The configuration that is best on the rows drawn, and the best of its entries. */
static size_t
choose_single(struct bbc *bbc)
{
  const struct bbc_request *request = bbc->request;
  size_t best = 0;
  double best_mean = INFINITY;
  for (size_t k = 0; k < request->count; k++)
  {
    gather(bbc, &bbc->in, request->predictions[k], bbc->gathered);
    bbc->objectives[k] = metric_objective(request->metric, request->task, &bbc->in.labels,
                                          bbc->gathered, request->decision);
  }
  for (size_t k = 0; k < request->count; k++)
  {
    double mean = mean_objective(bbc, k);
    if (mean < best_mean || (mean == best_mean && bbc->objectives[k] < bbc->objectives[best]))
    {
      best_mean = mean;
      best = k;
    }
  }
  return best;
}

/* The decision of a choice by its in-bag predictions. */
static struct decision
decide(const struct bbc *bbc, const float *inside)
{
  const struct bbc_request *request = bbc->request;
  struct decision decision = {0};
  if (metric_tunes_threshold(request->metric, request->task->kind))
  {
    decision.has_threshold = true;
    decision.threshold =
      metric_best_threshold(request->metric, request->task, &bbc->in.labels, inside, NULL);
  }
  else if (request->decision != NULL)
    decision = *request->decision;
  return decision;
}

/* Whether a mix is compared by its log loss, too; a mix of networks that are less sure than they should be, as smoothed
 * labels make them, is less sure still, which its temperature mends when it is served. */
static bool
compares_log_loss(const struct bbc_request *request)
{
  return request->task->kind != TASK_REGRESSION && request->ensemble_count > 1;
}

static bool
tempers(const struct bbc_request *request)
{
  return request->calibrate
         && (compares_log_loss(request)
             || calibrate_matters(request->metric, request->task, request->decision));
}

/* The temperature of a choice by its in-bag predictions, which are tempered by it; NaN when memory is short. */
static double
temper_inside(const struct bbc *bbc, float *inside)
{
  struct calibration calibration;
  if (!tempers(bbc->request))
    return 1;
  if (calibrate_fit(&bbc->in.labels, inside, bbc->outputs, &calibration) != ERR_OK)
    return NAN;
  if (calibration.temperature != 1)
    model_temper(calibration.temperature, bbc->outputs, bbc->in.count, inside);
  return calibration.temperature;
}

/* Of the out-of-bag predictions in `scored`. */
static struct outside
score_outside(struct bbc *bbc, double temperature, const struct decision *decision)
{
  const struct bbc_request *request = bbc->request;
  const struct labels *labels = &bbc->out.labels;
  struct outside outside = {.metric = NAN};
  if (isnan(temperature))
    return outside;
  if (temperature != 1)
    model_temper(temperature, bbc->outputs, bbc->out.count, bbc->scored);
  outside.metric = metric_compute_at(request->metric, request->task, labels, bbc->scored, decision);
  if (compares_log_loss(request))
    outside.log_loss = metric_compute(METRIC_LOG_LOSS, request->task, labels, bbc->scored);
  return outside;
}

static struct outside
score_single(struct bbc *bbc, size_t choice)
{
  const struct bbc_request *request = bbc->request;
  gather(bbc, &bbc->in, request->predictions[choice], bbc->gathered);
  double temperature = temper_inside(bbc, bbc->gathered);
  struct decision decision = decide(bbc, bbc->gathered);
  gather(bbc, &bbc->out, request->predictions[choice], bbc->scored);
  return score_outside(bbc, temperature, &decision);
}

/* out-of-bag score of the ensemble chosen in-bag; NaN when memory is short. The rows in the bag are a sample
 * already: one selection stands for the average over samples that is served, and is no better than that. */
static struct outside
score_ensemble(struct bbc *bbc)
{
  const struct bbc_request *request = bbc->request;
  size_t count = request->ensemble_count;
  for (size_t k = 0; k < count; k++)
  {
    float *to = bbc->gathered + k * bbc->room * bbc->outputs;
    gather(bbc, &bbc->in, request->predictions[k], to);
    bbc->candidates[k] = to;
  }
  struct greedy_request greedy = {.predictions = bbc->candidates,
                                  .count = count,
                                  .labels = &bbc->in.labels,
                                  .task = request->task,
                                  .metric = request->metric,
                                  .decision = request->decision,
                                  .max_picks = request->max_picks,
                                  .selections = 1};
  if (greedy_select(&greedy, bbc->weights) != ERR_OK)
    return (struct outside){.metric = NAN};
  greedy_mix(bbc->candidates, bbc->weights, count, bbc->in.count * bbc->outputs, bbc->scored);
  double temperature = temper_inside(bbc, bbc->scored);
  struct decision decision = decide(bbc, bbc->scored);
  /* The in-bag copies have served: their memory takes the out-of-bag ones. */
  for (size_t k = 0; k < count; k++)
  {
    float *to = bbc->gathered + k * bbc->room * bbc->outputs;
    gather(bbc, &bbc->out, request->predictions[k], to);
    bbc->outside[k] = to;
  }
  greedy_mix(bbc->outside, bbc->weights, count, bbc->out.count * bbc->outputs, bbc->scored);
  return score_outside(bbc, temperature, &decision);
}

/* ---- the estimate ------------------------------------------------------------------------------------ */

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

/* Sorts the scores. Quantiles by linear interpolation. */
static struct bbc_score
summarise(double *scores, size_t count)
{
  struct bbc_score score = {.mean = NAN, .low = NAN, .high = NAN};
  if (count == 0)
    return score;
  qsort(scores, count, sizeof *scores, compare_doubles);
  double sum = 0, at[2] = {0.025, 0.975}, quantile[2];
  for (size_t i = 0; i < count; i++)
    sum += scores[i];
  for (int q = 0; q < 2; q++)
  {
    double place = at[q] * (double) (count - 1);
    size_t below = (size_t) place;
    size_t above = below + 1 < count ? below + 1 : below;
    quantile[q] = scores[below] + (place - (double) below) * (scores[above] - scores[below]);
  }
  score.mean = sum / (double) count;
  score.low = quantile[0];
  score.high = quantile[1];
  return score;
}

/* Elementary steps of scoring one configuration once. */
static double
score_work(const struct bbc_request *request)
{
  double rows = (double) request->labels->count;
  double work = rows * ((double) request->task->output_count + 8);
  if (request->metric == METRIC_ROC_AUC || request->metric == METRIC_PR_AUC
      || metric_tunes_threshold(request->metric, request->task->kind))
    work += rows * (2 + log2(rows + 1)) * 4
            * (request->task->class_count > 2 ? (double) request->task->class_count : 1);
  return work;
}

size_t
bbc_bootstraps(const struct bbc_request *request)
{
  double scorings = (double) request->count;
  if (request->ensemble_count > 1)
  {
    /* About half of the allowed picks are made. */
    double picks = (double) request->max_picks / 2 + 2;
    scorings += picks * (double) request->ensemble_count;
  }
  if (tempers(request))
    scorings += CALIBRATION_SCORINGS;
  double count = WORK_LIMIT / (scorings * score_work(request) + 1);
  return (size_t) fmin(fmax(count, FEWEST_BOOTSTRAPS), MOST_BOOTSTRAPS);
}

/* How far a did better than b, 0 to 1. With classes the log loss counts for half, and for all where the metric is the same:
 * metrics that count rows tell little of few, where a mix of about equals is surer of what it knows. */
static double
share_of_win(const struct bbc_request *request, const struct outside *a, const struct outside *b)
{
  bool higher = metric_higher_is_better(request->metric);
  double by_metric = higher ? a->metric > b->metric : a->metric < b->metric;
  double by_log_loss = a->log_loss < b->log_loss;

  if (request->task->kind == TASK_REGRESSION)
    return by_metric;
  return a->metric == b->metric ? by_log_loss : 0.5 * (by_metric + by_log_loss);
}

enum err
bbc_estimate(const struct bbc_request *request, struct bbc_result *result)
{
  struct bbc bbc;
  struct rng rng;
  size_t singles = 0, ensembles = 0, done = 0;
  *result = (struct bbc_result){0};
  if (request->count == 0 || !bbc_init(&bbc, request) || !sort_groups(&bbc))
  {
    if (request->count > 0)
      bbc_clear(&bbc);
    return request->count == 0 ? ERR_INVALID : ERR_MEMORY;
  }
  rng_init(&rng, request->seed, BBC_STREAM);
  for (; done < request->bootstraps; done++)
  {
    if (done >= BOOTSTRAPS_AT_LEAST && clock_monotonic_s() > request->deadline_s)
      break;
    draw(&bbc, &rng);
    if (bbc.out.count == 0 || bbc.in.count == 0)
      continue;
    struct outside single = score_single(&bbc, choose_single(&bbc)), ensemble = {.metric = NAN};
    if (request->ensemble_count > 1)
      ensemble = score_ensemble(&bbc);
    if (isfinite(single.metric))
      bbc.single[singles++] = single.metric;
    if (isfinite(ensemble.metric))
      bbc.ensemble[ensembles++] = ensemble.metric;
    if (isfinite(single.metric) && isfinite(ensemble.metric))
    {
      bbc.compared++;
      bbc.wins += share_of_win(request, &ensemble, &single);
    }
  }
  result->single = summarise(bbc.single, singles);
  result->ensemble = summarise(bbc.ensemble, ensembles);
  result->ensemble_wins = bbc.compared ? bbc.wins / (double) bbc.compared : 0;
  result->bootstraps = done;
  bbc_clear(&bbc);
  return ERR_OK;
}

enum err
bbc_interval(const float *predictions, const struct labels *labels, const struct task *task,
             enum metric metric, const struct decision *decision, const struct bbc_groups *groups,
             size_t bootstraps, uint64_t seed, struct bbc_score *score)
{
  struct bbc_request request = {.predictions = &predictions,
                                .count = 1,
                                .labels = labels,
                                .task = task,
                                .metric = metric,
                                .groups = groups != NULL ? *groups : (struct bbc_groups){0},
                                .bootstraps = bootstraps,
                                .seed = seed,
                                .deadline_s = INFINITY};
  struct bbc bbc;
  struct rng rng;
  size_t count = 0;
  *score = (struct bbc_score){.mean = NAN, .low = NAN, .high = NAN};
  if (!bbc_init(&bbc, &request) || !sort_groups(&bbc))
  {
    bbc_clear(&bbc);
    return ERR_MEMORY;
  }
  rng_init(&rng, seed, BBC_STREAM);
  for (size_t b = 0; b < bootstraps; b++)
  {
    draw(&bbc, &rng);
    gather(&bbc, &bbc.in, predictions, bbc.gathered);
    double value = metric_compute_at(metric, task, &bbc.in.labels, bbc.gathered, decision);
    if (isfinite(value))
      bbc.single[count++] = value;
  }
  *score = summarise(bbc.single, count);
  /* The bootstrap gives the spread; the score itself is that of the rows as they are. */
  score->mean = metric_compute_at(metric, task, labels, predictions, decision);
  bbc_clear(&bbc);
  return ERR_OK;
}
