#include <config.h>

#include "model/model_interval.h"

#include <math.h>

#define TAIL 128 /* of the extremes at each end, which high levels ask for, none is left out */
/* (n + 1) · level may come out above a whole number that it is. */
#define ROUNDING 1e-9

void
model_interval_take(struct model_interval *interval, const double *sorted, size_t rows)
{
  size_t middle = MODEL_INTERVAL_SCORES - 2 * TAIL;

  interval->rows = rows;
  interval->score_count = rows < MODEL_INTERVAL_SCORES ? rows : MODEL_INTERVAL_SCORES;
  for (size_t i = 0; i < interval->score_count; i++)
  {
    size_t at = i;
    if (rows > MODEL_INTERVAL_SCORES && i >= MODEL_INTERVAL_SCORES - TAIL)
      at = rows - MODEL_INTERVAL_SCORES + i;
    else if (rows > MODEL_INTERVAL_SCORES && i >= TAIL)
      at = TAIL + (size_t) ((double) (i - TAIL) * (double) (rows - 2 * TAIL) / (double) middle);
    interval->rank[i] = (uint32_t) (at + 1);
    interval->score[i] = sorted[at];
  }
}

double
model_interval_spread(const struct model_interval *interval, double prediction)
{
  const double *at = interval->knot_at, *spread = interval->knot_spread;
  size_t count = interval->knot_count, k = 1;

  if (count == 0)
    return 1.0;
  if (!(prediction > at[0]))
    return spread[0];
  if (prediction >= at[count - 1])
    return spread[count - 1];
  while (prediction > at[k])
    k++;
  double share = (prediction - at[k - 1]) / (at[k] - at[k - 1]);
  return spread[k - 1] + share * (spread[k] - spread[k - 1]);
}

double
model_interval_rows_for(bool each_tail, double level)
{
  double below = each_tail ? (1.0 + level) / 2.0 : level;

  return ceil(below / (1.0 - below) - ROUNDING);
}

/* The least score kept whose rank is at least `rank`. */
static double
score_from(const struct model_interval *interval, double rank)
{
  size_t low = 0, high = interval->score_count - 1;

  while (low < high)
  {
    size_t middle = (low + high) / 2;
    if ((double) interval->rank[middle] >= rank)
      high = middle;
    else
      low = middle + 1;
  }
  return interval->score[low];
}

/* The largest score kept whose rank is at most `rank`. */
static double
score_to(const struct model_interval *interval, double rank)
{
  size_t low = 0, high = interval->score_count - 1;

  while (low < high)
  {
    size_t middle = (low + high + 1) / 2;
    if ((double) interval->rank[middle] <= rank)
      low = middle;
    else
      high = middle - 1;
  }
  return interval->score[low];
}

bool
model_interval_at(const struct model_interval *interval, double level, double prediction,
                  double *low, double *high)
{
  double rows = (double) interval->rows, spread = model_interval_spread(interval, prediction);

  if (interval->score_count == 0 || rows < model_interval_rows_for(interval->each_tail, level))
    return false;
  if (!interval->each_tail)
  {
    double half = spread * score_from(interval, ceil((rows + 1.0) * level - ROUNDING));
    *low = prediction - half;
    *high = prediction + half;
    return true;
  }
  double missed = floor((rows + 1.0) * (1.0 - level) / 2.0 + ROUNDING);
  *low = prediction + spread * score_to(interval, missed);
  *high = prediction + spread * score_from(interval, rows + 1.0 - missed);
  return true;
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

json_t *
model_interval_json(const struct model_interval *interval)
{
  json_t *knots = json_array(), *ranks = json_array(), *scores = json_array();

  for (size_t k = 0; k < interval->knot_count; k++)
    json_array_append_new(knots,
                          json_pack("[f, f]", interval->knot_at[k], interval->knot_spread[k]));
  for (size_t i = 0; i < interval->score_count; i++)
  {
    json_array_append_new(ranks, json_integer((json_int_t) interval->rank[i]));
    json_array_append_new(scores, json_real(interval->score[i]));
  }
  return json_pack("{s:I, s:b, s:o, s:o, s:o}", "rows", (json_int_t) interval->rows, "each_tail",
                   interval->each_tail, "knots", knots, "ranks", ranks, "scores", scores);
}

static bool
number(const json_t *value, double *found)
{
  *found = json_number_value(value);
  return json_is_number(value) && isfinite(*found);
}

static bool
read_knots(const json_t *knots, struct model_interval *interval)
{
  interval->knot_count = json_array_size(knots);
  if (!json_is_array(knots) || interval->knot_count > MODEL_INTERVAL_KNOTS)
    return false;
  for (size_t k = 0; k < interval->knot_count; k++)
  {
    const json_t *knot = json_array_get(knots, k);
    if (!number(json_array_get(knot, 0), &interval->knot_at[k])
        || !number(json_array_get(knot, 1), &interval->knot_spread[k])
        || !(interval->knot_spread[k] > 0.0)
        || (k > 0 && !(interval->knot_at[k] > interval->knot_at[k - 1])))
      return false;
  }
  return true;
}

static bool
read_scores(const json_t *json, struct model_interval *interval)
{
  const json_t *ranks = json_object_get(json, "ranks"), *scores = json_object_get(json, "scores");
  size_t count = json_array_size(scores);

  if (count == 0 || count > MODEL_INTERVAL_SCORES || json_array_size(ranks) != count)
    return false;
  interval->score_count = count;
  for (size_t i = 0; i < count; i++)
  {
    json_int_t rank = json_integer_value(json_array_get(ranks, i));
    if (rank < 1 || rank > (json_int_t) interval->rows
        || !number(json_array_get(scores, i), &interval->score[i])
        || (!interval->each_tail && interval->score[i] < 0.0))
      return false;
    interval->rank[i] = (uint32_t) rank;
    if (i > 0
        && (interval->rank[i] <= interval->rank[i - 1]
            || interval->score[i] < interval->score[i - 1]))
      return false;
  }
  return interval->rank[0] == 1 && interval->rank[count - 1] == interval->rows;
}

bool
model_interval_read(const json_t *json, struct model_interval *interval)
{
  json_int_t rows = json_integer_value(json_object_get(json, "rows"));
  const json_t *each_tail = json_object_get(json, "each_tail");

  *interval = (struct model_interval){.each_tail = json_is_true(each_tail)};
  if (rows < 1 || rows > UINT32_MAX || !json_is_boolean(each_tail))
    return false;
  interval->rows = (size_t) rows;
  return read_knots(json_object_get(json, "knots"), interval) && read_scores(json, interval);
}
