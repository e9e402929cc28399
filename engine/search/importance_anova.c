#include <config.h>

#include "search/importance_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_POINTS 64 /* fewer tell nothing */
#define POINTS_A_BIN 16
#define AXES_PAIRED 24 /* of the largest main effects */
#define FLAT 1e-12     /* of the size of the values: a spread so small is rounding */

/* Means by group: of the bins of one axis, or the cells of two. */
struct groups
{
  size_t n, count; /* points; groups */
  size_t *sizes;
  double *means;
  double mean, variance; /* over all points */
  double within;         /* variance inside the groups, pooled; 0 when every group is one point */
  size_t used;           /* groups with a point */
};

/* Also after a failure groups_clear is to be called. */
static enum err
groups_init(struct groups *g, size_t count)
{
  *g = (struct groups){.count = count};
  g->sizes = calloc(count, sizeof *g->sizes);
  g->means = calloc(count, sizeof *g->means);
  return g->sizes && g->means ? ERR_OK : ERR_MEMORY;
}

static void
groups_clear(struct groups *g)
{
  free(g->means);
  free(g->sizes);
}

/* Groups the points: group[i] is that of point i, or SIZE_MAX for a point that takes no part. */
static void
groups_fill(struct groups *g, size_t n, const size_t *group, const double *values)
{
  double squares = 0, between = 0;
  memset(g->sizes, 0, g->count * sizeof *g->sizes);
  memset(g->means, 0, g->count * sizeof *g->means);
  g->n = g->used = 0;
  g->mean = g->variance = g->within = 0;
  for (size_t i = 0; i < n; i++)
    if (group[i] != SIZE_MAX)
    {
      g->n++;
      g->sizes[group[i]]++;
      g->means[group[i]] += values[i];
      g->mean += values[i];
    }
  if (!g->n)
    return;
  g->mean /= (double) g->n;
  for (size_t i = 0; i < n; i++)
    if (group[i] != SIZE_MAX)
      squares += (values[i] - g->mean) * (values[i] - g->mean);
  for (size_t b = 0; b < g->count; b++)
    if (g->sizes[b])
    {
      g->used++;
      g->means[b] /= (double) g->sizes[b];
      between += (double) g->sizes[b] * (g->means[b] - g->mean) * (g->means[b] - g->mean);
    }
  g->variance = squares / (double) g->n;
  if (g->n > g->used)
    g->within = fmax(squares - between, 0) / (double) (g->n - g->used);
}

/* The variance of the groups' means, less what chance adds to it: one pooled variance for each degree of
 * freedom, spread over the points. */
static double
groups_effect(const struct groups *g)
{
  double sum = 0;
  for (size_t b = 0; b < g->count; b++)
    sum += (double) g->sizes[b] * (g->means[b] - g->mean) * (g->means[b] - g->mean);
  return g->n ? fmax(sum - ((double) g->used - 1) * g->within, 0) / (double) g->n : 0;
}

struct work
{
  const struct importance_sample *sample;
  struct groups bins, cells, rows, columns;
  size_t *group;    /* (n) */
  double *residual; /* (n): values without the main effects */
  double variance;  /* over the whole space; 0 = flat */
};

static enum err
work_init(struct work *w, const struct importance_sample *sample)
{
  size_t side = 0;
  *w = (struct work){.sample = sample};
  for (size_t k = 0; k < sample->count; k++)
    side = sample->axes[k].cells > side ? sample->axes[k].cells : side;
  w->group = calloc(sample->n, sizeof *w->group);
  w->residual = malloc(sample->n * sizeof *w->residual);
  enum err err = w->group && w->residual ? ERR_OK : ERR_MEMORY;
  if (!err)
    err = groups_init(&w->bins, IMPORTANCE_BINS_MOST);
  if (!err)
    err = groups_init(&w->cells, side * side + 1);
  if (!err)
    err = groups_init(&w->rows, side + 1);
  if (!err)
    err = groups_init(&w->columns, side + 1);
  return err;
}

static void
work_clear(struct work *w)
{
  groups_clear(&w->columns);
  groups_clear(&w->rows);
  groups_clear(&w->cells);
  groups_clear(&w->bins);
  free(w->residual);
  free(w->group);
}

static size_t
count_active(const struct importance_sample *sample, size_t a, size_t b)
{
  size_t count = 0;
  for (size_t i = 0; i < sample->n; i++)
    count += sample->bins[i * sample->count + a] != IMPORTANCE_ABSENT
             && sample->bins[i * sample->count + b] != IMPORTANCE_ABSENT;
  return count;
}

/* The variance of all values; 0 where they differ by rounding only. */
static double
whole_variance(const struct importance_sample *sample)
{
  double mean = 0, square = 0, size = 0;
  for (size_t i = 0; i < sample->n; i++)
  {
    mean += sample->values[i] / (double) sample->n;
    size = fmax(size, fabs(sample->values[i]));
  }
  for (size_t i = 0; i < sample->n; i++)
    square += (sample->values[i] - mean) * (sample->values[i] - mean) / (double) sample->n;
  return isfinite(square) && sqrt(square) > FLAT * size ? square : 0;
}

/* ---- one parameter ------------------------------------------------------------------------------------ */

