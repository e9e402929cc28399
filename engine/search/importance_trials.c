#include <config.h>

#include "search/importance_internal.h"

#include <math.h>
#include <stdlib.h>

struct pair
{
  double key;
  size_t index;
};

static int
compare_keys(const void *a, const void *b)
{
  const struct pair *x = a, *y = b;
  return x->key < y->key ? -1 : x->key > y->key;
}

/* Ranks of n keys into `ranks`; equal ones share the mean of theirs. Spends `scratch` (n). */
static void
rank(size_t n, const double *keys, struct pair *scratch, double *ranks)
{
  for (size_t i = 0; i < n; i++)
    scratch[i] = (struct pair){keys[i], i};
  qsort(scratch, n, sizeof *scratch, compare_keys);
  for (size_t from = 0, to; from < n; from = to)
  {
    for (to = from + 1; to < n && scratch[to].key == scratch[from].key; to++)
      ;
    for (size_t i = from; i < to; i++)
      ranks[scratch[i].index] = 0.5 * (double) (from + to - 1);
  }
}

/* The squared correlation, less what two unrelated lists have by chance. */
static double
squared_correlation(size_t n, const double *x, const double *y)
{
  double mean = 0.5 * (double) (n - 1), xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < n; i++)
  {
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
    xy += (x[i] - mean) * (y[i] - mean);
  }
  if (!(xx > 0 && yy > 0))
    return 0;
  double square = xy * xy / (xx * yy);
  return fmax(1 - (1 - square) * (double) (n - 1) / (double) (n - 2), 0);
}

/* The share of the ranks' variance that lies between choices, less what chance puts there. */
static double
between_choices(size_t n, const double *choices, const double *ranks, struct pair *scratch)
{
  double mean = 0.5 * (double) (n - 1), total = 0, between = 0;
  size_t groups = 0;
  for (size_t i = 0; i < n; i++)
  {
    scratch[i] = (struct pair){choices[i], i};
    total += (ranks[i] - mean) * (ranks[i] - mean);
  }
  qsort(scratch, n, sizeof *scratch, compare_keys);
  for (size_t from = 0, to; from < n; from = to, groups++)
  {
    double sum = 0;
    for (to = from; to < n && scratch[to].key == scratch[from].key; to++)
      sum += ranks[scratch[to].index] - mean;
    between += sum * sum / (double) (to - from);
  }
  if (!(total > 0) || groups == n)
    return 0;
  double within = (total - between) / (double) (n - groups);
  return fmin(fmax((between - (double) (groups - 1) * within) / total, 0), 1);
}

enum err
importance_of_trials(const struct search *search, const struct importance_axis *axes, size_t count,
                     struct search_importance *importance)
{
  size_t most = search->ended_count, width = search->space->count;
  double *keys = calloc(4 * most + 1, sizeof *keys);
  struct pair *scratch = calloc(most + 1, sizeof *scratch);
  enum err err = keys && scratch ? ERR_OK : ERR_MEMORY;
  for (size_t k = 0; !err && k < count; k++)
  {
    double *values = keys + most, *key_ranks = values + most, *value_ranks = key_ranks + most;
    size_t n = 0;
    for (size_t i = 0; i < most; i++)
    {
      const struct search_trial *trial = &search->trials[search->ended[i]];
      double key = search->points[search->ended[i] * width + axes[k].param];
      if (trial->state != SEARCH_DONE || isnan(key))
        continue;
      keys[n] = key;
      values[n++] = trial->value;
    }
    struct search_share *share = &importance->shares[k];
    *share = (struct search_share){.param = axes[k].param,
                                   .active = (double) n / (double) importance->trials,
                                   .where_active = NAN};
    if (n < INSIGHT_LEAST)
      continue;
    rank(n, keys, scratch, key_ranks);
    rank(n, values, scratch, value_ranks);
    share->where_active = features_is_nominal(&search->space->params[axes[k].param])
                            ? between_choices(n, keys, value_ranks, scratch)
                            : squared_correlation(n, key_ranks, value_ranks);
    share->share = share->active * share->where_active;
  }
  free(scratch);
  free(keys);
  return err;
}
