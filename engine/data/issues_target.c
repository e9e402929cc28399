#include <config.h>

#include "data/issues_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/hash.h"

#define FEW_ROWS 10
#define SMALL_SHARE 0.05
#define DEPTH 5u
#define LEAVES 32 /* 2 to the power of DEPTH */
#define LEAF_ROWS 3
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

/* One column on labelled rows, in two halves that judge each other: each value's guess is what the other
 * half has there. */
struct probe
{
  struct issue_work *work;
  const struct column *column;
  size_t *row; /* (count): labelled rows */
  uint8_t *half;
  size_t count;
  uint32_t *bin; /* words: (count) */
  size_t bins;
  size_t *order; /* numbers: those there are, ascending (known) */
  size_t known;
  double *x, *sum;       /* (count + 1): scratch */
  double *truth, *guess; /* (count) */
};

/* A step function: leaf k holds the mean of the truth below edge[k], the last one above all. */
struct steps
{
  double edge[LEAVES], mean[LEAVES];
  size_t count;
};

struct placed
{
  double value;
  size_t at;
};

static int
compare_placed(const void *left, const void *right)
{
  const struct placed *a = left, *b = right;
  if (a->value != b->value)
    return a->value < b->value ? -1 : 1;
  return (a->at > b->at) - (a->at < b->at);
}

static enum err
order_numbers(struct probe *probe)
{
  struct placed *placed = malloc((probe->count + 1) * sizeof *placed);
  if (placed == NULL)
    return ERR_MEMORY;
  for (size_t i = 0; i < probe->count; i++)
    if (isfinite(probe->column->number[probe->row[i]]))
      placed[probe->known++] =
        (struct placed){.value = probe->column->number[probe->row[i]], .at = i};
  qsort(placed, probe->known, sizeof *placed, compare_placed);
  for (size_t i = 0; i < probe->known; i++)
    probe->order[i] = placed[i].at;
  free(placed);
  return ERR_OK;
}

/* A regression tree on one column: cuts begin … end where the squares left over are least. */
static void
grow(const struct probe *probe, size_t begin, size_t end, unsigned depth, struct steps *steps)
{
  const double *x = probe->x, *sum = probe->sum;
  double all = sum[end] - sum[begin], rows = (double) (end - begin);
  double best = all * all / rows * (1 + 1e-9) + 1e-12;
  size_t cut = 0;
  for (size_t i = begin + LEAF_ROWS; depth > 0 && i + LEAF_ROWS <= end; i++)
  {
    double left = sum[i] - sum[begin], right = sum[end] - sum[i];
    double kept = left * left / (double) (i - begin) + right * right / (double) (end - i);
    if (x[i] > x[i - 1] && kept > best)
    {
      best = kept;
      cut = i;
    }
  }
  if (cut == 0)
  {
    steps->mean[steps->count] = all / rows;
    steps->edge[steps->count++] = INFINITY;
    return;
  }
  grow(probe, begin, cut, depth - 1, steps);
  steps->edge[steps->count - 1] = x[cut - 1] + (x[cut] - x[cut - 1]) / 2;
  grow(probe, cut, end, depth - 1, steps);
}

/* Guesses of the half that is not `half`, from that half. */
static void
guess_numbers(struct probe *probe, uint8_t half)
{
  struct steps steps = {.count = 0};
  size_t n = 0, missing = 0;
  double gaps = 0;
  probe->sum[0] = 0;
  for (size_t k = 0; k < probe->known; k++)
  {
    size_t i = probe->order[k];
    if (probe->half[i] != half)
      continue;
    probe->x[n] = probe->column->number[probe->row[i]];
    probe->sum[n + 1] = probe->sum[n] + probe->truth[i];
    n++;
  }
  if (n > 0)
    grow(probe, 0, n, DEPTH, &steps);
  for (size_t i = 0; i < probe->count; i++)
    if (probe->half[i] == half && !isfinite(probe->column->number[probe->row[i]]))
    {
      gaps += probe->truth[i];
      missing++;
    }
  for (size_t i = 0; i < probe->count; i++)
  {
    double value = probe->column->number[probe->row[i]];
    size_t leaf = 0;
    if (probe->half[i] == half)
      continue;
    while (isfinite(value) && leaf + 1 < steps.count && value >= steps.edge[leaf])
      leaf++;
    if (isfinite(value))
      probe->guess[i] = steps.count > 0 ? steps.mean[leaf] : 0;
    else
      probe->guess[i] = missing > 0 ? gaps / (double) missing : 0;
  }
}

static void
bin_codes(struct probe *probe)
{
  const struct column *column = probe->column;
  probe->bins = column->category_count + 1;
  for (size_t i = 0; i < probe->count; i++)
  {
    int32_t code = column->code[probe->row[i]];
    probe->bin[i] = (uint32_t) (code < 0 ? column->category_count : (size_t) code);
  }
}

/* Words: the mean of the truth in the row's bin over the other half; a bin that half does not have gets
 * the mean of all. */
static enum err
guess_from_other_half(struct probe *probe)
{
  if (probe->column->number != NULL)
  {
    guess_numbers(probe, 0);
    guess_numbers(probe, 1);
    return ERR_OK;
  }
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
correlation(const struct probe *probe)
{
  const struct column *column = probe->column;
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

/* The worst of the classes' areas: only a column that tells them all apart counts. Classes of a few rows
 * tell nothing either way. */
static enum err
judge_classes(struct probe *probe, double *worst)
{
  const struct issue_work *work = probe->work;
  size_t classes = work->task.class_count;
  *worst = INFINITY;
  for (size_t k = classes == 2 ? 1 : 0; k < classes && k < LEAK_CLASSES; k++)
  {
    double rows = 0;
    for (size_t i = 0; i < probe->count; i++)
    {
      probe->truth[i] =
        task_class_of(&work->task, work->request->dataset, probe->row[i]) == (int32_t) k;
      rows += probe->truth[i];
    }
    if (rows < FEW_ROWS)
      continue;
    if (guess_from_other_half(probe) != ERR_OK)
      return ERR_MEMORY;
    double one = area(probe);
    *worst = isfinite(one) ? fmin(*worst, one) : 0;
    if (*worst < LEAK_AUC)
      break;
  }
  return ERR_OK;
}

static enum err
judge(struct probe *probe)
{
  const struct column *column = probe->column;
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
    value = fmax(value, correlation(probe));
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
  if (!task_takes_column(&work->task, work->table, c) || column->type == COLUMN_TEXT)
    return ERR_OK;
  size_t room = work->count + 1;
  probe.column = column;
  probe.row = malloc(room * sizeof *probe.row);
  probe.half = malloc(room);
  probe.bin = malloc(room * sizeof *probe.bin);
  probe.order = malloc(room * sizeof *probe.order);
  probe.x = malloc(room * sizeof *probe.x);
  probe.sum = malloc(room * sizeof *probe.sum);
  probe.truth = malloc(room * sizeof *probe.truth);
  probe.guess = malloc(room * sizeof *probe.guess);
  if (!probe.row || !probe.half || !probe.bin || !probe.order || !probe.x || !probe.sum
      || !probe.truth || !probe.guess)
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
      err = order_numbers(&probe);
    else
      bin_codes(&probe);
    if (err == ERR_OK)
      err = judge(&probe);
  }
  free(probe.sum);
  free(probe.x);
  free(probe.order);
  free(probe.guess);
  free(probe.truth);
  free(probe.bin);
  free(probe.half);
  free(probe.row);
  return err;
}
