#include <config.h>

#include "data/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "data/encode_internal.h"

#define TWO_PI 6.283185307179586
/* Up to so many categories are looked up without memory of their own. */
#define FEW_CATEGORIES 32

/* One application of an encoder. */
struct apply
{
  const struct encoder *encoder;
  const size_t *rows; /* NULL = 0 … count−1 */
  size_t count;
  bool training;
  float *x;
};

static size_t
row_at(const struct apply *apply, size_t i)
{
  return apply->rows != NULL ? apply->rows[i] : i;
}

double
encode_clip(double value)
{
  /* Beyond, the square might overflow. */
  if (fabs(value) > 1e9)
    return value > 0 ? 3.0 : -3.0;
  return value / sqrt(1.0 + value * value / 9.0);
}

static double
scaled(const struct encode_column *column, double value)
{
  /* A scale of 0 is of values too far apart for their spread to be a number. */
  return column->scale > 0 ? encode_clip((value - column->centre) * column->scale) : 0.0;
}

float
encode_to_float(double value)
{
  if (value > 3.4e38)
    return 3.4e38f;
  if (value < -3.4e38)
    return -3.4e38f;
  return (float) value;
}

static void
apply_numbers(const struct apply *apply, const struct encode_column *column,
              const struct column *input)
{
  size_t width = apply->encoder->width;
  bool dense = apply->encoder->view == ENCODE_DENSE;
  for (size_t i = 0; i < apply->count; i++)
  {
    double value = input->number[row_at(apply, i)];
    float *x = apply->x + i * width + column->first_feature;
    bool missing = !isfinite(value);
    if (column->kind == ENCODE_NUMBER)
      x[0] = missing ? (dense ? 0.0f : NAN)
             : dense ? (float) scaled(column, value)
                     : encode_to_float(value);
    if (column->indicator)
      x[column->feature_count - 1] = missing ? 1.0f : 0.0f;
  }
}

static void
put_cycle(float *x, double part)
{
  x[0] = (float) sin(TWO_PI * part);
  x[1] = (float) cos(TWO_PI * part);
}

static void
put_time(const struct apply *apply, const struct encode_column *column, double value, float *x)
{
  /* Years beyond ±1e6 would overflow the calendar; nothing real is out there. */
  double bounded = fmax(-3.2e13, fmin(3.2e13, value));
  double days = floor(bounded / 86400.0), seconds = bounded - days * 86400.0;
  int64_t year, whole = (int64_t) days;
  unsigned month, day;
  clock_civil_from_days(whole, &year, &month, &day);
  int64_t weekday = ((whole + 3) % 7 + 7) % 7; /* Monday = 0; 1970-01-01 was a Thursday */
  if (apply->encoder->view == ENCODE_DENSE)
  {
    x[0] = (float) scaled(column, value);
    put_cycle(x + 1, (double) (month - 1) / 12.0);
    put_cycle(x + 3, (double) weekday / 7.0);
    if (column->has_clock)
      put_cycle(x + 5, seconds / 86400.0);
    return;
  }
  x[0] = (float) (bounded / 86400.0);
  x[1] = (float) year;
  x[2] = (float) month;
  x[3] = (float) day;
  x[4] = (float) weekday;
  if (column->has_clock)
    x[5] = (float) (seconds / 3600.0);
}

static void
apply_time(const struct apply *apply, const struct encode_column *column,
           const struct column *input)
{
  size_t parts = column->feature_count - (column->indicator ? 1 : 0);
  float absent = apply->encoder->view == ENCODE_DENSE ? 0.0f : NAN;
  for (size_t i = 0; i < apply->count; i++)
  {
    double value = input->number[row_at(apply, i)];
    float *x = apply->x + i * apply->encoder->width + column->first_feature;
    bool missing = !isfinite(value);
    if (missing)
      for (size_t p = 0; p < parts; p++)
        x[p] = absent;
    else
      put_time(apply, column, value, x);
    if (column->indicator)
      x[parts] = missing ? 1.0f : 0.0f;
  }
}

static void
put_one_hot(const struct encode_column *column, size_t found, float *x)
{
  size_t slots = column->category_count + (column->has_other ? 1 : 0);
  memset(x, 0, slots * sizeof *x);
  if (found < column->category_count)
    x[found] = 1.0f;
  else if (column->has_other)
    x[column->category_count] = 1.0f;
}

