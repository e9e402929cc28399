#include <config.h>

#include "server/search_json.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/space_json.h"
#include "search/gain.h"
#include "search/slice.h"

/* No trial has this number. */
#define NEXT_TRIAL (UINT64_MAX - 1)

static json_t *
shown(const struct search_json *view, double value)
{
  return json_real_or_null(view->higher ? -value : value);
}

/* A parameter's stored value as its JSON; null for NaN. */
static json_t *
param_value(const struct space *space, size_t param, double value)
{
  struct space alone = {.params = &space->params[param], .count = 1};
  json_t *object = isnan(value) ? NULL : space_point_to_json(&alone, &value);
  json_t *json = json_object_get(object, space->params[param].name);
  json_incref(json);
  json_decref(object);
  return json ? json : json_null();
}

static enum err
find_param(const struct search_json *view, const char *name, size_t *param, struct err_info *info)
{
  *param = space_find(view->space, name);
  if (*param != SIZE_MAX)
    return ERR_OK;
  return err_set(info, ERR_INVALID, "there is no hyperparameter \"%.60s\"", name);
}

/* The reference is given away, or there was no memory for it. */
static enum err
give(json_t *made, json_t **json, struct err_info *info)
{
  *json = made;
  return made ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
}

/* ---- importance --------------------------------------------------------------------------------------- */

static json_t *
view_shares(const struct space *space, const struct search_importance *importance, double *rest)
{
  json_t *items = json_array();
  for (size_t k = 0; k < importance->count; k++)
  {
    const struct search_share *share = &importance->shares[k];
    *rest -= share->share;
    json_array_append_new(items, json_pack("{s:s, s:f, s:o, s:f}", "name",
                                           space->params[share->param].name, "share", share->share,
                                           "where_active", json_real_or_null(share->where_active),
                                           "active", share->active));
  }
  return items;
}

static json_t *
view_pairs(const struct space *space, const struct search_importance *importance, double *rest)
{
  json_t *items = json_array();
  for (size_t k = 0; k < importance->pair_count; k++)
  {
    const struct search_pair_share *pair = &importance->pairs[k];
    *rest -= pair->share;
    json_array_append_new(items, json_pack("{s:[s, s], s:f, s:f, s:f}", "params",
                                           space->params[pair->a].name, space->params[pair->b].name,
                                           "share", pair->share, "where_active", pair->where_active,
                                           "active", pair->active));
  }
  return items;
}

enum err
search_json_importance(const struct search_json *view,
                       const struct search_importance_options *options, json_t **json,
                       struct err_info *info)
{
  struct search_importance importance;
  double rest = 1, focus = options->focus > 0 ? options->focus : 1;
  enum err err = search_importance(view->search, options, &importance, info);
  if (err)
    return err;
  json_t *params = view_shares(view->space, &importance, &rest);
  json_t *pairs = view_pairs(view->space, &importance, &rest);
  json_t *made = json_pack("{s:s, s:I, s:f, s:o, s:o, s:o, s:o}", "model",
                           importance.modelled ? "gaussian_process" : "rank_statistics", "trials",
                           (json_int_t) importance.trials, "focus", focus, "sd",
                           json_real_or_null(importance.sd), "params", params, "pairs", pairs,
                           "rest", json_real_or_null(importance.modelled ? fmax(rest, 0) : NAN));
  search_importance_clear(&importance);
  return give(made, json, info);
}

/* ---- one parameter ------------------------------------------------------------------------------------ */

static json_t *
view_rows(const struct search_json *view, const struct search_slice *slice)
{
  json_t *items = json_array();
  for (size_t k = 0; k < slice->count; k++)
  {
    const struct search_slice_row *row = &slice->rows[k];
    json_array_append_new(items, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "at",
                                           param_value(view->space, slice->param, row->at), "mean",
                                           shown(view, row->mean), "sd", json_real_or_null(row->sd),
                                           "spread", json_real_or_null(row->spread), "best_mean",
                                           shown(view, row->best_mean), "best_sd",
                                           json_real_or_null(row->best_sd), "log_ei",
                                           json_real_or_null(row->log_ei)));
  }
  return items;
}

