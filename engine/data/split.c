#include <config.h>

#include "data/split_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLDOUT_ROWS 20000 /* from here on rows are reserved for the report */
#define HOLDOUT_SHARE 0.1
#define HOLDOUT_MOST 5000
#define DEFAULT_FOLDS 5
#define MOST_FOLDS 50
#define SPLIT_STREAM 0x53504c4954u /* keeps these random numbers apart from others of the seed */

enum err
split_refuse(const struct split_work *work, const char *member, const char *hint,
             struct err_info *info, const char *format, ...)
{
  char text[sizeof info->text];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  work->refusal->member = member;
  snprintf(work->refusal->hint, sizeof work->refusal->hint, "%s", hint);
  return err_set(info, ERR_INVALID, "%s", text);
}

/* ---- by rows ---------------------------------------------------------------------------------------- */

/* Deals each stratum's units to the fold that has fewest rows of it, then fewest in all. */
static enum err
deal_folds(const struct split_work *work, struct split *split)
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
  for (size_t g = 0; g < work->unit_count; g++)
  {
    const struct split_unit *group = &work->units[g];
    if (g == 0 || group->stratum != work->units[g - 1].stratum)
      memset(own, 0, folds * sizeof *own);
    size_t best = 0;
    for (size_t f = 1; f < folds; f++)
      if (own[f] < own[best] || (own[f] == own[best] && total[f] < total[best]))
        best = f;
    own[best] += group->size;
    total[best] += group->size;
    split_place_unit(work, split, group, (uint8_t) best);
  }
  free(own);
  free(total);
  return ERR_OK;
}

/* Rows kept for the report and for validation. */
struct reserve
{
  size_t report, valid;
};

/* Walks the strata in order and gives the report and the validation part their share of each; the
 * quotas are differences of a running total, so that the sums come out exact. */
static void
deal_holdout(const struct split_work *work, struct split *split, const struct reserve *reserve)
{
  double share = (double) reserve->report / (double) work->used;
  double valid_share = (double) reserve->valid / (double) work->used;
  size_t seen = 0, before = 0, valid_before = 0;
  for (size_t g = 0; g < work->unit_count;)
  {
    size_t end = g, rows = 0, stratum = work->units[g].stratum;
    while (end < work->unit_count && work->units[end].stratum == stratum)
      rows += work->units[end++].size;
    seen += rows;
    bool all = seen == work->used;
    size_t now = all ? reserve->report : (size_t) floor((double) seen * share);
    size_t valid_now = all ? reserve->valid : (size_t) floor((double) seen * valid_share);
    size_t quota = now - before, valid_quota = valid_now - valid_before, report = 0, valid = 0;
    before = now;
    valid_before = valid_now;
    for (; g < end; g++)
    {
      size_t size = work->units[g].size;
      uint8_t part = SPLIT_TRAIN_ONLY;
      if (report + size <= quota)
      {
        part = SPLIT_REPORT;
        report += size;
      }
      else if (valid + size <= valid_quota)
      {
        part = 0;
        valid += size;
      }
      split_place_unit(work, split, &work->units[g], part);
    }
  }
}

/* ---- which split ------------------------------------------------------------------------------------ */

static size_t
smallest_class(const struct split_work *work, size_t rows)
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

