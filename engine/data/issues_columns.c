#include <config.h>

#include "data/issues_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define MANY_MISSING 0.5
#define NEARLY_CONSTANT 0.995
#define FAR 6.0           /* interquartile ranges beyond the quartiles */
#define FEW_OUTLIERS 0.01 /* more of them are how the column is */
#define PLACEHOLDER_ROWS 3
#define ID_ROWS 20 /* fewer rows may all be different by chance */

/* ---- gaps ------------------------------------------------------------------------------------------- */

static void
look_for_gaps(struct issue_work *work, const struct column *column, bool is_target)
{
  struct issue_rows missing = {0};
  for (size_t i = 0; i < work->count; i++)
    if (issue_is_missing(column, work->rows[i]))
      issue_row(&missing, work->rows[i]);
  double share = work->count > 0 ? (double) missing.count / (double) work->count : 0;
  if (missing.count == 0)
    return;
  if (missing.count == work->count)
    issue_add(work, "empty_column", "warning", column->name, &missing, "leave the column out",
              "no row has a value in \"%.100s\"", column->name);
  else if (is_target)
    issue_add(work, "missing_target", "warning", column->name, &missing,
              "fill in the values; such rows teach nothing",
              "%zu rows (%.2g%%) have no value in the target \"%.100s\" and are left out",
              missing.count, 100 * share, column->name);
  else
    issue_add(work, "missing", share >= MANY_MISSING ? "warning" : "info", column->name, &missing,
              share >= MANY_MISSING ? "leave the column out, or find out why so much is missing"
                                    : "models cope with gaps; look whether they have a reason",
              "%zu rows (%.2g%%) have no value in \"%.100s\"", missing.count, 100 * share,
              column->name);
}

/* ---- constants and identifiers ---------------------------------------------------------------------- */

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

/* Sorted finite values of a numeric column, newly allocated. */
static double *
sorted_values(const struct issue_work *work, const struct column *column, size_t *count)
{
  double *values = malloc((work->count + 1) * sizeof *values);
  *count = 0;
  for (size_t i = 0; values != NULL && i < work->count; i++)
    if (isfinite(column->number[work->rows[i]]))
      values[(*count)++] = column->number[work->rows[i]];
  if (values != NULL)
    qsort(values, *count, sizeof *values, compare_doubles);
  return values;
}

static void
add_constant(struct issue_work *work, const struct column *column, size_t most, size_t known)
{
  if (known < 2)
    return;
  if (most == known)
    issue_add(work, "constant", "warning", column->name, NULL, "leave the column out",
              "\"%.100s\" has the same value in every row", column->name);
  else if ((double) most >= NEARLY_CONSTANT * (double) known)
    issue_add(work, "nearly_constant", "info", column->name, NULL,
              "it tells rows apart only where it differs",
              "\"%.100s\" has the same value in %zu of %zu rows", column->name, most, known);
}

/* Whole numbers, all different, in equal steps: a count of rows. */
static bool
counts_rows(const double *values, size_t count)
{
  double step = count > 1 ? values[1] - values[0] : 0;
  if (count < ID_ROWS || !(step > 0))
    return false;
  for (size_t i = 0; i < count; i++)
    if (values[i] != floor(values[i]) || (i > 0 && values[i] - values[i - 1] != step))
      return false;
  return true;
}

static void
look_at_numbers(struct issue_work *work, const struct column *column, const double *values,
                size_t count)
{
  size_t most = 0;
  for (size_t begin = 0; begin < count;)
  {
    size_t end = begin;
    while (end < count && values[end] == values[begin])
      end++;
    most = end - begin > most ? end - begin : most;
    begin = end;
  }
  add_constant(work, column, most, count);
  /* A sample of a count has equal steps up to rounding only, so whole data alone tells. */
  if (column->type == COLUMN_NUMERIC && work->count == work->table->row_count
      && counts_rows(values, count))
    issue_add(work, "identifier", "warning", column->name, NULL,
              "make its type identifier in the schema, so that nothing is learned from it",
              "\"%.100s\" numbers the rows from %g to %g", column->name, values[0],
              values[count - 1]);
}

static enum err
look_at_codes(struct issue_work *work, const struct column *column)
{
  size_t *counts = calloc(column->category_count + 1, sizeof *counts), most = 0, known = 0;
  size_t distinct = 0;
  if (counts == NULL)
    return ERR_MEMORY;
  for (size_t i = 0; i < work->count; i++)
    if (column->code[work->rows[i]] >= 0)
    {
      size_t *mine = &counts[column->code[work->rows[i]]];
      distinct += *mine == 0;
      known++;
      if (++*mine > most)
        most = *mine;
    }
  free(counts);
  add_constant(work, column, most, known);
  if (known >= ID_ROWS && distinct * 10 > known * 9)
    issue_add(work, "identifier", "info", column->name, NULL,
              "make its type identifier or text in the schema if it names rows",
              "\"%.100s\" has %zu different values in %zu rows", column->name, distinct, known);
  return ERR_OK;
}

/* ---- odd values ------------------------------------------------------------------------------------- */

static bool
is_placeholder(double value)
{
  static const double known[] = {-1, -9,  -99,  -999,  -9999,  -99999, -999999,
                                 99, 999, 9999, 99999, 999999, 1e9 - 1};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (value == known[i])
      return true;
  return false;
}

