#include <config.h>

#include "data/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/encode_internal.h"

/* What one-hot columns may come to, or only those that always are remain: features, and numbers in the matrix of all
 * rows. */
#define ONE_HOT_FEATURES 512
#define ONE_HOT_CELLS ((size_t) 1 << 25)

/* A category of the training rows while the kept ones are chosen. */
struct seen_category
{
  const char *text;
  int32_t code;
  size_t rows;
};

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

static int
compare_seen(const void *left, const void *right)
{
  const struct seen_category *a = left, *b = right;
  return strcmp(a->text, b->text);
}

/* Linear between order statistics of an ascending array; no difference of them is taken, which might overflow. */
static double
quantile(const double *sorted, size_t count, double level)
{
  double place = level * (double) (count - 1);
  size_t low = (size_t) place;
  size_t high = low + 1 < count ? low + 1 : low;
  double share = place - (double) low;
  return sorted[low] * (1.0 - share) + sorted[high] * share;
}

void
encode_spread(double *values, size_t count, double *centre, double *scale)
{
  qsort(values, count, sizeof *values, compare_doubles);
  double spread = quantile(values, count, 0.75) - quantile(values, count, 0.25);
  double range = values[count - 1] - values[0];
  *centre = quantile(values, count, 0.5);
  *scale = spread > 0 ? 1.0 / spread : range > 0 ? 2.0 / range : 0.0;
  if (!isfinite(*scale))
    *scale = 0.0;
}

/* The finite values of the training rows, in fit->scratch. */
static size_t
finite_values(const struct encode_fit *fit, const struct column *column)
{
  size_t found = 0;
  for (size_t i = 0; i < fit->count; i++)
  {
    double value = column->number[fit->rows[i]];
    if (isfinite(value))
      fit->scratch[found++] = value;
  }
  return found;
}

static void
fit_numbers(const struct encode_fit *fit, const struct column *column, struct encode_column *out)
{
  size_t found = finite_values(fit, column);
  const double *sorted = fit->scratch;
  if (found > 0)
    encode_spread(fit->scratch, found, &out->centre, &out->scale);
  bool varies = found > 1 && sorted[0] < sorted[found - 1];
  bool dense = fit->encoder->view == ENCODE_DENSE;
  bool some_missing = found < fit->count;
  if (found == 0 || (!varies && !some_missing))
    return;
  out->indicator = dense && some_missing;
  if (!varies && dense)
    return;
  out->kind = ENCODE_NUMBER;
  if (column->type != COLUMN_DATETIME)
    return;
  out->kind = ENCODE_TIME;
  for (size_t i = 0; i < found && !out->has_clock; i++)
    out->has_clock = fmod(sorted[i], 86400.0) != 0.0;
}

/* The categories of the training rows with their counts, in the arena. */
static struct seen_category *
count_categories(const struct encode_fit *fit, const struct column *column, size_t *distinct,
                 size_t *missing)
{
  size_t *rows = calloc(column->category_count + 1, sizeof *rows);
  struct seen_category *seen = NULL;
  *distinct = *missing = 0;
  if (rows == NULL)
    return NULL;
  for (size_t i = 0; i < fit->count; i++)
  {
    int32_t code = column->code[fit->rows[i]];
    if (code < 0)
      ++*missing;
    else
      rows[code]++;
  }
  for (size_t k = 0; k < column->category_count; k++)
    *distinct += rows[k] > 0;
  seen = calloc(*distinct + 1, sizeof *seen);
  size_t at = 0;
  for (size_t k = 0; seen != NULL && k < column->category_count; k++)
    if (rows[k] > 0)
      seen[at++] = (struct seen_category){column->categories[k], (int32_t) k, rows[k]};
  free(rows);
  if (seen != NULL)
    qsort(seen, *distinct, sizeof *seen, compare_seen);
  return seen;
}

/* Number of statistics: the mean, the share of class 1, or of each of the first classes. */
static size_t
statistic_count(const struct task *task)
{
  if (task->kind != TASK_MULTICLASS)
    return 1;
  return task->class_count < ENCODE_MAX_STATS ? task->class_count : ENCODE_MAX_STATS;
}