static void
put_target(const struct apply *apply, const struct encode_column *column, size_t found, size_t row,
           float *x)
{
  size_t stats = column->stat_count, cells = column->category_count;
  bool dense = apply->encoder->view == ENCODE_DENSE;
  size_t fold = encode_fold_of(row);
  for (size_t s = 0; s < stats; s++)
  {
    double value = column->prior[s];
    if (found < cells && apply->training)
    {
      double sum =
        column->sums[found * stats + s] - column->fold_sums[(fold * cells + found) * stats + s];
      double n = column->counts[found] - column->fold_counts[fold * cells + found];
      value = (sum + ENCODE_PRIOR_ROWS * column->prior[s]) / (n + ENCODE_PRIOR_ROWS);
    }
    else if (found < cells)
      value = column->stats[found * stats + s];
    x[s] = dense ? (float) encode_clip((value - column->stat_centre[s]) * column->stat_scale[s])
                 : encode_to_float(value);
  }
}

static void
put_category(const struct apply *apply, const struct encode_column *column, bool missing,
             size_t found, size_t row, float *x)
{
  size_t parts = column->feature_count - (column->indicator ? 1 : 0);
  bool dense = apply->encoder->view == ENCODE_DENSE;
  if (column->indicator)
    x[parts] = missing ? 1.0f : 0.0f;
  /* Where something is missing a tree has its own branch; the mean of the target is also a guess. */
  if (missing && (!dense || column->kind != ENCODE_TARGET))
    for (size_t p = 0; p < parts; p++)
      x[p] = dense ? 0.0f : NAN;
  else if (column->kind == ENCODE_BINARY)
    x[0] = found == 0 ? 1.0f : 0.0f;
  else if (column->kind == ENCODE_ONE_HOT)
    put_one_hot(column, found, x);
  else if (column->kind == ENCODE_TARGET)
    put_target(apply, column, missing ? SIZE_MAX : found, row, x);
}

/* Codes → positions in the encoder's categories: all at once when there are many rows, else one by
 * one. */
static enum err
apply_categories(const struct apply *apply, const struct encode_column *column,
                 const struct column *input)
{
  size_t few[FEW_CATEGORIES], *places = NULL;
  bool many = input->category_count > FEW_CATEGORIES;
  if (apply->count > 1 && apply->count >= input->category_count)
  {
    places = many ? malloc((input->category_count + 1) * sizeof *places) : few;
    if (places == NULL)
      return ERR_MEMORY;
    for (size_t k = 0; k < input->category_count; k++)
      places[k] = encode_find_category(column, input->categories[k]);
  }
  for (size_t i = 0; i < apply->count; i++)
  {
    size_t row = row_at(apply, i), found = SIZE_MAX;
    int32_t code = input->code[row];
    if (code >= 0)
      found = places != NULL ? places[code] : encode_find_category(column, input->categories[code]);
    put_category(apply, column, code < 0, found, row,
                 apply->x + i * apply->encoder->width + column->first_feature);
  }
  if (many)
    free(places);
  return ERR_OK;
}

/* The values of a text as the view wants them. Scores are near enough to their centre unclipped. */
static void
put_words(const struct apply *apply, const struct encode_column *column, const float *values,
          float *x)
{
  const struct encode_words *words = column->words;
  size_t count = ENCODE_LOOKS + words->score_count;
  if (apply->encoder->view == ENCODE_TREE)
    memcpy(x, values, count * sizeof *x);
  else
    for (size_t i = 0; i < count; i++)
    {
      double value = ((double) values[i] - words->centre[i]) * words->scale[i];
      x[i] = (float) (i < ENCODE_LOOKS ? encode_clip(value) : value);
    }
}

