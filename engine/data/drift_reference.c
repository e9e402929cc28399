#include <config.h>

#include "data/drift_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/drift.h"
#include "data/task.h"

#define DECILES 10
#define CATEGORIES_SHOWN 20
#define FORMAT_VERSION 1
/* Rows, answers: the first of all counts. */
#define FIRST_BIN 2
#define BINS_MAX 4096

double
drift_value(const struct column *column, size_t row)
{
  if (column->number)
    return isfinite(column->number[row]) ? (double) (float) column->number[row]
                                         : (double) DRIFT_MISSING;
  if (column->code)
    return column->code[row] < 0 ? (double) DRIFT_MISSING : (double) column->code[row];
  uint64_t bytes = column->offset[row + 1] - column->offset[row];
  return bytes == 0 ? (double) DRIFT_MISSING : (double) (float) bytes;
}

/* ---- making ---------------------------------------------------------------------------------------- */

/* Rows first, first + step, ... of the dataset. */
struct sample
{
  const struct dataset *dataset;
  size_t rows, count;
  double *values; /* (count) scratch */
};

static size_t
row_of(const struct sample *sample, size_t i)
{
  return (size_t) ((double) i * ((double) sample->rows / (double) sample->count));
}

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

/* {"edges", "counts"} of values (count), finite ones of which are sorted to the front; NULL without memory. */
static json_t *
count_numbers(double *values, size_t count, bool more)
{
  uint64_t counts[DECILES + DRIFT_MORE_BINS] = {0};
  double edges[DECILES];
  size_t known = 0, edge_count = 0;

  for (size_t i = 0; i < count; i++)
    if (isfinite(values[i]))
      values[known++] = values[i];
  qsort(values, known, sizeof *values, compare_doubles);
  for (size_t d = 1; d < DECILES && known > 0; d++)
  {
    double edge = values[d * known / DECILES];
    if (edge > values[0] && (edge_count == 0 || edge > edges[edge_count - 1]))
      edges[edge_count++] = edge;
  }
  for (size_t i = 0; i < known; i++)
    counts[drift_bin(edges, edge_count, values[i])]++;
  counts[edge_count + 1] = count - known;
  json_t *edge_list = json_array(), *count_list = json_array();
  for (size_t i = 0; i < edge_count; i++)
    json_array_append_new(edge_list, json_real(edges[i]));
  for (size_t i = 0; i < edge_count + 1 + (more ? DRIFT_MORE_BINS : 0); i++)
    json_array_append_new(count_list, json_integer((json_int_t) counts[i]));
  return json_pack("{s:o, s:o}", "edges", edge_list, "counts", count_list);
}

struct tally
{
  uint64_t count;
  const char *value;
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

/* Tallies of the schema's categories in its order; *others are the rows of none of them. */
static bool
tally_codes(const struct sample *sample, const struct column *column, const json_t *categories,
            struct tally *tallies, uint64_t *missing, uint64_t *others)
{
  size_t known = json_array_size(categories);
  size_t *place = calloc(column->category_count + 1, sizeof *place);

