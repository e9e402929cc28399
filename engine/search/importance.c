#include <config.h>

#include "search/importance_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_MOST 8192
#define POINTS_LEAST 1024
#define WORK_MOST 3e8 /* kernel terms of a sample, about a second's worth at the most */
#define BINS 32       /* of a continuous parameter */
#define CELLS 16      /* of one in a pair */
#define CHUNK 256
#define PAIRS_USUAL 10

enum err
importance_axes(const struct space *space, struct importance_axis **out, size_t *count)
{
  struct importance_axis *axes = calloc(space->count + 1, sizeof *axes);
  *out = axes;
  *count = 0;
  if (!axes)
    return ERR_MEMORY;
  for (size_t i = 0; i < space->count; i++)
  {
    const struct space_param *param = &space->params[i];
    double levels = space_param_levels(param);
    double most = features_is_nominal(param) ? IMPORTANCE_BINS_MOST : BINS;
    if (levels > 1)
      axes[(*count)++] = (struct importance_axis){
        .param = i, .bins = (size_t) fmin(levels, most), .cells = (size_t) fmin(levels, CELLS)};
  }
  return ERR_OK;
}

/* ---- the sample -------------------------------------------------------------------------------------- */

static unsigned char
bin_of(const struct space *space, const struct importance_axis *axis, const double *point)
{
  double value = point[axis->param];
  if (isnan(value))
    return IMPORTANCE_ABSENT;
  double bin = floor(space_to_unit(&space->params[axis->param], value) * (double) axis->bins);
  return (unsigned char) fmin(fmax(bin, 0), (double) axis->bins - 1);
}

/* A power of two, so that Sobol's points are balanced. */
static size_t
point_count(const struct insight *insight)
{
  double each =
    (double) insight->data.n * ((double) insight->surrogate->features.layout.width + 20);
  size_t n = POINTS_MOST;
  while (n > POINTS_LEAST && (double) n * each > WORK_MOST)
    n /= 2;
  return n;
}

static enum err
fill_sample(struct insight *insight, struct importance_sample *sample, struct insight_points *even,
            double *points)
{
  const struct space *space = insight->search->space;
  for (size_t from = 0; from < sample->n; from += CHUNK)
  {
    for (size_t i = 0; i < CHUNK; i++)
    {
      double *point = points + i * space->count;
      insight_points_next(even, point);
      for (size_t k = 0; k < sample->count; k++)
        sample->bins[(from + i) * sample->count + k] = bin_of(space, &sample->axes[k], point);
    }
    enum err err = insight_predict(insight, CHUNK, points, sample->values + from, NULL);
    if (err)
      return err;
  }
  for (size_t i = 0; i < sample->n; i++)
    sample->values[i] = insight_value(insight, fmin(sample->values[i], insight->worst));
  return ERR_OK;
}

enum err
importance_sample_init(struct insight *insight, const struct importance_axis *axes, size_t count,
                       struct importance_sample *sample)
{
  size_t width = insight->search->space->count;
  struct insight_points even = {0};
  *sample = (struct importance_sample){.n = point_count(insight), .count = count, .axes = axes};
  sample->values = calloc(sample->n, sizeof *sample->values);
  sample->bins = calloc(sample->n, count + 1);
  double *points = calloc(CHUNK * width + 1, sizeof *points);
  enum err err = sample->values && sample->bins && points ? ERR_OK : ERR_MEMORY;
  if (!err)
    err = insight_points_init(&even, insight->search, UINT64_C(0x73686172));
  if (!err)
    err = fill_sample(insight, sample, &even, points);
  insight_points_clear(&even);
  free(points);
  if (err)
    importance_sample_clear(sample);
  return err;
}

void
importance_sample_clear(struct importance_sample *sample)
{
  free(sample->bins);
  free(sample->values);
  memset(sample, 0, sizeof *sample);
}

static int
compare_doubles(const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return x < y ? -1 : x > y;
}

/* Turns the values into the indicator of the best part of them. */
static enum err
focus_sample(struct importance_sample *sample, double focus)
{
  double *sorted = malloc((sample->n + 1) * sizeof *sorted);
  if (!sorted)
    return ERR_MEMORY;
  memcpy(sorted, sample->values, sample->n * sizeof *sorted);
  qsort(sorted, sample->n, sizeof *sorted, compare_doubles);
  size_t good = (size_t) ceil(focus * (double) sample->n);
  double limit = sorted[good - 1];
  free(sorted);
  for (size_t i = 0; i < sample->n; i++)
    sample->values[i] = sample->values[i] <= limit ? 0 : 1;
  return ERR_OK;
}

/* ---- the whole ---------------------------------------------------------------------------------------- */

static double
spread_of(const struct importance_sample *sample)
{
  double mean = 0, square = 0;
  for (size_t i = 0; i < sample->n; i++)
    mean += sample->values[i] / (double) sample->n;
  for (size_t i = 0; i < sample->n; i++)
    square += (sample->values[i] - mean) * (sample->values[i] - mean) / (double) sample->n;
  return sqrt(square);
}

static enum err
ask_model(struct insight *insight, const struct search_importance_options *options,
          const struct importance_axis *axes, size_t count, struct search_importance *importance)
{
  struct importance_sample sample;
  enum err err = importance_sample_init(insight, axes, count, &sample);
  if (err)
    return err;
  importance->modelled = true;
  importance->sd = spread_of(&sample);
  if (options->focus > 0 && options->focus < 1)
    err = focus_sample(&sample, options->focus);
  if (!err)
    err = importance_decompose(&sample, options->most_pairs ? options->most_pairs : PAIRS_USUAL,
                               importance);
  importance_sample_clear(&sample);
  return err;
}

static int
compare_shares(const void *a, const void *b)
{
  const struct search_share *x = a, *y = b;
  if (x->share != y->share)
    return x->share > y->share ? -1 : 1;
  return x->param < y->param ? -1 : x->param > y->param;
}

static enum err
fill(struct search *search, const struct search_importance_options *options,
     const struct importance_axis *axes, size_t count, struct search_importance *importance)
{
  struct insight insight;
  enum err err = insight_open(search, &insight);
  if (!err)
  {
    err = ask_model(&insight, options, axes, count, importance);
    insight_close(&insight);
  }
  else if (err == ERR_DIVERGED || err == ERR_LIMIT)
    err = importance_of_trials(search, axes, count, importance);
  return err;
}

enum err
search_importance(struct search *search, const struct search_importance_options *options,
                  struct search_importance *importance, struct err_info *info)
{
  struct importance_axis *axes = NULL;
  size_t count = 0;
  *importance = (struct search_importance){.sd = NAN, .trials = insight_finite_count(search)};
  if (!(options->focus >= 0 && options->focus <= 1))
    return err_set(info, ERR_INVALID, "the focus must be above 0 and at most 1");
  enum err err = importance_axes(search->space, &axes, &count);
  if (!err && count == 0)
    err = ERR_NOT_FOUND;
  importance->shares = err ? NULL : calloc(count, sizeof *importance->shares);
  if (!err && !importance->shares)
    err = ERR_MEMORY;
  importance->count = err ? 0 : count;
  if (!err)
    err = fill(search, options, axes, count, importance);
  if (!err)
    qsort(importance->shares, count, sizeof *importance->shares, compare_shares);
  free(axes);
  if (!err)
    return ERR_OK;
  search_importance_clear(importance);
  return insight_refuse(err, info);
}

void
search_importance_clear(struct search_importance *importance)
{
  free(importance->pairs);
  free(importance->shares);
  memset(importance, 0, sizeof *importance);
}
