#include <config.h>

#include "search/slice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search/insight.h"
#include "search/special.h"

#define SLICE_POINTS 50
#define PAIR_POINTS 20
#define SLICE_AVERAGED 128
#define PAIR_AVERAGED_MOST 64
#define PAIR_AVERAGED_LEAST 8
#define PAIR_WORK 16384 /* points of a pair's grid, the averaged ones included */

/* ---- values along a parameter ------------------------------------------------------------------------- */

/* All its values or, of more, evenly spread ones, in rising order; returns how many. */
static size_t
spread_values(const struct space_param *param, size_t points, double *values)
{
  double levels = space_param_levels(param);
  size_t count = 0;
  if (levels <= (double) points)
    points = (size_t) levels;
  for (size_t i = 0; i < points; i++)
  {
    double part = points > 1 ? (double) i / (double) (points - 1) : 0;
    double value = isinf(levels) ? space_from_unit(param, part)
                                 : space_param_level(param, round(part * (levels - 1)));
    if (count == 0 || value != values[count - 1])
      values[count++] = value;
  }
  return count;
}

/* Even points of the space (count, space->count), the same for every question. */
static enum err
draw_others(const struct search *search, size_t count, double **points)
{
  size_t width = search->space->count;
  struct insight_points even;
  *points = calloc(count * width + 1, sizeof **points);
  if (!*points)
    return ERR_MEMORY;
  enum err err = insight_points_init(&even, search, UINT64_C(0x736c6963));
  for (size_t i = 0; !err && i < count; i++)
    insight_points_next(&even, *points + i * width);
  insight_points_clear(&even);
  return err;
}

static enum err
observe(const struct search *search, size_t x, size_t y, struct search_observation **out,
        size_t *count)
{
  struct search_observation *all = calloc(search->ended_count + 1, sizeof *all);
  *out = all;
  *count = 0;
  if (!all)
    return ERR_MEMORY;
  for (size_t k = 0; k < search->ended_count; k++)
  {
    const struct search_trial *trial = &search->trials[search->ended[k]];
    const double *point = search_point(search, search->ended[k]);
    if (!isnan(point[x]) && (y == SIZE_MAX || !isnan(point[y])))
      all[(*count)++] =
        (struct search_observation){.trial = trial->id,
                                    .x = point[x],
                                    .y = y == SIZE_MAX ? NAN : point[y],
                                    .value = trial->state == SEARCH_DONE ? trial->value : NAN};
  }
  return ERR_OK;
}

static bool
has_choice(const struct space *space, size_t param)
{
  return param < space->count && space_param_levels(&space->params[param]) > 1;
}

/* ---- one parameter ------------------------------------------------------------------------------------ */

struct cut
{
  struct insight *insight;
  size_t param;
  double *others;          /* (SLICE_AVERAGED, space->count) */
  double *points;          /* (SLICE_AVERAGED, space->count) */
  double *mean, *variance; /* (SLICE_AVERAGED) */
};

static enum err
average_row(struct cut *cut, struct search_slice_row *row)
{
  const struct space *space = cut->insight->search->space;
  double sum = 0, square = 0, variances = 0;
  size_t count = 0;
  for (size_t i = 0; i < SLICE_AVERAGED; i++)
  {
    double *point = cut->points + count * space->count;
    memcpy(point, cut->others + i * space->count, space->count * sizeof *point);
    count += insight_set(space, &(struct insight_setting){cut->param, row->at}, 1, i, point);
  }
  row->mean = row->sd = row->spread = NAN;
  if (!count)
    return ERR_OK;
  enum err err = insight_predict(cut->insight, count, cut->points, cut->mean, cut->variance);
  for (size_t i = 0; !err && i < count; i++)
  {
    double sd = insight_sd(cut->insight, cut->mean[i], cut->variance[i]);
    cut->mean[i] = insight_value(cut->insight, cut->mean[i]);
    sum += cut->mean[i];
    variances += sd * sd;
  }
  row->mean = sum / (double) count;
  for (size_t i = 0; !err && i < count; i++)
    square += (cut->mean[i] - row->mean) * (cut->mean[i] - row->mean);
  row->sd = sqrt(variances / (double) count);
  row->spread = sqrt(square / (double) count);
  return err;
}

