#include <config.h>

#include "data/issues_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/hash.h"

#define FEW_ROWS 10
#define SMALL_SHARE 0.05
#define BINS 64
#define LEAK_AUC 0.995
#define LEAK_R2 0.99
#define LEAK_ROWS 30    /* fewer rows may fit a column by chance */
#define LEAK_CLASSES 50 /* the larger ones are looked at */

/* ---- classes ---------------------------------------------------------------------------------------- */

enum err
issues_of_classes(struct issue_work *work)
{
  size_t classes = work->task.class_count, smallest = 0, total = 0;
  size_t *rows = calloc(classes + 1, sizeof *rows);
  const char *column = work->task.target;
  if (rows == NULL)
    return ERR_MEMORY;
  for (size_t i = 0; i < work->count && classes > 0; i++)
  {
    int32_t class = task_class_of(&work->task, work->request->dataset, work->rows[i]);
    if (class >= 0)
    {
      rows[class]++;
      total++;
    }
  }
  for (size_t k = 0; k < classes; k++)
  {
    if (rows[k] < rows[smallest])
      smallest = k;
    if (rows[k] < FEW_ROWS && work->count == dataset_row_count(work->request->dataset))
    {
      struct issue_rows examples = {0};
      for (size_t i = 0; i < work->count; i++)
        if (task_class_of(&work->task, work->request->dataset, work->rows[i]) == (int32_t) k)
          issue_row(&examples, work->rows[i]);
      issue_add(work, "small_class", "warning", column, &examples,
                "add rows of it, or put it together with another",
                "class \"%.100s\" has only %zu rows, too few to learn or to judge it well",
                work->task.class_names[k], rows[k]);
    }
  }
  if (classes > 0 && rows[smallest] >= FEW_ROWS
      && (double) rows[smallest] < SMALL_SHARE * (double) total)
    issue_add(work, "imbalance", "info", column, NULL,
              "judge by balanced accuracy or F1, and try class_weight balanced",
              "class \"%.100s\" is %.2g%% of the rows: answering another each time would look good",
              work->task.class_names[smallest], 100 * (double) rows[smallest] / (double) total);
  free(rows);
  return ERR_OK;
}

/* ---- what one column alone tells -------------------------------------------------------------------- */

/* One column cut into bins, on labelled rows, in two halves that judge each other. */
struct probe
{
  struct issue_work *work;
  size_t *row; /* (count): labelled rows */
  uint8_t *half;
  uint32_t *bin;
  size_t count, bins;
  double *truth, *guess; /* (count) */
};

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

/* Bins of equal numbers of rows, equal values together; the last one is for missing values. */
static enum err
bin_numbers(struct probe *probe, const struct column *column)
{
  double *values = malloc((probe->count + 1) * sizeof *values), edges[BINS];
  size_t known = 0, edge_count = 0;
  if (values == NULL)
    return ERR_MEMORY;
  for (size_t i = 0; i < probe->count; i++)
    if (isfinite(column->number[probe->row[i]]))
      values[known++] = column->number[probe->row[i]];
  qsort(values, known, sizeof *values, compare_doubles);
  for (size_t b = 1; b < BINS && known > 0; b++)
  {
    double edge = values[b * known / BINS];
    if (edge > values[0] && (edge_count == 0 || edge > edges[edge_count - 1]))
      edges[edge_count++] = edge;
  }
  free(values);
  for (size_t i = 0; i < probe->count; i++)
  {
    double value = column->number[probe->row[i]];
    size_t low = 0, high = edge_count;
    while (low < high)
    {
      size_t middle = (low + high) / 2;
      if (value >= edges[middle])
        low = middle + 1;
      else
        high = middle;
    }
    probe->bin[i] = (uint32_t) (isfinite(value) ? low : BINS);
  }
  probe->bins = BINS + 1;
  return ERR_OK;
}

static void
bin_codes(struct probe *probe, const struct column *column)
{
  probe->bins = column->category_count + 1;
  for (size_t i = 0; i < probe->count; i++)
  {
    int32_t code = column->code[probe->row[i]];
    probe->bin[i] = (uint32_t) (code < 0 ? column->category_count : (size_t) code);
  }
}

/* guess ← the mean of truth in the row's bin over the other half; a bin that half does not have gets the
 * mean of all. */
static enum err
guess_from_other_half(struct probe *probe)
{
  double *sum = calloc(2 * probe->bins, sizeof *sum), mean = 0;
  size_t *rows = calloc(2 * probe->bins, sizeof *rows);
  if (sum == NULL || rows == NULL)
  {
    free(sum);
    free(rows);
    return ERR_MEMORY;
  }
  for (size_t i = 0; i < probe->count; i++)
  {
    size_t cell = probe->half[i] * probe->bins + probe->bin[i];
    sum[cell] += probe->truth[i];
    rows[cell]++;
    mean += probe->truth[i] / (double) probe->count;
  }
  for (size_t i = 0; i < probe->count; i++)
  {
    size_t cell = (1u - probe->half[i]) * probe->bins + probe->bin[i];
    probe->guess[i] = rows[cell] > 0 ? sum[cell] / (double) rows[cell] : mean;
  }
  free(rows);
  free(sum);
  return ERR_OK;
}

struct scored
{
  double guess, truth;
};

static int
compare_scored(const void *left, const void *right)
{
  const struct scored *a = left, *b = right;
  return (a->guess > b->guess) - (a->guess < b->guess);
}

