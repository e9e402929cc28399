#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/novelty_internal.h"

/* Rows that medians and distances are of: at most so many, and so many values in all, but no fewer than the least. */
#define PART_ROWS 4096
#define PART_VALUES 250000
#define PART_LEAST 64
/* The same for images, in bytes. */
#define PART_IMAGES 1000
#define PART_BYTES ((size_t) 8 << 20)

/* Quartile range of a normal distribution of standard deviation 1. */
#define NORMAL_QUARTILES 1.349

/* An even part of the rows. */
struct part
{
  size_t rows, count;
};

static size_t
part_row(const struct part *part, size_t i)
{
  return (size_t) ((double) i * ((double) part->rows / (double) part->count));
}

static struct part
part_of(size_t rows, size_t most, size_t room, size_t each)
{
  size_t fits = room / (each ? each : 1);
  struct part part = {.rows = rows, .count = most};

  if (fits < part.count)
    part.count = fits < PART_LEAST ? PART_LEAST : fits;
  if (rows < part.count)
    part.count = rows;
  return part;
}

static int
compare_doubles(const void *a, const void *b)
{
  const double *x = a, *y = b;

  return *x < *y ? -1 : *x > *y;
}

static double
quantile(const double *sorted, size_t count, double level)
{
  double at = level * (double) (count - 1);
  size_t low = (size_t) at;

  return low + 1 < count ? sorted[low] + (at - (double) low) * (sorted[low + 1] - sorted[low])
                         : sorted[count - 1];
}

/* Median and spread of finite values, which are sorted: where half of them are alike, their standard deviation. */
static void
settle_number(double *values, size_t count, struct novelty_input *input)
{
  double mean = 0.0, square = 0.0;

  if (count == 0)
    return;
  qsort(values, count, sizeof *values, compare_doubles);
  input->median = quantile(values, count, 0.5);
  input->spread =
    (quantile(values, count, 0.75) - quantile(values, count, 0.25)) / NORMAL_QUARTILES;
  for (size_t i = 0; i < count; i++)
  {
    double delta = values[i] - mean;
    mean += delta / (double) (i + 1);
    square += delta * (values[i] - mean);
  }
  if (!(input->spread > 0.0))
    input->spread = sqrt(square / (double) count);
  /* values too far apart for their spread to be a number: none is far */
  if (!isfinite(input->spread) || !isfinite(input->median))
    input->is_number = false;
}

/* Over all rows: range and gaps. */
static size_t
scan_number(const double *number, size_t rows, struct novelty_input *input)
{
  size_t missing = 0;

  for (size_t i = 0; i < rows; i++)
  {
    double value = number[i];
    if (!isfinite(value))
    {
      missing++;
      continue;
    }
    if (!input->is_number || value < input->low)
      input->low = value;
    if (!input->is_number || value > input->high)
      input->high = value;
    input->is_number = true;
  }
  return missing;
}

static bool
scan_codes(const struct column *column, size_t rows, struct novelty *novelty,
           struct novelty_input *input, size_t *missing)
{
  size_t count = column->category_count <= NOVELTY_CATEGORIES ? column->category_count : 0;
  size_t *counts = calloc(count + 1, sizeof *counts);

  input->shares = arena_array(novelty->arena, count + 1, sizeof *input->shares);
  if (!counts || !input->shares)
  {
    free(counts);
    return false;
  }
  for (size_t i = 0; i < rows; i++)
    if (column->code[i] < 0)
      ++*missing;
    else if ((size_t) column->code[i] < count)
      counts[column->code[i]]++;
  for (size_t k = 0; k < count; k++)
    input->shares[k] = (float) ((double) counts[k] / (double) rows);
  input->share_count = count;
  free(counts);
  return true;
}

/* `values` has room for the part. */
static bool
fit_column(const struct column *column, const struct part *part, struct novelty *novelty,
           struct novelty_input *input, double *values)
{
  size_t missing = 0, found = 0;

  if (column->number)
  {
    missing = scan_number(column->number, part->rows, input);
    for (size_t i = 0; i < part->count; i++)
      if (isfinite(column->number[part_row(part, i)]))
        values[found++] = column->number[part_row(part, i)];
    /* all of the part may be gaps where some row is not */
    if (found == 0)
      input->is_number = false;
    settle_number(values, found, input);
  }
  else if (column->code)
  {
    if (!scan_codes(column, part->rows, novelty, input, &missing))
      return false;
  }
  else
    for (size_t i = 0; i < part->rows; i++)
      missing += column->offset[i] == column->offset[i + 1];
  input->missing = part->rows ? (double) missing / (double) part->rows : 0.0;
  return true;
}

