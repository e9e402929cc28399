#include <config.h>

#include "tune/conformal.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define FEWEST_ROWS 10
#define ROWS_A_KNOT 60 /* a bin's mean error is then known to about a tenth */
#define PRIOR_ROWS 10.0
#define LEAST_SPREAD 0.05 /* of the mean error */
#define CHOICE_LEVEL 0.9
#define NO_PART SIZE_MAX

struct form
{
  bool each_tail, by_prediction;
};

/* Rows of a build: prediction and error, and room for their scores. */
struct point
{
  double prediction, error; /* truth − prediction */
};

struct room
{
  struct point *points;
  double *scores, *plain, *other; /* (count) each; the last two: interval scores of two forms */
};

static bool
is_usable(const struct conformal_rows *rows, size_t i)
{
  return isfinite(rows->truth[i]) && isfinite(rows->prediction[i]);
}

/* ---- one build --------------------------------------------------------------------------------------- */

static int
compare_points(const void *left, const void *right)
{
  const struct point *a = left, *b = right;
  return (a->prediction > b->prediction) - (a->prediction < b->prediction);
}

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

/* Mean |error| of equally many rows around each knot, drawn a little towards that of all rows. */
static void
find_knots(const struct point *points, size_t count, struct model_interval *interval)
{
  size_t knots = count / ROWS_A_KNOT, kept = 0;
  double all = 0;
  if (knots > MODEL_INTERVAL_KNOTS)
    knots = MODEL_INTERVAL_KNOTS;
  for (size_t i = 0; i < count; i++)
    all += fabs(points[i].error) / (double) count;
  if (knots < 2 || !(all > 0) || !isfinite(all))
    return;
  for (size_t k = 0; k < knots; k++)
  {
    size_t begin = k * count / knots, end = (k + 1) * count / knots;
    double at = 0, sum = PRIOR_ROWS * all, rows = (double) (end - begin);
    for (size_t i = begin; i < end; i++)
    {
      at += points[i].prediction / rows;
      sum += fabs(points[i].error);
    }
    /* Many rows may have one prediction. */
    if (!isfinite(at) || (kept > 0 && !(at > interval->knot_at[kept - 1])))
      continue;
    interval->knot_at[kept] = at;
    interval->knot_spread[kept++] = fmax(sum / (rows + PRIOR_ROWS), LEAST_SPREAD * all);
  }
  interval->knot_count = kept > 1 ? kept : 0;
}

/* From all rows but those of part `out`. */
static void
build(const struct conformal_rows *rows, size_t out, struct form form, const struct room *room,
      struct model_interval *interval)
{
  size_t count = 0;
  *interval = (struct model_interval){.each_tail = form.each_tail};
  for (size_t i = 0; i < rows->count; i++)
    if (is_usable(rows, i) && (out == NO_PART || rows->part[i] != out))
      room->points[count++] =
        (struct point){(double) rows->prediction[i], rows->truth[i] - (double) rows->prediction[i]};
  if (form.by_prediction)
  {
    qsort(room->points, count, sizeof *room->points, compare_points);
    find_knots(room->points, count, interval);
  }
  for (size_t i = 0; i < count; i++)
  {
    double score =
      room->points[i].error / model_interval_spread(interval, room->points[i].prediction);
    room->scores[i] = form.each_tail ? score : fabs(score);
  }
  qsort(room->scores, count, sizeof *room->scores, compare_doubles);
  if (count >= FEWEST_ROWS)
    model_interval_take(interval, room->scores, count);
}

/* ---- measuring --------------------------------------------------------------------------------------- */

static void
add_row(const struct model_interval *interval, double prediction, double truth,
        struct conformal_measure *measure)
{
  double low, high;
  if (!model_interval_at(interval, measure->level, prediction, &low, &high))
    return;
  measure->rows++;
  measure->coverage += truth >= low && truth <= high;
  measure->width += high - low;
}

static void
clear_sums(struct conformal_measure *measures, size_t count)
{
  for (size_t l = 0; l < count; l++)
    measures[l] = (struct conformal_measure){.level = measures[l].level};
}

static void
take_means(struct conformal_measure *measures, size_t count)
{
  for (size_t l = 0; l < count; l++)
  {
    double rows = measures[l].rows > 0 ? (double) measures[l].rows : (double) NAN;
    measures[l].coverage /= rows;
    measures[l].width /= rows;
  }
}

