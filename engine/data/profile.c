#include <config.h>

#include "data/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define HISTOGRAM_BINS 20
#define COMMONEST 20

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

/* Linear between order statistics. */
static double
quantile(const double *sorted, size_t count, double level)
{
  double place = level * (double) (count - 1);
  size_t low = (size_t) place;
  size_t high = low + 1 < count ? low + 1 : low;
  return sorted[low] + (place - (double) low) * (sorted[high] - sorted[low]);
}

static json_t *
histogram(const double *sorted, size_t count)
{
  size_t bins[HISTOGRAM_BINS] = {0};
  double low = sorted[0], high = sorted[count - 1];
  double width = (high - low) / HISTOGRAM_BINS;
  for (size_t i = 0; i < count; i++)
  {
    size_t bin = width > 0 ? (size_t) ((sorted[i] - low) / width) : 0;
    bins[bin < HISTOGRAM_BINS ? bin : HISTOGRAM_BINS - 1]++;
  }
  json_t *counts = json_array();
  for (size_t b = 0; b < HISTOGRAM_BINS; b++)
    json_array_append_new(counts, json_integer((json_int_t) bins[b]));
  return json_pack("{s:o, s:o, s:o}", "low", json_real_or_null(low), "high",
                   json_real_or_null(high), "counts", counts);
}

static json_t *
quantiles(const double *sorted, size_t count)
{
  static const double levels[] = {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99};
  json_t *list = json_array();
  for (size_t l = 0; l < sizeof levels / sizeof levels[0]; l++)
    json_array_append_new(list, json_pack("{s:f, s:o}", "quantile", levels[l], "value",
                                          json_real_or_null(quantile(sorted, count, levels[l]))));
  return list;
}

static void
describe_numbers(const double *sorted, size_t count, json_t *item)
{
  double mean = 0, squares = 0;
  for (size_t i = 0; i < count; i++)
    mean += sorted[i] / (double) count;
  for (size_t i = 0; i < count; i++)
    squares += (sorted[i] - mean) * (sorted[i] - mean);
  double sd = count > 1 ? sqrt(squares / (double) (count - 1)) : 0.0;
  json_object_set_new(item, "min", json_real_or_null(sorted[0]));
  json_object_set_new(item, "max", json_real_or_null(sorted[count - 1]));
  json_object_set_new(item, "mean", json_real_or_null(mean));
  json_object_set_new(item, "sd", json_real_or_null(sd));
  json_object_set_new(item, "quantiles", quantiles(sorted, count));
  json_object_set_new(item, "histogram", histogram(sorted, count));
}

static void
describe_dates(const double *sorted, size_t count, json_t *item)
{
  char text[64];
  table_format_datetime(sorted[0], text, sizeof text);
  json_object_set_new(item, "min", json_string(text));
  table_format_datetime(sorted[count - 1], text, sizeof text);
  json_object_set_new(item, "max", json_string(text));
  json_object_set_new(item, "histogram", histogram(sorted, count));
}

static enum err
profile_numbers(const struct column *column, size_t rows, json_t *item)
{
  double *sorted = malloc((rows + 1) * sizeof *sorted);
  if (sorted == NULL)
    return ERR_MEMORY;
  size_t count = 0;
  for (size_t i = 0; i < rows; i++)
    if (isfinite(column->number[i]))
      sorted[count++] = column->number[i];
  json_object_set_new(item, "missing", json_integer((json_int_t) (rows - count)));
  qsort(sorted, count, sizeof *sorted, compare_doubles);
  if (count > 0 && column->type == COLUMN_NUMERIC)
    describe_numbers(sorted, count, item);
  else if (count > 0)
    describe_dates(sorted, count, item);
  free(sorted);
  return ERR_OK;
}

struct tally
{
  size_t count;
  size_t code;
};

static int
compare_tallies(const void *left, const void *right)
{
  const struct tally *a = left, *b = right;
  if (a->count != b->count)
    return a->count < b->count ? 1 : -1;
  return (a->code > b->code) - (a->code < b->code);
}

