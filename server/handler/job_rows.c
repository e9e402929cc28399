#include <config.h>

#include "server/handler/job_rows.h"

#include <math.h>
#include <string.h>

static void
check_metric(const struct dataset *dataset, const struct task *task, enum metric metric,
             struct arena *arena, struct json_faults *faults)
{
  struct labels labels = {.count = dataset_row_count(dataset)};
  struct err_info info = {.text = ""};
  double *values = NULL;

  if (task->kind == TASK_REGRESSION)
    values = arena_array(arena, labels.count + 1, sizeof *values);
  for (size_t row = 0; values && row < labels.count; row++)
    values[row] = task_value_of(task, dataset, row);
  labels.values = values;
  if (metric_check(metric, task, &labels, &info) != ERR_OK)
    json_fault_add(faults, "/metric", "leave it out for the default", "%s", info.text);
}

static void
check_class_names(const struct job_spec *spec, const struct task *task, struct arena *arena,
                  struct json_faults *faults)
{
  for (size_t i = 0; i < spec->class_weight_count; i++)
  {
    const char *name = spec->class_weight_names[i];
    size_t k = 0;
    while (k < task->class_count && strcmp(task->class_names[k], name) != 0)
      k++;
    if (k == task->class_count)
      json_fault_add(faults, json_pointer(arena, "/class_weight", name),
                     arena_printf(arena, "write the classes as the data does, such as \"%.60s\"",
                                  task->class_count > 0 ? task->class_names[0] : ""),
                     "the target has no class \"%.60s\"", name);
  }
}

/* The first row at fault is named, and how many there are. */
static void
check_weights(const struct job_spec *spec, const struct dataset *dataset,
              struct json_faults *faults)
{
  const struct table *table = dataset_table(dataset);
  size_t index = table && spec->sample_weight ? table_find(table, spec->sample_weight) : SIZE_MAX;
  const double *weights = index != SIZE_MAX ? table->columns[index].number : NULL;
  size_t bad = 0, first = 0;
  double sum = 0.0;

  for (size_t row = 0; weights && row < table->row_count; row++)
  {
    bool good = weights[row] >= 0.0 && isfinite(weights[row]);
    first = good || bad > 0 ? first : row;
    bad += !good;
    sum += good ? weights[row] : 0.0;
  }
  if (bad > 0)
    json_fault_add(faults, "/sample_weight", "give every row a weight of 0 or more",
                   "%zu row%s of \"%.60s\" %s no weight of 0 or more; the first is row %zu", bad,
                   bad == 1 ? "" : "s", spec->sample_weight, bad == 1 ? "has" : "have", first + 1);
  else if (weights && !(sum > 0.0))
    json_fault_add(faults, "/sample_weight", "give some rows a weight above 0",
                   "every weight in \"%.60s\" is 0", spec->sample_weight);
}

/* ---- the split -------------------------------------------------------------------------------------- */

/* Means over the folds; the folds of one ordered in time train on what comes before them. */
static void
measure_split(const struct split *split, struct job_rows_split *measured)
{
  size_t rows[256] = {0}, valid = 0, train = 0;

  for (size_t row = 0; row < split->row_count; row++)
    rows[split->fold_of[row]]++;
  for (size_t f = 0; f < split->fold_count; f++)
  {
    valid += rows[f];
    train += rows[SPLIT_TRAIN_ONLY];
    for (size_t other = 0; other < split->fold_count; other++)
      train += other < f || (other > f && !split->time_ordered) ? rows[other] : 0;
  }
  *measured = (struct job_rows_split){.folded = split->kind == SPLIT_FOLDS,
                                      .fits = split->fold_count,
                                      .train_rows = train / split->fold_count,
                                      .valid_rows = valid / split->fold_count};
}

/* Points at the member only where the caller gave it. */
static void
tell_refusal(const struct job_spec *spec, const struct split_refusal *refusal, const char *text,
             struct arena *arena, struct json_faults *faults)
{
  const char *member = refusal->member ? refusal->member : "", *value = NULL;
  struct json_fault fault = {.pointer = "/validation", .message = text, .hint = refusal->hint};

  if (!refusal->member)
    fault.pointer = "/dataset";
  else if (strcmp(member, "group") == 0)
    value = spec->group_column;
  else if (strcmp(member, "time") == 0)
    value = spec->time_column;
  else if (strcmp(member, "folds") == 0 && spec->folds > 0)
    value = arena_printf(arena, "%zu", spec->folds);
  else if (strcmp(member, "holdout") == 0 && spec->holdout > 0.0)
    value = arena_printf(arena, "%g", spec->holdout);
  if (value)
    fault.pointer = json_pointer(arena, "/validation", member);
  fault.value = value;
  json_fault_add_full(faults, &fault);
}

bool
job_rows_split(const struct job_spec *spec, const struct dataset *dataset, const struct task *task,
               struct arena *arena, struct job_rows_split *measured, struct json_faults *faults)
{
  struct split_spec wanted = job_spec_split(spec);
  struct split_refusal refusal = {.hint = ""};
  struct err_info info = {.text = ""};
  struct split *split = NULL;
  enum err err = split_try(dataset, task, &wanted, &split, &refusal, &info);

  if (err == ERR_OK)
  {
    measure_split(split, measured);
    split_free(split);
  }
  else if (err == ERR_INVALID)
    tell_refusal(spec, &refusal, info.text, arena, faults);
  return err == ERR_OK;
}

/* ---- all the rest ------------------------------------------------------------------------------------ */

void
job_rows_check(const struct job_spec *spec, const struct dataset *dataset, const struct task *task,
               enum metric metric, struct arena *arena, struct json_faults *faults)
{
  check_metric(dataset, task, metric, arena, faults);
  check_class_names(spec, task, arena, faults);
  check_weights(spec, dataset, faults);
}