void
conformal_measure(const struct conformal_rows *rows, const struct model_interval *interval,
                  struct conformal_measure *measures, size_t count)
{
  clear_sums(measures, count);
  for (size_t i = 0; i < rows->count; i++)
    for (size_t l = 0; l < count && is_usable(rows, i); l++)
      add_row(interval, (double) rows->prediction[i], rows->truth[i], &measures[l]);
  take_means(measures, count);
}

/* Width plus what misses cost, so that the truth's own quantiles score best; infinite without an interval. */
static double
interval_score(const struct model_interval *interval, double prediction, double truth)
{
  double low, high;
  if (!model_interval_at(interval, CHOICE_LEVEL, prediction, &low, &high))
    return INFINITY;
  double missed = fmax(fmax(low - truth, truth - high), 0);
  return high - low + 2 / (1 - CHOICE_LEVEL) * missed;
}

/* Each row's score by the other parts, of a form. */
static void
score_form(const struct conformal_rows *rows, struct form form, const struct room *room,
           double *scores)
{
  struct model_interval interval;
  for (size_t part = 0; part < rows->parts; part++)
  {
    build(rows, part, form, room, &interval);
    for (size_t i = 0; i < rows->count; i++)
      if (rows->part[i] == part)
        scores[i] = is_usable(rows, i)
                      ? interval_score(&interval, (double) rows->prediction[i], rows->truth[i])
                      : NAN;
  }
}

/* How much better the other form's scores are, in standard errors of the rows' differences; *gain is the mean. */
static bool
is_better(const struct room *room, size_t count, double *gain)
{
  double sum = 0, square = 0, rows = 0;
  for (size_t i = 0; i < count; i++)
  {
    double difference = room->plain[i] - room->other[i];
    if (isnan(room->plain[i]))
      continue;
    if (!isfinite(difference))
      return false;
    rows++;
    sum += difference;
    square += difference * difference;
  }
  *gain = sum / rows;
  return rows > 1 && *gain > sqrt(fmax(square / rows - *gain * *gain, 0) / rows);
}

static struct form
choose_form(const struct conformal_rows *rows, const struct room *room)
{
  static const struct form forms[] = {{true, false}, {false, true}, {true, true}};
  struct form best = {false, false};
  double most = 0, gain = 0;
  score_form(rows, best, room, room->plain);
  for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++)
  {
    score_form(rows, forms[f], room, room->other);
    if (is_better(room, rows->count, &gain) && gain > most)
    {
      most = gain;
      best = forms[f];
    }
  }
  return best;
}

/* ---- entry points ------------------------------------------------------------------------------------ */

static bool
room_make(struct room *room, size_t count)
{
  *room = (struct room){.points = malloc((count + 1) * sizeof *room->points),
                        .scores = malloc((count + 1) * sizeof *room->scores),
                        .plain = malloc((count + 1) * sizeof *room->plain),
                        .other = malloc((count + 1) * sizeof *room->other)};
  return room->points != NULL && room->scores != NULL && room->plain != NULL && room->other != NULL;
}

static void
room_free(struct room *room)
{
  free(room->points);
  free(room->scores);
  free(room->plain);
  free(room->other);
}

enum err
conformal_fit(const struct conformal_rows *rows, struct model_interval *interval)
{
  struct room room;
  enum err err = room_make(&room, rows->count) ? ERR_OK : ERR_MEMORY;
  if (err == ERR_OK)
    build(rows, NO_PART, choose_form(rows, &room), &room, interval);
  room_free(&room);
  return err;
}

enum err
conformal_measure_crossed(const struct conformal_rows *rows, const struct model_interval *like,
                          struct conformal_measure *measures, size_t count)
{
  struct form form = {like->each_tail, like->knot_count > 0};
  struct model_interval interval;
  struct room room;
  enum err err = room_make(&room, rows->count) ? ERR_OK : ERR_MEMORY;
  clear_sums(measures, count);
  for (size_t part = 0; part < rows->parts && err == ERR_OK; part++)
  {
    build(rows, part, form, &room, &interval);
    for (size_t i = 0; i < rows->count; i++)
      for (size_t l = 0; l < count && rows->part[i] == part && is_usable(rows, i); l++)
        add_row(&interval, (double) rows->prediction[i], rows->truth[i], &measures[l]);
  }
  take_means(measures, count);
  room_free(&room);
  return err;
}