/* Chooses holdout or folds, and how many. */
static enum err
choose_kind(const struct split_work *work, struct split *split, struct reserve *reserve,
            struct err_info *info)
{
  const struct split_spec *spec = work->spec;
  bool holdout = spec->holdout > 0 || (spec->fold_count == 0 && work->used >= HOLDOUT_ROWS);
  if (spec->holdout < 0 || spec->holdout > 0.5 || isnan(spec->holdout))
    return split_refuse(work, "holdout", "give a share such as 0.2", info,
                        "the holdout must be a share from 0 to 0.5");
  if (spec->fold_count == 1 || spec->fold_count > MOST_FOLDS)
    return split_refuse(work, "folds", "leave it out for the default", info,
                        "the number of folds must be from 2 to %d", MOST_FOLDS);
  if (work->used < TASK_MIN_ROWS)
    return split_refuse(work, work->time != NULL ? "time" : NULL, "add rows", info,
                        "only %zu rows have a label%s; at least %d are needed", work->used,
                        work->time != NULL ? " and a time" : "", TASK_MIN_ROWS);
  if (holdout)
  {
    double share = spec->holdout > 0 ? spec->holdout : HOLDOUT_SHARE;
    size_t part = (size_t) floor((double) work->used * share);
    if (spec->holdout <= 0 && part > HOLDOUT_MOST)
      part = HOLDOUT_MOST;
    split->kind = SPLIT_HOLDOUT;
    split->fold_count = 1;
    reserve->report = part > 0 ? part : 1;
    /* A large holdout leaves at least as much for training as for validation. */
    reserve->valid = (work->used - reserve->report) / 2;
    if (reserve->valid > reserve->report)
      reserve->valid = reserve->report;
    return ERR_OK;
  }
  size_t folds = spec->fold_count > 0 ? spec->fold_count : DEFAULT_FOLDS;
  size_t least = smallest_class(work, split->row_count);
  if (folds > least)
    folds = least;
  split->kind = SPLIT_FOLDS;
  split->fold_count = folds < 2 ? 2 : folds;
  return ERR_OK;
}

/* Groups and times must go round: fewer of them give fewer folds by rule, and a fault where the number
 * of folds was asked for. */
static enum err
fit_units(const struct split_work *work, struct split *split, struct err_info *info)
{
  bool folds = split->kind == SPLIT_FOLDS;
  size_t extra = work->time != NULL ? 1 : 0;
  size_t have = work->time != NULL ? work->time_count : work->unit_count;
  size_t need = folds ? split->fold_count + extra : 3;
  const char *what = work->time != NULL ? "different times" : "groups";
  const struct column *column = work->time != NULL ? work->time : work->group;
  char hint[80];
  if (have >= need || column == NULL)
    return ERR_OK;
  if (folds && work->spec->fold_count == 0 && have >= 2 + extra)
  {
    split->fold_count = have - extra;
    return ERR_OK;
  }
  snprintf(hint, sizeof hint, "ask for at most %zu folds", have - extra);
  if (folds && have >= 2 + extra)
    return split_refuse(work, "folds", hint, info,
                        "column \"%.60s\" has only %zu %s with a label, and %zu folds need %zu",
                        column->name, have, what, split->fold_count, need);
  return split_refuse(
    work, work->time != NULL ? "time" : "group", "choose another column, or add rows", info,
    "column \"%.60s\" has only %zu %s with a label, and %s need%s %zu", column->name, have, what,
    folds ? "folds" : "a holdout", folds ? "" : "s", folds ? 2 + extra : 3);
}

static void
list_parts(const struct split_work *work, const struct split *split, const struct reserve *reserve,
           struct split_parts *parts)
{
  parts->count = 0;
  bool timed = work->time != NULL;
  if (split->kind == SPLIT_HOLDOUT)
  {
    double report = (double) reserve->report / (double) work->used;
    double valid = (double) reserve->valid / (double) work->used;
    static const uint8_t codes[] = {SPLIT_TRAIN_ONLY, 0, SPLIT_REPORT};
    const double shares[] = {1 - report - valid, valid, report};
    memcpy(parts->code, codes, sizeof codes);
    memcpy(parts->share, shares, sizeof shares);
    parts->count = 3;
    return;
  }
  if (timed)
    parts->code[parts->count++] = SPLIT_TRAIN_ONLY;
  for (size_t f = 0; f < split->fold_count; f++)
    parts->code[parts->count++] = (uint8_t) f;
  for (size_t p = 0; p < parts->count; p++)
    parts->share[p] = 1.0 / (double) parts->count;
}