/* The rows at the best trial, together. */
static enum err
cut_at_best(struct cut *cut, struct search_slice *slice)
{
  struct insight *insight = cut->insight;
  const struct space *space = insight->search->space;
  size_t width = space->count;
  double *points = calloc(slice->count * (width + 2) + 1, sizeof *points);
  bool *there = calloc(slice->count + 1, sizeof *there);
  double *mean = points ? points + slice->count * width : NULL;
  double *variance = points ? mean + slice->count : NULL;
  enum err err = points && there ? ERR_OK : ERR_MEMORY;
  for (size_t k = 0; !err && k < slice->count; k++)
  {
    double *point = points + k * width;
    memcpy(point, insight->best_point, width * sizeof *point);
    struct insight_setting setting = {cut->param, slice->rows[k].at};
    there[k] = !isnan(point[cut->param]) && insight_set(space, &setting, 1, 0, point);
  }
  if (!err)
    err = insight_predict(insight, slice->count, points, mean, variance);
  for (size_t k = 0; !err && k < slice->count; k++)
  {
    slice->rows[k].best_mean = there[k] ? insight_value(insight, mean[k]) : NAN;
    slice->rows[k].best_sd = there[k] ? insight_sd(insight, mean[k], variance[k]) : NAN;
  }
  if (!err)
    err = insight_add_pending(insight);
  if (!err)
    err = insight_predict(insight, slice->count, points, mean, variance);
  for (size_t k = 0; !err && k < slice->count; k++)
  {
    double sd = sqrt(variance[k]);
    slice->rows[k].log_ei =
      there[k] ? log(sd) + special_log_ei((insight->best_mean - mean[k]) / sd) : NAN;
  }
  free(there);
  free(points);
  return err;
}

static enum err
fill_slice(struct insight *insight, size_t points, struct search_slice *slice)
{
  const struct search *search = insight->search;
  size_t width = search->space->count;
  double values[SEARCH_SLICE_POINTS_MOST];
  struct cut cut = {.insight = insight, .param = slice->param};
  slice->count = spread_values(&search->space->params[slice->param], points, values);
  slice->averaged = SLICE_AVERAGED;
  slice->rows = calloc(slice->count, sizeof *slice->rows);
  cut.points = calloc(SLICE_AVERAGED * (width + 2), sizeof *cut.points);
  enum err err = slice->rows && cut.points ? ERR_OK : ERR_MEMORY;
  if (!err)
    err = draw_others(search, SLICE_AVERAGED, &cut.others);
  for (size_t k = 0; !err && k < slice->count; k++)
  {
    cut.mean = cut.points + SLICE_AVERAGED * width;
    cut.variance = cut.mean + SLICE_AVERAGED;
    slice->rows[k].at = values[k];
    err = average_row(&cut, &slice->rows[k]);
  }
  if (!err)
    err = cut_at_best(&cut, slice);
  if (!err)
    err = observe(search, slice->param, SIZE_MAX, &slice->observations, &slice->observation_count);
  free(cut.others);
  free(cut.points);
  return err;
}

enum err
search_slice(struct search *search, size_t param, size_t points, struct search_slice *slice,
             struct err_info *info)
{
  struct insight insight;
  *slice = (struct search_slice){.param = param};
  points = points ? points : SLICE_POINTS;
  if (points < 2 || points > SEARCH_SLICE_POINTS_MOST)
    return err_set(info, ERR_INVALID, "a slice has 2 to %d points", SEARCH_SLICE_POINTS_MOST);
  if (!has_choice(search->space, param))
    return err_set(info, ERR_INVALID, "the parameter has no choice of values");
  enum err err = insight_open(search, &insight);
  if (err)
    return insight_refuse(err, info);
  err = fill_slice(&insight, points, slice);
  insight_close(&insight);
  if (!err)
    return ERR_OK;
  search_slice_clear(slice);
  return err_set(info, err, "out of memory");
}

void
search_slice_clear(struct search_slice *slice)
{
  free(slice->observations);
  free(slice->rows);
  memset(slice, 0, sizeof *slice);
}

/* ---- two parameters ----------------------------------------------------------------------------------- */

static bool
set_both(const struct space *space, const struct search_pair *pair, size_t i, size_t j, size_t pick,
         double *point)
{
  struct insight_setting settings[2] = {{pair->x, pair->x_values[i]}, {pair->y, pair->y_values[j]}};
  return insight_set(space, settings, 2, pick, point);
}