static enum err
profile_codes(const struct column *column, size_t rows, json_t *item)
{
  struct tally *tallies = calloc(column->category_count + 1, sizeof *tallies);
  if (tallies == NULL)
    return ERR_MEMORY;
  size_t missing = 0, distinct = 0, shown = 0;
  for (size_t k = 0; k < column->category_count; k++)
    tallies[k].code = k;
  for (size_t i = 0; i < rows; i++)
    if (column->code[i] < 0)
      missing++;
    else
      tallies[column->code[i]].count++;
  qsort(tallies, column->category_count, sizeof *tallies, compare_tallies);
  json_t *values = json_array();
  for (size_t k = 0; k < column->category_count && tallies[k].count > 0; k++)
  {
    distinct++;
    if (k >= COMMONEST)
      continue;
    shown += tallies[k].count;
    json_array_append_new(values,
                          json_pack("{s:s, s:I}", "value", column->categories[tallies[k].code],
                                    "count", (json_int_t) tallies[k].count));
  }
  json_object_set_new(item, "missing", json_integer((json_int_t) missing));
  json_object_set_new(item, "distinct", json_integer((json_int_t) distinct));
  json_object_set_new(item, "values", values);
  json_object_set_new(item, "others", json_integer((json_int_t) (rows - missing - shown)));
  free(tallies);
  return ERR_OK;
}

static void
profile_text(const struct column *column, size_t rows, json_t *item)
{
  uint64_t shortest = 0, longest = 0, total = 0;
  size_t count = 0;
  for (size_t i = 0; i < rows; i++)
  {
    uint64_t length = column->offset[i + 1] - column->offset[i];
    if (length == 0)
      continue;
    shortest = count == 0 || length < shortest ? length : shortest;
    longest = length > longest ? length : longest;
    total += length;
    count++;
  }
  json_object_set_new(item, "missing", json_integer((json_int_t) (rows - count)));
  if (count == 0)
    return;
  json_object_set_new(item, "length",
                      json_pack("{s:I, s:I, s:f}", "min", (json_int_t) shortest, "max",
                                (json_int_t) longest, "mean", (double) total / (double) count));
}

static json_t *
profile_table(const struct table *table, size_t rows)
{
  json_t *columns = json_array();
  for (size_t c = 0; c < table->column_count; c++)
  {
    const struct column *column = &table->columns[c];
    json_t *item =
      json_pack("{s:s, s:s}", "name", column->name, "type", column_type_name(column->type));
    enum err err = ERR_OK;
    if (column->number != NULL)
      err = profile_numbers(column, rows, item);
    else if (column->code != NULL)
      err = profile_codes(column, rows, item);
    else
      profile_text(column, rows, item);
    json_array_append_new(columns, item);
    if (err != ERR_OK)
    {
      json_decref(columns);
      return NULL;
    }
  }
  return json_pack("{s:s, s:I, s:o}", "kind", "table", "rows", (json_int_t) rows, "columns",
                   columns);
}

static json_t *
profile_images(const struct image_set *images, size_t rows)
{
  size_t *counts = calloc(images->class_count + 1, sizeof *counts);
  if (counts == NULL)
    return NULL;
  for (size_t i = 0; i < rows; i++)
    if (images->labels[i] >= 0)
      counts[images->labels[i]]++;
  json_t *classes = json_array(), *channels = json_array();
  for (size_t k = 0; k < images->class_count; k++)
    json_array_append_new(classes, json_pack("{s:s, s:I}", "name", images->class_names[k], "count",
                                             (json_int_t) counts[k]));
  free(counts);
  size_t pixels = rows * images->height * images->width;
  for (size_t c = 0; c < images->channels; c++)
  {
    /* Whole numbers, so nothing is lost: 2⁶⁴ / 255² leaves room for 10¹⁴ pixels. */
    uint64_t sum = 0, squares = 0;
    for (size_t i = 0; i < pixels; i++)
    {
      uint64_t value = images->pixels[i * images->channels + c];
      sum += value;
      squares += value * value;
    }
    double count = pixels > 0 ? (double) pixels : 1.0, mean = (double) sum / count;
    double variance = (double) squares / count - mean * mean;
    json_array_append_new(
      channels, json_pack("{s:f, s:f}", "mean", mean, "sd", sqrt(variance > 0 ? variance : 0.0)));
  }
  return json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "kind", "images", "rows",
                   (json_int_t) rows, "height", (json_int_t) images->height, "width",
                   (json_int_t) images->width, "channels", (json_int_t) images->channels, "classes",
                   classes, "pixels", channels);
}

enum err
dataset_profile(const struct dataset *dataset, size_t row_limit, json_t **profile,
                struct err_info *info)
{
  size_t all = dataset_row_count(dataset);
  size_t rows = row_limit == 0 || row_limit > all ? all : row_limit;
  const struct table *table = dataset_table(dataset);
  *profile =
    table != NULL ? profile_table(table, rows) : profile_images(dataset_images(dataset), rows);
  if (*profile == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  json_object_set_new(*profile, "rows_total", json_integer((json_int_t) all));
  /* What sizes images had before they became one. */
  json_t *sizes = json_object_get(dataset_schema(dataset), "original_sizes");
  if (sizes != NULL)
    json_object_set(*profile, "original_sizes", sizes);
  return ERR_OK;
}
