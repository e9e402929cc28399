#include <config.h>

#include "data/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "data/hash.h"

#define HOLDOUT_ROWS 20000 /* from here on rows are reserved for the report */
#define HOLDOUT_SHARE 0.1
#define HOLDOUT_MOST 5000
#define DEFAULT_FOLDS 5
#define MOST_FOLDS 50
#define REGRESSION_BINS 10
#define SPLIT_STREAM 0x53504c4954u /* keeps these random numbers apart from others of the seed */

/* Rows that are equal in every column, kept together. */
struct group
{
  uint64_t hash;
  size_t first; /* position of its first row in `members` */
  size_t size;
  size_t stratum;
};

struct row_key
{
  uint64_t hash;
  size_t row;
};

/* Everything the making of one split needs. */
struct work
{
  const struct dataset *dataset;
  const struct task *task;
  struct rng rng;
  size_t *stratum; /* per row; SIZE_MAX = unused */
  size_t strata;
  size_t used;
  struct row_key *members; /* used rows by group */
  struct group *groups;    /* by stratum, shuffled inside */
  size_t group_count;
};

static int
compare_keys(const void *left, const void *right)
{
  const struct row_key *a = left, *b = right;
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

static uint64_t
row_hash(const struct dataset *dataset, size_t row)
{
  const struct image_set *images = dataset_images(dataset);
  if (images != NULL)
  {
    size_t bytes = images->height * images->width * images->channels;
    return hash_bytes(images->pixels + row * bytes, bytes, (uint64_t) images->labels[row]);
  }
  const struct table *table = dataset_table(dataset);
  uint64_t hash = 0;
  for (size_t c = 0; c < table->column_count; c++)
    if (table->columns[c].type != COLUMN_IDENTIFIER)
      hash = cell_hash(&table->columns[c], row, hash);
  return hash;
}

static int
compare_doubles(const void *left, const void *right)
{
  const double *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

/* Strata of regression: tenths of the sorted target. */
static enum err
bin_values(struct work *work, size_t rows)
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

static enum err
find_strata(struct work *work, size_t rows)
{
  if (work->task->kind == TASK_REGRESSION)
    return bin_values(work, rows);
  work->strata = work->task->class_count;
  for (size_t row = 0; row < rows; row++)
  {
    int32_t class = task_class_of(work->task, work->dataset, row);
    work->stratum[row] = class < 0 ? SIZE_MAX : (size_t) class;
    work->used += class >= 0;
  }
  return ERR_OK;
}

/* Makes one group per distinct hash; members are sorted by it. */
static void
collect_groups(struct work *work)
{
  work->group_count = 0;
  for (size_t i = 0; i < work->used; i++)
    if (i == 0 || work->members[i].hash != work->members[i - 1].hash)
      work->groups[work->group_count++] =
        (struct group){.hash = work->members[i].hash,
                       .first = i,
                       .size = 1,
                       .stratum = work->stratum[work->members[i].row]};
    else
      work->groups[work->group_count - 1].size++;
}

/* A few columns of few values repeat by nature: groups of them are no copies and would only make
 * the folds lopsided. */
static bool
groups_are_natural(const struct work *work)
{
  size_t largest = 0;
  for (size_t g = 0; g < work->group_count; g++)
    if (work->groups[g].size > largest)
      largest = work->groups[g].size;
  return work->group_count * 2 < work->used || (largest > 2 && largest * 50 > work->used);
}

static int
compare_groups(const void *left, const void *right)
{
  const struct group *a = left, *b = right;
  return (a->first > b->first) - (a->first < b->first);
}

/* Groups in the order of their first row, then shuffled, then gathered by stratum (stable). */
static enum err
order_groups(struct work *work)
{
  for (size_t g = 0; g < work->group_count; g++)
    work->groups[g].first = work->members[work->groups[g].first].row;
  qsort(work->groups, work->group_count, sizeof *work->groups, compare_groups);
  size_t count = work->group_count;
  size_t *order = malloc((count + 1) * sizeof *order);
  struct group *shuffled = malloc((count + 1) * sizeof *shuffled);
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
    start[work->groups[g].stratum + 1]++;
  }
  for (size_t s = 0; s < work->strata; s++)
    start[s + 1] += start[s];
  rng_shuffle(&work->rng, order, count);
  for (size_t g = 0; g < count; g++)
  {
    const struct group *group = &work->groups[order[g]];
    shuffled[start[group->stratum]++] = *group;
  }
  memcpy(work->groups, shuffled, count * sizeof *shuffled);
out:
  free(start);
  free(shuffled);
  free(order);
  return err;
}

static enum err
find_groups(struct work *work, size_t rows)
{
  work->members = malloc((work->used + 1) * sizeof *work->members);
  work->groups = malloc((work->used + 1) * sizeof *work->groups);
  if (work->members == NULL || work->groups == NULL)
    return ERR_MEMORY;
  size_t count = 0;
  for (size_t row = 0; row < rows; row++)
    if (work->stratum[row] != SIZE_MAX)
      work->members[count++] = (struct row_key){.hash = row_hash(work->dataset, row), .row = row};
  qsort(work->members, count, sizeof *work->members, compare_keys);
  collect_groups(work);
  if (groups_are_natural(work))
  {
    /* The row number is a hash without equals. */
    for (size_t i = 0; i < count; i++)
      work->members[i].hash = work->members[i].row;
    qsort(work->members, count, sizeof *work->members, compare_keys);
    collect_groups(work);
  }
  return order_groups(work);
}

/* Gives every row of the group its part. */
static void
place_group(const struct work *work, struct split *split, const struct group *group, uint8_t part)
{
  /* Members are sorted by (hash, row): find the group's first one. */
  size_t low = 0, high = work->used;
  while (low < high)
  {
    size_t middle = (low + high) / 2;
    if (work->members[middle].hash < group->hash)
      low = middle + 1;
    else
      high = middle;
  }
  for (size_t i = 0; i < group->size; i++)
    split->fold_of[work->members[low + i].row] = part;
  if (part == SPLIT_REPORT)
    split->report_count += group->size;
}

/* Deals each stratum's groups to the fold that has fewest rows of it, then fewest in all. */
static enum err
deal_folds(const struct work *work, struct split *split)
{
  size_t folds = split->fold_count;
  size_t *total = calloc(folds, sizeof *total);
  size_t *own = calloc(folds, sizeof *own);
  if (total == NULL || own == NULL)
  {
    free(own);
    free(total);
    return ERR_MEMORY;
  }
  for (size_t g = 0; g < work->group_count; g++)
  {
    const struct group *group = &work->groups[g];
    if (g == 0 || group->stratum != work->groups[g - 1].stratum)
      memset(own, 0, folds * sizeof *own);
    size_t best = 0;
    for (size_t f = 1; f < folds; f++)
      if (own[f] < own[best] || (own[f] == own[best] && total[f] < total[best]))
        best = f;
    own[best] += group->size;
    total[best] += group->size;
    place_group(work, split, group, (uint8_t) best);
  }
  free(own);
  free(total);
  return ERR_OK;
}

/* Walks the strata in order and gives the report and the validation part their share of each; the
 * quotas are differences of a running total, so that the sums come out exact. */
static void
deal_holdout(const struct work *work, struct split *split, size_t reserve)
{
  double share = (double) reserve / (double) work->used;
  size_t seen = 0, quota_before = 0;
  for (size_t g = 0; g < work->group_count;)
  {
    size_t end = g, rows = 0, stratum = work->groups[g].stratum;
    while (end < work->group_count && work->groups[end].stratum == stratum)
      rows += work->groups[end++].size;
    seen += rows;
    size_t quota_now = seen == work->used ? reserve : (size_t) floor((double) seen * share);
    size_t quota = quota_now - quota_before;
    quota_before = quota_now;
    size_t report = 0, valid = 0;
    for (; g < end; g++)
    {
      size_t size = work->groups[g].size;
      uint8_t part = SPLIT_TRAIN_ONLY;
      if (report + size <= quota)
      {
        part = SPLIT_REPORT;
        report += size;
      }
      else if (valid + size <= quota)
      {
        part = 0;
        valid += size;
      }
      place_group(work, split, &work->groups[g], part);
    }
  }
}

static size_t
smallest_class(const struct work *work, size_t rows)
{
  if (work->task->kind == TASK_REGRESSION)
    return work->used;
  size_t *counts = calloc(work->strata + 1, sizeof *counts);
  if (counts == NULL)
    return 0;
  for (size_t row = 0; row < rows; row++)
    if (work->stratum[row] != SIZE_MAX)
      counts[work->stratum[row]]++;
  size_t least = work->used;
  for (size_t s = 0; s < work->strata; s++)
    if (counts[s] < least)
      least = counts[s];
  free(counts);
  return least;
}

/* Chooses holdout or folds, and how many; *reserve is the size of the report and validation parts. */
static enum err
choose_kind(const struct work *work, const struct split_spec *spec, size_t rows,
            struct split *split, size_t *reserve, struct err_info *info)
{
  bool holdout = spec->holdout > 0 || (spec->fold_count == 0 && work->used >= HOLDOUT_ROWS);
  if (spec->holdout < 0 || spec->holdout > 0.4 || isnan(spec->holdout))
    return err_set(info, ERR_INVALID, "the holdout must be a share from 0 to 0.4");
  if (spec->fold_count == 1 || spec->fold_count > MOST_FOLDS)
    return err_set(info, ERR_INVALID, "the number of folds must be from 2 to %d", MOST_FOLDS);
  if (work->used < TASK_MIN_ROWS)
    return err_set(info, ERR_INVALID, "only %zu rows have a label; at least %d are needed",
                   work->used, TASK_MIN_ROWS);
  if (holdout)
  {
    double share = spec->holdout > 0 ? spec->holdout : HOLDOUT_SHARE;
    size_t part = (size_t) floor((double) work->used * share);
    if (spec->holdout <= 0 && part > HOLDOUT_MOST)
      part = HOLDOUT_MOST;
    split->kind = SPLIT_HOLDOUT;
    split->fold_count = 1;
    *reserve = part > 0 ? part : 1;
    return ERR_OK;
  }
  size_t folds = spec->fold_count > 0 ? spec->fold_count : DEFAULT_FOLDS;
  size_t least = smallest_class(work, rows);
  if (folds > least)
    folds = least;
  split->kind = SPLIT_FOLDS;
  split->fold_count = folds < 2 ? 2 : folds;
  return ERR_OK;
}

/* True when every fold has rows to train on and rows to validate with. */
static bool
parts_filled(const struct split *split)
{
  size_t counts[256] = {0};
  for (size_t row = 0; row < split->row_count; row++)
    counts[split->fold_of[row]]++;
  if (split->kind == SPLIT_HOLDOUT)
    return counts[0] > 0 && counts[SPLIT_REPORT] > 0 && counts[SPLIT_TRAIN_ONLY] > 0;
  for (size_t f = 0; f < split->fold_count; f++)
    if (counts[f] == 0)
      return false;
  return true;
}

enum err
split_make(const struct dataset *dataset, const struct task *task, const struct split_spec *spec,
           struct split **result, struct err_info *info)
{
  *result = NULL;
  size_t rows = dataset_row_count(dataset);
  struct work work = {.dataset = dataset, .task = task};
  struct split *split = calloc(1, sizeof *split);
  size_t reserve = 0;
  enum err err = ERR_MEMORY;
  rng_init(&work.rng, spec->seed, SPLIT_STREAM);
  work.stratum = malloc((rows + 1) * sizeof *work.stratum);
  if (split == NULL || work.stratum == NULL)
    goto out;
  split->row_count = rows;
  split->fold_of = malloc(rows + 1);
  if (split->fold_of == NULL)
    goto out;
  memset(split->fold_of, SPLIT_UNUSED, rows + 1);
  err = find_strata(&work, rows);
  if (err == ERR_OK)
    err = choose_kind(&work, spec, rows, split, &reserve, info);
  if (err == ERR_OK)
    err = find_groups(&work, rows);
  if (err == ERR_OK && split->kind == SPLIT_FOLDS)
    err = deal_folds(&work, split);
  else if (err == ERR_OK)
    deal_holdout(&work, split, reserve);
  if (err == ERR_OK && !parts_filled(split))
    err = err_set(info, ERR_INVALID,
                  "there are too few different rows to keep some for validation; add rows");
out:
  if (err == ERR_MEMORY)
    err_set(info, ERR_MEMORY, "out of memory");
  free(work.groups);
  free(work.members);
  free(work.stratum);
  if (err != ERR_OK)
  {
    split_free(split);
    split = NULL;
  }
  *result = split;
  return err;
}

void
split_free(struct split *split)
{
  if (split == NULL)
    return;
  free(split->fold_of);
  free(split);
}

/* Rows whose part is wanted; `train` turns the choice of `part` around among the used, unreserved
 * rows. */
static enum err
collect_rows(const struct split *split, uint8_t part, bool train, size_t **rows, size_t *count)
{
  *count = 0;
  *rows = malloc((split->row_count + 1) * sizeof **rows);
  if (*rows == NULL)
    return ERR_MEMORY;
  for (size_t row = 0; row < split->row_count; row++)
  {
    uint8_t own = split->fold_of[row];
    bool taken = train ? own != part && own != SPLIT_REPORT && own != SPLIT_UNUSED : own == part;
    if (taken)
      (*rows)[(*count)++] = row;
  }
  return ERR_OK;
}

enum err
split_train_rows(const struct split *split, size_t fold, size_t **rows, size_t *count)
{
  return collect_rows(split, (uint8_t) fold, true, rows, count);
}

enum err
split_valid_rows(const struct split *split, size_t fold, size_t **rows, size_t *count)
{
  return collect_rows(split, (uint8_t) fold, false, rows, count);
}

enum err
split_report_rows(const struct split *split, size_t **rows, size_t *count)
{
  return collect_rows(split, SPLIT_REPORT, false, rows, count);
}
