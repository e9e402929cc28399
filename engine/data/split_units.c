#include <config.h>

#include "data/split_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/hash.h"

#define REGRESSION_BINS 10

/* ---- hashes ----------------------------------------------------------------------------------------- */

static int
compare_keys(const void *left, const void *right)
{
  const struct split_key *a = left, *b = right;
  if (a->hash != b->hash)
    return a->hash < b->hash ? -1 : 1;
  return (a->row > b->row) - (a->row < b->row);
}

static uint64_t
cell_hash(const struct column *column, size_t row, uint64_t hash)
{
  uint64_t bits;
  if (column->number != NULL)
  {
    /* Adding 0 makes −0 and 0 one; all NaN count as one. */
    double value = isnan(column->number[row]) ? (double) NAN : column->number[row] + 0.0;
    memcpy(&bits, &value, sizeof bits);
    return hash_mix(hash, bits);
  }
  if (column->code != NULL)
    return hash_mix(hash, (uint64_t) (int64_t) column->code[row]);
  return hash_bytes(column->text + column->offset[row],
                    (size_t) (column->offset[row + 1] - column->offset[row]), hash);
}

static bool
is_missing(const struct column *column, size_t row)
{
  if (column->number != NULL)
    return !isfinite(column->number[row]);
  if (column->code != NULL)
    return column->code[row] < 0;
  return column->offset[row] == column->offset[row + 1];
}

static uint64_t
image_hash(const struct image_set *images, size_t row, uint64_t seed)
{
  size_t bytes = images->height * images->width * images->channels;
  return hash_bytes(images->pixels + row * bytes, bytes, seed);
}

uint64_t
split_row_hash(const struct dataset *dataset, size_t row)
{
  const struct image_set *images = dataset_images(dataset);
  if (images != NULL)
    return image_hash(images, row, (uint64_t) images->labels[row]);
  return split_row_hash_without(dataset, row, SIZE_MAX);
}

uint64_t
split_row_hash_without(const struct dataset *dataset, size_t row, size_t column)
{
  const struct table *table = dataset_table(dataset);
  uint64_t hash = 0;
  if (table == NULL)
    return image_hash(dataset_images(dataset), row, 0);
  for (size_t c = 0; c < table->column_count; c++)
    if (c != column && table->columns[c].type != COLUMN_IDENTIFIER)
      hash = cell_hash(&table->columns[c], row, hash);
  return hash;
}

/* Rows of one unit have equal hashes. A row without a group belongs to its copies. */
static uint64_t
unit_hash(const struct split_work *work, size_t row)
{
  if (work->group == NULL || is_missing(work->group, row))
    return split_row_hash(work->dataset, row);
  return cell_hash(work->group, row, 1);
}

/* ---- strata ----------------------------------------------------------------------------------------- */

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

/* Strata of regression: tenths of the sorted target. */
static enum err
bin_values(struct split_work *work, size_t rows)
{
  double *sorted = malloc((rows + 1) * sizeof *sorted);
  if (sorted == NULL)
    return ERR_MEMORY;
  size_t count = 0;
  for (size_t row = 0; row < rows; row++)
  {
    double value = task_value_of(work->task, work->dataset, row);
    if (isfinite(value))
      sorted[count++] = value;
  }
  qsort(sorted, count, sizeof *sorted, compare_doubles);
  double edges[REGRESSION_BINS - 1];
  for (size_t b = 1; b < REGRESSION_BINS; b++)
    edges[b - 1] = count > 0 ? sorted[b * count / REGRESSION_BINS] : 0.0;
  free(sorted);
  for (size_t row = 0; row < rows; row++)
  {
    double value = task_value_of(work->task, work->dataset, row);
    size_t bin = 0;
    while (bin < REGRESSION_BINS - 1 && value >= edges[bin])
      bin++;
    work->stratum[row] = isfinite(value) ? bin : SIZE_MAX;
  }
  work->strata = REGRESSION_BINS;
  work->used = count;
  return ERR_OK;
}

