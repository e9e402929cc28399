#include <config.h>

#include "search/search_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search/acquire.h"
#include "search/features.h"
#include "search/gp.h"
#include "search/sobol.h"

#define ANCHORS 5
#define EVERY_TELL_UNTIL 100 /* refits: at each count up to here, then at each growth by 5% */
#define CLIP_IQR 5.0
#define LEAST_START 4
#define MOST_START 10

struct bayes
{
  struct features features;
  struct sobol_sequence *start;
  double *theta; /* of the last fit */
  size_t fitted; /* data of the last fit; 0 = none */
};

/* The data of the process: those of the log's first `n` trials that ended. */
struct data
{
  size_t n;
  size_t finite; /* of them with a value */
  double *x;     /* (n, width) */
  double *y;     /* (n): standardised */
  double centre, spread;
};

static void
bayes_stop(void *state)
{
  struct bayes *bayes = state;
  if (!bayes)
    return;
  features_clear(&bayes->features);
  sobol_sequence_free(bayes->start);
  free(bayes->theta);
  free(bayes);
}

static enum err
bayes_start(const struct search *search, void **state, struct err_info *info)
{
  struct bayes *bayes = calloc(1, sizeof *bayes);
  enum err err = bayes ? features_init(&bayes->features, search->space) : ERR_MEMORY;
  if (!err)
    err = sobol_start(search, &bayes->start);
  if (!err)
  {
    bayes->theta = calloc(gp_theta_count(&bayes->features.layout), sizeof *bayes->theta);
    err = bayes->theta ? ERR_OK : ERR_MEMORY;
  }
  if (err)
  {
    bayes_stop(bayes);
    return err_set(info, err, "out of memory");
  }
  *state = bayes;
  return ERR_OK;
}

/* How many points are asked before the process takes over. */
static size_t
start_count(const struct search *search, const struct bayes *bayes)
{
  size_t count = bayes->features.layout.width + 2;
  count = count < LEAST_START ? LEAST_START : count > MOST_START ? MOST_START : count;
  size_t third = search->expected_trials / 3;
  return search->expected_trials && third < count ? (third < 2 ? 2 : third) : count;
}

/* The count at which the fit in force with n data was made. */
static size_t
refit_count(size_t n)
{
  if (n <= EVERY_TELL_UNTIL)
    return n;
  size_t at = EVERY_TELL_UNTIL;
  for (;;)
  {
    size_t next = at + at / 20;
    if (next > n)
      return at;
    at = next;
  }
}

static int
compare_doubles(const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return x < y ? -1 : x > y;
}

static double
quantile(const double *sorted, size_t n, double q)
{
  double at = q * (double) (n - 1);
  size_t low = (size_t) at;
  size_t high = low + 1 < n ? low + 1 : low;
  return sorted[low] + (at - (double) low) * (sorted[high] - sorted[low]);
}

static void
data_clear(struct data *data)
{
  free(data->x);
  free(data->y);
  memset(data, 0, sizeof *data);
}

/* Clips the bad side at median + 5 IQR, gives failed trials the worst value left, and brings all to
 * mean 0 and variance 1. `sorted` holds the finite values. */
static void
standardise(struct data *data, double *sorted)
{
  qsort(sorted, data->finite, sizeof *sorted, compare_doubles);
  double worst = 0;
  if (data->finite)
  {
    double iqr = quantile(sorted, data->finite, 0.75) - quantile(sorted, data->finite, 0.25);
    double limit = quantile(sorted, data->finite, 0.5) + CLIP_IQR * iqr;
    worst = sorted[data->finite - 1];
    if (iqr > 0 && limit < worst)
      worst = limit;
  }
  double sum = 0;
  for (size_t i = 0; i < data->n; i++)
  {
    if (isnan(data->y[i]) || data->y[i] > worst)
      data->y[i] = worst;
    sum += data->y[i] / (double) data->n;
  }
  double square = 0;
  for (size_t i = 0; i < data->n; i++)
    square += (data->y[i] - sum) * (data->y[i] - sum) / (double) data->n;
  data->centre = sum;
  data->spread = square > 0 && isfinite(square) ? sqrt(square) : 1;
  for (size_t i = 0; i < data->n; i++)
    data->y[i] = (data->y[i] - data->centre) / data->spread;
}

static enum err
data_init(struct data *data, const struct search *search, const struct features *features, size_t n)
{
  size_t width = features->layout.width;
  memset(data, 0, sizeof *data);
  data->n = n;
  data->x = calloc(n * width + 1, sizeof *data->x);
  data->y = calloc(n + 1, sizeof *data->y);
  double *sorted = calloc(n + 1, sizeof *sorted);
  if (!data->x || !data->y || !sorted)
  {
    free(sorted);
    data_clear(data);
    return ERR_MEMORY;
  }
  for (size_t i = 0; i < n; i++)
  {
    const struct search_trial *trial = &search->trials[search->ended[i]];
    features_encode(features, search_point(search, search->ended[i]), data->x + i * width);
    data->y[i] = trial->state == SEARCH_DONE ? trial->value : NAN;
    if (trial->state == SEARCH_DONE)
      sorted[data->finite++] = trial->value;
  }
  standardise(data, sorted);
  free(sorted);
  return ERR_OK;
}

/* Sees to it that theta is the fit for n data. */
static enum err
ensure_fit(const struct search *search, struct bayes *bayes, size_t n)
{
  size_t at = refit_count(n);
  if (bayes->fitted == at)
    return ERR_OK;
  struct data data;
  enum err err = data_init(&data, search, &bayes->features, at);
  if (err)
    return err;
  err = gp_fit(&bayes->features.layout, data.n, data.x, data.y, bayes->theta);
  bayes->fitted = err ? 0 : at;
  data_clear(&data);
  return err;
}