  if (!place)
    return false;
  /* both lists have the dataset's order but for what the schema leaves out */
  for (size_t c = 0, at = 0; c < column->category_count; c++)
  {
    const char *want = json_string_value(json_array_get(categories, at));
    place[c] = SIZE_MAX;
    if (want && strcmp(want, column->categories[c]) == 0)
      place[c] = at++;
    else
      for (size_t k = 0; k < known; k++)
      {
        const char *name = json_string_value(json_array_get(categories, k));
        if (name && strcmp(name, column->categories[c]) == 0)
        {
          place[c] = k;
          at = k + 1;
          break;
        }
      }
  }
  for (size_t k = 0; k < known; k++)
    tallies[k] =
      (struct tally){.code = k, .value = json_string_value(json_array_get(categories, k))};
  for (size_t i = 0; i < sample->count; i++)
  {
    int32_t code = column->code[row_of(sample, i)];
    if (code < 0)
      ++*missing;
    else if (place[code] == SIZE_MAX)
      ++*others;
    else
      tallies[place[code]].count++;
  }
  free(place);
  return true;
}

static json_t *
count_codes(const struct sample *sample, const struct column *column, const json_t *categories)
{
  size_t known = json_array_size(categories);
  size_t shown = known < CATEGORIES_SHOWN ? known : CATEGORIES_SHOWN;
  struct tally *tallies = calloc(known + 1, sizeof *tallies);
  uint64_t missing = 0, others = 0;

  if (!tallies || !tally_codes(sample, column, categories, tallies, &missing, &others))
  {
    free(tallies);
    return NULL;
  }
  qsort(tallies, known, sizeof *tallies, compare_tallies);
  json_t *codes = json_array(), *values = json_array(), *counts = json_array();
  for (size_t k = 0; k < known; k++)
    if (k < shown)
    {
      json_array_append_new(codes, json_integer((json_int_t) tallies[k].code));
      json_array_append_new(values, json_string(tallies[k].value ? tallies[k].value : ""));
      json_array_append_new(counts, json_integer((json_int_t) tallies[k].count));
    }
    else
      others += tallies[k].count;
  free(tallies);
  json_array_append_new(counts, json_integer((json_int_t) others));
  json_array_append_new(counts, json_integer((json_int_t) missing));
  json_array_append_new(counts, json_integer(0));
  return json_pack("{s:o, s:o, s:o}", "codes", codes, "values", values, "counts", counts);
}

/* The column's counts, with its name and type. NULL when it can't be counted. */
static json_t *
count_column(const struct sample *sample, const json_t *wanted)
{
  const struct table *table = dataset_table(sample->dataset);
  const char *name = json_get_string(wanted, "name", "");
  size_t index = table ? table_find(table, name) : SIZE_MAX;
  json_t *counted;

  if (index == SIZE_MAX)
    return NULL;
  const struct column *column = &table->columns[index];
  if (strcmp(json_get_string(wanted, "type", ""), column_type_name(column->type)) != 0)
    return NULL;
  if (column->code)
    counted = count_codes(sample, column, json_object_get(wanted, "categories"));
  else
  {
    for (size_t i = 0; i < sample->count; i++)
      sample->values[i] = drift_value(column, row_of(sample, i));
    counted = count_numbers(sample->values, sample->count, true);
  }
  if (counted)
  {
    json_object_set_new(counted, "name", json_string(name));
    json_object_set_new(counted, "type", json_string(column_type_name(column->type)));
  }
  return counted;
}

static json_t *
count_classes(const struct sample *sample, const struct task *task, const json_t *classes)
{
  size_t count = json_array_size(classes);
  uint64_t *counts = calloc(count + 1, sizeof *counts);
  json_t *list = json_array();

  for (size_t i = 0; counts && i < sample->count; i++)
  {
    int32_t of = task_class_of(task, sample->dataset, row_of(sample, i));
    const char *name = of < 0 ? NULL : task->class_names[of];
    const char *same =
      of < 0 ? NULL : json_string_value(json_array_get(classes, (size_t) of)); /* the usual case */
    if (same && strcmp(same, name) == 0)
      counts[of]++;
    else
      for (size_t k = 0; name && k < count; k++)
        if (strcmp(json_string_value(json_array_get(classes, k)), name) == 0)
          counts[k]++;
  }
  for (size_t k = 0; counts && k < count; k++)
    json_array_append_new(list, json_integer((json_int_t) counts[k]));
  free(counts);
  return json_pack("{s:o}", "counts", list);
}

static enum err
count_target(const struct sample *sample, const json_t *schema, json_t **target,
             struct err_info *info)
{
  const json_t *classes = json_object_get(schema, "classes");
  struct arena *arena = arena_new(0);
  struct task task;