/* novelty->distances ← quantiles of the part's, which are sorted. */
static void
settle_distances(struct novelty *novelty, double *values, size_t count)
{
  qsort(values, count, sizeof *values, compare_doubles);
  for (size_t i = 0; count > 0 && i < NOVELTY_LEVELS; i++)
    novelty->distances[i] = quantile(values, count, novelty_levels[i]);
}

/* The columns that are learned from, borrowed. */
static struct table
taken_columns(const struct table *table, const struct task *task, struct column *columns)
{
  struct table taken = {.row_count = table->row_count, .columns = columns};

  for (size_t c = 0; c < table->column_count; c++)
    if (task_takes_column(task, table, c))
      columns[taken.column_count++] = table->columns[c];
  return taken;
}

static enum err
fit_table(const struct table *table, const struct task *task, struct novelty **novelty)
{
  struct column *columns = calloc(table->column_count + 1, sizeof *columns);
  double *values = NULL, *distances = NULL;
  struct novelty *made = NULL;
  bool good = columns != NULL;

  if (good)
  {
    struct table taken = taken_columns(table, task, columns);
    struct part part = part_of(table->row_count, PART_ROWS, PART_VALUES, taken.column_count);
    values = calloc(part.count + 1, sizeof *values);
    distances = calloc(taken.column_count + 1, sizeof *distances);
    made = novelty_new(taken.column_count);
    good = values && distances && made;
    if (good)
      made->rows = table->row_count;
    for (size_t c = 0; good && c < taken.column_count; c++)
      good = fit_column(&columns[c], &part, made, &made->inputs[c], values);
    for (size_t i = 0; good && i < part.count; i++)
      values[i] = novelty_row(made, &taken, part_row(&part, i), NULL, distances);
    if (good)
      settle_distances(made, values, part.count);
  }
  free(distances);
  free(values);
  free(columns);
  if (good)
    *novelty = made;
  else
    novelty_free(made);
  return good ? ERR_OK : ERR_MEMORY;
}

static enum err
fit_images(const struct image_set *images, struct novelty **novelty)
{
  size_t bytes = images->height * images->width * images->channels;
  struct part part = part_of(images->count, PART_IMAGES, PART_BYTES, bytes);
  /* (inputs, part), then the distances */
  double *values = calloc((NOVELTY_IMAGE_INPUTS + 1) * (part.count + 1), sizeof *values);
  double *sorted = calloc(part.count + 1, sizeof *sorted), all[NOVELTY_IMAGE_INPUTS];
  double of_each[NOVELTY_IMAGE_INPUTS];
  struct novelty *made = novelty_new(NOVELTY_IMAGE_INPUTS);
  bool good = values && sorted && made;

  for (size_t i = 0; good && i < part.count; i++)
  {
    novelty_image_values(images->pixels + part_row(&part, i) * bytes, images->height, images->width,
                         images->channels, all);
    for (size_t k = 0; k < NOVELTY_IMAGE_INPUTS; k++)
      values[k * part.count + i] = all[k];
  }
  for (size_t k = 0; good && k < NOVELTY_IMAGE_INPUTS; k++)
  {
    scan_number(values + k * part.count, part.count, &made->inputs[k]);
    memcpy(sorted, values + k * part.count, part.count * sizeof *sorted);
    settle_number(sorted, part.count, &made->inputs[k]);
  }
  if (good)
    made->rows = part.count;
  for (size_t i = 0; good && i < part.count; i++)
  {
    for (size_t k = 0; k < NOVELTY_IMAGE_INPUTS; k++)
      all[k] = values[k * part.count + i];
    sorted[i] = novelty_image(made, all, of_each);
  }
  if (good)
    settle_distances(made, sorted, part.count);
  free(sorted);
  free(values);
  if (good)
    *novelty = made;
  else
    novelty_free(made);
  return good ? ERR_OK : ERR_MEMORY;
}

enum err
novelty_fit(const struct dataset *dataset, const struct task *task, struct novelty **novelty,
            struct err_info *info)
{
  const struct image_set *images = dataset_images(dataset);
  enum err rc;

  *novelty = NULL;
  rc = images ? fit_images(images, novelty) : fit_table(dataset_table(dataset), task, novelty);
  return rc == ERR_OK ? ERR_OK : err_set(info, rc, "no memory for statistics of the data");
}