/* Quartiles of the sorted values other than `skip` (NaN = none). */
static bool
quartiles(const double *values, size_t count, double skip, double *low, double *high)
{
  size_t begin = 0, end = count;
  while (begin < end && values[begin] == skip)
    begin++;
  while (end > begin && values[end - 1] == skip)
    end--;
  size_t left = end - begin;
  if (left < 8)
    return false;
  *low = values[begin + left / 4];
  *high = values[begin + left * 3 / 4];
  return true;
}

/* A number that stands for nothing: often there, at an end, and far from all the others. */
static bool
find_placeholder(const double *values, size_t count, double *placeholder)
{
  const double ends[] = {values[0], values[count - 1]};
  for (size_t k = 0; k < 2; k++)
  {
    size_t times = 0;
    double low, high;
    for (size_t i = 0; i < count; i++)
      times += values[i] == ends[k];
    if (!is_placeholder(ends[k]) || times < PLACEHOLDER_ROWS || times * 2 > count
        || !quartiles(values, count, ends[k], &low, &high))
      continue;
    double range = fmax(high - low, 1e-12);
    if (ends[k] < low - 3 * range || ends[k] > high + 3 * range)
    {
      *placeholder = ends[k];
      return true;
    }
  }
  return false;
}

static void
look_for_odd_numbers(struct issue_work *work, const struct column *column, const double *values,
                     size_t count)
{
  struct issue_rows rows = {0};
  double placeholder = NAN, low, high;
  if (count < 16)
    return;
  if (find_placeholder(values, count, &placeholder))
  {
    for (size_t i = 0; i < work->count; i++)
      if (column->number[work->rows[i]] == placeholder)
        issue_row(&rows, work->rows[i]);
    issue_add(work, "placeholder", "warning", column->name, &rows,
              "leave such cells empty and upload the file again",
              "%zu rows of \"%.100s\" hold %g, which seems to stand for a missing value",
              rows.count, column->name, placeholder);
  }
  if (!quartiles(values, count, placeholder, &low, &high) || !(high > low))
    return;
  double least = low - FAR * (high - low), most = high + FAR * (high - low);
  for (size_t i = 0; i < work->count; i++)
  {
    double value = column->number[work->rows[i]];
    if (isfinite(value) && value != placeholder && (value < least || value > most))
      issue_row(&rows, work->rows[i]);
  }
  if (rows.count > 0 && (double) rows.count <= FEW_OUTLIERS * (double) count)
    issue_add(work, "outliers", "info", column->name, &rows, "look whether they are typing errors",
              "%zu values of \"%.100s\" lie beyond %.4g to %.4g, far from the others", rows.count,
              column->name, least, most);
  else
    json_decref(rows.examples);
}

/* Words among numbers: a column that would be numeric but for a few cells. */
static void
look_for_words(struct issue_work *work, const struct column *column)
{
  struct issue_rows words = {0};
  size_t known = 0;
  double number;
  char first[64] = "";
  for (size_t i = 0; i < work->count; i++)
  {
    size_t row = work->rows[i], length;
    const char *text;
    if (issue_is_missing(column, row))
      continue;
    if (column->code != NULL)
    {
      text = column->categories[column->code[row]];
      length = strlen(text);
    }
    else
    {
      text = column->text + column->offset[row];
      length = (size_t) (column->offset[row + 1] - column->offset[row]);
    }
    known++;
    if (text_parse_double(text, length, false, &number))
      continue;
    if (words.count == 0)
    {
      size_t shown = text_utf8_cut(text, length, sizeof first - 1);
      memcpy(first, text, shown);
      first[shown] = '\0';
    }
    issue_row(&words, row);
  }
  if (words.count > 0 && words.count * 5 <= known)
    issue_add(work, "mixed_types", "warning", column->name, &words,
              "correct these cells, or make the column numeric in the schema: they become missing",
              "\"%.100s\" holds numbers, but %zu of %zu rows hold words such as \"%s\"",
              column->name, words.count, known, first);
  else
    json_decref(words.examples);
}

enum err
issues_of_values(struct issue_work *work, const struct column *column)
{
  if (column->number == NULL)
  {
    if (column->type == COLUMN_CATEGORICAL || column->type == COLUMN_TEXT)
      look_for_words(work, column);
    return column->code != NULL ? look_at_codes(work, column) : ERR_OK;
  }
  size_t count;
  double *values = sorted_values(work, column, &count);
  if (values == NULL)
    return ERR_MEMORY;
  look_at_numbers(work, column, values, count);
  if (column->type == COLUMN_NUMERIC)
    look_for_odd_numbers(work, column, values, count);
  free(values);
  return ERR_OK;
}

enum err
issues_of_column(struct issue_work *work, size_t c)
{
  const struct column *column = &work->table->columns[c];
  bool is_target = work->has_task && c == work->task.target_column;
  look_for_gaps(work, column, is_target);
  if (column->type == COLUMN_IDENTIFIER)
  {
    issue_add(work, "identifier", "info", column->name, NULL,
              "correct its type in the schema if it should be learned from",
              "\"%.100s\" names the rows: nothing is learned from it", column->name);
    return ERR_OK;
  }
  return is_target && work->task.class_count > 0 ? ERR_OK : issues_of_values(work, column);
}