static void
apply_words(const struct apply *apply, const struct encode_column *column,
            const struct column *input)
{
  const struct encode_words *words = column->words;
  size_t count = ENCODE_LOOKS + words->score_count;
  float absent = apply->encoder->view == ENCODE_DENSE ? 0.0f : NAN;
  struct ngram_scratch scratch;
  float values[ENCODE_LOOKS + ENCODE_MAX_SCORES];
  for (size_t i = 0; i < apply->count; i++)
  {
    size_t row = row_at(apply, i);
    float *x = apply->x + i * apply->encoder->width + column->first_feature;
    uint64_t first = input->offset[row], end = input->offset[row + 1];
    bool seen = apply->training && row < words->place_count && words->place[row] > 0;
    if (column->indicator)
      x[count] = first == end ? 1.0f : 0.0f;
    if (first == end)
      for (size_t k = 0; k < count; k++)
        x[k] = absent;
    else if (seen)
      put_words(apply, column, words->known + (words->place[row] - 1) * count, x);
    else
    {
      encode_words_values(words, input->text + first, (size_t) (end - first), &scratch, values);
      put_words(apply, column, values, x);
    }
  }
}

/* Tables mostly have the encoder's order, so the search goes on where the last one ended. */
static size_t
find_input(const struct table *table, const char *name, size_t start)
{
  for (size_t at = start; at < table->column_count; at++)
    if (strcmp(table->columns[at].name, name) == 0)
      return at;
  for (size_t at = 0; at < start && at < table->column_count; at++)
    if (strcmp(table->columns[at].name, name) == 0)
      return at;
  return SIZE_MAX;
}

static enum err
apply_column(const struct apply *apply, const struct encode_column *column,
             const struct column *input)
{
  switch (column->type)
  {
  case COLUMN_NUMERIC:
    apply_numbers(apply, column, input);
    return ERR_OK;
  case COLUMN_DATETIME:
    if (column->kind == ENCODE_TIME)
      apply_time(apply, column, input);
    else
      apply_numbers(apply, column, input);
    return ERR_OK;
  case COLUMN_CATEGORICAL:
  case COLUMN_BOOLEAN:
    return apply_categories(apply, column, input);
  case COLUMN_TEXT:
    apply_words(apply, column, input);
    return ERR_OK;
  case COLUMN_IDENTIFIER:
    break;
  }
  return ERR_INTERNAL;
}

/* One row of a table that the plan is for: numbers all at once, then the other columns. */
static enum err
apply_row(const struct apply *apply, const struct table *table)
{
  const struct encode_plan *plan = apply->encoder->plan;
  enum err err = ERR_OK;
  encode_plan_numbers(apply->encoder, table, row_at(apply, 0), apply->x);
  for (size_t i = 0; err == ERR_OK && i < plan->rest_count; i++)
    err = apply_column(apply, &apply->encoder->columns[plan->rest[i]],
                       &table->columns[plan->source[plan->rest[i]]]);
  return err;
}

enum err
encoder_apply(const struct encoder *encoder, const struct table *table, const size_t *rows,
              size_t count, bool training, float *x, struct err_info *info)
{
  struct apply apply = {
    .encoder = encoder, .rows = rows, .count = count, .training = training, .x = x};
  bool planned =
    encoder->plan != NULL && table->layout != 0 && encoder->plan->layout == table->layout;
  size_t next = 0;
  if (planned && count == 1 && !training)
    return apply_row(&apply, table) == ERR_OK ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
  for (size_t c = 0; c < encoder->column_count; c++)
  {
    const struct encode_column *column = &encoder->columns[c];
    if (column->feature_count == 0)
      continue;
    if (training
        && ((column->kind == ENCODE_TARGET && column->fold_sums == NULL)
            || (column->kind == ENCODE_WORDS && column->words->known == NULL)))
      return err_set(info, ERR_CONFLICT,
                     "a loaded encoder has no folds to encode training rows with");
    size_t at = planned ? encoder->plan->source[c] : find_input(table, column->name, next);
    if (at == SIZE_MAX)
      return err_set(info, ERR_INVALID, "column \"%.60s\" is not there", column->name);
    if (table->columns[at].type != column->type)
      return err_set(info, ERR_INVALID, "column \"%.60s\" is %s, not %s", column->name,
                     column_type_name(table->columns[at].type), column_type_name(column->type));
    next = at + 1;
    enum err err = apply_column(&apply, column, &table->columns[at]);
    if (err != ERR_OK)
      return err_set(info, err, "out of memory");
  }
  return ERR_OK;
}