enum err
split_find_strata(struct split_work *work, struct split *split)
{
  size_t rows = split->row_count;
  if (work->task->kind == TASK_REGRESSION)
  {
    enum err err = bin_values(work, rows);
    if (err != ERR_OK)
      return err;
  }
  else
  {
    work->strata = work->task->class_count;
    for (size_t row = 0; row < rows; row++)
    {
      int32_t class = task_class_of(work->task, work->dataset, row);
      work->stratum[row] = class < 0 ? SIZE_MAX : (size_t) class;
      work->used += class >= 0;
    }
  }
  for (size_t row = 0; row < rows; row++)
  {
    if (work->stratum[row] == SIZE_MAX)
      continue;
    if (work->spec->unstratified)
      work->stratum[row] = 0;
    if (work->time != NULL && is_missing(work->time, row))
    {
      work->stratum[row] = SIZE_MAX;
      split->untimed++;
      work->used--;
    }
  }
  if (work->spec->unstratified)
    work->strata = 1;
  return ERR_OK;
}

/* ---- units ------------------------------------------------------------------------------------------ */

/* Makes one unit per distinct hash; members are sorted by it. */
static void
collect_units(struct split_work *work)
{
  work->unit_count = 0;
  for (size_t i = 0; i < work->used; i++)
    if (i == 0 || work->members[i].hash != work->members[i - 1].hash)
      work->units[work->unit_count++] =
        (struct split_unit){.hash = work->members[i].hash,
                            .first = i,
                            .size = 1,
                            .stratum = work->stratum[work->members[i].row]};
    else
      work->units[work->unit_count - 1].size++;
}

/* A few columns of few values repeat by nature: groups of them are no copies and would only make
 * the folds lopsided. */
static bool
units_are_natural(const struct split_work *work)
{
  size_t largest = 0;
  for (size_t g = 0; g < work->unit_count; g++)
    if (work->units[g].size > largest)
      largest = work->units[g].size;
  return work->unit_count * 2 < work->used || (largest > 2 && largest * 50 > work->used);
}

static int
compare_first(const void *left, const void *right)
{
  const struct split_unit *a = left, *b = right;
  return (a->first > b->first) - (a->first < b->first);
}

/* Larger ones first; `hash` breaks ties at random when it holds a shuffled place. */
static int
compare_size(const void *left, const void *right)
{
  const struct split_unit *a = left, *b = right;
  if (a->size != b->size)
    return a->size > b->size ? -1 : 1;
  return compare_first(left, right);
}

static int
compare_time(const void *left, const void *right)
{
  const struct split_unit *a = left, *b = right;
  if (a->time != b->time)
    return a->time < b->time ? -1 : 1;
  return compare_first(left, right);
}

/* In the order of their first row, then shuffled, then gathered by stratum (stable). */
static enum err
shuffle_units(struct split_work *work)
{
  qsort(work->units, work->unit_count, sizeof *work->units, compare_first);
  size_t count = work->unit_count;
  size_t *order = malloc((count + 1) * sizeof *order);
  struct split_unit *shuffled = malloc((count + 1) * sizeof *shuffled);
  size_t *start = calloc(work->strata + 1, sizeof *start);
  enum err err = ERR_OK;
  if (order == NULL || shuffled == NULL || start == NULL)
  {
    err = ERR_MEMORY;
    goto out;
  }
  for (size_t g = 0; g < count; g++)
  {
    order[g] = g;
    start[work->units[g].stratum + 1]++;
  }
  for (size_t s = 0; s < work->strata; s++)
    start[s + 1] += start[s];
  rng_shuffle(&work->rng, order, count);
  for (size_t g = 0; g < count; g++)
  {
    const struct split_unit *unit = &work->units[order[g]];
    shuffled[start[unit->stratum]++] = *unit;
  }
  memcpy(work->units, shuffled, count * sizeof *shuffled);
out:
  free(start);
  free(shuffled);
  free(order);
  return err;
}

