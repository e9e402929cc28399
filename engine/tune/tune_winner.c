#include <config.h>

#include "tune/tune_winner.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "tune/tune_long.h"

bool
tune_winner_same(const struct tune_data *data, const struct tune_trial *a,
                 const struct tune_trial *b)
{
  return !tune_long_planned(data->spec, data->shape.kind) && strcmp(a->family, b->family) == 0
         && json_equal(a->params, b->params) == 1;
}

static bool
is_exact(const struct tune_trial *trial)
{
  const struct model_family *family = model_family_find(trial->family);
  return family != NULL && family->exact;
}

/* Mean objective over the runs of the trial's configuration. */
static double
mean_objective(const struct tune_data *data, const struct tune_trial *trials, size_t count,
               size_t index, size_t *runs)
{
  double sum = 0;
  *runs = 0;
  for (size_t t = 0; t < count; t++)
    if (t == index || tune_winner_same(data, &trials[t], &trials[index]))
    {
      sum += trials[t].objective;
      ++*runs;
    }
  return sum / (double) *runs;
}

size_t
tune_winner_find(const struct tune_data *data, const struct tune_trial *trials, size_t count)
{
  size_t winner = 0, runs = 0, first = 0;
  double least = INFINITY;
  while (first < count && is_exact(&trials[first]))
    first++;
  if (first == count)
    return 0;
  mean_objective(data, trials, count, first, &runs);
  if (runs < 2)
    return 0;
  for (size_t t = 0; t < count; t++)
  {
    double mean = mean_objective(data, trials, count, t, &runs);
    if ((runs > 1 || is_exact(&trials[t])) && mean < least)
    {
      least = mean;
      winner = t;
    }
  }
  return winner;
}

/* What the runs of the trial's configuration gave; NULL when it is the only one. */
static json_t *
describe(const struct tune_data *data, const struct tune_trial *trials, size_t count, size_t index)
{
  json_t *numbers = json_array(), *metrics = json_array(), *json = NULL;
  double sum = 0;
  for (size_t t = index; t < count; t++)
    if (t == index || tune_winner_same(data, &trials[t], &trials[index]))
    {
      sum += trials[t].metric;
      json_array_append_new(numbers, json_integer(trials[t].number));
      json_array_append_new(metrics, json_real_or_null(trials[t].metric));
    }
  if (json_array_size(numbers) > 1)
    json = json_pack("{s:s, s:O, s:O}", "family", trials[index].family, "trials", numbers,
                     "metrics", metrics);
  if (json != NULL)
    json_object_set_new(json, "mean", json_real_or_null(sum / (double) json_array_size(numbers)));
  json_decref(numbers);
  json_decref(metrics);
  return json;
}

json_t *
tune_winner_json(const struct tune_data *data, const struct tune_trial *trials, size_t count)
{
  json_t *all = json_array();
  for (size_t t = 0; t < count; t++)
  {
    bool told = false;
    for (size_t before = 0; before < t; before++)
      told = told || tune_winner_same(data, &trials[before], &trials[t]);
    json_t *one = told ? NULL : describe(data, trials, count, t);
    if (one != NULL)
      json_array_append_new(all, one);
  }
  return all;
}