/* The number that statistic `s` averages. */
static double
statistic_of(const struct encode_fit *fit, size_t row, size_t s)
{
  if (fit->task->kind == TASK_REGRESSION)
    return task_value_of(fit->task, fit->dataset, row);
  size_t class = fit->task->kind == TASK_BINARY ? 1 : s;
  return task_class_of(fit->task, fit->dataset, row) == (int32_t) class ? 1.0 : 0.0;
}

static bool
allocate_target(const struct encode_fit *fit, struct encode_column *out)
{
  struct arena *arena = fit->encoder->arena;
  size_t stats = statistic_count(fit->task), cells = out->category_count;
  out->stat_count = stats;
  out->prior = arena_array(arena, stats, sizeof(double));
  out->stat_centre = arena_array(arena, stats, sizeof(double));
  out->stat_scale = arena_array(arena, stats, sizeof(double));
  out->counts = arena_array(arena, cells, sizeof(double));
  out->fold_counts = arena_array(arena, cells * ENCODE_FOLDS, sizeof(double));
  out->sums = arena_array(arena, cells * stats, sizeof(double));
  out->stats = arena_array(arena, cells * stats, sizeof(double));
  out->fold_sums = arena_array(arena, cells * stats * ENCODE_FOLDS, sizeof(double));
  return out->prior != NULL && out->stat_centre != NULL && out->stat_scale != NULL
         && out->counts != NULL && out->fold_counts != NULL && out->sums != NULL
         && out->stats != NULL && out->fold_sums != NULL;
}

/* Sums and counts per category and fold; `place` gives a code's category. */
static void
sum_targets(const struct encode_fit *fit, const struct column *column, const uint32_t *place,
            struct encode_column *out)
{
  size_t stats = out->stat_count, cells = out->category_count, labelled = 0;
  for (size_t i = 0; i < fit->count; i++)
  {
    size_t row = fit->rows[i];
    double first = statistic_of(fit, row, 0);
    if (!isfinite(first))
      continue;
    labelled++;
    int32_t code = column->code[row];
    size_t k = code >= 0 ? place[code] : 0, fold = encode_fold_of(row);
    for (size_t s = 0; s < stats; s++)
    {
      double value = s == 0 ? first : statistic_of(fit, row, s);
      out->prior[s] += value;
      if (code < 0)
        continue;
      out->sums[k * stats + s] += value;
      out->fold_sums[(fold * cells + k) * stats + s] += value;
    }
    if (code < 0)
      continue;
    out->counts[k] += 1;
    out->fold_counts[fold * cells + k] += 1;
  }
  for (size_t s = 0; s < stats; s++)
    out->prior[s] /= labelled > 0 ? (double) labelled : 1.0;
}

/* Smoothed statistics, and their mean and spread over the training rows. */
static void
finish_target(struct encode_column *out)
{
  size_t stats = out->stat_count;
  for (size_t s = 0; s < stats; s++)
  {
    double total = 0, mean = 0, square = 0;
    for (size_t k = 0; k < out->category_count; k++)
    {
      double n = out->counts[k];
      double value =
        (out->sums[k * stats + s] + ENCODE_PRIOR_ROWS * out->prior[s]) / (n + ENCODE_PRIOR_ROWS);
      out->stats[k * stats + s] = value;
      total += n;
      mean += n * value;
      square += n * value * value;
    }
    mean /= total > 0 ? total : 1.0;
    double variance = square / (total > 0 ? total : 1.0) - mean * mean;
    out->stat_centre[s] = mean;
    out->stat_scale[s] =
      variance > 1e-12 * mean * mean && variance > 0 ? 1.0 / sqrt(variance) : 0.0;
  }
}