static enum err
deal(const struct split_work *work, struct split *split, const struct reserve *reserve)
{
  struct split_parts parts;
  list_parts(work, split, reserve, &parts);
  if (work->time != NULL)
  {
    split_deal_times(work, &parts, split);
    return ERR_OK;
  }
  if (work->group != NULL)
    return split_deal_groups(work, &parts, split);
  if (split->kind == SPLIT_FOLDS)
    return deal_folds(work, split);
  deal_holdout(work, split, reserve);
  return ERR_OK;
}

static enum err
find_column(const struct split_work *work, const char *member, const char *name,
            const struct column **column, struct err_info *info)
{
  const struct table *table = dataset_table(work->dataset);
  size_t index = table != NULL && name != NULL ? table_find(table, name) : SIZE_MAX;
  *column = NULL;
  if (name == NULL)
    return ERR_OK;
  if (index == SIZE_MAX)
    return split_refuse(work, member, "choose another column", info,
                        "there is no column \"%.60s\" to split by", name);
  *column = &table->columns[index];
  return ERR_OK;
}

static enum err
find_columns(struct split_work *work, struct err_info *info)
{
  enum err err = find_column(work, "group", work->spec->group, &work->group, info);
  if (err == ERR_OK)
    err = find_column(work, "time", work->spec->time, &work->time, info);
  if (err == ERR_OK && work->time != NULL && work->time->number == NULL)
    err =
      split_refuse(work, "time", "choose another column", info,
                   "column \"%.60s\" holds no times or numbers to order rows by", work->spec->time);
  return err;
}

static enum err
make(struct split_work *work, struct split *split, struct err_info *info)
{
  struct reserve reserve = {0};
  enum err err = find_columns(work, info);
  if (err == ERR_OK)
    err = split_find_strata(work, split);
  if (err == ERR_OK)
    err = choose_kind(work, split, &reserve, info);
  if (err == ERR_OK)
    err = split_find_units(work, split);
  if (err == ERR_OK)
    err = fit_units(work, split, info);
  if (err == ERR_OK)
    err = deal(work, split, &reserve);
  return err == ERR_OK ? split_check_parts(work, split, info) : err;
}

enum err
split_try(const struct dataset *dataset, const struct task *task, const struct split_spec *spec,
          struct split **result, struct split_refusal *refusal, struct err_info *info)
{
  *result = NULL;
  size_t rows = dataset_row_count(dataset);
  struct split_work work = {.dataset = dataset, .task = task, .spec = spec, .refusal = refusal};
  struct split *split = calloc(1, sizeof *split);
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
  err = make(&work, split, info);
out:
  if (err == ERR_MEMORY)
    err_set(info, ERR_MEMORY, "out of memory");
  free(work.units);
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

enum err
split_make(const struct dataset *dataset, const struct task *task, const struct split_spec *spec,
           struct split **split, struct err_info *info)
{
  struct split_refusal refusal = {.hint = ""};
  struct err_info note = {.text = ""};
  enum err err = split_try(dataset, task, spec, split, &refusal, &note);
  if (err == ERR_INVALID)
    return err_set(info, err, "%.330s; %s", note.text, refusal.hint);
  return err == ERR_OK ? ERR_OK : err_set(info, err, "%s", note.text);
}

void
split_free(struct split *split)
{
  if (split == NULL)
    return;
  free(split->fold_of);
  free(split->group_of);
  free(split->order_of);
  free(split);
}

/* Whether a row of part `own` trains fold `fold`. */
static bool
trains(const struct split *split, uint8_t own, uint8_t fold)
{
  if (own == SPLIT_REPORT || own == SPLIT_UNUSED || own == fold)
    return false;
  return own == SPLIT_TRAIN_ONLY || !split->time_ordered || own < fold;
}

/* Rows of the part, or those that train it. */
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
    if (train ? trains(split, own, part) : own == part)
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