static void
main_effect(struct work *w, size_t axis, struct search_share *share)
{
  const struct importance_sample *sample = w->sample;
  size_t active = count_active(sample, axis, axis), bins = sample->axes[axis].bins;
  *share = (struct search_share){.param = sample->axes[axis].param,
                                 .active = (double) active / (double) sample->n,
                                 .where_active = NAN};
  if (active < LEAST_POINTS)
    return;
  share->where_active = 0;
  if (w->variance == 0)
    return;
  size_t merged = bins < active / POINTS_A_BIN ? bins : active / POINTS_A_BIN;
  for (size_t i = 0; i < sample->n; i++)
  {
    unsigned char bin = sample->bins[i * sample->count + axis];
    w->group[i] = bin == IMPORTANCE_ABSENT ? SIZE_MAX : bin * merged / bins;
  }
  groups_fill(&w->bins, sample->n, w->group, sample->values);
  double effect = groups_effect(&w->bins);
  if (effect == 0)
    return;
  share->where_active = fmin(effect / w->bins.variance, 1);
  share->share = fmin(share->active * effect / w->variance, 1);
  for (size_t i = 0; i < sample->n; i++)
    if (w->group[i] != SIZE_MAX)
      w->residual[i] -= w->bins.means[w->group[i]] - w->bins.mean;
}

/* ---- pairs -------------------------------------------------------------------------------------------- */

/* Groups the residuals by a's cells, by b's or by both, where both are active. */
static void
group_by(struct work *w, size_t a, size_t b, bool by_a, bool by_b, struct groups *g)
{
  const struct importance_sample *sample = w->sample;
  const struct importance_axis *x = &sample->axes[a], *y = &sample->axes[b];
  for (size_t i = 0; i < sample->n; i++)
  {
    unsigned char p = sample->bins[i * sample->count + a], q = sample->bins[i * sample->count + b];
    size_t row = by_a ? p * x->cells / x->bins : 0;
    size_t column = by_b ? q * y->cells / y->bins : 0;
    bool out = p == IMPORTANCE_ABSENT || q == IMPORTANCE_ABSENT;
    w->group[i] = out ? SIZE_MAX : by_a ? row * (by_b ? y->cells : 1) + column : column;
  }
  groups_fill(g, sample->n, w->group, w->residual);
}

static void
interaction(struct work *w, size_t a, size_t b, struct search_pair_share *pair)
{
  const struct importance_sample *sample = w->sample;
  size_t active = count_active(sample, a, b), columns = sample->axes[b].cells;
  *pair = (struct search_pair_share){.a = sample->axes[a].param,
                                     .b = sample->axes[b].param,
                                     .active = (double) active / (double) sample->n};
  if (active < LEAST_POINTS || w->variance == 0)
    return;
  group_by(w, a, b, true, false, &w->rows);
  group_by(w, a, b, false, true, &w->columns);
  group_by(w, a, b, true, true, &w->cells);
  double sum = 0;
  for (size_t c = 0; c < w->cells.count; c++)
    if (w->cells.sizes[c])
    {
      double rest = w->cells.means[c] - w->rows.means[c / columns] - w->columns.means[c % columns]
                    + w->cells.mean;
      sum += (double) w->cells.sizes[c] * rest * rest;
    }
  double freedom = (double) w->cells.used + 1 - (double) w->rows.used - (double) w->columns.used;
  double effect = fmax(sum - fmax(freedom, 0) * w->cells.within, 0) / (double) active;
  pair->share = fmin(pair->active * effect / w->variance, 1);
  /* Of the variance of the values, not of the residuals, where both are active. */
  groups_fill(&w->cells, sample->n, w->group, sample->values);
  pair->where_active = w->cells.variance > 0 ? fmin(effect / w->cells.variance, 1) : 0;
}

static int
compare_pairs(const void *a, const void *b)
{
  const struct search_pair_share *x = a, *y = b;
  if (x->share != y->share)
    return x->share > y->share ? -1 : 1;
  if (x->a != y->a)
    return x->a < y->a ? -1 : 1;
  return x->b < y->b ? -1 : x->b > y->b;
}

/* The axes of the largest main effects, in their own order; returns how many. */
static size_t
choose_axes(const struct search_share *shares, size_t count, size_t *chosen)
{
  size_t kept = 0;
  for (size_t k = 0; k < count; k++)
  {
    size_t larger = 0;
    for (size_t j = 0; j < count; j++)
      larger += shares[j].share > shares[k].share || (shares[j].share == shares[k].share && j < k);
    if (larger < AXES_PAIRED)
      chosen[kept++] = k;
  }
  return kept;
}

static enum err
find_pairs(struct work *w, size_t most, struct search_importance *importance)
{
  size_t chosen[AXES_PAIRED], count = 0;
  size_t kept = choose_axes(importance->shares, w->sample->count, chosen);
  struct search_pair_share *pairs = calloc(AXES_PAIRED * AXES_PAIRED / 2, sizeof *pairs);
  if (!pairs)
    return ERR_MEMORY;
  for (size_t i = 0; i < kept; i++)
    for (size_t j = i + 1; j < kept; j++)
    {
      interaction(w, chosen[i], chosen[j], &pairs[count]);
      count += pairs[count].share > 0;
    }
  qsort(pairs, count, sizeof *pairs, compare_pairs);
  importance->pairs = pairs;
  importance->pair_count = count < most ? count : most;
  return ERR_OK;
}

enum err
importance_decompose(struct importance_sample *sample, size_t most_pairs,
                     struct search_importance *importance)
{
  struct work w;
  enum err err = work_init(&w, sample);
  if (!err)
  {
    w.variance = whole_variance(sample);
    memcpy(w.residual, sample->values, sample->n * sizeof *w.residual);
    for (size_t k = 0; k < sample->count; k++)
      main_effect(&w, k, &importance->shares[k]);
    err = find_pairs(&w, most_pairs, importance);
  }
  work_clear(&w);
  return err;
}
