#include <config.h>

#include "data/split_internal.h"

#include <math.h>
#include <stdlib.h>

/* ---- groups ----------------------------------------------------------------------------------------- */

/* How full the parts are. What is kept small is the sum over parts and strata of (rows / rows of that
 * stratum in all)² / share of the part, plus the same of all rows together: with a fixed sum of rows
 * its least value is where every part has its share of everything. */
struct dealing
{
  const struct split_work *work;
  const struct split_parts *parts;
  double *filled;   /* (parts, strata) */
  double *total;    /* (strata) */
  double *rows;     /* (parts) */
  size_t *in_part;  /* (parts): groups */
  uint8_t *part_of; /* (groups) */
  /* of the group at hand */
  size_t *counts; /* (strata), zero between groups */
  size_t *present, present_count;
};

static bool
dealing_init(struct dealing *deal, const struct split_work *work, const struct split_parts *parts)
{
  *deal = (struct dealing){.work = work, .parts = parts};
  deal->filled = calloc(parts->count * work->strata + 1, sizeof *deal->filled);
  deal->total = calloc(work->strata + 1, sizeof *deal->total);
  deal->rows = calloc(parts->count + 1, sizeof *deal->rows);
  deal->in_part = calloc(parts->count + 1, sizeof *deal->in_part);
  deal->part_of = calloc(work->unit_count + 1, sizeof *deal->part_of);
  deal->counts = calloc(work->strata + 1, sizeof *deal->counts);
  deal->present = calloc(work->strata + 1, sizeof *deal->present);
  if (!deal->filled || !deal->total || !deal->rows || !deal->in_part || !deal->part_of
      || !deal->counts || !deal->present)
    return false;
  for (size_t i = 0; i < work->used; i++)
    deal->total[work->stratum[work->members[i].row]] += 1;
  return true;
}

static void
dealing_clear(struct dealing *deal)
{
  free(deal->filled);
  free(deal->total);
  free(deal->rows);
  free(deal->in_part);
  free(deal->part_of);
  free(deal->counts);
  free(deal->present);
}

static void
count_strata(struct dealing *deal, const struct split_unit *unit)
{
  size_t begin = split_unit_begin(deal->work, unit);
  for (size_t k = 0; k < deal->present_count; k++)
    deal->counts[deal->present[k]] = 0;
  deal->present_count = 0;
  for (size_t i = 0; i < unit->size; i++)
  {
    size_t stratum = deal->work->stratum[deal->work->members[begin + i].row];
    if (deal->counts[stratum]++ == 0)
      deal->present[deal->present_count++] = stratum;
  }
}

/* What putting the group at hand into a part adds to the sum. */
static double
added(const struct dealing *deal, const struct split_unit *unit, size_t part)
{
  const double *filled = deal->filled + part * deal->work->strata;
  double size = (double) unit->size, used = (double) deal->work->used;
  double sum = (2 * deal->rows[part] + size) * size / (used * used) * (double) deal->work->strata;
  for (size_t k = 0; k < deal->present_count; k++)
  {
    size_t stratum = deal->present[k];
    double more = (double) deal->counts[stratum];
    sum += (2 * filled[stratum] + more) * more / (deal->total[stratum] * deal->total[stratum]);
  }
  return sum / deal->parts->share[part];
}

static void
put(struct dealing *deal, size_t group, size_t part)
{
  double *filled = deal->filled + part * deal->work->strata;
  for (size_t k = 0; k < deal->present_count; k++)
    filled[deal->present[k]] += (double) deal->counts[deal->present[k]];
  deal->rows[part] += (double) deal->work->units[group].size;
  deal->part_of[group] = (uint8_t) part;
  deal->in_part[part]++;
}

/* Few groups may all have gone to the larger parts: the smallest that can be spared goes over. */
static void
fill_empty_parts(struct dealing *deal)
{
  for (size_t part = 0; part < deal->parts->count; part++)
    for (size_t g = deal->work->unit_count; g-- > 0 && deal->in_part[part] == 0;)
      if (deal->in_part[deal->part_of[g]] > 1)
      {
        deal->in_part[deal->part_of[g]]--;
        deal->in_part[part]++;
        deal->part_of[g] = (uint8_t) part;
      }
}

enum err
split_deal_groups(const struct split_work *work, const struct split_parts *parts,
                  struct split *split)
{
  struct dealing deal;
  bool ready = dealing_init(&deal, work, parts);
  for (size_t g = 0; ready && g < work->unit_count; g++)
  {
    size_t best = 0;
    double least = INFINITY;
    count_strata(&deal, &work->units[g]);
    for (size_t p = 0; p < parts->count; p++)
    {
      double sum = added(&deal, &work->units[g], p);
      if (sum < least)
      {
        least = sum;
        best = p;
      }
    }
    put(&deal, g, best);
  }
  if (ready)
    fill_empty_parts(&deal);
  for (size_t g = 0; ready && g < work->unit_count; g++)
    split_place_unit(work, split, &work->units[g], parts->code[deal.part_of[g]]);
  dealing_clear(&deal);
  return ready ? ERR_OK : ERR_MEMORY;
}