/* Largest first, equals shuffled: large ones find room only while there is some. */
static enum err
sort_groups(struct split_work *work)
{
  enum err err = shuffle_units(work);
  size_t *first = malloc((work->unit_count + 1) * sizeof *first);
  if (err != ERR_OK || first == NULL)
  {
    free(first);
    return ERR_MEMORY;
  }
  for (size_t g = 0; g < work->unit_count; g++)
  {
    first[g] = work->units[g].first;
    work->units[g].first = g;
  }
  qsort(work->units, work->unit_count, sizeof *work->units, compare_size);
  for (size_t g = 0; g < work->unit_count; g++)
    work->units[g].first = first[work->units[g].first];
  free(first);
  return ERR_OK;
}

/* A group is as late as its latest row, a row as early as its earliest copy. Ranks go to all rows. */
static enum err
order_by_time(struct split_work *work, struct split *split)
{
  split->order_of = calloc(split->row_count + 1, sizeof *split->order_of);
  if (split->order_of == NULL)
    return ERR_MEMORY;
  for (size_t g = 0; g < work->unit_count; g++)
  {
    struct split_unit *unit = &work->units[g];
    size_t begin = split_unit_begin(work, unit);
    for (size_t i = 0; i < unit->size; i++)
    {
      double time = work->time->number[work->members[begin + i].row];
      if (i == 0)
        unit->time = time;
      else
        unit->time = work->group != NULL ? fmax(unit->time, time) : fmin(unit->time, time);
    }
  }
  qsort(work->units, work->unit_count, sizeof *work->units, compare_time);
  for (size_t g = 0; g < work->unit_count; g++)
  {
    const struct split_unit *unit = &work->units[g];
    size_t begin = split_unit_begin(work, unit);
    work->time_count += g == 0 || unit->time != work->units[g - 1].time;
    for (size_t i = 0; i < unit->size; i++)
      split->order_of[work->members[begin + i].row] = (uint32_t) (work->time_count - 1);
  }
  split->time_ordered = true;
  return ERR_OK;
}

static enum err
note_groups(const struct split_work *work, struct split *split)
{
  split->group_of = calloc(split->row_count + 1, sizeof *split->group_of);
  if (split->group_of == NULL)
    return ERR_MEMORY;
  split->group_count = work->unit_count;
  for (size_t g = 0; g < work->unit_count; g++)
    for (size_t i = 0; i < work->units[g].size; i++)
      split->group_of[work->members[work->units[g].first + i].row] = (uint32_t) g;
  return ERR_OK;
}

enum err
split_find_units(struct split_work *work, struct split *split)
{
  work->members = malloc((work->used + 1) * sizeof *work->members);
  work->units = malloc((work->used + 1) * sizeof *work->units);
  if (work->members == NULL || work->units == NULL)
    return ERR_MEMORY;
  size_t count = 0;
  for (size_t row = 0; row < split->row_count; row++)
    if (work->stratum[row] != SIZE_MAX)
      work->members[count++] = (struct split_key){.hash = unit_hash(work, row), .row = row};
  qsort(work->members, count, sizeof *work->members, compare_keys);
  collect_units(work);
  if (work->group == NULL && units_are_natural(work))
  {
    /* The row number is a hash without equals. */
    for (size_t i = 0; i < count; i++)
      work->members[i].hash = work->members[i].row;
    qsort(work->members, count, sizeof *work->members, compare_keys);
    collect_units(work);
  }
  if (work->group != NULL && note_groups(work, split) != ERR_OK)
    return ERR_MEMORY;
  for (size_t g = 0; g < work->unit_count; g++)
    work->units[g].first = work->members[work->units[g].first].row;
  if (work->time != NULL)
    return order_by_time(work, split);
  return work->group != NULL ? sort_groups(work) : shuffle_units(work);
}

size_t
split_unit_begin(const struct split_work *work, const struct split_unit *unit)
{
  /* Members are sorted by (hash, row). */
  size_t low = 0, high = work->used;
  while (low < high)
  {
    size_t middle = (low + high) / 2;
    if (work->members[middle].hash < unit->hash)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void
split_place_unit(const struct split_work *work, struct split *split, const struct split_unit *unit,
                 uint8_t part)
{
  size_t begin = split_unit_begin(work, unit);
  for (size_t i = 0; i < unit->size; i++)
    split->fold_of[work->members[begin + i].row] = part;
  if (part == SPLIT_REPORT)
    split->report_count += unit->size;
}
