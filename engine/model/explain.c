#include <config.h>

#include "model/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/explain_formula.h"
#include "model/model_internal.h"

#define SEED 0x5eed

static const struct encoder *
encoder_of(const struct model *model)
{
  return model->kind ? model->encoder : model->members[0]->encoder;
}

size_t
explain_columns(const struct model *model)
{
  return encoder_column_count(encoder_of(model));
}

const char *
explain_column_name(const struct model *model, size_t column)
{
  return encoder_column_name(encoder_of(model), column);
}

/* ---- the plan --------------------------------------------------------------------------------------- */

/* The name of the scale on which a model's members add up. */
static const char *
sum_name(const struct model *model)
{
  size_t classes = model->task.class_count;

  if (classes == 0)
    return "value";
  if (model->member_count)
    return classes == 2 ? "mean_log_odds" : "mean_log_ratio";
  return classes == 2 ? "log_odds" : "log_ratio";
}

static enum err
plan_of_answer(const struct model *model, struct explain_plan *plan, struct err_info *info)
{
  size_t columns = explain_columns(model);

  if (columns > EXPLAIN_MOST_COLUMNS)
    return err_set(info, ERR_INVALID,
                   "answers of models with up to %d columns are explained; this one has %zu",
                   EXPLAIN_MOST_COLUMNS, columns);
  bool exact = columns <= EXPLAIN_EXACT_COLUMNS;
  *plan = (struct explain_plan){.way = exact ? EXPLAIN_BY_SETS : EXPLAIN_BY_ORDERS,
                                .of = model->task.class_count ? "probability" : "value",
                                .algorithm = exact ? "all_sets" : "drawn_orders",
                                .reference = "hidden",
                                .answers =
                                  exact ? (size_t) 1 << columns : EXPLAIN_ORDERS * (columns + 1)};
  return ERR_OK;
}

enum err
explain_plan_make(const struct model *model, enum explain_scale scale, struct explain_plan *plan,
                  struct err_info *info)
{
  if (model->input != DATASET_TABLE)
    return err_set(info, ERR_INVALID, "images have no columns");
  size_t columns = explain_columns(model), classes = model->task.class_count;
  bool formula = explain_formula_plan(model, plan);

  if (columns == 0)
    return err_set(info, ERR_INVALID, "the model has no columns");
  plan->way = EXPLAIN_BY_FORMULA;
  plan->of = sum_name(model);
  if (scale == EXPLAIN_LOG_ODDS && classes == 0)
    return err_set(info, ERR_INVALID, "this model answers numbers, which have no log-odds");
  if (scale == EXPLAIN_LOG_ODDS && !formula)
    return err_set(info, ERR_INVALID,
                   "only linear models, boosted trees and mixes of them have log-odds that are "
                   "sums over columns");
  if (formula && (classes == 0 || scale == EXPLAIN_LOG_ODDS))
    return ERR_OK;
  if (formula && scale == EXPLAIN_AUTO && columns > EXPLAIN_EXACT_COLUMNS && !model->member_count)
    return ERR_OK;
  return plan_of_answer(model, plan, info);
}

/* ---- over sets and orders --------------------------------------------------------------------------- */

/* Room for `count` answers to one row, each with other columns hidden. */
struct work
{
  const struct model *model;
  struct model_workspace *workspace;
  const struct table *table;
  size_t output, columns, count;
  size_t *rows; /* (count), all the same */
  bool *hidden; /* (count, columns) */
  float *out;   /* (count, outputs) */
  double *values;
  size_t *order;
};

static void
work_clear(struct work *work)
{
  free(work->rows);
  free(work->hidden);
  free(work->out);
  free(work->values);
  free(work->order);
}

static enum err
work_init(struct work *work, size_t row, struct err_info *info)
{
  work->rows = calloc(work->count, sizeof *work->rows);
  work->hidden = calloc(work->count * work->columns, sizeof *work->hidden);
  work->out = calloc(work->count * work->model->task.output_count, sizeof *work->out);
  work->values = calloc(work->count, sizeof *work->values);
  work->order = calloc(work->columns, sizeof *work->order);
  if (!work->rows || !work->hidden || !work->out || !work->values || !work->order)
    return err_set(info, ERR_MEMORY, "no memory for an explanation");
  for (size_t i = 0; i < work->count; i++)
    work->rows[i] = row;
  for (size_t i = 0; i < work->columns; i++)
    work->order[i] = i;
  return ERR_OK;
}