static enum err
fit_target(const struct encode_fit *fit, const struct column *column,
           const struct seen_category *seen, struct encode_column *out)
{
  uint32_t *place = calloc(column->category_count + 1, sizeof *place);
  if (place == NULL || !allocate_target(fit, out))
  {
    free(place);
    return ERR_MEMORY;
  }
  for (size_t k = 0; k < out->category_count; k++)
    place[seen[k].code] = (uint32_t) k;
  sum_targets(fit, column, place, out);
  finish_target(out);
  out->kind = ENCODE_TARGET;
  free(place);
  return ERR_OK;
}

/* Copies the texts of `seen` (ascending) to the encoder. */
static enum err
keep_categories(struct encoder *encoder, const struct seen_category *seen, size_t count,
                struct encode_column *out)
{
  out->categories = arena_array(encoder->arena, count, sizeof(char *));
  if (out->categories == NULL)
    return ERR_MEMORY;
  for (size_t k = 0; k < count; k++)
  {
    out->categories[k] = arena_strdup(encoder->arena, seen[k].text);
    if (out->categories[k] == NULL)
      return ERR_MEMORY;
  }
  out->category_count = count;
  return ERR_OK;
}

/* Moves the categories with enough rows to the front (in order); returns how many there are. */
static size_t
keep_common(struct seen_category *seen, size_t distinct, size_t count)
{
  size_t least = count / 2000, kept = 0;
  if (least < 2)
    least = 2;
  for (size_t k = 0; k < distinct; k++)
    if (seen[k].rows >= least)
      seen[kept++] = seen[k];
  return kept;
}

size_t
encode_one_hot_limit(enum encode_view view, const size_t *categories, size_t column_count,
                     size_t row_count)
{
  size_t least = view == ENCODE_DENSE ? ENCODE_ONE_HOT_DENSE : ENCODE_ONE_HOT_TREE;
  for (size_t limit = ENCODE_ONE_HOT_MOST; limit > least; limit /= 2)
  {
    size_t features = 0;
    for (size_t c = 0; c < column_count; c++)
      features += categories[c] <= limit ? categories[c] : 0;
    if (features <= ONE_HOT_FEATURES && features <= ONE_HOT_CELLS / (row_count + 1))
      return limit;
  }
  return least;
}

/* The limit for the columns of this table. */
static enum err
set_limit(struct encode_fit *fit, const struct table *table)
{
  size_t *kept = calloc(table->column_count + 1, sizeof *kept), columns = 0;
  enum err err = kept != NULL ? ERR_OK : ERR_MEMORY;
  for (size_t c = 0; c < table->column_count && err == ERR_OK; c++)
  {
    const struct column *column = &table->columns[c];
    size_t distinct, missing;
    if (column->type != COLUMN_CATEGORICAL || c == fit->task->target_column
        || !task_takes_column(fit->task, table, c))
      continue;
    struct seen_category *seen = count_categories(fit, column, &distinct, &missing);
    if (seen == NULL)
      err = ERR_MEMORY;
    else
      kept[columns++] = keep_common(seen, distinct, fit->count);
    free(seen);
  }
  if (err == ERR_OK)
    fit->one_hot_limit = encode_one_hot_limit(fit->encoder->view, kept, columns, fit->count);
  free(kept);
  return err;
}

static enum err
fit_two(struct encoder *encoder, const struct column *column, struct seen_category *seen,
        struct encode_column *out)
{
  /* The feature asks for the second word: the true one of a boolean. */
  size_t shown = column->type == COLUMN_BOOLEAN && seen[0].code == 1 ? 0 : 1;
  out->kind = ENCODE_BINARY;
  return keep_categories(encoder, &seen[shown], 1, out);
}