static size_t
pending_count(const struct search *search)
{
  size_t count = 0;
  for (size_t t = 0; t < search->count; t++)
    count += search->trials[t].state == SEARCH_PENDING;
  return count;
}

/* The posterior given everything that ended. */
static enum err
make_process(const struct search *search, struct bayes *bayes, size_t spare, struct data *data,
             struct gp **gp)
{
  enum err err = ensure_fit(search, bayes, search->ended_count);
  if (!err)
    err = data_init(data, search, &bayes->features, search->ended_count);
  if (!err)
  {
    err = gp_new(&bayes->features.layout, bayes->theta, data->n, data->x, data->y, spare, gp);
    if (err)
      data_clear(data);
  }
  return err;
}

/* The points with the lowest posterior means, best first; returns how many. */
static size_t
choose_anchors(const struct search *search, const struct data *data, const double *means,
               double *anchors)
{
  size_t chosen[ANCHORS];
  size_t count = 0;
  for (size_t i = 0; i < data->n; i++)
  {
    if (search->trials[search->ended[i]].state != SEARCH_DONE)
      continue;
    size_t at = count < ANCHORS ? count++ : ANCHORS;
    for (; at > 0 && (at == ANCHORS || means[chosen[at - 1]] > means[i]); at--)
    {
      if (at == ANCHORS && means[chosen[ANCHORS - 1]] <= means[i])
        break;
      if (at < ANCHORS)
        chosen[at] = chosen[at - 1];
    }
    if (at < ANCHORS)
      chosen[at] = i;
  }
  size_t width = search->space->count;
  for (size_t k = 0; k < count; k++)
    memcpy(anchors + k * width, search_point(search, search->ended[chosen[k]]),
           width * sizeof *anchors);
  return count;
}

static enum err
append_pending(const struct search *search, const struct features *features, struct gp *gp)
{
  double *row = calloc(features->layout.width + 1, sizeof *row);
  enum err err = row ? ERR_OK : ERR_MEMORY;
  for (size_t t = 0; !err && t < search->count; t++)
    if (search->trials[t].state == SEARCH_PENDING)
    {
      features_encode(features, search_point(search, t), row);
      err = gp_append(gp, row);
    }
  free(row);
  return err;
}

static enum err
choose_by_process(const struct search *search, struct bayes *bayes, const struct search_seen *seen,
                  double *point)
{
  struct data data;
  struct gp *gp;
  enum err err = make_process(search, bayes, pending_count(search), &data, &gp);
  if (err)
    return err;
  double *means = calloc(data.n + ANCHORS * search->space->count, sizeof *means);
  err = means ? gp_predict_many(gp, data.n, data.x, means, NULL) : ERR_MEMORY;
  if (!err)
  {
    double *anchors = means + data.n;
    struct acquire_task task = {.search = search,
                                .seen = seen,
                                .features = &bayes->features,
                                .gp = gp,
                                .anchors = anchors,
                                .best = INFINITY,
                                .stream = rng_mix(UINT64_C(0x62617965), search->count)};
    task.anchor_count = choose_anchors(search, &data, means, anchors);
    for (size_t i = 0; i < data.n; i++)
      if (search->trials[search->ended[i]].state == SEARCH_DONE && means[i] < task.best)
        task.best = means[i];
    err = append_pending(search, &bayes->features, gp);
    if (!err)
      err = acquire_choose(&task, point);
  }
  free(means);
  gp_free(gp);
  data_clear(&data);
  return err;
}

static size_t
finite_count(const struct search *search)
{
  size_t count = 0;
  for (size_t k = 0; k < search->ended_count; k++)
    count += search->trials[search->ended[k]].state == SEARCH_DONE;
  return count;
}

static enum err
bayes_ask(const struct search *search, void *state, double *point, struct err_info *info)
{
  struct bayes *bayes = state;
  struct search_seen seen;
  enum err err = search_seen_init(&seen, search);
  if (err)
    return err_set(info, err, "out of memory");
  if (search->count < start_count(search, bayes) || finite_count(search) < 2)
    err = sobol_choose(search, bayes->start, &seen, point);
  else
  {
    err = choose_by_process(search, bayes, &seen, point);
    if (err == ERR_DIVERGED) /* values so extreme that no covariance fits them */
      err = sobol_choose(search, bayes->start, &seen, point);
  }
  search_seen_clear(&seen);
  if (err)
    err_set(info, err,
            err == ERR_NOT_FOUND ? "every point of the space has been tried" : "out of memory");
  return err;
}

static enum err
bayes_predict(const struct search *search, void *state, const double *point, double *mean,
              double *sd)
{
  struct bayes *bayes = state;
  if (finite_count(search) < 2)
    return ERR_NOT_FOUND;
  struct data data;
  struct gp *gp;
  enum err err = make_process(search, bayes, 0, &data, &gp);
  if (err)
    return err == ERR_DIVERGED ? ERR_NOT_FOUND : err;
  double *row = calloc(bayes->features.layout.width + 1, sizeof *row);
  double variance;
  err = row ? ERR_OK : ERR_MEMORY;
  if (!err)
  {
    features_encode(&bayes->features, point, row);
    gp_predict(gp, row, mean, &variance);
    *mean = data.centre + data.spread * *mean;
    *sd = data.spread * sqrt(variance);
  }
  free(row);
  gp_free(gp);
  data_clear(&data);
  return err;
}

const struct search_kind search_kind_bayes = {.name = "bayes",
                                              .start = bayes_start,
                                              .stop = bayes_stop,
                                              .ask = bayes_ask,
                                              .predict = bayes_predict};