  if (!arena)
    return err_set(info, ERR_MEMORY, "out of memory");
  enum err rc = task_make(sample->dataset, json_get_string(schema, "target", NULL),
                          json_get_string(schema, "task", NULL), arena, &task, info);
  if (rc == ERR_OK && classes)
    *target = count_classes(sample, &task, classes);
  else if (rc == ERR_OK)
  {
    for (size_t i = 0; i < sample->count; i++)
      sample->values[i] = (double) (float) task_value_of(&task, sample->dataset, row_of(sample, i));
    *target = count_numbers(sample->values, sample->count, false);
  }
  arena_free(arena);
  if (rc == ERR_OK && !*target)
    rc = err_set(info, ERR_MEMORY, "out of memory");
  return rc;
}

enum err
drift_reference_make(const struct dataset *dataset, const json_t *schema, size_t most,
                     json_t **reference, struct err_info *info)
{
  const json_t *wanted, *list = json_object_get(schema, "columns");
  size_t index, rows = dataset_row_count(dataset);
  struct sample sample = {
    .dataset = dataset, .rows = rows, .count = most > 0 && most < rows ? most : rows};
  json_t *columns = json_array(), *target = NULL;
  enum err rc = ERR_OK;

  *reference = NULL;
  sample.values = calloc(sample.count + 1, sizeof *sample.values);
  if (!sample.values || !columns)
    rc = err_set(info, ERR_MEMORY, "out of memory");
  json_array_foreach(list, index, wanted)
  {
    json_t *counted =
      rc == ERR_OK && index < DRIFT_COLUMNS_MAX ? count_column(&sample, wanted) : NULL;
    if (counted)
      json_array_append_new(columns, counted);
    else if (rc == ERR_OK && index < DRIFT_COLUMNS_MAX)
      rc = err_set(info, ERR_INVALID, "the column \"%s\" can't be counted",
                   json_get_string(wanted, "name", ""));
  }
  if (rc == ERR_OK)
    rc = count_target(&sample, schema, &target, info);
  if (rc == ERR_OK)
  {
    *reference = json_pack("{s:i, s:I, s:O, s:O}", "version", FORMAT_VERSION, "rows",
                           (json_int_t) sample.count, "columns", columns, "target", target);
    rc = *reference ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
  }
  json_decref(columns);
  json_decref(target);
  free(sample.values);
  return rc;
}

json_t *
drift_reference_empty(const json_t *schema)
{
  size_t classes = json_array_size(json_object_get(schema, "classes"));
  json_t *counts = json_array();

  for (size_t i = 0; i < classes; i++)
    json_array_append_new(counts, json_integer(0));
  return json_pack("{s:i, s:i, s:[], s:{s:o}}", "version", FORMAT_VERSION, "rows", 0, "columns",
                   "target", "counts", counts);
}

/* ---- reading --------------------------------------------------------------------------------------- */

/* The numbers of a JSON array; NULL when it is none, or without memory. */
static double *
read_numbers(struct arena *arena, const json_t *list, size_t *count)
{
  *count = json_array_size(list);
  double *numbers = json_is_array(list) && *count <= BINS_MAX
                      ? arena_array(arena, *count + 1, sizeof *numbers)
                      : NULL;
  for (size_t i = 0; numbers && i < *count; i++)
  {
    const json_t *item = json_array_get(list, i);
    numbers[i] = json_is_number(item) ? json_number_value(item) : NAN;
    if (!isfinite(numbers[i]))
      return NULL;
  }
  return numbers;
}

/* A column, or with more == 0 the target; false when damaged. */
static bool
read_column(struct arena *arena, const json_t *json, size_t more, struct drift_column *column)
{
  const json_t *edges = json_object_get(json, "edges"), *codes = json_object_get(json, "codes");
  const json_t *list = json_object_get(json, "counts");
  size_t inner = 0, count = json_array_size(list);

  if (!json_is_array(list) || count > BINS_MAX || count < more)
    return false;
  uint64_t *trained = arena_array(arena, count + 1, sizeof *trained);
  if (!trained)
    return false;
  for (size_t i = 0; i < count; i++)
  {
    json_int_t value = json_integer_value(json_array_get(list, i));
    trained[i] = value > 0 ? (uint64_t) value : 0;
  }
  column->bins = count - more;
  column->trained = trained;
  if (edges && !(column->edges = read_numbers(arena, edges, &inner)))
    return false;
  if (codes && !(column->codes = read_numbers(arena, codes, &inner)))
    return false;
  for (size_t i = 1; edges && i < inner; i++)
    if (!(column->edges[i] > column->edges[i - 1]))
      return false;
  /* a target of classes has neither */
  if (edges || codes)
    return column->bins == inner + 1;
  return more == 0;
}

static bool
read_columns(struct drift_reference *reference, const json_t *list)
{
  struct arena *arena = reference->arena;
  const json_t *json;
  size_t index;

  reference->column_count = json_array_size(list);
  if (!json_is_array(list) || reference->column_count > DRIFT_COLUMNS_MAX)
    return false;
  reference->columns = arena_array(arena, reference->column_count + 1, sizeof *reference->columns);
  if (!reference->columns)
    return false;
  json_array_foreach(list, index, json)
  {
    struct drift_column *column = &reference->columns[index];
    *column = (struct drift_column){.place = reference->size};
    column->name = arena_strdup(arena, json_get_string(json, "name", ""));
    if (!column->name || !column_type_parse(json_get_string(json, "type", ""), &column->type)
        || !read_column(arena, json, DRIFT_MORE_BINS, column))
      return false;
    reference->size += column->bins + DRIFT_MORE_BINS;
  }
  return true;
}

enum err
drift_reference_read(const json_t *json, struct drift_reference **out, struct err_info *info)
{
  struct drift_reference *reference = calloc(1, sizeof *reference);

  *out = NULL;
  if (reference)
    reference->arena = arena_new(0);
  if (!reference || !reference->arena)
  {
    free(reference);
    return err_set(info, ERR_MEMORY, "out of memory");
  }
  json_int_t rows = json_get_integer(json, "rows", 0);
  reference->rows = rows > 0 ? (uint64_t) rows : 0;
  reference->size = FIRST_BIN;
  if (json_get_integer(json, "version", 0) != FORMAT_VERSION
      || !read_columns(reference, json_object_get(json, "columns"))
      || !read_column(reference->arena, json_object_get(json, "target"), 0, &reference->target))
  {
    drift_reference_free(reference);
    return err_set(info, ERR_INVALID,
                   "the stored counts of the training data are damaged, or of a newer version");
  }
  reference->target.place = reference->size;
  reference->size += reference->target.bins;
  *out = reference;
  return ERR_OK;
}

void
drift_reference_free(struct drift_reference *reference)
{
  if (!reference)
    return;
  arena_free(reference->arena);
  free(reference);
}

/* ---- counting -------------------------------------------------------------------------------------- */

static size_t
bin_of(const struct drift_column *column, double value)
{
  if (isnan(value))
    return column->bins;
  if (!column->codes)
    return drift_bin(column->edges, column->bins - 1, value);
  if (value < 0)
    return column->bins + 1;
  for (size_t k = 0; k + 1 < column->bins; k++)
    if (fabs(column->codes[k] - value) < 0.5)
      return k;
  return column->bins - 1;
}

void
drift_reference_count(const struct drift_reference *reference, size_t column, double value,
                      double *counts)
{
  if (column >= reference->column_count)
    return;
  const struct drift_column *to = &reference->columns[column];
  counts[to->place + bin_of(to, value)] += 1;
}

void
drift_reference_count_answer(const struct drift_reference *reference, bool is_class, double value,
                             double *counts)
{
  const struct drift_column *target = &reference->target;
  bool by_class = !target->edges;

  if (is_class != by_class || target->bins == 0 || !isfinite(value)
      || (by_class && (value < 0 || value >= (double) target->bins)))
    return;
  size_t bin = by_class ? (size_t) value : drift_bin(target->edges, target->bins - 1, value);
  counts[1] += 1;
  counts[target->place + bin] += 1;
}