static json_t *
view_observations(const struct search_json *view, size_t x, size_t y,
                  const struct search_observation *observations, size_t count)
{
  json_t *items = json_array();
  for (size_t k = 0; k < count; k++)
  {
    const struct search_observation *seen = &observations[k];
    json_t *item =
      json_pack("{s:I, s:o, s:o}", "trial", (json_int_t) seen->trial, y == SIZE_MAX ? "at" : "x",
                param_value(view->space, x, seen->x), "value", shown(view, seen->value));
    if (y != SIZE_MAX)
      json_object_set_new(item, "y", param_value(view->space, y, seen->y));
    json_array_append_new(items, item);
  }
  return items;
}

/* Where the search would look next; null when it has nothing left to try. ERR_MEMORY. */
static enum err
view_next(const struct search_json *view, size_t param, json_t **next)
{
  double *point = calloc(view->space->count + 1, sizeof *point);
  enum err err = point ? search_ask(view->search, NEXT_TRIAL, point, NULL) : ERR_MEMORY;
  *next = err ? json_null()
              : json_pack("{s:o, s:o}", "at", param_value(view->space, param, point[param]),
                          "params", space_point_to_json(view->space, point));
  free(point);
  return err == ERR_MEMORY ? err : ERR_OK;
}

enum err
search_json_slice(const struct search_json *view, const char *name, size_t points, json_t **json,
                  struct err_info *info)
{
  struct search_slice slice;
  size_t param;
  json_t *next = json_null();
  enum err err = find_param(view, name, &param, info);
  if (!err)
    err = search_slice(view->search, param, points, &slice, info);
  if (err)
    return err;
  if (view->next && view_next(view, param, &next))
    err = err_set(info, ERR_MEMORY, "out of memory");
  json_t *made =
    json_pack("{s:s, s:I, s:o, s:o, s:o}", "param", view->space->params[param].name, "averaged",
              (json_int_t) slice.averaged, "points", view_rows(view, &slice), "observations",
              view_observations(view, param, SIZE_MAX, slice.observations, slice.observation_count),
              "next", next);
  search_slice_clear(&slice);
  if (!err)
    return give(made, json, info);
  json_decref(made);
  return err;
}

/* ---- two parameters ----------------------------------------------------------------------------------- */

static json_t *
view_axis(const struct space *space, size_t param, const double *values, size_t count)
{
  json_t *items = json_array();
  for (size_t k = 0; k < count; k++)
    json_array_append_new(items, param_value(space, param, values[k]));
  return json_pack("{s:s, s:o}", "param", space->params[param].name, "values", items);
}

static json_t *
view_grid(const struct search_json *view, const struct search_pair *pair, const double *means)
{
  json_t *rows = json_array();
  for (size_t i = 0; i < pair->x_count; i++)
  {
    json_t *row = json_array();
    for (size_t j = 0; j < pair->y_count; j++)
      json_array_append_new(row, shown(view, means[i * pair->y_count + j]));
    json_array_append_new(rows, row);
  }
  return rows;
}

enum err
search_json_pair(const struct search_json *view, const char *x_name, const char *y_name,
                 size_t points, json_t **json, struct err_info *info)
{
  struct search_pair pair;
  size_t x, y = 0;
  enum err err = find_param(view, x_name, &x, info);
  if (!err)
    err = find_param(view, y_name, &y, info);
  if (!err)
    err = search_pair(view->search, x, y, points, &pair, info);
  if (err)
    return err;
  json_t *made = json_pack(
    "{s:o, s:o, s:I, s:o, s:o, s:o}", "x", view_axis(view->space, x, pair.x_values, pair.x_count),
    "y", view_axis(view->space, y, pair.y_values, pair.y_count), "averaged",
    (json_int_t) pair.averaged, "mean", view_grid(view, &pair, pair.mean), "best_mean",
    view_grid(view, &pair, pair.best_mean), "observations",
    view_observations(view, x, y, pair.observations, pair.observation_count));
  search_pair_clear(&pair);
  return give(made, json, info);
}

/* ---- what is still to be gained ----------------------------------------------------------------------- */

enum err
search_json_gain(const struct search_json *view, json_t **json, struct err_info *info)
{
  struct search_gain gain;
  enum err err = search_gain_left(view->search, &gain, info);
  if (err)
    return err;
  return give(json_pack("{s:I, s:o, s:o, s:o, s:o}", "trials", (json_int_t) gain.trials, "best",
                        shown(view, gain.best), "expected_gain", json_real_or_null(gain.expected),
                        "regret_bound", json_real_or_null(gain.regret_bound), "noise",
                        json_real_or_null(gain.noise)),
              json, info);
}