static enum err
fit_categories(const struct encode_fit *fit, const struct column *column, struct encode_column *out)
{
  struct encoder *encoder = fit->encoder;
  bool dense = encoder->view == ENCODE_DENSE;
  size_t distinct, missing;
  struct seen_category *seen = count_categories(fit, column, &distinct, &missing);
  enum err err = ERR_OK;
  if (seen == NULL)
    return ERR_MEMORY;
  if (distinct == 0 || (distinct == 1 && missing == 0))
    goto out;
  out->indicator = dense && missing > 0;
  if (distinct == 1 && dense)
    goto out;
  if (distinct == 1)
  {
    /* A tree sees the missing ones as missing; the one category is 1. */
    out->kind = ENCODE_BINARY;
    err = keep_categories(encoder, seen, 1, out);
    goto out;
  }
  if (distinct == 2)
  {
    err = fit_two(encoder, column, seen, out);
    goto out;
  }
  struct seen_category *common = malloc(distinct * sizeof *common);
  if (common == NULL)
  {
    err = ERR_MEMORY;
    goto out;
  }
  memcpy(common, seen, distinct * sizeof *common);
  size_t kept = keep_common(common, distinct, fit->count);
  if (kept <= fit->one_hot_limit)
  {
    out->kind = kept > 0 || distinct > kept ? ENCODE_ONE_HOT : ENCODE_NONE;
    out->has_other = kept < distinct;
    /* With nothing kept, "other" would be 1 in every row. */
    if (kept == 0)
    {
      out->kind = ENCODE_NONE;
      out->has_other = false;
    }
    err = keep_categories(encoder, common, kept, out);
  }
  else
  {
    err = keep_categories(encoder, seen, distinct, out);
    if (err == ERR_OK)
      err = fit_target(fit, column, seen, out);
  }
  free(common);
out:
  free(seen);
  return err;
}

static enum err
fit_columns(struct encode_fit *fit, const struct table *table)
{
  struct encoder *encoder = fit->encoder;
  for (size_t c = 0; c < table->column_count; c++)
  {
    const struct column *column = &table->columns[c];
    if (c == fit->task->target_column)
      continue;
    const char *name = arena_strdup(encoder->arena, column->name);
    if (name == NULL)
      return ERR_MEMORY;
    if (!task_takes_column(fit->task, table, c))
    {
      encoder->dropped[encoder->dropped_count++] = name;
      continue;
    }
    struct encode_column *out = &encoder->columns[encoder->column_count++];
    out->name = name;
    out->type = column->type;
    enum err err = ERR_OK;
    if (column->number != NULL)
      fit_numbers(fit, column, out);
    else if (column->type == COLUMN_TEXT)
      err = encode_words_fit(fit, column, out);
    else
      err = fit_categories(fit, column, out);
    if (err != ERR_OK)
      return err;
    if (out->kind == ENCODE_NONE && !out->indicator)
      encoder->dropped[encoder->dropped_count++] = name;
  }
  return ERR_OK;
}

enum err
encoder_fit(const struct dataset *dataset, const struct task *task, enum encode_view view,
            const size_t *rows, size_t count, struct encoder **result, struct err_info *info)
{
  *result = NULL;
  const struct table *table = dataset_table(dataset);
  if (table == NULL)
    return err_set(info, ERR_INVALID, "images have no columns to encode");
  if (count == 0)
    return err_set(info, ERR_INVALID, "there are no training rows");
  struct encoder *encoder = calloc(1, sizeof *encoder);
  struct encode_fit fit = {.dataset = dataset, .task = task, .rows = rows, .count = count};
  enum err err = ERR_MEMORY;
  if (encoder == NULL)
    goto out;
  fit.encoder = encoder;
  fit.scratch = malloc(count * sizeof *fit.scratch);
  encoder->view = view;
  encoder->arena = arena_new(0);
  if (fit.scratch == NULL || encoder->arena == NULL)
    goto out;
  encoder->columns = arena_array(encoder->arena, table->column_count, sizeof *encoder->columns);
  encoder->dropped = arena_array(encoder->arena, table->column_count, sizeof(char *));
  if (encoder->columns == NULL || encoder->dropped == NULL)
    goto out;
  err = set_limit(&fit, table);
  if (err == ERR_OK)
    err = fit_columns(&fit, table);
  if (err == ERR_OK)
    err = encode_lay_out(encoder, info);
out:
  if (err == ERR_MEMORY)
    err_set(info, ERR_MEMORY, "out of memory");
  free(fit.scratch);
  if (err != ERR_OK)
  {
    encoder_free(encoder);
    encoder = NULL;
  }
  *result = encoder;
  return err;
}