/* values ← the answers. */
static enum err
work_run(struct work *work, struct err_info *info)
{
  size_t outputs = work->model->task.output_count;
  enum err rc = model_predict_hidden(work->model, work->workspace, work->table, work->rows,
                                     work->hidden, work->count, work->out, info);

  for (size_t i = 0; rc == ERR_OK && i < work->count; i++)
    work->values[i] = (double) work->out[i * outputs + work->output];
  return rc;
}

/* Over all sets: bit c of a set's number says that column c speaks. */
static enum err
explain_exactly(struct work *work, double *base, double *contributions, struct err_info *info)
{
  size_t columns = work->columns;
  double weight[EXPLAIN_EXACT_COLUMNS] = {1.0 / (double) columns};
  enum err rc;

  for (size_t set = 0; set < work->count; set++)
    for (size_t c = 0; c < columns; c++)
      work->hidden[set * columns + c] = !(set >> c & 1);
  rc = work_run(work, info);
  if (rc != ERR_OK)
    return rc;
  *base = work->values[0];
  /* of a set of s columns, without the one looked at: s! (columns − 1 − s)! / columns! */
  for (size_t s = 1; s < columns; s++)
    weight[s] = weight[s - 1] * (double) s / (double) (columns - s);
  for (size_t set = 0; set < work->count; set++)
  {
    size_t size = 0;
    for (size_t c = 0; c < columns; c++)
      size += set >> c & 1;
    for (size_t c = 0; c < columns; c++)
      if (!(set >> c & 1))
        contributions[c] +=
          weight[size] * (work->values[set | (size_t) 1 << c] - work->values[set]);
  }
  return ERR_OK;
}

/* Adds half of what each column adds in work->order, the columns speaking up one after the other. */
static enum err
walk_order(struct work *work, bool reverse, double *added, struct err_info *info)
{
  size_t columns = work->columns;
  enum err rc;

  memset(work->hidden, true, columns * sizeof *work->hidden);
  for (size_t i = 0; i < columns; i++)
  {
    bool *next = work->hidden + (i + 1) * columns;
    memcpy(next, next - columns, columns * sizeof *next);
    next[work->order[reverse ? columns - 1 - i : i]] = false;
  }
  rc = work_run(work, info);
  for (size_t i = 0; rc == ERR_OK && i < columns; i++)
    added[work->order[reverse ? columns - 1 - i : i]] +=
      0.5 * (work->values[i + 1] - work->values[i]);
  return rc;
}

/* Over EXPLAIN_ORDERS orders; a pair of them is one sample for the standard error. */
static enum err
explain_by_orders(struct work *work, double *base, double *contributions, double *errors,
                  struct err_info *info)
{
  const double pairs = EXPLAIN_ORDERS / 2;
  size_t columns = work->columns;
  double *added = calloc(columns, sizeof *added);
  enum err rc = added ? ERR_OK : err_set(info, ERR_MEMORY, "no memory for an explanation");
  struct rng rng;

  rng_init(&rng, SEED, 0);
  for (size_t pair = 0; rc == ERR_OK && pair < EXPLAIN_ORDERS / 2; pair++)
  {
    rng_shuffle(&rng, work->order, columns);
    memset(added, 0, columns * sizeof *added);
    rc = walk_order(work, false, added, info);
    if (rc == ERR_OK)
      rc = walk_order(work, true, added, info);
    for (size_t c = 0; rc == ERR_OK && c < columns; c++)
    {
      contributions[c] += added[c] / pairs;
      errors[c] += added[c] * added[c] / pairs;
    }
  }
  *base = work->values[0];
  for (size_t c = 0; rc == ERR_OK && c < columns; c++)
    errors[c] = sqrt(fmax(errors[c] - contributions[c] * contributions[c], 0.0) / (pairs - 1.0));
  free(added);
  return rc;
}

enum err
explain_row(const struct model *model, const struct explain_plan *plan,
            struct model_workspace *workspace, const struct table *table, size_t row, size_t output,
            double *base, double *contributions, double *errors, struct err_info *info)
{
  struct work work = {.model = model, .workspace = workspace, .table = table, .output = output};
  enum err rc;

  work.columns = explain_columns(model);
  memset(contributions, 0, work.columns * sizeof *contributions);
  memset(errors, 0, work.columns * sizeof *errors);
  if (plan->way == EXPLAIN_BY_FORMULA)
    return explain_formula_row(model, workspace, table, row, output, base, contributions, info);
  bool all = plan->way == EXPLAIN_BY_SETS;
  work.count = all ? (size_t) 1 << work.columns : work.columns + 1;
  rc = work_init(&work, row, info);
  if (rc == ERR_OK && all)
    rc = explain_exactly(&work, base, contributions, info);
  else if (rc == ERR_OK)
    rc = explain_by_orders(&work, base, contributions, errors, info);
  work_clear(&work);
  return rc;
}