/* ---- time ------------------------------------------------------------------------------------------- */

void
split_deal_times(const struct split_work *work, const struct split_parts *parts,
                 struct split *split)
{
  size_t part = 0, last = parts->count - 1, in_part = 0, times_left = work->time_count;
  double done = 0, bound = parts->share[0] * (double) work->used;
  for (size_t g = 0; g < work->unit_count;)
  {
    size_t end = g;
    double size = 0;
    while (end < work->unit_count && work->units[end].time == work->units[g].time)
      size += (double) work->units[end++].size;
    /* To the next part where the bound is nearer behind than ahead, or where it needs what is left. */
    if (part < last && in_part > 0 && (done + size / 2 > bound || times_left == last - part))
    {
      bound += parts->share[++part] * (double) work->used;
      in_part = 0;
    }
    for (; g < end; g++)
      split_place_unit(work, split, &work->units[g], parts->code[part]);
    in_part++;
    times_left--;
    done += size;
  }
}

/* ---- checks ----------------------------------------------------------------------------------------- */

/* What a set of rows holds: enough different labels to learn from, or not. */
struct content
{
  size_t rows;
  int32_t first; /* class */
  double low, high;
  bool varied;
};

static void
add_row(const struct split_work *work, size_t row, struct content *content)
{
  if (work->task->kind == TASK_REGRESSION)
  {
    double value = task_value_of(work->task, work->dataset, row);
    content->low = content->rows > 0 ? fmin(content->low, value) : value;
    content->high = content->rows > 0 ? fmax(content->high, value) : value;
    content->varied = content->low < content->high;
  }
  else
  {
    int32_t class = task_class_of(work->task, work->dataset, row);
    if (content->rows == 0)
      content->first = class;
    content->varied = content->varied || class != content->first;
  }
  content->rows++;
}

static void
join(const struct split_work *work, const struct content *more, struct content *all)
{
  if (more->rows == 0)
    return;
  if (all->rows == 0)
  {
    *all = *more;
    return;
  }
  all->varied = all->varied || more->varied;
  if (work->task->kind == TASK_REGRESSION)
  {
    all->low = fmin(all->low, more->low);
    all->high = fmax(all->high, more->high);
    all->varied = all->low < all->high;
  }
  else
    all->varied = all->varied || all->first != more->first;
  all->rows += more->rows;
}

static enum err
refuse_training_rows(const struct split_work *work, const struct split *split, size_t fold,
                     struct err_info *info)
{
  const char *holds =
    work->task->kind == TASK_REGRESSION ? "have the same target value" : "are of the same class";
  const char *why = "", *member = NULL;
  if (work->time != NULL)
  {
    why = ", because they are the earliest";
    member = "time";
  }
  else if (work->group != NULL)
  {
    why = ", because groups stay together";
    member = "group";
  }
  if (split->kind == SPLIT_HOLDOUT)
    return split_refuse(work, member != NULL ? member : "holdout",
                        "ask for a smaller holdout, or validate otherwise", info,
                        "all training rows %s%s", holds, why);
  return split_refuse(
    work, member != NULL ? member : "folds",
    work->time != NULL ? "ask for fewer folds, or a holdout, or validate otherwise"
                       : "ask for another number of folds, or validate otherwise",
    info, "all training rows of fold %zu of %zu %s%s", fold + 1, split->fold_count, holds, why);
}

enum err
split_check_parts(const struct split_work *work, const struct split *split, struct err_info *info)
{
  struct content contents[256] = {{0}};
  for (size_t row = 0; row < split->row_count; row++)
    if (split->fold_of[row] != SPLIT_UNUSED)
      add_row(work, row, &contents[split->fold_of[row]]);
  bool filled = true;
  for (size_t f = 0; f < split->fold_count; f++)
    filled = filled && contents[f].rows > 0;
  if (split->kind == SPLIT_HOLDOUT)
    filled = filled && contents[SPLIT_REPORT].rows > 0 && contents[SPLIT_TRAIN_ONLY].rows > 0;
  if (!filled)
    return split_refuse(work, NULL, "add rows", info,
                        "there are too few different rows to keep some for validation");
  for (size_t f = 0; f < split->fold_count; f++)
  {
    struct content train = contents[SPLIT_TRAIN_ONLY];
    for (size_t other = 0; other < split->fold_count; other++)
      if (other < f || (other > f && !split->time_ordered))
        join(work, &contents[other], &train);
    if (!train.varied)
      return refuse_training_rows(work, split, f, info);
  }
  return ERR_OK;
}
