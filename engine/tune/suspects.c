#include <config.h>

#include "tune/suspects.h"

#include <math.h>
#include <stdlib.h>

#define DEVIATIONS 6.0
#define MAD_TO_SD 1.4826

struct suspect
{
  size_t at;        /* of the rows given */
  size_t suggested; /* class */
  double weight;    /* how clear it is */
};

static int
compare_suspects(const void *left, const void *right)
{
  const struct suspect *a = left, *b = right;
  if (a->weight != b->weight)
    return a->weight > b->weight ? -1 : 1;
  return (a->at > b->at) - (a->at < b->at);
}

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

/* thresholds (classes) ← mean probability of the own label; 2, which nothing reaches, without rows. */
static void
find_thresholds(const struct labels *labels, const float *p, size_t classes, double *thresholds,
                size_t *rows)
{
  for (size_t i = 0; i < labels->count; i++)
    if (labels->classes[i] >= 0)
    {
      thresholds[labels->classes[i]] += (double) p[i * classes + (size_t) labels->classes[i]];
      rows[labels->classes[i]]++;
    }
  for (size_t k = 0; k < classes; k++)
    thresholds[k] = rows[k] > 0 ? thresholds[k] / (double) rows[k] : 2.0;
}

static size_t
suspect_classes(const struct labels *labels, const float *p, size_t classes,
                const double *thresholds, struct suspect *suspects)
{
  size_t count = 0;
  for (size_t i = 0; i < labels->count; i++)
  {
    const float *row = p + i * classes;
    if (labels->classes[i] < 0)
      continue;
    size_t given = (size_t) labels->classes[i], best = given;
    for (size_t k = 0; k < classes; k++)
      if (k != given && (double) row[k] >= thresholds[k] && row[k] > row[best])
        best = k;
    if (best != given && (double) row[given] < thresholds[given])
      suspects[count++] = (struct suspect){
        .at = i, .suggested = best, .weight = (double) row[best] - (double) row[given]};
  }
  return count;
}

static double
median(double *values, size_t count)
{
  qsort(values, count, sizeof *values, compare_doubles);
  return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static size_t
suspect_values(const struct labels *labels, const float *predictions, double *scratch,
               struct suspect *suspects)
{
  size_t known = 0, count = 0;
  for (size_t i = 0; i < labels->count; i++)
    if (isfinite(labels->values[i]))
      scratch[known++] = labels->values[i] - (double) predictions[i];
  if (known == 0)
    return 0;
  double middle = median(scratch, known);
  for (size_t i = 0; i < known; i++)
    scratch[i] = fabs(scratch[i] - middle);
  double sd = MAD_TO_SD * median(scratch, known);
  for (size_t i = 0; i < labels->count && sd > 0; i++)
  {
    double away = fabs(labels->values[i] - (double) predictions[i] - middle) / sd;
    if (away > DEVIATIONS)
      suspects[count++] = (struct suspect){.at = i, .weight = away};
  }
  return count;
}

static json_t *
describe(const struct tune_data *data, size_t row, const struct labels *labels,
         const float *predictions, const struct suspect *suspect)
{
  size_t i = suspect->at, classes = data->task.class_count;
  if (classes == 0)
    return json_pack("{s:I, s:f, s:f, s:f}", "row", (json_int_t) row, "given", labels->values[i],
                     "suggested", (double) predictions[i], "deviations", suspect->weight);
  size_t given = (size_t) labels->classes[i];
  return json_pack("{s:I, s:s, s:s, s:f, s:f}", "row", (json_int_t) row, "given",
                   data->task.class_names[given], "suggested",
                   data->task.class_names[suspect->suggested], "probability",
                   (double) predictions[i * classes + suspect->suggested], "given_probability",
                   (double) predictions[i * classes + given]);
}

json_t *
suspects_find(const struct tune_data *data, const size_t *rows, const struct labels *labels,
              const float *predictions, size_t *count)
{
  size_t classes = data->task.class_count;
  struct suspect *suspects = calloc(labels->count + 1, sizeof *suspects);
  double *scratch = calloc((classes > 0 ? classes : labels->count) + 1, sizeof *scratch);
  size_t *class_rows = calloc(classes + 1, sizeof *class_rows);
  json_t *list = json_array();
  *count = 0;
  if (suspects == NULL || scratch == NULL || class_rows == NULL || list == NULL)
  {
    json_decref(list);
    list = NULL;
    goto out;
  }
  if (classes > 0)
  {
    find_thresholds(labels, predictions, classes, scratch, class_rows);
    *count = suspect_classes(labels, predictions, classes, scratch, suspects);
  }
  else
    *count = suspect_values(labels, predictions, scratch, suspects);
  qsort(suspects, *count, sizeof *suspects, compare_suspects);
  for (size_t s = 0; s < *count && s < SUSPECTS_MOST; s++)
  {
    json_t *item = describe(data, rows[suspects[s].at], labels, predictions, &suspects[s]);
    if (item != NULL)
      json_array_append_new(list, item);
  }
out:
  free(class_rows);
  free(scratch);
  free(suspects);
  return list;
}
