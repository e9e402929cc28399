#include <config.h>

#include "data/metric_internal.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* ---- ranking ----------------------------------------------------------------------------------------- */

#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)

/* A float's bits as a whole number whose order is the reverse of the floats'. */
static uint32_t
falling_key(float score)
{
  uint32_t bits;
  memcpy(&bits, &score, sizeof bits);
  bits = bits == 0x80000000u ? 0 : bits; /* −0 = 0 */
  return bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
}

struct keyed
{
  uint32_t key, row;
};

/* One pass of a radix sort: stable by the digit at `shift`. */
static void
sort_by_digit(const struct keyed *from, struct keyed *to, size_t count, unsigned shift)
{
  size_t places[DIGITS + 1] = {0};
  for (size_t i = 0; i < count; i++)
    places[(from[i].key >> shift & (DIGITS - 1)) + 1]++;
  for (size_t d = 1; d < DIGITS; d++)
    places[d] += places[d - 1];
  for (size_t i = 0; i < count; i++)
    to[places[from[i].key >> shift & (DIGITS - 1)]++] = from[i];
}

/* Searches rank the same rows thousands of times over, so this is worth a sort without comparisons. Rows
 * with equal scores stay in their order. */
struct scored *
metric_rank_rows(const struct labels *labels, const float *predictions, size_t outputs, size_t k,
                 double *positives, double *total)
{
  size_t count = labels->count;
  struct scored *rows = malloc((count + 1) * sizeof *rows);
  struct keyed *keys = calloc(2 * count + 1, sizeof *keys), *other = keys + count;
  *positives = *total = 0;
  if (rows == NULL || keys == NULL || count > UINT32_MAX)
  {
    free(rows);
    free(keys);
    return NULL;
  }
  for (size_t i = 0; i < count; i++)
    keys[i] = (struct keyed){falling_key(predictions[i * outputs + k]), (uint32_t) i};
  sort_by_digit(keys, other, count, 0);
  sort_by_digit(other, keys, count, DIGIT_BITS);
  sort_by_digit(keys, other, count, 2 * DIGIT_BITS);
  for (size_t i = 0; i < count; i++)
  {
    size_t row = other[i].row;
    rows[i].score = predictions[row * outputs + k];
    rows[i].positive = (size_t) labels->classes[row] == k;
    rows[i].weight = labels_weight(labels, row);
    *positives += rows[i].positive ? rows[i].weight : 0.0;
    *total += rows[i].weight;
  }
  free(keys);
  return rows;
}

/* ---- areas and curves -------------------------------------------------------------------------------- */

double
metric_auc(const struct labels *labels, const float *predictions, size_t outputs, size_t k)
{
  double positives, total;
  struct scored *rows = metric_rank_rows(labels, predictions, outputs, k, &positives, &total);
  if (rows == NULL)
    return (double) NAN;
  /* Twice the weight of (positive, negative) pairs in order; ties add one. */
  double pairs = 0, above = 0; /* positives with a higher score */
  for (size_t i = 0; i < labels->count;)
  {
    size_t end = i;
    double here = 0, negatives = 0;
    for (; end < labels->count && rows[end].score == rows[i].score; end++)
      *(rows[end].positive ? &here : &negatives) += rows[end].weight;
    pairs += negatives * (2.0 * above + here);
    above += here;
    i = end;
  }
  free(rows);
  double all = 2.0 * positives * (total - positives);
  return all > 0 ? pairs / all : (double) NAN;
}

double
metric_average_precision(const struct labels *labels, const float *predictions, size_t outputs,
                         size_t k)
{
  double positives, total, seen = 0, right = 0, sum = 0;
  struct scored *rows = metric_rank_rows(labels, predictions, outputs, k, &positives, &total);
  for (size_t i = 0; rows != NULL && i < labels->count;)
  {
    double here = 0;
    size_t end = i;
    for (; end < labels->count && rows[end].score == rows[i].score; end++)
    {
      here += rows[end].positive ? rows[end].weight : 0.0;
      seen += rows[end].weight;
    }
    right += here;
    sum += seen > 0 ? here * right / seen : 0.0;
    i = end;
  }
  free(rows);
  return rows != NULL && positives > 0 ? sum / positives : (double) NAN;
}

struct curve_point
{
  double x, y;
  float threshold;
};

/* After each distinct score: weight of true and of false positives so far. Caller frees. */
static struct curve_point *
trace(const struct scored *rows, size_t count, size_t *points)
{
  struct curve_point *curve = malloc((count + 1) * sizeof *curve);
  if (curve == NULL)
    return NULL;
  size_t found = 0;
  double right = 0, wrong = 0;
  for (size_t i = 0; i < count; i++)
  {
    *(rows[i].positive ? &right : &wrong) += rows[i].weight;
    if (i + 1 < count && rows[i + 1].score == rows[i].score)
      continue;
    curve[found].y = right;
    curve[found].x = wrong;
    curve[found].threshold = rows[i].score;
    found++;
  }
  *points = found;
  return curve;
}

/* At most `limit` of the points, evenly spaced, always with the first and the last. */
static json_t *
thin(const struct curve_point *curve, size_t count, size_t limit, const char *x, const char *y)
{
  json_t *list = json_array();
  size_t kept = count < limit ? count : limit;
  for (size_t i = 0; i < kept; i++)
  {
    size_t at = kept > 1 ? i * (count - 1) / (kept - 1) : 0;
    json_array_append_new(list, json_pack("{s:f, s:f, s:f}", x, curve[at].x, y, curve[at].y,
                                          "threshold", (double) curve[at].threshold));
  }
  return list;
}

json_t *
metric_roc_points(const struct labels *labels, const float *predictions, size_t outputs, size_t k,
                  size_t limit)
{
  size_t count;
  double positives, total;
  struct scored *rows = metric_rank_rows(labels, predictions, outputs, k, &positives, &total);
  struct curve_point *curve = rows != NULL ? trace(rows, labels->count, &count) : NULL;
  json_t *list = NULL;
  double negatives = total - positives;
  if (curve != NULL && positives > 0 && negatives > 0)
  {
    for (size_t i = 0; i < count; i++)
    {
      curve[i].x /= negatives;
      curve[i].y /= positives;
    }
    list = thin(curve, count, limit - 1, "fpr", "tpr");
    /* Nothing predicted as positive: where the curve starts. */
    json_array_insert_new(list, 0,
                          json_pack("{s:f, s:f, s:n}", "fpr", 0.0, "tpr", 0.0, "threshold"));
  }
  free(curve);
  free(rows);
  return list != NULL ? list : json_array();
}

json_t *
metric_pr_points(const struct labels *labels, const float *predictions, size_t outputs, size_t k,
                 size_t limit)
{
  size_t count;
  double positives, total;
  struct scored *rows = metric_rank_rows(labels, predictions, outputs, k, &positives, &total);
  struct curve_point *curve = rows != NULL ? trace(rows, labels->count, &count) : NULL;
  json_t *list = NULL;
  if (curve != NULL && positives > 0)
  {
    for (size_t i = 0; i < count; i++)
    {
      double right = curve[i].y, wrong = curve[i].x;
      curve[i].x = right / positives;
      curve[i].y = right + wrong > 0 ? right / (right + wrong) : 1.0;
    }
    list = thin(curve, count, limit, "recall", "precision");
  }
  free(curve);
  free(rows);
  return list != NULL ? list : json_array();
}