/* Area under the curve of guess for truth in {0, 1}, ties by half. */
static double
area(const struct probe *probe)
{
  struct scored *order = malloc((probe->count + 1) * sizeof *order);
  double below = 0, pairs = 0, positives = 0, negatives = 0;
  if (order == NULL)
    return NAN;
  for (size_t i = 0; i < probe->count; i++)
    order[i] = (struct scored){.guess = probe->guess[i], .truth = probe->truth[i]};
  qsort(order, probe->count, sizeof *order, compare_scored);
  for (size_t begin = 0; begin < probe->count;)
  {
    size_t end = begin;
    double here = 0;
    while (end < probe->count && order[end].guess == order[begin].guess)
      here += order[end++].truth;
    double others = (double) (end - begin) - here;
    pairs += here * (below + others / 2);
    below += others;
    positives += here;
    negatives += others;
    begin = end;
  }
  free(order);
  return positives > 0 && negatives > 0 ? pairs / (positives * negatives) : NAN;
}

static double
r_squared(const struct probe *probe)
{
  double mean = 0, all = 0, left = 0;
  for (size_t i = 0; i < probe->count; i++)
    mean += probe->truth[i] / (double) probe->count;
  for (size_t i = 0; i < probe->count; i++)
  {
    all += (probe->truth[i] - mean) * (probe->truth[i] - mean);
    left += (probe->truth[i] - probe->guess[i]) * (probe->truth[i] - probe->guess[i]);
  }
  return all > 0 ? 1 - left / all : NAN;
}

/* The squared correlation of a numeric column with the target: bins can't follow long tails. */
static double
correlation(const struct probe *probe, const struct column *column)
{
  double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < probe->count; i++)
  {
    double a = column->number[probe->row[i]], b = probe->truth[i];
    if (!isfinite(a))
      continue;
    n++;
    double dx = a - x, dy = b - y;
    x += dx / n;
    y += dy / n;
    xx += dx * (a - x);
    yy += dy * (b - y);
    xy += dx * (b - y);
  }
  return n > 0.9 * (double) probe->count && xx > 0 && yy > 0 ? xy * xy / (xx * yy) : NAN;
}

/* The worst of the classes' areas: only a column that tells them all apart counts. */
static enum err
judge_classes(struct probe *probe, double *worst)
{
  const struct issue_work *work = probe->work;
  size_t classes = work->task.class_count;
  *worst = INFINITY;
  for (size_t k = classes == 2 ? 1 : 0; k < classes && k < LEAK_CLASSES; k++)
  {
    for (size_t i = 0; i < probe->count; i++)
      probe->truth[i] =
        task_class_of(&work->task, work->request->dataset, probe->row[i]) == (int32_t) k;
    if (guess_from_other_half(probe) != ERR_OK)
      return ERR_MEMORY;
    double one = area(probe);
    if (isfinite(one))
      *worst = fmin(*worst, one);
    if (*worst < LEAK_AUC)
      break;
  }
  return ERR_OK;
}

static enum err
judge(struct probe *probe, const struct column *column)
{
  struct issue_work *work = probe->work;
  enum err err;
  double value;
  if (work->task.kind != TASK_REGRESSION)
  {
    err = judge_classes(probe, &value);
    if (err == ERR_OK && isfinite(value) && value >= LEAK_AUC)
      issue_add(work, "leak", "warning", column->name, NULL,
                "leave it out unless it is known before the target is",
                "\"%.100s\" alone tells the classes of \"%.100s\" apart (area under the curve "
                "%.4f): it may have been written down after the fact",
                column->name, work->task.target, value);
    return err;
  }
  for (size_t i = 0; i < probe->count; i++)
    probe->truth[i] = task_value_of(&work->task, work->request->dataset, probe->row[i]);
  err = guess_from_other_half(probe);
  value = err == ERR_OK ? r_squared(probe) : NAN;
  if (column->number != NULL)
    value = fmax(value, correlation(probe, column));
  if (err == ERR_OK && value >= LEAK_R2)
    issue_add(
      work, "leak", "warning", column->name, NULL,
      "leave it out unless it is known before the target is",
      "\"%.100s\" alone tells \"%.100s\" (R² %.4f): it may have been written down after the "
      "fact",
      column->name, work->task.target, value);
  return err;
}

static bool
has_label(const struct issue_work *work, size_t row)
{
  return work->task.kind == TASK_REGRESSION
           ? isfinite(task_value_of(&work->task, work->request->dataset, row))
           : task_class_of(&work->task, work->request->dataset, row) >= 0;
}

enum err
issues_of_leak(struct issue_work *work, size_t c)
{
  const struct column *column = &work->table->columns[c];
  struct probe probe = {.work = work};
  enum err err = ERR_OK;
  if (!task_takes_column(&work->task, work->table, c))
    return ERR_OK;
  probe.row = malloc((work->count + 1) * sizeof *probe.row);
  probe.half = malloc(work->count + 1);
  probe.bin = malloc((work->count + 1) * sizeof *probe.bin);
  probe.truth = malloc((work->count + 1) * sizeof *probe.truth);
  probe.guess = malloc((work->count + 1) * sizeof *probe.guess);
  if (!probe.row || !probe.half || !probe.bin || !probe.truth || !probe.guess)
    err = ERR_MEMORY;
  for (size_t i = 0; err == ERR_OK && i < work->count; i++)
    if (has_label(work, work->rows[i]))
    {
      probe.half[probe.count] = (uint8_t) (hash_mix(0, work->rows[i]) & 1);
      probe.row[probe.count++] = work->rows[i];
    }
  if (err == ERR_OK && probe.count >= LEAK_ROWS)
  {
    if (column->number != NULL)
      err = bin_numbers(&probe, column);
    else
      bin_codes(&probe, column);
    if (err == ERR_OK)
      err = judge(&probe, column);
  }
  free(probe.guess);
  free(probe.truth);
  free(probe.bin);
  free(probe.half);
  free(probe.row);
  return err;
}