static enum err
average_cell(struct insight *insight, const struct search_pair *pair, const double *others,
             double *points, double *means, size_t i, size_t j)
{
  const struct space *space = insight->search->space;
  size_t count = 0;
  double sum = 0;
  for (size_t k = 0; k < pair->averaged; k++)
  {
    double *point = points + count * space->count;
    memcpy(point, others + k * space->count, space->count * sizeof *point);
    count += set_both(space, pair, i, j, k, point);
  }
  enum err err = count ? insight_predict(insight, count, points, means, NULL) : ERR_OK;
  for (size_t k = 0; !err && k < count; k++)
    sum += insight_value(insight, means[k]);
  pair->mean[i * pair->y_count + j] = count ? sum / (double) count : NAN;
  return err;
}

static enum err
cell_at_best(struct insight *insight, const struct search_pair *pair, double *point, size_t i,
             size_t j)
{
  const struct space *space = insight->search->space;
  double mean = NAN;
  memcpy(point, insight->best_point, space->count * sizeof *point);
  bool there = !isnan(point[pair->x]) && !isnan(point[pair->y]);
  there = there && set_both(space, pair, i, j, 0, point);
  enum err err = there ? insight_predict(insight, 1, point, &mean, NULL) : ERR_OK;
  pair->best_mean[i * pair->y_count + j] = there ? insight_value(insight, mean) : NAN;
  return err;
}

static enum err
fill_pair(struct insight *insight, size_t points, struct search_pair *pair)
{
  const struct search *search = insight->search;
  const struct space *space = search->space;
  double *others = NULL,
         *scratch = calloc(PAIR_AVERAGED_MOST * (space->count + 1), sizeof *scratch);
  pair->x_values = calloc(2 * points, sizeof *pair->x_values);
  pair->mean = calloc(2 * points * points, sizeof *pair->mean);
  enum err err = scratch && pair->x_values && pair->mean ? ERR_OK : ERR_MEMORY;
  if (!err)
  {
    pair->x_count = spread_values(&space->params[pair->x], points, pair->x_values);
    pair->y_values = pair->x_values + pair->x_count;
    pair->y_count = spread_values(&space->params[pair->y], points, pair->y_values);
    pair->best_mean = pair->mean + pair->x_count * pair->y_count;
    size_t each = PAIR_WORK / (pair->x_count * pair->y_count);
    pair->averaged = each > PAIR_AVERAGED_MOST    ? PAIR_AVERAGED_MOST
                     : each < PAIR_AVERAGED_LEAST ? PAIR_AVERAGED_LEAST
                                                  : each;
    err = draw_others(search, pair->averaged, &others);
  }
  for (size_t c = 0; !err && c < pair->x_count * pair->y_count; c++)
  {
    size_t i = c / pair->y_count, j = c % pair->y_count;
    double *means = scratch + PAIR_AVERAGED_MOST * space->count;
    err = average_cell(insight, pair, others, scratch, means, i, j);
    if (!err)
      err = cell_at_best(insight, pair, scratch, i, j);
  }
  if (!err)
    err = observe(search, pair->x, pair->y, &pair->observations, &pair->observation_count);
  free(others);
  free(scratch);
  return err;
}

static bool
never_meet(const struct search_pair *pair)
{
  for (size_t c = 0; c < pair->x_count * pair->y_count; c++)
    if (!isnan(pair->mean[c]))
      return false;
  return true;
}

enum err
search_pair(struct search *search, size_t x, size_t y, size_t points, struct search_pair *pair,
            struct err_info *info)
{
  struct insight insight;
  *pair = (struct search_pair){.x = x, .y = y};
  points = points ? points : PAIR_POINTS;
  if (points < 2 || points > SEARCH_PAIR_POINTS_MOST)
    return err_set(info, ERR_INVALID, "a pair has 2 to %d points a side", SEARCH_PAIR_POINTS_MOST);
  if (!has_choice(search->space, x) || !has_choice(search->space, y))
    return err_set(info, ERR_INVALID, "the parameter has no choice of values");
  if (x == y)
    return err_set(info, ERR_INVALID, "a pair is of two different parameters");
  enum err err = insight_open(search, &insight);
  if (err)
    return insight_refuse(err, info);
  err = fill_pair(&insight, points, pair);
  insight_close(&insight);
  if (err)
    err_set(info, err, "out of memory");
  else if (never_meet(pair))
    err = err_set(info, ERR_INVALID, "the two parameters are never active together");
  if (err)
    search_pair_clear(pair);
  return err;
}

void
search_pair_clear(struct search_pair *pair)
{
  free(pair->observations);
  free(pair->mean);
  free(pair->x_values);
  memset(pair, 0, sizeof *pair);
}
