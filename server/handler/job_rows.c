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

void
job_rows_check(const struct job_spec *spec, const struct dataset *dataset, const struct task *task,
               enum metric metric, struct arena *arena, struct json_faults *faults)
{
  check_metric(dataset, task, metric, arena, faults);
  check_class_names(spec, task, arena, faults);
  check_weights(spec, dataset, faults);
}
